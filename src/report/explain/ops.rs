//! The operations of the heaviest stage, longest first.

use super::topics::Ops;
use crate::plan::Plan;
use crate::report::{Cell, Column, Kind, Table};
use crate::step::lower::{GroupName, Op, Pass, Work};
use crate::step::{Explained, explain};
use crate::units;
use serde_json::{Value, json};

/// The operations of a topic; the same one twice in a layer is one line.
pub(super) fn list(plan: &Plan, which: Ops) -> Vec<Explained> {
    if which == Ops::No {
        return Vec::new();
    }
    let machine = plan.scenario.machine();
    let mut list: Vec<Explained> = Vec::new();
    for e in explain(&plan.scenario.workload, &machine, &plan.layout)
        .into_iter()
        .filter(|e| wanted(which, &e.op.work))
    {
        match list.iter_mut().find(|o| o.place == e.place && same(&o.op, &e.op)) {
            Some(same) => same.times += e.times,
            None => list.push(e),
        }
    }
    list.sort_by(|a, b| (b.time_s * b.times).total_cmp(&(a.time_s * a.times)));
    list
}

fn same(a: &Op, b: &Op) -> bool {
    (a.name, a.pass, a.work, a.recomputed) == (b.name, b.pass, b.work, b.recomputed)
}

/// The operations for people.
pub(super) fn table(plan: &Plan, list: &[Explained]) -> Table {
    let columns = vec![
        Column::words("Place"),
        Column::words("Operation"),
        Column::words("Pass"),
        Column::words("Shape"),
        Column::numbers("One"),
        Column::numbers("Times"),
        Column::numbers("Total"),
        Column::numbers("Share"),
        Column::words("By"),
    ];
    let mut table = Table::new("Operations of the heaviest stage in one step", columns);
    let mut sources: Vec<String> = Vec::new();
    for e in list {
        let error = match e.source.error_fraction() {
            error if error > 0.0 => format!("; mean error about {:.0} %", 100.0 * error),
            _ => String::new(),
        };
        let source = format!("{}: {}{error}", e.evidence.name(), e.source.describe());
        let number = sources.iter().position(|s| *s == source).unwrap_or_else(|| {
            sources.push(source);
            sources.len() - 1
        });
        let total = e.time_s * e.times;
        table.rows.push(vec![
            Cell::Text(e.place.trim_end_matches(" layer").to_string()),
            e.op.name.into(),
            pass(e).into(),
            Cell::Text(shape(&e.op.work)),
            Cell::quantity(e.time_s, Kind::Duration),
            Cell::Count(e.times),
            Cell::quantity(total, Kind::Duration),
            Cell::quantity(total / plan.step.time_s, Kind::Percent),
            Cell::Text(format!("[{}]", number + 1)),
        ]);
    }
    table.notes = sources.iter().enumerate().map(|(i, text)| format!("[{}] {text}", i + 1)).collect();
    table
        .notes
        .push("Each operation alone: what runs beside another counts in full here and not in the step.".to_string());
    table
}

fn pass(e: &Explained) -> &'static str {
    if e.op.pass == Pass::Forward { "fwd" } else { "bwd" }
}

/// The operations for programs.
pub(super) fn json(list: &[Explained]) -> Vec<Value> {
    list.iter()
        .map(|e| {
            json!({
                "place": e.place,
                "name": e.op.name,
                "pass": if e.op.pass == Pass::Forward { "forward" } else { "backward" },
                "shape": shape(&e.op.work),
                "time_s": e.time_s,
                "times": e.times,
                "total_s": e.time_s * e.times,
                "evidence": e.evidence.name(),
                "source": e.source.describe(),
                "error_fraction": e.source.error_fraction(),
            })
        })
        .collect()
}

fn wanted(which: Ops, work: &Work) -> bool {
    let group = work.group();
    match which {
        Ops::No => false,
        Ops::All => true,
        Ops::Math => group.is_none(),
        Ops::Tensor => group == Some(GroupName::Tensor),
        Ops::Context => matches!(
            group,
            Some(GroupName::Context | GroupName::ContextInside | GroupName::ContextAcross)
        ),
        Ops::Expert => matches!(group, Some(GroupName::Expert | GroupName::ExpertTensor)),
    }
}

/// `8192 × 2048 × 16384 bf16`, `16 heads, 8,192 of 8,192 tokens`, `1.07 GB`.
fn shape(work: &Work) -> String {
    match work {
        Work::Gemm(s) | Work::Experts(s) => {
            let batch = if s.batch == 1.0 {
                String::new()
            } else {
                format!("{} × ", s.batch.round())
            };
            format!("{batch}{}×{}×{} {}", s.m.round(), s.n.round(), s.k.round(), s.dtype)
        }
        Work::Flash(s) | Work::Unfused(s) => format!(
            "{} heads, {}×{} tokens",
            s.batch * s.heads,
            s.query_tokens.round(),
            s.key_tokens.round()
        ),
        Work::Blocks { other, times, .. } => format!(
            "{} heads, {} blocks of {}×{} tokens",
            other.batch * other.heads,
            times.round() + 1.0,
            other.query_tokens.round(),
            other.key_tokens.round()
        ),
        Work::Send { bytes, times, .. } => format!("{} × send {}", times.round(), units::si(*bytes, "B")),
        Work::Serial { shape: s, times } => format!(
            "{} × {}×{}×{} {}, in turn",
            times.round(),
            s.m.round(),
            s.n.round(),
            s.k.round(),
            s.dtype
        ),
        Work::Stream { bytes } => units::si(*bytes, "B"),
        Work::Collective { kind, bytes, .. } => {
            let name = crate::catalog::Collective::ALL
                .iter()
                .find(|(_, k)| k == kind)
                .map_or("", |(n, _)| n);
            format!("{name} {}", units::si(*bytes, "B"))
        }
    }
}
