//! What a search promises: complete, honest about what fell, the same on any number of threads.

use super::strategy::{CASES, Draw, config, draws};
use crate::support::with_scenario;
use exaplan::plan::Scenario;
use exaplan::search::{Candidate, Found, Options, search};
use exaplan::step::closed_parts;
use proptest::prelude::*;

/// Spaces small enough for an unoptimized build; the laws do not depend on the size.
fn few() -> impl Strategy<Value = Draw> {
    draws().prop_map(|d| Draw {
        nodes: d.nodes.min(2),
        sequence: d.sequence.min(2048),
        ..d
    })
}

fn all() -> Options {
    Options {
        n_best: usize::MAX,
        ..Options::default()
    }
}

fn found(draw: &Draw, then: impl FnOnce(&Scenario, Found) -> Result<(), TestCaseError>) -> Result<(), TestCaseError> {
    with_scenario(&draw.free(), &[], |scenario, _| then(scenario, search(scenario, &all()))).unwrap()
}

/// At least as good in both, better in one.
fn dominates(a: &Candidate, b: &Candidate) -> bool {
    let no_worse = a.step_time_s <= b.step_time_s && a.peak_bytes <= b.peak_bytes;
    no_worse && (a.step_time_s < b.step_time_s || a.peak_bytes < b.peak_bytes)
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn every_candidate_is_either_judged_or_has_a_reason(draw in few()) {
        found(&draw, |_, found| {
            prop_assert_eq!(found.rejected.values().sum::<u64>(), found.n_pruned);
            prop_assert_eq!(found.n_evaluated + found.n_pruned, found.n_considered);
            prop_assert_eq!(found.best.len() as u64, found.n_evaluated);
            prop_assert!(found.n_considered > 0);
            prop_assert_eq!(found.nearest.is_some(), found.n_pruned > 0);
            let mut layouts: Vec<_> = found.best.iter().map(|c| c.layout).collect();
            layouts.sort();
            layouts.dedup();
            prop_assert_eq!(layouts.len() as u64, found.n_evaluated, "a layout was judged twice");
            Ok(())
        })?;
    }

    #[test]
    fn the_best_come_first_and_the_front_is_undominated(draw in few()) {
        found(&draw, |_, found| {
            prop_assert!(found.best.windows(2).all(|w| w[0].step_time_s <= w[1].step_time_s));
            for c in &found.pareto {
                prop_assert!(!found.best.iter().any(|b| dominates(b, c)), "{} is dominated", c.layout);
            }
            let least = found.best.iter().map(|c| c.peak_bytes).fold(f64::MAX, f64::min);
            prop_assert!(found.best.is_empty() || found.pareto.iter().any(|c| c.peak_bytes == least));
            for c in &found.best {
                prop_assert_eq!(c.tie, c.step_time_s <= found.best[0].step_time_s * 1.02);
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_layout_that_fits_is_found_in_the_free_space(draw in few()) {
        // Stage 2 is not among the free choices; everything else of a draw is.
        let draw = Draw { sharding: if draw.sharding == "zero2" { "zero1" } else { draw.sharding }, ..draw };
        let fixed = with_scenario(&draw.fixed(), &[], |s, c| (s.domain(), exaplan::plan::plan(s, c))).unwrap();
        if let (domain, Ok(plan)) = fixed {
            // The search ranks in closed form; a plan is simulated.
            let closed = closed_parts(&plan.scenario.workload, &plan.scenario.machine(), &plan.layout);
            let reachable = draw.tensor <= domain && (draw.sharding == "none" || plan.layout.data * plan.layout.context > 1);
            found(&draw, |_, found| {
                let same = found.best.iter().find(|c| c.layout == plan.layout);
                prop_assert!(same.is_some() || !reachable, "{} is not among {}", plan.layout, found.n_evaluated);
                if let Some(same) = same {
                    prop_assert_eq!(same.step_time_s.to_bits(), closed.total_s().to_bits());
                    prop_assert!(found.best[0].step_time_s <= same.step_time_s);
                }
                Ok(())
            })?;
        }
    }
}

#[test]
fn any_number_of_threads_finds_the_same() {
    let draws = ["gaudi2-8", "dgx-h100", "tpu-v5p-host"];
    for node in draws {
        for model in ["llama3-8b", "mixtral-8x7b"] {
            let text = format!("[model]\nuse = \"{model}\"\n[training]\ntokens = \"1T\"\n[cluster]\nnode = \"{node}\"\nnodes = 8\n");
            let run = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                with_scenario(&text, &[], |s, _| pool.install(|| format!("{:?}", search(s, &all())))).unwrap()
            };
            let one = run(1);
            assert!(one.contains("Candidate"));
            for threads in [2, 4] {
                assert!(run(threads) == one, "{model} on {node} differs with {threads} threads");
            }
        }
    }
}
