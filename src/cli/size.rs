//! `exaplan size`.

use super::bench::interrupts;
use super::output::{Console, Forms, Target, no_form};
use super::{DONE, Done, Input, NO, layers};
use crate::catalog::Commitment;
use crate::error::{Diagnostic, Result, nearest};
use crate::plan::Limits;
use crate::report::opening;
use crate::report::size::{Shown, document, json, rows};
use crate::study::size::{Objective, Question, Start, size};
use crate::units::{self, Unit};
use clap::ValueEnum;
use std::sync::OnceLock;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  exaplan size --deadline 60d
  exaplan size --budget 60MUSD --accelerators h100-sxm-80gb,h200-sxm,b200-sxm
  exaplan size scenario.toml --deadline 60d --power 20MW --objective cost --providers coreweave,nebius

What the scenario says of its machine holds for its own accelerator; another one is had in the usual
node of the catalog, with that node's network. Name a node to choose it: --accelerators p5-48xlarge.";

/// Find the smallest, cheapest, fastest or greenest cluster that keeps a deadline, a budget, a power
/// limit and a carbon limit, over accelerators, providers and regions.
///
/// Limits that the scenario states under [limits] hold too. The layout is searched for every number of
/// nodes; what the scenario says of orders, splits and offloading stays.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct SizeArgs {
    #[command(flatten)]
    input: Input,
    /// Longest wall time: 60d
    #[arg(long, value_name = "TIME", help_heading = "Limits")]
    deadline: Option<String>,
    /// Most money: 60MUSD
    #[arg(long, value_name = "MONEY", help_heading = "Limits")]
    budget: Option<String>,
    /// Most mean power at the meter: 20MW
    #[arg(long, value_name = "POWER", help_heading = "Limits")]
    power: Option<String>,
    /// Most greenhouse gases: 5kt
    #[arg(long, value_name = "MASS", help_heading = "Limits")]
    carbon: Option<String>,
    /// Most devices that can be had; 131,072 unless given
    #[arg(long, value_name = "N", help_heading = "Limits", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    devices: Option<u64>,
    /// What to have least of; devices with a deadline, else days
    #[arg(long, value_enum, value_name = "WHAT", help_heading = "Choice")]
    objective: Option<Least>,
    /// Accelerators, or nodes to have them in; every one that has a price unless given
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', help_heading = "Choice")]
    accelerators: Vec<String>,
    /// Providers; `owned` buys the machine; every one that has a price unless given
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', help_heading = "Choice")]
    providers: Vec<String>,
    /// Regions; those of the prices unless given, and the scenario's where a price names none
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', help_heading = "Choice")]
    regions: Vec<String>,
    /// Only prices of this commitment: on-demand, 1-year, 3-year, spot, capacity-block
    #[arg(long, value_name = "WHAT", help_heading = "Choice")]
    commitment: Option<String>,
    /// Keep the degrees that the scenario fixes, all but the data degree
    #[arg(long, help_heading = "Choice")]
    keep_layout: bool,
    /// Plan every possible number of nodes: slow, and the best for certain
    #[arg(long, help_heading = "Choice")]
    exhaustive: bool,
    #[command(flatten)]
    target: Target,
}

/// An objective by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Least {
    /// The smallest cluster
    Devices,
    /// The cheapest run
    Cost,
    /// The shortest run
    Days,
    /// The greenest run
    Carbon,
}

impl Least {
    fn objective(self) -> Objective {
        match self {
            Least::Devices => Objective::Devices,
            Least::Cost => Objective::Cost,
            Least::Days => Objective::Days,
            Least::Carbon => Objective::Carbon,
        }
    }
}

/// Find and show.
pub fn run(args: &SizeArgs, console: &Console) -> Done {
    args.target.format(console)?;
    let limits = limits(args)?;
    let commitment = args.commitment.as_deref().map(commitment).transpose()?;
    let (scenario, catalog) = args.input.over.load(&args.input.scenario, console)?;
    layers::tell_ignored(&scenario, console);
    let question = question(args, limits.over(scenario.limits), commitment)?;
    let start = Start {
        name: &args.input.scenario,
        scenario: &scenario,
        catalog: &catalog,
    };
    let began = Instant::now();
    let progress = OnceLock::new();
    let told = |total: usize| progress.get_or_init(|| console.progress(total, "machines")).step();
    let cancel = interrupts()?;
    let answer = size(&start, &question, &cancel, &told);
    if let Some(progress) = progress.get() {
        progress.end();
    }
    let answer = answer?;
    let command = args.input.over.again(&args.input.scenario);
    let shown = Shown {
        scenario: &scenario,
        question: &question,
        answer: &answer,
        command: &command,
        elapsed_s: began.elapsed().as_secs_f64(),
        catalog_digest: &catalog.digest(),
    };
    let forms = Forms {
        screen: &|| {
            let mut out = document(&shown, false);
            if let (Some(_), Some(best)) = (args.target.file(), &answer.best) {
                out.blocks.splice(1..1, opening::blocks(&best.plan));
            }
            out
        },
        page: &|| document(&shown, true),
        rows: &|| rows(&shown),
        json: &|| json::size(&shown),
        trace: &|| no_form("a trace shows one step", "plan the answer: its report has a trace"),
        svg: &|| {
            no_form(
                "a size is more than one picture",
                "give a name in .html: its page holds the charts as SVG",
            )
        },
        xlsx: None,
    };
    args.target.write(console, &forms)?;
    Ok(if answer.best.is_some() { DONE } else { NO })
}

/// Limits of the command line.
struct Asked(Limits);

impl Asked {
    /// Over those of the scenario.
    fn over(&self, own: Limits) -> Limits {
        Limits {
            wall_s: self.0.wall_s.or(own.wall_s),
            cost_usd: self.0.cost_usd.or(own.cost_usd),
            facility_w: self.0.facility_w.or(own.facility_w),
            carbon_kg_co2e: self.0.carbon_kg_co2e.or(own.carbon_kg_co2e),
            peak_w: own.peak_w,
        }
    }
}

fn limits(args: &SizeArgs) -> Result<Asked> {
    Ok(Asked(Limits {
        wall_s: limit("deadline", args.deadline.as_ref(), Unit::S)?,
        cost_usd: limit("budget", args.budget.as_ref(), Unit::Usd)?,
        facility_w: limit("power", args.power.as_ref(), Unit::W)?,
        carbon_kg_co2e: limit("carbon", args.carbon.as_ref(), Unit::KgCo2e)?,
        peak_w: None,
    }))
}

fn limit(flag: &str, text: Option<&String>, unit: Unit) -> Result<Option<f64>> {
    let Some(text) = text else { return Ok(None) };
    let value = units::parse(text, unit).map_err(|why| Diagnostic::new(format!("--{flag}: {why}")))?;
    if value > 0.0 && value < 1e60 {
        return Ok(Some(value));
    }
    let problem = Diagnostic::new(format!("--{flag} is {text}, out of range"));
    let help = format!("write a number greater than 0 with its unit, for example {}", unit.example());
    Err(problem.help(help).into())
}

fn commitment(name: &str) -> Result<Commitment> {
    let names = Commitment::ALL.map(|(n, _)| n);
    if let Some((_, found)) = Commitment::ALL.iter().find(|(n, _)| *n == name) {
        return Ok(*found);
    }
    let hint = nearest(name, names).map_or(String::new(), |n| format!("did you mean `{n}`? "));
    let problem = Diagnostic::new(format!("--commitment: `{name}` is none"));
    Err(problem.help(format!("{hint}write one of {}", names.join(", "))).into())
}

fn question(args: &SizeArgs, limits: Limits, commitment: Option<Commitment>) -> Result<Question> {
    let mut question = Question {
        accelerators: args.accelerators.clone(),
        providers: args.providers.clone(),
        regions: args.regions.clone(),
        commitment,
        keep_layout: args.keep_layout,
        exhaustive: args.exhaustive,
        ..Question::of(limits)
    };
    if limits == Limits::default() && args.devices.is_none() {
        return Err(
            Diagnostic::new("there is nothing to size for: neither a flag nor `[limits]` of the scenario states a limit")
                .help("give --deadline 60d, --budget 60MUSD, --power 20MW, --carbon 5kt or --devices 8192; several hold together")
                .into(),
        );
    }
    question.most_devices = args.devices.unwrap_or(question.most_devices);
    question.objective = args.objective.map_or(question.objective, Least::objective);
    Ok(question)
}
