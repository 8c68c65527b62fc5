//! Quantities with units: read what people write, write what people read.
//!
//! Inside the program every quantity is an `f64` in SI base units with the unit in its name;
//! the conversion happens here and nowhere else.

/// Seconds in an hour.
pub const HOUR_S: f64 = 3600.0;
/// Seconds in a day.
pub const DAY_S: f64 = 86_400.0;
/// Seconds in a Julian year.
pub const YEAR_S: f64 = 365.25 * DAY_S;
/// Hours billed per month by cloud providers (8760 / 12).
pub const MONTH_S: f64 = 730.0 * HOUR_S;
/// Joules in a kilowatt-hour.
pub const KWH_J: f64 = 3.6e6;
/// Bytes in a gibibyte.
pub const GIB_BYTES: f64 = 1_073_741_824.0;

/// What a number measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// A pure number: 1, 15.6T, 2k.
    One,
    /// Bytes.
    Bytes,
    /// Bytes per second; bits per second are converted.
    BytesPerS,
    /// FLOP.
    Flop,
    /// FLOP per second.
    FlopPerS,
    /// Seconds.
    S,
    /// Watts.
    W,
    /// Joules.
    J,
    /// US dollars.
    Usd,
    /// US dollars per kilowatt-hour.
    UsdPerKwh,
    /// US dollars per device and hour.
    UsdPerHour,
    /// Kilograms CO2e.
    KgCo2e,
    /// Kilograms CO2e per kilowatt-hour.
    KgCo2ePerKwh,
    /// Liters per kilowatt-hour.
    LPerKwh,
    /// Tokens.
    Tokens,
    /// Sequences.
    Sequences,
    /// Fraction of one; percent is converted.
    Fraction,
}

/// Unit symbols with their factor to the base unit. A prefix may stand before those marked `true`.
fn symbols(unit: Unit) -> &'static [(&'static str, f64, bool)] {
    match unit {
        Unit::One => &[("", 1.0, true)],
        Unit::Bytes => &[("B", 1.0, true), ("bytes", 1.0, false), ("bit", 0.125, true)],
        Unit::BytesPerS => &[
            ("B/s", 1.0, true),
            ("bytes/s", 1.0, false),
            ("b/s", 0.125, true),
            ("bit/s", 0.125, true),
            ("bps", 0.125, true),
        ],
        Unit::Flop => &[("FLOP", 1.0, true), ("flop", 1.0, true)],
        Unit::FlopPerS => &[("FLOP/s", 1.0, true), ("flop/s", 1.0, true), ("FLOPS", 1.0, true)],
        Unit::S => &[
            ("s", 1.0, true),
            ("min", 60.0, false),
            ("h", HOUR_S, false),
            ("hours", HOUR_S, false),
            ("d", DAY_S, false),
            ("day", DAY_S, false),
            ("days", DAY_S, false),
            ("weeks", 7.0 * DAY_S, false),
            ("y", YEAR_S, false),
            ("years", YEAR_S, false),
        ],
        Unit::W => &[("W", 1.0, true)],
        Unit::J => &[("J", 1.0, true), ("Wh", 3600.0, true)],
        Unit::Usd => &[("USD", 1.0, true), ("$", 1.0, true)],
        Unit::UsdPerKwh => &[
            ("USD/kWh", 1.0, false),
            ("$/kWh", 1.0, false),
            ("USD/MWh", 1e-3, false),
            ("$/MWh", 1e-3, false),
        ],
        Unit::UsdPerHour => &[("USD/h", 1.0, false), ("$/h", 1.0, false), ("USD/hour", 1.0, false)],
        Unit::KgCo2e => &[
            ("kgCO2e", 1.0, false),
            ("kg", 1.0, false),
            ("tCO2e", 1e3, true),
            ("t", 1e3, true),
            ("gCO2e", 1e-3, false),
        ],
        Unit::KgCo2ePerKwh => &[
            ("kg/kWh", 1.0, false),
            ("kgCO2e/kWh", 1.0, false),
            ("g/kWh", 1e-3, false),
            ("gCO2e/kWh", 1e-3, false),
        ],
        Unit::LPerKwh => &[("L/kWh", 1.0, false), ("l/kWh", 1.0, false)],
        Unit::Tokens => &[("tokens", 1.0, true), ("token", 1.0, true), ("tok", 1.0, true), ("", 1.0, true)],
        Unit::Sequences => &[
            ("sequences", 1.0, true),
            ("sequence", 1.0, true),
            ("seqs", 1.0, true),
            ("seq", 1.0, true),
        ],
        Unit::Fraction => &[("%", 0.01, false), ("", 1.0, false)],
    }
}

const PREFIXES: [(&str, f64); 17] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", GIB_BYTES),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("µ", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("K", 1e3),
    ("M", 1e6),
    ("B", 1e9),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
];

impl Unit {
    /// Every unit.
    pub const ALL: [Unit; 17] = [
        Unit::One,
        Unit::Bytes,
        Unit::BytesPerS,
        Unit::Flop,
        Unit::FlopPerS,
        Unit::S,
        Unit::W,
        Unit::J,
        Unit::Usd,
        Unit::UsdPerKwh,
        Unit::UsdPerHour,
        Unit::KgCo2e,
        Unit::KgCo2ePerKwh,
        Unit::LPerKwh,
        Unit::Tokens,
        Unit::Sequences,
        Unit::Fraction,
    ];

    /// An example of how to write such a quantity, for error messages.
    #[must_use]
    pub fn example(self) -> &'static str {
        match self {
            Unit::One => "2048, \"2k\" or \"15.6T\"",
            Unit::Bytes => "\"80 GiB\" or \"80 GB\"",
            Unit::BytesPerS => "\"3.35 TB/s\" or \"400 Gb/s\"",
            Unit::Flop => "\"1.2e24 FLOP\"",
            Unit::FlopPerS => "\"989 TFLOP/s\"",
            Unit::S => "\"90 s\", \"2.5 h\" or \"60 d\"",
            Unit::W => "\"700 W\" or \"20 MW\"",
            Unit::J => "\"27 GWh\" or \"1e12 J\"",
            Unit::Usd => "\"40 MUSD\" or \"250000 USD\"",
            Unit::UsdPerKwh => "\"0.08 USD/kWh\"",
            Unit::UsdPerHour => "\"2.50 USD/h\"",
            Unit::KgCo2e => "\"3700 kg\" or \"12 t\"",
            Unit::KgCo2ePerKwh => "\"0.35 kg/kWh\" or \"350 g/kWh\"",
            Unit::LPerKwh => "\"1.8 L/kWh\"",
            Unit::Tokens => "\"15.6T tokens\" or \"16M\"",
            Unit::Sequences => "\"2048 sequences\"",
            Unit::Fraction => "0.9 or \"90 %\"",
        }
    }

    /// The symbol of the base unit, for output.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Unit::One => "",
            Unit::Bytes => "B",
            Unit::BytesPerS => "B/s",
            Unit::Flop => "FLOP",
            Unit::FlopPerS => "FLOP/s",
            Unit::S => "s",
            Unit::W => "W",
            Unit::J => "J",
            Unit::Usd => "USD",
            Unit::UsdPerKwh => "USD/kWh",
            Unit::UsdPerHour => "USD/h",
            Unit::KgCo2e => "kg CO2e",
            Unit::KgCo2ePerKwh => "kg CO2e/kWh",
            Unit::LPerKwh => "L/kWh",
            Unit::Tokens => "tokens",
            Unit::Sequences => "sequences",
            Unit::Fraction => "",
        }
    }

    /// The unit that a key such as `memory_bytes_per_s` carries by its suffix.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Unit> {
        const SUFFIXES: [(&str, Unit); 18] = [
            ("_bytes_per_s", Unit::BytesPerS),
            ("_flop_per_s", Unit::FlopPerS),
            ("_kg_co2e_per_kwh", Unit::KgCo2ePerKwh),
            ("_usd_per_kwh", Unit::UsdPerKwh),
            ("_usd_per_device_hour", Unit::UsdPerHour),
            ("_l_per_kwh", Unit::LPerKwh),
            ("_kg_co2e", Unit::KgCo2e),
            ("_bytes", Unit::Bytes),
            ("_flop", Unit::Flop),
            ("_usd", Unit::Usd),
            ("_tokens", Unit::Tokens),
            ("_fraction", Unit::Fraction),
            ("_efficiency", Unit::Fraction),
            ("_s", Unit::S),
            ("_w", Unit::W),
            ("_j", Unit::J),
            ("pue", Unit::One),
            ("_ratio", Unit::One),
        ];
        let bare = ["bytes_per_s", "flop_per_s", "usd", "usd_per_device_hour"];
        if bare.contains(&key) {
            return Unit::of_key(&format!("_{key}"));
        }
        SUFFIXES.iter().find(|(s, _)| key.ends_with(s)).map(|(_, u)| *u)
    }
}

/// Read a quantity such as `"3.35 TB/s"` into the base unit of `unit`.
///
/// # Errors
/// A sentence saying what is wrong, without place.
pub fn parse(text: &str, unit: Unit) -> Result<f64, String> {
    let trimmed = text.trim();
    let split = number_end(trimmed);
    let (number, rest) = trimmed.split_at(split);
    let number: String = number.chars().filter(|c| *c != '_' && *c != ',').collect();
    let value: f64 = number
        .parse()
        .map_err(|_| format!("`{text}` does not start with a number; write for example {}", unit.example()))?;
    let rest = rest.trim();
    let factor = factor(rest, unit).ok_or_else(|| {
        if rest.is_empty() {
            format!("`{text}` has no unit; write for example {}", unit.example())
        } else {
            format!("`{rest}` is not a unit that fits here; write for example {}", unit.example())
        }
    })?;
    finite(value * factor, text)
}

/// The number that a quantity starts with, and what stands behind it as written; nothing when it
/// starts with none.
#[must_use]
pub fn split(text: &str) -> Option<(f64, &str)> {
    let (number, rest) = text.trim().split_at(number_end(text.trim()));
    let number: String = number.chars().filter(|c| *c != '_' && *c != ',').collect();
    let value: f64 = number.parse().ok()?;
    value.is_finite().then_some((value, rest))
}

fn finite(value: f64, text: &str) -> Result<f64, String> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(format!("`{text}` is not a finite number"))
    }
}

/// Length of the leading number, exponent included. `1e9` is a number, `1 EB` and `16E` are not exponents.
fn number_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut i = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    while i < bytes.len() && (bytes[i].is_ascii_digit() || matches!(bytes[i], b'.' | b'_' | b',')) {
        i += 1;
    }
    if i < bytes.len() && matches!(bytes[i], b'e' | b'E') {
        let mut j = i + 1;
        if j < bytes.len() && matches!(bytes[j], b'-' | b'+') {
            j += 1;
        }
        let digits = j;
        while j < bytes.len() && bytes[j].is_ascii_digit() {
            j += 1;
        }
        if j > digits {
            i = j;
        }
    }
    i
}

fn factor(symbol: &str, unit: Unit) -> Option<f64> {
    for (name, scale, prefixed) in symbols(unit) {
        if symbol == *name {
            return Some(*scale);
        }
        if !prefixed {
            continue;
        }
        for (prefix, times) in PREFIXES {
            let Some(rest) = symbol.strip_prefix(prefix) else { continue };
            // "15.6T tokens": a space may stand between the prefix and a word.
            if rest == *name || (rest.trim_start() == *name && rest.len() != rest.trim_start().len()) {
                // "B" is a billion only before counts; elsewhere it is a byte.
                if prefix == "B" && !matches!(unit, Unit::One | Unit::Tokens | Unit::Usd) {
                    continue;
                }
                return Some(scale * times);
            }
        }
    }
    None
}

/// `value` with three significant digits and the best decimal prefix: `418 TFLOP/s`.
#[must_use]
pub fn si(value: f64, symbol: &str) -> String {
    const STEPS: [(f64, &str); 7] = [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")];
    let magnitude = value.abs();
    let (step, prefix) = STEPS.into_iter().find(|(s, _)| magnitude >= s * 0.9995).unwrap_or((1.0, ""));
    let text = format!("{} {prefix}{symbol}", significant(value / step));
    text.trim_end().to_string()
}

/// Three significant digits, thousands separated by commas.
#[must_use]
pub fn significant(value: f64) -> String {
    if value == 0.0 {
        return "0".to_string();
    }
    if !value.is_finite() {
        return "-".to_string();
    }
    let digits = value.abs().log10().floor();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let decimals = (2.0 - digits).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.decimals$}");
    thousands(&text)
}

/// A count with thousands separated.
#[must_use]
pub fn count(value: f64) -> String {
    thousands(&format!("{value:.0}"))
}

fn thousands(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |r| ("-", r));
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(w, f)| (w, Some(f)));
    let mut out = String::from(sign);
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    if let Some(f) = fraction {
        out.push('.');
        out.push_str(f);
    }
    out
}

/// A duration in the unit people would use: `812 ms`, `6.41 s`, `2.3 h`, `78.1 days`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    let a = seconds.abs();
    if a == 0.0 {
        "0 s".to_string()
    } else if a < 1e-3 {
        format!("{} us", significant(seconds * 1e6))
    } else if a < 1.0 {
        format!("{} ms", significant(seconds * 1e3))
    } else if a < 120.0 {
        format!("{} s", significant(seconds))
    } else if a < 2.0 * HOUR_S {
        format!("{} min", significant(seconds / 60.0))
    } else if a < 2.0 * DAY_S {
        format!("{} h", significant(seconds / HOUR_S))
    } else {
        format!("{} days", significant(seconds / DAY_S))
    }
}

/// Bytes in GiB, as devices report them.
#[must_use]
pub fn gib(bytes: f64) -> String {
    format!("{} GiB", significant(bytes / GIB_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, unit: Unit, want: f64) {
        let got = parse(text, unit).unwrap();
        assert!((got - want).abs() <= want.abs() * 1e-12, "{text}: {got} != {want}");
    }

    #[test]
    fn quantities_convert() {
        check("80 GiB", Unit::Bytes, 85_899_345_920.0);
        check("80GB", Unit::Bytes, 8e10);
        check("3.35 TB/s", Unit::BytesPerS, 3.35e12);
        check("400 Gb/s", Unit::BytesPerS, 5e10);
        check("15.6T", Unit::Tokens, 15.6e12);
        check("16M tokens", Unit::Tokens, 16e6);
        check("2048 sequences", Unit::Sequences, 2048.0);
        check("60 d", Unit::S, 60.0 * DAY_S);
        check("0.08 USD/kWh", Unit::UsdPerKwh, 0.08);
        check("40 MUSD", Unit::Usd, 4e7);
        check("20 MW", Unit::W, 2e7);
        check("1.2e24 FLOP", Unit::Flop, 1.2e24);
        check("989 TFLOP/s", Unit::FlopPerS, 989e12);
        check("1 EB", Unit::Bytes, 1e18);
        check("90 %", Unit::Fraction, 0.9);
        check("350 g/kWh", Unit::KgCo2ePerKwh, 0.35);
        check("7B", Unit::One, 7e9);
        check("1_000", Unit::One, 1000.0);
    }

    #[test]
    fn wrong_quantities_say_why() {
        for (text, unit, word) in [
            ("80 GiB/s", Unit::Bytes, "not a unit"),
            ("80", Unit::Bytes, "no unit"),
            ("fast", Unit::BytesPerS, "number"),
            ("1e400 B", Unit::Bytes, "finite"),
            ("NaN", Unit::One, "number"),
            ("", Unit::S, "number"),
            ("-", Unit::S, "number"),
        ] {
            let message = parse(text, unit).unwrap_err();
            assert!(message.contains(word), "{text}: {message}");
        }
    }

    #[test]
    fn people_read_three_digits() {
        assert_eq!(si(4.18e14, "FLOP/s"), "418 TFLOP/s");
        assert_eq!(significant(1_234_567.0), "1,234,567");
        assert_eq!(significant(0.012_345), "0.0123");
        assert_eq!(duration(6.412), "6.41 s");
        assert_eq!(duration(78.4 * DAY_S), "78.4 days");
        assert_eq!(gib(85_899_345_920.0), "80.0 GiB");
    }
}
