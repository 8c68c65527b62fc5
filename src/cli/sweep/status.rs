//! `exaplan sweep status`.

use super::place::{Found, Place};
use super::{Input, journal};
use crate::cli::output::{Console, emit, emit_json};
use crate::cli::{DONE, Done};
use crate::error::Result;
use crate::report::sweep::{Part, State, status, status_json};
use crate::report::text;
use crate::study::sweep::{Shard, Study};

#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    #[command(flatten)]
    input: Input,
    /// Of how many shards [default: those there are files of]
    #[arg(long, value_name = "N")]
    shards: Option<u32>,
}

/// Show how far the shards are.
pub fn run(args: &StatusArgs, console: &Console) -> Done {
    let (sweep, place) = args.input.open(console)?;
    let study = &sweep.study;
    let mut counts: Vec<u32> = place.shards()?.iter().map(|s| s.count).collect();
    counts.extend(args.shards);
    counts.sort_unstable();
    counts.dedup();
    counts.retain(|c| args.shards.is_none_or(|n| n == *c));
    let mut parts = Vec::new();
    for count in counts {
        for index in 0..count {
            parts.push(part(&place, study, Shard { index, count })?);
        }
    }
    if !parts.iter().any(|p| p.n_shards == 1) && (args.shards.is_none() || matches!(place.found(Shard::WHOLE)?, Found::Ours(_))) {
        parts.push(part(&place, study, Shard::WHOLE)?);
    }
    if console.json {
        emit_json(&status_json(&study.name, &parts))?;
    } else {
        emit(&text::document(&status(&study.name, &parts), console.text()))?;
    }
    Ok(DONE)
}

fn part(place: &Place, study: &Study, shard: Shard) -> Result<Part> {
    let mut part = Part {
        index: shard.index,
        n_shards: shard.count,
        n_cases: shard.n_cases(study),
        n_done: 0,
        state: State::Missing,
        file: place.results(shard).display().to_string(),
    };
    match place.found(shard)? {
        Found::Ours(n) => (part.n_done, part.state) = (n, State::Complete),
        Found::Other => part.state = State::Other,
        Found::Missing => {
            let path = place.journal(shard);
            if path.is_file() {
                match journal::look(&path, &place.journal_label(shard)) {
                    Ok((done, running)) => {
                        part.n_done = done.n_rows;
                        part.state = if running { State::Running } else { State::Stopped };
                    }
                    Err(crate::error::Error::Invalid(_)) => part.state = State::Other,
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(part)
}
