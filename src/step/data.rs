//! Collectives of data-parallel ranks and the optimizer.

use super::engine::{DataCost, Occasion};
use super::machine::Machine;
use super::price;
use crate::catalog::Collective;
use crate::kernel;
use crate::layout::memory::device_params;
use crate::layout::{Groups, Layout, Placed, Sharding, StageShape, offload};
use crate::workload::Workload;

/// How often weights are gathered and gradients reduced: with every micro-batch what is not kept
/// whole (ZeRO-2 and ZeRO-3, arXiv 1910.02054 §5), once per step otherwise.
#[must_use]
pub fn occasions(layout: &Layout) -> (Occasion, Occasion) {
    match layout.sharding {
        Sharding::Zero3 => (Occasion::Every, Occasion::Every),
        Sharding::Zero2 => (Occasion::Once, Occasion::Every),
        Sharding::None | Sharding::Zero1 => (Occasion::Once, Occasion::Once),
    }
}

/// Weights or gradients have more than one owner.
#[must_use]
pub fn is_shared(groups: &Groups) -> bool {
    groups.shard.n * groups.replica.n > 1.0 || groups.expert_data.n > 1.0
}

/// Collectives of one chunk of layers.
#[must_use]
pub fn chunk_cost(workload: &Workload, machine: &Machine, layout: &Layout, groups: &Groups, chunk: &StageShape) -> DataCost {
    let params = device_params(workload, layout, chunk);
    let n_layers = chunk.n_layers();
    let dense = Share {
        params: params.dense,
        trained: params.trained_dense,
        n_layers,
        group: groups.shard,
        replica: groups.replica,
    };
    let expert = Share {
        params: params.expert,
        trained: params.trained_expert,
        n_layers,
        group: groups.expert_data,
        replica: Placed { n: 1.0, per_domain: 1.0 },
    };
    let whole = volumes(workload, machine, layout, &dense);
    let routed = volumes(workload, machine, layout, &expert);
    // Gradients become ready layer by layer, whatever the buckets.
    let units = f64::max(whole.units, routed.units).min(f64::from(n_layers.max(1)));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let pieces = units as u32;
    DataCost {
        gather_s: whole.gather_s + routed.gather_s,
        reduce_s: whole.reduce_s + routed.reduce_s,
        pieces: pieces.max(1),
    }
}

/// A share of a chunk's collectives.
#[must_use]
pub fn scaled(cost: &DataCost, share: f64) -> DataCost {
    DataCost {
        gather_s: cost.gather_s * share,
        reduce_s: cost.reduce_s * share,
        pieces: cost.pieces,
    }
}

/// Collectives of several chunks as those of one.
#[must_use]
pub fn joined(costs: &[DataCost]) -> DataCost {
    DataCost {
        gather_s: costs.iter().map(|c| c.gather_s).sum(),
        reduce_s: costs.iter().map(|c| c.reduce_s).sum(),
        pieces: costs.iter().map(|c| c.pieces).max().unwrap_or(1),
    }
}

/// Seconds of a chunk's collectives in a whole step.
#[must_use]
pub fn step_s(layout: &Layout, cost: &DataCost, n_micro_batches: f64) -> f64 {
    let (gathers, reduces) = occasions(layout);
    // Sharded weights are gathered again for backward.
    let n_gathers = if gathers == Occasion::Every { 2.0 * n_micro_batches } else { 1.0 };
    let n_reduces = if reduces == Occasion::Every { n_micro_batches } else { 1.0 };
    n_gathers * cost.gather_s + n_reduces * cost.reduce_s
}

/// The optimizer of the heaviest of the first, last and slowest stage: all stages wait for each
/// other before the next step, and the ends carry the vocabulary.
#[must_use]
pub fn optimizer_of_stages_s(workload: &Workload, machine: &Machine, layout: &Layout, shapes: &[StageShape], heaviest: usize) -> f64 {
    let candidates = [0, heaviest, shapes.len().saturating_sub(1)];
    candidates
        .iter()
        .filter_map(|i| shapes.get(*i))
        .map(|shape| optimizer_s(workload, machine, layout, shape))
        .fold(0.0, f64::max)
}

/// Times of the collectives of one kind of weights.
struct Volumes {
    reduce_s: f64,
    gather_s: f64,
    /// Messages that either comes in.
    units: f64,
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
            units,
        };
    }
    // HSDP: reduce-scatter inside the sharding group, then all-reduce of the shard over the copies.
    let copies = run(Collective::AllReduce, replica, gradients / group.n.max(1.0));
    Volumes {
        reduce_s: run(Collective::ReduceScatter, group, gradients) + copies,
        gather_s: run(Collective::AllGather, group, weights),
        units,
    }
}

/// What a host's memory gives one of its devices' optimizers: two sockets of eight channels
/// DDR4-3200 are 410 GB/s by their sheet, four fifths of it in long streams, shared by eight devices (estimate).
const HOST_ADAM_BYTES_PER_S: f64 = 40e9;

/// The optimizer as passes over memory: zero and read all gradients for the norm, then read
/// gradient, master weight and moments, and write master, moments and the 16-bit weight
/// (Transformer Engine fused Adam; Rajbhandari et al., arXiv 1910.02054 §3.1 for the states).
#[must_use]
pub fn optimizer_s(workload: &Workload, machine: &Machine, layout: &Layout, stage: &StageShape) -> f64 {
    let params = device_params(workload, layout, stage);
    let p = &workload.precision;
    let whole = params.trained();
    let owned = offload::owned(layout, params);
    let zero_and_norm = 2.0 * p.gradient_bytes * if layout.sharding >= Sharding::Zero2 { owned } else { whole };
    let update = owned * (p.gradient_bytes + 2.0 * p.optimizer_bytes + p.weight_bytes);
    if let (true, Some(link)) = (layout.offload.optimizer(), machine.host_link_bytes_per_s) {
        // Gradients go up when they are complete; the host updates (each byte of gradient, master and
        // moments read, master and moments written) while weights already updated come down
        // (ZeRO-Offload, arXiv 2101.06840 §4.1).
        let host_s = owned * (p.gradient_bytes + 2.0 * p.optimizer_bytes) / HOST_ADAM_BYTES_PER_S;
        return owned * p.gradient_bytes / link + host_s.max(owned * p.weight_bytes / link);
    }
    let stack = &machine.stack;
    kernel::stream(
        &machine.device(),
        zero_and_norm + update,
        stack.stream_forward_efficiency,
        stack.kernel_floor_s,
    )
    .time_s
}
