//! Predictions beside measurements: for people as a document, for programs as `exaplan.validate/1`.

use super::{Block, Cell, Column, Document, KeyValue, Kind, Table, Warning};
use crate::study::spread::{Spread, of_pipelines};
use crate::study::validate::{By, Prediction, Summary, skipped, summary};
use serde_json::{Map, Value, json};
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
    /// Program, catalog and files in one line.
    pub provenance: &'a str,
}

/// Reasons shown to people.
const N_REASONS: usize = 12;

/// `validate --json`.
#[must_use]
pub fn json(shown: &Validated<'_>) -> Value {
    let group = |by: By| {
        let all = by.summaries(shown.predictions);
        Value::Object(all.iter().map(|(name, s)| (name.clone(), summary_json(s))).collect())
    };
    json!({
        "schema": "exaplan.validate/1",
        "rows": shown.predictions.iter().map(row_json).collect::<Vec<_>>(),
        "summary": summary_json(&summary(shown.predictions)),
        "by": {
            "source": group(By::Source),
            "accelerator": group(By::Accelerator),
            "stack": group(By::Stack),
        },
        "pipeline_spread": of_pipelines(shown.predictions).iter().map(spread_json).collect::<Vec<_>>(),
        "provenance": shown.provenance,
    })
}

fn spread_json(s: &Spread) -> Value {
    json!({
        "source": s.source,
        "n": s.n_rows,
        "engine": s.engine_fraction,
        "closed_form": s.closed_fraction,
        "textbook": s.textbook_fraction,
    })
}

fn row_json(p: &Prediction) -> Value {
    let evidence: Map<_, _> = p
        .evidence
        .iter()
        .map(|(grade, share)| (grade.name().to_string(), json!(share)))
        .collect();
    let predicted = p.skipped.is_none();
    json!({
        "id": p.id,
        "predicted_tokens_per_s_per_device": p.predicted_tokens_per_s_per_device,
        "closed_form_tokens_per_s_per_device": p.closed_tokens_per_s_per_device,
        "measured_tokens_per_s_per_device": p.measured_tokens_per_s_per_device,
        "relative_error": p.relative_error(),
        "p10": p.band_tokens_per_s_per_device.map(|(low, _)| low),
        "p90": p.band_tokens_per_s_per_device.map(|(_, high)| high),
        "fits_memory": predicted.then_some(p.fits_memory),
        "stack": p.stack,
        "known_stack": p.known_stack,
        "features": p.features,
        "assumed": p.assumed,
        "evidence": predicted.then_some(evidence),
        "skipped": p.skipped,
        "source": p.source,
        "accelerator": p.accelerator,
        "layout": p.layout.as_ref().map(super::plan::json::layout),
        "peak_allocated_bytes": p.peak_allocated_bytes,
        "measured_peak_allocated_bytes": p.measured_peak_allocated_bytes,
        "memory_relative_error": p.memory_error(),
    })
}

/// Quantities of no rows are absent, not 0.
fn summary_json(s: &Summary) -> Value {
    let of = |n: u64, value: f64| (n > 0).then_some(value);
    json!({
        "n": s.n,
        "n_skipped": s.n_skipped,
        "n_unmeasured": s.n_unmeasured,
        "n_over_memory": s.n_over_memory,
        "median_ape": of(s.n, s.median_ape),
        "mean_ape": of(s.n, s.mean_ape),
        "p90_ape": of(s.n, s.p90_ape),
        "bias": of(s.n, s.bias),
        "coverage_80": of(s.n_banded, s.coverage_fraction),
        "n_memory": s.n_memory,
        "memory_median_ape": of(s.n_memory, s.memory_median_ape),
        "memory_bias": of(s.n_memory, s.memory_bias),
    })
}

/// The validation for people: how good, for whom, and where it is worst.
#[must_use]
pub fn document(shown: &Validated<'_>) -> Document {
    let all = summary(shown.predictions);
    let mut blocks = vec![Block::KeyValues(answers(&all))];
    blocks.push(Block::Table(groups(shown)));
    if all.n > 0 && shown.n_worst > 0 {
        blocks.push(Block::Table(worst(shown)));
    }
    let spreads = of_pipelines(shown.predictions);
    if !spreads.is_empty() {
        blocks.push(Block::Table(spread(&spreads)));
    }
    let reasons = skipped(shown.predictions);
    if !reasons.is_empty() {
        blocks.push(Block::Table(left_out(&reasons)));
    }
    if all.n_over_memory > 0 {
        let message = format!("{} rows ran although the memory model says that they do not fit", all.n_over_memory);
        let help = "they are predicted all the same; `fits_memory` of --json marks them".to_string();
        blocks.push(Block::Warnings(vec![Warning { message, help: Some(help) }]));
    }
    Document {
        title: "Predictions against measurements".to_string(),
        subtitle: format!("{} rows of {}", shown.predictions.len(), shown.origin),
        blocks,
        provenance: shown.provenance.to_string(),
    }
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

fn answers(all: &Summary) -> Vec<KeyValue> {
    let mut left = Vec::new();
    if all.n_skipped > 0 {
        left.push(format!("{} left out", all.n_skipped));
    }
    if all.n_unmeasured > 0 {
        left.push(format!("{} predicted whose source states no throughput", all.n_unmeasured));
    }
    let mut out = vec![
        KeyValue::new("Compared", count(all.n)).note(left.join(", ")),
        KeyValue::new("Median error", percent(all.n, all.median_ape))
            .note("of tokens/s per device, without sign")
            .answer(),
        KeyValue::new("P90 error", percent(all.n, all.p90_ape)).note("nine of ten rows are nearer"),
        KeyValue::new("Bias", percent(all.n, all.bias)).note("median with sign; above zero we promise too much"),
    ];
    if all.n_memory > 0 {
        let note = format!("median of {} measured peaks, without sign", all.n_memory);
        out.push(KeyValue::new("Memory error", percent(all.n_memory, all.memory_median_ape)).note(note));
    }
    out
}

fn groups(shown: &Validated<'_>) -> Table {
    let summaries: BTreeMap<String, Summary> = shown.by.summaries(shown.predictions);
    let memory = summaries.values().any(|s| s.n_memory > 0);
    let mut columns = vec![
        Column::words(shown.by.name()),
        Column::numbers("Rows"),
        Column::numbers("Left out"),
        Column::numbers("Median error"),
        Column::numbers("P90"),
        Column::numbers("Bias"),
    ];
    if memory {
        columns.push(Column::numbers("Memory error"));
    }
    let mut table = Table::new(format!("By {}", shown.by.name()), columns);
    table.rows = summaries
        .iter()
        .map(|(name, s)| {
            let name = if name.is_empty() { "not stated" } else { name };
            let mut row = vec![
                Cell::Text(name.to_string()),
                count(s.n),
                count(s.n_skipped),
                percent(s.n, s.median_ape),
                percent(s.n, s.p90_ape),
                percent(s.n, s.bias),
            ];
            if memory {
                row.push(percent(s.n_memory, s.memory_median_ape));
            }
            row
        })
        .collect();
    table
}

fn worst(shown: &Validated<'_>) -> Table {
    let columns = vec![
        Column::words("Row"),
        Column::numbers("Predicted").unit("tokens/s"),
        Column::numbers("Measured").unit("tokens/s"),
        Column::numbers("Error"),
    ];
    let mut list: Vec<(&Prediction, f64)> = shown.predictions.iter().filter_map(|p| Some((p, p.relative_error()?))).collect();
    list.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then_with(|| a.0.id.cmp(&b.0.id)));
    let mut table = Table::new("Largest errors", columns);
    let rate = |value: Option<f64>| value.map_or(Cell::Missing, |v| Cell::quantity(v, Kind::Rate("tokens/s")));
    table.rows = list
        .into_iter()
        .take(shown.n_worst)
        .map(|(p, error)| {
            vec![
                Cell::Text(p.id.clone()),
                rate(p.predicted_tokens_per_s_per_device),
                rate(p.measured_tokens_per_s_per_device),
                Cell::quantity(error, Kind::Percent),
            ]
        })
        .collect();
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
