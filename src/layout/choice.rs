//! What of a layout is fixed.

use super::{Layout, Offload, Overlap, Recompute, Schedule, Sharding, SplitChoice};

/// Which parts of a layout the user fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Choice {
    /// Tensor degree.
    pub tensor: Option<u32>,
    /// Sequence parallelism.
    pub sequence_parallel: Option<bool>,
    /// Context degree.
    pub context: Option<u32>,
    /// Pipeline degree.
    pub pipeline: Option<u32>,
    /// Virtual stages.
    pub virtual_stages: Option<u32>,
    /// Expert degree.
    pub expert: Option<u32>,
    /// Expert-tensor degree.
    pub expert_tensor: Option<u32>,
    /// Data degree.
    pub data: Option<u32>,
    /// Sharding.
    pub sharding: Option<Sharding>,
    /// Copies of sharded state.
    pub replicas: Option<u32>,
    /// Micro-batch.
    pub micro_batch_seqs: Option<u32>,
    /// Schedule.
    pub schedule: Option<Schedule>,
    /// Layers of each chunk.
    pub split: Option<SplitChoice>,
    /// Recomputation.
    pub recompute: Option<Recompute>,
    /// What lives in host memory; nothing where this is open.
    pub offload: Option<Offload>,
    /// Overlaps that are on or off.
    pub overlap: OverlapChoice,
}

/// Which overlaps the user switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OverlapChoice {
    /// Tensor-parallel collectives.
    pub tensor: Option<bool>,
    /// Collectives over data ranks.
    pub data: Option<bool>,
    /// Messages between stages.
    pub pipeline: Option<bool>,
    /// The expert exchange.
    pub expert: Option<bool>,
}

impl OverlapChoice {
    fn fixed(o: Overlap) -> OverlapChoice {
        OverlapChoice {
            tensor: Some(o.tensor),
            data: Some(o.data),
            pipeline: Some(o.pipeline),
            expert: Some(o.expert),
        }
    }
}

impl Choice {
    /// True when nothing is fixed.
    #[must_use]
    pub fn is_free(&self) -> bool {
        *self == Choice::default()
    }

    /// Everything fixed to a layout.
    #[must_use]
    pub fn fixed(l: &Layout) -> Choice {
        Choice {
            tensor: Some(l.tensor),
            sequence_parallel: Some(l.sequence_parallel),
            context: Some(l.context),
            pipeline: Some(l.pipeline),
            virtual_stages: Some(l.virtual_stages),
            expert: Some(l.expert),
            expert_tensor: Some(l.expert_tensor),
            data: Some(l.data),
            sharding: Some(l.sharding),
            replicas: Some(l.replicas),
            micro_batch_seqs: Some(l.micro_batch_seqs),
            schedule: Some(l.schedule),
            split: Some(SplitChoice::Given(l.split)),
            recompute: Some(l.recompute),
            offload: Some(l.offload),
            overlap: OverlapChoice::fixed(l.overlap),
        }
    }
}
