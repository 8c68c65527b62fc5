//! What each input alone does to a number, the widest first.

use crate::report::uncertain::kind;
use crate::study::metric::Metric;
use crate::tui::paint::{Inner, Paint, fit};
use crate::tui::state::State;
use crate::tui::state::jobs::Swing;
use crate::tui::theme::Role;

/// Bars to both sides of the plan's value, the widest first.
pub fn tornado(state: &State, paint: &mut Paint<'_>, inner: Inner, metric: Metric) {
    let at = Metric::ALL.iter().position(|m| *m == metric).unwrap_or(0);
    let (Some(swings), Some(planned)) = (state.whatif.swings.value.as_deref(), state.planned()) else {
        inner.put(paint, (1, 0), "6 What-if works it out", Role::Dim);
        return;
    };
    let Some(middle) = metric.of(&planned.plan) else {
        inner.put(paint, (1, 0), "there is no price", Role::Dim);
        return;
    };
    let list = sorted(&swings.list, at);
    let far = list
        .iter()
        .flat_map(|(_, e)| e.map(|v| (v - middle).abs()))
        .fold(0.0, f64::max)
        .max(f64::MIN_POSITIVE);
    let wide = inner.width() >= 110;
    let label: u16 = if wide { 62 } else { 25 };
    let tail: u16 = 20;
    let half = inner.width().saturating_sub(label + tail + 1) / 2;
    let room = inner.height().saturating_sub(u16::from(wide));
    let kind = kind(metric);
    let scale = kind.scale(middle);
    for (y, (s, [a, b])) in (0..room).zip(&list) {
        let star = if s.known { "" } else { " *" };
        inner.put(paint, (1, y), &fit(&format!("{}{star}", s.name), 23), Role::Text);
        if wide {
            inner.put(paint, (26, y), &fit(&s.range, 35), Role::Dim);
        }
        let (low, high) = (a.min(*b), a.max(*b));
        let cells = |v: f64| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let n = (v / far * f64::from(half)).round() as usize;
            n
        };
        let (left, right) = (cells((middle - low).max(0.0)), cells((high - middle).max(0.0)));
        let centre = label + half;
        inner.put(
            paint,
            (centre - u16::try_from(left).unwrap_or(0).min(half), y),
            &"█".repeat(left),
            Role::Series(0),
        );
        inner.put(paint, (centre, y), "│", Role::Dim);
        inner.put(paint, (centre + 1, y), &"█".repeat(right), Role::Series(1));
        let text = format!("{} .. {} {}", kind.number(low, &scale), kind.number(high, &scale), scale.unit);
        inner.right(paint, (inner.width().saturating_sub(1), y), &text, Role::Text);
    }
    if wide {
        let note = if swings.note.is_empty() {
            String::new()
        } else {
            format!("; others P10 to P90, {}", swings.note)
        };
        inner.put(
            paint,
            (1, inner.height().saturating_sub(1)),
            &format!("* no distribution is known: a tenth down and up{note}"),
            Role::Dim,
        );
    }
}

fn sorted(list: &[Swing], at: usize) -> Vec<(&Swing, [f64; 2])> {
    let mut out: Vec<(&Swing, [f64; 2])> = list.iter().filter_map(|s| Some((s, s.ends.get(at).copied().flatten()?))).collect();
    out.sort_by(|(_, a), (_, b)| (b[1] - b[0]).abs().total_cmp(&(a[1] - a[0]).abs()));
    out
}
