//! The step as letters on lines: one cell is a stretch of time, and shows what fills most of it.

use super::{compute, cursor_bar, details, seconds};
use crate::step::{Bar, Gantt, Lane};
use crate::tui::paint::{Inner, Paint, first_line};
use crate::tui::screens::missing;
use crate::tui::state::State;
use crate::tui::theme::Role;
use crate::tui::view;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

/// Columns of the names of stages.
const MARGIN: u16 = 9;
/// Charts go no wider.
const WIDEST: u16 = 240;

/// Columns of time in the window as it is.
#[must_use]
pub fn time_columns(state: &State) -> u16 {
    let area = view::areas(state)
        .into_iter()
        .find(|(p, _)| *p == 0)
        .map_or(state.size.0, |(_, a)| a.width);
    area.saturating_sub(2 + MARGIN + 1).min(WIDEST)
}

fn letter(bar: &Bar) -> (char, Role) {
    match (bar.lane, bar.name) {
        (Lane::Compute, "forward") => ('f', Role::Series(0)),
        (Lane::Compute, "backward" | "input gradient") => ('b', Role::Series(3)),
        (Lane::Compute, "weight gradient") => ('w', Role::Series(6)),
        (Lane::Compute, "optimizer") => ('O', Role::Series(4)),
        (Lane::Compute, "waiting for the slowest node") => ('s', Role::Series(2)),
        (Lane::Compute, _) => ('x', Role::Series(7)),
        (Lane::Tensor, _) => ('t', Role::Series(1)),
        (Lane::Expert, _) => ('e', Role::Series(4)),
        (Lane::Send, "send activations") => ('>', Role::Series(5)),
        (Lane::Send, _) => ('<', Role::Series(5)),
        (Lane::Data, _) => ('d', Role::Series(6)),
        (Lane::Copy, _) => ('c', Role::Series(2)),
    }
}

/// What a line of the chart shows.
enum Line {
    Stage(usize),
    Lane(usize, Lane),
}

fn lines(state: &State, gantt: &Gantt) -> Vec<Line> {
    let stage = state.step.stage.min(gantt.stages.len().saturating_sub(1));
    if state.step.lanes {
        let has = |lane: Lane| gantt.stages[stage].iter().any(|b| b.lane == lane);
        let lanes = Lane::ALL.iter().filter(|(_, l)| has(*l));
        return lanes.map(|(_, l)| Line::Lane(stage, *l)).collect();
    }
    (0..gantt.stages.len()).map(Line::Stage).collect()
}

/// Draw it.
pub fn draw(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let Some(d) = details(state) else {
        let inner = paint.panel(area, "Pipeline", "", focus);
        if state.planned().is_none() {
            missing(state, paint, inner);
        } else if state.step.details.waiting || state.step.details.value.is_none() {
            inner.put(paint, (1, 0), "simulating the step ...", Role::Dim);
        } else {
            inner.put(
                paint,
                (1, 0),
                "The event engine cannot run this schedule: the parts below are of the closed form.",
                Role::Warn,
            );
        }
        return;
    };
    let gantt = &d.gantt;
    let what = if state.step.lanes {
        format!("lanes of stage {}", state.step.stage)
    } else {
        format!("{} stages", gantt.stages.len())
    };
    let inner = paint.panel(area, "Pipeline", &format!("step {}, {what}", seconds(gantt.time_s)), focus);
    let width = inner.width().saturating_sub(MARGIN + 1).min(WIDEST);
    let from_s = state.step.from_fraction * gantt.time_s;
    let seen_s = state.step.seen_fraction() * gantt.time_s;
    inner.put(paint, (MARGIN, 0), &seconds(from_s), Role::Dim);
    inner.right(paint, (MARGIN + width, 0), &seconds(from_s + seen_s), Role::Dim);
    let list = lines(state, gantt);
    let high = if state.large() && !state.step.lanes && list.len() * 2 < usize::from(inner.height()) {
        2
    } else {
        1
    };
    let room = usize::from(inner.height().saturating_sub(3)) / high;
    let at = if state.step.lanes { 0 } else { state.step.stage };
    let first = first_line(at, list.len(), room);
    let cell_s = seen_s / f64::from(width.max(1));
    for (i, line) in list.iter().enumerate().skip(first).take(room) {
        let y = u16::try_from((i - first) * high).unwrap_or(0) + 1;
        let (stage, lane, name) = match line {
            Line::Stage(stage) => (*stage, Lane::Compute, format!("s{stage}")),
            Line::Lane(stage, lane) => (*stage, *lane, lane.name().to_string()),
        };
        let here = stage == state.step.stage && lane == Lane::Compute;
        inner.put(paint, (1, y), &name, if here { Role::Strong } else { Role::Dim });
        let bars: Vec<&Bar> = gantt.stages[stage].iter().filter(|b| b.lane == lane).collect();
        row(state, paint, (inner, y), &bars, (from_s, cell_s, width));
        if here && let Some(bar) = cursor_bar(state) {
            mark(paint, (inner, y), bar, (from_s, cell_s, width));
        }
    }
    let y = inner.height().saturating_sub(2);
    let legend = if state.step.lanes {
        "f forward b backward w weight gradient O optimizer s slowest node t tensor e expert > < sends d data c copies"
    } else {
        "digit starts a slot: f forward  b backward  w weight gradient  . bubble  O optimizer  s slowest node"
    };
    inner.put(paint, (1, y), legend, Role::Dim);
    let hints = "arrows stage and slot   [ ] pan   + - zoom   z fit   b bubble   m follow   v lanes";
    inner.put(paint, (1, y + 1), hints, Role::Dim);
}

/// One line. The start of a slot shows the last digit of its micro-batch.
fn row(state: &State, paint: &mut Paint<'_>, (inner, y): (Inner, u16), bars: &[&Bar], (from_s, cell_s, width): (f64, f64, u16)) {
    let mut next = 0;
    let mut before = f64::NEG_INFINITY;
    for x in 0..width {
        let (start_s, end_s) = (from_s + f64::from(x) * cell_s, from_s + f64::from(x + 1) * cell_s);
        while next < bars.len() && bars[next].end_s <= start_s {
            next += 1;
        }
        let mut best: Option<(&Bar, f64)> = None;
        let mut busy = 0.0;
        for bar in bars[next..].iter().take_while(|b| b.start_s < end_s) {
            let own = bar.end_s.min(end_s) - bar.start_s.max(start_s);
            busy += own;
            if best.is_none_or(|(_, most)| own > most) {
                best = Some((bar, own));
            }
        }
        let Some((bar, _)) = best.filter(|_| busy * 2.0 >= cell_s) else {
            inner.put(paint, (MARGIN + x, y), "·", Role::Dim);
            continue;
        };
        let (kind, role) = letter(bar);
        // A slot that is two cells long or more has room for its number.
        let starts = bar.start_s > before && bar.start_s + cell_s > start_s && bar.end_s - bar.start_s >= 2.0 * cell_s;
        before = bar.start_s;
        let shown = match bar.micro_batch {
            Some(m) if starts => char::from_digit(m % 10, 10).unwrap_or(kind),
            _ => kind,
        };
        let mut style = paint.theme.style(role);
        let followed = state.step.follow.is_some() && bar.micro_batch == state.step.follow;
        if followed {
            style = style.add_modifier(Modifier::REVERSED);
        } else if bar.critical {
            style = style.add_modifier(Modifier::BOLD);
        }
        inner.styled(paint, (MARGIN + x, y), &shown.to_string(), style);
    }
}

/// Turn the cells of the bar under the cursor round.
fn mark(paint: &mut Paint<'_>, (inner, y): (Inner, u16), bar: &Bar, (from_s, cell_s, width): (f64, f64, u16)) {
    let column = |s: f64| {
        let x = ((s - from_s) / cell_s.max(f64::MIN_POSITIVE)).round();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let x = x.clamp(0.0, f64::from(width)) as u16;
        x
    };
    let (a, b) = (column(bar.start_s), column(bar.end_s));
    for x in a..b.max(a + 1).min(width) {
        let at = (inner.area.left() + MARGIN + x, inner.area.top() + y);
        if let Some(cell) = paint.buffer.cell_mut(at) {
            cell.modifier.insert(Modifier::REVERSED);
        }
    }
}

/// To the bar under the mouse.
pub fn click(state: &mut State, area: Rect, (x, y): (u16, u16)) -> bool {
    let Some(d) = details(state) else { return false };
    if state.step.lanes {
        return false;
    }
    let n = d.gantt.stages.len();
    let height = area.height.saturating_sub(2);
    let high = if state.large() && n * 2 < usize::from(height) { 2 } else { 1 };
    let room = usize::from(height.saturating_sub(3)) / high;
    let first = first_line(state.step.stage, n, room);
    let Some(line) = y.checked_sub(area.top() + 2) else { return false };
    let stage = (first + usize::from(line) / high).min(n.saturating_sub(1));
    let width = area.width.saturating_sub(2 + MARGIN + 1).min(WIDEST);
    let Some(column) = x.checked_sub(area.left() + 1 + MARGIN) else {
        return false;
    };
    let share = state.step.from_fraction + state.step.seen_fraction() * f64::from(column) / f64::from(width.max(1));
    let at_s = share * d.gantt.time_s;
    let bars = compute(&d.gantt, stage);
    let bar = bars.iter().rposition(|b| b.start_s <= at_s).unwrap_or(0);
    (state.step.stage, state.step.bar) = (stage, bar);
    true
}
