//! What is seen, as a file.

use super::state::jobs::Planned;
use crate::bench::profile::Written;
use crate::catalog::source;
use crate::error::{Diagnostic, Result};
use crate::plan::step_gantt;
use crate::report::{Block, Document, Table, csv as commas, html, json, markdown, svg, text, trace};
use std::path::Path;
use std::sync::Arc;

/// Something to write.
#[derive(Clone)]
pub struct Writing {
    /// Where; with `!` behind it an old file is replaced.
    path: String,
    what: What,
}

#[derive(Clone)]
enum What {
    /// What is seen, in the format that the ending tells, with the plan behind it for workbooks and traces.
    Seen(Box<Document>, Option<Arc<Planned>>),
    /// A text as it is.
    Text(String),
    /// A kernel profile and the tables beside it.
    Profile(Written),
}

/// Endings that can be written.
const ENDINGS: &str = ".csv .md .json .html .txt .svg .xlsx .trace.json";

impl Writing {
    /// What is seen.
    #[must_use]
    pub fn seen(path: &str, document: Document, planned: Option<Arc<Planned>>) -> Writing {
        Writing {
            path: path.trim().to_string(),
            what: What::Seen(Box::new(document), planned),
        }
    }

    /// A study.
    #[must_use]
    pub fn study(path: &str, text: String) -> Writing {
        Writing {
            path: path.to_string(),
            what: What::Text(text),
        }
    }

    /// A measured profile.
    #[must_use]
    pub fn profile(path: &str, written: Written) -> Writing {
        Writing {
            path: path.to_string(),
            what: What::Profile(written),
        }
    }

    /// Write it; what was done in words.
    ///
    /// # Errors
    /// When the ending tells no format, there is nothing of that kind, or the file cannot be written.
    pub fn write(&self) -> Result<String> {
        let (name, replace) = match self.path.strip_suffix('!') {
            Some(name) => (name.trim(), true),
            None => (self.path.as_str(), false),
        };
        let path = Path::new(name);
        if source::is_file(path) && !replace {
            return Err(Diagnostic::new(format!("{name} exists; write `{name}!` to replace it")).into());
        }
        let bytes = match &self.what {
            What::Seen(document, planned) => bytes(name, document, planned.as_deref())?,
            What::Text(text) => text.clone().into_bytes(),
            What::Profile(written) => {
                if path.extension().is_none_or(|e| e != "toml") {
                    return Err(Diagnostic::new(format!("{name}: a profile is a .toml file")).into());
                }
                // The tables first: a profile that stands has its points.
                for (file, text) in &written.tables {
                    source::write_whole(&path.with_file_name(file), text.as_bytes())?;
                }
                written.toml.clone().into_bytes()
            }
        };
        source::write_whole(path, &bytes)?;
        Ok(format!(
            "wrote {name}, {} bytes",
            crate::units::count(f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX)))
        ))
    }
}

fn bytes(name: &str, document: &Document, planned: Option<&Planned>) -> Result<Vec<u8>> {
    let none = |what: &str| crate::error::Error::from(Diagnostic::new(format!("there is no {what} here to write")));
    let planned = || planned.ok_or_else(|| none("plan"));
    let ending = name.rsplit_once('.').map_or("", |(_, e)| e);
    let text = match ending {
        "json" if name.ends_with(".trace.json") => {
            let planned = planned()?;
            let gantt = step_gantt(&planned.plan).ok_or_else(|| none("step bar by bar"))?;
            trace::text(&planned.plan, &gantt)
        }
        "json" => format!("{:#}\n", json::document(document)),
        "md" => markdown::document(document),
        "html" => html::document(document),
        "csv" => commas::table(table(document).ok_or_else(|| none("table"))?)?,
        "txt" => text::document(document, text::Options { width: 100, color: false }),
        "svg" => chart(document).map(svg::render).ok_or_else(|| none("picture"))?,
        "xlsx" => return book(planned()?),
        _ => return Err(Diagnostic::new(format!("`{name}` tells no format; there are {ENDINGS}")).into()),
    };
    Ok(text.into_bytes())
}

/// The longest table.
fn table(document: &Document) -> Option<&Table> {
    let tables = document
        .blocks
        .iter()
        .filter_map(|b| if let Block::Table(t) = b { Some(t) } else { None });
    tables.max_by_key(|t| t.rows.len())
}

fn chart(document: &Document) -> Option<&crate::report::Chart> {
    document
        .blocks
        .iter()
        .find_map(|b| if let Block::Chart(c) = b { Some(c) } else { None })
}

#[cfg(feature = "xlsx")]
fn book(planned: &Planned) -> Result<Vec<u8>> {
    use crate::report::xlsx::{FIXED_EPOCH_S, workbook};
    workbook(&planned.plan, &planned.catalog, None, FIXED_EPOCH_S)
}

#[cfg(not(feature = "xlsx"))]
fn book(_: &Planned) -> Result<Vec<u8>> {
    Err(Diagnostic::new("this program was built without workbooks").into())
}
