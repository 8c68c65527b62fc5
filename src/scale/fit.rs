//! Laws fitted to points: sum of the Huber loss of log residuals, many starts, bootstrap, hold-out.

pub mod curves;
pub mod forms;
pub mod isoflop;
pub mod tasks;

use super::draws;
use super::law::quantile;
use super::minimize::{Minimum, Stop, bfgs, nearby, polished};
use rayon::prelude::*;

/// A family of curves through rows of points, with its parameters as they are searched (logarithms of
/// those that are positive).
pub trait Curve<const N: usize>: Sync {
    /// Rows.
    fn n_rows(&self) -> usize;
    /// Natural logarithm of the measured value of a row.
    fn ln_measured(&self, row: usize) -> f64;
    /// Natural logarithm of the predicted value, and its gradient.
    fn at(&self, p: &[f64; N], row: usize) -> (f64, [f64; N]);
    /// Where to start.
    fn starts(&self) -> Vec<[f64; N]>;
    /// The parameters as they are reported.
    fn reported(&self, p: &[f64; N]) -> [f64; N];
    /// Steps that keep a search in the valley where it starts, for surfaces so flat that the lowest
    /// place says nothing; nothing for those with one valley.
    fn local_steps(&self) -> Option<[f64; N]> {
        None
    }
}

/// The minimum below one start.
fn descend<const N: usize>(curve: &impl Curve<N>, start: &[f64; N], loss: Loss, weights: Option<&[f64]>) -> Minimum<N> {
    let f = |p: &[f64; N]| objective(curve, p, loss, weights);
    match curve.local_steps() {
        Some(steps) => nearby(&|p| f(p).0, *start, steps, 400),
        None => bfgs(&f, *start, &Stop::default()),
    }
}

/// What is minimized.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// Huber loss of the difference of logarithms, linear beyond this (Huber 1964; Hoffmann et al. 2022 §D.2).
    Huber(f64),
    /// Squares of the difference of logarithms.
    LogSquares,
    /// Squares of the difference.
    Squares,
}

impl Loss {
    /// Loss of a residual and its derivative.
    fn of(self, residual: f64) -> (f64, f64) {
        match self {
            Loss::Huber(delta) => {
                let clipped = residual.clamp(-delta, delta);
                (clipped * (residual - 0.5 * clipped), clipped)
            }
            Loss::LogSquares | Loss::Squares => (0.5 * residual * residual, residual),
        }
    }
}

/// How rows are added up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Total {
    /// Their sum.
    Sum,
    /// Their mean: what Approach 3 of 2022 minimized, and stopped early for its small values
    /// (Besiroglu et al. 2024, arXiv 2404.10102 §4). Here to show that, not for use.
    Mean,
}

/// Sum over the rows of the loss, and its gradient. Rows of weight 0 cost nothing.
pub fn objective<const N: usize>(curve: &impl Curve<N>, p: &[f64; N], loss: Loss, weights: Option<&[f64]>) -> (f64, [f64; N]) {
    let (mut sum, mut gradient) = (0.0, [0.0; N]);
    for row in 0..curve.n_rows() {
        let weight = weights.map_or(1.0, |w| w[row]);
        if weight == 0.0 {
            continue;
        }
        let (ln, slope) = curve.at(p, row);
        let measured = curve.ln_measured(row);
        let (residual, scale) = if loss == Loss::Squares {
            (ln.exp() - measured.exp(), ln.exp())
        } else {
            (ln - measured, 1.0)
        };
        let (value, derivative) = loss.of(residual);
        sum += weight * value;
        for (g, s) in gradient.iter_mut().zip(slope) {
            *g += weight * derivative * scale * s;
        }
    }
    if sum.is_finite() {
        (sum, gradient)
    } else {
        (f64::INFINITY, gradient)
    }
}

/// A fit from many starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Solved<const N: usize> {
    /// The best place.
    pub best: Minimum<N>,
    /// Starts tried.
    pub n_starts: usize,
    /// Of them, those that end within 0.1 % of the best value.
    pub n_near: usize,
}

/// The best fit over all starts of a curve, or over those given.
pub fn solve<const N: usize>(curve: &impl Curve<N>, starts: &[[f64; N]], loss: Loss, told: &(dyn Fn() + Sync)) -> Solved<N> {
    let f = |p: &[f64; N]| objective(curve, p, loss, None);
    let ends: Vec<Minimum<N>> = starts
        .par_iter()
        .map(|start| {
            let end = descend(curve, start, loss, None);
            told();
            end
        })
        .collect();
    // Ties go to the first start, so that threads do not matter.
    let first = ends
        .iter()
        .filter(|m| m.value.is_finite())
        .fold(None, |best: Option<&Minimum<N>>, m| match best {
            Some(b) if b.value <= m.value => Some(b),
            _ => Some(m),
        });
    let best = first.map_or_else(
        || Minimum {
            at: starts.first().copied().unwrap_or([0.0; N]),
            value: f64::INFINITY,
        },
        |m| {
            if curve.local_steps().is_some() {
                *m
            } else {
                polished(&f, m.at, &Stop::default())
            }
        },
    );
    Solved {
        n_near: ends.iter().filter(|m| m.value <= best.value * 1.001).count(),
        n_starts: starts.len(),
        best,
    }
}

/// The fit as it was made in 2022: the mean of the loss, and the tolerances of a general-purpose
/// program, which are meant for values near 1.
pub fn solve_as_2022<const N: usize>(curve: &impl Curve<N>, starts: &[[f64; N]], delta: f64) -> Minimum<N> {
    // Defaults of L-BFGS-B in SciPy: factr 1e7 times the machine precision, over max(|f|, 1).
    let stop = Stop {
        decrease_fraction: 2.22e-9,
        floor_factor: 1.0,
        gradient_fraction: 1e-5,
        ..Stop::default()
    };
    #[allow(clippy::cast_precision_loss)]
    let n = curve.n_rows() as f64;
    let mean = |p: &[f64; N]| {
        let (sum, gradient) = objective(curve, p, Loss::Huber(delta), None);
        (sum / n, gradient.map(|g| g / n))
    };
    let ends: Vec<Minimum<N>> = starts.par_iter().map(|s| bfgs(&mean, *s, &stop)).collect();
    let best = ends.into_iter().min_by(|a, b| a.value.total_cmp(&b.value));
    let best = best.unwrap_or(Minimum {
        at: [0.0; N],
        value: f64::INFINITY,
    });
    Minimum {
        value: best.value * n,
        ..best
    }
}

/// Fits to resampled rows, each started at the best fit (Efron 1979).
pub fn bootstrap<const N: usize>(
    curve: &impl Curve<N>,
    best: &[f64; N],
    loss: Loss,
    n: usize,
    seed: u64,
    told: &(dyn Fn() + Sync),
) -> Vec<[f64; N]> {
    let one = |index: usize| {
        let weights = draws::resample(seed, index as u64, curve.n_rows());
        // A second run forgets the Hessian of the first: the valleys are flat.
        let first = descend(curve, best, loss, Some(&weights));
        let second = descend(curve, &first.at, loss, Some(&weights));
        told();
        second.at
    };
    (0..n).into_par_iter().map(one).collect()
}

/// What resampling says of one reported parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// 2.5th percentile.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
    /// Standard deviation.
    pub sd: f64,
}

/// Percentiles of a list; nothing of fewer than 20 values.
#[must_use]
pub fn interval(mut list: Vec<f64>) -> Option<Interval> {
    list.retain(|v| v.is_finite());
    if list.len() < 20 {
        return None;
    }
    list.sort_by(f64::total_cmp);
    #[allow(clippy::cast_precision_loss)]
    let n = list.len() as f64;
    let mean = list.iter().sum::<f64>() / n;
    let square = list.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Some(Interval {
        low: quantile(&list, 0.025)?,
        high: quantile(&list, 0.975)?,
        sd: square.sqrt(),
    })
}

/// A gradient by central differences, for curves whose own is long and that have few rows.
pub fn numeric<const N: usize>(f: impl Fn(&[f64; N]) -> f64, p: &[f64; N]) -> (f64, [f64; N]) {
    let slope = |i: usize| {
        let step = 1e-6 * p[i].abs().max(1e-2);
        let at = |sign: f64| {
            let mut q = *p;
            q[i] += sign * step;
            f(&q)
        };
        (at(1.0) - at(-1.0)) / (2.0 * step)
    };
    (f(p), std::array::from_fn(slope))
}
