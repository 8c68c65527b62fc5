//! `size --json`.

use super::super::plan;
use super::{Shown, command, market, provenance};
use crate::study::size::{Bound, Case, Machine, Marginal, Outcome, Row};
use serde_json::{Map, Value, json};

/// `exaplan.size/1`.
#[must_use]
pub fn size(shown: &Shown<'_>) -> Value {
    let (question, answer) = (shown.question, shown.answer);
    let best = answer.best.as_ref().zip(answer.machines.first()).map(|(best, outcome)| {
        let mut value = case(shown, &outcome.machine, &best.case);
        value["title"] = json!(outcome.machine.base.cluster.node.title);
        value["fabric"] = json!({ "scale_up": outcome.machine.base.scale_up.name, "scale_out": outcome.machine.base.scale_out.name });
        value["curve"] = best.curve.iter().map(|c| case(shown, &outcome.machine, c)).collect();
        let marginal = |m: &Option<Marginal>| {
            m.as_ref().map(|m| {
                json!({
                    "to_nodes": m.to.n_nodes,
                    "more_nodes": m.n_more_nodes,
                    "node_saves_s": m.saved_s,
                    "node_saves_usd": m.saved_usd,
                    "node_saves_kg_co2e": m.saved_kg_co2e,
                })
            })
        };
        value["marginal"] = json!({ "next": marginal(&best.next), "steepest": marginal(&best.steepest) });
        value["overrides"] = json!(best.overrides);
        value["command"] = json!(command(shown, &best.overrides));
        value["planned"] = json!({
            "wall_s": best.plan.run.wall_s,
            "cost_usd": best.plan.bill.cost.total_usd,
            "mean_w": best.plan.bill.energy.mean_w,
            "carbon_kg_co2e": best.plan.bill.carbon.total_location_kg_co2e,
            "step_time_s": best.plan.step.time_s,
        });
        value["provenance"] = provenance(best);
        value
    });
    json!({
        "schema": "exaplan.size/1",
        "scenario": shown.scenario.name,
        "objective": question.objective.name(),
        "limits": limits(shown),
        "exhaustive": question.exhaustive,
        "best": best,
        "machines": answer.machines.iter().map(|o| outcome(shown, o)).collect::<Vec<_>>(),
        "skipped": answer.skipped.iter().map(|(name, why)| json!({ "accelerator": name, "reason": why })).collect::<Vec<_>>(),
        "elapsed_s": shown.elapsed_s,
        "catalog_digest": shown.catalog_digest,
    })
}

fn limits(shown: &Shown<'_>) -> Value {
    let limits = &shown.question.limits;
    json!({
        "wall_s": limits.wall_s,
        "cost_usd": limits.cost_usd,
        "facility_w": limits.facility_w,
        "carbon_kg_co2e": limits.carbon_kg_co2e,
        "devices": shown.question.most_devices,
    })
}

fn outcome(shown: &Shown<'_>, o: &Outcome) -> Value {
    let one = |c: &Case| case(shown, &o.machine, c);
    let base = &o.machine.base;
    json!({
        "accelerator": o.machine.accelerator,
        "node": base.cluster.node.name,
        "node_devices": base.cluster.node.n_devices,
        "scale_up": base.scale_up.name,
        "scale_out": base.scale_out.name,
        "least_nodes_at_peak": o.least_nodes,
        "n_counts": o.n_counts,
        "n_planned": o.n_planned,
        "nothing_fits": o.nothing_fits,
        "providers": o.rows.iter().map(|r| row(shown, o, r)).collect::<Vec<_>>(),
        "relaxed": o.relaxed.iter().map(|(b, c)| (b.name().to_string(), one(c))).collect::<Map<_, _>>(),
        "counts": o.cases.iter().map(one).collect::<Vec<_>>(),
    })
}

fn row(shown: &Shown<'_>, o: &Outcome, r: &Row) -> Value {
    let one = |c: &Option<Case>| c.as_ref().map(|c| case(shown, &o.machine, c));
    json!({ "provider": r.provider, "best": one(&r.best), "miss": one(&r.miss) })
}

fn case(shown: &Shown<'_>, machine: &Machine, c: &Case) -> Value {
    let m = market(machine, c);
    let finite = |share: f64| if share.is_finite() { json!(share) } else { Value::Null };
    json!({
        "accelerator": machine.accelerator,
        "node": machine.base.cluster.node.name,
        "nodes": c.n_nodes,
        "devices": c.n_devices,
        "provider": m.provider,
        "offer": m.offer.as_ref().map(|o| json!({
            "name": o.name,
            "usd_per_device_hour": o.usd_per_device_hour.base_usd,
            "commitment": o.commitment.name(),
            "as_of": o.as_of,
        })),
        "region": m.region.name,
        "place_assumed": m.place_assumed,
        "fits": c.fits(shown.question),
        "shares": c.shares(shown.question).map(|(b, s): (Bound, f64)| (b.name().to_string(), finite(s))).collect::<Map<_, _>>(),
        "wall_s": c.wall_s,
        "cost_usd": c.cost_usd,
        "energy_j": c.energy_j,
        "mean_w": c.mean_w,
        "peak_w": c.peak_w,
        "carbon_kg_co2e": c.carbon_kg_co2e,
        "step_time_s": c.step_time_s,
        "mfu": c.mfu,
        "goodput": c.goodput,
        "layout": plan::json::layout(&c.layout),
    })
}
