//! What a search promises: complete, honest about what fell, the same on any number of threads.

use super::strategy::{CASES, Draw, config, draws};
use crate::support::with_scenario;
use exaplan::layout::{Breadth, Choice, Cut, Layout, MemoryBudget, budgets, check};
use exaplan::plan::Scenario;
use exaplan::search::{Candidate, Found, Objective, Options, TIE_FRACTION, Watch, search, search_watched, space};
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

fn all() -> Options<'static> {
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
            prop_assert_eq!(found.n_bounded, 0);
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
                prop_assert_eq!(c.tie, c.step_time_s <= found.best[0].step_time_s * (1.0 + TIE_FRACTION));
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

/// Best and front as plain loops over the space find them, each layout checked and timed on its own.
fn naive(scenario: &Scenario, breadth: Breadth) -> (Vec<Candidate>, Vec<Candidate>) {
    let (workload, machine) = (&scenario.workload, scenario.machine());
    let (space, context) = (space(scenario, breadth), machine.memory_context());
    let mut fits = Vec::new();
    for layout in space.outer().iter().flat_map(|o| space.inner(o)) {
        if !check(workload, &layout, space.n_devices, &context).is_empty() {
            continue;
        }
        let step_time_s = closed_parts(workload, &machine, &layout).total_s();
        let memory = budgets(workload, &layout, &Cut::of(&workload.model, &layout), &context);
        fits.push(Candidate {
            layout,
            step_time_s,
            tokens_per_s_per_device: workload.step_tokens() / step_time_s / layout.n_devices() as f64,
            peak_bytes: memory.iter().map(MemoryBudget::peak_bytes).fold(0.0, f64::max),
            tie: false,
            simulated: false,
            totals: None,
        });
    }
    fits.sort_by(|a, b| a.step_time_s.total_cmp(&b.step_time_s).then(a.layout.cmp(&b.layout)));
    let mut least = f64::MAX;
    let mut front = Vec::new();
    for c in &fits {
        if c.peak_bytes < least {
            least = c.peak_bytes;
            front.push(*c);
        }
    }
    fits.truncate(20);
    (fits, front)
}

/// What matters of candidates, to the bit.
fn bits(list: &[Candidate]) -> Vec<(Layout, u64, u64)> {
    list.iter()
        .map(|c| (c.layout, c.step_time_s.to_bits(), c.peak_bytes.to_bits()))
        .collect()
}

/// Draws whose whole space is small: a part of it is fixed at random.
fn narrow() -> impl Strategy<Value = (Draw, Vec<&'static str>)> {
    let fixed = prop::sample::subsequence(
        vec![
            "layout.sequence_parallel=true",
            "layout.micro_batch=1",
            "layout.context=1",
            "layout.sharding=zero1",
            "layout.recompute=none",
        ],
        2..=3,
    );
    (few(), fixed)
}

proptest! {
    #![proptest_config(config(208))]

    #[test]
    fn bounds_rule_out_nothing_that_plain_loops_find((draw, fixed) in narrow()) {
        with_scenario(&draw.free(), &fixed, |scenario, _| -> Result<(), TestCaseError> {
            let (best, front) = naive(scenario, Breadth::Schedules);
            let options = Options { breadth: Breadth::Schedules, exhaustive: false, ..Options::default() };
            let found = search(scenario, &options);
            prop_assert_eq!(bits(&found.best), bits(&best));
            prop_assert_eq!(bits(&found.pareto), bits(&front));
            prop_assert_eq!(found.n_evaluated + found.n_pruned, found.n_considered);
            prop_assert_eq!(found.rejected.values().sum::<u64>() + found.n_bounded, found.n_pruned);
            Ok(())
        }).unwrap()?;
    }
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn bounds_rule_out_nothing_in_the_whole_space((draw, fixed) in narrow(), within in prop::sample::select(vec![1.0, 1.25, f64::INFINITY])) {
        let draw = Draw { nodes: 1, ..draw };
        let fixed = [&fixed[..], &["layout.offload=none"]].concat();
        with_scenario(&draw.free(), &fixed, |scenario, _| -> Result<(), TestCaseError> {
            let options = Options { breadth: Breadth::All, front_factor: within, ..Options::default() };
            let (whole, pruned) = (search(scenario, &options), search(scenario, &Options { exhaustive: false, ..options }));
            prop_assert_eq!(bits(&pruned.best), bits(&whole.best));
            prop_assert_eq!(bits(&pruned.pareto), bits(&whole.pareto));
            prop_assert_eq!(pruned.n_considered, whole.n_considered);
            // Tables that neighbours share say what each layout says on its own.
            let machine = scenario.machine();
            for c in whole.best.iter().chain(&whole.pareto) {
                let own = closed_parts(&scenario.workload, &machine, &c.layout).total_s();
                prop_assert_eq!(c.step_time_s.to_bits(), own.to_bits(), "{}", c.layout);
                prop_assert!(check(&scenario.workload, &c.layout, scenario.n_devices(), &machine.memory_context()).is_empty());
            }
            Ok(())
        }).unwrap()?;
    }

    #[test]
    fn a_front_over_several_objectives_is_undominated((draw, fixed) in narrow()) {
        let fixed = [&fixed[..], &["layout.offload=none"]].concat();
        with_scenario(&draw.free(), &fixed, |scenario, _| -> Result<(), TestCaseError> {
            let objectives = [Objective::Energy, Objective::StepTime, Objective::Memory];
            let found = search(scenario, &Options { objectives: &objectives, n_best: usize::MAX, ..Options::default() });
            let no_worse = |a: &Candidate, b: &Candidate| objectives.iter().all(|o| a.value(*o) <= b.value(*o));
            let better = |a: &Candidate, b: &Candidate| objectives.iter().any(|o| a.value(*o) < b.value(*o));
            for c in &found.pareto {
                prop_assert!(!found.best.iter().any(|b| no_worse(b, c) && better(b, c)), "{} is beaten", c.layout);
            }
            prop_assert!(found.best.windows(2).all(|w| w[0].value(Objective::Energy) <= w[1].value(Objective::Energy)));
            // What is on no front is beaten by one that is.
            for b in &found.best {
                prop_assert!(found.pareto.iter().any(|c| no_worse(c, b)), "{} is not beaten", b.layout);
            }
            Ok(())
        }).unwrap()?;
    }
}

#[test]
fn a_cancelled_search_returns_what_it_has() {
    with_scenario(
        "[model]\nuse = \"llama3-8b\"\n[training]\ntokens = \"1T\"\n[cluster]\nnode = \"dgx-h100\"\nnodes = 2\n",
        &[],
        |s, _| {
            let watch = Watch::default();
            watch.cancel();
            let found = search_watched(s, &Options::default(), &watch);
            assert!(found.cancelled && found.best.is_empty());
            assert!(!search(s, &Options::default()).cancelled);
        },
    )
    .unwrap();
}

#[test]
fn the_rank_of_a_layout_does_not_depend_on_bounds() {
    let text = "[model]\nuse = \"llama3-8b\"\n[training]\ntokens = \"1T\"\n[cluster]\nnode = \"dgx-h100\"\nnodes = 4\n";
    with_scenario(text, &[], |s, _| {
        let mark = Choice {
            tensor: Some(2),
            pipeline: Some(2),
            micro_batch_seqs: Some(1),
            ..Choice::default()
        };
        let options = Options {
            mark: Some(mark),
            breadth: Breadth::Schedules,
            ..Options::default()
        };
        let (whole, pruned) = (
            search(s, &options),
            search(
                s,
                &Options {
                    exhaustive: false,
                    ..options
                },
            ),
        );
        let (rank, own) = whole.marked.unwrap();
        assert!(rank.is_some_and(|r| r > 1) && own.layout.tensor == 2 && own.layout.pipeline == 2);
        assert_eq!(whole.marked, pruned.marked);
        // Its rank is not asked for where it is far from the best: fewer are timed, for the same answer.
        let near = search(
            s,
            &Options {
                exhaustive: false,
                rank_factor: 1.0,
                ..options
            },
        );
        assert_eq!(near.marked, Some((None, own)));
        assert!(near.n_evaluated <= pruned.n_evaluated && near.best == pruned.best);
    })
    .unwrap();
}

#[test]
fn any_number_of_threads_finds_the_same() {
    let draws = ["gaudi2-8", "dgx-h100", "tpu-v5p-host"];
    for node in draws {
        for model in ["llama3-8b", "mixtral-8x7b"] {
            let text = format!("[model]\nuse = \"{model}\"\n[training]\ntokens = \"1T\"\n[cluster]\nnode = \"{node}\"\nnodes = 8\n");
            let run = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                with_scenario(&text, &[], |s, _| {
                    pool.install(|| {
                        let pruned = Options {
                            breadth: Breadth::Schedules,
                            exhaustive: false,
                            ..Options::default()
                        };
                        format!("{:?} {:?}", search(s, &all()), search(s, &pruned))
                    })
                })
                .unwrap()
            };
            let one = run(1);
            assert!(one.contains("Candidate"));
            for threads in [2, 4] {
                assert!(run(threads) == one, "{model} on {node} differs with {threads} threads");
            }
        }
    }
}
