//! Results of tools that people run already, as items with a time.
//!
//! Each reader says what it took for granted; a line that looks like a result and is none is an error with its
//! place, a line that is none is passed over.

mod table;
mod text;

use super::{Checked, Item, Measured, Sample};
use crate::catalog::{Collective, DType};
use crate::error::{At, Diagnostic, Error, Origin, Result, nearest};
use std::path::Path;
use std::sync::Arc;

/// A tool whose output is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Text of nccl-tests and rccl-tests.
    NcclTests,
    /// Text of the OSU micro-benchmarks.
    Osu,
    /// mamf-finder of the ML Engineering book.
    Mamf,
    /// Matrix benchmarks of the EleutherAI cookbook.
    Cookbook,
    /// GEMM and NCCL tables of aiconfigurator, CSV or Parquet.
    Aiconfigurator,
    /// A table with the columns of a profile's tables.
    Csv,
}

impl Tool {
    /// Every tool with its name on the command line.
    pub const ALL: [(&'static str, Tool); 6] = [
        ("nccl-tests", Tool::NcclTests),
        ("osu", Tool::Osu),
        ("mamf-finder", Tool::Mamf),
        ("cookbook", Tool::Cookbook),
        ("aiconfigurator", Tool::Aiconfigurator),
        ("csv", Tool::Csv),
    ];

    /// The tool with this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn from_name(name: &str) -> Result<Tool> {
        let names = || Tool::ALL.iter().map(|(n, _)| *n);
        Tool::ALL.iter().find(|(n, _)| *n == name).map(|(_, t)| *t).ok_or_else(|| {
            let guess = nearest(name, names()).map_or(String::new(), |n| format!("did you mean `{n}`? "));
            let list = names().collect::<Vec<_>>().join(", ");
            Diagnostic::new(format!("no reader for `{name}`"))
                .help(format!("{guess}there are {list}"))
                .into()
        })
    }
}

/// What a file does not say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told {
    /// Members of the collectives.
    pub ranks: Option<u64>,
    /// Which collective.
    pub collective: Option<Collective>,
    /// Format of the operands.
    pub dtype: Option<DType>,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Imported {
    /// Items with seconds, in the order of the file; a shape that stands again replaces the one before.
    pub points: Vec<(Item, f64)>,
    /// The software that measured, as far as the file says.
    pub software: String,
    /// What was taken for granted.
    pub notes: Vec<String>,
}

impl Imported {
    fn add(&mut self, item: Item, time_s: f64) {
        match self.points.iter_mut().find(|(i, _)| *i == item) {
            Some((_, t)) => *t = time_s,
            None => self.points.push((item, time_s)),
        }
    }

    /// As measurements of one run each: such tools publish a mean and no spread.
    #[must_use]
    pub fn measured(&self) -> Vec<Measured> {
        let one = |(item, time_s): &(Item, f64)| {
            Some(Measured {
                item: *item,
                n_threads: 0,
                kernel: self.software.clone(),
                sample: Sample::new(&[*time_s])?,
                check: Checked {
                    max_error_fraction: 0.0,
                    n_checked: 0,
                },
                energy_j: None,
            })
        };
        self.points.iter().filter_map(one).collect()
    }
}

/// Read a file of a tool.
///
/// # Errors
/// With the line where the text is not what the tool writes; where something has to be told besides.
pub fn read(tool: Tool, path: &Path, told: &Told) -> Result<Imported> {
    if tool == Tool::Aiconfigurator && path.extension().is_some_and(|e| e == "parquet") {
        return table::parquet(path);
    }
    let origin = crate::catalog::source::read_as(path, "results of a benchmark")?;
    parse(tool, &origin, told)
}

/// The same from a text.
///
/// # Errors
/// As [`read`].
pub fn parse(tool: Tool, origin: &Arc<Origin>, told: &Told) -> Result<Imported> {
    let found = match tool {
        Tool::NcclTests => text::nccl(origin, told)?,
        Tool::Osu => text::osu(origin, told)?,
        Tool::Mamf => text::mamf(origin, told)?,
        Tool::Cookbook => text::cookbook(origin, told)?,
        Tool::Aiconfigurator => table::aiconfigurator(origin)?,
        Tool::Csv => table::generic(origin)?,
    };
    if found.points.is_empty() {
        let text = format!("{}: no result in it", origin.name);
        return Err(Diagnostic::new(text).help("see that it is the output of this tool, whole").into());
    }
    Ok(found)
}

/// An error at a line, counted from 0.
fn wrong(origin: &Arc<Origin>, line: usize, what: impl std::fmt::Display, help: &str) -> Error {
    let before: usize = origin.text.split_inclusive('\n').take(line).map(str::len).sum();
    let len = origin.text.lines().nth(line).map_or(0, str::len);
    let at = At {
        origin: origin.clone(),
        span: before..before + len,
    };
    Diagnostic::new(format!("line {}: {what}", line + 1)).at(&at).help(help).into()
}

/// Seconds of a cell in a unit of `unit_s`; a time is finite and above 0.
fn seconds(cell: &str, unit_s: f64) -> Option<f64> {
    let value = cell.trim().parse::<f64>().ok()? * unit_s;
    (value.is_finite() && value > 0.0).then_some(value)
}

fn told_or<T>(value: Option<T>, what: &str, flag: &str) -> Result<T> {
    value.ok_or_else(|| {
        Diagnostic::new(format!("the file does not say {what}"))
            .help(format!("give {flag}"))
            .into()
    })
}

#[cfg(test)]
mod tests;
