//! A calibration by one's own runs: what moved and why, row by row, and the stacks as a catalog file.

use super::super::{Block, Cell, Column, Document, KeyValue, Kind, Span, Table, Warning};
use super::parameters;
use crate::catalog::{Catalog, OwnBand, Stack};
use crate::study::fit::{Case, PARAMETERS, Shift, ln_error, shifted};
use crate::study::own::{Fitted, Verdict, left_out_errors, own_band, verdict_text};
use crate::study::validate::FlopPerToken;
use serde_json::{Value, json as object};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Stacks fitted to runs of one's own.
#[derive(Clone, Copy)]
pub struct Own<'a> {
    /// Where the stacks are.
    pub catalog: &'a Catalog,
    /// The runs.
    pub cases: &'a [Case],
    /// The stacks of the runs.
    pub fitted: &'a [Fitted],
    /// Id of a row.
    pub id: &'a dyn Fn(usize) -> String,
    /// Switches that a row states.
    pub features: &'a dyn Fn(usize) -> String,
    /// Where the rows come from.
    pub origin: &'a str,
}

/// A run before and after, and as the others alone have it.
struct Residual<'a> {
    case: &'a Case,
    before: f64,
    after: f64,
    left_out: f64,
}

impl Own<'_> {
    fn cases(&self, stack: &str) -> Vec<&Case> {
        self.cases.iter().filter(|c| c.line[0] == stack).collect()
    }

    fn residuals(&self) -> Vec<Residual<'_>> {
        let mut out = Vec::new();
        for fitted in self.fitted {
            let cases = self.cases(&fitted.stack);
            let left_out = left_out_errors(&cases);
            out.extend(cases.into_iter().zip(left_out).map(|(case, left_out)| Residual {
                case,
                before: ln_error(case, &Shift::default()),
                after: ln_error(case, &fitted.shift),
                left_out,
            }));
        }
        out
    }

    fn band(&self, stack: &str) -> Option<OwnBand> {
        let cases = self.cases(stack);
        let scenario = &cases.first()?.scenario;
        let class = scenario.class(
            self.catalog.knows_stack(stack),
            self.catalog.knows_device(&scenario.accelerator.name),
        );
        own_band(&cases, &self.catalog.band(class)?)
    }

    /// The stack as it is and as it becomes.
    fn stacks(&self, fitted: &Fitted) -> Option<(Stack, Stack)> {
        let before: Stack = self.catalog.get(&fitted.stack).ok()?;
        let after = shifted(&before, &fitted.shift);
        Some((before, after))
    }
}

fn median_ape(residuals: &[Residual<'_>], of: fn(&Residual<'_>) -> f64) -> f64 {
    use crate::study::statistics::{quantile, sorted};
    quantile(&sorted(residuals.iter().map(|r| of(r).exp_m1().abs()).collect()), 0.5)
}

/// For people.
#[must_use]
pub fn document(own: &Own<'_>) -> Document {
    let residuals = own.residuals();
    let percent = |v: f64| Cell::quantity(v, Kind::Percent);
    let [before, after, left_out] = medians(&residuals);
    let answers = vec![
        KeyValue::new("Median error", percent(after))
            .note(format!("{} before the fit", Kind::Percent.human(before)))
            .answer(),
        KeyValue::new("Of a next run", percent(left_out)).note("median of the runs, each left out with those of its configuration"),
    ];
    let mut blocks = vec![Block::KeyValues(answers)];
    for fitted in own.fitted {
        blocks.push(Block::Table(parameter_table(own, fitted)));
        blocks.push(Block::Paragraph(told(own, fitted)));
    }
    let warnings = warnings(own, before, left_out);
    if !warnings.is_empty() {
        blocks.push(Block::Warnings(warnings));
    }
    blocks.push(Block::Table(run_table(own, &residuals)));
    blocks.push(Block::Table(utilization_table(own)));
    Document {
        title: "Stacks calibrated by your runs".to_string(),
        subtitle: format!("{} runs of {}", own.cases.len(), own.origin),
        blocks,
        provenance: format!("exaplan {}, catalog {}", env!("CARGO_PKG_VERSION"), own.catalog.digest()),
    }
}

/// What speaks against using the fit.
fn warnings(own: &Own<'_>, before: f64, left_out: f64) -> Vec<Warning> {
    let mut out = Vec::new();
    let mut warn = |message: String, help: &str| {
        out.push(Warning {
            message,
            help: Some(help.to_string()),
        });
    };
    if left_out > before {
        warn(
            "runs that the fit has not seen are met worse than by the stack as it was".to_string(),
            "the runs differ by what no parameter explains: look for what their rows leave out, and give more of them",
        );
    }
    for fitted in own.fitted {
        for (i, name) in PARAMETERS.iter().enumerate().filter(|(i, _)| fitted.at_limit(*i)) {
            warn(
                format!("{name} of {} went as far from its stack as it may, and stopped", fitted.stack),
                match fitted.shift[i] > 0.0 {
                    true => "the runs are far slower than the model: check devices, batch and software of the rows",
                    false => "the runs are far faster than the model: check devices, batch and software of the rows",
                },
            );
        }
    }
    out
}

fn medians(residuals: &[Residual<'_>]) -> [f64; 3] {
    [
        median_ape(residuals, |r| r.before),
        median_ape(residuals, |r| r.after),
        median_ape(residuals, |r| r.left_out),
    ]
}

#[allow(clippy::cast_precision_loss)]
fn parameter_table(own: &Own<'_>, fitted: &Fitted) -> Table {
    let title = format!("{}: {} runs, {} configurations", fitted.stack, fitted.n_runs, fitted.n_distinct);
    let columns = vec![
        Column::words("Parameter"),
        Column::numbers("Before"),
        Column::numbers("After"),
        Column::numbers("Told"),
        Column::words("Verdict"),
    ];
    let mut table = Table::new(title, columns);
    if let Some((before, after)) = own.stacks(fitted) {
        for (i, (old, new)) in parameters(&before).into_iter().zip(parameters(&after)).enumerate() {
            let cell = |v: f64| match PARAMETERS[i].ends_with("_s") {
                true => Cell::quantity(v, Kind::Duration),
                false => Cell::quantity(v, Kind::Plain(3)),
            };
            table.rows.push(vec![
                Cell::from(PARAMETERS[i]),
                cell(old),
                cell(new),
                Cell::quantity(fitted.told[i], Kind::Percent),
                Cell::Text(verdict_text(fitted.verdicts[i])),
            ]);
        }
    }
    let above = fitted.singular.iter().filter(|s| **s > 1.0).count();
    table.notes.push(format!(
        "Told: the share that the runs tell if all move, the prior tells the rest; {above} of {} combinations of parameters are told more by the runs. Held: too few different runs, or alike in its effect to one that moved. Not identifiable: these runs hardly depend on it.",
        PARAMETERS.len()
    ));
    table
}

/// What to do with a stack.
fn told(own: &Own<'_>, fitted: &Fitted) -> Vec<Span> {
    let n_moved = fitted.verdicts.iter().filter(|v| **v == Verdict::Moved).count();
    let mut text = match n_moved {
        0 => "No parameter was moved. ".to_string(),
        n => format!("{n} moved. "),
    };
    text += &match own.band(&fitted.stack) {
        Some(band) => format!(
            "Eight of ten next runs are meant to take {:.2} to {:.2} times the predicted time. ",
            band.low_ratio, band.high_ratio
        ),
        None if fitted.n_distinct < 2 => "One configuration tells no spread: the range stays that of its class. ".to_string(),
        None => String::new(),
    };
    let switches: Vec<String> = own.cases(&fitted.stack).iter().map(|c| (own.features)(c.row)).collect();
    if let Some(first) = switches.iter().find(|s| !s.is_empty()) {
        let _ = write!(text, "The rows state {first}: set the same in [software] of a scenario. ");
    }
    let _ = write!(text, "A scenario uses it with software.stack = \"{}\".", fitted.stack);
    vec![Span::plain(text)]
}

fn run_table(own: &Own<'_>, residuals: &[Residual<'_>]) -> Table {
    let numbers = ["Measured", "Before", "After", "Left out"];
    let columns = std::iter::once(Column::words("Run"))
        .chain(numbers.into_iter().enumerate().map(|(i, n)| {
            let column = Column::numbers(n);
            if i == 0 { column.unit("tokens/s") } else { column }
        }))
        .collect();
    let mut table = Table::new("Errors", columns);
    let percent = |ln: f64| Cell::quantity(ln.exp_m1(), Kind::Percent);
    table.rows = residuals
        .iter()
        .map(|r| {
            vec![
                Cell::Text((own.id)(r.case.row)),
                Cell::quantity(r.case.ln_measured.exp(), Kind::Rate("tokens/s")),
                percent(r.before),
                percent(r.after),
                percent(r.left_out),
            ]
        })
        .collect();
    table
        .notes
        .push("Predicted over measured throughput less one; above zero we promise too much.".to_string());
    table
}

/// Utilization of a case at its measured throughput, by convention.
fn utilization(case: &Case) -> [(&'static str, f64); 4] {
    FlopPerToken::of_layout(&case.scenario, &case.layout).utilization(case.ln_measured.exp())
}

fn utilization_table(own: &Own<'_>) -> Table {
    let numbers = ["MFU causal", "MFU full attention", "MFU 6N", "HFU"].map(Column::numbers);
    let mut table = Table::new(
        "Measured utilization by convention",
        std::iter::once(Column::words("Run")).chain(numbers).collect(),
    );
    let row = |case: &Case| {
        let values = utilization(case).map(|(_, v)| Cell::quantity(v, Kind::Percent));
        std::iter::once(Cell::Text((own.id)(case.row))).chain(values).collect()
    };
    table.rows = own.cases.iter().map(row).collect();
    table.notes.push(
        "Over the dense peak. Causal: attention counted half. Full attention: 6N + 12·L·H·Q·T of PaLM, arXiv 2204.02311. 6N: no attention, N the parameters that a token uses. HFU: what the devices execute, recomputation included."
            .to_string(),
    );
    table
}

/// For programs.
#[must_use]
pub fn json(own: &Own<'_>) -> Value {
    let residuals = own.residuals();
    let [before, after, left_out] = medians(&residuals);
    let stacks: Vec<Value> = own.fitted.iter().map(|f| stack_json(own, f)).collect();
    let rows: Vec<Value> = residuals
        .iter()
        .map(|r| {
            let utilization: serde_json::Map<String, Value> = utilization(r.case)
                .iter()
                .map(|(name, v)| ((*name).to_string(), object!(v)))
                .collect();
            object!({ "id": (own.id)(r.case.row), "stack": r.case.line[0],
                "measured_tokens_per_s_per_device": r.case.ln_measured.exp(),
                "relative_error_before": r.before.exp_m1(), "relative_error_after": r.after.exp_m1(),
                "relative_error_left_out": r.left_out.exp_m1(), "measured_utilization": utilization })
        })
        .collect();
    object!({
        "schema": "exaplan.calibrate/1",
        "n": residuals.len(),
        "median_ape_before": before,
        "median_ape_after": after,
        "median_ape_left_out": left_out,
        "stacks": stacks,
        "rows": rows,
    })
}

fn stack_json(own: &Own<'_>, fitted: &Fitted) -> Value {
    let cases = own.cases(&fitted.stack);
    let values = own.stacks(fitted).map(|(before, after)| {
        let pairs = parameters(&before).into_iter().zip(parameters(&after));
        let one = |(i, (old, new)): (usize, (f64, f64))| {
            let verdict = object!({ "before": old, "after": new, "told_by_runs": fitted.told[i],
                "verdict": verdict_name(fitted.verdicts[i]), "because": verdict_text(fitted.verdicts[i]) });
            (PARAMETERS[i].to_string(), verdict)
        };
        pairs.enumerate().map(one).collect::<serde_json::Map<_, _>>()
    });
    object!({
        "stack": fitted.stack,
        "n": fitted.n_runs,
        "n_distinct": fitted.n_distinct,
        "families": cases.iter().map(|c| c.family.as_str()).collect::<std::collections::BTreeSet<_>>(),
        "parameters": values,
        "singular_values": fitted.singular,
        "band": own.band(&fitted.stack).map(|b| object!({ "low_ratio": b.low_ratio, "high_ratio": b.high_ratio, "n_runs": b.n_runs })),
    })
}

fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Moved => "moved",
        Verdict::Held | Verdict::Alike(_) => "held",
        Verdict::Unseen => "not identifiable",
    }
}

/// The stacks as a catalog file that lies over the one they were fitted from: only what moved, and the
/// band of the next run.
#[must_use]
pub fn overlay(own: &Own<'_>) -> String {
    let mut out = String::from("format = 1\n");
    for fitted in own.fitted {
        let name = &fitted.stack;
        let _ = write!(
            out,
            "\n# {} runs of {} configurations. In a scenario:\n# [software]\n# stack = \"{name}\"\n",
            fitted.n_runs, fitted.n_distinct
        );
        let _ = writeln!(out, "[stack.{name}]\nextends = \"{name}\"");
        let source = format!("exaplan calibrate on {} runs", fitted.n_runs);
        let mut sources: BTreeMap<&str, &str> = BTreeMap::new();
        if let Some((_, after)) = own.stacks(fitted) {
            for (i, value) in parameters(&after).into_iter().enumerate() {
                if fitted.verdicts[i] == Verdict::Moved {
                    let _ = writeln!(out, "{} = {value:e}", PARAMETERS[i]);
                    sources.insert(PARAMETERS[i], &source);
                } else {
                    let _ = writeln!(out, "# {}: {}", PARAMETERS[i], verdict_text(fitted.verdicts[i]));
                }
            }
        }
        if !sources.is_empty() {
            let _ = writeln!(out, "\n[stack.{name}.sources]");
            for (key, text) in sources {
                let _ = writeln!(out, "{key} = \"{text}\"");
            }
        }
        if let Some(band) = own.band(name) {
            let _ = writeln!(
                out,
                "\n[stack.{name}.own]\nof = \"{name}\"\nlow_ratio = {:.4}\nhigh_ratio = {:.4}\nn_runs = {}\nsource = \"{source}, each configuration left out\"",
                band.low_ratio, band.high_ratio, band.n_runs
            );
        }
    }
    out
}
