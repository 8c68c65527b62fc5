//! Memory of one device per pipeline stage.

use super::activation::{self, ActivationRules, Activations};
use super::held::held_bytes;
use super::offload::{offloaded_optimizer_bytes, resident_bytes};
use super::{Cut, Layout, Offload, SchedulePlan, Sharding, StageShape};
use crate::workload::Workload;
use crate::workload::count::{LayerParams, layer_params};

/// What fills the memory of one device of a stage, bytes at the moment of its peak.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MemoryBudget {
    /// Pipeline stage.
    pub stage: u32,
    /// Weights.
    pub weights_bytes: f64,
    /// Gradients.
    pub gradients_bytes: f64,
    /// Optimizer state.
    pub optimizer_bytes: f64,
    /// Activations kept for backward.
    pub activations_bytes: f64,
    /// Transient buffers: gathered weights, logits, gradients of activations.
    pub buffers_bytes: f64,
    /// Context, communication library and fragmentation, on top of what is allocated.
    pub reserve_bytes: f64,
    /// What the device has.
    pub capacity_bytes: f64,
    /// Host memory for what is offloaded; no part of the device's peak.
    pub host_bytes: f64,
    /// Host memory that there is for one device.
    pub host_capacity_bytes: f64,
}

impl MemoryBudget {
    /// Peak allocated bytes, as a framework reports them (without the reserve).
    #[must_use]
    pub fn allocated_bytes(&self) -> f64 {
        self.weights_bytes + self.gradients_bytes + self.optimizer_bytes + self.activations_bytes + self.buffers_bytes
    }

    /// Allocated and reserve together: what must fit.
    #[must_use]
    pub fn peak_bytes(&self) -> f64 {
        self.allocated_bytes() + self.reserve_bytes
    }

    /// What is left; negative when it does not fit.
    #[must_use]
    pub fn headroom_bytes(&self) -> f64 {
        self.capacity_bytes - self.peak_bytes()
    }

    /// What is left of the host; negative when it does not fit.
    #[must_use]
    pub fn host_headroom_bytes(&self) -> f64 {
        self.host_capacity_bytes - self.host_bytes
    }
}

/// What memory depends on beside workload and layout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MemoryContext {
    /// Memory of the device.
    pub capacity_bytes: f64,
    /// What the stack stores.
    pub rules: ActivationRules,
    /// Cross-entropy keeps no fp32 copy of the logits.
    pub fused_loss: bool,
    /// Host memory of one device: the server's, divided by its devices.
    pub host_bytes: f64,
    /// Link between device and host, one direction, if it is known.
    pub host_link_bytes_per_s: Option<f64>,
}

/// Allocator fragmentation over allocated bytes: the mean of reserved over allocated, less one,
/// over 37 measured Megatron-LM layouts on B200 (SimuMax v1.2 release tables; range 2.8 to 9.3 %).
const FRAGMENTATION: f64 = 0.05;
/// Driver context and communication buffers that the allocator does not see (estimate; NCCL and
/// CUDA contexts of 8-GPU jobs take 1 to 2 GiB).
const CONTEXT_BYTES: f64 = 1.5 * crate::units::GIB_BYTES;

/// Parameters of one device of a stage, by the ranks that share their state.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DeviceParams {
    /// Weights whose gradients are reduced over context and data ranks.
    pub dense: f64,
    /// Weights of routed experts, reduced over expert-data ranks.
    pub expert: f64,
    /// The part of `dense` that is trained: all of it, or the adapters on top of a frozen base.
    pub trained_dense: f64,
    /// The part of `expert` that is trained.
    pub trained_expert: f64,
}

impl DeviceParams {
    /// Divided over the ranks that share their state.
    fn shared(self, dense_ranks: f64, expert_ranks: f64) -> DeviceParams {
        DeviceParams {
            dense: self.dense / dense_ranks,
            expert: self.expert / expert_ranks,
            trained_dense: self.trained_dense / dense_ranks,
            trained_expert: self.trained_expert / expert_ranks,
        }
    }

    /// All weights.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.dense + self.expert
    }

    /// All trained weights.
    #[must_use]
    pub fn trained(&self) -> f64 {
        self.trained_dense + self.trained_expert
    }
}

/// Parameters of one device of a stage.
#[must_use]
pub fn device_params(workload: &Workload, layout: &Layout, stage: &StageShape) -> DeviceParams {
    let model = &workload.model;
    let t = f64::from(layout.tensor);
    let mut out = DeviceParams::default();
    for (kind, n) in stage.kinds() {
        let p = layer_params(model, kind);
        out.dense += n * dense_share(&p, t);
        out.expert += n * p.experts / (f64::from(layout.expert) * f64::from(layout.expert_tensor));
    }
    let h = f64::from(model.hidden);
    let vocab = f64::from(model.vocab) * h / t;
    if stage.embedding {
        out.dense += vocab
            + if model.learned_positions {
                h * workload.seq_len_tokens
            } else {
                0.0
            };
    }
    // A tied head on another stage than the embedding keeps its own copy.
    if stage.head && !(model.tied_embeddings && stage.embedding) {
        out.dense += vocab;
    }
    if stage.head {
        // The final norm; models with biases have one there too.
        out.dense += if model.biases { 2.0 * h } else { h };
    }
    match workload.adapter {
        None => {
            out.trained_dense = out.dense;
            out.trained_expert = out.expert;
        }
        Some(adapter) => {
            let params: f64 = stage.kinds().map(|(kind, n)| n * adapter.layer_params(model, kind)).sum();
            // One factor of each pair is cut over the tensor ranks, the other is whole: half of each.
            let own = params * (1.0 + 1.0 / t) / 2.0;
            out.dense += own;
            out.trained_dense = own;
        }
    }
    out
}

/// Dense parameters of one layer on one tensor rank.
#[must_use]
pub fn dense_share(p: &LayerParams, tensor: f64) -> f64 {
    (p.attention + p.ffn) / tensor + p.latent + p.router + p.norms
}

/// Ranks that share the state of dense and of expert weights.
#[must_use]
pub fn shards(layout: &Layout) -> (f64, f64) {
    let replicas = f64::from(layout.replicas.max(1));
    let dense = f64::from(layout.context) * f64::from(layout.data) / replicas;
    (dense.max(1.0), (layout.expert_data() / replicas).max(1.0))
}

/// What a stage holds whatever is under way: it depends on its layers and on who shares their state.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct State {
    weights_bytes: f64,
    gradients_bytes: f64,
    optimizer_bytes: f64,
    /// Weight-gradient placeholders and gathered weights.
    buffers_bytes: f64,
    /// Host memory of an offloaded optimizer.
    host_bytes: f64,
}

impl State {
    /// That of a stage. ZeRO stages 1 to 3 (arXiv 1910.02054 §5) say which state is divided by the
    /// sharding ranks.
    #[must_use]
    pub fn of(workload: &Workload, layout: &Layout, shape: &StageShape) -> State {
        let p = &workload.precision;
        let params = device_params(workload, layout, shape);
        let (dense, expert) = shards(layout);
        let shared = params.shared(dense, expert);
        let pick = |from: Sharding| if layout.sharding >= from { shared } else { params };
        State {
            weights_bytes: pick(Sharding::Zero3).total() * p.weight_bytes,
            gradients_bytes: pick(Sharding::Zero2).trained() * p.gradient_bytes,
            optimizer_bytes: pick(Sharding::Zero1).trained() * p.optimizer_bytes,
            buffers_bytes: placeholders(workload, layout, shape) + gathered_units(workload, layout, shape),
            host_bytes: offloaded_optimizer_bytes(workload, layout, params),
        }
    }
}

/// What micro-batches leave on a stage, and what is there for a moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Activity {
    /// Activations of all that are under way.
    pub held_bytes: f64,
    /// Of them, what is on the device when they are offloaded.
    pub resident_bytes: f64,
    /// The larger of one layer's backward and of the loss.
    pub moment_bytes: f64,
}

/// The activity on every stage, in order.
#[must_use]
pub fn activities(workload: &Workload, layout: &Layout, cut: &Cut, context: &MemoryContext, layers: &Activations) -> Vec<Activity> {
    let plan = SchedulePlan::of(layout, layout.n_micro_batches(workload.global_batch_seqs));
    let (kinds, classes) = (cut.kinds(), cut.stage_kinds());
    let kept: Vec<f64> = kinds.first.iter().map(|&i| layers.kept_bytes(&cut.pieces()[i])).collect();
    // What stages of a class share: bytes kept by each chunk, the largest layer, and what is there for a moment.
    let v = cut.chunks();
    let alike = |&first: &usize| {
        let shape = &cut.stages()[first];
        let chunks = kinds.of[first * v..(first + 1) * v].iter().map(|&kind| kept[usize::from(kind)]);
        (
            chunks.collect::<Vec<f64>>(),
            resident_bytes(f64::INFINITY, shape, layers),
            moment_bytes(workload, layout, shape, context, layers),
        )
    };
    let known: Vec<_> = classes.first.iter().map(alike).collect();
    (0u32..)
        .zip(&classes.of)
        .map(|(i, &class)| {
            let (kept_bytes, resident_bytes, moment_bytes) = &known[usize::from(class)];
            let held_bytes = held_bytes(&plan, i, kept_bytes);
            Activity {
                held_bytes,
                resident_bytes: held_bytes.min(*resident_bytes),
                moment_bytes: *moment_bytes,
            }
        })
        .collect()
}

/// The memory of a stage from both.
#[must_use]
pub fn budget(stage: u32, state: &State, activity: &Activity, offload: Offload, context: &MemoryContext) -> MemoryBudget {
    let (activations, optimizer) = (offload.activations(), offload.optimizer());
    let mut budget = MemoryBudget {
        stage,
        weights_bytes: state.weights_bytes,
        gradients_bytes: state.gradients_bytes,
        optimizer_bytes: if optimizer { 0.0 } else { state.optimizer_bytes },
        activations_bytes: if activations {
            activity.resident_bytes
        } else {
            activity.held_bytes
        },
        buffers_bytes: state.buffers_bytes + activity.moment_bytes,
        reserve_bytes: 0.0,
        capacity_bytes: context.capacity_bytes,
        host_bytes: if activations { activity.held_bytes } else { 0.0 } + if optimizer { state.host_bytes } else { 0.0 },
        host_capacity_bytes: context.host_bytes,
    };
    budget.reserve_bytes = FRAGMENTATION * budget.allocated_bytes() + CONTEXT_BYTES;
    budget
}

/// The memory of every stage.
#[must_use]
pub fn budgets(workload: &Workload, layout: &Layout, cut: &Cut, context: &MemoryContext) -> Vec<MemoryBudget> {
    let states = cut.stage_kinds().spread(|i| State::of(workload, layout, &cut.stages()[i]));
    let layers = Activations::of(workload, layout, context.rules);
    (0u32..)
        .zip(states.iter().zip(activities(workload, layout, cut, context, &layers)))
        .map(|(i, (state, activity))| budget(i, state, &activity, layout.offload, context))
        .collect()
}

/// Transient bytes of a micro-batch: the larger of the loss and of one layer's backward.
fn moment_bytes(workload: &Workload, layout: &Layout, shape: &StageShape, context: &MemoryContext, layers: &Activations) -> f64 {
    let l = activation::local(workload, layout);
    let a = workload.precision.activation_bytes;
    let layer = layers.largest(shape, |layer| layer.transient_bytes);
    let loss = if shape.head {
        let vocab = f64::from(workload.model.vocab) / l.tensor;
        // Logits and their gradient in 16 bits; an unfused loss adds two fp32 copies.
        let copies = if context.fused_loss { 2.0 * a } else { a + 8.0 };
        let head_placeholder = if workload.adapter.is_some() {
            0.0
        } else {
            vocab * l.hidden * workload.precision.weight_bytes
        };
        let gathered = if layout.tensor > 1 { 2.0 * l.tokens * l.hidden * a } else { 0.0 };
        l.tokens * vocab * copies + head_placeholder + gathered
    } else {
        0.0
    };
    layer.max(loss)
}

/// Transformer Engine (≥ 2.3; grouped linears ≥ 2.10) caches one empty weight gradient per distinct
/// weight shape when gradients accumulate into a separate fp32 buffer.
fn placeholders(workload: &Workload, layout: &Layout, shape: &StageShape) -> f64 {
    let model = &workload.model;
    if workload.adapter.is_some() {
        return 0.0;
    }
    let mut dense = 0.0;
    let mut expert: f64 = 0.0;
    for (kind, _) in shape.kinds() {
        let p = layer_params(model, kind);
        let own = (p.attention + p.ffn) / f64::from(layout.tensor) + p.latent;
        dense = f64::max(dense, own);
        // All experts of a rank share one shape.
        expert = expert.max(
            model
                .moe
                .map_or(0.0, |m| p.experts / f64::from(m.n_experts) / f64::from(layout.expert_tensor)),
        );
    }
    (dense + expert) * workload.precision.weight_bytes
}

/// FSDP holds the gathered weights of the running and of the prefetched layer, and one layer's
/// unsharded gradients (`PyTorch` FSDP, arXiv 2304.11277 §3.3, §4.1).
fn gathered_units(workload: &Workload, layout: &Layout, shape: &StageShape) -> f64 {
    if layout.sharding != Sharding::Zero3 {
        return 0.0;
    }
    let p = &workload.precision;
    let unit = shape
        .kinds()
        .map(|(kind, _)| {
            let params = layer_params(&workload.model, kind);
            dense_share(&params, f64::from(layout.tensor)) + params.experts / (f64::from(layout.expert) * f64::from(layout.expert_tensor))
        })
        .fold(0.0, f64::max);
    let gradient_bytes = if workload.adapter.is_some() { 0.0 } else { p.gradient_bytes };
    unit * (2.0 * p.weight_bytes + gradient_bytes)
}
