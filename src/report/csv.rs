//! Comma-separated values: a header with units, raw numbers, nothing that a spreadsheet would run.

use super::{Cell, Table, cell};
use crate::error::{Error, Result};
use std::path::PathBuf;

/// `table` as CSV with LF line ends. Missing and non-finite values are empty fields.
///
/// # Errors
/// When the writer fails, which in memory it does not.
pub fn table(table: &Table) -> Result<String> {
    write(table).map_err(|source| Error::Io {
        path: PathBuf::from("csv"),
        source,
    })
}

fn write(table: &Table) -> std::io::Result<String> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(table.keys().iter().map(|key| guard(key)))?;
    for row in 0..table.rows.len() {
        writer.write_record((0..table.columns.len()).map(|column| field(table.cell(row, column))))?;
    }
    let bytes = writer.into_inner().map_err(::csv::IntoInnerError::into_error)?;
    String::from_utf8(bytes).map_err(std::io::Error::other)
}

fn field(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => guard(text),
        _ => cell.raw().map_or_else(String::new, number),
    }
}

/// Every digit that matters, with an exponent where zeros would be many.
pub(super) fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-5..1e16).contains(&magnitude) {
        format!("{value}")
    } else {
        format!("{value:e}")
    }
}

/// Text that spreadsheets would take for a formula gets an apostrophe in front (OWASP, CSV injection).
pub(super) fn guard(text: &str) -> String {
    let clean = cell::clean(text);
    // Full-width signs count as formula starts in East Asian versions of spreadsheets.
    let formula = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    if text.starts_with(formula) || clean.trim_start().starts_with(formula) {
        format!("'{clean}")
    } else {
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn raw_numbers_under_keys_with_units() {
        insta::assert_snapshot!(table(&sample::layouts()).unwrap(), @r##"
        layout,devices,step_time_s,mfu_fraction,peak_memory_bytes,cost_usd,evidence
        t8 p4 d32,1024,6.412345,0.412,75430363136,3910000,measured
        t4 p8 d32 東京,1024,12.05,0.0875,6979321856,14200000,interpolated
        "'=cmd()|<script>alert('1')</script>�[31m�""&`*_[x] # h",8,,,,,
        "##);
    }

    #[test]
    fn formulas_are_disarmed() {
        for hostile in ["=cmd()", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1"] {
            assert!(guard(hostile).starts_with('\''), "{hostile}");
        }
        assert_eq!(guard("a=b"), "a=b");
        assert!(!guard("a\x1b]0;x\x07").contains('\x1b'));
        assert_eq!(number(-12.5), "-12.5");
        assert_eq!(number(3.8e24), "3.8e24");
    }
}
