//! JSON: unrounded SI numbers under keys with units.

use super::svg::{Bars, Dot, Heat, Lines, Scatter, Tracks};
use super::{Block, Cell, Chart, Document, KeyValue, Span, Table, Warning, cell};
use serde_json::{Map, Value, json};

/// `document` as one object.
#[must_use]
pub fn document(document: &Document) -> Value {
    json!({
        "schema": "exaplan.report/1",
        "title": document.title,
        "subtitle": document.subtitle,
        "blocks": document.blocks.iter().map(block).collect::<Vec<_>>(),
        "provenance": document.provenance,
    })
}

/// `table` as an object; each row is an object under the keys of the columns.
#[must_use]
pub fn table(table: &Table) -> Value {
    let keys = table.keys();
    let row = |row| {
        keys.iter()
            .enumerate()
            .map(|(column, key)| (key.clone(), value(table.cell(row, column))))
            .collect::<Map<_, _>>()
    };
    let columns: Vec<Value> = table
        .columns
        .iter()
        .zip(&keys)
        .map(|(c, key)| json!({ "key": key, "name": c.name }))
        .collect();
    json!({
        "title": table.title,
        "columns": columns,
        "rows": (0..table.rows.len()).map(row).collect::<Vec<_>>(),
        "notes": table.notes,
    })
}

/// `cell` as text, number or null.
#[must_use]
pub fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Text(text) => Value::from(text.as_str()),
        Cell::Count(_) => cell.raw().map_or(Value::Null, whole),
        Cell::Quantity { .. } | Cell::Missing => cell.raw().map_or(Value::Null, number),
    }
}

/// A finite number, else null.
fn number(value: f64) -> Value {
    Value::from(value)
}

/// A count without decimal point where it has no fraction and is exact.
fn whole(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[allow(clippy::cast_possible_truncation)]
    if value.fract() == 0.0 && value.abs() < EXACT {
        Value::from(value as i64)
    } else {
        number(value)
    }
}

fn block(block: &Block) -> Value {
    match block {
        Block::Heading(text) => json!({ "heading": text }),
        Block::Paragraph(spans) => json!({ "paragraph": spans.iter().map(span).collect::<String>() }),
        Block::KeyValues(list) => json!({ "key_values": list.iter().map(key_value).collect::<Vec<_>>() }),
        Block::Table(t) => json!({ "table": table(t) }),
        Block::Chart(Chart::Bars(chart)) => json!({ "bars": bars(chart) }),
        Block::Chart(Chart::Lines(chart)) => json!({ "lines": lines(chart) }),
        Block::Chart(Chart::Tracks(chart)) => json!({ "tracks": tracks(chart) }),
        Block::Chart(Chart::Scatter(chart)) => json!({ "scatter": scatter(chart) }),
        Block::Chart(Chart::Heat(chart)) => json!({ "heat": heat(chart) }),
        Block::Warnings(list) => json!({ "warnings": list.iter().map(warning).collect::<Vec<_>>() }),
    }
}

fn span(span: &Span) -> &str {
    &span.text
}

fn key_value(item: &KeyValue) -> Value {
    let suffix = item.value.kind().map(super::Kind::suffix).unwrap_or_default();
    json!({ "key": cell::key(&item.key, &suffix), "name": item.key, "value": value(&item.value), "note": item.note, "answer": item.answer })
}

fn warning(warning: &Warning) -> Value {
    json!({ "message": warning.message, "help": warning.help })
}

fn bars(chart: &Bars) -> Value {
    let bars: Vec<Value> = chart
        .bars
        .iter()
        .map(|bar| json!({ "label": bar.label, "values": bar.values }))
        .collect();
    json!({ "title": chart.title, "unit": chart.kind.suffix(), "parts": chart.parts, "bars": bars })
}

fn lines(chart: &Lines) -> Value {
    let series: Vec<Value> = chart
        .series
        .iter()
        .map(|(name, points)| json!({ "name": name, "points": points }))
        .collect();
    let axis = |axis: &super::svg::Axis| json!({ "label": axis.label, "unit": axis.kind.suffix(), "log": axis.log });
    json!({ "title": chart.title, "x": axis(&chart.x), "y": axis(&chart.y), "series": series })
}

fn scatter(chart: &Scatter) -> Value {
    let dot = |d: &Dot| json!({ "label": d.label, "x": d.x, "y": d.y });
    let group = |(name, dots): &(String, Vec<Dot>)| json!({ "name": name, "points": dots.iter().map(dot).collect::<Vec<_>>() });
    json!({
        "title": chart.title,
        "unit": chart.kind.suffix(),
        "x": chart.x,
        "y": chart.y,
        "band": chart.band,
        "groups": chart.groups.iter().map(group).collect::<Vec<_>>(),
    })
}

/// Row by row; null where there is no value.
fn heat(chart: &Heat) -> Value {
    let values: Vec<&[f64]> = (0..chart.rows.len()).map(|row| chart.row(row)).collect();
    json!({
        "title": chart.title,
        "unit": chart.kind.suffix(),
        "x": chart.x,
        "y": chart.y,
        "columns": chart.columns,
        "rows": chart.rows,
        "values": values,
    })
}

/// Seconds of each work in each row.
fn tracks(chart: &Tracks) -> Value {
    let row =
        |(label, marks)| json!({ "label": label, "values": chart.used().map(|(i, _)| Tracks::seconds(marks, i)).collect::<Vec<_>>() });
    json!({
        "title": chart.title,
        "unit": "s",
        "end_s": chart.end_s,
        "works": chart.used().map(|(_, work)| work.name).collect::<Vec<_>>(),
        "rows": chart.tracks().map(row).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn numbers_are_unrounded_and_never_nan() {
        let value = table(&sample::layouts());
        assert_eq!(value["rows"][0]["step_time_s"], 6.412_345);
        assert_eq!(value["rows"][0]["devices"].to_string(), "1024");
        assert!(value["rows"][2]["step_time_s"].is_null());
        assert_eq!(value["rows"][2]["layout"], sample::HOSTILE);
        assert!(table(&Table::new("", Vec::new()))["rows"].as_array().unwrap().is_empty());
    }

    #[test]
    fn a_document_is_one_object() {
        let text = document(&sample::document()).to_string();
        assert!(text.contains("\"schema\":\"exaplan.report/1\""));
        assert!(!text.contains("NaN") && !text.contains('\x1b'));
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap()["blocks"][0]["key_values"][0]["key"],
            "time_to_train_s"
        );
    }
}
