//! Bands that hold eight of ten runs of somebody else, from the errors of runs that were left out.
//!
//! Classes of runs form a tree: all, known or unknown stack, mixture or not, tried device or new. The
//! tenth, fiftieth and ninetieth percentile of a class are drawn towards those of the class around it
//! where few families stand behind it, and its band is wider the fewer they are.

use super::cross::LeftOut;
use super::statistics::{weighted_quantile, widening};
use crate::catalog::Class;
use std::collections::BTreeMap;

/// Families that the class around counts for in where the percentiles lie (partial pooling; Gelman and
/// Hill 2007, §12.2). Coverage of left-out families is nearly the same from 2 to 8.
const OF_PARENT: f64 = 8.0;
/// Families that it counts for in how wide the band is, and how many a class has at least with it: what
/// the class around tells of the spread is worth little, and more than nothing.
const SPREAD_OF_PARENT: usize = 1;
const LEAST: usize = 3;

/// The band of a class.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassBand {
    /// Its name.
    pub class: String,
    /// Between which ln(predicted / measured) eight of ten lie.
    pub ln_error: (f64, f64),
    /// Families behind it.
    pub n_families: usize,
    /// Runs behind it.
    pub n_runs: usize,
}

/// The band of a class and those around it, from these runs; the widest class first, the class last. A
/// stack that nobody knows is not predicted better than one that is: its bands hold those of the latter.
#[must_use]
pub fn line<'a>(list: impl IntoIterator<Item = &'a LeftOut>, class: Class) -> Vec<ClassBand> {
    let list: Vec<&LeftOut> = list.into_iter().collect();
    let mut out = alone(&list, class);
    if !class.known_stack {
        let known = Class {
            known_stack: true,
            ..class
        };
        for (band, better) in out.iter_mut().zip(alone(&list, known)) {
            band.ln_error.0 = band.ln_error.0.min(better.ln_error.0);
            band.ln_error.1 = band.ln_error.1.max(better.ln_error.1);
        }
    }
    out
}

fn alone(list: &[&LeftOut], class: Class) -> Vec<ClassBand> {
    let mut out: Vec<ClassBand> = Vec::new();
    let mut around: Option<[f64; 3]> = None;
    for (depth, name) in class.line().into_iter().enumerate() {
        let inside: Vec<&LeftOut> = list.iter().copied().filter(|p| p.class.line()[depth] == name).collect();
        let n_families = families(&inside).len();
        // The same runs again say nothing new.
        let same = out.last().filter(|b| b.n_runs == inside.len()).map(|b| b.ln_error);
        let own = percentiles(&inside).filter(|_| same.is_none());
        let Some(at) = pooled(own, around, n_families) else { return out };
        let wider = match around {
            None => widening(n_families),
            Some(_) => widening((n_families + SPREAD_OF_PARENT).max(LEAST)),
        };
        around = Some(at);
        let [low, middle, high] = at;
        out.push(ClassBand {
            class: name,
            ln_error: same.unwrap_or((middle - wider * (middle - low), middle + wider * (high - middle))),
            n_families,
            n_runs: inside.len(),
        });
    }
    out
}

/// Every class and those around them, each once.
#[must_use]
pub fn table(list: &[LeftOut]) -> Vec<ClassBand> {
    let mut out: Vec<ClassBand> = Vec::new();
    for band in Class::all().into_iter().flat_map(|class| line(list, class)) {
        if out.iter().all(|b| b.class != band.class) {
            out.push(band);
        }
    }
    out
}

/// Give each run the band that the runs of the other families give its class.
pub fn band_each(list: &mut [LeftOut]) {
    let mut bands: BTreeMap<(String, Class), Option<(f64, f64)>> = BTreeMap::new();
    for p in list.iter() {
        bands.entry((p.family.clone(), p.class)).or_default();
    }
    for ((family, class), band) in &mut bands {
        let others = list.iter().filter(|p| p.family != *family);
        *band = line(others, *class).last().map(|b| b.ln_error);
    }
    for p in list.iter_mut() {
        p.band = bands.get(&(p.family.clone(), p.class)).copied().flatten();
    }
}

/// Drawn towards the class around by how many families it has.
fn pooled(own: Option<[f64; 3]>, around: Option<[f64; 3]>, n_families: usize) -> Option<[f64; 3]> {
    let (Some(own), Some(around)) = (own, around) else {
        return own.or(around);
    };
    #[allow(clippy::cast_precision_loss)]
    let n = n_families as f64;
    let share = n / (n + OF_PARENT);
    let mut out = around;
    out.iter_mut().zip(own).for_each(|(a, o)| *a += share * (o - *a));
    Some(out)
}

/// Tenth, fiftieth and ninetieth percentile of ln errors in which every family counts as the root of its
/// rows: where a run of another family will lie (split conformal prediction over families; Vovk et al.
/// 2005, with the weights of Tibshirani et al., arXiv 1904.06019 §2).
#[must_use]
pub fn percentiles(list: &[&LeftOut]) -> Option<[f64; 3]> {
    let rows = families(list);
    let weight = |p: &LeftOut| 1.0 / rows.get(p.family.as_str()).copied().unwrap_or(1.0).sqrt();
    let mut weighted: Vec<(f64, f64)> = list.iter().map(|p| (p.ln_error, weight(p))).collect();
    weighted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let at = |share| weighted_quantile(&weighted, share);
    Some([at(0.1)?, at(0.5)?, at(0.9)?])
}

/// Rows of each family.
fn families<'a>(list: &[&'a LeftOut]) -> BTreeMap<&'a str, f64> {
    let mut rows: BTreeMap<&str, f64> = BTreeMap::new();
    for p in list {
        *rows.entry(p.family.as_str()).or_default() += 1.0;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(known_stack: bool, experts: bool) -> Class {
        Class {
            known_stack,
            experts,
            tried_device: true,
        }
    }

    /// Runs of `n_families` with ln errors even between -0.5 and 0.5 times a factor.
    fn runs(n_families: usize, class: Class, factor: f64) -> Vec<LeftOut> {
        let one = |i: usize| LeftOut {
            family: format!("{class:?} {}", i % n_families),
            class,
            #[allow(clippy::cast_precision_loss)]
            ln_error: factor * ((i as f64 * 0.618_034).fract() - 0.5),
            ..LeftOut::default()
        };
        (0..100 * n_families).map(one).collect()
    }

    #[test]
    fn a_band_holds_the_share_it_claims() {
        let mut list = runs(20, class(true, false), 1.0);
        band_each(&mut list);
        let inside = list.iter().filter(|p| p.inside() == Some(true)).count();
        assert!((0.78..0.88).contains(&(inside as f64 / list.len() as f64)), "{inside}");
        assert!(line(&[], class(true, false)).is_empty());
    }

    #[test]
    fn few_families_are_wider_and_lean_on_the_class_around() {
        let width = |list: &[LeftOut], class| line(list, class).last().map_or(0.0, |b| b.ln_error.1 - b.ln_error.0);
        let many = runs(20, class(true, false), 1.0);
        let few = [many.clone(), runs(2, class(true, true), 1.0)].concat();
        assert!(width(&few, class(true, true)) > 1.3 * width(&few, class(true, false)));
        // One family that is met well does not make a narrow band.
        let good = [many.clone(), runs(1, class(true, true), 0.01)].concat();
        assert!(width(&good, class(true, true)) > width(&good, class(true, false)));
        // A class that nobody ran has the band of the one around it, as wide as for the fewest.
        let none = line(&many, class(false, true));
        assert_eq!((none.len(), none[3].n_families), (4, 0));
        assert!(width(&many, class(false, true)) > width(&many, class(true, false)));
        assert_eq!(table(&many).len(), 15);
    }
}
