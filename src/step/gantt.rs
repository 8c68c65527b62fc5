//! A simulated step as bars on lanes: what a trace, a picture or a table of a step is drawn from.

use super::event::EngineStep;
use super::schedule::Pass;

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
pub fn gantt(step: &EngineStep) -> Gantt {
    let mut stages: Vec<Vec<Bar>> = step
        .timeline
        .stages
        .iter()
        .map(|stage| {
            let bar = |span: &super::engine::Span| Bar {
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
        })
        .collect();
    for link in &step.timeline.critical {
        if let Some(bar) = stages.get_mut(link.stage).and_then(|s| s.get_mut(link.index)) {
            bar.critical = true;
        }
    }
    Gantt {
        time_s: step.time_s,
        stages,
    }
}
