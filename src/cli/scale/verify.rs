//! `exaplan scale verify`.

use super::super::output::{Console, Target};
use super::super::{DONE, Done, NO};
use crate::error::Diagnostic;
use crate::report::scale::verify::{document, json};
use crate::scale::verify::{n_studies, verify};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  exaplan scale verify points/
  exaplan scale verify points/ --starts all --json";

/// Refit published points and compare with what their authors printed; exit 1 when a number is missed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// A directory of point files: chinchilla_epoch.csv, datablations_fit182.csv, gadre_overtraining.csv,
    /// porian_optima.csv, clark_routed_final.csv, olmo_ladder_final.csv, olmo_ladder_checkpoints.csv
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    points: PathBuf,
    /// Starts of the Chinchilla refit
    #[arg(long, value_enum, default_value_t = super::fit::Starts::Few, value_name = "WHICH")]
    starts: super::fit::Starts,
    #[command(flatten)]
    target: Target,
}

/// Refit and compare.
pub fn run(args: &VerifyArgs, console: &Console) -> Done {
    args.target.format(console)?;
    let progress = console.progress(n_studies(), "studies");
    let done = verify(&args.points, args.starts == super::fit::Starts::All, &|| progress.step())?;
    progress.end();
    if done.checks.is_empty() {
        return Err(
            Diagnostic::new(format!("`{}` holds none of the files of points", args.points.display()))
                .help("give the directory that holds chinchilla_epoch.csv, porian_optima.csv and the others")
                .into(),
        );
    }
    super::write(&args.target, console, &document(&done), &|| json(&done))?;
    Ok(if done.missed().next().is_some() { NO } else { DONE })
}
