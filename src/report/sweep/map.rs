//! One metric over two axes.

use super::super::svg::Heat;
use super::super::{Block, Cell, Chart, Document, KeyValue, Kind, Span};
use crate::catalog::reader::one_of;
use crate::error::{Diagnostic, Result};
use crate::study::sweep::row::{self, COLUMNS};
use std::collections::BTreeSet;

/// Most values of an axis of a map: nobody tells more apart.
const MAX_VALUES: usize = 200;

/// Metrics of which more is better; of the others less is.
const MORE: [&str; 4] = ["tokens_per_s_per_device", "mfu", "hfu", "goodput"];

/// Which map is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    /// The metric: a column of numbers.
    pub metric: String,
    /// The axis to the right; the first that varies if none is named.
    pub x: Option<String>,
    /// The axis down; the next that varies.
    pub y: Option<String>,
    /// Axes that are held at a value.
    pub held: Vec<(String, String)>,
}

/// Collects the rows of a file of results.
#[derive(Debug)]
pub struct Mapper {
    question: Question,
    names: Vec<String>,
    n_axes: usize,
    metric: usize,
    held: Vec<(usize, String)>,
    /// Values of each axis in the order in which they appear.
    values: Vec<Vec<String>>,
    /// Points of each axis and the metric, of each row that is not held back.
    rows: Vec<(Vec<u32>, f64)>,
    n_dropped: u64,
}

impl Mapper {
    /// A map of a file with these columns.
    ///
    /// # Errors
    /// When a named column is not there or holds no numbers.
    pub fn new(names: Vec<String>, question: Question) -> Result<Mapper> {
        let first = names.iter().position(|n| n == COLUMNS[0].0).unwrap_or(names.len());
        let axes: Vec<&str> = names.iter().take(first).skip(1).map(String::as_str).collect();
        let axis = |flag: &str, name: &str| {
            let wrong = || Diagnostic::new(format!("{flag}: no axis is called `{name}`")).help(one_of(name, &axes));
            axes.iter().position(|a| *a == name).ok_or_else(wrong)
        };
        for (flag, name) in [("--x", &question.x), ("--y", &question.y)] {
            if let Some(name) = name {
                axis(flag, name)?;
            }
        }
        let held = question
            .held
            .iter()
            .map(|(name, value)| Ok((axis("--where", name)?, value.clone())));
        let held = held.collect::<Result<Vec<_>>>()?;
        let metrics: Vec<&str> = COLUMNS
            .iter()
            .filter(|(_, k)| matches!(k, row::Kind::Number | row::Kind::Whole))
            .map(|c| c.0)
            .collect();
        let known = metrics.contains(&question.metric.as_str());
        let metric = names.iter().position(|n| *n == question.metric).filter(|_| known);
        let metric = metric.ok_or_else(|| {
            let text = format!("--metric: no column of numbers is called `{}`", question.metric);
            Diagnostic::new(text).help(one_of(&question.metric, &metrics))
        })?;
        Ok(Mapper {
            n_axes: axes.len(),
            values: vec![Vec::new(); axes.len()],
            rows: Vec::new(),
            n_dropped: 0,
            question,
            metric,
            held,
            names,
        })
    }

    /// Look at a row.
    pub fn see(&mut self, cells: &[row::Cell]) {
        let words: Vec<String> = cells.iter().skip(1).take(self.n_axes).map(super::word).collect();
        if self.held.iter().any(|(axis, value)| words.get(*axis) != Some(value)) {
            return;
        }
        let mut points = Vec::with_capacity(words.len());
        for (known, word) in self.values.iter_mut().zip(words) {
            let at = known.iter().rposition(|v| *v == word).unwrap_or_else(|| {
                known.push(word);
                known.len() - 1
            });
            points.push(u32::try_from(at).unwrap_or(u32::MAX));
        }
        #[allow(clippy::cast_precision_loss)]
        let value = match cells.get(self.metric) {
            Some(row::Cell::Number(x)) => *x,
            Some(row::Cell::Whole(n)) => *n as f64,
            _ => f64::NAN,
        };
        self.n_dropped += u64::from(value.is_nan());
        self.rows.push((points, value));
    }

    /// The map.
    ///
    /// # Errors
    /// When there is nothing to draw, or more than anybody can tell apart.
    pub fn finish(self) -> Result<Document> {
        if self.rows.is_empty() {
            let help = "look at the values of the axes with `exaplan sweep map` without --where";
            return Err(Diagnostic::new("no case is left to draw").help(help).into());
        }
        let named = |name: &Option<String>| name.as_ref().and_then(|n| self.names.iter().skip(1).position(|m| m == n));
        let (x, y) = (named(&self.question.x), named(&self.question.y));
        let mut varying = (0..self.n_axes).filter(|a| self.values[*a].len() > 1 && Some(*a) != x && Some(*a) != y);
        let x = x.or_else(|| varying.next());
        // Axes that move together make a diagonal.
        let y = y.or_else(|| {
            varying
                .clone()
                .find(|a| x.is_none_or(|x| !self.together(x, *a)))
                .or_else(|| varying.next())
        });
        let others: Vec<&str> = (0..self.n_axes)
            .filter(|a| Some(*a) != x && Some(*a) != y && self.values[*a].len() > 1)
            .map(|a| self.names[a + 1].as_str())
            .collect();
        for axis in [x, y].into_iter().flatten() {
            let n = self.values[axis].len();
            if n > MAX_VALUES {
                let text = format!("`{}` has {n} values, more than the {MAX_VALUES} of a map", self.names[axis + 1]);
                return Err(Diagnostic::new(text).help("take another axis, or read the Parquet file").into());
            }
        }
        let heat = self.heat(x, y);
        Ok(self.document(heat, &others))
    }

    /// Whether each value of an axis comes with one of the other alone.
    fn together(&self, a: usize, b: usize) -> bool {
        let pairs: BTreeSet<(u32, u32)> = self.rows.iter().map(|(points, _)| (points[a], points[b])).collect();
        pairs.len() <= self.values[a].len().max(self.values[b].len())
    }

    fn heat(&self, x: Option<usize>, y: Option<usize>) -> Heat {
        let labels = |axis: Option<usize>| axis.map_or_else(|| vec![String::new()], |a| self.values[a].clone());
        let name = |axis: Option<usize>| axis.map_or_else(String::new, |a| self.names[a + 1].clone());
        let (columns, rows) = (labels(x), labels(y));
        let mut values = vec![f64::NAN; columns.len() * rows.len()];
        let more = MORE.contains(&self.question.metric.as_str());
        for (points, value) in &self.rows {
            let at = |axis: Option<usize>| axis.map_or(0, |a| points[a] as usize);
            let held = &mut values[at(y) * columns.len() + at(x)];
            if held.is_nan() || (more && value > held) || (!more && value < held) {
                *held = *value;
            }
        }
        Heat {
            title: format!(
                "{} by {}",
                title(&self.question.metric),
                [name(x), name(y)]
                    .into_iter()
                    .filter(|n| !n.is_empty())
                    .collect::<Vec<_>>()
                    .join(" and ")
            ),
            kind: kind(&self.question.metric),
            x: name(x),
            y: name(y),
            columns,
            rows,
            values,
        }
    }

    fn document(&self, heat: Heat, others: &[&str]) -> Document {
        let held: Vec<String> = self.question.held.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let mut blocks = vec![Block::Chart(Chart::Heat(heat))];
        if !others.is_empty() {
            let which = if MORE.contains(&self.question.metric.as_str()) {
                "most"
            } else {
                "least"
            };
            let text = format!("Each cell is the {which} over {}.", others.join(", "));
            blocks.push(Block::Paragraph(vec![Span::plain(text)]));
        }
        #[allow(clippy::cast_precision_loss)]
        if self.n_dropped > 0 {
            let cases =
                KeyValue::new("Without", Cell::Count(self.n_dropped as f64)).note("cases that fit no layout or have no such figure");
            blocks.push(Block::KeyValues(vec![cases]));
        }
        Document {
            title: self.question.metric.clone(),
            subtitle: held.join(", "),
            blocks,
            provenance: super::provenance(),
        }
    }
}

/// `cost_usd` as people say it: `Cost`.
#[must_use]
pub fn title(metric: &str) -> String {
    let suffix = kind(metric).suffix();
    let bare = metric
        .strip_suffix(&format!("_{suffix}"))
        .filter(|_| !suffix.is_empty())
        .unwrap_or(metric);
    let words = bare.replace('_', " ");
    let mut signs = words.chars();
    signs
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(signs).collect())
}

/// How people see a metric, by the ending of its name.
#[must_use]
pub fn kind(metric: &str) -> Kind {
    const ENDINGS: [(&str, Kind); 12] = [
        ("tokens_per_s_per_device", Kind::Rate("tokens/s")),
        ("usd_per_device_hour", Kind::Rate("USD/h")),
        ("_kg_co2e", Kind::Carbon),
        ("_bytes", Kind::Bytes),
        ("_usd", Kind::Usd),
        ("mfu", Kind::Percent),
        ("hfu", Kind::Percent),
        ("goodput", Kind::Percent),
        ("_s", Kind::Duration),
        ("_j", Kind::Energy),
        ("_w", Kind::Si("W")),
        ("_l", Kind::Si("L")),
    ];
    let whole = COLUMNS.iter().any(|(name, kind)| *name == metric && *kind == row::Kind::Whole);
    let ending = ENDINGS.iter().find(|(ending, _)| metric.ends_with(ending)).map(|(_, kind)| *kind);
    ending.filter(|_| !whole).unwrap_or(Kind::Plain(if whole { 0 } else { 2 }))
}
