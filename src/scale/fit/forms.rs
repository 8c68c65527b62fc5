//! One request, any form: what is fitted by which curve, checked before and told in one shape.

use super::curves::{Bits, Even, Free, Older, Repeats, Routing};
use super::isoflop::{self, Slopes};
use super::{Curve, Interval, Loss, bootstrap, interval, objective, solve, tasks};
use crate::error::{Diagnostic, Result};
use crate::scale::formula::Chinchilla;
use crate::scale::law::Formula;
use crate::scale::points::{Points, Role};

/// What is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Hoffmann's Approach 3: all five constants at once.
    Chinchilla,
    /// Hoffmann's Approach 2: a parabola per budget, then powers through their minima.
    Isoflop,
    /// Hoffmann's Approach 1: the lower envelope of training curves.
    Envelope,
    /// The form of Kaplan et al.
    Kaplan,
    /// One exponent for size and data, for over-trained models.
    Overtrained,
    /// The scales of repetition over a known law.
    Repeated,
    /// Routed models.
    Routed,
    /// Training in few bits.
    Precision,
    /// A power of compute.
    Power,
    /// Loss, then accuracy or error from it.
    Task,
    /// The loss on one set from that on another.
    Transfer,
}

impl Form {
    /// Every form with its name.
    pub const ALL: [(&'static str, Form); 11] = [
        ("chinchilla", Form::Chinchilla),
        ("isoflop", Form::Isoflop),
        ("envelope", Form::Envelope),
        ("kaplan", Form::Kaplan),
        ("overtrained", Form::Overtrained),
        ("repeated", Form::Repeated),
        ("routed", Form::Routed),
        ("precision", Form::Precision),
        ("power", Form::Power),
        ("task", Form::Task),
        ("transfer", Form::Transfer),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Form::ALL.iter().find(|(_, f)| *f == self).map_or("", |(n, _)| n)
    }

    /// Columns that it cannot do without.
    #[must_use]
    pub fn needs(self) -> &'static [Role] {
        match self {
            Form::Repeated => &[Role::Params, Role::Tokens, Role::Loss, Role::Unique],
            Form::Routed => &[Role::Params, Role::Experts, Role::Loss],
            Form::Precision => &[Role::Params, Role::Tokens, Role::Loss, Role::Bits],
            Form::Power => &[Role::Flop, Role::Value],
            Form::Transfer => &[Role::Loss, Role::Value],
            Form::Task => &[Role::Params, Role::Tokens, Role::Loss, Role::Score],
            Form::Isoflop => &[Role::Params, Role::Flop, Role::Loss],
            _ => &[Role::Params, Role::Tokens, Role::Loss],
        }
    }

    /// Columns that it uses when they are there.
    #[must_use]
    pub fn wants(self) -> &'static [Role] {
        match self {
            Form::Precision => &[Role::ActivationBits, Role::AttentionBits, Role::Flop],
            Form::Power => &[Role::Sd],
            Form::Transfer => &[Role::Params, Role::Tokens],
            Form::Isoflop => &[Role::Tokens],
            _ => &[Role::Flop],
        }
    }
}

/// How to fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What.
    pub form: Form,
    /// What is minimized.
    pub loss: Loss,
    /// All starts of the published grids; else every 37th of the 4,500.
    pub all_starts: bool,
    /// Resamples.
    pub n_bootstrap: usize,
    /// Seed of the resamples.
    pub seed: u64,
    /// Share of the rows, those of the most compute, that are predicted instead of fitted.
    pub hold_out_fraction: f64,
    /// The law of fresh data under repetition.
    pub base: Option<Chinchilla>,
}

impl Default for Request {
    fn default() -> Self {
        Request {
            form: Form::Chinchilla,
            loss: Loss::Huber(1e-3),
            all_starts: false,
            n_bootstrap: 200,
            seed: 1,
            hold_out_fraction: 0.0,
            base: None,
        }
    }
}

/// A constant of a fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name, as in the files of laws.
    pub name: &'static str,
    /// The best value.
    pub value: f64,
    /// By resampling, if there was any.
    pub interval: Option<Interval>,
}

/// A row that was fitted or predicted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Training FLOP, where there are some.
    pub train_flop: f64,
    /// As measured.
    pub measured: f64,
    /// As the fit says.
    pub predicted: f64,
    /// Not part of the fit.
    pub held_out: bool,
}

impl Row {
    /// Predicted over measured, less one.
    #[must_use]
    pub fn miss_fraction(&self) -> f64 {
        self.predicted / self.measured - 1.0
    }
}

/// A fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// What was asked.
    pub request: Request,
    /// Its constants.
    pub parameters: Vec<Parameter>,
    /// Sum of the loss over the fitted rows.
    pub objective: f64,
    /// Rows fitted.
    pub n_rows: usize,
    /// Starts tried.
    pub n_starts: usize,
    /// Starts that ended within 0.1 % of the best.
    pub n_near: usize,
    /// The law, where the form is one.
    pub formula: Option<Formula>,
    /// Fits to resamples, where the form is that of Chinchilla.
    pub draws: Vec<Chinchilla>,
    /// Every row.
    pub rows: Vec<Row>,
    /// Minima of the budgets, by the other two approaches.
    pub slopes: Option<Slopes>,
    /// Loss and score, where a task was fitted.
    pub two_step: Option<tasks::TwoStep>,
    /// What is to be known about it.
    pub notes: Vec<String>,
}

impl Fitted {
    /// Median and largest absolute miss of the rows that were held out, or of those fitted.
    #[must_use]
    pub fn misses(&self, held_out: bool) -> Option<(f64, f64)> {
        let mut list: Vec<f64> = self
            .rows
            .iter()
            .filter(|r| r.held_out == held_out)
            .map(|r| r.miss_fraction().abs())
            .collect();
        list.sort_by(f64::total_cmp);
        Some((crate::scale::law::quantile(&list, 0.5)?, *list.last()?))
    }

    /// A constant by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.parameters.iter().find(|p| p.name == name).map(|p| p.value)
    }
}

/// How many times [`fit`] tells that one more is done.
#[must_use]
pub fn n_pieces(request: &Request) -> usize {
    let starts = match request.form {
        Form::Chinchilla if request.all_starts => 4500,
        _ => 150,
    };
    starts + request.n_bootstrap
}

/// Fit a form to points.
///
/// # Errors
/// When there are too few points, or they are all alike in what should tell the constants apart.
pub fn fit(points: &Points, request: &Request, told: &(dyn Fn() + Sync)) -> Result<Fitted> {
    check(points, request)?;
    let job = Job { points, request, told };
    match request.form {
        Form::Chinchilla => Ok(job.run(Free::new, ["e", "a", "b", "alpha", "beta"], |p| {
            Some(Formula::Chinchilla(Free::law(p)))
        })),
        Form::Overtrained => Ok(job.run(Even::new, ["e", "a", "b", "alpha"], |p| Some(Formula::Chinchilla(Even::law(p))))),
        Form::Kaplan => Ok(job.run(Older::new, ["n_c", "d_c", "alpha_n", "alpha_d"], |p| {
            Some(Formula::Kaplan(Older::law(p)))
        })),
        Form::Repeated => {
            let base = request.base.ok_or_else(|| -> crate::error::Error {
                Diagnostic::new("repetition is fitted over a law of fresh data")
                    .help("give --law, for example --law muennighoff")
                    .into()
            })?;
            let make = |p: &Points| Repeats::new(p, base);
            let law = |p: &[f64; 2]| Some(Formula::Repeated(Repeats::new(&Points::default(), base).law(p)));
            let mut fitted = job.run(make, ["r_tokens", "r_params"], law);
            fitted
                .notes
                .push("A local minimum from (15, 5): the surface is nearly flat, and other pairs may fit as well.".to_string());
            Ok(fitted)
        }
        Form::Routed => {
            let law = |p: &[f64; 6]| Some(Formula::Routed(Routing::law(p)));
            Ok(job.run(Routing::new, ["a", "b", "c", "d", "e_start", "e_max"], law))
        }
        Form::Precision => {
            let names = ["e", "a", "b", "alpha", "beta", "weights_bits", "activations_bits", "attention_bits"];
            let mut fitted = job.run(Bits::new, names, |_| None);
            for (role, name) in [(Role::ActivationBits, names[6]), (Role::AttentionBits, names[7])] {
                if !points.has(role) {
                    fitted.parameters.retain(|p| p.name != name);
                }
            }
            Ok(fitted)
        }
        Form::Power => Ok(isoflop::power(points, request)),
        Form::Isoflop => isoflop::parabolas(points, request),
        Form::Envelope => isoflop::envelope(points, request),
        Form::Task => Ok(tasks::fitted(points, request, told)),
        Form::Transfer => Ok(tasks::transfer(points, request)),
    }
}

/// Rows and variety enough.
fn check(points: &Points, request: &Request) -> Result<()> {
    let form = request.form;
    let constants = match form {
        Form::Chinchilla => 5,
        Form::Overtrained | Form::Kaplan => 4,
        Form::Repeated | Form::Power | Form::Transfer => 2,
        _ => 6,
    };
    if points.len() <= constants {
        let text = format!(
            "{} rows are too few for the {constants} constants of `{}`",
            points.len(),
            form.name()
        );
        let help = "add runs of other sizes and lengths, or fit a form with fewer constants (--form)";
        return Err(Diagnostic::new(text).help(help).into());
    }
    for role in form.needs() {
        let column = points.get(*role);
        let first = column.first().copied().unwrap_or(0.0);
        // Repetition and routing may be fitted at one loss or size; what they vary must vary.
        if column.iter().all(|v| (v / first - 1.0).abs() < 1e-9) {
            let text = format!("all {} rows have the same {}", column.len(), role.name());
            let help = format!("`{}` tells its constants apart by runs whose {} differ", form.name(), role.name());
            return Err(Diagnostic::new(text).help(help).into());
        }
    }
    Ok(())
}

/// Rows whose compute is among the largest `fraction`.
#[must_use]
pub fn held_out(points: &Points, fraction: f64) -> Vec<bool> {
    let flop: Vec<f64> = (0..points.len()).map(|i| points.flop(i)).collect();
    let mut sorted = flop.clone();
    sorted.sort_by(f64::total_cmp);
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let keep = ((1.0 - fraction) * sorted.len() as f64).round() as usize;
    let cut = if fraction <= 0.0 {
        f64::INFINITY
    } else {
        sorted.get(keep).copied().unwrap_or(f64::INFINITY)
    };
    flop.into_iter().map(|c| c >= cut).collect()
}

struct Job<'a> {
    points: &'a Points,
    request: &'a Request,
    told: &'a (dyn Fn() + Sync),
}

impl Job<'_> {
    fn run<const N: usize, C: Curve<N>>(
        &self,
        make: impl Fn(&Points) -> C,
        names: [&'static str; N],
        law: impl Fn(&[f64; N]) -> Option<Formula>,
    ) -> Fitted {
        let request = self.request;
        let out = held_out(self.points, request.hold_out_fraction);
        let curve = make(&self.points.filtered(|i| !out[i]));
        let mut starts = curve.starts();
        if !request.all_starts && starts.len() > 1000 {
            // Every 37th of the published grid finds the same minimum.
            starts = starts.into_iter().step_by(37).collect();
        }
        let solved = solve(&curve, &starts, request.loss, self.told);
        let best = solved.best.at;
        let draws = bootstrap(&curve, &best, request.loss, request.n_bootstrap, request.seed, self.told);
        let reported: Vec<[f64; N]> = draws.iter().map(|d| curve.reported(d)).collect();
        let value = curve.reported(&best);
        let parameters = (0..N).map(|i| Parameter {
            name: names[i],
            value: value[i],
            interval: interval(reported.iter().map(|r| r[i]).collect()),
        });
        let every = make(self.points);
        let row = |i: usize| Row {
            train_flop: self.points.flop(i),
            measured: every.ln_measured(i).exp(),
            predicted: every.at(&best, i).0.exp(),
            held_out: out[i],
        };
        let dense = |p: &[f64; N]| match law(p) {
            Some(Formula::Chinchilla(c)) => Some(c),
            _ => None,
        };
        Fitted {
            request: request.clone(),
            parameters: parameters.collect(),
            objective: objective(&curve, &best, request.loss, None).0,
            n_rows: curve.n_rows(),
            n_starts: solved.n_starts,
            n_near: solved.n_near,
            formula: law(&best),
            draws: draws.iter().filter_map(dense).collect(),
            rows: (0..every.n_rows()).map(row).collect(),
            slopes: None,
            two_step: None,
            notes: Vec::new(),
        }
    }
}
