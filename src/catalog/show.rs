//! Each value of an entry with its source.

use super::entry::META;
use super::raw::{Item, Tree, Value};
use super::{Catalog, Entry, Kind};
use crate::error::{Diagnostic, Result};

/// One value of an entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// Dotted key.
    pub key: String,
    /// The value as written.
    pub value: String,
    /// The value as a number, if it is one.
    pub number: Option<f64>,
    /// Where it was published, or `estimate`.
    pub source: Option<String>,
    /// File and line it was read from.
    pub origin: String,
}

/// Every value of an entry, in order, with its source: `sources.KEY`, else the `source` of its
/// table, else that of the entry. Keys listed in `estimates` have no published source; an entry
/// names keys of its tables with a dot (`peak.vector_flop_per_s`), in `estimates` and `sources` alike.
#[must_use]
pub fn facts(entry: &Entry) -> Vec<Fact> {
    let mut out = Vec::new();
    walk(&[&entry.tree], "", None, &mut out);
    out
}

/// The same, worked out once for each entry: every scenario names where its values come from.
#[must_use]
pub fn known_facts(entry: &Entry) -> &[Fact] {
    entry.facts.0.get_or_init(|| facts(entry))
}

/// `trees` are the tables from the entry to this one; names in `prefix` lead to it.
fn walk(trees: &[&Tree], prefix: &str, inherited: Option<&str>, out: &mut Vec<Fact>) {
    let Some(tree) = trees.last() else { return };
    let own = tree.text("source").or(inherited);
    let estimated = tree.text("confidence") == Some("estimate");
    for (key, item) in tree.entries.iter().filter(|(k, _)| !META.contains(&k.as_str())) {
        let path = format!("{prefix}{key}");
        if let Value::Table(inner) = &item.value {
            walk(&[trees, &[inner]].concat(), &format!("{path}."), own, out);
            continue;
        }
        let named = spellings(trees, &path).find_map(|(t, k)| t.table("sources").and_then(|s| s.text(k)));
        let source = if spellings(trees, &path).any(|(t, k)| lists(t, "estimates", k)) {
            Some(named.map_or("estimate".to_string(), |s| {
                let text = s.strip_prefix("estimate: ").unwrap_or(s);
                format!("estimate: {text}")
            }))
        } else {
            named.or(own).map(|s| {
                if estimated && named.is_none() {
                    format!("estimate: {s}")
                } else {
                    s.to_string()
                }
            })
        };
        out.push(Fact {
            key: path,
            value: written(&item.value),
            number: number(&item.value),
            source,
            origin: format!("{}:{}", item.at.origin.name, item.at.line()),
        });
    }
}

/// How each table on the way calls the value at `path`, the innermost first.
fn spellings<'a>(trees: &'a [&'a Tree], path: &'a str) -> impl Iterator<Item = (&'a Tree, &'a str)> {
    let tails = std::iter::successors(Some(path), |p| p.split_once('.').map(|(_, rest)| rest));
    let list: Vec<(&Tree, &str)> = trees.iter().copied().zip(tails).collect();
    list.into_iter().rev()
}

fn lists(tree: &Tree, key: &str, wanted: &str) -> bool {
    match tree.get(key).map(|i| &i.value) {
        Some(Value::Array(list)) => list.iter().any(|i| matches!(&i.value, Value::Text(t) if t == wanted)),
        _ => false,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        #[allow(clippy::cast_precision_loss)]
        Value::Integer(i) => Some(*i as f64),
        Value::Float(f) => Some(*f),
        _ => None,
    }
}

fn written(value: &Value) -> String {
    match value {
        Value::Text(t) | Value::Date(t) => t.clone(),
        Value::Integer(i) => i.to_string(),
        // Powers of ten only where zeros would be many.
        Value::Float(f) if *f == 0.0 || (1e-4..1e7).contains(&f.abs()) => f.to_string(),
        Value::Float(f) => format!("{f:e}"),
        Value::Bool(b) => b.to_string(),
        Value::Array(list) => format!("[{}]", list.iter().map(|i: &Item| written(&i.value)).collect::<Vec<_>>().join(", ")),
        Value::Table(_) => String::new(),
    }
}

/// Values of a catalog that carry no source: a lint for users, a test failure for built-ins.
#[must_use]
pub fn unsourced(catalog: &Catalog) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for (_, kind, _) in Kind::ALL {
        for entry in catalog.entries(kind).entries.values() {
            let bare: Vec<String> = facts(entry).into_iter().filter(|f| f.source.is_none()).map(|f| f.key).collect();
            if !bare.is_empty() {
                let text = format!("{} `{}` has values without a source: {}", kind.name(), entry.name, bare.join(", "));
                out.push(
                    Diagnostic::new(text)
                        .at(&entry.at)
                        .help("add source = \"...\", or list the keys in estimates = [...]"),
                );
            }
        }
    }
    out
}

/// The files of the catalog in the binary, to write out and edit: path under the directory, text.
pub fn export() -> impl Iterator<Item = (String, &'static str)> {
    // Laws of scaling and facts about data lie beside the catalog; nothing overlays them.
    // Whole runs and scenarios of published ones are none of it either.
    let other = |path: &str| {
        let run = path.starts_with("scenarios/published/") && path.ends_with(".toml");
        run || path == super::source::SOFTWARE || path.starts_with("profiles/laws/") || path.starts_with("profiles/data/")
    };
    super::source::embedded().filter(move |(path, _)| !other(path))
}

/// The entry that a name means in any kind, for `catalog show NAME`.
///
/// # Errors
/// When no kind has it; the message names the nearest over all kinds.
pub fn find<'a>(catalog: &'a Catalog, name: &str) -> Result<(Kind, &'a Entry)> {
    let found = Kind::ALL
        .iter()
        .find_map(|(_, kind, _)| Some((*kind, catalog.entries(*kind).get(name)?)));
    found.ok_or_else(|| {
        let all: Vec<&str> = Kind::ALL
            .iter()
            .flat_map(|(_, k, _)| catalog.entries(*k).entries.keys().map(String::as_str))
            .collect();
        let hint = crate::error::nearest(name, all).map_or(String::new(), |n| format!("did you mean `{n}`? "));
        Diagnostic::new(format!("nothing in the catalog is called `{name}`"))
            .help(format!("{hint}`exaplan catalog list` lists everything"))
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::raw::parse;
    use crate::error::Origin;
    use std::sync::Arc;

    fn sources(text: &str, name: &str) -> Vec<(String, Option<String>)> {
        let origin = Arc::new(Origin {
            name: "test.toml".into(),
            text: text.into(),
        });
        let (tree, problems) = parse(&origin);
        assert!(problems.is_empty(), "{problems:?}");
        let catalog = Catalog::builtin().overlay_tree(&origin, tree).unwrap();
        let entry = catalog.entry(Kind::Accelerator, name).unwrap();
        facts(entry).into_iter().map(|f| (f.key, f.source)).collect()
    }

    fn of<'a>(list: &'a [(String, Option<String>)], key: &str) -> Option<&'a str> {
        list.iter().find(|(k, _)| k == key).and_then(|(_, s)| s.as_deref())
    }

    const PARENT: &str = r#"
[accelerator.parent]
memory_bytes = 80e9
memory_bytes_per_s = 3e12
tdp_w = 700.0
source = "sheet"
estimates = ["tdp_w", "peak.vector_flop_per_s"]
peak = { bf16_flop_per_s = 1e15, vector_flop_per_s = 6e13 }
sources = { memory_bytes = "device report" }
"#;

    #[test]
    fn estimates_name_keys_of_tables() {
        let list = sources(PARENT, "parent");
        assert_eq!(of(&list, "memory_bytes"), Some("device report"));
        assert_eq!(of(&list, "memory_bytes_per_s"), Some("sheet"));
        assert_eq!(of(&list, "tdp_w"), Some("estimate"));
        assert_eq!(of(&list, "peak.bf16_flop_per_s"), Some("sheet"));
        assert_eq!(of(&list, "peak.vector_flop_per_s"), Some("estimate"));
    }

    #[test]
    fn a_child_keeps_sources_of_what_it_inherits_and_states_its_own() {
        let child = "[accelerator.child]\nextends = \"parent\"\nmemory_bytes = 96e9\nsource = \"blog\"\n";
        let list = sources(&format!("{PARENT}{child}"), "child");
        assert_eq!(of(&list, "memory_bytes"), Some("blog"));
        assert_eq!(of(&list, "memory_bytes_per_s"), Some("sheet"));
        assert_eq!(of(&list, "peak.bf16_flop_per_s"), Some("sheet"));
        assert!(of(&list, "tdp_w").is_some_and(|s| s.starts_with("estimate")));
        assert!(of(&list, "peak.vector_flop_per_s").is_some_and(|s| s.starts_with("estimate")));
    }

    #[test]
    fn a_value_that_a_child_writes_without_a_source_has_none() {
        let child = "[accelerator.child]\nextends = \"parent\"\ntdp_w = 500.0\n";
        let list = sources(&format!("{PARENT}{child}"), "child");
        assert_eq!(of(&list, "tdp_w"), None);
        assert_eq!(of(&list, "memory_bytes"), Some("device report"));
    }

    #[test]
    fn every_built_in_value_has_a_source() {
        let bare = unsourced(&Catalog::builtin());
        assert!(bare.is_empty(), "{bare:?}");
    }
}
