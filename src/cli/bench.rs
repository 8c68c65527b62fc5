//! `exaplan bench`.

use super::output::{Console, emit, emit_json, show};
use super::{DONE, Done, INTERRUPTED};
use crate::bench::profile::{Environment, profile};
use crate::bench::{self, Measurement, Options, Protocol};
use crate::catalog::source;
use crate::error::{Diagnostic, Error, Result};
use crate::report::{Block, Cell, Column, Document, Table};
use crate::units::{self, Unit};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const EXAMPLES: &str = "\
Examples:
  exaplan bench list
  exaplan bench run --suite cpu-stream --budget 10s
  exaplan bench run -o this-machine.toml";

/// Measure this machine.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum BenchCommand {
    /// Measure; nothing is predicted
    Run(RunArgs),
    /// List what can be measured
    List,
}

#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Measure this suite only; may be repeated [default: all]
    #[arg(long, value_name = "NAME")]
    suite: Vec<String>,
    /// Take about this long in all; shorter is less exact
    #[arg(long, value_name = "TIME", default_value = "30s")]
    budget: String,
    /// Bytes of a stream buffer; below four times the caches it measures them [default: 256 MiB]
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    buffer: Option<String>,
    /// Rows and columns of the matrices [default: 768]
    #[arg(long, value_name = "N", hide_short_help = true)]
    matrix: Option<usize>,
    /// Threads of "all threads" [default: as many as the process may use]
    #[arg(short = 'j', long, value_name = "N")]
    threads: Option<usize>,
    /// Write a kernel profile, with a CSV table beside it; `plan --profile` reads it
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
}

/// Do it.
pub fn run(command: &BenchCommand, console: &Console) -> Done {
    match command {
        BenchCommand::Run(args) => measure(args, console),
        BenchCommand::List => list(console),
    }
}

fn list(console: &Console) -> Done {
    let suites = bench::list();
    if console.json {
        let list: Vec<Value> = suites
            .iter()
            .map(|s| json!({ "name": s.name, "what": s.what, "needs": s.needs }))
            .collect();
        emit_json(&json!({ "schema": "exaplan.bench-list/1", "suites": list }))?;
        return Ok(DONE);
    }
    let width = suites.iter().map(|s| s.name.len()).max().unwrap_or(0);
    let lines: Vec<String> = suites
        .iter()
        .map(|s| format!("{:width$}  {}\n{:width$}  needs {}\n", s.name, s.what, "", s.needs))
        .collect();
    emit(&lines.concat())?;
    Ok(DONE)
}

fn quantity(flag: &str, text: &str, unit: Unit) -> Result<f64> {
    let value = units::parse(text, unit).map_err(|why| Diagnostic::new(format!("--{flag} {text}: {why}")).help(unit.example()))?;
    if value > 0.0 && value.is_finite() {
        return Ok(value);
    }
    let text = format!("--{flag} is {text}, out of range");
    Err(Diagnostic::new(text).help(format!("write {}", unit.example())).into())
}

fn options(args: &RunArgs) -> Result<Options> {
    let budget_s = quantity("budget", &args.budget, Unit::S)?;
    let defaults = Options::default();
    let chosen = bench::list()
        .iter()
        .filter(|s| args.suite.is_empty() || args.suite.iter().any(|n| n == s.name));
    let n_measurements: usize = chosen.map(|s| s.n_measurements).sum();
    let buffer = args.buffer.as_deref().map(|b| quantity("buffer", b, Unit::Bytes)).transpose()?;
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Ok(Options {
        suites: args.suite.clone(),
        protocol: Protocol {
            budget_s: budget_s / n_measurements.max(1) as f64,
            ..Protocol::default()
        },
        buffer_bytes: buffer.map_or(defaults.buffer_bytes, |b| b as usize),
        matrix: args.matrix.unwrap_or(defaults.matrix),
        n_threads: args.threads,
        ..defaults
    })
}

fn measure(args: &RunArgs, console: &Console) -> Done {
    let options = options(args)?;
    let output = args
        .output
        .as_deref()
        .map(|path| Ok::<_, Error>((path, profile_name(path)?)))
        .transpose()?;
    let cancel = interrupts()?;
    let mut done = Vec::new();
    let result = bench::run(&options, &cancel, &mut |m| {
        console.detail(&format!("{} {}, {}: {}", m.op, m.shape, threads(m), rate(m, m.rate_per_s())));
        done.push(m.clone());
    });
    let complete = match result {
        Ok(_) => true,
        // What is measured is kept.
        Err(Error::Interrupted) => false,
        Err(error) => return Err(error),
    };
    if console.json {
        let list: Vec<Value> = done.iter().map(to_json).collect();
        emit_json(&json!({ "schema": "exaplan.bench/1", "complete": complete, "measurements": list }))?;
    } else if !done.is_empty() {
        show(console, &document(&done, complete))?;
    }
    match output {
        Some((path, name)) if complete => write_profile(path, &name, &done, console)?,
        Some((path, _)) => console.say(&format!("{} is not written: not all was measured", path.display())),
        None => {}
    }
    if !complete {
        console.say(&format!("interrupted after {} measurements", done.len()));
    }
    Ok(if complete { DONE } else { INTERRUPTED })
}

/// The id of a profile is the name of its file: known before anything is measured.
fn profile_name(path: &Path) -> Result<String> {
    let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or("");
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_toml = path.extension().is_some_and(|e| e == "toml");
    if !is_toml || stem.is_empty() || !stem.chars().all(plain) {
        let text = format!("--output {}: not the name of a profile", path.display());
        let help = "write lower-case letters, digits and hyphens, then .toml: this-machine.toml";
        return Err(Diagnostic::new(text).help(help).into());
    }
    Ok(stem.to_string())
}

/// The table first: a profile that stands has its points.
fn write_profile(path: &Path, name: &str, done: &[Measurement], console: &Console) -> Result<()> {
    let system = format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
    let written = profile(name, done, &Environment::here(system))?;
    let table = path.with_file_name(&written.table_file);
    source::write_whole(&table, written.table.as_bytes())?;
    source::write_whole(path, written.toml.as_bytes())?;
    console.say(&format!("wrote {} and {}", path.display(), table.display()));
    Ok(())
}

/// Set by ctrl-c; a second one ends the program at once.
pub(super) fn interrupts() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let signal = signal_hook::consts::SIGINT;
    signal_hook::flag::register_conditional_shutdown(signal, i32::from(INTERRUPTED), flag.clone())
        .and_then(|_| signal_hook::flag::register(signal, flag.clone()))
        .map_err(|e| Error::Device {
            what: format!("ctrl-c cannot be caught: {e}"),
        })?;
    Ok(flag)
}

fn threads(m: &Measurement) -> String {
    let plural = if m.n_threads == 1 { "" } else { "s" };
    format!("{} thread{plural}", m.n_threads)
}

fn rate(m: &Measurement, value: f64) -> String {
    units::si(value, m.work.rate_unit())
}

fn to_json(m: &Measurement) -> Value {
    let (low, high) = m.rate_interval_per_s();
    let per_s = m.work.rate_unit().replace("/s", "_per_s").replace('B', "bytes").to_lowercase();
    let mut out = json!({
        "op": m.op,
        "shape": m.shape,
        "n_threads": m.n_threads,
        "kernel": m.kernel,
        "median_s": m.sample.median_s,
        "low_s": m.sample.low_s,
        "high_s": m.sample.high_s,
        "confidence_fraction": m.sample.confidence_fraction,
        "n": m.sample.n,
        "max_error_fraction": m.max_error_fraction,
        "n_checked": m.n_checked,
    });
    if let Some(object) = out.as_object_mut() {
        object.insert(per_s.clone(), json!(m.rate_per_s()));
        object.insert(format!("{per_s}_low"), json!(low));
        object.insert(format!("{per_s}_high"), json!(high));
    }
    out
}

fn document(list: &[Measurement], complete: bool) -> Document {
    let columns = vec![
        Column::words("Operation"),
        Column::numbers("Threads"),
        Column::numbers("Rate"),
        Column::words("Interval of the median"),
        Column::numbers("Runs"),
        Column::numbers("Error"),
    ];
    let mut table = Table::new("", columns);
    for m in list {
        let (low, high) = m.rate_interval_per_s();
        #[allow(clippy::cast_precision_loss)]
        table.rows.push(vec![
            Cell::Text(format!("{} {}", m.op, m.shape)),
            Cell::Count(m.n_threads as f64),
            Cell::Text(rate(m, m.rate_per_s())),
            Cell::Text(format!("{} to {}", rate(m, low), rate(m, high))),
            Cell::Count(m.sample.n as f64),
            Cell::Text(small(m.max_error_fraction)),
        ]);
    }
    let mut kernels: Vec<(&str, &str)> = Vec::new();
    for m in list {
        if !kernels.contains(&(m.op, m.kernel)) {
            kernels.push((m.op, m.kernel));
        }
    }
    table.notes.extend(kernels.iter().map(|(op, kernel)| format!("{op}: {kernel}")));
    table
        .notes
        .push("Error: the largest found when the result was checked, relative to its terms.".to_string());
    Document {
        title: "This machine, measured".to_string(),
        subtitle: if complete {
            String::new()
        } else {
            "interrupted: not all".to_string()
        },
        blocks: vec![Block::Table(table)],
        provenance: format!("exaplan {}; nothing here is predicted", env!("CARGO_PKG_VERSION")),
    }
}

fn small(fraction: f64) -> String {
    if fraction > 0.0 {
        format!("{fraction:.0e}")
    } else {
        "0".to_string()
    }
}
