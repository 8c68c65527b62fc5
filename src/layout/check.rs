//! Why a layout does not work, as values.

use super::{Layout, MemoryBudget, MemoryContext, Sharding, budgets, product, stages};
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
            Violation::VirtualWithoutPipeline => "virtual stages without a pipeline",
            Violation::ExpertsNotDivisible { .. } => "experts not divisible by expert degree",
            Violation::ExpertRanksNotDivisible { .. } => "expert ranks do not divide the stage",
            Violation::NoExperts => "expert parallelism without experts",
            Violation::ReplicasNotDivisible { .. } => "replicas do not divide the data ranks",
            Violation::OutOfMemory { .. } => "out of memory",
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
    if whole && layout.virtual_stages > 1 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let micro_batches = layout.n_micro_batches(workload.global_batch_seqs) as u64;
        let rest = micro_batches % u64::from(layout.pipeline);
        add(
            rest != 0,
            Violation::InterleavingNotDivisible {
                micro_batches,
                pipeline: layout.pipeline,
            },
        );
    }
    experts(model.moe.map(|m| m.n_experts), layout, &mut out);
    let sharded = layout.replicas == 1 || (layout.sharding == Sharding::Zero3 && layout.data.is_multiple_of(layout.replicas));
    if !sharded {
        out.push(Violation::ReplicasNotDivisible { replicas: layout.replicas });
    }
    out
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

/// The stage with the least room, if it has none.
#[must_use]
pub fn memory_violation(memory: &[MemoryBudget]) -> Option<Violation> {
    let worst = memory.iter().min_by(|a, b| a.headroom_bytes().total_cmp(&b.headroom_bytes()))?;
    (worst.headroom_bytes() < 0.0).then(|| Violation::OutOfMemory {
        stage: worst.stage,
        short_bytes: -worst.headroom_bytes(),
    })
}

/// Everything that is wrong with a layout; empty when it fits.
#[must_use]
pub fn check(workload: &Workload, layout: &Layout, n_devices: u64, memory: &MemoryContext) -> Vec<Violation> {
    let mut out = shape_violations(workload, layout, n_devices);
    if out.is_empty() {
        out.extend(memory_violation(&budgets(
            workload,
            layout,
            &stages(&workload.model, layout),
            memory,
        )));
    }
    out
}
