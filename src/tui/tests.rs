//! Frames, keys and the life of a state.

use super::answer::*;
use super::state::*;
use super::{keys, view};
use crate::report::{Block, Cell, Document, Kind, sample};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::sync::Arc;

fn frame(state: &State) -> String {
    let mut terminal = Terminal::new(TestBackend::new(state.size.0, state.size.1)).unwrap();
    terminal.draw(|f| view::draw(state, f)).unwrap();
    let cells = terminal.backend().buffer().content.chunks(usize::from(state.size.0).max(1));
    let rows = cells.map(|row| row.iter().map(|c| c.symbol()).collect::<String>().trim_end().to_string());
    rows.collect::<Vec<_>>().join("\n")
}

fn some_numbers() -> Numbers {
    [
        Cell::quantity(78.4 * 86_400.0, Kind::Duration),
        Cell::quantity(3.91e6, Kind::Usd),
        Cell::quantity(6.412, Kind::Duration),
        Cell::quantity(0.412, Kind::Percent),
        Cell::quantity(70.25 * 1_073_741_824.0, Kind::Bytes),
        Cell::quantity(444e3, Kind::Carbon),
        Cell::Count(1024.0),
    ]
}

fn text(n_lines: usize) -> Document {
    Document {
        title: "Plan".to_string(),
        subtitle: String::new(),
        blocks: (1..n_lines).map(|i| Block::Heading(format!("line {i}"))).collect(),
        provenance: String::new(),
    }
}

/// Answer what `state` asks until it asks nothing.
fn settle(state: &mut State, document: &Document) {
    for _ in 0..100 {
        let Some(request) = state.request() else { return };
        state.busy = true;
        let reply = match request {
            Request::Plan(2) => Reply::Planned(2, failure("c", Vec::new())),
            Request::Plan(i) => Reply::Planned(i, Answer::Ready(Some(Arc::new(some_numbers())), Arc::new(document.clone()))),
            Request::Write(i, document, width) => Reply::Written(i, write(&document, width)),
        };
        assert!(state.update(Action::Done(reply)));
    }
    panic!("it never stops asking");
}

fn ready(names: &[&str], size: (u16, u16), document: &Document) -> State {
    let mut state = State::new(names.iter().map(ToString::to_string), size);
    settle(&mut state, document);
    state
}

fn press(state: &mut State, code: KeyCode) -> bool {
    keys::action(&KeyEvent::new(code, KeyModifiers::NONE)).is_some_and(|a| state.update(a))
}

#[test]
fn a_usual_window() {
    let state = ready(&["llama3-405b", "on-h200"], (80, 24), &sample::document());
    insta::assert_snapshot!(frame(&state));
}

#[test]
fn the_smallest_window() {
    let state = ready(&["llama3-405b", "on-h200", "c"], (60, 15), &text(100));
    insta::assert_snapshot!(frame(&state));
}

#[test]
fn the_first_frame_waits_for_nothing() {
    let mut state = State::new(["a".to_string()], (80, 24));
    state.busy = true;
    assert!(frame(&state).contains("planning a ..."));
    assert!(state.update(Action::Tick) && frame(&state).ends_with('/'));
    state.busy = false;
    assert!(!state.update(Action::Tick));
}

#[test]
fn the_seen_scenario_is_planned_first() {
    let mut state = State::new(["a", "b", "c"].map(String::from), (80, 24));
    press(&mut state, KeyCode::Char('2'));
    assert!(matches!(state.request(), Some(Request::Plan(1))));
    state.busy = true;
    assert!(state.request().is_none());
    settle_one(&mut state, 1);
    assert!(matches!(state.request(), Some(Request::Write(1, _, 43))));
}

fn settle_one(state: &mut State, index: usize) {
    state.update(Action::Done(Reply::Planned(index, Answer::Ready(None, Arc::new(text(3))))));
}

#[test]
fn keys_move_within_bounds() {
    let mut state = ready(&["a", "b", "c"], (80, 24), &text(100));
    let n = state.tabs[0].lines.list.len();
    assert!(!press(&mut state, KeyCode::Char('k')));
    assert!(press(&mut state, KeyCode::Char('j')) && state.tabs[0].scroll == 1);
    press(&mut state, KeyCode::PageDown);
    assert_eq!(state.tabs[0].scroll, 22);
    press(&mut state, KeyCode::End);
    assert_eq!(state.tabs[0].scroll, n - 22);
    assert!(!press(&mut state, KeyCode::PageDown));
    press(&mut state, KeyCode::BackTab);
    assert_eq!((state.current, state.tabs[2].scroll), (2, 0));
    press(&mut state, KeyCode::Tab);
    assert_eq!((state.current, state.tabs[0].scroll), (0, n - 22));
    assert!(!press(&mut state, KeyCode::Char('9')) && state.current == 0);
    assert!(press(&mut state, KeyCode::F(2)) && state.current == 1);
}

#[test]
fn help_lies_on_top_and_esc_takes_it_away() {
    let mut state = ready(&["a"], (60, 15), &text(100));
    press(&mut state, KeyCode::Char('?'));
    insta::assert_snapshot!(frame(&state));
    press(&mut state, KeyCode::Down);
    assert_eq!((state.help_scroll, state.tabs[0].scroll), (1, 0));
    press(&mut state, KeyCode::Esc);
    assert!(!state.help && !state.quit);
    press(&mut state, KeyCode::Esc);
    assert!(state.quit);
}

#[test]
fn another_width_is_written_anew_at_the_same_part() {
    let mut state = ready(&["a"], (160, 48), &sample::document());
    press(&mut state, KeyCode::PageDown);
    let old = state.tabs[0].clone();
    assert!(old.scroll > 0);
    state.update(Action::Resize(60, 15));
    settle(&mut state, &sample::document());
    let new = &state.tabs[0];
    assert!(new.lines.list.len() > old.lines.list.len() && new.scroll > old.scroll);
    assert!(
        new.lines
            .list
            .iter()
            .all(|l| unicode_width::UnicodeWidthStr::width(l.as_str()) <= 36)
    );
    state.update(Action::Resize(30, 2));
    assert!(state.request().is_none() && frame(&state).starts_with("30x2 is too small"));
}

#[test]
fn every_size_and_any_number_of_scenarios_is_drawn() {
    for n in [1, 2, 9, 40] {
        let names: Vec<String> = (0..n).map(|i| format!("a scenario with a long name {i} 東京")).collect();
        let mut state = State::new(names, (60, 15));
        settle(&mut state, &text(5));
        for size in [(0, 0), (1, 1), (59, 15), (60, 15), (61, 16), (100, 30), (300, 100)] {
            for help in [false, true] {
                state.update(Action::Resize(size.0, size.1));
                state.help = help;
                state.current = n - 1;
                assert!(
                    size.0 < 60 || help || frame(&state).contains(&format!(" {n} a scenario")),
                    "{n} {size:?}"
                );
                frame(&state);
            }
        }
    }
}

#[test]
fn a_window_that_just_shrank_is_no_panic() {
    let state = ready(&["a", "b"], (120, 40), &text(100));
    for size in [(60, 15), (5, 3), (1, 1)] {
        for help in [false, true] {
            let state = State { help, ..state.clone() };
            let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
            terminal.draw(|f| view::draw(&state, f)).unwrap();
        }
    }
}

#[test]
fn huge_and_empty_reports() {
    let lines = write(&text(MAX_LINES), 40);
    assert_eq!(lines.list.len(), MAX_LINES + 1);
    assert!(lines.list[MAX_LINES].contains("more lines"));
    let empty = Document {
        title: String::new(),
        ..text(0)
    };
    let mut state = ready(&["a"], (60, 15), &empty);
    press(&mut state, KeyCode::End);
    frame(&state);
}

#[test]
fn user_text_cannot_reach_the_terminal() {
    let names = [sample::HOSTILE, "\x1b]0;title\x07", "\u{202e}", ""];
    let mut state = ready(&names, (100, 30), &sample::document());
    for _ in 0..names.len() {
        for _ in 0..10 {
            let seen = frame(&state);
            assert!(
                seen.chars().all(|c| c == '\n' || !c.is_control()) && !seen.contains('\u{202e}'),
                "{seen}"
            );
            press(&mut state, KeyCode::PageDown);
        }
        press(&mut state, KeyCode::Tab);
        settle(&mut state, &sample::document());
    }
}
