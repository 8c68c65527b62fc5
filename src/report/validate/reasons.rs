//! Why a prediction is likely off: rules over what is known of a row, the same for every row.
//!
//! None of them changes a prediction. They look at the error, so that a reason which would explain the
//! opposite error is not given.

use crate::kernel::Evidence;
use crate::report::plan::part_name;
use crate::study::statistics::{quantile, sorted};
use crate::study::validate::Prediction;
use std::collections::BTreeMap;

/// A likely reason of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Name for programs.
    pub code: &'static str,
    /// For people.
    pub text: String,
}

/// Rows of one configuration that differ by more than this were not measured alike: repeated
/// configurations of the collection differ by 5 % in the median.
const REPEATS_DIFFER_FRACTION: f64 = 0.15;
/// A source whose other rows show this share of an error explains it.
const ALIKE_SHARE: f64 = 0.6;
/// Other rows of a source below this number show nothing.
const LEAST_OTHERS: usize = 3;
/// Kernel time by data sheet that counts.
const SHEET_FRACTION: f64 = 0.25;
/// A part of the step that counts, beside math and recomputation.
const PART_FRACTION: f64 = 0.2;
/// Utilizations, of any convention, outside which a measurement is strange.
const USUAL_UTILIZATION: [f64; 2] = [0.05, 0.75];

/// Errors of all rows, to hold one against the others.
#[derive(Debug, Default)]
pub struct Others<'a> {
    sources: BTreeMap<&'a str, Vec<(&'a str, f64)>>,
    configurations: BTreeMap<&'a str, Vec<f64>>,
}

impl<'a> Others<'a> {
    /// Of these predictions.
    #[must_use]
    pub fn new(predictions: &'a [Prediction]) -> Others<'a> {
        let mut out = Others::default();
        for p in predictions {
            if let Some(error) = p.relative_error() {
                out.sources.entry(&p.source).or_default().push((&p.id, error.ln_1p()));
            }
            if let Some(measured) = p.measured_tokens_per_s_per_device.filter(|_| p.skipped.is_none()) {
                out.configurations.entry(&p.configuration).or_default().push(measured);
            }
        }
        out
    }

    /// Likely reasons of the error of a row, the most telling first; none without an error.
    #[must_use]
    pub fn reasons(&self, p: &Prediction) -> Vec<Reason> {
        let Some(error) = p.relative_error() else { return Vec::new() };
        let ln_error = error.ln_1p();
        let rules = [
            end_to_end(p, ln_error),
            strange_rate(p),
            self.repeats_differ(p),
            self.source_alike(p, ln_error),
            guessed_stack(p),
            new_to_the_fit(p),
            by_data_sheet(p),
            over_memory(p),
            searched(p, ln_error),
            assumed_batch(p),
            exposed_part(p, ln_error),
        ];
        rules.into_iter().flatten().collect()
    }

    /// The same configuration was measured at rates far apart: no one prediction meets them all.
    fn repeats_differ(&self, p: &Prediction) -> Option<Reason> {
        let list = self.configurations.get(p.configuration.as_str())?;
        let low = list.iter().copied().fold(f64::INFINITY, f64::min);
        let high = list.iter().copied().fold(0.0, f64::max);
        let spread = high / low - 1.0;
        let text = || {
            let apart = match spread {
                s if s < 1.0 => percent(s),
                s => format!("a factor of {:.1}", s + 1.0),
            };
            format!(
                "{} rows of this configuration were measured up to {apart} apart: something that no column states differs",
                list.len()
            )
        };
        (list.len() > 1 && spread > REPEATS_DIFFER_FRACTION).then(|| reason("repeats-differ", text()))
    }

    /// The other rows of its source are off alike.
    fn source_alike(&self, p: &Prediction, ln_error: f64) -> Option<Reason> {
        let all = self.sources.get(p.source.as_str())?;
        let others: Vec<f64> = all.iter().filter(|(id, _)| *id != p.id).map(|(_, e)| *e).collect();
        let n = others.len();
        let middle = quantile(&sorted(others), 0.5);
        let alike = n >= LEAST_OTHERS && middle * ln_error > 0.0 && middle.abs() >= ALIKE_SHARE * ln_error.abs();
        let text = || {
            format!(
                "the {n} other rows of its source are off alike, {} in the median: a factor of that machine or release, or of what the source counts",
                signed(middle.exp_m1())
            )
        };
        alike.then(|| reason("source-alike", text()))
    }
}

fn reason(code: &'static str, text: impl Into<String>) -> Reason {
    Reason { code, text: text.into() }
}

fn percent(fraction: f64) -> String {
    format!("{:.0} %", 100.0 * fraction)
}

fn signed(fraction: f64) -> String {
    format!("{:+.0} %", 100.0 * fraction)
}

fn end_to_end(p: &Prediction, ln_error: f64) -> Option<Reason> {
    let text = "measured from end to end: start-up, evaluations and checkpoints are in the measurement and not in a step";
    (!p.is_step() && ln_error > 0.0).then(|| reason("end-to-end", text))
}

/// What was measured is more than any device of its kind reaches, or hardly anything.
fn strange_rate(p: &Prediction) -> Option<Reason> {
    let measured = p.measured_tokens_per_s_per_device?;
    let (_, share) = p.flop?.utilization(measured)[0];
    let [low, high] = USUAL_UTILIZATION;
    let text = || {
        format!(
            "the measurement is an MFU of {}, causal: the source may count other tokens, devices or a peak of another format",
            percent(share)
        )
    };
    (!(low..=high).contains(&share)).then(|| reason("strange-rate", text()))
}

fn guessed_stack(p: &Prediction) -> Option<Reason> {
    let text = || format!("its software is not known and taken for {}", p.stack);
    (!p.known_stack).then(|| reason("guessed-stack", text()))
}

fn new_to_the_fit(p: &Prediction) -> Option<Reason> {
    let unseen = p.known_stack && p.class.is_some_and(|c| !c.known_stack);
    let text = || {
        format!(
            "no run of {} itself was fitted: it has what the stacks around it have in common",
            p.stack
        )
    };
    unseen.then(|| reason("stack-not-fitted", text()))
}

fn by_data_sheet(p: &Prediction) -> Option<Reason> {
    let share = p.evidence.get(&Evidence::Datasheet).copied().unwrap_or(0.0);
    let text = || {
        format!(
            "{} of its kernel time is by data sheet: no kernel of this device was measured for it",
            percent(share)
        )
    };
    (share > SHEET_FRACTION).then(|| reason("data-sheet", text()))
}

fn over_memory(p: &Prediction) -> Option<Reason> {
    let text = "by the memory model it does not fit as stated: something that saves memory, and costs time, is not told";
    (!p.fits_memory).then(|| reason("over-memory", text))
}

/// What nobody states is the best that fits; a run may have used worse.
fn searched(p: &Prediction, ln_error: f64) -> Option<Reason> {
    let open: Vec<&str> = p.assumed.iter().filter_map(|a| a.strip_suffix(" searched")).collect();
    let text = || {
        format!(
            "{} not stated: the fastest that fits was taken, the run may have used another",
            open.join(", ")
        )
    };
    (!open.is_empty() && ln_error > 0.0).then(|| reason("searched-layout", text()))
}

fn assumed_batch(p: &Prediction) -> Option<Reason> {
    let batch = p.assumed.iter().find(|a| a.starts_with("global batch"))?;
    Some(reason(
        "assumed-batch",
        format!("the source states no batch: {batch} sequences assumed"),
    ))
}

/// A large part that is not math: hidden in the run if we are too slow, and larger if we are too fast.
fn exposed_part(p: &Prediction, ln_error: f64) -> Option<Reason> {
    let parts = p.parts?;
    let whole = parts.total_s();
    let beside = |name: &&(&str, f64)| !["math_s", "recompute_s"].contains(&name.0);
    let list = parts.list();
    let (name, seconds) = list.iter().filter(beside).max_by(|a, b| a.1.total_cmp(&b.1))?;
    let share = seconds / whole;
    let text = || {
        let what = if ln_error < 0.0 {
            "the run may hide more of it, or its network be faster"
        } else {
            "and it may take longer than modeled"
        };
        format!("{} of the predicted step is {}: {what}", percent(share), part_name(name))
    };
    (share > PART_FRACTION).then(|| reason("exposed-part", text()))
}
