//! `exaplan calibrate`.

use super::output::{Console, Replace, show};
use super::validate::{MODELS, RUNS, rows, with_models};
use super::{Done, Layers, layers};
use crate::catalog::{Catalog, source};
use crate::error::{Diagnostic, Result};
use crate::report::bands;
use crate::report::calibrate::own::{self, Own};
use crate::report::calibrate::{Calibrated, document, json, overlay};
use crate::study::cross::cross;
use crate::study::fit::{Case, Shifts, Start, cases, fit, some};
use crate::study::own::fit_own;
use crate::study::runs::Row;
use crate::study::software::features;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  exaplan calibrate --runs our-runs.csv
  exaplan calibrate --runs our-runs.csv -o ours/stacks.toml && exaplan plan my.toml --catalog ours
  exaplan calibrate --bands profiles/bands/bands.toml";

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
    /// Leave out one family of sources after another, and write the bands of all classes of runs as a
    /// catalog file
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    bands: Option<PathBuf>,
    #[command(flatten)]
    replace: Replace,
    #[command(flatten)]
    layers: Layers,
}

/// Fit and show.
pub fn run(args: &CalibrateArgs, console: &Console) -> Done {
    args.replace.writable(args.output.iter().chain(&args.bands))?;
    let mut catalog = layers::catalog(&args.layers, console)?;
    let files = match &args.runs {
        Some(path) => vec![source::read_as(path, RUNS)?],
        None => source::published(),
    };
    let rows = rows(&files, console)?.rows;
    if let Some(path) = &args.models {
        catalog = with_models(&source::read_as(path, MODELS)?, catalog, console)?;
    }
    if let Some(path) = &args.bands {
        write_bands(path, &rows, &catalog, console)?;
    }
    match &args.runs {
        Some(path) => own_runs(path, &rows, &catalog, args, console),
        None => published(&rows, &catalog, args, console),
    }
}

/// The published runs have made the stacks what they are: a fit to them starts before that, and moves
/// all of them together.
fn published(rows: &[Row], catalog: &Catalog, args: &CalibrateArgs, console: &Console) -> Done {
    let cases = cases(rows, catalog, Start::Unfitted);
    some(&cases)?;
    let all: Vec<&Case> = cases.iter().collect();
    let shifts = fit(&all, &Shifts::new());
    let fitted = Calibrated {
        catalog,
        cases: &cases,
        shifts: &shifts,
        start: Start::Unfitted,
    };
    if let Some(path) = &args.output {
        source::write_whole(path, overlay(&fitted).as_bytes())?;
    }
    if console.json {
        super::output::emit_json(&json(&fitted))?;
        return Ok(super::DONE);
    }
    show(console, &document(&fitted))
}

/// Runs of one's own move the stacks that they ran on, and no more of them than they tell.
fn own_runs(path: &Path, rows: &[Row], catalog: &Catalog, args: &CalibrateArgs, console: &Console) -> Done {
    let cases = cases(rows, catalog, Start::Fitted);
    some(&cases)?;
    if cases.len() < rows.len() {
        let n = rows.len() - cases.len();
        console.note(&format!(
            "{n} rows are no steps that can be fitted; `exaplan validate --runs` says why"
        ));
    }
    let fitted = fit_own(&cases);
    let own = Own {
        catalog,
        cases: &cases,
        fitted: &fitted,
        id: &|row| rows.get(row).map_or_else(String::new, |r| r.id.clone()),
        features: &|row| rows.get(row).map_or_else(String::new, |r| features(r, catalog).join(", ")),
        origin: &path.display().to_string(),
    };
    if let Some(path) = &args.output {
        source::write_whole(path, own::overlay(&own).as_bytes())?;
    }
    if console.json {
        super::output::emit_json(&own::json(&own))?;
        return Ok(super::DONE);
    }
    show(console, &own::document(&own))
}

/// The bands that plans and validations read, from fits that left out what they are told by.
fn write_bands(path: &Path, rows: &[Row], catalog: &Catalog, console: &Console) -> Result<()> {
    let cases = cases(rows, catalog, Start::Unfitted);
    some(&cases)?;
    let families = cases.iter().map(|c| c.family.as_str()).collect::<BTreeSet<_>>().len();
    if families < 2 {
        return Err(
            Diagnostic::new("bands are the errors of one family of sources predicted by the others, and there is one only")
                .help("give runs of several sources, or leave --bands out")
                .into(),
        );
    }
    let progress = console.progress(families, "families");
    let list = cross(&cases, &|| progress.step());
    progress.end();
    let source = format!(
        "exaplan calibrate on {} runs of {families} families of sources, each family left out",
        cases.len()
    );
    source::write_whole(path, bands::toml(&list, &source).as_bytes())
}
