//! Candidates as points over two objectives. Letters tell them apart: `o` on the front, `.` fits, `@` the
//! plan's own, `X` under the cursor.

use super::{kind, search, waiting};
use crate::search::Candidate;
use crate::tui::action::Move;
use crate::tui::paint::{Inner, Paint};
use crate::tui::state::State;
use crate::tui::state::views::AXES;
use crate::tui::theme::Role;
use ratatui::layout::Rect;

/// Columns left of the axis.
const MARGIN: u16 = 11;

/// Where points go.
struct Scale {
    x: (f64, f64),
    y: (f64, f64),
    width: u16,
    height: u16,
}

impl Scale {
    fn place(&self, x: f64, y: f64) -> Option<(u16, u16)> {
        let at = |v: f64, (low, high): (f64, f64), n: u16| {
            let share = if high > low { (v - low) / (high - low) } else { 0.5 };
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            (0.0..=1.0)
                .contains(&share)
                .then(|| (share * f64::from(n.saturating_sub(1))).round() as u16)
        };
        let (column, line) = (at(x, self.x, self.width)?, at(y, self.y, self.height)?);
        Some((column, self.height - 1 - line))
    }
}

fn value(state: &State, c: &Candidate) -> (f64, f64) {
    (c.value(AXES[state.layouts.x]), c.value(AXES[state.layouts.y]))
}

/// Points that are drawn: the candidates of the list up to twice the best, where the front is.
fn points(state: &State) -> Vec<Candidate> {
    let list = state.layouts.list();
    let finite = list.iter().filter(|c| {
        let (x, y) = value(state, c);
        x.is_finite() && y.is_finite()
    });
    finite.copied().collect()
}

fn scale(state: &State, list: &[Candidate], area: Rect) -> Scale {
    let range = |of: &dyn Fn(&Candidate) -> f64| {
        let mut values: Vec<f64> = list.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        let low = values.first().copied().unwrap_or(0.0);
        // The worst of thousands would press the rest into a corner.
        let high = values
            .get((values.len() * 9 / 10).min(values.len().saturating_sub(1)))
            .copied()
            .unwrap_or(1.0);
        (low, high.max(low))
    };
    Scale {
        x: range(&|c| value(state, c).0),
        y: range(&|c| value(state, c).1),
        width: area.width.saturating_sub(2 + MARGIN + 1).min(120),
        height: area.height.saturating_sub(2 + 4).min(40),
    }
}

/// Draw them.
pub fn draw(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let (ax, ay) = (AXES[state.layouts.x], AXES[state.layouts.y]);
    let inner = paint.panel(area, "Pareto", &format!("{} over {}", ay.name(), ax.name()), focus);
    let Some(s) = search(state) else {
        waiting(state, paint, inner);
        return;
    };
    let list = points(state);
    if list.is_empty() {
        inner.put(
            paint,
            (1, 0),
            &format!("nothing to draw by {} and {}; x y choose others", ax.name(), ay.name()),
            Role::Dim,
        );
        return;
    }
    let scale = scale(state, &list, area);
    axes(state, paint, inner, &scale);
    let mut dot = |c: &Candidate, mark: &str, role: Role| {
        let (x, y) = value(state, c);
        if let Some((column, line)) = scale.place(x, y) {
            inner.put(paint, (MARGIN + 1 + column, line), mark, role);
        }
    };
    for c in list.iter().rev() {
        dot(c, "·", Role::Dim);
    }
    for c in &s.found.pareto {
        dot(c, "o", Role::Series(1));
    }
    if let Some((_, own)) = s.found.marked.filter(|_| state.layouts.published) {
        dot(&own, "@", Role::Accent);
    }
    if let Some((_, layout)) = state.layouts.under_cursor()
        && let Some(c) = list.iter().find(|c| c.layout == layout)
    {
        dot(c, "X", Role::Strong);
    }
    let legend = "o front   · fits   @ the plan's   X cursor";
    inner.put(paint, (1, inner.height().saturating_sub(1)), legend, Role::Dim);
}

fn axes(state: &State, paint: &mut Paint<'_>, inner: Inner, scale: &Scale) {
    let (kx, ky) = (kind(AXES[state.layouts.x]), kind(AXES[state.layouts.y]));
    for line in 0..scale.height {
        inner.put(paint, (MARGIN, line), "│", Role::Border);
    }
    inner.put(
        paint,
        (MARGIN, scale.height),
        &format!("└{}", "─".repeat(usize::from(scale.width))),
        Role::Border,
    );
    inner.right(paint, (MARGIN, 0), &ky.human(scale.y.1), Role::Dim);
    if scale.height > 4 {
        inner.right(
            paint,
            (MARGIN, scale.height / 2),
            &ky.human((scale.y.0 + scale.y.1) / 2.0),
            Role::Dim,
        );
    }
    inner.right(paint, (MARGIN, scale.height.saturating_sub(1)), &ky.human(scale.y.0), Role::Dim);
    let y = scale.height + 1;
    inner.put(paint, (MARGIN + 1, y), &kx.human(scale.x.0), Role::Dim);
    inner.right(paint, (MARGIN + 1 + scale.width, y), &kx.human(scale.x.1), Role::Dim);
}

/// Walk along the front: right and down are the next of it, left and up the one before.
pub fn walk(state: &mut State, to: Move) {
    let Some(s) = search(state) else { return };
    let axis = AXES[state.layouts.x];
    let mut front = s.found.pareto.clone();
    front.sort_by(|a, b| a.value(axis).total_cmp(&b.value(axis)));
    let here = state.layouts.under_cursor().map(|(_, l)| l);
    let at = front.iter().position(|c| Some(c.layout) == here).unwrap_or(0);
    let next = crate::tui::update::stepped(at, front.len(), to, 5);
    let Some(wanted) = front.get(next).map(|c| c.layout) else { return };
    match state.layouts.list().iter().position(|c| c.layout == wanted) {
        Some(i) => state.layouts.cursor = i,
        None => state.say("that point of the front is not in the list: o lists the front"),
    }
}

/// The point nearest to the mouse.
pub fn click(state: &mut State, area: Rect, (x, y): (u16, u16)) -> bool {
    let list = points(state);
    let scale = scale(state, &list, area);
    let (cx, cy) = (
        i32::from(x) - i32::from(area.left() + 1 + MARGIN + 1),
        i32::from(y) - i32::from(area.top() + 1),
    );
    let far = |c: &Candidate| {
        let (vx, vy) = value(state, c);
        scale
            .place(vx, vy)
            .map_or(i32::MAX, |(px, py)| (i32::from(px) - cx).pow(2) + 4 * (i32::from(py) - cy).pow(2))
    };
    let Some(layout) = list.iter().min_by_key(|c| far(c)).map(|c| c.layout) else {
        return false;
    };
    if let Some(i) = state.layouts.list().iter().position(|c| c.layout == layout) {
        state.layouts.cursor = i;
    }
    true
}
