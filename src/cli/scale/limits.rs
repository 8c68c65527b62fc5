//! `exaplan scale limits`.

use super::super::output::{Console, Target};
use super::super::{DEFAULT_SCENARIO, Done, Over, layers};
use super::{asked, flop, quantity};
use crate::error::{Diagnostic, Error, Result};
use crate::plan::{Plan, Scenario, plan};
use crate::report::scale::limits::{Asked, sheet};
use crate::scale::formula::TRAIN_FLOP;
use crate::scale::law::{self, Formula};
use crate::scale::limits::Means;
use crate::scale::question::BatchCost;
use crate::scale::stock::book;
use crate::units::Unit;

const EXAMPLES: &str = "\
Examples:
  exaplan scale limits --flop 5.88e23 --worth 10MUSD
  exaplan scale limits --flop 1e26 --power 1GW --devices 100000 --money 1GUSD --time 120d
  exaplan scale limits --flop 1e25 --months 24";

/// Price the next step of loss on the scenario's machine, and find what stops scaling first: data, power,
/// chips, latency or money.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct LimitsArgs {
    /// A scenario file, or the name of a built-in one: what its plan costs is the price of a FLOP
    #[arg(value_name = "SCENARIO", default_value = DEFAULT_SCENARIO, value_hint = clap::ValueHint::FilePath)]
    scenario: String,
    #[command(flatten)]
    over: Over,
    /// Training FLOP, 6 N D
    #[arg(long, value_name = "FLOP")]
    flop: String,
    /// The law
    #[arg(long, default_value = "chinchilla", value_name = "LAW")]
    law: String,
    /// Step of loss that is priced, in the law's unit
    #[arg(long, default_value_t = 0.01, value_name = "LOSS")]
    step: f64,
    /// What such a step is worth
    #[arg(long, value_name = "MONEY")]
    worth: Option<String>,
    /// Months ahead, for algorithmic progress
    #[arg(long, default_value_t = 12.0, value_name = "MONTHS")]
    months: f64,
    /// Power at the meter
    #[arg(long, value_name = "POWER", help_heading = "What you have")]
    power: Option<String>,
    /// Devices of the scenario's kind
    #[arg(long, value_name = "N", help_heading = "What you have")]
    devices: Option<String>,
    /// Money
    #[arg(long, value_name = "MONEY", help_heading = "What you have")]
    money: Option<String>,
    /// Effective tokens
    #[arg(long, value_name = "TOKENS", help_heading = "What you have")]
    tokens: Option<String>,
    /// Longest run
    #[arg(long, value_name = "TIME", default_value = "180d", help_heading = "What you have")]
    time: String,
    /// Least time of a layer however many devices share it (an estimate of yours)
    #[arg(long, value_name = "TIME", help_heading = "What you have")]
    layer_latency: Option<String>,
    /// Tokens for each parameter of the largest runs
    #[arg(long, value_name = "N", default_value_t = 20.0, help_heading = "What you have")]
    tokens_per_param: f64,
    #[command(flatten)]
    target: Target,
}

/// Find and show.
pub fn run(args: &LimitsArgs, console: &Console) -> Done {
    args.target.format(console)?;
    let train_flop = flop("flop", &args.flop)?;
    for (flag, value, low, high) in [
        ("step", args.step, 1e-6, 10.0),
        ("months", args.months, 0.0, 1200.0),
        ("tokens-per-param", args.tokens_per_param, 0.1, 1e5),
    ] {
        if !(low..=high).contains(&value) {
            let text = format!("--{flag} is {value}, out of range");
            return Err(Diagnostic::new(text).help(format!("write a number from {low} to {high}")).into());
        }
    }
    let law = law::find(&args.law)?;
    let dense = law.dense().ok_or_else(|| -> Error {
        Diagnostic::new(format!("`{}` tells no loss in the form of Chinchilla", law.name))
            .help("choose for example --law chinchilla")
            .into()
    })?;
    let catalog = layers::catalog(&args.over.layers, console)?;
    let (scenario, catalog) = Scenario::load(&args.scenario, &args.over.all(), catalog)?;
    let plan = plan(&scenario, &catalog)?;
    let (doubling, ends) = doubling()?;
    let delivered = TRAIN_FLOP * plan.counts.params_active * plan.scenario.workload.total_tokens;
    let source = format!("at {} with its goodput and layout", scenario.name);
    let made = sheet(&Asked {
        law: &law,
        dense,
        train_flop,
        step_loss: args.step,
        usd_per_flop: plan.bill.cost.total_usd.map(|usd| (usd / delivered, source)),
        worth_usd: asked("worth", args.worth.as_ref(), Unit::Usd)?,
        months: args.months,
        doubling_months: [ends.0, doubling, ends.1],
        means: means(args, &plan, delivered)?,
        batch: BatchCost::published()?,
        book: book()?,
    });
    super::write_sheet(&args.target, console, &made)
}

fn doubling() -> Result<(f64, (f64, f64))> {
    let law = law::find("ho-progress")?;
    let ends = law.intervals.first().map_or((1.0, 1.0), |(_, r)| *r);
    match law.formula {
        Formula::Doubling { months } => Ok((months, ends)),
        _ => Err(Diagnostic::new("`ho-progress` tells no doubling").into()),
    }
}

/// Rates of the plan: its FLOP, power and price by device-second, goodput included.
fn means(args: &LimitsArgs, plan: &Plan, delivered: f64) -> Result<Means> {
    #[allow(clippy::cast_precision_loss)]
    let device_s = plan.run.wall_s * plan.scenario.n_devices() as f64;
    Ok(Means {
        wall_s: quantity("time", &args.time, Unit::S)?,
        rate_flop_per_s: delivered / device_s,
        device_w: plan.bill.energy.facility_j / device_s,
        device_usd: plan.bill.cost.total_usd.map(|usd| usd / device_s),
        power_w: asked("power", args.power.as_ref(), Unit::W)?,
        n_devices: asked("devices", args.devices.as_ref(), Unit::One)?,
        usd: asked("money", args.money.as_ref(), Unit::Usd)?,
        tokens: asked("tokens", args.tokens.as_ref(), Unit::Tokens)?,
        layer_s: asked("layer-latency", args.layer_latency.as_ref(), Unit::S)?,
        tokens_per_param_ratio: args.tokens_per_param,
    })
}
