//! 4 Memory: how full is each stage, and what would free some?

use super::{columns, missing, rows};
use crate::layout::MemoryBudget;
use crate::plan::{Plan, params_by_stage};
use crate::report::plan::fullest;
use crate::report::{Block, Cell, Column, Kind, Table};
use crate::tui::action::{Command, Move};
use crate::tui::paint::{Paint, cells, first_line, fit};
use crate::tui::state::jobs::{Effect, Try};
use crate::tui::state::{Screen, State};
use crate::tui::theme::Role;
use crate::tui::update::stepped;
use crate::tui::view;
use ratatui::layout::{Constraint, Rect};

/// Its panels.
pub const PANELS: [&str; 3] = ["Memory per device", "At its peak", "What if"];

/// Where they are.
pub fn rects(state: &State, body: Rect) -> Vec<Rect> {
    if state.large() {
        let [left, right] = columns(body, [Constraint::Fill(8), Constraint::Fill(7)]);
        let [list, tries] = rows(right, [Constraint::Length(16), Constraint::Fill(1)]);
        return vec![left, list, tries];
    }
    let [top, bottom] = rows(body, [Constraint::Fill(1), Constraint::Length(10)]);
    let [list, tries] = columns(bottom, [Constraint::Fill(1), Constraint::Fill(1)]);
    vec![top, list, tries]
}

/// Parts of a budget: letter, name, bytes.
fn parts(b: &MemoryBudget) -> [(char, &'static str, f64); 6] {
    [
        ('w', "weights", b.weights_bytes),
        ('g', "gradients", b.gradients_bytes),
        ('o', "optimizer", b.optimizer_bytes),
        ('a', "activations", b.activations_bytes),
        ('c', "buffers", b.buffers_bytes),
        ('r', "reserve", b.reserve_bytes),
    ]
}

fn gib(bytes: f64) -> String {
    format!("{:.1}", bytes / crate::units::GIB_BYTES)
}

fn budget(state: &State) -> Option<(&Plan, &MemoryBudget)> {
    let plan = &state.planned()?.plan;
    let stages = &plan.step.memory;
    let own = stages.get(state.memory.stage.min(stages.len().saturating_sub(1)))?;
    Some((plan, own))
}

/// Draw one.
pub fn draw(state: &State, paint: &mut Paint<'_>, panel: usize, area: Rect, focus: bool) {
    match panel {
        0 => stacks(state, paint, area, focus),
        1 => list(state, paint, area, focus),
        _ => tries(state, paint, area, focus),
    }
}

fn stacks(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let Some((plan, own)) = budget(state) else {
        let inner = paint.panel(area, "Memory per device", "", focus);
        missing(state, paint, inner);
        return;
    };
    let inner = paint.panel(
        area,
        "Memory per device, by pipeline stage",
        &Kind::Bytes.human(own.capacity_bytes),
        focus,
    );
    let stages = &plan.step.memory;
    let most = stages.iter().map(|b| b.peak_bytes().max(b.capacity_bytes)).fold(0.0, f64::max);
    let width = inner.width().saturating_sub(18);
    let high = if stages.len() * 2 + 3 <= usize::from(inner.height()) {
        2
    } else {
        1
    };
    let room = usize::from(inner.height().saturating_sub(3)) / high;
    let cursor = state.memory.stage.min(stages.len().saturating_sub(1));
    let first = first_line(cursor, stages.len(), room);
    for (i, b) in stages.iter().enumerate().skip(first).take(room) {
        let y = u16::try_from((i - first) * high).unwrap_or(0);
        let here = i == cursor;
        inner.put(
            paint,
            (0, y),
            &format!("{}s{}", if here { ">" } else { " " }, b.stage),
            if here { Role::Strong } else { Role::Text },
        );
        let list = parts(b);
        let bytes: Vec<f64> = list.iter().map(|(_, _, v)| *v).collect();
        let wide = cells(&bytes, most, usize::from(width));
        let mut x = 5;
        for (k, ((letter, ..), n)) in list.iter().zip(&wide).enumerate() {
            inner.put(
                paint,
                (x, y),
                &letter.to_string().repeat(*n),
                Role::Series(u8::try_from(k).unwrap_or(0)),
            );
            x += u16::try_from(*n).unwrap_or(0);
        }
        let limit = cells(&[b.capacity_bytes], most, usize::from(width))[0];
        let limit = 5 + u16::try_from(limit).unwrap_or(0);
        if x < limit {
            inner.put(paint, (x, y), &"_".repeat(usize::from(limit - x)), Role::Dim);
        }
        inner.put(paint, (limit, y), "│", Role::Strong);
        let role = if b.headroom_bytes() < 0.0 { Role::Bad } else { Role::Text };
        inner.right(
            paint,
            (inner.width().saturating_sub(1), y),
            &format!("{} GiB", gib(b.peak_bytes())),
            role,
        );
    }
    let y = inner.height().saturating_sub(2);
    inner.put(paint, (5, y), "0", Role::Dim);
    inner.right(paint, (5 + width / 2 + 2, y), &gib(most / 2.0), Role::Dim);
    inner.right(paint, (5 + width, y), &gib(most), Role::Dim);
    let legend = "w weights  g gradients  o optimizer  a activations  c buffers  r reserve  _ free";
    inner.put(paint, (1, y + 1), legend, Role::Dim);
}

fn list(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let Some((plan, b)) = budget(state) else {
        paint.panel(area, "At its peak", "", focus);
        return;
    };
    let inner = paint.panel(area, &format!("Stage {} at its peak", b.stage), "GiB", focus);
    let precision = &plan.scenario.workload.precision;
    let layout = &plan.layout;
    let params = params_by_stage(plan)
        .get(usize::try_from(b.stage).unwrap_or(0))
        .copied()
        .unwrap_or(0.0);
    let notes = [
        format!("{}, {} B each", Kind::Params.human(params), precision.weight_bytes),
        format!("{} B each", precision.gradient_bytes),
        if layout.sharding == crate::layout::Sharding::None {
            "not shared".to_string()
        } else {
            format!("{}, shared by {} ranks", layout.sharding.name(), layout.data)
        },
        format!("recompute {}", layout.recompute.name()),
        String::new(),
        "context, fragments".to_string(),
    ];
    for (y, ((_, name, bytes), note)) in (0..).zip(parts(b).iter().zip(notes)) {
        inner.put(paint, (1, y), name, Role::Text);
        inner.right(paint, (20, y), &gib(*bytes), Role::Text);
        inner.put(paint, (22, y), &note, Role::Dim);
    }
    let percent = 100.0 * b.headroom_bytes() / b.capacity_bytes;
    inner.put(paint, (1, 6), "total", Role::Strong);
    inner.right(paint, (20, 6), &gib(b.peak_bytes()), Role::Strong);
    inner.put(
        paint,
        (22, 6),
        &format!("free {} ({percent:.0} %)", gib(b.headroom_bytes())),
        Role::Text,
    );
    if b.host_bytes > 0.0 {
        inner.put(
            paint,
            (1, 7),
            &format!("host: {} of {}", gib(b.host_bytes), gib(b.host_capacity_bytes)),
            Role::Text,
        );
    }
    inner.put(
        paint,
        (1, 9),
        &format!("as a framework reports it: {} GiB allocated", gib(b.allocated_bytes())),
        Role::Dim,
    );
}

/// The line of a change: name, memory, time and the rest.
fn effect(plan: &Plan, one: &Try, wide: bool) -> (String, Role) {
    let peak = |p: &Plan| fullest(&p.step.memory).map_or(0.0, MemoryBudget::peak_bytes);
    match &one.plan {
        Err(why) => (why.clone(), Role::Dim),
        Ok(other) => {
            let memory = (peak(other) - peak(plan)) / crate::units::GIB_BYTES;
            let step = 100.0 * (other.step.time_s / plan.step.time_s - 1.0);
            let short = format!("{memory:>+7.1} {step:>+7.1} %");
            if !wide {
                return (short, Role::Text);
            }
            let mfu = 100.0 * (other.step.mfu - plan.step.mfu);
            let days = (other.run.wall_s - plan.run.wall_s) / crate::units::DAY_S;
            let cost = other.bill.cost.total_usd.zip(plan.bill.cost.total_usd).map(|(a, b)| (a - b) / 1e6);
            let cost = cost.map_or_else(|| "      -".to_string(), |c| format!("{c:>+8.2}"));
            (format!("{short} {mfu:>+7.1} {days:>+8.1} {cost}"), Role::Text)
        }
    }
}

fn tries(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let inner = paint.panel(area, "What if", if focus { "keys 1-8 apply" } else { "tab: keys" }, focus);
    let (Some((plan, _)), Some(list)) = (budget(state), state.memory.tries.value.as_deref()) else {
        inner.put(paint, (1, 0), "working out ...", Role::Dim);
        return;
    };
    let wide = inner.width() >= 66;
    let head = if wide {
        " memory      step     MFU     days     MUSD"
    } else {
        "    GiB      step"
    };
    let (name, from) = if wide { (22, 26) } else { (15, 20) };
    inner.put(paint, (from, 0), head, Role::Dim);
    for (y, (i, one)) in (1..).zip(list.iter().enumerate()) {
        let mark = if state.memory.marked.contains(&i) { "*" } else { " " };
        inner.put(paint, (0, y), &format!("{mark}{} {}", i + 1, fit(&one.name, name)), Role::Text);
        let (text, role) = effect(plan, one, wide);
        inner.put(paint, (from, y), &text, role);
        if focus && i == state.memory.cursor {
            inner.select(paint, y);
        }
    }
    if usize::from(inner.height()) > list.len() + 2 {
        let y = u16::try_from(list.len()).unwrap_or(0) + 2;
        inner.put(paint, (1, y), "two together: space marks, enter applies", Role::Dim);
    }
}

/// What is going on.
pub fn status(state: &State) -> String {
    let Some((plan, _)) = budget(state) else {
        return "no plan yet".to_string();
    };
    fullest(&plan.step.memory).map_or_else(String::new, |b| {
        format!(
            "stage {} is fullest: {} of {}",
            b.stage,
            Kind::Bytes.human(b.peak_bytes()),
            Kind::Bytes.human(b.capacity_bytes)
        )
    })
}

/// What an export holds.
pub fn blocks(state: &State) -> Vec<Block> {
    let Some((plan, _)) = budget(state) else { return Vec::new() };
    let table = crate::report::plan::memory_by_stage(plan);
    let mut tried = Table::new(
        "What if",
        vec![
            Column::words("Change"),
            Column::numbers("Peak"),
            Column::numbers("Step"),
            Column::words("Set"),
        ],
    );
    for one in state.memory.tries.value.as_deref().into_iter().flatten() {
        let (peak, step) = match &one.plan {
            Ok(p) => (
                fullest(&p.step.memory).map_or(Cell::Missing, |b| Cell::quantity(b.peak_bytes(), Kind::Bytes)),
                Cell::quantity(p.step.time_s, Kind::Duration),
            ),
            Err(_) => (Cell::Missing, Cell::Missing),
        };
        tried
            .rows
            .push(vec![Cell::Text(one.name.clone()), peak, step, Cell::Text(one.sets.join(" "))]);
    }
    vec![Block::Table(table), Block::Table(tried)]
}

/// What keys do.
pub fn update(state: &mut State, command: Command, _: &mut Vec<Effect>) -> bool {
    let panel = view::focused(state);
    let n = state.memory.tries.value.as_ref().map_or(0, |l| l.len());
    let n_stages = state.planned().map_or(0, |p| p.plan.step.memory.len());
    match command {
        Command::Move(to @ (Move::Up | Move::Down)) if panel == 2 => state.memory.cursor = stepped(state.memory.cursor, n, to, 4),
        Command::Move(to) => state.memory.stage = stepped(state.memory.stage, n_stages, to, 4),
        Command::Fullest => {
            let stage = state.planned().and_then(|p| fullest(&p.plan.step.memory)).map(|b| b.stage);
            state.memory.stage = usize::try_from(stage.unwrap_or(0)).unwrap_or(0);
        }
        Command::Mark if panel == 2 => {
            let at = state.memory.cursor;
            match state.memory.marked.iter().position(|i| *i == at) {
                Some(i) => drop(state.memory.marked.remove(i)),
                None => state.memory.marked.push(at),
            }
        }
        Command::Try(i) => apply(state, &[usize::from(i)]),
        Command::Enter if panel == 2 => {
            let list = if state.memory.marked.is_empty() {
                vec![state.memory.cursor]
            } else {
                state.memory.marked.clone()
            };
            apply(state, &list);
        }
        Command::Enter => state.screen = Screen::WhatIf,
        _ => return false,
    }
    true
}

/// Make changes as a what-if.
fn apply(state: &mut State, which: &[usize]) {
    let Some(list) = state.memory.tries.value.clone() else {
        state.say("still being worked out");
        return;
    };
    let sets: Vec<String> = which.iter().filter_map(|i| list.get(*i)).flat_map(|t| t.sets.clone()).collect();
    let Some(id) = state.current().map(|e| e.id).filter(|_| !sets.is_empty()) else {
        state.say("there is no such change");
        return;
    };
    state.edit(id, |e| {
        for set in &sets {
            if let Some((path, value)) = set.split_once('=') {
                e.set(path, value);
            }
        }
    });
    state.memory.marked.clear();
    state.screen = Screen::WhatIf;
    state.say(format!("{} is tried; u takes it back", sets.join(" ")));
}

/// The mouse.
pub fn click(state: &mut State, panel: usize, area: Rect, (_, y): (u16, u16), _: bool, _: &mut Vec<Effect>) -> bool {
    let line = usize::from(y.saturating_sub(area.top() + 1));
    match panel {
        0 => {
            let n = state.planned().map_or(0, |p| p.plan.step.memory.len());
            let height = area.height.saturating_sub(2);
            let high = if n * 2 + 3 <= usize::from(height) { 2 } else { 1 };
            let room = usize::from(height.saturating_sub(3)) / high;
            let first = first_line(state.memory.stage, n, room);
            state.memory.stage = (first + line / high).min(n.saturating_sub(1));
        }
        2 => state.memory.cursor = line.saturating_sub(1),
        _ => return false,
    }
    true
}
