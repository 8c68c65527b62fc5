//! `exaplan report`.

use super::output::{Console, Target};
use super::plan::Made;
use super::sampling::{Sampling, sampled};
use super::{Done, Input};
use crate::error::Diagnostic;

const EXAMPLES: &str = "\
Examples:
  exaplan report -o plan.html
  exaplan report -o plan.xlsx                       totals as live formulas over named assumptions
  exaplan report llama3-405b -o step.trace.json     open it in ui.perfetto.dev
  exaplan report --format md";

/// Write a plan to a file: workbook, page, Markdown, CSV, JSON, or a trace of one step.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    sampling: Sampling,
}

/// Plan and write.
pub fn run(args: &ReportArgs, console: &Console) -> Done {
    if args.target.output.is_none() && args.target.format.is_none() && !console.json {
        return Err(Diagnostic::new("a report needs a file or a format")
            .help("give -o FILE (.xlsx, .html, .md, .csv, .json, .trace.json or .txt), or --format for stdout; `exaplan plan` prints to the terminal")
            .into());
    }
    args.target.format(console)?;
    let (mut plan, catalog) = super::plan::load(&args.input, console)?;
    let study = sampled(&args.sampling, &args.input, &mut plan, console)?;
    let made = Made {
        plan: &plan,
        catalog: &catalog,
        study: study.as_ref(),
    };
    super::plan::write(&made, &args.target, console)
}
