//! Schedules with whole backward passes: `GPipe`, 1F1B, interleaved and breadth-first.

use super::{Pass, SchedulePlan, Slot};

/// All micro-batches through the first chunk, then the second, and back (arXiv 2211.05953 §3);
/// with one chunk this is `GPipe` (arXiv 1811.06965 §2.3).
pub(super) fn breadth_first(plan: &SchedulePlan) -> Vec<Slot> {
    let (v, m) = (plan.chunks, plan.micro_batches);
    let forward = (0..v).flat_map(|c| (0..m).map(move |j| Slot::new(Pass::Forward, j, c)));
    let backward = (0..v).rev().flat_map(|c| (0..m).map(move |j| Slot::new(Pass::FullBackward, j, c)));
    forward.chain(backward).collect()
}

/// 1F1B: `p − i − 1` forwards ahead, then one forward, one backward (arXiv 2104.04473 §2.2.1);
/// with chunks `2(p − i − 1) + (v − 1)·group` ahead (§2.2.2 and Megatron-LM, where the group is `p`).
pub(super) fn one_f_one_b(plan: &SchedulePlan, stage: u32) -> Vec<Slot> {
    let (v, m) = (plan.chunks, plan.micro_batches);
    let total = u64::from(v) * u64::from(m);
    let behind = u64::from(plan.stages - stage - 1);
    let ahead = if v == 1 {
        behind
    } else {
        2 * behind + u64::from(v - 1) * u64::from(plan.group)
    };
    let ahead = ahead.min(total);
    let mut out = Vec::with_capacity(2 * usize::try_from(total).unwrap_or(0));
    let forward = |k| slot(plan, Pass::Forward, k);
    let backward = |k| slot(plan, Pass::FullBackward, k);
    out.extend((0..ahead).map(forward));
    for k in 0..total {
        if ahead + k < total {
            out.push(forward(ahead + k));
        }
        out.push(backward(k));
    }
    out
}

/// The `k`-th forward or backward of a stage: a group of micro-batches passes all chunks, one
/// chunk after the other, before the next group.
fn slot(plan: &SchedulePlan, pass: Pass, k: u64) -> Slot {
    let v = u64::from(plan.chunks);
    let group = if v == 1 { 1 } else { u64::from(plan.group) };
    let (round, within) = (k / (group * v), k % (group * v));
    let (turn, j) = (within / group, round * group + within % group);
    let chunk = if pass == Pass::Forward { turn } else { v - 1 - turn };
    let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Slot::new(pass, narrow(j), narrow(chunk))
}
