//! A plan as a workbook for finance: drivers in named cells, every total a live formula over them.
//!
//! A driver that is changed in the sheet changes the totals as the same `--set` would. What the step
//! and the failures decide (hours) is worked out by the planner and stands as values.

pub mod compare;
pub mod document;
mod drivers;
mod expr;
mod model;
mod page;
mod pages;
mod picture;
mod schedules;
mod sensitivity;
mod summary;
#[cfg(feature = "parquet")]
pub mod sweep;
#[cfg(test)]
mod tests;

use crate::catalog::Catalog;
use crate::error::{Diagnostic, Error, Result};
use crate::plan::Plan;
use crate::study::uncertain::Uncertain;
use page::{Page, Written};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Workbook, XlsxError};

/// When a book says it was made unless told otherwise: 2000-01-01. A clock would make two books of
/// one plan differ.
pub const FIXED_EPOCH_S: i64 = 946_684_800;

/// The bytes of the workbook of a plan and of what was drawn of it; the same for the same plan and
/// `created_epoch_s`.
///
/// # Errors
/// When the format cannot hold it.
pub fn workbook(plan: &Plan, catalog: &Catalog, study: Option<&Uncertain>, created_epoch_s: i64) -> Result<Vec<u8>> {
    pages::all(plan, catalog, study)
        .and_then(|pages| {
            bound(
                pages,
                "Training plan: an estimate, not a quote",
                &plan.provenance.program,
                created_epoch_s,
            )
        })
        .map_err(|e| unwritten(&e))
}

fn unwritten(error: &XlsxError) -> Error {
    Diagnostic::new(format!("the workbook cannot be written: {error}"))
        .help("write .html or .csv")
        .into()
}

/// Sheets as the bytes of a book.
fn bound(pages: Vec<Page>, title: &str, program: &str, created_epoch_s: i64) -> Written<Vec<u8>> {
    let mut book = Workbook::new();
    let properties = DocProperties::new()
        .set_title(title)
        .set_author(program)
        .set_creation_datetime(&ExcelDateTime::from_timestamp(created_epoch_s)?);
    book.set_properties(&properties);
    for (name, reference) in pages.iter().flat_map(|p| &p.names) {
        book.define_name(*name, reference)?;
    }
    for Page { sheet, .. } in pages {
        book.push_worksheet(sheet);
    }
    book.save_to_buffer()
}
