//! What is remembered for the next start: screen, sort, marks, axes. Never a scenario.

use super::state::{Screen, State};
use crate::catalog::raw::{self, Tree, Value};
use crate::catalog::source;
use crate::error::Origin;
use std::path::Path;
use std::sync::Arc;

/// Of the file; another one is ignored.
const VERSION: i64 = 1;

/// The file's text.
#[must_use]
pub fn text(state: &State) -> String {
    let marks: Vec<String> = state.entries.iter().filter(|e| e.marked).map(|e| raw::quoted(&e.name)).collect();
    let sort = state.plans.sort.unwrap_or("");
    format!(
        "version = {VERSION}\nscreen = {}\ntheme = \"{}\"\nsort = \"{sort}\"\ndescending = {}\ndifference = {}\nmetric = {}\nmarks = [{}]\n\
         layouts = [{}, {}]\nsweep = [{}, {}, {}]\nlog = {}\nhistory = [{}]\n",
        state.screen.index(),
        state.theme.name,
        state.plans.descending,
        state.plans.difference,
        state.plans.metric,
        marks.join(", "),
        state.layouts.x,
        state.layouts.y,
        state.sweep.x,
        state.sweep.y,
        state.sweep.metric,
        state.sweep.log,
        state
            .history
            .iter()
            .rev()
            .take(50)
            .rev()
            .map(|h| raw::quoted(h))
            .collect::<Vec<_>>()
            .join(", "),
    )
}

/// Remember. Nobody is told when it fails: it is no part of the work.
pub fn save(state: &State, path: &Path) {
    let _ = source::write_whole(path, text(state).as_bytes());
}

/// Bring back what was remembered, the name of the theme as the answer; what cannot be read is ignored.
pub fn restore(state: &mut State, path: &Path) -> Option<String> {
    let origin = source::is_file(path).then(|| source::read(path).ok()).flatten()?;
    apply(state, &origin)
}

/// The same from a text.
pub fn apply(state: &mut State, origin: &Arc<Origin>) -> Option<String> {
    let (tree, broken) = raw::parse(origin);
    if !broken.is_empty() || integer(&tree, "version") != Some(VERSION) {
        return None;
    }
    let place = |key: &str| integer(&tree, key).and_then(|n| usize::try_from(n).ok());
    if let Some((_, screen)) = place("screen").and_then(|i| Screen::ALL.get(i)) {
        state.screen = *screen;
    }
    state.plans.sort = tree.text("sort").and_then(super::figures::by_field).map(|f| f.field);
    state.plans.descending = flag(&tree, "descending").unwrap_or(false);
    state.plans.difference = flag(&tree, "difference").unwrap_or(true);
    state.sweep.log = flag(&tree, "log").unwrap_or(true);
    if let Some(i) = place("metric") {
        state.plans.metric = i % super::figures::FIGURES.len();
    }
    let marks = texts(&tree, "marks");
    for entry in &mut state.entries {
        entry.marked = marks.contains(&entry.name);
    }
    state.history = texts(&tree, "history");
    if let [x, y] = places(&tree, "layouts")[..] {
        (state.layouts.x, state.layouts.y) = (x % super::state::views::AXES.len(), y % super::state::views::AXES.len());
    }
    if let [x, y, metric] = places(&tree, "sweep")[..]
        && x != y
    {
        let n = super::knobs::numbers().count();
        (state.sweep.x, state.sweep.y) = (x % n, y % n);
        state.sweep.metric = metric % super::state::views::METRICS.len();
    }
    // Without colors for once is not without colors for ever.
    tree.text("theme").filter(|t| *t != "mono").map(str::to_string)
}

fn integer(tree: &Tree, key: &str) -> Option<i64> {
    match tree.get(key)?.value {
        Value::Integer(n) => Some(n),
        _ => None,
    }
}

fn flag(tree: &Tree, key: &str) -> Option<bool> {
    match tree.get(key)?.value {
        Value::Bool(b) => Some(b),
        _ => None,
    }
}

fn list<'a>(tree: &'a Tree, key: &str) -> &'a [raw::Item] {
    match tree.get(key).map(|i| &i.value) {
        Some(Value::Array(list)) => list,
        _ => &[],
    }
}

fn texts(tree: &Tree, key: &str) -> Vec<String> {
    list(tree, key)
        .iter()
        .filter_map(|i| if let Value::Text(t) = &i.value { Some(t.clone()) } else { None })
        .collect()
}

fn places(tree: &Tree, key: &str) -> Vec<usize> {
    let number = |i: &raw::Item| {
        if let Value::Integer(n) = i.value {
            usize::try_from(n).ok()
        } else {
            None
        }
    };
    list(tree, key).iter().filter_map(number).collect()
}
