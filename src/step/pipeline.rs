//! Stages and micro-batches in order, in closed form.
//!
//! What the micro-batches cost is that of the heaviest stage; [`super::closed`] says how long the
//! pipeline takes, and the difference is the bubble. With equal stages and no messages that is the
//! `(p − 1)/v · (f + b)` of Narayanan et al. (arXiv 2104.04473 §2.2).

use super::Priced;
use super::closed::{Collectives, Passes, Pipe};
use super::data;
use super::engine::{DataCost, Occasion};
use super::machine::Machine;
use super::overlap::Slowdown;
use super::parts::Parts;
use super::price::{Price, Prices};
use crate::kernel;
use crate::layout::{Layout, Schedule, Sharding, StageShape, activation, stage};
use crate::workload::Workload;

/// The micro-batches of a step, before the optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Timing {
    /// Seconds by part.
    pub parts: Parts,
    /// Index of the heaviest stage.
    pub heaviest: usize,
    /// Micro-batches.
    pub n_micro_batches: f64,
    /// Work of the mean stage over that of the heaviest.
    pub mean_over_heaviest_ratio: f64,
    /// FLOP that one rank of every stage together executes in a step.
    pub hardware_flop: f64,
    /// Kernel seconds of the heaviest stage by grade of evidence.
    pub evidence_s: [f64; 4],
    /// The closed form is claimed to be within 0.5 % of [`super::engine`].
    pub claims: bool,
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

/// Time the micro-batches of a step, with the collectives that run beside them.
#[must_use]
pub fn timing(workload: &Workload, machine: &Machine, layout: &Layout, priced: &Priced<'_>) -> Timing {
    let m = layout.n_micro_batches(workload.global_batch_seqs).max(1.0);
    let (mut worst, mut worst_s) = (Price::default(), f64::MIN);
    let (mut index, mut hardware_flop, mut sum_s) = (0, 0.0, 0.0);
    for (i, shape) in priced.shapes.iter().enumerate() {
        let price = stage_price(shape, priced.prices);
        let total = price.total_s();
        sum_s += total;
        hardware_flop += m * (price.flop + price.recompute_flop);
        if total > worst_s {
            (worst, worst_s, index) = (price, total, i);
        }
    }
    let (mut pipe, chunks) = pipe(workload, machine, layout, priced);
    let even = even(&chunks);
    let whole_s = length_s(layout, &pipe, even);
    let send_s = std::mem::take(&mut pipe.send_s);
    let silent_s = length_s(layout, &pipe, even);
    pipe.send_s = send_s;
    let data = data_parallel(workload, machine, layout, priced, pipe, &chunks, whole_s);
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
        data_s: data.time_s,
        ..Parts::default()
    };
    Timing {
        claims: claims(layout, even, &data, whole_s),
        parts,
        heaviest: index,
        n_micro_batches: m,
        #[allow(clippy::cast_precision_loss)]
        mean_over_heaviest_ratio: sum_s / (priced.shapes.len().max(1) as f64 * worst_s).max(f64::MIN_POSITIVE),
        hardware_flop,
        evidence_s: worst.evidence_s.map(|s| s * m),
    }
}

/// What data-parallel collectives do to a pipeline.
#[derive(Debug, Clone, Copy, Default)]
struct DataParallel {
    /// Seconds by which they lengthen it.
    time_s: f64,
    /// By how much more they might.
    unsure_s: f64,
    /// They come with every micro-batch.
    every: bool,
}

fn data_parallel(
    workload: &Workload,
    machine: &Machine,
    layout: &Layout,
    priced: &Priced<'_>,
    mut pipe: Pipe,
    chunks: &[StageShape],
    whole_s: f64,
) -> DataParallel {
    let groups = priced.groups;
    if !data::is_shared(groups) {
        return DataParallel::default();
    }
    let share = machine.stack.data_overlap_fraction;
    let (p, v) = (pipe.stages, pipe.chunks);
    let whole = by_stage(p, v, chunks, |shape| data::chunk_cost(workload, machine, layout, groups, shape));
    let last_s = whole
        .chunks(v)
        .map(|stage| stage.iter().map(|c| data::step_s(layout, c, pipe.n_micro_batches)).sum());
    let after_s = (1.0 - share) * last_s.fold(0.0, f64::max);
    let beside: Vec<DataCost> = whole.iter().map(|c| data::scaled(c, share)).collect();
    let (gathers, reduces) = data::occasions(layout);
    let collectives = Collectives {
        chunks: &beside,
        gathers,
        reduces,
        slowdown: Slowdown::of(&machine.stack),
        n_together: match layout.schedule {
            Schedule::OneFOneB => f64::from(layout.pipeline),
            _ => pipe.n_micro_batches,
        },
    };
    let (mut edge_s, mut paced_s) = (0.0, 0.0);
    let every = gathers == Occasion::Every || reduces == Occasion::Every;
    if every {
        let (settled, first_edge_s) = settled(&collectives, &pipe);
        edge_s = first_edge_s;
        if gathers == Occasion::Every {
            pipe.slots = settled;
        } else {
            // Only backwards are longer, and only where they follow each other: not while it fills.
            paced_s = pipe.n_micro_batches * slower_s(&pipe, &settled);
        }
    }
    let once = collectives.once(&pipe);
    // All forwards first: which stage's delays lie on the longest way depends on where it turns.
    let turns_s: f64 = once.delays.iter().map(|d| d.forward_s + d.backward_s).sum();
    let unsure_s = once.unsure_s + if layout.schedule == Schedule::OneFOneB { 0.0 } else { turns_s };
    pipe.delays = once.delays;
    let lengthened_s = if every || turns_s > 0.0 {
        length_s(layout, &pipe, even(chunks)) - whole_s
    } else {
        0.0
    };
    DataParallel {
        time_s: (lengthened_s + paced_s + edge_s + once.later_chunks_s + once.after_s).max(0.0) + after_s,
        unsure_s,
        every,
    }
}

/// Slots of chunks whose collectives come with every micro-batch, and what the first one's ends add:
/// it ends last.
fn settled(collectives: &Collectives<'_>, pipe: &Pipe) -> (Vec<Passes>, f64) {
    let mut edge_s = 0.0;
    let mut last: Option<(Passes, DataCost, Passes)> = None;
    let mut out = Vec::with_capacity(pipe.slots.len());
    for (i, (alone, cost)) in pipe.slots.iter().zip(collectives.chunks).enumerate() {
        // Most neighbors are the same.
        let passes = match last {
            Some((a, c, passes)) if a == *alone && c == *cost => passes,
            _ => {
                let steady = collectives.steady(*alone, cost);
                edge_s = if i == 0 { steady.edge_s } else { edge_s };
                steady.passes
            }
        };
        last = Some((*alone, *cost, passes));
        out.push(passes);
    }
    (out, edge_s)
}

/// By how much a micro-batch takes longer on the stage where that is most.
fn slower_s(pipe: &Pipe, settled: &[Passes]) -> f64 {
    let both = |p: &Passes| p.forward_s + p.backward_s;
    let more_s = |(alone, settled): (&Passes, &Passes)| both(settled) - both(alone);
    let stages = pipe.slots.chunks(pipe.chunks).zip(settled.chunks(pipe.chunks));
    stages.map(|(a, s)| a.iter().zip(s).map(more_s).sum()).fold(0.0, f64::max)
}

/// A value of each chunk, chunk `c` of stage `i` at `i · chunks + c`; neighbors on the path of a
/// micro-batch are mostly the same.
fn by_stage<T: Copy + Default>(stages: usize, chunks: usize, shapes: &[StageShape], make: impl Fn(&StageShape) -> T) -> Vec<T> {
    let mut out = vec![T::default(); stages * chunks];
    let mut last: Option<(&StageShape, T)> = None;
    for (position, shape) in shapes.iter().enumerate() {
        let value = match last {
            Some((same, value)) if same == shape => value,
            _ => make(shape),
        };
        last = Some((shape, value));
        if let Some(place) = out.get_mut(position % stages * chunks + position / stages) {
            *place = value;
        }
    }
    out
}

/// The slots of a layout's pipeline, and its chunks along the path of a micro-batch.
fn pipe(workload: &Workload, machine: &Machine, layout: &Layout, priced: &Priced<'_>) -> (Pipe, Vec<StageShape>) {
    let (p, v) = (priced.shapes.len(), layout.virtual_stages.max(1) as usize);
    let chunks = if v == 1 {
        priced.shapes.to_vec()
    } else {
        stage::chunks(&workload.model, layout)
    };
    let slots = by_stage(p, v, &chunks, |shape| {
        let price = stage_price(shape, priced.prices);
        Passes {
            forward_s: price.forward.total_s(),
            backward_s: price.backward_s(),
        }
    });
    let pipe = Pipe {
        stages: p,
        chunks: v,
        n_micro_batches: layout.n_micro_batches(workload.global_batch_seqs).max(1.0),
        slots,
        send_s: send_s(workload, machine, layout, priced),
        blocking_fraction: 1.0 - machine.stack.pipeline_overlap_fraction,
        delays: Vec::new(),
    };
    (pipe, chunks)
}

/// True where the closed form is claimed to be within 0.5 % of [`super::engine`].
///
/// It is not claimed for
/// - interleaving over chunks that differ (embedding and head aside). There the pace changes with
///   every group of micro-batches: stages that are light at one chunk wait for those that are heavy
///   at it, and whether they make up for it at the next depends on which backwards run between. The
///   closed form then says the middle of the bounds of [`Pipe::depth_first_s`] and can be 15 % off
///   either way;
/// - collectives with every micro-batch (ZeRO-2, ZeRO-3) in a pipeline: what one slot leaves to
///   reduce runs beside the next, which may be any;
/// - collectives that delay several chunks, where the delays may add up to more than the margin;
/// - zero-bubble and two-way schedules, which it treats as 1F1B.
fn claims(layout: &Layout, even: bool, data: &DataParallel, whole_s: f64) -> bool {
    const MARGIN: f64 = 0.003;
    let known = matches!(layout.schedule, Schedule::GPipe | Schedule::OneFOneB | Schedule::BreadthFirst) || layout.pipeline <= 1;
    let alone = layout.pipeline <= 1 && layout.schedule == Schedule::OneFOneB && layout.sharding == Sharding::Zero3;
    known && (layout.virtual_stages <= 1 || even) && (!data.every || alone) && data.unsure_s <= MARGIN * (whole_s + data.time_s)
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
