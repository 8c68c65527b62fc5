//! `exaplan scale fit`.

use super::super::Done;
use super::super::output::{Console, Target};
use crate::catalog::source;
use crate::error::{Diagnostic, Result};
use crate::report::scale::fit::{Shown, document, json};
use crate::scale::fit::Loss;
use crate::scale::fit::forms::{Form, Request, fit, n_pieces};
use crate::scale::law;
use crate::scale::points::{Mapping, read};
use std::path::PathBuf;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  exaplan scale fit points.csv --only outlier=0 --starts all --bootstrap 1000 --at-flop 5.76e23
  exaplan scale fit runs.csv --column loss=val_loss --hold-out 0.2 --save law.toml -o fit.html
  exaplan scale fit runs.csv --form repeated --law muennighoff
  exaplan scale optimal --law law.toml --flop 1e24";

/// Fit a scaling law to measured points: sum of a Huber loss of log residuals, many starts, bootstrap, hold-out.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct FitArgs {
    /// Points as CSV, one run a row, with a header
    #[arg(value_name = "CSV", value_hint = clap::ValueHint::FilePath)]
    points: PathBuf,
    /// What to fit
    #[arg(long, default_value = "chinchilla", value_name = "FORM", value_parser = clap::builder::PossibleValuesParser::new(Form::ALL.map(|f| f.0)))]
    form: String,
    /// Which column has a role: params, tokens, loss, flop, unique, experts, bits, score …; may be repeated
    #[arg(long, value_name = "ROLE=COLUMN")]
    column: Vec<String>,
    /// Only rows whose column has this value; may be repeated
    #[arg(long, value_name = "COLUMN=VALUE")]
    only: Vec<String>,
    /// What is minimized
    #[arg(long, value_enum, default_value_t = Minimized::Huber, value_name = "WHAT")]
    loss: Minimized,
    /// Where the Huber loss turns linear
    #[arg(long, default_value_t = 1e-3, value_name = "DELTA", hide_short_help = true)]
    delta: f64,
    /// Starts: every 37th of the published grid of 4,500, or all
    #[arg(long, value_enum, default_value_t = Starts::Few, value_name = "WHICH")]
    starts: Starts,
    /// Resample the rows this often for intervals; 0 for none
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    bootstrap: u32,
    /// Seed of the resamples
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Share of the rows, those of most compute, that is predicted instead of fitted
    #[arg(long, default_value_t = 0.0, value_name = "FRACTION")]
    hold_out: f64,
    /// The law of fresh data that repetition is fitted over
    #[arg(long, default_value = "muennighoff", value_name = "LAW")]
    law: String,
    /// Tell the best size and data for this many training FLOP; may be repeated
    #[arg(long, value_name = "FLOP")]
    at_flop: Vec<String>,
    /// Write the law to a file that --law reads
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    save: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

/// What is minimized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Minimized {
    /// Huber loss of log residuals
    Huber,
    /// Squares of log residuals
    LogSquares,
    /// Squares of residuals
    Squares,
}

/// Which starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Starts {
    /// Every 37th
    Few,
    /// All 4,500
    All,
}

fn request(args: &FitArgs) -> Result<Request> {
    let wrong = |flag: &str, value: f64, help: &str| Err(Diagnostic::new(format!("--{flag} is {value}, out of range")).help(help).into());
    if !(args.delta > 0.0 && args.delta <= 10.0) {
        return wrong("delta", args.delta, "write a number greater than 0 and up to 10, usually 1e-3");
    }
    if !(0.0..=0.9).contains(&args.hold_out) {
        return wrong("hold-out", args.hold_out, "write a share from 0 to 0.9, for example 0.2");
    }
    let form = Form::ALL
        .iter()
        .find(|(n, _)| *n == args.form)
        .map_or(Form::Chinchilla, |(_, f)| *f);
    Ok(Request {
        form,
        loss: match args.loss {
            Minimized::Huber => Loss::Huber(args.delta),
            Minimized::LogSquares => Loss::LogSquares,
            Minimized::Squares => Loss::Squares,
        },
        all_starts: args.starts == Starts::All,
        n_bootstrap: args.bootstrap as usize,
        seed: args.seed,
        hold_out_fraction: args.hold_out,
        base: if form == Form::Repeated {
            law::find(&args.law)?.dense()
        } else {
            None
        },
    })
}

/// Fit and show.
pub fn run(args: &FitArgs, console: &Console) -> Done {
    args.target.format(console)?;
    args.target.replace.writable(&args.save)?;
    let request = request(args)?;
    let budgets = args
        .at_flop
        .iter()
        .map(|c| super::flop("at-flop", c))
        .collect::<Result<Vec<f64>>>()?;
    let mapping = Mapping::parse(&args.column, &args.only)?;
    let points = read(&args.points, &mapping, request.form.needs(), request.form.wants())?;
    let start = Instant::now();
    let progress = console.progress(n_pieces(&request), "fits");
    let fitted = fit(&points, &request, &|| progress.step());
    progress.end();
    let fitted = fitted?;
    if let Some(path) = &args.save {
        let text = law::write::toml(&fitted, &points, "unit of the points").ok_or_else(|| -> crate::error::Error {
            Diagnostic::new(format!("a fit of the form `{}` is no law that can be saved", args.form))
                .help("save chinchilla, overtrained, kaplan, repeated, routed or power")
                .into()
        })?;
        source::write_whole(path, text.as_bytes())?;
    }
    let shown = Shown {
        fitted: &fitted,
        points: &points,
        budgets: &budgets,
        elapsed_s: start.elapsed().as_secs_f64(),
    };
    super::write(&args.target, console, &document(&shown), &|| json(&shown))
}
