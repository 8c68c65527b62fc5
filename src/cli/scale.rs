//! `exaplan scale`.

mod fit;
mod laws;
mod optimal;
mod verify;

use super::output::{Console, Forms, Target};
use super::Done;
use crate::error::{Diagnostic, Result};
use crate::report::Document;
use crate::report::scale::first_table;
use crate::units::{self, Unit};
use serde_json::Value;

const EXAMPLES: &str = "\
Examples:
  exaplan scale optimal --flop 5.76e23
  exaplan scale optimal --set cluster.nodes=512 --deadline 60d
  exaplan scale fit points.csv --only outlier=0 --bootstrap 1000";

/// What size, how much data, and when more stops paying.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum ScaleCommand {
    /// Find the size and data of least loss for a budget: FLOP, or a machine and days, money, energy, carbon
    Optimal(Box<optimal::OptimalArgs>),
    /// Fit a scaling law to measured points
    Fit(Box<fit::FitArgs>),
    /// List the laws that are shipped, or show one
    Laws(laws::LawsArgs),
    /// Refit published points and compare with what their authors printed
    Verify(verify::VerifyArgs),
}

/// Do it.
pub fn run(command: &ScaleCommand, console: &Console) -> Done {
    match command {
        ScaleCommand::Optimal(args) => optimal::run(args, console),
        ScaleCommand::Fit(args) => fit::run(args, console),
        ScaleCommand::Laws(args) => laws::run(args, console),
        ScaleCommand::Verify(args) => verify::run(args, console),
    }
}

/// A quantity of a flag, greater than zero.
fn quantity(flag: &str, text: &str, unit: Unit) -> Result<f64> {
    let value = units::parse(text, unit).map_err(|why| Diagnostic::new(format!("--{flag}: {why}")).help(format!("write {}", unit.example())))?;
    if value > 0.0 && value < 1e60 {
        return Ok(value);
    }
    let text = format!("--{flag} is {text}, out of range");
    Err(Diagnostic::new(text).help(format!("write a finite number greater than 0, for example {}", unit.example())).into())
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

/// Write a document in the form that was asked for.
fn write(target: &Target, console: &Console, document: &Document, json: &dyn Fn() -> Value) -> Done {
    let forms = Forms {
        screen: &|| document.clone(),
        page: &|| document.clone(),
        rows: &|| first_table(document),
        json,
        trace: &|| {
            Err(Diagnostic::new("a trace shows one step, not a scaling law")
                .help("write .html, .md, .csv, .json or .txt")
                .into())
        },
    };
    target.write(console, &forms)
}
