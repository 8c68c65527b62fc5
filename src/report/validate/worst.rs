//! The rows that are met worst, each with what the prediction rests on and why it is likely off.

use super::super::{Block, Cell, Column, KeyValue, Kind, Span, Table};
use super::reasons::Others;
use super::{Validated, largest_parts, worst_rows};
use crate::report::plan::part_name;
use crate::study::validate::Prediction;

/// A table of them and a list of facts for each.
pub(super) fn blocks(shown: &Validated<'_>) -> Vec<Block> {
    let rows = worst_rows(shown);
    if rows.is_empty() {
        return Vec::new();
    }
    let others = Others::new(shown.predictions);
    let mut out = vec![Block::Heading("Largest errors".to_string()), Block::Table(table(&rows))];
    for p in rows {
        out.push(Block::Paragraph(title(p)));
        out.push(Block::KeyValues(facts(p, &others)));
    }
    out
}

fn table(rows: &[&Prediction]) -> Table {
    let rate = |name: &str| Column::numbers(name).unit("tokens/s");
    let columns = vec![
        Column::words("Row"),
        rate("Predicted"),
        rate("Measured"),
        Column::numbers("Error"),
        rate("P10"),
        rate("P90"),
    ];
    let mut table = Table::new("", columns);
    let rate = |value: Option<f64>| value.map_or(Cell::Missing, |v| Cell::quantity(v, Kind::Rate("tokens/s")));
    let row = |p: &&Prediction| {
        vec![
            Cell::Text(p.id.clone()),
            rate(p.predicted_tokens_per_s_per_device),
            rate(p.measured_tokens_per_s_per_device),
            p.relative_error().map_or(Cell::Missing, |e| Cell::quantity(e, Kind::Percent)),
            rate(p.band_tokens_per_s_per_device.map(|b| b.0)),
            rate(p.band_tokens_per_s_per_device.map(|b| b.1)),
        ]
    };
    table.rows = rows.iter().map(row).collect();
    table
        .notes
        .push("P10 to P90: where eight of ten runs of its class were meant to lie.".to_string());
    table
}

fn title(p: &Prediction) -> Vec<Span> {
    let error = p.relative_error().map_or(String::new(), |e| format!("{:+.0} %", 100.0 * e));
    let devices = p.n_devices.map_or(String::new(), |n| format!("{n} × "));
    let words = format!(": {error}, {} on {devices}{}, {}", p.model, p.accelerator, p.source);
    vec![Span::strong(p.id.clone()), Span::plain(words)]
}

/// What is known of a row; what is empty is not shown.
fn facts(p: &Prediction, others: &Others<'_>) -> Vec<KeyValue> {
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let parts = largest_parts(p).into_iter();
    let parts: Vec<String> = parts
        .map(|(name, share)| format!("{} {}", part_name(name), percent(share)))
        .collect();
    let evidence: Vec<String> = p
        .evidence
        .iter()
        .filter(|(_, share)| **share >= 0.005)
        .map(|(grade, share)| format!("{} {}", grade.name(), percent(*share)))
        .collect();
    let known = if p.known_stack { "by its software" } else { "a guess" };
    let fitted = if p.fitted { "one of the fitted runs" } else { "not fitted" };
    let memory = if p.fits_memory {
        "fits"
    } else {
        "does not fit by the memory model"
    };
    let reasons: Vec<String> = others.reasons(p).into_iter().map(|r| r.text).collect();
    let list = [
        ("Layout", p.layout.map_or(String::new(), |l| l.to_string())),
        ("Stack", format!("{}, {known}; {fitted}", p.stack)),
        ("Features", p.features.join(", ")),
        ("Assumed", p.assumed.join(", ")),
        ("Largest parts", parts.join(", ")),
        ("Evidence", evidence.join(", ")),
        ("Memory", memory.to_string()),
        ("Utilization", utilization(p)),
        (
            "Likely",
            if reasons.is_empty() {
                "nothing of the row tells".to_string()
            } else {
                reasons.join("; ")
            },
        ),
    ];
    let shown = list.into_iter().filter(|(_, text)| !text.is_empty());
    // As a note, so that a terminal wraps it.
    shown
        .map(|(key, text)| KeyValue::new(key, Cell::Text(String::new())).note(text))
        .collect()
}

/// Measured and predicted utilization by the convention of the plan and that of most papers.
fn utilization(p: &Prediction) -> String {
    let at = |rate: Option<f64>| {
        let [(_, causal), (_, full), _, (_, hardware)] = p.flop?.utilization(rate?);
        Some([causal, full, hardware].map(|v| format!("{:.1} %", 100.0 * v)).join(" / "))
    };
    match (at(p.predicted_tokens_per_s_per_device), at(p.measured_tokens_per_s_per_device)) {
        (Some(predicted), Some(measured)) => {
            format!("predicted {predicted}, measured {measured} (MFU causal / MFU full attention / HFU)")
        }
        _ => String::new(),
    }
}
