//! `exaplan report`.

pub mod focus;
mod saved;
#[cfg(feature = "parquet")]
mod sweep;

use super::compare::{Loader, specs};
use super::output::{Console, Target};
use super::plan::{Made, again};
use super::sampling::{Sampling, sampled};
use super::{DEFAULT_SCENARIO, Done, Input, Over};
use crate::error::Diagnostic;
use crate::report::compare::Comparison;
use focus::FocusArgs;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  exaplan report -o plan.html
  exaplan report -o plan.xlsx                       totals as live formulas over named assumptions
  exaplan report --samples 10000 -o plan.html       with ranges and what decides them
  exaplan report -o estimate.focus.csv              the bill by month, for FinOps tools
  exaplan report check estimate.focus.csv           is it what it should be?
  exaplan report llama3-405b :cluster.nodes=1024,layout.data=64 -o two.html
  exaplan report study.parquet -o study.html        a sweep
  exaplan report plan.json -o plan.md               a plan that `plan --json` saved
  exaplan report llama3-405b -o step.trace.json     open it in ui.perfetto.dev";

/// Write a plan, a comparison or a sweep to a file: workbook, page, bill by month, Markdown, CSV,
/// JSON, or a trace of one step.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct ReportArgs {
    #[command(subcommand)]
    command: Option<ReportCommand>,
    /// A scenario; two to six to compare, as `exaplan compare` takes them; a saved plan or comparison
    /// (.json); or the results of a sweep (.parquet) [default: llama3-405b]
    #[arg(value_name = "SCENARIO", value_hint = clap::ValueHint::FilePath)]
    scenarios: Vec<String>,
    #[command(flatten)]
    over: Over,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    sampling: Sampling,
    #[command(flatten)]
    focus: FocusArgs,
}

/// What is not a report but about one.
#[derive(Debug, clap::Subcommand)]
enum ReportCommand {
    /// Check a FOCUS file strictly: every row, and the rows against each other
    Check(CheckArgs),
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// A FOCUS file in CSV; its manifest is read where it lies beside it
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

/// Plan and write.
pub fn run(args: &ReportArgs, console: &Console) -> Done {
    if let Some(ReportCommand::Check(check)) = &args.command {
        return focus::check(&check.file, console);
    }
    if args.target.output.is_none() && args.target.format.is_none() && !console.json {
        return Err(Diagnostic::new("a report needs a file or a format")
            .help("give -o FILE (.xlsx, .html, .focus.csv, .md, .csv, .json, .trace.json or .txt), or --format for stdout; `exaplan plan` prints to the terminal")
            .into());
    }
    let format = args.target.format(console)?;
    args.focus.before(format, &args.target)?;
    let ends = |text: &str, extension: &str| Path::new(text).extension().is_some_and(|e| e.eq_ignore_ascii_case(extension));
    match args.scenarios.as_slice() {
        [one] if ends(one, "json") => saved::run(Path::new(one), args, console),
        #[cfg(feature = "parquet")]
        [one] if ends(one, "parquet") => sweep::run(Path::new(one), &args.target, console),
        [] | [_] => one(args, console),
        _ => several(args, console),
    }
}

fn one(args: &ReportArgs, console: &Console) -> Done {
    let mut list = specs(&args.scenarios, true)?;
    let mut over = args.over.clone();
    let scenario = list.pop().map_or(DEFAULT_SCENARIO.to_string(), |spec| {
        over.set.extend(spec.sets);
        spec.name
    });
    plan(&Input { scenario, over }, &args.sampling, &args.target, (&args.focus, console))
}

/// Report one plan.
fn plan(input: &Input, sampling: &Sampling, target: &Target, (focus, console): (&FocusArgs, &Console)) -> Done {
    let (mut plan, catalog) = super::plan::load(input, console)?;
    let study = sampled(sampling, input, &mut plan, console)?;
    let made = Made {
        plan: &plan,
        catalog: &catalog,
        study: study.as_ref(),
        again: &again(input, sampling),
    };
    super::plan::write(&made, target, focus, console)
}

fn several(args: &ReportArgs, console: &Console) -> Done {
    let asked = specs(&args.scenarios, false)?;
    let loader = Loader {
        over: &args.over,
        free_layout: false,
        sampling: &args.sampling,
        console,
    };
    let cases = loader.cases(&args.scenarios, &asked)?;
    let mut again = args.over.again_with("compare", &args.scenarios);
    again.extend(args.sampling.again());
    super::compare::write(&Comparison::new(cases, Vec::new()), &again, &args.target, console)
}
