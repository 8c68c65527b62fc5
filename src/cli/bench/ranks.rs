//! `exaplan bench ranks`: whether all ranks meet, before devices and hours are spent on it.

use super::interrupts;
use crate::bench::ranks::{Place, Settings, meet, place};
use crate::catalog::sha256;
use crate::cli::output::{Console, emit_json, show};
use crate::cli::{DONE, Done};
use crate::error::{Diagnostic, Error, Result};
use crate::report::{Block, Cell, Column, Document, Table};
use crate::units::{self, Unit};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::{Duration, Instant};

/// How long ranks wait for each other.
const PATIENCE: &str = "60s";
/// As long as the id of NCCL, which is what is exchanged.
const ID_BYTES: usize = 128;

/// Below the flags.
pub const HELP: &str = "\
Variables, here and with `bench run --backend cuda`:
  EXAPLAN_TOKEN  a secret that all ranks know; needed as soon as they are on several hosts
  EXAPLAN_PORT   where rank 0 listens [default: MASTER_PORT + 1, or 29501]
  EXAPLAN_BIND   address of the interface that rank 0 listens at [default: that of MASTER_ADDR]

Examples:
  torchrun --no-python --nproc-per-node 8 exaplan bench ranks
  srun --ntasks-per-node 8 exaplan bench ranks";

#[derive(Debug, clap::Args)]
pub struct RanksArgs {
    /// How long ranks wait for each other
    #[arg(long, value_name = "TIME", default_value = PATIENCE)]
    patience: String,
}

/// What a rank says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Card {
    place: Place,
    pid: u32,
    /// Digest of the id that it got.
    id: String,
}

/// The environment of this process.
pub fn lookup(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Token, patience and address of the environment.
pub fn settings(patience: &str) -> Result<Settings> {
    let seconds = units::parse(patience, Unit::S)
        .ok()
        .filter(|s| *s > 0.0 && *s < 86_400.0)
        .ok_or_else(|| Diagnostic::new(format!("--patience {patience}: no time up to a day")).help("write 60s or 5 min"))?;
    let bind = lookup("EXAPLAN_BIND").map(|text| {
        let help = "write the address of an interface of this host: 10.0.0.1";
        text.trim()
            .parse()
            .map_err(|e| Diagnostic::new(format!("EXAPLAN_BIND is `{text}`: {e}")).help(help))
    });
    Ok(Settings {
        token: lookup("EXAPLAN_TOKEN").unwrap_or_default(),
        patience: Duration::from_secs_f64(seconds),
        bind: bind.transpose()?,
    })
}

/// Do it.
pub fn run(args: &RanksArgs, console: &Console) -> Done {
    let settings = settings(&args.patience)?;
    let Some(place) = place(&lookup)? else {
        let help = "start it as `torchrun --no-python --nproc-per-node 2 exaplan bench ranks`, or with srun or mpirun";
        return Err(Diagnostic::new("no launcher started this process").help(help).into());
    };
    let cancel = interrupts()?;
    let begin = Instant::now();
    let mut link = meet(&place, &settings, &cancel)?;
    let id = if place.rank == 0 {
        let id: Vec<u8> = (0..ID_BYTES)
            .map(|i| u8::try_from(i % 251).unwrap_or(0) ^ begin.elapsed().subsec_nanos() as u8)
            .collect();
        link.tell(&id)?;
        id
    } else {
        link.hear()?.swap_remove(0)
    };
    let own = Card {
        place: place.clone(),
        pid: std::process::id(),
        id: sha256(&format!("{id:?}")),
    };
    if place.rank > 0 {
        let text = serde_json::to_vec(&own).map_err(|e| Error::Device { what: e.to_string() })?;
        link.tell(&text)?;
        return Ok(DONE);
    }
    let mut cards = vec![own];
    for text in link.hear()? {
        let card: Card = serde_json::from_slice(&text).map_err(|e| Error::Device {
            what: format!("a rank says what cannot be read: {e}"),
        })?;
        cards.push(card);
    }
    if let Some(off) = cards.iter().enumerate().find(|(i, c)| c.id != cards[0].id || c.place.rank != *i) {
        let what = format!("rank {} got another id, or says that it is rank {}", off.0, off.1.place.rank);
        return Err(Error::Device { what });
    }
    let seconds = begin.elapsed().as_secs_f64();
    if console.json {
        emit_json(&json!({ "schema": "exaplan.bench-ranks/1", "world": place.world, "met_s": seconds, "ranks": cards }))?;
    } else {
        show(console, &document(&cards, seconds))?;
    }
    Ok(DONE)
}

fn document(cards: &[Card], seconds: f64) -> Document {
    let columns = vec![
        Column::numbers("Rank"),
        Column::numbers("On its host"),
        Column::words("Started by"),
        Column::words("Process"),
    ];
    let mut table = Table::new("", columns);
    for card in cards {
        table.rows.push(vec![
            Cell::Count(card.place.rank as f64),
            Cell::Count(card.place.local_rank as f64),
            Cell::Text(card.place.launcher.clone()),
            Cell::Text(card.pid.to_string()),
        ]);
    }
    table
        .notes
        .push(format!("All {} met in {}.", cards.len(), units::duration(seconds)));
    Document {
        title: "Ranks".to_string(),
        subtitle: String::new(),
        blocks: vec![Block::Table(table)],
        provenance: format!("exaplan {}", env!("CARGO_PKG_VERSION")),
    }
}
