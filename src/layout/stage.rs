//! Which layers each pipeline stage holds.

use super::{Layout, SchedulePlan, Split};
use crate::catalog::{Model, N_KINDS};
use crate::workload::{LayerKind, pattern};

/// The layers of one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StageShape {
    /// Layers by [`LayerKind::index`].
    pub layers: [u32; N_KINDS],
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
}

/// The chunks of a layout, first to last on the path of a micro-batch.
#[must_use]
pub fn chunks(model: &Model, layout: &Layout) -> Vec<StageShape> {
    path(model, &layout.split, &SchedulePlan::of(layout, 1.0))
}

fn path(model: &Model, split: &Split, plan: &SchedulePlan) -> Vec<StageShape> {
    dealt(&pattern(model), &split.sizes(model.n_layers, plan))
}

/// Layers dealt to the chunks of a path; embedding and head at its ends.
#[must_use]
pub fn dealt(kinds: &[LayerKind], sizes: &[u32]) -> Vec<StageShape> {
    let mut rest = kinds.iter();
    let mut out: Vec<StageShape> = sizes
        .iter()
        .map(|&size| {
            let mut shape = StageShape::default();
            for kind in rest.by_ref().take(size as usize) {
                shape.layers[kind.index()] += 1;
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
pub fn pieces(model: &Model, split: &Split, plan: &SchedulePlan) -> Vec<StageShape> {
    placed(path(model, split, plan), plan)
}

/// A model cut by a layout.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    pieces: Vec<StageShape>,
    /// Empty where a stage is one chunk.
    stages: Vec<StageShape>,
    chunks: usize,
    copies: u32,
}

impl Cut {
    /// Cut a model.
    #[must_use]
    pub fn of(model: &Model, layout: &Layout) -> Cut {
        Cut::by(model, &layout.split, &SchedulePlan::of(layout, 1.0))
    }

    /// Cut a model for a schedule.
    #[must_use]
    pub fn by(model: &Model, split: &Split, plan: &SchedulePlan) -> Cut {
        let pieces = pieces(model, split, plan);
        let chunks = plan.chunks.max(1) as usize;
        let stages = if chunks == 1 {
            Vec::new()
        } else {
            pieces.chunks(chunks).map(sum).collect()
        };
        Cut {
            pieces,
            stages,
            chunks,
            copies: plan.kind.weight_copies(),
        }
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
        out.embedding |= chunk.embedding;
        out.head |= chunk.head;
    }
    out
}
