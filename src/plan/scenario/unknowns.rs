//! `[unknowns]`: values of the scenario that are known by their distribution only.

use super::Builder;
use crate::catalog::raw::{Item, Tree, Value};
use crate::catalog::reader::{Reader, one_of};
use crate::error::{At, Diagnostic};
use crate::units::{self, Unit};

/// How a value may fall out.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// The normal distribution.
    Normal {
        /// Its mean.
        mean: f64,
        /// Its standard deviation.
        sd: f64,
    },
    /// The logarithm is normal.
    LogNormal {
        /// Half of the values lie below.
        median: f64,
        /// One standard deviation up multiplies by it, one down divides by it.
        factor: f64,
    },
    /// Rising in a line to the mode and falling from there.
    Triangular {
        /// Least value.
        low: f64,
        /// Likeliest value.
        mode: f64,
        /// Greatest value.
        high: f64,
    },
    /// All values between two are alike.
    Uniform {
        /// Least value.
        low: f64,
        /// Greatest value.
        high: f64,
    },
    /// The beta distribution, moved to between two values.
    Beta {
        /// First shape.
        a: f64,
        /// Second shape.
        b: f64,
        /// Least value.
        low: f64,
        /// Greatest value.
        high: f64,
    },
    /// One of these values, each as likely; in rising order.
    Empirical(Vec<f64>),
}

impl Shape {
    /// Its name in a scenario.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Shape::Normal { .. } => "normal",
            Shape::LogNormal { .. } => "lognormal",
            Shape::Triangular { .. } => "triangular",
            Shape::Uniform { .. } => "uniform",
            Shape::Beta { .. } => "beta",
            Shape::Empirical(_) => "empirical",
        }
    }
}

/// A value of the scenario that is known by its distribution only.
#[derive(Debug, Clone, PartialEq)]
pub struct Unknown {
    /// Its path, as `--set` takes it.
    pub path: String,
    /// How it may fall out.
    pub shape: Shape,
    /// Nothing below is drawn.
    pub low: Option<f64>,
    /// Nothing above is drawn.
    pub high: Option<f64>,
    /// What follows each number: its unit as the scenario writes it, or nothing.
    pub unit: String,
    /// Where it stands.
    pub at: At,
}

impl Unknown {
    /// A value as the scenario would write it: `0.07 USD/kWh`.
    #[must_use]
    pub fn written(&self, value: f64) -> String {
        // The shortest text that reads back as the same bits.
        let number = format!("{value:?}");
        let number = number.strip_suffix(".0").unwrap_or(&number);
        format!("{number} {}", self.unit).trim_end().to_string()
    }

    /// The same as `--set` takes it: `cost.electricity=0.07 USD/kWh`.
    #[must_use]
    pub fn assignment(&self, value: f64) -> String {
        format!("{}={}", self.path, self.written(value))
    }
}

/// Distributions by name with their parameters: the required ones, then those that may be left out.
const SHAPES: [(&str, &[&str]); 6] = [
    ("normal", &["mean", "sd"]),
    ("lognormal", &["median", "factor"]),
    ("triangular", &["low", "mode", "high"]),
    ("uniform", &["low", "high"]),
    ("beta", &["a", "b", "low", "high"]),
    ("empirical", &[]),
];
/// Parameters without the unit of the value.
const PURE: [&str; 3] = ["factor", "a", "b"];
/// Cuts of any distribution.
const CUTS: [&str; 2] = ["min", "max"];
/// Most values of an empirical distribution.
const MOST_VALUES: usize = 100_000;

/// What went wrong with one of them.
type Read<T> = Result<T, Diagnostic>;

/// A number of a distribution with the unit it was written in.
struct Number<'t> {
    value: f64,
    unit: &'t str,
    text: Option<&'t str>,
    at: &'t At,
}

impl Builder<'_> {
    /// `[unknowns]`; paths stand as quoted keys or as tables.
    pub(super) fn unknowns(&mut self, root: &Reader<'_>) -> Vec<Unknown> {
        let Some(item) = root.item("unknowns") else { return Vec::new() };
        let Value::Table(tree) = &item.value else {
            root.problem(
                "unknowns",
                format!("`unknowns` is {}, not a table", item.value.type_name()),
                example(),
            );
            return Vec::new();
        };
        let mut out = Vec::new();
        let mut problems = Vec::new();
        walk(tree, "", &mut out, &mut problems);
        if let Some((first, second)) = out
            .iter()
            .enumerate()
            .find_map(|(i, u)| Some((u, out[..i].iter().find(|v| v.path == u.path)?)))
        {
            problems.push(
                Diagnostic::new(format!("`unknowns` holds `{}` twice", first.path))
                    .at(&second.at)
                    .help("keep one of them"),
            );
        }
        root.report(problems);
        out
    }
}

fn example() -> String {
    "write for example \"cost.usd_per_device_hour\" = { triangular = [\"2 USD/h\", \"2.5 USD/h\", \"4 USD/h\"] }".to_string()
}

/// Whether a table says how a value is distributed.
fn is_distribution(tree: &Tree) -> bool {
    tree.entries
        .keys()
        .any(|k| SHAPES.iter().any(|(name, _)| name == k) || CUTS.contains(&k.as_str()))
}

fn walk(tree: &Tree, above: &str, out: &mut Vec<Unknown>, problems: &mut Vec<Diagnostic>) {
    for (key, item) in tree.entries.iter() {
        let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        match &item.value {
            Value::Table(inner) if is_distribution(inner) => match unknown(&path, inner, &item.key_at) {
                Ok(unknown) => out.push(unknown),
                Err(problem) => problems.push(problem),
            },
            Value::Table(inner) if !inner.entries.is_empty() && inner.entries.values().all(|i| matches!(i.value, Value::Table(_))) => {
                walk(inner, &path, out, problems);
            }
            _ => problems.push(not_one(&path, item)),
        }
    }
}

/// What stands where a distribution should.
fn not_one(path: &str, item: &Item) -> Diagnostic {
    let text = format!("`unknowns`: `{path}` names no distribution");
    let names: Vec<&str> = SHAPES.iter().map(|(name, _)| *name).collect();
    let help = match &item.value {
        Value::Table(t) => t.entries.keys().next().map_or_else(example, |wrong| one_of(wrong, &names)),
        _ => example(),
    };
    Diagnostic::new(text).at(&item.at).help(help)
}

fn unknown(path: &str, tree: &Tree, at: &At) -> Read<Unknown> {
    let refuse = |text: String, at: &At, help: String| Diagnostic::new(format!("`unknowns`: `{path}` {text}")).at(at).help(help);
    let given: Vec<(&str, &'static [&'static str], &Item)> = SHAPES
        .iter()
        .filter_map(|(name, parameters)| Some((*name, *parameters, tree.get(name)?)))
        .collect();
    let names: Vec<&str> = SHAPES.iter().map(|(name, _)| *name).chain(CUTS).collect();
    if let Some((key, item)) = tree.entries.iter().find(|(k, _)| !names.contains(&k.as_str())) {
        return Err(refuse(format!("has an unknown key `{key}`"), &item.key_at, one_of(key, &names)));
    }
    let [(name, parameters, item)] = given.as_slice() else {
        let text = format!("names {} distributions", given.len());
        return Err(refuse(text, at, format!("name one of {}", names[..SHAPES.len()].join(", "))));
    };
    let mut list = numbers(path, name, parameters, item)?;
    for cut in CUTS {
        if let Some(item) = tree.get(cut) {
            list.push((cut.to_string(), number(path, item)?));
        }
    }
    let (list, unit) = in_one_unit(path, list)?;
    let of = |key: &str| list.iter().find(|(name, _)| name == key).map(|(_, value)| *value);
    let shape = shape(name, &of, &list).map_err(|(text, help)| refuse(text, &item.at, help))?;
    let (least, most) = (of("min"), of("max"));
    if least.zip(most).is_some_and(|(least, most)| least >= most) {
        return Err(refuse(
            "has a `min` that is not below its `max`".to_string(),
            at,
            "exchange them".to_string(),
        ));
    }
    let path = path.to_string();
    let at = at.clone();
    Ok(Unknown {
        path,
        shape: cut_values(shape, least, most).ok_or_else(|| {
            Diagnostic::new("no value of the list lies between `min` and `max`")
                .at(&item.at)
                .help("widen them")
        })?,
        low: least,
        high: most,
        unit,
        at,
    })
}

/// Values of a list that are cut off are not drawn.
fn cut_values(shape: Shape, least: Option<f64>, most: Option<f64>) -> Option<Shape> {
    let Shape::Empirical(mut values) = shape else { return Some(shape) };
    values.retain(|v| least.is_none_or(|l| *v >= l) && most.is_none_or(|m| *v <= m));
    (!values.is_empty()).then_some(Shape::Empirical(values))
}

/// Parameters by name: `[…]` in their order, or a table of them.
fn numbers<'t>(path: &str, name: &str, parameters: &[&str], item: &'t Item) -> Read<Vec<(String, Number<'t>)>> {
    let wanted = || match name {
        "empirical" => "write empirical = [2.1, 2.4, 3.0]".to_string(),
        "normal" | "lognormal" => format!("write {name} = [{}], or {name} = {{ p10 = …, p90 = … }}", parameters.join(", ")),
        _ => format!("write {name} = [{}]", parameters.join(", ")),
    };
    let refuse = |text: String, at: &At| Diagnostic::new(format!("`unknowns`: `{path}`: {text}")).at(at).help(wanted());
    match &item.value {
        Value::Array(list) if name == "empirical" => {
            if list.is_empty() || list.len() > MOST_VALUES {
                return Err(refuse(
                    format!("`empirical` holds {} values, allowed are 1 to {MOST_VALUES}", list.len()),
                    &item.at,
                ));
            }
            list.iter()
                .enumerate()
                .map(|(i, item)| Ok((i.to_string(), number(path, item)?)))
                .collect()
        }
        Value::Array(list) => {
            let fits = list.len() == parameters.len() || (name == "beta" && list.len() == 2);
            if !fits {
                let text = format!("`{name}` takes {} numbers, not {}", parameters.len(), list.len());
                return Err(refuse(text, &item.at));
            }
            let named = parameters.iter().zip(list);
            named.map(|(key, item)| Ok(((*key).to_string(), number(path, item)?))).collect()
        }
        Value::Table(tree) if name != "empirical" => {
            let keys: Vec<&str> = tree.entries.keys().map(String::as_str).collect();
            let by_quantiles = matches!(name, "normal" | "lognormal") && keys == ["p10", "p90"];
            let mut sorted = parameters.to_vec();
            sorted.sort_unstable();
            if !by_quantiles && keys != sorted && !(name == "beta" && keys == ["a", "b"]) {
                return Err(refuse(format!("`{name}` takes {}", parameters.join(", ")), &item.at));
            }
            let entries = tree.entries.iter();
            entries.map(|(key, item)| Ok((key.clone(), number(path, item)?))).collect()
        }
        other => Err(refuse(format!("`{name}` is {}", other.type_name()), &item.at)),
    }
}

fn number<'t>(path: &str, item: &'t Item) -> Read<Number<'t>> {
    let refuse = |what: String| {
        Diagnostic::new(format!("`unknowns`: `{path}`: {what}"))
            .at(&item.at)
            .help("write 0.07 or \"0.07 USD/kWh\", as the key takes it")
    };
    let (value, unit, text) = match &item.value {
        #[allow(clippy::cast_precision_loss)]
        Value::Integer(i) => (*i as f64, "", None),
        Value::Float(f) => (*f, "", None),
        Value::Text(t) => {
            let (value, unit) = units::split(t).ok_or_else(|| refuse(format!("`{t}` does not start with a number")))?;
            (value, unit.trim(), Some(t.as_str()))
        }
        other => return Err(refuse(format!("{} stands where a number should", other.type_name()))),
    };
    if !value.is_finite() {
        return Err(refuse(format!("{value} is no finite number")));
    }
    Ok(Number {
        value,
        unit,
        text,
        at: &item.at,
    })
}

/// Parameters by name.
type Named = Vec<(String, f64)>;

/// The values in one unit: the one that all are written in, else a base unit that all fit.
fn in_one_unit(path: &str, list: Vec<(String, Number<'_>)>) -> Read<(Named, String)> {
    let pure = |key: &str| PURE.contains(&key);
    if let Some((key, n)) = list.iter().find(|(key, n)| pure(key) && !n.unit.is_empty()) {
        return Err(Diagnostic::new(format!("`unknowns`: `{path}`: `{key}` has the unit `{}`", n.unit))
            .at(n.at)
            .help(format!("`{key}` is a pure number: write 1.3")));
    }
    let first = list.iter().find(|(key, _)| !pure(key)).map_or("", |(_, n)| n.unit).to_string();
    let Some((_, other)) = list.iter().find(|(key, n)| !pure(key) && n.unit != first) else {
        return Ok((list.into_iter().map(|(key, n)| (key, n.value)).collect(), first));
    };
    let in_unit = |unit: Unit| -> Option<Named> {
        let one = |(key, n): &(String, Number<'_>)| match n.text {
            Some(text) if !pure(key) => Some((key.clone(), units::parse(text, unit).ok()?)),
            None if !pure(key) => None,
            _ => Some((key.clone(), n.value)),
        };
        list.iter().map(one).collect()
    };
    let found = Unit::ALL.iter().find_map(|unit| Some((in_unit(*unit)?, unit.symbol().to_string())));
    found.ok_or_else(|| {
        Diagnostic::new(format!("`unknowns`: `{path}` mixes the units `{first}` and `{}`", other.unit))
            .at(other.at)
            .help("write all numbers of one distribution in the unit that the key takes")
    })
}

/// 90th percentile of the normal distribution (statistical tables; `study::statistics` has the same).
const NORMAL_90: f64 = 1.281_551_565_544_600_4;

fn shape(name: &str, of: &dyn Fn(&str) -> Option<f64>, list: &[(String, f64)]) -> Result<Shape, (String, String)> {
    let get = |key: &str| of(key).unwrap_or(f64::NAN);
    let need = |holds: bool, text: &str, help: &str| if holds { Ok(()) } else { Err((text.to_string(), help.to_string())) };
    let by_quantiles = of("p10").zip(of("p90"));
    Ok(match name {
        "normal" => {
            let (mean, sd) = match by_quantiles {
                Some((p10, p90)) => ((p10 + p90) / 2.0, (p90 - p10) / (2.0 * NORMAL_90)),
                None => (get("mean"), get("sd")),
            };
            need(
                sd > 0.0,
                "has a standard deviation that is not above 0",
                "write a positive `sd`, or a `p10` below `p90`",
            )?;
            Shape::Normal { mean, sd }
        }
        "lognormal" => {
            let (median, factor) = match by_quantiles {
                Some((p10, p90)) => ((p10 * p90).sqrt(), ((p90 / p10).ln() / (2.0 * NORMAL_90)).exp()),
                None => (get("median"), get("factor")),
            };
            let holds = median > 0.0 && factor > 1.0 && factor.is_finite();
            need(
                holds,
                "has no log-normal distribution of these numbers",
                "write a positive median and a factor above 1 (1.3: two thirds of the values lie within 30 %), or p10 and p90 with 0 < p10 < p90",
            )?;
            Shape::LogNormal { median, factor }
        }
        "triangular" => {
            let (low, mode, high) = (get("low"), get("mode"), get("high"));
            need(
                low <= mode && mode <= high && low < high,
                "has a triangle whose corners are not in order",
                "write low ≤ mode ≤ high with low < high",
            )?;
            Shape::Triangular { low, mode, high }
        }
        "uniform" => {
            let (low, high) = (get("low"), get("high"));
            need(low < high, "has a lower end that is not below the upper one", "write low < high")?;
            Shape::Uniform { low, high }
        }
        "beta" => {
            let (a, b) = (get("a"), get("b"));
            let (low, high) = (of("low").unwrap_or(0.0), of("high").unwrap_or(1.0));
            let fine = |shape: f64| (0.01..=1e4).contains(&shape);
            need(
                fine(a) && fine(b) && low < high,
                "has no beta distribution of these numbers",
                "write shapes a and b from 0.01 to 10000 and low < high",
            )?;
            Shape::Beta { a, b, low, high }
        }
        _ => {
            let cut = |key: &str| CUTS.contains(&key);
            let mut values: Vec<f64> = list.iter().filter(|(key, _)| !cut(key)).map(|(_, value)| *value).collect();
            values.sort_by(f64::total_cmp);
            Shape::Empirical(values)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::plan::Scenario;

    fn read(sets: &[&str]) -> crate::Result<Vec<Unknown>> {
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        Scenario::load("llama3-405b", &sets, Catalog::builtin()).map(|(s, _)| s.unknowns)
    }

    #[test]
    fn distributions_are_read_with_their_units() {
        let list = read(&[
            "unknowns.cost.usd_per_device_hour={ triangular = [\"2 USD/h\", \"2.5 USD/h\", \"4 USD/h\"] }",
            "unknowns.reliability.node_mtbf={ lognormal = { p10 = \"1 y\", p90 = \"2000 d\" } }",
            "unknowns.training.tokens={ empirical = [15e12, 14e12], max = 14.5e12 }",
            "unknowns.region.us-east-1.pue={ beta = { a = 2, b = 5, low = 1.05, high = 1.4 }, max = 1.3 }",
        ])
        .unwrap();
        let of = |path: &str| list.iter().find(|u| u.path == path).unwrap();
        let price = of("cost.usd_per_device_hour");
        assert_eq!(price.unit, "USD/h");
        assert_eq!(price.assignment(2.0), "cost.usd_per_device_hour=2 USD/h");
        assert_eq!(
            price.shape,
            Shape::Triangular {
                low: 2.0,
                mode: 2.5,
                high: 4.0
            }
        );
        let mtbf = of("reliability.node_mtbf");
        assert_eq!(mtbf.unit, "s");
        let (p10, p90) = (units::YEAR_S, 2000.0 * units::DAY_S);
        let Shape::LogNormal { median, factor } = mtbf.shape else {
            panic!("{mtbf:?}")
        };
        assert!((median / (p10 * p90).sqrt() - 1.0).abs() < 1e-12);
        assert!((median * factor.powf(NORMAL_90) / p90 - 1.0).abs() < 1e-12);
        assert_eq!(of("training.tokens").shape, Shape::Empirical(vec![14e12]));
        assert_eq!(of("region.us-east-1.pue").high, Some(1.3));
    }

    #[test]
    fn what_is_wrong_is_told_with_a_way_out() {
        for (set, words) in [
            ("unknowns.cost.usd_per_device_hour={ normal = [1] }", "takes 2 numbers"),
            ("unknowns.cost.usd_per_device_hour={ normal = [1, 0] }", "not above 0"),
            ("unknowns.cost.usd_per_device_hour={ norml = [1, 2] }", "did you mean `normal`"),
            ("unknowns.cost.usd_per_device_hour=3", "names no distribution"),
            ("unknowns.cost.x={ uniform = [2, 1] }", "low < high"),
            ("unknowns.cost.x={ uniform = [\"1 d\", \"2 USD\"] }", "mixes the units"),
            ("unknowns.cost.x={ uniform = [\"1 d\", 2] }", "mixes the units"),
            ("unknowns.cost.x={ lognormal = [2, 0.5] }", "a factor above 1"),
            ("unknowns.cost.x={ lognormal = [2, \"2 d\"] }", "pure number"),
            ("unknowns.cost.x={ triangular = [2, 1, 3] }", "low ≤ mode ≤ high"),
            ("unknowns.cost.x={ beta = [0, 1] }", "0.01"),
            ("unknowns.cost.x={ empirical = [] }", "1 to"),
            ("unknowns.cost.x={ empirical = [1, true] }", "true or false"),
            ("unknowns.cost.x={ normal = [1, 2], min = 3, max = 2 }", "not below"),
            ("unknowns.cost.x={ normal = [1, 2], uniform = [1, 2] }", "names 2 distributions"),
            ("unknowns.cost.x={ min = 3 }", "names 0 distributions"),
            ("unknowns.cost.x={ empirical = [1], min = 3 }", "no value of the list"),
            ("unknowns=3", "not a table"),
        ] {
            let text = read(&[set]).unwrap_err().to_string();
            assert!(text.contains(words), "{set}: {text}");
        }
    }
}
