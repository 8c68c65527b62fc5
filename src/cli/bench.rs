//! `exaplan bench`.

#[cfg(feature = "cuda")]
mod cuda;
mod doctor;
mod import;
mod keep;
mod ranks;
mod show;

use super::output::{Console, emit, emit_json};
use super::{DONE, Done, INTERRUPTED, Over};
use crate::bench::grid::{self, Reach};
use crate::bench::host::{BUFFER_BYTES, SEED, SUITES};
use crate::bench::python::{Framework, Python};
use crate::bench::{self, Backend, Clock, End, Environment, Event, Item, Measured, Monotonic, Operands, Protocol, cpu, derive, order};
use crate::catalog::DType;
use crate::error::{Diagnostic, Error, Result, nearest};
use crate::units::{self, Unit};
use keep::Keep;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const EXAMPLES: &str = "\
Examples:
  exaplan bench doctor
  exaplan bench run --budget 2m -o this-machine.toml
  exaplan plan small-cpu --profile this-machine.toml
  exaplan bench run --backend jax --scenario my.toml -o jax.toml
  exaplan bench import nccl-tests all_reduce.log --accelerator h100-sxm -o measured.toml";

/// Measure this machine.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum BenchCommand {
    /// Measure; nothing is predicted
    Run(RunArgs),
    /// List what can be measured, and with what
    List,
    /// Tell what is present, and check the numbers of every kernel
    Doctor(doctor::DoctorArgs),
    /// Make a profile of results that another tool measured
    Import(import::ImportArgs),
    /// Let the ranks of torchrun, srun or mpirun meet, without a device, and tell who is who
    #[command(after_help = ranks::HELP)]
    Ranks(ranks::RanksArgs),
}

#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// What runs the kernels: cpu, cuda, jax or torch
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    backend: String,
    /// Measure this suite only; may be repeated [default: all]
    #[arg(long, value_name = "NAME")]
    suite: Vec<String>,
    /// Measure the kernels that the plan of this scenario runs first; may be repeated
    #[arg(long, value_name = "SCENARIO")]
    scenario: Vec<String>,
    /// Nothing beside the kernels of the scenarios and the memory bandwidth
    #[arg(long, requires = "scenario")]
    only: bool,
    /// Take about this long in all; shorter is less exact
    #[arg(long, value_name = "TIME", default_value = "30s")]
    budget: String,
    /// Bytes of a stream buffer; below four times the caches it measures them [default: 256 MiB]
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    buffer: Option<String>,
    /// Products of square matrices of this side only
    #[arg(long, value_name = "N", hide_short_help = true)]
    matrix: Option<u64>,
    /// Threads of the cpu backend [default: one for each core]
    #[arg(short = 'j', long, value_name = "N")]
    threads: Option<usize>,
    /// Devices that run side by side, with cuda or jax
    #[arg(long, value_name = "N", default_value_t = 1)]
    devices: usize,
    /// The Python that has the framework
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: String,
    /// Write this many bytes between runs, so that caches are cold [default: none, as in a step]
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    cold: Option<String>,
    /// Write a kernel profile with CSV tables beside it, and a journal that a later run goes on with
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Start anew where an earlier run left a journal
    #[arg(long)]
    fresh: bool,
}

/// Do it.
pub fn run(command: &BenchCommand, console: &Console) -> Done {
    match command {
        BenchCommand::Run(args) => measure(args, console),
        BenchCommand::List => list(console),
        BenchCommand::Doctor(args) => doctor::run(args, console),
        BenchCommand::Import(args) => import::run(args, console),
        BenchCommand::Ranks(args) => ranks::run(args, console),
    }
}

fn list(console: &Console) -> Done {
    if console.json {
        let list: Vec<Value> = SUITES
            .iter()
            .map(|s| json!({ "name": s.name, "what": s.what, "needs": s.needs }))
            .collect();
        let backends: Vec<Value> = backends()
            .iter()
            .map(|(name, state)| json!({ "name": name, "state": state }))
            .collect();
        emit_json(&json!({ "schema": "exaplan.bench-list/1", "suites": list, "backends": backends }))?;
        return Ok(DONE);
    }
    let lines: Vec<String> = SUITES
        .iter()
        .map(|s| format!("{:10}  {}\n{:10}  with {}\n", s.name, s.what, "", s.needs))
        .collect();
    emit(&lines.concat())?;
    emit("\nBackends\n")?;
    let lines: Vec<String> = backends().iter().map(|(name, state)| format!("{name:10}  {state}\n")).collect();
    emit(&lines.concat())?;
    emit("\n`exaplan bench doctor` starts them all and checks their numbers.\n")?;
    Ok(DONE)
}

/// Backends, and whether they are here as far as can be told without starting them.
fn backends() -> Vec<(&'static str, String)> {
    #[cfg(feature = "cuda")]
    let cuda = cuda::state();
    #[cfg(not(feature = "cuda"))]
    let cuda = "not here: this exaplan was built without it".to_string();
    let python = |name: &str| format!("where a Python has {name}: see `exaplan bench doctor`");
    vec![
        ("cpu", "here".to_string()),
        ("cuda", cuda),
        ("jax", python("JAX")),
        ("torch", python("PyTorch")),
    ]
}

fn quantity(flag: &str, text: &str, unit: Unit) -> Result<f64> {
    let value = units::parse(text, unit).map_err(|why| Diagnostic::new(format!("--{flag} {text}: {why}")).help(unit.example()))?;
    if value > 0.0 && value.is_finite() {
        return Ok(value);
    }
    let text = format!("--{flag} is {text}, out of range");
    Err(Diagnostic::new(text).help(format!("write {}", unit.example())).into())
}

/// Bytes of a flag as a count.
fn bytes(flag: &str, text: Option<&str>, default: u64) -> Result<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let count = |b: f64| b as u64;
    Ok(text.map(|b| quantity(flag, b, Unit::Bytes)).transpose()?.map_or(default, count))
}

/// The suites that are wanted, as they are called now; their names of before are understood.
fn suites(given: &[String]) -> Result<Vec<&'static str>> {
    let names = || SUITES.iter().map(|s| s.name);
    let mut out = Vec::new();
    for suite in given {
        let plain = suite.strip_prefix("cpu-").unwrap_or(suite);
        match names().find(|n| *n == plain) {
            Some(name) => out.push(name),
            None => {
                let guess = nearest(plain, names()).map_or(String::new(), |n| format!("did you mean `{n}`? "));
                let list = names().collect::<Vec<_>>().join(", ");
                return Err(Diagnostic::new(format!("no suite `{suite}`"))
                    .help(format!("{guess}there are {list}"))
                    .into());
            }
        }
    }
    Ok(out)
}

/// A backend by name, ready; with the members of its collectives and the formats it multiplies.
pub(super) struct Chosen {
    pub backend: Box<dyn Backend>,
    pub reach: Reach,
    /// What it measures beside the grid.
    pub extra: Vec<Item>,
}

fn choose(args: &RunArgs, cancel: &AtomicBool) -> Result<Chosen> {
    let buffer = bytes("buffer", args.buffer.as_deref(), BUFFER_BYTES)?;
    if args.threads == Some(0) || args.devices == 0 || args.matrix == Some(0) || buffer < 8 {
        return Err(Diagnostic::new("a size or number is 0").help("give a larger one").into());
    }
    let framework = |framework| -> Result<Chosen> {
        let python = Python::start(framework, &args.python, args.devices, SEED, cancel)?;
        let reach = if python.is_host() {
            Reach::host(python.ranks(), buffer)
        } else {
            Reach::device(python.dtypes(), python.ranks())
        };
        Ok(Chosen {
            backend: Box::new(python),
            reach,
            extra: Vec::new(),
        })
    };
    match args.backend.as_str() {
        "cpu" => {
            let host = cpu::Host::new(args.threads, SEED)?;
            let ranks = args.threads.unwrap_or(host.machine().n_cores) as u64;
            Ok(Chosen {
                backend: Box::new(host),
                reach: Reach::host(ranks, buffer),
                extra: Vec::new(),
            })
        }
        "jax" => framework(Framework::Jax),
        "torch" => framework(Framework::Torch),
        #[cfg(feature = "cuda")]
        "cuda" => cuda::choose(args.devices, args.buffer.as_ref().map(|_| buffer), cancel),
        #[cfg(not(feature = "cuda"))]
        "cuda" => {
            let help = "drive NVIDIA devices with --backend torch or --backend jax, and import nccl-tests for collectives";
            Err(Diagnostic::new("this exaplan was built without cuda").help(help).into())
        }
        other => {
            let names = ["cpu", "cuda", "jax", "torch"];
            let guess = nearest(other, names).map_or(String::new(), |n| format!("did you mean `{n}`? "));
            let text = format!("no backend `{other}`");
            Err(Diagnostic::new(text)
                .help(format!("{guess}there are cpu, cuda, jax and torch"))
                .into())
        }
    }
}

/// What the plans of the scenarios run.
fn asked(args: &RunArgs, console: &Console) -> Result<Vec<(Item, f64)>> {
    let mut out = Vec::new();
    for name in &args.scenario {
        let (scenario, catalog) = Over::default().load(name, console)?;
        let plan = crate::plan(&scenario, &catalog)?;
        let scenario = &plan.scenario;
        let groups = crate::layout::place(&plan.layout, scenario.machine().domain);
        out.extend(derive::items(&scenario.workload, &plan.layout, &scenario.stack, &groups));
    }
    Ok(out)
}

fn items(args: &RunArgs, chosen: &Chosen, asked: &[(Item, f64)]) -> Result<Vec<Item>> {
    let (wanted, reach) = (suites(&args.suite)?, &chosen.reach);
    let mut grid = grid::items(reach);
    grid.extend(&chosen.extra);
    if let Some(side) = args.matrix {
        grid.retain(|i| !matches!(i, Item::Gemm { .. }));
        grid.extend(reach.dtypes.iter().map(|dtype: &DType| Item::Gemm {
            dtype: *dtype,
            m: side,
            n: side,
            k: side,
            operands: Operands::Nn,
        }));
    }
    if args.only {
        grid.retain(|i| matches!(i, Item::Stream { .. } | Item::Collective { .. }));
    }
    let mut list = order::order(asked, &grid);
    list.retain(|i| wanted.is_empty() || wanted.contains(&i.suite()));
    Ok(list)
}

fn measure(args: &RunArgs, console: &Console) -> Done {
    let budget_s = quantity("budget", &args.budget, Unit::S)?;
    suites(&args.suite)?;
    let name = args.output.as_deref().map(keep::profile_name).transpose()?;
    let cancel = interrupts()?;
    #[cfg(feature = "cuda")]
    if args.backend == "cuda" && cuda::follows()? {
        return cuda::follow(&cancel);
    }
    let weights = asked(args, console)?;
    let mut chosen = choose(args, &cancel)?;
    #[allow(clippy::cast_possible_truncation)]
    let protocol = Protocol {
        cold_bytes: bytes("cold", args.cold.as_deref(), 0)? as usize,
        ..Protocol::default()
    };
    let clock = Monotonic::default();
    let environment = chosen.backend.environment(&clock)?;
    let items = items(args, &chosen, &weights)?;
    let backend = chosen.backend.name();
    let mut keep = match (&args.output, name) {
        (Some(path), Some(name)) => Some(Keep::open(path, name, (backend, &environment), weights, args.fresh)?),
        _ => None,
    };
    let mut done: Vec<Measured> = keep.as_ref().map_or(Vec::new(), |k| k.list.clone());
    let known: Vec<Item> = done.iter().map(|m| m.item).collect();
    if !known.is_empty() {
        console.say(&format!(
            "goes on with {} measurements of an earlier run; --fresh starts anew",
            known.len()
        ));
    }
    let progress = console.progress(items.len(), "kernels");
    progress.resume(known.len());
    let mut tell = |event: Event| {
        progress.step();
        match event {
            Event::Done(m) => {
                console.detail(&show::line(m));
                done.push(m.clone());
                keep.as_mut().map_or(Ok(()), |k| k.add(m, clock.now_s()))
            }
            Event::Failed(item, why) => {
                console.note(&format!("{item} is left out: {why}"));
                Ok(())
            }
        }
    };
    let how = (&clock as &dyn Clock, &*cancel);
    let end = bench::run(&mut *chosen.backend, (&items, &known), (&protocol, budget_s), how, &mut tell);
    progress.end();
    let end = end?;
    finish(console, (&done, &environment), end, keep)
}

fn finish(console: &Console, (done, environment): (&[Measured], &Environment), end: End, keep: Option<Keep>) -> Done {
    let complete = !matches!(end, End::Interrupted(_));
    show::all(console, (done, environment), end)?;
    if let Some(mut keep) = keep {
        let files = keep.write(end == End::Complete)?;
        console.say(&format!("wrote {files}"));
    }
    match end {
        End::Interrupted(_) => console.say(&format!("interrupted after {} measurements", done.len())),
        End::Budget(n) => console.note(&format!("the budget ended with {n} kernels left; the same command goes on")),
        End::Complete => {}
    }
    Ok(if complete { DONE } else { INTERRUPTED })
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
