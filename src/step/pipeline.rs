//! Stages and micro-batches in order, in closed form.
//!
//! What the micro-batches cost is that of the heaviest stage; [`super::closed`] says how long the
//! pipeline takes, and the difference is the bubble. With equal stages and no messages that is the
//! `(p − 1)/v · (f + b)` of Narayanan et al. (arXiv 2104.04473 §2.2).

mod data;

use super::Priced;
use super::closed::{Passes, Pipe};
use super::machine::Machine;
use super::overlap::Slowdown;
use super::parts::Parts;
use super::price::{Price, Prices};
use crate::kernel;
use crate::layout::{Cut, Layout, Schedule, Sharding, StageShape, activation};
use crate::workload::Workload;
pub use data::ChunkCosts;
use data::DataParallel;

/// The micro-batches of a step, before the optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Timing {
    /// Seconds by part.
    pub parts: Parts,
    /// Of the work of the heaviest stage, what is left where pairs of slots hide some; the parts are so much less.
    pub shown_fraction: f64,
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
    for (kind, n, again) in shape.parts() {
        out.add(&prices.layers[kind.index()], n);
        if again > 0.0 {
            out.add(&prices.whole[kind.index()], again);
        }
    }
    if shape.embedding {
        out.add(&prices.embedding, 1.0);
    }
    if shape.head {
        out.add(&prices.head, 1.0);
    }
    out.host_bound(prices.slot_host_s);
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

/// The micro-batches of a step before their collectives over data ranks: what layouts that share or
/// copy their state in different ways have in common.
#[derive(Debug, Clone, Default)]
pub struct Base {
    timing: Timing,
    pipe: Pipe,
    way: Way,
    whole_s: f64,
}

impl Base {
    /// Parts without data-parallel collectives, optimizer and stragglers.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.timing.parts
    }

    /// Index of the heaviest stage.
    #[must_use]
    pub fn heaviest(&self) -> usize {
        self.timing.heaviest
    }
}

/// Time the micro-batches of a step without the collectives that run beside them.
#[must_use]
pub fn base(workload: &Workload, machine: &Machine, layout: &Layout, priced: &Priced<'_>) -> Base {
    let m = layout.n_micro_batches(workload.global_batch_seqs).max(1.0);
    // Each copy of the model sees its share of the micro-batches.
    let passes = m / f64::from(priced.cut.copies());
    let stages = priced.cut.stages();
    let classes = priced.cut.stage_kinds();
    let known: Vec<(Price, f64)> = classes
        .first
        .iter()
        .map(|&i| stage_price(&stages[i], priced.prices))
        .map(|p| (p, p.total_s()))
        .collect();
    let (mut worst_s, mut hardware_flop, mut sum_s) = (f64::MIN, 0.0, 0.0);
    let (mut index, mut heaviest) = (0, 0);
    for (i, &class) in classes.of.iter().enumerate() {
        let (price, total_s) = &known[usize::from(class)];
        sum_s += total_s;
        hardware_flop += passes * (price.flop + price.recompute_flop);
        if *total_s > worst_s {
            (worst_s, index, heaviest) = (*total_s, i, usize::from(class));
        }
    }
    let worst = known.get(heaviest).map_or_else(Price::default, |(price, _)| *price);
    let mut pipe = pipe(workload, machine, layout, priced);
    let way = Way {
        order: layout.order(),
        even: even(priced.cut),
        weight_gradient_fraction: worst.weight_gradient_s / worst.backward_s().max(f64::MIN_POSITIVE),
    };
    let whole_s = way.length_s(&pipe);
    let send_s = std::mem::take(&mut pipe.send_s);
    let silent_s = if send_s > 0.0 { way.length_s(&pipe) } else { whole_s };
    pipe.send_s = send_s;
    let work_s = passes * worst_s;
    let all = |part: fn(&super::price::Slot) -> f64| passes * (part(&worst.forward) + part(&worst.backward) + part(&worst.recompute));
    // Pairs hide some of the work, which can make the time shorter than the sum of the parts.
    let shown_fraction = if silent_s < work_s { silent_s / work_s } else { 1.0 };
    let parts = Parts {
        math_s: passes * (worst.forward.math_s + worst.backward.math_s),
        recompute_s: passes * worst.recompute.math_s,
        tensor_s: all(|s| s.tensor_s),
        context_s: all(|s| s.context_s),
        expert_s: all(|s| s.expert_s),
        host_s: all(|s| s.host_s),
        other_s: all(|s| s.launch_s),
        ..Parts::default()
    };
    let parts = Parts {
        bubble_s: (silent_s - work_s).max(0.0),
        pipeline_s: (whole_s - silent_s).max(0.0),
        ..parts.times(shown_fraction)
    };
    #[allow(clippy::cast_precision_loss)]
    let n_stages = stages.len().max(1) as f64;
    Base {
        timing: Timing {
            claims: false,
            parts,
            shown_fraction,
            heaviest: index,
            n_micro_batches: m,
            mean_over_heaviest_ratio: sum_s / (n_stages * worst_s).max(f64::MIN_POSITIVE),
            hardware_flop,
            evidence_s: worst.evidence_s.map(|s| s * passes),
        },
        pipe,
        way,
        whole_s,
    }
}

/// The same with the collectives over data ranks.
#[must_use]
pub fn with_data(base: &mut Base, machine: &Machine, layout: &Layout, costs: &ChunkCosts) -> Timing {
    let data = data::data_parallel(base, machine, layout, costs);
    let mut timing = base.timing;
    timing.parts.data_s = data.time_s;
    timing.claims = claims(layout, base.way, &data, base.whole_s);
    timing
}

/// Time the micro-batches of a step, with the collectives that run beside them.
#[must_use]
pub fn timing(workload: &Workload, machine: &Machine, layout: &Layout, priced: &Priced<'_>) -> Timing {
    let mut base = base(workload, machine, layout, priced);
    let costs = ChunkCosts::of(workload, machine, layout, priced.cut, priced.groups);
    with_data(&mut base, machine, layout, &costs)
}

/// What of a layout decides how long its slots take together.
#[derive(Debug, Clone, Copy)]
struct Way {
    order: Schedule,
    /// All chunks have the same layers.
    even: bool,
    /// Of a backward, that of the heaviest stage.
    weight_gradient_fraction: f64,
}

impl Default for Way {
    fn default() -> Way {
        Way {
            order: Schedule::OneFOneB,
            even: true,
            weight_gradient_fraction: 0.0,
        }
    }
}

impl Way {
    fn length_s(self, pipe: &Pipe) -> f64 {
        match self.order {
            Schedule::BreadthFirst => pipe.breadth_first_s(),
            Schedule::OneFOneB if pipe.chunks > 1 && self.even => pipe.depth_first_s().low_s,
            Schedule::OneFOneB if pipe.chunks > 1 => pipe.depth_first_s().middle_s(),
            Schedule::GPipe => pipe.gpipe_s(),
            Schedule::OneFOneB => pipe.one_f_one_b_s(),
            other => pipe.filled_s(other, self.weight_gradient_fraction),
        }
    }
}

/// The slots of a layout's pipeline. Two chunks that belong to two copies of the model are one of
/// their mean: the micro-batches of both ways together pass it.
fn pipe(workload: &Workload, machine: &Machine, layout: &Layout, priced: &Priced<'_>) -> Pipe {
    let cut = priced.cut;
    let mut slots = cut.kinds().spread(|i| {
        let price = stage_price(&cut.pieces()[i], priced.prices);
        Passes {
            forward_s: price.forward.total_s(),
            backward_s: price.backward_s(),
        }
    });
    let mut chunks = cut.chunks();
    if cut.copies() > 1 {
        let mean = |pair: &[Passes]| Passes {
            forward_s: pair.iter().map(|p| p.forward_s).sum::<f64>() / f64::from(cut.copies()),
            backward_s: pair.iter().map(|p| p.backward_s).sum::<f64>() / f64::from(cut.copies()),
        };
        slots = slots.chunks(chunks).map(mean).collect();
        chunks = 1;
    }
    let hidden_s = if layout.order().pairs() {
        hidden_s(machine, priced)
    } else {
        Vec::new()
    };
    Pipe {
        stages: cut.stages().len(),
        chunks,
        hidden_s,
        n_micro_batches: layout.n_micro_batches(workload.global_batch_seqs).max(1.0),
        slots,
        send_s: send_s(workload, machine, layout, priced),
        blocking_fraction: 1.0 - machine.stack.pipeline_overlap_fraction,
        delays: Vec::new(),
    }
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
/// - zero-bubble and two-way schedules, of which not every path is looked at: a few percent short at most
///   ([`super::closed`]).
fn claims(layout: &Layout, way: Way, data: &DataParallel, whole_s: f64) -> bool {
    const MARGIN: f64 = 0.003;
    let known = matches!(way.order, Schedule::GPipe | Schedule::OneFOneB | Schedule::BreadthFirst);
    let alone = layout.pipeline <= 1 && layout.sharding == Sharding::Zero3;
    known && (layout.virtual_stages <= 1 || way.even) && (!data.every || alone) && data.unsure_s <= MARGIN * (whole_s + data.time_s)
}

/// By how much the two lines of each stage are shorter beside each other, in the mean of the two ways.
fn hidden_s(machine: &Machine, priced: &Priced<'_>) -> Vec<f64> {
    let (cut, slow) = (priced.cut, Slowdown::of(&machine.stack));
    let prices = cut.kinds().spread(|i| stage_price(&cut.pieces()[i], priced.prices));
    let one = |stage: &[Price]| {
        let ways = stage.iter().zip(stage.iter().rev());
        let hidden = ways.map(|(go, back)| go.forward.total_s() + back.backward_s() - go.beside_s(back, slow));
        #[allow(clippy::cast_precision_loss)]
        let n = stage.len().max(1) as f64;
        hidden.sum::<f64>() / n
    };
    prices.chunks(cut.chunks().max(1)).map(one).collect()
}

fn even(cut: &Cut) -> bool {
    let mut first = cut.kinds().first.iter().map(|&i| cut.pieces()[i].layers);
    let layers = first.next();
    first.all(|other| Some(other) == layers)
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
