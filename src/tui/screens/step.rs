//! 3 Step: where do the seconds go?

mod chart;

use super::{columns, missing, rows, show, show_blocks};
use crate::report::plan::part_name;
use crate::report::timeline::path;
use crate::report::{Block, Cell, Column, Kind, Table, explain};
use crate::step::{Bar, Gantt, Lane};
use crate::tui::action::{Command, Move};
use crate::tui::paint::{Paint, fit};
use crate::tui::state::State;
use crate::tui::state::jobs::{Details, Effect};
use crate::tui::theme::Role;
use crate::tui::view;
use ratatui::layout::{Constraint, Rect};

/// Its panels.
pub const PANELS: [&str; 4] = ["Pipeline", "Parts", "Slot", "Longest path"];

/// Where they are.
pub fn rects(state: &State, body: Rect) -> Vec<Rect> {
    if state.large() {
        let [top, bottom] = rows(body, [Constraint::Fill(3), Constraint::Length(18)]);
        let [parts, slot, longest] = columns(bottom, [Constraint::Fill(1), Constraint::Fill(1), Constraint::Fill(1)]);
        return vec![top, parts, slot, longest];
    }
    let [top, bottom] = rows(body, [Constraint::Fill(1), Constraint::Length(9)]);
    let [parts, slot] = columns(bottom, [Constraint::Fill(1), Constraint::Fill(1)]);
    vec![top, parts, slot, Rect::default()]
}

fn details(state: &State) -> Option<&Details> {
    state.step.details.value.as_ref().and_then(|d| d.as_ref().as_ref())
}

/// Bars of compute of a stage.
fn compute(gantt: &Gantt, stage: usize) -> Vec<&Bar> {
    gantt
        .stages
        .get(stage)
        .map_or_else(Vec::new, |s| s.iter().filter(|b| b.lane == Lane::Compute).collect())
}

fn cursor_bar(state: &State) -> Option<&Bar> {
    let list = compute(&details(state)?.gantt, state.step.stage);
    list.get(state.step.bar.min(list.len().saturating_sub(1))).copied()
}

/// Draw one.
pub fn draw(state: &State, paint: &mut Paint<'_>, panel: usize, area: Rect, focus: bool) {
    match panel {
        0 => chart::draw(state, paint, area, focus),
        1 => parts(state, paint, area, focus),
        2 => slot(state, paint, area, focus),
        _ => longest(state, paint, area, focus),
    }
}

fn seconds(s: f64) -> String {
    Kind::Duration.human(s)
}

fn parts(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let Some(planned) = state.planned() else {
        let inner = paint.panel(area, "Parts", "", focus);
        missing(state, paint, inner);
        return;
    };
    let step = &planned.plan.step;
    let inner = paint.panel(area, &format!("Where {} go", seconds(step.time_s)), "", focus);
    let scale = Kind::Duration.scale(step.time_s);
    let mut y = 0;
    let room = inner.height();
    let list = step.parts.list();
    let mut shown: Vec<(usize, &(&str, f64))> = list.iter().enumerate().filter(|(_, (_, s))| *s > 0.0).collect();
    if shown.len() > usize::from(room) {
        shown.sort_by(|a, b| b.1.1.total_cmp(&a.1.1));
    }
    for (i, (key, s)) in shown {
        let share = s / step.time_s;
        let name = part_name(key)
            .replace("-parallel communication", " comm")
            .replace(" and memory-bound kernels", "");
        inner.put(paint, (1, y), &fit(&name, 16), Role::Text);
        inner.right(paint, (25, y), &Kind::Duration.number(*s, &scale), Role::Text);
        inner.right(paint, (31, y), &format!("{:.0} %", 100.0 * share), Role::Dim);
        let width = inner.width().saturating_sub(33);
        inner.bar(paint, (32, y), width, share, Role::Series(u8::try_from(i).unwrap_or(0)));
        y += 1;
    }
    if y + 3 <= room {
        inner.right(paint, (25, y), "-----", Role::Dim);
        inner.right(paint, (25, y + 1), &Kind::Duration.number(step.time_s, &scale), Role::Strong);
        inner.put(paint, (26, y + 1), &scale.unit, Role::Strong);
        if let Some(d) = details(state) {
            let hidden: Vec<String> = d
                .gantt
                .totals()
                .iter()
                .filter(|t| t.lane != Lane::Compute)
                .map(|t| {
                    #[allow(clippy::cast_precision_loss)]
                    let stages = d.gantt.stages.len().max(1) as f64;
                    format!("{} {}", t.lane.name(), seconds(t.busy_s / stages))
                })
                .collect();
            inner.put(paint, (1, y + 2), &format!("busy per stage: {}", hidden.join(", ")), Role::Dim);
        }
    }
}

fn slot(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let Some(bar) = cursor_bar(state) else {
        paint.panel(area, "Slot", "", focus);
        return;
    };
    let mb = bar.micro_batch.map_or_else(String::new, |m| format!(" micro-batch {m}"));
    let inner = paint.panel(area, &format!("Stage {}{mb}", state.step.stage), bar.name, focus);
    let mut lines = vec![
        format!("{} .. {}", seconds(bar.start_s), seconds(bar.end_s)),
        format!(
            "takes {}{}",
            seconds(bar.end_s - bar.start_s),
            bar.chunk.map_or_else(String::new, |c| format!(", chunk {c}"))
        ),
        format!("on the critical path: {}", if bar.critical { "yes" } else { "no" }),
    ];
    if let Some(d) = details(state) {
        let list = compute(&d.gantt, state.step.stage);
        let at = state.step.bar.min(list.len().saturating_sub(1));
        let gap = |a: &Bar, b: &Bar| b.start_s - a.end_s;
        if let Some(before) = at.checked_sub(1).and_then(|i| list.get(i)) {
            lines.push(format!(
                "before: {}, then {} of bubble",
                name(before),
                seconds(gap(before, bar).max(0.0))
            ));
        }
        if let Some(next) = list.get(at + 1) {
            lines.push(format!(
                "next:   {}, after {} of bubble",
                name(next),
                seconds(gap(bar, next).max(0.0))
            ));
        }
        for (lane_name, lane) in Lane::ALL.iter().filter(|(_, l)| *l != Lane::Compute) {
            let busy: f64 = d.gantt.stages[state.step.stage.min(d.gantt.stages.len() - 1)]
                .iter()
                .filter(|b| b.lane == *lane && b.end_s > bar.start_s && b.start_s < bar.end_s)
                .map(|b| b.busy_s)
                .sum();
            if busy > 0.0 {
                lines.push(format!("beside it: {lane_name} {}", seconds(busy)));
            }
        }
    }
    lines.push("enter: the operations behind it".to_string());
    for (y, line) in (0..).zip(lines) {
        inner.put(paint, (1, y), &line, Role::Text);
    }
}

fn name(bar: &Bar) -> String {
    bar.micro_batch
        .map_or_else(|| bar.name.to_string(), |m| format!("{} {m}", bar.name))
}

fn longest(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let inner = paint.panel(area, "Longest path", "", focus);
    let Some(d) = details(state) else { return };
    let mut y = 0;
    let effects = state.step.effects.value.as_deref();
    let room = inner.height().saturating_sub(if effects.is_some() { 7 } else { 1 });
    for p in d.critical.parts.iter().take(usize::from(room)) {
        let share = 100.0 * p.time_s / d.gantt.time_s.max(f64::MIN_POSITIVE);
        inner.put(
            paint,
            (1, y),
            &format!("{} x {} ({})", p.n_spans, p.name, p.lane.name()),
            Role::Text,
        );
        inner.right(
            paint,
            (inner.width().saturating_sub(1), y),
            &format!("{} {share:4.0} %", seconds(p.time_s)),
            Role::Text,
        );
        y += 1;
    }
    inner.put(
        paint,
        (1, y),
        &format!("between its bars {}", seconds(d.critical.between_s)),
        Role::Dim,
    );
    y += 1;
    let Some(effects) = effects else { return };
    y += 1;
    inner.put(paint, (1, y), "10 % better makes the step", Role::Dim);
    for e in effects.iter().take(usize::from(inner.height().saturating_sub(y + 1))) {
        y += 1;
        inner.put(paint, (1, y), &format!("  {}", e.term), Role::Text);
        inner.right(
            paint,
            (inner.width().saturating_sub(1), y),
            &format!("{:+.2} %", 100.0 * e.step_time_change_fraction),
            Role::Text,
        );
    }
}

/// What is going on.
pub fn status(state: &State) -> String {
    let Some(d) = details(state) else {
        return if state.step.details.waiting {
            "simulating the step ...".to_string()
        } else {
            "this step cannot be drawn bar by bar".to_string()
        };
    };
    let first: Vec<String> = path(&d.gantt)
        .iter()
        .take(3)
        .map(|(stage, b)| format!("s{stage} {}", name(b)))
        .collect();
    let last = path(&d.gantt)
        .last()
        .map_or_else(String::new, |(stage, b)| format!("s{stage} {}", name(b)));
    let cell = state.step.seen_fraction() * d.gantt.time_s / f64::from(chart::time_columns(state).max(1));
    format!("longest path: {} .. {last}   1 column = {}", first.join(" > "), seconds(cell))
}

/// The bars of a stage.
fn table(state: &State) -> Option<Table> {
    let d = details(state)?;
    let names = ["Lane", "What", "Micro-batch", "Chunk", "From", "Takes", "Critical"];
    let columns = names
        .iter()
        .enumerate()
        .map(|(i, n)| if i < 2 || i == 6 { Column::words(*n) } else { Column::numbers(*n) });
    let mut table = Table::new(format!("Stage {}", state.step.stage), columns.collect());
    let count = |n: Option<u32>| n.map_or(Cell::Missing, |n| Cell::Count(f64::from(n)));
    table.rows = d
        .gantt
        .stages
        .get(state.step.stage)?
        .iter()
        .map(|b| {
            vec![
                b.lane.name().into(),
                b.name.into(),
                count(b.micro_batch),
                count(b.chunk),
                Cell::quantity(b.start_s, Kind::Duration),
                Cell::quantity(b.end_s - b.start_s, Kind::Duration),
                if b.critical { "yes" } else { "" }.into(),
            ]
        })
        .collect();
    Some(table)
}

/// What an export holds.
pub fn blocks(state: &State) -> Vec<Block> {
    let Some(planned) = state.planned() else { return Vec::new() };
    let mut parts = Table::new(
        "Where a step goes",
        vec![Column::words("Part"), Column::numbers("Time"), Column::numbers("Share")],
    );
    let step = &planned.plan.step;
    parts.rows = step
        .parts
        .list()
        .iter()
        .map(|(key, s)| {
            vec![
                part_name(key).into(),
                Cell::quantity(*s, Kind::Duration),
                Cell::quantity(s / step.time_s, Kind::Percent),
            ]
        })
        .collect();
    let mut out = vec![Block::Table(parts)];
    if let Some(d) = details(state) {
        out.push(Block::Chart(crate::report::timeline::chart(&d.gantt, d.critical.heaviest())));
    }
    out.extend(table(state).map(Block::Table));
    out
}

/// What keys do.
pub fn update(state: &mut State, command: Command, _: &mut Vec<Effect>) -> bool {
    let seen = state.step.seen_fraction();
    match command {
        Command::Move(to) => moved(state, to),
        Command::Pan(by) => state.step.from_fraction = (state.step.from_fraction + f64::from(by) * seen / 2.0).clamp(0.0, 1.0 - seen),
        Command::Zoom(by) => {
            let middle = state.step.from_fraction + seen / 2.0;
            state.step.zoom = state.step.zoom.saturating_add_signed(i32::from(by)).min(12);
            let seen = state.step.seen_fraction();
            state.step.from_fraction = (middle - seen / 2.0).clamp(0.0, 1.0 - seen);
            if by > 0 {
                follow_cursor(state);
            }
        }
        Command::Fit => (state.step.zoom, state.step.from_fraction) = (0, 0.0),
        Command::Bubble => bubble(state),
        Command::Follow => {
            let mb = cursor_bar(state).and_then(|b| b.micro_batch);
            state.step.follow = if state.step.follow == mb { None } else { mb };
            state.say(mb.map_or("this bar belongs to no micro-batch".to_string(), |m| {
                if state.step.follow.is_some() {
                    format!("following micro-batch {m}")
                } else {
                    "following none".to_string()
                }
            }));
        }
        Command::Lanes => state.step.lanes = !state.step.lanes,
        Command::Table => match table(state) {
            Some(table) => show_blocks(state, "Bars", vec![Block::Table(table)]),
            None => state.say("this step cannot be drawn bar by bar"),
        },
        Command::Enter => operations(state),
        _ => return false,
    }
    true
}

fn operations(state: &mut State) {
    let Some(planned) = state.planned().cloned() else { return };
    if let Ok(explained) = explain::explain(&planned.plan, &planned.catalog, "step.time_s") {
        let document = explained.document(&planned.plan);
        show(state, "Operations of the step", &document);
    }
}

fn moved(state: &mut State, to: Move) {
    let Some(d) = details(state) else { return };
    let (n_stages, n_bars) = (d.gantt.stages.len(), compute(&d.gantt, state.step.stage).len());
    if view::focused(state) != 0 {
        return;
    }
    let step = &mut state.step;
    match to {
        Move::Up => step.stage = step.stage.saturating_sub(1),
        Move::Down => step.stage = (step.stage + 1).min(n_stages.saturating_sub(1)),
        Move::Left | Move::Right => step.bar = crate::tui::update::stepped(step.bar, n_bars, to, 8),
        Move::PageUp => step.bar = step.bar.saturating_sub(8),
        Move::PageDown => step.bar = (step.bar + 8).min(n_bars.saturating_sub(1)),
        Move::Top => (step.bar, step.from_fraction) = (0, 0.0),
        Move::Bottom => {
            step.bar = n_bars.saturating_sub(1);
            step.from_fraction = 1.0 - step.seen_fraction();
        }
    }
    follow_cursor(state);
}

/// Keep the bar under the cursor in sight.
fn follow_cursor(state: &mut State) {
    let Some(d) = details(state) else { return };
    let total = d.gantt.time_s.max(f64::MIN_POSITIVE);
    let Some(at) = cursor_bar(state).map(|b| b.start_s / total) else {
        return;
    };
    let seen = state.step.seen_fraction();
    if at < state.step.from_fraction || at > state.step.from_fraction + 0.95 * seen {
        state.step.from_fraction = (at - seen / 4.0).clamp(0.0, 1.0 - seen);
    }
}

fn bubble(state: &mut State) {
    let Some(d) = details(state) else { return };
    let list = compute(&d.gantt, state.step.stage);
    let start = state.step.bar.min(list.len().saturating_sub(1));
    let least = d.gantt.time_s * 1e-4;
    let next = (start + 1..list.len()).find(|i| list[*i].start_s - list[*i - 1].end_s > least);
    match next {
        Some(i) => {
            let gap = list[i].start_s - list[i - 1].end_s;
            state.step.bar = i;
            state.say(format!("bubble of {} before this slot", seconds(gap)));
            follow_cursor(state);
        }
        None => {
            state.step.bar = 0;
            state.say("no further bubble on this stage; back at its begin");
        }
    }
}

/// The mouse: the bar under it.
pub fn click(state: &mut State, panel: usize, area: Rect, at: (u16, u16), _: bool, _: &mut Vec<Effect>) -> bool {
    panel == 0 && chart::click(state, area, at)
}
