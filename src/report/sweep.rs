//! A sweep for people and programs: how far it is, what came out, a map of two axes.

pub mod map;
#[cfg(feature = "parquet")]
pub mod results;
pub mod summary;

use super::{Block, Cell, Column, Document, KeyValue, Kind, Table};
use crate::plan::Quantiles;
use crate::report::plan::in_most;
use crate::study::sweep::row;
use serde_json::{Map, Value, json};

/// What a run or a merge did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ran {
    /// Name of the study.
    pub study: String,
    /// The shard and of how many, where it is not all.
    pub shard: Option<(u32, u32)>,
    /// How many shards were joined, where it is a merge.
    pub n_merged: Option<u32>,
    /// Cases that it has.
    pub n_cases: u64,
    /// Of these done.
    pub n_done: u64,
    /// Of these done now, not before.
    pub n_now: u64,
    /// Of these with a layout that fits.
    pub n_feasible: u64,
    /// How long it took now.
    pub elapsed_s: f64,
    /// Where the results are.
    pub file: String,
    /// The best cases by a few measures.
    pub best: Vec<Best>,
}

/// The case that is best by one measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    /// Column of the measure.
    pub column: &'static str,
    title: &'static str,
    kind: Kind,
    place: usize,
    /// Places of its P10 and P90, where the file has them.
    ends: Option<[usize; 2]>,
    /// Names of the columns, up to the first figure.
    names: Vec<String>,
    found: Option<Leader>,
}

/// A case that is best by a measure.
#[derive(Debug, Clone, PartialEq)]
struct Leader {
    value: f64,
    /// Its P10 and P90.
    range: Option<[f64; 2]>,
    cells: Vec<row::Cell>,
}

/// What people look for first: each is better the less it is.
const MEASURES: [(&str, &str, Kind); 3] = [
    ("wall_s", "Shortest", Kind::Duration),
    ("cost_usd", "Cheapest", Kind::Usd),
    ("carbon_kg_co2e", "Least carbon", Kind::Carbon),
];

impl Best {
    /// One for each measure that a file with these columns has.
    #[must_use]
    pub fn of(names: &[String]) -> Vec<Best> {
        let n_axes = names.iter().position(|n| n == row::COLUMNS[0].0).unwrap_or(1);
        let best = |(column, title, kind): (&'static str, &'static str, Kind)| {
            Some(Best {
                column,
                title,
                kind,
                place: names.iter().position(|n| n == column)?,
                ends: ends(column, names),
                names: names[..n_axes].to_vec(),
                found: None,
            })
        };
        MEASURES.into_iter().filter_map(best).collect()
    }

    /// Look at a row; of equal ones the first stays.
    pub fn see(&mut self, cells: &[row::Cell]) {
        let Some(row::Cell::Number(x)) = cells.get(self.place) else {
            return;
        };
        if self.found.as_ref().is_none_or(|best| *x < best.value) {
            let end = |place: usize| match cells.get(place) {
                Some(row::Cell::Number(x)) => Some(*x),
                _ => None,
            };
            self.found = Some(Leader {
                value: *x,
                range: self.ends.and_then(|[low, high]| Some([end(low)?, end(high)?])),
                cells: cells[..self.names.len().min(cells.len())].to_vec(),
            });
        }
    }

    /// `cluster.nodes 512, training.tokens 1T`.
    fn case(&self) -> String {
        let Some(Leader { cells, .. }) = &self.found else {
            return String::new();
        };
        let axis = |(name, cell): (&String, &row::Cell)| format!("{name} {}", word(cell));
        self.names.iter().zip(cells).skip(1).map(axis).collect::<Vec<_>>().join(", ")
    }

    /// The measure of the best case, its range where it is known, and which case it is.
    fn told(&self) -> Option<KeyValue> {
        let Leader { value, range, .. } = self.found.as_ref()?;
        let range = range.map_or(String::new(), |[p10, p90]| {
            let range = Quantiles { p10, p50: *value, p90 };
            format!("{}; ", in_most(range, self.kind))
        });
        Some(KeyValue::new(self.title, Cell::quantity(*value, self.kind)).note(format!("{range}{}", self.case())))
    }
}

/// Places of P10 and P90 of `wall_s`: `wall_p10_s`, `wall_p90_s`.
fn ends(column: &str, names: &[String]) -> Option<[usize; 2]> {
    let (name, unit) = column.split_once('_')?;
    let place = |q: &str| names.iter().position(|n| *n == format!("{name}_{q}_{unit}"));
    Some([place("p10")?, place("p90")?])
}

fn word(cell: &row::Cell) -> String {
    match cell {
        row::Cell::Null => "-".to_string(),
        row::Cell::Whole(n) => n.to_string(),
        row::Cell::Number(x) => x.to_string(),
        row::Cell::Text(t) => t.to_string(),
        row::Cell::Flag(b) => b.to_string(),
    }
}

fn value(cell: &row::Cell) -> Value {
    match cell {
        row::Cell::Null => Value::Null,
        row::Cell::Whole(n) => json!(n),
        row::Cell::Number(x) => json!(x),
        row::Cell::Text(t) => json!(t),
        row::Cell::Flag(b) => json!(b),
    }
}

#[allow(clippy::cast_precision_loss)]
fn count(n: u64) -> Cell {
    Cell::Count(n as f64)
}

/// Cases per second of this run.
#[allow(clippy::cast_precision_loss)]
fn rate(ran: &Ran) -> f64 {
    if ran.elapsed_s > 0.0 {
        ran.n_now as f64 / ran.elapsed_s
    } else {
        0.0
    }
}

fn provenance() -> String {
    format!("exaplan {}", env!("CARGO_PKG_VERSION"))
}

/// What a run or a merge did, for people.
#[must_use]
pub fn ran(ran: &Ran) -> Document {
    let mut list = Vec::new();
    let cases = KeyValue::new("Cases", count(ran.n_cases)).answer();
    list.push(match ran.n_now {
        0 => cases,
        n => cases.note(format!(
            "{} now in {}, {} cases/s",
            crate::units::significant(n as f64),
            crate::units::duration(ran.elapsed_s),
            crate::units::significant(rate(ran))
        )),
    });
    list.push(KeyValue::new("Fit", count(ran.n_feasible)).note("the others are rows with the reason"));
    for best in &ran.best {
        list.extend(best.told());
    }
    list.push(KeyValue::new("Results", Cell::Text(ran.file.clone())));
    let subtitle = match (ran.shard, ran.n_merged) {
        (Some((index, n)), _) => format!("shard {index} of {n}"),
        (None, Some(n)) => format!("{n} shards joined"),
        (None, None) => String::new(),
    };
    Document {
        title: ran.study.clone(),
        subtitle,
        blocks: vec![Block::KeyValues(list)],
        provenance: provenance(),
    }
}

/// The same for programs.
#[must_use]
pub fn ran_json(ran: &Ran) -> Value {
    let best = |b: &Best| {
        let Leader { value: x, cells, .. } = b.found.as_ref()?;
        let axes = b.names.iter().zip(cells).map(|(name, cell)| (name.clone(), value(cell)));
        Some((b.column.to_string(), json!({ "value": x, "case": axes.collect::<Map<_, _>>() })))
    };
    json!({
        "schema": "exaplan.sweep/1",
        "study": ran.study,
        "shard": ran.shard.map(|(index, n)| json!({ "index": index, "count": n })),
        "n_merged": ran.n_merged,
        "n_cases": ran.n_cases,
        "n_done": ran.n_done,
        "n_now": ran.n_now,
        "n_feasible": ran.n_feasible,
        "elapsed_s": ran.elapsed_s,
        "cases_per_s": rate(ran),
        "file": ran.file,
        "best": ran.best.iter().filter_map(best).collect::<Map<_, _>>(),
    })
}

/// Where a shard stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No file of it is there.
    Missing,
    /// A process works on it.
    Running,
    /// Begun, and no process works on it.
    Stopped,
    /// Its results are whole.
    Complete,
    /// Its files are about another study, scenario, catalog or program.
    Other,
}

impl State {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Missing => "missing",
            State::Running => "running",
            State::Stopped => "stopped",
            State::Complete => "complete",
            State::Other => "of another study",
        }
    }
}

/// One shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number.
    pub index: u32,
    /// Of how many.
    pub n_shards: u32,
    /// Cases that it has.
    pub n_cases: u64,
    /// Cases that are done.
    pub n_done: u64,
    /// Where it stands.
    pub state: State,
    /// Where its results are or will be.
    pub file: String,
}

/// How far the shards are, for people.
#[must_use]
pub fn status(study: &str, parts: &[Part]) -> Document {
    let columns = vec![
        Column::words("Shard"),
        Column::words("State"),
        Column::numbers("Done"),
        Column::numbers("Cases"),
        Column::numbers("Share"),
    ];
    let mut table = Table::new("Shards", columns);
    #[allow(clippy::cast_precision_loss)]
    let share = |p: &Part| p.n_done as f64 / p.n_cases.max(1) as f64;
    let row = |p: &Part| {
        let name = if p.n_shards == 1 {
            "all".to_string()
        } else {
            format!("{} of {}", p.index, p.n_shards)
        };
        vec![
            Cell::Text(name),
            p.state.name().into(),
            count(p.n_done),
            count(p.n_cases),
            Cell::quantity(share(p), Kind::Percent),
        ]
    };
    table.rows = parts.iter().map(row).collect();
    Document {
        title: study.to_string(),
        subtitle: String::new(),
        blocks: vec![Block::Table(table)],
        provenance: provenance(),
    }
}

/// The same for programs.
#[must_use]
pub fn status_json(study: &str, parts: &[Part]) -> Value {
    let part = |p: &Part| {
        json!({
            "shard": { "index": p.index, "count": p.n_shards },
            "state": p.state.name(),
            "n_cases": p.n_cases,
            "n_done": p.n_done,
            "file": p.file,
        })
    };
    json!({
        "schema": "exaplan.sweep.status/1",
        "study": study,
        "shards": parts.iter().map(part).collect::<Vec<_>>(),
    })
}
