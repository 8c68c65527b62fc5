//! A sweep as a workbook: what came out, its charts, and the cases with their figures.

use super::page::{Look, Page, Written, head_format};
use crate::error::Result;
use crate::report::cell::clean;
use crate::report::sweep::map::{kind, title};
use crate::report::sweep::summary::shown_columns;
use crate::report::{Document, Kind};
use crate::study::sweep::row;
use crate::units::{DAY_S, GIB_BYTES};
use rust_xlsxwriter::{Worksheet, XlsxError};

/// Cases that a sheet holds: more make a file that few programs open.
pub const MOST_CASES: u32 = 200_000;

/// A column of the sheet of cases.
struct Column {
    /// Its place in the file of results.
    place: usize,
    /// What its numbers are divided by.
    unit: f64,
}

/// Writes cases row by row.
pub struct Cases {
    sheet: Worksheet,
    columns: Vec<Column>,
    row: u32,
    n_left: u64,
}

fn failed(error: &XlsxError) -> crate::error::Error {
    super::unwritten(error)
}

/// In what finance reads a figure: base units over this, the name of the unit, and the format of a number.
fn unit(name: &str) -> (f64, &'static str, &'static str) {
    match kind(name) {
        Kind::Duration if name.starts_with("wall") => (DAY_S, "days", "#,##0.0"),
        Kind::Duration => (1.0, "s", "#,##0.000"),
        Kind::Usd => (1.0, "USD", "#,##0"),
        Kind::Energy => (3.6e9, "MWh", "#,##0.0"),
        Kind::Carbon => (1e3, "t CO2e", "#,##0.0"),
        Kind::Bytes => (GIB_BYTES, "GiB", "#,##0.0"),
        Kind::Percent => (1.0, "", "0.0%"),
        _ => (1.0, "", "General"),
    }
}

impl Cases {
    /// A sheet for a file with these columns.
    ///
    /// # Errors
    /// When the format cannot hold it.
    pub fn new(names: &[String]) -> Result<Cases> {
        Cases::made(names).map_err(|e| failed(&e))
    }

    fn made(names: &[String]) -> Written<Cases> {
        let mut sheet = Worksheet::new();
        sheet.set_name("Cases")?.set_freeze_panes(1, 1)?;
        sheet.set_landscape().set_print_fit_to_pages(1, 0).set_repeat_rows(0, 0)?;
        let mut columns = Vec::new();
        for (column, (place, name)) in (0u16..).zip(shown_columns(names)) {
            // Axes keep their paths and the values that were given.
            let axis = name == "case" || name.contains('.');
            let (unit, symbol, format) = if axis { (1.0, "", "General") } else { unit(&name) };
            let head = match (axis, symbol) {
                (true, _) => name,
                (_, "") => title(&name),
                (_, symbol) => format!("{}, {symbol}", title(&name)),
            };
            let width = u32::try_from(head.chars().count()).unwrap_or(0) + 4;
            sheet.set_column_width(column, f64::from(width.clamp(12, 40)))?;
            sheet.write_string_with_format(0, column, head, &head_format(true))?;
            sheet.set_column_format(column, &rust_xlsxwriter::Format::new().set_num_format(format))?;
            columns.push(Column { place, unit });
        }
        Ok(Cases {
            sheet,
            columns,
            row: 1,
            n_left: 0,
        })
    }

    /// One more case.
    ///
    /// # Errors
    /// When the format cannot hold it.
    pub fn see(&mut self, cells: &[row::Cell]) -> Result<()> {
        if self.row > MOST_CASES {
            self.n_left += 1;
            return Ok(());
        }
        self.put(cells).map_err(|e| failed(&e))
    }

    fn put(&mut self, cells: &[row::Cell]) -> Written<()> {
        for (column, Column { place, unit }) in (0u16..).zip(&self.columns) {
            match cells.get(*place) {
                #[allow(clippy::cast_precision_loss)]
                Some(row::Cell::Whole(n)) => self.sheet.write_number(self.row, column, *n as f64 / unit)?,
                Some(row::Cell::Number(x)) if x.is_finite() => self.sheet.write_number(self.row, column, x / unit)?,
                Some(row::Cell::Text(text)) => self.sheet.write_string(self.row, column, clean(text))?,
                Some(row::Cell::Flag(b)) => self.sheet.write_boolean(self.row, column, *b)?,
                _ => continue,
            };
        }
        self.row += 1;
        Ok(())
    }

    /// The bytes of the book.
    ///
    /// # Errors
    /// When the format cannot hold it.
    pub fn book(self, document: &Document, created_epoch_s: i64) -> Result<Vec<u8>> {
        self.bound(document, created_epoch_s).map_err(|e| failed(&e))
    }

    fn bound(mut self, document: &Document, created_epoch_s: i64) -> Written<Vec<u8>> {
        let last = u16::try_from(self.columns.len()).unwrap_or(u16::MAX);
        if self.row > 1 && last > 0 {
            self.sheet.autofilter(0, 0, self.row - 1, last - 1)?;
        }
        let mut pages = super::document::pages(document)?;
        if let Some(summary) = pages.first_mut() {
            let left = match self.n_left {
                0 => "All cases stand in the sheet Cases.".to_string(),
                n => format!("{n} cases are left out of the sheet Cases; CSV and Parquet hold all."),
            };
            summary.line(&left, Look::Text)?;
        }
        let mut cases = Page::untitled("Cases", &[])?;
        cases.sheet = self.sheet;
        pages.push(cases);
        super::bound(
            pages,
            "A sweep of training plans: estimates, not quotes",
            &document.provenance,
            created_epoch_s,
        )
    }
}
