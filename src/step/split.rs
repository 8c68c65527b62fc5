//! Layers dealt to chunks so that the heaviest stage is lightest in seconds of one micro-batch.

use super::pipeline::stage_price;
use super::price::{Price, Prices};
use crate::layout::split::chunk_sizes;
use crate::layout::{SchedulePlan, stage};
use crate::workload::LayerKind;

/// Seconds of layers, added up, with what the two ends of the path add.
struct Sums {
    /// Seconds of the layers before each, and of all.
    before_s: Vec<f64>,
    embedding_s: f64,
    head_s: f64,
    n_chunks: usize,
}

impl Sums {
    /// Seconds of chunk `chunk` when it holds layers `from..to`.
    fn chunk_s(&self, chunk: usize, from: usize, to: usize) -> f64 {
        let mut s = self.before_s[to] - self.before_s[from];
        if chunk == 0 {
            s += self.embedding_s;
        }
        if chunk + 1 == self.n_chunks {
            s += self.head_s;
        }
        s
    }
}

/// Layers of every chunk on the path of a micro-batch. Of all ways to cut the layers, in order, into
/// chunks it takes one whose heaviest chunk is lightest (forward, backward and recomputation of one
/// micro-batch, with embedding and head where they are), and of those the one of least spread. A
/// stage of several chunks is the sum of them: where even numbers make the heaviest stage lighter
/// than balanced chunks do, they are taken.
#[must_use]
pub fn balanced(kinds: &[LayerKind], prices: &Prices, plan: &SchedulePlan) -> Vec<u32> {
    let n_chunks = plan.path_len().max(1);
    let seconds = |price: &Price| price.total_s();
    let mut before_s = vec![0.0];
    let mut sum_s = 0.0;
    for kind in kinds {
        sum_s += seconds(&prices.layers[kind.index()]);
        before_s.push(sum_s);
    }
    let sums = Sums {
        before_s,
        embedding_s: seconds(&prices.embedding),
        head_s: seconds(&prices.head),
        n_chunks,
    };
    let sizes = smoothest(&sums, lightest_s(&sums));
    if plan.chunks <= 1 {
        return sizes;
    }
    let layers = u32::try_from(kinds.len()).unwrap_or(u32::MAX);
    let even = chunk_sizes(layers, u32::try_from(n_chunks).unwrap_or(u32::MAX));
    let heaviest = |sizes: &[u32]| heaviest_s(kinds, prices, plan, sizes);
    if heaviest(&even) < heaviest(&sizes) { even } else { sizes }
}

/// Seconds of the heaviest stage when the chunks of the path hold so many layers.
#[must_use]
pub fn heaviest_s(kinds: &[LayerKind], prices: &Prices, plan: &SchedulePlan, sizes: &[u32]) -> f64 {
    let pieces = stage::placed(stage::dealt(kinds, sizes), plan);
    let stages = pieces.chunks(plan.chunks.max(1) as usize).map(stage::sum);
    stages.map(|shape| stage_price(&shape, prices).total_s()).fold(0.0, f64::max)
}

/// Seconds of the heaviest chunk at best. `best[j]`: of the first `j` layers on the chunks so far.
/// More layers on the others make those heavier and this one lighter, so the best cut is where they
/// meet, found by halving.
fn lightest_s(sums: &Sums) -> f64 {
    let n = sums.before_s.len() - 1;
    let mut best: Vec<f64> = (0..=n).map(|to| sums.chunk_s(0, 0, to)).collect();
    for chunk in 1..sums.n_chunks {
        let next = |to: usize| {
            let (mut low, mut high) = (0, to);
            while low < high {
                let middle = low + (high - low) / 2;
                if best[middle] < sums.chunk_s(chunk, middle, to) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            let at = |from: usize| best[from].max(sums.chunk_s(chunk, from, to));
            at(low).min(at(low.saturating_sub(1)))
        };
        best = (0..=n).map(next).collect();
    }
    best[n]
}

/// Sizes of chunks of at most `limit_s` with the least sum of squares.
fn smoothest(sums: &Sums, limit_s: f64) -> Vec<u32> {
    // Sums of the same layers in another order differ in the last bits.
    let limit_s = limit_s * (1.0 + 1e-12);
    let n = sums.before_s.len() - 1;
    let mut least: Vec<f64> = vec![f64::INFINITY; n + 1];
    least[0] = 0.0;
    let mut cuts: Vec<Vec<u32>> = Vec::with_capacity(sums.n_chunks);
    for chunk in 0..sums.n_chunks {
        let (mut next, mut cut) = (vec![f64::INFINITY; n + 1], vec![0; n + 1]);
        for to in 0..=n {
            // From the smallest chunk to the largest that is allowed.
            for from in (0..=to).rev() {
                let chunk_s = sums.chunk_s(chunk, from, to);
                if chunk_s > limit_s {
                    break;
                }
                let squares = least[from] + chunk_s * chunk_s;
                if squares < next[to] {
                    next[to] = squares;
                    cut[to] = u32::try_from(from).unwrap_or(0);
                }
            }
        }
        least = next;
        cuts.push(cut);
    }
    let mut sizes = vec![0; sums.n_chunks];
    let mut to = u32::try_from(n).unwrap_or(u32::MAX);
    for (size, cut) in sizes.iter_mut().zip(&cuts).rev() {
        let from = cut[to as usize];
        *size = to - from;
        to = from;
    }
    sizes
}
