//! Seconds and FLOP of one operation on its own.

use crate::catalog::{Collective, Stack};
use crate::kernel::attention::ScoreKernels;
use crate::kernel::{self, AttentionShape, Device, Launch, Timed};
use crate::layout::{Groups, Placed};
use crate::step::lower::{GroupName, Op, Pass, Work};
use crate::step::machine::Machine;

/// Which group a communication runs in.
fn group(groups: &Groups, name: GroupName) -> Placed {
    match name {
        GroupName::Tensor => groups.tensor,
        GroupName::Context => groups.context,
        GroupName::ContextInside => Placed {
            n: groups.context.per_domain,
            per_domain: groups.context.per_domain,
        },
        GroupName::ContextAcross => Placed {
            n: groups.context.n / groups.context.per_domain,
            per_domain: 1.0,
        },
        GroupName::Expert => groups.expert,
        GroupName::ExpertTensor => groups.expert_tensor,
    }
}

/// Kernels written for Ampere on the asynchronous tensor cores of Hopper and later: FlashAttention-3
/// is 1.5 to 2.0 times as fast there as FlashAttention-2 (Shah et al., arXiv 2407.08608, abstract).
const SYNCHRONOUS_ATTENTION: f64 = 1.75;

/// Kernels of the first generation over `FlashAttention` 2, which is 1.3 to 2.5 times as fast as the Triton
/// kernel and 1.7 to 3.0 times as fast as `FlashAttention` 1 (Dao, arXiv 2307.08691 §4.1).
const EARLY_ATTENTION: f64 = 1.7;

/// Time of a stack's attention kernel over that of the profile's.
fn attention_factor(machine: &Machine) -> f64 {
    let stack = &machine.stack;
    let asynchronous = matches!(
        machine.accelerator.architecture.as_str(),
        "hopper" | "blackwell" | "blackwell-ultra" | "rubin"
    );
    let kernel = if asynchronous && !stack.asynchronous_attention {
        SYNCHRONOUS_ATTENTION
    } else {
        1.0
    };
    let generation = if stack.early_attention { EARLY_ATTENTION } else { 1.0 };
    kernel * generation * stack.attention_factor
}

/// Seconds of one operation on its own, before overlap.
#[must_use]
pub fn time(op: &Op, machine: &Machine, groups: &Groups) -> Timed {
    let device = machine.device();
    let stack = &machine.stack;
    let backward = op.pass == Pass::Backward;
    let timed = match op.work {
        Work::Gemm(shape) => sustained(kernel::gemm(&device, &shape), machine),
        Work::Experts(shape) => sustained(kernel::grouped(&device, &shape, launch(stack)), machine),
        Work::Serial { shape, times } => {
            let one = sustained(kernel::gemm(&device, &shape), machine);
            // Steps of a recurrence cannot overlap: each costs at least a kernel.
            one.times((one.time_s.max(stack.kernel_floor_s) / one.time_s.max(1e-12)) * times)
        }
        Work::Flash(shape) => sustained(flash(&device, &shape, backward), machine).times(attention_factor(machine)),
        Work::Blocks { own, other, times } => {
            let (first, one) = (flash(&device, &own, backward), flash(&device, &other, backward));
            let all = Timed {
                time_s: first.time_s + times * one.time_s,
                evidence: first.evidence.max(one.evidence),
                source: one.source,
            };
            sustained(all, machine).times(attention_factor(machine))
        }
        Work::Unfused(shape) => {
            let both = kernel::unfused(&device, &shape, &score_kernels(stack));
            sustained(if backward { both.backward } else { both.forward }, machine)
        }
        Work::Stream { bytes } => kernel::stream(
            &device,
            bytes * stack.passes,
            stream_efficiency(stack, backward),
            stack.kernel_floor_s,
        ),
        Work::Collective { kind, group: name, bytes } => return communicate(machine, kind, group(groups, name), bytes),
        // All ranks of a ring send at once and wait for the slowest link.
        Work::Send { group: name, bytes, times } => {
            return kernel::send(&machine.network, group(groups, name).inside(), bytes).times(times);
        }
    };
    Timed {
        time_s: timed.time_s.max(stack.kernel_floor_s) * op.load_factor,
        ..timed
    }
}

/// A stack whose host launches kernels one by one launches the experts' so too (Transformer Engine's
/// grouped linear over cuBLAS streams); a compiled program has one kernel for them.
fn launch(stack: &Stack) -> Launch {
    if stack.launch_s > 0.0 {
        Launch::PerExpert { launch_s: stack.launch_s }
    } else {
        Launch::Single
    }
}

fn flash(device: &Device<'_>, shape: &AttentionShape, backward: bool) -> Timed {
    if backward {
        kernel::attention_backward(device, shape)
    } else {
        kernel::attention(device, shape)
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
fn sustained(timed: Timed, machine: &Machine) -> Timed {
    let power_factor = machine.profile.as_ref().map_or(1.0, |p| p.power_factor);
    Timed {
        time_s: timed.time_s * machine.stack.sustained_factor * power_factor,
        ..timed
    }
}

/// FLOP that an operation executes.
#[must_use]
pub fn flop(op: &Op) -> f64 {
    match op.work {
        Work::Gemm(s) | Work::Experts(s) => s.flop(),
        Work::Serial { shape, times } => shape.flop() * times,
        Work::Flash(s) | Work::Unfused(s) => s.flop() * attention_passes(op.pass),
        Work::Blocks { own, other, times } => (own.flop() + times * other.flop()) * attention_passes(op.pass),
        Work::Stream { .. } | Work::Collective { .. } | Work::Send { .. } => 0.0,
    }
}

/// Backward of attention: two multiplies for each of the forward's (Korthikanti, appendix A); the scores
/// that flash attention forms again are not counted, as in published HFU figures.
fn attention_passes(pass: Pass) -> f64 {
    if pass == Pass::Backward { 2.0 } else { 1.0 }
}
