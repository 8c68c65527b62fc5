//! Refits against publications.

use super::super::{Block, Cell, Column, Document, KeyValue, Kind, Table};
use super::number;
use crate::scale::verify::Verified;
use serde_json::{Value, json};

/// For people.
#[must_use]
pub fn document(done: &Verified) -> Document {
    #[allow(clippy::cast_precision_loss)]
    let count = |n: usize| Cell::Count(n as f64);
    let mut summary = vec![
        KeyValue::new("Checks", count(done.checks.len())).answer(),
        KeyValue::new("Missed", count(done.missed().count())).answer(),
    ];
    if !done.absent.is_empty() {
        summary.push(KeyValue::new("Not there", "".into()).note(done.absent.join(", ")));
    }
    let mut table = Table::new(
        "Refitted against published",
        vec![
            Column::words("Study"),
            Column::words("Number"),
            Column::numbers("Here"),
            Column::numbers("Published"),
            Column::numbers("Difference"),
            Column::numbers("Allowed"),
            Column::words("Held"),
        ],
    );
    for check in &done.checks {
        let percent = |v: f64| Cell::quantity(v, Kind::Percent);
        let value = |v: f64| {
            if v.abs() < 0.1 || v.abs() > 1e6 {
                Cell::Text(format!("{v:.6e}"))
            } else {
                number(v)
            }
        };
        table.rows.push(vec![
            check.study.into(),
            Cell::Text(check.label.clone()),
            value(check.got),
            value(check.want),
            percent((check.got / check.want - 1.0).abs()),
            percent(check.tolerance_fraction),
            if check.holds() { "yes" } else { "no" }.into(),
        ]);
    }
    table.notes.push(
        "Objectives and a few regression values were first obtained by another program; all others were printed or stored by the authors."
            .to_string(),
    );
    super::document(
        "Published scaling laws, refitted",
        vec![Block::KeyValues(summary), Block::Table(table)],
        None,
    )
}

/// For programs.
#[must_use]
pub fn json(done: &Verified) -> Value {
    let checks = done.checks.iter().map(|c| {
        json!({
            "study": c.study, "label": c.label, "got": c.got, "want": c.want,
            "tolerance_fraction": c.tolerance_fraction, "own": c.own, "holds": c.holds(),
        })
    });
    json!({
        "schema": "exaplan.scale-verify/1",
        "n": done.checks.len(),
        "n_missed": done.missed().count(),
        "absent": done.absent,
        "checks": checks.collect::<Vec<_>>(),
    })
}
