//! Any document as a workbook: what it says on the first sheet, large tables on sheets of their own, and the
//! numbers of its charts with native charts beside them.

mod charts;

use super::page::Head::{Number, Words};
use super::page::{Look, Page, Written};
use crate::error::Result;
use crate::report::shown::{Shown, shared_scale};
use crate::report::{Align, Block, Cell, Document, KeyValue, Kind, Table};
use rust_xlsxwriter::{Format, FormatAlign};

/// A table of more columns or rows than these has a sheet of its own.
const INLINE: (usize, usize) = (7, 30);
/// Longest name of a sheet.
const NAME: usize = 31;
/// Widths of columns in characters.
const WIDTHS: (f64, f64) = (9.0, 60.0);
/// Characters of a name that is broken.
const LONG: usize = 40;

/// The bytes of the workbook of a document; the same for the same document and `created_epoch_s`.
///
/// # Errors
/// When the format cannot hold it.
pub fn workbook(document: &Document, created_epoch_s: i64) -> Result<Vec<u8>> {
    pages(document)
        .and_then(|pages| super::bound(pages, &document.title, &document.provenance, created_epoch_s))
        .map_err(|e| super::unwritten(&e))
}

/// Its sheets.
pub(super) fn pages(document: &Document) -> Written<Vec<Page>> {
    let mut page = Page::new("Summary", &[44.0, 22.0, 22.0, 22.0, 22.0, 22.0, 22.0])?;
    page.line(&document.title, Look::Strong)?;
    if !document.subtitle.is_empty() {
        page.line(&document.subtitle, Look::Text)?;
    }
    page.row += 1;
    let mut others: Vec<Page> = Vec::new();
    let mut charts = Page::new("Charts", &[[30.0].as_slice(), &[20.0; 20]].concat())?;
    let empty = charts.row;
    for block in &document.blocks {
        match block {
            Block::Heading(text) => page.line(text, Look::Title)?,
            Block::Paragraph(spans) => {
                page.prose(&spans.iter().map(|s| s.text.as_str()).collect::<String>(), Look::Text)?;
                page.row += 1;
            }
            Block::KeyValues(list) => key_values(&mut page, list)?,
            Block::Table(table) if table.columns.len() <= INLINE.0 && table.rows.len() <= INLINE.1 => {
                if !table.title.is_empty() {
                    page.line(&table.title, Look::Strong)?;
                }
                written(&mut page, table)?;
            }
            Block::Table(table) => others.push(own_sheet(&mut page, table, &others)?),
            Block::Chart(chart) => charts::drawn(&mut charts, chart)?,
            Block::Warnings(list) => {
                for warning in list {
                    let help = warning.help.as_ref().map_or_else(String::new, |h| format!(": {h}"));
                    page.prose(&format!("Warning: {}{help}", warning.message), Look::Strong)?;
                }
            }
        }
    }
    page.prose(&document.provenance, Look::Text)?;
    if charts.row > empty {
        others.insert(0, charts);
    }
    Ok(std::iter::once(page).chain(others).collect())
}

fn key_values(page: &mut Page, list: &[KeyValue]) -> Written<()> {
    for item in list {
        page.text(0, &item.key, if item.answer { Look::Strong } else { Look::Text })?;
        cell(page, 1, &item.value, None)?;
        page.text(2, item.note.as_deref().unwrap_or(""), Look::Text)?;
        page.row += 1;
    }
    page.row += 1;
    Ok(())
}

/// A sheet for a large table, which the first one names.
fn own_sheet(page: &mut Page, table: &Table, others: &[Page]) -> Written<Page> {
    let name = name(table, others);
    page.line(&format!("{}: see the sheet {name}", title(table)), Look::Text)?;
    page.row += 1;
    let shown = Shown::new(table);
    let widths: Vec<f64> = (0..table.columns.len())
        .map(|column| {
            let texts = shown.rows.iter().filter_map(|row| row.get(column)).map(|t| t.chars().count());
            let head = shown.headers.get(column).map_or(0, |(name, _)| name.chars().count());
            #[allow(clippy::cast_precision_loss)]
            let longest = texts.chain([head]).max().unwrap_or(0) as f64;
            (longest + 3.0).clamp(WIDTHS.0, WIDTHS.1)
        })
        .collect();
    let mut sheet = Page::untitled(&name, &widths)?;
    let rows = u32::try_from(table.rows.len()).unwrap_or(u32::MAX);
    let last = u16::try_from(table.columns.len()).unwrap_or(u16::MAX).saturating_sub(1);
    written(&mut sheet, table)?;
    sheet.sheet.set_freeze_panes(1, 1)?;
    if rows > 0 {
        sheet.sheet.autofilter(0, 0, rows, last)?;
    }
    Ok(sheet)
}

fn title(table: &Table) -> &str {
    match (table.title.as_str(), table.columns.first()) {
        ("", Some(first)) if !first.name.is_empty() => &first.name,
        ("", _) => "Table",
        (title, _) => title,
    }
}

/// A name for its sheet that no other has.
fn name(table: &Table, others: &[Page]) -> String {
    let plain = |c: char| if "[]:*?/\\'".contains(c) || c.is_control() { ' ' } else { c };
    let clean: String = title(table).chars().map(plain).take(NAME - 3).collect();
    let clean = clean.trim().to_string();
    let taken = |name: &str| {
        let same = |other: &str| other.eq_ignore_ascii_case(name);
        ["Summary", "Charts", "Cases", ""].into_iter().any(same) || others.iter().any(|p| same(&p.name))
    };
    (1..)
        .map(|n| if n == 1 { clean.clone() } else { format!("{clean} {n}") })
        .find(|name| !taken(name))
        .unwrap_or(clean)
}

/// A table with its head and notes.
fn written(page: &mut Page, table: &Table) -> Written<()> {
    let shown = Shown::new(table);
    let scales: Vec<_> = (0..table.columns.len()).map(|column| shared_scale(table, column)).collect();
    let heads: Vec<String> = (0..table.columns.len())
        .map(|column| match &scales[column] {
            // The number itself is written in percent.
            Some((Kind::Percent, _)) => table.columns[column].name.clone(),
            _ => shown.header(column),
        })
        .collect();
    let head: Vec<_> = heads
        .iter()
        .zip(&shown.aligns)
        .map(|(name, align)| if *align == Align::Right { Number(name) } else { Words(name) })
        .collect();
    page.head(&head)?;
    let formats: Vec<Option<(f64, Format)>> = scales.iter().enumerate().map(|(i, s)| shared(table, i, s.as_ref())).collect();
    for row in 0..table.rows.len() {
        for (column, place) in (0u16..).zip(0..table.columns.len()) {
            cell(page, column, table.cell(row, place), formats[place].as_ref())?;
        }
        page.row += 1;
    }
    for note in &table.notes {
        page.prose(note, Look::Text)?;
    }
    page.row += 1;
    Ok(())
}

/// The unit and the format that all numbers of a column share.
fn shared(table: &Table, column: usize, scale: Option<&(Kind, crate::report::cell::Scale)>) -> Option<(f64, Format)> {
    let (kind, scale) = scale?;
    let least = least((0..table.rows.len()).filter_map(|row| table.cell(row, column).raw()));
    Some(match kind {
        Kind::Percent => (1.0, number(percent(least))),
        Kind::Plain(decimals) => (1.0, number(&plain(*decimals))),
        _ => (scale.value, number(digits(least / scale.value))),
    })
}

/// The smallest size of some numbers, which says how many decimals all of them need.
fn least(values: impl Iterator<Item = f64>) -> f64 {
    let least = values
        .map(f64::abs)
        .filter(|v| *v > 0.0 && v.is_finite())
        .fold(f64::INFINITY, f64::min);
    if least.is_finite() { least } else { 0.0 }
}

fn cell(page: &mut Page, column: u16, cell: &Cell, shared: Option<&(f64, Format)>) -> Written<()> {
    match (cell, shared) {
        (Cell::Text(text), _) => {
            let long = column == 0 && text.chars().count() > LONG;
            page.text(column, text, if long { Look::Wrapped } else { Look::Text })?;
        }
        (Cell::Missing, _) => {}
        (Cell::Count(n), _) => {
            page.formatted(column, *n, &number("#,##0"))?;
        }
        (Cell::Quantity { value, .. }, Some((unit, format))) => {
            page.formatted(column, value / unit, format)?;
        }
        (Cell::Quantity { value, kind }, None) => {
            let scale = kind.scale(*value);
            let (value, format) = match kind {
                Kind::Percent => (*value, percent(*value).to_string()),
                Kind::Plain(decimals) => (*value, plain(*decimals)),
                _ => {
                    let value = value / scale.value;
                    (value, format!("{}\" {}\"", digits(value), scale.unit.replace('"', "")))
                }
            };
            page.formatted(column, value, &number(&format))?;
        }
    }
    Ok(())
}

fn number(format: &str) -> Format {
    Format::new().set_num_format(format).set_align(FormatAlign::Right)
}

fn percent(fraction: f64) -> &'static str {
    if fraction.abs() >= 0.1 { "0.0%" } else { "0.000%" }
}

fn plain(decimals: usize) -> String {
    match decimals {
        0 => "#,##0".to_string(),
        n => format!("#,##0.{}", "0".repeat(n.min(12))),
    }
}

/// Three digits that matter.
fn digits(value: f64) -> &'static str {
    match value.abs() {
        v if v >= 100.0 => "#,##0",
        v if v >= 10.0 => "#,##0.0",
        v if v >= 1.0 || v == 0.0 => "#,##0.00",
        v if v >= 1e-3 => "0.0000",
        _ => "0.00E+00",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::report::xlsx::FIXED_EPOCH_S;
    use calamine::{Data, Reader, Xlsx};
    use std::io::Cursor;

    #[test]
    fn a_document_is_sheets_of_numbers_in_the_units_that_people_read() {
        let bytes = workbook(&sample::document(), FIXED_EPOCH_S).unwrap();
        assert_eq!(bytes, workbook(&sample::document(), FIXED_EPOCH_S).unwrap());
        let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).unwrap();
        assert_eq!(book.sheet_names()[..2], ["Summary", "Charts"]);
        let summary = book.worksheet_range("Summary").unwrap();
        let row = summary.rows().find(|r| r[0] == Data::String("Time to train".to_string())).unwrap();
        assert!(matches!(row[1], Data::Float(days) if (days - 78.4).abs() < 0.01), "{row:?}");
        let layouts = summary.rows().find(|r| r[0] == Data::String("t8 p4 d32".to_string())).unwrap();
        assert!(
            matches!((&layouts[1], &layouts[2]), (Data::Float(n), Data::Float(s)) if *n == 1024.0 && (s - 6.412_345).abs() < 1e-9),
            "{layouts:?}"
        );
        // Words of a user are words.
        for sheet in book.sheet_names() {
            assert!(book.worksheet_formula(&sheet).unwrap().used_cells().all(|(.., f)| f.is_empty()));
        }
        assert!(summary.used_cells().any(|(.., c)| *c == Data::String(sample::HOSTILE.to_string())));
    }

    #[test]
    fn names_of_sheets_are_short_plain_and_told_apart() {
        let mut table = Table::new("a/b: [c]* of a very long title that no sheet can hold", Vec::new());
        let first = name(&table, &[]);
        assert!(first.len() <= NAME && !first.contains(['/', ':', '[', '*']), "{first}");
        let there = [Page::untitled(&first, &[]).unwrap()];
        assert_ne!(name(&table, &there), first);
        table.title = "summary".to_string();
        assert_eq!(name(&table, &[]), "summary 2");
    }
}
