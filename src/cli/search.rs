//! `exaplan search`.

use super::output::{Console, Format, Forms, Target, no_form};
use super::{Done, INTERRUPTED, Input, NO, layers};
use crate::error::{Diagnostic, Error, Result};
use crate::layout::{Breadth, Choice};
use crate::plan::{Provenance, Scenario};
use crate::report::search::{Shown, chart, document, estimate, json, page, rows};
use crate::report::svg;
use crate::search::{Found, N_SIMULATED, Objective, Options, Watch, search_watched};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  exaplan search --top 5
  exaplan search --top 100 -o layouts.html
  exaplan search --hf config.json --set cluster.nodes=32
  exaplan search llama3-405b --breadth all
  exaplan search llama3-405b --objective energy,time
  exaplan search llama3-405b --keep-layout --explain-rejections";

const HAS: &str = "give a name in .html, .xlsx, .svg, .md, .csv, .json or .txt";

/// How much of what is free is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Wide {
    /// Degrees, virtual stages, sharding, micro-batches, recomputation: what every program offers
    Usual,
    /// Also every schedule, ZeRO-2, sequence parallelism off, tensor ranks beyond a domain
    Schedules,
    /// Also recomputation of some layers, replicas, offloading, balanced layers, overlaps off
    All,
}

impl Wide {
    fn breadth(self) -> Breadth {
        match self {
            Wide::Usual => Breadth::Usual,
            Wide::Schedules => Breadth::Schedules,
            Wide::All => Breadth::All,
        }
    }
}

/// What makes a layout better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Want {
    /// Seconds of a step
    Time,
    /// Memory of the fullest stage
    Memory,
    /// Money for the run
    Cost,
    /// Electricity of the run
    Energy,
    /// Greenhouse gases of the run
    Carbon,
}

impl Want {
    fn objective(self) -> Objective {
        match self {
            Want::Time => Objective::StepTime,
            Want::Memory => Objective::Memory,
            Want::Cost => Objective::Cost,
            Want::Energy => Objective::Energy,
            Want::Carbon => Objective::Carbon,
        }
    }
}

/// Find the layouts that fit, fastest first, and why the others fell.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct SearchArgs {
    #[command(flatten)]
    input: Input,
    /// Keep the degrees that the scenario fixes; without it all degrees are free
    #[arg(long)]
    keep_layout: bool,
    /// Show this many layouts
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    top: u16,
    /// How much of what is free is tried
    #[arg(long, value_enum, default_value_t = Wide::Usual)]
    breadth: Wide,
    /// What is wanted, most important first; two or more span the Pareto front, one does with memory
    #[arg(long, value_enum, value_delimiter = ',', default_value = "time", value_name = "WANT,...")]
    objective: Vec<Want>,
    /// How far the Pareto front goes, in best step times (with --breadth all; elsewhere it is whole)
    #[arg(long, value_name = "FACTOR", default_value_t = 1.25, value_parser = factor)]
    front_factor: f64,
    /// Show every reason why layouts fell, with counts
    #[arg(long)]
    explain_rejections: bool,
    #[command(flatten)]
    target: Target,
}

/// In the whole space the rank of the scenario's layout is told up to so many times the best step time.
const RANK_FACTOR: f64 = 1.25;

/// Search and show.
pub fn run(args: &SearchArgs, console: &Console) -> Done {
    let format = args.target.format(console)?;
    let (mut scenario, catalog) = args.input.over.load(&args.input.scenario, console)?;
    layers::tell_ignored(&scenario, console);
    let own = scenario.choice;
    if !args.keep_layout {
        // What is not searched stays as the scenario says it.
        let wide = args.breadth != Wide::Usual;
        scenario.choice = Choice {
            schedule: own.schedule.filter(|_| !wide),
            split: own.split.filter(|_| args.breadth != Wide::All),
            offload: own.offload.filter(|_| args.breadth != Wide::All),
            overlap: own.overlap,
            ..Choice::default()
        };
    }
    let objectives = wanted(args, &scenario)?;
    let all = args.breadth == Wide::All;
    let start = Instant::now();
    let options = Options {
        n_best: usize::from(args.top).max(N_SIMULATED),
        mark: (own != Choice::default()).then_some(own),
        breadth: args.breadth.breadth(),
        objectives: &objectives,
        exhaustive: !all,
        front_factor: if all { args.front_factor } else { f64::INFINITY },
        rank_factor: if all { RANK_FACTOR } else { f64::INFINITY },
        n_simulated: N_SIMULATED,
        ..Options::default()
    };
    let mut found = followed(&scenario, &options, console)?;
    found.best.truncate(usize::from(args.top));
    let elapsed_s = start.elapsed().as_secs_f64();
    let provenance = Provenance::of(&scenario, &catalog);
    let shown = Shown {
        scenario: &scenario,
        found: &found,
        own_asked: options.mark.is_some(),
        elapsed_s,
        provenance: &provenance,
        objectives: &objectives,
        all_reasons: args.explain_rejections,
    };
    let forms = Forms {
        screen: &|| {
            let mut out = document(&shown);
            if args.target.file().is_some() {
                out.blocks.insert(1, estimate(&shown));
            }
            out
        },
        page: &|| page(&shown),
        rows: &|| rows(&shown),
        json: &|| json(&shown),
        trace: &|| no_form("a trace shows one step; plan the layout that you choose", HAS),
        svg: &|| chart(&found).map_or_else(|| no_form("there is no front to draw", HAS), |c| Ok(svg::render(&c))),
        xlsx: None,
    };
    if format == Format::Json {
        args.target.write(console, &forms)?;
        return Ok(match (found.cancelled, found.best.is_empty()) {
            (true, _) => INTERRUPTED,
            (false, true) => NO,
            (false, false) => super::DONE,
        });
    }
    if found.best.is_empty() && !found.cancelled {
        return Err(Error::NoFeasibleLayout {
            rejected: found.rejected,
            nearest: found.nearest,
        });
    }
    args.target.write(console, &forms)?;
    Ok(if found.cancelled { INTERRUPTED } else { super::DONE })
}

/// A factor of at least one.
fn factor(text: &str) -> std::result::Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number; write for example 1.25".to_string())?;
    if value >= 1.0 {
        Ok(value)
    } else {
        Err("a front goes from the best step time on: write 1 or more".to_string())
    }
}

/// The objectives, each once; money needs a price.
fn wanted(args: &SearchArgs, scenario: &Scenario) -> Result<Vec<Objective>> {
    let mut out = Vec::new();
    for want in &args.objective {
        let objective = want.objective();
        if !out.contains(&objective) {
            out.push(objective);
        }
    }
    if out.contains(&Objective::Cost) && scenario.offer.is_none() && !scenario.owned {
        return Err(Diagnostic::new("`--objective cost`: the scenario has no price")
            .help("name one under [cost] (exaplan catalog list prices), or give --set cost.usd_per_device_hour=2.50")
            .into());
    }
    Ok(out)
}

/// How often a watched search is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Search while another thread shows how far it is and listens for ctrl-c.
fn followed(scenario: &Scenario, options: &Options<'_>, console: &Console) -> Result<Found> {
    let stop = super::bench::interrupts()?;
    let (watch, done) = (Watch::default(), AtomicBool::new(false));
    Ok(std::thread::scope(|threads| {
        threads.spawn(|| {
            let progress = console.progress(0, "");
            let start = Instant::now();
            while !done.load(Ordering::Acquire) {
                std::thread::park_timeout(LOOK);
                if stop.load(Ordering::Relaxed) {
                    watch.cancel();
                }
                progress.tell(&far(&watch, start.elapsed().as_secs_f64()));
            }
            progress.end();
        });
        let found = search_watched(scenario, options, &watch);
        done.store(true, Ordering::Release);
        found
    }))
}

/// Layouts looked at, their rate, and the time left by the sets of degrees that are done.
fn far(watch: &Watch, elapsed_s: f64) -> String {
    #[allow(clippy::cast_precision_loss)]
    let (n, (done, all)) = (watch.considered() as f64, watch.progress());
    #[allow(clippy::cast_precision_loss)]
    let share = done as f64 / all.max(1) as f64;
    let left = if share > 0.0 {
        format!(", {} left", crate::units::duration(elapsed_s / share - elapsed_s))
    } else {
        String::new()
    };
    format!(
        "{} layouts, {} a second, {:.0} %{left}",
        crate::units::count(n),
        crate::units::count(n / elapsed_s.max(1e-9)),
        100.0 * share
    )
}
