//! `exaplan explain`.

use super::output::{Console, emit_json, show};
use super::{DEFAULT_SCENARIO, DONE, Done, Input, Over};
use crate::catalog::source;
use crate::report::explain::{explain, overview};
use std::path::Path;

const EXAMPLES: &str = "\
Examples:
  exaplan explain step.time_s
  exaplan explain llama3-405b bill.carbon_kg_co2e";

/// Show where a number of a plan comes from: formula, what goes in, sources.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "exaplan explain [OPTIONS] [SCENARIO] [PATH]")]
pub struct ExplainArgs {
    /// A scenario (file or built-in name) and the path of a number in `plan --json`; either may be left out
    #[arg(num_args = 0..=2, value_names = ["SCENARIO", "PATH"])]
    names: Vec<String>,
    #[command(flatten)]
    over: Over,
}

/// Explain.
pub fn run(args: &ExplainArgs, console: &Console) -> Done {
    let (scenario, path) = match args.names.as_slice() {
        [] => (DEFAULT_SCENARIO, None),
        [one] if is_scenario(one) => (one.as_str(), None),
        [one] => (DEFAULT_SCENARIO, Some(one.as_str())),
        [scenario, path, ..] => (scenario.as_str(), Some(path.as_str())),
    };
    let input = Input {
        scenario: scenario.to_string(),
        over: args.over.clone(),
    };
    let (plan, catalog) = super::plan::load(&input, console)?;
    let Some(path) = path else { return show(console, &overview(&plan)) };
    let explained = explain(&plan, &catalog, path)?;
    if console.json {
        emit_json(&explained.json(&plan))?;
        return Ok(DONE);
    }
    show(console, &explained.document(&plan))
}

/// Paths of numbers are never files; everything else that looks like one is.
fn is_scenario(name: &str) -> bool {
    let path = Path::new(name);
    path.exists() || name.contains('/') || path.extension().is_some_and(|e| e == "toml") || source::embedded_scenario(name).is_some()
}
