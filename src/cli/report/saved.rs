//! Reports of what was saved as JSON: the same command once more, if it still gives the same.

use super::ReportArgs;
use crate::catalog::source;
use crate::cli::compare::specs;
use crate::cli::output::Console;
use crate::cli::{Cli, Command, Done};
use crate::error::{Diagnostic, Error, Result};
use crate::plan::Provenance;
use clap::Parser;
use serde_json::Value;
use std::path::Path;

/// Read and report.
pub fn run(path: &Path, args: &ReportArgs, console: &Console) -> Done {
    let name = path.display().to_string();
    let origin = source::read_as(path, "a plan or comparison that --json saved")?;
    let foreign = || -> Error {
        Diagnostic::new(format!("`{name}` is no saved plan or comparison"))
            .help("give what `exaplan plan --json` or `exaplan compare --json` wrote, or a scenario in TOML")
            .into()
    };
    let saved: Value = serde_json::from_str(&origin.text).map_err(|_| foreign())?;
    let words: Vec<String> = serde_json::from_value(saved["again"].clone()).map_err(|_| foreign())?;
    if !args.over.set.is_empty() || args.over.hf.is_some() || args.over.profile.is_some() {
        return Err(Diagnostic::new("a saved result is reported as it is")
            .help(format!("to change it, give its scenario: {}", words.join(" ")))
            .into());
    }
    match Cli::try_parse_from(&words).map_err(|_| foreign())?.command {
        Some(Command::Plan(made)) => {
            let (input, sampling) = made.asked();
            let plan = crate::cli::plan::load(input, &console.silent())?.0;
            same(&name, &saved["provenance"], &plan.provenance, &words)?;
            super::plan(input, sampling, &args.target, (&args.focus, console))
        }
        Some(Command::Compare(mut made)) => {
            made.target = args.target.clone();
            let asked = specs(&made.scenarios, true)?;
            let cases = made.loader(&console.silent()).cases(&made.scenarios, &asked)?;
            for (case, told) in cases.iter().zip(saved["scenarios"].as_array().into_iter().flatten()) {
                same(&name, &told["provenance"], &case.plan.provenance, &words)?;
            }
            crate::cli::compare::run(&made, console)
        }
        _ => Err(foreign()),
    }
}

/// A report of other inputs than those that were saved would carry the wrong name.
fn same(name: &str, told: &Value, now: &Provenance, words: &[String]) -> Result<()> {
    let differs = [
        ("program", told["program"] != now.program.as_str()),
        ("catalog", told["catalog_digest"] != now.catalog_digest.as_str()),
        ("scenario", told["scenario_digest"] != now.scenario_digest.as_str()),
    ];
    match differs.iter().find(|(_, differs)| *differs) {
        None => Ok(()),
        Some((what, _)) => Err(Diagnostic::new(format!("`{name}` was made with another {what}"))
            .help(format!("make it again: {} --json", words.join(" ")))
            .into()),
    }
}
