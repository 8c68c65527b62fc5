//! What must hold for any schedule and any durations.

use super::plans;
use super::reference::costs;
use exaplan::step::engine::{Costs, Noise, Stuck, Via, run, time_s};
use exaplan::step::schedule::{Pass, Schedule, SchedulePlan, Slot, slots};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A schedule of any kind and size.
fn any_plan() -> impl Strategy<Value = SchedulePlan> {
    (1u32..9, 1u32..4, 1u32..25, 0usize..64).prop_filter_map("no such schedule", |(p, v, m, pick)| {
        let all = plans(p, v, m);
        (!all.is_empty()).then(|| all[pick % all.len()])
    })
}

fn any_costs() -> impl Strategy<Value = (SchedulePlan, Costs, Vec<f64>)> {
    let numbers = prop::collection::vec(0.05..3.0f64, 97);
    (any_plan(), numbers, 0.0..0.5f64, 0.0..1.0f64).prop_map(|(plan, numbers, message, blocking)| {
        let costs = costs(&plan, &numbers, message, blocking);
        (plan, costs, numbers)
    })
}

fn time(plan: &SchedulePlan, costs: &Costs) -> f64 {
    time_s(plan, &slots(plan).unwrap(), costs, &Noise::default()).unwrap()
}

proptest! {
    #![proptest_config(crate::rooms::config(256))]

    #[test]
    fn every_pass_runs_exactly_once(plan in any_plan()) {
        let (mut forward, mut backward, mut weights) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (i, order) in slots(&plan).unwrap().iter().enumerate() {
            for slot in order {
                let key = (i, slot.chunk, slot.micro_batch);
                prop_assert!(slot.pass != Pass::Forward || forward.insert(key));
                prop_assert!(!matches!(slot.pass, Pass::Backward | Pass::FullBackward) || backward.insert(key));
                prop_assert!(!matches!(slot.pass, Pass::WeightGradient | Pass::FullBackward) || weights.insert(key));
            }
        }
        let all = (plan.micro_batches as usize) * plan.path_len();
        prop_assert_eq!(forward.len(), all);
        prop_assert_eq!(&forward, &backward);
        prop_assert_eq!(&forward, &weights);
    }

    #[test]
    fn slots_follow_their_order_and_the_critical_path_its_time((plan, costs, _) in any_costs()) {
        let order = slots(&plan).unwrap();
        let t = run(&plan, &order, &costs, &Noise::default()).unwrap();
        for (stage, order) in t.stages.iter().zip(&order) {
            prop_assert_eq!(stage.spans.len(), order.len());
            for (a, b) in stage.spans.iter().zip(stage.spans.iter().skip(1)) {
                let together = a.start_s == b.start_s && a.end_s == b.end_s;
                prop_assert!(a.end_s <= b.start_s || (a.slot.with_next && together));
            }
            prop_assert!(stage.spans.iter().zip(order).all(|(s, o)| s.slot == *o));
            prop_assert!(stage.busy_s + stage.bubble_s <= t.time_s * (1.0 + 1e-12));
            prop_assert!(stage.in_flight.number >= 1.0 && stage.activation_bytes.at_s <= t.time_s);
        }
        prop_assert_eq!(t.critical.first().unwrap().start_s, 0.0);
        prop_assert_eq!(t.critical.first().unwrap().via, Via::Start);
        prop_assert_eq!(t.critical.last().unwrap().end_s, t.time_s);
        for pair in t.critical.windows(2) {
            // What lies between two links is a message, or a send that blocked.
            let gap_s = pair[1].start_s - pair[0].end_s;
            prop_assert!(gap_s >= -1e-12, "{:?}", pair);
            let same = pair[0].stage == pair[1].stage;
            prop_assert_eq!(same, pair[1].via == Via::Stage);
            prop_assert!(!same || gap_s <= 2.0 * costs.blocking_fraction * costs.messages_s.iter().copied().fold(0.0, f64::max) + 1e-12);
        }
        prop_assert_eq!(time(&plan, &costs), t.time_s);
    }

    #[test]
    fn nothing_gets_faster_when_something_gets_slower((plan, costs, numbers) in any_costs()) {
        let base = time(&plan, &costs);
        for (i, n) in numbers.iter().enumerate().take(12) {
            let mut slower = costs.clone();
            let at = (i * 5) % slower.chunks.len();
            let c = &mut slower.chunks[at];
            match i % 5 {
                0 => c.forward_s += n,
                1 => c.backward_s += n,
                2 => c.weight_gradient_s += n,
                3 => c.pair_s += n,
                _ => slower.messages_s.iter_mut().for_each(|s| *s += n),
            }
            prop_assert!(time(&plan, &slower) >= base * (1.0 - 1e-12));
        }
        let mut blocking = costs.clone();
        blocking.blocking_fraction = 1.0;
        prop_assert!(time(&plan, &blocking) >= base * (1.0 - 1e-12));
    }

    #[test]
    fn a_slow_stage_never_helps_and_never_costs_more_than_its_factor((plan, costs, numbers) in any_costs()) {
        let base = time(&plan, &costs);
        let order = slots(&plan).unwrap();
        for stage in 0..plan.stages as usize {
            let factor = 1.0 + numbers[stage] / 3.0;
            let mut factors = vec![1.0; plan.stages as usize];
            factors[stage] = factor;
            let noise = Noise { stage_factor: &factors, slot_factor: None };
            let slow = time_s(&plan, &order, &costs, &noise).unwrap();
            prop_assert!(slow >= base * (1.0 - 1e-12) && slow <= base * factor * (1.0 + 1e-12));
        }
    }

    #[test]
    fn twice_the_seconds_take_twice_the_time((plan, costs, _) in any_costs()) {
        let mut twice = costs.clone();
        for c in &mut twice.chunks {
            c.forward_s *= 2.0;
            c.backward_s *= 2.0;
            c.weight_gradient_s *= 2.0;
            c.pair_s *= 2.0;
        }
        twice.messages_s.iter_mut().for_each(|s| *s *= 2.0);
        prop_assert_eq!(time(&plan, &twice), 2.0 * time(&plan, &costs));
    }

    #[test]
    fn an_order_turned_round_is_named_and_not_waited_for((plan, costs, numbers) in any_costs()) {
        let mut order = slots(&plan).unwrap();
        let stage = plan.stages as usize - 1;
        order[stage].reverse();
        for slot in &mut order[stage] {
            slot.with_next = false;
        }
        let got = run(&plan, &order, &costs, &Noise::default());
        prop_assert!(matches!(got, Err(Stuck::Deadlock { .. })), "{:?}", got.map(|t| t.time_s));
        // A slot twice, a slot of nowhere, a slot left out.
        let at = |n: f64, len: usize| (n * 1000.0) as usize % len;
        let order = slots(&plan).unwrap();
        let k = at(numbers[0], order[0].len());
        for (change, what) in [(0, "twice"), (1, "nowhere"), (2, "left out")] {
            let mut broken = order.clone();
            match change {
                0 => {
                    let slot = Slot::new(broken[0][k].pass, broken[0][k].micro_batch, broken[0][k].chunk);
                    broken[0].push(slot);
                }
                1 => broken[0][k].micro_batch = plan.micro_batches,
                _ => {
                    broken[0].remove(k);
                }
            }
            prop_assert!(run(&plan, &broken, &costs, &Noise::default()).is_err(), "{}", what);
        }
    }
}

#[test]
fn costs_that_do_not_fit_are_refused() {
    let plan = SchedulePlan::new(Schedule::OneFOneB, 4, 1, 8);
    let order = slots(&plan).unwrap();
    let good = super::even(&plan, super::chunk(1.0, 1.0, 1.0));
    let mut few = good.clone();
    few.messages_s.pop();
    let mut nan = good.clone();
    nan.chunks[2].forward_s = f64::NAN;
    let mut negative = good.clone();
    negative.chunks[2].forward_s = -1.0;
    for bad in [few, nan, negative] {
        assert_eq!(run(&plan, &order, &bad, &Noise::default()), Err(Stuck::Costs));
    }
    assert_eq!(run(&plan, &order[1..], &good, &Noise::default()), Err(Stuck::Costs));
}

#[test]
fn schedules_that_do_not_exist_say_why() {
    for (kind, p, v, m, words) in [
        (Schedule::OneFOneB, 4, 2, 6, "multiple of 4"),
        (Schedule::ZeroBubbleV, 4, 2, 6, "needs 7"),
        (Schedule::DualPipe, 3, 2, 8, "must be even"),
        (Schedule::DualPipe, 4, 1, 8, "2 chunks"),
        (Schedule::GPipe, 0, 1, 8, "needs stages"),
        (Schedule::DualPipe, 4, 2, 9, "multiple of 2"),
    ] {
        let why = slots(&SchedulePlan::new(kind, p, v, m)).unwrap_err().to_string();
        assert!(why.contains(words), "{why}");
    }
}
