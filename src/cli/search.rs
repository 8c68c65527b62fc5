//! `exaplan search`.

use super::output::{Console, emit_json, show};
use super::{Done, Input, NO, layers};
use crate::layout::Choice;
use crate::plan::Provenance;
use crate::report::search::{Shown, document, json};
use crate::search::{Options, search};
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  exaplan search --top 5
  exaplan search --hf config.json --set cluster.nodes=32
  exaplan search llama3-405b --keep-layout --explain-rejections";

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
    /// Show every reason why layouts fell, with counts
    #[arg(long)]
    explain_rejections: bool,
}

/// Search and show.
pub fn run(args: &SearchArgs, console: &Console) -> Done {
    let (mut scenario, catalog) = args.input.over.load(&args.input.scenario, console)?;
    layers::tell_ignored(&scenario, console);
    let own = scenario.choice;
    if !args.keep_layout {
        // Orders, splits and offloading are not searched: what the scenario says of them stays.
        scenario.choice = Choice {
            schedule: own.schedule,
            split: own.split,
            offload: own.offload,
            ..Choice::default()
        };
    }
    let start = Instant::now();
    let options = Options {
        n_best: usize::from(args.top),
        mark: (own != Choice::default()).then_some(own),
        ..Options::default()
    };
    let found = search(&scenario, &options);
    let elapsed_s = start.elapsed().as_secs_f64();
    let provenance = Provenance::of(&scenario, &catalog);
    let shown = Shown {
        scenario: &scenario,
        found: &found,
        own_asked: options.mark.is_some(),
        elapsed_s,
        provenance: &provenance,
        all_reasons: args.explain_rejections,
    };
    if console.json {
        emit_json(&json(&shown))?;
        return Ok(if found.best.is_empty() { NO } else { super::DONE });
    }
    if found.best.is_empty() {
        return Err(crate::error::Error::NoFeasibleLayout {
            rejected: found.rejected,
            nearest: found.nearest,
        });
    }
    show(console, &document(&shown))
}
