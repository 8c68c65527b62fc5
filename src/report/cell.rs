//! One value: its text for people and its number for machines.

use crate::units::{self, DAY_S, GIB_BYTES, HOUR_S};

/// How people see a quantity. The value itself is always in the SI base unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Seconds, shown from `us` to `days`.
    Duration,
    /// Bytes, shown in GiB as devices report them.
    Bytes,
    /// The unit of this symbol, shown with a decimal prefix: `FLOP/s`, `B/s`, `W`, `tokens`.
    Si(&'static str),
    /// The unit of this symbol, never with a prefix: `USD/h`, `kg/kWh`.
    Rate(&'static str),
    /// Joules, shown in watt-hours.
    Energy,
    /// Kilograms CO2e, shown in kilograms or tonnes.
    Carbon,
    /// A fraction of one, shown in percent.
    Percent,
    /// A pure number with this many decimals.
    Plain(usize),
    /// US dollars.
    Usd,
    /// Parameters of a model, shown in millions, billions and trillions.
    Params,
    /// A point in time in decimal years, shown as `2028.4`.
    Year,
}

/// A unit that a quantity can be written in.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// How many base units it is.
    pub value: f64,
    /// Its symbol.
    pub unit: String,
}

const DECIMAL: [(f64, &str); 7] = [(1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T"), (1e15, "P"), (1e18, "E")];

impl Kind {
    /// The units it can be written in, each with the smallest magnitude that it is the best for, in rising order.
    fn steps(self) -> Vec<(f64, Scale)> {
        let list = |steps: &[(f64, f64, &str)]| steps.iter().map(|(from, value, unit)| (*from, scale(*value, unit))).collect();
        match self {
            Kind::Duration => list(&[
                (0.0, 1e-6, "us"),
                (1e-3, 1e-3, "ms"),
                (1.0, 1.0, "s"),
                (120.0, 60.0, "min"),
                (2.0 * HOUR_S, HOUR_S, "h"),
                (2.0 * DAY_S, DAY_S, "days"),
            ]),
            Kind::Bytes => list(&[(0.0, GIB_BYTES, "GiB")]),
            Kind::Si(symbol) => prefixed(1.0, symbol),
            Kind::Energy => prefixed(3600.0, "Wh"),
            Kind::Usd => prefixed(1.0, "USD"),
            Kind::Params => list(&[
                (0.0, 1.0, "params"),
                (0.9995e6, 1e6, "M params"),
                (0.9995e9, 1e9, "B params"),
                (0.9995e12, 1e12, "T params"),
            ]),
            Kind::Rate(symbol) => list(&[(0.0, 1.0, symbol)]),
            Kind::Carbon => list(&[(0.0, 1.0, "kgCO2e"), (1e3, 1e3, "tCO2e")]),
            Kind::Percent => list(&[(0.0, 0.01, "%")]),
            Kind::Plain(_) | Kind::Year => list(&[(0.0, 1.0, "")]),
        }
    }

    /// The unit in which a value of this size reads best.
    #[must_use]
    pub fn scale(self, value: f64) -> Scale {
        let magnitude = value.abs();
        let mut steps = self.steps();
        let base = steps.iter().find(|(_, s)| s.value == 1.0).map(|(_, s)| s.clone());
        let best = steps.iter().rposition(|(from, _)| magnitude >= *from).unwrap_or(0);
        let best = steps.swap_remove(best).1;
        match (self, base) {
            // Zero has no size, and beyond the largest prefix powers of ten read better.
            (Kind::Duration, Some(base)) if magnitude == 0.0 => base,
            (Kind::Si(_), Some(base)) if magnitude >= 1e21 => base,
            _ => best,
        }
    }

    /// The scale with this symbol, if the quantity can be written so.
    #[must_use]
    pub fn scale_named(self, unit: &str) -> Option<Scale> {
        self.steps().into_iter().map(|(_, s)| s).find(|s| s.unit == unit)
    }

    /// The number alone, in units of `scale`.
    #[must_use]
    pub fn number(self, value: f64, scale: &Scale) -> String {
        match self {
            _ if !value.is_finite() => "-".to_string(),
            Kind::Plain(decimals) => plain(value, decimals),
            Kind::Year => format!("{value:.1}"),
            // Percent of the largest numbers would overflow.
            _ => significant((value / scale.value).clamp(f64::MIN, f64::MAX)),
        }
    }

    /// Number and unit, three significant digits.
    #[must_use]
    pub fn human(self, value: f64) -> String {
        let scale = self.scale(value);
        let number = self.number(value, &scale);
        if number == "-" || scale.unit.is_empty() {
            number
        } else {
            format!("{number} {}", scale.unit)
        }
    }

    /// The suffix of machine keys: `s`, `bytes_per_s`; empty for pure numbers.
    #[must_use]
    pub fn suffix(self) -> String {
        match self {
            Kind::Duration => "s".to_string(),
            Kind::Bytes => "bytes".to_string(),
            Kind::Si(symbol) | Kind::Rate(symbol) => slug(&symbol.replace("B/", "bytes/").replace('/', " per ")),
            Kind::Energy => "j".to_string(),
            Kind::Carbon => "kg_co2e".to_string(),
            Kind::Percent => "fraction".to_string(),
            Kind::Plain(_) => String::new(),
            Kind::Usd => "usd".to_string(),
            Kind::Params => "params".to_string(),
            Kind::Year => "year".to_string(),
        }
    }
}

fn scale(value: f64, unit: &str) -> Scale {
    Scale {
        value,
        unit: unit.to_string(),
    }
}

/// Decimal prefixes before `symbol`, with a space where it is a word: `M tokens` but `MW`.
fn prefixed(base: f64, symbol: &str) -> Vec<(f64, Scale)> {
    let word = symbol.chars().take_while(char::is_ascii_lowercase).count() > 3;
    let gap = if word { " " } else { "" };
    DECIMAL
        .iter()
        // 999.6 rounds to 1,000 of the smaller unit, so the larger one starts a little early.
        .map(|(step, prefix)| (if prefix.is_empty() { 0.0 } else { base * step * 0.9995 }, prefix, base * step))
        .map(|(from, prefix, value)| (from, scale(value, format!("{prefix}{gap}{symbol}").trim())))
        .collect()
}

/// Three significant digits; powers of ten where the digits would not fit a column.
fn significant(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e9).contains(&magnitude) {
        format!("{value:.2e}")
    } else {
        units::significant(value)
    }
}

fn plain(value: f64, decimals: usize) -> String {
    if value.abs() >= 1e15 {
        return format!("{value:.2e}");
    }
    let text = format!("{:.1$}", value + 0.0, decimals.min(12));
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let grouped = whole.parse().map_or_else(|_| whole.to_string(), units::count);
    if fraction.is_empty() {
        grouped
    } else {
        format!("{grouped}.{fraction}")
    }
}

/// One value of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Words, as the user or the catalog wrote them.
    Text(String),
    /// How many.
    Count(f64),
    /// A measured or computed quantity.
    Quantity {
        /// In the SI base unit of `kind`.
        value: f64,
        /// How people see it.
        kind: Kind,
    },
    /// Unknown.
    Missing,
}

impl Cell {
    /// A quantity of `kind`, given in its SI base unit.
    #[must_use]
    pub fn quantity(value: f64, kind: Kind) -> Self {
        Cell::Quantity { value, kind }
    }

    /// What people read; `-` when unknown. User text is returned as it is: each format escapes it.
    #[must_use]
    pub fn human(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Count(value) if value.is_finite() => plain(*value, 0),
            Cell::Quantity { value, kind } => kind.human(*value),
            Cell::Count(_) | Cell::Missing => "-".to_string(),
        }
    }

    /// The unrounded SI number, if it is one and finite.
    #[must_use]
    pub fn raw(&self) -> Option<f64> {
        match self {
            // Adding zero turns -0.0 into 0.0.
            Cell::Count(value) | Cell::Quantity { value, .. } => Some(value + 0.0).filter(|v| v.is_finite()),
            Cell::Text(_) | Cell::Missing => None,
        }
    }

    /// How people see it, if it is a quantity.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        if let Cell::Quantity { kind, .. } = self {
            Some(*kind)
        } else {
            None
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_string())
    }
}

/// `text` in lower case with every run of other characters as one `_`.
pub(crate) fn slug(text: &str) -> String {
    let lower: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect();
    lower.split_whitespace().collect::<Vec<_>>().join("_")
}

/// A machine key of a name and a unit suffix that is not repeated.
pub(crate) fn key(name: &str, suffix: &str) -> String {
    let name = slug(name);
    if suffix.is_empty() || name == suffix || name.ends_with(&format!("_{suffix}")) {
        return if name.is_empty() { "value".to_string() } else { name };
    }
    format!("{name}_{suffix}").trim_start_matches('_').to_string()
}

/// `text` on one line without anything that moves a cursor, turns reading direction or is no character.
#[must_use]
pub fn clean(text: &str) -> String {
    text.replace("\r\n", " ")
        .chars()
        .map(|c| if is_space(c) { ' ' } else { c })
        .map(|c| if is_hostile(c) { '\u{fffd}' } else { c })
        .collect()
}

fn is_space(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}')
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn people_read_three_digits_and_one_unit() {
        for (value, kind, want) in [
            (0.812, Kind::Duration, "812 ms"),
            (0.0, Kind::Duration, "0 s"),
            (78.4 * DAY_S, Kind::Duration, "78.4 days"),
            (85_899_345_920.0, Kind::Bytes, "80.0 GiB"),
            (4.18e14, Kind::Si("FLOP/s"), "418 TFLOP/s"),
            (3.8e24, Kind::Si("FLOP"), "3.80e24 FLOP"),
            (15.6e12, Kind::Si("tokens"), "15.6 T tokens"),
            (0.412, Kind::Percent, "41.2 %"),
            (3.91e6, Kind::Usd, "3.91 MUSD"),
            (2.1, Kind::Rate("USD/h"), "2.10 USD/h"),
            (1.286e6 * 3.6e6, Kind::Energy, "1.29 GWh"),
            (444e3, Kind::Carbon, "444 tCO2e"),
            (1234.567, Kind::Plain(2), "1,234.57"),
            (-0.5, Kind::Plain(1), "-0.5"),
            (f64::NAN, Kind::Usd, "-"),
            (f64::INFINITY, Kind::Plain(0), "-"),
        ] {
            assert_eq!(kind.human(value), want);
        }
        assert_eq!(Cell::Count(16_384.0).human(), "16,384");
        assert_eq!(Cell::Count(-0.0).human(), "0");
    }

    #[test]
    fn keys_carry_the_base_unit_once() {
        assert_eq!(key("Step time", &Kind::Duration.suffix()), "step_time_s");
        assert_eq!(key("Bandwidth", &Kind::Si("B/s").suffix()), "bandwidth_bytes_per_s");
        assert_eq!(key("Math", &Kind::Si("FLOP/s").suffix()), "math_flop_per_s");
        assert_eq!(key("USD", &Kind::Usd.suffix()), "usd");
        assert_eq!(key("Tokens", &Kind::Si("tokens").suffix()), "tokens");
        assert_eq!(key("", ""), "value");
    }

    #[test]
    fn hostile_characters_are_gone() {
        assert_eq!(
            clean("a\x1b[31mb\r\nc\td\u{202e}e\u{9b}f\0"),
            "a\u{fffd}[31mb c d\u{fffd}e\u{fffd}f\u{fffd}"
        );
        assert_eq!(clean("Zürich 東京"), "Zürich 東京");
    }

    proptest! {
        #[test]
        fn texts_agree_with_the_units_room(value in 1e-5f64..1e18) {
            prop_assert_eq!(Kind::Si("W").human(value.max(1e-3)), units::si(value.max(1e-3), "W"));
            let seconds = value.min(1e10);
            prop_assert_eq!(Kind::Duration.human(seconds), units::duration(seconds));
            let bytes = value.clamp(1e6, 1e17);
            prop_assert_eq!(Kind::Bytes.human(bytes), units::gib(bytes));
        }

        #[test]
        fn every_number_has_a_short_text(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            for kind in [Kind::Duration, Kind::Bytes, Kind::Si("FLOP"), Kind::Energy, Kind::Carbon, Kind::Percent, Kind::Plain(3), Kind::Usd] {
                let text = kind.human(value);
                prop_assert!(text.len() < 32 && !text.contains("NaN") && !text.contains("inf"), "{}", text);
            }
        }
    }
}
