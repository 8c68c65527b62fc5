//! TOML as it was written: a tree whose every value knows its place, so that a problem found
//! late can still be shown in the file. All problems of a text are collected, not the first.

use crate::error::{At, Diagnostic, Origin};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value of the tree.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A string.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A float; may be NaN or infinite as TOML allows, readers refuse those.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// A date or time, as written.
    Date(String),
    /// An array.
    Array(Vec<Item>),
    /// A table.
    Table(Tree),
}

impl Value {
    /// What to call this type in a message.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Text(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::Date(_) => "a date",
            Value::Array(_) => "an array",
            Value::Table(_) => "a table",
        }
    }
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The value.
    pub value: Value,
    /// Where the value stands.
    pub at: At,
    /// Where its key stands.
    pub key_at: At,
}

/// A table: keys in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tree {
    /// Key → value. Shared: entries that inherit nothing are the tree as it was parsed.
    pub entries: Arc<BTreeMap<String, Item>>,
}

impl From<BTreeMap<String, Item>> for Tree {
    fn from(entries: BTreeMap<String, Item>) -> Tree {
        Tree {
            entries: Arc::new(entries),
        }
    }
}

impl Tree {
    /// The keys, to change; copied first where another tree shares them.
    pub fn edit(&mut self) -> &mut BTreeMap<String, Item> {
        Arc::make_mut(&mut self.entries)
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Item> {
        self.entries.get(key)
    }

    /// The table under a key, if it is one.
    #[must_use]
    pub fn table(&self, key: &str) -> Option<&Tree> {
        match self.entries.get(key).map(|i| &i.value) {
            Some(Value::Table(t)) => Some(t),
            _ => None,
        }
    }

    /// The string under a key, if it is one.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.entries.get(key).map(|i| &i.value) {
            Some(Value::Text(t)) => Some(t),
            _ => None,
        }
    }

    /// `self` with the keys of `child` laid over it; tables merge, everything else is replaced.
    #[must_use]
    pub fn overlaid(mut self, child: &Tree) -> Tree {
        for (key, item) in child.entries.iter() {
            let merged = match (self.edit().remove(key).map(|i| i.value), &item.value) {
                (Some(Value::Table(under)), Value::Table(over)) => Value::Table(under.overlaid(over)),
                _ => item.value.clone(),
            };
            self.edit().insert(
                key.clone(),
                Item {
                    value: merged,
                    at: item.at.clone(),
                    key_at: item.key_at.clone(),
                },
            );
        }
        self
    }
}

/// Parse a TOML text. The tree holds what could be read; the diagnostics say what could not.
#[must_use]
pub fn parse(origin: &Arc<Origin>) -> (Tree, Vec<Diagnostic>) {
    let (table, errors) = DeTable::parse_recoverable(&origin.text);
    let problems = errors
        .iter()
        .map(|e| {
            let first = e.message().lines().next().unwrap_or("not valid TOML").to_string();
            let problem = Diagnostic::new(format!("not valid TOML: {first}"));
            let problem = match e.span() {
                Some(span) => problem.at(&At {
                    origin: origin.clone(),
                    span,
                }),
                None => problem.at(&At {
                    origin: origin.clone(),
                    span: 0..0,
                }),
            };
            if first.contains("recursion") {
                return problem.help("write tables and arrays that are at most a few deep");
            }
            problem.help("a value is written `key = \"text\"`, `key = 1.5` or `key = true` under a `[table]`")
        })
        .collect();
    (convert_table(table.get_ref(), origin), problems)
}

fn convert_table(table: &DeTable<'_>, origin: &Arc<Origin>) -> Tree {
    let entries = table
        .iter()
        .map(|(key, value)| {
            let item = convert(value, at(origin, key.span()), origin);
            (key.get_ref().to_string(), item)
        })
        .collect::<BTreeMap<_, _>>();
    entries.into()
}

fn at(origin: &Arc<Origin>, span: Range<usize>) -> At {
    At {
        origin: origin.clone(),
        span,
    }
}

fn convert(value: &Spanned<DeValue<'_>>, key_at: At, origin: &Arc<Origin>) -> Item {
    let place = at(origin, value.span());
    let converted = match value.get_ref() {
        DeValue::String(s) => Value::Text(s.to_string()),
        // Larger than 64 bits is still a number; whoever reads it refuses it with the value in words.
        DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix())
            .map_or_else(|_| Value::Float(i.as_str().parse().unwrap_or(f64::INFINITY)), Value::Integer),
        DeValue::Float(f) => Value::Float(f.as_str().replace('_', "").parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(b) => Value::Bool(*b),
        DeValue::Datetime(d) => Value::Date(d.to_string()),
        DeValue::Array(a) => Value::Array(a.iter().map(|v| convert(v, at(origin, v.span()), origin)).collect()),
        DeValue::Table(t) => Value::Table(convert_table(t, origin)),
    };
    Item {
        value: converted,
        at: place,
        key_at,
    }
}

/// Deepest table that is read. Ours are four deep; recursion over a tree must not outgrow the stack.
const MAX_DEPTH: usize = 32;

/// Apply one `--set path=value` to a tree. The value may be any TOML value; what is not one is a string.
///
/// # Errors
/// When there is no `=`, the path is empty, or a step of the path is not a table.
pub fn set(tree: &mut Tree, assignment: &str) -> Result<(), Diagnostic> {
    let origin = Arc::new(Origin {
        name: "--set".to_string(),
        text: assignment.to_string(),
    });
    let whole = at(&origin, 0..assignment.len());
    let Some(equals) = assignment.find('=') else {
        return Err(Diagnostic::new(format!("`{assignment}` has no `=`"))
            .at(&whole)
            .help("write --set path=value, for example --set cluster.nodes=64"));
    };
    let path: Vec<&str> = assignment[..equals].trim().split('.').map(str::trim).collect();
    if path.len() > MAX_DEPTH {
        let text = format!("the path before `=` has {} parts", path.len());
        return Err(Diagnostic::new(text)
            .at(&at(&origin, 0..equals))
            .help(format!("write at most {MAX_DEPTH}, for example layout.tensor")));
    }
    if path.iter().any(|p| p.is_empty()) {
        let help = "write the tables and the key with dots between, for example layout.tensor";
        return Err(Diagnostic::new("the path before `=` has an empty part")
            .at(&at(&origin, 0..equals))
            .help(help));
    }
    let text = assignment[equals + 1..].trim();
    let value_at = at(&origin, equals + 1..assignment.len());
    let key_at = at(&origin, 0..equals);
    let item = Item {
        value: scalar(text, &origin),
        at: value_at,
        key_at: key_at.clone(),
    };
    place(tree, &path, item, &key_at)
}

fn place(tree: &mut Tree, path: &[&str], item: Item, key_at: &At) -> Result<(), Diagnostic> {
    let (head, rest) = (path[0], &path[1..]);
    if rest.is_empty() {
        tree.edit().insert(head.to_string(), item);
        return Ok(());
    }
    let next = tree.edit().entry(head.to_string()).or_insert_with(|| Item {
        value: Value::Table(Tree::default()),
        at: key_at.clone(),
        key_at: key_at.clone(),
    });
    // `cluster.node = "x"` then `--set cluster.node.idle_w=1`: the name becomes `use` of a table.
    if let Value::Text(name) = &next.value {
        let used = Item {
            value: Value::Text(name.clone()),
            at: next.at.clone(),
            key_at: next.key_at.clone(),
        };
        next.value = Value::Table(BTreeMap::from([("use".to_string(), used)]).into());
    }
    match &mut next.value {
        Value::Table(t) => place(t, rest, item, key_at),
        other => {
            let help = format!("`{head}` is a value: write --set ending in {head}=..., without what follows it");
            Err(Diagnostic::new(format!("`{head}` is {}, not a table", other.type_name()))
                .at(key_at)
                .help(help))
        }
    }
}

fn scalar(text: &str, origin: &Arc<Origin>) -> Value {
    match DeValue::parse(text) {
        Ok(v) => convert(&v, at(origin, 0..0), origin).value,
        Err(_) => Value::Text(text.to_string()),
    }
}

/// A text as TOML writes it, on one line.
#[must_use]
pub fn quoted(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out + "\""
}

/// The value under a dotted path.
#[must_use]
pub fn lookup<'a>(tree: &'a Tree, path: &str) -> Option<&'a Item> {
    let (head, rest) = path.split_once('.').map_or((path, None), |(h, r)| (h, Some(r)));
    let item = tree.get(head)?;
    match (rest, &item.value) {
        (None, _) => Some(item),
        (Some(rest), Value::Table(t)) => lookup(t, rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Arc<Origin> {
        Arc::new(Origin {
            name: "test.toml".into(),
            text: text.into(),
        })
    }

    #[test]
    fn values_keep_their_place() {
        let o = origin("a = 1\n[b]\nc = \"x\"\n");
        let (tree, problems) = parse(&o);
        assert!(problems.is_empty());
        let c = tree.table("b").unwrap().get("c").unwrap();
        assert_eq!(c.at.line(), 3);
        assert_eq!(&o.text[c.at.span.clone()], "\"x\"");
        assert_eq!(&o.text[c.key_at.span.clone()], "c");
    }

    #[test]
    fn all_syntax_errors_are_reported() {
        let (_, problems) = parse(&origin("a = \nb = 1\nc == 2\n"));
        assert!(problems.len() >= 2, "{problems:?}");
    }

    #[test]
    fn quoted_texts_read_back() {
        for text in ["16M tokens", "a \"b\" \\ c", "line\nline\ttab", "\u{7f}\u{1}é東", ""] {
            let mut tree = Tree::default();
            set(&mut tree, &format!("x={}", quoted(text))).unwrap();
            assert_eq!(lookup(&tree, "x").unwrap().value, Value::Text(text.into()));
        }
    }

    #[test]
    fn set_overrides_and_creates() {
        let (mut tree, _) = parse(&origin("[cluster]\nnode = \"x\"\n"));
        set(&mut tree, "cluster.nodes=64").unwrap();
        set(&mut tree, "layout.recompute = full").unwrap();
        set(&mut tree, "cluster.node.idle_w=5").unwrap();
        assert_eq!(lookup(&tree, "cluster.nodes").unwrap().value, Value::Integer(64));
        assert_eq!(lookup(&tree, "layout.recompute").unwrap().value, Value::Text("full".into()));
        assert_eq!(lookup(&tree, "cluster.node.use").unwrap().value, Value::Text("x".into()));
        assert!(set(&mut tree, "nothing").is_err());
        assert!(set(&mut tree, "a..b=1").is_err());
        assert!(set(&mut tree, "cluster.nodes.deep=1").is_err());
    }
}
