//! Matrix multiply by the `gemm` crate, behind a safe face; its check against sums in f64.
//!
//! `gemm` and `matrixmultiply` were measured beside each other on AVX-512: 160 to 168 against 78 to 140
//! GFLOP/s of one thread in fp32 at sides of 1,024 to 4,096 (benches/README.md), so it is `gemm`.

use super::super::Operands;
use crate::error::{Error, Result};

/// What a measurement says of the code it timed.
pub(super) const KERNEL: &str = "gemm crate 0.19, packed panels, vector instructions of the machine";

/// A matrix inside a slice: element (i, j) stands at `offset + i·row + j·column`.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub offset: usize,
    pub row: usize,
    pub column: usize,
}

impl View {
    /// Row-major of this width.
    pub fn rows(width: usize) -> View {
        View {
            offset: 0,
            row: width,
            column: 1,
        }
    }

    /// The transpose of a row-major matrix of this width.
    pub fn columns(width: usize) -> View {
        View {
            offset: 0,
            row: 1,
            column: width,
        }
    }

    pub fn at(self, offset: usize) -> View {
        View { offset, ..self }
    }

    /// One past the last element of `height × width`; `None` where that leaves `usize`.
    fn end(self, height: usize, width: usize) -> Option<usize> {
        if height == 0 || width == 0 {
            return Some(0);
        }
        let rows = self.row.checked_mul(height - 1)?;
        let columns = self.column.checked_mul(width - 1)?;
        self.offset.checked_add(rows)?.checked_add(columns)?.checked_add(1)
    }
}

/// A number type of the kernel.
pub(super) trait Float: Copy + Default + Send + Sync + std::ops::Mul<Output = Self> + 'static {
    /// Distance from 1 to the next number.
    const EPSILON: f64;
    const ONE: Self;
    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
}

impl Float for f32 {
    const EPSILON: f64 = f32::EPSILON as f64;
    const ONE: f32 = 1.0;
    fn from_f64(value: f64) -> Self {
        value as f32
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Float for f64 {
    const EPSILON: f64 = f64::EPSILON;
    const ONE: f64 = 1.0;
    fn from_f64(value: f64) -> Self {
        value
    }
    fn to_f64(self) -> f64 {
        self
    }
}

/// `c = scale · a b (+ c if add)` for `a` of m × k, `b` of k × n. Threads are those of the pool it runs in.
pub(super) fn multiply<T: Float>(
    [m, n, k]: [usize; 3],
    (a, av): (&[T], View),
    (b, bv): (&[T], View),
    (c, cv): (&mut [T], View),
    scale: T,
    add: bool,
    parallel: bool,
) -> Result<()> {
    let fits = |view: View, height, width, len| view.end(height, width).is_some_and(|end| end <= len);
    // Rows of the output must not overlap, or two threads would write one element.
    let apart = cv.column == 1 && cv.row >= n || cv.row == 1 && cv.column >= m;
    let signed = [av.row, av.column, bv.row, bv.column, cv.row, cv.column]
        .iter()
        .all(|s| isize::try_from(*s).is_ok());
    if !(fits(av, m, k, a.len()) && fits(bv, k, n, b.len()) && fits(cv, m, n, c.len()) && apart && signed) {
        let what = format!("a product of {m} x {n} x {k} does not fit its operands");
        return Err(Error::Device { what });
    }
    let parallelism = if parallel {
        gemm::Parallelism::Rayon(0)
    } else {
        gemm::Parallelism::None
    };
    let beta = scale;
    let alpha = T::ONE;
    #[allow(clippy::cast_possible_wrap, unsafe_code)]
    // SAFETY: every element that the strides reach from 0 to its height and width lies inside its slice
    // (`fits`), `c` is borrowed mutably and does not overlap `a` or `b`, its elements are distinct (`apart`),
    // and T is f32 or f64, for which the crate has kernels.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr().wrapping_add(cv.offset),
            cv.column as isize,
            cv.row as isize,
            add,
            a.as_ptr().wrapping_add(av.offset),
            av.column as isize,
            av.row as isize,
            b.as_ptr().wrapping_add(bv.offset),
            bv.column as isize,
            bv.row as isize,
            alpha,
            beta,
            false,
            false,
            false,
            parallelism,
        );
    }
    Ok(())
}

/// How operands lie in their row-major slices.
pub(super) fn views(operands: Operands, [m, n, k]: [usize; 3]) -> (View, View) {
    match operands {
        Operands::Nn => (View::rows(k), View::rows(n)),
        Operands::Nt => (View::rows(k), View::columns(k)),
        Operands::Tn => (View::columns(m), View::rows(n)),
    }
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
pub(super) fn error<T: Float>([_, n, k]: [usize; 3], (a, av): (&[T], View), (b, bv): (&[T], View), c: &[T], rows: &[usize]) -> f64 {
    let errors = rows.iter().flat_map(|&i| {
        let (mut sums, mut sizes) = (vec![0.0; n], vec![0.0; n]);
        for p in 0..k {
            let x = a[av.offset + i * av.row + p * av.column].to_f64();
            for j in 0..n {
                let term = x * b[bv.offset + p * bv.row + j * bv.column].to_f64();
                sums[j] += term;
                sizes[j] += term.abs();
            }
        }
        (0..n).map(move |j| (c[i * n + j].to_f64() - sums[j]).abs() / sizes[j])
    });
    super::worst(errors)
}

#[cfg(test)]
mod tests {
    use super::super::{Random, numbers};
    use super::*;

    fn check<T: Float>(shape: [usize; 3], operands: Operands) -> f64 {
        let [m, n, k] = shape;
        let mut random = Random((m * 7 + k) as u64);
        let mut matrix = |n| numbers(n, || T::from_f64(random.next())).unwrap();
        let (a, b, mut c) = (matrix(m * k), matrix(k * n), matrix(m * n));
        let (av, bv) = views(operands, shape);
        multiply(shape, (&a, av), (&b, bv), (&mut c, View::rows(n)), T::ONE, false, true).unwrap();
        error(shape, (&a, av), (&b, bv), &c, &sample_rows(m, m))
    }

    #[test]
    fn odd_shapes_are_right_however_the_operands_lie() {
        for [m, k, n] in [
            [1, 1, 1],
            [4, 8, 8],
            [5, 3, 9],
            [17, 300, 31],
            [8, 512, 16],
            [3, 257, 7],
            [130, 70, 65],
        ] {
            for operands in [Operands::Nn, Operands::Nt, Operands::Tn] {
                assert!(check::<f64>([m, n, k], operands) <= 2.0 * k as f64 * f64::EPSILON, "{m} {k} {n}");
                let limit = 2.0 * k as f64 * f64::from(f32::EPSILON);
                assert!(check::<f32>([m, n, k], operands) <= limit, "{m} {k} {n}");
            }
        }
    }

    #[test]
    fn scale_and_sum() {
        let (a, b, mut c) = ([1.0, 2.0], [3.0, 5.0], [100.0]);
        let shape = [1, 1, 2];
        multiply(
            shape,
            (&a, View::rows(2)),
            (&b, View::rows(1)),
            (&mut c, View::rows(1)),
            2.0,
            true,
            false,
        )
        .unwrap();
        assert_eq!(c, [126.0]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (a, b, mut c) = ([1.0_f32; 16], [1.0; 16], [4.0; 16]);
        let rows = View::rows(4);
        let mut run = |shape, view| multiply(shape, (&a, rows), (&b, rows), (&mut c, view), 1.0, false, false);
        assert!(run([4, 4, 4], rows).is_ok());
        assert!(run([5, 4, 4], rows).is_err() && run([4, 4, 5], rows).is_err() && run([4, 4, 4], rows.at(1)).is_err());
        // Overlapping rows; offsets beyond what is counted.
        assert!(run([4, 4, 4], View::rows(2)).is_err() && run([4, 4, 4], rows.at(usize::MAX)).is_err());
    }

    #[test]
    fn an_error_is_seen() {
        let one = [1.0_f64; 16];
        let mut c = [4.0; 16];
        let rows = View::rows(4);
        assert_eq!(error([4, 4, 4], (&one, rows), (&one, rows), &c, &[0, 3]), 0.0);
        c[15] = 4.4;
        assert!((error([4, 4, 4], (&one, rows), (&one, rows), &c, &[0, 3]) - 0.1).abs() < 1e-12);
        assert_eq!(sample_rows(100, 4), [0, 33, 66, 99]);
    }
}
