//! What a step bar by bar says: totals by lane, and what the critical path consists of.

mod chart;

pub use chart::chart;

use crate::step::{Bar, Gantt, Lane};
use serde_json::{Value, json};

/// Bars of one name on the critical path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CriticalPart {
    /// Where they run.
    pub lane: Lane,
    /// What they are.
    pub name: &'static str,
    /// How many.
    pub n_spans: u64,
    /// What they take of the step: the seconds that no bar of the path before them takes.
    pub time_s: f64,
}

/// The critical path of a step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Critical {
    /// What it consists of, the longest first.
    pub parts: Vec<CriticalPart>,
    /// Between its bars: messages and waiting that have no bar of their own.
    pub between_s: f64,
    /// After its last bar, until the step ends.
    pub after_s: f64,
    /// Seconds of it on each stage.
    pub stages_s: Vec<f64>,
}

impl Critical {
    /// The critical path of a step that was drawn.
    #[must_use]
    pub fn of(gantt: &Gantt) -> Critical {
        let mut out = Critical {
            stages_s: vec![0.0; gantt.stages.len()],
            ..Critical::default()
        };
        let mut reached_s: f64 = 0.0;
        for (stage, bar) in path(gantt) {
            out.between_s += (bar.start_s - reached_s).max(0.0);
            let own_s = bar.end_s - bar.start_s.max(reached_s);
            // What belongs to no chunk happens on every stage at the same time.
            if bar.chunk.is_some() {
                out.stages_s[stage] += own_s;
            }
            out.add(bar, own_s);
            reached_s = bar.end_s;
        }
        out.after_s = (gantt.time_s - reached_s).max(0.0);
        out.parts.sort_by(|a, b| b.time_s.total_cmp(&a.time_s));
        out
    }

    fn add(&mut self, bar: &Bar, own_s: f64) {
        match self.parts.iter_mut().find(|p| p.lane == bar.lane && p.name == bar.name) {
            Some(part) => {
                part.n_spans += 1;
                part.time_s += own_s;
            }
            None => self.parts.push(CriticalPart {
                lane: bar.lane,
                name: bar.name,
                n_spans: 1,
                time_s: own_s,
            }),
        }
    }

    /// The stage that most of it runs on.
    #[must_use]
    pub fn heaviest(&self) -> usize {
        // The first of equals.
        let better = |a: (usize, f64), b: (usize, f64)| if b.1 > a.1 { b } else { a };
        self.stages_s
            .iter()
            .copied()
            .enumerate()
            .reduce(better)
            .map_or(0, |(stage, _)| stage)
    }
}

/// The bars that the critical path leads through, with their stage: of bars at the same time the
/// first, of overlapping ones those that reach further.
#[must_use]
pub fn path(gantt: &Gantt) -> Vec<(usize, &Bar)> {
    let stages = gantt.stages.iter().enumerate();
    let mut bars: Vec<(usize, &Bar)> = stages
        .flat_map(|(stage, bars)| bars.iter().filter(|b| b.critical).map(move |b| (stage, b)))
        .collect();
    bars.sort_by(|(_, a), (_, b)| a.start_s.total_cmp(&b.start_s));
    let mut reached_s: f64 = 0.0;
    bars.retain(|(_, bar)| {
        let further = bar.end_s > reached_s;
        reached_s = reached_s.max(bar.end_s);
        further
    });
    bars
}

/// `timeline` of the plan's JSON: what the trace of the same step adds up to.
#[must_use]
pub fn json(gantt: &Gantt) -> Value {
    let bars = || gantt.stages.iter().flatten();
    let critical = || bars().filter(|b| b.critical);
    let lanes: Vec<Value> = gantt
        .totals()
        .iter()
        .map(|t| json!({ "lane": t.lane.name(), "n_spans": t.n_spans, "busy_s": t.busy_s }))
        .collect();
    json!({
        "time_s": gantt.time_s,
        "n_spans": bars().count(),
        "lanes": lanes,
        "critical": { "n_spans": critical().count(), "busy_s": critical().map(|b| b.busy_s).sum::<f64>() },
    })
}

/// The critical path for programs.
#[must_use]
pub fn critical_json(critical: &Critical) -> Value {
    let part = |p: &CriticalPart| json!({ "lane": p.lane.name(), "name": p.name, "n_spans": p.n_spans, "time_s": p.time_s });
    json!({
        "parts": critical.parts.iter().map(part).collect::<Vec<_>>(),
        "between_s": critical.between_s,
        "after_s": critical.after_s,
        "stages_s": critical.stages_s,
    })
}
