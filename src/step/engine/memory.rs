//! One stage over time: spans, waiting, activations.

use super::super::schedule::{Pass, Slot};
use super::run::Ran;
use super::table::Table;
use super::{Costs, Peak, Span, StageTimeline};

/// A running amount with its largest value.
#[derive(Default)]
struct Amount {
    now: f64,
    peak: Peak,
}

impl Amount {
    fn add(&mut self, number: f64, at_s: f64) {
        self.now += number;
        if self.now > self.peak.number {
            self.peak = Peak { number: self.now, at_s };
        }
    }
}

/// What the walk says about a stage. Activations are there from the start of the forward; the end of
/// the input gradient frees what the weight gradient does not need, and its end the rest.
pub(super) fn stage(table: &Table, ran: &mut Ran, slots: &[Vec<Slot>], costs: &Costs, stage: usize) -> StageTimeline {
    let times = ran.starts_s[stage].iter().zip(&ran.ends_s[stage]);
    let spans: Vec<Span> = slots[stage]
        .iter()
        .zip(times)
        .map(|(slot, (start_s, end_s))| Span {
            start_s: *start_s,
            end_s: *end_s,
            slot: *slot,
        })
        .collect();
    let (mut in_flight, mut bytes) = (Amount::default(), Amount::default());
    let mut busy_s = 0.0;
    let mut rest = spans.as_slice();
    while let Some((first, after)) = rest.split_first() {
        let n = if first.slot.with_next && !after.is_empty() { 2 } else { 1 };
        busy_s += first.end_s - first.start_s;
        let (now, later) = rest.split_at(n);
        for span in now.iter().filter(|s| s.slot.pass == Pass::Forward) {
            in_flight.add(1.0, span.start_s);
            bytes.add(
                costs.chunks[stage * table.chunks + span.slot.chunk as usize].kept_bytes,
                span.start_s,
            );
        }
        for span in now {
            let cost = &costs.chunks[stage * table.chunks + span.slot.chunk as usize];
            let (batches, freed_bytes) = match span.slot.pass {
                Pass::Forward => (0.0, 0.0),
                Pass::Backward => (1.0, cost.kept_bytes - cost.weight_gradient_bytes),
                Pass::WeightGradient => (0.0, cost.weight_gradient_bytes),
                Pass::FullBackward => (1.0, cost.kept_bytes),
            };
            in_flight.add(-batches, span.end_s);
            bytes.add(-freed_bytes, span.end_s);
        }
        rest = later;
    }
    let own_s = spans.last().map_or(0.0, |s| s.end_s) - spans.first().map_or(0.0, |s| s.start_s);
    StageTimeline {
        busy_s,
        blocked_s: ran.blocked_s[stage],
        bubble_s: (own_s - busy_s).max(0.0),
        in_flight: in_flight.peak,
        activation_bytes: bytes.peak,
        sends: std::mem::take(&mut ran.sends[stage]),
        jobs: std::mem::take(&mut ran.jobs[stage]),
        end_s: ran.stage_ends_s[stage],
        spans,
    }
}
