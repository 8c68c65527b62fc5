//! What the micro-batches that are under way leave on a stage: the largest amount of activations
//! that it holds at once, from the start of a forward to the end of its weight gradient.
//!
//! Exact for every schedule: a test walks the slots of `step::schedule` and finds the same.

use super::{Schedule, SchedulePlan};

/// Most bytes of activations at once on a stage whose chunks keep `kept_bytes` per micro-batch.
///
/// - `GPipe`, breadth-first: everything (arXiv 1811.06965 §2.3, 2211.05953 §3).
/// - 1F1B: the distance to the last stage (arXiv 2104.04473 §2.2.1); interleaved: a warm-up of
///   `2(p − i − 1) + (v − 1)·group` chunks and the one running (§2.2.2, Megatron-LM).
/// - ZB-H1, ZB-H2: `p` and `2p − 1` on every stage, because weight gradients wait where 1F1B would
///   hold less (arXiv 2401.10241 §2.1, §2.2, table 2).
/// - ZB-V: `2p` half stages, the memory of 1F1B on its first stage (arXiv 2405.15362 §4).
/// - `DualPipe`: `p + 1` (arXiv 2412.19437 table 2), `p − d` of the copy that enters at the nearer
///   end and `d + 1` of the other at distance `d` from that end; `DualPipeV`: `2p + 1` half stages.
#[must_use]
pub fn held_bytes(plan: &SchedulePlan, stage: u32, kept_bytes: &[f64]) -> f64 {
    let (p, m, i) = (f64::from(plan.stages), f64::from(plan.micro_batches), f64::from(stage));
    let kept = |chunk: usize| kept_bytes.get(chunk).copied().unwrap_or(0.0);
    let (first, second) = (kept(0), kept(1));
    match plan.kind {
        Schedule::GPipe | Schedule::BreadthFirst => m * kept_bytes.iter().sum::<f64>(),
        Schedule::OneFOneB if plan.chunks > 1 => interleaved(plan, stage, kept_bytes),
        Schedule::OneFOneB => (p - i).min(m) * first,
        Schedule::ZeroBubbleH1 => p.min(m) * first,
        Schedule::ZeroBubbleH2 => (2.0 * p - 1.0).min(m) * first,
        Schedule::ZeroBubbleV => {
            // A forward down, or a forward back up, on top of what the other slots of a turn leave.
            let down = (2.0 * p - i).min(m) * first + i * second;
            let up = (2.0 * p - i - 1.0) * first + (i + 1.0) * second;
            down.max(up)
        }
        Schedule::DualPipe => {
            let far = plan.stages.saturating_sub(1).saturating_sub(stage);
            let near = f64::from(stage.min(far));
            let (own, other) = if stage < plan.stages / 2 {
                (first, second)
            } else {
                (second, first)
            };
            (p - near) * own + (near + 1.0) * other
        }
        Schedule::DualPipeV => (2.0 * p - i) * first + (i + 1.0) * second,
    }
}

/// Interleaved 1F1B. Where chunks keep the same, their number decides; else which chunks they are
/// changes with every slot, and the peak lies where a group of the forwards or backwards ends.
fn interleaved(plan: &SchedulePlan, stage: u32, kept_bytes: &[f64]) -> f64 {
    let (v, group) = (u64::from(plan.chunks), u64::from(plan.group.max(1)));
    let all = v * u64::from(plan.micro_batches);
    let behind = u64::from(plan.stages.saturating_sub(stage + 1));
    let ahead = (2 * behind + (v - 1) * group).min(all);
    let first = kept_bytes.first().copied().unwrap_or(0.0);
    if kept_bytes.iter().all(|b| b.to_bits() == first.to_bits()) {
        return number((ahead + 1).min(all)) * first;
    }
    // How many of the first `n` slots are of the chunk whose turn comes as the `turn`-th.
    let of_turn = |n: u64, turn: u64| n / (group * v) * group + (n % (group * v)).saturating_sub(turn * group).min(group);
    let held = |forwards: u64, backwards: u64| -> f64 {
        let chunks = (0..v).zip(kept_bytes);
        chunks
            .map(|(c, bytes)| bytes * (number(of_turn(forwards, c)) - number(of_turn(backwards, v - 1 - c))))
            .sum()
    };
    if ahead == all {
        return held(all, 0);
    }
    // Whatever the number of micro-batches, the steady state repeats once all chunks have had a turn.
    let last = (all - ahead).min(group * v) - 1;
    let ends_of_forwards = (0..=v).filter_map(|turn| (turn * group + group - 1).checked_sub(ahead % group));
    let candidates = (0..v).map(|turn| turn * group).chain(ends_of_forwards).chain([last]);
    candidates
        .filter(|&k| k <= last)
        .map(|k| held(ahead + k + 1, k))
        .fold(0.0, f64::max)
}

#[allow(clippy::cast_precision_loss)]
fn number(n: u64) -> f64 {
    n as f64
}
