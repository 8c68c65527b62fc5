//! Left-out errors: what to expect on runs that nobody fitted, and how well the bands hold them.

use super::{Block, Cell, Column, Document, KeyValue, Kind, Table};
use crate::study::bands::{ClassBand, table as bands};
use crate::study::cross::{Errors, LeftOut, errors};
use serde_json::{Value, json as object};
use std::collections::BTreeMap;

/// A name for people and the predictions that it stands for.
type Group<'a> = (String, Vec<&'a LeftOut>);

/// What predictions are grouped by: key of JSON, title, group of a prediction.
type Way = (&'static str, &'static str, fn(&LeftOut) -> String);

const WAYS: [Way; 5] = [
    ("known_stack", "Whether other families ran the same stack", |p| {
        if p.class.known_stack { "known" } else { "unknown" }.to_string()
    }),
    ("class", "By class of runs", |p| p.class.name()),
    ("accelerator", "By accelerator", |p| p.accelerator.clone()),
    ("stack", "By stack", |p| p.stack.clone()),
    ("family", "By family of sources", |p| p.family.clone()),
];

/// For people.
#[must_use]
pub fn document(list: &[LeftOut], origin: &str, provenance: &str) -> Document {
    let all = errors(list);
    let percent = |v: f64| Cell::quantity(v, Kind::Percent);
    let answers = vec![
        KeyValue::new("Median error", percent(all.median_ape))
            .note(format!(
                "of tokens/s per device over {} runs, each left out with its family of sources",
                all.n
            ))
            .answer(),
        KeyValue::new("P90 error", percent(all.p90_ape)),
        KeyValue::new("Mean of families", percent(all.family_mean_ape)).note("mean over families of their median errors"),
        KeyValue::new("Bias", percent(all.bias)).note("median with sign; above zero we promise too much"),
        KeyValue::new("Coverage", percent(all.coverage_fraction)).note("of bands that are meant to hold 80 %"),
    ];
    let tables = WAYS.iter().map(|(_, title, of)| Block::Table(table(title, &by(list, *of))));
    Document {
        title: "Predictions of runs that were left out of the fit".to_string(),
        subtitle: format!("{} runs of {origin}", list.len()),
        blocks: std::iter::once(Block::KeyValues(answers))
            .chain(tables)
            .chain([Block::Table(band_table(&bands(list)))])
            .collect(),
        provenance: provenance.to_string(),
    }
}

fn by(list: &[LeftOut], key: fn(&LeftOut) -> String) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<String, Vec<&LeftOut>> = BTreeMap::new();
    for p in list {
        groups.entry(key(p)).or_default().push(p);
    }
    groups.into_iter().collect()
}

#[allow(clippy::cast_precision_loss)]
fn count(n: usize) -> Cell {
    Cell::Count(n as f64)
}

fn table(title: &str, groups: &[Group<'_>]) -> Table {
    let numbers = ["Rows", "Families", "Median error", "P90", "Bias", "In band", "Width"].map(Column::numbers);
    let columns = std::iter::once(Column::words("")).chain(numbers).collect();
    let mut table = Table::new(title, columns);
    for (name, list) in groups {
        let e = errors(list.iter().copied());
        let mut row = vec![Cell::Text(name.clone()), count(e.n), count(e.n_families)];
        row.extend([e.median_ape, e.p90_ape, e.bias].map(|v| Cell::quantity(v, Kind::Percent)));
        if e.n_banded > 0 {
            row.push(Cell::quantity(e.coverage_fraction, Kind::Percent));
            row.push(Cell::quantity(e.width_ln.exp(), Kind::Plain(2)));
        }
        table.rows.push(row);
    }
    table.notes.push(
        "In band: measured within the band that the other families give, 80 % are meant to. Width: upper over lower end of the band."
            .to_string(),
    );
    table
}

fn band_table(list: &[ClassBand]) -> Table {
    let numbers = ["Rows", "Families", "Low", "High"].map(Column::numbers);
    let columns = std::iter::once(Column::words("Class")).chain(numbers).collect();
    let mut table = Table::new("Bands from all of them", columns);
    for band in list {
        let (low, high) = band.ln_error;
        let mut row = vec![Cell::Text(band.class.clone()), count(band.n_runs), count(band.n_families)];
        row.extend([low, high].map(|v| Cell::quantity(v.exp_m1(), Kind::Percent)));
        table.rows.push(row);
    }
    table.notes.push(
        "Predicted over measured throughput less one, eight runs of ten. `exaplan calibrate --bands FILE` writes them for the catalog."
            .to_string(),
    );
    table
}

/// Every left-out run, for spreadsheets.
#[must_use]
pub fn rows(list: &[LeftOut], ids: &dyn Fn(usize) -> String) -> Table {
    let words = ["id", "family", "stack", "accelerator", "class"].map(Column::words);
    let columns = words.into_iter().chain(["error", "low", "high"].map(Column::numbers)).collect();
    let mut table = Table::new("", columns);
    let ratio = |ln: f64| Cell::quantity(ln.exp_m1(), Kind::Percent);
    let row = |p: &LeftOut| {
        let words = [ids(p.row), p.family.clone(), p.stack.clone(), p.accelerator.clone(), p.class.name()];
        let band = p
            .band
            .map_or([Cell::Missing, Cell::Missing], |(low, high)| [ratio(low), ratio(high)]);
        words.map(Cell::Text).into_iter().chain([ratio(p.ln_error)]).chain(band).collect()
    };
    table.rows = list.iter().map(row).collect();
    table
}

/// For programs.
#[must_use]
pub fn json(list: &[LeftOut], ids: &dyn Fn(usize) -> String, provenance: &str) -> Value {
    let rows: Vec<Value> = list
        .iter()
        .map(|p| {
            object!({ "id": ids(p.row), "family": p.family, "stack": p.stack, "known": p.class.known_stack,
                "accelerator": p.accelerator, "class": p.class.name(), "relative_error": p.ln_error.exp() - 1.0,
                "band": p.band.map(|(low, high)| [low.exp_m1(), high.exp_m1()]), "inside_band": p.inside() })
        })
        .collect();
    let groups = |of: fn(&LeftOut) -> String| -> Value {
        let one = |(name, list): Group<'_>| (name, summary(&errors(list)));
        Value::Object(by(list, of).into_iter().map(one).collect())
    };
    let ways: serde_json::Map<String, Value> = WAYS.iter().map(|(key, _, of)| ((*key).to_string(), groups(*of))).collect();
    let bands: Vec<Value> = bands(list)
        .iter()
        .map(|b| {
            object!({ "class": b.class, "low_ratio": b.ln_error.0.exp(), "high_ratio": b.ln_error.1.exp(),
                "n_families": b.n_families, "n_runs": b.n_runs })
        })
        .collect();
    object!({
        "schema": "exaplan.cross/1",
        "summary": summary(&errors(list)),
        "known_stack": ways.get("known_stack"),
        "by": ways,
        "bands": bands,
        "rows": rows,
        "provenance": provenance,
    })
}

fn summary(e: &Errors) -> Value {
    object!({
        "n": e.n,
        "n_families": e.n_families,
        "median_ape": e.median_ape,
        "p90_ape": e.p90_ape,
        "family_mean_ape": e.family_mean_ape,
        "bias": e.bias,
        "coverage_80": e.coverage_fraction,
        "band_width_ratio": e.width_ln.exp(),
    })
}
