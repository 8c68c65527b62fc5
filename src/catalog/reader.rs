//! From the tree as written to checked values: every accessor converts units, checks the range
//! and records a diagnostic with its place when something is off. Nothing stops at the first problem.

use super::raw::{Item, Tree, Value};
use crate::error::{At, Diagnostic, nearest};
use crate::units::{self, Unit};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Which numbers a key allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bounds {
    /// Greater than zero.
    Positive,
    /// Zero or greater.
    NonNegative,
    /// From the first to the second, both included.
    Within(f64, f64),
}

impl Bounds {
    fn holds(self, value: f64) -> bool {
        value.is_finite()
            && match self {
                Bounds::Positive => value > 0.0,
                Bounds::NonNegative => value >= 0.0,
                Bounds::Within(low, high) => (low..=high).contains(&value),
            }
    }

    fn words(self) -> String {
        match self {
            Bounds::Positive => "a finite number greater than 0".to_string(),
            Bounds::NonNegative => "a finite number, 0 or greater".to_string(),
            Bounds::Within(low, high) => format!("a number from {low} to {high}"),
        }
    }
}

/// Where problems of one reading are collected.
#[derive(Debug, Default)]
pub struct Problems {
    list: RefCell<Vec<Diagnostic>>,
}

impl Problems {
    /// Record one.
    pub fn push(&self, problem: Diagnostic) {
        self.list.borrow_mut().push(problem);
    }

    /// Record several.
    pub fn extend(&self, problems: impl IntoIterator<Item = Diagnostic>) {
        self.list.borrow_mut().extend(problems);
    }

    /// How many so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.borrow().len()
    }

    /// True when nothing was wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// Everything recorded.
    #[must_use]
    pub fn into_list(self) -> Vec<Diagnostic> {
        self.list.into_inner()
    }
}

/// Reads one table.
pub struct Reader<'a> {
    tree: &'a Tree,
    path: String,
    at: At,
    problems: &'a Problems,
    /// Keys asked for, in order; a key may occur twice.
    seen: RefCell<Vec<String>>,
}

impl<'a> Reader<'a> {
    /// A reader of `tree`, called `path` in messages and standing at `at`.
    #[must_use]
    pub fn new(tree: &'a Tree, path: &str, at: &At, problems: &'a Problems) -> Self {
        Reader {
            tree,
            path: path.to_string(),
            at: at.clone(),
            problems,
            seen: RefCell::default(),
        }
    }

    /// The place of the table.
    #[must_use]
    pub fn at(&self) -> &At {
        &self.at
    }

    /// Dotted path of a key, for messages.
    #[must_use]
    pub fn name(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_string()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Record a problem at the value of `key`, or at the table when the key is absent. A value that
    /// a user's entry takes from a built-in one is not where the mistake is: then at the table too.
    pub fn problem(&self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        let builtin = |at: &At| at.origin.name.starts_with("builtin:");
        let own = self.tree.get(key).filter(|item| builtin(&self.at) || !builtin(&item.at));
        let at = own.map_or(&self.at, |item| &item.at);
        self.problems.push(Diagnostic::new(message).at(at).help(help));
    }

    /// Record problems with places of their own.
    pub fn report(&self, problems: impl IntoIterator<Item = Diagnostic>) {
        self.problems.extend(problems);
    }

    /// The item of a key, marked as known.
    pub fn item(&self, key: &str) -> Option<&'a Item> {
        self.seen.borrow_mut().push(key.to_string());
        self.tree.get(key)
    }

    /// Problems recorded so far, here and by every reader of the same input.
    #[must_use]
    pub fn problem_count(&self) -> usize {
        self.problems.len()
    }

    /// Keys present.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.tree.entries.keys().map(String::as_str)
    }

    /// The place of a key's value, or of the table.
    #[must_use]
    pub fn place(&self, key: &str) -> At {
        self.tree.get(key).map_or_else(|| self.at.clone(), |i| i.at.clone())
    }

    fn wrong_type(&self, key: &str, item: &Item, wanted: &str) {
        self.problem(
            key,
            format!("`{}` is {}, expected {wanted}", self.name(key), item.value.type_name()),
            format!("write {wanted}"),
        );
    }

    fn missing(&self, key: &str, example: &str) {
        let text = format!("`{}` is missing", self.name(key));
        self.problems
            .push(Diagnostic::new(text).at(&self.at).help(format!("add `{key} = {example}`")));
    }

    /// An optional string.
    pub fn text(&self, key: &str) -> Option<String> {
        let item = self.item(key)?;
        match &item.value {
            Value::Text(t) => Some(t.clone()),
            Value::Date(d) => Some(d.clone()),
            _ => {
                self.wrong_type(key, item, "a string in quotes");
                None
            }
        }
    }

    /// A required string.
    pub fn need_text(&self, key: &str) -> String {
        if self.item(key).is_none() {
            self.missing(key, "\"...\"");
        }
        let text = self.text(key);
        if text.as_deref() == Some("") {
            self.problem(key, format!("`{}` is empty", self.name(key)), "write a name between the quotes");
        }
        text.unwrap_or_default()
    }

    /// An optional truth value.
    pub fn flag(&self, key: &str) -> Option<bool> {
        let item = self.item(key)?;
        if let Value::Bool(b) = item.value {
            return Some(b);
        }
        self.wrong_type(key, item, "true or false");
        None
    }

    /// An optional number in the base unit. Bare numbers are taken as base units; that is what
    /// the suffix of our catalog keys says.
    pub fn number(&self, key: &str, unit: Unit, bounds: Bounds) -> Option<f64> {
        let item = self.item(key)?;
        let value = self.quantity(key, item, unit)?;
        if bounds.holds(value) {
            return Some(value);
        }
        let given = match &item.value {
            Value::Text(t) => t.clone(),
            _ => format!("{value}"),
        };
        self.problem(
            key,
            format!("`{}` is {given}, out of range", self.name(key)),
            format!("write {}, for example {}", bounds.words(), unit.example()),
        );
        None
    }

    fn quantity(&self, key: &str, item: &Item, unit: Unit) -> Option<f64> {
        match &item.value {
            #[allow(clippy::cast_precision_loss)]
            Value::Integer(i) => Some(*i as f64),
            Value::Float(f) => Some(*f),
            Value::Text(t) => match units::parse(t, unit) {
                Ok(v) => Some(v),
                Err(why) => {
                    self.problem(key, format!("`{}`: {why}", self.name(key)), format!("write {}", unit.example()));
                    None
                }
            },
            _ => {
                self.wrong_type(key, item, &format!("a quantity such as {}", unit.example()));
                None
            }
        }
    }

    /// A required number in the base unit; 1 when it is missing or wrong, and a problem is recorded.
    pub fn need(&self, key: &str, unit: Unit, bounds: Bounds) -> f64 {
        if self.item(key).is_none() {
            self.missing(key, unit.example());
        }
        self.number(key, unit, bounds).unwrap_or(1.0)
    }

    /// An optional quantity whose key carries no unit: the unit must be written.
    pub fn written(&self, key: &str, unit: Unit, bounds: Bounds) -> Option<f64> {
        let item = self.item(key)?;
        if matches!(item.value, Value::Integer(_) | Value::Float(_)) {
            self.problem(
                key,
                format!("`{}` has no unit", self.name(key)),
                format!("write the unit, for example {}", unit.example()),
            );
            return None;
        }
        self.number(key, unit, bounds)
    }

    /// An optional count from `low` to `high`.
    pub fn count(&self, key: &str, low: u64, high: u64) -> Option<u64> {
        #[allow(clippy::cast_precision_loss)]
        let value = self.number(key, Unit::One, Bounds::Within(low as f64, high as f64))?;
        if value.fract() != 0.0 {
            self.problem(
                key,
                format!("`{}` is {value}, not a whole number", self.name(key)),
                format!("write a whole number from {low} to {high}"),
            );
            return None;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Some(value as u64)
    }

    /// An optional count that fits 32 bits.
    pub fn count32(&self, key: &str, low: u32) -> Option<u32> {
        self.count(key, u64::from(low), u64::from(u32::MAX))
            .and_then(|v| u32::try_from(v).ok())
    }

    /// A required count that fits 32 bits; 1 when missing or wrong.
    pub fn need_count(&self, key: &str, low: u32) -> u32 {
        if self.item(key).is_none() {
            self.missing(key, "1");
        }
        self.count32(key, low).unwrap_or(1)
    }

    /// A required count from 1 to `high`; 1 when missing or wrong.
    pub fn need_count_to(&self, key: &str, high: u64) -> u32 {
        if self.item(key).is_none() {
            self.missing(key, "1");
        }
        self.count(key, 1, high).and_then(|v| u32::try_from(v).ok()).unwrap_or(1)
    }

    /// An optional choice among names.
    pub fn choice<T: Clone>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(value.clone());
        }
        let names: Vec<&str> = choices.iter().map(|(n, _)| *n).collect();
        self.problem(key, format!("`{}` is `{text}`", self.name(key)), one_of(&text, &names));
        None
    }

    /// An optional list of strings.
    pub fn texts(&self, key: &str) -> Vec<String> {
        let Some(item) = self.item(key) else { return Vec::new() };
        let Value::Array(list) = &item.value else {
            self.wrong_type(key, item, "an array of strings");
            return Vec::new();
        };
        let mut out = Vec::new();
        for element in list {
            match &element.value {
                Value::Text(t) => out.push(t.clone()),
                other => self.problems.push(
                    Diagnostic::new(format!("`{}` holds {}, expected strings", self.name(key), other.type_name()))
                        .at(&element.at)
                        .help("write [\"a\", \"b\"]"),
                ),
            }
        }
        out
    }

    /// An optional list of non-negative numbers in the base unit; lists of lists are flattened.
    pub fn numbers(&self, key: &str) -> Vec<f64> {
        let Some(item) = self.item(key) else { return Vec::new() };
        let Value::Array(list) = &item.value else {
            self.wrong_type(key, item, "an array of numbers");
            return Vec::new();
        };
        let mut out = Vec::new();
        for element in list {
            match &element.value {
                Value::Array(inner) => out.extend(inner.iter().filter_map(|e| self.element(key, e))),
                _ => out.extend(self.element(key, element)),
            }
        }
        out
    }

    fn element(&self, key: &str, element: &Item) -> Option<f64> {
        let value = match element.value {
            #[allow(clippy::cast_precision_loss)]
            Value::Integer(i) => i as f64,
            Value::Float(f) => f,
            _ => f64::NAN,
        };
        if value.is_finite() && value >= 0.0 {
            return Some(value);
        }
        self.problems.push(
            Diagnostic::new(format!("`{}` holds a value that is not a number of 0 or more", self.name(key)))
                .at(&element.at)
                .help("write [1.0, 2.5]"),
        );
        None
    }

    /// The table under a key.
    pub fn table(&self, key: &str) -> Option<Reader<'a>> {
        let item = self.item(key)?;
        if let Value::Table(tree) = &item.value {
            return Some(Reader::new(tree, &self.name(key), &item.key_at, self.problems));
        }
        self.wrong_type(key, item, &format!("a table `[{}]`", self.name(key)));
        None
    }

    /// The tables of an array of tables.
    pub fn tables(&self, key: &str) -> Vec<Reader<'a>> {
        let Some(item) = self.item(key) else { return Vec::new() };
        let Value::Array(list) = &item.value else {
            self.wrong_type(key, item, &format!("an array of tables `[[{}]]`", self.name(key)));
            return Vec::new();
        };
        let mut out = Vec::new();
        for (i, element) in list.iter().enumerate() {
            if let Value::Table(tree) = &element.value {
                out.push(Reader::new(tree, &format!("{}[{i}]", self.name(key)), &element.at, self.problems));
            } else {
                let text = format!("`{}[{i}]` is {}, expected a table", self.name(key), element.value.type_name());
                self.problems.push(
                    Diagnostic::new(text)
                        .at(&element.at)
                        .help(format!("write [[{}]] and its keys below", self.name(key))),
                );
            }
        }
        out
    }

    /// Keys that every entry may carry beside its values.
    pub fn skip(&self, keys: &[&str]) {
        self.seen.borrow_mut().extend(keys.iter().map(ToString::to_string));
    }

    /// Report every key that nobody asked for. `x-…` tables are the user's own notes.
    pub fn finish(&self) {
        let seen = self.seen.borrow();
        if self.tree.entries.keys().all(|k| seen.iter().any(|s| s == k)) {
            return;
        }
        let known: BTreeSet<&str> = seen.iter().map(String::as_str).collect();
        let known: Vec<&str> = known.into_iter().collect();
        for (key, item) in self.tree.entries.iter() {
            if known.contains(&key.as_str()) || key.starts_with("x-") {
                continue;
            }
            let text = format!("unknown key `{}`", self.name(key));
            self.problems.push(Diagnostic::new(text).at(&item.key_at).help(one_of(key, &known)));
        }
    }
}

/// "did you mean `x`? allowed: ..." for a wrong name among few.
#[must_use]
pub fn one_of(wrong: &str, names: &[&str]) -> String {
    let list = names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    match nearest(wrong, names.iter().copied()) {
        Some(guess) => format!("did you mean `{guess}`? allowed: {list}"),
        None => format!("allowed: {list}"),
    }
}
