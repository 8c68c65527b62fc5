//! A second simulator: slow, and written to be obviously right rather than fast. Every slot starts
//! at zero; again and again each is moved behind what it needs, until nothing moves.

use super::plans;
use exaplan::step::engine::{ChunkCost, Costs, Noise, run};
use exaplan::step::schedule::{Pass, Schedule, SchedulePlan, Slot, slots};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use std::collections::BTreeMap;

/// Stage of the k-th chunk of a micro-batch's path, told by the kind alone.
pub fn path(plan: &SchedulePlan, slot: Slot) -> Vec<(usize, u32)> {
    let p = plan.stages;
    let down: Vec<u32> = (0..p).collect();
    let up: Vec<u32> = down.iter().rev().copied().collect();
    let runs: Vec<(Vec<u32>, u32)> = match (plan.kind, slot.chunk) {
        (Schedule::ZeroBubbleV | Schedule::DualPipeV, _) => vec![(down, 0), (up, 1)],
        (Schedule::DualPipe, 0) => vec![(down, 0)],
        (Schedule::DualPipe, _) => vec![(up, 1)],
        _ => (0..plan.chunks).map(|c| (down.clone(), c)).collect(),
    };
    runs.into_iter()
        .flat_map(|(stages, c)| stages.into_iter().map(move |s| (s as usize, c)))
        .collect()
}

type Key = (usize, Pass, u32, u32);

/// Start and end of every slot, by stage and order.
pub fn simulate(plan: &SchedulePlan, order: &[Vec<Slot>], costs: &Costs, noise: &Noise<'_>) -> Vec<Vec<(f64, f64)>> {
    // A full backward is found under either of its halves.
    let mut at: BTreeMap<Key, (usize, usize)> = BTreeMap::new();
    for (i, stage) in order.iter().enumerate() {
        for (k, slot) in stage.iter().enumerate() {
            let passes = match slot.pass {
                Pass::FullBackward => vec![Pass::Backward, Pass::WeightGradient],
                other => vec![other],
            };
            for pass in passes {
                at.insert((i, pass, slot.micro_batch, slot.chunk), (i, k));
            }
        }
    }
    let mut times: Vec<Vec<(f64, f64)>> = order.iter().map(|s| vec![(0.0, 0.0); s.len()]).collect();
    let mut arrivals: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    loop {
        let mut moved = false;
        for (i, stage) in order.iter().enumerate() {
            let (mut free_s, mut send_s) = (0.0, 0.0);
            let mut k = 0;
            while k < stage.len() {
                let n = if stage[k].with_next { 2 } else { 1 };
                let group: Vec<usize> = (k..k + n).collect();
                let mut start_s: f64 = free_s;
                for &g in &group {
                    let slot = stage[g];
                    let way = path(plan, slot);
                    let here = way.iter().position(|x| *x == (i, slot.chunk)).unwrap();
                    let needs: Vec<(usize, usize)> = match slot.pass {
                        Pass::Forward if here == 0 => vec![],
                        Pass::Forward => vec![at[&(way[here - 1].0, Pass::Forward, slot.micro_batch, way[here - 1].1)]],
                        Pass::WeightGradient => vec![at[&(i, Pass::Backward, slot.micro_batch, slot.chunk)]],
                        _ if here + 1 == way.len() => vec![at[&(i, Pass::Forward, slot.micro_batch, slot.chunk)]],
                        _ => vec![
                            at[&(i, Pass::Forward, slot.micro_batch, slot.chunk)],
                            at[&(way[here + 1].0, Pass::Backward, slot.micro_batch, way[here + 1].1)],
                        ],
                    };
                    for need in needs {
                        let there_s = if need.0 == i {
                            times[need.0][need.1].1
                        } else {
                            arrivals.get(&need).copied().unwrap_or(0.0)
                        };
                        start_s = start_s.max(there_s);
                    }
                }
                let cost = |slot: Slot| costs.chunks[i * plan.chunks as usize + slot.chunk as usize];
                let slot = stage[k];
                let mut time_s = if n == 2 {
                    let forward = if slot.pass == Pass::Forward { slot } else { stage[k + 1] };
                    cost(forward).pair_s
                } else {
                    match slot.pass {
                        Pass::Forward => cost(slot).forward_s,
                        Pass::Backward => cost(slot).backward_s,
                        Pass::WeightGradient => cost(slot).weight_gradient_s,
                        Pass::FullBackward => cost(slot).backward_s + cost(slot).weight_gradient_s,
                    }
                };
                time_s *= noise.stage_factor.get(i).copied().unwrap_or(1.0);
                time_s *= noise.slot_factor.map_or(1.0, |f| f(i, k));
                let end_s = start_s + time_s;
                free_s = end_s;
                for &g in &group {
                    moved |= times[i][g] != (start_s, end_s);
                    times[i][g] = (start_s, end_s);
                    // A message leaves for the next or the last chunk of the path, if that is elsewhere.
                    let slot = stage[g];
                    let way = path(plan, slot);
                    let here = way.iter().position(|x| *x == (i, slot.chunk)).unwrap();
                    let boundary = match slot.pass {
                        Pass::Forward if here + 1 < way.len() && way[here + 1].0 != i => Some(here),
                        Pass::Backward | Pass::FullBackward if here > 0 && way[here - 1].0 != i => Some(here - 1),
                        _ => None,
                    };
                    if let Some(b) = boundary {
                        send_s = f64::max(send_s, end_s) + costs.messages_s[b];
                        free_s += costs.blocking_fraction * costs.messages_s[b];
                        moved |= arrivals.insert((i, g), send_s) != Some(send_s);
                    }
                }
                k += n;
            }
        }
        if !moved {
            return times;
        }
    }
}

/// A few hundred numbers to take costs from.
fn numbers() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(0.05..3.0f64, 97)
}

pub fn costs(plan: &SchedulePlan, numbers: &[f64], message: f64, blocking_fraction: f64) -> Costs {
    let mut next = numbers.iter().copied().cycle();
    let mut take = || next.next().unwrap();
    let one = |_| ChunkCost {
        forward_s: take(),
        backward_s: take(),
        weight_gradient_s: take(),
        pair_s: take(),
        kept_bytes: 2.0 + take(),
        weight_gradient_bytes: take() / 2.0,
    };
    let chunks = (0..plan.stages * plan.chunks).map(one).collect();
    Costs {
        chunks,
        messages_s: (1..plan.path_len()).map(|_| message * take()).collect(),
        blocking_fraction,
        data: None,
    }
}

/// Slots that both simulators put at the same time; the test fails where they differ.
fn compare(plan: &SchedulePlan, order: &[Vec<Slot>], costs: &Costs, noise: &Noise<'_>) -> usize {
    let got = run(plan, order, costs, noise).unwrap();
    let want = simulate(plan, order, costs, noise);
    let mut compared = 0;
    for (stage, times) in got.stages.iter().zip(&want) {
        assert_eq!(stage.spans.len(), times.len());
        for (span, (start_s, end_s)) in stage.spans.iter().zip(times) {
            assert!(
                (span.start_s - start_s).abs() < 1e-9 && (span.end_s - end_s).abs() < 1e-9,
                "{plan:?} {}",
                span.slot
            );
            compared += 1;
        }
    }
    let last = want.iter().flatten().map(|t| t.1).fold(0.0, f64::max);
    assert!((got.time_s - last).abs() < 1e-9);
    compared
}

/// Random costs for each schedule and size.
const DRAWS: u32 = 6;

/// Every schedule at every size up to 4 stages, 8 micro-batches and 3 chunks; sizes for which a
/// schedule does not exist are left out.
#[test]
fn the_engine_equals_the_reference_on_everything_small() {
    let mut runner = proptest::test_runner::TestRunner::new(crate::rooms::config(1));
    let draw = (
        numbers(),
        prop::sample::select(vec![0.0, 0.1, 1.0]),
        prop::sample::select(vec![0.0, 0.5, 1.0]),
    );
    let mut seen = BTreeMap::new();
    let mut compared = 0;
    for (p, v, m) in (1..=4).flat_map(|p| (1..=3).flat_map(move |v| (1..=8).map(move |m| (p, v, m)))) {
        for plan in plans(p, v, m) {
            *seen.entry(plan.kind.name()).or_insert(0) += 1;
            let order = slots(&plan).unwrap();
            for _ in 0..DRAWS {
                let (numbers, message, blocking) = draw.new_tree(&mut runner).unwrap().current();
                let costs = costs(&plan, &numbers, message, blocking);
                let jitter = |stage: usize, slot: usize| numbers[(stage * 31 + slot * 7) % 97];
                let noisy = Noise {
                    stage_factor: &numbers[..2],
                    slot_factor: Some(&jitter),
                };
                for noise in [Noise::default(), noisy] {
                    compared += compare(&plan, &order, &costs, &noise);
                }
            }
        }
    }
    println!("{seen:?}, {} slots compared", compared);
    assert!(compared > 100_000);
    assert_eq!(seen.len(), Schedule::ALL.len(), "{seen:?}");
}
