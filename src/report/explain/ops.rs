//! The operations of the heaviest stage, longest first.

use super::topics::Ops;
use crate::plan::Plan;
use crate::report::{Cell, Column, Kind, Table};
use crate::step::lower::{GroupName, Pass, Work};
use crate::step::{Explained, explain};
use crate::units;
use std::collections::BTreeMap;

/// The table, if the topic has one and it has rows.
pub(super) fn table(plan: &Plan, which: Ops) -> Option<Table> {
    if which == Ops::No {
        return None;
    }
    let machine = plan.scenario.machine();
    let mut list: Vec<Explained> =
        explain(&plan.scenario.workload, &machine, &plan.layout).into_iter().filter(|e| wanted(which, &e.op.work)).collect();
    list.sort_by(|a, b| (b.time_s * b.times).total_cmp(&(a.time_s * a.times)));
    if list.is_empty() {
        return None;
    }
    let columns = vec![
        Column::words("Place"),
        Column::words("Operation"),
        Column::words("Pass"),
        Column::words("Shape"),
        Column::numbers("One"),
        Column::numbers("Times"),
        Column::numbers("Total"),
        Column::numbers("Share"),
        Column::words("Evidence"),
        Column::words(""),
    ];
    let mut table = Table::new("Operations of the heaviest stage in one step", columns);
    let mut sources: BTreeMap<&str, usize> = BTreeMap::new();
    for e in &list {
        let next = sources.len() + 1;
        let number = *sources.entry(e.source.describe()).or_insert(next);
        let total = e.time_s * e.times;
        table.rows.push(vec![
            Cell::Text(e.place.clone()),
            e.op.name.into(),
            if e.op.pass == Pass::Forward { "forward" } else { "backward" }.into(),
            Cell::Text(shape(&e.op.work)),
            Cell::quantity(e.time_s, Kind::Duration),
            Cell::Count(e.times),
            Cell::quantity(total, Kind::Duration),
            Cell::quantity(total / plan.step.time_s, Kind::Percent),
            e.evidence.name().into(),
            Cell::Text(format!("[{number}]")),
        ]);
    }
    let mut numbered: Vec<_> = sources.into_iter().collect();
    numbered.sort_by_key(|(_, n)| *n);
    table.notes = numbered.into_iter().map(|(text, n)| format!("[{n}] {text}")).collect();
    table.notes.push("Times are of each operation alone: what runs beside another counts in full here and not in the step.".to_string());
    Some(table)
}

fn wanted(which: Ops, work: &Work) -> bool {
    let group = if let Work::Collective { group, .. } = work { Some(*group) } else { None };
    match which {
        Ops::No => false,
        Ops::All => true,
        Ops::Math => group.is_none(),
        Ops::Tensor => group == Some(GroupName::Tensor),
        Ops::Context => group == Some(GroupName::Context),
        Ops::Expert => matches!(group, Some(GroupName::Expert | GroupName::ExpertTensor)),
    }
}

/// `8192 × 2048 × 16384 bf16`, `16 heads, 8,192 of 8,192 tokens`, `1.07 GB`.
fn shape(work: &Work) -> String {
    match work {
        Work::Gemm(s) => {
            let batch = if s.batch == 1.0 { String::new() } else { format!("{} × ", s.batch.round()) };
            format!("{batch}{}×{}×{} {}", s.m.round(), s.n.round(), s.k.round(), s.dtype)
        }
        Work::Flash(s) | Work::Unfused(s) => format!("{} heads, {}×{} tokens", s.batch * s.heads, s.query_tokens.round(), s.key_tokens.round()),
        Work::Stream { bytes } => units::si(*bytes, "B"),
        Work::Collective { kind, bytes, .. } => {
            let name = crate::catalog::Collective::ALL.iter().find(|(_, k)| k == kind).map_or("", |(n, _)| n);
            format!("{name} {}", units::si(*bytes, "B"))
        }
    }
}
