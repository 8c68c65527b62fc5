//! `exaplan tui`.

use super::output::Console;
use super::{DEFAULT_SCENARIO, DONE, Done, Over};
use crate::error::{Diagnostic, Result};
use crate::report::plan::{Detail, document};
use std::io::IsTerminal;

const EXAMPLES: &str = "\
Examples:
  exaplan tui
  exaplan tui mine.toml llama3-405b --set cluster.nodes=1024";

/// Show plans in the terminal, side by side.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct TuiArgs {
    /// Scenario files, or names of built-in ones
    #[arg(value_name = "SCENARIO", default_value = DEFAULT_SCENARIO, value_hint = clap::ValueHint::FilePath)]
    scenarios: Vec<String>,
    #[command(flatten)]
    over: Over,
}

/// Whether there is a terminal to show it on.
pub fn possible() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Show.
pub fn run(args: &TuiArgs, console: &Console) -> Done {
    if !possible() {
        return Err(Diagnostic::new("`tui` needs a terminal, and this is none")
            .help("use `exaplan plan`, which writes to files and pipes too")
            .into());
    }
    let load = |name: &String| args.over.load(name, console);
    let scenarios = args.scenarios.iter().map(load).collect::<Result<Vec<_>>>()?;
    crate::tui::run(scenarios, |plan| document(plan, Detail::Screen))?;
    Ok(DONE)
}

/// What the program does when nothing is asked of it.
pub fn run_default(console: &Console) -> Done {
    let args = TuiArgs {
        scenarios: vec![DEFAULT_SCENARIO.to_string()],
        over: Over::default(),
    };
    run(&args, console)
}
