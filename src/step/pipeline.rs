//! Stages and micro-batches in order, in closed form.
//!
//! What the micro-batches cost is that of the heaviest stage; [`super::closed`] says how long the
//! pipeline takes, and the difference is the bubble. With equal stages and no messages that is the
//! `(p − 1)/v · (f + b)` of Narayanan et al. (arXiv 2104.04473 §2.2).

use super::Priced;
use super::closed::{Passes, Pipe};
use super::machine::Machine;
use super::parts::Parts;
use super::price::{Price, Prices};
use crate::kernel;
use crate::layout::{Layout, Schedule, StageShape, activation, stage};
use crate::workload::Workload;
use std::cell::Cell;

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
    let (mut worst, mut worst_s) = (Price::default(), f64::MIN);
    let (mut index, mut hardware_flop) = (0, 0.0);
    for (i, shape) in priced.shapes.iter().enumerate() {
        let price = stage_price(shape, priced.prices);
        let total = price.total_s();
        hardware_flop += m * (price.flop + price.recompute_flop);
        if total > worst_s {
            (worst, worst_s, index) = (price, total, i);
        }
    }
    let (mut pipe, even) = pipe(workload, machine, layout, priced);
    let whole_s = length_s(layout, &pipe, even);
    pipe.send_s = 0.0;
    let silent_s = length_s(layout, &pipe, even);
    let work_s = m * worst_s;
    let parts = Parts {
        math_s: m * (worst.forward.math_s + worst.backward.math_s),
        recompute_s: m * worst.recompute.math_s,
        tensor_s: m * (worst.forward.tensor_s + worst.backward.tensor_s + worst.recompute.tensor_s),
        context_s: m * (worst.forward.context_s + worst.backward.context_s + worst.recompute.context_s),
        expert_s: m * (worst.forward.expert_s + worst.backward.expert_s + worst.recompute.expert_s),
        other_s: m * (worst.forward.launch_s + worst.backward.launch_s + worst.recompute.launch_s),
        bubble_s: (silent_s - work_s).max(0.0),
        pipeline_s: (whole_s - silent_s).max(0.0),
        ..Parts::default()
    };
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

/// The slots of a layout's pipeline, and whether its chunks are even.
fn pipe(workload: &Workload, machine: &Machine, layout: &Layout, priced: &Priced<'_>) -> (Pipe, bool) {
    // Most neighbours are the same.
    let last = Cell::new(None);
    let passes = |shape: &StageShape| match last.get() {
        Some((same, passes)) if same == *shape => passes,
        _ => {
            let price = stage_price(shape, priced.prices);
            let passes = Passes {
                forward_s: price.forward.total_s(),
                backward_s: price.backward_s(),
            };
            last.set(Some((*shape, passes)));
            passes
        }
    };
    let (p, v) = (priced.shapes.len(), layout.virtual_stages.max(1) as usize);
    let mut is_even = true;
    let slots = if v == 1 {
        priced.shapes.iter().map(passes).collect()
    } else {
        let chunks = stage::chunks(&workload.model, layout);
        is_even = even(&chunks);
        let at = |i: usize, c: usize| chunks.get(c * p + i).map(passes).unwrap_or_default();
        (0..p).flat_map(|i| (0..v).map(move |c| (i, c))).map(|(i, c)| at(i, c)).collect()
    };
    let pipe = Pipe {
        stages: p,
        chunks: v,
        n_micro_batches: layout.n_micro_batches(workload.global_batch_seqs).max(1.0),
        slots,
        send_s: send_s(workload, machine, layout, priced),
        blocking_fraction: 1.0 - machine.stack.pipeline_overlap_fraction,
    };
    (pipe, is_even)
}

/// True where the closed form is claimed to be within 0.5 % of [`super::engine`]: all schedules
/// without virtual stages, and with them when every chunk has the same layers (embedding and head
/// aside).
///
/// It is not claimed for interleaving over chunks that differ. There the pace changes with every
/// group of micro-batches: stages that are light at one chunk wait for those that are heavy at it,
/// and whether they make up for it at the next depends on which backwards run between. The closed
/// form then says the middle of the bounds of [`Pipe::depth_first_s`] and can be 15 % off either
/// way; the engine is exact.
#[must_use]
pub fn claims(workload: &Workload, layout: &Layout) -> bool {
    layout.virtual_stages <= 1 || even(&stage::chunks(&workload.model, layout))
}

fn even(chunks: &[StageShape]) -> bool {
    chunks.windows(2).all(|pair| pair[0].layers == pair[1].layers)
}

fn length_s(layout: &Layout, pipe: &Pipe, even: bool) -> f64 {
    match layout.schedule {
        Schedule::BreadthFirst => pipe.breadth_first_s(),
        Schedule::GPipe if pipe.chunks > 1 => pipe.breadth_first_s(),
        Schedule::OneFOneB if pipe.chunks > 1 && even => pipe.depth_first_s().low_s,
        Schedule::OneFOneB if pipe.chunks > 1 => pipe.depth_first_s().middle_s(),
        Schedule::GPipe => pipe.gpipe_s(),
        _ => pipe.one_f_one_b_s(),
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
