//! Results as typed tables and documents: the one thing that all formats and the terminal UI draw.
//!
//! A workbook is the exception: its cells are formulas, so it is written from the plan itself.
//!
//! Values stay unrounded SI numbers until a format for people asks for their text.

pub mod bands;
pub mod calibrate;
pub mod cell;
pub mod compare;
pub mod cross;
pub mod csv;
pub mod explain;
pub mod focus;
pub mod html;
pub mod json;
pub mod layouts;
pub mod markdown;
pub mod names;
pub mod opening;
pub mod plan;
pub mod scale;
pub mod search;
pub mod shown;
pub mod size;
pub mod svg;
pub mod sweep;
pub mod text;
pub mod timeline;
pub mod trace;
pub mod uncertain;
pub mod validate;
pub mod whole;
#[cfg(feature = "xlsx")]
pub mod xlsx;

pub use cell::{Cell, Kind};
pub use shown::Shown;
pub use svg::Chart;

/// Where the text of a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name for people: `Step time`.
    pub name: String,
    /// The unit in its header. `None` picks one that fits the values; a unit that the values cannot
    /// be written in is ignored, except over plain numbers, where it only names them.
    pub unit: Option<String>,
    /// Where its text stands.
    pub align: Align,
}

impl Column {
    /// A column of words.
    #[must_use]
    pub fn words(name: impl Into<String>) -> Self {
        Column {
            name: name.into(),
            unit: None,
            align: Align::Left,
        }
    }

    /// A column of numbers.
    #[must_use]
    pub fn numbers(name: impl Into<String>) -> Self {
        Column {
            name: name.into(),
            unit: None,
            align: Align::Right,
        }
    }

    /// The same, with its unit fixed.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }
}

/// Rows of typed cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows; a short row is filled with [`Cell::Missing`], a long one is cut.
    pub rows: Vec<Vec<Cell>>,
    /// Remarks under it.
    pub notes: Vec<String>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(title: impl Into<String>, columns: Vec<Column>) -> Self {
        Table {
            title: title.into(),
            columns,
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The cell at `row` and `column`; missing where there is none.
    #[must_use]
    pub fn cell(&self, row: usize, column: usize) -> &Cell {
        self.rows.get(row).and_then(|cells| cells.get(column)).unwrap_or(&Cell::Missing)
    }

    /// One key per column for machines: `step_time_s`. Unique; the suffix is the base unit.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = Vec::with_capacity(self.columns.len());
        for (index, column) in self.columns.iter().enumerate() {
            let key = cell::key(&column.name, &self.suffix(index));
            let mut unique = key.clone();
            let mut copies = 1;
            while keys.contains(&unique) {
                copies += 1;
                unique = format!("{key}_{copies}");
            }
            keys.push(unique);
        }
        keys
    }

    /// What the quantities of a column are, if it has any: the kind of the first one.
    #[must_use]
    pub fn kind(&self, column: usize) -> Option<Kind> {
        (0..self.rows.len()).find_map(|row| self.cell(row, column).kind())
    }

    fn suffix(&self, column: usize) -> String {
        let label = self.columns[column].unit.as_deref().unwrap_or("");
        match self.kind(column) {
            Some(Kind::Plain(_)) | None => cell::slug(label),
            Some(kind) => kind.suffix(),
        }
    }
}

/// A run of words in a paragraph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The words.
    pub text: String,
    /// Whether they matter most.
    pub strong: bool,
}

impl Span {
    /// Ordinary words.
    #[must_use]
    pub fn plain(text: impl Into<String>) -> Self {
        Span {
            text: text.into(),
            strong: false,
        }
    }

    /// Words that matter most.
    #[must_use]
    pub fn strong(text: impl Into<String>) -> Self {
        Span {
            text: text.into(),
            strong: true,
        }
    }
}

/// One named result.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyValue {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: Cell,
    /// A remark beside it, such as its spread.
    pub note: Option<String>,
    /// Whether it is an answer to the question that was asked.
    pub answer: bool,
}

impl KeyValue {
    /// A result without remark.
    #[must_use]
    pub fn new(key: impl Into<String>, value: Cell) -> Self {
        KeyValue {
            key: key.into(),
            value,
            note: None,
            answer: false,
        }
    }

    /// The same, with a remark.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into()).filter(|n| !n.is_empty());
        self
    }

    /// The same, marked as an answer.
    #[must_use]
    pub fn answer(mut self) -> Self {
        self.answer = true;
        self
    }
}

/// Something the reader must know, with a way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What was seen.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// One part of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// Begins a section.
    Heading(String),
    /// Running text.
    Paragraph(Vec<Span>),
    /// Named results; those before the first heading are the summary.
    KeyValues(Vec<KeyValue>),
    /// A table.
    Table(Table),
    /// A chart; formats without pictures show its numbers.
    Chart(Chart),
    /// Warnings.
    Warnings(Vec<Warning>),
}

/// A whole report.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What it is about.
    pub title: String,
    /// The question or scenario; may be empty.
    pub subtitle: String,
    /// Its parts in order.
    pub blocks: Vec<Block>,
    /// One line: program version, digests, seed, overrides.
    pub provenance: String,
}

#[cfg(test)]
pub(crate) mod sample;
