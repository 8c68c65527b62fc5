//! Stages and micro-batches in order, in closed form.
//!
//! 1F1B with unequal stages: every micro-batch passes the slowest stage one after another, and the
//! first and last of them pass all other stages too:
//! `T = m·max_i(f_i + b_i) + (Σ_i (f_i + b_i) − max_i(f_i + b_i)) / v`.
//! With equal stages the second term is the `(p − 1)/v · (f + b)` of Narayanan et al.
//! (arXiv 2104.04473 §2.2). `GPipe` has the same length; it differs in memory.

use super::Priced;
use super::machine::Machine;
use super::parts::Parts;
use super::price::{Price, Prices};
use crate::kernel;
use crate::layout::{Layout, StageShape, activation};
use crate::workload::Workload;

/// The micro-batches of a step, before what happens once per step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Timing {
    /// Seconds by part.
    pub parts: Parts,
    /// Index of the heaviest stage.
    pub heaviest: usize,
    /// Micro-batches.
    pub n_micro_batches: f64,
    /// Forward seconds of one micro-batch on the heaviest stage.
    pub forward_s: f64,
    /// Backward seconds of one micro-batch on the heaviest stage, recomputation included.
    pub backward_s: f64,
    /// FLOP that one rank of every stage together executes in a step.
    pub hardware_flop: f64,
    /// Kernel seconds of the heaviest stage by grade of evidence.
    pub evidence_s: [f64; 4],
}

/// One micro-batch on one stage.
#[must_use]
pub fn stage_price(shape: &StageShape, prices: &Prices) -> Price {
    let mut out = Price::default();
    for (kind, n) in shape.kinds() {
        out.add(&prices.layers[kind.index()], n);
    }
    if shape.embedding {
        out.add(&prices.embedding, 1.0);
    }
    if shape.head {
        out.add(&prices.head, 1.0);
    }
    out
}

/// The stage that decides the pace.
#[must_use]
pub fn heaviest(shapes: &[StageShape], prices: &Prices) -> usize {
    let mut best = (0, f64::MIN);
    for (i, shape) in shapes.iter().enumerate() {
        let t = stage_price(shape, prices).total_s();
        if t > best.1 {
            best = (i, t);
        }
    }
    best.0
}

/// Time the micro-batches of a step.
#[must_use]
pub fn timing(workload: &Workload, machine: &Machine, layout: &Layout, priced: &Priced<'_>) -> Timing {
    let m = layout.n_micro_batches(workload.global_batch_seqs).max(1.0);
    let v = f64::from(layout.virtual_stages);
    let mut sum_s = 0.0;
    let (mut worst, mut worst_s) = (Price::default(), f64::MIN);
    let (mut index, mut hardware_flop) = (0, 0.0);
    for (i, shape) in priced.shapes.iter().enumerate() {
        let price = stage_price(shape, priced.prices);
        let total = price.total_s();
        sum_s += total;
        hardware_flop += m * (price.flop + price.recompute_flop);
        if total > worst_s {
            (worst, worst_s, index) = (price, total, i);
        }
    }
    let send = send_s(workload, machine, layout, priced);
    let mut parts = Parts {
        math_s: m * (worst.forward.math_s + worst.backward.math_s),
        recompute_s: m * worst.recompute.math_s,
        tensor_s: m * (worst.forward.tensor_s + worst.backward.tensor_s + worst.recompute.tensor_s),
        context_s: m * (worst.forward.context_s + worst.backward.context_s + worst.recompute.context_s),
        expert_s: m * (worst.forward.expert_s + worst.backward.expert_s + worst.recompute.expert_s),
        other_s: m * (worst.forward.launch_s + worst.backward.launch_s + worst.recompute.launch_s),
        bubble_s: (sum_s - worst_s) / v,
        ..Parts::default()
    };
    if layout.pipeline > 1 {
        // In steady state every chunk of every micro-batch is sent once forward and once backward;
        // filling and draining crosses each boundary once each way, with nothing to hide behind.
        let steady = 2.0 * m * v * send * (1.0 - machine.stack.pipeline_overlap_fraction);
        let fill = 2.0 * (f64::from(layout.pipeline) - 1.0) * send;
        parts.pipeline_s = steady + fill;
    }
    Timing {
        parts,
        heaviest: index,
        n_micro_batches: m,
        forward_s: worst.forward.total_s(),
        backward_s: worst.backward_s(),
        hardware_flop,
        evidence_s: worst.evidence_s.map(|s| s * m),
    }
}

/// One activation between neighbouring stages; with sequence parallelism each tensor rank sends its part,
/// without it the ranks scatter before sending and gather after (Megatron-LM scatter-gather).
pub(super) fn send_s(workload: &Workload, machine: &Machine, layout: &Layout, priced: &Priced<'_>) -> f64 {
    if layout.pipeline == 1 {
        return 0.0;
    }
    let l = activation::local(workload, layout);
    let bytes = l.tokens * l.hidden * workload.precision.activation_bytes / l.tensor;
    kernel::send(&machine.network, priced.groups.pipeline_inside, bytes).time_s
}
