//! `exaplan sweep run`.

use super::Input;
use super::journal::{self, Journal};
use super::place::{self, Found, Place};
use super::shard::ShardArgs;
use crate::cli::output::{Console, emit, emit_json};
use crate::cli::{DONE, Done, RESUMABLE};
use crate::error::{Diagnostic, Error, Result};
use crate::report::sweep::results::{cell, columns};
use crate::report::sweep::{Best, Ran, ran, ran_json};
use crate::report::text;
use crate::study::sweep::row::Cell;
use crate::study::sweep::{Shard, Study, Sweep, with_threads};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    shard: ShardArgs,
    /// Forget what was done before
    #[arg(long)]
    restart: bool,
    /// Use N threads [default: SLURM_CPUS_PER_TASK, else as many as the process may use]
    #[arg(short = 'j', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

/// Rows are kept after this time, so that little is lost and a signal is soon heard.
const BATCH: Duration = Duration::from_millis(200);
/// Cases of a batch at first and at most: the steps of all of them are held.
const FIRST_BATCH: usize = 16;
const LARGEST_BATCH: usize = 4096;

/// Plan the cases of a shard.
pub fn run(args: &RunArgs, console: &Console) -> Done {
    let shard = args.shard.shard()?;
    let signals = Signals::listen()?;
    let (sweep, place) = args.input.open(console)?;
    if args.restart {
        forget(&place, shard)?;
    }
    let start = Instant::now();
    match place.found(shard)? {
        Found::Missing => {}
        Found::Ours(_) => {
            let _ = std::fs::remove_file(place.journal(shard));
            console.note("nothing is left to do; --restart begins anew");
            let mut told = told(&sweep.study, shard, &place);
            read_back(&place, shard, &mut told)?;
            return show(&told, console);
        }
        Found::Other => {
            let text = format!("`{}` holds other results", place.results(shard).display());
            return Err(Diagnostic::new(text)
                .help("the study, scenario, catalog or program has changed: give --restart to replace it, or -o another file")
                .into());
        }
    }
    sweep.check()?;
    let mut journal = Journal::open(&place.journal(shard), &place.journal_label(shard))?;
    let mut told = told(&sweep.study, shard, &place);
    let before = journal.done.n_rows;
    if before > 0 {
        console.note(&format!("going on after {before} of {} cases", told.n_cases));
    }
    let stopped = with_threads(threads(args), || {
        evaluate(&sweep, shard, &mut journal, &signals, (console, told.n_cases))
    })?;
    told.n_done = journal.done.n_rows;
    told.n_feasible = journal.done.n_feasible;
    told.n_now = told.n_done - before;
    told.elapsed_s = start.elapsed().as_secs_f64();
    if let Some(signal) = stopped {
        let text = format!("stopped after {} of {} cases; the same command goes on", told.n_done, told.n_cases);
        console.note(&text);
        return match signal {
            Signal::Interrupt => Err(Error::Interrupted),
            Signal::Terminate => Ok(RESUMABLE),
        };
    }
    finish(&sweep.study, shard, &place, &mut journal, &mut told)?;
    journal.remove()?;
    // Gone with its last journal, where no other shard has files.
    let _ = std::fs::remove_dir(&place.dir);
    show(&told, console)
}

fn told(study: &Study, shard: Shard, place: &Place) -> Ran {
    Ran {
        study: study.name.clone(),
        shard: (shard != Shard::WHOLE).then_some((shard.index, shard.count)),
        n_cases: shard.n_cases(study),
        file: place.results(shard).display().to_string(),
        ..Ran::default()
    }
}

fn forget(place: &Place, shard: Shard) -> Result<()> {
    for path in [place.journal(shard), place.results(shard)] {
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => return Err(Error::Io { path, source }),
            _ => {}
        }
    }
    Ok(())
}

fn threads(args: &RunArgs) -> Option<usize> {
    let asked = || {
        std::env::var("SLURM_CPUS_PER_TASK")
            .ok()
            .and_then(|v| v.trim().parse().ok())
            .filter(|n| *n > 0)
    };
    args.threads.map(usize::from).or_else(asked)
}

/// Plan what is not in the journal yet; the signal that ended it early.
fn evaluate(
    sweep: &Sweep,
    shard: Shard,
    journal: &mut Journal,
    signals: &Signals,
    (console, n_cases): (&Console, u64),
) -> Result<Option<Signal>> {
    let progress = console.progress(usize::try_from(n_cases).unwrap_or(usize::MAX), "cases");
    progress.resume(usize::try_from(journal.done.n_rows).unwrap_or(usize::MAX));
    let mut cases = shard.cases(&sweep.study, journal.done.last.map_or(0, |last| last + 1));
    let mut n = FIRST_BATCH;
    let stopped = loop {
        if let Some(signal) = signals.heard() {
            break Some(signal);
        }
        let batch: Vec<u64> = cases.by_ref().take(n).collect();
        if batch.is_empty() {
            break None;
        }
        let start = Instant::now();
        journal.add(sweep.rows(&batch))?;
        progress.steps(batch.len());
        n = next_batch(n, start.elapsed());
    };
    progress.end();
    Ok(stopped)
}

/// As many cases as take about [`BATCH`].
fn next_batch(n: usize, took: Duration) -> usize {
    let (half, twice) = (took > BATCH * 2, took < BATCH / 2);
    match (half, twice) {
        (true, _) => (n / 2).max(1),
        (_, true) => (n * 2).min(LARGEST_BATCH),
        _ => n,
    }
}

/// From the journal to Parquet.
fn finish(study: &Study, shard: Shard, place: &Place, journal: &mut Journal, told: &mut Ran) -> Result<()> {
    let (names, kinds): (Vec<_>, Vec<_>) = columns(study).into_iter().unzip();
    told.best = Best::of(&names);
    place::write(&place.results(shard), study, &place.label(shard), |writer| {
        journal.rows(|(case, cells): journal::Kept| {
            let number = Cell::Whole(i64::try_from(case).unwrap_or(i64::MAX));
            let axes = study.values(case).zip(&kinds[1..]).map(|(value, kind)| cell(value, *kind));
            let row: Vec<Cell> = std::iter::once(number).chain(axes).chain(cells).collect();
            told.best.iter_mut().for_each(|b| b.see(&row));
            writer.push(row.into_iter())
        })
    })
}

/// What a finished file says, for one who asks again.
fn read_back(place: &Place, shard: Shard, told: &mut Ran) -> Result<()> {
    let mut reader = place::reader(&place.results(shard))?;
    let names = reader.names();
    told.best = Best::of(&names);
    let feasible = names.iter().position(|n| n == "feasible").unwrap_or(0);
    while let Some(cells) = reader.row()? {
        told.n_done += 1;
        told.n_feasible += u64::from(cells.get(feasible) == Some(&Cell::Flag(true)));
        told.best.iter_mut().for_each(|b| b.see(&cells));
    }
    Ok(())
}

fn show(told: &Ran, console: &Console) -> Done {
    if console.json {
        emit_json(&ran_json(told))?;
    } else {
        emit(&text::document(&ran(told), console.text()))?;
    }
    Ok(DONE)
}

/// What asks a sweep to stop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// A scheduler whose time is up.
    Terminate,
}

struct Signals {
    interrupt: Arc<AtomicBool>,
    terminate: Arc<AtomicBool>,
}

impl Signals {
    fn listen() -> Result<Signals> {
        let signals = Signals {
            interrupt: Arc::default(),
            terminate: Arc::default(),
        };
        let (int, term) = (signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM);
        // A second ctrl-c does not wait for the batch.
        signal_hook::flag::register_conditional_shutdown(int, i32::from(crate::cli::INTERRUPTED), signals.interrupt.clone())
            .and_then(|_| signal_hook::flag::register(int, signals.interrupt.clone()))
            .and_then(|_| signal_hook::flag::register(term, signals.terminate.clone()))
            .map_err(|source| Error::Io {
                path: "signals".into(),
                source,
            })?;
        Ok(signals)
    }

    fn heard(&self) -> Option<Signal> {
        if self.interrupt.load(Ordering::Relaxed) {
            Some(Signal::Interrupt)
        } else {
            self.terminate.load(Ordering::Relaxed).then_some(Signal::Terminate)
        }
    }
}
