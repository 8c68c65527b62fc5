//! Calibration by a few runs of one's own: as many parameters of a stack as the runs tell, and no more.
//!
//! The published runs move all stacks together ([`super::fit`]). A user's handful of step times says
//! something of one stack on one machine: only that stack moves, from what it is, and a parameter only
//! where the runs tell it apart from the others. With elasticities `J` of the predicted rates, scatter σ
//! of repeated runs and prior spread s, the resolution matrix `R = (JᵀJ/σ² + I/s²)⁻¹ JᵀJ/σ²` has on its
//! diagonal the share of each parameter that the runs tell; the prior tells the rest (Menke 2018,
//! Geophysical Data Analysis, §4.3; as ridge shrinkage: Hastie et al. 2009, §3.4.1).

use super::fit::{Case, N_PARAMETERS, PARAMETERS, Shift, ln_error};
use super::statistics::{NORMAL_90, student_90};
use crate::catalog::{Band, OwnBand};
use crate::fit::solve;
use std::collections::{BTreeMap, BTreeSet};

/// Scatter of repeated runs of a configuration, in ln: 4.6 % in the median of 106 repeated
/// configurations of the published runs.
const REPEAT_SPREAD: f64 = 0.046;
/// How far a machine's parameters are expected to lie from those of its stack, in ln.
const SPREAD: f64 = 0.3;
/// A parameter moves when the runs tell at least this share of it.
const LEAST_TOLD: f64 = 0.5;
/// Step of the numerical elasticities, in ln.
const STEP: f64 = 0.02;
/// Gauss–Newton steps, and the largest move of one.
const N_STEPS: usize = 12;
const LARGEST_MOVE: f64 = 0.3;
/// What a machine's parameters differ by at most, in ln: beyond, a row is wrong or the stack another.
const FARTHEST: f64 = 0.6;
/// Runs that the class around counts for in the band, as families do in the published ones.
const OF_CLASS: f64 = 4.0;

/// What became of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Fitted to the runs.
    Moved,
    /// Left as it was: there are too few different runs for one more.
    Held,
    /// Left as it was: the runs do not tell it from another parameter.
    Alike(usize),
    /// Left as it was: no run depends on it enough.
    Unseen,
}

/// A stack fitted to its runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The stack.
    pub stack: String,
    /// How its parameters moved, in ln.
    pub shift: Shift,
    /// What became of each.
    pub verdicts: [Verdict; N_PARAMETERS],
    /// Share of each that the runs would tell if all moved.
    pub told: [f64; N_PARAMETERS],
    /// Runs.
    pub n_runs: usize,
    /// Different configurations among them.
    pub n_distinct: usize,
    /// Singular values of the elasticities over the scatter, times the prior spread: how many are above
    /// one is how many combinations of parameters the runs tell.
    pub singular: [f64; N_PARAMETERS],
}

/// Fit each stack of these runs to its own ones.
#[must_use]
pub fn fit_own(cases: &[Case]) -> Vec<Fitted> {
    let mut stacks: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        stacks.entry(case.line[0].as_str()).or_default().push(case);
    }
    stacks.into_iter().map(|(name, list)| fit_one(name, &list)).collect()
}

fn fit_one(stack: &str, cases: &[&Case]) -> Fitted {
    let weights = weights(cases);
    let n_distinct = distinct(cases);
    let normal = normal(&elasticities(cases, &Shift::default()), &weights);
    let (verdicts, moved) = choose(&normal, n_distinct);
    Fitted {
        stack: stack.to_string(),
        shift: descend(cases, &weights, &moved),
        verdicts,
        told: resolution(&normal, &[true; N_PARAMETERS]).map_or([0.0; N_PARAMETERS], |r| diagonal(&r)),
        n_runs: cases.len(),
        n_distinct,
        singular: singular(&normal),
    }
}

fn distinct(cases: &[&Case]) -> usize {
    cases.iter().map(|c| c.twin.as_str()).collect::<BTreeSet<_>>().len()
}

/// Repeats of one configuration count together as one run.
fn weights(cases: &[&Case]) -> Vec<f64> {
    let mut times: BTreeMap<&str, f64> = BTreeMap::new();
    for case in cases {
        *times.entry(case.twin.as_str()).or_default() += 1.0;
    }
    cases
        .iter()
        .map(|c| 1.0 / times.get(c.twin.as_str()).copied().unwrap_or(1.0))
        .collect()
}

/// Change of ln(predicted / measured) with the ln of each parameter.
fn elasticities(cases: &[&Case], at: &Shift) -> Vec<Shift> {
    let one = |case: &&Case| {
        let error = ln_error(case, at);
        std::array::from_fn(|i| {
            let mut moved = *at;
            moved[i] += STEP;
            (ln_error(case, &moved) - error) / STEP
        })
    };
    cases.iter().map(one).collect()
}

type Square = [[f64; N_PARAMETERS]; N_PARAMETERS];

/// `JᵀWJ/σ²` in units of the prior spread: of unit size where the runs tell as much as the prior.
fn normal(slopes: &[Shift], weights: &[f64]) -> Square {
    let scale = SPREAD / REPEAT_SPREAD;
    std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let products = slopes.iter().zip(weights).map(|(s, w)| w * s[i] * s[j]);
            products.sum::<f64>() * scale * scale
        })
    })
}

/// `(A + I)⁻¹ A` of the parameters that move, columns of the others zero.
fn resolution(normal: &Square, moved: &[bool; N_PARAMETERS]) -> Option<Square> {
    let on = |i: usize, j: usize| if moved[i] && moved[j] { normal[i][j] } else { 0.0 };
    let left: Square = std::array::from_fn(|i| std::array::from_fn(|j| on(i, j) + f64::from(u8::from(i == j))));
    let mut columns = [[0.0; N_PARAMETERS]; N_PARAMETERS];
    for (j, column) in columns.iter_mut().enumerate() {
        *column = solve(left, std::array::from_fn(|i| on(i, j)))?;
    }
    Some(std::array::from_fn(|i| std::array::from_fn(|j| columns[j][i])))
}

fn diagonal(square: &Square) -> [f64; N_PARAMETERS] {
    std::array::from_fn(|i| square[i][i])
}

/// Which parameters move: all that the runs could see, less the one that they tell least of, until each
/// that is left is told by them more than by the prior, and there are fewer than different runs.
fn choose(normal: &Square, n_distinct: usize) -> ([Verdict; N_PARAMETERS], [bool; N_PARAMETERS]) {
    let mut verdicts = [Verdict::Moved; N_PARAMETERS];
    let mut moved = [true; N_PARAMETERS];
    // Alone, each is told a share a/(1 + a): what the runs do not see alone they see in no company.
    for i in 0..N_PARAMETERS {
        if normal[i][i] / (1.0 + normal[i][i]) < LEAST_TOLD {
            (verdicts[i], moved[i]) = (Verdict::Unseen, false);
        }
    }
    let most = n_distinct.saturating_sub(1).max(1);
    while let Some(told) = resolution(normal, &moved).map(|r| diagonal(&r)) {
        let n = moved.iter().filter(|m| **m).count();
        let weakest = (0..N_PARAMETERS).filter(|i| moved[*i]).min_by(|a, b| told[*a].total_cmp(&told[*b]));
        let Some(weakest) = weakest else { break };
        if told[weakest] >= LEAST_TOLD && n <= most {
            break;
        }
        moved[weakest] = false;
        verdicts[weakest] = match nearest(normal, weakest, &moved) {
            Some(other) if told[weakest] < LEAST_TOLD => Verdict::Alike(other),
            _ => Verdict::Held,
        };
    }
    (verdicts, moved)
}

/// The parameter, of those that move, whose effect is most like that of another.
fn nearest(normal: &Square, of: usize, moved: &[bool; N_PARAMETERS]) -> Option<usize> {
    let alike = |j: usize| (normal[of][j] / (normal[of][of] * normal[j][j]).sqrt()).abs();
    (0..N_PARAMETERS)
        .filter(|j| moved[*j])
        .max_by(|a, b| alike(*a).total_cmp(&alike(*b)))
}

/// Singular values of the scaled elasticities: roots of the eigenvalues of their normal matrix, by
/// Jacobi rotations (Golub and Van Loan, §8.5), the largest first.
fn singular(normal: &Square) -> [f64; N_PARAMETERS] {
    let mut a = *normal;
    for _ in 0..30 {
        for p in 0..N_PARAMETERS {
            for q in p + 1..N_PARAMETERS {
                rotate(&mut a, p, q);
            }
        }
    }
    let mut out = diagonal(&a).map(|v| v.max(0.0).sqrt());
    out.sort_by(|x, y| y.total_cmp(x));
    out
}

/// The rotation of the plane of two axes after which they are uncorrelated.
fn rotate(a: &mut Square, p: usize, q: usize) {
    if a[p][q].abs() < 1e-300 {
        return;
    }
    let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for row in a.iter_mut() {
        let (x, y) = (row[p], row[q]);
        (row[p], row[q]) = (c * x - s * y, s * x + c * y);
    }
    let (first, second) = (a[p], a[q]);
    a[p] = std::array::from_fn(|k| c * first[k] - s * second[k]);
    a[q] = std::array::from_fn(|k| s * first[k] + c * second[k]);
}

/// The moves that meet the runs best, each drawn to none by the prior.
fn descend(cases: &[&Case], weights: &[f64], moved: &[bool; N_PARAMETERS]) -> Shift {
    let mut shift = Shift::default();
    for _ in 0..N_STEPS {
        let slopes = elasticities(cases, &shift);
        let errors: Vec<f64> = cases.iter().map(|c| ln_error(c, &shift)).collect();
        let a = normal(&slopes, weights);
        let on = |i: usize, j: usize| if moved[i] && moved[j] { a[i][j] } else { 0.0 };
        let left: Square = std::array::from_fn(|i| std::array::from_fn(|j| on(i, j) + f64::from(u8::from(i == j))));
        let right: Shift = std::array::from_fn(|i| {
            let pull = slopes.iter().zip(&errors).zip(weights).map(|((s, e), w)| w * s[i] * e);
            let pull = pull.sum::<f64>() * (SPREAD / REPEAT_SPREAD).powi(2);
            if moved[i] { -pull - shift[i] } else { 0.0 }
        });
        let Some(step) = solve(left, right) else { break };
        let step = step.map(|s| s.clamp(-LARGEST_MOVE, LARGEST_MOVE));
        shift
            .iter_mut()
            .zip(step)
            .for_each(|(value, s)| *value = (*value + s).clamp(-FARTHEST, FARTHEST));
        if step.iter().all(|s| s.abs() < 1e-6) {
            break;
        }
    }
    shift
}

/// Errors of each configuration's runs by a stack fitted to the other configurations; one configuration
/// alone is predicted by the stack as it was.
#[must_use]
pub fn left_out_errors(cases: &[&Case]) -> Vec<f64> {
    let one = |case: &&Case| {
        let others: Vec<&Case> = cases.iter().copied().filter(|c| c.twin != case.twin).collect();
        let shift = if others.is_empty() {
            Shift::default()
        } else {
            fit_one(&case.line[0], &others).shift
        };
        ln_error(case, &shift)
    };
    cases.iter().map(one).collect()
}

/// The band of the next run of a stack: a normal prediction interval from the left-out errors of its
/// configurations with Student's quantile (Hahn and Meeker 1991, §4.7), drawn towards the band of its
/// class by how few they are. None from fewer than two configurations: those tell no spread.
#[must_use]
pub fn own_band(cases: &[&Case], class: &Band) -> Option<OwnBand> {
    let mut twins: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (case, error) in cases.iter().zip(left_out_errors(cases)) {
        twins.entry(case.twin.as_str()).or_default().push(error);
    }
    #[allow(clippy::cast_precision_loss)]
    let mean = |list: &[f64]| list.iter().sum::<f64>() / list.len().max(1) as f64;
    let errors: Vec<f64> = twins.values().map(|list| mean(list)).collect();
    if errors.len() < 2 {
        return None;
    }
    #[allow(clippy::cast_precision_loss)]
    let n = errors.len() as f64;
    let middle = mean(&errors);
    let variance = errors.iter().map(|e| (e - middle).powi(2)).sum::<f64>() / (n - 1.0);
    let spread = variance.sqrt().max(REPEAT_SPREAD);
    let half = student_90(n - 1.0) * spread * (1.0 + 1.0 / n).sqrt();
    let share = n / (n + OF_CLASS);
    let drawn = |own: f64, class: f64| (class + share * (own - class)).exp();
    let (low, high) = (
        drawn(middle - half, class.low_ratio.ln()),
        drawn(middle + half, class.high_ratio.ln()),
    );
    Some(OwnBand {
        // Never narrower than repeats of one run scatter, and about the prediction itself.
        low_ratio: low.min((-NORMAL_90 * REPEAT_SPREAD).exp()),
        high_ratio: high.max((NORMAL_90 * REPEAT_SPREAD).exp()),
        n_runs: u32::try_from(cases.len()).unwrap_or(u32::MAX),
    })
}

impl Fitted {
    /// Whether a parameter stands as far off as it may.
    #[must_use]
    pub fn at_limit(&self, parameter: usize) -> bool {
        self.shift.get(parameter).is_some_and(|s| s.abs() >= FARTHEST)
    }
}

/// What became of a parameter, for people.
#[must_use]
pub fn verdict_text(verdict: Verdict) -> String {
    match verdict {
        Verdict::Moved => "moved".to_string(),
        Verdict::Held => "held: too few runs".to_string(),
        Verdict::Alike(other) => format!("held: like {}", PARAMETERS[other]),
        Verdict::Unseen => "not identifiable".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The normal matrix of elasticities, one row per run, other parameters not seen.
    fn of(slopes: &[(f64, f64)]) -> Square {
        let rows: Vec<Shift> = slopes
            .iter()
            .map(|(a, b)| {
                let mut row = Shift::default();
                (row[0], row[1]) = (*a, *b);
                row
            })
            .collect();
        normal(&rows, &vec![1.0; rows.len()])
    }

    #[test]
    fn what_runs_tell_apart_moves_and_the_rest_is_held() {
        let apart = of(&[(-1.0, 0.0), (0.0, -1.0), (-0.5, -0.5)]);
        let (verdicts, _) = choose(&apart, 3);
        assert_eq!(&verdicts[..2], [Verdict::Moved, Verdict::Moved]);
        assert!(verdicts[2..].iter().all(|v| *v == Verdict::Unseen));
        // The same in every run: one stands for both, however many runs there are.
        let alike = of(&[(-0.6, -0.4); 9]);
        let (verdicts, moved) = choose(&alike, 9);
        assert_eq!((verdicts[1], moved[0]), (Verdict::Alike(0), true));
        // Two configurations carry one parameter.
        let (verdicts, _) = choose(&apart, 2);
        assert_eq!(verdicts.iter().filter(|v| **v == Verdict::Moved).count(), 1);
        assert!(verdicts.contains(&Verdict::Held));
    }

    #[test]
    fn singular_values_are_those_of_the_elasticities() {
        // Orthogonal columns of length 5 and 2, in units of scatter over prior spread.
        let scale = REPEAT_SPREAD / SPREAD;
        let turned = of(&[(3.0 * scale, -1.6 * scale), (4.0 * scale, 1.2 * scale)]);
        let [first, second, third, ..] = singular(&turned);
        assert!(
            (first - 5.0).abs() < 1e-9 && (second - 2.0).abs() < 1e-9 && third.abs() < 1e-9,
            "{first} {second}"
        );
        let told = resolution(&turned, &[true; N_PARAMETERS]).unwrap();
        assert!((told[0][0] - 25.0 / 26.0).abs() < 1e-9);
    }
}
