//! What a step consists of, in exposed seconds.

use crate::kernel::Evidence;
use crate::layout::memory::MemoryBudget;
use std::collections::BTreeMap;

/// Exposed seconds of one step; they sum to the step time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Parts {
    /// Forward and backward arithmetic and memory-bound kernels.
    pub math_s: f64,
    /// Forward work done again in backward.
    pub recompute_s: f64,
    /// Waiting of a stage for its first and last micro-batch.
    pub bubble_s: f64,
    /// Tensor-parallel collectives.
    pub tensor_s: f64,
    /// Context-parallel exchanges.
    pub context_s: f64,
    /// Expert all-to-all.
    pub expert_s: f64,
    /// Sends between stages.
    pub pipeline_s: f64,
    /// Gradient and parameter collectives over data-parallel ranks.
    pub data_s: f64,
    /// Optimizer update.
    pub optimizer_s: f64,
    /// Copies of activations to the host and back that take longer than what they run beside.
    pub host_s: f64,
    /// Host launch bound and stragglers.
    pub other_s: f64,
}

impl Parts {
    /// Name and seconds of each part, in display order.
    #[must_use]
    pub fn list(&self) -> [(&'static str, f64); 11] {
        [
            ("math_s", self.math_s),
            ("recompute_s", self.recompute_s),
            ("bubble_s", self.bubble_s),
            ("tensor_s", self.tensor_s),
            ("context_s", self.context_s),
            ("expert_s", self.expert_s),
            ("pipeline_s", self.pipeline_s),
            ("data_s", self.data_s),
            ("optimizer_s", self.optimizer_s),
            ("host_s", self.host_s),
            ("other_s", self.other_s),
        ]
    }

    /// Every part times a factor.
    #[must_use]
    pub fn times(&self, factor: f64) -> Parts {
        Parts {
            math_s: self.math_s * factor,
            recompute_s: self.recompute_s * factor,
            bubble_s: self.bubble_s * factor,
            tensor_s: self.tensor_s * factor,
            context_s: self.context_s * factor,
            expert_s: self.expert_s * factor,
            pipeline_s: self.pipeline_s * factor,
            data_s: self.data_s * factor,
            optimizer_s: self.optimizer_s * factor,
            host_s: self.host_s * factor,
            other_s: self.other_s * factor,
        }
    }

    /// Part by part.
    #[must_use]
    pub fn plus(&self, other: &Parts) -> Parts {
        Parts {
            math_s: self.math_s + other.math_s,
            recompute_s: self.recompute_s + other.recompute_s,
            bubble_s: self.bubble_s + other.bubble_s,
            tensor_s: self.tensor_s + other.tensor_s,
            context_s: self.context_s + other.context_s,
            expert_s: self.expert_s + other.expert_s,
            pipeline_s: self.pipeline_s + other.pipeline_s,
            data_s: self.data_s + other.data_s,
            optimizer_s: self.optimizer_s + other.optimizer_s,
            host_s: self.host_s + other.host_s,
            other_s: self.other_s + other.other_s,
        }
    }

    /// The step time.
    #[must_use]
    pub fn total_s(&self) -> f64 {
        self.list().iter().map(|(_, s)| s).sum()
    }
}

/// One simulated optimizer step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Wall time.
    pub time_s: f64,
    /// Tokens consumed by all devices.
    pub tokens: f64,
    /// Devices.
    pub n_devices: f64,
    /// Model FLOPs with causal attention counted half.
    pub model_flop: f64,
    /// Model FLOPs with attention counted over the full square.
    pub model_flop_full_attention: f64,
    /// FLOPs that the devices execute, recomputation included.
    pub hardware_flop: f64,
    /// `model_flop` over dense peak.
    pub mfu: f64,
    /// `hardware_flop` over dense peak.
    pub hfu: f64,
    /// Where the time goes.
    pub parts: Parts,
    /// Memory by pipeline stage.
    pub memory: Vec<MemoryBudget>,
    /// Share of kernel time by grade of evidence.
    pub evidence: BTreeMap<Evidence, f64>,
}

impl Step {
    /// A step of which only the time is known, not what fills it.
    #[must_use]
    pub fn of_parts(parts: Parts, tokens: f64, n_devices: f64) -> Step {
        Step {
            time_s: parts.total_s(),
            tokens,
            n_devices,
            model_flop: 0.0,
            model_flop_full_attention: 0.0,
            hardware_flop: 0.0,
            mfu: 0.0,
            hfu: 0.0,
            parts,
            memory: Vec::new(),
            evidence: BTreeMap::new(),
        }
    }

    /// Tokens per second and device.
    #[must_use]
    pub fn tokens_per_s_per_device(&self) -> f64 {
        self.per_s_per_device(self.tokens)
    }

    /// What the step does, per second and device.
    #[must_use]
    pub fn per_s_per_device(&self, amount: f64) -> f64 {
        amount / self.time_s / self.n_devices
    }

    /// The worst grade that more than one percent of kernel time rests on.
    #[must_use]
    pub fn worst_evidence(&self) -> Evidence {
        self.evidence
            .iter()
            .filter(|(_, share)| **share > 0.01)
            .map(|(e, _)| *e)
            .max()
            .unwrap_or(Evidence::Datasheet)
    }
}
