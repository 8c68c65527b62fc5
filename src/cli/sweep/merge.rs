//! `exaplan sweep merge`.

use super::Input;
use super::place::{self, Found, Place};
use crate::cli::output::{Console, emit, emit_json};
use crate::cli::{DONE, Done, RESUMABLE};
use crate::error::{Diagnostic, Result};
use crate::report::sweep::results::Reader;
use crate::report::sweep::{Best, Ran, ran, ran_json};
use crate::report::text;
use crate::study::sweep::row::Cell;
use crate::study::sweep::{Shard, Study};
use std::fs::File;

#[derive(Debug, clap::Args)]
pub struct MergeArgs {
    #[command(flatten)]
    input: Input,
    /// Join the shards of N, where there are others too
    #[arg(long, value_name = "N")]
    shards: Option<u32>,
}

/// Join the shards.
pub fn run(args: &MergeArgs, console: &Console) -> Done {
    let (sweep, place) = args.input.open(console)?;
    let study = &sweep.study;
    let count = count(&place, args.shards)?;
    let Some(count) = count else {
        if let Found::Ours(_) = place.found(Shard::WHOLE)? {
            console.note(&format!("`{}` is whole already", place.output.display()));
            return Ok(DONE);
        }
        let text = format!("there are no shards in `{}`", place.dir.display());
        return Err(Diagnostic::new(text).help("run some with `exaplan sweep run --shard I/N`").into());
    };
    let (mut readers, missing) = readers(&place, count)?;
    if !missing.is_empty() {
        let list = missing.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        let text = format!("missing: shard {list} of {count}; run or wait for it (`exaplan sweep status`)");
        console.say(&text);
        return Ok(RESUMABLE);
    }
    let names = readers.first().map(Reader::names).unwrap_or_default();
    let mut told = Ran {
        study: study.name.clone(),
        file: place.output.display().to_string(),
        n_merged: Some(count),
        best: Best::of(&names),
        ..Ran::default()
    };
    let feasible = names.iter().position(|n| n == "feasible").unwrap_or(0);
    place::write(&place.output, study, &place.label(Shard::WHOLE), |writer| {
        for case in Shard::WHOLE.cases(study, 0) {
            let cells = next(&mut readers, study, case, count)?;
            told.n_cases += 1;
            told.n_feasible += u64::from(cells.get(feasible) == Some(&Cell::Flag(true)));
            told.best.iter_mut().for_each(|b| b.see(&cells));
            writer.push(cells.into_iter())?;
        }
        Ok(())
    })?;
    told.n_done = told.n_cases;
    if console.json {
        emit_json(&ran_json(&told))?;
    } else {
        emit(&text::document(&ran(&told), console.text()))?;
    }
    Ok(DONE)
}

/// How many shards there are: all files must be of one division.
fn count(place: &Place, asked: Option<u32>) -> Result<Option<u32>> {
    let mut counts: Vec<u32> = place.shards()?.iter().map(|s| s.count).filter(|c| *c > 1).collect();
    counts.dedup();
    match (asked, counts.as_slice()) {
        (Some(n), _) => Ok(Some(n)),
        (None, []) => Ok(None),
        (None, [one]) => Ok(Some(*one)),
        (None, many) => {
            let list = many.iter().map(u32::to_string).collect::<Vec<_>>().join(" and ");
            let text = format!("`{}` holds shards of {list}", place.dir.display());
            Err(Diagnostic::new(text).help("say which: --shards N").into())
        }
    }
}

/// The shards that are complete, and the numbers of the others.
fn readers(place: &Place, count: u32) -> Result<(Vec<Reader<File>>, Vec<u32>)> {
    let (mut readers, mut missing) = (Vec::new(), Vec::new());
    for index in 0..count {
        let shard = Shard { index, count };
        match place.found(shard)? {
            Found::Missing => missing.push(index),
            Found::Ours(_) => readers.push(place::reader(&place.results(shard))?),
            Found::Other => {
                let text = format!(
                    "`{}` holds results of another study, scenario, catalog or program",
                    place.results(shard).display()
                );
                let help = "run the shard again with --restart, with what the others were run with";
                return Err(Diagnostic::new(text).help(help).into());
            }
        }
    }
    Ok((readers, missing))
}

/// The row of a case from the shard that has it.
fn next(readers: &mut [Reader<File>], study: &Study, case: u64, count: u32) -> Result<Vec<Cell>> {
    let index = Shard::owner(study, case, count);
    let row = readers.get_mut(index as usize).map(Reader::row).transpose()?.flatten();
    row.filter(|cells| cells.first() == Some(&Cell::Whole(i64::try_from(case).unwrap_or(i64::MAX))))
        .ok_or_else(|| {
            let text = format!("shard {index} of {count} lacks case {case}");
            Diagnostic::new(text).help("run it again with --restart").into()
        })
}
