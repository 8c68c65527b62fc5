//! What happens once per step: gradient and parameter collectives and the optimizer.

use super::Priced;
use super::machine::Machine;
use super::pipeline::Timing;
use super::price;
use crate::catalog::Collective;
use crate::kernel;
use crate::layout::memory::{DeviceParams, device_params, shards};
use crate::layout::{Layout, Placed, Sharding};
use crate::workload::Workload;

/// Exposed seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Once {
    /// Data-parallel collectives.
    pub data_s: f64,
    /// Optimizer.
    pub optimizer_s: f64,
}

/// Price them for the heaviest of the first, last and slowest stage: all stages wait for each
/// other before the next step, and the ends carry the vocabulary.
#[must_use]
pub fn once_per_step(workload: &Workload, machine: &Machine, layout: &Layout, priced: &Priced<'_>, timing: &Timing) -> Once {
    let candidates = [0, timing.heaviest, priced.shapes.len() - 1];
    let mut out = Once::default();
    for i in candidates {
        let params = device_params(workload, layout, &priced.shapes[i]);
        out.data_s = out.data_s.max(data_s(
            workload,
            machine,
            layout,
            priced,
            timing,
            params,
            priced.shapes[i].n_layers(),
        ));
        out.optimizer_s = out.optimizer_s.max(optimizer_s(workload, machine, layout, params));
    }
    out
}

/// Times of the collectives of one kind of weights.
struct Volumes {
    reduce_s: f64,
    gather_s: f64,
}

/// Messages that weights or gradients are sent in: one per layer where weights are sharded (FSDP
/// wraps layers), else buckets of `max(40 M, 1 M · ranks)` parameters (Megatron-LM's default).
/// Each pays its latency, which grows with the ranks.
fn n_messages(layout: &Layout, share: &Share) -> f64 {
    match layout.sharding {
        Sharding::Zero3 => f64::from(share.n_layers.max(1)),
        _ => (share.trained / f64::max(40e6, 1e6 * share.group.n)).ceil().max(1.0),
    }
}

/// Weights of one kind on a device and the ranks that share them.
struct Share {
    n_layers: u32,
    params: f64,
    trained: f64,
    group: Placed,
    replica: Placed,
}

fn volumes(workload: &Workload, machine: &Machine, layout: &Layout, share: &Share) -> Volumes {
    let p = &workload.precision;
    let units = n_messages(layout, share);
    let run = |kind, group: Placed, bytes: f64| {
        if group.n <= 1.0 || bytes <= 0.0 {
            0.0
        } else {
            units * price::communicate(machine, kind, group, bytes / units).time_s
        }
    };
    let Share { group, replica, .. } = *share;
    // Sharded weights are gathered whole; otherwise only what was updated is sent round again.
    let gathered = if layout.sharding == Sharding::Zero3 {
        share.params
    } else {
        share.trained
    };
    let (gradients, weights) = (share.trained * p.gradient_bytes, gathered * p.weight_bytes);
    if layout.sharding == Sharding::None {
        return Volumes {
            reduce_s: run(Collective::AllReduce, group, gradients),
            gather_s: 0.0,
        };
    }
    // HSDP: reduce-scatter inside the sharding group, then all-reduce of the shard over the copies.
    let copies = run(Collective::AllReduce, replica, gradients / group.n.max(1.0));
    Volumes {
        reduce_s: run(Collective::ReduceScatter, group, gradients) + copies,
        gather_s: run(Collective::AllGather, group, weights),
    }
}

fn data_s(
    workload: &Workload,
    machine: &Machine,
    layout: &Layout,
    priced: &Priced<'_>,
    timing: &Timing,
    params: DeviceParams,
    n_layers: u32,
) -> f64 {
    let g = priced.groups;
    let dense = Share {
        params: params.dense,
        trained: params.trained_dense,
        n_layers,
        group: g.shard,
        replica: g.replica,
    };
    let expert = Share {
        params: params.expert,
        trained: params.trained_expert,
        n_layers,
        group: g.expert_data,
        replica: Placed { n: 1.0, per_domain: 1.0 },
    };
    let dense = volumes(workload, machine, layout, &dense);
    let expert = volumes(workload, machine, layout, &expert);
    let (reduce_s, gather_s) = (dense.reduce_s + expert.reduce_s, dense.gather_s + expert.gather_s);
    let share = machine.stack.data_overlap_fraction;
    let slow = machine.stack.math_slowdown - 1.0;
    // The last unit to reduce and the first to gather have nothing left to run beside.
    let edge = 1.0 / f64::from(n_layers.max(1));
    let hide = |communication_s: f64, window_s: f64| {
        let hidden = (communication_s * (1.0 - edge)).min(window_s * share);
        communication_s - hidden + hidden * slow
    };
    let m = timing.n_micro_batches;
    match layout.sharding {
        // Every micro-batch gathers weights twice and reduces gradients once, prefetched one unit ahead.
        Sharding::Zero3 => {
            let forward = hide(gather_s, timing.forward_s);
            let backward = hide(gather_s + reduce_s, timing.backward_s);
            m * (forward + backward)
        }
        // Gradients that are not kept whole are reduced after every micro-batch.
        Sharding::Zero2 => m * hide(reduce_s, timing.backward_s) + hide(gather_s, timing.forward_s),
        Sharding::None | Sharding::Zero1 => hide(reduce_s, timing.backward_s) + hide(gather_s, timing.forward_s),
    }
}

/// The optimizer as passes over memory: zero and read all gradients for the norm, then read
/// gradient, master weight and moments, and write master, moments and the 16-bit weight
/// (Transformer Engine fused Adam; Rajbhandari et al., arXiv 1910.02054 §3.1 for the states).
fn optimizer_s(workload: &Workload, machine: &Machine, layout: &Layout, params: DeviceParams) -> f64 {
    let p = &workload.precision;
    let whole = params.trained();
    let owned = if layout.sharding == Sharding::None {
        whole
    } else {
        let (dense, expert) = shards(layout);
        params.trained_dense / dense + params.trained_expert / expert
    };
    let zero_and_norm = 2.0 * p.gradient_bytes * if layout.sharding >= Sharding::Zero2 { owned } else { whole };
    let update = owned * (p.gradient_bytes + 2.0 * p.optimizer_bytes + p.weight_bytes);
    let stack = &machine.stack;
    kernel::stream(
        &machine.device(),
        zero_and_norm + update,
        stack.stream_forward_efficiency,
        stack.kernel_floor_s,
    )
    .time_s
}
