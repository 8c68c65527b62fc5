//! The only place that names keys: dispatch, hints, help and the manual are all made from one table.

mod table;

use super::action::Command;
use super::field::Typed;
use super::state::{Overlay, Screen, State};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
pub use table::KEYS;

/// A key with or without control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chord {
    /// The key.
    pub code: KeyCode,
    /// With control.
    pub control: bool,
}

impl Chord {
    /// As people read it: `ctrl-u`, `pgdn`.
    #[must_use]
    pub fn name(self) -> String {
        let key = match self.code {
            KeyCode::Char(' ') => "space".to_string(),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::PageUp => "pgup".to_string(),
            KeyCode::PageDown => "pgdn".to_string(),
            KeyCode::BackTab => "shift-tab".to_string(),
            other => format!("{other:?}").to_lowercase(),
        };
        if self.control { format!("ctrl-{key}") } else { key }
    }

    fn is(self, event: &KeyEvent) -> bool {
        let control = event.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        self.code == event.code && self.control == control
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Where it works; everywhere if empty.
    pub screens: &'static [Screen],
    /// Only while this panel listens.
    pub panel: Option<usize>,
    /// Any of these.
    pub chords: &'static [Chord],
    /// What it does.
    pub command: Command,
    /// In a word or two; empty to leave it out of the hints. Rows in a row with the same hint share it.
    pub hint: &'static str,
    /// In a sentence.
    pub help: &'static str,
}

impl Key {
    /// Whether it works where the state is.
    #[must_use]
    pub fn here(&self, screen: Screen, panel: usize) -> bool {
        (self.screens.is_empty() || self.screens.contains(&screen)) && self.panel.is_none_or(|p| p == panel)
    }

    /// Every chord for people.
    #[must_use]
    pub fn names(&self) -> String {
        self.chords.iter().map(|c| c.name()).collect::<Vec<_>>().join(" ")
    }
}

/// The row of a key: a screen's own key shadows the global one, and that of a panel both.
#[must_use]
pub fn find(state: &State, event: &KeyEvent) -> Option<&'static Key> {
    let panel = super::view::focused(state);
    let hits = KEYS
        .iter()
        .filter(|k| k.here(state.screen, panel) && k.chords.iter().any(|c| c.is(event)));
    hits.max_by_key(|k| (k.panel.is_some(), !k.screens.is_empty()))
}

/// What an event is while a line is being typed; nothing for keys that do what they always do.
#[must_use]
pub fn typed(event: &KeyEvent) -> Option<Typed> {
    let control = event.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    Some(match (event.code, control) {
        (KeyCode::Char('w'), true) => Typed::Word,
        (KeyCode::Char('u'), true) => Typed::Clear,
        (KeyCode::Char('a'), true) | (KeyCode::Home, _) => Typed::Home,
        (KeyCode::Char('e'), true) | (KeyCode::End, _) => Typed::End,
        (KeyCode::Char(c), false) => Typed::Text(c.to_string()),
        (KeyCode::Backspace, _) => Typed::Backspace,
        (KeyCode::Delete, _) => Typed::Delete,
        (KeyCode::Left, _) => Typed::Left,
        (KeyCode::Right, _) => Typed::Right,
        _ => return None,
    })
}

/// What a key event asks for.
#[must_use]
pub fn action(state: &State, event: &KeyEvent) -> Option<super::action::Action> {
    use super::action::Action::{Do, Type};
    // Some terminals report releases too; they would do everything twice.
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let typing = match &state.overlay {
        Some(Overlay::Prompt { .. }) => true,
        Some(Overlay::Help { typing, .. }) => *typing,
        _ => false,
    };
    if typing && let Some(what) = typed(event) {
        return Some(Type(what));
    }
    if matches!(&state.overlay, Some(Overlay::Confirm { .. })) && event.code == KeyCode::Char('y') {
        return Some(Do(Command::Enter));
    }
    find(state, event).map(|k| Do(k.command))
}

/// Why a command does nothing now; nothing where it does.
#[must_use]
pub fn disabled(state: &State, command: Command) -> Option<&'static str> {
    let none = |yes: bool, why: &'static str| yes.then_some(why);
    match command {
        Command::Undo => none(state.undo.past.is_empty(), "nothing to undo"),
        Command::Redo => none(state.undo.future.is_empty(), "nothing to redo"),
        Command::Match(_) => none(state.filter_text().is_empty(), "no filter: / makes one"),
        Command::ResetAll => none(state.current().is_none_or(|e| e.edits.is_empty()), "nothing was changed"),
        Command::Delete => none(state.entries.len() < 2, "the last plan stays"),
        Command::SaveProfile | Command::Accept => none(state.calib.measured().is_empty(), "nothing was measured: space starts"),
        Command::Skip => none(!state.calib.bench.waiting, "nothing is being measured: space starts"),
        Command::Follow | Command::Bubble | Command::Zoom(_) | Command::Pan(_) | Command::Fit if state.screen == Screen::Step => none(
            !state.step.details.value.as_ref().is_some_and(|d| d.is_some()),
            "this step cannot be drawn bar by bar",
        ),
        Command::Metric(_) if state.screen == Screen::Plans => none(!state.large(), "the bars need a window of 120x36"),
        Command::Unknowns => none(state.planned().is_none(), "there is no plan yet"),
        _ => None,
    }
}

/// Hints of a screen: keys and what they do in a word, those that do nothing now marked.
#[must_use]
pub fn hints(state: &State) -> Vec<(String, &'static str, bool)> {
    let panel = super::view::focused(state);
    let mut out: Vec<(String, &'static str, bool)> = Vec::new();
    let own = KEYS.iter().filter(|k| !k.screens.is_empty());
    let global = KEYS.iter().filter(|k| k.screens.is_empty());
    let lists = matches!(state.screen, Screen::Plans | Screen::Layouts);
    let idle = |c: Command| match c {
        Command::Filter | Command::Sort | Command::Reference | Command::Difference => {
            !lists || (c == Command::Reference && state.screen != Screen::Plans)
        }
        Command::Mark => !lists && state.screen != Screen::Memory,
        _ => false,
    };
    for key in own
        .chain(global)
        .filter(|k| !k.hint.is_empty() && k.here(state.screen, panel) && !idle(k.command))
    {
        let name = key.chords.first().map_or_else(String::new, |c| c.name());
        let dead = disabled(state, key.command).is_some();
        match out.last_mut().filter(|(_, hint, _)| *hint == key.hint) {
            Some((names, ..)) => *names = format!("{names} {name}"),
            None => out.push((name, key.hint, dead)),
        }
    }
    out
}

/// The help of a screen: its own keys, then those that work everywhere; a line says which it shadows.
#[must_use]
pub fn help(screen: Screen, filter: &str) -> Vec<String> {
    let filter = filter.to_lowercase();
    let mut out = Vec::new();
    for (title, own) in [(format!("{} only", screen.name()), true), ("everywhere".to_string(), false)] {
        let rows = KEYS
            .iter()
            .filter(|k| k.screens.is_empty() != own && (!own || k.screens.contains(&screen)));
        let lines: Vec<String> = rows
            .map(|k| {
                let shadowed = own
                    && KEYS
                        .iter()
                        .any(|g| g.screens.is_empty() && g.chords.iter().any(|c| k.chords.contains(c)));
                let panel = k.panel.map_or("", |_| " (while its panel listens)");
                let note = if shadowed && k.panel.is_none() { " (here only)" } else { panel };
                format!("{:<22} {}{note}", k.names(), k.help)
            })
            .filter(|l| l.to_lowercase().contains(&filter))
            .collect();
        if !lines.is_empty() {
            out.push(title);
            out.extend(lines.into_iter().map(|l| format!("  {l}")));
        }
    }
    if out.is_empty() {
        out.push(format!("no key for `{filter}`"));
    }
    out
}

/// Every key as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut out = "| screen | keys | what they do |\n|---|---|---|\n".to_string();
    for key in KEYS {
        let names: Vec<&str> = key.screens.iter().map(|s| s.name()).collect();
        let place = if names.is_empty() { "all".to_string() } else { names.join(", ") };
        let keys: Vec<String> = key.chords.iter().map(|c| format!("`{}`", c.name().replace('|', "\\|"))).collect();
        out += &format!("| {place} | {} | {} |\n", keys.join(" "), key.help);
    }
    out
}
