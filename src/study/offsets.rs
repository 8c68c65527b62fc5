//! Rows of one family err alike: offsets of families and of the kinds of runs in them, and rows that lie
//! far off, in the normal equations of a fit.

use super::fit::{Case, N_PARAMETERS, Shift};
use super::statistics::quantile;
use std::collections::BTreeMap;

/// Scatter of the runs of one family about a right model, in ln: repeated configurations differ by
/// 5 % in the median, releases by more (accuracy notes of the run collection).
const ROW_SPREAD: f64 = 0.12;

/// Scatter of families, in ln: machine, release and what a source leaves unsaid are common to its
/// rows. A family has an offset of its own (random intercept; Gelman and Hill 2007, §12.2), so that
/// however many its rows are, they tell the level of a stack as one family does, while what differs
/// among them tells the rest.
const FAMILY_SPREAD: f64 = 0.06;

/// Scatter of the models, devices and formats of a family, in ln: what the physics lacks of one of them
/// is common to its rows too.
const KIND_SPREAD: f64 = 0.1;

/// Distance of a row from its family's middle, in ln, at which it counts half, and less and less beyond
/// (weights of a Cauchy likelihood; Holland and Welsch 1977): a row that something else decides, such as a
/// network without peer access, must not bend the rest.
const NEAR_ROW: f64 = 0.2;

/// The same of a family's middle from what was predicted.
const NEAR_FAMILY: f64 = 0.25;

/// What a row adds to a step: its weight, its error and how the error moves with each parameter.
pub(super) type Pull = (f64, f64, Shift);

/// Less weight to rows that lie far from the middle of their family, or whose whole family lies far off.
pub(super) fn robust(cases: &[&Case], mut rows: Vec<Pull>) -> Vec<Pull> {
    let mut families: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (case, row) in cases.iter().zip(&rows) {
        families.entry(&case.family).or_default().push(row.1);
    }
    let middles: BTreeMap<&str, f64> = families
        .into_iter()
        .map(|(name, mut list)| {
            list.sort_by(f64::total_cmp);
            (name, quantile(&list, 0.5))
        })
        .collect();
    for (case, row) in cases.iter().zip(&mut rows) {
        let middle = middles.get(case.family.as_str()).copied().unwrap_or_default();
        let far = |distance: f64, near: f64| 1.0 / (1.0 + (distance / near) * (distance / near));
        row.0 *= far(row.1 - middle, NEAR_ROW) * far(middle, NEAR_FAMILY);
    }
    rows
}

/// Sums over rows that share an offset.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    /// Of the weights.
    weight: f64,
    /// Of weight and error.
    error: f64,
    /// Of weight and slope.
    slope: Shift,
}

impl Sums {
    /// What an offset of spread `spread` common to them leaves of the sums, and what it takes from the
    /// normal equations: the inverse of `V + τ²·11ᵀ` is `V⁻¹ − V⁻¹11ᵀV⁻¹/(1/τ² + 1ᵀV⁻¹1)` (Sherman and
    /// Morrison 1950).
    fn share(&self, spread: f64, normal: &mut [Shift; N_PARAMETERS], right: &mut Shift) -> Sums {
        let taken = 1.0 / (1.0 / (spread * spread) + self.weight);
        for i in 0..N_PARAMETERS {
            right[i] += self.slope[i] * self.error * taken;
            for (cell, slope) in normal[i].iter_mut().zip(self.slope) {
                *cell -= self.slope[i] * slope * taken;
            }
        }
        let left = 1.0 - self.weight * taken;
        Sums {
            weight: self.weight * left,
            error: self.error * left,
            slope: self.slope.map(|s| s * left),
        }
    }

    fn add(&mut self, other: &Sums) {
        self.weight += other.weight;
        self.error += other.error;
        self.slope.iter_mut().zip(other.slope).for_each(|(a, b)| *a += b);
    }
}

/// Normal equations of generalized least squares with an offset for each family and, in it, for each
/// model, device and format.
pub(super) fn normal_equations(cases: &[&Case], rows: &[Pull]) -> ([Shift; N_PARAMETERS], Shift) {
    let mut normal = [[0.0; N_PARAMETERS]; N_PARAMETERS];
    let mut right = [0.0; N_PARAMETERS];
    let mut kinds: BTreeMap<(&str, &str), Sums> = BTreeMap::new();
    for (case, (weight, error, slope)) in cases.iter().zip(rows) {
        let weight = weight / (ROW_SPREAD * ROW_SPREAD);
        let row = Sums {
            weight,
            error: weight * error,
            slope: slope.map(|s| weight * s),
        };
        kinds.entry((&case.family, &case.kind)).or_default().add(&row);
        for i in 0..N_PARAMETERS {
            right[i] -= row.slope[i] * error;
            for (cell, slope) in normal[i].iter_mut().zip(slope) {
                *cell += row.slope[i] * slope;
            }
        }
    }
    let mut families: BTreeMap<&str, Sums> = BTreeMap::new();
    for ((family, _), sums) in &kinds {
        let left = sums.share(KIND_SPREAD, &mut normal, &mut right);
        families.entry(family).or_default().add(&left);
    }
    for sums in families.values() {
        sums.share(FAMILY_SPREAD, &mut normal, &mut right);
    }
    (normal, right)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rows of weights 1/σ² that share an offset, against the inverse of their 2 × 2 covariance.
    #[test]
    fn an_offset_in_common_is_what_the_covariance_says() {
        let (weights, slopes, errors, spread) = ([30.0, 70.0], [1.0, -0.4], [0.2, 0.1], 0.3);
        let mut sums = Sums::default();
        let mut normal = [[0.0; N_PARAMETERS]; N_PARAMETERS];
        let mut right = [0.0; N_PARAMETERS];
        for i in 0..2 {
            let mut slope = [0.0; N_PARAMETERS];
            slope[0] = weights[i] * slopes[i];
            sums.add(&Sums {
                weight: weights[i],
                error: weights[i] * errors[i],
                slope,
            });
            normal[0][0] += weights[i] * slopes[i] * slopes[i];
            right[0] -= weights[i] * slopes[i] * errors[i];
        }
        let left = sums.share(spread, &mut normal, &mut right);
        let common: f64 = spread * spread;
        let (a, d) = (1.0 / weights[0] + common, 1.0 / weights[1] + common);
        let determinant = a * d - common * common;
        let inverse = [[d / determinant, -common / determinant], [-common / determinant, a / determinant]];
        let product = |x: [f64; 2], y: [f64; 2]| -> f64 {
            (0..2)
                .flat_map(|i| (0..2).map(move |j| (i, j)))
                .map(|(i, j)| x[i] * inverse[i][j] * y[j])
                .sum()
        };
        assert!((normal[0][0] - product(slopes, slopes)).abs() < 1e-9);
        assert!((right[0] + product(slopes, errors)).abs() < 1e-9);
        assert!((left.weight - product([1.0; 2], [1.0; 2])).abs() < 1e-9);
        assert!((left.error - product([1.0; 2], errors)).abs() < 1e-9);
        assert!((left.slope[0] - product([1.0; 2], slopes)).abs() < 1e-9);
    }
}
