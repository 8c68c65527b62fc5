//! The best size and data for a machine.

use super::super::{Block, Cell, Column, Document, KeyValue, Kind, Span, Table, plan};
use super::{beyond, beyond_json, interval_note, law_json, number, params, range_json, tokens};
use crate::scale::machine::{Candidate, Found};
use crate::scale::question::Question;
use serde_json::{Value, json};

/// What is shown.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The answer.
    pub found: &'a Found,
    /// The question.
    pub question: &'a Question,
    /// Name or path of the scenario and its own overrides, to write the command that plans the answer.
    pub scenario: (&'a str, &'a [String]),
    /// How long it took.
    pub elapsed_s: f64,
}

/// For people.
#[must_use]
pub fn document(shown: &Shown<'_>) -> Document {
    let found = shown.found;
    let mut blocks = vec![Block::KeyValues(summary(shown)), Block::Table(sizes(found))];
    if found.batches.len() > 1 {
        blocks.push(Block::Table(batches(shown)));
    }
    blocks.extend(beyond(&found.beyond));
    blocks.push(Block::Paragraph(vec![Span::plain(super::convention(&shown.question.law))]));
    blocks.push(Block::Paragraph(vec![Span::strong("Plan it: "), Span::plain(command(shown))]));
    let plan = &found.best.plan;
    Document {
        title: "Best size and data for this machine".to_string(),
        subtitle: plan::subtitle(&plan.scenario),
        blocks,
        provenance: format!(
            "{}; {}",
            super::provenance(Some(&shown.question.law)),
            plan::provenance_line(&plan.provenance)
        ),
    }
}

/// The command that plans the answer.
#[must_use]
pub fn command(shown: &Shown<'_>) -> String {
    let (name, own) = shown.scenario;
    let sets: Vec<String> = own.iter().chain(&shown.found.overrides).map(|o| format!("--set '{o}'")).collect();
    format!("exaplan plan {name} {}", sets.join(" "))
}

fn summary(shown: &Shown<'_>) -> Vec<KeyValue> {
    let Shown {
        found,
        question,
        elapsed_s,
        ..
    } = shown;
    let best = &found.best;
    let plan = &best.plan;
    let (run, bill) = (&plan.run, &plan.bill);
    let shelf: Vec<f64> = found.shelf().map(|c| c.plan.counts.params_total).collect();
    let (low, high) = shelf.iter().fold((f64::MAX, 0.0f64), |(l, h), n| (l.min(*n), h.max(*n)));
    let size = if question.mixing.is_some() {
        format!("{} active", params(plan.counts.params_active).human())
    } else {
        plan.scenario.workload.model.title.clone()
    };
    let ratio = crate::units::significant(plan.scenario.workload.total_tokens / plan.counts.params_active);
    let mut list = vec![
        KeyValue::new("Size", params(plan.counts.params_total)).note(size).answer(),
        KeyValue::new("Data", tokens(plan.scenario.workload.total_tokens))
            .note(format!("{ratio} tokens per parameter"))
            .answer(),
        KeyValue::new("Loss", number(best.loss))
            .note(interval_note(found.loss_interval, number))
            .answer(),
        KeyValue::new("Bound", best.binding.into()).note("what is used up first").answer(),
        KeyValue::new("Time", Cell::quantity(run.wall_s, Kind::Duration)).note(format!("goodput {}", Kind::Percent.human(run.goodput))),
    ];
    if let Some(usd) = bill.cost.total_usd {
        list.push(KeyValue::new("Cost", Cell::quantity(usd, Kind::Usd)));
    }
    list.push(KeyValue::new("Energy", Cell::quantity(bill.energy.facility_j, Kind::Energy)));
    list.push(
        KeyValue::new("Carbon", Cell::quantity(bill.carbon.total_location_kg_co2e, Kind::Carbon))
            .note("electricity by location, and making the servers"),
    );
    list.push(KeyValue::new("MFU", Cell::quantity(plan.step.mfu, Kind::Percent)).note(plan.layout.to_string()));
    let overhead = question
        .batch_cost
        .as_ref()
        .map(|c| (c.overhead(best.batch_tokens, best.at.n_tokens), c.critical_tokens(best.at.n_tokens)));
    let note = overhead.map_or_else(String::new, |(over, critical)| {
        format!(
            "{} more tokens than a small batch needs; critical batch {}",
            Kind::Percent.human(over - 1.0),
            tokens(critical).human()
        )
    });
    list.push(KeyValue::new("Batch", tokens(best.batch_tokens)).note(note));
    list.push(
        KeyValue::new("Shelf", Cell::Text(format!("{} to {}", params(low).human(), params(high).human())))
            .note("sizes tried whose loss is within 1 %: smaller ones serve cheaper"),
    );
    if let Some(unique) = question.unique_tokens {
        let epochs = Cell::quantity(plan.scenario.workload.total_tokens / unique, Kind::Plain(2));
        list.push(KeyValue::new("Epochs", epochs).note(format!("over {} of unique tokens", tokens(unique).human())));
    }
    #[allow(clippy::cast_precision_loss)]
    let layouts = Cell::Count(found.n_layouts as f64);
    list.push(KeyValue::new("Looked at", layouts).note(format!(
        "layouts of {} sizes in {}",
        found.sizes.len(),
        crate::units::duration(*elapsed_s)
    )));
    list
}

fn sizes(found: &Found) -> Table {
    let columns = vec![
        Column::numbers("Size"),
        Column::numbers("Data"),
        Column::numbers("Loss"),
        Column::numbers("Above best"),
        Column::numbers("MFU"),
        Column::numbers("Batch"),
        Column::words("Bound"),
        Column::words("Layout"),
    ];
    let mut table = Table::new("Sizes", columns);
    for c in &found.sizes {
        table.rows.push(vec![
            params(c.plan.counts.params_total),
            tokens(c.plan.scenario.workload.total_tokens),
            number(c.loss),
            Cell::quantity(c.loss / found.best.loss - 1.0, Kind::Percent),
            Cell::quantity(c.plan.step.mfu, Kind::Percent),
            tokens(c.batch_tokens),
            c.binding.into(),
            Cell::Text(c.plan.layout.to_string()),
        ]);
    }
    table
}

fn batches(shown: &Shown<'_>) -> Table {
    let columns = vec![
        Column::numbers("Batch"),
        Column::numbers("Step"),
        Column::numbers("Data"),
        Column::numbers("Overhead"),
        Column::numbers("Loss"),
        Column::numbers("Data parallel"),
    ];
    let mut table = Table::new("Batches of the best size", columns);
    for c in &shown.found.batches {
        let cost = shown.question.batch_cost.as_ref();
        let overhead = cost.map(|b| b.overhead(c.batch_tokens, c.at.n_tokens) - 1.0);
        table.rows.push(vec![
            tokens(c.batch_tokens),
            Cell::quantity(c.plan.step.time_s, Kind::Duration),
            tokens(c.plan.scenario.workload.total_tokens),
            overhead.map_or(Cell::Missing, |o| Cell::quantity(o, Kind::Percent)),
            number(c.loss),
            Cell::Count(f64::from(c.plan.layout.data)),
        ]);
    }
    table
        .notes
        .push("A wider batch hides communication and costs tokens past the critical batch.".to_string());
    table
}

/// For programs.
#[must_use]
pub fn json(shown: &Shown<'_>) -> Value {
    let Shown {
        found,
        question,
        elapsed_s,
        ..
    } = shown;
    let best = &found.best;
    let one = |c: &Candidate| {
        json!({
            "params": c.plan.counts.params_total,
            "params_active": c.plan.counts.params_active,
            "tokens": c.plan.scenario.workload.total_tokens,
            "loss": c.loss,
            "mfu": c.plan.step.mfu,
            "step_time_s": c.plan.step.time_s,
            "batch_tokens": c.batch_tokens,
            "wall_s": c.plan.run.wall_s,
            "binding": c.binding,
            "layout": plan::json::layout(&c.plan.layout),
        })
    };
    let mut value = one(best);
    value["schema"] = json!("exaplan.scale-optimal-machine/1");
    value["law"] = law_json(&question.law);
    value["loss_interval"] = range_json(found.loss_interval);
    value["beyond"] = beyond_json(&found.beyond);
    value["cost_usd"] = json!(best.plan.bill.cost.total_usd);
    value["energy_j"] = json!(best.plan.bill.energy.facility_j);
    value["carbon_kg_co2e"] = json!(best.plan.bill.carbon.total_location_kg_co2e);
    value["n_devices"] = json!(best.plan.scenario.n_devices());
    value["epochs"] = json!(question.unique_tokens.map(|u| best.plan.scenario.workload.total_tokens / u));
    value["shelf"] = found.shelf().map(one).collect();
    value["sizes"] = found.sizes.iter().map(one).collect();
    value["batches"] = found.batches.iter().map(one).collect();
    value["overrides"] = json!(found.overrides);
    value["command"] = json!(command(shown));
    value["n_layouts"] = json!(found.n_layouts);
    value["elapsed_s"] = json!(elapsed_s);
    value
}
