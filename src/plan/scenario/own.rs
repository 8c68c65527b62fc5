//! Catalog entries that a scenario holds.

use crate::catalog::Kind;
use crate::catalog::raw::{Item, Tree, Value};
use crate::error::nearest;
use std::collections::BTreeMap;

/// Ids of entries that a scenario derives from catalog entries.
pub(super) const OWN: &str = "this-scenario";

/// The stack of a scenario that names none.
pub(super) const DEFAULT_STACK: &str = "megatron-core";

/// Catalog entries that the scenario holds: inline tables, `model`, `software` and `cluster.node` tables
/// with changes to a named entry, and `--set accelerator.NAME.key=…` patches.
pub(super) fn own_entries(tree: &Tree) -> Tree {
    let mut own = Tree::default();
    for (name, kind, _) in Kind::ALL {
        // `[model]` and `[reliability]` are sections of a scenario; `[cluster]` too.
        if matches!(kind, Kind::Model | Kind::Cluster | Kind::Reliability) {
            continue;
        }
        if let Some(item) = tree.get(name) {
            own.edit().insert(name.to_string(), patched(item));
        }
    }
    if let Some(item) = tree.get("model").filter(|i| is_derived(i)) {
        own.edit().insert("model".to_string(), wrap(item, "use"));
    }
    let changes = |t: &Tree| changes_stack(t.entries.keys().map(String::as_str));
    if let Some(item) = tree.get("software").filter(|_| tree.table("software").is_some_and(changes)) {
        let mut inline = wrap(item, "stack");
        extend_default(&mut inline);
        add(&mut own, "stack", item, inline);
    }
    if let Some(item) = tree
        .table("cluster")
        .and_then(|c| c.get("node"))
        .filter(|i| matches!(i.value, Value::Table(_)))
    {
        add(&mut own, "node", item, wrap(item, "use"));
    }
    own
}

/// Put the entry of a section beside the inline tables of its kind.
fn add(own: &mut Tree, kind: &str, section: &Item, inline: Item) {
    let value = match (own.edit().remove(kind).map(|i| i.value), inline.value) {
        (Some(Value::Table(a)), Value::Table(b)) => Value::Table(a.overlaid(&b)),
        (_, b) => b,
    };
    own.edit().insert(
        kind.to_string(),
        Item {
            value,
            at: section.at.clone(),
            key_at: section.key_at.clone(),
        },
    );
}

/// Software that names no stack changes the one that it would run on.
fn extend_default(wrapped: &mut Item) {
    let Value::Table(group) = &mut wrapped.value else { return };
    for entry in group.edit().values_mut() {
        let base = Item {
            value: Value::Text(DEFAULT_STACK.to_string()),
            at: entry.at.clone(),
            key_at: entry.key_at.clone(),
        };
        if let Value::Table(t) = &mut entry.value {
            t.edit().entry("extends".to_string()).or_insert(base);
        }
    }
}

/// True for a `[model]` that says more than which catalog entry to use.
fn is_derived(item: &Item) -> bool {
    matches!(&item.value, Value::Table(t) if t.entries.keys().any(|k| k != "use"))
}

/// True for the keys of a `[software]` that says more than which stack to use. No key of a stack is
/// spelled like `stack`: a section with such a one means that, and is not an entry to check.
pub(super) fn changes_stack<'k>(mut keys: impl Iterator<Item = &'k str>) -> bool {
    let mut is_more = false;
    keys.all(|key| {
        is_more |= key != "stack";
        key == "stack" || nearest(key, ["stack"]).is_none()
    }) && is_more
}

/// A section with changes becomes an entry of its own that extends the one that `name_key` names.
fn wrap(item: &Item, name_key: &str) -> Item {
    let Value::Table(section) = &item.value else { return item.clone() };
    let mut entry = section.clone();
    if let Some(used) = entry.edit().remove(name_key) {
        entry.edit().insert("extends".to_string(), used);
    }
    let inner = Item {
        value: Value::Table(entry),
        at: item.at.clone(),
        key_at: item.key_at.clone(),
    };
    Item {
        value: Value::Table(BTreeMap::from([(OWN.to_string(), inner)]).into()),
        at: item.at.clone(),
        key_at: item.key_at.clone(),
    }
}

/// Entries made by `--set` alone change the catalog's entry of that name.
fn patched(item: &Item) -> Item {
    let Value::Table(group) = &item.value else { return item.clone() };
    let mut out = group.clone();
    for (name, entry) in out.edit() {
        if entry.at.origin.name != "--set" {
            continue;
        }
        if let Value::Table(t) = &mut entry.value {
            let base = Item {
                value: Value::Text(name.clone()),
                at: entry.at.clone(),
                key_at: entry.key_at.clone(),
            };
            t.edit().entry("extends".to_string()).or_insert(base);
        }
    }
    Item {
        value: Value::Table(out),
        at: item.at.clone(),
        key_at: item.key_at.clone(),
    }
}
