//! Left-out errors: what to expect on runs that nobody fitted.

use super::{Block, Cell, Column, Document, KeyValue, Kind, Table};
use crate::study::cross::{Errors, LeftOut, band, errors};
use serde_json::{Value, json as object};
use std::collections::BTreeMap;

/// A name for people and the predictions that it stands for.
type Group<'a> = (String, Vec<&'a LeftOut>);

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
    let blocks = vec![
        Block::KeyValues(answers),
        Block::Table(table("Whether other families ran the same stack", &known(list))),
        Block::Table(table("By stack", &by(list, |p| &p.stack))),
        Block::Table(table("By family of sources", &by(list, |p| &p.family))),
    ];
    Document {
        title: "Predictions of runs that were left out of the fit".to_string(),
        subtitle: format!("{} runs of {origin}", list.len()),
        blocks,
        provenance: provenance.to_string(),
    }
}

fn known(list: &[LeftOut]) -> Vec<Group<'_>> {
    let of = |known: bool| list.iter().filter(|p| p.known == known).collect();
    vec![("known".to_string(), of(true)), ("unknown".to_string(), of(false))]
}

fn by<'a>(list: &'a [LeftOut], key: impl Fn(&'a LeftOut) -> &'a str) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<&str, Vec<&LeftOut>> = BTreeMap::new();
    for p in list {
        groups.entry(key(p)).or_default().push(p);
    }
    groups.into_iter().map(|(name, list)| (name.to_string(), list)).collect()
}

fn table(title: &str, groups: &[Group<'_>]) -> Table {
    let numbers = ["Rows", "Median error", "P90", "Bias", "Low", "High"].map(Column::numbers);
    let columns = std::iter::once(Column::words("")).chain(numbers).collect();
    let mut table = Table::new(title, columns);
    for (name, list) in groups.iter().filter(|(_, list)| !list.is_empty()) {
        let e = errors(list.iter().copied());
        let (low, high) = band(list.iter().copied()).unwrap_or_default();
        #[allow(clippy::cast_precision_loss)]
        let mut row = vec![Cell::Text(name.clone()), Cell::Count(e.n as f64)];
        row.extend([e.median_ape, e.p90_ape, e.bias, low.exp() - 1.0, high.exp() - 1.0].map(|v| Cell::quantity(v, Kind::Percent)));
        table.rows.push(row);
    }
    table
        .notes
        .push("Low and high: tenth and ninetieth percentile of the error with sign.".to_string());
    table
}

/// For programs.
#[must_use]
pub fn json(list: &[LeftOut], ids: &dyn Fn(usize) -> String, provenance: &str) -> Value {
    let rows: Vec<Value> = list
        .iter()
        .map(|p| {
            object!({ "id": ids(p.row), "family": p.family, "stack": p.stack, "known": p.known,
                "relative_error": p.ln_error.exp() - 1.0 })
        })
        .collect();
    let groups = |groups: Vec<Group<'_>>| -> Value {
        let one = |(name, list): Group<'_>| (name, summary(&errors(list)));
        Value::Object(groups.into_iter().filter(|g| !g.1.is_empty()).map(one).collect())
    };
    object!({
        "schema": "exaplan.cross/1",
        "summary": summary(&errors(list)),
        "known_stack": groups(known(list)),
        "by": { "stack": groups(by(list, |p| &p.stack)), "family": groups(by(list, |p| &p.family)) },
        "rows": rows,
        "provenance": provenance,
    })
}

fn summary(e: &Errors) -> Value {
    object!({
        "n": e.n,
        "median_ape": e.median_ape,
        "p90_ape": e.p90_ape,
        "family_mean_ape": e.family_mean_ape,
        "bias": e.bias,
        "coverage_80": e.coverage_fraction,
    })
}
