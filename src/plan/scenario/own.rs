//! Catalog entries that a scenario holds.

use crate::catalog::Kind;
use crate::catalog::raw::{Item, Tree, Value};
use std::collections::BTreeMap;

/// Ids of entries that a scenario derives from catalog entries.
pub(super) const OWN: &str = "this-scenario";

/// Catalog entries that the scenario holds: inline tables, `model` and `cluster.node` tables with
/// changes to a named entry, and `--set accelerator.NAME.key=…` patches.
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
        own.edit().insert("model".to_string(), wrap(item));
    }
    if let Some(item) = tree
        .table("cluster")
        .and_then(|c| c.get("node"))
        .filter(|i| matches!(i.value, Value::Table(_)))
    {
        let inline = wrap(item);
        let merged = match (own.edit().remove("node").map(|i| i.value), inline.value) {
            (Some(Value::Table(a)), Value::Table(b)) => Value::Table(a.overlaid(&b)),
            (_, b) => b,
        };
        own.edit().insert(
            "node".to_string(),
            Item {
                value: merged,
                at: item.at.clone(),
                key_at: item.key_at.clone(),
            },
        );
    }
    own
}

/// True for a `[model]` that says more than which catalog entry to use.
fn is_derived(item: &Item) -> bool {
    matches!(&item.value, Value::Table(t) if t.entries.keys().any(|k| k != "use"))
}

/// A section with changes becomes an entry of its own that extends the one it uses.
fn wrap(item: &Item) -> Item {
    let Value::Table(section) = &item.value else { return item.clone() };
    let mut entry = section.clone();
    if let Some(used) = entry.edit().remove("use") {
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
