//! A report of all cases of a sweep: the best, the front of time against cost, what each axis does, why cases fell.

use super::map::{Mapper, Question, kind};
use super::{Best, word};
use crate::error::Result;
use crate::report::csv::{guard, number};
use crate::report::opening::{ESTIMATE, class, not_in_any, said};
use crate::report::svg::{Axis, Lines};
use crate::report::{Block, Cell, Chart, Column, Document, KeyValue, Kind, Table};
use crate::study::statistics::{quantile, sorted};
use crate::study::sweep::row::{self, COLUMNS};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Figures that are told of: column, name.
const FIGURES: [(&str, &str); 6] = [
    ("wall_s", "Time"),
    ("cost_usd", "Cost"),
    ("energy_j", "Energy"),
    ("carbon_kg_co2e", "Carbon"),
    ("mfu", "MFU"),
    ("step_time_s", "Step"),
];
/// Further columns of a case.
const SHOWN: [&str; 8] = [
    "feasible",
    "n_devices",
    "goodput",
    "peak_bytes",
    "wall_p10_s",
    "wall_p90_s",
    "cost_p10_usd",
    "cost_p90_usd",
];
/// Values of an axis, reasons, and cases of the front that a page has room for.
const MOST: usize = 40;
/// Characters of a reason.
const LONGEST: usize = 160;

/// What is kept of a case of the front.
#[derive(Debug, Clone, PartialEq)]
struct Kept {
    wall_s: f64,
    cost_usd: f64,
    cells: Vec<row::Cell>,
}

/// What the cases with one value of an axis come to.
#[derive(Debug, Clone, PartialEq, Default)]
struct Share {
    n: u64,
    n_fit: u64,
    least: [Option<f64>; 2],
}

/// Collects the rows of a file of results.
pub struct Summary {
    names: Vec<String>,
    n_axes: usize,
    n: u64,
    n_fit: u64,
    figures: Vec<Vec<f64>>,
    places: [Option<usize>; FIGURES.len()],
    best: Vec<Best>,
    axes: Vec<Vec<(String, Share)>>,
    reasons: BTreeMap<String, u64>,
    front: Vec<Kept>,
    map: Option<Mapper>,
    provenance: Option<Value>,
}

impl Summary {
    /// Of a file with these columns, which says this of itself.
    #[must_use]
    pub fn new(names: Vec<String>, provenance: Option<Value>) -> Summary {
        let first = names.iter().position(|n| n == COLUMNS[0].0).unwrap_or(names.len());
        let place = |column: &str| names.iter().position(|n| n == column);
        let question = Question {
            metric: "cost_usd".to_string(),
            ..Question::default()
        };
        Summary {
            n_axes: first.saturating_sub(1),
            n: 0,
            n_fit: 0,
            figures: vec![Vec::new(); FIGURES.len()],
            places: FIGURES.map(|(column, _)| place(column)),
            best: Best::of(&names),
            axes: vec![Vec::new(); first.saturating_sub(1)],
            reasons: BTreeMap::new(),
            front: Vec::new(),
            map: Mapper::new(names.clone(), question).ok(),
            names,
            provenance,
        }
    }

    /// Look at a row.
    pub fn see(&mut self, cells: &[row::Cell]) {
        self.n += 1;
        let fit = cells.get(self.n_axes + 1) == Some(&row::Cell::Flag(true));
        self.n_fit += u64::from(fit);
        let figure = |place: Option<usize>| match place.and_then(|p| cells.get(p)) {
            Some(row::Cell::Number(x)) => Some(*x),
            _ => None,
        };
        for (list, place) in self.figures.iter_mut().zip(self.places) {
            list.extend(figure(place));
        }
        self.best.iter_mut().for_each(|b| b.see(cells));
        let both = [figure(self.places[0]), figure(self.places[1])];
        for (axis, cell) in self.axes.iter_mut().zip(cells.iter().skip(1)) {
            share(axis, cell, fit, both);
        }
        if let (false, Some(row::Cell::Text(why))) = (fit, cells.get(self.n_axes + 2)) {
            *self.reasons.entry(alike(why)).or_default() += 1;
        }
        if let [Some(wall_s), Some(cost_usd)] = both {
            self.keep(wall_s, cost_usd, cells);
        }
        if let Some(map) = &mut self.map {
            map.see(cells);
        }
    }

    /// The front of time against cost: what nothing before beats in both.
    fn keep(&mut self, wall_s: f64, cost_usd: f64, cells: &[row::Cell]) {
        if self.front.iter().any(|k| k.wall_s <= wall_s && k.cost_usd <= cost_usd) {
            return;
        }
        self.front.retain(|k| k.wall_s < wall_s || k.cost_usd < cost_usd);
        let cells = cells.to_vec();
        self.front.push(Kept { wall_s, cost_usd, cells });
    }

    /// For people.
    ///
    /// # Errors
    /// Never; what cannot be drawn is left out.
    pub fn document(mut self) -> Result<Document> {
        self.front.sort_by(|a, b| a.wall_s.total_cmp(&b.wall_s));
        let mut blocks = vec![Block::KeyValues(self.answers()), said(ESTIMATE, &self.rests_on())];
        blocks.push(Block::Table(self.spread()));
        if self.front.len() > 1 {
            blocks.push(Block::Heading("Time against cost".to_string()));
            blocks.push(Block::Chart(self.front_chart()));
            blocks.push(Block::Table(self.front_table()));
        }
        blocks.push(Block::Heading("What each axis does".to_string()));
        blocks.extend(
            (0..self.n_axes)
                .filter(|a| self.axes[*a].len() > 1)
                .map(|a| Block::Table(self.axis(a))),
        );
        if self.n_fit < self.n {
            blocks.push(Block::Heading("Why cases fell".to_string()));
            blocks.push(Block::Table(self.fallen()));
        }
        let provenance = self.told();
        let title = self
            .provenance
            .as_ref()
            .and_then(|p| p["study"].as_str())
            .unwrap_or("Sweep")
            .to_string();
        let subtitle = self.subtitle();
        // A map that cannot be drawn, with too many values for example, is no failure of the report.
        if let Some(map) = self.map.and_then(|m| m.finish().ok()) {
            let place = blocks
                .iter()
                .position(|b| matches!(b, Block::Heading(t) if t.starts_with("What each")))
                .unwrap_or(blocks.len());
            blocks.splice(place + 1..place + 1, map.blocks);
        }
        Ok(Document {
            title,
            subtitle,
            blocks,
            provenance,
        })
    }

    fn subtitle(&self) -> String {
        let axes: Vec<&str> = (0..self.n_axes).map(|a| self.names[a + 1].as_str()).collect();
        let scenario = self.provenance.as_ref().and_then(|p| p["scenario"].as_str()).unwrap_or("");
        format!("{scenario} over {}", axes.join(", ")).trim_start().to_string()
    }

    fn told(&self) -> String {
        let text = |key: &str| {
            self.provenance
                .as_ref()
                .and_then(|p| p[key].as_str())
                .unwrap_or("unknown")
                .to_string()
        };
        format!(
            "{}, study {}, scenario {}, catalog {}",
            text("program"),
            text("study_digest"),
            text("scenario_digest"),
            text("catalog_digest")
        )
    }

    #[allow(clippy::cast_precision_loss)]
    fn answers(&self) -> Vec<KeyValue> {
        let mut out: Vec<KeyValue> = Vec::new();
        out.extend(self.best.iter().filter_map(Best::told).map(KeyValue::answer));
        out.push(KeyValue::new("Cases", Cell::Count(self.n as f64)).note(format!("{} fit", crate::units::count(self.n_fit as f64))));
        out
    }

    fn rests_on(&self) -> String {
        format!(
            "{} Each case is a plan of its own over the same catalog; its range is that of the step-time error of left-out runs of its class. {}",
            class(),
            not_in_any()
        )
    }

    /// How far the figures reach over the cases.
    fn spread(&self) -> Table {
        let columns = ["Least", "P10", "P50", "P90", "Most"].map(Column::numbers);
        let mut table = Table::new(
            "Over the cases that fit",
            std::iter::once(Column::words("Figure")).chain(columns).collect(),
        );
        for ((column, name), list) in FIGURES.iter().zip(&self.figures) {
            if list.is_empty() {
                continue;
            }
            let list = sorted(list.clone());
            let cell = |q: f64| Cell::quantity(quantile(&list, q), kind(column));
            table.rows.push(
                std::iter::once(Cell::from(*name))
                    .chain([0.0, 0.1, 0.5, 0.9, 1.0].map(cell))
                    .collect(),
            );
        }
        table.notes.push("How far the cases differ, not how sure each is.".to_string());
        table
    }

    fn front_chart(&self) -> Chart {
        Chart::Lines(Lines {
            title: "No case is both faster and cheaper".to_string(),
            x: Axis {
                label: "time to train".to_string(),
                kind: Kind::Duration,
                log: false,
            },
            y: Axis {
                label: "cost".to_string(),
                kind: Kind::Usd,
                log: false,
            },
            series: vec![("front".to_string(), self.front.iter().map(|k| (k.wall_s, k.cost_usd)).collect())],
            fill: false,
        })
    }

    fn front_table(&self) -> Table {
        let axes = (0..self.n_axes).map(|a| Column::words(self.names[a + 1].clone()));
        let figures = FIGURES.iter().map(|(_, name)| Column::numbers(*name));
        let mut table = Table::new(
            "Cases that no other beats in time and cost",
            std::iter::once(Column::numbers("Case")).chain(axes).chain(figures).collect(),
        );
        let n = self.front.len();
        // The ends say the most: keep them and thin what is between.
        let keep = |i: usize| n <= MOST || (i * (MOST - 1)) % (n - 1) < MOST - 1;
        for (_, kept) in self.front.iter().enumerate().filter(|(i, _)| keep(*i)) {
            let case = match kept.cells.first() {
                #[allow(clippy::cast_precision_loss)]
                Some(row::Cell::Whole(n)) => Cell::Count(*n as f64),
                _ => Cell::Missing,
            };
            let axes = kept.cells.iter().skip(1).take(self.n_axes).map(|c| Cell::Text(word(c)));
            let figures = FIGURES
                .iter()
                .zip(self.places)
                .map(|((column, _), place)| match place.and_then(|p| kept.cells.get(p)) {
                    Some(row::Cell::Number(x)) => Cell::quantity(*x, kind(column)),
                    _ => Cell::Missing,
                });
            table.rows.push(std::iter::once(case).chain(axes).chain(figures).collect());
        }
        if table.rows.len() < n {
            table.notes.push(format!("{} of {n} cases of the front.", table.rows.len()));
        }
        table
    }

    #[allow(clippy::cast_precision_loss)]
    fn axis(&self, axis: usize) -> Table {
        let columns = ["Cases", "Fit", "Least time", "Least cost"].map(Column::numbers);
        let name = &self.names[axis + 1];
        let mut table = Table::new("", std::iter::once(Column::words(name.clone())).chain(columns).collect());
        for (value, s) in self.axes[axis].iter().take(MOST) {
            let least = |i: usize, kind: Kind| s.least[i].map_or(Cell::Missing, |v| Cell::quantity(v, kind));
            table.rows.push(vec![
                Cell::Text(value.clone()),
                Cell::Count(s.n as f64),
                Cell::Count(s.n_fit as f64),
                least(0, Kind::Duration),
                least(1, Kind::Usd),
            ]);
        }
        if self.axes[axis].len() > MOST {
            table.notes.push(format!("And {} more values.", self.axes[axis].len() - MOST));
        }
        table
    }

    #[allow(clippy::cast_precision_loss)]
    fn fallen(&self) -> Table {
        let mut table = Table::new("", vec![Column::words("Reason"), Column::numbers("Cases")]);
        let mut list: Vec<_> = self.reasons.iter().collect();
        list.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let rows = list.iter().take(MOST);
        table.rows = rows
            .map(|(why, n)| vec![Cell::Text((*why).clone()), Cell::Count(**n as f64)])
            .collect();
        table
    }
}

/// A reason without its numbers, which differ from case to case, and without the nearest miss.
fn alike(why: &str) -> String {
    let mut out = String::new();
    let why = why.split("; nearest").next().unwrap_or(why);
    for c in why.chars() {
        if out.chars().count() > LONGEST {
            out.push('…');
            break;
        }
        if !(c.is_ascii_digit() || (matches!(c, '.' | ',') && out.ends_with('…'))) {
            out.push(c);
        } else if !out.ends_with('…') {
            out.push('…');
        }
    }
    out
}

fn share(axis: &mut Vec<(String, Share)>, cell: &row::Cell, fit: bool, both: [Option<f64>; 2]) {
    let word = word(cell);
    let at = axis.iter().rposition(|(v, _)| *v == word).unwrap_or_else(|| {
        axis.push((word, Share::default()));
        axis.len() - 1
    });
    let share = &mut axis[at].1;
    share.n += 1;
    share.n_fit += u64::from(fit);
    for (least, value) in share.least.iter_mut().zip(both) {
        *least = match (*least, value) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

/// Places of the columns that a table of cases has room for, with their names: the case, its axes, its figures.
#[must_use]
pub fn shown_columns(names: &[String]) -> Vec<(usize, String)> {
    let first = names.iter().position(|n| n == COLUMNS[0].0).unwrap_or(names.len());
    let is = |name: &str| FIGURES.iter().any(|(c, _)| *c == name) || SHOWN.contains(&name);
    let chosen = names.iter().enumerate().filter(|(i, name)| *i < first || is(name));
    chosen.map(|(i, name)| (i, name.clone())).collect()
}

/// A line of CSV of names or of a row.
#[must_use]
pub fn csv_line(cells: &[row::Cell]) -> String {
    let text = |cell: &row::Cell| match cell {
        row::Cell::Null => String::new(),
        row::Cell::Number(x) => number(*x),
        other => quoted(&guard(&word(other))),
    };
    cells.iter().map(text).collect::<Vec<_>>().join(",") + "\n"
}

/// A field in quotes where it needs them (RFC 4180).
#[must_use]
pub fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_string()
    }
}

/// For programs: schema `exaplan.sweep.report/1`.
#[must_use]
pub fn report_json(document: &Document) -> Value {
    json!({ "schema": "exaplan.sweep.report/1", "document": crate::report::json::document(document) })
}
