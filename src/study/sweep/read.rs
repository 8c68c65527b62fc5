//! A study file: which scenario, which axes, which conditions.

use super::axis::{Axis, Value};
use super::filter::Filter;
use super::{MAX_CASES, Study};
use crate::catalog::digest_text;
use crate::catalog::raw::{self, Item, Tree, Value as Written};
use crate::catalog::reader::{Bounds::Within, Problems, Reader};
use crate::error::{At, Error, Origin, Result};
use crate::units::{self, Unit};
use std::sync::Arc;

/// Most points of one axis.
const MAX_POINTS: usize = 10_000_000;

impl Study {
    /// Read a study.
    ///
    /// # Errors
    /// Every problem of the text, with its place and a remedy.
    pub fn parse(origin: &Arc<Origin>) -> Result<Study> {
        let (tree, broken) = raw::parse(origin);
        if !broken.is_empty() {
            return Err(Error::Invalid(broken));
        }
        let problems = Problems::default();
        let at = At {
            origin: origin.clone(),
            span: 0..0,
        };
        let root = Reader::new(&tree, "", &at, &problems);
        let study = read(&root, origin);
        root.finish();
        if problems.is_empty() {
            Ok(study)
        } else {
            Err(Error::Invalid(problems.into_list()))
        }
    }
}

fn read(root: &Reader<'_>, origin: &Origin) -> Study {
    let _ = root.number("format", Unit::One, Within(1.0, 1.0));
    root.skip(&["note"]);
    let tables = root.tables("axis");
    if tables.is_empty() && root.item("axis").is_none() {
        let help = "add [[axis]] with path = \"cluster.nodes\" and values = [512, 1024]";
        root.problem("axis", "the study varies nothing: `[[axis]]` is missing", help);
    }
    let mut axes: Vec<Axis> = tables.iter().filter_map(axis).collect();
    let set = root.texts("set");
    unique(root, &tables, &axes, &set);
    let numbers = axes.iter().map(Axis::len).try_fold(1_u64, |n, len| n.checked_mul(len as u64));
    if numbers.is_none_or(|n| n > MAX_CASES) {
        root.problem(
            "axis",
            format!("the axes span more than {MAX_CASES} cases"),
            "vary fewer values, or zip axes that belong together",
        );
        axes.clear();
    }
    // What a step rests on changes slowest, so that neighbours share it. The order given holds otherwise.
    axes.sort_by_key(|a| !a.changes_step());
    Study {
        name: root.text("name").unwrap_or_else(|| "unnamed study".to_string()),
        scenario: root.need_text("scenario"),
        filters: filters(root, &axes),
        set,
        axes,
        digest: digest_text(&origin.text),
    }
}

/// No path may be set twice: the later value would win without a word.
fn unique(root: &Reader<'_>, tables: &[Reader<'_>], axes: &[Axis], set: &[String]) {
    let fixed = set.iter().filter_map(|s| s.split_once('=')).map(|(path, _)| path.trim());
    for path in fixed {
        if axes.iter().any(|a| a.paths.iter().any(|p| p == path)) {
            let help = "leave it out of set, or out of the axes";
            root.problem("set", format!("`{path}` is both set and an axis"), help);
        }
    }
    let mut seen: Vec<&str> = Vec::new();
    for (axis, table) in axes.iter().zip(tables) {
        for path in &axis.paths {
            if seen.contains(&path.as_str()) {
                table.problem("path", format!("`{path}` is an axis twice"), "keep one, or zip them");
            }
            if path.split('.').next() == Some("catalog") {
                let help = "give directories by --catalog, or in the scenario";
                table.problem("path", "`catalog` cannot be an axis", help);
            }
            seen.push(path);
        }
    }
}

fn axis(table: &Reader<'_>) -> Option<Axis> {
    let zip = table.item("zip");
    let path = table.text("path");
    let axis = match (zip, path) {
        (Some(item), None) => zipped(table, item),
        (None, Some(path)) => points(table).map(|list| Axis::new(vec![path], list.into_iter().map(|v| vec![v]).collect())),
        (Some(_), Some(_)) => {
            table.problem("zip", "an axis has either `path` or `zip`", "keep one");
            None
        }
        (None, None) => {
            let help = "add path = \"cluster.nodes\" and values = [512, 1024], or zip = { \"cluster.nodes\" = […], \"layout.data\" = […] }";
            table.problem("path", "an axis needs `path` or `zip`", help);
            None
        }
    };
    table.skip(&["note"]);
    table.finish();
    let mut axis = axis?;
    axis.at = Some(table.at().clone());
    Some(axis)
}

/// Paths whose lists are gone through together.
fn zipped(table: &Reader<'_>, item: &Item) -> Option<Axis> {
    let help = "write zip = { \"cluster.nodes\" = [512, 1024], \"layout.data\" = [32, 64] }";
    let Written::Table(tree) = &item.value else {
        table.problem(
            "zip",
            format!("`zip` is {}, expected a table of lists", item.value.type_name()),
            help,
        );
        return None;
    };
    let mut lists = Vec::new();
    flatten("", tree, &mut lists);
    let mut columns: Vec<(String, Vec<Value>)> = Vec::new();
    for (path, item) in lists {
        let Written::Array(list) = &item.value else {
            table.problem("zip", format!("`{path}` is {}, expected a list", item.value.type_name()), help);
            return None;
        };
        columns.push((path, values(table, "zip", list)?));
    }
    let Some(n) = columns.first().map(|(_, list)| list.len()).filter(|n| *n > 0) else {
        table.problem("zip", "`zip` holds no values", help);
        return None;
    };
    if let Some((path, list)) = columns.iter().find(|(_, list)| list.len() != n) {
        let text = format!("`{path}` has {} values, `{}` has {n}", list.len(), columns[0].0);
        table.problem(
            "zip",
            text,
            "zipped lists go together value by value: make them as long as each other",
        );
        return None;
    }
    let points = (0..n).map(|i| columns.iter().map(|(_, list)| list[i].clone()).collect());
    let points = points.collect();
    Some(Axis::new(columns.into_iter().map(|(path, _)| path).collect(), points))
}

/// `a.b = […]` and `"a.b" = […]` are the same path.
fn flatten<'a>(path: &str, tree: &'a Tree, out: &mut Vec<(String, &'a Item)>) {
    for (key, item) in tree.entries.iter() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match &item.value {
            Written::Table(inner) => flatten(&path, inner, out),
            _ => out.push((path, item)),
        }
    }
}

fn values(table: &Reader<'_>, key: &str, list: &[Item]) -> Option<Vec<Value>> {
    let values: Vec<Value> = list.iter().map(Value::of).collect();
    if values.iter().any(|v| matches!(v, Value::Number(x) if !x.is_finite())) {
        table.problem(key, "a value is not a finite number", "write finite numbers");
        return None;
    }
    Some(values)
}

/// The points of an axis with one path: a list or a range.
fn points(table: &Reader<'_>) -> Option<Vec<Value>> {
    let given = table.item("values");
    let ends = [table.item("from"), table.item("to")];
    let list = match (given, ends) {
        (Some(item), [None, None]) => match &item.value {
            Written::Array(list) => values(table, "values", list)?,
            other => {
                let text = format!("`values` is {}, expected a list", other.type_name());
                table.problem("values", text, "write values = [512, 1024], or from, to and n");
                return None;
            }
        },
        (None, [Some(from), Some(to)]) => range(table, from, to)?,
        _ => {
            let help = "write values = [512, 1024]; or from = 512, to = 2048 and one of n = 4, step = 512, factor = 2";
            table.problem("path", "an axis has either `values`, or `from` and `to`", help);
            return None;
        }
    };
    if list.is_empty() {
        table.problem("values", "an axis without values", "write at least one value");
        return None;
    }
    Some(list)
}

/// A number with what stands behind it: `15.6` and `T`.
struct Quantity {
    number: f64,
    unit: String,
    whole: bool,
}

fn quantity(table: &Reader<'_>, key: &str, item: &Item) -> Option<Quantity> {
    let bare = |number: f64, whole| Quantity {
        number,
        unit: String::new(),
        whole,
    };
    let read = match &item.value {
        #[allow(clippy::cast_precision_loss)]
        Written::Integer(n) => Some(bare(*n as f64, true)),
        Written::Float(x) => Some(bare(*x, false)),
        Written::Text(text) => units::split(text).map(|(number, unit)| Quantity {
            number,
            unit: unit.to_string(),
            whole: false,
        }),
        _ => None,
    };
    let read = read.filter(|q| q.number.is_finite());
    if read.is_none() {
        table.problem(key, format!("`{key}` is no number"), "write a number, or one with its unit: \"1T\"");
    }
    read
}

fn range(table: &Reader<'_>, from: &Item, to: &Item) -> Option<Vec<Value>> {
    let (from, to) = (quantity(table, "from", from)?, quantity(table, "to", to)?);
    if from.unit != to.unit {
        let text = format!(
            "`from` and `to` have different units: `{}` and `{}`",
            from.unit.trim(),
            to.unit.trim()
        );
        table.problem("to", text, "write both in one unit");
        return None;
    }
    let logarithmic = table.flag("log").unwrap_or(false);
    let n = table.count("n", 1, MAX_POINTS as u64);
    let step = table.item("step").and_then(|i| quantity(table, "step", i));
    let factor = table.number("factor", Unit::One, Within(1.000_001, 1e12));
    if let Some(step) = step
        .as_ref()
        .filter(|s| !(s.unit.is_empty() || s.unit == from.unit) || s.number <= 0.0)
    {
        let text = format!("`step` is {}{}", step.number, step.unit);
        table.problem("step", text, "write a step above 0, without unit or in that of `from`");
        return None;
    }
    if logarithmic && (from.number <= 0.0 || to.number <= 0.0) || factor.is_some() && from.number <= 0.0 {
        table.problem("from", "a logarithmic range begins above 0", "write positive ends");
        return None;
    }
    let (low, high) = (from.number, to.number);
    let numbers = match (n, step, factor) {
        (Some(n), None, None) => even(low, high, usize::try_from(n).unwrap_or(1), logarithmic),
        (None, Some(step), None) if !logarithmic => climb(low, high, |i| low + i * step.number),
        (None, None, Some(factor)) => climb(low, high, |i| low * factor.powf(i)),
        _ => {
            table.problem(
                "from",
                "a range needs one of `n`, `step` and `factor`",
                "write n = 5, step = 512, or factor = 2",
            );
            return None;
        }
    };
    if numbers.is_empty() || numbers.len() >= MAX_POINTS {
        let text = format!("a range from {low} to {high} with {} points", numbers.len());
        table.problem("from", text, format!("write one with 1 to {MAX_POINTS} points"));
        return None;
    }
    Some(written(numbers, from.whole && to.whole, &from.unit))
}

/// `n` numbers at equal distances, or at equal ratios; both ends are exact.
fn even(low: f64, high: f64, n: usize, logarithmic: bool) -> Vec<f64> {
    #[allow(clippy::cast_precision_loss)]
    let at = |i: usize| match i {
        0 => low,
        i if i + 1 == n => high,
        i => {
            let share = i as f64 / (n - 1) as f64;
            tidy(if logarithmic {
                low * (high / low).powf(share)
            } else {
                low + (high - low) * share
            })
        }
    };
    (0..n).map(at).collect()
}

/// Numbers up to `high`, which counts as reached within rounding.
fn climb(low: f64, high: f64, at: impl Fn(f64) -> f64) -> Vec<f64> {
    let limit = high + (high.abs() + low.abs()) * 1e-12;
    #[allow(clippy::cast_precision_loss)]
    let numbers = (0..MAX_POINTS).map(|i| tidy(at(i as f64)));
    numbers.take_while(|x| *x <= limit).collect()
}

/// Without the last digits, where only rounding is: 0.1 · 3 is 0.3.
fn tidy(x: f64) -> f64 {
    format!("{x:.12e}").parse().unwrap_or(x)
}

/// Between whole ends lie whole numbers, none twice.
fn written(numbers: Vec<f64>, whole: bool, unit: &str) -> Vec<Value> {
    if !unit.is_empty() {
        return numbers.into_iter().map(|x| Value::Text(format!("{x}{unit}"))).collect();
    }
    if !whole {
        return numbers.into_iter().map(Value::Number).collect();
    }
    #[allow(clippy::cast_possible_truncation)]
    let mut list: Vec<i64> = numbers.into_iter().map(|x| x.round() as i64).collect();
    list.dedup();
    list.into_iter().map(Value::Integer).collect()
}

fn filters(root: &Reader<'_>, axes: &[Axis]) -> Vec<Filter> {
    let read = |text: &String| match Filter::parse(text, axes) {
        Ok(filter) => Some(filter),
        Err((message, help)) => {
            root.problem("filters", message, help);
            None
        }
    };
    root.texts("filters").iter().filter_map(read).collect()
}
