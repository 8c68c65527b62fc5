//! `exaplan scale laws`.

use super::super::Done;
use super::super::output::{Console, Target};
use crate::report::scale::laws::{json, list, one};
use crate::scale::law;

const EXAMPLES: &str = "\
Examples:
  exaplan scale laws
  exaplan scale laws chinchilla";

/// List the laws that are shipped, or show one with its constants, intervals, range and source.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct LawsArgs {
    /// A law, or a file that `scale fit --save` wrote
    #[arg(value_name = "LAW")]
    law: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// Show.
pub fn run(args: &LawsArgs, console: &Console) -> Done {
    args.target.format(console)?;
    match &args.law {
        Some(name) => {
            let law = law::find(name)?;
            super::write(&args.target, console, &one(&law), &|| json(std::slice::from_ref(&law)))
        }
        None => {
            let laws = law::builtin()?;
            super::write(&args.target, console, &list(laws), &|| json(laws))
        }
    }
}
