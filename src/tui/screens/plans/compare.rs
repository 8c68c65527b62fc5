//! Plans by columns, figures by rows: the reference as it is, the others by their differences.

use crate::plan::{Plan, ranges};
use crate::report::Kind;
use crate::step::Parts;
use crate::tui::figures::{Change, FIGURES, Figure, by_field, evidence, short_layout};
use crate::tui::paint::{Inner, Paint, first_line};
use crate::tui::state::State;
use crate::tui::theme::Role;
use ratatui::layout::Rect;

/// A row of the comparison.
#[derive(Clone, Copy)]
pub enum Row {
    /// A number.
    Figure(&'static Figure),
    /// A share of the step.
    Share(&'static str, &'static str, fn(&Parts) -> f64),
    /// Words.
    Words(&'static str, fn(&Plan) -> String),
    /// Nothing.
    Blank,
}

impl Row {
    /// What `exaplan explain` calls it.
    #[must_use]
    pub fn path(self) -> Option<String> {
        match self {
            Row::Figure(f) if !f.pointer.is_empty() => Some(f.pointer.trim_start_matches('/').replace('/', ".")),
            Row::Share(path, ..) => Some(path.to_string()),
            _ => None,
        }
    }
}

fn communication(p: &Parts) -> f64 {
    p.tensor_s + p.context_s + p.expert_s + p.pipeline_s + p.data_s
}

const LAYOUT: Row = Row::Words("layout", |p| short_layout(&p.layout));
const EVIDENCE: Row = Row::Words("evidence", |p| evidence(p).to_string());
const RANGE: Row = Row::Words("8 cases of 10", |p| {
    ranges(p).map_or_else(
        || crate::report::plan::NO_RANGE.to_string(),
        |r| {
            let scale = Kind::Duration.scale(r.wall_s.p90);
            let n = |v| Kind::Duration.number(v, &scale);
            format!("{}..{} {}", n(r.wall_s.p10), n(r.wall_s.p90), scale.unit.replace("days", "d"))
        },
    )
});

/// Rows for the room that there is.
#[must_use]
pub fn rows(state: &State) -> Vec<Row> {
    let f = |field: &str| by_field(field).map(Row::Figure);
    let comm = Row::Share("step.parts.data_s", "exposed comm", communication);
    let bubble = Row::Share("step.parts.bubble_s", "bubble", |p| p.bubble_s);
    let list: Vec<Option<Row>> = if state.large() {
        vec![
            f("devices"),
            Some(LAYOUT),
            Some(Row::Words("micro-batch", |p| p.layout.micro_batch_seqs.to_string())),
            Some(Row::Words("schedule", |p| {
                p.layout.schedule_name().replace("interleaved", "inter").to_string()
            })),
            Some(Row::Blank),
            f("step"),
            f("tokens"),
            f("mfu"),
            f("hfu"),
            Some(Row::Blank),
            Some(Row::Share("step.parts.math_s", "math", |p| p.math_s)),
            Some(Row::Share("step.parts.recompute_s", "recompute", |p| p.recompute_s)),
            Some(bubble),
            Some(Row::Share("step.parts.tensor_s", "tensor comm", |p| p.tensor_s + p.context_s)),
            Some(Row::Share("step.parts.expert_s", "expert comm", |p| p.expert_s)),
            Some(Row::Share("step.parts.pipeline_s", "pipeline comm", |p| p.pipeline_s)),
            Some(Row::Share("step.parts.data_s", "data comm", |p| p.data_s)),
            Some(Row::Share("step.parts.other_s", "optimizer, other", |p| {
                p.optimizer_s + p.host_s + p.other_s
            })),
            Some(Row::Blank),
            f("mem"),
            f("free"),
            Some(Row::Blank),
            f("goodput"),
            f("failures"),
            f("checkpoint"),
            f("days"),
            Some(RANGE),
            Some(Row::Blank),
            f("musd"),
            f("usd_per_mtoken"),
            f("mwh"),
            f("power"),
            f("tco2e"),
            f("water"),
            Some(Row::Blank),
            Some(EVIDENCE),
        ]
    } else {
        vec![
            f("devices"),
            Some(LAYOUT),
            f("step"),
            f("mfu"),
            Some(comm),
            Some(bubble),
            f("mem"),
            f("goodput"),
            f("days"),
            f("musd"),
            f("mwh"),
            f("tco2e"),
            Some(EVIDENCE),
        ]
    };
    list.into_iter().flatten().collect()
}

/// Draw it.
pub fn draw(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let right = format!("ref {}", state.letter(state.reference));
    let inner = paint.panel(area, "Compare", &right, focus);
    let list = state.compared();
    let Some(first) = list.first() else { return };
    if first.planned().is_none() && list.iter().all(|e| e.planned().is_none()) {
        super::super::missing(state, paint, inner);
        return;
    }
    let label: u16 = if state.large() { 22 } else { 14 };
    let n = u16::try_from(list.len()).unwrap_or(1).max(1);
    let width = (inner.width().saturating_sub(label + 1) / n).clamp(1, 19);
    let end = |i: usize| label + width * (u16::try_from(i).unwrap_or(0) + 1);
    for (i, e) in list.iter().enumerate() {
        let letter = state.letter(e.id);
        let text = match (e.id == state.reference, e.now.waiting) {
            (true, _) => format!("{letter} ref"),
            (false, true) => format!("{letter} ..."),
            (false, false) => letter,
        };
        inner.right(paint, (end(i), 0), &text, Role::Strong);
    }
    let bars = if state.large() {
        u16::try_from(list.len()).unwrap_or(0) + 3
    } else {
        0
    };
    let room = usize::from(inner.height().saturating_sub(1 + bars));
    let all = rows(state);
    let from = first_line(state.plans.row, all.len(), room);
    for (y, (i, row)) in (1..).zip(all.iter().enumerate().skip(from).take(room)) {
        line(state, paint, (inner, y), *row, &list, (label, width));
        if focus && i == state.plans.row {
            inner.select(paint, y);
        }
    }
    if bars > 0 {
        metric_bars(state, paint, inner, &list);
    }
}

fn line(state: &State, paint: &mut Paint<'_>, (inner, y): (Inner, u16), row: Row, list: &[&super::Entry], (label, width): (u16, u16)) {
    let plans: Vec<Option<&Plan>> = list.iter().map(|e| e.planned().map(|p| &p.plan)).collect();
    let reference = plans.first().copied().flatten();
    let name = match row {
        Row::Blank => return,
        Row::Figure(f) => named(f, reference),
        Row::Share(_, name, _) | Row::Words(name, _) => name.to_string(),
    };
    inner.put(paint, (1, y), &name, Role::Text);
    for (i, plan) in plans.iter().enumerate() {
        let end = label + width * (u16::try_from(i).unwrap_or(0) + 1);
        let (text, better) = match plan {
            None => ("-".to_string(), None),
            Some(plan) => cell(row, plan, reference.filter(|_| i > 0 && state.plans.difference), reference),
        };
        let role = match better {
            Some(true) => Role::Good,
            Some(false) => Role::Bad,
            None => Role::Text,
        };
        let room = usize::from(width.saturating_sub(1));
        // Degrees of a layout can be read without spaces, too.
        let text = if text.len() > room { text.replace(' ', "") } else { text };
        let text = crate::tui::paint::fit(&text, room);
        inner.right(paint, (end, y), &text, role);
    }
}

/// The name with the unit of the reference.
fn named(f: &Figure, reference: Option<&Plan>) -> String {
    let unit = reference.and_then(|p| (f.of)(p)).map(|v| f.kind.scale(v).unit);
    match unit {
        Some(unit) if !unit.is_empty() && f.change != Change::Absolute => format!("{} {unit}", f.name),
        _ => f.name.to_string(),
    }
}

/// What a cell says, and whether that is for the better.
pub(super) fn cell(row: Row, plan: &Plan, against: Option<&Plan>, reference: Option<&Plan>) -> (String, Option<bool>) {
    match row {
        Row::Blank => (String::new(), None),
        Row::Words(_, of) => (of(plan), None),
        Row::Share(_, _, of) => (format!("{:.0} %", 100.0 * of(&plan.step.parts) / plan.step.time_s), None),
        Row::Figure(f) => {
            let Some(value) = (f.of)(plan) else {
                return ("-".to_string(), None);
            };
            if f.change == Change::Absolute {
                return (f.kind.human(value), None);
            }
            let other = against.and_then(|p| (f.of)(p));
            match (other, reference.and_then(|p| (f.of)(p))) {
                (Some(other), _) => f.difference(value, other),
                (None, Some(r)) => (f.kind.number(value, &f.kind.scale(r)), None),
                (None, None) => (f.kind.human(value), None),
            }
        }
    }
}

/// One figure of all plans as bars.
fn metric_bars(state: &State, paint: &mut Paint<'_>, inner: Inner, list: &[&super::Entry]) {
    let figure = &FIGURES[state.plans.metric % FIGURES.len()];
    let value = |e: &super::Entry| e.planned().and_then(|p| (figure.of)(&p.plan));
    let most = list.iter().filter_map(|e| value(e)).fold(0.0, f64::max);
    let n = u16::try_from(list.len()).unwrap_or(0);
    let top = inner.height().saturating_sub(n + 2);
    inner.put(paint, (1, top), &format!("{}   < > choose", figure.name), Role::Dim);
    for (y, e) in (top + 1..).zip(list) {
        let Some(v) = value(e) else { continue };
        inner.put(paint, (1, y), &state.letter(e.id), Role::Strong);
        let width = inner.width().saturating_sub(20);
        inner.bar(paint, (4, y), width, v / most.max(f64::MIN_POSITIVE), Role::Series(0));
        inner.right(paint, (inner.width().saturating_sub(1), y), &figure.kind.human(v), Role::Text);
    }
}
