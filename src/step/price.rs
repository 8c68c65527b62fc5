//! Seconds of the operations of one layer, sorted into what a step consists of.
//!
//! `time` asks the kernel room how long each takes alone, `play` puts a pass in order and says what
//! runs beside what, [`super::overlap`] how long that takes. Sums and pictures come from one play.

mod play;
mod spans;
mod time;

pub use play::Phase;
pub use spans::{OpSpan, spans};
pub use time::{communicate, flop, time};

use super::lower::{self, GroupName, Op, Pass, Role, Work};
use super::machine::Machine;
use super::overlap::{Slowdown, exposed_s, together};
use crate::catalog::{N_KINDS, Stack};
use crate::kernel::{Evidence, Source, Timed};
use crate::layout::{Groups, Layout, Recompute, activation};
use crate::workload::{Feed, LayerKind, Workload};
use play::{Play, Turn};

/// Exposed seconds of one pass of one layer and micro-batch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Slot {
    /// Arithmetic and memory-bound kernels.
    pub math_s: f64,
    /// Tensor-parallel communication.
    pub tensor_s: f64,
    /// Context-parallel communication.
    pub context_s: f64,
    /// Expert communication.
    pub expert_s: f64,
    /// Time by which the host is behind the device.
    pub launch_s: f64,
    /// Time by which copies of activations to or from the host are behind everything else.
    pub host_s: f64,
}

impl Slot {
    /// All of it.
    #[must_use]
    pub fn total_s(&self) -> f64 {
        self.math_s + self.tensor_s + self.context_s + self.expert_s + self.launch_s + self.host_s
    }

    /// Add `n` times another.
    pub fn add(&mut self, other: &Slot, n: f64) {
        self.math_s += n * other.math_s;
        self.tensor_s += n * other.tensor_s;
        self.context_s += n * other.context_s;
        self.expert_s += n * other.expert_s;
        self.launch_s += n * other.launch_s;
        self.host_s += n * other.host_s;
    }
}

/// One layer, or embedding, or head, priced.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Price {
    /// Forward.
    pub forward: Slot,
    /// Backward without recomputation.
    pub backward: Slot,
    /// Seconds of `backward` that only make gradients of weights: nobody upstream waits for them.
    pub weight_gradient_s: f64,
    /// Forward work done again.
    pub recompute: Slot,
    /// Executed FLOP, forward and backward.
    pub flop: f64,
    /// Executed FLOP of recomputation.
    pub recompute_flop: f64,
    /// Kernel seconds by grade of evidence.
    pub evidence_s: [f64; 4],
    /// Seconds that the host launches kernels for forward, and for backward with recomputation.
    pub host_launch_s: [f64; 2],
}

impl Price {
    /// Add `n` times another.
    pub fn add(&mut self, other: &Price, n: f64) {
        self.forward.add(&other.forward, n);
        self.backward.add(&other.backward, n);
        self.recompute.add(&other.recompute, n);
        self.weight_gradient_s += n * other.weight_gradient_s;
        self.flop += n * other.flop;
        self.recompute_flop += n * other.recompute_flop;
        for (a, b) in self.evidence_s.iter_mut().zip(other.evidence_s) {
            *a += n * b;
        }
        for (a, b) in self.host_launch_s.iter_mut().zip(other.host_launch_s) {
            *a += n * b;
        }
    }

    /// One slot of a pipeline: what the host does once for it (schedule, autograd, data) on top of
    /// its launches. The host runs ahead of a busy device, so only what exceeds the slot shows.
    pub fn host_bound(&mut self, slot_host_s: f64) {
        let forward_s = self.forward.total_s() - self.forward.launch_s;
        self.forward.launch_s = self.forward.launch_s.max(self.host_launch_s[0] + slot_host_s - forward_s);
        let launch_s = self.backward.launch_s + self.recompute.launch_s;
        let backward_s = self.backward_s() - launch_s;
        let more_s = self.host_launch_s[1] + slot_host_s - backward_s - launch_s;
        self.backward.launch_s += more_s.max(0.0);
    }

    /// Backward with recomputation.
    #[must_use]
    pub fn backward_s(&self) -> f64 {
        self.backward.total_s() + self.recompute.total_s()
    }

    /// Seconds of the forward beside a backward of another: the expert exchange of each runs beside the
    /// math of the other (arXiv 2412.19437 §3.2.1), and slows it.
    #[must_use]
    pub fn beside_s(&self, backward: &Price, slowdown: Slowdown) -> f64 {
        let exchange_s = self.forward.expert_s + backward.backward.expert_s + backward.recompute.expert_s;
        let rest_s = self.forward.total_s() + backward.backward_s() - exchange_s;
        together(exchange_s, rest_s, slowdown).total_s()
    }

    /// Expert exchange of a micro-batch.
    #[must_use]
    pub fn exchange_s(&self) -> f64 {
        self.forward.expert_s + self.backward.expert_s + self.recompute.expert_s
    }

    /// Forward and backward of one micro-batch.
    #[must_use]
    pub fn total_s(&self) -> f64 {
        self.forward.total_s() + self.backward_s()
    }
}

/// What prices depend on besides the operations.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// What runs them.
    pub machine: &'a Machine,
    /// Who communicates.
    pub groups: &'a Groups,
    /// Weight gradients are a pass of their own, so nothing of the backward pass runs beside them.
    pub splits_backward: bool,
}

impl<'a> Terms<'a> {
    /// Those of a layout on a machine.
    #[must_use]
    pub fn new(machine: &'a Machine, groups: &'a Groups, layout: &Layout) -> Terms<'a> {
        Terms {
            machine,
            groups,
            splits_backward: layout.schedule.splits_backward(),
        }
    }
}

/// Operations with how long each takes alone.
#[derive(Debug, Clone, Default)]
struct TimedOps {
    ops: Vec<Op>,
    times: Vec<Timed>,
    /// Kernels launched.
    kernels: f64,
}

impl TimedOps {
    fn new(ops: Vec<Op>, machine: &Machine, groups: &Groups, kernels: f64) -> TimedOps {
        TimedOps {
            times: ops.iter().map(|op| time(op, machine, groups)).collect(),
            ops,
            kernels,
        }
    }

    /// Their price, communication beside the math that it may run beside.
    ///
    /// A hidden communication costs nothing of its own; what it adds to the math is charged to its group:
    /// what is left of it when the math ends, and the math's slowdown.
    fn price(&self, terms: &Terms<'_>) -> Price {
        let stack = &terms.machine.stack;
        let mut out = Price::default();
        let mut times_s = Vec::with_capacity(self.ops.len());
        for (op, timed) in self.ops.iter().zip(&self.times) {
            times_s.push(timed.time_s);
            out.evidence_s[timed.evidence as usize] += timed.time_s * if op.recomputed { 2.0 } else { 1.0 };
            out.flop += flop(op);
            if op.recomputed {
                out.recompute_flop += flop(op);
            }
            if op.pass == Pass::Backward && op.role == Role::WeightGradient {
                out.weight_gradient_s += timed.time_s;
            }
        }
        let play = Play::new(&self.ops, &times_s, terms);
        let slow = Slowdown::of(stack);
        out.forward = sum(&play, Phase::Forward, slow);
        if terms.splits_backward {
            out.backward = sum(&play, Phase::InputGradient, slow);
            out.backward.add(&sum(&play, Phase::WeightGradient, slow), 1.0);
        } else {
            out.backward = sum(&play, Phase::Backward, slow);
        }
        out.recompute = sum(&play, Phase::Recompute, slow);
        launch_bound(&mut out, self.kernels, stack);
        out
    }
}

/// Price a list of operations.
#[must_use]
pub fn price(ops: &[Op], terms: &Terms<'_>, kernels: f64) -> Price {
    TimedOps::new(ops.to_vec(), terms.machine, terms.groups, kernels).price(terms)
}

fn sum(play: &Play<'_>, phase: Phase, slow: Slowdown) -> Slot {
    let mut slot = Slot::default();
    play.run(0..play.len(), phase, &mut |turn| match turn {
        Turn::Math { time_s, .. } => slot.math_s += time_s,
        Turn::Communication { group, time_s, .. } => charge(&mut slot, group, time_s),
        Turn::Both {
            group,
            communication_s,
            math_s,
            ..
        } => {
            slot.math_s += math_s;
            charge(&mut slot, group, exposed_s(communication_s, math_s, slow));
        }
    });
    slot
}

fn charge(slot: &mut Slot, group: GroupName, seconds: f64) {
    match group {
        GroupName::Tensor => slot.tensor_s += seconds,
        GroupName::Context | GroupName::ContextInside | GroupName::ContextAcross => slot.context_s += seconds,
        GroupName::Expert | GroupName::ExpertTensor => slot.expert_s += seconds,
    }
}

/// The host launches kernels one after another; when a segment's kernels finish sooner, the device
/// waits. Backward launches about twice the kernels of forward.
fn launch_bound(price: &mut Price, kernels: f64, stack: &Stack) {
    let host_s = kernels * stack.launch_s;
    price.host_launch_s = [host_s, 2.0 * host_s];
    price.forward.launch_s = (host_s - price.forward.total_s()).max(0.0);
    price.backward.launch_s = (2.0 * host_s - price.backward.total_s()).max(0.0);
    if price.recompute.math_s > 0.0 {
        let share = (price.recompute.math_s / price.forward.math_s.max(1e-12)).min(1.0);
        price.host_launch_s[1] += host_s * share;
        price.recompute.launch_s = (host_s * share - price.recompute.total_s()).max(0.0);
    }
}

/// Layers by kind, embedding and head of a layout, priced.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Prices {
    /// By [`LayerKind::index`].
    pub layers: [Price; N_KINDS],
    /// The same of layers that are computed again whole although not all are.
    pub whole: [Price; N_KINDS],
    /// Input embedding.
    pub embedding: Price,
    /// Output head and loss.
    pub head: Price,
    /// Host time of a slot besides launching its kernels.
    pub slot_host_s: f64,
}

/// Everything that a stage of a layout can hold, timed: what does not depend on schedule, overlap or
/// offloading, nor on how many layers lie where.
#[derive(Debug, Clone, Default)]
pub struct Operations {
    layers: Vec<(LayerKind, TimedOps)>,
    whole: Vec<(LayerKind, TimedOps)>,
    embedding: TimedOps,
    head: TimedOps,
}

impl Operations {
    /// Those of a layout. Only kinds that the model has are looked at.
    #[must_use]
    pub fn of(workload: &Workload, layout: &Layout, machine: &Machine, groups: &Groups) -> Operations {
        let stack = &machine.stack;
        let used = crate::workload::pattern(&workload.model);
        let timed = |layout: &Layout| {
            let kinds = LayerKind::ALL.into_iter().filter(|kind| used.contains(kind));
            let one = |kind: LayerKind| {
                let ops = lower::layer(workload, layout, kind, stack, groups);
                let mixture = if kind.feed == Feed::Mixture {
                    stack.kernels_per_mixture
                } else {
                    0.0
                };
                let kernels = stack.kernels_per_layer + mixture + expert_launches(&ops);
                (kind, TimedOps::new(ops, machine, groups, kernels))
            };
            kinds.map(one).collect()
        };
        let ends = |ops, kernels| TimedOps::new(ops, machine, groups, kernels);
        Operations {
            layers: timed(layout),
            whole: whole(layout).map(|full| timed(&full)).unwrap_or_default(),
            embedding: ends(lower::embedding(workload, layout, stack), 2.0),
            head: ends(lower::head(workload, layout, stack), 6.0),
        }
    }

    /// Their prices under a layout that differs in nothing else than schedule, overlap, offloading and
    /// where layers lie.
    #[must_use]
    pub fn prices(&self, workload: &Workload, layout: &Layout, machine: &Machine, groups: &Groups) -> Prices {
        let terms = Terms::new(machine, groups, layout);
        let mut out = Prices {
            embedding: self.embedding.price(&terms),
            head: self.head.price(&terms),
            slot_host_s: machine.stack.slot_host_s,
            ..Prices::default()
        };
        let one = |layout: &Layout, kind: LayerKind, timed: &TimedOps| {
            let mut price = timed.price(&terms);
            copy_bound(&mut price, copy_s(workload, layout, machine, kind));
            price
        };
        for (kind, timed) in &self.layers {
            out.layers[kind.index()] = one(layout, *kind, timed);
        }
        if let Some(full) = whole(layout) {
            for (kind, timed) in &self.whole {
                out.whole[kind.index()] = one(&full, *kind, timed);
            }
        }
        out
    }
}

/// The layout of the layers that are computed again although not all are.
#[must_use]
pub fn whole(layout: &Layout) -> Option<Layout> {
    (layout.recompute.layers() > 0).then_some(Layout {
        recompute: Recompute::Full,
        ..*layout
    })
}

/// Price everything that a stage of this layout can hold. Only kinds that the model has are priced.
#[must_use]
pub fn prices(workload: &Workload, layout: &Layout, machine: &Machine, groups: &Groups) -> Prices {
    Operations::of(workload, layout, machine, groups).prices(workload, layout, machine, groups)
}

/// Launches of the forward multiplies of a layer's experts, one by one; an 8- or 4-bit one needs its input
/// and its weight cast before (Transformer Engine `GroupedLinear` loops over experts).
fn expert_launches(ops: &[Op]) -> f64 {
    let launches = |op: &Op| match op.work {
        Work::Experts(shape) if op.pass == Pass::Forward => shape.batch * if shape.dtype.bytes() < 2.0 { 3.0 } else { 1.0 },
        _ => 0.0,
    };
    ops.iter().map(launches).sum()
}

/// Seconds of a layer's activations over the host link, either way; none where they stay.
#[must_use]
pub fn copy_s(workload: &Workload, layout: &Layout, machine: &Machine, kind: LayerKind) -> f64 {
    let (true, Some(link)) = (layout.offload.activations(), machine.host_link_bytes_per_s) else {
        return 0.0;
    };
    let rules = machine.memory_context().rules;
    activation::layer(workload, layout, kind, rules).kept_bytes / link
}

/// Activations of a layer leave while the next one runs, and come back while the one after it runs
/// backward (vDNN, arXiv 1602.08124 §3.2): among equal layers a pass takes the longer of the two. Copy
/// engines take no compute units, so neither slows the other.
fn copy_bound(price: &mut Price, copy_s: f64) {
    price.forward.host_s = (copy_s - price.forward.total_s()).max(0.0);
    price.backward.host_s = (copy_s - price.backward_s()).max(0.0);
}

/// One line of `explain`: an operation with its time and what the time rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// Which part of the model.
    pub place: String,
    /// The operation.
    pub op: Op,
    /// Seconds of one execution, before overlap.
    pub time_s: f64,
    /// Executions per step on one device of the heaviest stage.
    pub times: f64,
    /// Grade.
    pub evidence: Evidence,
    /// Formula or measurement.
    pub source: Source,
}
