//! How a model is cut over devices, and whether it fits.
//!
//! A layout that does not fit is a value ([`Violation`]), never an error: the search counts them.

pub mod activation;
pub mod check;
pub mod choice;
pub mod held;
pub mod memory;
pub mod offload;
pub mod placement;
pub mod schedule;
pub mod space;
pub mod split;
pub mod stage;

pub use check::{Violation, check};
pub use choice::{Choice, OverlapChoice};
pub use memory::{MemoryBudget, MemoryContext, budgets};
pub use placement::{Groups, Placed, place};
pub use schedule::{Schedule, SchedulePlan};
pub use space::{Breadth, Outer, Space, Way};
pub use split::{Split, SplitChoice, Unsplit};
pub use stage::{Cut, StageShape, stages};

use std::fmt;

/// What data-parallel ranks share instead of holding a copy each (ZeRO, arXiv 1910.02054).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sharding {
    /// Every rank holds everything.
    None,
    /// Optimizer state is shared (Megatron's distributed optimizer).
    Zero1,
    /// Optimizer state and gradients are shared.
    Zero2,
    /// Weights too; they are gathered per layer (FSDP).
    Zero3,
}

impl Sharding {
    /// Names in files; `fsdp` and `hsdp` are the framework's words for `zero3`, `hsdp` with `replicas` above 1.
    pub const NAMES: [(&'static str, Sharding); 7] = [
        ("none", Sharding::None),
        ("zero1", Sharding::Zero1),
        ("distopt", Sharding::Zero1),
        ("zero2", Sharding::Zero2),
        ("zero3", Sharding::Zero3),
        ("fsdp", Sharding::Zero3),
        ("hsdp", Sharding::Zero3),
    ];

    /// The name used in output.
    #[must_use]
    pub fn name(self) -> &'static str {
        Sharding::NAMES.iter().find(|(_, s)| *s == self).map_or("none", |(n, _)| n)
    }
}

/// What is computed again in backward instead of being kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Recompute {
    /// Nothing.
    None,
    /// The attention core (Korthikanti et al., arXiv 2205.05198 §4).
    Selective,
    /// So many layers of every chunk from their inputs, the first ones (Megatron-LM
    /// `recompute_method = block`, `recompute_num_layers`).
    Layers(u32),
    /// Every layer from its input.
    Full,
}

impl Recompute {
    /// Names in files and output.
    pub const NAMES: [(&'static str, Recompute); 3] = [
        ("none", Recompute::None),
        ("selective", Recompute::Selective),
        ("full", Recompute::Full),
    ];

    /// The name used in output. That some layers are computed again is said by their number.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Recompute::Layers(_) => "layers",
            other => Recompute::NAMES.iter().find(|(_, s)| *s == other).map_or("none", |(n, _)| n),
        }
    }

    /// Layers of a chunk that are computed again whole although not all are.
    #[must_use]
    pub fn layers(self) -> u32 {
        match self {
            Recompute::Layers(n) => n,
            _ => 0,
        }
    }
}

/// What lives in host memory instead of on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Offload {
    /// Nothing.
    None,
    /// Activations, from forward to backward (vDNN, arXiv 1602.08124; Transformer Engine `cpu_offload`).
    Activations,
    /// Master weights and moments, updated by the host (ZeRO-Offload, arXiv 2101.06840).
    Optimizer,
    /// Both.
    All,
}

impl Offload {
    /// Names in files and output.
    pub const NAMES: [(&'static str, Offload); 4] = [
        ("none", Offload::None),
        ("activations", Offload::Activations),
        ("optimizer", Offload::Optimizer),
        ("all", Offload::All),
    ];

    /// The name used in output.
    #[must_use]
    pub fn name(self) -> &'static str {
        Offload::NAMES.iter().find(|(_, o)| *o == self).map_or("none", |(n, _)| n)
    }

    /// Activations leave the device.
    #[must_use]
    pub fn activations(self) -> bool {
        matches!(self, Offload::Activations | Offload::All)
    }

    /// The optimizer runs on the host.
    #[must_use]
    pub fn optimizer(self) -> bool {
        matches!(self, Offload::Optimizer | Offload::All)
    }
}

/// Which of what a stack can run beside math does so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Overlap {
    /// Tensor-parallel collectives.
    pub tensor: bool,
    /// Collectives over data ranks.
    pub data: bool,
    /// Messages between stages.
    pub pipeline: bool,
    /// The expert exchange.
    pub expert: bool,
}

impl Overlap {
    /// Everything that the stack can.
    pub const ALL: Overlap = Overlap {
        tensor: true,
        data: true,
        pipeline: true,
        expert: true,
    };

    /// Each switch by name, in the order of output.
    #[must_use]
    pub fn list(&self) -> [(&'static str, bool); 4] {
        [
            ("tensor", self.tensor),
            ("data", self.data),
            ("pipeline", self.pipeline),
            ("expert", self.expert),
        ]
    }
}

/// Of two layouts that are equal otherwise the one with more overlaps comes first.
impl Ord for Overlap {
    fn cmp(&self, other: &Overlap) -> std::cmp::Ordering {
        other.list().cmp(&self.list())
    }
}

impl PartialOrd for Overlap {
    fn partial_cmp(&self, other: &Overlap) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A parallel layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Layout {
    /// Tensor parallel degree.
    pub tensor: u32,
    /// Norms and residuals are cut along the sequence over the tensor ranks.
    pub sequence_parallel: bool,
    /// Context parallel degree.
    pub context: u32,
    /// Pipeline parallel degree.
    pub pipeline: u32,
    /// Model chunks per pipeline stage.
    pub virtual_stages: u32,
    /// Expert parallel degree.
    pub expert: u32,
    /// Tensor parallel degree inside experts.
    pub expert_tensor: u32,
    /// Data parallel degree, replicas included.
    pub data: u32,
    /// What data-parallel ranks share.
    pub sharding: Sharding,
    /// Copies of the sharded state (HSDP); sharding spans `data / replicas` ranks.
    pub replicas: u32,
    /// Sequences per micro-batch.
    pub micro_batch_seqs: u32,
    /// Order of micro-batches.
    pub schedule: Schedule,
    /// Layers of each chunk.
    pub split: Split,
    /// What is computed again.
    pub recompute: Recompute,
    /// What lives in host memory.
    pub offload: Offload,
    /// What of the stack's overlaps is on.
    pub overlap: Overlap,
}

impl Layout {
    /// One device, nothing cut.
    #[must_use]
    pub fn single() -> Layout {
        Layout {
            tensor: 1,
            sequence_parallel: false,
            context: 1,
            pipeline: 1,
            virtual_stages: 1,
            expert: 1,
            expert_tensor: 1,
            data: 1,
            sharding: Sharding::None,
            replicas: 1,
            micro_batch_seqs: 1,
            schedule: Schedule::OneFOneB,
            split: Split::Even,
            recompute: Recompute::None,
            offload: Offload::None,
            overlap: Overlap::ALL,
        }
    }

    /// Devices it needs; absurd degrees saturate instead of wrapping around to a number that fits.
    #[must_use]
    pub fn n_devices(&self) -> u64 {
        product(&[self.tensor, self.context, self.pipeline, self.data])
    }

    /// Micro-batches per data-parallel rank and step.
    #[must_use]
    pub fn n_micro_batches(&self, global_batch_seqs: f64) -> f64 {
        global_batch_seqs / (f64::from(self.data) * f64::from(self.micro_batch_seqs))
    }

    /// The schedule that runs. Without a pipeline micro-batches go one after another whatever was
    /// asked for, and `GPipe` over several chunks is the breadth-first loop.
    #[must_use]
    pub fn order(&self) -> Schedule {
        match self.schedule {
            _ if self.pipeline <= 1 => Schedule::OneFOneB,
            Schedule::GPipe if self.virtual_stages > 1 => Schedule::BreadthFirst,
            other => other,
        }
    }

    /// Layers of every chunk of a model, first to last on the path of a micro-batch.
    #[must_use]
    pub fn layers(&self, n_layers: u32) -> Vec<u32> {
        self.split.sizes(n_layers, &SchedulePlan::of(self, 1.0))
    }

    /// Name of the schedule for people.
    #[must_use]
    pub fn schedule_name(&self) -> &'static str {
        match self.schedule {
            _ if self.pipeline <= 1 => "none",
            Schedule::OneFOneB if self.virtual_stages > 1 => "interleaved-1f1b",
            other => other.name(),
        }
    }

    /// Data-parallel degree of the expert weights.
    #[must_use]
    pub fn expert_data(&self) -> f64 {
        let ranks = f64::from(self.tensor) * f64::from(self.context) * f64::from(self.data);
        (ranks / (f64::from(self.expert) * f64::from(self.expert_tensor))).max(1.0)
    }
}

/// Product of degrees, saturated.
fn product(degrees: &[u32]) -> u64 {
    degrees.iter().fold(1, |n, &d| n.saturating_mul(u64::from(d)))
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TP {}", self.tensor)?;
        for (label, n) in [
            ("CP", self.context),
            ("PP", self.pipeline),
            ("VP", self.virtual_stages),
            ("EP", self.expert),
            ("ETP", self.expert_tensor),
        ] {
            if n > 1 {
                write!(f, " · {label} {n}")?;
            }
        }
        write!(f, " · DP {}", self.data)?;
        if self.pipeline > 1 && self.schedule != Schedule::OneFOneB {
            write!(f, " · {}", self.schedule_name())?;
        }
        if self.tensor > 1 && !self.sequence_parallel {
            write!(f, " · no sequence parallel")?;
        }
        if self.sharding != Sharding::None {
            write!(f, " · {}", self.sharding.name())?;
        }
        if self.replicas > 1 {
            write!(f, " × {} replicas", self.replicas)?;
        }
        write!(f, " · micro-batch {}", self.micro_batch_seqs)?;
        if self.split != Split::Even {
            write!(f, " · {}", self.split)?;
        }
        match self.recompute {
            Recompute::None => {}
            Recompute::Layers(n) => write!(f, " · recompute {n} layers")?,
            other => write!(f, " · recompute {}", other.name())?,
        }
        if self.offload != Offload::None {
            write!(f, " · offload {}", self.offload.name())?;
        }
        for (name, _) in self.overlap.list().iter().filter(|(_, on)| !on) {
            write!(f, " · no {name} overlap")?;
        }
        Ok(())
    }
}
