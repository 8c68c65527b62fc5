//! `exaplan scale`.

mod data;
mod fit;
mod forecast;
mod laws;
mod limits;
mod optimal;
mod studies;
mod verify;

use super::Done;
use super::output::{Console, Forms, Target, no_form};
use crate::error::{Diagnostic, Result};
use crate::report::Document;
use crate::report::scale::first_table;
use crate::report::scale::sheet::Sheet;
use crate::scale::concepts::{CONCEPTS, Extent};
use crate::units::{self, Unit};
use serde_json::Value;

const EXAMPLES: &str = "\
Examples:
  exaplan scale optimal --flop 5.76e23
  exaplan scale optimal --set cluster.nodes=512 --deadline 60d
  exaplan scale fit points.csv --only outlier=0 --bootstrap 1000";

/// What size, how much data, and when more stops paying.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES, after_long_help = concepts())]
pub enum ScaleCommand {
    /// Find the size and data of least loss for a budget: FLOP, or a machine and days, money, energy, carbon
    Optimal(Box<optimal::OptimalArgs>),
    /// Fit a scaling law to measured points
    Fit(Box<fit::FitArgs>),
    /// Forecast loss and tasks of a size and data
    Forecast(Box<forecast::ForecastArgs>),
    /// Follow data from raw to unique tokens; mix, licences, poisoning, exhaustion
    Data(Box<data::DataArgs>),
    /// Price the next step of loss, and find what stops scaling first
    Limits(Box<limits::LimitsArgs>),
    /// Price the small runs before the big one
    Ladder(Box<studies::LadderArgs>),
    /// Compare architectures on the same machine and budget
    Architectures(Box<studies::ArchitecturesArgs>),
    /// Price schedules of sequence length and batch
    Curriculum(Box<studies::CurriculumArgs>),
    /// Tell learning rates and batches to start from
    Hyper(Box<forecast::HyperArgs>),
    /// Price what stands beside a run: rollbacks, retrieval, branches, interpretability
    Extras(Box<studies::ExtrasArgs>),
    /// List what of scaling can be planned, and by which command
    Concepts(studies::ConceptsArgs),
    /// List the laws that are shipped, or show one
    Laws(laws::LawsArgs),
    /// Refit published points and compare with what their authors printed
    Verify(verify::VerifyArgs),
}

/// Every concept with the command that reaches it, for the long help.
fn concepts() -> String {
    use std::fmt::Write;
    let mut text = format!("{EXAMPLES}\n\nConcepts:\n");
    for c in CONCEPTS {
        let how = if c.extent == Extent::Outside { c.tells } else { c.command };
        let _ = writeln!(text, "  {} ({})\n      {how}", c.name, c.extent.name());
    }
    text
}

/// Do it.
pub fn run(command: &ScaleCommand, console: &Console) -> Done {
    match command {
        ScaleCommand::Optimal(args) => optimal::run(args, console),
        ScaleCommand::Fit(args) => fit::run(args, console),
        ScaleCommand::Forecast(args) => forecast::run(args, console),
        ScaleCommand::Data(args) => data::run(args, console),
        ScaleCommand::Limits(args) => limits::run(args, console),
        ScaleCommand::Ladder(args) => studies::ladder(args, console),
        ScaleCommand::Architectures(args) => studies::architectures(args, console),
        ScaleCommand::Curriculum(args) => studies::curriculum(args, console),
        ScaleCommand::Hyper(args) => forecast::hyper(args, console),
        ScaleCommand::Extras(args) => studies::extras(args, console),
        ScaleCommand::Concepts(args) => studies::concepts(args, console),
        ScaleCommand::Laws(args) => laws::run(args, console),
        ScaleCommand::Verify(args) => verify::run(args, console),
    }
}

/// A quantity of a flag, greater than zero.
fn quantity(flag: &str, text: &str, unit: Unit) -> Result<f64> {
    let value =
        units::parse(text, unit).map_err(|why| Diagnostic::new(format!("--{flag}: {why}")).help(format!("write {}", unit.example())))?;
    if value > 0.0 && value < 1e60 {
        return Ok(value);
    }
    let text = format!("--{flag} is {text}, out of range");
    Err(Diagnostic::new(text)
        .help(format!("write a finite number greater than 0, for example {}", unit.example()))
        .into())
}

/// The same where the flag may be absent.
fn asked(flag: &str, text: Option<&String>, unit: Unit) -> Result<Option<f64>> {
    text.map(|t| quantity(flag, t, unit)).transpose()
}

/// A bare number, or one with its unit: `5.76e23` or `5.76e23 FLOP`.
fn flop(flag: &str, text: &str) -> Result<f64> {
    let unit = if text.parse::<f64>().is_ok() { Unit::One } else { Unit::Flop };
    quantity(flag, text, unit)
}

/// Write a sheet in the form that was asked for.
fn write_sheet(target: &Target, console: &Console, sheet: &Sheet) -> Done {
    write(target, console, &sheet.document(), &|| sheet.json())
}

/// `NAME=NUMBER` pairs of a repeated flag.
fn pairs(flag: &str, list: &[String]) -> Result<Vec<(String, f64)>> {
    let read = |text: &String| {
        let (name, value) = text.split_once('=')?;
        let value = units::parse(value, Unit::One).ok().filter(|v| *v >= 0.0)?;
        Some((name.to_string(), value))
    };
    list.iter()
        .map(|text| {
            read(text).ok_or_else(|| {
                Diagnostic::new(format!("--{flag}: `{text}` is no NAME=NUMBER"))
                    .help(format!("write for example --{flag} books=0.1"))
                    .into()
            })
        })
        .collect()
}

/// Numbers of a list with commas.
fn numbers(flag: &str, text: &str) -> Result<Vec<f64>> {
    text.split(',').map(|t| quantity(flag, t.trim(), Unit::One)).collect()
}

/// Write a document in the form that was asked for.
fn write(target: &Target, console: &Console, document: &Document, json: &dyn Fn() -> Value) -> Done {
    let forms = Forms {
        screen: &|| document.clone(),
        page: &|| document.clone(),
        rows: &|| first_table(document),
        json,
        trace: &|| no_form("a trace shows one step, not a scaling law", "write .html, .md, .csv, .json or .txt"),
        svg: &|| no_form("a scaling law has no picture of its own", "write .html, .md, .csv, .json or .txt"),
        xlsx: None,
    };
    target.write(console, &forms)
}
