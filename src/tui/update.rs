//! How the state changes: no I/O, no clock, no terminal.

mod mouse;
mod prompt;

pub use prompt::{proposals, set};

use super::action::{Action, Command, Move};
use super::export;
use super::field::{Field, Typed};
use super::keys;
use super::screens;
use super::state::derive;
use super::state::jobs::{Effect, Place};
use super::state::{Ask, Overlay, Quit, Screen, State};

/// Change the state; what is to be done outside of it. The flag says whether anything on the screen may
/// have changed.
pub fn update(state: &mut State, action: Action) -> (bool, Vec<Effect>) {
    let mut effects = Vec::new();
    let changed = match action {
        Action::Do(command) => {
            command_(state, command, &mut effects);
            true
        }
        Action::Type(what) => typed(state, &what),
        Action::Mouse(what) => mouse::update(state, what, &mut effects),
        Action::Resize(width, height) => {
            state.size = (width, height);
            true
        }
        Action::Reply(reply) => derive::receive(state, reply),
        Action::Progress(progress) => {
            let new = state.layouts.progress != progress;
            state.layouts.progress = progress;
            new
        }
        Action::Tick => {
            state.ticks = state.ticks.wrapping_add(1);
            state.busy() && !state.still
        }
        Action::Told(Ok(text)) => {
            state.say(text);
            true
        }
        Action::Told(Err(text)) => {
            state.complain(text);
            true
        }
        Action::Signal(number) => {
            state.quit = Some(Quit::Signal(number));
            false
        }
    };
    effects.extend(derive::derive(state));
    (changed, effects)
}

/// Do what a key stands for.
pub fn command_(state: &mut State, command: Command, effects: &mut Vec<Effect>) {
    state.message = None;
    if let Some(why) = keys::disabled(state, command) {
        state.complain(why);
        return;
    }
    if state.overlay.is_some() && over(state, command, effects) {
        return;
    }
    if state.too_small() && !matches!(command, Command::Quit | Command::QuitLeave | Command::Suspend) {
        return;
    }
    if !global(state, command, effects) && !screens::update(state, command, effects) {
        state.say(format!("that does nothing on {}", state.screen.name()));
    }
}

/// What commands do to what lies on top; false where the screen is to do it.
fn over(state: &mut State, command: Command, effects: &mut Vec<Effect>) -> bool {
    if matches!(command, Command::Suspend | Command::QuitLeave) {
        return false;
    }
    let page = usize::from(state.size.1.saturating_sub(6)).max(1);
    let Some(mut overlay) = state.overlay.take() else { return false };
    match (&mut overlay, command) {
        (Overlay::Prompt { .. }, Command::Quit | Command::Escape) => return true,
        (Overlay::Confirm { .. }, Command::Quit) => return true,
        (_, Command::Quit) => {
            state.quit = Some(Quit::Plain);
            return true;
        }
        (Overlay::Help { typing, filter, .. }, Command::Escape) if *typing => {
            *typing = false;
            *filter = Field::default();
        }
        (_, Command::Escape) => return true,
        (Overlay::Help { typing, .. }, Command::Enter) if *typing => *typing = false,
        (Overlay::Help { .. }, Command::Help | Command::Enter) => return true,
        (Overlay::Help { typing, scroll, .. }, Command::Filter) => (*typing, *scroll) = (true, 0),
        (Overlay::Help { filter, scroll, .. }, Command::Move(to)) => {
            let n = keys::help(state.screen, &filter.text()).len();
            *scroll = stepped(*scroll, n, to, page);
        }
        (Overlay::Popup { lines, scroll, .. }, Command::Move(to)) => *scroll = stepped(*scroll, lines.len(), to, page),
        (Overlay::Popup { .. }, Command::Enter) => return true,
        (Overlay::Confirm { id, .. }, Command::Enter) => {
            let id = *id;
            remove(state, id);
            return true;
        }
        (Overlay::Prompt { ask, field, chosen }, Command::Enter) => {
            let (ask, text, chosen) = (ask.clone(), field.text(), *chosen);
            prompt::entered(state, &ask, &text, chosen, effects);
            return true;
        }
        (Overlay::Prompt { ask, field, chosen }, Command::Move(to)) => {
            let n = prompt::proposals(state, ask, &field.text()).len();
            *chosen = stepped(*chosen, n, to, page);
        }
        (Overlay::Prompt { ask, field, chosen }, Command::Panel(_)) => {
            if let Some((text, _)) = prompt::proposals(state, ask, &field.text()).get(*chosen) {
                *field = Field::new(text);
            }
        }
        // A screen key closes what can only be read.
        (Overlay::Help { .. } | Overlay::Popup { .. }, Command::Screen(_)) => return false,
        _ => {}
    }
    state.overlay = Some(overlay);
    true
}

fn typed(state: &mut State, what: &Typed) -> bool {
    match &mut state.overlay {
        Some(Overlay::Prompt { field, chosen, ask }) => {
            field.typed(what);
            *chosen = 0;
            if *ask == Ask::Filter {
                let text = field.text();
                state.set_filter(&text);
            }
        }
        Some(Overlay::Help { filter, scroll, .. }) => {
            filter.typed(what);
            *scroll = 0;
        }
        _ => return false,
    }
    true
}

fn remove(state: &mut State, id: u64) {
    state.entries.retain(|e| e.id != id);
    state.undo.past.retain(|(i, _)| *i != id);
    state.undo.future.retain(|(i, _)| *i != id);
    if state.reference == id {
        state.reference = state.entries.first().map_or(0, |e| e.id);
    }
    let n = state.visible().len();
    state.plans.cursor = state.plans.cursor.min(n.saturating_sub(1));
}

/// What works on every screen.
fn global(state: &mut State, command: Command, effects: &mut Vec<Effect>) -> bool {
    match command {
        Command::Quit => state.quit = Some(Quit::Plain),
        Command::QuitLeave => state.quit = Some(Quit::Leave),
        Command::Suspend => effects.push(Effect::Suspend),
        Command::Screen(n) => go(state, usize::from(n)),
        Command::Panel(by) => {
            let list = super::view::reachable(state);
            let at = list.iter().position(|p| *p == super::view::focused(state)).unwrap_or(0);
            let n = list.len().max(1);
            let to = if by > 0 { (at + 1) % n } else { (at + n - 1) % n };
            state.focus[state.screen.index()] = list.get(to).copied().unwrap_or(0);
        }
        Command::Escape => escape(state, effects),
        Command::Expand => state.expanded = !state.expanded,
        Command::Help => {
            state.overlay = Some(Overlay::Help {
                filter: Field::default(),
                typing: false,
                scroll: 0,
            });
        }
        Command::Filter if matches!(state.screen, Screen::Plans | Screen::Layouts) => {
            let text = state.filter_text();
            ask(state, Ask::Filter, &text);
        }
        Command::Palette => ask(state, Ask::Palette, ""),
        Command::Export => {
            let name = format!("{}.md", state.screen.name().to_lowercase());
            ask(state, Ask::Export, &name);
        }
        Command::Undo => state.step_back(false),
        Command::Redo => state.step_back(true),
        Command::Reread => {
            state.epoch += 1;
            state.say("reading the files again");
        }
        Command::Copy => copy(state, effects),
        _ => return false,
    }
    true
}

fn escape(state: &mut State, effects: &mut Vec<Effect>) {
    let running = match state.screen {
        Screen::Layouts if state.layouts.found.waiting => Some(Place::Found),
        Screen::Sweep if state.sweep.grid.waiting => Some(Place::Grid),
        Screen::Calib if state.calib.bench.waiting => Some(Place::Bench),
        _ => None,
    };
    if let Some(place) = running {
        effects.push(Effect::Cancel(place));
        state.say("stopping; what is found is kept");
    } else if !state.filter_text().is_empty() {
        state.set_filter("");
    } else if state.expanded {
        state.expanded = false;
    } else if state.screen != Screen::Plans {
        state.screen = Screen::Plans;
    } else {
        state.say("q quits");
    }
}

fn copy(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(entry) = state.current() else {
        state.complain("there is no plan");
        return;
    };
    let line = entry.command(&state.about.flags);
    let width = usize::from(state.size.0.saturating_sub(8)).max(20);
    let mut lines = wrapped(&line, width);
    lines.extend([
        String::new(),
        "It was sent to the clipboard of the terminal, if that lets programs write to it.".to_string(),
    ]);
    effects.push(Effect::Copy(line));
    state.overlay = Some(Overlay::Popup {
        title: "The same plan on the command line".to_string(),
        lines,
        scroll: 0,
    });
}

/// A command line over several lines, broken between words as a shell reads it.
#[must_use]
pub fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut out: Vec<String> = vec![String::new()];
    let mut quoted = false;
    // A blank between quotes is a part of its word.
    let words = line.split(|c: char| {
        quoted ^= c == '\'';
        c == ' ' && !quoted
    });
    for word in words {
        let last = out.last_mut();
        match last {
            Some(l) if l.is_empty() => l.push_str(word),
            Some(l) if l.len() + word.len() + 3 <= width => {
                l.push(' ');
                l.push_str(word);
            }
            _ => {
                if let Some(l) = out.last_mut() {
                    l.push_str(" \\");
                }
                out.push(format!("  {word}"));
            }
        }
    }
    out
}

/// Ask for a line of text.
pub fn ask(state: &mut State, ask: Ask, text: &str) {
    state.overlay = Some(Overlay::Prompt {
        ask,
        field: Field::new(text),
        chosen: 0,
    });
}

/// To a screen.
pub fn go(state: &mut State, n: usize) {
    if let Some((_, screen)) = Screen::ALL.get(n) {
        state.screen = *screen;
    }
}

/// A place in a list of `n` after a move.
#[must_use]
pub fn stepped(at: usize, n: usize, to: Move, page: usize) -> usize {
    let last = n.saturating_sub(1);
    match to {
        Move::Up | Move::Left => at.min(last).saturating_sub(1),
        Move::Down | Move::Right => at.saturating_add(1),
        Move::PageUp => at.min(last).saturating_sub(page),
        Move::PageDown => at.saturating_add(page),
        Move::Top => 0,
        Move::Bottom => last,
    }
    .min(last)
}

impl State {
    /// What the list of this screen is filtered by.
    #[must_use]
    pub fn filter_text(&self) -> String {
        match self.screen {
            Screen::Plans => self.plans.filter.clone(),
            Screen::Layouts => self.layouts.filter.clone(),
            _ => String::new(),
        }
    }

    /// Filter the list of this screen.
    pub fn set_filter(&mut self, text: &str) {
        match self.screen {
            Screen::Plans => {
                self.plans.filter = text.to_string();
                self.plans.cursor = 0;
            }
            Screen::Layouts => {
                self.layouts.filter = text.to_string();
                self.layouts.cursor = 0;
            }
            _ => {}
        }
    }

    /// What is seen, to be written to a file.
    #[must_use]
    pub fn writing(&self, path: &str) -> export::Writing {
        let plan = match self.screen {
            Screen::Layouts => self.layouts.found.value.as_ref().map(|s| s.of.clone()),
            _ => self.planned().cloned(),
        };
        export::Writing::seen(path, screens::document(self), plan)
    }
}
