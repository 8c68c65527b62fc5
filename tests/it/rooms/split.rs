//! Layers dealt to chunks: none lost, and balanced ones as even in time as they can be.

use super::strategy::{CASES, config};
use crate::support::with_scenario;
use exaplan::catalog::LayerKind;
use exaplan::layout::split::chunk_sizes;
use exaplan::layout::{Choice, Layout, Schedule, SchedulePlan, Split, SplitChoice, stages};
use exaplan::search::{Options, search};
use exaplan::step::price::{Price, Prices, Slot};
use exaplan::step::prices;
use exaplan::step::split::{balanced, heaviest_s};
use exaplan::workload::pattern;
use proptest::prelude::*;

fn price(math_s: u32) -> Price {
    Price {
        forward: Slot {
            math_s: f64::from(math_s),
            ..Slot::default()
        },
        ..Price::default()
    }
}

/// Layers of two kinds in any order, what each costs, and a pipeline.
fn draws() -> impl Strategy<Value = (Vec<LayerKind>, Prices, SchedulePlan)> {
    let layers = prop::collection::vec(any::<bool>(), 1..11);
    let costs = (1u32..9, 1u32..9, 0u32..20, 0u32..20);
    let kind = prop::sample::select(&Schedule::ALL[..]);
    (layers, costs, kind, 1u32..5, 1u32..3).prop_map(|(layers, (one, other, embedding, head), kind, stages, chunks)| {
        let mut prices = Prices {
            embedding: price(embedding),
            head: price(head),
            ..Prices::default()
        };
        prices.layers[0] = price(one);
        prices.layers[1] = price(other);
        let kinds = layers.iter().map(|&l| LayerKind::ALL[usize::from(l)]).collect();
        let plan = SchedulePlan::new(kind, stages, kind.chunks().unwrap_or(chunks), 8);
        (kinds, prices, plan)
    })
}

/// Every way to cut `n` layers into so many chunks.
fn every_way(n: u32, chunks: usize) -> Vec<Vec<u32>> {
    if chunks == 1 {
        return vec![vec![n]];
    }
    let mut out = Vec::new();
    for first in 0..=n {
        for mut rest in every_way(n - first, chunks - 1) {
            rest.insert(0, first);
            out.push(rest);
        }
    }
    out
}

proptest! {
    #![proptest_config(config(1024))]

    #[test]
    fn balanced_layers_are_as_light_as_any((kinds, prices, plan) in draws()) {
        let n = u32::try_from(kinds.len()).unwrap();
        let sizes = balanced(&kinds, &prices, &plan);
        prop_assert_eq!(sizes.iter().sum::<u32>(), n);
        prop_assert_eq!(sizes.len(), plan.path_len());
        let heaviest = |sizes: &[u32]| heaviest_s(&kinds, &prices, &plan, sizes);
        let even = chunk_sizes(n, u32::try_from(plan.path_len()).unwrap());
        prop_assert!(heaviest(&sizes) <= heaviest(&even));
        // Of one chunk per stage the heaviest stage is the heaviest chunk.
        if plan.chunks == 1 {
            let best = every_way(n, plan.path_len()).iter().map(|s| heaviest(s)).fold(f64::MAX, f64::min);
            prop_assert!(heaviest(&sizes) <= best * (1.0 + 1e-9), "{sizes:?}: {} is not {best}", heaviest(&sizes));
        }
    }

    #[test]
    fn no_layer_is_lost(
        n_layers in 1u32..130, stages in 1u32..17, chunks in 1u32..5, kind in prop::sample::select(&Schedule::ALL[..]),
        embedding in any::<bool>(), loss in any::<bool>(), first in prop::option::of(0u32..20), last in prop::option::of(0u32..20),
    ) {
        let plan = SchedulePlan::new(kind, stages, kind.chunks().unwrap_or(chunks), 8);
        let per_stage = Split::explicit(&chunk_sizes(n_layers, stages));
        let all = [Split::Even, Split::Counted { embedding, loss }, Split::Ends { first, last }, per_stage];
        for split in all {
            let sizes = split.sizes(n_layers, &plan);
            prop_assert_eq!(sizes.len(), plan.path_len());
            prop_assert_eq!(sizes.iter().sum::<u32>(), n_layers, "{:?}", split);
        }
    }
}

proptest! {
    #![proptest_config(config(CASES / 8))]

    /// On real models: dense and mixture, dense before mixture, windows, scans.
    #[test]
    fn balanced_stages_of_models_are_no_heavier(
        model in prop::sample::select(vec!["llama3-70b", "deepseek-v3", "nemotron-h-47b", "gemma3-27b", "gpt3-175b"]),
        pipeline in prop::sample::select(vec![2u32, 4, 8, 16]), virtual_stages in 1u32..4,
    ) {
        let text = format!(
            "format = 1\n[model]\nuse = \"{model}\"\n[training]\ntokens = \"1T\"\nsequence = 4096\nglobal_batch = \"1024 sequences\"\n\
             [cluster]\nnode = \"dgx-h100\"\nnodes = 64\n"
        );
        with_scenario(&text, &[], |scenario, _| {
            let (w, machine) = (&scenario.workload, scenario.machine());
            let layout = Layout { tensor: 8, pipeline, virtual_stages, data: 512 / 8 / pipeline, ..Layout::single() };
            let groups = exaplan::layout::place(&layout, machine.domain);
            let prices = prices(w, &layout, &machine, &groups);
            let (kinds, plan) = (pattern(&w.model), SchedulePlan::of(&layout, 16.0));
            let sizes = balanced(&kinds, &prices, &plan);
            let held: u32 = stages(&w.model, &Layout { split: Split::explicit(&sizes), ..layout }).iter().map(|s| s.n_layers()).sum();
            prop_assert_eq!(held, w.model.n_layers);
            let even = layout.layers(w.model.n_layers);
            prop_assert!(heaviest_s(&kinds, &prices, &plan, &sizes) <= heaviest_s(&kinds, &prices, &plan, &even));
            Ok(())
        }).unwrap()?;
    }
}

/// The search balances every candidate, and what it finds can be asked for again.
#[test]
fn a_search_balances_what_it_finds() {
    let text = "format = 1\n[model]\nuse = \"llama3-8b\"\n[training]\ntokens = \"1T\"\nsequence = 8192\nglobal_batch = \"512 sequences\"\n\
                [cluster]\nnode = \"dgx-h100\"\nnodes = 4\n[layout]\ntensor = 1\npipeline = 4\nschedule = \"1f1b\"\nvirtual_stages = 1\nsplit = \"balanced\"\n";
    with_scenario(text, &[], |scenario, _| {
        let found = search(scenario, &Options::default());
        let best = found.best[0];
        let Split::Explicit(layers) = best.layout.split else {
            panic!("{:?} is not a list", best.layout.split)
        };
        // The head of a vocabulary of 128,256 costs as much as layers do.
        assert!(layers[3] < layers[1], "{layers:?}");
        let even = Choice {
            split: None,
            ..scenario.choice
        };
        let mut other = scenario.clone();
        other.choice = even;
        assert!(best.step_time_s < search(&other, &Options::default()).best[0].step_time_s);
        other.choice = Choice::fixed(&best.layout);
        assert_eq!(other.choice.split, Some(SplitChoice::Given(best.layout.split)));
        assert_eq!(search(&other, &Options::default()).best[0].layout, best.layout);
        assert!(best.layout.to_string().contains("layers "), "{}", best.layout);
    })
    .unwrap();
}
