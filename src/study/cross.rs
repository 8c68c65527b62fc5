//! Errors on runs that were not fitted: one family of sources left out after another.

use super::fit::{Case, Shifts, fit, ln_error, total};
use super::validate::quantile;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// One left-out prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    /// Row of the input.
    pub row: usize,
    /// Its family.
    pub family: String,
    /// Its stack.
    pub stack: String,
    /// Other families ran the same stack.
    pub known: bool,
    /// ln(predicted / measured).
    pub ln_error: f64,
}

/// Predict every family with parameters fitted on the others. Rows of other families that ran the
/// same configuration are left out with it: they would tell the answer.
#[must_use]
pub fn cross(cases: &[Case], told: &(dyn Fn() + Sync)) -> Vec<LeftOut> {
    let families: Vec<&str> = cases
        .iter()
        .map(|c| c.family.as_str())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let one = |family: &&str| {
        let held: Vec<&Case> = cases.iter().filter(|c| c.family == **family).collect();
        let twins: BTreeSet<&str> = held.iter().map(|c| c.twin.as_str()).collect();
        let others: Vec<&Case> = cases
            .iter()
            .filter(|c| c.family != **family && !twins.contains(c.twin.as_str()))
            .collect();
        // From nothing: a fit to all would bring what the held ones said along.
        let shifts = fit(&others, &Shifts::new());
        let stacks: BTreeSet<&str> = others.iter().map(|c| c.line[0].as_str()).collect();
        told();
        held.iter()
            .map(|case| LeftOut {
                row: case.row,
                family: case.family.clone(),
                stack: case.line[0].clone(),
                known: stacks.contains(case.line[0].as_str()),
                ln_error: ln_error(case, &total(&shifts, &case.line)),
            })
            .collect::<Vec<_>>()
    };
    let mut out: Vec<LeftOut> = families.par_iter().map(one).collect::<Vec<_>>().concat();
    out.sort_by_key(|p| p.row);
    out
}

/// Errors of predictions in a few numbers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Errors {
    /// Predictions.
    pub n: usize,
    /// Median of |predicted / measured − 1|.
    pub median_ape: f64,
    /// Its 90th percentile.
    pub p90_ape: f64,
    /// Mean over families of their medians.
    pub family_mean_ape: f64,
    /// Median of predicted / measured − 1.
    pub bias: f64,
    /// Share of them within the band that the other families' errors give: 80 % are meant to be.
    pub coverage_fraction: f64,
}

/// Summarize.
#[must_use]
pub fn errors<'a>(list: impl IntoIterator<Item = &'a LeftOut>) -> Errors {
    let list: Vec<&LeftOut> = list.into_iter().collect();
    let ape = |p: &LeftOut| (p.ln_error.exp() - 1.0).abs();
    let mut families: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for p in &list {
        families.entry(&p.family).or_default().push(ape(p));
    }
    let medians: Vec<f64> = families.into_values().map(|l| quantile(&sorted(l), 0.5)).collect();
    #[allow(clippy::cast_precision_loss)]
    let family_mean_ape = medians.iter().sum::<f64>() / medians.len().max(1) as f64;
    let apes = sorted(list.iter().map(|p| ape(p)).collect());
    let signed = sorted(list.iter().map(|p| p.ln_error.exp() - 1.0).collect());
    let inside = list.iter().filter(|p| {
        let others = list.iter().filter(|q| q.family != p.family);
        band(others.copied()).is_none_or(|(low, high)| (low..=high).contains(&p.ln_error))
    });
    #[allow(clippy::cast_precision_loss)]
    let coverage_fraction = inside.count() as f64 / list.len().max(1) as f64;
    Errors {
        n: list.len(),
        median_ape: quantile(&apes, 0.5),
        p90_ape: quantile(&apes, 0.9),
        family_mean_ape,
        bias: quantile(&signed, 0.5),
        coverage_fraction,
    }
}

/// Tenth and ninetieth percentile of ln errors in which every family counts as the root of its rows:
/// where a run of another family will lie (split conformal prediction over families; Vovk et al.
/// 2005, with the weights of Tibshirani et al., arXiv 1904.06019 §2).
#[must_use]
pub fn band<'a>(list: impl IntoIterator<Item = &'a LeftOut>) -> Option<(f64, f64)> {
    let list: Vec<&LeftOut> = list.into_iter().collect();
    let mut rows: BTreeMap<&str, f64> = BTreeMap::new();
    for p in &list {
        *rows.entry(&p.family).or_default() += 1.0;
    }
    let mut weighted: Vec<(f64, f64)> = list
        .iter()
        .map(|p| (p.ln_error, 1.0 / rows.get(p.family.as_str()).copied().unwrap_or(1.0).sqrt()))
        .collect();
    weighted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let whole: f64 = weighted.iter().map(|w| w.1).sum();
    let at = |share: f64| {
        let mut sum = 0.0;
        weighted
            .iter()
            .find(|(_, w)| {
                sum += w;
                sum >= share * whole
            })
            .map(|w| w.0)
    };
    Some((at(0.1)?, at(0.9)?))
}

fn sorted(mut list: Vec<f64>) -> Vec<f64> {
    list.sort_by(f64::total_cmp);
    list
}
