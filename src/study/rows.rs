//! Rows of measured runs as a CSV file holds them, and what is wrong with the file.

use crate::error::{At, Diagnostic, Error, Origin, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One measured configuration; empty cells are absent.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Unique id.
    pub id: String,
    cells: BTreeMap<String, String>,
    fault: Option<String>,
}

/// Columns that make two rows the same configuration.
const CONFIGURATION: [&str; 14] = [
    "model",
    "accelerator",
    "devices",
    "precision",
    "seq_len",
    "global_batch_seqs",
    "micro_batch_seqs",
    "tp",
    "pp",
    "vpp",
    "cp",
    "ep",
    "sharding",
    "recompute",
];

impl Row {
    /// Of cells that are known to be what their columns hold.
    pub(super) fn of(id: &str, cells: BTreeMap<String, String>) -> Row {
        Row {
            id: id.to_string(),
            cells,
            fault: None,
        }
    }

    /// A cell that is not empty.
    #[must_use]
    pub fn text(&self, column: &str) -> Option<&str> {
        self.cells.get(column).map(String::as_str).filter(|t| !t.is_empty())
    }

    /// A finite, positive number.
    #[must_use]
    pub fn number(&self, column: &str) -> Option<f64> {
        self.text(column)?.parse::<f64>().ok().filter(|v| v.is_finite() && *v > 0.0)
    }

    /// What makes two rows the same configuration: their cells that say so.
    #[must_use]
    pub fn configuration(&self) -> String {
        CONFIGURATION.map(|c| self.text(c).unwrap_or("")).join("|")
    }

    /// A count, exact or off by no more than a quotient of printed figures is.
    pub(super) fn degree(&self, column: &str) -> Option<u32> {
        let value = self.number(column)?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        (is_count(value) && value < 1e9).then_some(value.round() as u32)
    }

    /// Why this row cannot be predicted, where one of its cells is not what its column holds.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }
}

fn is_count(value: f64) -> bool {
    (value == 0.0 || value >= 0.5) && (value - value.round()).abs() < 1e-3
}

/// Columns that hold counts.
const COUNTS: [&str; 11] = [
    "devices",
    "devices_per_node",
    "micro_batch_seqs",
    "tp",
    "pp",
    "vpp",
    "cp",
    "ep",
    "etp",
    "dp",
    "seq_len",
];

/// Columns that hold other numbers.
const NUMBERS: [&str; 1] = ["global_batch_seqs"];

/// Columns of what was measured: a prediction does without them.
const MEASURED: [&str; 6] = [
    "step_time_s",
    "tokens_per_s_per_device",
    "model_tflops_per_device",
    "mfu",
    "hfu",
    "peak_allocated_gib",
];

/// What a file holds.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// Its rows, those with a fault included.
    pub rows: Vec<Row>,
    /// Every line and cell that could not be read.
    pub problems: Vec<Diagnostic>,
}

/// Rows of a CSV text with a header line. Columns that are not known are kept and ignored. Lines
/// with another number of fields than the header are left out, all others are kept.
///
/// # Errors
/// When it is not CSV or has no `id` column.
pub fn read_rows(origin: &Arc<Origin>) -> Result<Rows> {
    const HELP: &str = "write CSV with a header line as in scenarios/published";
    let at = |byte: u64| {
        let start = usize::try_from(byte).unwrap_or(usize::MAX).min(origin.text.len());
        At {
            origin: origin.clone(),
            span: start..start,
        }
    };
    let place = |position: Option<&csv::Position>| at(position.map_or(0, csv::Position::byte));
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(origin.text.as_bytes());
    let not_csv = |e: &csv::Error| Error::invalid(Diagnostic::new(format!("not CSV: {e}")).at(&place(e.position())).help(HELP));
    let headers = reader.headers().map_err(|e| not_csv(&e))?.clone();
    let headers: Vec<String> = headers.iter().map(|h| h.trim().to_string()).collect();
    if !headers.iter().any(|h| h == "id") {
        return Err(Error::invalid(Diagnostic::new("no column `id`").at(&at(0)).help(HELP)));
    }
    let mut out = Rows::default();
    let mut ids = BTreeSet::new();
    for record in reader.records() {
        let record = record.map_err(|e| not_csv(&e))?;
        let line = record.position().map_or(0, csv::Position::line);
        let place = place(record.position());
        let mut tell = |message: String, help: &str| out.problems.push(Diagnostic::new(message).at(&place).help(help));
        if record.len() != headers.len() {
            let message = format!("line {line} has {} fields, the header has {}", record.len(), headers.len());
            tell(message, "the line is left out; put quotes around text with commas");
            continue;
        }
        let cells: BTreeMap<String, String> = headers.iter().cloned().zip(record.iter().map(|c| c.trim().to_string())).collect();
        let id = cells
            .get("id")
            .filter(|id| !id.is_empty())
            .cloned()
            .unwrap_or_else(|| format!("line {line}"));
        let mut fault = None;
        for column in COUNTS.iter().chain(&NUMBERS).chain(&MEASURED) {
            let Some(wanted) = cells.get(*column).and_then(|cell| unreadable(column, cell)) else {
                continue;
            };
            let cell = cells.get(*column).map_or("", String::as_str);
            let message = format!("line {line}, column `{column}`: `{cell}` is not {wanted}");
            if MEASURED.contains(column) {
                tell(message, "the cell counts as empty");
            } else {
                tell(message, "the row is left out; leave the cell empty where nothing is known");
                fault.get_or_insert(format!("column `{column}` is `{cell}`, not {wanted}"));
            }
        }
        if !ids.insert(id.clone()) {
            tell(
                format!("line {line}, column `id`: `{id}` stands above already"),
                "give each row an id of its own",
            );
        }
        out.rows.push(Row { id, cells, fault });
    }
    Ok(out)
}

/// The same where nothing may be wrong.
///
/// # Errors
/// As [`read_rows`], and with every problem of the file.
pub fn read_csv(origin: &Arc<Origin>) -> Result<Vec<Row>> {
    let read = read_rows(origin)?;
    if read.problems.is_empty() {
        Ok(read.rows)
    } else {
        Err(Error::Invalid(read.problems))
    }
}

/// What a cell should be and is not. Zero is how some tables say that there is none.
fn unreadable(column: &str, cell: &str) -> Option<&'static str> {
    if cell.is_empty() {
        return None;
    }
    let value = cell.parse::<f64>().ok().filter(|v| v.is_finite() && *v >= 0.0);
    let count = COUNTS.contains(&column);
    match value {
        Some(v) if v >= LARGEST && !MEASURED.contains(&column) => Some("below 1e9"),
        Some(v) if !count || is_count(v) => None,
        _ if count => Some("a whole number"),
        _ => Some("a number"),
    }
}

/// No machine, model or batch has so much of anything.
const LARGEST: f64 = 1e9;

/// A row of these cells, for tests.
#[cfg(test)]
pub(super) fn row(cells: &[(&str, &str)]) -> Row {
    Row {
        id: "row".into(),
        cells: cells.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string())).collect(),
        fault: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Rows {
        let origin = Origin {
            name: "runs.csv".into(),
            text: text.into(),
        };
        read_rows(&Arc::new(origin)).unwrap()
    }

    #[test]
    fn every_bad_line_and_cell_is_told_and_the_rest_is_kept() {
        let read = read("id,devices,tp,mfu,notes\na,8,1,0.4,\nb,8\nc,many,2.5,,\nd,-8,1,n/a,\n\"e\",16,1,inf,\"x, y\"\na,4,0,,\n");
        let told: Vec<&str> = read.problems.iter().map(|p| p.message.as_str()).collect();
        assert_eq!(
            told,
            [
                "line 3 has 2 fields, the header has 5",
                "line 4, column `devices`: `many` is not a whole number",
                "line 4, column `tp`: `2.5` is not a whole number",
                "line 5, column `devices`: `-8` is not a whole number",
                "line 5, column `mfu`: `n/a` is not a number",
                "line 6, column `mfu`: `inf` is not a number",
                "line 7, column `id`: `a` stands above already",
            ]
        );
        assert_eq!(read.problems[1].at.as_ref().map(At::line), Some(4));
        let faults: Vec<(&str, bool)> = read.rows.iter().map(|r| (r.id.as_str(), r.fault().is_some())).collect();
        assert_eq!(faults, [("a", false), ("c", true), ("d", true), ("e", false), ("a", false)]);
    }

    #[test]
    fn a_header_without_ids_is_an_error() {
        let origin = |text: &str| {
            Arc::new(Origin {
                name: "runs.csv".into(),
                text: text.into(),
            })
        };
        assert!(read_rows(&origin("name,devices\na,8\n")).is_err());
        assert!(read_csv(&origin("id,devices\na,x\n")).is_err());
        assert_eq!(
            read_csv(&origin("id,micro_batch_seqs\na,0.999994\n")).unwrap()[0].degree("micro_batch_seqs"),
            Some(1)
        );
    }
}
