//! A simulated step as bars on lanes: what a trace, a picture or a table of a step is drawn from.

mod inside;

use super::Machine;
use super::engine::{JobSpan, SendSpan, Span, StageTimeline};
use super::event::EngineStep;
use super::schedule::Pass;
use crate::layout::Layout;
use crate::workload::Workload;

/// A forward and a backward at the same time.
pub const PAIR: &str = "forward beside backward";

/// What runs at the same time on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Kernels.
    Compute,
    /// Tensor- and context-parallel communication.
    Tensor,
    /// Expert dispatch and combine.
    Expert,
    /// Sends to neighbouring stages.
    Send,
    /// Gradients and weights among data-parallel ranks.
    Data,
    /// Copies to and from the host.
    Copy,
}

impl Lane {
    /// Every lane with its name, top to bottom.
    pub const ALL: [(&'static str, Lane); 6] = [
        ("compute", Lane::Compute),
        ("tensor", Lane::Tensor),
        ("expert", Lane::Expert),
        ("send", Lane::Send),
        ("data", Lane::Data),
        ("copy", Lane::Copy),
    ];

    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Lane::ALL.iter().find(|(_, l)| *l == self).map_or("compute", |(n, _)| n)
    }
}

/// Something that takes a lane from one moment to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// Where.
    pub lane: Lane,
    /// What, for people.
    pub name: &'static str,
    /// Start.
    pub start_s: f64,
    /// End.
    pub end_s: f64,
    /// Seconds of work in it; less than its length where several pieces were joined.
    pub busy_s: f64,
    /// Micro-batch, where it belongs to one.
    pub micro_batch: Option<u32>,
    /// Chunk of the stage, where it belongs to one.
    pub chunk: Option<u32>,
    /// It is on the critical path: the step gets shorter when it does.
    pub critical: bool,
}

/// Every bar of a step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gantt {
    /// Length of the step.
    pub time_s: f64,
    /// Bars of each stage by lane, then by start; bars of one lane do not overlap.
    pub stages: Vec<Vec<Bar>>,
}

/// Bars of one lane over all stages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LaneTotal {
    /// The lane.
    pub lane: Lane,
    /// Bars.
    pub n_spans: u64,
    /// Seconds of work in them.
    pub busy_s: f64,
}

impl Gantt {
    /// Totals of the lanes that have bars.
    #[must_use]
    pub fn totals(&self) -> Vec<LaneTotal> {
        let total = |(_, lane): (&str, Lane)| {
            let bars = self.stages.iter().flatten().filter(|b| b.lane == lane);
            let (n_spans, busy_s) = bars.fold((0, 0.0), |(n, s), b| (n + 1, s + b.busy_s));
            LaneTotal { lane, n_spans, busy_s }
        };
        Lane::ALL.map(total).into_iter().filter(|t| t.n_spans > 0).collect()
    }
}

/// The bars of a simulated step.
#[must_use]
pub fn gantt(workload: &Workload, machine: &Machine, layout: &Layout, step: &EngineStep) -> Gantt {
    let timeline = &step.timeline;
    let mut stages: Vec<Vec<Bar>> = timeline.stages.iter().map(slots).collect();
    for link in &timeline.critical {
        if let Some(bar) = stages.get_mut(link.stage).and_then(|s| s.get_mut(link.index)) {
            bar.critical = true;
        }
    }
    let inside = inside::bars(workload, machine, layout, step);
    for ((bars, stage), inside) in stages.iter_mut().zip(&timeline.stages).zip(inside) {
        join_pairs(bars, stage);
        bars.extend(inside);
        bars.extend(stage.sends.iter().map(send));
        let computed_s = stage.spans.last().map_or(0.0, |s| s.end_s);
        // What the last stage still has to reduce when it has computed ends the pipeline.
        let last = stage.end_s >= timeline.time_s;
        bars.extend(stage.jobs.iter().map(|job| collective(job, last && job.end_s > computed_s)));
        bars.extend(tail(step));
        bars.sort_by(|a, b| a.lane.cmp(&b.lane).then(a.start_s.total_cmp(&b.start_s)));
    }
    Gantt {
        time_s: step.time_s,
        stages,
    }
}

/// The two slots of a pair are one bar, that of the first with the name of both.
fn join_pairs(bars: &mut Vec<Bar>, stage: &StageTimeline) {
    let mut out: Vec<Bar> = Vec::with_capacity(bars.len());
    let mut second = false;
    for (bar, span) in bars.iter().zip(&stage.spans) {
        match out.last_mut() {
            Some(first) if second => {
                first.name = PAIR;
                first.critical |= bar.critical;
                second = false;
            }
            _ => {
                out.push(*bar);
                second = span.slot.with_next;
            }
        }
    }
    *bars = out;
}

fn slots(stage: &StageTimeline) -> Vec<Bar> {
    let bar = |span: &Span| Bar {
        lane: Lane::Compute,
        name: match span.slot.pass {
            Pass::Forward => "forward",
            Pass::Backward => "input gradient",
            Pass::WeightGradient => "weight gradient",
            Pass::FullBackward => "backward",
        },
        start_s: span.start_s,
        end_s: span.end_s,
        busy_s: span.end_s - span.start_s,
        micro_batch: Some(span.slot.micro_batch),
        chunk: Some(span.slot.chunk),
        critical: false,
    };
    stage.spans.iter().map(bar).collect()
}

fn send(span: &SendSpan) -> Bar {
    Bar {
        lane: Lane::Send,
        name: if span.slot.pass == Pass::Forward {
            "send activations"
        } else {
            "send gradients"
        },
        start_s: span.start_s,
        end_s: span.end_s,
        busy_s: span.end_s - span.start_s,
        micro_batch: Some(span.slot.micro_batch),
        chunk: Some(span.slot.chunk),
        critical: false,
    }
}

fn collective(job: &JobSpan, critical: bool) -> Bar {
    Bar {
        lane: Lane::Data,
        name: if job.gathers { "gather weights" } else { "reduce gradients" },
        start_s: job.start_s,
        end_s: job.end_s,
        busy_s: job.end_s - job.start_s,
        micro_batch: None,
        chunk: Some(job.chunk),
        critical,
    }
}

/// What every stage does when the pipeline is through.
fn tail(step: &EngineStep) -> Vec<Bar> {
    let tail = &step.tail;
    let parts = [
        (Lane::Data, "collectives that run beside nothing", tail.data_s),
        (Lane::Compute, "optimizer", tail.optimizer_s),
        (Lane::Compute, "waiting for the slowest node", tail.straggler_s),
    ];
    let mut start_s = step.timeline.time_s;
    let mut out = Vec::new();
    for (lane, name, busy_s) in parts.into_iter().filter(|p| p.2 > 0.0) {
        let end_s = start_s + busy_s;
        out.push(Bar {
            lane,
            name,
            start_s,
            end_s,
            busy_s,
            micro_batch: None,
            chunk: None,
            critical: true,
        });
        start_s = end_s;
    }
    out
}
