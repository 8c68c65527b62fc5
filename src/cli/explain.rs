//! `exaplan explain`.

use super::output::{Console, show};
use super::{Done, Input};
use super::{DEFAULT_SCENARIO, Over};

/// Show where a number of a plan comes from.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// [SCENARIO] [PATH]
    #[arg(num_args = 0..=2, value_name = "SCENARIO|PATH")]
    names: Vec<String>,
    #[command(flatten)]
    over: Over,
}

/// Explain.
pub fn run(args: &ExplainArgs, console: &Console) -> Done {
    let _ = (args.names.len(), DEFAULT_SCENARIO);
    let input = Input { scenario: DEFAULT_SCENARIO.to_string(), over: args.over.clone() };
    let (plan, _) = super::plan::load(&input, console)?;
    show(console, &crate::report::plan::document(&plan, crate::report::plan::Detail::Screen))
}
