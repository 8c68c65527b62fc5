//! `exaplan scale optimal`.

use super::super::output::{Console, Target};
use super::super::{DEFAULT_SCENARIO, Done, Over, layers};
use super::{asked, quantity};
use crate::error::{Diagnostic, Result};
use crate::plan::Scenario;
use crate::report::scale::{machine as report, optimal as law_report};
use crate::scale::law;
use crate::scale::machine::{Budget, Machine, best, n_pieces};
use crate::scale::optimal::{elsewhere, optimum};
use crate::scale::question::{BatchCost, Mixing, Question, REPETITION, Route};
use crate::scale::shape::{Mixture, shaped};
use crate::units::{HOUR_S, Unit};
use crate::workload::count;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  exaplan scale optimal --flop 5.76e23
  exaplan scale optimal --set cluster.nodes=512 --deadline 60d
  exaplan scale optimal --budget 10MUSD --unique 2T
  exaplan scale optimal --flop 1e24 --served 2T
  exaplan scale optimal --set cluster.nodes=512 --deadline 60d --experts 64 --route krajewski";

/// Find the size and data of least loss for a budget. FLOP alone are answered by the law; any other bound
/// goes through the layout search on the scenario's machine. All bounds that are given hold.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct OptimalArgs {
    /// A scenario file, or the name of a built-in one, for its machine, sequence and software
    #[arg(value_name = "SCENARIO", value_hint = clap::ValueHint::FilePath)]
    scenario: Option<String>,
    #[command(flatten)]
    over: Over,
    /// Training FLOP, 6 N D
    #[arg(long, value_name = "FLOP", help_heading = "Budget")]
    flop: Option<String>,
    /// Wall time on the whole machine: 60d
    #[arg(long, value_name = "TIME", help_heading = "Budget")]
    deadline: Option<String>,
    /// Device-hours: 2M
    #[arg(long, value_name = "HOURS", help_heading = "Budget")]
    device_hours: Option<String>,
    /// Money: 10MUSD
    #[arg(long, value_name = "MONEY", help_heading = "Budget")]
    budget: Option<String>,
    /// Electricity at the meter: 5GWh
    #[arg(long, value_name = "ENERGY", help_heading = "Budget")]
    energy: Option<String>,
    /// Greenhouse gases: 500tCO2e
    #[arg(long, value_name = "MASS", help_heading = "Budget")]
    carbon: Option<String>,
    /// Training tokens, counting repeats: 15T
    #[arg(long, value_name = "TOKENS", help_heading = "Budget")]
    tokens: Option<String>,
    #[command(flatten)]
    ask: AskArgs,
    /// Tokens of a step; else those of least loss are found
    #[arg(long, value_name = "TOKENS", help_heading = "Question")]
    batch: Option<String>,
    /// Keep the degrees of the layout that the scenario fixes
    #[arg(long, help_heading = "Question")]
    keep_layout: bool,
    #[command(flatten)]
    target: Target,
}

/// What is asked of a law.
#[derive(Debug, clap::Args)]
pub struct AskArgs {
    /// A law of `exaplan scale laws`, or a file that `scale fit --save` wrote
    #[arg(long, default_value = "chinchilla", value_name = "LAW", help_heading = "Question")]
    law: String,
    /// Unique tokens there are; more are repeats
    #[arg(long, value_name = "TOKENS", help_heading = "Question")]
    unique: Option<String>,
    /// Repetitions after which a token has lost all but 1/e of its worth; published 6.6 to unbounded
    #[arg(long, value_name = "N", default_value_t = REPETITION.0, help_heading = "Question", hide_short_help = true)]
    repetition: f64,
    /// Tokens served over the model's life
    #[arg(long, value_name = "TOKENS", help_heading = "Question")]
    served: Option<String>,
    /// A mixture with this many routed experts
    #[arg(long, value_name = "N", help_heading = "Question", value_parser = clap::value_parser!(u32).range(2..=4096))]
    experts: Option<u32>,
    /// Experts that see each token
    #[arg(long, value_name = "N", default_value_t = 8, help_heading = "Question", value_parser = clap::value_parser!(u32).range(1..=256))]
    active: u32,
    /// How a mixture is compared with dense models: clark, krajewski, leverage=FACTOR
    #[arg(long, value_name = "ROUTE", default_value = "clark", help_heading = "Question")]
    route: String,
    /// Bits of weights, activations and attention in training
    #[arg(long, value_name = "BITS", help_heading = "Question")]
    bits: Option<f64>,
}

impl AskArgs {
    /// The question. The shape of mixtures is that of the template.
    pub fn question(&self, template: &crate::catalog::Model) -> Result<Question> {
        let law = law::find(&self.law)?;
        if law.optimum(1e21).is_none() {
            return Err(Diagnostic::new(format!("`{}` tells no loss from size and data", law.name))
                .help(
                    "choose one that does: chinchilla, muennighoff, gadre-c4, gadre-redpajama, kaplan, or your own from `scale fit --save`",
                )
                .into());
        }
        if self.bits.is_some_and(|b| !(2.0..=32.0).contains(&b)) {
            return Err(Diagnostic::new("--bits is out of range")
                .help("write 2 to 32, for example 8")
                .into());
        }
        if !(self.repetition > 0.0 && self.repetition < 1e9) {
            return Err(Diagnostic::new("--repetition is out of range")
                .help("write a number greater than 0, for example 7 or 50")
                .into());
        }
        let mixing = match self.experts {
            Some(n_experts) if self.active > n_experts => {
                return Err(
                    Diagnostic::new(format!("--active {} is more than --experts {n_experts}", self.active))
                        .help("write at most --experts")
                        .into(),
                );
            }
            Some(n_experts) => {
                let mixture = Mixture {
                    n_experts,
                    experts_per_token: self.active,
                };
                let counts = count(&shaped(template, 7e10, Some(mixture)), 1.0);
                Some(Mixing {
                    mixture,
                    route: Route::parse(&self.route)?,
                    total_ratio: counts.params_total / counts.params_active,
                })
            }
            None => None,
        };
        Ok(Question {
            unique_tokens: asked("unique", self.unique.as_ref(), Unit::Tokens)?,
            repetition: (self.repetition, REPETITION.1),
            served_tokens: asked("served", self.served.as_ref(), Unit::Tokens)?,
            mixing,
            bits: self.bits,
            ..Question::of(law)
        })
    }
}

fn budget(args: &OptimalArgs) -> Result<Budget> {
    let hours = match &args.device_hours {
        Some(text) => Some(quantity("device-hours", text, Unit::One)? * HOUR_S),
        None => None,
    };
    Ok(Budget {
        wall_s: asked("deadline", args.deadline.as_ref(), Unit::S)?,
        device_s: hours,
        usd: asked("budget", args.budget.as_ref(), Unit::Usd)?,
        energy_j: asked("energy", args.energy.as_ref(), Unit::J)?,
        kg_co2e: asked("carbon", args.carbon.as_ref(), Unit::KgCo2e)?,
        train_flop: args.flop.as_ref().map(|f| super::flop("flop", f)).transpose()?,
        tokens: asked("tokens", args.tokens.as_ref(), Unit::Tokens)?,
    })
}

/// Find and show.
pub fn run(args: &OptimalArgs, console: &Console) -> Done {
    args.target.format(console)?;
    let budget = budget(args)?;
    if budget.is_empty() {
        return Err(Diagnostic::new("there is no budget")
            .help("give --flop, or a machine and --deadline, --device-hours, --budget, --energy, --carbon or --tokens")
            .into());
    }
    let sizeless = Budget { tokens: None, ..budget };
    if sizeless.is_empty() {
        return Err(Diagnostic::new("tokens alone bound no size")
            .help("give --flop, --deadline, --device-hours, --budget, --energy or --carbon beside --tokens")
            .into());
    }
    let name = args.scenario.as_deref().unwrap_or(DEFAULT_SCENARIO);
    let overrides = args.over.all();
    let fresh = || layers::catalog(&args.over.layers, console);
    let (scenario, catalog) = Scenario::load(name, &overrides, fresh()?)?;
    let mut question = args.ask.question(&scenario.workload.model)?;
    let alone = Budget {
        train_flop: None,
        ..budget
    };
    let on_machine = args.scenario.is_some() || !overrides.is_empty() || args.batch.is_some();
    if let Some(flop) = budget.train_flop.filter(|_| alone.is_empty() && !on_machine) {
        let (found, others) = (optimum(&question, flop), elsewhere(flop)?);
        return super::write(&args.target, console, &law_report::document(&found, &question, &others), &|| {
            law_report::json(&found, &question, &others)
        });
    }
    question.batch_cost = Some(BatchCost::published()?);
    let machine = Machine {
        scenario: (name, &overrides),
        base: &scenario,
        catalog: &catalog,
        fresh: &fresh,
        question: &question,
        budget: &budget,
        keep_layout: args.keep_layout,
        batch_tokens: asked("batch", args.batch.as_ref(), Unit::Tokens)?,
    };
    let start = Instant::now();
    let progress = console.progress(n_pieces(), "sizes");
    let found = best(&machine, &|| progress.step());
    progress.end();
    let found = found?;
    let shown = report::Shown {
        found: &found,
        question: &question,
        scenario: (name, &overrides),
        elapsed_s: start.elapsed().as_secs_f64(),
    };
    super::write(&args.target, console, &report::document(&shown), &|| report::json(&shown))
}
