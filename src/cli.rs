//! The command line: arguments in, a report on stdout, an exit code.

mod bench;
mod calibrate;
mod catalog;
mod compare;
mod completions;
mod diagnostics;
mod explain;
mod info;
mod layers;
mod man;
mod output;
mod plan;
mod progress;
mod report;
mod sampling;
mod scale;
mod search;
mod size;
#[cfg(feature = "parquet")]
mod sweep;
#[cfg(feature = "tui")]
mod tui;
mod validate;

use crate::catalog::{Catalog, Kind, Layer};
use crate::error::{Diagnostic, Error, Result};
use crate::plan::Scenario;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use output::Console;
use std::ffi::OsString;
use std::path::PathBuf;

/// Done, and the answer is yes.
pub const DONE: u8 = 0;
/// Done, and the answer is no.
pub const NO: u8 = 1;
/// The request is wrong.
pub const BAD_INPUT: u8 = 2;
/// The world is in the way.
pub const ENVIRONMENT: u8 = 3;
/// Stopped on request of a scheduler, or not complete yet: the same command goes on.
pub const RESUMABLE: u8 = 75;
/// Interrupted by ctrl-c.
pub const INTERRUPTED: u8 = 130;
/// A bug.
const PANIC: u8 = 101;

/// Scenario that is planned when none is named: the published Llama 3 405B run.
const DEFAULT_SCENARIO: &str = "llama3-405b";

const EXAMPLES: &str = "\
Examples:
  exaplan plan
  exaplan plan llama3-405b --set cluster.nodes=1024 --json

See --help for exit codes and environment variables.";

const AFTER_HELP: &str = "\
Examples:
  exaplan plan                                   the published Llama 3 405B run
  exaplan plan --set cluster.nodes=1024 --json   half the cluster, as JSON
  exaplan report -o step.trace.json              one step, bar by bar, for ui.perfetto.dev
  exaplan search --top 5                         the fastest layouts for it
  exaplan compare llama3-405b :cluster.region=eu-north-1   side by side, and why they differ
  exaplan sweep run study.toml                   a grid of scenarios, into study.parquet
  exaplan size --deadline 60d                    the smallest cluster that keeps a deadline
  exaplan explain step.time_s                    where its step time comes from
  exaplan catalog show h100-sxm-80gb             a device, each value with its source
  exaplan validate                               predictions against published runs

Exit codes:
  0    done
  1    done, and the answer is no: no layout fits, or --check found a limit missed
  2    the request is wrong: bad flag, bad file, unknown name
  3    the world is in the way: a file cannot be written, a device is missing
  75   stopped by SIGTERM, or parts of a sweep are missing: the same command goes on
  130  interrupted

Environment:
  XDG_CONFIG_HOME, XDG_CONFIG_DIRS  where user and site catalogs are (exaplan info)
  NO_COLOR, CLICOLOR_FORCE, COLUMNS  how text is shown";

/// How many accelerators, days, dollars, megawatt-hours and tonnes of carbon a training run takes.
#[derive(Debug, Parser)]
#[command(name = "exaplan", version, max_term_width = 100)]
#[command(after_help = EXAMPLES, after_long_help = AFTER_HELP, disable_help_subcommand = false)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_excessive_bools)]
struct Global {
    /// Print one JSON document with unrounded SI numbers
    #[arg(long, global = true, help_heading = "Output")]
    json: bool,
    /// Color text
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, value_name = "WHEN", help_heading = "Output")]
    color: When,
    /// Print the result only, no notes
    #[arg(short, long, global = true, help_heading = "Output")]
    quiet: bool,
    /// Also print which files were read and how long it took
    #[arg(short, long, global = true, help_heading = "Output", conflicts_with = "quiet")]
    verbose: bool,
}

/// When to color.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Into files and pipes too
    Always,
    /// Not at all
    Never,
}

/// Which scenario, changed how, over which catalog.
#[derive(Debug, Clone, Args)]
struct Input {
    /// A scenario file, or the name of a built-in one
    #[arg(value_name = "SCENARIO", default_value = DEFAULT_SCENARIO, value_hint = clap::ValueHint::FilePath)]
    scenario: String,
    #[command(flatten)]
    over: Over,
}

/// Changes to a scenario and the catalog under it.
#[derive(Debug, Clone, Default, Args)]
struct Over {
    /// Override a value, with its unit; may be repeated: --set cluster.nodes=64
    #[arg(long = "set", value_name = "PATH=VALUE", help_heading = "Overrides")]
    set: Vec<String>,
    /// Time kernels by this profile: a file that `bench run -o` wrote, or a name
    #[arg(long = "profile", value_name = "FILE|NAME", help_heading = "Overrides", value_hint = clap::ValueHint::FilePath)]
    profile: Option<PathBuf>,
    /// Use the model of a Hugging Face config.json instead of the scenario's
    #[arg(long = "hf", value_name = "FILE", help_heading = "Overrides")]
    hf: Option<PathBuf>,
    #[command(flatten)]
    layers: Layers,
}

impl Over {
    /// A scenario with these changes, and the catalog that it was read with.
    fn load(&self, scenario: &str, console: &Console) -> Result<(Scenario, Catalog)> {
        let (catalog, all) = self.prepared(layers::catalog(&self.layers, console)?)?;
        Scenario::load(scenario, &all, catalog)
    }

    /// The catalog with the profile of the command line, and every override.
    fn prepared(&self, mut catalog: Catalog) -> Result<(Catalog, Vec<String>)> {
        let mut all = self.all();
        if let Some(path) = &self.profile {
            let mut name = path.display().to_string();
            // A name has neither; a file that is missing must not be taken for one.
            if path.is_file() || name.contains(['/', '.']) {
                let (more, names) = catalog.overlay_file(path, Kind::Profile, Layer::Project)?;
                let [one] = names.as_slice() else {
                    let text = format!("--profile {name}: the file holds {} profiles", names.len());
                    return Err(Diagnostic::new(text).help("give a file with one [profile.NAME]").into());
                };
                (catalog, name) = (more, one.clone());
            }
            all.insert(0, format!("cluster.profile={}", serde_json::Value::String(name)));
        }
        Ok((catalog, all))
    }

    /// The words of a command that plans a scenario with these changes.
    fn again(&self, scenario: &str) -> Vec<String> {
        let mut words: Vec<String> = ["exaplan", "plan", scenario].map(str::to_string).to_vec();
        words.extend(self.flags());
        words.extend(self.set.iter().flat_map(|set| ["--set".to_string(), set.clone()]));
        words
    }

    /// These changes as flags, without `--set`.
    fn flags(&self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut flag = |name: &str, value: String| words.extend([name.to_string(), value]);
        for dir in &self.layers.catalog {
            flag("--catalog", dir.display().to_string());
        }
        if let Some(path) = &self.profile {
            flag("--profile", path.display().to_string());
        }
        if let Some(path) = &self.hf {
            flag("--hf", path.display().to_string());
        }
        words
    }

    /// Every override as `path=value`: the configuration first, as `--set` may change it.
    fn all(&self) -> Vec<String> {
        let model = self.hf.iter().map(|path| {
            let path = serde_json::Value::String(path.display().to_string());
            format!("model={{ hf_config = {path} }}")
        });
        model.chain(self.set.iter().cloned()).collect()
    }

    /// The words of any command over scenarios with these changes.
    fn again_with(&self, command: &str, scenarios: &[String]) -> Vec<String> {
        let mut words: Vec<String> = ["exaplan", command].map(str::to_string).to_vec();
        words.extend(scenarios.iter().cloned());
        words.extend(self.flags());
        words.extend(self.set.iter().flat_map(|set| ["--set".to_string(), set.clone()]));
        words
    }
}

/// Catalog layers of the command line.
#[derive(Debug, Clone, Default, Args)]
struct Layers {
    /// Add a directory of catalog files over the others; may be repeated
    #[arg(long = "catalog", value_name = "DIR", value_hint = clap::ValueHint::DirPath, help_heading = "Overrides")]
    catalog: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plan one training run: layout, step time, days, cost, energy, carbon
    Plan(plan::PlanArgs),
    /// Write a plan, a comparison or a sweep to a file: workbook, page, bill by month, Markdown, CSV, JSON
    Report(Box<report::ReportArgs>),
    /// Find the layouts that fit, fastest first, and why the others fell
    Search(search::SearchArgs),
    /// Compare scenarios: side by side, why they differ, what single changes would do
    Compare(Box<compare::CompareArgs>),
    /// Plan a grid of scenarios, on one machine or an array of jobs
    #[cfg(feature = "parquet")]
    #[command(subcommand)]
    Sweep(sweep::SweepCommand),
    /// Find the cluster that keeps a deadline, a budget, a power or a carbon limit
    Size(Box<size::SizeArgs>),
    /// Show where a number of a plan comes from, down to formula and source
    Explain(explain::ExplainArgs),
    /// List, show, check and export hardware, models, prices and grids
    #[command(subcommand)]
    Catalog(catalog::CatalogCommand),
    /// What size, how much data, and when more stops paying: scaling laws
    #[command(subcommand)]
    Scale(scale::ScaleCommand),
    /// Compare predictions with measured runs
    Validate(validate::ValidateArgs),
    /// Fit software stacks to measured runs
    Calibrate(calibrate::CalibrateArgs),
    /// Measure this machine
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// Compare plans in the terminal, see causes, turn knobs
    #[cfg(feature = "tui")]
    Tui(tui::TuiArgs),
    /// Print version, features, paths and built-in scenarios
    Info,
    /// Print completions for a shell
    Completions(completions::CompletionsArgs),
    /// Write manual pages
    Man(man::ManArgs),
}

/// Run the program; the exit code.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    report_bugs();
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help that nobody reads to its end is no failure.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(BAD_INPUT);
        }
    };
    let console = Console::new(&cli.global);
    let Some(command) = &cli.command else {
        return bare(&console);
    };
    let done = match command {
        Command::Plan(args) => plan::run(args, &console),
        Command::Report(args) => report::run(args, &console),
        Command::Search(args) => search::run(args, &console),
        Command::Compare(args) => compare::run(args, &console),
        #[cfg(feature = "parquet")]
        Command::Sweep(command) => sweep::run(command, &console),
        Command::Size(args) => size::run(args, &console),
        Command::Explain(args) => explain::run(args, &console),
        Command::Catalog(command) => catalog::run(command, &console),
        Command::Scale(command) => scale::run(command, &console),
        Command::Validate(args) => validate::run(args, &console),
        Command::Calibrate(args) => calibrate::run(args, &console),
        Command::Bench(command) => bench::run(command, &console),
        #[cfg(feature = "tui")]
        Command::Tui(args) => tui::run(args, &console),
        Command::Info => info::run(&console),
        Command::Completions(args) => completions::run(args, &console),
        Command::Man(args) => man::run(args, &console),
    };
    ended(done, &console)
}

fn ended(done: Done, console: &Console) -> u8 {
    done.unwrap_or_else(|error| {
        console.say(&diagnostics::render(&error, console.errors()));
        exit_code(&error)
    })
}

/// Without a command: plans to look at where somebody looks, else the short help.
fn bare(console: &Console) -> u8 {
    #[cfg(feature = "tui")]
    if tui::possible() && !console.json {
        return ended(tui::run_default(console), console);
    }
    console.say(&Cli::command().render_help().to_string());
    BAD_INPUT
}

fn exit_code(error: &Error) -> u8 {
    match error {
        Error::NoFeasibleLayout { .. } => NO,
        Error::Invalid(_) => BAD_INPUT,
        Error::Io { .. } | Error::Device { .. } => ENVIRONMENT,
        Error::Interrupted => INTERRUPTED,
    }
}

/// A panic is a bug: say so in words, without a backtrace.
fn report_bugs() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or_else(String::new, |l| format!(" at {}:{}", l.file(), l.line()));
        let command: Vec<String> = std::env::args().collect();
        eprintln!(
            "error: this is a bug in exaplan {}{place}\n  please report it with the command and its scenario: {}",
            env!("CARGO_PKG_VERSION"),
            command.join(" ")
        );
        std::process::exit(i32::from(PANIC));
    }));
}

/// What a command does: its exit code, or what went wrong.
type Done = Result<u8>;
