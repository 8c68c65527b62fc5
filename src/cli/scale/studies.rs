//! `exaplan scale ladder`, `architectures`, `curriculum`, `extras` and `concepts`.

use super::super::output::{Console, Target};
use super::super::{DEFAULT_SCENARIO, Done, Over, layers};
use super::optimal::AskArgs;
use super::{asked, numbers, quantity};
use crate::error::{Diagnostic, Result};
use crate::plan::Scenario;
use crate::report::scale::sheet::Sheet;
use crate::report::scale::{flop, study as report};
use crate::report::{Cell, KeyValue, Kind};
use crate::scale::architecture::{Kind as Architecture, compare};
use crate::scale::curriculum::{merged, schedule, timed, tokens_with};
use crate::scale::extras;
use crate::scale::formula::Allocation;
use crate::scale::ladder::{ladder as made_ladder, planned};
use crate::units::Unit;

const LADDER_EXAMPLES: &str = "\
Examples:
  exaplan scale ladder --target-params 13B --target-tokens 5T
  exaplan scale ladder --target-params 70B --target-tokens 15T --sizes 200M,500M,1B,3B --ratios 20,40 --copies 3 --set cluster.nodes=8";

/// Price the small runs before the big one; with a scenario or --set on its machine.
#[derive(Debug, clap::Args)]
#[command(after_help = LADDER_EXAMPLES)]
pub struct LadderArgs {
    /// A scenario file, or the name of a built-in one: its machine runs the ladder
    #[arg(value_name = "SCENARIO", value_hint = clap::ValueHint::FilePath)]
    scenario: Option<String>,
    #[command(flatten)]
    over: Over,
    /// Parameters of the big run
    #[arg(long, value_name = "N")]
    target_params: String,
    /// Tokens of the big run
    #[arg(long, value_name = "TOKENS")]
    target_tokens: String,
    /// Sizes of the rungs
    #[arg(long, value_name = "N,…", default_value = "190M,370M,760M,1.3B")]
    sizes: String,
    /// Tokens for each parameter
    #[arg(long, value_name = "N,…", default_value = "20,40,100,200")]
    ratios: String,
    /// Runs of each rung: seeds or settings
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    copies: u32,
    #[command(flatten)]
    target: Target,
}

fn load(name: &str, over: &Over, console: &Console) -> Result<(Scenario, crate::catalog::Catalog)> {
    let catalog = layers::catalog(&over.layers, console)?;
    Scenario::load(name, &over.all(), catalog)
}

/// Price and show.
pub fn ladder(args: &LadderArgs, console: &Console) -> Done {
    args.target.format(console)?;
    let big = Allocation {
        n_params: quantity("target-params", &args.target_params, Unit::One)?,
        n_tokens: quantity("target-tokens", &args.target_tokens, Unit::Tokens)?,
    };
    let (sizes, ratios) = (numbers("sizes", &args.sizes)?, numbers("ratios", &args.ratios)?);
    if sizes.len() * ratios.len() > 1000 {
        return Err(Diagnostic::new("the ladder has more than 1000 rungs")
            .help("give fewer --sizes or --ratios")
            .into());
    }
    let mut made = made_ladder(&sizes, &ratios, f64::from(args.copies), big);
    let overrides = args.over.all();
    if args.scenario.is_some() || !overrides.is_empty() {
        let (scenario, catalog) = load(args.scenario.as_deref().unwrap_or(DEFAULT_SCENARIO), &args.over, console)?;
        let progress = console.progress(made.rungs.len(), "rungs");
        let done = planned(&mut made, &scenario, &catalog, &|| progress.step());
        progress.end();
        done?;
    }
    super::write_sheet(&args.target, console, &report::ladder(&made))
}

const ARCHITECTURES_EXAMPLES: &str = "\
Examples:
  exaplan scale architectures --set model.use=llama3-8b --set cluster.nodes=64 --set layout={}
  exaplan scale architectures my.toml --loss-factor 0.99 --route krajewski";

/// Compare dense, sliding-window, mixture, state-space, hybrid and LSTM models of the same width and depth on
/// the same machine: work, state, memory, time, data in the same time. Loss only where a law tells it.
#[derive(Debug, clap::Args)]
#[command(after_help = ARCHITECTURES_EXAMPLES)]
pub struct ArchitecturesArgs {
    /// A scenario file, or the name of a built-in one
    #[arg(value_name = "SCENARIO", default_value = DEFAULT_SCENARIO, value_hint = clap::ValueHint::FilePath)]
    scenario: String,
    #[command(flatten)]
    over: Over,
    #[command(flatten)]
    ask: AskArgs,
    /// Loss over the dense model's, for architectures without a law
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    loss_factor: f64,
    #[command(flatten)]
    target: Target,
}

/// Compare and show.
pub fn architectures(args: &ArchitecturesArgs, console: &Console) -> Done {
    args.target.format(console)?;
    if !(0.5..=2.0).contains(&args.loss_factor) {
        let text = format!("--loss-factor is {}, out of range", args.loss_factor);
        return Err(Diagnostic::new(text).help("write a number from 0.5 to 2, for example 0.98").into());
    }
    let (scenario, catalog) = load(&args.scenario, &args.over, console)?;
    let question = args.ask.question(&scenario.workload.model)?;
    let progress = console.progress(Architecture::ALL.len(), "architectures");
    let list = compare(&scenario, &catalog, &question, args.loss_factor, &|| progress.step());
    progress.end();
    super::write_sheet(
        &args.target,
        console,
        &report::architectures(&list, &question.law, args.loss_factor),
    )
}

const CURRICULUM_EXAMPLES: &str = "\
Examples:
  exaplan scale curriculum --tokens 655G --batch 4M@168G,8M@503G,16M
  exaplan scale curriculum my.toml --length 2048@1T,8192 --timed";

/// Price schedules of sequence length and batch against a constant run.
#[derive(Debug, clap::Args)]
#[command(after_help = CURRICULUM_EXAMPLES)]
pub struct CurriculumArgs {
    /// A scenario file, or the name of a built-in one: its model, and its sequence and batch where no schedule is given
    #[arg(value_name = "SCENARIO", default_value = DEFAULT_SCENARIO, value_hint = clap::ValueHint::FilePath)]
    scenario: String,
    #[command(flatten)]
    over: Over,
    /// Training tokens [default: the scenario's]
    #[arg(long, value_name = "TOKENS")]
    tokens: Option<String>,
    /// Tokens of a sequence, each up to some tokens: 2048@1T,8192
    #[arg(long, value_name = "SCHEDULE")]
    length: Option<String>,
    /// Tokens of a step, each up to some tokens: 4M@168G,8M@503G,16M
    #[arg(long, value_name = "SCHEDULE")]
    batch: Option<String>,
    /// Factor that a method saves in tokens, 1 to 1.5; may be repeated, capped at 2 together
    #[arg(long, value_name = "FACTOR")]
    method: Vec<f64>,
    /// Plan every phase on the scenario's machine
    #[arg(long)]
    timed: bool,
    #[command(flatten)]
    target: Target,
}

/// Price and show.
pub fn curriculum(args: &CurriculumArgs, console: &Console) -> Done {
    args.target.format(console)?;
    if let Some(wrong) = args.method.iter().find(|m| !(1.0..=1.5).contains(*m)) {
        let text = format!("--method is {wrong}, out of range");
        return Err(Diagnostic::new(text).help("write 1 to 1.5: no published method saves more").into());
    }
    let (scenario, catalog) = load(&args.scenario, &args.over, console)?;
    let workload = &scenario.workload;
    let total = asked("tokens", args.tokens.as_ref(), Unit::Tokens)?.unwrap_or(workload.total_tokens);
    let read = |flag: &str, text: Option<&String>, constant: f64| match text {
        Some(text) => schedule(flag, text, total),
        None => Ok(vec![(constant, total)]),
    };
    let lengths = read("length", args.length.as_ref(), workload.seq_len_tokens)?;
    let batches = read("batch", args.batch.as_ref(), workload.step_tokens())?;
    if lengths.len() + batches.len() > 200 {
        return Err(Diagnostic::new("the schedules have more than 200 phases").help("give fewer").into());
    }
    let phases = merged(&lengths, &batches);
    // The constant run has the last sequence and the first batch: what a schedule replaces.
    let last = lengths.last().map_or(workload.seq_len_tokens, |l| l.0);
    let first = batches.first().map_or(workload.step_tokens(), |b| b.0);
    let constant = merged(&[(last, total)], &[(first, total)]);
    let (with, without) = if args.timed {
        let progress = console.progress(phases.len() + 1, "phases");
        let both = timed(&scenario, &catalog, &phases, &|| progress.step())
            .and_then(|w| Ok((w, timed(&scenario, &catalog, &constant, &|| progress.step())?)));
        progress.end();
        both?
    } else {
        use crate::scale::curriculum::totals;
        (totals(&workload.model, &phases), totals(&workload.model, &constant))
    };
    super::write_sheet(
        &args.target,
        console,
        &report::curriculum(&phases, &with, &without, tokens_with(&args.method)),
    )
}

const EXTRAS_EXAMPLES: &str = "\
Examples:
  exaplan scale extras --run 60d --rollbacks-per-day 0.5
  exaplan scale extras --passages 1G --width 768 --context 2000 --params 7B
  exaplan scale extras --activation-tokens 1G --width 4096 --layers 32 --dictionary 100M
  exaplan scale extras --branches 8 --params 1B --tokens 100G";

/// Price what stands beside a run, from your own numbers: no law tells more.
#[derive(Debug, clap::Args)]
#[command(after_help = EXTRAS_EXAMPLES)]
pub struct ExtrasArgs {
    /// Length of the run
    #[arg(long, value_name = "TIME", help_heading = "Rollbacks")]
    run: Option<String>,
    /// Rollbacks a day
    #[arg(long, value_name = "N", default_value_t = 0.5, help_heading = "Rollbacks")]
    rollbacks_per_day: f64,
    /// Steps that each loses
    #[arg(long, value_name = "N", default_value_t = 200.0, help_heading = "Rollbacks")]
    lost_steps: f64,
    /// Time of a step
    #[arg(long, value_name = "TIME", default_value = "6s", help_heading = "Rollbacks")]
    step: String,
    /// Time to start again
    #[arg(long, value_name = "TIME", default_value = "10min", help_heading = "Rollbacks")]
    restart: String,
    /// Passages of a retrieval index
    #[arg(long, value_name = "N", help_heading = "Retrieval")]
    passages: Option<String>,
    /// Tokens that retrieval adds to a query
    #[arg(long, value_name = "TOKENS", default_value = "2000", help_heading = "Retrieval")]
    context: String,
    /// Width of a vector: of the index, or of the activations
    #[arg(long, value_name = "N", default_value = "4096", help_heading = "Sizes")]
    width: String,
    /// Parameters
    #[arg(long, value_name = "N", default_value = "7B", help_heading = "Sizes")]
    params: String,
    /// Tokens whose activations are kept
    #[arg(long, value_name = "TOKENS", help_heading = "Interpretability")]
    activation_tokens: Option<String>,
    /// Layers that are read
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Interpretability")]
    layers: String,
    /// Parameters of the dictionary
    #[arg(long, value_name = "N", default_value = "100M", help_heading = "Interpretability")]
    dictionary: String,
    /// Models that are trained apart and merged
    #[arg(long, value_name = "N", help_heading = "Branches")]
    branches: Option<String>,
    /// Tokens of each branch
    #[arg(long, value_name = "TOKENS", default_value = "100G", help_heading = "Branches")]
    tokens: String,
    #[command(flatten)]
    target: Target,
}

/// Price and show.
pub fn extras(args: &ExtrasArgs, console: &Console) -> Done {
    args.target.format(console)?;
    let n = |flag: &str, text: &str| quantity(flag, text, Unit::One);
    let (width, params) = (n("width", &args.width)?, n("params", &args.params)?);
    let mut answers = Vec::new();
    if let Some(run) = asked("run", args.run.as_ref(), Unit::S)? {
        for (flag, value) in [("rollbacks-per-day", args.rollbacks_per_day), ("lost-steps", args.lost_steps)] {
            if !(0.0..=1e9).contains(&value) {
                return Err(Diagnostic::new(format!("--{flag} is {value}, out of range"))
                    .help("write a number of 0 or more")
                    .into());
            }
        }
        let (step, restart) = (quantity("step", &args.step, Unit::S)?, quantity("restart", &args.restart, Unit::S)?);
        let lost = extras::instability(run, args.rollbacks_per_day, args.lost_steps, step, restart);
        answers.push(
            KeyValue::new("Rollbacks", Cell::Count(lost.n_incidents)).note("expected at your rate; whether a run diverges is not forecast"),
        );
        answers.push(
            KeyValue::new("Lost", Cell::quantity(lost.lost_s, Kind::Duration))
                .note(format!("{} of the run", Kind::Percent.human(lost.lost_fraction))),
        );
    }
    if let Some(passages) = asked("passages", args.passages.as_ref(), Unit::One)? {
        let (bytes, work) = extras::retrieval(passages, width, 2.0, params, quantity("context", &args.context, Unit::Tokens)?);
        answers.push(KeyValue::new("Index", Cell::quantity(bytes, Kind::Bytes)).note("vectors in 16 bits"));
        answers.push(KeyValue::new("A query adds", flop(work)).note("2 N for each retrieved token; what quality it adds has no law"));
    }
    if let Some(tokens) = asked("activation-tokens", args.activation_tokens.as_ref(), Unit::Tokens)? {
        let (bytes, work) = extras::interpretability(tokens, width, n("layers", &args.layers)?, 2.0, n("dictionary", &args.dictionary)?);
        answers.push(KeyValue::new("Activations", Cell::quantity(bytes, Kind::Bytes)).note("in 16 bits"));
        answers.push(KeyValue::new("Dictionary", flop(work)).note("6 N for each token; what is understood is not told"));
    }
    if let Some(branches) = asked("branches", args.branches.as_ref(), Unit::One)? {
        let (work, bytes) = extras::branches(branches, params, quantity("tokens", &args.tokens, Unit::Tokens)?);
        answers.push(KeyValue::new("Branches", flop(work)).note("6 N D for each"));
        answers.push(
            KeyValue::new("To merge", Cell::quantity(bytes, Kind::Bytes)).note("all weights in 16 bits; the loss after merging has no law"),
        );
    }
    if answers.is_empty() {
        return Err(Diagnostic::new("nothing was asked")
            .help("give --run, --passages, --activation-tokens or --branches")
            .into());
    }
    let sheet = Sheet {
        schema: "exaplan.scale-extras/1",
        title: "Beside a run".to_string(),
        answers,
        notes: vec!["Arithmetic on the numbers given; defaults are estimates to be replaced.".to_string()],
        ..Sheet::default()
    };
    super::write_sheet(&args.target, console, &sheet)
}

/// List what of scaling can be planned, and by which command.
#[derive(Debug, clap::Args)]
pub struct ConceptsArgs {
    #[command(flatten)]
    target: Target,
}

/// List.
pub fn concepts(args: &ConceptsArgs, console: &Console) -> Done {
    args.target.format(console)?;
    super::write_sheet(&args.target, console, &report::concepts())
}
