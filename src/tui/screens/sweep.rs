//! 8 Sweep: the map of the space.

mod map;

use super::{columns, popup, rows};
use crate::report::{Block, Cell, Column, Kind, Table};
use crate::study::sweep::{Row, row};
use crate::tui::action::{Command, Move};
use crate::tui::export::Writing;
use crate::tui::knobs;
use crate::tui::paint::{Paint, bar, fit, gauge};
use crate::tui::state::jobs::{Effect, Grid};
use crate::tui::state::views::METRICS;
use crate::tui::state::{Ask, State};
use crate::tui::theme::Role;
use crate::tui::update::ask;
use ratatui::layout::{Constraint, Rect};

/// Its panels.
pub const PANELS: [&str; 4] = ["Map", "Here", "Row and column", "Run"];
/// Columns of the labels on the left.
const MARGIN: u16 = 13;
/// Of which figure contours can be.
const CONTOURS: [(&str, &str); 2] = [("wall_s", "time"), ("carbon_kg_co2e", "carbon")];

/// Where they are.
pub fn rects(state: &State, body: Rect) -> Vec<Rect> {
    let large = state.large();
    let [top, run] = rows(body, [Constraint::Fill(1), Constraint::Length(if large { 7 } else { 4 })]);
    let [map, side] = columns(top, [Constraint::Fill(1), Constraint::Length(if large { 48 } else { 26 })]);
    if large {
        let [here, curves] = rows(side, [Constraint::Fill(1), Constraint::Fill(1)]);
        return vec![map, here, curves, run];
    }
    vec![map, side, Rect::default(), run]
}

fn grid(state: &State) -> Option<&Grid> {
    state.sweep.grid.value.as_deref()
}

/// A number of a case by its column.
fn value(case: Option<&Row>, column: &str) -> Option<f64> {
    let figures = case?.outcome.as_ref().ok()?;
    let at = row::column(column)?.checked_sub(row::COLUMNS.len() - figures.len())?;
    match figures.get(at)? {
        row::Cell::Number(v) => Some(*v),
        #[allow(clippy::cast_precision_loss)]
        row::Cell::Whole(n) => Some(*n as f64),
        _ => None,
    }
}

fn text(case: &Row, column: &str) -> String {
    let Ok(figures) = &case.outcome else { return String::new() };
    let at = row::column(column).and_then(|c| c.checked_sub(row::COLUMNS.len() - figures.len()));
    match at.and_then(|i| figures.get(i)) {
        Some(row::Cell::Text(t)) => t.to_string(),
        Some(row::Cell::Whole(n)) => n.to_string(),
        _ => String::new(),
    }
}

/// Line and column of the cursor, within the grid.
fn cursor(state: &State, g: &Grid) -> (usize, usize) {
    let (nx, ny) = (g.axes.x.1.len(), g.axes.y.1.len());
    let (x, y) = state.sweep.cursor.unwrap_or((nx / 2, ny / 2));
    (x.min(nx.saturating_sub(1)), y.min(ny.saturating_sub(1)))
}

fn metric(state: &State) -> (&'static str, &'static str, Kind) {
    METRICS[state.sweep.metric % METRICS.len()]
}

fn axis_name(which: usize) -> &'static str {
    let list: Vec<_> = knobs::numbers().collect();
    list[which % list.len()].0
}

fn shown(which: usize, v: f64) -> String {
    let list: Vec<_> = knobs::numbers().collect();
    let (_, n) = list[which % list.len()];
    n.human(v)
}

/// Least and most of the metric over the grid.
fn ends(g: &Grid, column: &str) -> Option<(f64, f64)> {
    let all = || g.rows.iter().flatten().filter_map(|c| value(c.as_ref(), column));
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    (low <= high).then_some((low, high))
}

/// Draw one.
pub fn draw(state: &State, paint: &mut Paint<'_>, panel: usize, area: Rect, focus: bool) {
    match panel {
        0 => map::draw(state, paint, area, focus),
        1 => here(state, paint, area, focus),
        2 => curves(state, paint, area, focus),
        _ => run(state, paint, area, focus),
    }
}

/// Columns and lines of a cell.
fn cell_size(area: Rect, g: &Grid) -> (u16, u16) {
    let (nx, ny) = (
        u16::try_from(g.axes.x.1.len()).unwrap_or(1).max(1),
        u16::try_from(g.axes.y.1.len()).unwrap_or(1).max(1),
    );
    let wide = (area.width.saturating_sub(3 + MARGIN) / nx).clamp(1, 8);
    let high = (area.height.saturating_sub(6) / ny).clamp(1, 3);
    (wide, high)
}

fn here(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let inner = paint.panel(area, "Here", "", focus);
    let Some(g) = grid(state) else { return };
    let (x, y) = cursor(state, g);
    let mut line = 0;
    let mut add = |paint: &mut Paint<'_>, key: &str, value: &str, role: Role| {
        inner.put(paint, (1, line), &fit(key, 12), Role::Dim);
        inner.put(paint, (13, line), value, role);
        line += 1;
    };
    add(paint, axis_name(state.sweep.x), &shown(state.sweep.x, g.axes.x.1[x].0), Role::Text);
    add(paint, axis_name(state.sweep.y), &shown(state.sweep.y, g.axes.y.1[y].0), Role::Text);
    add(paint, "", "", Role::Text);
    let case = g.rows[y][x].as_ref();
    match case.map(|c| &c.outcome) {
        None => add(paint, "", "not planned yet", Role::Dim),
        Some(Err(why)) => {
            for part in super::fold(why, usize::from(inner.width().saturating_sub(2))) {
                inner.put(paint, (1, line), &part, Role::Warn);
                line += 1;
            }
            return;
        }
        Some(Ok(_)) => {
            for (column, name, kind) in METRICS {
                let v = value(case, column).map_or("-".to_string(), |v| kind.human(v));
                add(paint, name, &v, Role::Strong);
            }
            if let Some(c) = case {
                let degrees: Vec<String> = [
                    ("t", "tensor"),
                    ("c", "context"),
                    ("p", "pipeline"),
                    ("v", "virtual_stages"),
                    ("d", "data"),
                ]
                .iter()
                .map(|(l, k)| format!("{l}{}", text(c, k)))
                .filter(|t| !t.ends_with('1') || t.len() > 2)
                .collect();
                add(paint, "layout", &degrees.join(" "), Role::Text);
            }
        }
    }
    add(paint, "", "", Role::Text);
    for (name, column) in [("cheapest", "cost_usd"), ("fastest", "wall_s")] {
        if let Some((bx, by)) = best(g, column) {
            add(paint, name, &format!("{}, {}", g.axes.x.1[bx].1, g.axes.y.1[by].1), Role::Text);
        }
    }
}

/// The cell with the least of a column; with the most where that is better.
fn best(g: &Grid, column: &str) -> Option<(usize, usize)> {
    let more = matches!(column, "mfu" | "goodput");
    let mut out: Option<((usize, usize), f64)> = None;
    for (y, line) in g.rows.iter().enumerate() {
        for (x, case) in line.iter().enumerate() {
            let Some(v) = value(case.as_ref(), column) else { continue };
            if out.is_none_or(|(_, b)| if more { v > b } else { v < b }) {
                out = Some(((x, y), v));
            }
        }
    }
    out.map(|(at, _)| at)
}

fn curves(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let (column, name, kind) = metric(state);
    let inner = paint.panel(area, "Row and column", name, focus);
    let Some(g) = grid(state) else { return };
    let (x, y) = cursor(state, g);
    let across: Vec<(f64, Option<f64>)> = g
        .axes
        .x
        .1
        .iter()
        .zip(&g.rows[y])
        .map(|((v, _), c)| (*v, value(c.as_ref(), column)))
        .collect();
    let up: Vec<(f64, Option<f64>)> = g
        .axes
        .y
        .1
        .iter()
        .zip(&g.rows)
        .map(|((v, _), l)| (*v, value(l[x].as_ref(), column)))
        .collect();
    let mut top = 0;
    for (which, list, at) in [(state.sweep.x, across, x), (state.sweep.y, up, y)] {
        inner.put(paint, (1, top), &format!("along {}", axis_name(which)), Role::Dim);
        let most = list.iter().filter_map(|(_, v)| *v).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let room = usize::from(inner.height() / 2).saturating_sub(1).max(1);
        let first = crate::tui::paint::first_line(at, list.len(), room);
        for (line, (i, (v, m))) in (top + 1..).zip(list.iter().enumerate().skip(first).take(room)) {
            let role = if i == at { Role::Strong } else { Role::Text };
            inner.right(paint, (12, line), &shown(which, *v), role);
            match m {
                Some(m) => {
                    inner.put(paint, (13, line), &bar(m / most, inner.width().saturating_sub(26)), Role::Series(0));
                    inner.right(paint, (inner.width().saturating_sub(1), line), &kind.human(*m), role);
                }
                None => inner.put(paint, (13, line), "x", Role::Dim),
            }
        }
        top = inner.height() / 2;
    }
}

fn run(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let inner = paint.panel(area, "Run", "S writes the study", focus);
    let Some(g) = grid(state) else { return };
    let all = g.axes.x.1.len() * g.axes.y.1.len();
    let fits = g.rows.iter().flatten().flatten().filter(|c| c.outcome.is_ok()).count();
    #[allow(clippy::cast_precision_loss)]
    let (share, rate) = (g.n_done as f64 / all.max(1) as f64, g.n_done as f64 / g.took_s.max(1e-3));
    let width = (inner.width() / 3).clamp(10, 50);
    let how = match (state.sweep.grid.waiting, g.stopped) {
        (true, _) => "planning; esc stops",
        (_, true) => "stopped",
        _ => "done",
    };
    inner.put(
        paint,
        (1, 0),
        &format!(
            "{} {} of {all} cases, {} fit nowhere   {how}",
            gauge(share, width),
            g.n_done,
            g.n_done - fits
        ),
        Role::Text,
    );
    inner.put(
        paint,
        (1, 1),
        &format!("{rate:.0} cases/s on all cores but one; the layout is searched in each",),
        Role::Dim,
    );
    if state.large() {
        inner.put(
            paint,
            (1, 2),
            "more points, more axes, shards on a cluster: S, then exaplan sweep run | submit | map",
            Role::Dim,
        );
    }
}

/// What is going on.
pub fn status(state: &State) -> String {
    let (_, name, _) = metric(state);
    let log = if state.sweep.log { "log" } else { "even" };
    let contour = state
        .sweep
        .contour
        .checked_sub(1)
        .and_then(|i| CONTOURS.get(i))
        .map_or("off", |(_, n)| n);
    format!(
        "metric {name}   axes {}, {}   colour {log}   contour {contour}",
        axis_name(state.sweep.x),
        axis_name(state.sweep.y)
    )
}

/// What an export holds.
pub fn blocks(state: &State) -> Vec<Block> {
    let Some(g) = grid(state) else { return Vec::new() };
    let mut head = vec![Column::words(g.axes.x.0.clone()), Column::words(g.axes.y.0.clone())];
    head.extend(METRICS.iter().map(|(_, n, _)| Column::numbers(*n)));
    head.push(Column::words("why not"));
    let mut table = Table::new("Cases", head);
    for (y, line) in g.rows.iter().enumerate() {
        for (x, case) in line.iter().enumerate().filter_map(|(x, c)| Some((x, c.as_ref()?))) {
            let mut row = vec![Cell::Text(g.axes.x.1[x].1.clone()), Cell::Text(g.axes.y.1[y].1.clone())];
            row.extend(
                METRICS
                    .iter()
                    .map(|(c, _, k)| value(Some(case), c).map_or(Cell::Missing, |v| Cell::quantity(v, *k))),
            );
            row.push(case.outcome.as_ref().err().map_or(Cell::Missing, |e| Cell::Text(e.clone())));
            table.rows.push(row);
        }
    }
    vec![Block::Table(table)]
}

/// What keys do.
pub fn update(state: &mut State, command: Command, _: &mut Vec<Effect>) -> bool {
    let n_axes = knobs::numbers().count();
    match command {
        Command::Move(to) => moved(state, to),
        Command::SweepMetric => state.sweep.metric = (state.sweep.metric + 1) % METRICS.len(),
        Command::AxisX => {
            other_axes(state);
            state.sweep.x = (state.sweep.x + 1) % n_axes;
            if state.sweep.x == state.sweep.y {
                state.sweep.x = (state.sweep.x + 1) % n_axes;
            }
        }
        Command::AxisY => {
            other_axes(state);
            state.sweep.y = (state.sweep.y + 1) % n_axes;
            if state.sweep.x == state.sweep.y {
                state.sweep.y = (state.sweep.y + 1) % n_axes;
            }
        }
        Command::Zoom(by) => {
            state.sweep.reach = if by > 0 {
                (state.sweep.reach / 2).max(2)
            } else {
                (state.sweep.reach * 2).min(64)
            }
        }
        Command::Best => {
            let column = metric(state).0;
            match grid(state).and_then(|g| best(g, column)) {
                Some(at) => state.sweep.cursor = Some(at),
                None => state.say("nothing fits"),
            }
        }
        Command::Contour => state.sweep.contour = (state.sweep.contour + 1) % (CONTOURS.len() + 1),
        Command::LogColor => state.sweep.log = !state.sweep.log,
        Command::Submit => submit(state),
        Command::Enter => open(state),
        _ => return false,
    }
    true
}

/// The old grid is of other axes.
fn other_axes(state: &mut State) {
    state.sweep.cursor = None;
    state.sweep.grid.drop_value();
}

fn moved(state: &mut State, to: Move) {
    let Some((nx, ny, (mut x, mut y))) = grid(state).map(|g| (g.axes.x.1.len(), g.axes.y.1.len(), cursor(state, g))) else {
        return;
    };
    match to {
        Move::Left => x = x.saturating_sub(1),
        Move::Right => x = (x + 1).min(nx - 1),
        // The largest is on top.
        Move::Up => y = (y + 1).min(ny - 1),
        Move::Down => y = y.saturating_sub(1),
        Move::PageUp => y = ny - 1,
        Move::PageDown => y = 0,
        Move::Top => x = 0,
        Move::Bottom => x = nx - 1,
    }
    state.sweep.cursor = Some((x, y));
}

/// The case under the cursor as a plan of its own, or why it has none.
fn open(state: &mut State) {
    let Some((g, at)) = grid(state).map(|g| (g.clone(), cursor(state, g))) else {
        return;
    };
    let (x, y) = at;
    if let Some(Err(why)) = g.rows[y][x].as_ref().map(|c| &c.outcome) {
        let lines = super::fold(why, usize::from(state.size.0.saturating_sub(8)).clamp(30, 100));
        popup(state, "Why nothing fits", lines);
        return;
    }
    let Some(entry) = state.current() else { return };
    let mut sets = entry.all_sets();
    sets.push("layout={}".to_string());
    for (axis, i) in [(&g.axes.y, y), (&g.axes.x, x)] {
        sets.push(format!("{}={}", axis.0, axis.1[i].1));
    }
    let name = format!("{} {} {}", entry.name, g.axes.x.1[x].1, g.axes.y.1[y].1);
    let source = entry.source.clone();
    state.last_id += 1;
    state
        .entries
        .push(crate::tui::state::plans::Entry::new(state.last_id, &name, source, sets));
    state.say("it is in the list of plans: 1");
}

fn submit(state: &mut State) {
    if grid(state).is_none() {
        state.say("the grid is still being planned");
        return;
    }
    ask(state, Ask::Study, "sweep.toml");
}

/// Write the study of what is seen.
pub fn save(state: &mut State, path: &str, effects: &mut Vec<Effect>) {
    match grid(state).map(|g| g.study.clone()) {
        Some(study) => effects.push(Effect::Write(Writing::study(path, study))),
        None => state.say("the grid is still being planned"),
    }
}

/// The mouse.
pub fn click(state: &mut State, panel: usize, area: Rect, (x, y): (u16, u16), _: bool, _: &mut Vec<Effect>) -> bool {
    let Some(g) = grid(state).filter(|_| panel == 0) else {
        return false;
    };
    let (wide, high) = cell_size(area, g);
    let (nx, ny) = (g.axes.x.1.len(), g.axes.y.1.len());
    let column = x.checked_sub(area.left() + 1 + MARGIN).map(|c| usize::from(c / wide));
    let line = y.checked_sub(area.top() + 2).map(|l| usize::from(l / high));
    let (Some(column), Some(line)) = (column.filter(|c| *c < nx), line.filter(|l| *l < ny)) else {
        return false;
    };
    state.sweep.cursor = Some((column, ny - 1 - line));
    true
}
