//! A blocked matrix multiply in safe Rust: not the fastest, but one that everybody can read.

use std::ops::{AddAssign, Mul};

/// What a measurement says of the code it timed.
pub(super) const KERNEL: &str = "safe Rust, 4x8 register tile, packed panels of depth 256, baseline instruction set";

/// Rows and columns of the tile that stays in registers.
const ROWS: usize = 4;
const COLUMNS: usize = 8;
/// Depth of a packed panel: 256 x 8 f64 are 16 KiB, half of a usual first-level cache.
const DEPTH: usize = 256;

/// A number type of the kernel.
pub(super) trait Float: Copy + Default + Send + Sync + AddAssign + Mul<Output = Self> {
    /// Distance from 1 to the next number.
    const EPSILON: f64;
    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
}

impl Float for f32 {
    const EPSILON: f64 = f32::EPSILON as f64;
    fn from_f64(value: f64) -> Self {
        value as f32
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Float for f64 {
    const EPSILON: f64 = f64::EPSILON;
    fn from_f64(value: f64) -> Self {
        value
    }
    fn to_f64(self) -> f64 {
        self
    }
}

/// `c = a b` for row-major `a` (rows of `c` × `depth`), `b` (`depth` × `width`) and `c`.
pub(super) fn multiply<T: Float>((a, b): (&[T], &[T]), c: &mut [T], depth: usize, width: usize) {
    c.fill(T::default());
    let n_rows = c.len() / width;
    let mut a_panels = vec![T::default(); n_rows.div_ceil(ROWS) * ROWS * DEPTH];
    let mut b_panel = vec![T::default(); COLUMNS * DEPTH];
    for k in (0..depth).step_by(DEPTH) {
        let d = DEPTH.min(depth - k);
        for (panel, i) in a_panels.chunks_exact_mut(ROWS * DEPTH).zip((0..n_rows).step_by(ROWS)) {
            pack(panel, ROWS, d, |p, r| (i + r < n_rows).then(|| a[(i + r) * depth + k + p]));
        }
        for j in (0..width).step_by(COLUMNS) {
            pack(&mut b_panel, COLUMNS, d, |p, s| (j + s < width).then(|| b[(k + p) * width + j + s]));
            for (panel, rows) in a_panels.chunks_exact(ROWS * DEPTH).zip(c.chunks_mut(ROWS * width)) {
                let sums = tile(&panel[..ROWS * d], &b_panel[..COLUMNS * d]);
                for (row, sums) in rows.chunks_exact_mut(width).zip(&sums) {
                    row[j..].iter_mut().zip(sums).for_each(|(c, s)| *c += *s);
                }
            }
        }
    }
}

/// `d` slices of `n` numbers each; what lies outside of the matrix is zero.
fn pack<T: Float>(panel: &mut [T], n: usize, d: usize, at: impl Fn(usize, usize) -> Option<T>) {
    for (p, slice) in panel.chunks_exact_mut(n).take(d).enumerate() {
        for (r, value) in slice.iter_mut().enumerate() {
            *value = at(p, r).unwrap_or_default();
        }
    }
}

fn tile<T: Float>(a: &[T], b: &[T]) -> [[T; COLUMNS]; ROWS] {
    let mut sums = [[T::default(); COLUMNS]; ROWS];
    for (a, b) in a.as_chunks::<ROWS>().0.iter().zip(b.as_chunks::<COLUMNS>().0) {
        for (sums, a) in sums.iter_mut().zip(a) {
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum += *a * *b;
            }
        }
    }
    sums
}

/// Up to `n` rows of `height`, first and last included.
pub(super) fn sample_rows(height: usize, n: usize) -> Vec<usize> {
    if height <= n {
        return (0..height).collect();
    }
    (0..n).map(|i| i * (height - 1) / (n - 1)).collect()
}

/// Largest error of `rows` of `c` against the naive sum in f64, relative to the sum of magnitudes:
/// relative to the result itself, cancellation would make any number of it (N. J. Higham,
/// "Accuracy and Stability of Numerical Algorithms", section 3.5).
pub(super) fn error<T: Float>((a, b): (&[T], &[T]), c: &[T], (depth, width): (usize, usize), rows: &[usize]) -> f64 {
    let errors = rows.iter().flat_map(|&i| {
        let (mut sums, mut sizes) = (vec![0.0; width], vec![0.0; width]);
        for k in 0..depth {
            let x = a[i * depth + k].to_f64();
            for (j, y) in b[k * width..(k + 1) * width].iter().enumerate() {
                sums[j] += x * y.to_f64();
                sizes[j] += (x * y.to_f64()).abs();
            }
        }
        (0..width).map(move |j| (c[i * width + j].to_f64() - sums[j]).abs() / sizes[j])
    });
    super::worst(errors)
}

#[cfg(test)]
mod tests {
    use super::super::{Random, numbers};
    use super::*;

    fn check<T: Float>(height: usize, depth: usize, width: usize) -> f64 {
        let mut random = Random((height * 7 + depth) as u64);
        let mut matrix = |n| numbers(n, || T::from_f64(random.next())).unwrap();
        let (a, b, mut c) = (matrix(height * depth), matrix(depth * width), matrix(height * width));
        multiply((&a, &b), &mut c, depth, width);
        error((&a, &b), &c, (depth, width), &sample_rows(height, height))
    }

    #[test]
    fn odd_shapes_are_right() {
        for (m, k, n) in [(1, 1, 1), (4, 8, 8), (5, 3, 9), (17, 300, 31), (8, 512, 16), (3, 257, 7)] {
            assert!(check::<f64>(m, k, n) <= 2.0 * k as f64 * f64::EPSILON, "{m} {k} {n}");
            assert!(check::<f32>(m, k, n) <= 2.0 * k as f64 * f64::from(f32::EPSILON), "{m} {k} {n}");
        }
    }

    #[test]
    fn an_error_is_seen() {
        let one = [1.0_f64; 16];
        let mut c = [4.0; 16];
        assert_eq!(error((&one, &one), &c, (4, 4), &[0, 3]), 0.0);
        c[15] = 4.4;
        assert!((error((&one, &one), &c, (4, 4), &[0, 3]) - 0.1).abs() < 1e-12);
        assert_eq!(sample_rows(100, 4), [0, 33, 66, 99]);
    }
}
