//! Scenarios side by side, why they differ, and what single changes would do.

mod json;

pub use json::json;

use super::opening::{self, said as say};
use super::svg::{Bar, Bars};
use super::uncertain::kind;
use super::{Block, Cell, Chart, Column, Document, KeyValue, Kind, Table};
use crate::plan::{Plan, Quantiles, ranges};
use crate::report::plan::{Detail, in_most, part_name};
use crate::study::compare::{Cause, Difference, Inside, differences};
use crate::study::metric::Metric;
use crate::study::uncertain::Uncertain;

/// A scenario of a comparison.
pub struct Case {
    /// Its letter.
    pub letter: char,
    /// As it was asked for.
    pub asked: String,
    /// What was changed for it alone: `path=value`.
    pub changed: Vec<String>,
    /// Its plan.
    pub plan: Plan,
    /// Samples of what is uncertain, where some were drawn.
    pub study: Option<Uncertain>,
}

impl Case {
    /// `B: Llama 3 405B, cluster.nodes=1024`: scenarios that differ by a change have the same name.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}: {}", self.letter, self.name())
    }

    /// The same without its letter.
    #[must_use]
    pub fn name(&self) -> String {
        let changes = self.changed.iter().map(|c| format!(", {c}"));
        std::iter::once(self.plan.scenario.name.clone()).chain(changes).collect()
    }
}

/// What a single change does.
pub struct WhatIf {
    /// The changed path.
    pub path: String,
    /// Its value, as asked for.
    pub value: String,
    /// The plan, or why there is none.
    pub plan: std::result::Result<Plan, String>,
}

/// A comparison: the first scenario is what the others are held against.
pub struct Comparison {
    /// The scenarios.
    pub cases: Vec<Case>,
    /// The differences of each other scenario from the first, in their order.
    pub differences: Vec<Vec<Difference>>,
    /// Changes to the first scenario, one at a time.
    pub what_ifs: Vec<WhatIf>,
}

impl Comparison {
    /// Hold cases against the first of them.
    #[must_use]
    pub fn new(cases: Vec<Case>, what_ifs: Vec<WhatIf>) -> Comparison {
        let list = cases.split_first().map_or_else(Vec::new, |(first, rest)| {
            rest.iter().map(|c| differences(&first.plan, &c.plan)).collect()
        });
        Comparison {
            cases,
            differences: list,
            what_ifs,
        }
    }
}

/// For people.
#[must_use]
pub fn document(shown: &Comparison, detail: Detail) -> Document {
    let mut blocks = vec![
        Block::KeyValues(shown.cases.iter().map(named).collect()),
        Block::Table(side_by_side(shown)),
    ];
    if detail == Detail::Page {
        blocks.splice(1..1, opening(shown));
        blocks.push(Block::Table(spread(shown)));
        blocks.extend(pictures(shown));
    } else {
        blocks.insert(1, say(opening::ESTIMATE, &answers(shown).join(" ")));
    }
    let first = shown.cases.first();
    for (case, list) in shown.cases.iter().skip(1).zip(&shown.differences) {
        let letters = [first.map_or('A', |f| f.letter), case.letter];
        blocks.push(Block::Table(causes(letters, list)));
        if detail == Detail::Page {
            let moved = list.iter().filter(|d| !d.causes.is_empty());
            blocks.extend(moved.map(|d| Block::Chart(chart(letters, d))));
            let inside = inside(letters, list);
            // What differs in prices alone has nothing inside.
            blocks.extend((!inside.rows.is_empty()).then_some(Block::Table(inside)));
        }
    }
    if !shown.what_ifs.is_empty() {
        blocks.push(Block::Table(what_if(shown)));
    }
    Document {
        title: "Comparison".to_string(),
        subtitle: first.map_or_else(String::new, |f| format!("against {}", f.label())),
        blocks,
        provenance: provenance(shown),
    }
}

/// Who is the fastest, who the cheapest, and by how much against the first.
#[must_use]
pub fn answers(shown: &Comparison) -> Vec<String> {
    let Some(first) = shown.cases.first() else { return Vec::new() };
    let best = |metric: Metric, what: &str| -> Option<String> {
        let known = shown.cases.iter().filter_map(|c| Some((c, metric.of(&c.plan)?)));
        let (case, value) = known.reduce(|a, b| if b.1 < a.1 { b } else { a })?;
        let against = match metric.of(&first.plan) {
            Some(base) if case.letter != first.letter => format!(", {} against {}", relative(base, value), first.letter),
            _ => String::new(),
        };
        let range = lies(&case.plan, metric).map_or(String::new(), |q| format!(", {}", in_most(q, kind(metric))));
        Some(format!("{what} is {}: {}{against}{range}.", case.letter, kind(metric).human(value)))
    };
    [
        (Metric::Wall, "Shortest"),
        (Metric::Cost, "Cheapest"),
        (Metric::Carbon, "Least carbon"),
    ]
    .into_iter()
    .filter_map(|(metric, what)| best(metric, what))
    .collect()
}

/// On what the scenarios rest, each said once where it is the same.
#[must_use]
pub fn rests_on(shown: &Comparison) -> Vec<String> {
    let mut out = vec![opening::class()];
    for of in [opening::price, opening::range, opening::step_time, opening::not_in_it] {
        let mut said: Vec<(String, String)> = Vec::new();
        for case in &shown.cases {
            let text = of(&case.plan);
            match said.iter_mut().find(|(_, t)| *t == text) {
                Some((letters, _)) => letters.push_str(&format!(", {}", case.letter)),
                None => said.push((case.letter.to_string(), text)),
            }
        }
        match said.as_slice() {
            [(_, text)] => out.push(text.clone()),
            several => out.extend(several.iter().map(|(letters, text)| format!("{letters}: {text}"))),
        }
    }
    out
}

fn opening(shown: &Comparison) -> Vec<Block> {
    vec![
        say("The answer.", &answers(shown).join(" ")),
        say(opening::ESTIMATE, &rests_on(shown).join(" ")),
    ]
}

/// Where a total lies, where that is known.
pub(super) fn lies(plan: &Plan, metric: Metric) -> Option<Quantiles> {
    metric.range(&ranges(plan)?)
}

/// Between which values the totals lie.
fn spread(shown: &Comparison) -> Table {
    let letters = shown.cases.iter().map(|c| Column::numbers(c.letter));
    let mut table = Table::new(
        "Ranges",
        std::iter::once(Column::words("In 8 cases of 10")).chain(letters).collect(),
    );
    for metric in Metric::OF_RUN {
        for (what, of) in [("P10", 0), ("P90", 1)] {
            let cell = |c: &Case| match lies(&c.plan, metric) {
                Some(q) => Cell::quantity([q.p10, q.p90][of], kind(metric)),
                None => Cell::Missing,
            };
            let name = Cell::Text(format!("{}, {what}", metric.name()));
            table.rows.push(std::iter::once(name).chain(shown.cases.iter().map(cell)).collect());
        }
    }
    table
}

/// What the label of a bar has room for: what was changed says more than a name that all have.
pub(super) fn short(case: &Case) -> String {
    if case.changed.is_empty() {
        case.label()
    } else {
        format!("{}: {}", case.letter, case.changed.join(", "))
    }
}

/// Cost and time of the scenarios as bars.
fn pictures(shown: &Comparison) -> Vec<Block> {
    let bars = |metric: Metric| {
        let known = shown.cases.iter().filter_map(|c| {
            Some(Bar {
                label: short(c),
                values: vec![metric.of(&c.plan)?],
            })
        });
        Bars {
            title: metric.name().to_string(),
            kind: kind(metric),
            parts: vec![metric.name().to_string()],
            bars: known.collect(),
        }
    };
    let steps = Bars {
        title: "Where a step goes".to_string(),
        kind: Kind::Duration,
        parts: parts_of(shown).iter().map(|key| part_name(key).to_string()).collect(),
        bars: shown
            .cases
            .iter()
            .map(|c| Bar {
                label: c.letter.to_string(),
                values: parts_of(shown)
                    .iter()
                    .map(|key| c.plan.step.parts.list().iter().find(|(k, _)| k == key).map_or(0.0, |(_, s)| *s))
                    .collect(),
            })
            .collect(),
    };
    [bars(Metric::Wall), bars(Metric::Cost), steps]
        .into_iter()
        .filter(|b| !b.bars.is_empty())
        .map(|b| Block::Chart(Chart::Bars(b)))
        .collect()
}

/// Parts of a step that any of the scenarios has.
fn parts_of(shown: &Comparison) -> Vec<&'static str> {
    let mut out = Vec::new();
    for (key, s) in shown.cases.iter().flat_map(|c| c.plan.step.parts.list()) {
        if s > 0.0 && !out.contains(&key) {
            out.push(key);
        }
    }
    out
}

fn provenance(shown: &Comparison) -> String {
    let Some(first) = shown.cases.first() else { return String::new() };
    let digests: Vec<String> = shown
        .cases
        .iter()
        .map(|c| format!("{} {}", c.letter, c.plan.provenance.scenario_digest))
        .collect();
    let p = &first.plan.provenance;
    format!("{}, catalog {}, scenarios {}", p.program, p.catalog_digest, digests.join(", "))
}

fn named(case: &Case) -> KeyValue {
    let plan = &case.plan;
    #[allow(clippy::cast_precision_loss)]
    let devices = crate::units::count(plan.scenario.n_devices() as f64);
    let note = format!("{devices} devices, {}; {}", plan.scenario.region.title, plan.layout);
    KeyValue::new(case.letter, Cell::Text(case.name())).note(note)
}

/// The totals of a plan as cells.
fn totals(plan: &Plan) -> impl Iterator<Item = Cell> + '_ {
    let cell = |m: Metric| m.of(plan).map_or(Cell::Missing, |v| Cell::quantity(v, kind(m)));
    Metric::OF_RUN.into_iter().map(cell)
}

/// Columns of the totals.
fn total_columns() -> impl Iterator<Item = Column> {
    Metric::OF_RUN.into_iter().map(|m| Column::numbers(m.short()))
}

/// One row per scenario.
#[must_use]
pub fn side_by_side(shown: &Comparison) -> Table {
    let columns = ["Devices", "Step", "MFU", "Goodput"].map(Column::numbers);
    let columns = std::iter::once(Column::words("Scenario"))
        .chain(columns)
        .chain(total_columns())
        .collect();
    let mut table = Table::new("Side by side", columns);
    let row = |case: &Case| {
        let plan = &case.plan;
        let head = [
            Cell::Text(case.letter.to_string()),
            Cell::Count(plan.step.n_devices),
            Cell::quantity(plan.step.time_s, Kind::Duration),
            Cell::quantity(plan.step.mfu, Kind::Percent),
            Cell::quantity(plan.run.goodput, Kind::Percent),
        ];
        head.into_iter().chain(totals(plan)).collect()
    };
    table.rows = shown.cases.iter().map(row).collect();
    table
}

/// One row per scenario for spreadsheets: what it is, its totals and their ranges.
#[must_use]
pub fn rows(shown: &Comparison) -> Table {
    let mut table = side_by_side(shown);
    table.columns.insert(1, Column::words("Name"));
    table.columns.insert(2, Column::words("Layout"));
    for metric in Metric::OF_RUN {
        for q in ["P10", "P90"] {
            table.columns.push(Column::numbers(format!("{} {q}", metric.short())));
        }
    }
    let words = ["What", "Estimate class", "Price", "Range", "Not in it"].map(Column::words);
    table.columns.extend(words);
    for (row, case) in table.rows.iter_mut().zip(&shown.cases) {
        row.insert(1, Cell::Text(case.name()));
        row.insert(2, Cell::Text(case.plan.layout.to_string()));
        for metric in Metric::OF_RUN {
            let q = lies(&case.plan, metric);
            for end in [q.map(|q| q.p10), q.map(|q| q.p90)] {
                row.push(end.map_or(Cell::Missing, |v| Cell::quantity(v, kind(metric))));
            }
        }
        let plan = &case.plan;
        let said = [
            opening::ESTIMATE.to_string(),
            opening::class(),
            opening::price(plan),
            opening::range(plan),
            opening::not_in_it(plan),
        ];
        row.extend(said.map(Cell::Text));
    }
    table
}

/// Changes of the totals by cause.
fn causes([first, other]: [char; 2], list: &[Difference]) -> Table {
    let columns = [Column::words(format!("{other} against {first}")), Column::words("")];
    let mut table = Table::new(
        "",
        columns
            .into_iter()
            .chain(list.iter().map(|d| Column::numbers(d.metric.short())))
            .collect(),
    );
    let row = |name: &str, what: &str, of: &dyn Fn(&Difference) -> f64| -> Vec<Cell> {
        let cell = |d: &Difference| match of(d) {
            0.0 => Cell::Missing,
            v => Cell::quantity(v, kind(d.metric)),
        };
        [Cell::from(name), Cell::from(what)]
            .into_iter()
            .chain(list.iter().map(cell))
            .collect()
    };
    let matter = |cause: &&Cause| list.iter().any(|d| d.by(**cause) != 0.0);
    let each = Cause::ALL.iter().filter(matter);
    table.rows = each.map(|c| row(&words(c.key()), c.meaning(), &|d| d.by(*c))).collect();
    table.rows.push(row("all together", "the sum", &Difference::change));
    let percent = |d: &Difference| format!("{} {}", d.metric.name().to_lowercase(), relative(d.totals[0], d.totals[1]));
    let changes: Vec<String> = list.iter().map(percent).collect();
    table.notes.push(format!(
        "In all: {}. Causes sum to the difference (LMDI, Ang 2005).",
        changes.join(", ")
    ));
    table
}

fn words(key: &str) -> String {
    key.trim_end_matches("_s").replace('_', " ")
}

/// `+12.0 %`.
fn relative(from: f64, to: f64) -> String {
    if from == 0.0 {
        return "-".to_string();
    }
    let change = to / from - 1.0;
    let sign = if change > 0.0 { "+" } else { "" };
    format!("{sign}{}", Kind::Percent.human(change))
}

fn inside_name(i: &Inside) -> String {
    match i.cause {
        Cause::Step => part_name(i.part).to_string(),
        _ => words(i.part),
    }
}

/// Which part of the step and of the lost time changed the totals.
fn inside([first, other]: [char; 2], list: &[Difference]) -> Table {
    let columns = [Column::words(format!("{other} against {first}, inside")), Column::words("")];
    let mut table = Table::new(
        "",
        columns
            .into_iter()
            .chain(list.iter().map(|d| Column::numbers(d.metric.short())))
            .collect(),
    );
    let mut rows: Vec<(Cause, &str, String)> = Vec::new();
    for i in list.iter().flat_map(|d| &d.inside) {
        if !rows.iter().any(|(cause, part, _)| (*cause, *part) == (i.cause, i.part)) {
            rows.push((i.cause, i.part, inside_name(i)));
        }
    }
    let of = |d: &Difference, cause: Cause, part: &str| d.inside.iter().find(|i| (i.cause, i.part) == (cause, part)).map(|i| i.value);
    table.rows = rows
        .into_iter()
        .map(|(cause, part, name)| {
            let cell = |d: &Difference| of(d, cause, part).map_or(Cell::Missing, |v| Cell::quantity(v, kind(d.metric)));
            [Cell::from(cause.key()), Cell::Text(name)]
                .into_iter()
                .chain(list.iter().map(cell))
                .collect()
        })
        .collect();
    table
}

fn chart([first, other]: [char; 2], d: &Difference) -> Chart {
    let bar = |s: &crate::study::compare::Share| Bar {
        label: words(s.cause.key()),
        values: vec![s.value],
    };
    Chart::Bars(Bars {
        title: format!("{}: why {other} differs from {first}", d.metric.name()),
        kind: kind(d.metric),
        parts: vec!["change".to_string()],
        bars: d.causes.iter().map(bar).collect(),
    })
}

/// Single changes to the first scenario.
fn what_if(shown: &Comparison) -> Table {
    let more = ["Time", "Cost"].map(|name| Column::numbers(name).unit("%"));
    let columns = std::iter::once(Column::words("What if"))
        .chain(total_columns())
        .chain(more)
        .collect();
    let mut table = Table::new("", columns);
    let base = shown.cases.first().map(|c| &c.plan);
    let change = |metric: Metric, plan: &Plan| {
        let (from, to) = (base.and_then(|b| metric.of(b))?, metric.of(plan)?);
        (from != 0.0).then(|| Cell::quantity(to / from - 1.0, Kind::Percent))
    };
    let row = |name: String, plan: Option<&Plan>| -> Vec<Cell> {
        let head = std::iter::once(Cell::Text(name));
        let Some(plan) = plan else { return head.collect() };
        let changes = [Metric::Wall, Metric::Cost].map(|m| change(m, plan).unwrap_or(Cell::Missing));
        head.chain(totals(plan)).chain(changes).collect()
    };
    table.rows.push(row("as it is".to_string(), base));
    for one in &shown.what_ifs {
        let name = format!("{}={}", one.path, one.value);
        table.rows.push(row(name.clone(), one.plan.as_ref().ok()));
        if let Err(why) = &one.plan {
            table.notes.push(format!("{name}: {why}"));
        }
    }
    table
}
