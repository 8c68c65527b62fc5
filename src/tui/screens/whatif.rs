//! 6 What-if: which knob matters?

mod tornado;

pub use tornado::tornado;

use super::{columns, missing, rows};
use crate::plan::Plan;
use crate::report::{Block, Cell, Column, Kind, Table};
use crate::study::metric::Metric;
use crate::tui::action::{Command, Move};
use crate::tui::figures::{Change, by_field, evidence};
use crate::tui::knobs::{KNOBS, Knob, KnobKind, Number};
use crate::tui::paint::{Inner, Paint, bar, first_line, fit};
use crate::tui::state::jobs::Effect;
use crate::tui::state::{Ask, State};
use crate::tui::theme::Role;
use crate::tui::update::{ask, stepped, wrapped};
use crate::tui::view;
use ratatui::layout::{Constraint, Rect};

/// Its panels.
pub const PANELS: [&str; 3] = ["Knobs", "Result", "Swing"];

/// Where they are.
pub fn rects(state: &State, body: Rect) -> Vec<Rect> {
    let (bottom, right) = if state.large() { (17, 76) } else { (7, 32) };
    let [top, swing] = rows(body, [Constraint::Fill(1), Constraint::Length(bottom)]);
    let [knobs, result] = columns(top, [Constraint::Fill(1), Constraint::Length(right)]);
    vec![knobs, result, swing]
}

/// Draw one.
pub fn draw(state: &State, paint: &mut Paint<'_>, panel: usize, area: Rect, focus: bool) {
    match panel {
        0 => knobs(state, paint, area, focus),
        1 => result(state, paint, area, focus),
        _ => {
            let metric = Metric::ALL[state.whatif.metric % Metric::ALL.len()];
            let inner = paint.panel(
                area,
                &format!("Swing of {}, each input alone", metric.name().to_lowercase()),
                "< > metric",
                focus,
            );
            tornado(state, paint, inner, metric);
        }
    }
}

fn knobs(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let n = state.current().map_or(0, |e| e.edits.len());
    let inner = paint.panel(area, "Knobs", &format!("{n} changed"), focus);
    // The newest plan that worked: a knob that led nowhere can be turned back.
    let Some(plan) = shown(state) else {
        missing(state, paint, inner);
        return;
    };
    let base = state.current().and_then(|e| e.before()).map(|p| &p.plan);
    let foot = foot(state, usize::from(inner.width()));
    let foot_lines = u16::try_from(foot.len()).unwrap_or(0).min(inner.height() / 2);
    let high = if usize::from(inner.height().saturating_sub(foot_lines)) >= KNOBS.len() * 2 {
        2
    } else {
        1
    };
    let room = usize::from(inner.height().saturating_sub(foot_lines)) / high;
    let first = first_line(state.whatif.cursor, KNOBS.len(), room);
    for (i, knob) in KNOBS.iter().enumerate().skip(first).take(room) {
        let y = u16::try_from((i - first) * high).unwrap_or(0);
        line(state, paint, (inner, y), knob, (plan, base), i == state.whatif.cursor);
    }
    let top = inner.height().saturating_sub(foot_lines);
    for (y, (text, role)) in (top..inner.height()).zip(foot) {
        inner.put(paint, (1, y), &text, role);
    }
}

/// The newest plan of the entry under the cursor that could be made.
fn shown(state: &State) -> Option<&Plan> {
    let entry = state.current()?;
    entry.planned().or_else(|| entry.before()).map(|p| &p.plan)
}

fn line(state: &State, paint: &mut Paint<'_>, (inner, y): (Inner, u16), knob: &Knob, (plan, base): (&Plan, Option<&Plan>), here: bool) {
    let edited = state
        .current()
        .is_some_and(|e| e.edits.iter().any(|edit| edit.path == knob.path(&plan.scenario)));
    let mark = if edited { "~" } else { " " };
    let head = format!("{}{mark}{}", if here { ">" } else { " " }, fit(knob.name, 21));
    inner.put(paint, (0, y), &head, if edited { Role::Strong } else { Role::Text });
    inner.right(paint, (36, y), &knob.human(plan), Role::Strong);
    match &knob.kind {
        KnobKind::Choice { options, .. } => inner.put(paint, (39, y), &options.join(" "), Role::Dim),
        KnobKind::Number(n) => track(paint, (inner, y), n, plan, base),
    }
    if here {
        inner.select(paint, y);
    }
}

/// The ends of a number's track.
fn ends(n: &Number, base: Option<&Plan>) -> Option<(f64, f64)> {
    let middle = base.and_then(|b| (n.of)(b)).filter(|v| *v > 0.0)?;
    Some((middle * n.track.0, middle * n.track.1))
}

/// `1.0 ----|--O---- 6.0`: the tick is what the scenario says.
fn track(paint: &mut Paint<'_>, (inner, y): (Inner, u16), n: &Number, plan: &Plan, base: Option<&Plan>) {
    let (Some((low, high)), Some(value)) = (ends(n, base), (n.of)(plan)) else {
        return;
    };
    let wide = inner.width() >= 80;
    let (start, end) = if wide {
        (49, inner.width().saturating_sub(12))
    } else {
        (38, inner.width().saturating_sub(1))
    };
    if end <= start + 4 {
        return;
    }
    let width = end - start;
    let place = |v: f64| {
        let share = ((v / low).ln() / (high / low).ln()).clamp(0.0, 1.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let x = (share * f64::from(width - 1)).round() as u16;
        start + x
    };
    inner.put(paint, (start, y), &"─".repeat(usize::from(width)), Role::Border);
    inner.put(paint, (place(low / n.track.0), y), "│", Role::Dim);
    inner.put(paint, (place(value), y), "O", Role::Accent);
    if wide {
        inner.right(paint, (48, y), &n.human(low), Role::Dim);
        inner.put(paint, (end + 1, y), &n.human(high), Role::Dim);
    }
}

/// What was changed, and the command line that does it.
fn foot(state: &State, width: usize) -> Vec<(String, Role)> {
    let Some(entry) = state.current() else { return Vec::new() };
    let auto = entry.edits.iter().any(|e| e.path == "layout");
    let mut out = vec![(
        if auto {
            "layout   searched at each change (a fixes it)"
        } else {
            "layout   as the scenario says (a searches it)"
        }
        .to_string(),
        Role::Dim,
    )];
    if entry.edits.is_empty() {
        out.push(("nothing is changed".to_string(), Role::Dim));
        return out;
    }
    let list: Vec<String> = entry.edits.iter().map(crate::tui::state::plans::Edit::assignment).collect();
    if state.large() {
        let lines = wrapped(&entry.command(&state.about.flags), width.saturating_sub(4));
        out.push(("same as (y copies):".to_string(), Role::Dim));
        out.extend(lines.into_iter().map(|l| (format!("  {l}"), Role::Text)));
    } else {
        out.push((format!("changed: {}", list.join(" ")), Role::Text));
    }
    out
}

/// Figures of the result.
const RESULT: [&str; 9] = ["step", "tokens", "mfu", "mem", "goodput", "days", "musd", "mwh", "tco2e"];

fn result(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let inner = paint.panel(area, "Result", if state.large() { "now, was, change" } else { "now / was" }, focus);
    let Some(entry) = state.current() else { return };
    if let Some(Err(_)) = entry.now.value.as_deref() {
        missing(state, paint, inner);
        return;
    }
    let (Some(now), Some(was)) = (entry.planned(), entry.before()) else {
        inner.put(paint, (1, 0), "computing ...", Role::Dim);
        return;
    };
    let list: Vec<&str> = if state.large() {
        RESULT.to_vec()
    } else {
        RESULT.iter().copied().filter(|f| *f != "tokens").collect()
    };
    let mut y = 0;
    for field in list {
        let Some(f) = by_field(field) else { continue };
        let (Some(a), Some(b)) = ((f.of)(&now.plan), (f.of)(&was.plan)) else {
            continue;
        };
        let scale = f.kind.scale(b);
        let (difference, better) = f.difference(a, b);
        let role = match better {
            Some(true) => Role::Good,
            Some(false) => Role::Bad,
            None => Role::Dim,
        };
        let difference = match better {
            None if f.change != Change::Absolute => String::new(),
            _ if f.change == Change::Absolute => String::new(),
            _ => difference,
        };
        if state.large() {
            inner.put(paint, (1, y), f.name, Role::Text);
            inner.right(paint, (36, y), &f.kind.human(a), Role::Strong);
            inner.right(paint, (52, y), &f.kind.human(b), Role::Text);
            inner.right(paint, (66, y), &difference, role);
        } else {
            let name = if f.field == "tco2e" {
                scale.unit.clone()
            } else {
                format!("{} {}", short(f.name), scale.unit)
            };
            inner.put(paint, (1, y), &fit(&name, 10), Role::Text);
            inner.right(paint, (16, y), &f.kind.number(a, &scale), Role::Strong);
            inner.right(paint, (23, y), &f.kind.number(b, &scale), Role::Text);
            inner.right(paint, (30, y), &difference, role);
        }
        y += 1;
    }
    y += 1;
    let n = now.warnings.len();
    let stale = if entry.now.waiting { "computing ..." } else { "" };
    inner.put(
        paint,
        (1, y),
        &format!("fits; {n} warnings; {} {stale}", evidence(&now.plan)),
        Role::Text,
    );
    inner.put(
        paint,
        (1, y + 1),
        &format!("updated in {}", crate::units::duration(now.took_s)),
        Role::Dim,
    );
    if state.large() {
        inner.put(paint, (1, y + 2), &format!("layout {}", now.plan.layout), Role::Dim);
        let mut y = y + 4;
        if let Some(r) = crate::plan::ranges(&now.plan) {
            let q = r.wall_s;
            let scale = Kind::Duration.scale(q.p90);
            let text = format!(
                "8 cases of 10: {} .. {} {}",
                Kind::Duration.number(q.p10, &scale),
                Kind::Duration.number(q.p90, &scale),
                scale.unit
            );
            inner.put(paint, (1, y), &text, Role::Text);
            y += 2;
        }
        history(state, paint, inner, y);
    }
}

/// The name where there is little room.
fn short(name: &str) -> &str {
    match name {
        "step time" => "step",
        "peak memory" => "memory",
        other => other,
    }
}

fn history(state: &State, paint: &mut Paint<'_>, inner: Inner, y: u16) {
    let list: Vec<f64> = state.whatif.history.iter().map(|(_, s)| *s).collect();
    let most = list.iter().copied().fold(0.0, f64::max);
    if list.len() < 2 || most <= 0.0 {
        return;
    }
    inner.put(paint, (1, y), "time after the last changes", Role::Dim);
    let room = usize::from(inner.height().saturating_sub(y + 1));
    let from = list.len().saturating_sub(room);
    for (y, s) in (y + 1..).zip(&list[from..]) {
        inner.right(paint, (14, y), &Kind::Duration.human(*s), Role::Text);
        inner.put(paint, (16, y), &bar(s / most, inner.width().saturating_sub(18)), Role::Series(0));
    }
}

/// What is going on.
pub fn status(state: &State) -> String {
    let Some(entry) = state.current() else { return String::new() };
    match entry.edits.len() {
        0 => format!("{}: nothing is changed", entry.name),
        n => format!("{n} changes since {}; y shows the command line", entry.name),
    }
}

/// What an export holds.
pub fn blocks(state: &State) -> Vec<Block> {
    let Some(entry) = state.current() else { return Vec::new() };
    let (Some(now), Some(was)) = (entry.planned(), entry.before()) else {
        return Vec::new();
    };
    let mut table = Table::new(
        "What if",
        vec![Column::words("Figure"), Column::numbers("Now"), Column::numbers("Was")],
    );
    for field in RESULT {
        let Some(f) = by_field(field) else { continue };
        let cell = |plan: &Plan| (f.of)(plan).map_or(Cell::Missing, |v| Cell::quantity(v, f.kind));
        table.rows.push(vec![f.name.into(), cell(&now.plan), cell(&was.plan)]);
    }
    table.notes.push(entry.command(&state.about.flags));
    vec![Block::Table(table)]
}

/// What keys do.
pub fn update(state: &mut State, command: Command, _: &mut Vec<Effect>) -> bool {
    match command {
        Command::Move(to @ (Move::Left | Move::Right)) => turn(state, to == Move::Right, false),
        Command::Move(to) => state.whatif.cursor = stepped(state.whatif.cursor, KNOBS.len(), to, 5),
        Command::Turn { up, large } => turn(state, up, large),
        Command::Enter => {
            if let Some(planned) = shown(state) {
                let path = KNOBS[state.whatif.cursor].path(&planned.scenario);
                let edits = state.current().map(|e| e.edits.clone()).unwrap_or_default();
                let text = edits.iter().find(|e| e.path == path).map_or_else(String::new, |e| e.value.clone());
                ask(state, Ask::Value(path), &text);
            }
        }
        Command::ResetKnob => reset(state),
        Command::ResetAll => {
            if let Some(id) = state.current().map(|e| e.id) {
                state.edit(id, |e| e.edits.clear());
            }
        }
        Command::Auto => auto(state),
        Command::SaveAs => ask(state, Ask::SaveAs, ""),
        Command::Metric(by) => {
            let n = Metric::ALL.len();
            let at = state.whatif.metric;
            state.whatif.metric = if by > 0 { (at + 1) % n } else { (at + n - 1) % n };
        }
        _ => return false,
    }
    true
}

fn turn(state: &mut State, up: bool, large: bool) {
    let Some(id) = state.current().map(|e| e.id) else { return };
    let list = match shown(state) {
        Some(plan) => {
            let free = state.current().is_some_and(crate::tui::state::plans::Entry::searched);
            KNOBS[state.whatif.cursor].turned(plan, free, (up, large))
        }
        None => Err("there is no plan to start from: u takes the last change back".to_string()),
    };
    match list {
        Ok(list) => state.edit(id, |e| list.iter().for_each(|(path, value)| e.set(path, value))),
        Err(why) => state.complain(why),
    }
}

fn reset(state: &mut State) {
    let Some(path) = shown(state).map(|p| KNOBS[state.whatif.cursor].path(&p.scenario)) else {
        return;
    };
    let Some(id) = state.current().map(|e| e.id) else { return };
    state.edit(id, |e| {
        e.edits
            .retain(|edit| edit.path != path && !(path == "cluster.nodes" && edit.path == "layout.data"));
    });
}

/// Search the layout at each change, or fix it again.
fn auto(state: &mut State) {
    let Some(id) = state.current().map(|e| e.id) else { return };
    state.edit(id, |e| {
        if e.edits.iter().any(|edit| edit.path == "layout") {
            e.edits.retain(|edit| edit.path != "layout");
        } else {
            e.set("layout", "{}");
        }
    });
}

/// The mouse: choose a knob, drag its slider.
pub fn click(state: &mut State, panel: usize, area: Rect, (x, y): (u16, u16), pressed: bool, _: &mut Vec<Effect>) -> bool {
    if panel != 0 {
        return pressed;
    }
    let width = area.width.saturating_sub(2);
    let height = area.height.saturating_sub(2);
    let foot_lines = u16::try_from(foot(state, usize::from(width)).len()).unwrap_or(0).min(height / 2);
    let high = if usize::from(height.saturating_sub(foot_lines)) >= KNOBS.len() * 2 {
        2
    } else {
        1
    };
    let room = usize::from(height.saturating_sub(foot_lines)) / high;
    let first = first_line(state.whatif.cursor, KNOBS.len(), room);
    let line = usize::from(y.saturating_sub(area.top() + 1)) / high;
    if line >= room {
        return false;
    }
    state.whatif.cursor = (first + line).min(KNOBS.len() - 1);
    let (start, end) = if width >= 80 {
        (49, width.saturating_sub(12))
    } else {
        (38, width.saturating_sub(1))
    };
    let column = x.saturating_sub(area.left() + 1);
    if column < start || column >= end {
        return true;
    }
    let base = state.current().and_then(|e| e.before()).map(|p| p.plan.clone());
    let KnobKind::Number(n) = &KNOBS[state.whatif.cursor].kind else {
        return true;
    };
    if let (Some(base), Some((low, high))) = (&base, ends(n, base.as_ref())) {
        let share = f64::from(column - start) / f64::from((end - start).saturating_sub(1).max(1));
        // What goes in powers of two does so here, too.
        let middle = low / n.track.0;
        let to = low * (high / low).powf(share);
        let to = if n.small_factor >= 2.0 {
            middle * 2.0_f64.powf((to / middle).log2().round())
        } else {
            to
        };
        crate::tui::update::set(state, &(n.path)(&base.scenario), &(n.write)(to));
    }
    let _ = view::focused(state);
    true
}
