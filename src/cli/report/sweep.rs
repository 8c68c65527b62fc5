//! A report of the results of a sweep.

use crate::cli::Done;
use crate::cli::output::{Console, Format, Forms, Target, epoch_s, no_form};
use crate::cli::sweep::place::reader;
use crate::error::{Diagnostic, Error, Result};
use crate::report::sweep::results::Reader;
use crate::report::sweep::summary::{Summary, csv_line, quoted, report_json};
use crate::report::{Block, Document, Table};
use crate::study::sweep::row::Cell;
use std::fs::File;
use std::path::Path;

const HAS: &str = "give a name in .html, .xlsx, .md, .csv, .json or .txt; `exaplan sweep map` draws a picture";

/// Read and report.
pub fn run(path: &Path, target: &Target, console: &Console) -> Done {
    if !path.is_file() {
        let text = format!("there are no results in `{}`", path.display());
        let help = "run the study with `exaplan sweep run`, or merge its shards";
        return Err(Error::invalid(Diagnostic::new(text).help(help)));
    }
    let format = target.format(console)?;
    let mut rows = reader(path)?;
    match format {
        Format::Csv => target.put(csv(&mut rows)?.as_bytes()),
        Format::Xlsx => book(&mut rows, target),
        _ => {
            let document = summary(&mut rows, &mut |_| Ok(()))?;
            target.write(
                console,
                &Forms {
                    screen: &|| document.clone(),
                    page: &|| document.clone(),
                    rows: &|| first(&document),
                    json: &|| report_json(&document),
                    trace: &|| no_form("a trace shows one step, not a sweep", HAS),
                    svg: &|| no_form("a report is more than one picture", HAS),
                    xlsx: None,
                },
            )
        }
    }
}

fn first(document: &Document) -> Table {
    let table = document
        .blocks
        .iter()
        .find_map(|b| if let Block::Table(t) = b { Some(t.clone()) } else { None });
    table.unwrap_or_else(|| Table::new("", Vec::new()))
}

/// Read all rows once; `also` sees each too.
fn summary(rows: &mut Reader<File>, also: &mut dyn FnMut(&[Cell]) -> Result<()>) -> Result<Document> {
    let mut summary = Summary::new(rows.names(), rows.label().map(|l| l.provenance));
    while let Some(cells) = rows.row()? {
        summary.see(&cells);
        also(&cells)?;
    }
    summary.document()
}

/// All cases with all columns.
fn csv(rows: &mut Reader<File>) -> Result<String> {
    let names: Vec<String> = rows.names().iter().map(|n| quoted(n)).collect();
    let mut out = names.join(",") + "\n";
    while let Some(cells) = rows.row()? {
        out += &csv_line(&cells);
    }
    Ok(out)
}

#[cfg(feature = "xlsx")]
fn book(rows: &mut Reader<File>, target: &Target) -> Done {
    use crate::report::xlsx::{FIXED_EPOCH_S, sweep::Cases};
    let mut cases = Cases::new(&rows.names())?;
    let document = summary(rows, &mut |cells| cases.see(cells))?;
    target.put_file(&cases.book(&document, epoch_s()?.unwrap_or(FIXED_EPOCH_S))?)
}

#[cfg(not(feature = "xlsx"))]
fn book(_: &mut Reader<File>, _: &Target) -> Done {
    let _ = epoch_s()?;
    crate::cli::output::no_book().map(|_| crate::cli::DONE)
}
