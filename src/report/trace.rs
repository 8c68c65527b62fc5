//! A step as a trace for Perfetto or chrome://tracing: JSON object format of the Trace Event Format
//! (Duca and Sinclair, "Trace Event Format", Google 2016).
//!
//! A pipeline stage is a process, a lane a thread, a bar a complete event (`X`); times are
//! microseconds, unrounded. Flow events lead from bar to bar along the critical path; viewers that
//! know reserved color names paint it too.

use super::plan::provenance_json;
use super::timeline;
use crate::layout::StageShape;
use crate::layout::schedule::Placement;
use crate::plan::Plan;
use crate::step::{Bar, Gantt, Lane};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// Microseconds of a second.
const US: f64 = 1e6;
/// A reserved color name of trace-viewer: red.
const CRITICAL_COLOR: &str = "terrible";

/// The trace as text, one event a line: schema `exaplan.trace/1`, see `tests/schema/trace.schema.json`.
#[must_use]
pub fn text(plan: &Plan, gantt: &Gantt) -> String {
    let mut out = format!(
        "{{\"displayTimeUnit\":\"ms\",\n\"otherData\":{},\n\"traceEvents\":[\n",
        other(plan, gantt)
    );
    let mut separator = "";
    for event in events(plan, gantt) {
        let _ = write!(out, "{separator}{event}");
        separator = ",\n";
    }
    out + "\n]}\n"
}

/// What the trace rests on.
fn other(plan: &Plan, gantt: &Gantt) -> Value {
    json!({
        "schema": "exaplan.trace/1",
        "scenario": plan.scenario.name,
        "layout": plan.layout.to_string(),
        "step_time_s": gantt.time_s,
        "n_spans": gantt.stages.iter().map(Vec::len).sum::<usize>(),
        "provenance": provenance_json(&plan.provenance),
    })
}

fn events(plan: &Plan, gantt: &Gantt) -> Vec<Value> {
    let names = stage_names(plan, gantt.stages.len());
    let mut out = Vec::new();
    for (stage, (bars, name)) in gantt.stages.iter().zip(&names).enumerate() {
        out.push(process(stage, "process_name", "name", &json!(name)));
        out.push(process(stage, "process_sort_index", "sort_index", &json!(stage)));
        for (_, lane) in Lane::ALL.iter().filter(|(_, l)| bars.iter().any(|b| b.lane == *l)) {
            out.push(thread(stage, *lane, "thread_name", "name", &json!(lane.name())));
            out.push(thread(stage, *lane, "thread_sort_index", "sort_index", &json!(thread_id(*lane))));
        }
    }
    for (stage, bars) in gantt.stages.iter().enumerate() {
        out.extend(bars.iter().map(|bar| complete(stage, bar)));
    }
    out.extend(flow(gantt));
    out
}

/// Viewers take process and thread 0 for the idle task of a kernel.
fn process_id(stage: usize) -> usize {
    stage + 1
}

fn thread_id(lane: Lane) -> usize {
    1 + Lane::ALL.iter().position(|(_, l)| *l == lane).unwrap_or(0)
}

fn process(stage: usize, name: &str, key: &str, value: &Value) -> Value {
    metadata(stage, 0, name, key, value)
}

fn thread(stage: usize, lane: Lane, name: &str, key: &str, value: &Value) -> Value {
    metadata(stage, thread_id(lane), name, key, value)
}

fn metadata(stage: usize, tid: usize, name: &str, key: &str, value: &Value) -> Value {
    let args: Map<String, Value> = [(key.to_string(), value.clone())].into_iter().collect();
    json!({ "ph": "M", "name": name, "pid": process_id(stage), "tid": tid, "args": args })
}

fn complete(stage: usize, bar: &Bar) -> Value {
    let mut event = json!({
        "ph": "X",
        "name": bar.name,
        "cat": bar.lane.name(),
        "pid": process_id(stage),
        "tid": thread_id(bar.lane),
        "ts": bar.start_s * US,
        "dur": (bar.end_s - bar.start_s) * US,
        "args": {
            "stage": stage,
            "micro_batch": bar.micro_batch,
            "chunk": bar.chunk,
            "busy_s": bar.busy_s,
            "critical": bar.critical,
        },
    });
    if let (true, Some(map)) = (bar.critical, event.as_object_mut()) {
        map.insert("cname".to_string(), json!(CRITICAL_COLOR));
    }
    event
}

/// One flow through the bars of the critical path, first to last.
fn flow(gantt: &Gantt) -> Vec<Value> {
    let path = timeline::path(gantt);
    if path.len() < 2 {
        return Vec::new();
    }
    let last = path.len() - 1;
    let event = |(i, (stage, bar)): (usize, &(usize, &Bar))| {
        let phase = match i {
            0 => "s",
            i if i == last => "f",
            _ => "t",
        };
        let mut event = json!({
            "ph": phase,
            "name": "critical path",
            "cat": "critical",
            "id": 1,
            "pid": process_id(*stage),
            "tid": thread_id(bar.lane),
            // In the middle, where no other bar of the lane begins or ends.
            "ts": f64::midpoint(bar.start_s, bar.end_s) * US,
        });
        if let ("f", Some(map)) = (phase, event.as_object_mut()) {
            // The end belongs to the bar around it, not to the next one.
            map.insert("bp".to_string(), json!("e"));
        }
        event
    };
    path.iter().enumerate().map(event).collect()
}

/// `stage 3: 8 layers`. A schedule that folds the pipeline keeps other layers than its number says.
fn stage_names(plan: &Plan, n_stages: usize) -> Vec<String> {
    let plain = plan.layout.schedule.placement() == Placement::Loop;
    let shapes = crate::layout::stages(&plan.scenario.workload.model, &plan.layout);
    let holds = |stage: usize| shapes.get(stage).filter(|_| plain).map_or_else(String::new, layers);
    (0..n_stages).map(|stage| format!("stage {stage}{}", holds(stage))).collect()
}

fn layers(shape: &StageShape) -> String {
    let n = shape.n_layers();
    let embedding = if shape.embedding { "embedding, " } else { "" };
    let head = if shape.head { ", head" } else { "" };
    format!(": {embedding}{n} layer{}{head}", if n == 1 { "" } else { "s" })
}
