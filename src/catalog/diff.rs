//! What the layers of a catalog change against another.

use super::show::{Fact, facts};
use super::{Catalog, Entry, Kind, Layer};
use std::collections::BTreeSet;

/// How an entry comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It stands on its own, under a new name.
    Added,
    /// It stands on its own, instead of one of its name.
    Replaced,
    /// It changes keys of another, or of one of its name.
    Derived,
}

impl Change {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Replaced => "replaced",
            Change::Derived => "derived",
        }
    }
}

/// One key of an entry.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyChange {
    /// Dotted key.
    pub key: String,
    /// What it was; `None` where it is new.
    pub old: Option<Fact>,
    /// What it is; `None` where it is gone.
    pub new: Option<Fact>,
}

/// One entry that is not as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// How it came.
    pub change: Change,
    /// The entry that it is compared with.
    pub base: Option<String>,
    /// Its layer.
    pub layer: Layer,
    /// File and line.
    pub origin: String,
    /// Keys whose value changed, by name; none when it only repeats what was there.
    pub keys: Vec<KeyChange>,
}

/// Every entry above the built-in layer for which `wanted`, against what `base` has.
#[must_use]
pub fn differences(base: &Catalog, layered: &Catalog, wanted: &dyn Fn(&Entry) -> bool) -> Vec<Difference> {
    let mut out = Vec::new();
    for (_, kind, _) in Kind::ALL {
        let above = layered
            .entries(kind)
            .entries
            .values()
            .filter(|e| e.layer > Layer::Builtin && wanted(e));
        out.extend(above.map(|entry| difference(kind, entry, base, layered)));
    }
    out
}

fn difference(kind: Kind, entry: &Entry, base: &Catalog, layered: &Catalog) -> Difference {
    let same = base.entries(kind).entries.get(&entry.name);
    let parent = entry.extends.as_deref().and_then(|name| {
        // Itself means the one that it hides.
        let in_base = base.entries(kind).get(name);
        if name == entry.name {
            in_base
        } else {
            layered.entries(kind).get(name).or(in_base)
        }
    });
    let (change, old) = match (same, parent) {
        (Some(same), None) => (Change::Replaced, Some(same)),
        (Some(same), Some(_)) => (Change::Derived, Some(same)),
        (None, Some(parent)) => (Change::Derived, Some(parent)),
        (None, None) => (Change::Added, None),
    };
    Difference {
        kind,
        name: entry.name.clone(),
        change,
        base: old.map(|e| e.name.clone()),
        layer: entry.layer,
        origin: format!("{}:{}", entry.at.origin.name, entry.at.line()),
        keys: keys(old, entry),
    }
}

fn keys(old: Option<&Entry>, new: &Entry) -> Vec<KeyChange> {
    let before = old.map(facts).unwrap_or_default();
    let after = facts(new);
    let names: BTreeSet<&str> = before.iter().chain(&after).map(|f| f.key.as_str()).collect();
    let find = |list: &[Fact], key: &str| list.iter().find(|f| f.key == key).cloned();
    names
        .into_iter()
        .map(|key| KeyChange {
            key: key.to_string(),
            old: find(&before, key),
            new: find(&after, key),
        })
        .filter(|c| c.old.as_ref().map(|f| &f.value) != c.new.as_ref().map(|f| &f.value))
        .collect()
}
