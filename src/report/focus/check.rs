//! A strict check of an estimate in FOCUS: every row for itself, then the rows against each other.
//!
//! The public validator passes a rule when any row keeps it; here every row must. Rules are those of the
//! specification (1.2 and 1.4) and those of an estimate, which no specification has: future periods, no
//! invoice, one percentile in a file, no gap between months.

mod file;
mod row;

use super::columns::{Column, OWN, Version, columns};
use super::rows::Totals;
use crate::catalog::sha256;
use crate::error::{Diagnostic, Error, Result};
use crate::report::{Block, Cell, Column as Shown, Document, KeyValue, Kind, Table};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Something wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Line of the file; 1 is the header.
    pub line: u64,
    /// The column; empty where it is the whole row or file.
    pub column: String,
    /// The rule by a short name.
    pub rule: &'static str,
    /// What is wrong, with the value.
    pub message: String,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// By the columns.
    pub version: Version,
    /// Rows below the header.
    pub n_rows: u64,
    /// Sums of the numbers that could be read.
    pub totals: Totals,
    /// What is wrong, in the order of the lines.
    pub findings: Vec<Finding>,
}

/// A row as it was read.
struct Record<'a> {
    line: u64,
    cells: BTreeMap<&'a str, &'a str>,
}

impl Record<'_> {
    /// The text of a column; empty where there is none.
    fn get(&self, column: &str) -> &str {
        self.cells.get(column).copied().unwrap_or("")
    }

    fn number(&self, column: &str) -> Option<f64> {
        row::number(self.get(column))
    }

    fn finding(&self, column: &str, rule: &'static str, message: String) -> Finding {
        Finding {
            line: self.line,
            column: column.to_string(),
            rule,
            message,
        }
    }
}

/// Check a file, and what its manifest says of it where there is one.
///
/// # Errors
/// When it is no CSV at all.
pub fn check(text: &str, manifest: Option<&str>) -> Result<Checked> {
    let mut reader = ::csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| unread(&e))?.clone();
    let names: Vec<&str> = header.iter().collect();
    let version = if names.contains(&"ServiceProviderName") {
        Version::V1_4
    } else {
        Version::V1_2
    };
    let mut findings = header_findings(&names, version);
    let mut raw = Vec::new();
    for record in reader.records() {
        raw.push(record.map_err(|e| unread(&e))?);
    }
    let mut records = Vec::new();
    for record in &raw {
        let line = record.position().map_or(0, ::csv::Position::line);
        if record.len() != names.len() {
            let message = format!("{} values under {} columns", record.len(), names.len());
            findings.push(finding(line, "", "row-length", message));
        }
        records.push(Record {
            line,
            cells: names.iter().copied().zip(record.iter()).collect(),
        });
    }
    if records.is_empty() {
        findings.push(finding(1, "", "no-rows", "there are no rows".to_string()));
    }
    let here: Vec<&Column> = columns(version).filter(|c| names.contains(&c.name)).collect();
    for record in &records {
        row::check(record, &here, &mut findings);
    }
    let totals = file::check(&records, &mut findings);
    if let Some(manifest) = manifest {
        beside(manifest, text, &records, &totals, &mut findings);
    }
    findings.sort_by(|a, b| (a.line, &a.column, a.rule).cmp(&(b.line, &b.column, b.rule)));
    Ok(Checked {
        version,
        n_rows: records.len() as u64,
        totals,
        findings,
    })
}

fn finding(line: u64, column: &str, rule: &'static str, message: String) -> Finding {
    Finding {
        line,
        column: column.to_string(),
        rule,
        message,
    }
}

fn unread(error: &::csv::Error) -> Error {
    Diagnostic::new(format!("this is no CSV file: {error}"))
        .help("give a file that `exaplan report --format focus` wrote, or one like it")
        .into()
}

/// Columns that are missing, unknown, there twice, or ours before those of FOCUS.
fn header_findings(names: &[&str], version: Version) -> Vec<Finding> {
    let mut out = Vec::new();
    let known: Vec<&str> = columns(version).map(|c| c.name).collect();
    for name in &known {
        if !names.contains(name) {
            let message = format!("there is no column `{name}`");
            out.push(finding(1, name, "missing-column", message));
        }
    }
    let mut own = false;
    for (i, name) in names.iter().enumerate() {
        if names[..i].contains(name) {
            out.push(finding(1, name, "column-twice", format!("`{name}` is there twice")));
        }
        if name.starts_with("x_") {
            own = true;
        } else if own {
            let message = format!("`{name}` stands after a column of our own");
            out.push(finding(1, name, "column-order", message));
        }
        if !known.contains(name) && !name.starts_with("x_") {
            let message = format!("FOCUS {} has no column `{name}`; one of your own begins with `x_`", version.name());
            out.push(finding(1, name, "unknown-column", message));
        }
    }
    out
}

/// The manifest against the file that it describes.
fn beside(manifest: &str, text: &str, records: &[Record<'_>], totals: &Totals, findings: &mut Vec<Finding>) {
    let mut say = |what: &str, message: String| findings.push(finding(0, what, "manifest", message));
    let Ok(told) = serde_json::from_str::<Value>(manifest) else {
        say("", "the manifest is no JSON".to_string());
        return;
    };
    if told["sha256"] != json!(sha256(text)) {
        say("sha256", "the file is not the one that the manifest describes".to_string());
    }
    if told["n_rows"] != json!(records.len()) {
        say("n_rows", format!("{} rows are told, {} are there", told["n_rows"], records.len()));
    }
    for (key, is) in [("billed", totals.billed_usd), ("effective", totals.effective_usd)] {
        let said = told["totals_usd"][key].as_f64();
        if said.is_none_or(|v| (v - is).abs() > file::CENT_USD) {
            say(
                "totals_usd",
                format!("{key} is told as {}, and sums to {is}", told["totals_usd"][key]),
            );
        }
    }
    for column in OWN {
        let Some(said) = told["x"][column.name].as_str() else { continue };
        if let Some(other) = records.iter().find(|r| r.get(column.name) != said) {
            let message = format!("the manifest says `{said}`, the row `{}`", other.get(column.name));
            findings.push(other.finding(column.name, "manifest", message));
        }
    }
}

/// Findings that a screen has room for.
const SHOWN: usize = 40;

/// For people.
#[must_use]
pub fn document(name: &str, checked: &Checked) -> Document {
    let usd = |v: f64| Cell::quantity(v, Kind::Usd);
    #[allow(clippy::cast_precision_loss)]
    let count = |n: usize| Cell::Count(n as f64);
    let n = checked.findings.len();
    let verdict = if n == 0 { "no problem" } else { "see below" };
    let mut blocks = vec![Block::KeyValues(vec![
        KeyValue::new("Problems", count(n)).note(verdict).answer(),
        KeyValue::new("Rows", Cell::Count(checked.n_rows as f64)).note(format!("FOCUS {}", checked.version.name())),
        KeyValue::new("Billed", usd(checked.totals.billed_usd)).note("cash"),
        KeyValue::new("Effective", usd(checked.totals.effective_usd)).note("accrual"),
    ])];
    if n > 0 {
        let columns = vec![
            Shown::numbers("Line"),
            Shown::words("Column"),
            Shown::words("Rule"),
            Shown::words("What"),
        ];
        let mut table = Table::new("", columns);
        let shown = checked.findings.iter().take(SHOWN);
        table.rows = shown
            .map(|f| {
                let words = [f.column.as_str(), f.rule, f.message.as_str()].map(Cell::from);
                std::iter::once(Cell::Count(f.line as f64)).chain(words).collect()
            })
            .collect();
        if n > SHOWN {
            table.notes.push(format!("And {} more: --json.", n - SHOWN));
        }
        blocks.push(Block::Table(table));
    }
    Document {
        title: name.to_string(),
        subtitle: String::new(),
        blocks,
        provenance: format!("exaplan {}", env!("CARGO_PKG_VERSION")),
    }
}

/// For programs: schema `exaplan.focus.check/1`.
#[must_use]
pub fn json(name: &str, checked: &Checked) -> Value {
    let one = |f: &Finding| json!({ "line": f.line, "column": f.column, "rule": f.rule, "message": f.message });
    json!({
        "schema": "exaplan.focus.check/1",
        "file": name,
        "focus_version": checked.version.name(),
        "n_rows": checked.n_rows,
        "totals_usd": { "billed": checked.totals.billed_usd, "effective": checked.totals.effective_usd },
        "n_findings": checked.findings.len(),
        "findings": checked.findings.iter().map(one).collect::<Vec<_>>(),
    })
}
