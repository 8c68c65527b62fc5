//! Whole runs: predicted and reported device-hours.

use super::{Block, Cell, Column, Document, KeyValue, Kind, Span, Table};
use crate::study::jobs::JobPrediction;
use crate::study::whole::{Covers, WholePrediction, summary};
use crate::units::HOUR_S;
use serde_json::{Value, json as object};

/// For people.
#[must_use]
pub fn document(list: &[WholePrediction], jobs: &[JobPrediction], provenance: &str) -> Document {
    let mut blocks = Vec::new();
    if let Some(s) = summary(list) {
        let percent = |v: f64| Cell::quantity(v, Kind::Percent);
        blocks.push(Block::KeyValues(vec![
            KeyValue::new("Median error", percent(s.median_ape))
                .note(format!("of device-hours over {} runs with reported hours and exact tokens", s.n))
                .answer(),
            KeyValue::new("P90 error", percent(s.p90_ape)),
            KeyValue::new("Bias", percent(s.bias)).note("median with sign; above zero we promise more hours than it took"),
        ]));
    }
    blocks.push(Block::Table(table(list)));
    blocks.push(Block::Table(reasons(list)));
    blocks.push(Block::Table(failures(jobs)));
    blocks.push(Block::Paragraph(vec![Span::plain(
        "Nothing is tuned on a run. Steps of the same model and device may be among those that the stacks were fitted to jointly; the JSON says how many.",
    )]));
    Document {
        title: "Whole runs: device-hours".to_string(),
        subtitle: format!("{} published runs", list.len()),
        blocks,
        provenance: provenance.to_string(),
    }
}

/// The rows of the CSV.
#[must_use]
pub fn table(list: &[WholePrediction]) -> Table {
    let words = |name| Column::words(name);
    let columns = vec![
        words("Run"),
        words("Counted"),
        Column::numbers("Reported h"),
        Column::numbers("Predicted h"),
        Column::numbers("Error"),
        Column::numbers("Goodput"),
        Column::numbers("MFU"),
        Column::numbers("Implied"),
    ];
    let mut table = Table::new("Device-hours", columns);
    let percent = |v: f64| Cell::quantity(v, Kind::Percent);
    for p in list {
        let mut row = vec![
            Cell::Text(p.run.name.clone()),
            if p.run.counts() { "yes" } else { "no" }.into(),
            Cell::Count((p.run.device_s / HOUR_S).round()),
        ];
        match &p.outcome {
            Some(o) => row.extend([
                Cell::Count((o.device_s / HOUR_S).round()),
                percent(p.relative_error().unwrap_or(0.0)),
                percent(o.goodput),
                percent(o.mfu),
                percent(o.implied_mfu),
            ]),
            None => row.extend(std::iter::repeat_n(Cell::Missing, 5)),
        }
        table.rows.push(row);
    }
    table
        .notes
        .push("Implied is the MFU that the reported hours come to, at our goodput where they hold lost time.".to_string());
    table
}

/// What was chosen, and what that leaves to say about the error.
fn reasons(list: &[WholePrediction]) -> Table {
    let columns = vec![
        Column::words("Run"),
        Column::words("Chosen"),
        Column::words("Layout"),
        Column::words("Why it differs"),
    ];
    let mut table = Table::new("What was chosen, and why predictions differ", columns);
    table.rows = list
        .iter()
        .map(|p| {
            vec![
                Cell::Text(p.run.name.clone()),
                Cell::Text(chosen(p)),
                Cell::Text(p.outcome.map_or_else(String::new, |o| o.layout.to_string())),
                Cell::Text(why(p)),
            ]
        })
        .collect();
    table
}

fn chosen(p: &WholePrediction) -> String {
    let list = p.run.chosen.iter().map(|(k, v)| format!("{k} {v}"));
    let said: Vec<String> = list.chain(p.assumed.iter().cloned()).collect();
    if said.is_empty() { "nothing".to_string() } else { said.join(", ") }
}

/// The error in words: of the step, or of what is lost between steps.
fn why(p: &WholePrediction) -> String {
    let Some(o) = &p.outcome else {
        return p.skipped.clone().unwrap_or_default();
    };
    let percent = |v: f64| Kind::Percent.human(v);
    let lost = match p.run.covers {
        Covers::Steps => "hours hold steps only".to_string(),
        Covers::Wall => format!("at our goodput of {}", percent(o.goodput)),
    };
    format!(
        "reported hours are {} MFU ({lost}), we say {}. {}",
        percent(o.implied_mfu),
        percent(o.mfu),
        p.run.note
    )
}

/// For programs: schema `exaplan.whole-runs/1`.
#[must_use]
pub fn json(list: &[WholePrediction], jobs: &[JobPrediction], provenance: &str) -> Value {
    let row = |p: &WholePrediction| {
        object!({
            "name": p.run.name,
            "model": p.model,
            "accelerator": p.accelerator,
            "stack": p.stack,
            "tokens": p.run.total_tokens,
            "exact_tokens": p.run.exact_tokens,
            "hours_kind": p.run.hours_kind,
            "covers": p.run.covers.name(),
            "counted": p.run.counts(),
            "reported_device_s": p.run.device_s,
            "predicted_device_s": p.outcome.map(|o| o.device_s),
            "relative_error": p.relative_error(),
            "n_devices": p.outcome.map(|o| o.n_devices),
            "layout": p.outcome.map(|o| super::plan::json::layout(&o.layout)),
            "goodput": p.outcome.map(|o| o.goodput),
            "mfu": p.outcome.map(|o| o.mfu),
            "implied_mfu": p.outcome.map(|o| o.implied_mfu),
            "expected_failures": p.outcome.map(|o| o.expected_failures),
            "chosen": p.run.chosen.iter().map(|(k, v)| (k.clone(), object!(v))).collect::<serde_json::Map<_, _>>(),
            "assumed": p.assumed,
            "n_fitted_steps": p.n_fitted_steps,
            "why": why(p),
            "skipped": p.skipped,
            "source": p.run.source,
        })
    };
    object!({
        "schema": "exaplan.whole-runs/1",
        "rows": list.iter().map(row).collect::<Vec<_>>(),
        "summary": summary(list).map(|s| object!({
            "n": s.n,
            "median_ape": s.median_ape,
            "p90_ape": s.p90_ape,
            "bias": s.bias,
        })),
        "jobs": jobs.iter().map(job).collect::<Vec<_>>(),
        "provenance": provenance,
    })
}

fn job(p: &JobPrediction) -> Value {
    object!({
        "name": p.job.name,
        "n_nodes": p.job.n_nodes,
        "window_s": p.job.window_s,
        "reported_failures": p.job.n_failures,
        "failures_kind": p.job.failures_kind,
        "predicted_failures": p.n_failures,
        "failures_ratio": p.failures_ratio(),
        "job_mtbf_s": p.job_mtbf_s,
        "goodput": p.goodput,
        "reported_goodput_low": p.job.goodput_low,
        "in_sample": p.job.in_sample,
        "source": p.job.source,
    })
}

/// Failures of published jobs.
fn failures(jobs: &[JobPrediction]) -> Table {
    let columns = vec![
        Column::words("Job"),
        Column::numbers("Nodes"),
        Column::numbers("Reported"),
        Column::words(""),
        Column::numbers("Predicted"),
        Column::numbers("MTBF"),
        Column::numbers("Goodput"),
        Column::numbers("Stated"),
    ];
    let mut table = Table::new("Failures of published jobs", columns);
    table.rows = jobs
        .iter()
        .map(|p| {
            vec![
                Cell::Text(format!("{}{}", p.job.name, if p.job.in_sample { " *" } else { "" })),
                Cell::Count(p.job.n_nodes),
                Cell::Count(p.job.n_failures.round()),
                Cell::Text(p.job.failures_kind.clone()),
                Cell::Count(p.n_failures.round()),
                Cell::quantity(p.job_mtbf_s, Kind::Duration),
                Cell::quantity(p.goodput, Kind::Percent),
                p.job.goodput_low.map_or(Cell::Missing, |g| Cell::quantity(g, Kind::Percent)),
            ]
        })
        .collect();
    table
        .notes
        .push("* In sample: the job's rate is one of the points behind the default rates. Stated goodput is a lower bound.".to_string());
    table
}
