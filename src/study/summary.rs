//! How good a set of predictions is, in all and by group.

use super::statistics::{quantile, sorted as in_order};
use super::validate::Prediction;
use std::collections::BTreeMap;

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
    let n_banded = count(&|p| p.inside_band().is_some());
    #[allow(clippy::cast_precision_loss)]
    let coverage_fraction = count(&|p| p.inside_band() == Some(true)) as f64 / n_banded.max(1) as f64;
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
fn sorted(signed: Vec<f64>) -> (Vec<f64>, Vec<f64>) {
    let absolute = signed.iter().map(|e| e.abs()).collect();
    (in_order(signed), in_order(absolute))
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
    /// Number format.
    Precision,
    /// Kind of measurement.
    Kind,
}

impl By {
    /// All of them.
    pub const ALL: [By; 5] = [By::Source, By::Accelerator, By::Stack, By::Precision, By::Kind];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            By::Source => "source",
            By::Accelerator => "accelerator",
            By::Stack => "stack",
            By::Precision => "precision",
            By::Kind => "kind",
        }
    }

    /// The group of a prediction.
    #[must_use]
    pub fn of(self, prediction: &Prediction) -> &str {
        match self {
            By::Source => &prediction.source,
            By::Accelerator => &prediction.accelerator,
            By::Stack => prediction.stack,
            By::Precision => &prediction.precision,
            By::Kind => &prediction.kind,
        }
    }

    /// A summary per group, by name. Steps alone, but by kind: a measurement with start-up and
    /// evaluations in it is another quantity.
    #[must_use]
    pub fn summaries(self, predictions: &[Prediction]) -> BTreeMap<String, Summary> {
        let mut groups: BTreeMap<&str, Vec<&Prediction>> = BTreeMap::new();
        for prediction in predictions.iter().filter(|p| self == By::Kind || p.is_step()) {
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
