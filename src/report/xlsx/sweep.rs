//! A sweep as a workbook: what came out, and the cases with their figures.

use super::page::{Look, Page, Written};
use crate::error::Result;
use crate::report::cell::clean;
use crate::report::opening::ESTIMATE;
use crate::report::sweep::summary::shown_columns;
use crate::report::{Block, Cell, Document, Table};
use crate::study::sweep::row;
use rust_xlsxwriter::{Worksheet, XlsxError};

/// Cases that a sheet holds: more make a file that few programs open.
pub const MOST_CASES: u32 = 200_000;

/// Writes cases row by row.
pub struct Cases {
    sheet: Worksheet,
    places: Vec<usize>,
    row: u32,
    n_left: u64,
}

fn failed(error: &XlsxError) -> crate::error::Error {
    super::unwritten(error)
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
        let chosen = shown_columns(names);
        for (column, (_, name)) in (0u16..).zip(&chosen) {
            sheet.write_string_with_format(0, column, name, &Look::Head.format())?;
            sheet.set_column_width(column, 16)?;
        }
        Ok(Cases {
            sheet,
            places: chosen.into_iter().map(|(place, _)| place).collect(),
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
        for (column, place) in (0u16..).zip(&self.places) {
            match cells.get(*place) {
                #[allow(clippy::cast_precision_loss)]
                Some(row::Cell::Whole(n)) => self.sheet.write_number(self.row, column, *n as f64)?,
                Some(row::Cell::Number(x)) if x.is_finite() => self.sheet.write_number(self.row, column, *x)?,
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

    fn bound(self, document: &Document, created_epoch_s: i64) -> Written<Vec<u8>> {
        let mut page = Page::new("Summary", &[36.0, 22.0, 22.0, 22.0, 22.0, 22.0, 22.0, 22.0, 22.0, 22.0, 22.0, 22.0])?;
        page.line(&document.title, Look::Strong)?;
        page.line(&document.subtitle, Look::Text)?;
        page.line(ESTIMATE, Look::Strong)?;
        page.row += 1;
        for block in &document.blocks {
            written(&mut page, block)?;
        }
        if self.n_left > 0 {
            page.line(
                &format!(
                    "{} cases are left out of the sheet of cases; CSV and Parquet hold all.",
                    self.n_left
                ),
                Look::Strong,
            )?;
        }
        page.line("Numbers are in SI base units: seconds, joules, kilograms, dollars.", Look::Text)?;
        page.line(&document.provenance, Look::Text)?;
        let mut cases = Page::new("Cases", &[])?;
        cases.sheet = self.sheet;
        super::bound(
            vec![page, cases],
            "A sweep of training plans: estimates, not quotes",
            &document.provenance,
            created_epoch_s,
        )
    }
}

fn written(page: &mut Page, block: &Block) -> Written<()> {
    match block {
        Block::Heading(text) => page.line(text, Look::Strong)?,
        Block::Paragraph(spans) => page.line(&spans.iter().map(|s| s.text.as_str()).collect::<String>(), Look::Text)?,
        Block::KeyValues(list) => {
            for item in list {
                page.text(0, &item.key, Look::Strong)?;
                page.text(1, &item.value.human(), Look::Text)?;
                page.text(2, item.note.as_deref().unwrap_or(""), Look::Text)?;
                page.row += 1;
            }
            page.row += 1;
        }
        Block::Table(table) => tabled(page, table)?,
        // Charts stand in the page; the cases are beside this sheet.
        Block::Chart(_) | Block::Warnings(_) => {}
    }
    Ok(())
}

fn tabled(page: &mut Page, table: &Table) -> Written<()> {
    if !table.title.is_empty() {
        page.line(&table.title, Look::Strong)?;
    }
    let names: Vec<String> = table.keys();
    page.head(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
    for row in 0..table.rows.len() {
        for (column, i) in (0u16..).zip(0..table.columns.len()) {
            let cell = table.cell(row, i);
            match (cell, cell.raw()) {
                (Cell::Text(text), _) => page.text(column, text, Look::Text)?,
                (_, Some(value)) => {
                    page.number(column, value, Look::Value(""))?;
                }
                _ => {}
            }
        }
        page.row += 1;
    }
    page.row += 1;
    Ok(())
}
