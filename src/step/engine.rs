//! When every slot of a schedule runs: the longest path over slots and messages.
//!
//! A slot starts when its stage is free and its input is there. A message leaves its stage after
//! the slot that made it and after the messages before it (one send lane per stage), and may hold
//! up the stage for a share of its time (sends that block). Collectives of data-parallel ranks run
//! on a lane of their own beside the math of their stage; each slows the other while both run.
//! Time and memory are proportional to the number of slots and collectives: each is looked at once,
//! and a slot once more for every message it waits for.

mod critical;
mod data;
mod lane;
mod memory;
mod run;
mod table;

pub use super::overlap::Slowdown;
pub use critical::{Link, Via};
pub use data::{DataCost, DataWork, Occasion};
pub use lane::JobSpan;

use super::schedule::{Pass, SchedulePlan, Slot};
use std::fmt;

/// Seconds and bytes of one chunk of layers on one stage, for one micro-batch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ChunkCost {
    /// Forward.
    pub forward_s: f64,
    /// Gradients of the inputs, recomputation included.
    pub backward_s: f64,
    /// Gradients of the weights; a full backward takes both.
    pub weight_gradient_s: f64,
    /// Forward of this chunk beside a full backward of the stage's other chunk, as one pair.
    pub pair_s: f64,
    /// Activations kept from the start of forward.
    pub kept_bytes: f64,
    /// What of them the weight gradient still needs once the input gradients are done
    /// (`M_W` of arXiv 2401.10241 §2.3).
    pub weight_gradient_bytes: f64,
}

/// What slots and messages cost.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Costs {
    /// Chunk `c` of stage `i` at `i · chunks + c`.
    pub chunks: Vec<ChunkCost>,
    /// Seconds of a message over each boundary of the path, either way; one fewer than places on
    /// the path. What stays on its stage is free.
    pub messages_s: Vec<f64>,
    /// Share of a message's time for which its sender cannot compute: 0 overlapped, 1 blocking.
    pub blocking_fraction: f64,
    /// Collectives of data-parallel ranks, where they run beside the slots.
    pub data: Option<DataWork>,
}

/// What makes stages differ from their cost: slow devices, and jitter that the caller has drawn.
#[derive(Clone, Copy, Default)]
pub struct Noise<'a> {
    /// Factor on every slot of a stage; stages beyond the end have 1.
    pub stage_factor: &'a [f64],
    /// Factor on a slot, by stage and index in its order.
    pub slot_factor: Option<&'a dyn Fn(usize, usize) -> f64>,
}

impl fmt::Debug for Noise<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Noise")
            .field("stage_factor", &self.stage_factor)
            .field("slot_factor", &self.slot_factor.is_some())
            .finish()
    }
}

/// One slot in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Start.
    pub start_s: f64,
    /// End.
    pub end_s: f64,
    /// What ran.
    pub slot: Slot,
}

/// A message on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SendSpan {
    /// Start.
    pub start_s: f64,
    /// End.
    pub end_s: f64,
    /// The slot that made it.
    pub slot: Slot,
}

/// A quantity at its largest, and when that was first reached.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Peak {
    /// How much.
    pub number: f64,
    /// When.
    pub at_s: f64,
}

/// One stage in time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StageTimeline {
    /// Its slots in order.
    pub spans: Vec<Span>,
    /// Seconds of computing.
    pub busy_s: f64,
    /// Seconds for which sends kept it from computing.
    pub blocked_s: f64,
    /// Seconds of waiting between its first and its last slot: the bubble of a stage that need not
    /// wait for the others before the next step (arXiv 2401.10241 §2.3).
    pub bubble_s: f64,
    /// Forwards without their input gradient, in chunks.
    pub in_flight: Peak,
    /// Bytes of activations.
    pub activation_bytes: Peak,
    /// Messages it sent, in order.
    pub sends: Vec<SendSpan>,
    /// Collectives of its data-parallel ranks, in order.
    pub jobs: Vec<JobSpan>,
    /// When it has computed and communicated all it has to.
    pub end_s: f64,
}

/// A simulated pipeline.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeline {
    /// From the first start to the last end, collectives included.
    pub time_s: f64,
    /// Every stage.
    pub stages: Vec<StageTimeline>,
    /// The slots without slack, first to last: what has to get faster.
    pub critical: Vec<Link>,
}

impl Timeline {
    /// Seconds for which a stage does not compute, out of the whole time.
    #[must_use]
    pub fn idle_s(&self, stage: usize) -> f64 {
        self.stages.get(stage).map_or(0.0, |s| self.time_s - s.busy_s)
    }

    /// The longest of the stages' own spans: the time between steps when no stage waits for all
    /// others at the end (post-validation of the optimizer, arXiv 2401.10241 §4).
    #[must_use]
    pub fn stage_time_s(&self) -> f64 {
        let own = |s: &StageTimeline| Some(s.spans.last()?.end_s - s.spans.first()?.start_s);
        self.stages.iter().filter_map(own).fold(0.0, f64::max)
    }
}

/// Why there is no timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stuck {
    /// A slot that can never run, because what it waits for comes later on its own stage or waits itself.
    Deadlock {
        /// Stage.
        stage: usize,
        /// Index in its order.
        index: usize,
        /// The slot.
        slot: Slot,
    },
    /// A slot of a micro-batch or chunk that does not exist, or a slot that occurs twice.
    Stray {
        /// Stage.
        stage: usize,
        /// Index in its order.
        index: usize,
        /// The slot.
        slot: Slot,
    },
    /// A pass that no stage runs.
    Missing {
        /// Stage.
        stage: usize,
        /// The slot.
        slot: Slot,
    },
    /// Costs of another number of chunks or boundaries than the schedule has, or not finite, or negative.
    Costs,
    /// More slots than can be numbered.
    TooLarge,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stuck::Deadlock { stage, index, slot } => write!(f, "stage {stage} waits for ever at its slot {index}, {slot}"),
            Stuck::Stray { stage, index, slot } => write!(f, "slot {index} of stage {stage} does not belong there: {slot}"),
            Stuck::Missing { stage, slot } => write!(f, "stage {stage} never runs {slot}"),
            Stuck::Costs => f.write_str("the costs do not fit the schedule"),
            Stuck::TooLarge => f.write_str("the schedule has too many slots"),
        }
    }
}

impl std::error::Error for Stuck {}

/// Run a schedule.
///
/// # Errors
///
/// When a slot can never run, is not part of the schedule or is missing, or the costs do not fit.
pub fn run(plan: &SchedulePlan, slots: &[Vec<Slot>], costs: &Costs, noise: &Noise<'_>) -> Result<Timeline, Stuck> {
    let table = table::Table::new(plan, costs)?;
    let mut ran = run::run(&table, slots, costs, noise, true)?;
    let critical = critical::path(&ran, slots);
    let stages = (0..table.stages)
        .map(|i| memory::stage(&table, &mut ran, slots, costs, i))
        .collect();
    Ok(Timeline {
        time_s: ran.time_s,
        stages,
        critical,
    })
}

/// Only the time, without the spans: what a sweep over many noises asks for.
///
/// # Errors
///
/// As [`run`].
pub fn time_s(plan: &SchedulePlan, slots: &[Vec<Slot>], costs: &Costs, noise: &Noise<'_>) -> Result<f64, Stuck> {
    let table = table::Table::new(plan, costs)?;
    run::run(&table, slots, costs, noise, false).map(|ran| ran.time_s)
}

/// Seconds of a pass on its own.
fn pass_s(cost: &ChunkCost, pass: Pass) -> f64 {
    match pass {
        Pass::Forward => cost.forward_s,
        Pass::Backward => cost.backward_s,
        Pass::WeightGradient => cost.weight_gradient_s,
        Pass::FullBackward => cost.backward_s + cost.weight_gradient_s,
    }
}
