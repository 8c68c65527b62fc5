//! What programs do differently, against numbers worked by hand.

use crate::support::with_scenario;
use exaplan::catalog::{Accelerator, Catalog, Profile, Stack};
use exaplan::layout::{Layout, Recompute};
use exaplan::plan::Scenario;
use exaplan::step::lower::{Op, Pass, Work};
use exaplan::step::{Explained, Machine, explain};

const TEXT: &str = "format = 1\n[model]\nuse = \"llama3-8b\"\n[training]\ntokens = \"1T\"\nsequence = 8192\nglobal_batch = \"64 sequences\"\n\
                    [cluster]\nnode = \"dgx-h100\"\nnodes = 1\n";

fn layout() -> Layout {
    Layout {
        data: 8,
        ..Layout::single()
    }
}

/// The operations of a layer and micro-batch under a changed stack.
fn layer(text: &str, layout: Layout, change: impl Fn(&mut Stack)) -> Vec<Explained> {
    with_scenario(text, &[], |scenario: &Scenario, _| {
        let mut machine: Machine = scenario.machine();
        change(&mut machine.stack);
        let all = explain(&scenario.workload, &machine, &layout);
        all.into_iter().filter(|e| e.place.ends_with(" layer")).collect()
    })
    .unwrap()
}

fn bytes(ops: &[Explained], name: &str) -> f64 {
    let of = |op: &Op| match op.work {
        Work::Stream { bytes } if op.name == name => bytes,
        _ => 0.0,
    };
    ops.iter().map(|e| of(&e.op)).sum()
}

#[test]
fn alternate_recomputation_keeps_every_second_multiply_and_attention() {
    let selective = Layout {
        recompute: Recompute::Selective,
        ..layout()
    };
    let ops = layer(TEXT, selective, |s| s.selective_keeps_alternate = true);
    let again = |is: &dyn Fn(&Work) -> bool| {
        let forward = ops.iter().filter(|e| e.op.pass == Pass::Forward && is(&e.op.work));
        let all: Vec<bool> = forward.map(|e| e.op.recomputed).collect();
        (all.iter().filter(|r| **r).count(), all.len())
    };
    // Query-key-value and the first of the feed-forward; not their second ones.
    assert_eq!(again(&|w| matches!(w, Work::Gemm(_))), (2, 4));
    assert_eq!(again(&|w| matches!(w, Work::Flash(_))), (0, 1));
    let (streams, all) = again(&|w| matches!(w, Work::Stream { .. }));
    assert!(streams == all && all > 3);
    let plain = layer(TEXT, selective, |s| s.selective_keeps_alternate = false);
    assert!(plain.iter().all(|e| !e.op.recomputed));
}

#[test]
fn gradients_are_summed_once_for_each_micro_batch_or_by_the_multiply() {
    // Llama 3 8B: 4096·(4096 + 2·1024) + 4096² + 3·4096·14336 weights of multiplies in a layer.
    let weights = 4096.0 * 6144.0 + 4096.0 * 4096.0 + 3.0 * 4096.0 * 14336.0;
    let of = |fused, fp32, layout| {
        let ops = layer(TEXT, layout, |s: &mut Stack| {
            (s.fuses_gradient_sum, s.fp32_gradients) = (fused, fp32);
        });
        bytes(&ops, "sum gradient")
    };
    assert_eq!(of(true, true, layout()), 0.0);
    assert!((of(false, true, layout()) / (10.0 * weights) - 1.0).abs() < 1e-12);
    assert!((of(false, false, layout()) / (6.0 * weights) - 1.0).abs() < 1e-12);
    let one = Layout {
        micro_batch_seqs: 8,
        ..layout()
    };
    assert_eq!(of(false, true, one), 0.0);
}

#[test]
fn attention_stays_inside_documents() {
    let packed = TEXT.replace("[cluster]", "document = 512\n[cluster]");
    let pairs = |text: &str| -> f64 {
        let ops = layer(text, layout(), |_| ());
        let flop = |e: &Explained| match e.op.work {
            Work::Flash(shape) if e.op.pass == Pass::Forward => shape.flop(),
            _ => 0.0,
        };
        ops.iter().map(flop).sum()
    };
    // A query sees (n + 1)/2 keys of a sequence of n.
    let want = 513.0 / 8193.0;
    assert!((pairs(&packed) / pairs(TEXT) / want - 1.0).abs() < 1e-12);
}

#[test]
fn sinks_take_as_much_longer_as_the_stack_says() {
    let text = TEXT.replace("llama3-8b", "gpt-oss-20b");
    let seconds = |factor: f64| -> f64 {
        let ops = layer(&text, layout(), |s| s.sink_factor = factor);
        let core = ops.iter().filter(|e| e.op.name == "attention core");
        core.map(|e| e.time_s * e.times).sum()
    };
    assert!((seconds(3.0) / seconds(1.0) - 3.0).abs() < 1e-9);
}

#[test]
fn adapters_move_what_they_read_and_write() {
    let text = TEXT.replace("[cluster]", "adapter = \"attention\"\n[cluster]");
    let ops = layer(&text, layout(), |_| ());
    // Beside query-key-value (4096 to 6144) and the output (4096 to 4096), 8192 tokens.
    assert_eq!(bytes(&ops, "adapter dropout"), 14.0 * 8192.0 * (4096.0 + 4096.0));
    assert_eq!(bytes(&ops, "adapter sum"), 14.0 * 8192.0 * (6144.0 + 4096.0));
}

#[test]
fn a_part_with_less_power_runs_at_its_cube_root() {
    let catalog = Catalog::builtin();
    let device = |name: &str| catalog.get::<Accelerator>(name).unwrap();
    let measured: Profile = catalog.get("h100-sxm").unwrap();
    let on = |name: &str| measured.clone().on(&device(name), "nvlink4").power_factor;
    assert_eq!(on("h100-sxm-80gb"), 1.0);
    // Same chip at 500 of 700 W; the two sheets round its peak to 989 and 989.4 TFLOP/s.
    let idle_w = device("h100-sxm-96gb-hbm2e").idle_w;
    let want = ((700.0 - idle_w) / (500.0 - idle_w)).cbrt();
    let got = on("h100-sxm-96gb-hbm2e");
    assert!((got / want / (989.4 / 989.0) - 1.0).abs() < 1e-9 && want > 1.1, "{got} {want}");
}
