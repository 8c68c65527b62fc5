//! `exaplan sweep`.

mod journal;
mod map;
mod merge;
pub(super) mod place;
mod run;
mod shard;
mod status;
mod submit;

use super::output::Console;
use super::{Done, Layers, layers};
use crate::catalog::source;
use crate::error::Result;
use crate::study::sweep::{Study, Sweep};
use place::Place;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  exaplan sweep run study.toml                        all cases, into study.parquet
  exaplan sweep run study.toml --shard 0/4            a quarter of them
  exaplan sweep submit study.toml --shards 16         as an array of Slurm jobs
  exaplan sweep merge study.toml                      the shards, into study.parquet
  exaplan sweep map study.toml --metric cost_usd";

const STUDY: &str = r#"A study:
  scenario = "llama3-405b"             # built in, or a file beside the study
  set = ["cluster.region=us-east-1"]   # for all cases, as --set
  filters = ["cluster.nodes * 8 >= layout.tensor * layout.pipeline"]

  [[axis]]
  path = "cluster.nodes"               # any path that --set takes
  values = [512, 1024, 2048]

  [[axis]]
  path = "training.tokens"
  from = "1T"                          # with n = 8 (and log = true), step or factor
  to = "16T"
  factor = 2

  [[axis]]                             # together, value by value
  zip = { "layout.tensor" = [4, 8], "layout.pipeline" = [16, 8] }

A case that fits no layout is a row with the reason. Cases are numbered so that neighbours share
their step: the axes that it rests on change slowest."#;

/// Plan a grid of scenarios, on one machine or an array of jobs.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{STUDY}"))]
pub enum SweepCommand {
    /// Plan the cases of a study, or of one shard of it; goes on where it stopped
    Run(run::RunArgs),
    /// Show how far each shard is
    Status(status::StatusArgs),
    /// Join the shards into one Parquet file, the same as from an unsharded run
    Merge(merge::MergeArgs),
    /// Submit the shards as an array of Slurm jobs, or print a Kubernetes job
    Submit(Box<submit::SubmitArgs>),
    /// Draw one metric over two axes
    Map(map::MapArgs),
}

/// Which study, over which catalog, and where its files are.
#[derive(Debug, Clone, clap::Args)]
struct Input {
    /// A study file in TOML
    #[arg(value_name = "STUDY", value_hint = clap::ValueHint::FilePath)]
    study: PathBuf,
    /// Keep journals and shards in this directory [default: STUDY.sweep beside the study]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dir: Option<PathBuf>,
    /// Write the whole result to this file [default: STUDY.parquet beside the study]
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
    #[command(flatten)]
    layers: Layers,
}

impl Input {
    /// The study with its scenario, and where its files are.
    fn open(&self, console: &Console) -> Result<(Sweep, Place)> {
        let origin = source::read_as(&self.study, "a study in TOML")?;
        let study = Study::parse(&origin)?;
        let folder = self.study.parent().unwrap_or(Path::new(""));
        let beside = folder.join(&study.scenario);
        let scenario = if source::is_file(&beside) {
            beside.display().to_string()
        } else {
            study.scenario.clone()
        };
        let catalog = layers::catalog(&self.layers, console)?;
        let sweep = Sweep::new(study, &scenario, catalog)?;
        let place = Place::new(self, &sweep);
        Ok((sweep, place))
    }
}

/// Do it.
pub fn run(command: &SweepCommand, console: &Console) -> Done {
    match command {
        SweepCommand::Run(args) => run::run(args, console),
        SweepCommand::Status(args) => status::run(args, console),
        SweepCommand::Merge(args) => merge::run(args, console),
        SweepCommand::Submit(args) => submit::run(args, console),
        SweepCommand::Map(args) => map::run(args, console),
    }
}
