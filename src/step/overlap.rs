//! The law of what communication adds to math that runs beside it.

use crate::catalog::Stack;

/// How much longer each side takes while both run; 1 for none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slowdown {
    /// Of math: the collective's kernels take compute units and memory bandwidth.
    pub math_factor: f64,
    /// Of communication, for the same reason.
    pub communication_factor: f64,
}

impl Default for Slowdown {
    fn default() -> Self {
        Slowdown {
            math_factor: 1.0,
            communication_factor: 1.0,
        }
    }
}

impl Slowdown {
    /// That of a stack.
    #[must_use]
    pub fn of(stack: &Stack) -> Slowdown {
        Slowdown {
            math_factor: stack.math_slowdown,
            communication_factor: stack.communication_slowdown,
        }
    }
}

/// Two pieces of work that start together, each with its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Together {
    /// When the math ends.
    pub math_end_s: f64,
    /// When the communication ends.
    pub communication_end_s: f64,
}

impl Together {
    /// When both have ended.
    #[must_use]
    pub fn total_s(&self) -> f64 {
        self.math_end_s.max(self.communication_end_s)
    }
}

/// Communication that takes `communication_s` alone beside math that takes `math_s` alone.
///
/// Galvatron (Miao et al., arXiv 2211.13878 §3.4): with `D`, `B` those times and `a`, `c` their
/// slowdowns, the side that is done first took its slowed time; of the other the part that is left
/// runs at full speed:
///
/// ```text
/// D·a > B·c:  B·c + (D − B·c/a)     communication is left over
/// otherwise:  D·a + (B − D·a/c)     math is left over
/// ```
///
/// Homogeneous: cutting both into the same shares changes nothing. With `a = c = 1` the longer of
/// the two. Never shorter than the longer one, and communication never adds more than `D·a`.
#[must_use]
pub fn together(communication_s: f64, math_s: f64, slow: Slowdown) -> Together {
    let (a, c) = (slow.communication_factor, slow.math_factor);
    let (slowed_communication_s, slowed_math_s) = (communication_s * a, math_s * c);
    if slowed_communication_s > slowed_math_s {
        Together {
            math_end_s: slowed_math_s,
            communication_end_s: slowed_math_s + (communication_s - slowed_math_s / a),
        }
    } else {
        Together {
            math_end_s: slowed_communication_s + (math_s - slowed_communication_s / c),
            communication_end_s: slowed_communication_s,
        }
    }
}

/// What the communication adds to the math: what of it is not hidden, and the slowdown of the math.
#[must_use]
pub fn exposed_s(communication_s: f64, math_s: f64, slow: Slowdown) -> f64 {
    (together(communication_s, math_s, slow).total_s() - math_s).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slow(math_factor: f64, communication_factor: f64) -> Slowdown {
        Slowdown {
            math_factor,
            communication_factor,
        }
    }

    proptest! {
        #[test]
        fn what_is_exposed_is_bounded(d in 0.0..10.0f64, b in 0.0..10.0f64, c in 1.0..3.0f64, a in 1.0..3.0f64) {
            let exposed = exposed_s(d, b, slow(c, a));
            prop_assert!(exposed >= 0.0 && exposed >= d - b - 1e-12);
            prop_assert!(exposed <= d * a + 1e-12);
            prop_assert!((exposed_s(d, b, slow(1.0, 1.0)) - (d - b).max(0.0)).abs() < 1e-12);
        }

        #[test]
        fn more_of_anything_never_ends_sooner(
            d in 0.0..10.0f64, b in 0.0..10.0f64, c in 1.0..3.0f64, a in 1.0..3.0f64, more in 0.0..2.0f64,
        ) {
            let total = |d, b, c, a| together(d, b, slow(c, a)).total_s() + 1e-12;
            let base = together(d, b, slow(c, a)).total_s();
            prop_assert!(total(d + more, b, c, a) >= base);
            prop_assert!(total(d, b + more, c, a) >= base);
            prop_assert!(total(d, b, c + more, a) >= base);
            prop_assert!(total(d, b, c, a + more) >= base);
        }

        #[test]
        fn shares_of_both_take_shares_of_the_time(
            d in 0.0..10.0f64, b in 0.0..10.0f64, c in 1.0..3.0f64, a in 1.0..3.0f64, share in 0.0..1.0f64,
        ) {
            let rest = 1.0 - share;
            let cut = together(d * share, b * share, slow(c, a)).total_s() + together(d * rest, b * rest, slow(c, a)).total_s();
            prop_assert!((cut - together(d, b, slow(c, a)).total_s()).abs() < 1e-9);
        }
    }

    #[test]
    fn galvatrons_two_cases() {
        // 4 beside 2: math takes 2·1.1 = 2.2, in which 2.2/1.25 of the 4 are done.
        let long = together(4.0, 2.0, slow(1.1, 1.25));
        assert!((long.total_s() - (2.2 + 4.0 - 2.2 / 1.25)).abs() < 1e-12 && (long.math_end_s - 2.2).abs() < 1e-12);
        // 1 beside 2: communication takes 1.25, in which 1.25/1.1 of the 2 are done.
        let short = together(1.0, 2.0, slow(1.1, 1.25));
        assert!((short.total_s() - (1.25 + 2.0 - 1.25 / 1.1)).abs() < 1e-12 && (short.communication_end_s - 1.25).abs() < 1e-12);
    }
}
