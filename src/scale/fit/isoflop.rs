//! Hoffmann's first two approaches: minima per budget, then powers of compute through them
//! (Hoffmann et al. 2022, arXiv 2203.15556 §3.1 and §3.2).

use super::forms::{Fitted, Parameter, Request};
use super::interval;
use crate::error::{Diagnostic, Result};
use crate::scale::draws;
use crate::scale::formula::{Power, TRAIN_FLOP};
use crate::scale::law::Formula;
use crate::scale::points::{Points, Role};

/// Budgets closer than this in the logarithm are one.
const SAME_BUDGET: f64 = 0.1;

/// The best size of one budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Training FLOP.
    pub train_flop: f64,
    /// Parameters of least loss.
    pub n_params: f64,
    /// Tokens that are left for it.
    pub n_tokens: f64,
    /// Rows that tell it.
    pub n_rows: usize,
    /// The minimum lies inside the sizes that were tried.
    pub bracketed: bool,
}

/// Minima by budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Slopes {
    /// By rising compute.
    pub budgets: Vec<Budget>,
}

/// `ln y = k + x ln C` by least squares, weighted by 1/sd².
#[must_use]
pub fn weighted_power(flop: &[f64], value: &[f64], sd: Option<&[f64]>) -> (f64, f64) {
    let weight = |i: usize| sd.map_or(1.0, |s| s[i].powi(-2));
    let (mut w, mut x, mut y, mut xx, mut xy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for i in 0..flop.len() {
        let (u, v, m) = (flop[i].ln(), value[i].ln(), weight(i));
        w += m;
        x += m * u;
        y += m * v;
    }
    let (cx, cy) = (x / w, y / w);
    for i in 0..flop.len() {
        let (u, v, m) = (flop[i].ln() - cx, value[i].ln() - cy, weight(i));
        xx += m * u * u;
        xy += m * u * v;
    }
    let slope = xy / xx;
    (cy - slope * cx, slope)
}

/// A power of compute through given values.
#[must_use]
pub fn power(points: &Points, request: &Request) -> Fitted {
    let (flop, value) = (points.get(Role::Flop), points.get(Role::Value));
    let sd = points.has(Role::Sd).then(|| points.get(Role::Sd));
    let (k, x) = weighted_power(flop, value, sd);
    let one = |index: usize| {
        let rows = rows_of(&draws::resample(request.seed, index as u64, flop.len()));
        let pick = |c: &[f64]| rows.iter().map(|i| c[*i]).collect::<Vec<_>>();
        weighted_power(&pick(flop), &pick(value), sd.map(pick).as_deref())
    };
    let resampled: Vec<(f64, f64)> = (0..request.n_bootstrap).map(one).collect();
    let rows = (0..flop.len()).map(|i| super::forms::Row {
        train_flop: flop[i],
        measured: value[i],
        predicted: (k + x * flop[i].ln()).exp(),
        held_out: false,
    });
    Fitted {
        parameters: vec![
            Parameter {
                name: "coefficient",
                value: k.exp(),
                interval: interval(resampled.iter().map(|r| r.0.exp()).collect()),
            },
            Parameter {
                name: "flop_exponent",
                value: x,
                interval: interval(resampled.iter().map(|r| r.1).collect()),
            },
        ],
        formula: Some(Formula::Power(Power {
            coefficient: Some(k.exp()),
            flop_exponent: x,
            ..Power::default()
        })),
        rows: rows.collect(),
        ..empty(request, points.len())
    }
}

pub(super) fn rows_of(weights: &[f64]) -> Vec<usize> {
    let mut rows = Vec::new();
    for (i, weight) in weights.iter().enumerate() {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        rows.extend(std::iter::repeat_n(i, *weight as usize));
    }
    rows
}

pub(super) fn empty(request: &Request, n_rows: usize) -> Fitted {
    Fitted {
        request: request.clone(),
        parameters: Vec::new(),
        objective: 0.0,
        n_rows,
        n_starts: 1,
        n_near: 1,
        formula: None,
        draws: Vec::new(),
        rows: Vec::new(),
        slopes: None,
        two_step: None,
        notes: Vec::new(),
    }
}

/// Approach 2.
///
/// # Errors
/// When fewer than three budgets have a parabola with a minimum.
pub fn parabolas(points: &Points, request: &Request) -> Result<Fitted> {
    let groups = budgets(points);
    let weights = vec![1.0; points.len()];
    let minima: Vec<Budget> = groups.iter().filter_map(|g| minimum(points, g, &weights)).collect();
    let resampled = (0..request.n_bootstrap).filter_map(|index| {
        let weights = draws::resample(request.seed, index as u64, points.len());
        exponents(&groups.iter().filter_map(|g| minimum(points, g, &weights)).collect::<Vec<_>>())
    });
    told(points, request, minima, resampled.collect(), "IsoFLOP")
}

/// Approach 1: the size of least loss at each budget, over training curves of several sizes.
///
/// # Errors
/// When the curves do not span three budgets.
pub fn envelope(points: &Points, request: &Request) -> Result<Fitted> {
    let curves = curves(points);
    let minima = lower_envelope(&curves);
    let resampled = (0..request.n_bootstrap).filter_map(|index| {
        let rows = rows_of(&draws::resample(request.seed, index as u64, curves.len()));
        let chosen: Vec<_> = rows.iter().map(|i| curves[*i].clone()).collect();
        exponents(&lower_envelope(&chosen))
    });
    let resampled = resampled.collect();
    told(points, request, minima, resampled, "the envelope")
}

fn told(points: &Points, request: &Request, minima: Vec<Budget>, resampled: Vec<[f64; 4]>, what: &str) -> Result<Fitted> {
    let Some(values) = exponents(&minima) else {
        let text = format!("{what} needs minima at three budgets or more, found {}", minima.len());
        let help = "each budget takes three sizes or more around its minimum; budgets are told by the column of --column flop=NAME";
        return Err(Diagnostic::new(text).help(help).into());
    };
    let names = ["params_exponent", "params_coefficient", "tokens_exponent", "tokens_coefficient"];
    let parameters = (0..4).map(|i| Parameter {
        name: names[i],
        value: values[i],
        interval: interval(resampled.iter().map(|r| r[i]).collect()),
    });
    let mut notes = Vec::new();
    let open = minima.iter().filter(|m| !m.bracketed).count();
    if open > 0 {
        notes.push(format!(
            "{open} of {} minima lie at the edge of the sizes that were tried: the exponents lean that way.",
            minima.len()
        ));
    }
    Ok(Fitted {
        parameters: parameters.collect(),
        formula: Some(Formula::Power(Power {
            coefficient: Some(values[1]),
            flop_exponent: values[0],
            ..Power::default()
        })),
        slopes: Some(Slopes { budgets: minima }),
        notes,
        ..empty(request, points.len())
    })
}

/// Exponent and coefficient of size, then of tokens.
fn exponents(minima: &[Budget]) -> Option<[f64; 4]> {
    if minima.len() < 3 {
        return None;
    }
    let flop: Vec<f64> = minima.iter().map(|m| m.train_flop).collect();
    let line = |value: &dyn Fn(&Budget) -> f64| weighted_power(&flop, &minima.iter().map(value).collect::<Vec<_>>(), None);
    let (size, tokens) = (line(&|m| m.n_params), line(&|m| m.n_tokens));
    let list = [size.1, size.0.exp(), tokens.1, tokens.0.exp()];
    list.iter().all(|v| v.is_finite()).then_some(list)
}

/// Rows by budget, in rising order; budgets of fewer than three rows tell no minimum.
fn budgets(points: &Points) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|a, b| points.flop(*a).total_cmp(&points.flop(*b)));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for row in order {
        match groups.last_mut() {
            Some(group) if (points.flop(row) / points.flop(group[0])).ln() < SAME_BUDGET => group.push(row),
            _ => groups.push(vec![row]),
        }
    }
    groups.retain(|g| g.len() >= 3);
    groups
}

/// The minimum of the parabola of loss in ln N through the rows of a budget.
fn minimum(points: &Points, rows: &[usize], weights: &[f64]) -> Option<Budget> {
    let (mut m, mut v) = ([[0.0; 3]; 3], [0.0; 3]);
    let ln_n = |row: usize| points.at(Role::Params, row).ln();
    #[allow(clippy::cast_precision_loss)]
    let middle = rows.iter().map(|r| ln_n(*r)).sum::<f64>() / rows.len() as f64;
    for row in rows {
        let x = ln_n(*row) - middle;
        let powers = [1.0, x, x * x];
        for i in 0..3 {
            for j in 0..3 {
                m[i][j] += weights[*row] * powers[i] * powers[j];
            }
            v[i] += weights[*row] * powers[i] * points.at(Role::Loss, *row);
        }
    }
    let [_, slope, curvature] = crate::fit::solve(m, v)?;
    if curvature <= 0.0 || !curvature.is_finite() {
        return None;
    }
    let best = middle - 0.5 * slope / curvature;
    let sizes = rows.iter().map(|r| ln_n(*r));
    let (low, high) = sizes.fold((f64::MAX, f64::MIN), |(l, h), x| (l.min(x), h.max(x)));
    #[allow(clippy::cast_precision_loss)]
    let train_flop = (rows.iter().map(|r| points.flop(*r).ln()).sum::<f64>() / rows.len() as f64).exp();
    let n_params = best.exp();
    Some(Budget {
        train_flop,
        n_params,
        n_tokens: train_flop / (TRAIN_FLOP * n_params),
        n_rows: rows.len(),
        bracketed: (low..=high).contains(&best),
    })
    .filter(|b| b.n_params.is_finite() && b.n_params > 0.0)
}

/// One training curve: its size, and (ln FLOP, loss) in rising order.
type Trained = (f64, Vec<(f64, f64)>);

fn curves(points: &Points) -> Vec<Trained> {
    let mut list: Vec<Trained> = Vec::new();
    for row in 0..points.len() {
        let (n, point) = (points.at(Role::Params, row), (points.flop(row).ln(), points.at(Role::Loss, row)));
        match list.iter_mut().find(|(size, _)| (size / n - 1.0).abs() < 1e-6) {
            Some((_, curve)) => curve.push(point),
            None => list.push((n, vec![point])),
        }
    }
    for (_, curve) in &mut list {
        curve.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    list.retain(|(_, c)| c.len() >= 2);
    list.sort_by(|a, b| a.0.total_cmp(&b.0));
    list
}

/// The size of least loss at each of 100 budgets between those that two sizes or more have reached.
fn lower_envelope(curves: &[Trained]) -> Vec<Budget> {
    let end = |(_, c): &Trained, last: bool| if last { c[c.len() - 1].0 } else { c[0].0 };
    let low = curves.iter().map(|c| end(c, false)).fold(f64::MAX, f64::min);
    let high = curves.iter().map(|c| end(c, true)).fold(f64::MIN, f64::max);
    if low >= high {
        return Vec::new();
    }
    let at = |i: u32| {
        let ln_c = low + (high - low) * f64::from(i) / 99.0;
        let mut list: Vec<(f64, f64)> = curves.iter().filter_map(|(n, c)| Some((*n, interpolated(c, ln_c)?))).collect();
        list.sort_by(|a, b| a.1.total_cmp(&b.1));
        let (n_params, _) = *list.first().filter(|_| list.len() >= 3)?;
        let others = |larger: bool| list.iter().any(|(n, _)| if larger { *n > n_params } else { *n < n_params });
        Some(Budget {
            train_flop: ln_c.exp(),
            n_params,
            n_tokens: ln_c.exp() / (TRAIN_FLOP * n_params),
            n_rows: list.len(),
            bracketed: others(true) && others(false),
        })
    };
    // At its ends the envelope only tells which sizes were trained.
    (0..100).filter_map(at).filter(|b| b.bracketed).collect()
}

fn interpolated(curve: &[(f64, f64)], x: f64) -> Option<f64> {
    let right = curve.partition_point(|(c, _)| *c < x);
    let (b, a) = (curve.get(right)?, curve.get(right.checked_sub(1)?)?);
    Some(a.1 + (x - a.0) / (b.0 - a.0).max(1e-300) * (b.1 - a.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scale::fit::forms::{Form, fit};
    use crate::scale::formula::{Allocation, Chinchilla};

    const LAW: Chinchilla = Chinchilla {
        e: 1.8,
        a: 400.0,
        b: 1500.0,
        alpha: 0.34,
        beta: 0.36,
    };

    fn points(tilts: &[f64]) -> Points {
        let (mut n, mut d, mut c, mut l) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for power in 0..6 {
            let flop = 1e18 * 4f64.powi(power);
            let best = LAW.optimum(flop);
            for tilt in tilts {
                let at = Allocation {
                    n_params: best.n_params * tilt,
                    n_tokens: best.n_tokens / tilt,
                };
                n.push(at.n_params);
                d.push(at.n_tokens);
                c.push(flop);
                l.push(LAW.loss(at));
            }
        }
        Points::of("made", vec![(Role::Params, n), (Role::Tokens, d), (Role::Flop, c), (Role::Loss, l)])
    }

    #[test]
    fn parabolas_find_the_exponent_of_a_known_law() {
        let request = Request {
            form: Form::Isoflop,
            ..Request::default()
        };
        let fitted = fit(&points(&[0.4, 0.6, 0.8, 1.0, 1.25, 1.6, 2.5]), &request, &|| ()).unwrap();
        let a = fitted.get("params_exponent").unwrap();
        assert!((a - LAW.size_exponent()).abs() < 2e-3, "{a}");
        assert!((a + fitted.get("tokens_exponent").unwrap() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_envelope_of_training_curves_finds_it_too() {
        let (mut n, mut d, mut l) = (Vec::new(), Vec::new(), Vec::new());
        for size in 0..12 {
            for length in 0..40 {
                let at = Allocation {
                    n_params: 1e7 * 1.8f64.powi(size),
                    n_tokens: 1e8 * 1.4f64.powi(length),
                };
                n.push(at.n_params);
                d.push(at.n_tokens);
                l.push(LAW.loss(at));
            }
        }
        let points = Points::of("made", vec![(Role::Params, n), (Role::Tokens, d), (Role::Loss, l)]);
        let request = Request {
            form: Form::Envelope,
            ..Request::default()
        };
        let fitted = fit(&points, &request, &|| ()).unwrap();
        let a = fitted.get("params_exponent").unwrap();
        assert!((a - LAW.size_exponent()).abs() < 0.03, "{a}");
    }

    #[test]
    fn budgets_without_a_minimum_are_refused() {
        let two = points(&[0.5, 1.0]);
        let request = Request {
            form: Form::Isoflop,
            ..Request::default()
        };
        let error = fit(&two, &request, &|| ()).unwrap_err().to_string();
        assert!(error.contains("three sizes or more"), "{error}");
    }
}
