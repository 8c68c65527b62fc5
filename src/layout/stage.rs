//! Which layers each pipeline stage holds.

use super::{Layout, SchedulePlan};
use crate::catalog::{Model, N_KINDS};
use crate::workload::{LayerKind, pattern};

/// The layers of one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StageShape {
    /// Layers by [`LayerKind::index`].
    pub layers: [u32; N_KINDS],
    /// Of these, those that backward computes again although not all are.
    pub recomputed: [u32; N_KINDS],
    /// Holds the input embedding.
    pub embedding: bool,
    /// Holds the output head and loss.
    pub head: bool,
}

impl StageShape {
    /// All layers.
    #[must_use]
    pub fn n_layers(&self) -> u32 {
        self.layers.iter().sum()
    }

    /// Kinds with how many layers of each, none left out that occurs.
    pub fn kinds(&self) -> impl Iterator<Item = (LayerKind, f64)> + use<> {
        let layers = self.layers;
        LayerKind::ALL
            .into_iter()
            .filter(move |k| layers[k.index()] > 0)
            .map(move |k| (k, f64::from(layers[k.index()])))
    }

    /// The same in two: layers as the layout has them in general, and those computed again whole.
    pub fn parts(&self) -> impl Iterator<Item = (LayerKind, f64, f64)> + use<> {
        let recomputed = self.recomputed;
        self.kinds().map(move |(k, n)| {
            let again = f64::from(recomputed[k.index()]);
            (k, n - again, again)
        })
    }
}

/// The chunks of a layout, first to last on the path of a micro-batch.
#[must_use]
pub fn chunks(model: &Model, layout: &Layout) -> Vec<StageShape> {
    path(model, layout, &SchedulePlan::of(layout, 1.0))
}

fn path(model: &Model, layout: &Layout, plan: &SchedulePlan) -> Vec<StageShape> {
    dealt(
        &pattern(model),
        &layout.split.sizes(model.n_layers, plan),
        layout.recompute.layers(),
    )
}

/// Layers dealt to the chunks of a path, so many of each computed again; embedding and head at its ends.
#[must_use]
pub fn dealt(kinds: &[LayerKind], sizes: &[u32], n_recomputed: u32) -> Vec<StageShape> {
    let mut rest = kinds.iter();
    let mut out: Vec<StageShape> = sizes
        .iter()
        .map(|&size| {
            let mut shape = StageShape::default();
            for (i, kind) in (0u32..).zip(rest.by_ref().take(size as usize)) {
                shape.layers[kind.index()] += 1;
                shape.recomputed[kind.index()] += u32::from(i < n_recomputed);
            }
            shape
        })
        .collect();
    if let Some(first) = out.first_mut() {
        first.embedding = true;
    }
    if let Some(last) = out.last_mut() {
        last.head = true;
    }
    out
}

/// The chunks of a path where they lie: chunk `c` of stage `i` at `i · chunks + c`; two ways pass two
/// copies of the model, so every chunk of the path lies on two stages.
#[must_use]
pub fn placed(path: Vec<StageShape>, plan: &SchedulePlan) -> Vec<StageShape> {
    if plan.chunks == 1 {
        return path;
    }
    let at = |stage, chunk| path.get(plan.position(stage, chunk)).copied().unwrap_or_default();
    let (p, v) = (plan.stages as usize, plan.chunks as usize);
    (0..p).flat_map(|i| (0..v).map(move |c| (i, c))).map(|(i, c)| at(i, c)).collect()
}

/// The chunks of a model where a schedule places them, as [`placed`] orders them.
#[must_use]
pub fn pieces(model: &Model, layout: &Layout, plan: &SchedulePlan) -> Vec<StageShape> {
    placed(path(model, layout, plan), plan)
}

/// A model cut by a layout.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    pieces: Vec<StageShape>,
    /// Empty where a stage is one chunk.
    stages: Vec<StageShape>,
    chunks: usize,
    copies: u32,
    /// Which of the distinct pieces each is.
    kinds: Classes,
    /// Which of the distinct stages each is; empty where a stage is one chunk.
    stage_kinds: Classes,
}

/// Things of which few differ: the class of each, and where each class is first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Classes {
    /// The class of each.
    pub of: Vec<u16>,
    /// The first of each class.
    pub first: Vec<usize>,
}

impl Classes {
    /// Classes of `n` things, where `same` says which are alike. Most are like the one before.
    fn new(n: usize, same: impl Fn(usize, usize) -> bool) -> Classes {
        let mut out = Classes {
            of: Vec::with_capacity(n),
            first: Vec::with_capacity(4),
        };
        for i in 0..n {
            if i > 0 && same(i - 1, i) {
                out.of.push(out.of[i - 1]);
                continue;
            }
            let class = out.first.iter().position(|&first| same(first, i)).unwrap_or_else(|| {
                out.first.push(i);
                out.first.len() - 1
            });
            // More classes than that would need a model of as many layers.
            out.of.push(u16::try_from(class).unwrap_or(u16::MAX));
        }
        out
    }

    /// One value of each, made once for each class from the first of it.
    pub fn spread<T: Copy>(&self, mut make: impl FnMut(usize) -> T) -> Vec<T> {
        let known: Vec<T> = self.first.iter().map(|&first| make(first)).collect();
        self.of.iter().map(|&class| known[usize::from(class)]).collect()
    }
}

impl Cut {
    /// Cut a model.
    #[must_use]
    pub fn of(model: &Model, layout: &Layout) -> Cut {
        Cut::by(model, layout, &SchedulePlan::of(layout, 1.0))
    }

    /// Cut a model for a schedule.
    #[must_use]
    pub fn by(model: &Model, layout: &Layout, plan: &SchedulePlan) -> Cut {
        let pieces = pieces(model, layout, plan);
        let chunks = plan.chunks.max(1) as usize;
        let stages = if chunks == 1 {
            Vec::new()
        } else {
            pieces.chunks(chunks).map(sum).collect()
        };
        let kinds = Classes::new(pieces.len(), |a, b| pieces[a] == pieces[b]);
        let of = |stage: usize| &kinds.of[stage * chunks..(stage + 1) * chunks];
        let stage_kinds = Classes::new(stages.len(), |a, b| of(a) == of(b));
        Cut {
            pieces,
            stages,
            chunks,
            copies: plan.kind.weight_copies(),
            kinds,
            stage_kinds,
        }
    }

    /// Which pieces are alike.
    #[must_use]
    pub fn kinds(&self) -> &Classes {
        &self.kinds
    }

    /// Which stages are alike, chunk by chunk.
    #[must_use]
    pub fn stage_kinds(&self) -> &Classes {
        if self.chunks == 1 { &self.kinds } else { &self.stage_kinds }
    }

    /// All chunks: chunk `c` of stage `i` at `i · chunks + c`.
    #[must_use]
    pub fn pieces(&self) -> &[StageShape] {
        &self.pieces
    }

    /// Chunks of a stage.
    #[must_use]
    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// Copies of the model that lie on the stages, each of which sees its share of the micro-batches.
    #[must_use]
    pub fn copies(&self) -> u32 {
        self.copies
    }

    /// Every stage.
    #[must_use]
    pub fn stages(&self) -> &[StageShape] {
        if self.chunks == 1 { &self.pieces } else { &self.stages }
    }

    /// The chunks of every stage, in the order in which it counts them.
    pub fn by_stage(&self) -> impl Iterator<Item = &[StageShape]> {
        self.pieces.chunks(self.chunks)
    }
}

/// The stages of a layout.
#[must_use]
pub fn stages(model: &Model, layout: &Layout) -> Vec<StageShape> {
    let cut = Cut::of(model, layout);
    if cut.chunks == 1 { cut.pieces } else { cut.stages }
}

/// What several chunks hold together.
#[must_use]
pub fn sum(chunks: &[StageShape]) -> StageShape {
    let mut out = StageShape::default();
    for chunk in chunks {
        for (n, more) in out.layers.iter_mut().zip(chunk.layers) {
            *n += more;
        }
        for (n, more) in out.recomputed.iter_mut().zip(chunk.recomputed) {
            *n += more;
        }
        out.embedding |= chunk.embedding;
        out.head |= chunk.head;
    }
    out
}
