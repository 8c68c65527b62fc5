//! Means of what changes with the hour or the month over the time of a run.

use crate::units::HOUR_S;

/// Hours of the months of a year without a leap day.
const MONTH_H: [f64; 12] = [744.0, 672.0, 744.0, 720.0, 744.0, 720.0, 744.0, 744.0, 720.0, 744.0, 720.0, 744.0];

/// When a run takes place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// From the start of its year to its own start, local time; nothing when nobody said.
    pub start_s: Option<f64>,
    /// How long it takes.
    pub wall_s: f64,
}

/// Mean of hourly values, one day's or one year's, over a span; their plain mean without a start.
#[must_use]
pub fn of_hours(values: &[f64], span: Span) -> f64 {
    mean(values.iter().map(|v| (1.0, *v)), span)
}

/// The same of the months of a year.
#[must_use]
pub fn of_months(values: &[f64; 12], span: Span) -> f64 {
    mean(MONTH_H.iter().copied().zip(values.iter().copied()), span)
}

/// Mean of a step function that repeats itself, given as lengths in hours and values.
fn mean(steps: impl Iterator<Item = (f64, f64)> + Clone, span: Span) -> f64 {
    let period_h: f64 = steps.clone().map(|(h, _)| h).sum();
    let whole: f64 = steps.clone().map(|(h, v)| h * v).sum();
    let (Some(start_s), true) = (span.start_s, span.wall_s > 0.0) else {
        return whole / period_h;
    };
    // The integral from the start of a period, whole periods included.
    let integral = |at_h: f64| {
        let n = (at_h / period_h).floor();
        let mut left_h = at_h - n * period_h;
        let mut sum = n * whole;
        for (h, v) in steps.clone() {
            sum += left_h.clamp(0.0, h) * v;
            left_h -= h;
        }
        sum
    };
    let (from_h, to_h) = (start_s / HOUR_S, (start_s + span.wall_s) / HOUR_S);
    (integral(to_h) - integral(from_h)) / (to_h - from_h)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(start_h: f64, hours: f64) -> Span {
        Span {
            start_s: Some(start_h * HOUR_S),
            wall_s: hours * HOUR_S,
        }
    }

    #[test]
    fn hours_of_a_day_by_hand() {
        // 1 by night (0 to 12), 3 by day.
        let mut day = [1.0; 24];
        day[12..].fill(3.0);
        assert!((of_hours(&day, span(0.0, 6.0)) - 1.0).abs() < 1e-12);
        // 10 to 14: two hours of each.
        assert!((of_hours(&day, span(10.0, 4.0)) - 2.0).abs() < 1e-12);
        // From 23:30 over midnight for an hour.
        assert!((of_hours(&day, span(23.5, 1.0)) - 2.0).abs() < 1e-12);
        let unknown = Span {
            start_s: None,
            wall_s: 3600.0,
        };
        assert!((of_hours(&day, unknown) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn months_by_hand() {
        let mut year = [1.1; 12];
        year[6] = 1.5;
        // The last of June and the first of July.
        assert!((of_months(&year, span(181.0 * 24.0 - 24.0, 48.0)) - 1.3).abs() < 1e-9);
        assert!((of_months(&year, span(0.0, 24.0)) - 1.1).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn a_mean_lies_between_its_values_and_whole_periods_have_the_plain_mean(
            values in proptest::collection::vec(0.0f64..3.0, 24),
            start_h in 0.0f64..8760.0,
            hours in 0.01f64..5000.0,
            days in 1u32..300,
        ) {
            let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
            let got = of_hours(&values, span(start_h, hours));
            prop_assert!(got >= low - 1e-6 && got <= high + 1e-6);
            let plain = values.iter().sum::<f64>() / 24.0;
            prop_assert!((of_hours(&values, span(start_h, f64::from(days) * 24.0)) - plain).abs() < 1e-6);
        }
    }
}
