//! 7 Calib: does the model match measurements? Those of this machine, and published runs.

use super::{columns, fold, rows};
use crate::bench::profile::{HERE, Record, profile};
use crate::bench::{End, Measured, host};
use crate::report::{Block, Cell, Column, KeyValue, Kind, Table};
use crate::study::validate::{Prediction, summary};
use crate::tui::action::Command;
use crate::tui::export::Writing;
use crate::tui::figures::by_field;
use crate::tui::paint::{Inner, Paint, fit, gauge};
use crate::tui::state::jobs::{Effect, Place};
use crate::tui::state::{Ask, State};
use crate::tui::theme::Role;
use crate::tui::update::{ask, stepped};
use crate::units;
use ratatui::layout::{Constraint, Rect};

/// Its panels.
pub const PANELS: [&str; 4] = ["This machine", "Progress", "Published runs", "Predicted over measured"];

/// Where they are.
pub fn rects(state: &State, body: Rect) -> Vec<Rect> {
    let top = if state.large() { 16 } else { 10 };
    let [top, bottom] = rows(body, [Constraint::Length(top), Constraint::Fill(1)]);
    let [device, progress] = columns(top, [Constraint::Fill(1), Constraint::Fill(if state.large() { 2 } else { 1 })]);
    let [chart, side] = columns(bottom, [Constraint::Fill(5), Constraint::Fill(3)]);
    vec![device, progress, chart, side]
}

/// Draw one.
pub fn draw(state: &State, paint: &mut Paint<'_>, panel: usize, area: Rect, focus: bool) {
    match panel {
        0 => device(state, paint, area, focus),
        1 => progress(state, paint, area, focus),
        2 => scatter(state, paint, area, focus),
        _ => errors(state, paint, area, focus),
    }
}

fn measured(state: &State) -> &[Measured] {
    state.calib.measured()
}

fn device(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let inner = paint.panel(area, "This machine", "cpu", focus);
    let mut y = 0;
    for (i, suite) in host::suites().enumerate() {
        let on = if state.calib.suites.get(i) == Some(&true) { "[x]" } else { "[ ]" };
        inner.put(paint, (1, y), &format!("{on} {}", suite.name), Role::Text);
        if focus && i == state.calib.cursor {
            inner.select(paint, y);
        }
        y += 1;
        if state.large() {
            for line in fold(suite.what, usize::from(inner.width().saturating_sub(7))) {
                inner.put(paint, (5, y), &line, Role::Dim);
                y += 1;
            }
        }
    }
    let kept = if state.calib.accepted {
        "kept for a profile (W writes it)"
    } else {
        "A keeps results for a profile"
    };
    for line in ["repeats until the median is sure,", "results checked before they are timed", kept] {
        inner.put(paint, (1, y), line, Role::Dim);
        y += 1;
    }
    inner.put(paint, (1, y), "space measures, enter switches", Role::Dim);
}

fn rate(m: &Measured) -> String {
    units::si(m.rate_per_s(), m.item.work().rate_unit())
}

fn spread(m: &Measured) -> String {
    format!("+-{:.1} %", 100.0 * m.sample.spread_fraction())
}

fn progress(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let benched = state.calib.bench.value.as_deref();
    let (done, all) = benched.map_or((0, 0), |b| (b.list.len() + b.n_failed, b.n_all));
    let right = if all > 0 { format!("{done} of {all}") } else { String::new() };
    let inner = paint.panel(area, "Progress", &right, focus);
    let width = inner.width().saturating_sub(10).clamp(8, 60);
    #[allow(clippy::cast_precision_loss)]
    let share = done as f64 / all.max(1) as f64;
    inner.put(
        paint,
        (1, 0),
        &format!("{} {:3.0} %", gauge(share, width), 100.0 * share),
        Role::Text,
    );
    let state_of = match (state.calib.bench.waiting, benched.and_then(|b| b.end)) {
        (true, _) => "half a minute; space or esc stops and keeps what is there".to_string(),
        (false, Some(End::Complete)) => "done".to_string(),
        (false, Some(End::Budget(n))) => format!("the half minute is over, {n} kernels are left"),
        (false, Some(End::Interrupted(_))) => "stopped; what is measured is kept".to_string(),
        (false, None) => "not measured: space starts, for half a minute".to_string(),
    };
    inner.put(paint, (1, 1), &state_of, Role::Dim);
    let list = measured(state);
    let room = usize::from(inner.height().saturating_sub(3));
    for (y, m) in (3..).zip(list.iter().skip(list.len().saturating_sub(room))) {
        let threads = format!("{} thr", m.n_threads);
        if inner.width() >= 70 {
            let text = format!(
                "{:<10} {:<24}{threads:>7}{:>16}{:>10}  n {}",
                m.item.op(),
                fit(&m.item.shape(), 23),
                rate(m),
                spread(m),
                m.sample.n
            );
            inner.put(paint, (1, y), &text, Role::Text);
        } else {
            inner.put(
                paint,
                (1, y),
                &format!("{:<10}{threads:>6}{:>14}", m.item.op(), rate(m)),
                Role::Text,
            );
        }
    }
}

/// Accelerators with predictions, by name.
fn devices(list: &[Prediction]) -> Vec<String> {
    let mut out: Vec<String> = list
        .iter()
        .filter(|p| p.relative_error().is_some())
        .map(|p| p.accelerator.clone())
        .collect();
    out.sort();
    out.dedup();
    out
}

/// Predictions of the accelerator that was chosen.
fn chosen(state: &State) -> (String, Vec<&Prediction>) {
    let Some(list) = state.calib.validation.value.as_deref() else {
        return ("all devices".to_string(), Vec::new());
    };
    let name = state.calib.device.and_then(|i| devices(list).get(i).cloned());
    let kept = list
        .iter()
        .filter(|p| p.relative_error().is_some() && name.as_ref().is_none_or(|n| *n == p.accelerator))
        .collect();
    (name.unwrap_or_else(|| "all devices".to_string()), kept)
}

fn scatter(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let (name, list) = chosen(state);
    let inner = paint.panel(
        area,
        "Published runs: tokens/s per device",
        &format!("{name}, {}", list.len()),
        focus,
    );
    if state.calib.validation.value.is_none() {
        inner.put(paint, (1, 0), "predicting published runs ...", Role::Dim);
        return;
    }
    let points: Vec<(f64, f64)> = list
        .iter()
        .filter_map(|p| Some((p.measured_tokens_per_s_per_device?, p.predicted_tokens_per_s_per_device?)))
        .collect();
    diagonal(paint, inner, &points);
}

/// Predicted over measured on equal logarithmic axes; on the line they agree.
fn diagonal(paint: &mut Paint<'_>, inner: Inner, points: &[(f64, f64)]) {
    let all = || points.iter().flat_map(|(a, b)| [*a, *b]).filter(|v| *v > 0.0);
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    if low >= high {
        inner.put(paint, (1, 0), "no run of this device", Role::Dim);
        return;
    }
    let margin = 8;
    let (width, height) = (
        inner.width().saturating_sub(margin + 2).min(120),
        inner.height().saturating_sub(2).min(40),
    );
    let place = |v: f64, n: u16| {
        let share = ((v / low).ln() / (high / low).ln()).clamp(0.0, 1.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let x = (share * f64::from(n.saturating_sub(1))).round() as u16;
        x
    };
    let dot = |paint: &mut Paint<'_>, x: f64, y: f64, mark: &str, role: Role| {
        inner.put(
            paint,
            (margin + 1 + place(x, width), height.saturating_sub(1) - place(y, height)),
            mark,
            role,
        );
    };
    for i in 0..width {
        let v = low * (high / low).powf(f64::from(i) / f64::from(width.max(2) - 1));
        dot(paint, v, v, "·", Role::Dim);
    }
    let mut seen = std::collections::BTreeMap::new();
    for (x, y) in points {
        let n = seen.entry((place(*x, width), place(*y, height))).or_insert(0_u32);
        *n += 1;
        // Many points in one cell are heavier.
        let mark = match n {
            1 => "o",
            2..=9 => "O",
            _ => "@",
        };
        dot(paint, *x, *y, mark, Role::Series(1));
    }
    for y in 0..height {
        inner.put(paint, (margin, y), "│", Role::Border);
    }
    inner.put(
        paint,
        (margin, height),
        &format!("└{}", "─".repeat(usize::from(width))),
        Role::Border,
    );
    inner.right(paint, (margin, 0), &units::significant(high), Role::Dim);
    inner.right(paint, (margin, height.saturating_sub(1)), &units::significant(low), Role::Dim);
    inner.put(
        paint,
        (1, height + 1),
        "up predicted, across measured; o one, O some, @ many; on the dots they agree",
        Role::Dim,
    );
}

fn errors(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let inner = paint.panel(area, "Predicted over measured", "", focus);
    let (_, list) = chosen(state);
    let mut y = 0;
    let mut add = |paint: &mut Paint<'_>, text: &str, role: Role| {
        inner.put(paint, (1, y), text, role);
        y += 1;
    };
    if state.calib.validation.value.is_some() {
        let s = summary(list.iter().copied());
        let percent = |v: f64| format!("{:.1} %", 100.0 * v);
        for (name, value) in [
            ("bias", s.bias),
            ("median |error|", s.median_ape),
            ("mean |error|", s.mean_ape),
            ("9 of 10 below", s.p90_ape),
        ] {
            add(paint, &format!("{name:<16}{:>9}", percent(value)), Role::Text);
        }
        let fitted = list.iter().filter(|p| p.fitted).count();
        add(paint, &format!("{} rows, {fitted} of them fitted", list.len()), Role::Dim);
        if state.large() {
            let mut worst: Vec<&&Prediction> = list.iter().collect();
            worst.sort_by(|a, b| {
                b.relative_error()
                    .unwrap_or(0.0)
                    .abs()
                    .total_cmp(&a.relative_error().unwrap_or(0.0).abs())
            });
            add(paint, "", Role::Text);
            add(paint, "farthest off", Role::Dim);
            for p in worst.iter().take(6) {
                add(
                    paint,
                    &format!("{:>7}  {}", percent(p.relative_error().unwrap_or(0.0)), p.id),
                    Role::Text,
                );
            }
            add(paint, "", Role::Text);
        }
    }
    if state.calib.preview
        && let (Some(now), Some(Ok(sheet))) = (state.planned(), state.calib.effect.value.as_deref())
    {
        let name = now.plan.scenario.profile.as_ref().map_or("none", |p| p.name.as_str());
        add(paint, &format!("data sheet > kernels of {name}"), Role::Dim);
        for field in ["step", "mfu", "days"] {
            if let Some(f) = by_field(field) {
                add(
                    paint,
                    &format!("{:<10}{} > {}", f.name, f.human(&sheet.plan), f.human(&now.plan)),
                    Role::Text,
                );
            }
        }
    }
}

/// What is going on.
pub fn status(state: &State) -> String {
    if state.calib.bench.waiting {
        return "measuring this machine; predictions are not read while measuring".to_string();
    }
    let n = state
        .calib
        .validation
        .value
        .as_ref()
        .map_or(0, |l| l.iter().filter(|p| p.relative_error().is_some()).count());
    format!("{n} published runs predicted; nothing that is measured reads a prediction")
}

/// What an export holds.
pub fn blocks(state: &State) -> Vec<Block> {
    let (name, list) = chosen(state);
    let names = ["Run", "Device", "Measured", "Predicted", "Error"];
    let columns = names
        .iter()
        .enumerate()
        .map(|(i, n)| if i < 2 { Column::words(*n) } else { Column::numbers(*n) });
    let mut table = Table::new(format!("Published runs, {name}"), columns.collect());
    let cell = |v: Option<f64>, kind: Kind| v.map_or(Cell::Missing, |v| Cell::quantity(v, kind));
    table.rows = list
        .iter()
        .map(|p| {
            vec![
                Cell::Text(p.id.clone()),
                Cell::Text(p.accelerator.clone()),
                cell(p.measured_tokens_per_s_per_device, Kind::Plain(1)),
                cell(p.predicted_tokens_per_s_per_device, Kind::Plain(1)),
                cell(p.relative_error(), Kind::Percent),
            ]
        })
        .collect();
    let machine = measured(state).iter().map(|m| {
        KeyValue::new(m.item.op(), Cell::Text(rate(m))).note(format!("{}, {} threads, {}", m.item.shape(), m.n_threads, spread(m)))
    });
    vec![Block::KeyValues(machine.collect()), Block::Table(table)]
}

/// What keys do.
pub fn update(state: &mut State, command: Command, effects: &mut Vec<Effect>) -> bool {
    match command {
        Command::StartPause if state.calib.bench.waiting => {
            effects.push(Effect::Cancel(Place::Bench));
            state.say("stopping; what is measured is kept");
        }
        Command::StartPause if state.calib.wanted().is_empty() => state.complain("no suite is on: enter switches one"),
        Command::StartPause => {
            state.calib.start = true;
            state.calib.accepted = false;
            state.calib.bench.value = None;
            state.calib.bench.forget();
            state.say("measuring");
        }
        Command::Skip => {
            let at = state.calib.cursor;
            let Some((suite, on)) = host::suites().nth(at).zip(state.calib.suites.get_mut(at)).filter(|(_, on)| **on) else {
                state.say("that suite is off already");
                return true;
            };
            *on = false;
            effects.push(Effect::Cancel(Place::Bench));
            // What is measured of the others stays, and they go on.
            state.calib.start = !state.calib.wanted().is_empty();
            state.calib.bench.forget();
            state.say(format!("{} is left out", suite.name));
        }
        Command::Move(to) => state.calib.cursor = stepped(state.calib.cursor, host::suites().count(), to, 2),
        Command::Enter => {
            let at = state.calib.cursor;
            if let Some(on) = state.calib.suites.get_mut(at).filter(|_| !state.calib.bench.waiting) {
                *on = !*on;
            }
        }
        Command::Device => {
            let n = state.calib.validation.value.as_deref().map_or(0, |l| devices(l).len());
            state.calib.device = match state.calib.device {
                None if n > 0 => Some(0),
                Some(i) if i + 1 < n => Some(i + 1),
                _ => None,
            };
        }
        Command::Import => ask(state, Ask::Import, ""),
        Command::Preview => state.calib.preview = !state.calib.preview,
        Command::Accept => {
            state.calib.accepted = !state.calib.accepted;
            state.say(if state.calib.accepted {
                "kept: W writes a profile"
            } else {
                "not kept"
            });
        }
        Command::SaveProfile if !state.calib.accepted => state.complain("A keeps the measurements first"),
        Command::SaveProfile => ask(state, Ask::SaveProfile, "this-machine.toml"),
        _ => return false,
    }
    true
}

/// Write what was measured as a profile of the catalog, with its table beside it.
pub fn save(state: &mut State, path: &str, effects: &mut Vec<Effect>) {
    let name = std::path::Path::new(path)
        .file_stem()
        .and_then(|s| s.to_str())
        .unwrap_or("")
        .to_string();
    let benched = state.calib.bench.value.clone();
    let Some((benched, machine)) = benched.as_deref().and_then(|b| Some((b, b.machine.as_ref()?))) else {
        return state.complain("nothing is measured yet");
    };
    let record = Record {
        name: &name,
        backend: "cpu",
        environment: machine,
        list: &benched.list,
        weights: &[],
        complete: benched.end == Some(End::Complete),
        source: HERE,
        bandwidth_bytes_per_s: None,
        scale_up: None,
    };
    match profile(&record) {
        Ok(written) => effects.push(Effect::Write(Writing::profile(path, written))),
        Err(error) => state.complain(error.to_string()),
    }
}

/// The mouse.
pub fn click(state: &mut State, panel: usize, area: Rect, (_, y): (u16, u16), pressed: bool, effects: &mut Vec<Effect>) -> bool {
    let line = usize::from(y.saturating_sub(area.top() + 1));
    if panel == 0 && pressed && line < host::suites().count() {
        state.calib.cursor = line;
        return update(state, Command::Enter, effects);
    }
    pressed
}
