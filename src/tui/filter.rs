//! `/`: words, and comparisons of fields in our units: `70b`, `!h100`, `musd < 4 and mem < 70 gib`.

use super::figures::{FIGURES, by_field};
use crate::error::nearest;
use crate::units;

/// What a list is filtered by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Alternatives; each a list of conditions that all hold.
    any: Vec<Vec<Term>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Term {
    /// The text holds it, or not.
    Word(String, bool),
    /// A field against a value.
    Compare(&'static str, Op, f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
}

const OPS: [(&str, Op); 5] = [
    ("<=", Op::LessEqual),
    (">=", Op::GreaterEqual),
    ("<", Op::Less),
    (">", Op::Greater),
    ("=", Op::Equal),
];

impl Filter {
    /// Read a filter.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn parse(text: &str) -> Result<Filter, String> {
        let mut any = Vec::new();
        for part in split(text, " or ") {
            let terms = split(&part, " and ").iter().map(|t| term(t)).collect::<Result<Vec<_>, _>>()?;
            let terms: Vec<Term> = terms.into_iter().flatten().collect();
            if !terms.is_empty() {
                any.push(terms);
            }
        }
        Ok(Filter { any })
    }

    /// Whether something with this text and these fields is kept.
    #[must_use]
    pub fn holds(&self, text: &str, value: &dyn Fn(&str) -> Option<f64>) -> bool {
        let text = text.to_lowercase();
        let one = |t: &Term| match t {
            Term::Word(word, wanted) => text.contains(word) == *wanted,
            Term::Compare(field, op, bound) => value(field).is_some_and(|v| match op {
                Op::Less => v < *bound,
                Op::LessEqual => v <= *bound,
                Op::Greater => v > *bound,
                Op::GreaterEqual => v >= *bound,
                // As people read three digits.
                Op::Equal => (v - bound).abs() <= 5e-4 * bound.abs(),
            }),
        };
        self.any.is_empty() || self.any.iter().any(|all| all.iter().all(one))
    }
}

fn split(text: &str, word: &str) -> Vec<String> {
    format!(" {} ", text.trim()).split(word).map(|p| p.trim().to_string()).collect()
}

/// One condition, or words that must all be there.
fn term(text: &str) -> Result<Vec<Term>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let Some((at, sign, op)) = OPS
        .iter()
        .filter_map(|(sign, op)| text.find(sign).map(|at| (at, *sign, *op)))
        .min_by_key(|(at, sign, _)| (*at, std::cmp::Reverse(sign.len())))
    else {
        let word = |w: &str| match w.strip_prefix('!') {
            Some(rest) => Term::Word(rest.to_lowercase(), false),
            None => Term::Word(w.to_lowercase(), true),
        };
        return Ok(text.split_whitespace().map(word).collect());
    };
    let (name, value) = (text[..at].trim(), text[at + sign.len()..].trim());
    let Some(figure) = by_field(name) else {
        let names = FIGURES.iter().map(|f| f.field);
        let guess = nearest(name, names.clone()).map_or_else(String::new, |n| format!("did you mean `{n}`? "));
        return Err(format!(
            "no field `{name}`; {guess}there are {}",
            names.collect::<Vec<_>>().join(", ")
        ));
    };
    let (unit, factor) = figure.unit;
    if value.is_empty() {
        return Err(format!("`{name} {sign}` lacks a value, for example {}", unit.example()));
    }
    let bound = match value.replace(',', "").parse::<f64>() {
        Ok(number) => number * factor,
        // People write `gib`; the symbol is `GiB`.
        Err(_) => units::parse(&cased(value), unit).map_err(|why| format!("`{value}`: {why}; write {}", unit.example()))?,
    };
    Ok(vec![Term::Compare(figure.field, op, bound)])
}

/// Units in the case that the units room reads.
fn cased(text: &str) -> String {
    const KNOWN: [(&str, &str); 10] = [
        ("gib", "GiB"),
        ("gb", "GB"),
        ("musd", "MUSD"),
        ("usd", "USD"),
        ("mwh", "MWh"),
        ("gwh", "GWh"),
        ("mw", "MW"),
        ("tco2e", "tCO2e"),
        ("kw", "kW"),
        ("tib", "TiB"),
    ];
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let known = KNOWN.iter().find(|(lower, _)| unit.to_lowercase() == *lower);
    format!("{number}{}", known.map_or(unit, |(_, right)| right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(filter: &str, text: &str) -> bool {
        let value = |field: &str| match field {
            "musd" => Some(3.91e6),
            "mem" => Some(70.0 * units::GIB_BYTES),
            "days" => Some(67.2 * units::DAY_S),
            "mfu" => Some(0.412),
            _ => None,
        };
        Filter::parse(filter).unwrap().holds(text, &value)
    }

    #[test]
    fn words_and_fields_with_units() {
        for (filter, wanted) in [
            ("", true),
            ("h100 70B", true),
            ("!h100", false),
            ("musd < 4 and mem < 80 gib", true),
            ("musd<3.9", false),
            ("days >= 67 d and mfu > 40 %", true),
            ("mfu > 50", false),
            ("h200 or days < 70", true),
            ("mem <= 70", true),
            ("water < 5", false),
            ("musd = 3.91", true),
        ] {
            assert_eq!(holds(filter, "70b-1024xh100"), wanted, "{filter}");
        }
    }

    #[test]
    fn mistakes_say_what_there_is() {
        let wrong = Filter::parse("dayz < 4").unwrap_err();
        assert!(wrong.contains("did you mean `days`?"), "{wrong}");
        assert!(Filter::parse("mem < 4 parsec").unwrap_err().contains("GiB"));
        assert!(Filter::parse("mem <").is_err());
    }
}
