//! Which layers each pipeline stage holds.

use super::Layout;
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

/// The chunks of a layout, first to last on the path of a micro-batch.
#[must_use]
pub fn chunks(model: &Model, layout: &Layout) -> Vec<StageShape> {
    let kinds = pattern(model);
    let n = layout.pipeline.max(1).saturating_mul(layout.virtual_stages.max(1));
    let mut next = 0;
    let mut out = Vec::with_capacity(n as usize);
    for size in chunk_sizes(model.n_layers, n) {
        let mut shape = StageShape::default();
        for kind in kinds.iter().skip(next).take(size as usize) {
            shape.layers[kind.index()] += 1;
        }
        next += size as usize;
        out.push(shape);
    }
    if let Some(first) = out.first_mut() {
        first.embedding = true;
    }
    if let Some(last) = out.last_mut() {
        last.head = true;
    }
    out
}

/// The stages of a layout. Chunk `j` belongs to stage `j mod pipeline` (interleaving).
#[must_use]
pub fn stages(model: &Model, layout: &Layout) -> Vec<StageShape> {
    let p = layout.pipeline.max(1) as usize;
    let mut out = vec![StageShape::default(); p];
    for (j, chunk) in chunks(model, layout).iter().enumerate() {
        let stage = &mut out[j % p];
        for (n, more) in stage.layers.iter_mut().zip(chunk.layers) {
            *n += more;
        }
        stage.embedding |= chunk.embedding;
        stage.head |= chunk.head;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
