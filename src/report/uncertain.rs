//! Ranges of a plan, what decides them, and how likely its limits are met.

use super::names::kind_of;
use super::svg::{Bar, Bars};
use super::{Block, Cell, Chart, Column, Document, KeyValue, Kind, Table};
use crate::plan::{Limits, Plan};
use crate::report::plan::Detail;
use crate::study::metric::Metric;
use crate::study::uncertain::case::Reused;
use crate::study::uncertain::{Chance, Input, Output, STEP_TIME, Uncertain};
use crate::units::{DAY_S, KWH_J};
use serde_json::{Map, Value, json};

/// Inputs that a screen has room for.
const N_ROWS: usize = 8;

/// How people see a metric.
#[must_use]
pub fn kind(metric: Metric) -> Kind {
    match metric {
        Metric::Step | Metric::Wall => Kind::Duration,
        Metric::Cost => Kind::Usd,
        Metric::Energy => Kind::Energy,
        Metric::Carbon => Kind::Carbon,
    }
}

/// In what a workbook writes a metric: base units over this, and their name.
#[must_use]
pub fn base(metric: Metric) -> (f64, &'static str) {
    match metric {
        Metric::Step => (1.0, "s"),
        Metric::Wall => (DAY_S, "days"),
        Metric::Cost => (1.0, "USD"),
        Metric::Energy => (KWH_J, "kWh"),
        Metric::Carbon => (1.0, "kg CO2e"),
    }
}

/// A plan's document with what was drawn, before its assumptions.
#[must_use]
pub fn within(mut document: Document, plan: &Plan, study: &Uncertain, detail: Detail) -> Document {
    let heading = |b: &Block| matches!(b, Block::Heading(text) if text == "Assumptions");
    let place = document
        .blocks
        .iter()
        .position(heading)
        .unwrap_or(document.blocks.len().saturating_sub(1));
    let blocks = blocks(plan, study, detail);
    document.blocks.splice(place..place, blocks);
    document
}

fn blocks(plan: &Plan, study: &Uncertain, detail: Detail) -> Vec<Block> {
    let mut out = Vec::new();
    if detail == Detail::Page {
        out.push(Block::Heading("Ranges".to_string()));
    }
    out.push(Block::Table(ranges(plan, study)));
    if !study.chances.is_empty() {
        let limits = &plan.scenario.limits;
        out.push(Block::KeyValues(study.chances.iter().map(|c| chance(c, limits)).collect()));
    }
    if study.inputs.is_empty() {
        return out;
    }
    out.push(Block::Table(swings(study, detail)));
    if detail == Detail::Page {
        let moved = |o: &&Output| o.metric != Metric::Step && o.influences.iter().any(|i| i.ends[0] != i.ends[1]);
        out.extend(study.outputs.iter().filter(moved).map(|o| Block::Chart(tornado(study, o))));
        out.push(Block::Table(ranks(study)));
    }
    out
}

fn ranges(plan: &Plan, study: &Uncertain) -> Table {
    let columns = std::iter::once(Column::words("Ranges"))
        .chain(study.outputs.iter().map(|o| Column::numbers(o.metric.name())))
        .collect();
    let mut table = Table::new("", columns);
    let row = |name: &str, of: &dyn Fn(&Output) -> Option<f64>| -> Vec<Cell> {
        let cell = |o: &Output| of(o).map_or(Cell::Missing, |v| Cell::quantity(v, kind(o.metric)));
        std::iter::once(Cell::from(name)).chain(study.outputs.iter().map(cell)).collect()
    };
    table.rows = vec![
        row("P10", &|o| Some(o.quantiles.p10)),
        row("P50", &|o| Some(o.quantiles.p50)),
        row("P90", &|o| Some(o.quantiles.p90)),
        row("as planned", &|o| o.metric.of(plan)),
    ];
    table.notes.push(format!(
        "{} samples of {} (seed {}), drawn independently; the layout stays the one above.",
        crate::units::count(f64::from(study.n_samples)),
        names(study),
        study.seed
    ));
    table.notes.extend(Some(super::opening::outside(plan)).filter(|t| !t.is_empty()));
    table
}

fn names(study: &Uncertain) -> String {
    let list: Vec<&str> = study.inputs.iter().map(title).collect();
    if list.is_empty() {
        "nothing that varies".to_string()
    } else {
        list.join(", ")
    }
}

/// What people call an input.
#[must_use]
pub fn title(input: &Input) -> &str {
    if input.path == STEP_TIME { "step time" } else { &input.path }
}

fn chance(c: &Chance, limits: &Limits) -> KeyValue {
    let human = |value: Option<f64>, kind: Kind| value.map_or_else(String::new, |v| kind.human(v));
    let (name, limit) = match c.limit {
        "deadline" => ("Deadline met", human(limits.wall_s, Kind::Duration)),
        "budget" => ("Budget met", human(limits.cost_usd, Kind::Usd)),
        "power" => ("Power limit met", human(limits.facility_w, Kind::Si("W"))),
        "carbon" => ("Carbon limit met", human(limits.carbon_kg_co2e, Kind::Carbon)),
        _ => ("All limits met", "at once".to_string()),
    };
    let error = Kind::Percent.human(c.error_fraction);
    KeyValue::new(name, Cell::quantity(c.met_fraction, Kind::Percent)).note(format!("{limit}; of the samples, give or take {error}"))
}

/// What its numbers are in; where the unit is in the name of its key, that one.
#[must_use]
pub fn unit_of(input: &Input) -> String {
    match kind_of(&input.path) {
        Some(Kind::Rate(symbol)) if input.unit.is_empty() => symbol.to_string(),
        _ => input.unit.clone(),
    }
}

/// `1.2 to 3.4 USD/h`.
fn span(input: &Input) -> String {
    let number = crate::units::significant;
    let (low, high) = (number(input.quantiles.p10), number(input.quantiles.p90));
    match input.path.as_str() {
        STEP_TIME => format!("{low} to {high} × predicted"),
        _ => format!("{low} to {high} {}", unit_of(input)).trim_end().to_string(),
    }
}

/// How far each input alone moves each total, those that move one most first.
fn swings(study: &Uncertain, detail: Detail) -> Table {
    let totals: Vec<&Output> = study.outputs.iter().filter(|o| o.metric != Metric::Step).collect();
    let columns = [Column::words("One at a time"), Column::words("P10 to P90")]
        .into_iter()
        .chain(totals.iter().map(|o| Column::numbers(o.metric.short())))
        .collect();
    let mut table = Table::new("", columns);
    let swing = |o: &Output, input: usize| o.influences.iter().find(|i| i.input == input).map(|i| i.ends[1] - i.ends[0]);
    let relative = |input: usize| {
        let one = |o: &&Output| swing(o, input).map_or(0.0, |s| (s / o.middle[0]).abs());
        totals.iter().map(one).fold(0.0, f64::max)
    };
    let mut order: Vec<usize> = (0..study.inputs.len()).collect();
    order.sort_by(|a, b| relative(*b).total_cmp(&relative(*a)));
    let shown = if detail == Detail::Page {
        order.len()
    } else {
        N_ROWS.min(order.len())
    };
    table.rows = order[..shown]
        .iter()
        .map(|input| {
            let one = &study.inputs[*input];
            let cell = |o: &&Output| swing(o, *input).map_or(Cell::Missing, |s| Cell::quantity(s, kind(o.metric)));
            [Cell::Text(title(one).to_string()), Cell::Text(span(one))]
                .into_iter()
                .chain(totals.iter().map(cell))
                .collect()
        })
        .collect();
    table
        .notes
        .push("Change of each total from the P10 to the P90 of one input, all others at their medians.".to_string());
    if shown < order.len() {
        table
            .notes
            .push(format!("And {} more, which move less: -o plan.html.", order.len() - shown));
    }
    table
}

fn tornado(study: &Uncertain, output: &Output) -> Chart {
    let bar = |i: &crate::study::uncertain::Influence| Bar {
        label: title(&study.inputs[i.input]).to_string(),
        values: i.ends.map(|end| end - output.middle[0]).to_vec(),
    };
    let moves = |i: &&crate::study::uncertain::Influence| i.ends[0] != i.ends[1];
    Chart::Bars(Bars {
        title: format!("{}: change from the middle, one input at a time", output.metric.name()),
        kind: kind(output.metric),
        parts: vec!["input at its P10".to_string(), "input at its P90".to_string()],
        bars: output.influences.iter().filter(moves).map(bar).collect(),
    })
}

fn ranks(study: &Uncertain) -> Table {
    let columns = std::iter::once(Column::words("Rank regression"))
        .chain(study.outputs.iter().map(|o| Column::numbers(o.metric.name())))
        .collect();
    let mut table = Table::new("", columns);
    let one = |(place, input): (usize, &Input)| {
        let of = |o: &Output| o.influences.iter().find(|i| i.input == place).and_then(|i| i.coefficient);
        let cell = |o: &Output| of(o).map_or(Cell::Missing, |c| Cell::quantity(c, Kind::Plain(2)));
        std::iter::once(Cell::Text(title(input).to_string()))
            .chain(study.outputs.iter().map(cell))
            .collect()
    };
    table.rows = study.inputs.iter().enumerate().map(one).collect();
    let explained = |o: &Output| o.explained_fraction.map_or(Cell::Missing, |f| Cell::quantity(f, Kind::Plain(2)));
    table.rows.push(
        std::iter::once(Cell::from("explained (R²)"))
            .chain(study.outputs.iter().map(explained))
            .collect(),
    );
    table.notes.push(
        "Standardized coefficients of ranks on ranks: 1 where a total rises with an input alone; their squares share out the variance."
            .to_string(),
    );
    table
}

/// For programs: `uncertainty` of a plan.
#[must_use]
pub fn json(study: &Uncertain) -> Value {
    let input = |i: &Input| {
        json!({
            "path": i.path,
            "distribution": i.shape,
            "unit": i.unit,
            "p10": i.quantiles.p10,
            "p50": i.quantiles.p50,
            "p90": i.quantiles.p90,
            "reworks_step": i.reused == Reused::Nothing,
        })
    };
    let output = |o: &Output| {
        let influence = |i: &crate::study::uncertain::Influence| {
            json!({
                "path": study.inputs[i.input].path,
                "at_p10": i.ends[0],
                "at_p90": i.ends[1],
                "rank_coefficient": i.coefficient,
            })
        };
        let value = json!({
            "p10": o.quantiles.p10,
            "p50": o.quantiles.p50,
            "p90": o.quantiles.p90,
            "at_medians": o.middle[0],
            "influences": o.influences.iter().map(influence).collect::<Vec<_>>(),
            "explained_fraction": o.explained_fraction,
        });
        (o.metric.key().to_string(), value)
    };
    let chance = |c: &Chance| {
        (
            c.limit.to_string(),
            json!({ "met_fraction": c.met_fraction, "standard_error": c.error_fraction }),
        )
    };
    json!({
        "n_samples": study.n_samples,
        "seed": study.seed,
        "inputs": study.inputs.iter().map(input).collect::<Vec<_>>(),
        "outputs": study.outputs.iter().map(output).collect::<Map<_, _>>(),
        "chances": study.chances.iter().map(chance).collect::<Map<_, _>>(),
    })
}
