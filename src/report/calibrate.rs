//! A fit of stacks: what it changed, what it left, and the stacks as a catalog file.

pub mod own;

use super::{Block, Cell, Column, Document, KeyValue, Kind, Table};
use crate::catalog::{Catalog, Stack};
use crate::study::cross::{Errors, LeftOut, errors, left_out};
use crate::study::fit::{Case, PARAMETERS, Shift, Shifts, Start, line, ln_error, shifted, total, unfitted};
use serde_json::{Value, json as object};
use std::fmt::Write;

/// A fit with what it was made on.
#[derive(Clone, Copy)]
pub struct Calibrated<'a> {
    /// Where the stacks are.
    pub catalog: &'a Catalog,
    /// The runs.
    pub cases: &'a [Case],
    /// What the fit found.
    pub shifts: &'a Shifts,
    /// Where it started.
    pub start: Start,
}

impl Calibrated<'_> {
    /// Errors with the parameters of the catalog, and with the fitted ones.
    fn errors(&self, stack: Option<&str>) -> [Errors; 2] {
        let of = |shift: &dyn Fn(&Case) -> Shift| {
            let chosen = self.cases.iter().filter(|c| stack.is_none_or(|s| c.line[0] == s));
            let list: Vec<LeftOut> = chosen
                .map(|c| left_out(c, c.scenario.class(true, true), ln_error(c, &shift(c))))
                .collect();
            errors(&list)
        };
        [of(&|_| Shift::default()), of(&|c| total(self.shifts, &c.line))]
    }

    /// Stacks of the runs and their ancestors, with their fitted parameters.
    fn stacks(&self) -> Vec<(String, Vec<String>, Stack)> {
        let mut out = Vec::new();
        for name in self.shifts.keys() {
            let line = line(name, self.catalog);
            if let Ok(mut stack) = self.catalog.get::<Stack>(name) {
                if self.start == Start::Unfitted {
                    stack = unfitted(&stack);
                }
                let fitted = shifted(&stack, &total(self.shifts, &line));
                out.push((name.clone(), line, fitted));
            }
        }
        out
    }
}

fn parameters(stack: &Stack) -> [f64; PARAMETERS.len()] {
    [
        stack.sustained_factor,
        stack.passes,
        stack.launch_s,
        stack.sink_factor,
        stack.attention_factor,
    ]
}

/// For people.
#[must_use]
pub fn document(fitted: &Calibrated<'_>) -> Document {
    let [before, after] = fitted.errors(None);
    let percent = |v: f64| Cell::quantity(v, Kind::Percent);
    let note = |e: f64| format!("{} before the fit", Kind::Percent.human(e));
    let answers = vec![
        KeyValue::new("Median error", percent(after.median_ape))
            .note(note(before.median_ape))
            .answer(),
        KeyValue::new("P90 error", percent(after.p90_ape)).note(note(before.p90_ape)),
        KeyValue::new("Mean of families", percent(after.family_mean_ape)).note(note(before.family_mean_ape)),
    ];
    let numbers = ["Rows", "Before", "After", "Sustained", "Passes", "Attention", "Sinks", "Launch"].map(Column::numbers);
    let columns = std::iter::once(Column::words("Stack")).chain(numbers).collect();
    let mut table = Table::new("Stacks", columns);
    for (name, _, stack) in fitted.stacks() {
        let [before, after] = fitted.errors(Some(&name));
        let [sustained, passes, launch_s, sinks, attention] = parameters(&stack);
        #[allow(clippy::cast_precision_loss)]
        let mut row = vec![Cell::Text(name), Cell::Count(after.n as f64)];
        let known = |v: f64| if after.n > 0 { percent(v) } else { Cell::Missing };
        row.extend([known(before.median_ape), known(after.median_ape)]);
        row.extend([sustained, passes, attention, sinks].map(|v| Cell::quantity(v, Kind::Plain(2))));
        row.push(Cell::quantity(launch_s, Kind::Duration));
        table.rows.push(row);
    }
    table
        .notes
        .push("In sample: the rows that were fitted. `exaplan validate --cross` tells the error on rows that were not.".to_string());
    Document {
        title: "Stacks fitted to measured runs".to_string(),
        subtitle: format!("{} runs", fitted.cases.len()),
        blocks: vec![Block::KeyValues(answers), Block::Table(table)],
        provenance: format!("exaplan {}, catalog {}", env!("CARGO_PKG_VERSION"), fitted.catalog.digest()),
    }
}

/// For programs.
#[must_use]
pub fn json(fitted: &Calibrated<'_>) -> Value {
    let stacks: Vec<Value> = fitted
        .stacks()
        .into_iter()
        .map(|(name, line, stack)| {
            let [before, after] = fitted.errors(Some(&name));
            let values: serde_json::Map<String, Value> = PARAMETERS
                .iter()
                .zip(parameters(&stack))
                .map(|(k, v)| ((*k).to_string(), object!(v)))
                .collect();
            object!({ "stack": name, "parent": line.get(1), "n": after.n, "parameters": values,
                "median_ape_before": before.median_ape, "median_ape_after": after.median_ape })
        })
        .collect();
    let [before, after] = fitted.errors(None);
    object!({
        "schema": "exaplan.calibrate/1",
        "n": after.n,
        "median_ape_before": before.median_ape,
        "median_ape_after": after.median_ape,
        "p90_ape_after": after.p90_ape,
        "stacks": stacks,
    })
}

/// The fitted stacks as a catalog file that lies over the one they were fitted from.
#[must_use]
pub fn overlay(fitted: &Calibrated<'_>) -> String {
    let mut out = String::from("format = 1\n");
    for (name, _, stack) in fitted.stacks() {
        let _ = writeln!(out, "\n[stack.{name}]\nextends = \"{name}\"");
        for (key, value) in PARAMETERS.iter().zip(parameters(&stack)) {
            let _ = writeln!(out, "{key} = {value:e}");
        }
        let _ = writeln!(out, "source = \"exaplan calibrate on {} runs\"", fitted.cases.len());
    }
    out
}
