//! Conditions on cases: `layout.tensor * layout.pipeline <= 64`, `cluster.accelerator != 'a100-sxm-80gb'`.

use super::Axis;
use super::axis::Value;
use crate::error::nearest;

/// One condition; a case is dropped when it does not hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// As it was written.
    pub text: String,
    left: Side,
    compare: Compare,
    right: Side,
}

/// A product of paths and numbers, or a word.
#[derive(Debug, Clone, PartialEq)]
enum Side {
    Product(Vec<Factor>),
    Word(String),
}

#[derive(Debug, Clone, PartialEq)]
enum Factor {
    Number(f64),
    /// A path by its axis and its place there.
    Path {
        axis: usize,
        path: usize,
    },
    Inverse(Box<Factor>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    Unequal,
}

/// Longer signs before those that they begin with.
const SIGNS: [(&str, Compare); 6] = [
    ("<=", Compare::LessOrEqual),
    (">=", Compare::GreaterOrEqual),
    ("==", Compare::Equal),
    ("!=", Compare::Unequal),
    ("<", Compare::Less),
    (">", Compare::Greater),
];

impl Filter {
    /// Read a condition over the paths of these axes.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn parse(text: &str, axes: &[Axis]) -> Result<Filter, (String, String)> {
        let found = SIGNS.iter().filter_map(|(sign, c)| Some((text.find(sign)?, *sign, *c)));
        // The first in the text; of two at one place the longer.
        let Some((at, sign, compare)) = found.min_by_key(|(at, sign, _)| (*at, std::cmp::Reverse(sign.len()))) else {
            let help = "write for example \"layout.tensor * layout.pipeline <= 64\"; signs: < <= > >= == !=";
            return Err((format!("`{text}` compares nothing"), help.to_string()));
        };
        let (left, right) = (side(&text[..at], axes)?, side(&text[at + sign.len()..], axes)?);
        let ordered = !matches!(compare, Compare::Equal | Compare::Unequal);
        let filter = Filter {
            text: text.to_string(),
            left,
            compare,
            right,
        };
        filter.check(axes, ordered)?;
        Ok(filter)
    }

    /// Words are equal or not; numbers are needed for everything else.
    fn check(&self, axes: &[Axis], ordered: bool) -> Result<(), (String, String)> {
        let wordy = |side: &Side| match side {
            Side::Word(word) => Some(word.clone()),
            Side::Product(list) => list.iter().find_map(|f| worded(f, axes)),
        };
        let words = [wordy(&self.left), wordy(&self.right)];
        let product = |side: &Side| matches!(side, Side::Product(list) if list.len() > 1);
        let counts = ordered || product(&self.left) || product(&self.right);
        if let (true, Some(word)) = (counts, words.iter().flatten().next()) {
            let help = "only numbers have an order and a product; compare words by == or !=";
            return Err((format!("`{}`: `{word}` is no number", self.text), help.to_string()));
        }
        Ok(())
    }

    /// Whether it holds where paths have these values.
    pub fn holds<'v>(&self, value: impl Fn(usize, usize) -> &'v Value + Copy) -> bool {
        match (self.left.number(value), self.right.number(value)) {
            (Some(a), Some(b)) => self.compare.holds(a.total_cmp(&b)),
            _ => self.compare.holds(self.left.word(value).cmp(&self.right.word(value))),
        }
    }
}

impl Compare {
    fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Compare::Less => order.is_lt(),
            Compare::LessOrEqual => order.is_le(),
            Compare::Greater => order.is_gt(),
            Compare::GreaterOrEqual => order.is_ge(),
            Compare::Equal => order.is_eq(),
            Compare::Unequal => order.is_ne(),
        }
    }
}

impl Side {
    fn number<'v>(&self, value: impl Fn(usize, usize) -> &'v Value + Copy) -> Option<f64> {
        match self {
            Side::Word(_) => None,
            Side::Product(list) => list.iter().try_fold(1.0, |product, f| Some(product * f.number(value)?)),
        }
    }

    fn word<'v>(&self, value: impl Fn(usize, usize) -> &'v Value + Copy) -> String {
        match self {
            Side::Word(word) => word.clone(),
            Side::Product(list) => match list.as_slice() {
                [Factor::Path { axis, path }] => value(*axis, *path).to_string(),
                _ => self.number(value).map_or_else(String::new, |n| n.to_string()),
            },
        }
    }
}

impl Factor {
    fn number<'v>(&self, value: impl Fn(usize, usize) -> &'v Value + Copy) -> Option<f64> {
        match self {
            Factor::Number(n) => Some(*n),
            Factor::Path { axis, path } => value(*axis, *path).number(),
            Factor::Inverse(of) => of.number(value).map(|n| 1.0 / n),
        }
    }
}

/// A value of a factor that is no number, if there is one.
fn worded(factor: &Factor, axes: &[Axis]) -> Option<String> {
    match factor {
        Factor::Number(_) => None,
        Factor::Inverse(of) => worded(of, axes),
        Factor::Path { axis, path } => {
            let values = axes[*axis].values.iter().map(|point| &point[*path]);
            values.into_iter().find(|v| v.number().is_none()).map(Value::to_string)
        }
    }
}

fn side(text: &str, axes: &[Axis]) -> Result<Side, (String, String)> {
    let text = text.trim();
    let quoted = |mark: char| text.strip_prefix(mark)?.strip_suffix(mark);
    if let Some(word) = quoted('\'').or_else(|| quoted('"')) {
        return Ok(Side::Word(word.to_string()));
    }
    if text == "true" || text == "false" {
        return Ok(Side::Word(text.to_string()));
    }
    let mut factors = Vec::new();
    for dividend in text.split('*') {
        for (j, word) in dividend.split('/').enumerate() {
            let factor = factor(word.trim(), axes)?;
            factors.push(if j > 0 { Factor::Inverse(Box::new(factor)) } else { factor });
        }
    }
    Ok(Side::Product(factors))
}

fn factor(word: &str, axes: &[Axis]) -> Result<Factor, (String, String)> {
    if let Ok(number) = word.replace('_', "").parse::<f64>() {
        return Ok(Factor::Number(number));
    }
    let places = axes
        .iter()
        .enumerate()
        .flat_map(|(a, axis)| axis.paths.iter().enumerate().map(move |(p, path)| (a, p, path)));
    if let Some((axis, path, _)) = places.into_iter().find(|(.., path)| *path == word) {
        return Ok(Factor::Path { axis, path });
    }
    let paths: Vec<&str> = axes.iter().flat_map(|a| a.paths.iter().map(String::as_str)).collect();
    let guess = nearest(word, paths.iter().copied()).map_or_else(String::new, |n| format!("did you mean `{n}`? "));
    let help = format!(
        "{guess}name the path of an axis ({}), a number, or a word in single quotes",
        paths.join(", ")
    );
    Err((format!("`{word}` is neither an axis nor a number"), help))
}
