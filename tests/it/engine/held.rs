//! What the memory room says a stage holds, against a walk over the slots it runs.

use crate::rooms::config;
use exaplan::layout::held::held_bytes;
use exaplan::step::schedule::{Pass, Schedule, SchedulePlan, Slot, slots};
use proptest::prelude::*;

/// Most bytes at once: a forward's are there from its start, and go at the end of the weight
/// gradient; slots of a pair start together.
fn walked(order: &[Slot], kept_bytes: &[f64]) -> f64 {
    let (mut now, mut most) = (0.0, 0.0f64);
    let mut rest = order;
    while let Some(first) = rest.first() {
        let (pair, later) = rest.split_at(if first.with_next { 2 } else { 1 });
        let bytes = |s: &&Slot| kept_bytes[s.chunk as usize];
        now += pair.iter().filter(|s| s.pass == Pass::Forward).map(|s| bytes(&s)).sum::<f64>();
        most = most.max(now);
        let done = |s: &&Slot| matches!(s.pass, Pass::WeightGradient | Pass::FullBackward);
        now -= pair.iter().filter(done).map(|s| bytes(&s)).sum::<f64>();
        rest = later;
    }
    assert!(now.abs() < 1e-6, "{now} bytes are never given back");
    most
}

/// Sizes of a schedule, legal or not, and what its chunks keep.
fn draws() -> impl Strategy<Value = (SchedulePlan, Vec<f64>)> {
    let kind = prop::sample::select(&Schedule::ALL[..]);
    (kind, 1u32..18, 1u32..7, 1u32..12, 0u32..3, prop::collection::vec(1u32..9, 6)).prop_map(
        |(kind, stages, chunks, rounds, more, kept)| {
            let chunks = kind.chunks().unwrap_or(chunks);
            let whole = kind == Schedule::OneFOneB && chunks > 1;
            let group = if whole { stages + more } else { stages };
            let micro_batches = if whole { group * rounds } else { 2 * rounds * stages / 2 + more };
            let plan = SchedulePlan {
                group,
                ..SchedulePlan::new(kind, stages, chunks, micro_batches)
            };
            (plan, kept.into_iter().map(f64::from).collect())
        },
    )
}

proptest! {
    #![proptest_config(config(4096))]

    #[test]
    fn a_stage_holds_what_its_slots_hold((plan, kept) in draws(), even in any::<bool>()) {
        let Ok(order) = slots(&plan) else { return Ok(()) };
        let kept: Vec<f64> = kept.into_iter().take(plan.chunks as usize).map(|b| if even { 1.0 } else { b }).collect();
        for (i, stage) in (0u32..).zip(&order) {
            let (room, walk) = (held_bytes(&plan, i, &kept), walked(stage, &kept));
            prop_assert!((room - walk).abs() < 1e-6, "{plan:?}, stage {i}, {kept:?}: {room} is not {walk}");
        }
    }
}

/// Every schedule is among the cases, at its smallest and beyond.
#[test]
fn the_smallest_of_every_schedule() {
    for kind in Schedule::ALL {
        let mut tried = 0;
        for (p, m) in (1..9).flat_map(|p| (1..40).map(move |m| (p, m))) {
            let chunks = kind.chunks().unwrap_or(3);
            let plan = SchedulePlan::new(kind, p, chunks, m);
            let Ok(order) = slots(&plan) else { continue };
            let kept = &[3.0, 1.0, 2.0][..chunks as usize];
            for (i, stage) in (0u32..).zip(&order) {
                assert!(
                    (held_bytes(&plan, i, kept) - walked(stage, kept)).abs() < 1e-6,
                    "{plan:?}, stage {i}"
                );
                tried += 1;
            }
        }
        assert!(tried > 100, "{}: {tried}", kind.name());
    }
}
