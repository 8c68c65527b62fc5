//! A fit.

use super::super::svg::{Axis, Lines};
use super::super::{Block, Cell, Chart, Column, Document, KeyValue, Kind, Span, Table};
use super::{flop, number, params, tokens};
use crate::scale::fit::forms::{Fitted, Form};
use crate::scale::formula::{Allocation, Chinchilla};
use crate::scale::law::{Formula, Range, quantile};
use crate::scale::points::{Points, Role};
use serde_json::{Map, Value, json};

/// What a fit is shown with.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The fit.
    pub fitted: &'a Fitted,
    /// Its points.
    pub points: &'a Points,
    /// Budgets whose best size is asked.
    pub budgets: &'a [f64],
    /// How long it took.
    pub elapsed_s: f64,
}

/// Names of constants as papers write them.
fn symbol(name: &str) -> &str {
    match name {
        "e" => "E",
        "a" => "A",
        "b" => "B",
        other => other,
    }
}

fn dense_form(form: Form) -> bool {
    matches!(form, Form::Chinchilla | Form::Overtrained | Form::Precision | Form::Task)
}

fn named(form: Form, name: &str) -> &str {
    if dense_form(form) { symbol(name) } else { name }
}

/// For people.
#[must_use]
pub fn document(shown: &Shown<'_>) -> Document {
    let fitted = shown.fitted;
    let mut blocks = vec![Block::KeyValues(summary(shown)), Block::Table(constants(fitted))];
    blocks.extend(slopes(fitted).map(Block::Table));
    blocks.extend(answers(shown).map(Block::Table));
    blocks.extend(held_out(fitted).map(Block::Table));
    blocks.extend(chart(shown).map(|c| Block::Chart(Chart::Lines(c))));
    for note in &fitted.notes {
        blocks.push(Block::Paragraph(vec![Span::strong("Note: "), Span::plain(note.clone())]));
    }
    super::document(
        format!("{} fitted to {}", fitted.request.form.name(), shown.points.name),
        blocks,
        None,
    )
}

fn summary(shown: &Shown<'_>) -> Vec<KeyValue> {
    let fitted = shown.fitted;
    #[allow(clippy::cast_precision_loss)]
    let count = |n: usize| Cell::Count(n as f64);
    let mut list = vec![KeyValue::new("Rows", count(fitted.n_rows)).answer()];
    if shown.points.n_empty > 0 {
        list.push(KeyValue::new("Left out", count(shown.points.n_empty)).note("rows with an empty cell"));
    }
    if fitted.objective > 0.0 {
        list.push(KeyValue::new("Objective", Cell::Text(format!("{:.10e}", fitted.objective))).note("sum over the rows"));
    }
    if fitted.n_starts > 1 {
        let note = format!("of {} starts end within 0.1 % of the best", fitted.n_starts);
        list.push(KeyValue::new("Agreement", count(fitted.n_near)).note(note));
    }
    for (held, name) in [(false, "Miss"), (true, "Miss ahead")] {
        if let Some((middle, worst)) = fitted.misses(held) {
            let what = if held {
                "of rows of more compute than those fitted"
            } else {
                "of the rows fitted"
            };
            let note = format!("median {what}; worst {}", Kind::Percent.human(worst));
            list.push(KeyValue::new(name, Cell::quantity(middle, Kind::Percent)).note(note));
        }
    }
    list.push(KeyValue::new("Took", Cell::quantity(shown.elapsed_s, Kind::Duration)));
    list
}

fn constants(fitted: &Fitted) -> Table {
    let mut table = Table::new(
        "Constants",
        vec![
            Column::words("Constant"),
            Column::numbers("Value"),
            Column::numbers("Low"),
            Column::numbers("High"),
            Column::numbers("Standard error"),
        ],
    );
    let exact = |v: f64| Cell::Text(format!("{v:.6}"));
    let exact = |v: f64| {
        if v != 0.0 && !(1e-3..1e7).contains(&v.abs()) {
            Cell::Text(format!("{v:.5e}"))
        } else {
            exact(v)
        }
    };
    for p in &fitted.parameters {
        table.rows.push(vec![
            named(fitted.request.form, p.name).into(),
            exact(p.value),
            p.interval.map_or(Cell::Missing, |i| exact(i.low)),
            p.interval.map_or(Cell::Missing, |i| exact(i.high)),
            p.interval.map_or(Cell::Missing, |i| exact(i.sd)),
        ]);
    }
    let n = fitted.request.n_bootstrap;
    table.notes.push(if n < 20 {
        "No intervals: --bootstrap 200 resamples the rows.".to_string()
    } else {
        format!("Low and high hold 95 % of {n} fits to resampled rows. Constants move together: look at answers (--at-flop), not at single constants.")
    });
    table
}

fn slopes(fitted: &Fitted) -> Option<Table> {
    let slopes = fitted.slopes.as_ref()?;
    let mut table = Table::new(
        "Best size by budget",
        vec![
            Column::numbers("Budget"),
            Column::numbers("Size"),
            Column::numbers("Data"),
            Column::numbers("Rows"),
            Column::words("Bracketed"),
        ],
    );
    let step = slopes.budgets.len().div_ceil(20);
    for b in slopes.budgets.iter().step_by(step.max(1)) {
        #[allow(clippy::cast_precision_loss)]
        table.rows.push(vec![
            flop(b.train_flop),
            params(b.n_params),
            tokens(b.n_tokens),
            Cell::Count(b.n_rows as f64),
            if b.bracketed { "yes" } else { "no" }.into(),
        ]);
    }
    Some(table)
}

/// A budget, its best size and data, and the intervals of size, data and tokens per parameter.
type BestSize = (f64, Allocation, [Option<Range>; 3]);

/// The best size of budgets with its interval over the resamples.
fn best_sizes(shown: &Shown<'_>) -> Vec<BestSize> {
    let Some(Formula::Chinchilla(law)) = shown.fitted.formula else {
        return Vec::new();
    };
    let spread = |c: f64, answer: fn(Allocation) -> f64| {
        let mut list: Vec<f64> = shown
            .fitted
            .draws
            .iter()
            .map(|d| answer(d.optimum(c)))
            .filter(|v| v.is_finite())
            .collect();
        list.sort_by(f64::total_cmp);
        (list.len() >= 20)
            .then(|| Some((quantile(&list, 0.1)?, quantile(&list, 0.9)?)))
            .flatten()
    };
    let row = |c: &f64| {
        let intervals = [
            spread(*c, |a| a.n_params),
            spread(*c, |a| a.n_tokens),
            spread(*c, |a| a.n_tokens / a.n_params),
        ];
        (*c, law.optimum(*c), intervals)
    };
    shown.budgets.iter().map(row).collect()
}

fn answers(shown: &Shown<'_>) -> Option<Table> {
    let rows = best_sizes(shown);
    let names = [
        "Budget",
        "Size",
        "Size low",
        "Size high",
        "Data",
        "Data low",
        "Data high",
        "Ratio",
        "Ratio low",
        "Ratio high",
    ];
    let mut table = Table::new("Best size and data", names.map(Column::numbers).to_vec());
    let ratio = |v: f64| Cell::quantity(v, Kind::Plain(1));
    for (c, at, [n, d, r]) in &rows {
        let ends = |range: &Option<(f64, f64)>, show: &dyn Fn(f64) -> Cell| {
            range.map_or([Cell::Missing, Cell::Missing], |(low, high)| [show(low), show(high)])
        };
        let mut row = vec![flop(*c), params(at.n_params)];
        row.extend(ends(n, &params));
        row.push(tokens(at.n_tokens));
        row.extend(ends(d, &tokens));
        row.push(ratio(at.n_tokens / at.n_params));
        row.extend(ends(r, &ratio));
        table.rows.push(row);
    }
    table
        .notes
        .push("Ratio: tokens per parameter. Low and high hold 8 cases of 10.".to_string());
    (!rows.is_empty()).then_some(table)
}

fn held_out(fitted: &Fitted) -> Option<Table> {
    let mut rows: Vec<_> = fitted.rows.iter().filter(|r| r.held_out).collect();
    rows.sort_by(|a, b| b.train_flop.total_cmp(&a.train_flop));
    let mut table = Table::new(
        "Rows held out, largest first",
        vec![
            Column::numbers("Training"),
            Column::numbers("Measured"),
            Column::numbers("Predicted"),
            Column::numbers("Miss"),
        ],
    );
    for row in rows.iter().take(12) {
        table.rows.push(vec![
            flop(row.train_flop),
            number(row.measured),
            number(row.predicted),
            Cell::quantity(row.miss_fraction(), Kind::Percent),
        ]);
    }
    (!rows.is_empty()).then_some(table)
}

/// Loss over tokens of the sizes with most rows, measured and fitted.
fn chart(shown: &Shown<'_>) -> Option<Lines> {
    let Some(Formula::Chinchilla(law)) = shown.fitted.formula else {
        return None;
    };
    let points = shown.points;
    let mut sizes: Vec<(f64, Vec<(f64, f64)>)> = Vec::new();
    for i in 0..points.len() {
        let (n, point) = (points.at(Role::Params, i), (points.at(Role::Tokens, i), points.at(Role::Loss, i)));
        match sizes.iter().position(|(size, _)| (size / n - 1.0).abs() < 0.02) {
            Some(at) => sizes[at].1.push(point),
            None if sizes.len() < 1000 => sizes.push((n, vec![point])),
            None => {}
        }
    }
    sizes.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then(a.0.total_cmp(&b.0)));
    sizes.truncate(4);
    sizes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut series = Vec::new();
    for (n, mut list) in sizes {
        list.sort_by(|a, b| a.0.total_cmp(&b.0));
        let fitted = list.iter().map(|(d, _)| (*d, loss(&law, n, *d))).collect();
        series.push((format!("{} measured", params(n).human()), list));
        series.push((format!("{} fitted", params(n).human()), fitted));
    }
    let axis = |label: &str, kind| Axis {
        label: label.to_string(),
        kind,
        log: true,
    };
    Some(Lines {
        title: "Loss over data".to_string(),
        x: axis("tokens", Kind::Si("tokens")),
        y: axis("loss", Kind::Plain(2)),
        series,
        fill: false,
    })
}

fn loss(law: &Chinchilla, n_params: f64, n_tokens: f64) -> f64 {
    law.loss(Allocation { n_params, n_tokens })
}

/// For programs.
#[must_use]
pub fn json(shown: &Shown<'_>) -> Value {
    let fitted = shown.fitted;
    let form = fitted.request.form;
    let key = |name: &str| named(form, name).to_string();
    let values: Map<String, Value> = fitted.parameters.iter().map(|p| (key(p.name), json!(p.value))).collect();
    let intervals: Map<String, Value> = fitted
        .parameters
        .iter()
        .filter_map(|p| {
            Some((
                key(p.name),
                p.interval
                    .map(|i| json!({ "low": i.low, "high": i.high, "standard_error": i.sd }))?,
            ))
        })
        .collect();
    let misses = |held| {
        fitted
            .misses(held)
            .map(|(median, worst)| json!({ "median_fraction": median, "worst_fraction": worst }))
    };
    let range = |r: &Option<(f64, f64)>| super::range_json(*r);
    let answers: Vec<Value> = best_sizes(shown)
        .iter()
        .map(|(c, at, [n, d, r])| {
            json!({
                "train_flop": c, "params": at.n_params, "tokens": at.n_tokens,
                "params_interval": range(n), "tokens_interval": range(d), "tokens_per_param_interval": range(r),
            })
        })
        .collect();
    let rows: Vec<Value> = fitted
        .rows
        .iter()
        .filter(|r| r.held_out)
        .map(
            |r| json!({ "train_flop": r.train_flop, "measured": r.measured, "predicted": r.predicted, "miss_fraction": r.miss_fraction() }),
        )
        .collect();
    let budgets = fitted.slopes.as_ref().map(|s| {
        let one = |b: &crate::scale::fit::isoflop::Budget| json!({ "train_flop": b.train_flop, "params": b.n_params, "tokens": b.n_tokens, "n": b.n_rows, "bracketed": b.bracketed });
        s.budgets.iter().map(one).collect::<Vec<_>>()
    });
    json!({
        "schema": "exaplan.scale-fit/1",
        "law": form.name(),
        "params": values,
        "intervals": intervals,
        "objective": fitted.objective,
        "n": fitted.n_rows,
        "n_left_out": shown.points.n_empty,
        "n_starts": fitted.n_starts,
        "n_near": fitted.n_near,
        "n_bootstrap": fitted.request.n_bootstrap,
        "seed": fitted.request.seed,
        "misses": misses(false),
        "held_out": { "misses": misses(true), "rows": rows },
        "optimal": answers,
        "budgets": budgets,
        "notes": fitted.notes,
        "elapsed_s": shown.elapsed_s,
    })
}
