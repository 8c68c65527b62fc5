//! Draws the state and changes nothing. Only weight and reversal mark things: they work in every theme.

use super::answer::{Answer, LABELS};
use super::keys;
use super::state::{LABEL_WIDTH, MIN_SIZE, NUMBER_WIDTH, State, Tab};
use crate::report::text::shorten;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::widgets::{Block, Clear, Widget};
use unicode_width::UnicodeWidthStr;

const SPINNER: [&str; 4] = ["|", "/", "-", "\\"];
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const DIM: Style = Style::new().add_modifier(Modifier::DIM);
const HERE: Style = Style::new().add_modifier(Modifier::REVERSED);
const PLAIN: Style = Style::new();

/// Draw all of it.
pub fn draw(state: &State, frame: &mut Frame<'_>) {
    let buffer = frame.buffer_mut();
    if state.too_small() {
        let ((width, height), (least_width, least_height)) = (state.size, MIN_SIZE);
        put(buffer, (0, 0), &format!("{width}x{height} is too small"), width, BOLD);
        put(
            buffer,
            (0, 1),
            &format!("{least_width}x{least_height} or more; q quits"),
            width,
            PLAIN,
        );
        return;
    }
    tabs(state, buffer);
    list(state, buffer);
    report(state, buffer);
    footer(state, buffer);
    if state.help {
        help(state, buffer);
    }
}

/// Write safe text in at most `width` columns. The window may just have shrunk, so what lies
/// outside of it is dropped.
fn put(buffer: &mut Buffer, (x, y): (u16, u16), text: &str, width: u16, style: Style) {
    let area = buffer.area;
    if x < area.right() && y < area.bottom() {
        buffer.set_stringn(x, y, text, usize::from(width.min(area.right() - x)), style);
    }
}

fn right(buffer: &mut Buffer, (end, y): (u16, u16), text: &str, style: Style) -> u16 {
    let width = columns(text);
    let x = end.saturating_sub(width);
    put(buffer, (x, y), text, width, style);
    x
}

fn columns(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// Names from the one on that lets the current one be seen.
fn tabs(state: &State, buffer: &mut Buffer) {
    let label = |i: usize, tab: &Tab| format!(" {} {} ", i + 1, shorten(&tab.name, 24));
    let labels: Vec<String> = state.tabs.iter().enumerate().map(|(i, t)| label(i, t)).collect();
    let room = usize::from(state.size.0.saturating_sub(4));
    let mut first = state.current.min(labels.len().saturating_sub(1));
    let mut used = labels.get(first).map_or(0, |l| l.width());
    while first > 0 && used + labels[first - 1].width() <= room {
        first -= 1;
        used += labels[first].width();
    }
    let mut x = 0;
    if first > 0 {
        put(buffer, (x, 0), "< ", 2, DIM);
        x = 2;
    }
    for (i, label) in labels.iter().enumerate().skip(first) {
        if usize::from(x) + label.width() > usize::from(state.size.0.saturating_sub(2)) {
            put(buffer, (x, 0), " >", 2, DIM);
            break;
        }
        put(buffer, (x, 0), label, columns(label), if i == state.current { HERE } else { PLAIN });
        x += columns(label);
    }
}

/// The main numbers, one column per scenario.
fn list(state: &State, buffer: &mut Buffer) {
    let n_columns = usize::from((state.list_width() - LABEL_WIDTH) / NUMBER_WIDTH);
    let last = state.tabs.len().saturating_sub(n_columns);
    let first = state.current.saturating_sub(n_columns / 2).min(last);
    for (row, label) in (2..).zip(LABELS) {
        put(buffer, (0, row), label, LABEL_WIDTH, PLAIN);
    }
    for (i, tab) in state.tabs.iter().enumerate().skip(first).take(n_columns) {
        let column = u16::try_from(i - first).unwrap_or(0);
        let end = LABEL_WIDTH + NUMBER_WIDTH * (column + 1) - 1;
        let style = if i == state.current { BOLD } else { PLAIN };
        let width = usize::from(NUMBER_WIDTH - 1);
        right(buffer, (end, 1), &shorten(&format!("{} {}", i + 1, tab.name), width), style);
        for (row, k) in (2..).zip(0..LABELS.len()) {
            let text = match &tab.answer {
                Answer::Waiting => "...".to_string(),
                Answer::Ready(None, _) if k == 0 => "no plan".to_string(),
                Answer::Ready(None, _) => "-".to_string(),
                Answer::Ready(Some(numbers), _) => shorten(&numbers[k].human(), width),
            };
            right(buffer, (end, row), &text, style);
        }
    }
}

/// Lines of another width are cut until the new ones come.
fn report(state: &State, buffer: &mut Buffer) {
    let (x, width) = (state.list_width(), state.text_width());
    for y in 1..=state.text_height() {
        put(buffer, (x, y), "\u{2502}", 1, DIM);
    }
    let Some(tab) = state.tab() else { return };
    if tab.lines.width == 0 {
        put(buffer, (x + 2, 1), &format!("planning {} ...", tab.name), width, DIM);
        return;
    }
    let seen = tab.lines.list.iter().enumerate().skip(tab.scroll);
    for (y, (i, line)) in (1..=state.text_height()).zip(seen) {
        let style = if i == 0 || line.starts_with("warning: ") { BOLD } else { PLAIN };
        put(buffer, (x + 2, y), line, width, style);
    }
}

/// Hints on the left as far as they fit, the place in the report on the right.
fn footer(state: &State, buffer: &mut Buffer) {
    let y = state.size.1 - 1;
    let mut end = state.size.0;
    if state.busy {
        end = right(buffer, (end, y), SPINNER[state.ticks % SPINNER.len()], BOLD).saturating_sub(1);
    }
    if let Some(tab) = state.tab().filter(|t| !t.lines.list.is_empty()) {
        let n = tab.lines.list.len();
        let last = (tab.scroll + usize::from(state.text_height())).min(n);
        end = right(buffer, (end, y), &format!("{}-{last} of {n}", tab.scroll + 1), PLAIN);
    }
    let mut x = 0;
    for key in &keys::KEYS {
        let width = columns(key.name) + 1 + columns(key.hint);
        if x + width + 2 > end {
            break;
        }
        put(buffer, (x, y), key.name, width, BOLD);
        put(buffer, (x + columns(key.name) + 1, y), key.hint, width, DIM);
        x += width + 2;
    }
}

fn help(state: &State, buffer: &mut Buffer) {
    let lines = keys::help();
    let widest = lines.iter().map(|l| columns(l)).max().unwrap_or(0);
    let n = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let (width, height) = ((widest + 4).min(state.size.0), (n + 2).min(state.size.1));
    let area = Rect::new((state.size.0 - width) / 2, (state.size.1 - height) / 2, width, height).intersection(buffer.area);
    Clear.render(area, buffer);
    Block::bordered().title(" keys ").render(area, buffer);
    for (y, line) in (area.top() + 1..area.bottom().saturating_sub(1)).zip(lines.iter().skip(state.help_scroll)) {
        put(buffer, (area.left() + 2, y), line, width.saturating_sub(3), PLAIN);
    }
}
