//! Where a number of a plan comes from: formula, what goes in, and the operations behind it.

pub mod failures;
mod ops;
pub mod slow;
pub mod timeline;
pub mod topics;

use super::{Block, Cell, Column, Document, KeyValue, Span, Table, plan as plan_report};
use crate::catalog::{self, Catalog, show};
use crate::error::{Diagnostic, Result, nearest};
use crate::plan::Plan;
use crate::step::Explained;
use serde_json::{Value, json};
use topics::{Input, Topic};

/// An explained number.
#[derive(Debug)]
pub struct Explanation {
    /// What was asked for.
    pub path: String,
    /// What explains it.
    pub topic: &'static Topic,
    /// Its value.
    pub value: Value,
    inputs: Vec<(String, Value, String)>,
    ops: Vec<Explained>,
}

/// Explain the number at `path` of the plan's JSON.
///
/// # Errors
/// When there is none; the message names the nearest.
pub fn explain(plan: &Plan, catalog: &Catalog, path: &str) -> Result<Explanation> {
    let whole = plan_report::json::plan(plan);
    let below = |t: &&Topic| path == t.path || path.strip_prefix(t.path).is_some_and(|rest| rest.starts_with('.'));
    let topic = topics::all().filter(below).max_by_key(|t| t.path.len());
    // A table that has a total stands for it, `memory` for its peak.
    let found = at(&whole, path)
        .map(|v| v.get("total").or_else(|| v.get("peak_bytes")).unwrap_or(v))
        .filter(|v| !v.is_object() && !v.is_array());
    let (Some(topic), Some(value)) = (topic, found) else {
        return Err(unknown(&whole, path).into());
    };
    let inputs = topic
        .inputs
        .iter()
        .filter(|i| i.path != path)
        .filter_map(|i| input(plan, catalog, &whole, i))
        .collect();
    Ok(Explanation {
        path: path.to_string(),
        topic,
        value: value.clone(),
        inputs,
        ops: ops::list(plan, topic.ops),
    })
}

/// Every path with its value and formula.
#[must_use]
pub fn overview(plan: &Plan) -> Document {
    let whole = plan_report::json::plan(plan);
    let mut table = Table::new("", vec![Column::words("Path"), Column::numbers("Value"), Column::words("Formula")]);
    table.rows = topics::all()
        .filter_map(|t| {
            // A topic that stands for a table shows its total.
            let v = at(&whole, t.path)?;
            let v = v
                .get("total")
                .or_else(|| v.get("peak_bytes"))
                .or_else(|| v.get("total_s"))
                .or_else(|| v.get("mean"))
                .or_else(|| v.get("usd_per_device_hour"))
                .unwrap_or(v);
            // Columns of different quantities: each with its own unit.
            Some(vec![t.path.into(), Cell::Text(cell(t.path, v).human()), t.formula.into()])
        })
        .collect();
    document(plan, "What can be explained: exaplan explain PATH", vec![Block::Table(table)])
}

fn document(plan: &Plan, title: &str, blocks: Vec<Block>) -> Document {
    Document {
        title: title.to_string(),
        subtitle: plan.scenario.name.clone(),
        blocks,
        provenance: plan_report::provenance_line(&plan.provenance),
    }
}

impl Explanation {
    /// For people.
    #[must_use]
    pub fn document(&self, plan: &Plan) -> Document {
        let answer = KeyValue::new(&self.path, cell(&self.path, &self.value)).answer();
        let mut says = vec![Span::strong("= "), Span::plain(self.topic.formula)];
        if !self.topic.source.is_empty() {
            says.push(Span::plain(format!(" ({})", self.topic.source)));
        }
        let mut blocks = vec![Block::KeyValues(vec![answer]), Block::Paragraph(says)];
        if !self.inputs.is_empty() {
            let mut table = Table::new(
                "What goes in",
                vec![Column::words("Number"), Column::numbers("Value"), Column::words("From")],
            );
            let row = |(path, value, source): &(String, Value, String)| {
                vec![
                    Cell::Text(path.clone()),
                    Cell::Text(cell(path, value).human()),
                    Cell::Text(source.clone()),
                ]
            };
            table.rows = self.inputs.iter().map(row).collect();
            blocks.push(Block::Table(table));
        }
        if !self.ops.is_empty() {
            blocks.push(Block::Table(ops::table(plan, &self.ops)));
        }
        document(plan, &format!("Where {} comes from", self.path), blocks)
    }

    /// For programs: schema `exaplan.explain/1`.
    #[must_use]
    pub fn json(&self, plan: &Plan) -> Value {
        json!({
            "schema": "exaplan.explain/1",
            "path": self.path,
            "value": self.value,
            "formula": self.topic.formula,
            "source": Some(self.topic.source).filter(|s| !s.is_empty()),
            "inputs": self.inputs.iter().map(|(path, value, from)| json!({"path": path, "value": value, "from": from})).collect::<Vec<_>>(),
            "ops": ops::json(&self.ops),
            "provenance": plan_report::provenance_json(&plan.provenance),
        })
    }
}

fn at<'a>(whole: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(whole, |value, key| value.get(key))
}

fn input(plan: &Plan, catalog: &Catalog, whole: &Value, input: &Input) -> Option<(String, Value, String)> {
    let value = at(whole, input.path).filter(|v| !v.is_null())?;
    // A part that takes no time says nothing.
    if value.as_f64() == Some(0.0) && input.from.is_none() {
        return None;
    }
    let source = match input.from {
        Some((kind, key)) => fact(plan, catalog, kind, key).unwrap_or_else(|| "the scenario".to_string()),
        None => assumed(plan, input.path).unwrap_or_else(|| explained(input.path)),
    };
    Some((input.path.to_string(), value.clone(), source))
}

fn explained(path: &str) -> String {
    match path.split('.').next() {
        Some("scenario") => "the scenario".to_string(),
        _ if topics::all().any(|t| path.starts_with(t.path)) => format!("exaplan explain {path}"),
        _ => String::new(),
    }
}

/// The source of a value that the scenario left open.
fn assumed(plan: &Plan, path: &str) -> Option<String> {
    let key = match path {
        "inputs.storage_bytes_per_s" => "cluster.storage",
        "inputs.peak_flop_per_s" => "accelerator",
        _ => return None,
    };
    plan.scenario.assumptions.iter().find(|a| a.key == key).map(|a| a.source.clone())
}

/// The source of a catalog value of this scenario.
fn fact(plan: &Plan, catalog: &Catalog, kind: catalog::Kind, key: &str) -> Option<String> {
    let s = &plan.scenario;
    let name = match kind {
        catalog::Kind::Accelerator => &s.accelerator.name,
        catalog::Kind::Node => &s.cluster.node.name,
        catalog::Kind::Region => &s.region.name,
        catalog::Kind::Grid => &s.region.grid.name,
        catalog::Kind::Reliability => &s.cluster.reliability.name,
        catalog::Kind::Finance => &s.finance.name,
        catalog::Kind::Offer => &s.offer.as_ref()?.name,
        _ => return None,
    };
    let entry = catalog.entries(kind).get(name)?;
    let found = show::facts(entry).into_iter().find(|f| f.key == key);
    let source = found.and_then(|f| f.source).unwrap_or_else(|| "a default".to_string());
    Some(format!("{} {name}: {source}", kind.name()))
}

/// How people see a number, told by its name.
fn cell(path: &str, value: &Value) -> Cell {
    if let Some(text) = value.as_str() {
        return Cell::Text(text.to_string());
    }
    let Some(number) = value.as_f64() else { return Cell::Missing };
    super::names::cell(path, number)
}

fn unknown(whole: &Value, path: &str) -> Diagnostic {
    let mut paths: Vec<String> = topics::all().map(|t| t.path.to_string()).collect();
    paths.push("timeline".to_string());
    leaves("", whole, &mut paths);
    let known = paths.iter().map(String::as_str);
    let last = path.rsplit('.').next().unwrap_or(path);
    let by_last = paths.iter().map(String::as_str).find(|p| p.rsplit('.').next() == Some(last));
    let guess = nearest(path, known)
        .or(by_last)
        .map_or(String::new(), |n| format!("did you mean `{n}`? "));
    Diagnostic::new(format!("no number of a plan is called `{path}`")).help(format!("{guess}`exaplan explain` lists what there is"))
}

fn leaves(path: &str, value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                leaves(&if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, inner, out);
            }
        }
        Value::Number(_) if ["step.", "memory.", "run.", "bill.", "model."].iter().any(|p| path.starts_with(p)) => {
            out.push(path.to_string())
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
