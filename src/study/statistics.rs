//! Quantiles of lists and of Student's distribution.

/// Linear interpolation between order statistics of a sorted list (Hyndman and Fan 1996, type 7); 0 of
/// an empty one.
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    #[allow(clippy::cast_precision_loss)]
    let place = share.clamp(0.0, 1.0) * last as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let low = (place.floor() as usize).min(last);
    let high = (low + 1).min(last);
    sorted[low] + place.fract() * (sorted[high] - sorted[low])
}

/// The list in order.
#[must_use]
pub fn sorted(mut list: Vec<f64>) -> Vec<f64> {
    list.sort_by(f64::total_cmp);
    list
}

/// The smallest value whose weight and that of all below reach a share of the whole; `list` holds
/// values with weights, in the order of the values.
#[must_use]
pub fn weighted_quantile(list: &[(f64, f64)], share: f64) -> Option<f64> {
    let whole: f64 = list.iter().map(|w| w.1).sum();
    let mut sum = 0.0;
    let reached = |(_, weight): &&(f64, f64)| {
        sum += weight;
        sum >= share * whole
    };
    list.iter().find(reached).map(|w| w.0)
}

/// 90th percentile of the normal distribution.
pub const NORMAL_90: f64 = 1.281_551_565_544_600_4;

/// 90th percentile of Student's t with so many degrees of freedom, of which there is at least one
/// (Hill 1970, Algorithm 396, Communications of the ACM 13, p. 619, with P = 0.2 in two tails).
#[must_use]
pub fn student_90(degrees: f64) -> f64 {
    const TWO_TAILS: f64 = 0.2;
    let n = degrees.max(1.0);
    if n < 2.0 {
        // Between the Cauchy distribution and two degrees the inverse degrees interpolate well.
        let cauchy = 1.0 / (TWO_TAILS * std::f64::consts::FRAC_PI_2).tan();
        let share = 2.0 - 2.0 / n;
        return cauchy + share * (two_degrees(TWO_TAILS) - cauchy);
    }
    if n < 2.0 + 1e-9 {
        return two_degrees(TWO_TAILS);
    }
    let a = 1.0 / (n - 0.5);
    let b = 48.0 / (a * a);
    let mut c = ((20_700.0 * a / b - 98.0) * a - 16.0) * a + 96.36;
    let d = ((94.5 / (b + c) - 3.0) / b + 1.0) * (a * std::f64::consts::FRAC_PI_2).sqrt() * n;
    let mut y = (d * TWO_TAILS).powf(2.0 / n);
    if y > 0.05 + a {
        let x = -NORMAL_90;
        y = x * x;
        if n < 5.0 {
            c += 0.3 * (n - 4.5) * (x + 0.6);
        }
        c += (((0.05 * d * x - 5.0) * x - 7.0) * x - 2.0) * x + b;
        y = (((((0.4 * y + 6.3) * y + 36.0) * y + 94.5) / c - y - 3.0) / b + 1.0) * x;
        y = (a * y * y).exp_m1();
    } else {
        y = ((1.0 / (((n + 6.0) / (n * y) - 0.089 * d - 0.822) * (n + 2.0) * 3.0) + 0.5 / (n + 4.0)) * y - 1.0) * (n + 1.0) / (n + 2.0)
            + 1.0 / y;
    }
    (n * y).sqrt()
}

fn two_degrees(two_tails: f64) -> f64 {
    (2.0 / (two_tails * (2.0 - two_tails)) - 2.0).sqrt()
}

/// How much wider than the distribution a band is that was told from `n` values of it, so that it holds
/// a next one as often: `t(n − 1)/z · √(1 + 1/n)`, the factor of a normal prediction interval (Hahn and
/// Meeker 1991, Statistical Intervals, §4.7). One value tells no spread: as wide as for two.
#[must_use]
pub fn widening(n: usize) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let n = n.max(2) as f64;
    student_90(n - 1.0) / NORMAL_90 * (1.0 + 1.0 / n).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate() {
        let list = [1.0, 2.0, 3.0, 4.0];
        assert!((quantile(&list, 0.5) - 2.5).abs() < 1e-12);
        assert!((quantile(&list, 1.0) - 4.0).abs() < 1e-12);
        assert!(quantile(&[], 0.5).abs() < 1e-12);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[5.0], 0.1), 5.0);
    }

    #[test]
    fn weights_count() {
        let list = [(1.0, 1.0), (2.0, 8.0), (3.0, 1.0)];
        assert_eq!(weighted_quantile(&list, 0.1), Some(1.0));
        assert_eq!(weighted_quantile(&list, 0.5), Some(2.0));
        assert_eq!(weighted_quantile(&list, 0.95), Some(3.0));
        assert_eq!(weighted_quantile(&[], 0.5), None);
    }

    /// Percentiles of tables (Abramowitz and Stegun 1964, table 26.10).
    #[test]
    fn student_agrees_with_tables() {
        for (degrees, wanted) in [
            (1.0, 3.078),
            (2.0, 1.886),
            (3.0, 1.638),
            (4.0, 1.533),
            (5.0, 1.476),
            (10.0, 1.372),
            (30.0, 1.310),
            (120.0, 1.289),
        ] {
            let got = student_90(degrees);
            assert!((got - wanted).abs() < 2e-3, "{degrees}: {got}");
        }
        assert!((student_90(1e9) - NORMAL_90).abs() < 1e-6);
        assert!(widening(2) > widening(3) && widening(40) < 1.05 && widening(0) == widening(2));
    }
}
