//! Ranges of a plan by samples of what is uncertain.

use super::output::Console;
use super::{Input, layers};
use crate::error::Result;
use crate::plan::{Plan, Scenario};
use crate::study::uncertain::{Options, Prepared, Uncertain};

/// How to sample.
#[derive(Debug, Clone, clap::Args)]
pub struct Sampling {
    /// Draw this many samples of the step-time error and [unknowns] (by default, with [unknowns],
    /// 10000, or 1000 where the step must be worked out for each)
    #[arg(long, value_name = "N", help_heading = "Ranges", value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    samples: Option<u32>,
    /// Seed of the samples
    #[arg(long, value_name = "SEED", help_heading = "Ranges", default_value_t = 1)]
    seed: u64,
}

impl Sampling {
    /// The words of the same on a command line.
    pub fn again(&self) -> Vec<String> {
        let Some(n) = self.samples else { return Vec::new() };
        [("--samples", n.to_string()), ("--seed", self.seed.to_string())]
            .into_iter()
            .flat_map(|(flag, value)| [flag.to_string(), value])
            .collect()
    }
}

/// Sample where it was asked for, or where the scenario has unknowns; the plan gets the ranges.
pub fn sampled(args: &Sampling, input: &Input, plan: &mut Plan, console: &Console) -> Result<Option<Uncertain>> {
    if args.samples.is_none() && plan.scenario.unknowns.is_empty() {
        return Ok(None);
    }
    let base = layers::catalog(&input.over.layers, &console.silent())?;
    let (base, own) = input.over.prepared(base)?;
    let read = |more: &[String]| {
        let all: Vec<String> = own.iter().chain(more).cloned().collect();
        Scenario::load(&input.scenario, &all, base.clone()).map(|(scenario, _)| scenario)
    };
    let options = Options {
        n_samples: args.samples,
        seed: args.seed,
    };
    let prepared = Prepared::new(plan, &read)?;
    let progress = console.progress(prepared.n_samples(options) as usize, "samples");
    let study = prepared.study(options, &|| progress.step());
    progress.end();
    let study = study?;
    plan.drawn = study.drawn();
    Ok(Some(study))
}
