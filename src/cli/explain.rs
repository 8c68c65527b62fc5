//! `exaplan explain`.

mod uneven;

use super::output::{Console, emit_json, show};
use super::{DEFAULT_SCENARIO, DONE, Done, Input, Over};
use crate::catalog::source;
use crate::error::Diagnostic;
use crate::plan::Plan;
use crate::report::explain::{explain, overview, timeline};
use crate::study::sensitivity::what_next;
use std::path::Path;

/// The word that asks for a step stage by stage.
const TIMELINE: &str = "timeline";

const EXAMPLES: &str = "\
Examples:
  exaplan explain step.time_s
  exaplan explain llama3-405b bill.carbon_kg_co2e
  exaplan explain timeline                          one step stage by stage, its critical path, what to change next
  exaplan explain --slow stage=3,factor=1.1         what a slow device costs
  exaplan explain --jitter 0.02 --seed 7            what uneven kernels cost
  exaplan explain --failures 10000                  how much days and goodput depend on luck";

/// Show where a number of a plan comes from: formula, what goes in, sources.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "exaplan explain [OPTIONS] [SCENARIO] [PATH]")]
pub struct ExplainArgs {
    /// A scenario (file or built-in name) and the path of a number in `plan --json`, or `timeline`; either may be left out
    #[arg(num_args = 0..=2, value_names = ["SCENARIO", "PATH"])]
    names: Vec<String>,
    #[command(flatten)]
    over: Over,
    #[command(flatten)]
    uneven: uneven::UnevenArgs,
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
    if let (true, Some(path)) = (args.uneven.any(), path.filter(|p| *p != TIMELINE)) {
        let text = format!("--slow, --jitter and --failures say nothing of `{path}`");
        return Err(Diagnostic::new(text).help("leave the path out").into());
    }
    let (plan, catalog) = super::plan::load(&input, console)?;
    if args.uneven.any() {
        return uneven::run(&args.uneven, &plan, console);
    }
    if path == Some(TIMELINE) {
        return one_step(&plan, console);
    }
    let Some(path) = path else { return show(console, &overview(&plan)) };
    let explained = explain(&plan, &catalog, path)?;
    if console.json {
        emit_json(&explained.json(&plan))?;
        return Ok(DONE);
    }
    show(console, &explained.document(&plan))
}

/// A step stage by stage.
fn one_step(plan: &Plan, console: &Console) -> Done {
    let gantt = super::plan::drawn(plan)?;
    let effects = what_next(plan);
    if console.json {
        emit_json(&timeline::json(plan, &gantt, &effects))?;
        return Ok(DONE);
    }
    show(console, &timeline::document(plan, &gantt, &effects))
}

/// Paths of numbers are never files; everything else that looks like one is.
fn is_scenario(name: &str) -> bool {
    let path = Path::new(name);
    path.exists() || name.contains('/') || path.extension().is_some_and(|e| e == "toml") || source::embedded_scenario(name).is_some()
}
