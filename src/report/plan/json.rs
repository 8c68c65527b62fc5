//! `plan --json`: schema `exaplan.plan/1`, a contract. Fields are added, never renamed.
//!
//! Numbers are unrounded SI values; what is unknown is null. `json!` writes null for a number that
//! is not finite, so NaN cannot appear.

mod bill;

use crate::catalog::{Band, Cause};
use crate::layout::memory::MemoryBudget;
use crate::layout::{Layout, Recompute, Split};
use crate::lint;
use crate::plan::{PhasePlan, Plan, Quantiles, Ranges, Scenario, ranges, step_gantt};
use crate::report::explain::timeline::effects_json;
use crate::report::names::kind_of;
use crate::report::{Cell, Column, Kind, Table, opening, timeline};
use crate::run::Run;
use crate::step::Step;
use crate::study::sensitivity::what_next;
use serde_json::{Map, Value, json};

/// What `step.mfu` counts and divides by.
pub const FLOP_CONVENTION: &str = "causal model FLOPs over dense peak";

/// The whole plan as one object.
#[must_use]
pub fn plan(plan: &Plan) -> Value {
    json!({
        "schema": "exaplan.plan/1",
        "scenario": scenario(&plan.scenario),
        "inputs": inputs(&plan.scenario),
        "model": model(plan),
        "layout": with_layers(plan),
        "step": step(&plan.step),
        "timeline": step_gantt(plan).as_ref().map(timeline::json),
        "what_next": effects_json(&what_next(plan)),
        "memory": memory(&plan.step.memory),
        "run": run(plan),
        "bill": bill::bill(plan),
        "ranges": ranges(plan).as_ref().map(ranges_json),
        "ranges_note": ranges(plan).map_or_else(|| super::NO_RANGE.to_string(), |_| super::range_note(plan)),
        "band": plan.scenario.band.as_ref().map(band),
        "warnings": lint::warnings(plan).iter().map(|w| json!({"code": w.code, "message": w.message, "remedy": w.remedy})).collect::<Vec<_>>(),
        "evidence": plan.step.evidence.iter().map(|(grade, share)| (grade.name().to_string(), json!(share))).collect::<Map<_, _>>(),
        "assumptions": plan.scenario.assumptions.iter().map(|a| json!({"key": a.key, "value": a.value, "source": a.source})).collect::<Vec<_>>(),
        "ties": plan.ties.iter().map(layout).collect::<Vec<_>>(),
        "provenance": super::provenance_json(&plan.provenance),
    })
}

fn scenario(s: &Scenario) -> Value {
    let (workload, cluster, limits) = (&s.workload, &s.cluster, &s.limits);
    json!({
        "name": s.name,
        "model": workload.model.name,
        "tokens": workload.total_tokens,
        "sequence_tokens": workload.seq_len_tokens,
        "global_batch_sequences": workload.global_batch_seqs,
        "precision": workload.precision.compute.name(),
        "accelerator": s.accelerator.name,
        "node": cluster.node.name,
        "n_nodes": cluster.n_nodes,
        "n_devices": s.n_devices(),
        "fabric": cluster.node.scale_out,
        "region": s.region.name,
        "stack": s.stack.name,
        "profile": s.profile.as_ref().map(|p| &p.name),
        "limits": {
            "wall_s": limits.wall_s,
            "cost_usd": limits.cost_usd,
            "facility_w": limits.facility_w,
            "carbon_kg_co2e": limits.carbon_kg_co2e,
            "peak_w": limits.peak_w,
        },
    })
}

/// Numbers of the catalog that the results rest on most, for `explain`.
fn inputs(s: &Scenario) -> Value {
    let (node, region, finance, reliability) = (&s.cluster.node, &s.region, &s.finance, &s.cluster.reliability);
    json!({
        "peak_flop_per_s": s.accelerator.peak.matrix_flop_per_s(s.workload.precision.compute),
        "storage_bytes_per_s": s.cluster.storage_bytes_per_s,
        "node_mtbf_s": reliability.node_mtbf_s,
        "unscreened_factor": reliability.unscreened_factor,
        "burn_in_factor": reliability.burn_in_factor,
        "detect_s": reliability.detect_s,
        "hang_detect_s": reliability.hang_detect_s,
        "silent_detect_s": reliability.silent_detect_s,
        "restart_s": reliability.restart_s,
        "warm_up_s": reliability.warm_up_s,
        "compile_s": reliability.compile_s,
        "slow_node_mtbf_s": reliability.slow_node_mtbf_s,
        "slow_factor": reliability.slow_factor,
        "slow_found_s": reliability.slow_found_s,
        "repair_s": reliability.repair_s,
        "spares": reliability.spares,
        "planned_s_per_day": reliability.planned_s_per_day,
        "node_idle_w": node.idle_w,
        "node_active_w": node.active_w,
        "network_power_fraction": finance.network_power_fraction,
        "pue": region.pue,
        "grid_kg_co2e_per_kwh": region.grid.location_kg_co2e_per_kwh,
        "node_embodied_kg_co2e": node.embodied_kg_co2e,
        "wue_l_per_kwh": region.wue_l_per_kwh,
        "grid_water_l_per_kwh": region.grid.water_l_per_kwh,
        "electricity_usd_per_kwh": region.electricity_usd_per_kwh,
        "node_price_usd": node.price.map(|p| p.base_usd),
        "network_fraction": finance.network_fraction,
        "life_s": finance.life_s,
        "utilization_fraction": finance.utilization_fraction,
        "capital_rate_fraction": finance.capital_rate_fraction,
    })
}

fn model(plan: &Plan) -> Value {
    let counts = &plan.counts;
    json!({
        "params_total": counts.params_total,
        "params_active": counts.params_active,
        "train_flop_per_token": counts.train_flop_per_token,
        "train_flop_per_token_full_attention": counts.train_flop_per_token_full,
    })
}

/// The plan's layout; layers that are not even are told chunk by chunk.
fn with_layers(plan: &Plan) -> Value {
    let mut out = layout(&plan.layout);
    if plan.layout.split != Split::Even {
        out["stage_layers"] = json!(plan.layout.layers(plan.scenario.workload.model.n_layers));
    }
    out
}

/// A layout under the keys of a scenario's `[layout]`.
#[must_use]
pub fn layout(l: &Layout) -> Value {
    json!({
        "tensor": l.tensor,
        "context": l.context,
        "pipeline": l.pipeline,
        "virtual_stages": l.virtual_stages,
        "expert": l.expert,
        "expert_tensor": l.expert_tensor,
        "data": l.data,
        "sharding": l.sharding.name(),
        "replicas": l.replicas,
        "micro_batch": l.micro_batch_seqs,
        "schedule": l.schedule_name(),
        "recompute": l.recompute.name(),
        "recompute_layers": if let Recompute::Layers(n) = l.recompute { Some(n) } else { None },
        "sequence_parallel": l.sequence_parallel,
        "offload": l.offload.name(),
        "overlap": l.overlap.list().into_iter().map(|(name, on)| (name.to_string(), json!(on))).collect::<Map<_, _>>(),
        "stage_layers": if let Split::Explicit(list) = l.split { Some(list) } else { None },
    })
}

fn step(s: &Step) -> Value {
    json!({
        "time_s": s.time_s,
        "tokens": s.tokens,
        "tokens_per_s_per_device": s.tokens_per_s_per_device(),
        "mfu": s.mfu,
        "hfu": s.hfu,
        "flop_convention": FLOP_CONVENTION,
        "model_flop": s.model_flop,
        "model_flop_full_attention": s.model_flop_full_attention,
        "hardware_flop": s.hardware_flop,
        "model_flop_per_s_per_device": s.per_s_per_device(s.model_flop),
        "model_flop_full_attention_per_s_per_device": s.per_s_per_device(s.model_flop_full_attention),
        "parts": named(s.parts.list()),
    })
}

/// What the ranges rest on.
fn band(b: &Band) -> Value {
    json!({
        "class": b.name,
        "low_ratio": b.low_ratio,
        "high_ratio": b.high_ratio,
        "n_families": b.n_families,
        "n_runs": b.n_runs,
    })
}

fn ranges_json(r: &Ranges) -> Value {
    let of = |q: &Quantiles| json!({ "p10": q.p10, "p50": q.p50, "p90": q.p90 });
    json!({
        "step_time_s": of(&r.step_time_s),
        "wall_s": of(&r.wall_s),
        "cost_usd": r.cost_usd.as_ref().map(of),
        "energy_j": of(&r.energy_j),
        "carbon_kg_co2e": of(&r.carbon_kg_co2e),
    })
}

fn named<const N: usize>(list: [(&'static str, f64); N]) -> Map<String, Value> {
    list.into_iter().map(|(name, value)| (name.to_string(), json!(value))).collect()
}

fn memory(stages: &[MemoryBudget]) -> Value {
    let full = super::fullest(stages);
    let stages: Vec<Value> = stages.iter().map(stage).collect();
    json!({
        "peak_bytes": full.map(MemoryBudget::peak_bytes),
        "allocated_bytes": full.map(MemoryBudget::allocated_bytes),
        "capacity_bytes": full.map(|b| b.capacity_bytes),
        "fullest_stage": full.map(|b| b.stage),
        "stages": stages,
    })
}

fn stage(b: &MemoryBudget) -> Value {
    json!({
        "stage": b.stage,
        "weights_bytes": b.weights_bytes,
        "gradients_bytes": b.gradients_bytes,
        "optimizer_bytes": b.optimizer_bytes,
        "activations_bytes": b.activations_bytes,
        "buffers_bytes": b.buffers_bytes,
        "reserve_bytes": b.reserve_bytes,
        "allocated_bytes": b.allocated_bytes(),
        "peak_bytes": b.peak_bytes(),
        "capacity_bytes": b.capacity_bytes,
        "headroom_bytes": b.headroom_bytes(),
        "host_bytes": b.host_bytes,
    })
}

fn run(plan: &Plan) -> Value {
    let r: &Run = &plan.run;
    let mut lost = named(r.lost.list());
    lost.insert("total_s".to_string(), json!(r.lost.total_s()));
    json!({
        "n_steps": r.n_steps,
        "ideal_s": r.ideal_s,
        "wall_s": r.wall_s,
        "goodput": r.goodput,
        "expected_failures": r.expected_failures,
        "job_mtbf_s": r.job_mtbf_s,
        "checkpoint_every_s": r.checkpoint_every_s,
        "checkpoint_write_s": r.checkpoint_write_s,
        "checkpoint_stall_s": r.checkpoint_stall_s,
        "checkpoint_load_s": r.checkpoint_load_s,
        "checkpoint_bytes": plan.checkpoint_bytes,
        "checkpoint": plan.scenario.course.saving.mode.name(),
        "unscreened_fraction": r.unscreened_fraction,
        "stops": Cause::ALL.iter().zip(r.stops).map(|((name, _), n)| ((*name).to_string(), json!(n))).collect::<Map<_, _>>(),
        "phases": plan.phases.iter().map(phase).collect::<Vec<_>>(),
        "thrashing": r.thrashing,
        "lost": lost,
    })
}

fn phase(p: &PhasePlan) -> Value {
    json!({
        "name": p.phase.name,
        "tokens": p.phase.total_tokens,
        "sequence_tokens": p.phase.seq_len_tokens,
        "global_batch_sequences": p.phase.global_batch_seqs,
        "layout": layout(&p.layout),
        "step_time_s": p.step.time_s,
        "mfu": p.step.mfu,
        "n_steps": p.n_steps(),
        "ideal_s": p.ideal_s(),
    })
}

/// The plan as rows for spreadsheets: what it is, then every value of the JSON that is not in a list.
#[must_use]
pub fn rows(whole: &Plan) -> Table {
    let mut cells = opening::rows(whole);
    flatten("", &plan(whole), &mut cells);
    let mut table = Table::new("", ["Name", "Value", "Unit"].map(Column::words).into());
    table.rows = cells
        .into_iter()
        .map(|(name, cell)| {
            let unit = cell.raw().and_then(|_| kind_of(&name)).map(Kind::suffix);
            vec![Cell::Text(name), cell, unit.map_or(Cell::Missing, Cell::Text)]
        })
        .collect();
    table
}

fn flatten(path: &str, value: &Value, out: &mut Vec<(String, Cell)>) {
    let cell = match value {
        Value::Object(map) => {
            for (key, inner) in map {
                flatten(&if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, inner, out);
            }
            return;
        }
        Value::Array(_) => return,
        Value::Null => Cell::Missing,
        Value::Bool(b) => Cell::Text(b.to_string()),
        Value::Number(n) => n.as_f64().map_or(Cell::Missing, |v| Cell::quantity(v, Kind::Plain(6))),
        Value::String(s) => Cell::Text(s.clone()),
    };
    out.push((path.to_string(), cell));
}
