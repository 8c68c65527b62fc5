//! The chain of slots that decides the time.

use super::super::schedule::Slot;
use super::run::Ran;

/// What a slot waited for last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Nothing: it starts the step.
    Start,
    /// The slot before it on its stage, and what that slot's sends blocked.
    Stage,
    /// A message, behind others that its sender had queued where there are such.
    Message,
}

/// The cause of a start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cause {
    pub via: Via,
    pub stage: u32,
    pub slot: u32,
}

impl Cause {
    pub const START: Cause = Cause {
        via: Via::Start,
        stage: 0,
        slot: 0,
    };
}

/// One slot of the critical path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// Stage.
    pub stage: usize,
    /// Index in its order.
    pub index: usize,
    /// The slot.
    pub slot: Slot,
    /// Start.
    pub start_s: f64,
    /// End.
    pub end_s: f64,
    /// What it waited for: the link before it.
    pub via: Via,
}

/// From the slot that ends last back to the start.
pub(super) fn path(ran: &Ran, slots: &[Vec<Slot>]) -> Vec<Link> {
    // A stage that still reduces gradients when it has computed may be the last to end.
    let mut at = None;
    let mut latest_s = f64::MIN;
    for (stage, (ends, end_s)) in ran.ends_s.iter().zip(&ran.stage_ends_s).enumerate() {
        if !ends.is_empty() && *end_s > latest_s {
            latest_s = *end_s;
            at = Some((stage, ends.len() - 1));
        }
    }
    let mut out = Vec::new();
    while let Some((stage, index)) = at {
        let cause = ran.causes[stage][index];
        out.push(Link {
            stage,
            index,
            slot: slots[stage][index],
            start_s: ran.starts_s[stage][index],
            end_s: ran.ends_s[stage][index],
            via: cause.via,
        });
        at = (cause.via != Via::Start).then_some((cause.stage as usize, cause.slot as usize));
    }
    out.reverse();
    out
}
