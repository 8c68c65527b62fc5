//! What a study varies.

use crate::catalog::raw::{self, Item, Value as Written};
use crate::error::At;
use std::fmt;

/// One value of a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// Words or a quantity with its unit.
    Text(String),
    /// True or false.
    Flag(bool),
    /// Any other TOML value, as it is written in one line.
    Literal(String),
}

impl Value {
    /// A value of a study file.
    #[must_use]
    pub fn of(item: &Item) -> Value {
        match &item.value {
            Written::Integer(n) => Value::Integer(*n),
            Written::Float(x) => Value::Number(*x),
            Written::Text(t) => Value::Text(t.clone()),
            Written::Bool(b) => Value::Flag(*b),
            other => Value::Literal(literal(other)),
        }
    }

    /// As TOML writes it: what stands behind `--set path=`.
    #[must_use]
    pub fn literal(&self) -> String {
        match self {
            Value::Integer(n) => n.to_string(),
            Value::Number(x) => literal(&Written::Float(*x)),
            Value::Text(t) => literal(&Written::Text(t.clone())),
            Value::Flag(b) => b.to_string(),
            Value::Literal(t) => t.clone(),
        }
    }

    /// The number that it is, if it is one.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            #[allow(clippy::cast_precision_loss)]
            Value::Integer(n) => Some(*n as f64),
            Value::Number(x) => Some(*x),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            other => f.write_str(&other.literal()),
        }
    }
}

fn literal(value: &Written) -> String {
    match value {
        Written::Integer(n) => n.to_string(),
        // Shortest digits that read back the same; with a point, as TOML wants it.
        Written::Float(x) => format!("{x:?}"),
        Written::Bool(b) => b.to_string(),
        Written::Date(d) => d.clone(),
        Written::Text(t) => raw::quoted(t),
        Written::Array(list) => {
            let list: Vec<String> = list.iter().map(|i| literal(&i.value)).collect();
            format!("[{}]", list.join(", "))
        }
        Written::Table(tree) => {
            let pair = |(key, item): (&String, &Item)| format!("{} = {}", raw::quoted(key), literal(&item.value));
            let list: Vec<String> = tree.entries.iter().map(pair).collect();
            format!("{{ {} }}", list.join(", "))
        }
    }
}

/// Paths that take their values together.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Dotted paths of a scenario, as `--set` takes them.
    pub paths: Vec<String>,
    /// The points: one value for each path.
    pub values: Vec<Vec<Value>>,
    /// The same as `path=value`.
    pub overrides: Vec<Vec<String>>,
    /// Where it stands in the study file.
    pub at: Option<At>,
}

/// Paths that a step does not depend on, or what they begin with.
///
/// Only the order of the cases, and so the speed, rests on this list: whether two cases have the same
/// step is looked at ([`crate::plan::same_step`]).
const QUICK: [&str; 14] = [
    "training.tokens",
    "reliability.",
    "cost.",
    "limits.",
    "power.",
    "carbon.",
    "unknowns.",
    "cluster.region",
    "cluster.storage",
    "region.",
    "grid.",
    "offer.",
    "finance.",
    "name",
];

impl Axis {
    /// An axis from its paths and points.
    #[must_use]
    pub fn new(paths: Vec<String>, values: Vec<Vec<Value>>) -> Axis {
        let overrides = values
            .iter()
            .map(|point| {
                paths
                    .iter()
                    .zip(point)
                    .map(|(path, value)| format!("{path}={}", value.literal()))
                    .collect()
            })
            .collect();
        Axis {
            paths,
            values,
            overrides,
            at: None,
        }
    }

    /// Points.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Without points; no study has such an axis.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether a step may depend on it.
    #[must_use]
    pub fn changes_step(&self) -> bool {
        let quick = |path: &String| QUICK.iter().any(|q| if q.ends_with('.') { path.starts_with(q) } else { path == q });
        !self.paths.iter().all(quick)
    }
}
