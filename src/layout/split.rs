//! How the layers of a model are dealt to the chunks of a pipeline.

use super::SchedulePlan;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

/// A rule that says how many layers each chunk holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Split {
    /// The same everywhere, the ends lighter where that does not go ([`chunk_sizes`]).
    Even,
    /// The same everywhere after embedding or loss have taken the place of a layer (Megatron-LM
    /// `account_for_embedding_in_pipeline_split`, `account_for_loss_in_pipeline_split`).
    Counted {
        /// The embedding is counted.
        embedding: bool,
        /// Head and loss are counted.
        loss: bool,
    },
    /// Given for the first and last stage, the same on those between (Megatron-LM
    /// `num_layers_in_first_pipeline_stage`, `num_layers_in_last_pipeline_stage`).
    Ends {
        /// Layers of the first stage.
        first: Option<u32>,
        /// Layers of the last.
        last: Option<u32>,
    },
    /// One number per stage, spread over its chunks, or one per chunk on the path of a micro-batch.
    /// Interned by [`Split::explicit`], so that a layout stays small and is copied.
    Explicit(&'static [u32]),
}

/// What the user says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SplitChoice {
    /// This one.
    Given(Split),
    /// The one whose heaviest stage is lightest in seconds; the search finds it for every layout.
    Balanced,
}

/// Why the layers cannot be dealt that way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsplit {
    /// What is counted as layers does not come to the same number everywhere.
    NotDivisible {
        /// Layers and what is counted as one.
        counted: u32,
        /// What must divide them.
        chunks: u32,
    },
    /// The ends take more than there is, or leave what the stages between cannot share.
    Rest {
        /// Layers left for the stages between; negative when the ends take more than there are.
        rest: i64,
        /// Stages between.
        stages: i64,
    },
    /// Numbers for another pipeline.
    Length {
        /// Numbers given.
        has: u32,
        /// Stages.
        stages: u32,
        /// Chunks on the path.
        chunks: u32,
    },
    /// The numbers do not add up to the model.
    Sum {
        /// Their sum.
        has: u64,
        /// Layers of the model.
        layers: u32,
    },
}

impl Unsplit {
    /// What would mend it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Unsplit::NotDivisible { chunks, .. } => {
                format!("choose pipeline × virtual_stages that divides the count, or stage_layers with {chunks} numbers")
            }
            Unsplit::Rest { .. } => {
                "choose first_stage_layers and last_stage_layers that leave a multiple of the stages between".to_string()
            }
            Unsplit::Length { stages, chunks, .. } if stages == chunks => format!("write {stages} numbers in stage_layers"),
            Unsplit::Length { stages, chunks, .. } => format!("write {stages} numbers (stages) or {chunks} (chunks) in stage_layers"),
            Unsplit::Sum { layers, .. } => format!("choose stage_layers that add up to {layers}"),
        }
    }
}

impl fmt::Display for Unsplit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsplit::NotDivisible { counted, chunks } => {
                write!(
                    f,
                    "{counted} layers, with what is counted as one, are not a multiple of {chunks} chunks"
                )
            }
            Unsplit::Rest { rest, stages } => write!(f, "{rest} layers are left for {stages} stages between the ends"),
            Unsplit::Length { has, stages, chunks } if stages == chunks => write!(f, "{has} numbers of layers for {stages} stages"),
            Unsplit::Length { has, stages, chunks } => write!(f, "{has} numbers of layers for {stages} stages with {chunks} chunks"),
            Unsplit::Sum { has, layers } => write!(f, "the stages hold {has} layers, the model has {layers}"),
        }
    }
}

/// Layers of each of `n_chunks` model chunks, first to last. Every chunk gets the same number,
/// rounded up; the layers that are then missing are taken from the last chunk (it has the head),
/// the first (it has the embedding), the last but one and so on, as Llama 3 does for 126 layers on
/// 16 stages (arXiv 2407.21783 §3.3.2).
#[must_use]
pub fn chunk_sizes(n_layers: u32, n_chunks: u32) -> Vec<u32> {
    let n = n_chunks.max(1);
    let base = n_layers.div_ceil(n);
    let mut sizes = vec![base; n as usize];
    let missing = (u64::from(base) * u64::from(n)).saturating_sub(u64::from(n_layers));
    for i in 0..missing {
        let half = usize::try_from(i / 2).unwrap_or(0);
        let position = if i % 2 == 0 { sizes.len() - 1 - half } else { half };
        sizes[position] = sizes[position].saturating_sub(1);
    }
    sizes
}

impl Split {
    /// These numbers. Each list is kept once for the life of the process: what is asked for is a
    /// handful, and what a search tries repeats.
    #[must_use]
    pub fn explicit(layers: &[u32]) -> Split {
        static KNOWN: OnceLock<Mutex<BTreeSet<&'static [u32]>>> = OnceLock::new();
        let table = KNOWN.get_or_init(Mutex::default);
        let mut known = table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = known.get(layers) {
            return Split::Explicit(same);
        }
        let kept: &'static [u32] = Box::leak(layers.into());
        known.insert(kept);
        Split::Explicit(kept)
    }

    /// Why the layers of a model cannot be dealt this way, if they cannot.
    #[must_use]
    pub fn refused(&self, n_layers: u32, plan: &SchedulePlan) -> Option<Unsplit> {
        let (stages, chunks) = (plan.stages, path_len(plan));
        match *self {
            Split::Even => None,
            Split::Counted { embedding, loss } => {
                let counted = n_layers.saturating_add(u32::from(embedding) + u32::from(loss));
                (!counted.is_multiple_of(chunks)).then_some(Unsplit::NotDivisible { counted, chunks })
            }
            Split::Ends { first, last } => {
                let given = |end: Option<u32>| end.map_or((0, 0), |n| (i64::from(n), 1));
                let ((a, i), (b, j)) = (given(first), given(last));
                let (rest, between) = (i64::from(n_layers) - a - b, i64::from(stages) - i - j);
                let whole = rest >= 0
                    && if between > 0 {
                        rest % between == 0
                    } else {
                        between == 0 && rest == 0
                    };
                (!whole).then_some(Unsplit::Rest { rest, stages: between })
            }
            Split::Explicit(list) => {
                let has = u32::try_from(list.len()).unwrap_or(u32::MAX);
                if has != stages && has != chunks {
                    return Some(Unsplit::Length { has, stages, chunks });
                }
                let sum = list.iter().map(|&n| u64::from(n)).sum();
                (sum != u64::from(n_layers)).then_some(Unsplit::Sum {
                    has: sum,
                    layers: n_layers,
                })
            }
        }
    }

    /// Layers of every chunk, first to last on the path of a micro-batch; even where the rule refuses.
    #[must_use]
    pub fn sizes(&self, n_layers: u32, plan: &SchedulePlan) -> Vec<u32> {
        let n = path_len(plan);
        if *self == Split::Even || self.refused(n_layers, plan).is_some() {
            return chunk_sizes(n_layers, n);
        }
        match *self {
            Split::Even => chunk_sizes(n_layers, n),
            Split::Counted { embedding, loss } => {
                let mut sizes = vec![n_layers.saturating_add(u32::from(embedding) + u32::from(loss)) / n; n as usize];
                if let Some(size) = sizes.first_mut().filter(|_| embedding) {
                    *size = size.saturating_sub(1);
                }
                if let Some(size) = sizes.last_mut().filter(|_| loss) {
                    *size = size.saturating_sub(1);
                }
                sizes
            }
            Split::Ends { first, last } => {
                let taken = first.unwrap_or(0) + last.unwrap_or(0);
                let between = plan.stages - u32::from(first.is_some()) - u32::from(last.is_some());
                let each = (n_layers - taken).checked_div(between).unwrap_or(0);
                spread(plan, |stage| {
                    let end = if stage == 0 { first } else { None };
                    let other = if stage + 1 == plan.stages { last } else { None };
                    end.or(other).unwrap_or(each)
                })
            }
            Split::Explicit(list) if list.len() == n as usize => list.to_vec(),
            Split::Explicit(list) => spread(plan, |stage| list.get(stage as usize).copied().unwrap_or(0)),
        }
    }
}

fn path_len(plan: &SchedulePlan) -> u32 {
    u32::try_from(plan.path_len()).unwrap_or(u32::MAX).max(1)
}

/// Layers of stages spread over their chunks, one more on those that come first.
fn spread(plan: &SchedulePlan, layers: impl Fn(u32) -> u32) -> Vec<u32> {
    let n = path_len(plan);
    let each = (n / plan.stages.max(1)).max(1);
    (0..n as usize)
        .map(|position| {
            let (stage, chunk) = plan.place(position, 0);
            let all = layers(u32::try_from(stage).unwrap_or(u32::MAX));
            all / each + u32::from((chunk as u32) < all % each)
        })
        .collect()
}

impl fmt::Display for Split {
    /// As a part of a layout: `layers 15/16×2/14`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Split::Even => f.write_str("layers even"),
            Split::Counted { embedding, loss } => {
                let counted = match (embedding, loss) {
                    (true, true) => "embedding and loss count",
                    (true, false) => "embedding counts",
                    (false, true) => "loss counts",
                    (false, false) => "nothing else counts",
                };
                write!(f, "layers even, {counted}")
            }
            Split::Ends { first, last } => {
                let end = |n: &Option<u32>| n.map_or("…".to_string(), |n| n.to_string());
                write!(f, "layers {}/…/{}", end(first), end(last))
            }
            Split::Explicit(list) => {
                f.write_str("layers ")?;
                for (i, run) in list.chunk_by(|a, b| a == b).enumerate() {
                    let slash = if i == 0 { "" } else { "/" };
                    match run {
                        [one] => write!(f, "{slash}{one}")?,
                        [one, ..] => write!(f, "{slash}{one}×{}", run.len())?,
                        [] => {}
                    }
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Schedule;

    fn check(n_layers: u32, n_chunks: u32, want: &[u32]) {
        let got = chunk_sizes(n_layers, n_chunks);
        assert_eq!(got, want);
        assert_eq!(got.iter().sum::<u32>(), n_layers);
    }

    #[test]
    fn layers_are_spread_with_the_ends_lighter() {
        check(8, 4, &[2, 2, 2, 2]);
        check(126, 16, &[7, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 7]);
        check(61, 4, &[15, 16, 15, 15]);
        check(2, 4, &[0, 1, 1, 0]);
        check(5, 1, &[5]);
    }

    #[test]
    fn what_is_given_is_held() {
        let plan = |kind, stages, chunks| SchedulePlan::new(kind, stages, chunks, 8);
        let one = plan(Schedule::OneFOneB, 4, 1);
        let looped = plan(Schedule::OneFOneB, 4, 2);
        let both = Split::Counted {
            embedding: true,
            loss: true,
        };
        // Llama 3: 126 layers and both ends are 128 (arXiv 2407.21783 §3.3.2).
        assert_eq!(both.sizes(126, &one), [31, 32, 32, 31]);
        assert_eq!(both.sizes(126, &looped), [15, 16, 16, 16, 16, 16, 16, 15]);
        assert!(matches!(
            both.refused(124, &one),
            Some(Unsplit::NotDivisible { counted: 126, chunks: 4 })
        ));
        let ends = Split::Ends {
            first: Some(5),
            last: None,
        };
        assert_eq!(ends.sizes(20, &one), [5, 5, 5, 5]);
        assert_eq!(ends.sizes(17, &looped), [3, 2, 2, 2, 2, 2, 2, 2]);
        assert!(matches!(ends.refused(19, &one), Some(Unsplit::Rest { rest: 14, stages: 3 })));
        let list = Split::explicit(&[3, 4, 4, 1]);
        assert_eq!(list, Split::explicit(&[3, 4, 4, 1]));
        assert_eq!(list.sizes(12, &one), [3, 4, 4, 1]);
        assert_eq!(list.sizes(12, &looped), [2, 2, 2, 1, 1, 2, 2, 0]);
        // Down and back: stage 3 holds the two in the middle.
        assert_eq!(list.sizes(12, &plan(Schedule::ZeroBubbleV, 4, 2)), [2, 2, 2, 1, 0, 2, 2, 1]);
        assert_eq!(list.refused(13, &one), Some(Unsplit::Sum { has: 12, layers: 13 }));
        assert!(matches!(
            list.refused(12, &plan(Schedule::OneFOneB, 2, 3)),
            Some(Unsplit::Length { has: 4, .. })
        ));
        assert_eq!(list.to_string(), "layers 3/4×2/1");
    }
}
