//! Draws the state and changes nothing.

use super::field::Field;
use super::keys;
use super::paint::{Paint, columns, first_line};
use super::screens;
use super::state::{Ask, MIN_SIZE, Overlay, Screen, State};
use super::theme::{Role, asciify};
use super::update;
use ratatui::Frame;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

const SPINNER: [&str; 4] = ["|", "/", "-", "\\"];

/// Draw all of it.
pub fn draw(state: &State, frame: &mut Frame<'_>) {
    let buffer = frame.buffer_mut();
    let whole = buffer.area;
    {
        let mut paint = Paint {
            buffer,
            theme: &state.theme,
        };
        paint.clear(whole);
        if state.too_small() {
            too_small(state, &mut paint);
        } else {
            tabs(state, &mut paint);
            let focused = focused(state);
            for (panel, area) in areas(state) {
                screens::draw(state, &mut paint, panel, area, panel == focused);
            }
            footer(state, &mut paint);
            overlay(state, &mut paint);
        }
    }
    if state.theme.ascii {
        asciify(buffer);
    }
}

fn too_small(state: &State, paint: &mut Paint<'_>) {
    let (width, height) = state.size;
    let text = format!("{}x{} needed, {width}x{height} now; q quits", MIN_SIZE.0, MIN_SIZE.1);
    let x = width.saturating_sub(columns(&text)) / 2;
    paint.text((x, height / 2), &text, width, Role::Strong);
}

/// Where panels are drawn: between the tabs and the two lines below.
#[must_use]
pub fn body(state: &State) -> Rect {
    Rect::new(0, 1, state.size.0, state.size.1.saturating_sub(3))
}

/// Panels that are seen, with their places.
#[must_use]
pub fn areas(state: &State) -> Vec<(usize, Rect)> {
    let body = body(state);
    if state.single() {
        return vec![(focused(state), body)];
    }
    let list = screens::rects(state, body);
    list.into_iter().enumerate().filter(|(_, a)| a.width > 1 && a.height > 1).collect()
}

/// The panel that listens: the first where the one that was chosen is not seen.
#[must_use]
pub fn focused(state: &State) -> usize {
    let wanted = state.focus[state.screen.index()];
    let reach = reachable(state);
    if reach.contains(&wanted) {
        wanted
    } else {
        reach.first().copied().unwrap_or(0)
    }
}

/// Panels that can listen.
#[must_use]
pub fn reachable(state: &State) -> Vec<usize> {
    let n = screens::panels(state.screen).len();
    if state.single() {
        return (0..n).collect();
    }
    let list = screens::rects(state, body(state));
    (0..n)
        .filter(|i| list.get(*i).is_some_and(|a| a.width > 1 && a.height > 1))
        .collect()
}

fn labels(state: &State) -> Vec<String> {
    let short = state.size.0 < 80;
    let gap = if state.size.0 >= 100 { "  " } else { " " };
    let one = |(i, (name, screen)): (usize, &(&str, Screen))| {
        let here = *screen == state.screen;
        let text = match (short, here) {
            (true, false) => format!("{}", i + 1),
            _ => format!("{} {name}", i + 1),
        };
        let text = if here { format!("[{text}]") } else { text };
        if i == 0 { format!(" {text}") } else { format!("{gap}{text}") }
    };
    Screen::ALL.iter().enumerate().map(one).collect()
}

/// The screen whose tab is at a column.
#[must_use]
pub fn tab_at(state: &State, x: u16) -> Option<usize> {
    let mut end = columns(" exaplan");
    for (i, label) in labels(state).iter().enumerate() {
        let start = end;
        end += columns(label);
        if x >= start && x < end {
            return Some(i);
        }
    }
    None
}

fn tabs(state: &State, paint: &mut Paint<'_>) {
    let mut x = 0;
    paint.text((x, 0), " exaplan", 8, Role::Strong);
    x += 8;
    for ((_, screen), label) in Screen::ALL.iter().zip(labels(state)) {
        let role = if *screen == state.screen { Role::Focus } else { Role::Text };
        paint.text((x, 0), &label, columns(&label), role);
        x += columns(&label);
    }
    let ascii = if state.theme.ascii { "on" } else { "off" };
    let right = format!("catalog {}  theme {}  ascii {ascii}  ? ", state.about.catalog, state.theme.name);
    let start = state.size.0.saturating_sub(columns(&right));
    if start > x + 2 {
        paint.text((start, 0), &right, columns(&right), Role::Dim);
    }
}

/// A line of what is going on, and one of hints.
fn footer(state: &State, paint: &mut Paint<'_>) {
    let (width, height) = state.size;
    let (y, last) = (height - 2, height - 1);
    let mut end = width;
    if state.busy() {
        let spin = if state.still { "*" } else { SPINNER[state.ticks % SPINNER.len()] };
        let text = format!(" {spin} ");
        end = end.saturating_sub(columns(&text));
        paint.text((end, y), &text, 3, Role::Accent);
    }
    match &state.message {
        Some(m) => {
            let role = if m.bad { Role::Warn } else { Role::Strong };
            let text = if m.bad { format!(" ! {}", m.text) } else { format!(" {}", m.text) };
            let text = super::paint::fit(&text, usize::from(end));
            paint.text((0, y), &text, end, role);
        }
        None => {
            let text = super::paint::fit(&format!(" {}", screens::status(state)), usize::from(end));
            paint.text((0, y), &text, end, Role::Text);
        }
    }
    let mut hints = keys::hints(state);
    if state.single() && state.size.0 < 80 {
        hints.retain(|(_, hint, _)| ["help", "quit", "expand"].contains(hint));
        hints.insert(0, ("tab".to_string(), "next panel", false));
    }
    // The way to all the others is always there.
    let must: Vec<_> = hints.iter().filter(|(_, h, _)| ["help", "quit"].contains(h)).cloned().collect();
    hints.retain(|(_, h, _)| !["help", "quit"].contains(h));
    let wide = |list: &[(String, &str, bool)]| list.iter().map(|(k, h, _)| k.width() + h.width() + 3).sum::<usize>();
    let room = usize::from(width).saturating_sub(wide(&must) + 1);
    while wide(&hints) > room && hints.pop().is_some() {}
    hints.extend(must);
    let mut x = 1;
    for (names, hint, dead) in hints {
        paint.text((x, last), &names, columns(&names), if dead { Role::Dim } else { Role::Accent });
        x += columns(&names) + 1;
        paint.text((x, last), hint, columns(hint), Role::Dim);
        x += columns(hint) + 2;
    }
}

fn overlay(state: &State, paint: &mut Paint<'_>) {
    match &state.overlay {
        None => {}
        Some(Overlay::Help { filter, typing, scroll }) => {
            let lines = keys::help(state.screen, &filter.text());
            let title = if *typing || !filter.text().is_empty() {
                format!("Keys /{}", filter.text())
            } else {
                "Keys   / filters".to_string()
            };
            popup(state, paint, &title, &lines, *scroll);
        }
        Some(Overlay::Popup { title, lines, scroll }) => popup(state, paint, title, lines, *scroll),
        Some(Overlay::Confirm { question, .. }) => {
            let lines = [question.clone(), String::new(), "y yes   esc no".to_string()];
            popup(state, paint, "Sure?", &lines, 0);
        }
        Some(Overlay::Prompt { ask, field, chosen }) => prompt(state, paint, ask, field, *chosen),
    }
}

fn popup(state: &State, paint: &mut Paint<'_>, title: &str, lines: &[String], scroll: usize) {
    let body = body(state);
    let widest = lines.iter().map(|l| columns(l)).max().unwrap_or(0).max(columns(title) + 4);
    let n = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let (width, height) = ((widest.saturating_add(4)).min(body.width), n.saturating_add(2).min(body.height));
    let area = Rect::new((body.width - width) / 2, body.y + (body.height - height) / 2, width, height);
    let room = usize::from(height.saturating_sub(2));
    let first = scroll.min(lines.len().saturating_sub(room));
    let right = if lines.len() > room {
        format!("{}-{} of {}", first + 1, (first + room).min(lines.len()), lines.len())
    } else {
        "esc".to_string()
    };
    let inner = paint.panel(area, title, &right, true);
    for (y, line) in (0..).zip(lines.iter().skip(first).take(room)) {
        let strong = !line.starts_with(' ') && (line.ends_with(" only") || line == "everywhere");
        inner.put(paint, (1, y), line, if strong { Role::Strong } else { Role::Text });
    }
}

fn prompt(state: &State, paint: &mut Paint<'_>, ask: &Ask, field: &Field, chosen: usize) {
    let label = match ask {
        Ask::Filter => "/".to_string(),
        Ask::Palette => ":".to_string(),
        Ask::Add => "add: file, name, or :path=value of this plan".to_string(),
        Ask::Rename(_) => "new name".to_string(),
        Ask::Value(path) => format!("{path} ="),
        Ask::Export => "write to".to_string(),
        Ask::SaveAs => "name of the new plan".to_string(),
        Ask::SaveProfile => "write the profile to".to_string(),
        Ask::Study => "write the study to".to_string(),
        Ask::Import => "file of measured runs".to_string(),
    };
    let body = body(state);
    let list = update::proposals(state, ask, &field.text());
    let room = usize::from(body.height.saturating_sub(3)).min(10).min(list.len());
    let height = u16::try_from(room).unwrap_or(0) + 3;
    let area = Rect::new(0, body.bottom().saturating_sub(height), body.width, height);
    let inner = paint.panel(area, &label, "enter takes it, esc leaves", true);
    let first = first_line(chosen, list.len(), room);
    for (y, (i, (text, _))) in (0..).zip(list.iter().enumerate().skip(first).take(room)) {
        inner.put(paint, (2, y), text, Role::Text);
        if i == chosen {
            inner.select(paint, y);
        }
    }
    let y = inner.height().saturating_sub(1);
    let (text, at) = field.window(usize::from(inner.width().saturating_sub(4)));
    inner.put(paint, (1, y), ">", Role::Accent);
    inner.put(paint, (3, y), &text, Role::Strong);
    let cursor = (inner.area.left() + 3 + u16::try_from(at).unwrap_or(0), inner.area.top() + y);
    if let Some(cell) = paint.buffer.cell_mut(cursor) {
        cell.modifier.insert(ratatui::style::Modifier::REVERSED);
    }
}
