//! Pipeline schedules as data: in which order a stage runs its slots.
//!
//! A slot is one pass of one micro-batch through one chunk of layers. The order is all that a
//! schedule is; when each slot runs follows from it in [`super::engine`].

mod dual;
mod fill;
mod zero;

pub use crate::layout::schedule::{Placement, Schedule, SchedulePlan, Unsupported};

use std::fmt;

/// What a slot computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pass {
    /// Forward.
    Forward,
    /// The part of backward that the stage before waits for: gradients of the inputs.
    Backward,
    /// The part that nobody waits for: gradients of the weights.
    WeightGradient,
    /// Both at once; the stage before gets its gradient at the end.
    FullBackward,
}

/// One pass of one micro-batch through one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    /// What it computes.
    pub pass: Pass,
    /// Runs at the same time as the next slot of the stage, both for the duration of the pair.
    pub with_next: bool,
    /// Micro-batch.
    pub micro_batch: u32,
    /// Chunk, counted on the stage.
    pub chunk: u32,
}

impl Slot {
    /// A slot on its own.
    #[must_use]
    pub fn new(pass: Pass, micro_batch: u32, chunk: u32) -> Slot {
        Slot {
            pass,
            with_next: false,
            micro_batch,
            chunk,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pass = match self.pass {
            Pass::Forward => "forward",
            Pass::Backward => "input gradient",
            Pass::WeightGradient => "weight gradient",
            Pass::FullBackward => "backward",
        };
        write!(f, "{pass} of micro-batch {} in chunk {}", self.micro_batch, self.chunk)
    }
}

/// The slots of every stage, in the order in which it runs them.
///
/// # Errors
///
/// When the schedule does not exist for these sizes.
pub fn slots(plan: &SchedulePlan) -> Result<Vec<Vec<Slot>>, Unsupported> {
    if let Some(why) = plan.refused() {
        return Err(why);
    }
    let one = |stage| match plan.kind {
        Schedule::GPipe | Schedule::BreadthFirst => fill::breadth_first(plan),
        Schedule::OneFOneB => fill::one_f_one_b(plan, stage),
        Schedule::ZeroBubbleH1 => zero::handcrafted(plan, stage, 1),
        Schedule::ZeroBubbleH2 => zero::handcrafted(plan, stage, 2),
        Schedule::ZeroBubbleV => zero::vee(plan, stage),
        Schedule::DualPipe => dual::two_way(plan, stage),
        Schedule::DualPipeV => dual::vee(plan, stage),
    };
    Ok((0..plan.stages).map(one).collect())
}
