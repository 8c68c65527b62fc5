//! Errors on runs that were not fitted: one family of sources left out after another.

use super::bands::band_each;
use super::fit::{Case, Shifts, fit, ln_error, total};
use super::statistics::{quantile, sorted};
use crate::catalog::Class;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// One left-out prediction.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LeftOut {
    /// Row of the input.
    pub row: usize,
    /// Its family.
    pub family: String,
    /// Its stack.
    pub stack: String,
    /// Its device.
    pub accelerator: String,
    /// Class of its errors; stack and device are known when other families ran them.
    pub class: Class,
    /// ln(predicted / measured).
    pub ln_error: f64,
    /// Between which of these the other families' errors have it in eight cases of ten.
    pub band: Option<(f64, f64)>,
}

impl LeftOut {
    /// Whether the measurement lies within the band.
    #[must_use]
    pub fn inside(&self) -> Option<bool> {
        self.band.map(|(low, high)| (low..=high).contains(&self.ln_error))
    }
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
        let devices: BTreeSet<&str> = others.iter().map(|c| c.scenario.accelerator.name.as_str()).collect();
        told();
        held.iter()
            .map(|case| {
                let class = case.scenario.class(
                    stacks.contains(case.line[0].as_str()),
                    devices.contains(case.scenario.accelerator.name.as_str()),
                );
                left_out(case, class, ln_error(case, &total(&shifts, &case.line)))
            })
            .collect::<Vec<_>>()
    };
    let mut out: Vec<LeftOut> = families.par_iter().map(one).collect::<Vec<_>>().concat();
    out.sort_by_key(|p| p.row);
    band_each(&mut out);
    out
}

/// A case with its error.
#[must_use]
pub fn left_out(case: &Case, class: Class, ln_error: f64) -> LeftOut {
    LeftOut {
        row: case.row,
        family: case.family.clone(),
        stack: case.line[0].clone(),
        accelerator: case.scenario.accelerator.name.clone(),
        class,
        ln_error,
        band: None,
    }
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
    /// Families of sources.
    pub n_families: usize,
    /// Predictions with a band.
    pub n_banded: usize,
    /// Share of those within the band that the other families' errors give: 80 % are meant to be.
    pub coverage_fraction: f64,
    /// Median of ln(upper / lower end) of the bands.
    pub width_ln: f64,
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
    let banded: Vec<bool> = list.iter().filter_map(|p| p.inside()).collect();
    #[allow(clippy::cast_precision_loss)]
    let coverage_fraction = banded.iter().filter(|b| **b).count() as f64 / banded.len().max(1) as f64;
    let widths = list.iter().filter_map(|p| p.band).map(|(low, high)| high - low);
    Errors {
        n: list.len(),
        median_ape: quantile(&apes, 0.5),
        p90_ape: quantile(&apes, 0.9),
        family_mean_ape,
        bias: quantile(&signed, 0.5),
        n_families: families_of(&list),
        n_banded: banded.len(),
        coverage_fraction,
        width_ln: quantile(&sorted(widths.collect()), 0.5),
    }
}

fn families_of(list: &[&LeftOut]) -> usize {
    list.iter().map(|p| p.family.as_str()).collect::<BTreeSet<_>>().len()
}
