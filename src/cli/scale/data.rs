//! `exaplan scale data`.

use super::super::Done;
use super::super::output::{Console, Target};
use super::{asked, pairs, quantity};
use crate::catalog::reader::one_of;
use crate::error::{Diagnostic, Result};
use crate::report::scale::data::{Asked, sheet};
use crate::scale::stock::{Price, book};
use crate::units::Unit;

const EXAMPLES: &str = "\
Examples:
  exaplan scale data --need 15T --recipe fineweb
  exaplan scale data --need 15T --mix web=0.83 --mix code-stack-v2=0.17
  exaplan scale data --need 15T --licence publisher-year=10 --licence book-title=50000 --years 3 --compute 60MUSD
  exaplan scale data --need 100T --overtraining 5";

/// Follow data from raw to unique tokens; mix, licences, poisoning, exhaustion.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DataArgs {
    /// Training tokens
    #[arg(long, value_name = "TOKENS")]
    need: String,
    /// A published recipe of cleaning: fineweb, dclm-baseline, refinedweb, dolma-1, nemotron-cc …
    #[arg(long, value_name = "NAME", default_value = "fineweb", help_heading = "Cleaning")]
    recipe: String,
    /// Raw tokens that go in; else as many as the recipe had
    #[arg(long, value_name = "TOKENS", help_heading = "Cleaning")]
    raw: Option<String>,
    /// Parameters of a classifier that reads the corpus
    #[arg(long, value_name = "N", help_heading = "Cleaning")]
    classifier: Option<String>,
    /// Share of the tokens that it removes
    #[arg(long, value_name = "FRACTION", default_value_t = 0.1, help_heading = "Cleaning")]
    removes: f64,
    /// Share of a source, by the name or kind of a stock; may be repeated, sums to 1
    #[arg(long, value_name = "NAME=SHARE", help_heading = "Mix")]
    mix: Vec<String>,
    /// Share of a stock that can be used
    #[arg(long, value_name = "FRACTION", default_value_t = 1.0, help_heading = "Mix")]
    usable: f64,
    /// Units of a licence, by the name of a price; may be repeated
    #[arg(long, value_name = "NAME=UNITS", help_heading = "Licences")]
    licence: Vec<String>,
    /// Term of the licences
    #[arg(long, value_name = "YEARS", default_value_t = 1.0, help_heading = "Licences")]
    years: f64,
    /// The compute bill to compare with
    #[arg(long, value_name = "MONEY", help_heading = "Licences")]
    compute: Option<String>,
    /// Documents that an attacker can place
    #[arg(long, value_name = "N", default_value_t = 250.0, help_heading = "Poisoning")]
    planted: f64,
    /// Documents that are enough: published 250, 100 were not
    #[arg(long, value_name = "N", default_value_t = 250.0, help_heading = "Poisoning")]
    enough: f64,
    /// How many times more data than sets of their year have
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, help_heading = "Exhaustion")]
    overtraining: f64,
    /// Seed of the Monte Carlo
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Exhaustion")]
    seed: u64,
    #[command(flatten)]
    target: Target,
}

fn within(flag: &str, value: f64, low: f64, high: f64) -> Result<f64> {
    if (low..=high).contains(&value) {
        return Ok(value);
    }
    let text = format!("--{flag} is {value}, out of range");
    Err(Diagnostic::new(text).help(format!("write a number from {low} to {high}")).into())
}

/// Follow and show.
pub fn run(args: &DataArgs, console: &Console) -> Done {
    args.target.format(console)?;
    let book = book()?;
    let recipes: Vec<&str> = book.yields.iter().map(|y| y.name.as_str()).collect();
    if !recipes.contains(&args.recipe.as_str()) {
        return Err(Diagnostic::new(format!("there is no recipe `{}`", args.recipe))
            .help(one_of(&args.recipe, &recipes))
            .into());
    }
    let mut licences: Vec<(&Price, f64)> = Vec::new();
    for (name, units) in pairs("licence", &args.licence)? {
        let price = book.prices.iter().find(|p| p.name == name).ok_or_else(|| -> crate::error::Error {
            let names: Vec<&str> = book.prices.iter().map(|p| p.name.as_str()).collect();
            Diagnostic::new(format!("--licence: there is no price `{name}`"))
                .help(one_of(&name, &names))
                .into()
        })?;
        licences.push((price, units));
    }
    let mix = pairs("mix", &args.mix)?;
    let classifier = asked("classifier", args.classifier.as_ref(), Unit::One)?;
    let made = sheet(&Asked {
        book,
        need_tokens: quantity("need", &args.need, Unit::Tokens)?,
        recipe: &args.recipe,
        raw_tokens: asked("raw", args.raw.as_ref(), Unit::Tokens)?,
        mix: &mix,
        usable_fraction: within("usable", args.usable, 1e-6, 1.0)?,
        licences,
        term_years: within("years", args.years, 0.01, 1000.0)?,
        compute_usd: asked("compute", args.compute.as_ref(), Unit::Usd)?,
        n_documents: within("planted", args.planted, 0.0, 1e15)?,
        n_enough: within("enough", args.enough, 1.0, 1e15)?,
        overtraining_factor: within("overtraining", args.overtraining, 1e-3, 1e4)?,
        classifier: classifier
            .map(|n| within("removes", args.removes, 0.0, 1.0).map(|r| (n, r)))
            .transpose()?,
        seed: args.seed,
    })?;
    super::write_sheet(&args.target, console, &made)
}
