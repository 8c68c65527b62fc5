//! `exaplan scale forecast` and `hyper`.

use super::super::Done;
use super::super::output::{Console, Target};
use super::optimal::AskArgs;
use super::{asked, quantity};
use crate::catalog::{Catalog, Model};
use crate::error::Result;
use crate::report::scale::forecast as report;
use crate::scale::formula::Allocation;
use crate::units::Unit;

const EXAMPLES: &str = "\
Examples:
  exaplan scale forecast --params 70B --tokens 1.4T
  exaplan scale forecast --params 7B --tokens 1T --unique 100G --law law.toml";

/// Forecast loss and tasks of a size and data, with intervals and the distance from what was measured.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ForecastArgs {
    #[command(flatten)]
    size: SizeArgs,
    #[command(flatten)]
    ask: AskArgs,
    /// Show why an exact match of this many tokens seems to jump
    #[arg(long, value_name = "TOKENS")]
    answer_tokens: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// A size and its data.
#[derive(Debug, clap::Args)]
pub struct SizeArgs {
    /// Parameters, as the law counts them: 70B
    #[arg(long, value_name = "N")]
    params: String,
    /// Training tokens, counting repeats: 1.4T
    #[arg(long, value_name = "TOKENS")]
    tokens: String,
}

impl SizeArgs {
    fn at(&self) -> Result<Allocation> {
        Ok(Allocation {
            n_params: quantity("params", &self.params, Unit::One)?,
            n_tokens: quantity("tokens", &self.tokens, Unit::Tokens)?,
        })
    }
}

/// The proportions that mixtures are shaped by when no scenario is named.
fn template() -> Result<Model> {
    Catalog::builtin().get("llama3-70b")
}

/// Forecast and show.
pub fn run(args: &ForecastArgs, console: &Console) -> Done {
    args.target.format(console)?;
    let question = args.ask.question(&template()?)?;
    let answer = asked("answer-tokens", args.answer_tokens.as_ref(), Unit::Tokens)?;
    let sheet = report::sheet(&question, args.size.at()?, answer)?;
    super::write_sheet(&args.target, console, &sheet)
}

const HYPER_EXAMPLES: &str = "\
Examples:
  exaplan scale hyper --params 7B --tokens 2T";

/// Tell learning rates and batches to start from, by published laws, within a factor of two.
#[derive(Debug, clap::Args)]
#[command(after_help = HYPER_EXAMPLES)]
pub struct HyperArgs {
    #[command(flatten)]
    size: SizeArgs,
    #[command(flatten)]
    ask: AskArgs,
    #[command(flatten)]
    target: Target,
}

/// Tell.
pub fn hyper(args: &HyperArgs, console: &Console) -> Done {
    args.target.format(console)?;
    let question = args.ask.question(&template()?)?;
    super::write_sheet(&args.target, console, &report::hyper(&question, args.size.at()?)?)
}
