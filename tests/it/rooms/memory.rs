//! How memory moves with the layout.

use super::strategy::{CASES, config, draws};
use crate::support::with_scenario;
use exaplan::layout::{Cut, Layout, MemoryBudget, Recompute, Sharding, budgets};
use exaplan::plan::Scenario;
use proptest::prelude::*;

fn peak(scenario: &Scenario, layout: &Layout) -> Vec<MemoryBudget> {
    let w = &scenario.workload;
    budgets(w, layout, &Cut::of(&w.model, layout), &scenario.machine().memory_context())
}

fn state(b: &MemoryBudget) -> f64 {
    b.weights_bytes + b.gradients_bytes + b.optimizer_bytes
}

fn layouts() -> impl Strategy<Value = Layout> {
    (0u32..4, 0u32..4, 0u32..5, 0u32..4, any::<bool>()).prop_map(|(tensor, pipeline, data, micro, full)| Layout {
        tensor: 1 << tensor,
        sequence_parallel: tensor > 0,
        pipeline: 1 << pipeline,
        data: 1 << data,
        micro_batch_seqs: 1 << micro,
        recompute: if full { Recompute::Full } else { Recompute::None },
        ..Layout::single()
    })
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn a_larger_micro_batch_never_needs_less_memory(draw in draws(), layout in layouts()) {
        with_scenario(&draw.free(), &[], |scenario, _| {
            let larger = Layout { micro_batch_seqs: layout.micro_batch_seqs * 2, ..layout };
            for (a, b) in peak(scenario, &layout).iter().zip(peak(scenario, &larger)) {
                prop_assert!(b.peak_bytes() >= a.peak_bytes(), "{layout}: {a:?} {b:?}");
                prop_assert_eq!(state(a), state(&b));
            }
            Ok(())
        }).unwrap()?;
    }

    #[test]
    fn more_sharding_never_holds_more_state(draw in draws(), layout in layouts()) {
        with_scenario(&draw.free(), &[], |scenario, _| {
            let at = |sharding| peak(scenario, &Layout { sharding, ..layout });
            let all = [Sharding::None, Sharding::Zero1, Sharding::Zero2, Sharding::Zero3].map(at);
            for pair in all.windows(2) {
                for (less, more) in pair[0].iter().zip(&pair[1]) {
                    prop_assert!(state(more) <= state(less));
                    prop_assert_eq!(less.activations_bytes, more.activations_bytes);
                }
            }
            // Gathered weights cost buffers, so the whole is only ordered up to stage 2.
            for pair in all[..3].windows(2) {
                for (less, more) in pair[0].iter().zip(&pair[1]) {
                    prop_assert!(more.peak_bytes() <= less.peak_bytes());
                }
            }
            Ok(())
        }).unwrap()?;
    }

    #[test]
    fn recomputing_never_keeps_more_activations(draw in draws(), layout in layouts()) {
        with_scenario(&draw.free(), &[], |scenario, _| {
            let at = |recompute| peak(scenario, &Layout { recompute, ..layout });
            for (none, full) in at(Recompute::None).iter().zip(at(Recompute::Full)) {
                prop_assert!(full.activations_bytes <= none.activations_bytes);
            }
            Ok(())
        }).unwrap()?;
    }

    #[test]
    fn more_tensor_ranks_never_hold_more_weights(draw in draws(), layout in layouts()) {
        with_scenario(&draw.free(), &[], |scenario, _| {
            let wider = Layout { tensor: layout.tensor * 2, ..layout };
            for (a, b) in peak(scenario, &layout).iter().zip(peak(scenario, &wider)) {
                prop_assert!(b.weights_bytes <= a.weights_bytes);
            }
            Ok(())
        }).unwrap()?;
    }
}
