//! Values of distributions at probabilities, and probabilities of values.

use crate::plan::{Shape, Unknown};
use statrs::distribution::{Beta, ContinuousCDF, Normal};

/// Of a distribution that is cut, at least this share must be left: less is drawn too coarsely.
pub const LEAST_FRACTION: f64 = 1e-6;

/// A distribution that can be asked for its value at a probability.
#[derive(Debug, Clone)]
pub struct Inverse {
    shape: Shape,
    beta: Option<Beta>,
    /// Probabilities between which it is drawn, where it is cut.
    between: (f64, f64),
    /// Values between which it is drawn.
    ends: (f64, f64),
}

impl Inverse {
    /// That of an unknown; nothing when next to nothing of it lies between its cuts.
    #[must_use]
    pub fn of(unknown: &Unknown) -> Option<Inverse> {
        let beta = match unknown.shape {
            Shape::Beta { a, b, .. } => Some(Beta::new(a, b).ok()?),
            _ => None,
        };
        let mut out = Inverse {
            shape: unknown.shape.clone(),
            beta,
            between: (0.0, 1.0),
            ends: (unknown.low.unwrap_or(f64::NEG_INFINITY), unknown.high.unwrap_or(f64::INFINITY)),
        };
        // The values of a list have been cut already.
        if !matches!(out.shape, Shape::Empirical(_)) {
            out.between = (
                unknown.low.map_or(0.0, |v| out.below(v)),
                unknown.high.map_or(1.0, |v| out.below(v)),
            );
        }
        (out.between.1 - out.between.0 >= LEAST_FRACTION).then_some(out)
    }

    /// The value that the share `u` of all draws lies below; `u` is above 0 and below 1.
    #[must_use]
    pub fn at(&self, u: f64) -> f64 {
        let (from, to) = self.between;
        let p = from + (to - from) * u;
        let value = match &self.shape {
            Shape::Normal { mean, sd } => mean + sd * standard(p),
            Shape::LogNormal { median, factor } => median * (factor.ln() * standard(p)).exp(),
            Shape::Triangular { low, mode, high } => {
                // Both sides of its distribution function are parabolas that meet at the mode.
                let (whole, left) = (high - low, mode - low);
                if p * whole < left {
                    low + (p * whole * left).sqrt()
                } else {
                    high - ((1.0 - p) * whole * (high - mode)).sqrt()
                }
            }
            Shape::Uniform { low, high } => low + (high - low) * p,
            Shape::Beta { low, high, .. } => low + (high - low) * self.beta.map_or(p, |b| b.inverse_cdf(p.clamp(0.0, 1.0))),
            Shape::Empirical(values) => {
                #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let place = (u * values.len() as f64) as usize;
                values.get(place.min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
            }
        };
        value.clamp(self.ends.0, self.ends.1)
    }

    /// The share of the distribution below a value, before it is cut.
    fn below(&self, value: f64) -> f64 {
        let share = match &self.shape {
            Shape::Normal { mean, sd } => standard_below((value - mean) / sd),
            Shape::LogNormal { .. } if value <= 0.0 => 0.0,
            Shape::LogNormal { median, factor } => standard_below((value / median).ln() / factor.ln()),
            Shape::Triangular { low, mode, high } => {
                let whole = high - low;
                if value <= *mode {
                    (value - low).max(0.0).powi(2) / (whole * (mode - low)).max(f64::MIN_POSITIVE)
                } else {
                    1.0 - (high - value).max(0.0).powi(2) / (whole * (high - mode)).max(f64::MIN_POSITIVE)
                }
            }
            Shape::Uniform { low, high } => (value - low) / (high - low),
            Shape::Beta { low, high, .. } => {
                let place = ((value - low) / (high - low)).clamp(0.0, 1.0);
                self.beta.map_or(place, |b| b.cdf(place))
            }
            Shape::Empirical(_) => 0.0,
        };
        share.clamp(0.0, 1.0)
    }
}

/// The standard normal value at a probability.
#[must_use]
pub fn standard(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p.clamp(0.0, 1.0))
}

fn standard_below(z: f64) -> f64 {
    Normal::standard().cdf(z)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{At, Origin};

    fn unknown(shape: Shape) -> Unknown {
        let origin = Origin {
            name: "test".to_string(),
            text: String::new(),
        };
        Unknown {
            path: "a.b".to_string(),
            shape,
            low: None,
            high: None,
            unit: String::new(),
            at: At {
                origin: origin.into(),
                span: 0..0,
            },
        }
    }

    /// Against closed forms and printed tables.
    #[test]
    fn values_at_probabilities() {
        let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-9 * want.abs().max(1.0), "{got} {want}");
        let at = |shape, p| Inverse::of(&unknown(shape)).unwrap().at(p);
        near(at(Shape::Normal { mean: 3.0, sd: 2.0 }, 0.9), 3.0 + 2.0 * 1.281_551_565_544_6);
        near(at(Shape::Normal { mean: 3.0, sd: 2.0 }, 0.5), 3.0);
        let wide = Shape::LogNormal { median: 5.0, factor: 1.5 };
        near(at(wide, 0.1), 5.0 * 1.5_f64.powf(-1.281_551_565_544_6));
        let triangle = Shape::Triangular {
            low: 0.0,
            mode: 1.0,
            high: 4.0,
        };
        // F(1) = 1/4; F(0.5) = 1/16; 1 − F(2) = 4/12.
        near(at(triangle.clone(), 0.25), 1.0);
        near(at(triangle.clone(), 1.0 / 16.0), 0.5);
        near(at(triangle, 2.0 / 3.0), 2.0);
        let step = Shape::Triangular {
            low: 1.0,
            mode: 1.0,
            high: 2.0,
        };
        near(at(step, 0.75), 1.5);
        near(at(Shape::Uniform { low: 2.0, high: 4.0 }, 0.25), 2.5);
        // Beta(1, 2) has F = 1 − (1 − x)²; Beta(2, 2) is symmetric.
        near(
            at(
                Shape::Beta {
                    a: 1.0,
                    b: 2.0,
                    low: 0.0,
                    high: 1.0,
                },
                0.75,
            ),
            0.5,
        );
        near(
            at(
                Shape::Beta {
                    a: 2.0,
                    b: 2.0,
                    low: 10.0,
                    high: 20.0,
                },
                0.5,
            ),
            15.0,
        );
        let list = Shape::Empirical(vec![1.0, 2.0, 4.0, 8.0]);
        for (u, want) in [(0.01, 1.0), (0.26, 2.0), (0.74, 4.0), (0.99, 8.0)] {
            near(at(list.clone(), u), want);
        }
    }

    #[test]
    fn cuts_keep_what_lies_between() {
        let shapes = [
            Shape::Normal { mean: 1.0, sd: 1.0 },
            Shape::LogNormal { median: 1.0, factor: 2.0 },
            Shape::Triangular {
                low: 0.0,
                mode: 1.0,
                high: 3.0,
            },
            Shape::Uniform { low: 0.0, high: 2.0 },
            Shape::Beta {
                a: 2.0,
                b: 3.0,
                low: 0.0,
                high: 2.0,
            },
        ];
        for shape in shapes {
            let mut cut = unknown(shape.clone());
            (cut.low, cut.high) = (Some(0.5), Some(1.5));
            let (cut, whole) = (Inverse::of(&cut).unwrap(), Inverse::of(&unknown(shape.clone())).unwrap());
            assert!(
                (cut.at(1e-9) - 0.5).abs() < 1e-6 && (cut.at(1.0 - 1e-9) - 1.5).abs() < 1e-6,
                "{shape:?}"
            );
            // The middle of what is left is the middle of its probabilities.
            let middle = whole.at((whole.below(0.5) + whole.below(1.5)) / 2.0);
            assert!((cut.at(0.5) - middle).abs() < 1e-9, "{shape:?}");
            assert!((whole.below(whole.at(0.3)) - 0.3).abs() < 1e-7, "{shape:?}");
        }
        let mut nothing = unknown(Shape::Uniform { low: 0.0, high: 1.0 });
        nothing.low = Some(2.0);
        assert!(Inverse::of(&nothing).is_none());
    }
}
