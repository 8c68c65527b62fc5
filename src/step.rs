//! Seconds of one optimizer step.
//!
//! `lower` turns a layout into operations, `price` asks the kernel room how long each takes,
//! `pipeline` puts stages and micro-batches in order, `data` adds what happens once per step.

pub mod closed;
pub mod data;
pub mod engine;
pub mod event;
pub mod gantt;
pub mod lower;
pub mod machine;
pub mod overlap;
pub mod parts;
pub mod pipeline;
pub mod price;
pub mod schedule;
pub mod split;

pub use event::{EngineStep, engine_step, engine_step_as};
pub use gantt::{Bar, Gantt, Lane, gantt};
pub use machine::Machine;
pub use parts::{Parts, Step};
pub use price::{Explained, Prices, prices};

use crate::kernel::Evidence;
use crate::layout::{Cut, Groups, Layout, MemoryBudget, budgets, place, stages};
use crate::workload::{Workload, count};
use pipeline::Timing;
use std::collections::BTreeMap;

/// Simulate one step of a layout that has passed its checks: slot by slot, or in closed form where
/// there are more slots than [`event::MOST_SLOTS`], when the fill of the pipeline no longer matters.
#[must_use]
pub fn simulate(workload: &Workload, machine: &Machine, layout: &Layout) -> Step {
    let machine = &*machine.with_overlap(layout.overlap);
    let cut = Cut::of(&workload.model, layout);
    let memory = budgets(workload, layout, &cut, &machine.memory_context());
    let (closed, timing) = closed(workload, machine, layout);
    let parts = engine_step(workload, machine, layout).map_or(closed, |step| step.parts);
    assemble(workload, machine, layout, parts, &timing, memory)
}

/// What the closed form of a step starts from.
#[derive(Debug, Clone, Copy)]
pub struct Priced<'a> {
    /// Which layers lie where.
    pub cut: &'a Cut,
    /// Communication groups.
    pub groups: &'a Groups,
    /// Priced layers.
    pub prices: &'a Prices,
}

/// The step time alone: what the search ranks by.
#[must_use]
pub fn parts(workload: &Workload, machine: &Machine, layout: &Layout, priced: &Priced<'_>) -> (Parts, Timing) {
    let timing = pipeline::timing(workload, machine, layout, priced);
    let optimizer_s = data::optimizer_of_stages_s(workload, machine, layout, priced.cut.stages(), timing.heaviest);
    (ended(machine, timing.parts, optimizer_s), timing)
}

/// Parts of the micro-batches with what follows them: the optimizer, and waiting for the slowest node.
#[must_use]
pub fn ended(machine: &Machine, mut parts: Parts, optimizer_s: f64) -> Parts {
    parts.optimizer_s += optimizer_s;
    parts.other_s += straggler_s(machine, parts.math_s + parts.recompute_s);
    parts
}

/// Whether the closed form of a layout is claimed to be within 0.5 % of the engine.
#[must_use]
pub fn claims(workload: &Workload, machine: &Machine, layout: &Layout) -> bool {
    closed(workload, machine, layout).1.claims
}

/// The parts of a step by the closed form that the search ranks by.
#[must_use]
pub fn closed_parts(workload: &Workload, machine: &Machine, layout: &Layout) -> Parts {
    closed(workload, machine, layout).0
}

/// The parts of a step as the usual formula has them: every stage as heavy as the mean, and a bubble
/// of `(p − 1)/(v·m)` of the work (Narayanan et al., arXiv 2104.04473 §2.2). Not used in plans: it is
/// what the closed form and the engine are compared with.
#[must_use]
pub fn textbook_parts(workload: &Workload, machine: &Machine, layout: &Layout) -> Parts {
    let (parts, timing) = closed(workload, machine, layout);
    let work_s = parts.math_s + parts.recompute_s + parts.tensor_s + parts.context_s + parts.expert_s;
    let mean_s = work_s * timing.mean_over_heaviest_ratio;
    let (p, v) = (f64::from(layout.pipeline), f64::from(layout.virtual_stages.max(1)));
    Parts {
        math_s: parts.math_s - (work_s - mean_s),
        bubble_s: mean_s * (p - 1.0) / (v * timing.n_micro_batches),
        ..parts
    }
}

fn closed(workload: &Workload, machine: &Machine, layout: &Layout) -> (Parts, Timing) {
    let machine = &*machine.with_overlap(layout.overlap);
    let cut = Cut::of(&workload.model, layout);
    let groups = place(layout, machine.domain);
    let prices = prices(workload, layout, machine, &groups);
    let priced = Priced {
        cut: &cut,
        groups: &groups,
        prices: &prices,
    };
    parts(workload, machine, layout, &priced)
}

fn assemble(workload: &Workload, machine: &Machine, layout: &Layout, parts: Parts, timing: &Timing, memory: Vec<MemoryBudget>) -> Step {
    let time_s = parts.total_s();
    let tokens = workload.step_tokens();
    let counts = count(&workload.model, workload.seq_len_tokens);
    #[allow(clippy::cast_precision_loss)]
    let n_devices = layout.n_devices() as f64;
    // Of the format that the kernels really run in: a device without FP8 computes in 16 bits.
    let peak = machine.device().sheet_flop_per_s(workload.precision.compute);
    let (causal, full) = workload.train_flop_per_token(&counts);
    let model_flop = causal * tokens;
    let hardware_flop = timing.hardware_flop * f64::from(layout.tensor) * f64::from(layout.context) * f64::from(layout.data);
    Step {
        time_s,
        tokens,
        n_devices,
        model_flop,
        model_flop_full_attention: full * tokens,
        hardware_flop,
        mfu: model_flop / (time_s * n_devices * peak),
        hfu: hardware_flop / (time_s * n_devices * peak),
        parts,
        memory,
        evidence: evidence(&timing.evidence_s),
    }
}

/// Share of kernel time by grade.
fn evidence(seconds: &[f64; 4]) -> BTreeMap<Evidence, f64> {
    let total: f64 = seconds.iter().sum();
    let grades = [
        Evidence::Measured,
        Evidence::Interpolated,
        Evidence::Extrapolated,
        Evidence::Datasheet,
    ];
    grades
        .into_iter()
        .zip(seconds)
        .filter(|(_, s)| **s > 0.0)
        .map(|(g, s)| (g, s / total))
        .collect()
}

/// A synchronous step waits for its slowest node. With node speeds normal of relative spread σ the
/// expected maximum over n nodes is about σ·√(2 ln n) (Cramér 1946, §28.6, first order).
fn straggler_s(machine: &Machine, math_s: f64) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let n = (machine.n_devices as f64 / f64::from(machine.node_devices)).max(1.0);
    math_s * machine.stack.straggler_sigma * (2.0 * n.ln()).sqrt()
}

/// Operations of the heaviest stage with their times, for `explain`.
#[must_use]
pub fn explain(workload: &Workload, machine: &Machine, layout: &Layout) -> Vec<Explained> {
    let machine = &*machine.with_overlap(layout.overlap);
    let shapes = stages(&workload.model, layout);
    let groups = place(layout, machine.domain);
    let prices = prices(workload, layout, machine, &groups);
    let heaviest = pipeline::heaviest(&shapes, &prices);
    let shape = shapes[heaviest];
    let m = layout.n_micro_batches(workload.global_batch_seqs);
    let mut out = Vec::new();
    let mut add = |place: String, ops: Vec<lower::Op>, n: f64| {
        for op in ops {
            let timed = price::time(&op, machine, &groups);
            let times = m * n * if op.recomputed { 2.0 } else { 1.0 };
            out.push(Explained {
                place: place.clone(),
                op,
                time_s: timed.time_s,
                times,
                evidence: timed.evidence,
                source: timed.source,
            });
        }
    };
    if shape.embedding {
        add("embedding".to_string(), lower::embedding(workload, layout, &machine.stack), 1.0);
    }
    for (kind, n, again) in shape.parts() {
        let mut layers = |layout: &Layout, n: f64| {
            let ops = lower::layer(workload, layout, kind, &machine.stack, &groups);
            add(format!("{} layer", kind.name()), ops, n);
        };
        layers(layout, n);
        if let Some(full) = price::whole(layout).filter(|_| again > 0.0) {
            layers(&full, again);
        }
    }
    if shape.head {
        add("head".to_string(), lower::head(workload, layout, &machine.stack), 1.0);
    }
    out
}
