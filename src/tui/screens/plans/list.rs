//! The scenarios, with a card of the one under the cursor.

use crate::report::Kind;
use crate::tui::figures::by_field;
use crate::tui::paint::{Inner, Paint, first_line, fit};
use crate::tui::state::State;
use crate::tui::state::plans::Entry;
use crate::tui::theme::Role;
use ratatui::layout::Rect;

/// Lines of the card below the list.
fn card_lines(state: &State, height: u16) -> u16 {
    let lines = u16::try_from(card(state).len()).unwrap_or(0) + 1;
    lines.min(height / 2)
}

/// First line of the list that is seen, and how many there are.
fn window(state: &State, area: Rect) -> (usize, usize) {
    let height = area.height.saturating_sub(2);
    let head = usize::from(head(state));
    let room = usize::from(height.saturating_sub(card_lines(state, height))).saturating_sub(head);
    (first_line(state.plans.cursor, state.visible().len(), room), room)
}

/// Lines above the list: the filter, and names of the columns.
fn head(state: &State) -> u16 {
    if state.large() { 3 } else { 2 }
}

/// The place in the list of a line inside the panel.
pub fn at(state: &State, area: Rect, line: usize) -> Option<usize> {
    let (first, room) = window(state, area);
    let row = line.checked_sub(usize::from(head(state)))?;
    (row < room && first + row < state.visible().len()).then_some(first + row)
}

/// Draw it.
pub fn draw(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let list = state.visible();
    let right = format!("{} of {}", list.len(), state.entries.len());
    let inner = paint.panel(area, "Scenarios", &right, focus);
    let filter = if state.plans.filter.is_empty() {
        "/ filters".to_string()
    } else {
        format!("/{}", state.plans.filter)
    };
    inner.put(paint, (3, 0), &filter, Role::Dim);
    if state.large() {
        inner.put(paint, (3, 2), "name", Role::Dim);
        inner.right(paint, (inner.width().saturating_sub(9), 2), "time", Role::Dim);
        inner.right(paint, (inner.width().saturating_sub(1), 2), "cost", Role::Dim);
    }
    let (first, room) = window(state, area);
    for (y, (place, i)) in (head(state)..).zip(list.iter().enumerate().skip(first).take(room)) {
        row(
            state,
            paint,
            inner,
            y,
            &state.entries[*i],
            place == state.plans.cursor.min(list.len().saturating_sub(1)),
        );
    }
    if list.is_empty() {
        inner.put(paint, (3, head(state)), "nothing matches; esc", Role::Warn);
    }
    let lines = card(state);
    let n = card_lines(state, inner.height());
    let from = inner.height().saturating_sub(n);
    if let Some(entry) = state.current().filter(|_| n > 1) {
        let line = "─".repeat(usize::from(inner.width()));
        inner.put(paint, (0, from), &line, Role::Border);
        inner.put(
            paint,
            (1, from),
            &fit(
                &format!(" {} {} ", state.letter(entry.id), entry.name),
                usize::from(inner.width()) - 2,
            ),
            Role::Strong,
        );
    }
    for (y, (key, value)) in (from + 1..inner.height()).zip(lines) {
        inner.put(paint, (1, y), &key, Role::Dim);
        inner.put(paint, (11, y), &value, Role::Text);
    }
}

fn row(state: &State, paint: &mut Paint<'_>, inner: Inner, y: u16, entry: &Entry, here: bool) {
    let cursor = if here { ">" } else { " " };
    let mark = if entry.marked { "*" } else { " " };
    let reference = if entry.id == state.reference { "=" } else { " " };
    let changed = if entry.edits.is_empty() { "" } else { " ~" };
    let letter = state.letter(entry.id);
    let head = format!("{cursor}{mark}{letter}{reference}");
    inner.put(paint, (0, y), &head, if here { Role::Strong } else { Role::Text });
    let numbers = if state.large() { 18 } else { 0 };
    let room = usize::from(inner.width()).saturating_sub(head.len() + numbers + 1);
    let failed = matches!(entry.now.value.as_deref(), Some(Err(_)));
    let role = if failed { Role::Warn } else { Role::Text };
    let name = fit(&format!("{}{changed}", entry.name), room);
    inner.put(paint, (u16::try_from(head.len()).unwrap_or(4), y), &name, role);
    if state.large() {
        let text = |field: &str| match (entry.planned(), by_field(field)) {
            (Some(p), Some(f)) => f.human(&p.plan),
            _ if failed => "no plan".to_string(),
            _ => "...".to_string(),
        };
        let end = inner.width();
        inner.right(paint, (end.saturating_sub(9), y), &text("days"), role);
        if !failed {
            inner.right(paint, (end.saturating_sub(1), y), &text("musd").replace(" MUSD", "M"), role);
        }
    }
    if here {
        inner.select(paint, y);
    }
}

/// What is known of the scenario under the cursor, by name.
fn card(state: &State) -> Vec<(String, String)> {
    let Some(entry) = state.current() else { return Vec::new() };
    let mut out = Vec::new();
    let mut add = |key: &str, value: String| out.push((key.to_string(), value));
    if let Some(planned) = entry.planned() {
        let (s, w) = (&planned.plan.scenario, &planned.plan.scenario.workload);
        add("model", w.model.name.clone());
        add("tokens", Kind::Si("").human(w.total_tokens));
        add("sequence", crate::units::count(w.seq_len_tokens));
        add("batch", crate::units::count(w.global_batch_seqs));
        add("precision", w.precision.compute.name().to_string());
        add(
            "cluster",
            format!("{} x {}", crate::units::count(f64::from(s.cluster.n_nodes)), s.cluster.node.name),
        );
        if state.large() {
            add("fabric", format!("{}, {}", s.scale_up.name, s.scale_out.name));
            let price = s.offer.as_ref().map_or("none".to_string(), |o| {
                format!(
                    "{} {} {}",
                    Kind::Rate("USD/h").human(o.usd_per_device_hour.base_usd),
                    o.commitment.name(),
                    o.as_of
                )
            });
            add("offer", price);
            let grid = Kind::Rate("kg/kWh").human(s.region.grid.location_kg_co2e_per_kwh);
            add("region", format!("{}, {grid}", s.region.name));
            add("pue", format!("{:.2}", s.region.pue));
            add("stack", s.stack.name.clone());
            add("unknowns", format!("{}, {} assumed (U)", s.unknowns.len(), s.assumptions.len()));
            add("from", entry.source.clone());
        }
    } else {
        add("from", entry.source.clone());
    }
    for set in entry.sets.iter().chain(
        &entry
            .edits
            .iter()
            .map(crate::tui::state::plans::Edit::assignment)
            .collect::<Vec<_>>(),
    ) {
        add("set", set.clone());
    }
    out
}
