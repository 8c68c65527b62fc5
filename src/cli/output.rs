//! Where output goes and how it is shown.

use super::progress::Progress;
use super::{DONE, Done, Global, When, diagnostics};
use crate::catalog::source;
use crate::error::{Diagnostic, Error, Result};
use crate::report::{Block, Chart, Document, Table, csv, html, json, markdown, text};
use clap::ValueEnum;
use serde_json::Value;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Columns of text that goes to a file or a pipe.
const PIPE_WIDTH: usize = 100;
/// Wider lines are hard to read.
const MAX_WIDTH: usize = 140;

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal
    Text,
    /// Markdown
    Md,
    /// Comma-separated values for spreadsheets
    Csv,
    /// JSON with unrounded SI numbers
    Json,
    /// One page that stands alone
    Html,
    /// The bars of one step, for Perfetto or chrome://tracing
    Trace,
    /// The picture alone
    Svg,
    /// A workbook whose totals are live formulas over named assumptions
    Xlsx,
    /// The bill of a plan by month, in the FinOps specification FOCUS
    Focus,
}

/// What the user asked about output, and what the terminal is.
pub struct Console {
    /// One JSON document.
    pub json: bool,
    quiet: bool,
    verbose: bool,
    color: When,
}

impl Console {
    pub(super) fn new(global: &Global) -> Console {
        Console {
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            color: global.color,
        }
    }

    /// The same that says nothing beside the result.
    pub fn silent(&self) -> Console {
        Console {
            quiet: true,
            verbose: false,
            ..*self
        }
    }

    /// Whether to color, on a terminal or not.
    pub fn colors(&self, terminal: bool) -> bool {
        let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        match self.color {
            When::Always => true,
            When::Never => false,
            When::Auto if set("NO_COLOR") => false,
            When::Auto => (terminal && !dumb) || std::env::var_os("CLICOLOR_FORCE").is_some_and(|v| !v.is_empty() && v != "0"),
        }
    }

    /// Whether errors are colored.
    pub fn errors(&self) -> bool {
        self.colors(std::io::stderr().is_terminal())
    }

    /// How text on stdout is shown.
    pub fn text(&self) -> text::Options {
        let terminal = std::io::stdout().is_terminal();
        let asked = std::env::var("COLUMNS")
            .ok()
            .and_then(|c| c.parse::<usize>().ok())
            .filter(|c| *c > 0);
        let seen = || terminal_size::terminal_size().filter(|_| terminal).map(|(w, _)| usize::from(w.0));
        text::Options {
            width: asked.or_else(seen).unwrap_or(PIPE_WIDTH).min(MAX_WIDTH),
            color: self.colors(terminal),
        }
    }

    /// Write a message that is not the result. Nobody may be listening; that is no error.
    pub fn say(&self, message: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{}", message.trim_end());
    }

    /// Write a note unless asked to be quiet.
    pub fn note(&self, message: &str) {
        if !self.quiet {
            self.say(&format!("note: {message}"));
        }
    }

    /// Tells on a terminal how far `total` things are.
    pub fn progress(&self, total: usize, what: &'static str) -> Progress {
        Progress::new(total, what, self.quiet)
    }

    /// Write warnings, each with its place, unless asked to be quiet.
    pub fn warn(&self, list: &[Diagnostic]) {
        if !self.quiet && !list.is_empty() {
            self.say(&diagnostics::warnings(list, self.errors()));
        }
    }

    /// Write a note only when asked for.
    pub fn detail(&self, message: &str) {
        if self.verbose {
            self.say(&format!("note: {message}"));
        }
    }
}

/// Write to stdout. A reader that has gone away has what it wanted.
pub fn emit(text: &str) -> Result<()> {
    emit_bytes(text.as_bytes())
}

fn emit_bytes(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::Io {
            path: PathBuf::from("stdout"),
            source: e,
        }),
        _ => Ok(()),
    }
}

/// Write JSON to stdout.
pub fn emit_json(value: &Value) -> Result<()> {
    emit(&pretty(value))
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Where a report goes and as what.
#[derive(Debug, Clone, clap::Args)]
pub struct Target {
    /// Write to a file; its extension tells the format; - is stdout
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Write in this format, whatever the extension
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Output")]
    pub format: Option<Format>,
    #[command(flatten)]
    pub replace: Replace,
}

/// Whether files that are there may be replaced: one rule for every command that writes some.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Replace {
    /// Replace a file that is there already
    #[arg(long, help_heading = "Output")]
    pub force: bool,
}

impl Replace {
    /// Tell before the work starts that a file may not or cannot be written.
    ///
    /// # Errors
    /// When it may not.
    pub fn writable<'p>(self, paths: impl IntoIterator<Item = &'p PathBuf>) -> Result<()> {
        paths.into_iter().try_for_each(|p| source::writable(p, self.force))
    }
}

/// Seconds since 1970 that `SOURCE_DATE_EPOCH` names, where it is set.
///
/// # Errors
/// When it is no such number.
pub fn epoch_s() -> Result<Option<i64>> {
    let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") else {
        return Ok(None);
    };
    // Years 1970 to 9999 can be written.
    let parsed = text.trim().parse().ok().filter(|s| (0..253_402_300_800_i64).contains(s));
    let wrong = || {
        Diagnostic::new(format!("SOURCE_DATE_EPOCH is `{text}`, not seconds since 1970"))
            .help("give a whole number, or unset it")
            .into()
    };
    parsed.map(Some).ok_or_else(wrong)
}

/// A result in every form that it can be written in.
pub struct Forms<'a> {
    /// For a terminal.
    pub screen: &'a dyn Fn() -> Document,
    /// For pages.
    pub page: &'a dyn Fn() -> Document,
    /// For spreadsheets.
    pub rows: &'a dyn Fn() -> Table,
    /// For programs.
    pub json: &'a dyn Fn() -> Value,
    /// For trace viewers.
    pub trace: &'a dyn Fn() -> Result<String>,
    /// The picture alone.
    pub svg: &'a dyn Fn() -> Result<String>,
    /// A workbook of its own; without one the page and the rows are sheets.
    pub xlsx: Option<&'a dyn Fn() -> Result<Vec<u8>>>,
}

impl Target {
    /// The file; none for stdout.
    pub fn file(&self) -> Option<&Path> {
        self.output.as_deref().filter(|p| *p != Path::new("-"))
    }

    /// The format that was asked for, and whether its file may be written.
    ///
    /// # Errors
    /// When two were asked for, or the extension tells none, or the file may not be written.
    pub fn format(&self, console: &Console) -> Result<Format> {
        let format = self.asked(console)?;
        // Told before the work starts, not when it is done.
        self.file().map_or(Ok(()), |file| source::writable(file, self.replace.force))?;
        Ok(format)
    }

    fn asked(&self, console: &Console) -> Result<Format> {
        if let (true, Some(format)) = (console.json, self.format.filter(|f| *f != Format::Json)) {
            let text = format!(
                "--json and --format {} contradict each other",
                format.to_possible_value().map_or(String::new(), |v| v.get_name().to_string())
            );
            return Err(Diagnostic::new(text).help("give one of them").into());
        }
        if console.json {
            return Ok(Format::Json);
        }
        if let Some(format) = self.format {
            return Ok(format);
        }
        let Some(file) = self.file() else { return Ok(Format::Text) };
        let name = file.file_name().and_then(|n| n.to_str()).unwrap_or("").to_lowercase();
        if name.ends_with(".trace.json") {
            return Ok(Format::Trace);
        }
        if name.ends_with(".focus.csv") {
            return Ok(Format::Focus);
        }
        let extension = file.extension().and_then(|e| e.to_str()).unwrap_or("").to_lowercase();
        match extension.as_str() {
            "txt" => Ok(Format::Text),
            "md" | "markdown" => Ok(Format::Md),
            "csv" => Ok(Format::Csv),
            "json" => Ok(Format::Json),
            "html" | "htm" => Ok(Format::Html),
            "svg" => Ok(Format::Svg),
            "xlsx" => Ok(Format::Xlsx),
            // A directory has no extension, as a rule.
            _ if file.is_dir() => {
                let text = format!("`{}` is a directory", file.display());
                Err(Diagnostic::new(text).help("give the name of a file in it").into())
            }
            _ => {
                let text = format!("the name `{}` tells no format", file.display());
                Err(Diagnostic::new(text)
                    .help("end it in .txt, .md, .csv, .json, .html, .xlsx, .svg, .trace.json or .focus.csv, or give --format")
                    .into())
            }
        }
    }

    /// Write a result.
    pub fn write(&self, console: &Console, forms: &Forms<'_>) -> Done {
        let format = self.format(console)?;
        let to_file = self.file();
        let text = match format {
            Format::Text => {
                let options = if to_file.is_some() {
                    text::Options {
                        width: PIPE_WIDTH,
                        color: false,
                    }
                } else {
                    console.text()
                };
                text::document(&(forms.screen)(), options)
            }
            Format::Md => markdown::document(&without_twins((forms.page)())),
            Format::Csv => csv::table(&(forms.rows)())?,
            Format::Json => pretty(&(forms.json)()),
            Format::Html => html::document(&(forms.page)()),
            Format::Trace => (forms.trace)()?,
            Format::Svg => (forms.svg)()?,
            Format::Xlsx => return self.book(forms),
            Format::Focus => no_form(
                "only a plan has a bill by month",
                "give a name in .html, .xlsx, .md, .csv, .json or .txt",
            )?,
        };
        self.put(text.as_bytes())
    }
}

impl Target {
    /// Write bytes that are made already.
    pub fn put(&self, bytes: &[u8]) -> Done {
        match self.file() {
            Some(path) => source::write_whole(path, bytes)?,
            None => emit_bytes(bytes)?,
        }
        Ok(DONE)
    }

    /// The same of what is no text.
    #[cfg(all(feature = "parquet", feature = "xlsx"))]
    pub fn put_file(&self, bytes: &[u8]) -> Done {
        self.book_file()?;
        self.put(bytes)
    }

    fn book_file(&self) -> Result<&Path> {
        let help = "give -o FILE.xlsx";
        self.file()
            .ok_or_else(|| Diagnostic::new("a workbook is no text for stdout").help(help).into())
    }

    fn book(&self, forms: &Forms<'_>) -> Done {
        let path = self.book_file()?;
        let bytes = match forms.xlsx {
            Some(own) => own()?,
            None => sheets(forms)?,
        };
        source::write_whole(path, &bytes)?;
        Ok(DONE)
    }
}

/// Bars and lines are no pictures of characters, and the tables of a page hold the same numbers.
fn without_twins(mut document: Document) -> Document {
    document
        .blocks
        .retain(|b| !matches!(b, Block::Chart(Chart::Bars(_) | Chart::Lines(_))));
    document
}

/// A form that a result does not have.
///
/// # Errors
/// Always: that is what it says.
pub fn no_form(what: &str, has: &str) -> Result<String> {
    Err(Diagnostic::new(what).help(has).into())
}

/// The page of a result as a workbook, with its rows where the page has not all of them.
#[cfg(feature = "xlsx")]
fn sheets(forms: &Forms<'_>) -> Result<Vec<u8>> {
    use crate::report::xlsx::{FIXED_EPOCH_S, document::workbook};
    let (mut page, rows) = ((forms.page)(), (forms.rows)());
    let shown = |b: &Block| matches!(b, Block::Table(t) if t.rows.len() >= rows.rows.len());
    if !page.blocks.iter().any(shown) {
        page.blocks.push(Block::Table(rows));
    }
    workbook(&page, epoch_s()?.unwrap_or(FIXED_EPOCH_S))
}

#[cfg(not(feature = "xlsx"))]
fn sheets(_: &Forms<'_>) -> Result<Vec<u8>> {
    no_book()
}

/// What there is where workbooks were left out of the program.
///
/// # Errors
/// Always.
#[cfg(not(feature = "xlsx"))]
pub fn no_book() -> Result<Vec<u8>> {
    Err(Diagnostic::new("this program was built without workbooks")
        .help("build it with --features xlsx, or write .html or .csv")
        .into())
}

/// A document that has no contract of its own: text, or its generic JSON.
pub fn show(console: &Console, document: &Document) -> Done {
    if console.json {
        emit_json(&json::document(document))?
    } else {
        emit(&text::document(document, console.text()))?
    }
    Ok(DONE)
}
