//! Between which values the headline numbers of a plan lie, what decides that, and how likely its
//! limits are met: a Latin hypercube over the unknowns of its scenario and the error of its step time.
//!
//! The layout stays the one of the plan. Unknowns are drawn independently of each other. What a run of
//! given inputs does by chance, such as when its failures fall, is in expected values and not drawn.

pub mod case;
mod draws;
pub mod inverse;
mod lens;
pub mod ranks;
#[cfg(test)]
mod tests;

use super::metric::Metric;
use super::statistics::{NORMAL_90, quantile, sorted};
use crate::error::{Diagnostic, Result};
use crate::plan::{Drawn, Plan, Quantiles, Ranges, Scenario};
use case::{Case, Draw, Outcome, Reused};
use draws::Column;
use inverse::standard;
use rayon::prelude::*;

/// Path of the error of the step time among the inputs; no scenario has such a key.
pub const STEP_TIME: &str = "step.time";
/// Most samples of a study: what is kept of each must fit a small machine.
pub const MOST_SAMPLES: u32 = 1_000_000;
/// Most unknowns of a scenario.
const MOST_UNKNOWNS: usize = 64;
/// Samples when nobody says how many, where each takes microseconds.
const MANY: u32 = 10_000;
/// The same where the scenario is read and a step worked out for each.
const FEW: u32 = 1_000;

/// How to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Samples; as many as a second allows when nothing is said.
    pub n_samples: Option<u32>,
    /// Seed of all draws.
    pub seed: u64,
}

/// Something that is not known exactly.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Its path in the scenario, or [`STEP_TIME`].
    pub path: String,
    /// Its distribution.
    pub shape: &'static str,
    /// What its numbers are in; nothing for a pure number.
    pub unit: String,
    /// Of what was drawn.
    pub quantiles: Quantiles,
    /// How samples follow it.
    pub reused: Reused,
}

/// What one input alone does to one output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Influence {
    /// Which input, in the order of [`Uncertain::inputs`].
    pub input: usize,
    /// The output with this input at its tenth and at its ninetieth percentile and all others at
    /// their medians.
    pub ends: [f64; 2],
    /// Standardized rank regression coefficient; nothing with few samples.
    pub coefficient: Option<f64>,
}

/// One headline number.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Which.
    pub metric: Metric,
    /// Where it lies.
    pub quantiles: Quantiles,
    /// Its value with every input at its median.
    pub middle: [f64; 1],
    /// What each input does to it, the most first.
    pub influences: Vec<Influence>,
    /// Share of the variance of its ranks that the regression explains.
    pub explained_fraction: Option<f64>,
}

/// How likely a limit is met.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chance {
    /// Key under `[limits]`, or `all`.
    pub limit: &'static str,
    /// Share of the samples that meet it.
    pub met_fraction: f64,
    /// Standard error of that share, √(p(1−p)/n): at most that, as strata scatter less than chance.
    pub error_fraction: f64,
}

/// The study.
#[derive(Debug, Clone, PartialEq)]
pub struct Uncertain {
    /// Samples.
    pub n_samples: u32,
    /// Seed.
    pub seed: u64,
    /// What is not known exactly: the step time first, then the unknowns of the scenario.
    pub inputs: Vec<Input>,
    /// The headline numbers that there are.
    pub outputs: Vec<Output>,
    /// The limits of the scenario.
    pub chances: Vec<Chance>,
}

/// Reads the scenario of a plan again with more `--set` values.
pub type Reread<'a> = dyn Fn(&[String]) -> Result<Scenario> + Sync + 'a;

/// A plan whose unknowns have been looked at.
pub struct Prepared<'a>(Case<'a>);

impl<'a> Prepared<'a> {
    /// Look at what each unknown of a plan does.
    ///
    /// # Errors
    /// When an unknown names no number of the scenario, or changes which layouts are legal.
    pub fn new(plan: &Plan, read: &'a Reread<'a>) -> Result<Prepared<'a>> {
        let unknowns = &plan.scenario.unknowns;
        if let Some(one) = unknowns.get(MOST_UNKNOWNS) {
            let text = format!("`unknowns` holds {} distributions", unknowns.len());
            let help = format!("keep the {MOST_UNKNOWNS} that matter most");
            return Err(Diagnostic::new(text).at(&one.at).help(help).into());
        }
        Case::new(plan, read).map(Prepared)
    }

    /// How many samples are drawn.
    #[must_use]
    pub fn n_samples(&self, options: Options) -> u32 {
        let usual = if self.0.is_quick() { MANY } else { FEW };
        options.n_samples.unwrap_or(usual).clamp(1, MOST_SAMPLES)
    }

    /// Draw; `told` is called after every sample, from any thread.
    ///
    /// # Errors
    /// When an unknown takes a value that it may not have.
    pub fn study(&self, options: Options, told: &(dyn Fn() + Sync)) -> Result<Uncertain> {
        let (case, n) = (&self.0, self.n_samples(options));
        let draws = Samples::of(case, options.seed, n);
        case.check(&draws.unknowns)?;
        let outcomes = case.all(n, &|i| draws.at(i), told)?;
        study(case, &draws, &outcomes, options.seed)
    }
}

/// Study a plan. The same seed and number of samples give the same bytes whatever the number of threads.
///
/// # Errors
/// When an unknown names no number of the scenario, takes a value that it may not have, or changes
/// which layouts are legal.
pub fn uncertain(plan: &Plan, read: &Reread<'_>, options: Options) -> Result<Uncertain> {
    Prepared::new(plan, read)?.study(options, &|| ())
}

/// What is drawn for every sample, by input.
struct Samples {
    /// Of the step time over its prediction.
    ratios: Option<Vec<f64>>,
    unknowns: Vec<Vec<f64>>,
}

impl Samples {
    fn of(case: &Case<'_>, seed: u64, n: u32) -> Samples {
        let column = |name: &str, value: &(dyn Fn(f64) -> f64 + Sync)| -> Vec<f64> {
            let column = Column::new(seed, name, n);
            (0..n).into_par_iter().map(|i| value(column.at(i))).collect()
        };
        Samples {
            ratios: case.band.map(|band| column(STEP_TIME, &|u| ratio(band, u))),
            unknowns: case.unknowns.iter().map(|u| column(&u.path, &|p| u.at(p))).collect(),
        }
    }

    fn at(&self, sample: u32) -> Draw {
        let i = sample as usize;
        Draw {
            step_ratio: self.ratios.as_ref().map_or(1.0, |r| r[i]),
            values: self.unknowns.iter().map(|column| column[i]).collect(),
        }
    }

    /// Every column, in the order of the inputs.
    fn columns(&self) -> Vec<&Vec<f64>> {
        self.ratios.iter().chain(&self.unknowns).collect()
    }
}

/// Step time over its prediction below which the share `u` of all cases lies, from a band that states
/// the tenth and ninetieth percentile: the two halves of two log-normal distributions that meet at 1,
/// so that the median is the prediction as it stands.
fn ratio((low, high): (f64, f64), u: f64) -> f64 {
    let z = standard(u) / NORMAL_90;
    if z < 0.0 { low.powf(-z) } else { high.powf(z) }
}

fn study(case: &Case<'_>, draws: &Samples, outcomes: &[Outcome], seed: u64) -> Result<Uncertain> {
    let inputs = inputs(case, draws);
    let ends = ends(case, &inputs)?;
    let columns: Vec<Vec<f64>> = draws.columns().into_iter().cloned().collect();
    let output = |metric: &Metric| -> Option<Output> {
        let value = |o: &Outcome| o.value(*metric);
        let list: Vec<f64> = outcomes.iter().map(value).collect::<Option<_>>()?;
        let ranked = ranks::regression(&columns, &list);
        let one = |input: usize| -> Option<Influence> {
            let (low, high) = &ends[input];
            Some(Influence {
                input,
                ends: [value(low)?, value(high)?],
                coefficient: ranked.as_ref().map(|r| r.values[input]),
            })
        };
        let mut influences: Vec<Influence> = (0..inputs.len()).map(one).collect::<Option<_>>()?;
        let swing = |i: &Influence| (i.ends[1] - i.ends[0]).abs();
        // Stable: of equals the first stays first.
        influences.sort_by(|a, b| swing(b).total_cmp(&swing(a)));
        Some(Output {
            metric: *metric,
            quantiles: quantiles(list),
            middle: [value(&case.middle())?],
            influences,
            explained_fraction: ranked.map(|r| r.explained_fraction),
        })
    };
    Ok(Uncertain {
        n_samples: u32::try_from(outcomes.len()).unwrap_or(u32::MAX),
        seed,
        outputs: Metric::ALL.par_iter().filter_map(output).collect(),
        chances: chances(outcomes),
        inputs,
    })
}

fn quantiles(list: Vec<f64>) -> Quantiles {
    let list = sorted(list);
    Quantiles {
        p10: quantile(&list, 0.1),
        p50: quantile(&list, 0.5),
        p90: quantile(&list, 0.9),
    }
}

fn inputs(case: &Case<'_>, draws: &Samples) -> Vec<Input> {
    let step = draws.ratios.iter().map(|list| Input {
        path: STEP_TIME.to_string(),
        shape: "band of errors",
        unit: String::new(),
        quantiles: quantiles(list.clone()),
        reused: Reused::Scaled,
    });
    let unknowns = case.unknowns.iter().zip(&draws.unknowns).map(|(u, list)| Input {
        path: u.path.clone(),
        shape: u.shape,
        unit: u.unit.clone(),
        quantiles: quantiles(list.clone()),
        reused: u.reused(),
    });
    step.chain(unknowns).collect()
}

/// The outcome with each input alone at its tenth and ninetieth percentile.
fn ends(case: &Case<'_>, inputs: &[Input]) -> Result<Vec<(Outcome, Outcome)>> {
    let banded = usize::from(case.band.is_some());
    let at = |input: usize, value: f64| {
        let mut draw = case.medians();
        match input.checked_sub(banded) {
            None => draw.step_ratio = value,
            Some(unknown) => draw.values[unknown] = value,
        }
        case.outcome(&draw)
    };
    let both = |(i, input): (usize, &Input)| Ok((at(i, input.quantiles.p10)?, at(i, input.quantiles.p90)?));
    inputs.par_iter().enumerate().map(both).collect()
}

fn chances(outcomes: &[Outcome]) -> Vec<Chance> {
    #[allow(clippy::cast_precision_loss)]
    let n = outcomes.len().max(1) as f64;
    let chance = |limit: &'static str, met: &dyn Fn(&Outcome) -> Option<bool>| -> Option<Chance> {
        let met: Vec<bool> = outcomes.iter().map(met).collect::<Option<_>>()?;
        #[allow(clippy::cast_precision_loss)]
        let met_fraction = met.iter().filter(|m| **m).count() as f64 / n;
        Some(Chance {
            limit,
            met_fraction,
            error_fraction: (met_fraction * (1.0 - met_fraction) / n).sqrt(),
        })
    };
    let each = case::LIMITS.iter().enumerate();
    let mut out: Vec<Chance> = each.filter_map(|(i, name)| chance(name, &|o| o.met[i])).collect();
    if out.len() > 1 {
        out.extend(chance("all", &|o| Some(o.met.iter().flatten().all(|m| *m))));
    }
    out
}

impl Uncertain {
    /// One of the outputs.
    #[must_use]
    pub fn output(&self, metric: Metric) -> Option<&Output> {
        self.outputs.iter().find(|o| o.metric == metric)
    }

    /// The ranges for the plan that was studied; nothing when an output is missing that every plan has.
    #[must_use]
    pub fn drawn(&self) -> Option<Drawn> {
        let of = |metric| self.output(metric).map(|o| o.quantiles);
        let names: Vec<&str> = self.inputs.iter().map(|i| i.path.as_str()).collect();
        let what = if names.is_empty() {
            "nothing that varies".to_string()
        } else {
            names.join(", ")
        };
        Some(Drawn {
            ranges: Ranges {
                step_time_s: of(Metric::Step)?,
                wall_s: of(Metric::Wall)?,
                cost_usd: of(Metric::Cost),
                energy_j: of(Metric::Energy)?,
                carbon_kg_co2e: of(Metric::Carbon)?,
            },
            note: format!(
                "{} samples (seed {}) of {what}; the layout and all else are held",
                self.n_samples, self.seed
            ),
        })
    }
}
