//! From values to places: range, ticks and their labels.

use super::super::Kind;
use super::super::cell::Scale;

/// Beyond this a value is drawn at the edge, so that no difference overflows.
const LARGEST: f64 = 1e200;
/// Below this a value is zero, so that no step underflows.
const SMALLEST: f64 = 1e-200;

/// One mark on an axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    /// Between 0 (start) and 1 (end).
    pub(super) place: f64,
    /// Its text.
    pub(super) label: String,
}

/// A range of values with its marks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ruler {
    lo: f64,
    hi: f64,
    log: bool,
    /// Its marks from start to end.
    pub(super) ticks: Vec<Tick>,
    /// The unit that the labels are in.
    pub(super) unit: String,
}

/// A value that can be drawn on an axis; none if it is not a number or has no logarithm.
pub(super) fn usable(value: f64, log: bool) -> Option<f64> {
    let value = if value.abs() < SMALLEST { 0.0 } else { value };
    (value.is_finite() && (!log || value > 0.0)).then(|| value.clamp(-LARGEST, LARGEST))
}

impl Ruler {
    /// A ruler over `values`, which must be usable; none without values.
    pub(super) fn new(values: impl IntoIterator<Item = f64>, kind: Kind, log: bool) -> Option<Ruler> {
        let (lo, hi) = values
            .into_iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
        if lo > hi {
            None
        } else if log {
            Some(Ruler::log(lo, hi, kind))
        } else {
            Some(Ruler::linear(lo, hi, kind))
        }
    }

    /// Its first and last value.
    pub(super) fn ends(&self) -> (f64, f64) {
        (self.lo, self.hi)
    }

    /// Where a usable value stands, between 0 and 1.
    pub(super) fn place(&self, value: f64) -> f64 {
        // Halves first: the difference of two huge values would overflow.
        let place = if self.log {
            (value.log10() - self.lo.log10()) / (self.hi.log10() - self.lo.log10())
        } else {
            (value / 2.0 - self.lo / 2.0) / (self.hi / 2.0 - self.lo / 2.0)
        };
        if place.is_finite() { place.clamp(0.0, 1.0) } else { 0.0 }
    }

    fn linear(lo: f64, hi: f64, kind: Kind) -> Ruler {
        let scale = kind.scale(lo.abs().max(hi.abs()));
        let (lo, hi) = widen(lo / scale.value, hi / scale.value);
        let step = nice_step(hi / 5.0 - lo / 5.0);
        let (first, last) = ((lo / step).floor(), (hi / step).ceil());
        let mut ruler = Ruler {
            lo: first * step * scale.value,
            hi: last * step * scale.value,
            log: false,
            ticks: Vec::new(),
            unit: scale.unit,
        };
        let values = (0..=12).map(|i| first + f64::from(i)).take_while(|n| *n <= last).map(|n| n * step);
        ruler.ticks = values
            .map(|v| Tick {
                place: ruler.place(v * scale.value),
                label: label(v, step),
            })
            .collect();
        ruler
    }

    fn log(lo: f64, hi: f64, kind: Kind) -> Ruler {
        // The middle decides the unit: days for 0.5 .. 300 days, not for the largest alone.
        let scale = kind.scale(10f64.powf(f64::midpoint(lo.log10(), hi.log10())));
        let values = log_values(lo / scale.value, hi / scale.value);
        let (lo, hi) = (
            values.first().copied().unwrap_or(1.0) * scale.value,
            values.last().copied().unwrap_or(10.0) * scale.value,
        );
        let mut ruler = Ruler {
            lo,
            hi,
            log: true,
            ticks: Vec::new(),
            unit: scale.unit.clone(),
        };
        ruler.ticks = values
            .iter()
            .map(|v| Tick {
                place: ruler.place(v * scale.value),
                label: label(*v, *v),
            })
            .collect();
        ruler.own_prefixes(&values, kind, &scale);
        ruler
    }

    /// Over many decades each mark of a count gets its own prefix: 1 M, 1 G, 1 T.
    fn own_prefixes(&mut self, values: &[f64], kind: Kind, scale: &Scale) {
        let (Kind::Si(symbol), Some(first), Some(last)) = (kind, values.first(), values.last()) else {
            return;
        };
        let spread = last.log10() - first.log10();
        if spread <= 3.0 || last * scale.value > 1e21 || first * scale.value < 1.0 {
            return;
        }
        self.unit = symbol.to_string();
        for (tick, value) in self.ticks.iter_mut().zip(values) {
            let own = Kind::Si("").scale(value * scale.value * 1.001);
            tick.label = format!("{} {}", label(value * scale.value / own.value, 1.0), own.unit)
                .trim_end()
                .to_string();
        }
    }
}

/// A range that is not empty and, where zero is near, begins or ends there.
fn widen(lo: f64, hi: f64) -> (f64, f64) {
    let size = lo.abs().max(hi.abs());
    if size == 0.0 {
        (0.0, 1.0)
    } else if hi / 2.0 - lo / 2.0 < size * 1e-9 {
        (lo - size * 0.1, hi + size * 0.1)
    } else if lo > 0.0 && lo < hi * 0.4 {
        (0.0, hi)
    } else if hi < 0.0 && hi > lo * 0.4 {
        (lo, 0.0)
    } else {
        (lo, hi)
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `rough`.
fn nice_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    let times = [1.0, 2.0, 5.0].into_iter().find(|t| rough <= t * power * 1.000_001).unwrap_or(10.0);
    times * power
}

/// Marks at 1, 2, 5 times powers of ten over a short range, at every or every n-th power over a long one.
/// The first is at most `lo`, the last at least `hi`.
fn log_values(lo: f64, hi: f64) -> Vec<f64> {
    let decades = hi.log10() - lo.log10();
    let times: &[f64] = if decades <= 2.2 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let stride = (decades / 8.0).ceil().max(1.0);
    let first = lo.log10().floor();
    let count = ((hi.log10() - first) / stride).ceil().clamp(1.0, 64.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let powers = (0..=count as u32).map(|i| first + f64::from(i) * stride);
    let mut values: Vec<f64> = powers.flat_map(|p| times.iter().map(move |t| t * 10f64.powf(p))).collect();
    let start = values.iter().rposition(|v| *v <= lo * 1.000_001).unwrap_or(0);
    values.drain(..start);
    let end = values
        .iter()
        .position(|v| *v >= hi * 0.999_999)
        .unwrap_or(values.len().saturating_sub(1));
    values.truncate((end + 1).max(2));
    values
}

/// The text of a mark, with as many decimals as marks `step` apart need.
fn label(value: f64, step: f64) -> String {
    let value = if value.abs() < step * 1e-6 { 0.0 } else { value };
    if value != 0.0 && (value.abs() >= 1e7 || step < 1e-5) {
        let digits = (value.abs() / step).log10().ceil().clamp(0.0, 6.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        return format!("{value:.0$e}", digits as usize);
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let decimals = (-(step * 1.000_001).log10().floor()).clamp(0.0, 9.0) as usize;
    let plain = Kind::Plain(decimals);
    plain.number(value, &plain.scale(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[f64], kind: Kind, log: bool) -> Vec<String> {
        Ruler::new(values.iter().copied(), kind, log)
            .unwrap()
            .ticks
            .into_iter()
            .map(|t| t.label)
            .collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(&[0.0, 6.4], Kind::Duration, false), ["0", "2", "4", "6", "8"]);
        assert_eq!(
            labels(&[-0.62e6, 0.36e6], Kind::Usd, false),
            ["-800", "-600", "-400", "-200", "0", "200", "400"]
        );
        assert_eq!(labels(&[0.1, 0.412], Kind::Percent, false), ["0", "10", "20", "30", "40", "50"]);
        assert_eq!(
            labels(&[64.0, 8192.0], Kind::Plain(0), true),
            ["50", "100", "200", "500", "1,000", "2,000", "5,000", "10,000"]
        );
        assert_eq!(
            labels(&[1e9, 2e12], Kind::Si("tokens"), true),
            ["1 G", "10 G", "100 G", "1 T", "10 T"]
        );
        assert_eq!(labels(&[7.0], Kind::Plain(0), true), ["5", "10"]);
        assert_eq!(labels(&[0.0], Kind::Plain(0), false), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    }

    #[test]
    fn nothing_to_measure_is_no_ruler() {
        assert_eq!(Ruler::new([], Kind::Usd, false), None);
        assert_eq!(usable(f64::NAN, false), None);
        assert_eq!(usable(-1.0, true), None);
        assert_eq!(usable(f64::MAX, true), Some(LARGEST));
    }
}
