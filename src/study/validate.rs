//! Predictions against published runs.

use super::runs::{Row, assumed, scenario};
use super::software::{features, ran};
use crate::catalog::{Catalog, UsualRecompute};
use crate::kernel::Evidence;
use crate::layout::{Choice, Layout, MemoryBudget, Recompute, Space};
use crate::plan::Scenario;
use crate::search::{Options, search};
use crate::step::{Step, closed_parts, simulate, textbook_parts};
use crate::units::GIB_BYTES;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// One row with what we say of it.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// Id of the row.
    pub id: String,
    /// Source of the row.
    pub source: String,
    /// Accelerator of the row.
    pub accelerator: String,
    /// Stack that it was given.
    pub stack: &'static str,
    /// A rule knows the row's software; otherwise the stack is a guess.
    pub known_stack: bool,
    /// What the row says of its configuration that changes the stack, by name.
    pub features: Vec<&'static str>,
    /// What the row does not say and was filled in.
    pub assumed: Vec<String>,
    /// Why it was left out, if it was.
    pub skipped: Option<String>,
    /// Our tokens per second and device.
    pub predicted_tokens_per_s_per_device: Option<f64>,
    /// The same by the closed form that the search ranks by.
    pub closed_tokens_per_s_per_device: Option<f64>,
    /// The same by the usual formula for the bubble of equal stages.
    pub textbook_tokens_per_s_per_device: Option<f64>,
    /// In eight cases of ten the measurement is meant to lie between these, by the errors that the stack states.
    pub band_tokens_per_s_per_device: Option<(f64, f64)>,
    /// The source's.
    pub measured_tokens_per_s_per_device: Option<f64>,
    /// The layout that was simulated.
    pub layout: Option<Layout>,
    /// The memory model agrees that it fits.
    pub fits_memory: bool,
    /// Share of kernel time by how well it is known.
    pub evidence: BTreeMap<Evidence, f64>,
    /// Our peak of allocated bytes.
    pub peak_allocated_bytes: Option<f64>,
    /// The source's.
    pub measured_peak_allocated_bytes: Option<f64>,
}

impl Prediction {
    /// Predicted over measured throughput, less one.
    #[must_use]
    pub fn relative_error(&self) -> Option<f64> {
        Some(self.predicted_tokens_per_s_per_device? / self.measured_tokens_per_s_per_device? - 1.0)
    }

    /// Predicted over measured peak memory, less one.
    #[must_use]
    pub fn memory_error(&self) -> Option<f64> {
        Some(self.peak_allocated_bytes? / self.measured_peak_allocated_bytes? - 1.0)
    }
}

/// Predict every row, in order.
#[must_use]
pub fn predict(rows: &[Row], catalog: &Catalog) -> Vec<Prediction> {
    predict_telling(rows, catalog, &|| ())
}

/// The same, calling `done` after each row, from any thread.
#[must_use]
pub fn predict_telling(rows: &[Row], catalog: &Catalog, done: &(dyn Fn() + Sync)) -> Vec<Prediction> {
    let one = |row: &Row| {
        let prediction = predict_row(row, catalog);
        done();
        prediction
    };
    rows.par_iter().map(one).collect()
}

fn predict_row(row: &Row, catalog: &Catalog) -> Prediction {
    let ran = ran(row);
    let mut out = Prediction {
        id: row.id.clone(),
        source: row.text("source").unwrap_or("").to_string(),
        accelerator: row.text("accelerator").unwrap_or("").to_string(),
        stack: ran.stack,
        known_stack: ran.known,
        features: features(row, catalog),
        assumed: assumed(row),
        skipped: None,
        predicted_tokens_per_s_per_device: None,
        closed_tokens_per_s_per_device: None,
        textbook_tokens_per_s_per_device: None,
        band_tokens_per_s_per_device: None,
        measured_tokens_per_s_per_device: row.number("tokens_per_s_per_device"),
        layout: None,
        fits_memory: false,
        evidence: BTreeMap::new(),
        peak_allocated_bytes: None,
        measured_peak_allocated_bytes: row.number("peak_allocated_gib").map(|g| g * GIB_BYTES),
    };
    match resolve(row, catalog) {
        Err(reason) => out.skipped = Some(reason),
        Ok((scenario, layout, fits)) => {
            let (workload, machine) = (&scenario.workload, scenario.machine());
            let step = simulate(workload, &machine, &layout);
            let rate = |time_s: f64| Some(step.tokens_per_s_per_device() * step.time_s / time_s);
            out.closed_tokens_per_s_per_device = rate(closed_parts(workload, &machine, &layout).total_s());
            out.textbook_tokens_per_s_per_device = rate(textbook_parts(workload, &machine, &layout).total_s());
            out.fits_memory = fits;
            out.layout = Some(layout);
            out.evidence.clone_from(&step.evidence);
            out.predicted_tokens_per_s_per_device = Some(step.tokens_per_s_per_device());
            let stack = &scenario.stack;
            let band = stack.error_high_ratio.zip(stack.error_low_ratio);
            let predicted = step.tokens_per_s_per_device();
            out.band_tokens_per_s_per_device = band.map(|(high, low)| (predicted / high, predicted / low));
            out.peak_allocated_bytes = Some(peak_allocated(&step));
        }
    }
    out
}

/// The scenario of a row, the layout that is simulated, and whether our memory model lets it fit.
pub(super) fn resolve(row: &Row, catalog: &Catalog) -> Result<(Scenario, Layout, bool), String> {
    let scenario = scenario(row, catalog)?;
    let (layout, fits) = layout(&scenario)?;
    Ok((scenario, layout, fits))
}

fn peak_allocated(step: &Step) -> f64 {
    step.memory.iter().map(MemoryBudget::allocated_bytes).fold(0.0, f64::max)
}

/// Memory, as a multiple of the device's, that a row may need in our model and still have run: what
/// it leaves open is then chosen as for the least of these that suffices.
const ROOM: [f64; 6] = [1.0, 1.1, 1.25, 1.5, 2.0, f64::INFINITY];

/// Most memory, as a multiple of the device's, that a run may need in our model and still be taken to
/// compute again no more than its program usually does.
const USUAL_ROOM: f64 = 1.5;

/// What a row leaves open that its program has a habit for.
fn usual(scenario: &Scenario) -> Option<Scenario> {
    let recompute = match scenario.stack.usual_recompute {
        UsualRecompute::None => Recompute::None,
        UsualRecompute::Full => Recompute::Full,
        UsualRecompute::Open => return None,
    };
    let open = scenario.choice.recompute.is_none();
    open.then(|| Scenario {
        choice: Choice {
            recompute: Some(recompute),
            ..scenario.choice
        },
        ..scenario.clone()
    })
}

/// The layout of a row: with what its program usually computes again, if that fits nearly, or else the
/// best of all.
fn layout(scenario: &Scenario) -> Result<(Layout, bool), String> {
    let habit = usual(scenario).and_then(|s| fastest(&s, &ROOM.map(|r| r.min(USUAL_ROOM))).ok());
    habit.map_or_else(|| fastest(scenario, &ROOM), Ok)
}

/// The fastest layout that the row allows; one that ran although our memory model says it does
/// not fit is predicted all the same, and marked.
fn fastest(scenario: &Scenario, room: &[f64]) -> Result<(Layout, bool), String> {
    let options = Options {
        n_best: 1,
        ..Options::default()
    };
    let mut nearest = None;
    for &factor in room {
        let memory_bytes = (scenario.accelerator.memory_bytes * factor).min(f64::MAX);
        let found = search(&scenario.with_memory(memory_bytes), &options);
        // Without any limit the smallest of all, so that what is open is not chosen as if memory were free.
        let best = if factor.is_finite() {
            found.best.first()
        } else {
            found.pareto.last()
        };
        if let Some(best) = best {
            return Ok((best.layout, factor <= 1.0));
        }
        nearest = found.nearest;
    }
    let space = Space {
        workload: &scenario.workload,
        n_devices: scenario.n_devices(),
        domain: scenario.domain(),
        choice: scenario.choice,
        selective_pays: false,
    };
    Err(if space.outer().is_empty() {
        "its degrees do not divide its devices".to_string()
    } else {
        nearest.unwrap_or_else(|| "no legal layout".to_string())
    })
}

/// How good a set of predictions is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Summary {
    /// Rows with prediction and measurement.
    pub n: u64,
    /// Rows left out.
    pub n_skipped: u64,
    /// Rows predicted whose source states no throughput.
    pub n_unmeasured: u64,
    /// Rows that ran although our memory model says they do not fit.
    pub n_over_memory: u64,
    /// Median of the absolute relative error.
    pub median_ape: f64,
    /// Mean of it.
    pub mean_ape: f64,
    /// Its 90th percentile.
    pub p90_ape: f64,
    /// Median of the signed relative error.
    pub bias: f64,
    /// Rows with a band, and the share of them whose measurement lies in it.
    pub n_banded: u64,
    /// Share of those within their band.
    pub coverage_fraction: f64,
    /// Rows with predicted and measured memory.
    pub n_memory: u64,
    /// Median of the absolute relative error of peak memory.
    pub memory_median_ape: f64,
    /// Median of its signed relative error.
    pub memory_bias: f64,
}

/// Summarize.
#[must_use]
pub fn summary<'a>(predictions: impl IntoIterator<Item = &'a Prediction> + Clone) -> Summary {
    let all = || predictions.clone().into_iter();
    let count = |holds: &dyn Fn(&Prediction) -> bool| all().filter(|p| holds(p)).count() as u64;
    let (signed, absolute) = sorted(all().filter_map(Prediction::relative_error).collect());
    let (memory_signed, memory_absolute) = sorted(all().filter_map(Prediction::memory_error).collect());
    #[allow(clippy::cast_precision_loss)]
    let mean_ape = if absolute.is_empty() {
        0.0
    } else {
        absolute.iter().sum::<f64>() / absolute.len() as f64
    };
    let within = |p: &Prediction| {
        let measured = p.measured_tokens_per_s_per_device?;
        let (low, high) = p.band_tokens_per_s_per_device?;
        Some((low..=high).contains(&measured))
    };
    let n_banded = count(&|p| within(p).is_some());
    #[allow(clippy::cast_precision_loss)]
    let coverage_fraction = count(&|p| within(p) == Some(true)) as f64 / n_banded.max(1) as f64;
    Summary {
        n_banded,
        coverage_fraction,
        n: signed.len() as u64,
        n_skipped: count(&|p| p.skipped.is_some()),
        n_unmeasured: count(&|p| p.skipped.is_none() && p.relative_error().is_none()),
        n_over_memory: count(&|p| p.skipped.is_none() && !p.fits_memory),
        median_ape: quantile(&absolute, 0.5),
        mean_ape,
        p90_ape: quantile(&absolute, 0.9),
        bias: quantile(&signed, 0.5),
        n_memory: memory_signed.len() as u64,
        memory_median_ape: quantile(&memory_absolute, 0.5),
        memory_bias: quantile(&memory_signed, 0.5),
    }
}

/// Errors with their sign and without it, each in order.
fn sorted(mut signed: Vec<f64>) -> (Vec<f64>, Vec<f64>) {
    let mut absolute: Vec<f64> = signed.iter().map(|e| e.abs()).collect();
    signed.sort_by(f64::total_cmp);
    absolute.sort_by(f64::total_cmp);
    (signed, absolute)
}

/// What predictions are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Publication.
    Source,
    /// Device.
    Accelerator,
    /// Software.
    Stack,
}

impl By {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            By::Source => "source",
            By::Accelerator => "accelerator",
            By::Stack => "stack",
        }
    }

    /// The group of a prediction.
    #[must_use]
    pub fn of(self, prediction: &Prediction) -> &str {
        match self {
            By::Source => &prediction.source,
            By::Accelerator => &prediction.accelerator,
            By::Stack => prediction.stack,
        }
    }

    /// A summary per group, by name.
    #[must_use]
    pub fn summaries(self, predictions: &[Prediction]) -> BTreeMap<String, Summary> {
        let mut groups: BTreeMap<&str, Vec<&Prediction>> = BTreeMap::new();
        for prediction in predictions {
            groups.entry(self.of(prediction)).or_default().push(prediction);
        }
        let one = |(name, list): (&str, Vec<&Prediction>)| (name.to_string(), summary(list.iter().copied()));
        groups.into_iter().map(one).collect()
    }
}

/// Reasons why rows were left out, with counts, the most frequent first.
#[must_use]
pub fn skipped(predictions: &[Prediction]) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for reason in predictions.iter().filter_map(|p| p.skipped.as_deref()) {
        *counts.entry(reason).or_default() += 1;
    }
    let mut list: Vec<(String, u64)> = counts.into_iter().map(|(r, n)| (r.to_string(), n)).collect();
    list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    list
}

/// Linear interpolation between order statistics of a sorted list (Hyndman and Fan 1996, type 7).
pub(super) fn quantile(sorted: &[f64], q: f64) -> f64 {
    if sorted.is_empty() {
        return 0.0;
    }
    #[allow(clippy::cast_precision_loss)]
    let position = q * (sorted.len() - 1) as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let low = position.floor() as usize;
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (position - position.floor()) * (sorted[high] - sorted[low])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate() {
        let list = [1.0, 2.0, 3.0, 4.0];
        assert!((quantile(&list, 0.5) - 2.5).abs() < 1e-12);
        assert!((quantile(&list, 1.0) - 4.0).abs() < 1e-12);
        assert!(quantile(&[], 0.5).abs() < 1e-12);
    }
}
