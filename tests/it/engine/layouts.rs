//! The closed form that searches against the engine, on layouts of real models.

use crate::rooms::config;
use crate::support::with_scenario;
use exaplan::layout::{Layout, Schedule, check};
use exaplan::step::{engine_step, simulate};
use exaplan::plan::Scenario;
use proptest::prelude::*;
use std::cell::RefCell;

/// Models of every shape: dense, mixture with dense layers first, latent, hybrid, tied.
const MODELS: [&str; 9] = [
    "llama2-7b",
    "llama2-13b",
    "llama3-8b",
    "llama3-70b",
    "gpt3-175b",
    "mixtral-8x7b",
    "deepseek-v3",
    "llama3-405b",
    "qwen3-30b-a3b",
];

thread_local! {
    static SEEN: RefCell<Vec<(String, f64)>> = const { RefCell::new(Vec::new()) };
}

fn scenarios() -> Vec<Scenario> {
    let mut out = Vec::new();
    for (i, model) in MODELS.iter().enumerate() {
        for (node, nodes) in [("dgx-h100", 64), ("dgx-a100-80gb", 128), ("mi300x-ubb8", 32)] {
            let sequence = [2048, 4096, 8192][i % 3];
            let text = format!(
                "format = 1\n[model]\nuse = \"{model}\"\n[training]\ntokens = \"100B\"\nsequence = {sequence}\nglobal_batch = \"1024 sequences\"\nprecision = \"bf16\"\n[cluster]\nnode = \"{node}\"\nnodes = {nodes}\n"
            );
            out.push(with_scenario(&text, &[], |s, _| s.clone()).unwrap());
        }
    }
    out
}

#[test]
fn probe() {
    let scenarios = scenarios();
    let mut runner = proptest::test_runner::TestRunner::new(config(4000));
    let draw = (0..scenarios.len(), 0u32..4, 1u32..6, 0u32..4, 0u32..3, any::<bool>(), prop::sample::select(vec![1u32,3,5,7,1,1]), 0u32..10);
    runner
        .run(&draw, |(which, t, p, v, mb, sp, odd, gp)| {
            let s = &scenarios[which];
            let n = s.n_devices() as u32;
            let tensor = 1 << t;
            let pipeline = if odd > 1 && p <= 2 { odd } else { 1 << p };
            let data = n / (tensor * pipeline).max(1);
            let layout = Layout {
                tensor,
                sequence_parallel: sp && tensor > 1,
                pipeline,
                virtual_stages: if v == 0 { 1 } else { 1 + v },
                data,
                micro_batch_seqs: 1 << mb,
                schedule: if gp == 0 { Schedule::GPipe } else { Schedule::OneFOneB },
                ..Layout::single()
            };
            let machine = s.machine();
            let mut w = s.workload.clone();
            if data > 0 { w.global_batch_seqs = f64::from(data * (1 << mb) * pipeline) * f64::from(1 + (odd + gp) % 9); }
            let violations = check(&w, &layout, layout.n_devices(), &machine.memory_context());
            let only_memory = violations.iter().all(|v| format!("{v:?}").contains("OutOfMemory"));
            if !only_memory { return Ok(()); }
            let closed = simulate(&w, &machine, &layout);
            let engine = engine_step(&w, &machine, &layout).unwrap();
            let m = layout.n_micro_batches(w.global_batch_seqs);
            let sum: f64 = engine.parts.list().iter().map(|p| p.1).sum();
            prop_assert!((sum - engine.time_s).abs() < 1e-9 * sum);
            let err = closed.time_s / engine.time_s - 1.0;
            let doubt = if exaplan::step::pipeline::claims(&w, &layout) { 0.0 } else { 0.01 };
            SEEN.with(|seen| seen.borrow_mut().push((format!("{} p{} v{} m{m} {:?} t{tensor} bub {:.3}/{:.3} p2p {:.3}/{:.3} of {:.3} doubt {:.3}", w.model.name, pipeline, layout.virtual_stages, layout.schedule, closed.parts.bubble_s, engine.parts.bubble_s, closed.parts.pipeline_s, engine.parts.pipeline_s, engine.time_s, 100.0 * doubt), err)));
            Ok(())
        })
        .unwrap();
    SEEN.with(|seen| {
        let mut seen = seen.borrow_mut();
        seen.sort_by(|a, b| a.1.total_cmp(&b.1));
        for (what, err) in seen.iter() {
            println!("PROBE {:+.3}% {what}", 100.0 * err);
        }
    });
}
