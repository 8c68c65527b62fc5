//! Entries as written, by kind: layers, aliases and `extends`, before anything is checked.

use super::raw::{Item, Tree, Value};
use super::show::Fact;
use crate::error::{At, Diagnostic, nearest};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// What kinds of things the catalog names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Devices.
    Accelerator,
    /// Networks.
    Fabric,
    /// Servers.
    Node,
    /// Named clusters.
    Cluster,
    /// Electricity grids.
    Grid,
    /// Places.
    Region,
    /// Rental prices.
    Offer,
    /// Assumptions of owning.
    Finance,
    /// Failure behaviour.
    Reliability,
    /// Architectures.
    Model,
    /// Measured kernels.
    Profile,
    /// Software stacks.
    Stack,
    /// Errors of left-out runs by class.
    Band,
}

impl Kind {
    /// Every kind with its name in files and the folder of its built-in entries.
    pub const ALL: [(&'static str, Kind, &'static str); 13] = [
        ("accelerator", Kind::Accelerator, "hardware/accelerators/"),
        ("fabric", Kind::Fabric, "hardware/fabrics/"),
        ("node", Kind::Node, "hardware/nodes/"),
        ("cluster", Kind::Cluster, "hardware/clusters/"),
        ("grid", Kind::Grid, "hardware/grids/"),
        ("region", Kind::Region, "hardware/regions/"),
        ("offer", Kind::Offer, "hardware/prices/"),
        ("finance", Kind::Finance, "hardware/finance/"),
        ("reliability", Kind::Reliability, "hardware/reliability/"),
        ("model", Kind::Model, "scenarios/models/"),
        ("profile", Kind::Profile, "profiles/devices/"),
        ("stack", Kind::Stack, "profiles/stacks/"),
        ("band", Kind::Band, "profiles/bands/"),
    ];

    /// Its place in [`Kind::ALL`].
    #[must_use]
    pub fn position(self) -> usize {
        Kind::ALL.iter().position(|(_, k, _)| *k == self).unwrap_or(0)
    }

    /// The name used in files and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        Kind::ALL.iter().find(|(_, k, _)| *k == self).map_or("", |(n, _, _)| n)
    }

    /// The kind with this name, singular or plural.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Kind> {
        let plural = |n: &str| match n {
            "offer" => "prices".to_string(),
            "reliability" | "finance" => n.to_string(),
            _ => format!("{n}s"),
        };
        Kind::ALL
            .iter()
            .find(|(n, _, _)| *n == name || plural(n) == name)
            .map(|(_, k, _)| *k)
    }

    /// Folder of the built-in entries.
    #[must_use]
    pub fn folder(self) -> &'static str {
        Kind::ALL.iter().find(|(_, k, _)| *k == self).map_or("", |(_, _, f)| f)
    }
}

/// Where an entry comes from; later ones win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// In the binary.
    Builtin,
    /// `$XDG_CONFIG_DIRS`.
    Site,
    /// `$XDG_CONFIG_HOME`.
    User,
    /// `--catalog DIR`.
    Project,
    /// The scenario itself, or `--set`.
    Scenario,
}

impl Layer {
    /// Lower-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Layer::Builtin => "built-in",
            Layer::Site => "site",
            Layer::User => "user",
            Layer::Project => "project",
            Layer::Scenario => "scenario",
        }
    }
}

/// One entry with everything it inherits already laid under it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Id.
    pub name: String,
    /// Its values, inherited ones included.
    pub tree: Tree,
    /// Where it is defined.
    pub at: At,
    /// Which layer defined it.
    pub layer: Layer,
    /// Other spellings.
    pub aliases: Vec<String>,
    /// Parent id.
    pub extends: Option<String>,
    /// The layer of the entry of the same name that this one hides.
    pub shadows: Option<Layer>,
    /// Its values with their sources, once asked for.
    pub(super) facts: Kept,
}

/// What follows from an entry, kept: no part of what it is.
#[derive(Debug, Clone, Default)]
pub struct Kept(pub(super) OnceLock<Vec<Fact>>);

impl PartialEq for Kept {
    fn eq(&self, _: &Kept) -> bool {
        true
    }
}

/// All entries of one kind.
#[derive(Debug, Default)]
pub struct Index {
    /// Id → entry.
    pub entries: BTreeMap<String, Entry>,
    /// Alias → id.
    pub aliases: BTreeMap<String, String>,
}

/// Entries of one kind in one file or scenario.
pub struct Definition<'a> {
    /// Id.
    pub name: &'a str,
    /// The table as written.
    pub item: &'a Item,
    /// Its layer.
    pub layer: Layer,
    /// The directory or text it is from: nothing is defined twice in one.
    pub set: usize,
}

impl Index {
    /// The entry with this id or alias.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Entry> {
        let by_name = |n: &str| self.entries.get(n).or_else(|| self.entries.get(self.aliases.get(n)?));
        // Ids and aliases are lower case; what people type need not be.
        by_name(name).or_else(|| by_name(&name.to_lowercase()))
    }

    /// What to say about a name that is not there.
    #[must_use]
    pub fn unknown(&self, kind: Kind, name: &str) -> Diagnostic {
        let names = self.entries.keys().chain(self.aliases.keys()).map(String::as_str);
        let hint = nearest(name, names).map_or(String::new(), |n| format!("did you mean `{n}`? "));
        let help = format!("{hint}`exaplan catalog list {}` lists what there is", kind.name());
        Diagnostic::new(format!("no {} is called `{name}`", kind.name())).help(help)
    }

    /// Resolve `extends` and aliases of definitions given in order of layers.
    #[must_use]
    pub fn build(kind: Kind, definitions: &[Definition<'_>]) -> (Index, Vec<Diagnostic>) {
        let mut builder = Builder {
            kind,
            definitions,
            problems: Vec::new(),
            index: Index::default(),
            last: BTreeMap::new(),
            below: Vec::with_capacity(definitions.len()),
        };
        // Later layers win: the last definition of a name is the entry.
        for (i, definition) in definitions.iter().enumerate() {
            let previous = builder.last.insert(definition.name, i);
            builder.below.push(previous);
            if let Some(previous) = previous.filter(|p| definitions[*p].set == definition.set) {
                let help = format!("the other is in {}", definitions[previous].item.key_at.origin.name);
                let text = format!("{} `{}` is defined twice", kind.name(), definition.name);
                builder.problems.push(Diagnostic::new(text).at(&definition.item.key_at).help(help));
            }
        }
        for i in builder.last.values().copied().collect::<Vec<_>>() {
            builder.add(i);
        }
        builder.add_aliases();
        (builder.index, builder.problems)
    }
}

/// Longest chain of `extends`: each link is a recursion, and nobody follows a longer one.
const MAX_EXTENDS: usize = 16;

struct Builder<'a, 'b> {
    kind: Kind,
    definitions: &'b [Definition<'a>],
    problems: Vec<Diagnostic>,
    index: Index,
    /// Name → its last definition.
    last: BTreeMap<&'a str, usize>,
    /// The definition of the same name that each one hides.
    below: Vec<Option<usize>>,
}

impl Builder<'_, '_> {
    fn add(&mut self, i: usize) {
        let definition = &self.definitions[i];
        let Value::Table(tree) = &definition.item.value else {
            let text = format!(
                "`{}.{}` is {}, expected a table",
                self.kind.name(),
                definition.name,
                definition.item.value.type_name()
            );
            let help = format!("write [{}.{}] and its keys below", self.kind.name(), definition.name);
            self.problems.push(Diagnostic::new(text).at(&definition.item.key_at).help(help));
            return;
        };
        let mut trail = vec![i];
        let Some(merged) = self.resolve(i, &mut trail) else { return };
        let entry = Entry {
            name: definition.name.to_string(),
            tree: merged,
            at: definition.item.key_at.clone(),
            layer: definition.layer,
            aliases: strings(tree, "aliases"),
            extends: tree.text("extends").map(str::to_string),
            shadows: self.below[i].map(|b| self.definitions[b].layer),
            facts: Kept::default(),
        };
        self.index.entries.insert(entry.name.clone(), entry);
    }

    fn resolve(&mut self, i: usize, trail: &mut Vec<usize>) -> Option<Tree> {
        let definition = &self.definitions[i];
        let Value::Table(tree) = &definition.item.value else { return None };
        let place = tree.get("extends").map_or(&definition.item.key_at, |item| &item.at);
        let Some(parent) = tree.text("extends") else {
            if let Some(item) = tree.get("extends") {
                let text = format!(
                    "`extends` is {}, expected the name of another {}",
                    item.value.type_name(),
                    self.kind.name()
                );
                self.problems.push(Diagnostic::new(text).at(place).help("write extends = \"...\""));
            }
            return Some(tree.clone());
        };
        if trail.len() > MAX_EXTENDS {
            let text = format!("more than {MAX_EXTENDS} entries extend one another");
            self.problems
                .push(Diagnostic::new(text).at(place).help("extend an entry nearer to the first one"));
            return None;
        }
        // An entry that extends its own name changes the one below it.
        let found = if parent == definition.name {
            self.below[i]
        } else {
            self.find(parent)
        };
        let Some(found) = found else {
            self.problems.push(self.no_parent(parent, definition.name).at(place));
            return None;
        };
        if trail.contains(&found) {
            let names: Vec<&str> = trail.iter().chain([&found]).map(|&t| self.definitions[t].name).collect();
            let text = format!("`extends` goes in a circle: {}", names.join(" → "));
            self.problems.push(
                Diagnostic::new(text)
                    .at(place)
                    .help("let one of them stand on its own, without `extends`"),
            );
            return None;
        }
        trail.push(found);
        let mut base = self.resolve(found, trail)?;
        base.edit().remove("aliases");
        Some(inherit(base, tree))
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.last.get(name).copied().or_else(|| {
            (0..self.definitions.len()).rev().find(|&j| match &self.definitions[j].item.value {
                Value::Table(t) => strings(t, "aliases").iter().any(|a| a == name),
                _ => false,
            })
        })
    }

    fn no_parent(&self, parent: &str, child: &str) -> Diagnostic {
        let names = self.definitions.iter().map(|d| d.name).filter(|n| *n != child);
        let hint = nearest(parent, names).map_or(String::new(), |n| format!("did you mean `{n}`? "));
        let help = format!("{hint}`exaplan catalog list {}` lists what there is", self.kind.name());
        Diagnostic::new(format!("`extends` names `{parent}`, but no {} is called so", self.kind.name())).help(help)
    }

    fn add_aliases(&mut self) {
        let mut aliases = BTreeMap::new();
        for entry in self.index.entries.values() {
            for alias in &entry.aliases {
                // A name of a higher layer takes over an alias of a lower one.
                let layer = |name: &str| self.index.entries.get(name).map(|e| e.layer);
                if layer(alias).is_some_and(|l| l > entry.layer) {
                    continue;
                }
                let taken = aliases.insert(alias.clone(), entry.name.clone());
                let other = taken.or_else(|| self.index.entries.contains_key(alias).then(|| alias.clone()));
                if let Some(other) = other.filter(|o| *o != entry.name) {
                    let text = format!("alias `{alias}` of {} `{}` also means `{other}`", self.kind.name(), entry.name);
                    self.problems
                        .push(Diagnostic::new(text).at(&entry.at).help("remove it from one of them"));
                }
            }
        }
        self.index.aliases = aliases;
    }
}

/// Keys of an entry or table that say something about it and are not values with a source.
pub(super) const META: [&str; 9] = [
    "source",
    "sources",
    "confidence",
    "note",
    "estimates",
    "aliases",
    "extends",
    "title",
    "as_of",
];

/// Lay a child over its parent. What the parent gave keeps the parent's source and stays an
/// estimate if it was one; what the child writes itself has only the source that the child states.
fn inherit(mut base: Tree, child: &Tree) -> Tree {
    let written = |key: &str| child.get(key).is_some_and(|i| !matches!(i.value, Value::Table(_)));
    let guessed = base.text("confidence") == Some("estimate");
    let source = base.edit().remove("source");
    let mut sources = match base.edit().remove("sources").map(|i| i.value) {
        Some(Value::Table(t)) => t,
        _ => Tree::default(),
    };
    sources.edit().retain(|key, _| !written(key));
    if let Some(origin) = &source {
        for (key, item) in base.edit().iter_mut().filter(|(k, _)| !META.contains(&k.as_str())) {
            let mut origin = origin.clone();
            match &mut item.value {
                Value::Table(inner) => {
                    inner.edit().entry("source".to_string()).or_insert(origin);
                }
                _ if written(key) => {}
                _ => {
                    if let (true, Value::Text(text)) = (guessed, &mut origin.value) {
                        *text = format!("estimate: {text}");
                    }
                    sources.edit().entry(key.clone()).or_insert(origin);
                }
            }
        }
    }
    let place = source.as_ref().or_else(|| sources.entries.values().next()).cloned();
    if let Some(place) = place {
        let value = Value::Table(sources);
        base.edit().insert("sources".to_string(), Item { value, ..place });
    }
    let kept = match base.entries.get("estimates").map(|i| &i.value) {
        Some(Value::Array(list)) => list.clone(),
        _ => Vec::new(),
    };
    for (key, item) in child.entries.iter() {
        let mut merged = item.clone();
        match (base.edit().remove(key).map(|i| i.value), &item.value) {
            (Some(Value::Table(under)), Value::Table(over)) if META.contains(&key.as_str()) => {
                merged.value = Value::Table(under.overlaid(over));
            }
            (Some(Value::Table(under)), Value::Table(over)) => merged.value = Value::Table(inherit(under, over)),
            _ => {}
        }
        base.edit().insert(key.clone(), merged);
    }
    if let Some(Value::Array(list)) = base.edit().get_mut("estimates").map(|i| &mut i.value) {
        let stays = |i: &Item| matches!(&i.value, Value::Text(t) if !written(t) && !rewritten(child, t));
        list.retain(|i| child.get("estimates").is_some() || stays(i));
        let more: Vec<Item> = kept
            .into_iter()
            .filter(|i| stays(i) && !list.iter().any(|l| l.value == i.value))
            .collect();
        list.extend(more);
    }
    base
}

/// Whether a table writes the value at a dotted key.
fn rewritten(tree: &Tree, dotted: &str) -> bool {
    match dotted.split_once('.') {
        Some((head, rest)) => tree.table(head).is_some_and(|t| rewritten(t, rest)),
        None => tree.get(dotted).is_some(),
    }
}

fn strings(tree: &Tree, key: &str) -> Vec<String> {
    let Some(Value::Array(list)) = tree.get(key).map(|i| &i.value) else {
        return Vec::new();
    };
    list.iter()
        .filter_map(|i| if let Value::Text(t) = &i.value { Some(t.clone()) } else { None })
        .collect()
}
