//! The only place that names keys: dispatch, hints and help are all made from one table.

use super::state::{Action, Move};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// A key or keys that do one thing.
pub struct Key {
    /// Which, for people.
    pub name: &'static str,
    /// What it does, in two words.
    pub hint: &'static str,
    /// What it does.
    pub help: &'static str,
    /// The action, if the event is of this key.
    on: fn(&KeyEvent) -> Option<Action>,
}

/// All keys; hints show as many from the front as fit.
pub const KEYS: [Key; 10] = [
    Key {
        name: "q",
        hint: "quit",
        help: "leave; ctrl-c too",
        on: |e| match (e.code, control(e)) {
            (KeyCode::Char('q'), false) | (KeyCode::Char('c'), true) => Some(Action::Quit),
            _ => None,
        },
    },
    Key {
        name: "?",
        hint: "keys",
        help: "show or hide the keys",
        on: |e| plain(e, &[KeyCode::Char('?')], Action::Help),
    },
    Key {
        name: "tab",
        hint: "next",
        help: "next scenario; l and the right arrow too",
        on: |e| plain(e, &[KeyCode::Tab, KeyCode::Right, KeyCode::Char('l')], Action::Step(1)),
    },
    Key {
        name: "j k",
        hint: "scroll",
        help: "down and up a line; the arrows too",
        on: |e| {
            plain(e, &[KeyCode::Down, KeyCode::Char('j')], Action::Scroll(Move::Lines(1)))
                .or_else(|| plain(e, &[KeyCode::Up, KeyCode::Char('k')], Action::Scroll(Move::Lines(-1))))
        },
    },
    Key {
        name: "pgdn pgup",
        hint: "page",
        help: "down and up a page; space b, ctrl-d ctrl-u",
        on: |e| match (e.code, control(e)) {
            (KeyCode::PageDown | KeyCode::Char(' '), false) | (KeyCode::Char('d'), true) => Some(Action::Scroll(Move::Pages(1))),
            (KeyCode::PageUp | KeyCode::Char('b'), false) | (KeyCode::Char('u'), true) => Some(Action::Scroll(Move::Pages(-1))),
            _ => None,
        },
    },
    Key {
        name: "g",
        hint: "begin",
        help: "to the begin; home too",
        on: |e| plain(e, &[KeyCode::Home, KeyCode::Char('g')], Action::Scroll(Move::Top)),
    },
    Key {
        name: "G",
        hint: "end",
        help: "to the end; end too",
        on: |e| plain(e, &[KeyCode::End, KeyCode::Char('G')], Action::Scroll(Move::Bottom)),
    },
    Key {
        name: "shift-tab",
        hint: "previous",
        help: "previous scenario; h and the left arrow too",
        on: |e| plain(e, &[KeyCode::BackTab, KeyCode::Left, KeyCode::Char('h')], Action::Step(-1)),
    },
    Key {
        name: "1-9 F1-F12",
        hint: "select",
        help: "the scenario with this number",
        on: |e| match e.code {
            KeyCode::Char(c @ '1'..='9') if !control(e) => Some(Action::Select(usize::from(c as u8 - b'1'))),
            KeyCode::F(n) => Some(Action::Select(usize::from(n.saturating_sub(1)))),
            _ => None,
        },
    },
    Key {
        name: "esc",
        hint: "back",
        help: "close the keys, else leave",
        on: |e| plain(e, &[KeyCode::Esc], Action::Close),
    },
];

/// What a key does, if anything.
#[must_use]
pub fn action(event: &KeyEvent) -> Option<Action> {
    // Some terminals report releases too; they would do everything twice.
    if event.kind == KeyEventKind::Release {
        return None;
    }
    KEYS.iter().find_map(|key| (key.on)(event))
}

/// The help, one line per key.
#[must_use]
pub fn help() -> Vec<String> {
    KEYS.iter().map(|k| format!("{:<11} {}", k.name, k.help)).collect()
}

fn control(event: &KeyEvent) -> bool {
    event.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
}

fn plain(event: &KeyEvent, codes: &[KeyCode], action: Action) -> Option<Action> {
    (codes.contains(&event.code) && !control(event)).then_some(action)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode, modifiers: KeyModifiers) -> String {
        format!("{:?}", action(&KeyEvent::new(code, modifiers)))
    }

    #[test]
    fn keys_do_what_the_help_says() {
        let none = KeyModifiers::NONE;
        for (code, wanted) in [
            (KeyCode::Char('q'), "Some(Quit)"),
            (KeyCode::Esc, "Some(Close)"),
            (KeyCode::Char('?'), "Some(Help)"),
            (KeyCode::Char('3'), "Some(Select(2))"),
            (KeyCode::F(12), "Some(Select(11))"),
            (KeyCode::Tab, "Some(Step(1))"),
            (KeyCode::Up, "Some(Scroll(Lines(-1)))"),
            (KeyCode::PageDown, "Some(Scroll(Pages(1)))"),
            (KeyCode::Char('0'), "None"),
        ] {
            assert_eq!(press(code, none), wanted);
        }
        assert_eq!(press(KeyCode::BackTab, KeyModifiers::SHIFT), "Some(Step(-1))");
        assert_eq!(press(KeyCode::Char('G'), KeyModifiers::SHIFT), "Some(Scroll(Bottom))");
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL), "Some(Quit)");
        assert_eq!(press(KeyCode::Char('q'), KeyModifiers::CONTROL), "None");
        assert_eq!(press(KeyCode::Char('c'), none), "None");
        let release = KeyEvent::new_with_kind(KeyCode::Char('q'), none, KeyEventKind::Release);
        assert!(action(&release).is_none());
    }

    #[test]
    fn help_fits_the_smallest_window() {
        for line in help() {
            assert!(line.len() + 4 <= 60, "{line}");
        }
    }
}
