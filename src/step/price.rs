//! Seconds of the operations of one layer, sorted into what a step consists of.

use super::lower::{self, GroupName, Op, Pass, Work};
use super::machine::Machine;
use crate::catalog::{Collective, N_KINDS, Stack};
use crate::kernel::attention::ScoreKernels;
use crate::kernel::{self, Evidence, Source, Timed};
use crate::layout::{Groups, Layout, Placed};
use crate::workload::{LayerKind, Workload};

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
}

impl Slot {
    /// All of it.
    #[must_use]
    pub fn total_s(&self) -> f64 {
        self.math_s + self.tensor_s + self.context_s + self.expert_s + self.launch_s
    }

    /// Add `n` times another.
    pub fn add(&mut self, other: &Slot, n: f64) {
        self.math_s += n * other.math_s;
        self.tensor_s += n * other.tensor_s;
        self.context_s += n * other.context_s;
        self.expert_s += n * other.expert_s;
        self.launch_s += n * other.launch_s;
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
    }

    /// Backward with recomputation.
    #[must_use]
    pub fn backward_s(&self) -> f64 {
        self.backward.total_s() + self.recompute.total_s()
    }

    /// Forward and backward of one micro-batch.
    #[must_use]
    pub fn total_s(&self) -> f64 {
        self.forward.total_s() + self.backward_s()
    }
}

/// Which group a communication runs in.
fn group(groups: &Groups, name: GroupName) -> Placed {
    match name {
        GroupName::Tensor => groups.tensor,
        GroupName::Context => groups.context,
        GroupName::Expert => groups.expert,
        GroupName::ExpertTensor => groups.expert_tensor,
    }
}

/// Seconds of one operation on its own, before overlap.
#[must_use]
pub fn time(op: &Op, machine: &Machine, groups: &Groups) -> Timed {
    let device = machine.device();
    let stack = &machine.stack;
    let backward = op.pass == Pass::Backward;
    let timed = match op.work {
        Work::Gemm(shape) => sustained(kernel::gemm(&device, &shape), stack),
        Work::Serial { shape, times } => {
            let one = sustained(kernel::gemm(&device, &shape), stack);
            // Steps of a recurrence cannot overlap: each costs at least a kernel.
            one.times((one.time_s.max(stack.kernel_floor_s) / one.time_s.max(1e-12)) * times)
        }
        Work::Flash(shape) if backward => sustained(kernel::attention_backward(&device, &shape), stack),
        Work::Flash(shape) => sustained(kernel::attention(&device, &shape), stack),
        Work::Unfused(shape) => {
            let both = kernel::unfused(&device, &shape, &score_kernels(stack));
            sustained(if backward { both.backward } else { both.forward }, stack)
        }
        Work::Stream { bytes } => kernel::stream(
            &device,
            bytes * stack.passes,
            stream_efficiency(stack, backward),
            stack.kernel_floor_s,
        ),
        Work::Collective { kind, group: name, bytes } => communicate(machine, kind, group(groups, name), bytes),
    };
    match op.work {
        Work::Collective { .. } => timed,
        _ => Timed {
            time_s: timed.time_s.max(stack.kernel_floor_s),
            ..timed
        },
    }
}

fn score_kernels(stack: &Stack) -> ScoreKernels {
    ScoreKernels {
        passes: stack.passes,
        forward_efficiency: stack.stream_forward_efficiency,
        backward_efficiency: stack.stream_backward_efficiency,
        floor_s: stack.kernel_floor_s,
    }
}

/// A collective among a placed group.
#[must_use]
pub fn communicate(machine: &Machine, kind: Collective, placed: Placed, bytes: f64) -> Timed {
    let group = kernel::Group {
        n: placed.n,
        per_domain: placed.per_domain,
    };
    kernel::collective(&machine.network, machine.profile.as_ref(), kind, group, bytes)
}

fn stream_efficiency(stack: &Stack, backward: bool) -> f64 {
    if backward {
        stack.stream_backward_efficiency
    } else {
        stack.stream_forward_efficiency
    }
}

/// Kernel tables are short bursts at boost clock; under the sustained load of a step large matrix
/// kernels sit at the power limit (power-monitored tables of `NVIDIA` aiconfigurator).
fn sustained(timed: Timed, stack: &Stack) -> Timed {
    Timed {
        time_s: timed.time_s * stack.sustained_factor,
        ..timed
    }
}

/// FLOP that an operation executes.
#[must_use]
pub fn flop(op: &Op) -> f64 {
    match op.work {
        Work::Gemm(s) => s.flop(),
        Work::Serial { shape, times } => shape.flop() * times,
        // Backward of attention: two multiplies for each of the forward's (Korthikanti, appendix A);
        // the scores that flash attention forms again are not counted, as in published HFU figures.
        Work::Flash(s) | Work::Unfused(s) => s.flop() * if op.pass == Pass::Backward { 2.0 } else { 1.0 },
        Work::Stream { .. } | Work::Collective { .. } => 0.0,
    }
}

/// Price a list of operations that run one after another, communication partly beside math.
#[must_use]
pub fn price(ops: &[Op], machine: &Machine, groups: &Groups, kernels: f64) -> Price {
    let stack = &machine.stack;
    let mut out = Price::default();
    let (mut beside_s, mut weight_gradient_s) = (0.0, 0.0);
    for op in ops {
        let timed = time(op, machine, groups);
        let evidence = timed.evidence as usize;
        out.evidence_s[evidence] += timed.time_s * if op.recomputed { 2.0 } else { 1.0 };
        let slot = if op.pass == Pass::Forward {
            &mut out.forward
        } else {
            &mut out.backward
        };
        match op.work {
            Work::Collective { group, .. } => {
                if op.beside_weight_gradient && stack.hides_tensor_backward {
                    beside_s += timed.time_s;
                    continue;
                }
                charge(slot, group, exposed(timed.time_s, group, stack));
                if op.recomputed {
                    charge(&mut out.recompute, group, exposed(timed.time_s, group, stack));
                }
            }
            Work::Gemm(shape) => {
                slot.math_s += timed.time_s;
                if shape.accumulate_fp32 || op.name.ends_with("wgrad") {
                    weight_gradient_s += timed.time_s;
                }
            }
            _ => slot.math_s += timed.time_s,
        }
        out.flop += flop(op);
        if op.recomputed && !matches!(op.work, Work::Collective { .. }) {
            out.recompute.math_s += timed.time_s;
            out.recompute_flop += flop(op);
        }
    }
    out.weight_gradient_s = weight_gradient_s;
    let hidden_s = f64::min(beside_s, weight_gradient_s);
    out.backward.tensor_s += beside_s - hidden_s + hidden_s * (stack.overlap_slowdown - 1.0);
    launch_bound(&mut out, kernels, stack);
    out
}

/// What stays visible of a communication of which a share runs beside math: the rest, and the
/// slowdown that the hidden share inflicts (Galvatron, arXiv 2211.13878 §3.4).
fn exposed(time_s: f64, group: GroupName, stack: &Stack) -> f64 {
    let share = match group {
        GroupName::Tensor | GroupName::ExpertTensor => stack.tensor_overlap_fraction,
        GroupName::Context => stack.context_overlap_fraction,
        GroupName::Expert => stack.expert_overlap_fraction,
    };
    time_s * (1.0 - share) + time_s * share * (stack.overlap_slowdown - 1.0)
}

fn charge(slot: &mut Slot, group: GroupName, seconds: f64) {
    match group {
        GroupName::Tensor => slot.tensor_s += seconds,
        GroupName::Context => slot.context_s += seconds,
        GroupName::Expert | GroupName::ExpertTensor => slot.expert_s += seconds,
    }
}

/// The host launches kernels one after another; when a segment's kernels finish sooner, the device
/// waits. Backward launches about twice the kernels of forward.
fn launch_bound(price: &mut Price, kernels: f64, stack: &Stack) {
    let host_s = kernels * stack.launch_s;
    price.forward.launch_s = (host_s - price.forward.total_s()).max(0.0);
    price.backward.launch_s = (2.0 * host_s - price.backward.total_s()).max(0.0);
    if price.recompute.math_s > 0.0 {
        let share = (price.recompute.math_s / price.forward.math_s.max(1e-12)).min(1.0);
        price.recompute.launch_s = (host_s * share - price.recompute.total_s()).max(0.0);
    }
}

/// Layers by kind, embedding and head of a layout, priced.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Prices {
    /// By [`LayerKind::index`].
    pub layers: [Price; N_KINDS],
    /// Input embedding.
    pub embedding: Price,
    /// Output head and loss.
    pub head: Price,
}

/// Price everything that a stage of this layout can hold. Only kinds that the model has are priced.
#[must_use]
pub fn prices(workload: &Workload, layout: &Layout, machine: &Machine, groups: &Groups) -> Prices {
    let stack = &machine.stack;
    let used = crate::workload::pattern(&workload.model);
    let layers = LayerKind::ALL.map(|kind| {
        if !used.contains(&kind) {
            return Price::default();
        }
        price(
            &lower::layer(workload, layout, kind, stack),
            machine,
            groups,
            stack.kernels_per_layer,
        )
    });
    Prices {
        layers,
        embedding: price(&lower::embedding(workload, layout, stack), machine, groups, 2.0),
        head: price(&lower::head(workload, layout, stack), machine, groups, 6.0),
    }
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
