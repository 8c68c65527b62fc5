//! The result of a search: for people as a document, for programs as `exaplan.search/1`.

use super::svg::{Axis, Lines};
use super::{Block, Cell, Chart, Column, Document, KeyValue, Kind, Span, Table, opening, plan};
use crate::layout::Layout;
use crate::plan::{Provenance, Quantiles, Scenario};
use crate::search::{Candidate, Found, Objective, tie_percent};
use serde_json::{Map, Value, json};

/// What a search is shown with.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// What was asked.
    pub scenario: &'a Scenario,
    /// What was found.
    pub found: &'a Found,
    /// The scenario fixes something of the layout, so that it has one of its own.
    pub own_asked: bool,
    /// How long it took.
    pub elapsed_s: f64,
    /// Where it comes from.
    pub provenance: &'a Provenance,
    /// What was wanted.
    pub objectives: &'a [Objective],
    /// Every reason why layouts fell, not only the most frequent ones.
    pub all_reasons: bool,
}

/// Reasons shown when nobody asked for all.
const N_REASONS: usize = 3;
/// Rows of the Pareto front for people.
const N_PARETO: usize = 8;

/// `search --json`.
#[must_use]
pub fn json(shown: &Shown<'_>) -> Value {
    let found = shown.found;
    let list = |candidates: &[Candidate]| candidates.iter().map(candidate).collect::<Vec<_>>();
    json!({
        "schema": "exaplan.search/1",
        "scenario": shown.scenario.name,
        "n_considered": found.n_considered,
        "n_evaluated": found.n_evaluated,
        "n_pruned": found.n_pruned,
        "n_bounded": found.n_bounded,
        "cancelled": found.cancelled,
        "objectives": shown.objectives.iter().map(|o| o.name()).collect::<Vec<_>>(),
        "elapsed_s": shown.elapsed_s,
        "best": list(&found.best),
        "pareto": list(&found.pareto),
        "own": found.marked.as_ref().map(|(rank, c)| json!({
            "rank": rank,
            "layout": plan::json::layout(&c.layout),
            "step_time_s": c.step_time_s,
        })),
        "rejected": found.rejected.iter().map(|(reason, n)| (reason.clone(), json!(n))).collect::<Map<_, _>>(),
        "nearest": found.nearest,
        "provenance": plan::provenance_json(shown.provenance),
    })
}

fn candidate(c: &Candidate) -> Value {
    json!({
        "layout": plan::json::layout(&c.layout),
        "step_time_s": c.step_time_s,
        "tokens_per_s_per_device": c.tokens_per_s_per_device,
        "peak_bytes": c.peak_bytes,
        "tie": c.tie,
        "simulated": c.simulated,
        "run": c.totals.map(|t| json!({
            "cost_usd": t.cost_usd,
            "energy_j": t.energy_j,
            "carbon_kg_co2e": t.carbon_kg_co2e,
        })),
    })
}

/// The search for people: the best layouts, the trade of time against memory, why the others fell.
#[must_use]
pub fn document(shown: &Shown<'_>) -> Document {
    let found = shown.found;
    let mut blocks = vec![Block::KeyValues(summary(shown))];
    if !found.best.is_empty() {
        blocks.push(Block::Table(best(found, shown.objectives)));
    }
    if found.pareto.len() > 1 {
        blocks.push(Block::Table(pareto(found, shown.objectives)));
    }
    if !found.rejected.is_empty() {
        blocks.push(Block::Table(rejected(found, shown.all_reasons)));
    }
    if let Some(near) = found.nearest.as_ref().filter(|_| found.best.is_empty()) {
        blocks.push(Block::Paragraph(vec![Span::strong("Nearest miss: "), Span::plain(near)]));
    }
    Document {
        title: shown.scenario.name.clone(),
        subtitle: plan::subtitle(shown.scenario),
        blocks,
        provenance: plan::provenance_line(shown.provenance),
    }
}

/// The same with the front as a picture.
#[must_use]
pub fn page(shown: &Shown<'_>) -> Document {
    let mut out = document(shown);
    out.blocks.insert(1, estimate(shown));
    let place = out.blocks.len().min(3);
    out.blocks.splice(place..place, chart(shown.found).map(Block::Chart));
    out
}

/// What a file of a search says at its beginning.
#[must_use]
pub fn estimate(shown: &Shown<'_>) -> Block {
    let range = opening::band(shown.scenario).map_or("No range yet for this class of runs.".to_string(), |band| {
        format!("Range of the step: 8 cases of 10 by the {band}.")
    });
    let text = format!(
        "{} {range} Step times are of the planner's step model; bench or validate before relying on small differences. {}",
        opening::class(),
        opening::not_in_any()
    );
    opening::said(opening::ESTIMATE, &text)
}

/// The best layouts as rows for programs.
#[must_use]
pub fn rows(shown: &Shown<'_>) -> Table {
    let mut table = best(shown.found, shown.objectives);
    if let Some(mark) = table.columns.first_mut() {
        mark.name = "Tie".to_string();
    }
    for (row, c) in table.rows.iter_mut().zip(&shown.found.best) {
        row[0] = if c.tie { "yes" } else { "no" }.into();
    }
    table
}

fn summary(shown: &Shown<'_>) -> Vec<KeyValue> {
    let found = shown.found;
    #[allow(clippy::cast_precision_loss)]
    let count = |n: u64| Cell::Count(n as f64);
    let mut out = Vec::new();
    if let Some(best) = found.best.first() {
        let first = shown.objectives.first().copied().unwrap_or(Objective::StepTime);
        let title = if first == Objective::StepTime { "Fastest" } else { "Best" };
        out.push(KeyValue::new(title, Cell::Text(best.layout.to_string())).answer());
        let range = shown.scenario.band.as_ref().map_or(String::new(), |b| {
            let at = |ratio: f64| best.step_time_s * ratio;
            let range = Quantiles {
                p10: at(b.low_ratio),
                p50: best.step_time_s,
                p90: at(b.high_ratio),
            };
            format!("{}; ", plan::in_most(range, Kind::Duration))
        });
        let note = match found.best.iter().filter(|c| c.tie).count() {
            0 | 1 => format!("no other layout within {}", tie_percent()),
            2 => format!("1 other is within {}, which the model cannot tell apart", tie_percent()),
            n => format!("{} others within {}, which the model cannot tell apart", n - 1, tie_percent()),
        };
        out.push(
            KeyValue::new("Step", Cell::quantity(best.step_time_s, Kind::Duration))
                .note(format!("{range}{note}"))
                .answer(),
        );
    }
    out.extend(own(shown));
    let looked = format!("layouts in {}", crate::units::duration(shown.elapsed_s));
    let looked = if found.cancelled {
        format!("{looked}, then stopped: the best of a part of them")
    } else {
        looked
    };
    out.push(KeyValue::new("Looked at", count(found.n_considered)).note(looked));
    if found.n_bounded > 0 {
        let note = "by bounds on step time and memory: none of them can be among these";
        out.push(KeyValue::new("Ruled out", count(found.n_bounded)).note(note));
        out.push(KeyValue::new("Timed", count(found.n_evaluated)));
    } else {
        out.push(KeyValue::new("Fit", count(found.n_evaluated)));
    }
    out
}

/// Where the layout of the scenario stands among those that fit.
fn own(shown: &Shown<'_>) -> Option<KeyValue> {
    let found = shown.found;
    if !shown.own_asked || found.best.is_empty() {
        return None;
    }
    #[allow(clippy::cast_precision_loss)]
    let count = |n: u64| crate::units::count(n as f64);
    let (value, note) = match &found.marked {
        None => (
            "does not fit".to_string(),
            "the layout of the scenario is not among those that fit".to_string(),
        ),
        Some((rank, c)) => {
            let slower = found.best.first().map_or(0.0, |b| 100.0 * (c.step_time_s / b.step_time_s - 1.0));
            let rank = match rank {
                None => "far from the first".to_string(),
                Some(n) if found.n_bounded > 0 => format!("rank {}", count(*n)),
                Some(n) => format!("rank {} of {}", count(*n), count(found.n_evaluated)),
            };
            let step = crate::units::duration(c.step_time_s);
            (rank, format!("{}, step time {step}, {slower:.1} % above the best", c.layout))
        }
    };
    Some(KeyValue::new("The scenario's own", Cell::Text(value)).note(note))
}

/// Objectives that are numbers of the whole run.
fn of_run(objectives: &[Objective]) -> impl Iterator<Item = Objective> + '_ {
    let there = |o: &Objective| !matches!(o, Objective::StepTime | Objective::Memory);
    objectives.iter().copied().filter(there)
}

fn column(objective: Objective) -> Column {
    Column::numbers(match objective {
        Objective::Cost => "Cost",
        Objective::Energy => "Energy",
        Objective::Carbon => "Carbon",
        Objective::StepTime => "Step",
        Objective::Memory => "Memory",
    })
}

fn kind(objective: Objective) -> Kind {
    match objective {
        Objective::Cost => Kind::Usd,
        Objective::Energy => Kind::Energy,
        Objective::Carbon => Kind::Carbon,
        Objective::StepTime => Kind::Duration,
        Objective::Memory => Kind::Bytes,
    }
}

fn best(found: &Found, objectives: &[Objective]) -> Table {
    let mut columns = vec![
        Column::words(""),
        Column::words("Layout"),
        Column::numbers("Step"),
        Column::numbers("Device throughput"),
        Column::numbers("Memory"),
    ];
    columns.extend(of_run(objectives).map(column));
    let title = match objectives.first() {
        None | Some(Objective::StepTime) => "Fastest layouts".to_string(),
        Some(first) => format!("Layouts with the least {}", first.name()),
    };
    let mut table = Table::new(title, columns);
    table.rows = found
        .best
        .iter()
        .map(|c| row(c, if c.tie { "=" } else { "" }, objectives))
        .collect();
    if found.best.iter().filter(|c| c.tie).count() > 1 {
        table.notes.push(format!(
            "= within {} of the first: take the one that is easiest to run",
            tie_percent()
        ));
    }
    let by_engine = found.best.iter().take_while(|c| c.simulated).count();
    if by_engine > 0 && by_engine < found.best.len() {
        table.notes.push(format!(
            "the first {by_engine} are simulated slot by slot, the others by the closed form that ranks them"
        ));
    }
    table
}

fn row(c: &Candidate, mark: &str, objectives: &[Objective]) -> Vec<Cell> {
    let mut out = vec![
        mark.into(),
        Cell::Text(compact(&c.layout)),
        Cell::quantity(c.step_time_s, Kind::Duration),
        Cell::quantity(c.tokens_per_s_per_device, Kind::Rate("tokens/s")),
        Cell::quantity(c.peak_bytes, Kind::Bytes),
    ];
    out.extend(of_run(objectives).map(|o| Cell::quantity(c.value(o), kind(o))));
    out
}

/// `TP8 CP2 PP16 VP8 DP64 zero1 MB1`: what a column has room for.
fn compact(layout: &Layout) -> String {
    let text = layout.to_string().replace("micro-batch", "MB");
    text.split(" · ")
        .map(|degree| {
            if degree.starts_with("recompute") || degree.starts_with("no ") || degree.starts_with("offload") {
                degree.to_string()
            } else {
                degree.replacen(' ', "", 1)
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

fn pareto(found: &Found, objectives: &[Objective]) -> Table {
    let mut columns = vec![Column::words("Layout"), Column::numbers("Step"), Column::numbers("Memory")];
    columns.extend(of_run(objectives).map(column));
    let title = if objectives.len() < 2 {
        "Less memory for more time".to_string()
    } else {
        let names: Vec<&str> = objectives.iter().map(|o| o.name()).collect();
        format!("None of these is beaten in {}", names.join(" and "))
    };
    let mut table = Table::new(title, columns);
    let front = &found.pareto;
    // The ends of the front say the most: keep them and thin what is between.
    let keep = |i: usize| front.len() <= N_PARETO || (i * (N_PARETO - 1)) % (front.len() - 1) < N_PARETO - 1;
    let kept = front.iter().enumerate().filter(|(i, _)| keep(*i)).map(|(_, c)| c);
    table.rows = kept
        .map(|c| {
            row(c, "", objectives)
                .into_iter()
                .enumerate()
                .filter(|(i, _)| ![0, 3].contains(i))
                .map(|(_, cell)| cell)
                .collect()
        })
        .collect();
    if front.len() > N_PARETO {
        table.notes.push(format!(
            "{} of {} layouts that no other beats in all",
            table.rows.len(),
            front.len()
        ));
    }
    table
}

/// Reasons by how many layouts fell for each, most first.
#[must_use]
pub fn rejected(found: &Found, all: bool) -> Table {
    let mut table = Table::new("Why the others fell", vec![Column::words("Reason"), Column::numbers("Layouts")]);
    let mut list: Vec<_> = found.rejected.iter().collect();
    list.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let n = if all { list.len() } else { N_REASONS.min(list.len()) };
    #[allow(clippy::cast_precision_loss)]
    let rows = list
        .iter()
        .take(n)
        .map(|(reason, count)| vec![Cell::Text((*reason).clone()), Cell::Count(**count as f64)]);
    table.rows = rows.collect();
    if n < list.len() {
        table
            .notes
            .push(format!("and {} more reasons: --explain-rejections", list.len() - n));
    }
    table
}

/// Step time over memory along the front, for pages.
#[must_use]
pub fn chart(found: &Found) -> Option<Chart> {
    let points = |list: &[Candidate]| list.iter().map(|c| (c.peak_bytes, c.step_time_s)).collect::<Vec<_>>();
    (found.pareto.len() > 1).then(|| {
        Chart::Lines(Lines {
            title: "Step time over memory: no layout is better in both".to_string(),
            x: Axis {
                label: "memory of the fullest stage".to_string(),
                kind: Kind::Bytes,
                log: false,
            },
            y: Axis {
                label: "step time".to_string(),
                kind: Kind::Duration,
                log: false,
            },
            series: vec![("front".to_string(), points(&found.pareto))],
            fill: false,
        })
    })
}
