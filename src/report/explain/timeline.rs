//! `exaplan explain timeline`: a step stage by stage, its critical path, and what to change next.

use crate::plan::Plan;
use crate::report::plan::provenance_json;
use crate::report::timeline::{self, Critical, CriticalPart};
use crate::report::{Block, Cell, Column, Document, KeyValue, Kind, Span, Table};
use crate::step::{Gantt, closed_parts};
use crate::study::sensitivity::Effect;
use serde_json::{Value, json};

/// Changes below this are none.
const NOTHING_FRACTION: f64 = 5e-6;
/// Stages that the sentence about the critical path names.
const NAMED: usize = 3;

/// For people.
#[must_use]
pub fn document(plan: &Plan, gantt: &Gantt, effects: &[Effect]) -> Document {
    let critical = Critical::of(gantt);
    let closed_s = closed_parts(&plan.scenario.workload, &plan.scenario.machine(), &plan.layout).total_s();
    let closed = Kind::Duration.human(closed_s);
    let time = KeyValue::new("Step time", Cell::quantity(gantt.time_s, Kind::Duration))
        .note(format!("slot by slot; {closed} in closed form, which the search ranks by"))
        .answer();
    let mut blocks = vec![Block::KeyValues(vec![time])];
    blocks.extend(drawn(gantt, &critical));
    blocks.push(Block::Table(what_next(effects)));
    super::document(plan, "The timeline of one step", blocks)
}

/// The chart of a step and its critical path.
#[must_use]
pub fn drawn(gantt: &Gantt, critical: &Critical) -> [Block; 3] {
    [
        Block::Chart(timeline::chart(gantt, critical.heaviest())),
        Block::Table(critical_table(critical, gantt.time_s)),
        Block::Paragraph(vec![Span::plain(where_it_runs(critical, gantt.time_s))]),
    ]
}

/// For programs: schema `exaplan.timeline/1`.
#[must_use]
pub fn json(plan: &Plan, gantt: &Gantt, effects: &[Effect]) -> Value {
    json!({
        "schema": "exaplan.timeline/1",
        "timeline": timeline::json(gantt),
        "stages": stages(gantt),
        "critical_path": timeline::critical_json(&Critical::of(gantt)),
        "what_next": effects_json(effects),
        "provenance": provenance_json(&plan.provenance),
    })
}

/// `what_next`: the most useful first.
#[must_use]
pub fn effects_json(effects: &[Effect]) -> Value {
    let one = |e: &Effect| json!({ "term": e.term, "change": e.change, "step_time_change_fraction": e.step_time_change_fraction });
    effects.iter().map(one).collect()
}

/// Totals of each stage by lane.
pub(super) fn stages(gantt: &Gantt) -> Vec<Value> {
    let one = |(stage, bars): (usize, &Vec<crate::step::Bar>)| {
        let alone = Gantt {
            time_s: gantt.time_s,
            stages: vec![bars.clone()],
        };
        let lane = |t: &crate::step::gantt::LaneTotal| json!({ "lane": t.lane.name(), "n_spans": t.n_spans, "busy_s": t.busy_s });
        json!({ "stage": stage, "lanes": alone.totals().iter().map(lane).collect::<Vec<_>>() })
    };
    gantt.stages.iter().enumerate().map(one).collect()
}

/// What one property 10 % better does to the step.
#[must_use]
pub fn what_next(effects: &[Effect]) -> Table {
    let columns = vec![
        Column::words("What to change next"),
        Column::words("Better by"),
        Column::numbers("Step time").unit("%"),
    ];
    let mut table = Table::new("", columns);
    let nothing = |e: &&Effect| e.step_time_change_fraction.abs() < NOTHING_FRACTION;
    table.rows = effects
        .iter()
        .filter(|e| !nothing(e))
        .map(|e| {
            let change = Cell::quantity(e.step_time_change_fraction, Kind::Percent);
            vec![e.term.into(), e.change.into(), change]
        })
        .collect();
    let without: Vec<&str> = effects.iter().filter(nothing).map(|e| e.term).collect();
    if !without.is_empty() {
        table.notes.push(format!("No effect: {}.", without.join(", ")));
    }
    table
}

fn critical_table(critical: &Critical, time_s: f64) -> Table {
    let columns = vec![
        Column::words("Critical path"),
        Column::numbers("Bars"),
        Column::numbers("Time"),
        Column::numbers("Share"),
    ];
    let mut table = Table::new("", columns);
    let row = |name: String, n: Cell, s: f64| {
        vec![
            Cell::Text(name),
            n,
            Cell::quantity(s, Kind::Duration),
            Cell::quantity(s / time_s, Kind::Percent),
        ]
    };
    #[allow(clippy::cast_precision_loss)]
    let part = |p: &CriticalPart| row(p.name.to_string(), Cell::Count(p.n_spans as f64), p.time_s);
    table.rows = critical.parts.iter().map(part).collect();
    let rest = [
        ("between bars: messages, waiting", critical.between_s),
        ("after the last bar", critical.after_s),
    ];
    let shown = rest.into_iter().filter(|(_, s)| *s > NOTHING_FRACTION * time_s);
    table.rows.extend(shown.map(|(name, s)| row(name.to_string(), Cell::Missing, s)));
    table
}

/// Which stages the critical path runs through.
fn where_it_runs(critical: &Critical, time_s: f64) -> String {
    let mut stages: Vec<(usize, f64)> = critical.stages_s.iter().copied().enumerate().filter(|(_, s)| *s > 0.0).collect();
    // Stable: of equals the first stage stays first.
    stages.sort_by(|a, b| b.1.total_cmp(&a.1));
    let named: Vec<String> = stages
        .iter()
        .take(NAMED)
        .map(|(stage, s)| format!("stage {stage} ({})", Kind::Percent.human(s / time_s)))
        .collect();
    match stages.len() {
        0 => "Nothing is on the critical path.".to_string(),
        1 => format!("It runs on {}.", named.join("")),
        n => format!(
            "It runs through {n} stages; the largest shares of the step are on {}.",
            named.join(", ")
        ),
    }
}
