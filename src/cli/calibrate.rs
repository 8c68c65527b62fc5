//! `exaplan calibrate`.

use super::output::{Console, emit};
use super::{DONE, Done, Layers, layers};
use crate::catalog::source;
use crate::error::Result;
use crate::report::calibrate::{Calibrated, document, json, overlay};
use crate::study::fit::{Case, Shifts, Start, cases, fit, some};
use crate::study::runs::{Row, read_csv};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  exaplan calibrate --runs our-runs.csv
  exaplan calibrate --runs our-runs.csv -o stacks.toml && exaplan plan my.toml --catalog .";

/// Fit the parameters of software stacks to measured runs.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CalibrateArgs {
    /// Read measured runs from a CSV file [default: the built-in published ones]
    #[arg(long, value_name = "CSV", value_hint = clap::ValueHint::FilePath)]
    runs: Option<PathBuf>,
    /// Read the architectures that the runs name from a TOML file, over the catalog
    #[arg(long, value_name = "TOML", value_hint = clap::ValueHint::FilePath)]
    models: Option<PathBuf>,
    /// Write the fitted stacks as a catalog file
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
    #[command(flatten)]
    layers: Layers,
}

/// Fit and show.
pub fn run(args: &CalibrateArgs, console: &Console) -> Done {
    let mut catalog = layers::catalog(&args.layers, console)?;
    let files = match &args.runs {
        Some(path) => vec![source::read(path)?],
        None => source::published(),
    };
    let rows: Vec<Row> = files.iter().map(read_csv).collect::<Result<Vec<_>>>()?.concat();
    if let Some(path) = &args.models {
        catalog = super::validate::with_models(&source::read(path)?, catalog, console)?;
    }
    // The published runs have made the stacks what they are: a fit to them starts before that.
    let start = if args.runs.is_some() { Start::Fitted } else { Start::Unfitted };
    let cases = cases(&rows, &catalog, start);
    some(&cases)?;
    let all: Vec<&Case> = cases.iter().collect();
    let shifts = fit(&all, &Shifts::new());
    let fitted = Calibrated {
        catalog: &catalog,
        cases: &cases,
        shifts: &shifts,
        start,
    };
    if let Some(path) = &args.output {
        source::write_whole(path, overlay(&fitted).as_bytes())?;
    }
    if console.json {
        super::output::emit_json(&json(&fitted))?;
    } else {
        emit(&crate::report::text::document(&document(&fitted), console.text()))?;
    }
    Ok(DONE)
}
