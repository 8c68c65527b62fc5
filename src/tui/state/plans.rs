//! The list of plans and their edits.

use super::State;
use super::jobs::{Answer, Planned, Slot};
use crate::report::text::shorten;
use crate::tui::figures;
use crate::tui::filter::Filter;
use std::sync::Arc;

/// One changed value, as `--set` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Dotted path.
    pub path: String,
    /// The value as it was written.
    pub value: String,
}

impl Edit {
    /// `path=value`.
    #[must_use]
    pub fn assignment(&self) -> String {
        format!("{}={}", self.path, self.value)
    }
}

/// One plan of the list.
#[derive(Clone)]
pub struct Entry {
    /// Its number.
    pub id: u64,
    /// Its name, safe to print.
    pub name: String,
    /// File or built-in scenario.
    pub source: String,
    /// What was set when it came.
    pub sets: Vec<String>,
    /// What was changed since.
    pub edits: Vec<Edit>,
    /// It is compared.
    pub marked: bool,
    /// Its plan with the edits.
    pub now: Slot<Answer>,
    /// Its plan without them.
    pub was: Slot<Answer>,
}

impl Entry {
    /// One that has not been planned.
    #[must_use]
    pub fn new(id: u64, name: &str, source: String, sets: Vec<String>) -> Entry {
        Entry {
            id,
            name: shorten(name, 60),
            source,
            sets,
            edits: Vec::new(),
            marked: false,
            now: Slot::default(),
            was: Slot::default(),
        }
    }

    /// Everything that is set, in order.
    #[must_use]
    pub fn all_sets(&self) -> Vec<String> {
        let edits = self.edits.iter().map(Edit::assignment);
        self.sets.iter().cloned().chain(edits).collect()
    }

    /// Whether its layout is searched at each change.
    #[must_use]
    pub fn searched(&self) -> bool {
        let free = |s: &String| s.trim_start().starts_with("layout=");
        self.sets.iter().any(free) || self.edits.iter().any(|e| e.path == "layout")
    }

    /// Its newest plan, if it has one.
    #[must_use]
    pub fn planned(&self) -> Option<&Arc<Planned>> {
        self.now.value.as_ref().and_then(|a| a.as_ref().as_ref().ok())
    }

    /// Its plan without edits.
    #[must_use]
    pub fn before(&self) -> Option<&Arc<Planned>> {
        let slot = if self.edits.is_empty() { &self.now } else { &self.was };
        slot.value.as_ref().and_then(|a| a.as_ref().as_ref().ok())
    }

    /// Change a value. One that is set for a whole section replaces those inside.
    pub fn set(&mut self, path: &str, value: &str) {
        let inside = format!("{path}.");
        self.edits.retain(|e| !e.path.starts_with(&inside));
        match self.edits.iter_mut().find(|e| e.path == path) {
            Some(edit) => edit.value = value.to_string(),
            None => self.edits.push(Edit {
                path: path.to_string(),
                value: value.to_string(),
            }),
        }
    }

    /// The words of a command that makes the same plan.
    #[must_use]
    pub fn command(&self, flags: &[String]) -> String {
        let words = ["exaplan", "plan", &self.source].map(str::to_string);
        let sets = self.all_sets().into_iter().flat_map(|s| ["--set".to_string(), s]);
        let all: Vec<String> = words.into_iter().chain(flags.iter().cloned()).chain(sets).collect();
        all.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(" ")
    }
}

/// A word as a POSIX shell reads it back.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Edits before and after, so that both can be had again.
#[derive(Debug, Clone, Default)]
pub struct Undo {
    /// What can be taken back, the newest last.
    pub past: Vec<(u64, Vec<Edit>)>,
    /// What was taken back.
    pub future: Vec<(u64, Vec<Edit>)>,
}

/// Steps that are kept.
const MOST_STEPS: usize = 500;

impl State {
    /// Change the edits of a plan so that it can be undone.
    pub fn edit(&mut self, id: u64, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.entries.iter_mut().find(|e| e.id == id) else {
            return;
        };
        let before = entry.edits.clone();
        change(entry);
        if entry.edits != before {
            self.undo.past.push((id, before));
            self.undo.future.clear();
            if self.undo.past.len() > MOST_STEPS {
                self.undo.past.remove(0);
            }
        }
    }

    /// Take the last change back, or make it again.
    pub fn step_back(&mut self, again: bool) {
        let (from, to) = if again {
            (&mut self.undo.future, &mut self.undo.past)
        } else {
            (&mut self.undo.past, &mut self.undo.future)
        };
        // Plans that are gone have no edits any more.
        while let Some((id, edits)) = from.pop() {
            if let Some(entry) = self.entries.iter_mut().find(|e| e.id == id) {
                to.push((id, std::mem::replace(&mut entry.edits, edits)));
                let text = format!("{} {}", if again { "redone in" } else { "undone in" }, entry.name);
                self.say(text);
                return;
            }
        }
        self.complain(if again { "nothing to redo" } else { "nothing to undo" });
    }
}

/// Places of the plans that the filter lets through, sorted.
pub(super) fn visible(state: &State) -> Vec<usize> {
    let filter = Filter::parse(&state.plans.filter).unwrap_or_default();
    let value = |e: &Entry, field: &str| {
        let figure = figures::by_field(field)?;
        e.planned().and_then(|p| (figure.of)(&p.plan))
    };
    let mut list: Vec<usize> = (0..state.entries.len())
        .filter(|i| {
            let e = &state.entries[*i];
            let text = format!("{} {}", e.name, e.source);
            filter.holds(&text, &|field| value(e, field))
        })
        .collect();
    if let Some(field) = state.plans.sort {
        let key = |i: &usize| value(&state.entries[*i], field).unwrap_or(f64::INFINITY);
        list.sort_by(|a, b| key(a).total_cmp(&key(b)));
        if state.plans.descending {
            list.reverse();
        }
    }
    list
}
