//! A schedule for given sizes: whether it exists, and which chunk lies where.

use super::{Placement, Schedule};
use crate::layout::Layout;
use std::fmt;

/// What a schedule is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SchedulePlan {
    /// Which.
    pub kind: Schedule,
    /// Pipeline stages.
    pub stages: u32,
    /// Chunks of layers on each stage.
    pub chunks: u32,
    /// Micro-batches of a step, both directions together.
    pub micro_batches: u32,
    /// Micro-batches that pass one chunk before the next one's turn; at least the stages
    /// (Megatron-LM `microbatch_group_size_per_vp_stage`). Only interleaving reads it.
    pub group: u32,
}

impl SchedulePlan {
    /// With the usual group: as many micro-batches as stages.
    #[must_use]
    pub fn new(kind: Schedule, stages: u32, chunks: u32, micro_batches: u32) -> SchedulePlan {
        SchedulePlan {
            kind,
            stages,
            chunks,
            micro_batches,
            group: stages,
        }
    }

    /// The schedule that a layout runs with so many micro-batches per data-parallel rank.
    #[must_use]
    pub fn of(layout: &Layout, n_micro_batches: f64) -> SchedulePlan {
        let kind = layout.order();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let m = n_micro_batches.round().clamp(1.0, f64::from(u32::MAX)) as u32;
        // A second copy of the model is one more chunk.
        let chunks = layout.virtual_stages.max(1).saturating_mul(kind.weight_copies());
        SchedulePlan::new(kind, layout.pipeline.max(1), chunks, m)
    }

    /// Chunks that one micro-batch passes.
    #[must_use]
    pub fn path_len(&self) -> usize {
        match self.kind.placement() {
            Placement::TwoWay => self.stages as usize,
            Placement::Loop | Placement::Vee => self.stages as usize * self.chunks as usize,
        }
    }

    /// Where on the path of a micro-batch a chunk of a stage lies.
    #[must_use]
    pub fn position(&self, stage: usize, chunk: usize) -> usize {
        let p = self.stages as usize;
        match self.kind.placement() {
            Placement::Loop => chunk * p + stage,
            Placement::Vee | Placement::TwoWay if chunk == 0 => stage,
            Placement::Vee => (2 * p).saturating_sub(1 + stage),
            Placement::TwoWay => p.saturating_sub(1 + stage),
        }
    }

    /// Stage and chunk of a place on the path; with two ways a chunk says the way.
    #[must_use]
    pub fn place(&self, position: usize, way: usize) -> (usize, usize) {
        let p = (self.stages as usize).max(1);
        match self.kind.placement() {
            Placement::Loop => (position % p, position / p),
            Placement::Vee if position < p => (position, 0),
            Placement::Vee => ((2 * p).saturating_sub(1 + position), 1),
            Placement::TwoWay if way == 0 => (position, 0),
            Placement::TwoWay => (p.saturating_sub(1 + position), 1),
        }
    }

    /// Why there is no such schedule, if there is none.
    #[must_use]
    pub fn refused(&self) -> Option<Unsupported> {
        let (p, v, m) = (self.stages, self.chunks, self.micro_batches);
        if p == 0 || v == 0 || m == 0 {
            return Some(Unsupported::Nothing);
        }
        if let Some(wants) = self.kind.chunks().filter(|&wants| wants != v) {
            return Some(Unsupported::Chunks {
                kind: self.kind,
                has: v,
                wants,
            });
        }
        let least = match self.kind {
            // Its fixed warm-up: every stage sees 2·stages − 1 forwards of the first chunk (arXiv 2405.15362 §4).
            Schedule::ZeroBubbleV => p.saturating_mul(2).saturating_sub(1),
            Schedule::DualPipe | Schedule::DualPipeV => p.saturating_mul(2),
            _ => 1,
        };
        if m < least {
            return Some(Unsupported::TooFew { has: m, least });
        }
        let interleaved = self.kind == Schedule::OneFOneB && v > 1;
        if interleaved && self.group < p {
            return Some(Unsupported::SmallGroup {
                group: self.group,
                stages: p,
            });
        }
        let of = match self.kind {
            Schedule::DualPipe => 2,
            _ if interleaved => self.group,
            _ => 1,
        };
        if !m.is_multiple_of(of) {
            return Some(Unsupported::NotMultiple { has: m, of });
        }
        (self.kind == Schedule::DualPipe && !p.is_multiple_of(2)).then_some(Unsupported::OddStages(p))
    }
}

/// Why a schedule does not exist for given sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsupported {
    /// No stages, chunks or micro-batches.
    Nothing,
    /// The schedule is made for another number of chunks.
    Chunks {
        /// Which schedule.
        kind: Schedule,
        /// What was asked for.
        has: u32,
        /// What it is made for.
        wants: u32,
    },
    /// Too few micro-batches for its warm-up.
    TooFew {
        /// Micro-batches.
        has: u32,
        /// What it needs.
        least: u32,
    },
    /// Micro-batches do not come in whole groups.
    NotMultiple {
        /// Micro-batches.
        has: u32,
        /// The group.
        of: u32,
    },
    /// A group smaller than the pipeline would wait for itself.
    SmallGroup {
        /// The group.
        group: u32,
        /// Stages.
        stages: u32,
    },
    /// Two ways need an even number of stages.
    OddStages(u32),
}

impl Unsupported {
    /// What would mend a layout that asks for this schedule.
    #[must_use]
    pub fn remedy(&self, kind: Schedule) -> String {
        match self {
            Unsupported::Nothing => "choose sizes of at least 1".to_string(),
            Unsupported::Chunks { wants, .. } => format!("choose virtual_stages = {}", wants / kind.weight_copies()),
            Unsupported::TooFew { least, .. } => {
                format!("choose a batch of {least} micro-batches per data rank or more (a smaller data degree, micro-batch or pipeline)")
            }
            Unsupported::NotMultiple { of, .. } => format!("choose a batch whose micro-batches per data rank are a multiple of {of}"),
            Unsupported::SmallGroup { stages, .. } => format!("choose groups of {stages} micro-batches or more"),
            Unsupported::OddStages(_) => "choose an even pipeline degree".to_string(),
        }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsupported::Nothing => f.write_str("a schedule needs stages, chunks and micro-batches"),
            Unsupported::Chunks { kind, has, wants } => write!(f, "{} has {wants} chunks per stage, not {has}", kind.name()),
            Unsupported::TooFew { has, least } => write!(f, "{has} micro-batches; the warm-up needs {least}"),
            Unsupported::NotMultiple { has, of } => write!(f, "{has} micro-batches are not a multiple of {of}"),
            Unsupported::SmallGroup { group, stages } => write!(f, "groups of {group} micro-batches on {stages} stages"),
            Unsupported::OddStages(p) => write!(f, "{p} stages cannot be passed both ways: the number must be even"),
        }
    }
}

impl std::error::Error for Unsupported {}
