//! A comparison for programs.

use super::{Case, Comparison, WhatIf};
use crate::plan::Plan;
use crate::report::plan::provenance_json;
use crate::study::compare::Difference;
use crate::study::metric::Metric;
use serde_json::{Map, Value, json};

/// For programs: schema `exaplan.compare/1`.
#[must_use]
pub fn json(shown: &Comparison) -> Value {
    let first = shown.cases.first().map_or('A', |c| c.letter);
    let others = shown.cases.iter().skip(1).zip(&shown.differences);
    json!({
        "schema": "exaplan.compare/1",
        "scenarios": shown.cases.iter().map(case_json).collect::<Vec<_>>(),
        "differences": others.map(|(case, list)| json!({
            "from": first.to_string(),
            "to": case.letter.to_string(),
            "totals": list.iter().map(difference_json).collect::<Map<_, _>>(),
        })).collect::<Vec<_>>(),
        "what_if": shown.what_ifs.iter().map(what_if_json).collect::<Vec<_>>(),
    })
}

fn totals_json(plan: &Plan) -> Map<String, Value> {
    Metric::OF_RUN.iter().map(|m| (m.key().to_string(), json!(m.of(plan)))).collect()
}

fn case_json(case: &Case) -> Value {
    let plan = &case.plan;
    json!({
        "letter": case.letter.to_string(),
        "asked": case.asked,
        "name": plan.scenario.name,
        "layout": crate::report::plan::json::layout(&plan.layout),
        "n_devices": plan.step.n_devices,
        "step_time_s": plan.step.time_s,
        "mfu": plan.step.mfu,
        "goodput": plan.run.goodput,
        "totals": totals_json(plan),
        "provenance": provenance_json(&plan.provenance),
    })
}

fn difference_json(d: &Difference) -> (String, Value) {
    let causes: Map<String, Value> = d.causes.iter().map(|s| (s.cause.key().to_string(), json!(s.value))).collect();
    let mut inside: Map<String, Value> = Map::new();
    for i in &d.inside {
        let group = inside.entry(i.cause.key()).or_insert_with(|| json!({}));
        group[i.part] = json!(i.value);
    }
    let value = json!({
        "from": d.totals[0],
        "to": d.totals[1],
        "change": d.change(),
        "causes": causes,
        "inside": inside,
    });
    (d.metric.key().to_string(), value)
}

fn what_if_json(one: &WhatIf) -> Value {
    json!({
        "path": one.path,
        "value": one.value,
        "totals": one.plan.as_ref().ok().map(totals_json),
        "why_not": one.plan.as_ref().err(),
    })
}
