//! Pipeline schedules by name and size. What they run, and in which order, is known to `step::schedule`.

mod plan;

pub use plan::{SchedulePlan, Unsupported};

/// Which schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Schedule {
    /// All forward, then all backward (Huang et al., arXiv 1811.06965).
    GPipe,
    /// One forward, one backward; interleaved with more than one chunk, which is the depth-first
    /// loop (Narayanan et al., arXiv 2104.04473 §2.2).
    OneFOneB,
    /// All micro-batches through one chunk before the next, the breadth-first loop (Lamy-Poirier, arXiv 2211.05953 §3).
    BreadthFirst,
    /// Zero bubble with the memory of 1F1B (Qi et al., arXiv 2401.10241 §2.1).
    ZeroBubbleH1,
    /// Zero bubble with twice that memory (arXiv 2401.10241 §2.2).
    ZeroBubbleH2,
    /// Zero bubble with the memory of 1F1B on chunks placed as a V (arXiv 2401.10241 §6, 2405.15362 §4).
    ZeroBubbleV,
    /// Two directions over two copies of the weights (DeepSeek-V3, arXiv 2412.19437 §3.2.1).
    DualPipe,
    /// The same cut in half: one copy, chunks placed as a V (deepseek-ai/DualPipe).
    DualPipeV,
}

impl Schedule {
    /// Every schedule.
    pub const ALL: [Schedule; 8] = [
        Schedule::GPipe,
        Schedule::OneFOneB,
        Schedule::BreadthFirst,
        Schedule::ZeroBubbleH1,
        Schedule::ZeroBubbleH2,
        Schedule::ZeroBubbleV,
        Schedule::DualPipe,
        Schedule::DualPipeV,
    ];

    /// Names in files, the one that output uses first.
    pub const NAMES: [(&'static str, Schedule); 11] = [
        ("gpipe", Schedule::GPipe),
        ("1f1b", Schedule::OneFOneB),
        ("interleaved-1f1b", Schedule::OneFOneB),
        ("breadth-first", Schedule::BreadthFirst),
        ("looped-bfs", Schedule::BreadthFirst),
        ("zb-h1", Schedule::ZeroBubbleH1),
        ("zb-h2", Schedule::ZeroBubbleH2),
        ("zb-v", Schedule::ZeroBubbleV),
        ("dualpipe", Schedule::DualPipe),
        ("dualpipe-v", Schedule::DualPipeV),
        ("dualpipev", Schedule::DualPipeV),
    ];

    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Schedule::NAMES.iter().find(|(_, k)| *k == self).map_or("gpipe", |(n, _)| n)
    }

    /// How the chunks of the model lie on the stages.
    #[must_use]
    pub fn placement(self) -> Placement {
        match self {
            Schedule::ZeroBubbleV | Schedule::DualPipeV => Placement::Vee,
            Schedule::DualPipe => Placement::TwoWay,
            _ => Placement::Loop,
        }
    }

    /// Chunks that a stage must have under this schedule, the second copy of the model included; none
    /// where any number will do.
    #[must_use]
    pub fn chunks(self) -> Option<u32> {
        match self {
            Schedule::OneFOneB | Schedule::BreadthFirst => None,
            Schedule::GPipe | Schedule::ZeroBubbleH1 | Schedule::ZeroBubbleH2 => Some(1),
            Schedule::ZeroBubbleV | Schedule::DualPipe | Schedule::DualPipeV => Some(2),
        }
    }

    /// Virtual stages that a layout must have for it; none where any number will do. `GPipe` with
    /// more than one is [`Schedule::BreadthFirst`].
    #[must_use]
    pub fn virtual_stages(self) -> Option<u32> {
        let chunks = self.chunks().filter(|_| self != Schedule::GPipe);
        chunks.map(|n| n / self.weight_copies())
    }

    /// The weight gradient is a slot of its own, so nothing of a backward runs beside it.
    #[must_use]
    pub fn splits_backward(self) -> bool {
        matches!(self, Schedule::ZeroBubbleH1 | Schedule::ZeroBubbleH2 | Schedule::ZeroBubbleV)
    }

    /// A forward and a backward of two lines of micro-batches run beside each other.
    #[must_use]
    pub fn pairs(self) -> bool {
        matches!(self, Schedule::DualPipe | Schedule::DualPipeV)
    }

    /// Copies of the weights that a device holds, in stages (arXiv 2412.19437 table 2).
    #[must_use]
    pub fn weight_copies(self) -> u32 {
        if self == Schedule::DualPipe { 2 } else { 1 }
    }
}

/// How the chunks of the model lie on the stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// First to last stage, again and again.
    Loop,
    /// First to last stage and back.
    Vee,
    /// One model from first to last stage, a second copy from last to first.
    TwoWay,
}
