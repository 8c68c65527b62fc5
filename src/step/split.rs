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

    /// The last layer that a chunk can end before, starting at `from`, within `limit_s`; nothing
    /// when its end of the model alone is more.
    fn farthest(&self, chunk: usize, from: usize, limit_s: f64) -> Option<usize> {
        let own_s = self.chunk_s(chunk, from, from);
        let ends = self.before_s[from..].partition_point(|s| s - self.before_s[from] + own_s <= limit_s);
        ends.checked_sub(1).map(|n| from + n)
    }

    /// The heaviest chunk when each takes what it can within `limit_s`; when layers are left, the
    /// least limit at which some chunk takes one more.
    fn filled(&self, limit_s: f64) -> Result<f64, f64> {
        let (mut from, mut heaviest_s, mut next_s) = (0, 0.0, f64::INFINITY);
        for chunk in 0..self.n_chunks {
            let Some(to) = self.farthest(chunk, from, limit_s) else {
                return Err(next_s.min(self.chunk_s(chunk, from, from)));
            };
            heaviest_s = f64::max(heaviest_s, self.chunk_s(chunk, from, to));
            if to + 1 < self.before_s.len() {
                next_s = f64::min(next_s, self.chunk_s(chunk, from, to + 1));
            }
            from = to;
        }
        if from + 1 == self.before_s.len() {
            Ok(heaviest_s)
        } else {
            Err(next_s)
        }
    }

    /// Where each chunk may end so that the chunks before reach it and those after hold the rest.
    fn bands(&self, limit_s: f64) -> Vec<(usize, usize)> {
        let n = self.before_s.len() - 1;
        let mut bands: Vec<(usize, usize)> = Vec::with_capacity(self.n_chunks);
        let mut to = 0;
        for chunk in 0..self.n_chunks {
            to = self.farthest(chunk, to, limit_s).unwrap_or(to);
            bands.push((to, to));
        }
        let mut low = n;
        for chunk in (1..self.n_chunks).rev() {
            low = self.before_s[..low].partition_point(|s| self.before_s[low] - s + self.chunk_s(chunk, 0, 0) > limit_s);
            let band = &mut bands[chunk - 1];
            band.0 = low.min(band.1);
        }
        bands
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
    let pieces = stage::placed(stage::dealt(kinds, sizes, 0), plan);
    let stages = pieces.chunks(plan.chunks.max(1) as usize).map(stage::sum);
    stages.map(|shape| stage_price(&shape, prices).total_s()).fold(0.0, f64::max)
}

/// Seconds of the heaviest chunk at best, by exact bisection (Pinar and Aykanat, JPDC 64, 2004, §4.3):
/// a limit that holds comes down to what was needed, one that does not goes up to the next at which
/// anything changes.
fn lightest_s(sums: &Sums) -> f64 {
    let (layers, n) = (sums.before_s.len() - 1, sums.n_chunks);
    let largest_s = sums.before_s.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    let all_s = sums.before_s[layers] + sums.embedding_s + sums.head_s;
    #[allow(clippy::cast_precision_loss)]
    let mut low_s = all_s / n as f64;
    // Filled to one layer above the mean the chunks hold everything, unless the ends are heavy.
    let (mut high_s, mut middle_s) = (all_s, low_s + largest_s);
    while low_s < high_s {
        // Both ends move although sums of the same layers may differ in the last bit.
        match sums.filled(middle_s) {
            Ok(heaviest_s) => high_s = heaviest_s.min(middle_s),
            Err(next_s) => low_s = next_s.max(middle_s.next_up()),
        }
        middle_s = low_s + (high_s - low_s) / 2.0;
        if middle_s >= high_s {
            // Neighbours: only the lower one is open.
            middle_s = low_s;
        }
    }
    high_s
}

/// The least sum of squares of the chunks so far, and where the last of them starts.
#[derive(Clone, Copy)]
struct Cell {
    squares: f64,
    from: u32,
}

/// Sizes of chunks of at most `limit_s` with the least sum of squares.
fn smoothest(sums: &Sums, limit_s: f64) -> Vec<u32> {
    // Sums of the same layers in another order differ in the last bits.
    let limit_s = limit_s * (1.0 + 1e-12);
    let bands = sums.bands(limit_s);
    // Cells of every chunk by where it may end, one after the other.
    let mut cells: Vec<Cell> = Vec::with_capacity(bands.iter().map(|(low, high)| high - low + 1).sum());
    let mut starts: Vec<usize> = Vec::with_capacity(bands.len());
    for (chunk, &(low, high)) in bands.iter().enumerate() {
        let start = cells.len();
        for to in low..=high {
            let before = chunk.checked_sub(1).map_or((0, 0), |c| bands[c]);
            let mut best = Cell {
                squares: f64::INFINITY,
                from: u32::try_from(before.0).unwrap_or(0),
            };
            for from in (before.0..=before.1.min(to)).rev() {
                let chunk_s = sums.chunk_s(chunk, from, to);
                if chunk_s > limit_s {
                    break;
                }
                let so_far = match chunk.checked_sub(1) {
                    Some(c) => cells[starts[c] + from - before.0].squares,
                    None => 0.0,
                };
                let squares = so_far + chunk_s * chunk_s;
                if squares < best.squares {
                    best = Cell {
                        squares,
                        from: u32::try_from(from).unwrap_or(0),
                    };
                }
            }
            cells.push(best);
        }
        starts.push(start);
    }
    let mut to = sums.before_s.len() - 1;
    let mut sizes = vec![0; sums.n_chunks];
    for (chunk, size) in sizes.iter_mut().enumerate().rev() {
        let from = cells[starts[chunk] + to - bands[chunk].0].from as usize;
        *size = u32::try_from(to - from).unwrap_or(0);
        to = from;
    }
    sizes
}
