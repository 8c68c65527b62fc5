//! Where the step of a plan goes, what it rests on, and what is worth a second look.

use crate::kernel::Evidence;
use crate::lint;
use crate::report::plan::part_name;
use crate::tui::paint::{Paint, first_line};
use crate::tui::screens::{fold, missing};
use crate::tui::state::State;
use crate::tui::theme::Role;
use ratatui::layout::Rect;

/// Warnings of the plans that are compared and of the one under the cursor, with the plan's number.
pub fn list(state: &State) -> Vec<(u64, lint::Warning)> {
    let mut seen = Vec::new();
    let current = state.current();
    for entry in current.into_iter().chain(state.compared()) {
        if seen.iter().any(|(id, _)| *id == entry.id) {
            continue;
        }
        if let Some(p) = entry.planned() {
            seen.extend(p.warnings.iter().map(|w| (entry.id, w.clone())));
        }
    }
    seen
}

/// Parts of the step of the plan under the cursor.
pub fn parts(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let title = state
        .current()
        .map_or_else(String::new, |e| format!("Where a step goes ({})", state.letter(e.id)));
    let inner = paint.panel(area, &title, "", focus);
    let Some(planned) = state.planned() else {
        missing(state, paint, inner);
        return;
    };
    let step = &planned.plan.step;
    let mut y = 0;
    for (i, (key, s)) in step.parts.list().iter().enumerate().filter(|(_, (_, s))| *s > 0.0) {
        let share = s / step.time_s;
        let name = part_name(key)
            .trim_end_matches(" communication")
            .replace("-parallel", "")
            .replace(" and memory-bound kernels", "");
        inner.put(paint, (1, y), &crate::tui::paint::fit(&name, 19), Role::Text);
        let width = inner.width().saturating_sub(30);
        inner.bar(paint, (21, y), width, share, Role::Series(u8::try_from(i).unwrap_or(0)));
        inner.right(
            paint,
            (inner.width().saturating_sub(1), y),
            &format!("{:.1} %", 100.0 * share),
            Role::Text,
        );
        y += 1;
    }
    y += 1;
    inner.put(paint, (1, y), "evidence, by kernel time", Role::Dim);
    y += 1;
    for grade in [
        Evidence::Measured,
        Evidence::Interpolated,
        Evidence::Extrapolated,
        Evidence::Datasheet,
    ] {
        if let Some(share) = step.evidence.get(&grade).filter(|s| **s > 5e-4) {
            inner.put(paint, (3, y), grade.name(), Role::Text);
            inner.right(
                paint,
                (inner.width().saturating_sub(1), y),
                &format!("{:.0} %", 100.0 * share),
                Role::Text,
            );
            y += 1;
        }
    }
    if let Some(profile) = &planned.plan.scenario.profile {
        inner.put(paint, (3, y), &format!("{}: {}", profile.name, profile.measured_by), Role::Dim);
        y += 1;
    }
    y += 1;
    for line in fold(&ranges_note(&planned.plan), usize::from(inner.width().saturating_sub(2))) {
        inner.put(paint, (1, y), &line, Role::Dim);
        y += 1;
    }
}

fn ranges_note(plan: &crate::plan::Plan) -> String {
    match &plan.scenario.band {
        Some(b) => format!(
            "8 of 10 left-out runs like this took {:.2} to {:.2} times the predicted step ({})",
            b.low_ratio, b.high_ratio, b.name
        ),
        None => "no range: no left-out runs like this".to_string(),
    }
}

/// Warnings, each with its remedy.
pub fn warnings(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let list = list(state);
    let inner = paint.panel(area, "Warnings", &list.len().to_string(), focus);
    if list.is_empty() {
        inner.put(paint, (1, 0), "none", Role::Dim);
        return;
    }
    let width = usize::from(inner.width().saturating_sub(4));
    let mut lines: Vec<(String, Role, usize)> = Vec::new();
    for (i, (id, w)) in list.iter().enumerate() {
        let letter = state.letter(*id);
        if state.large() || state.single() {
            lines.push((format!("! {} {letter}", w.code), Role::Warn, i));
            lines.extend(fold(&w.message, width).into_iter().map(|l| (format!("  {l}"), Role::Text, i)));
            let remedy = match &w.set {
                Some(set) => format!("enter: try {set}"),
                None => w.remedy.clone(),
            };
            lines.extend(fold(&remedy, width).into_iter().map(|l| (format!("  {l}"), Role::Dim, i)));
            lines.push((String::new(), Role::Text, usize::MAX));
        } else {
            lines.push((format!("! {letter}: {}", w.message), Role::Warn, i));
        }
    }
    let at = state.plans.warning.min(list.len() - 1);
    let line = lines.iter().position(|(_, _, i)| *i == at).unwrap_or(0);
    let first = first_line(line, lines.len(), usize::from(inner.height()));
    for (y, (text, role, i)) in (0..inner.height()).zip(lines.iter().skip(first)) {
        inner.put(paint, (1, y), text, *role);
        if focus && *i == at && text.starts_with('!') {
            inner.select(paint, y);
        }
    }
}
