//! Scaling laws for people and programs.

pub mod data;
pub mod fit;
pub mod forecast;
pub mod laws;
pub mod limits;
pub mod machine;
pub mod optimal;
pub mod sheet;
pub mod study;
pub mod verify;

use super::{Block, Cell, Document, Kind, Span, Table};
use crate::scale::law::{Beyond, Law, Range};
use serde_json::{Value, json};

/// One line: program and law.
#[must_use]
pub fn provenance(law: Option<&Law>) -> String {
    let law = law.map_or(String::new(), |l| format!(", law {} ({}, {})", l.name, l.source, l.evidence.name()));
    format!("exaplan {}{law}", env!("CARGO_PKG_VERSION"))
}

/// Parameters.
#[must_use]
pub fn params(value: f64) -> Cell {
    Cell::quantity(value, Kind::Params)
}

/// Tokens.
#[must_use]
pub fn tokens(value: f64) -> Cell {
    Cell::quantity(value, Kind::Si("tokens"))
}

/// FLOP, in powers of ten as the field writes them.
#[must_use]
pub fn flop(value: f64) -> Cell {
    Cell::quantity(value, Kind::Rate("FLOP"))
}

/// A loss or another pure number with four digits.
#[must_use]
pub fn number(value: f64) -> Cell {
    Cell::quantity(value, Kind::Plain(4))
}

/// `1.95 to 2.01 in 8 cases of 10`, or that there is none.
#[must_use]
pub fn interval_note(interval: Option<Range>, show: impl Fn(f64) -> Cell) -> String {
    match interval {
        Some((low, high)) => format!(
            "{} to {} in 8 cases of 10 (the law's points resampled)",
            show(low).human(),
            show(high).human()
        ),
        None => "no interval published".to_string(),
    }
}

/// What lies outside a law's points, as a paragraph.
#[must_use]
pub fn beyond(list: &[Beyond]) -> Option<Block> {
    let words: Vec<String> = list.iter().map(ToString::to_string).collect();
    let text = format!("{}.", words.join("; "));
    (!list.is_empty()).then(|| Block::Paragraph(vec![Span::strong("Extrapolated: "), Span::plain(text)]))
}

/// The same for programs.
#[must_use]
pub fn beyond_json(list: &[Beyond]) -> Value {
    list.iter().map(|b| json!({ "what": b.what, "times": b.times })).collect()
}

/// An interval for programs.
#[must_use]
pub fn range_json(range: Option<Range>) -> Value {
    range.map_or(Value::Null, |(low, high)| json!({ "p10": low, "p90": high }))
}

/// A law for programs, short.
#[must_use]
pub fn law_json(law: &Law) -> Value {
    json!({
        "name": law.name,
        "title": law.title,
        "embeddings": law.embeddings.name(),
        "loss_unit": law.loss_unit,
        "corpus": law.corpus,
        "tokenizer": law.tokenizer,
        "evidence": law.evidence.name(),
        "source": law.source,
        "url": law.url,
    })
}

/// What a law counts, in one sentence.
#[must_use]
pub fn convention(law: &Law) -> String {
    let said = |text: &str| {
        if text.is_empty() {
            "not stated".to_string()
        } else {
            text.to_string()
        }
    };
    format!(
        "{}: embeddings {}, loss in {}, corpus {}, tokenizer {}, evidence {}.",
        law.title,
        law.embeddings.name(),
        said(&law.loss_unit),
        said(&law.corpus),
        said(&law.tokenizer),
        law.evidence.name()
    )
}

/// A document without subtitle.
#[must_use]
pub fn document(title: impl Into<String>, blocks: Vec<Block>, law: Option<&Law>) -> Document {
    Document {
        title: title.into(),
        subtitle: String::new(),
        blocks,
        provenance: provenance(law),
    }
}

/// The first table of a document, which is what a CSV of it holds.
#[must_use]
pub fn first_table(document: &Document) -> Table {
    let table = document.blocks.iter().find_map(|b| match b {
        Block::Table(t) => Some(t.clone()),
        _ => None,
    });
    table.unwrap_or_else(|| Table::new(document.title.clone(), Vec::new()))
}
