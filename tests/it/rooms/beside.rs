//! What runs beside what in a layer: spans and prices come from one play, and hiding never costs more.

use super::strategy::config;
use crate::support::with_scenario;
use exaplan::catalog::{Catalog, ContextExchange, Kind, Stack};
use exaplan::layout::{Groups, Layout, Recompute, Schedule, place};
use exaplan::plan::Scenario;
use exaplan::step::lower::{self, Op};
use exaplan::step::price::{OpSpan, Phase, Price, Slot, Terms, price, spans};
use exaplan::step::{Lane, Machine};
use exaplan::workload::{LayerKind, pattern};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;

const CASES: u32 = 2000;

fn scenario(model: &str, node: &str) -> Scenario {
    let text = format!(
        "format = 1\n[model]\nuse = \"{model}\"\n[training]\ntokens = \"100B\"\nsequence = 16384\nglobal_batch = \"64 sequences\"\n\
         [cluster]\nnode = \"{node}\"\nnodes = 64\n"
    );
    with_scenario(&text, &[], |s, _| s.clone()).unwrap()
}

/// Every model that there is, on nodes with and without a profile.
fn scenarios() -> Vec<Scenario> {
    let catalog = Catalog::builtin();
    let models = catalog.entries(Kind::Model).entries.keys().enumerate();
    models
        .map(|(i, name)| scenario(name, ["dgx-h100", "mi300x-ubb8", "gaudi2-8"][i % 3]))
        .collect()
}

fn layouts() -> impl Strategy<Value = Layout> {
    let degrees = (0u32..4, 0u32..6, 0u32..4, 0u32..2, any::<bool>());
    let rest = (
        prop::sample::select(vec![Recompute::None, Recompute::Selective, Recompute::Full]),
        prop::sample::select(vec![Schedule::OneFOneB, Schedule::ZeroBubbleH1]),
    );
    (degrees, rest).prop_map(
        |((tensor, context, expert, expert_tensor, sequence_parallel), (recompute, schedule))| Layout {
            tensor: 1 << tensor,
            context: 1 << context,
            expert: 1 << expert,
            expert_tensor: 1 << expert_tensor,
            sequence_parallel,
            recompute,
            schedule,
            data: 8,
            ..Layout::single()
        },
    )
}

/// Stacks with other switches than the default one.
fn stacks() -> impl Strategy<Value = Stack> {
    let share = || prop::sample::select(vec![0.0, 0.5, 1.0]);
    let exchange = prop::sample::select(ContextExchange::NAMES.map(|(_, e)| e).to_vec());
    let slow = (1.0..1.6f64, 1.0..1.6f64);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let base: Stack = Catalog::builtin().get("megatron-core").unwrap();
    ((share(), share(), share()), exchange, slow, flags).prop_map(
        move |((tensor, expert, context), exchange, (math, communication), (hides, balanced, flash))| Stack {
            tensor_overlap_fraction: tensor,
            expert_overlap_fraction: expert,
            context_overlap_fraction: context,
            context_exchange: exchange,
            math_slowdown: math,
            communication_slowdown: communication,
            hides_tensor_backward: hides,
            context_balanced: balanced,
            flash_attention: flash,
            skips_masked: flash,
            ..base.clone()
        },
    )
}

/// Operations of every kind of layer and of both ends.
fn pieces(s: &Scenario, layout: &Layout, machine: &Machine, groups: &Groups) -> Vec<Vec<Op>> {
    let (workload, stack) = (&s.workload, &machine.stack);
    let used = pattern(&workload.model);
    let mut out: Vec<Vec<Op>> = LayerKind::ALL
        .into_iter()
        .filter(|kind| used.contains(kind))
        .map(|kind| lower::layer(workload, layout, kind, stack, groups))
        .collect();
    out.push(lower::embedding(workload, layout, stack));
    out.push(lower::head(workload, layout, stack));
    out
}

/// The spans of a pass are in order on every lane and end with it.
fn agrees(spans: &[OpSpan], slot: &Slot) -> Result<(), TestCaseError> {
    let wanted = slot.total_s() - slot.launch_s;
    let end = spans.iter().map(|s| s.end_s).fold(0.0, f64::max);
    prop_assert!((end - wanted).abs() <= 1e-9 * wanted.max(1e-9), "{end} is not {wanted}");
    let mut busy: BTreeMap<&str, f64> = BTreeMap::new();
    for span in spans {
        let before = busy.entry(span.lane.name()).or_default();
        prop_assert!(
            span.start_s >= *before - 1e-15 && span.end_s > span.start_s,
            "{span:?} before {before}"
        );
        *before = span.end_s;
    }
    let math: f64 = spans.iter().filter(|s| s.lane == Lane::Compute).map(|s| s.end_s - s.start_s).sum();
    prop_assert!(math >= slot.math_s * (1.0 - 1e-9), "less math than there is");
    Ok(())
}

#[test]
fn spans_end_when_the_price_says() {
    let scenarios = scenarios();
    let n_pieces = RefCell::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(config(CASES));
    let drawn = (0..scenarios.len(), layouts(), stacks());
    let result = runner.run(&drawn, |(which, layout, stack)| {
        let s = &scenarios[which];
        let machine = Machine { stack, ..s.machine() };
        let groups = place(&layout, machine.domain);
        let terms = Terms::new(&machine, &groups, &layout);
        for ops in pieces(s, &layout, &machine, &groups) {
            let p = price(&ops, &terms, 20.0);
            agrees(&spans(&ops, &terms, Phase::Forward), &p.forward)?;
            agrees(&spans(&ops, &terms, Phase::Recompute), &p.recompute)?;
            if terms.splits_backward {
                let input = spans(&ops, &terms, Phase::InputGradient);
                let weight = spans(&ops, &terms, Phase::WeightGradient);
                let end = |spans: &[OpSpan]| spans.iter().map(|s| s.end_s).fold(0.0, f64::max);
                let wanted = p.backward.total_s() - p.backward.launch_s;
                prop_assert!((end(&input) + end(&weight) - wanted).abs() <= 1e-9 * wanted);
                prop_assert!((end(&weight) - p.weight_gradient_s).abs() <= 1e-9 * wanted);
            } else {
                agrees(&spans(&ops, &terms, Phase::Backward), &p.backward)?;
            }
            *n_pieces.borrow_mut() += 1;
        }
        Ok(())
    });
    result.unwrap();
    assert!(n_pieces.into_inner() > 3 * CASES, "too few pieces were looked at");
}

/// One dense layer with `change` made to its stack.
fn priced(s: &Scenario, layout: &Layout, change: impl Fn(&mut Stack)) -> Price {
    let mut machine = s.machine();
    change(&mut machine.stack);
    let groups = place(layout, machine.domain);
    let kind = pattern(&s.workload.model).pop().unwrap();
    let ops = lower::layer(&s.workload, layout, kind, &machine.stack, &groups);
    price(&ops, &Terms::new(&machine, &groups, layout), 0.0)
}

#[test]
fn bulk_is_slower_than_asynchronous_is_slower_than_tiles() {
    let s = scenario("llama3-70b", "dgx-h100");
    let layout = Layout {
        tensor: 8,
        sequence_parallel: true,
        ..Layout::single()
    };
    let tensor = |hides, share| {
        let p = priced(&s, &layout, |stack| {
            stack.hides_tensor_backward = hides;
            stack.tensor_overlap_fraction = share;
        });
        (p.forward.tensor_s, p.backward.tensor_s)
    };
    let (bulk, hidden, tiles, both) = (tensor(false, 0.0), tensor(true, 0.0), tensor(false, 1.0), tensor(true, 1.0));
    assert_eq!(bulk.0, hidden.0, "asynchronous gradients do nothing for the forward pass");
    assert!(hidden.1 < bulk.1 && both.1 < hidden.1, "{bulk:?} {hidden:?} {both:?}");
    assert!(tiles.0 < bulk.0 && tiles.1 < bulk.1, "{bulk:?} {tiles:?}");
    // One tile of eight is never hidden.
    assert!(tiles.0 >= bulk.0 / 8.0);
}

#[test]
fn a_separate_weight_gradient_hides_no_reduction() {
    let s = scenario("llama3-70b", "dgx-h100");
    let with = |schedule| {
        let layout = Layout {
            tensor: 8,
            sequence_parallel: true,
            schedule,
            ..Layout::single()
        };
        priced(&s, &layout, |_| {}).backward
    };
    let (whole, split) = (with(Schedule::OneFOneB), with(Schedule::ZeroBubbleH1));
    assert!(split.tensor_s > whole.tensor_s && (split.math_s / whole.math_s - 1.0).abs() < 1e-12);
}

#[test]
fn context_exchanges_differ_as_their_papers_say() {
    let s = scenario("llama3-8b", "dgx-h100");
    let of = |context, exchange, balanced| {
        let layout = Layout {
            context,
            ..Layout::single()
        };
        priced(&s, &layout, |stack| {
            stack.context_exchange = exchange;
            stack.context_balanced = balanced;
        })
    };
    use ContextExchange::{AllGather, AllToAll, Hierarchical, Ring};
    // Inside a domain the ring hides its blocks, the gather does not.
    assert!(of(8, Ring, true).forward.context_s < of(8, AllGather, true).forward.context_s);
    // A group inside one domain is all-to-all; there the order of the sequence does not matter.
    assert_eq!(of(8, Hierarchical, true), of(8, AllToAll, true));
    assert_eq!(of(8, AllToAll, true), of(8, AllToAll, false));
    // A third of a key-value head cannot be traded: repeated up to the ranks, not beyond the heads.
    assert!(of(16, AllToAll, true).forward.context_s > 0.0);
    // Over two domains every step of a ring is as slow as the link between them.
    assert!(of(16, Hierarchical, true).forward.context_s < of(16, Ring, true).forward.context_s);
    // Without balance the last rank has (2c − 1)/c of the mean attention.
    for exchange in [Ring, AllGather] {
        let (even, odd) = (of(8, exchange, true), of(8, exchange, false));
        assert!(odd.forward.math_s > even.forward.math_s && (odd.flop / even.flop - 1.0).abs() < 1e-12);
    }
    assert_eq!(of(1, Ring, true), of(1, AllToAll, false));
}

#[test]
fn the_expert_exchange_hides_behind_shared_experts_only() {
    let layout = Layout {
        expert: 8,
        data: 8,
        ..Layout::single()
    };
    let exposed = |model: &str, share: f64| {
        let p = priced(&scenario(model, "dgx-h100"), &layout, |stack| stack.expert_overlap_fraction = share);
        p.forward.expert_s
    };
    let (none, all) = (exposed("deepseek-v3", 0.0), exposed("deepseek-v3", 1.0));
    assert!(all < none && all > 0.0, "{all} {none}");
    assert_eq!(exposed("qwen3-30b-a3b", 0.0), exposed("qwen3-30b-a3b", 1.0));
}
