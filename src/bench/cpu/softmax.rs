//! The element-wise part of attention and the loop that finds the peak, compiled for the vector
//! instructions of the machine at hand.

use pulp::{Simd, WithSimd};

/// Lanes of the sums: enough for every vector width.
const LANES: usize = 16;

/// Exponential of numbers up to 0, relative error below 2e-7: two to the whole part by its bits, times a
/// polynomial of the rest (Cephes `expf`, S. Moshier).
#[inline(always)]
fn exp(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0;
    let x = x.max(-87.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, MAGIC);
    let whole = shifted - MAGIC;
    let rest = whole.mul_add(2.121_944_4e-4, whole.mul_add(-0.693_359_4, x));
    let mut p = 1.987_569_1e-4_f32;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        p = p.mul_add(rest, c);
    }
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    p.mul_add(rest * rest, rest + 1.0) * power
}

/// Online softmax of a block of scores, in place; sums so far are rescaled with the results that they go with.
pub(super) struct Softmax<'a> {
    pub scores: &'a mut [f32],
    pub width: usize,
    pub out: &'a mut [f32],
    pub dim: usize,
    pub max: &'a mut [f32],
    pub sum: &'a mut [f32],
    /// First query less first key, where the mask cuts through the block.
    pub diagonal: Option<isize>,
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.scores.chunks_exact_mut(self.width).zip(self.out.chunks_exact_mut(self.dim));
        for (i, (row, out)) in rows.enumerate() {
            mask(row, i, self.diagonal, f32::NEG_INFINITY);
            let (before, largest) = (self.max[i], max(row));
            let now = before.max(largest);
            // Nothing seen yet, and nothing here.
            if now == f32::NEG_INFINITY {
                row.fill(0.0);
                continue;
            }
            let mut lanes = [0.0_f32; LANES];
            let (blocks, rest) = row.as_chunks_mut::<LANES>();
            for block in blocks {
                for (x, lane) in block.iter_mut().zip(&mut lanes) {
                    *x = exp(*x - now);
                    *lane += *x;
                }
            }
            for x in rest {
                *x = exp(*x - now);
                lanes[0] += *x;
            }
            mask(row, i, self.diagonal, 0.0);
            let rescale = if before == f32::NEG_INFINITY { 0.0 } else { exp(before - now) };
            self.sum[i] = self.sum[i] * rescale + lanes.iter().sum::<f32>();
            self.max[i] = now;
            if rescale != 1.0 {
                out.iter_mut().for_each(|o| *o *= rescale);
            }
        }
    }
}

#[inline(always)]
fn seen(i: usize, diagonal: isize) -> usize {
    usize::try_from(i as isize + diagonal + 1).unwrap_or(0)
}

#[inline(always)]
fn mask(row: &mut [f32], i: usize, diagonal: Option<isize>, value: f32) {
    if let Some(d) = diagonal {
        let from = seen(i, d).min(row.len());
        row[from..].fill(value);
    }
}

#[inline(always)]
fn max(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (blocks, rest) = row.as_chunks::<LANES>();
    for block in blocks {
        for (lane, x) in lanes.iter_mut().zip(block) {
            *lane = if *x > *lane { *x } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Scores to probabilities, and gradients of probabilities to those of scores.
pub(super) struct Backward<'a> {
    pub p: &'a mut [f32],
    pub ds: &'a mut [f32],
    pub width: usize,
    pub lse: &'a [f32],
    pub delta: &'a [f32],
    pub scale: f32,
    pub diagonal: Option<isize>,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.p.chunks_exact_mut(self.width).zip(self.ds.chunks_exact_mut(self.width));
        for (i, (p, ds)) in rows.enumerate() {
            let (lse, delta) = (self.lse[i], self.delta[i]);
            for (p, ds) in p.iter_mut().zip(ds.iter_mut()) {
                *p = exp((*p - lse).min(0.0));
                *ds = *p * (*ds - delta) * self.scale;
            }
            mask(p, i, self.diagonal, 0.0);
            mask(ds, i, self.diagonal, 0.0);
        }
    }
}

/// Independent multiply-adds that never leave the registers: the rate that nothing exceeds.
pub(super) struct Peak {
    /// Rounds of [`Peak::CHAINS`] vectors.
    pub rounds: usize,
}

impl Peak {
    /// Chains: the latency of four cycles times two units, and some more.
    pub const CHAINS: usize = 12;
}

impl WithSimd for Peak {
    /// FLOP that were done, and a number that keeps them from being left out.
    type Output = (f64, f32);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (f64, f32) {
        let (a, b) = (simd.splat_f32s(0.999_9), simd.splat_f32s(1e-4));
        let mut c: [S::f32s; Peak::CHAINS] = std::array::from_fn(|i| simd.splat_f32s(1.0 + i as f32));
        for _ in 0..self.rounds {
            for x in &mut c {
                *x = simd.mul_add_f32s(*x, a, b);
            }
        }
        let sum = c.iter().map(|x| simd.reduce_sum_f32s(*x)).sum();
        ((2 * Peak::CHAINS * S::F32_LANES * self.rounds) as f64, sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_one() {
        for i in 0..8700 {
            let x = -0.01 * i as f32;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 3e-7, "{x}: {} {exact}", exp(x));
        }
        assert!(exp(-1e30) < 2e-38);
    }

    #[test]
    fn the_peak_counts_what_it_does() {
        let (flop, sum) = pulp::Arch::new().dispatch(Peak { rounds: 100 });
        assert!(flop >= 2400.0 && sum.is_finite());
    }
}
