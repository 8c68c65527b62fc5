//! Lines of text: what is proposed while one is typed, and what is done when it is entered.

use super::{ask, command_, go};
use crate::tui::action::Command;
use crate::tui::filter::Filter;
use crate::tui::keys::{KEYS, disabled};
use crate::tui::knobs;
use crate::tui::state::jobs::Effect;
use crate::tui::state::plans::Entry;
use crate::tui::state::{Ask, Screen, State};
use crate::tui::theme::{self, Theme};

/// What a proposal does beside filling the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// Nothing: it is text.
    Text,
    /// What a key does.
    Run(Command),
}

/// What could be meant: the text, and what it does.
#[must_use]
pub fn proposals(state: &State, ask: &Ask, text: &str) -> Vec<(String, Does)> {
    let text = text.trim().to_lowercase();
    match ask {
        Ask::Palette => {
            let panel = crate::tui::view::focused(state);
            let rows = KEYS
                .iter()
                .filter(|k| k.here(state.screen, panel) && disabled(state, k.command).is_none());
            let words = ["set PATH=VALUE", "add FILE", "write FILE", "theme NAME", "ascii"].map(|w| (w.to_string(), Does::Text));
            let keys = rows.map(|k| (format!("{} [{}]", k.help, k.names()), Does::Run(k.command)));
            let near = words
                .into_iter()
                .chain(keys)
                .filter(|(label, _)| fuzzy(&label.to_lowercase(), &text));
            let mut list: Vec<(String, Does)> = near.collect();
            // What has it in one piece comes first.
            list.sort_by_key(|(label, _)| !label.to_lowercase().contains(&text));
            list
        }
        Ask::Add => {
            let names = state.about.builtin.iter().filter(|n| n.contains(&text));
            names.map(|n| (n.clone(), Does::Text)).collect()
        }
        Ask::Value(path) => {
            let options = knobs::KNOBS.iter().find_map(|k| match &k.kind {
                knobs::KnobKind::Choice { path: p, options, .. } if p == path => Some(*options),
                _ => None,
            });
            options.unwrap_or_default().iter().map(|o| ((*o).to_string(), Does::Text)).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether the letters of `wanted` come in `text` in this order.
fn fuzzy(text: &str, wanted: &str) -> bool {
    if text.contains(wanted) {
        return true;
    }
    let mut letters = text.chars();
    wanted.chars().filter(|c| *c != ' ').all(|w| letters.any(|t| t == w))
}

/// A line was entered.
pub fn entered(state: &mut State, ask: &Ask, text: &str, chosen: usize, effects: &mut Vec<Effect>) {
    let text = text.trim();
    match ask {
        Ask::Filter => match Filter::parse(text) {
            Ok(_) => state.set_filter(text),
            Err(why) => {
                state.set_filter("");
                state.complain(why);
            }
        },
        Ask::Palette => palette(state, text, chosen, effects),
        Ask::Add if !text.is_empty() => add(state, text),
        Ask::Rename(id) if !text.is_empty() => {
            let name = crate::report::text::shorten(text, 60);
            if let Some(entry) = state.entries.iter_mut().find(|e| e.id == *id) {
                entry.name = name;
            }
        }
        Ask::Value(path) if !text.is_empty() => set(state, path, text),
        Ask::Export | Ask::SaveProfile | Ask::Study | Ask::Import if text.is_empty() => {}
        Ask::Export => effects.push(Effect::Write(state.writing(text))),
        Ask::SaveProfile => crate::tui::screens::calib::save(state, text, effects),
        Ask::Study => crate::tui::screens::sweep::save(state, text, effects),
        Ask::Import => {
            state.calib.file = Some(text.to_string());
            state.say(format!("{text} is held against predictions, as `exaplan validate --runs` does"));
        }
        Ask::SaveAs if !text.is_empty() => save_as(state, text),
        _ => {}
    }
}

fn palette(state: &mut State, text: &str, chosen: usize, effects: &mut Vec<Effect>) {
    if !text.is_empty() {
        state.history.push(text.to_string());
    }
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim();
    match (word, rest.is_empty()) {
        ("set", false) => match rest.split_once('=') {
            Some((path, value)) => set(state, path.trim(), value.trim()),
            None => state.complain("write set path=value, for example set cluster.nodes=1024"),
        },
        ("add", false) => add(state, rest),
        ("write", false) => effects.push(Effect::Write(state.writing(rest))),
        ("theme", _) => match Theme::named(rest, state.theme.depth(), state.theme.ascii) {
            Some(theme) => state.theme = theme,
            None => state.complain(format!("there are {}", theme::NAMES.join(", "))),
        },
        ("ascii", true) => state.theme.ascii = !state.theme.ascii,
        ("crash", true) => effects.push(Effect::Crash),
        _ => {
            if let Some((_, screen)) = Screen::ALL.iter().find(|(n, _)| n.eq_ignore_ascii_case(text)) {
                go(state, screen.index());
                return;
            }
            match proposals(state, &Ask::Palette, text).get(chosen) {
                Some((_, Does::Run(command))) => command_(state, *command, effects),
                Some((label, Does::Text)) => {
                    let word = label.split(' ').next().unwrap_or("");
                    if word == "ascii" {
                        state.theme.ascii = !state.theme.ascii;
                    } else {
                        ask(state, Ask::Palette, &format!("{word} "));
                    }
                }
                None => state.complain(format!("no command `{text}`")),
            }
        }
    }
}

/// Change a value of the current plan, as `--set` does.
pub fn set(state: &mut State, path: &str, value: &str) {
    let Some(id) = state.current().map(|e| e.id) else { return };
    let free = state.current().is_some_and(Entry::searched);
    let list = match state.planned() {
        Some(planned) => knobs::changes(path, value, &planned.plan, free),
        None => Ok(vec![(path.to_string(), value.to_string())]),
    };
    match list {
        Ok(list) => state.edit(id, |e| list.iter().for_each(|(path, value)| e.set(path, value))),
        Err(why) => state.complain(why),
    }
}

fn add(state: &mut State, text: &str) {
    // `NAME:path=value,path=value`, as `exaplan compare` has it.
    let (source, sets) = match text.split_once(':') {
        Some((name, rest)) if rest.contains('=') => (name, rest.split(',').map(str::to_string).collect()),
        _ => (text, Vec::new()),
    };
    let source = match (source, state.current()) {
        ("", Some(entry)) => entry.source.clone(),
        _ => source.to_string(),
    };
    state.last_id += 1;
    state.entries.push(Entry::new(state.last_id, text, source, sets));
    let last = state.entries.len() - 1;
    if let Some(at) = state.visible().iter().position(|i| *i == last) {
        state.plans.cursor = at;
    }
}

/// The changes become a plan of its own; the plan is again what it was.
fn save_as(state: &mut State, name: &str) {
    let Some(entry) = state.current() else { return };
    let (id, source, sets) = (entry.id, entry.source.clone(), entry.all_sets());
    state.last_id += 1;
    state.entries.push(Entry::new(state.last_id, name, source, sets));
    state.edit(id, |e| e.edits.clear());
    state.say(format!("{name} is in the list; its command line is copied by y"));
}
