//! Candidates line by line.

use super::{search, waiting};
use crate::report::Kind;
use crate::search::Candidate;
use crate::tui::figures::short_layout;
use crate::tui::paint::{Paint, first_line, fit};
use crate::tui::state::State;
use crate::tui::state::jobs::Search;
use crate::tui::state::views::AXES;
use crate::tui::theme::Role;
use ratatui::layout::Rect;

/// Draw them.
pub fn draw(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let list = state.layouts.list();
    let sort = if state.layouts.sort == 0 {
        "step"
    } else {
        AXES[state.layouts.sort].name()
    };
    let right = format!(
        "{} shown   sort: {sort}",
        crate::units::count(f64::from(u32::try_from(list.len()).unwrap_or(0)))
    );
    let inner = paint.panel(area, "Candidates", &right, focus);
    let Some(s) = search(state) else {
        waiting(state, paint, inner);
        return;
    };
    let filter = if state.layouts.filter.is_empty() {
        String::new()
    } else {
        format!("  /{}", state.layouts.filter)
    };
    let wide = inner.width() >= 110;
    let head = header(wide);
    inner.put(paint, (0, 0), &format!("    {head}{filter}"), Role::Dim);
    let room = usize::from(inner.height().saturating_sub(1));
    let cursor = state.layouts.cursor.min(list.len().saturating_sub(1));
    let first = first_line(cursor, list.len(), room);
    let own = s.found.marked.map(|(_, c)| c.layout);
    for (y, (i, c)) in (1..).zip(list.iter().enumerate().skip(first).take(room)) {
        let front = s.found.pareto.iter().any(|p| p.layout == c.layout);
        let here = if i == cursor { ">" } else { " " };
        let mark = if state.layouts.marked.contains(&c.layout) { "*" } else { " " };
        let kind = match (own == Some(c.layout), front, c.tie) {
            (true, ..) => "@",
            (_, true, _) => "o",
            (_, _, true) => "=",
            _ => " ",
        };
        let text = line(c, s, wide);
        let role = if front { Role::Strong } else { Role::Text };
        inner.put(paint, (0, y), &format!("{here}{mark}{kind}"), Role::Accent);
        inner.put(paint, (4, y), &text, role);
        if i == cursor {
            inner.select(paint, y);
        }
    }
    if list.is_empty() {
        let text = if state.layouts.filter.is_empty() {
            "no layout fits"
        } else {
            "nothing matches; esc"
        };
        inner.put(paint, (3, 1), text, Role::Warn);
        if let Some(near) = &s.found.nearest {
            inner.put(paint, (3, 2), &format!("nearest: {near}"), Role::Text);
        }
    }
}

fn header(wide: bool) -> String {
    if wide {
        format!(
            "{:<26}{:<18}{:<12}{:<8}{:>4}{:>10}{:>8}{:>10}{:>9}{:>12}{:>11}{:>13}",
            "layout", "schedule", "recompute", "shard", "mb", "step", "tok/s/d", "mem", "free", "cost", "energy", "carbon"
        )
    } else {
        format!(
            "{:<22}{:>3} {:<6}{:>9}{:>8}{:>10}{:>12}",
            "layout", "mb", "shard", "step", "tok/s/d", "mem", "cost"
        )
    }
}

fn line(c: &Candidate, s: &Search, wide: bool) -> String {
    let l = &c.layout;
    let step = Kind::Duration.human(c.step_time_s);
    let tokens = Kind::Plain(0).human(c.tokens_per_s_per_device);
    let mem = Kind::Bytes.human(c.peak_bytes);
    let total = |v: Option<f64>, kind: Kind| v.map_or_else(|| "-".to_string(), |v| kind.human(v));
    let cost = total(c.totals.and_then(|t| t.cost_usd), Kind::Usd);
    if !wide {
        return format!(
            "{:<22}{:>3} {:<6}{step:>9}{tokens:>8}{mem:>10}{cost:>12}",
            fit(&short_layout(l), 21),
            l.micro_batch_seqs,
            l.sharding.name()
        );
    }
    let free = Kind::Bytes.human(s.of.plan.scenario.accelerator.memory_bytes - c.peak_bytes);
    let recompute = match l.recompute {
        crate::layout::Recompute::Layers(n) => format!("{n} layers"),
        other => other.name().to_string(),
    };
    format!(
        "{:<26}{:<18}{recompute:<12}{:<8}{:>4}{step:>10}{tokens:>8}{mem:>10}{free:>9}{cost:>12}{:>11}{:>13}",
        fit(&short_layout(l), 25),
        l.schedule_name(),
        l.sharding.name(),
        l.micro_batch_seqs,
        total(c.totals.map(|t| t.energy_j), Kind::Energy),
        total(c.totals.map(|t| t.carbon_kg_co2e), Kind::Carbon),
    )
}
