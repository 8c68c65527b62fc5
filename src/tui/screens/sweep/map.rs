//! The grid as characters from little to much, with colours where there are some.

use super::{CONTOURS, MARGIN, axis_name, cell_size, cursor, ends, grid, metric, shown, value};
use crate::tui::paint::{Inner, Paint, fit};
use crate::tui::screens::missing;
use crate::tui::state::State;
use crate::tui::state::jobs::Grid;
use crate::tui::theme::Role;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

/// From little to much.
const RAMP: [&str; 10] = [" ", ".", ":", "-", "=", "+", "*", "#", "%", "@"];

/// Draw it.
pub fn draw(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let (column, name, kind) = metric(state);
    let (ax, ay) = (axis_name(state.sweep.x), axis_name(state.sweep.y));
    let inner = paint.panel(area, &format!("{name} by {ax} and {ay}"), "", focus);
    let Some(g) = grid(state) else {
        if state.planned().is_none() {
            missing(state, paint, inner);
        } else {
            inner.put(paint, (1, 0), "planning the grid ...", Role::Dim);
        }
        return;
    };
    inner.put(paint, (1, 0), ay, Role::Dim);
    let range = ends(g, column);
    let (wide, high) = cell_size(area, g);
    let (cx, cy) = cursor(state, g);
    let ny = g.axes.y.1.len();
    for (y, line) in g.rows.iter().enumerate() {
        // The largest is on top.
        let top = 1 + u16::try_from(ny - 1 - y).unwrap_or(0) * high;
        inner.right(paint, (MARGIN - 1, top), &shown(state.sweep.y, g.axes.y.1[y].0), Role::Dim);
        for (x, case) in line.iter().enumerate() {
            let left = MARGIN + u16::try_from(x).unwrap_or(0) * wide;
            let v = value(case.as_ref(), column);
            let share = v.zip(range).map(|(v, (low, high))| share(v, low, high, state.sweep.log));
            let mark = match (case, share) {
                (None, _) => "·",
                (Some(_), None) => "x",
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                (_, Some(s)) => RAMP[((s * 10.0) as usize).min(9)],
            };
            let mut style = paint.theme.style(Role::Text);
            if let Some(color) = share.and_then(|s| paint.theme.heat(s)) {
                style = style.bg(color).fg(if share.is_some_and(|s| s > 0.6) {
                    ratatui::style::Color::Black
                } else {
                    ratatui::style::Color::White
                });
            }
            let here = (x, y) == (cx, cy);
            for dy in 0..high {
                let mut text = mark.repeat(usize::from(wide));
                if here && dy == high / 2 {
                    text = if wide >= 3 {
                        format!("[{}]", mark.repeat(usize::from(wide) - 2))
                    } else {
                        "O".repeat(usize::from(wide))
                    };
                }
                let style = if here {
                    style.add_modifier(Modifier::BOLD | Modifier::REVERSED)
                } else {
                    style
                };
                inner.styled(paint, (left, top + dy), &text, style);
            }
        }
    }
    contours(state, paint, inner, g, (wide, high));
    let y = 1 + u16::try_from(ny).unwrap_or(0) * high;
    for (x, (v, _)) in g.axes.x.1.iter().enumerate() {
        let every = (12 / wide.max(1)).max(1);
        if u16::try_from(x).unwrap_or(0) % every == 0 {
            inner.put(
                paint,
                (MARGIN + u16::try_from(x).unwrap_or(0) * wide, y),
                &fit(&shown(state.sweep.x, *v), usize::from(wide * every) - 1),
                Role::Dim,
            );
        }
    }
    if let Some((low, high)) = range {
        let how = if state.sweep.log { "log" } else { "even" };
        let text = format!(
            "{} '{}' {}   {how}   x no layout fits",
            kind.human(low),
            RAMP.concat(),
            kind.human(high)
        );
        inner.put(paint, (1, inner.height().saturating_sub(1)), &text, Role::Dim);
    }
}

fn share(v: f64, low: f64, high: f64, log: bool) -> f64 {
    if high <= low {
        return 0.5;
    }
    let s = if log && low > 0.0 {
        (v / low).ln() / (high / low).ln()
    } else {
        (v - low) / (high - low)
    };
    s.clamp(0.0, 1.0)
}

/// Between two neighbours on both sides of the plan's own value lies the line.
fn contours(state: &State, paint: &mut Paint<'_>, inner: Inner, g: &Grid, (wide, high): (u16, u16)) {
    let Some((column, _)) = state.sweep.contour.checked_sub(1).and_then(|i| CONTOURS.get(i)) else {
        return;
    };
    let Some(plan) = state.planned().map(|p| &p.plan) else { return };
    let level = if *column == "wall_s" {
        plan.run.wall_s
    } else {
        plan.bill.carbon.total_location_kg_co2e
    };
    let ny = g.axes.y.1.len();
    for (y, line) in g.rows.iter().enumerate() {
        for x in 1..line.len() {
            let (Some(a), Some(b)) = (value(line[x - 1].as_ref(), column), value(line[x].as_ref(), column)) else {
                continue;
            };
            if (a < level) != (b < level) {
                let at = (
                    MARGIN + u16::try_from(x).unwrap_or(0) * wide,
                    1 + u16::try_from(ny - 1 - y).unwrap_or(0) * high,
                );
                inner.put(paint, at, "│", Role::Strong);
            }
        }
    }
}
