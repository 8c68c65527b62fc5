//! Why a layout does not work, as values.

use super::{
    Cut, Layout, MemoryBudget, MemoryContext, Offload, Schedule, SchedulePlan, Sharding, Unsplit, budgets, product, schedule::Unsupported,
};
use crate::units;
use crate::workload::Workload;
use std::fmt;

/// One reason why a layout falls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Violation {
    /// The degrees do not multiply out to the devices there are.
    DevicesMismatch {
        /// Product of the degrees.
        needs: u64,
        /// Devices of the cluster.
        has: u64,
    },
    /// Attention heads do not split over the tensor ranks.
    HeadsNotDivisible {
        /// Query heads.
        heads: u32,
        /// Tensor degree.
        tensor: u32,
    },
    /// The feed-forward width does not split over the tensor ranks.
    WidthNotDivisible {
        /// Feed-forward width.
        width: u32,
        /// Tensor degree.
        tensor: u32,
    },
    /// The sequence does not split over context and tensor ranks.
    SequenceNotDivisible {
        /// Parts it must split into.
        parts: u64,
    },
    /// More model chunks than layers and the two ends can fill.
    TooManyStages {
        /// Pipeline times virtual stages.
        chunks: u64,
        /// Layers.
        layers: u32,
    },
    /// The batch does not split into whole micro-batches.
    BatchNotDivisible {
        /// Data degree times micro-batch size.
        per_step: u64,
    },
    /// Interleaving needs micro-batches in whole rounds of the pipeline.
    InterleavingNotDivisible {
        /// Micro-batches per rank.
        micro_batches: u64,
        /// Pipeline degree.
        pipeline: u32,
    },
    /// The schedule does not exist for the layout's sizes.
    NoSchedule {
        /// Which.
        schedule: Schedule,
        /// Why.
        why: Unsupported,
    },
    /// The layers cannot be dealt as asked.
    LayersNotSplit {
        /// Why.
        why: Unsplit,
    },
    /// Virtual stages without a pipeline.
    VirtualWithoutPipeline,
    /// Experts do not split over the expert ranks.
    ExpertsNotDivisible {
        /// Routed experts.
        experts: u32,
        /// Expert degree.
        expert: u32,
    },
    /// Expert ranks do not divide the ranks of one pipeline stage.
    ExpertRanksNotDivisible {
        /// Expert times expert-tensor degree.
        ranks: u64,
    },
    /// Expert parallelism for a model without experts.
    NoExperts,
    /// Replicas do not divide the data ranks, or nothing is sharded over them.
    ReplicasNotDivisible {
        /// Replicas.
        replicas: u32,
    },
    /// The heaviest stage does not fit in memory.
    OutOfMemory {
        /// Which stage.
        stage: u32,
        /// What is missing.
        short_bytes: f64,
    },
    /// What is offloaded does not fit in host memory.
    HostOutOfMemory {
        /// Which stage.
        stage: u32,
        /// What is missing per device.
        short_bytes: f64,
    },
    /// Something is offloaded over a link that nothing is known of.
    NoHostLink,
}

impl Violation {
    /// Reason in a few words, the same for every instance: the key of histograms.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Violation::DevicesMismatch { .. } => "degrees do not multiply to the devices",
            Violation::HeadsNotDivisible { .. } => "attention heads not divisible by tensor degree",
            Violation::WidthNotDivisible { .. } => "feed-forward width not divisible by tensor degree",
            Violation::SequenceNotDivisible { .. } => "sequence not divisible by context and tensor degree",
            Violation::TooManyStages { .. } => "more stages than layers",
            Violation::BatchNotDivisible { .. } => "batch not divisible into micro-batches",
            Violation::InterleavingNotDivisible { .. } => "micro-batches not a multiple of the pipeline",
            Violation::NoSchedule { .. } => "no such schedule for these sizes",
            Violation::LayersNotSplit { .. } => "layers do not split as asked",
            Violation::VirtualWithoutPipeline => "virtual stages without a pipeline",
            Violation::ExpertsNotDivisible { .. } => "experts not divisible by expert degree",
            Violation::ExpertRanksNotDivisible { .. } => "expert ranks do not divide the stage",
            Violation::NoExperts => "expert parallelism without experts",
            Violation::ReplicasNotDivisible { .. } => "replicas do not divide the data ranks",
            Violation::OutOfMemory { .. } => "out of memory",
            Violation::HostOutOfMemory { .. } => "out of host memory",
            Violation::NoHostLink => "no host link known",
        }
    }

    /// What would mend it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Violation::DevicesMismatch { has, .. } => format!("choose tensor × context × pipeline × data = {has}, or leave `data` out"),
            Violation::HeadsNotDivisible { heads, .. } => format!("choose a tensor degree that divides {heads}"),
            Violation::WidthNotDivisible { width, .. } => format!("choose a tensor degree that divides {width}"),
            Violation::SequenceNotDivisible { parts } => format!("choose a sequence length that {parts} divides, or smaller degrees"),
            Violation::TooManyStages { layers, .. } => format!("choose pipeline × virtual_stages up to {}", layers + 2),
            Violation::BatchNotDivisible { per_step } => {
                format!("choose a global batch that {per_step} divides, or a smaller data degree or micro-batch")
            }
            Violation::InterleavingNotDivisible { .. } => {
                "choose virtual_stages = 1, or a batch with whole rounds of the pipeline".to_string()
            }
            Violation::NoSchedule { schedule, why } => format!("{}, or schedule = \"1f1b\"", why.remedy(*schedule)),
            Violation::LayersNotSplit { why } => why.remedy(),
            Violation::VirtualWithoutPipeline => "choose virtual_stages = 1, or pipeline above 1".to_string(),
            Violation::ExpertsNotDivisible { experts, .. } => format!("choose an expert degree that divides {experts}"),
            Violation::ExpertRanksNotDivisible { .. } => "choose expert × expert_tensor that divides tensor × context × data".to_string(),
            Violation::NoExperts => "leave `expert` and `expert_tensor` out".to_string(),
            Violation::ReplicasNotDivisible { .. } => "choose replicas that divide `data`, with sharding = \"hsdp\"".to_string(),
            Violation::OutOfMemory { short_bytes, .. } => {
                format!(
                    "free {} per device: more devices, tensor, pipeline or sharding, a smaller micro-batch, or recompute = \"full\"",
                    units::gib(*short_bytes)
                )
            }
            Violation::HostOutOfMemory { short_bytes, .. } => {
                format!(
                    "free {} of host memory per device: more devices, sharding, a smaller micro-batch, recompute = \"full\", or offload less; \
                     or give the node's host_memory_bytes",
                    units::gib(*short_bytes)
                )
            }
            Violation::NoHostLink => "give the accelerator's host_bytes_per_s, or leave `offload` out".to_string(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::DevicesMismatch { needs, has } => write!(f, "the layout needs {needs} devices, the cluster has {has}"),
            Violation::HeadsNotDivisible { heads, tensor } => write!(f, "{heads} attention heads do not split over tensor = {tensor}"),
            Violation::WidthNotDivisible { width, tensor } => write!(f, "feed-forward width {width} does not split over tensor = {tensor}"),
            Violation::SequenceNotDivisible { parts } => write!(f, "the sequence does not split into {parts} equal parts"),
            Violation::TooManyStages { chunks, layers } => write!(f, "{chunks} model chunks for {layers} layers"),
            Violation::BatchNotDivisible { per_step } => write!(f, "the global batch is not a multiple of data × micro_batch = {per_step}"),
            Violation::InterleavingNotDivisible { micro_batches, pipeline } => {
                write!(
                    f,
                    "{micro_batches} micro-batches are not a multiple of pipeline = {pipeline}, which interleaving needs"
                )
            }
            Violation::NoSchedule { schedule, why } => write!(f, "no {} schedule: {why}", schedule.name()),
            Violation::LayersNotSplit { why } => why.fmt(f),
            Violation::VirtualWithoutPipeline => f.write_str("virtual stages need a pipeline"),
            Violation::ExpertsNotDivisible { experts, expert } => write!(f, "{experts} experts do not split over expert = {expert}"),
            Violation::ExpertRanksNotDivisible { ranks } => {
                write!(f, "expert × expert_tensor = {ranks} does not divide the ranks of a stage")
            }
            Violation::NoExperts => f.write_str("the model has no experts to cut"),
            Violation::ReplicasNotDivisible { replicas } => write!(f, "replicas = {replicas} does not divide the sharded data ranks"),
            Violation::OutOfMemory { stage, short_bytes } => {
                write!(f, "stage {stage} lacks {} of memory per device", units::gib(*short_bytes))
            }
            Violation::HostOutOfMemory { stage, short_bytes } => {
                write!(f, "stage {stage} lacks {} of host memory per device", units::gib(*short_bytes))
            }
            Violation::NoHostLink => f.write_str("nothing is known of the link to the host"),
        }
    }
}

/// Everything that is wrong with a layout except memory.
#[must_use]
pub fn shape_violations(workload: &Workload, layout: &Layout, n_devices: u64) -> Vec<Violation> {
    let mut out = Vec::new();
    let model = &workload.model;
    let mut add = |wrong: bool, violation: Violation| {
        if wrong {
            out.push(violation);
        }
    };
    add(
        layout.n_devices() != n_devices,
        Violation::DevicesMismatch {
            needs: layout.n_devices(),
            has: n_devices,
        },
    );
    add(
        !model.n_heads.is_multiple_of(layout.tensor),
        Violation::HeadsNotDivisible {
            heads: model.n_heads,
            tensor: layout.tensor,
        },
    );
    let widths = [model.ffn_hidden, model.moe.map_or(0, |m| m.shared_ffn_hidden)];
    for width in widths {
        add(
            !width.is_multiple_of(layout.tensor),
            Violation::WidthNotDivisible {
                width,
                tensor: layout.tensor,
            },
        );
    }
    let zigzag = if layout.context > 1 { 2 } else { 1 };
    let parts = product(&[layout.context, zigzag, if layout.sequence_parallel { layout.tensor } else { 1 }]);
    add(!divides(workload.seq_len_tokens, parts), Violation::SequenceNotDivisible { parts });
    let chunks = u64::from(layout.pipeline) * u64::from(layout.virtual_stages);
    add(
        chunks > u64::from(model.n_layers) + 2 && chunks > 1,
        Violation::TooManyStages {
            chunks,
            layers: model.n_layers,
        },
    );
    add(layout.virtual_stages > 1 && layout.pipeline == 1, Violation::VirtualWithoutPipeline);
    let per_step = u64::from(layout.data) * u64::from(layout.micro_batch_seqs);
    let whole = divides(workload.global_batch_seqs, per_step) && workload.global_batch_seqs >= 1.0;
    add(!whole, Violation::BatchNotDivisible { per_step });
    if whole {
        out.extend(schedule(workload, layout));
    }
    experts(model.moe.map(|m| m.n_experts), layout, &mut out);
    let sharded = layout.replicas == 1 || (layout.sharding == Sharding::Zero3 && layout.data.is_multiple_of(layout.replicas));
    if !sharded {
        out.push(Violation::ReplicasNotDivisible { replicas: layout.replicas });
    }
    out
}

/// Whether there is such a schedule, and the layers can be dealt to its chunks.
fn schedule(workload: &Workload, layout: &Layout) -> Option<Violation> {
    let plan = SchedulePlan::of(layout, layout.n_micro_batches(workload.global_batch_seqs));
    let split = || layout.split.refused(workload.model.n_layers, &plan);
    match plan.refused() {
        // Without a pipeline that is told already.
        Some(_) if layout.pipeline <= 1 => None,
        Some(Unsupported::NotMultiple { has, of }) if plan.kind == Schedule::OneFOneB => Some(Violation::InterleavingNotDivisible {
            micro_batches: u64::from(has),
            pipeline: of,
        }),
        Some(why) => Some(Violation::NoSchedule { schedule: plan.kind, why }),
        None => split().map(|why| Violation::LayersNotSplit { why }),
    }
}

fn divides(value: f64, parts: u64) -> bool {
    #[allow(clippy::cast_precision_loss)]
    let quotient = value / parts.max(1) as f64;
    quotient.fract() == 0.0 && quotient >= 1.0
}

fn experts(n_experts: Option<u32>, layout: &Layout, out: &mut Vec<Violation>) {
    let ranks = u64::from(layout.expert) * u64::from(layout.expert_tensor);
    let Some(n_experts) = n_experts else {
        if ranks > 1 {
            out.push(Violation::NoExperts);
        }
        return;
    };
    if !n_experts.is_multiple_of(layout.expert) {
        out.push(Violation::ExpertsNotDivisible {
            experts: n_experts,
            expert: layout.expert,
        });
    }
    let stage = product(&[layout.tensor, layout.context, layout.data]);
    if !stage.is_multiple_of(ranks) {
        out.push(Violation::ExpertRanksNotDivisible { ranks });
    }
}

/// The stage with the least room, if it has none: on the device, then on its host.
#[must_use]
pub fn memory_violation(memory: &[MemoryBudget]) -> Option<Violation> {
    let worst = |room: fn(&MemoryBudget) -> f64| {
        let least = memory.iter().min_by(|a, b| room(a).total_cmp(&room(b)))?;
        Some((least.stage, -room(least))).filter(|(_, short_bytes)| *short_bytes > 0.0)
    };
    if let Some((stage, short_bytes)) = worst(MemoryBudget::headroom_bytes) {
        return Some(Violation::OutOfMemory { stage, short_bytes });
    }
    worst(MemoryBudget::host_headroom_bytes).map(|(stage, short_bytes)| Violation::HostOutOfMemory { stage, short_bytes })
}

/// What offloading needs and the machine does not say.
#[must_use]
pub fn host_violation(layout: &Layout, memory: &MemoryContext) -> Option<Violation> {
    let link = layout.offload == Offload::None || memory.host_link_bytes_per_s.is_some();
    (!link).then_some(Violation::NoHostLink)
}

/// Everything that is wrong with a layout; empty when it fits.
#[must_use]
pub fn check(workload: &Workload, layout: &Layout, n_devices: u64, memory: &MemoryContext) -> Vec<Violation> {
    let mut out = shape_violations(workload, layout, n_devices);
    out.extend(host_violation(layout, memory));
    if out.is_empty() {
        let cut = Cut::of(&workload.model, layout);
        out.extend(memory_violation(&budgets(workload, layout, &cut, memory)));
    }
    out
}
