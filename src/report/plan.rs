//! A plan as a document: the answer first, then where it comes from.

mod bill;
mod charts;
pub mod json;
mod page;

pub use page::memory as memory_by_stage;

use super::{Block, Cell, Column, Document, KeyValue, Kind, Span, Table, Warning, opening};
use crate::bill::Way;
use crate::catalog::Cause;
use crate::kernel::Evidence;
use crate::layout::memory::MemoryBudget;
use crate::lint;
use crate::plan::{Plan, Provenance, Quantiles, Ranges, Scenario, ranges};
use crate::run::Run;
use crate::search::tie_percent;
use crate::units;
use serde_json::{Value, json};

/// What stands where there is no range: the catalog has no band for its class of runs.
pub const NO_RANGE: &str = "no range yet";

/// How much of a plan to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// One screen of a terminal.
    Screen,
    /// Everything, with charts and whole sources.
    Page,
}

/// The plan for people.
#[must_use]
pub fn document(plan: &Plan, detail: Detail) -> Document {
    let mut blocks = vec![Block::KeyValues(answers(plan)), Block::Table(parts(plan, detail))];
    let layout = plan.layout.to_string();
    match detail {
        Detail::Screen => {
            let item = KeyValue::new("Layout", Cell::Text(layout)).note(ties(plan));
            if let Some(Block::KeyValues(list)) = blocks.first_mut() {
                list.push(item);
            }
            let mut rest = memory(plan);
            rest.extend(run(plan));
            rest.extend(bill::key_values(plan));
            blocks.push(Block::KeyValues(rest));
            blocks.push(Block::Warnings(warnings(plan)));
        }
        Detail::Page => {
            let says = vec![Span::strong("Layout: "), Span::plain(format!("{layout}; {}.", ties(plan)))];
            let mut opening = opening::blocks(plan);
            opening.push(Block::Paragraph(says));
            opening.push(Block::Warnings(warnings(plan)));
            blocks.splice(1..1, opening);
            blocks.extend(page::blocks(plan));
        }
    }
    blocks.extend(phases(plan).map(Block::Table));
    blocks.push(Block::Table(assumptions(plan, detail)));
    Document {
        title: plan.scenario.name.clone(),
        subtitle: subtitle(&plan.scenario),
        blocks,
        provenance: match detail {
            // A screen has no room for more; a report has it all at its beginning.
            Detail::Screen => format!("{}; an estimate, not a quote", provenance_line(&plan.provenance)),
            Detail::Page => provenance_line(&plan.provenance),
        },
    }
}

/// Model, data, machine and place in one line.
#[must_use]
pub fn subtitle(scenario: &Scenario) -> String {
    let (workload, cluster) = (&scenario.workload, &scenario.cluster);
    #[allow(clippy::cast_precision_loss)]
    let devices = scenario.n_devices() as f64;
    format!(
        "{} on {} tokens, {} × {} = {} devices, {}, {}",
        workload.model.title,
        units::si(workload.total_tokens, "").replace(' ', "").replace('G', "B"),
        units::count(f64::from(cluster.n_nodes)),
        cluster.node.title,
        units::count(devices),
        scenario.region.title,
        scenario.stack.name,
    )
}

/// Program, digests and overrides in one line.
#[must_use]
pub fn provenance_line(provenance: &Provenance) -> String {
    let overrides = match provenance.overrides.as_slice() {
        [] => "no overrides".to_string(),
        list => format!("--set {}", list.join(" --set ")),
    };
    let Provenance {
        program,
        catalog_digest,
        scenario_digest,
        ..
    } = provenance;
    format!("{program}, catalog {catalog_digest}, scenario {scenario_digest}, {overrides}")
}

/// The same for programs.
#[must_use]
pub fn provenance_json(provenance: &Provenance) -> Value {
    json!({
        "program": provenance.program,
        "catalog_digest": provenance.catalog_digest,
        "scenario_digest": provenance.scenario_digest,
        "overrides": provenance.overrides,
    })
}

/// The stage whose memory is fullest.
#[must_use]
pub fn fullest(stages: &[MemoryBudget]) -> Option<&MemoryBudget> {
    // The first of equals, so that the answer does not depend on the order of a reduction.
    stages.iter().reduce(|a, b| if b.peak_bytes() > a.peak_bytes() { b } else { a })
}

/// Name of a way to have the machine.
#[must_use]
pub fn way(way: Way) -> &'static str {
    match way {
        Way::Cloud => "cloud",
        Way::Owned => "owned",
    }
}

/// `12.1 GiB`, as a note has it.
pub(super) fn human(value: f64, kind: Kind) -> String {
    Cell::quantity(value, kind).human()
}

/// `math 15.1, bubble 2.3, lost 0.4 GWh`: parts in the unit of the largest, nothings left out.
pub(super) fn list(parts: &[(&str, f64)], kind: Kind) -> String {
    let largest = parts.iter().map(|(_, v)| v.abs()).fold(0.0, f64::max);
    let scale = kind.scale(largest);
    let shown: Vec<String> = parts
        .iter()
        .filter(|(_, v)| v.abs() > largest * 1e-4)
        .map(|(name, v)| format!("{name} {}", kind.number(*v, &scale)))
        .collect();
    format!("{} {}", shown.join(", "), scale.unit)
}

fn answers(plan: &Plan) -> Vec<KeyValue> {
    let (step, run) = (&plan.step, &plan.run);
    let peak = plan.scenario.workload.precision.compute.name().to_uppercase();
    let full = step.per_s_per_device(step.model_flop_full_attention);
    #[allow(clippy::cast_precision_loss)]
    let steps = units::count(run.n_steps as f64);
    vec![
        KeyValue::new("Time to train", Cell::quantity(run.wall_s, Kind::Duration))
            .note(format!("{}; {steps} steps", range(plan, |r| Some(r.wall_s), Kind::Duration)))
            .answer(),
        with_range(bill::headline(plan), plan),
        KeyValue::new("Step time", Cell::quantity(step.time_s, Kind::Duration))
            .note(format!("{} per step", human(step.tokens, Kind::Si("tokens"))))
            .answer(),
        KeyValue::new("Throughput", Cell::quantity(step.tokens_per_s_per_device(), Kind::Rate("tokens/s"))).note("per device"),
        KeyValue::new("MFU", Cell::quantity(step.mfu, Kind::Percent)).note(format!("causal model FLOPs over dense {peak} peak")),
        KeyValue::new("Model rate", Cell::quantity(full, Kind::Si("FLOP/s")))
            .note("per device, attention counted over the full square as Megatron-LM does"),
    ]
}

/// The cost with its range, where there is a cost.
fn with_range(mut item: KeyValue, plan: &Plan) -> KeyValue {
    if plan.bill.cost.total_usd.is_some() {
        let range = range(plan, |r| r.cost_usd, Kind::Usd);
        item.note = Some(item.note.map_or_else(|| range.clone(), |note| format!("{range}; {note}")));
    }
    item
}

/// On what a range rests.
fn range_note(plan: &Plan) -> String {
    if let Some(drawn) = &plan.drawn {
        return drawn.note.clone();
    }
    opening::band(&plan.scenario).unwrap_or_default()
}

/// `70 to 95 days in 8 cases of 10`, or that nobody knows.
fn range(plan: &Plan, of: impl Fn(&Ranges) -> Option<Quantiles>, kind: Kind) -> String {
    match ranges(plan).as_ref().and_then(of) {
        Some(q) => in_most(q, kind),
        None => NO_RANGE.to_string(),
    }
}

/// `70 to 95 days in 8 cases of 10`.
#[must_use]
pub fn in_most(q: Quantiles, kind: Kind) -> String {
    let scale = kind.scale(q.p90);
    let number = |v: f64| kind.number(v, &scale);
    format!("{} to {} {} in 8 cases of 10", number(q.p10), number(q.p90), scale.unit)
}

fn ties(plan: &Plan) -> String {
    match plan.ties.len() {
        0 => format!("no other layout that fits is within {}", tie_percent()),
        1 => format!("1 other layout is within {}: exaplan search --keep-layout", tie_percent()),
        n => format!("{n} other layouts are within {}: exaplan search --keep-layout", tie_percent()),
    }
}

/// What a part of a step is called.
#[must_use]
pub fn part_name(key: &str) -> &'static str {
    match key {
        "math_s" => "math and memory-bound kernels",
        "recompute_s" => "recomputation",
        "bubble_s" => "pipeline bubble",
        "tensor_s" => "tensor-parallel communication",
        "context_s" => "context-parallel communication",
        "expert_s" => "expert communication",
        "pipeline_s" => "sends between stages",
        "data_s" => "data-parallel communication",
        "optimizer_s" => "optimizer update",
        "host_s" => "copies to and from the host",
        _ => "launches and stragglers",
    }
}

fn parts(plan: &Plan, detail: Detail) -> Table {
    let mut columns = vec![Column::words("Part"), Column::numbers("Time"), Column::numbers("Share")];
    if detail == Detail::Screen {
        columns.push(Column::words(""));
    }
    let mut table = Table::new("Where a step goes", columns);
    let list = plan.step.parts.list();
    let shown = list.iter().filter(|(_, s)| *s > 0.0);
    table.rows = shown
        .map(|(key, s)| {
            let share = s / plan.step.time_s;
            let mut row = vec![
                part_name(key).into(),
                Cell::quantity(*s, Kind::Duration),
                Cell::quantity(share, Kind::Percent),
            ];
            if detail == Detail::Screen {
                row.push(Cell::Text(bar(share)));
            }
            row
        })
        .collect();
    table.notes.push(evidence(plan));
    table
}

/// A bar of up to 32 characters in eighths.
fn bar(share: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let eighths = (share.clamp(0.0, 1.0) * 32.0 * 8.0).round() as usize;
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

fn evidence(plan: &Plan) -> String {
    let grades = [
        Evidence::Measured,
        Evidence::Interpolated,
        Evidence::Extrapolated,
        Evidence::Datasheet,
    ];
    let share = |g: &Evidence| plan.step.evidence.get(g).copied().unwrap_or(0.0);
    let shown: Vec<String> = grades
        .iter()
        .filter(|g| share(g) > 5e-4)
        .map(|g| format!("{:.0} % {}", 100.0 * share(g), g.name()))
        .collect();
    format!("Kernel time is {}.", shown.join(", "))
}

fn memory(plan: &Plan) -> Vec<KeyValue> {
    let Some(b) = fullest(&plan.step.memory) else { return Vec::new() };
    let parts = list(
        &[
            ("weights", b.weights_bytes),
            ("gradients", b.gradients_bytes),
            ("optimizer", b.optimizer_bytes),
            ("activations", b.activations_bytes),
            ("buffers", b.buffers_bytes),
            ("reserve", b.reserve_bytes),
        ],
        Kind::Bytes,
    );
    let note = format!(
        "of {} on stage {}, the fullest: {parts}",
        human(b.capacity_bytes, Kind::Bytes),
        b.stage
    );
    vec![KeyValue::new("Memory", Cell::quantity(b.peak_bytes(), Kind::Bytes)).note(note)]
}

fn run(plan: &Plan) -> Vec<KeyValue> {
    let run = &plan.run;
    let lost = &run.lost;
    let mut goodput = "of the wall time".to_string();
    if lost.total_s() > 0.0 {
        goodput += &format!("; lost: {}", list(&lost.named(), Kind::Duration));
    }
    if let Some(usd) = plan.bill.cost.goodput_loss_usd.filter(|usd| *usd > 0.0) {
        goodput += &format!(", or {}", human(usd, Kind::Usd));
    }
    let failures = if run.job_mtbf_s.is_finite() {
        format!("one each {}{}", units::duration(run.job_mtbf_s), causes(run))
    } else {
        "nothing fails".to_string()
    };
    let checkpoint = format!(
        "apart; {} each, training stands still for {}",
        units::si(plan.checkpoint_bytes, "B"),
        units::duration(run.checkpoint_stall_s)
    );
    vec![
        KeyValue::new("Goodput", Cell::quantity(run.goodput, Kind::Percent)).note(goodput),
        KeyValue::new("Failures", Cell::Count(run.expected_failures)).note(failures),
        KeyValue::new("Checkpoints", Cell::quantity(run.checkpoint_every_s, Kind::Duration)).note(checkpoint),
    ]
}

/// `; gpu 142, hbm 129, software 120`: how often the job stops for what, the most first.
fn causes(run: &Run) -> String {
    let mut list: Vec<(&str, f64)> = Cause::ALL.iter().zip(run.stops).map(|((name, _), n)| (*name, n)).collect();
    list.retain(|(_, n)| *n >= 0.5);
    list.sort_by(|a, b| b.1.total_cmp(&a.1));
    let shown: Vec<String> = list
        .iter()
        .map(|(name, n)| format!("{} {}", name.replace('_', " "), units::count(n.round())))
        .collect();
    if shown.is_empty() {
        String::new()
    } else {
        format!("; {}", shown.join(", "))
    }
}

/// Phases with their layouts and times.
fn phases(plan: &Plan) -> Option<Table> {
    let columns = ["Tokens", "Sequence", "Batch", "Step time", "Time"].map(Column::numbers);
    let head = [Column::words("Phase")].into_iter().chain(columns).chain([Column::words("Layout")]);
    let mut table = Table::new("Phases", head.collect());
    table.rows = plan
        .phases
        .iter()
        .map(|p| {
            vec![
                Cell::Text(p.phase.name.clone()),
                Cell::quantity(p.phase.total_tokens, Kind::Si("tokens")),
                Cell::Count(p.phase.seq_len_tokens),
                Cell::Count(p.phase.global_batch_seqs),
                Cell::quantity(p.step.time_s, Kind::Duration),
                Cell::quantity(p.ideal_s(), Kind::Duration),
                Cell::Text(p.layout.to_string()),
            ]
        })
        .collect();
    table.notes.push(
        "Step time, throughput and layout above are those of [training] and [layout]; days and bill are the sum of the phases.".to_string(),
    );
    (!table.rows.is_empty()).then_some(table)
}

fn warnings(plan: &Plan) -> Vec<Warning> {
    lint::warnings(plan)
        .into_iter()
        .map(|w| Warning {
            message: w.message,
            help: Some(w.remedy),
        })
        .collect()
}

/// Values that the scenario left open. A screen leaves those of catalog entries and of failures,
/// which have a source each, to a page.
fn assumptions(plan: &Plan, detail: Detail) -> Table {
    let columns = vec![Column::words("Assumption"), Column::words("Value"), Column::words("Source")];
    let mut table = Table::new("", columns);
    let of_entry = |key: &str| {
        ["node.", "region.", "grid.", "finance.", "reliability."]
            .iter()
            .any(|p| key.starts_with(p))
    };
    let all = &plan.scenario.assumptions;
    let shown = all.iter().filter(|a| detail == Detail::Page || !of_entry(&a.key));
    table.rows = shown
        .map(|a| vec![Cell::Text(a.key.clone()), Cell::Text(a.value.clone()), Cell::Text(a.source.clone())])
        .collect();
    let left = all.len() - table.rows.len();
    if left > 0 {
        table.notes.push(format!(
            "{left} numbers of failures, prices and machines are assumed too: -o plan.md lists each with its source."
        ));
    }
    table
}

/// A paragraph of plain words.
pub(super) fn say(text: impl Into<String>) -> Block {
    Block::Paragraph(vec![Span::plain(text)])
}
