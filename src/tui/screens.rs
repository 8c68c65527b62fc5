//! The screens: each knows its panels, what they show, what its keys do and what an export holds.

pub mod bill;
pub mod calib;
pub mod layouts;
pub mod memory;
pub mod plans;
pub mod step;
pub mod sweep;
pub mod whatif;

use super::action::Command;
use super::paint::Paint;
use super::state::jobs::Effect;
use super::state::{Overlay, Screen, State};
use crate::report::{Block, Document, text};
use ratatui::layout::{Constraint, Layout, Rect};

macro_rules! by_screen {
    ($screen:expr, $name:ident $(, $arg:expr)*) => {
        match $screen {
            Screen::Plans => plans::$name($($arg),*),
            Screen::Layouts => layouts::$name($($arg),*),
            Screen::Step => step::$name($($arg),*),
            Screen::Memory => memory::$name($($arg),*),
            Screen::Bill => bill::$name($($arg),*),
            Screen::WhatIf => whatif::$name($($arg),*),
            Screen::Calib => calib::$name($($arg),*),
            Screen::Sweep => sweep::$name($($arg),*),
        }
    };
}

/// Names of the panels of a screen.
#[must_use]
pub fn panels(screen: Screen) -> &'static [&'static str] {
    match screen {
        Screen::Plans => &plans::PANELS,
        Screen::Layouts => &layouts::PANELS,
        Screen::Step => &step::PANELS,
        Screen::Memory => &memory::PANELS,
        Screen::Bill => &bill::PANELS,
        Screen::WhatIf => &whatif::PANELS,
        Screen::Calib => &calib::PANELS,
        Screen::Sweep => &sweep::PANELS,
    }
}

/// Where each panel is; one that is not seen has no area.
#[must_use]
pub fn rects(state: &State, body: Rect) -> Vec<Rect> {
    by_screen!(state.screen, rects, state, body)
}

/// Draw a panel.
pub fn draw(state: &State, paint: &mut Paint<'_>, panel: usize, area: Rect, focus: bool) {
    by_screen!(state.screen, draw, state, paint, panel, area, focus);
}

/// Do what a key of the screen says; false where it says nothing.
pub fn update(state: &mut State, command: Command, effects: &mut Vec<Effect>) -> bool {
    by_screen!(state.screen, update, state, command, effects)
}

/// The mouse was pressed in a panel; whether anything changed.
pub fn click(state: &mut State, panel: usize, area: Rect, at: (u16, u16), pressed: bool, effects: &mut Vec<Effect>) -> bool {
    by_screen!(state.screen, click, state, panel, area, at, pressed, effects)
}

/// What is going on, in a line.
#[must_use]
pub fn status(state: &State) -> String {
    by_screen!(state.screen, status, state)
}

/// What is seen, as a document.
#[must_use]
pub fn document(state: &State) -> Document {
    let blocks = by_screen!(state.screen, blocks, state);
    let plan = state.planned();
    Document {
        title: state.screen.name().to_string(),
        subtitle: state.current().map_or_else(String::new, |e| e.name.clone()),
        blocks,
        provenance: plan.map_or_else(String::new, |p| crate::report::plan::provenance_line(&p.plan.provenance)),
    }
}

/// Show a document on top.
pub fn show(state: &mut State, title: &str, document: &Document) {
    let width = usize::from(state.size.0.saturating_sub(4)).clamp(40, 140);
    let text = text::document(document, text::Options { width, color: false });
    let lines = text.lines().map(str::to_string).collect();
    popup(state, title, lines);
}

/// Show blocks on top.
pub fn show_blocks(state: &mut State, title: &str, blocks: Vec<Block>) {
    let document = Document {
        title: title.to_string(),
        subtitle: String::new(),
        blocks,
        provenance: String::new(),
    };
    show(state, title, &document);
}

/// Show lines on top.
pub fn popup(state: &mut State, title: &str, lines: Vec<String>) {
    state.overlay = Some(Overlay::Popup {
        title: title.to_string(),
        lines,
        scroll: 0,
    });
}

/// Cut an area from top to bottom.
pub(super) fn rows<const N: usize>(area: Rect, list: [Constraint; N]) -> [Rect; N] {
    Layout::vertical(list).areas(area)
}

/// Cut an area from left to right.
pub(super) fn columns<const N: usize>(area: Rect, list: [Constraint; N]) -> [Rect; N] {
    Layout::horizontal(list).areas(area)
}

/// What stands where there is no plan to show: why.
pub(super) fn missing(state: &State, paint: &mut Paint<'_>, inner: super::paint::Inner) {
    use super::theme::Role;
    let Some(entry) = state.current() else {
        inner.put(paint, (1, 0), "no plan: 1 and a add one", Role::Text);
        return;
    };
    match entry.now.value.as_deref() {
        None => inner.put(paint, (1, 0), &format!("planning {} ...", entry.name), Role::Dim),
        Some(answer) => {
            let lines = super::state::failure_lines(answer);
            let width = usize::from(inner.width().saturating_sub(2));
            let mut y = 0;
            for (i, line) in lines.iter().enumerate() {
                for part in fold(line, width) {
                    inner.put(paint, (1, y), &part, if i == 0 { Role::Warn } else { Role::Text });
                    y += 1;
                }
            }
        }
    }
}

/// A text in lines of at most `width` columns, broken at spaces.
#[must_use]
pub fn fold(text: &str, width: usize) -> Vec<String> {
    use unicode_width::UnicodeWidthStr;
    let mut out: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        match out.last_mut() {
            Some(l) if l.is_empty() => l.push_str(word),
            Some(l) if l.width() + 1 + word.width() <= width => {
                l.push(' ');
                l.push_str(word);
            }
            _ => out.push(word.to_string()),
        }
    }
    out
}
