//! Predictions beside measurements: for people as a document and a picture, for spreadsheets as rows,
//! for programs as `exaplan.validate/1`.

mod json;
pub mod reasons;
mod worst;

pub use json::json;

use super::svg::{Dot, Scatter};
use super::{Block, Cell, Chart, Column, Document, KeyValue, Kind, Table, Warning};
use crate::study::spread::{Spread, of_pipelines};
use crate::study::validate::{By, Prediction, Summary, skipped, summary};
use std::collections::BTreeMap;

/// What a validation is shown with.
#[derive(Debug, Clone, Copy)]
pub struct Validated<'a> {
    /// What was predicted.
    pub predictions: &'a [Prediction],
    /// Where the rows come from, for the title.
    pub origin: &'a str,
    /// Groups of the table.
    pub by: By,
    /// Rows shown with the largest errors.
    pub n_worst: usize,
    /// Ratios of predicted to measured between which eight of ten runs of any class lie.
    pub band: Option<(f64, f64)>,
    /// Program, catalog and files in one line.
    pub provenance: &'a str,
}

/// Reasons shown to people.
const N_REASONS: usize = 12;
/// Parts of a step shown for a row.
const N_PARTS: usize = 3;
/// Groups of the picture that have a color of their own.
const N_COLORS: usize = 7;

/// The rows with the largest errors.
fn worst_rows<'a>(shown: &Validated<'a>) -> Vec<&'a Prediction> {
    let mut list: Vec<(&Prediction, f64)> = shown
        .predictions
        .iter()
        .filter_map(|p| Some((p, p.relative_error()?.ln_1p().abs())))
        .collect();
    list.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.id.cmp(&b.0.id)));
    list.into_iter().take(shown.n_worst).map(|(p, _)| p).collect()
}

/// The parts that most of a predicted step goes to, with their share.
fn largest_parts(p: &Prediction) -> Vec<(&'static str, f64)> {
    let Some(parts) = p.parts else { return Vec::new() };
    let whole = parts.total_s();
    let mut list: Vec<(&str, f64)> = parts.list().into_iter().map(|(name, s)| (name, s / whole)).collect();
    // What rounds to nothing is no part worth a name.
    list.retain(|(_, share)| *share >= 0.005);
    list.sort_by(|a, b| b.1.total_cmp(&a.1));
    list.truncate(N_PARTS);
    list
}

/// The validation for people: how good, for whom, and where it is worst and why.
#[must_use]
pub fn document(shown: &Validated<'_>) -> Document {
    let (steps, rest): (Vec<&Prediction>, Vec<&Prediction>) = shown.predictions.iter().partition(|p| p.is_step());
    let steps = summary(steps.iter().copied());
    let rest = summary(rest.iter().copied());
    let mut blocks = vec![Block::KeyValues(answers(shown, &steps, &rest))];
    if let Some(chart) = scatter(shown) {
        blocks.push(Block::Chart(Chart::Scatter(chart)));
    }
    blocks.push(Block::Table(groups(shown)));
    let spreads = of_pipelines(shown.predictions);
    if !spreads.is_empty() {
        blocks.push(Block::Table(spread(&spreads)));
    }
    let reasons = skipped(shown.predictions);
    if !reasons.is_empty() {
        blocks.push(Block::Table(left_out(&reasons)));
    }
    let n_over_memory = steps.n_over_memory + rest.n_over_memory;
    if n_over_memory > 0 {
        let message = format!("{n_over_memory} rows ran although the memory model says that they do not fit");
        let help = "they are predicted all the same; `fits_memory` of --json marks them".to_string();
        blocks.push(Block::Warnings(vec![Warning { message, help: Some(help) }]));
    }
    blocks.extend(worst::blocks(shown));
    Document {
        title: "Predictions against measurements".to_string(),
        subtitle: format!("{} rows of {}", shown.predictions.len(), shown.origin),
        blocks,
        provenance: shown.provenance.to_string(),
    }
}

/// Every compared row as a point, by architecture of its device; nothing when nothing was compared.
#[must_use]
pub fn scatter(shown: &Validated<'_>) -> Option<Scatter> {
    let mut groups: BTreeMap<&str, Vec<Dot>> = BTreeMap::new();
    for p in shown.predictions {
        let (Some(x), Some(y)) = (p.measured_tokens_per_s_per_device, p.predicted_tokens_per_s_per_device) else {
            continue;
        };
        let label = format!("{}: predicted {}, measured {}", p.id, human(y), human(x));
        groups.entry(&p.architecture).or_default().push(Dot { x, y, label });
    }
    let mut list: Vec<(String, Vec<Dot>)> = groups.into_iter().map(|(name, dots)| (name.to_string(), dots)).collect();
    list.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));
    if list.len() > N_COLORS + 1 {
        let others = list.split_off(N_COLORS).into_iter().flat_map(|(_, dots)| dots).collect();
        list.push(("others".to_string(), others));
    }
    (!list.is_empty()).then(|| Scatter {
        title: "Predicted over measured throughput".to_string(),
        kind: Kind::Rate("tokens/s"),
        x: "measured per device".to_string(),
        y: "predicted per device".to_string(),
        groups: list,
        band: shown.band,
    })
}

fn human(rate: f64) -> String {
    Kind::Rate("tokens/s").human(rate)
}

/// Every row with its prediction, for spreadsheets.
#[must_use]
pub fn rows(shown: &Validated<'_>) -> Table {
    let words = [
        "id",
        "source",
        "kind",
        "model",
        "accelerator",
        "precision",
        "stack",
        "known stack",
        "fitted",
        "class",
    ];
    let numbers = [
        "devices",
        "predicted",
        "p10",
        "p90",
        "measured",
        "error",
        "peak memory",
        "measured peak memory",
    ];
    let more = ["layout", "fits memory", "features", "assumed", "likely reasons", "left out"];
    let columns = words
        .map(Column::words)
        .into_iter()
        .chain(numbers.map(Column::numbers))
        .chain(more.map(Column::words));
    let mut table = Table::new("", columns.collect());
    let others = reasons::Others::new(shown.predictions);
    table.rows = shown.predictions.iter().map(|p| row(p, &others)).collect();
    table
}

fn row(p: &Prediction, others: &reasons::Others<'_>) -> Vec<Cell> {
    let text = |t: &str| if t.is_empty() { Cell::Missing } else { Cell::from(t) };
    let flag = |b: bool| Cell::from(if b { "yes" } else { "no" });
    let of = |value: Option<f64>, kind: Kind| value.map_or(Cell::Missing, |v| Cell::quantity(v, kind));
    let rate = |value: Option<f64>| of(value, Kind::Rate("tokens/s"));
    let class = p.class.map_or(String::new(), crate::catalog::Class::name);
    let why: Vec<String> = others.reasons(p).into_iter().map(|r| r.text).collect();
    vec![
        text(&p.id),
        text(&p.source),
        text(&p.kind),
        text(&p.model),
        text(&p.accelerator),
        text(&p.precision),
        text(p.stack),
        flag(p.known_stack),
        flag(p.fitted),
        text(&class),
        p.n_devices.map_or(Cell::Missing, |n| Cell::Count(f64::from(n))),
        rate(p.predicted_tokens_per_s_per_device),
        rate(p.band_tokens_per_s_per_device.map(|b| b.0)),
        rate(p.band_tokens_per_s_per_device.map(|b| b.1)),
        rate(p.measured_tokens_per_s_per_device),
        of(p.relative_error(), Kind::Percent),
        of(p.peak_allocated_bytes, Kind::Bytes),
        of(p.measured_peak_allocated_bytes, Kind::Bytes),
        text(&p.layout.map_or(String::new(), |l| l.to_string())),
        if p.skipped.is_none() { flag(p.fits_memory) } else { Cell::Missing },
        text(&p.features.join(", ")),
        text(&p.assumed.join(", ")),
        text(&why.join("; ")),
        text(p.skipped.as_deref().unwrap_or("")),
    ]
}

/// Scatter of the rows with a pipeline, by how the pipeline is timed.
fn spread(list: &[Spread]) -> Table {
    let numbers = ["Rows", "Engine", "Closed form", "Textbook"].map(Column::numbers);
    let columns = std::iter::once(Column::words("Source")).chain(numbers).collect();
    let mut table = Table::new("Scatter within a source of rows with a pipeline", columns);
    table.rows = list
        .iter()
        .map(|s| {
            let shares = [s.engine_fraction, s.closed_fraction, s.textbook_fraction];
            let name = s.source.clone().unwrap_or_else(|| "all".to_string());
            [Cell::Text(name), count(s.n_rows as u64)]
                .into_iter()
                .chain(shares.map(|v| Cell::quantity(v, Kind::Percent)))
                .collect()
        })
        .collect();
    table.notes.push(
        "Robust standard deviation of ln(predicted / measured) about the median of the source. Textbook: equal stages and a bubble of (p − 1)/(v·m)."
            .to_string(),
    );
    table
}

#[allow(clippy::cast_precision_loss)]
fn count(n: u64) -> Cell {
    Cell::Count(n as f64)
}

fn percent(n: u64, value: f64) -> Cell {
    if n > 0 {
        Cell::quantity(value, Kind::Percent)
    } else {
        Cell::Missing
    }
}

fn answers(shown: &Validated<'_>, steps: &Summary, rest: &Summary) -> Vec<KeyValue> {
    let mut left = Vec::new();
    if steps.n_skipped > 0 {
        left.push(format!("{} left out", steps.n_skipped));
    }
    if steps.n_unmeasured > 0 {
        left.push(format!("{} predicted whose source states no throughput", steps.n_unmeasured));
    }
    let mut out = vec![
        KeyValue::new("Steps compared", count(steps.n)).note(left.join(", ")),
        KeyValue::new("Median error", percent(steps.n, steps.median_ape))
            .note(in_sample(shown))
            .answer(),
        KeyValue::new("P90 error", percent(steps.n, steps.p90_ape)).note("nine of ten steps are nearer"),
        KeyValue::new("Bias", percent(steps.n, steps.bias)).note("median with sign; above zero we promise too much"),
        KeyValue::new("In their band", percent(steps.n_banded, steps.coverage_fraction))
            .note("of P10 to P90, meant to hold 80 % of runs that were not fitted"),
    ];
    if rest.n > 0 {
        let text = format!(
            "median of {} runs from end to end, with start-up and evaluations; P90 {}, bias {}",
            rest.n,
            Kind::Percent.human(rest.p90_ape),
            Kind::Percent.human(rest.bias)
        );
        out.push(KeyValue::new("End to end", percent(rest.n, rest.median_ape)).note(text));
    }
    if steps.n_memory > 0 {
        let note = format!("median of {} measured peaks, without sign", steps.n_memory);
        out.push(KeyValue::new("Memory error", percent(steps.n_memory, steps.memory_median_ape)).note(note));
    }
    out
}

/// What the median error is of, and how the steps that were not fitted fare.
fn in_sample(shown: &Validated<'_>) -> String {
    const OF: &str = "of tokens/s per device, without sign";
    let steps = || shown.predictions.iter().filter(|p| p.is_step());
    let of = |fitted: bool| {
        let list: Vec<&Prediction> = steps().filter(|p| p.fitted == fitted).collect();
        summary(list.iter().copied())
    };
    let (fitted, new) = (of(true), of(false));
    match (fitted.n, new.n) {
        (0, _) => format!("{OF}; none of them was fitted"),
        (_, 0) => format!("{OF}; in sample: all were fitted, --cross tells the error of what was not"),
        (n, m) => format!(
            "{OF}; {} of {n} that were fitted, {} of {m} that were not",
            Kind::Percent.human(fitted.median_ape),
            Kind::Percent.human(new.median_ape)
        ),
    }
}

fn groups(shown: &Validated<'_>) -> Table {
    let summaries: BTreeMap<String, Summary> = shown.by.summaries(shown.predictions);
    let memory = summaries.values().any(|s| s.n_memory > 0);
    let numbers = ["Rows", "Left out", "Median error", "P90", "Bias", "In band"].map(Column::numbers);
    let mut columns: Vec<Column> = std::iter::once(Column::words(shown.by.name())).chain(numbers).collect();
    if memory {
        columns.push(Column::numbers("Memory error"));
    }
    let mut table = Table::new(format!("By {}", shown.by.name()), columns);
    table.rows = summaries
        .iter()
        .map(|(name, s)| {
            let name = if name.is_empty() { "not stated" } else { name };
            let mut row = vec![Cell::Text(name.to_string()), count(s.n), count(s.n_skipped)];
            row.extend([s.median_ape, s.p90_ape, s.bias].map(|v| percent(s.n, v)));
            row.push(percent(s.n_banded, s.coverage_fraction));
            if memory {
                row.push(percent(s.n_memory, s.memory_median_ape));
            }
            row
        })
        .collect();
    if shown.by != By::Kind {
        table.notes.push("Steps; runs from end to end are apart: --by kind.".to_string());
    }
    table
}

fn left_out(reasons: &[(String, u64)]) -> Table {
    let mut table = Table::new("Left out", vec![Column::words("Reason"), Column::numbers("Rows")]);
    table.rows = reasons
        .iter()
        .take(N_REASONS)
        .map(|(reason, n)| vec![Cell::Text(reason.clone()), count(*n)])
        .collect();
    if reasons.len() > N_REASONS {
        table.notes.push(format!("and {} more reasons: --json", reasons.len() - N_REASONS));
    }
    table
}
