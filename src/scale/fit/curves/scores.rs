//! Curves from loss to accuracy or error.

use super::grid;
use crate::scale::fit::Curve;

/// Ends of each variable of a task curve: BFGS knows no bounds, a sine stays inside them.
fn inside(u: f64, low: f64, high: f64) -> f64 {
    low + (high - low) * 0.5 * (u.sin() + 1.0)
}

fn angle(value: f64, low: f64, high: f64) -> f64 {
    (2.0 * (value - low) / (high - low) - 1.0).clamp(-1.0, 1.0).asin()
}

/// Accuracy as a falling sigmoid of loss (Bhagia et al. 2024, arXiv 2412.04403, equation 3), by least
/// squares, `-1 <= a <= 0`, `0 <= b <= 1`. Parameters: angles of a and b, x0, ln k.
pub struct Sigmoid {
    loss: Vec<f64>,
    ln_score: Vec<f64>,
}

impl Sigmoid {
    /// Of pairs of loss and accuracy.
    #[must_use]
    pub fn new(loss: &[f64], accuracy: &[f64]) -> Sigmoid {
        Sigmoid {
            loss: loss.to_vec(),
            ln_score: accuracy.iter().map(|a| a.max(1e-12).ln()).collect(),
        }
    }

    /// a, x0, k, b of searched parameters.
    #[must_use]
    pub fn constants(p: &[f64; 4]) -> [f64; 4] {
        [inside(p[0], -1.0, 0.0), p[2], p[3].exp(), inside(p[1], 0.0, 1.0)]
    }

    /// A start from the accuracy of guessing (authors' code: a = guess - 1, x0 = .9, k = 3, b = 1).
    #[must_use]
    pub fn start(guess: f64) -> [f64; 4] {
        [angle(guess - 1.0, -1.0, 0.0), angle(0.98, 0.0, 1.0), 0.9, 3f64.ln()]
    }
}

impl Curve<4> for Sigmoid {
    fn n_rows(&self) -> usize {
        self.loss.len()
    }

    fn ln_measured(&self, row: usize) -> f64 {
        self.ln_score[row]
    }

    fn at(&self, p: &[f64; 4], row: usize) -> (f64, [f64; 4]) {
        let loss = self.loss[row];
        let [a, x0, k, b] = Sigmoid::constants(p);
        let s = 1.0 / (1.0 + (-k * (loss - x0)).exp());
        let value = (a * s + b).max(1e-12);
        let slope = a * s * (1.0 - s);
        let gradient = [s * 0.5 * p[0].cos(), 0.5 * p[1].cos(), -slope * k, slope * k * (loss - x0)];
        (value.ln(), gradient.map(|g| g / value))
    }

    fn starts(&self) -> Vec<[f64; 4]> {
        [0.02, 0.25, 0.5]
            .iter()
            .flat_map(|g| {
                [3.0f64, 8.0, 15.0].map(|k| {
                    let mut start = Sigmoid::start(*g);
                    start[3] = k.ln();
                    start
                })
            })
            .collect()
    }

    fn reported(&self, p: &[f64; 4]) -> [f64; 4] {
        Sigmoid::constants(p)
    }
}

/// An error that rises with loss: `eps - k exp(-gamma L)` (Gadre et al. 2024, arXiv 2403.08540,
/// equation 5), by least squares. Parameters: eps, ln k, gamma.
pub struct Rising {
    loss: Vec<f64>,
    ln_score: Vec<f64>,
}

impl Rising {
    /// Of pairs of loss and error.
    #[must_use]
    pub fn new(loss: &[f64], error: &[f64]) -> Rising {
        Rising {
            loss: loss.to_vec(),
            ln_score: error.iter().map(|a| a.max(1e-12).ln()).collect(),
        }
    }
}

impl Curve<3> for Rising {
    fn n_rows(&self) -> usize {
        self.loss.len()
    }

    fn ln_measured(&self, row: usize) -> f64 {
        self.ln_score[row]
    }

    fn at(&self, p: &[f64; 3], row: usize) -> (f64, [f64; 3]) {
        let loss = self.loss[row];
        let depth = (p[1] - p[2] * loss).exp();
        let value = (p[0] - depth).max(1e-12);
        (value.ln(), [1.0 / value, -depth / value, depth * loss / value])
    }

    fn starts(&self) -> Vec<[f64; 3]> {
        grid(&[vec![0.7, 0.9], vec![0.0, 1.0, 2.0], vec![0.3, 0.7, 1.2]])
    }

    fn reported(&self, p: &[f64; 3]) -> [f64; 3] {
        [p[0], p[1].exp(), p[2]]
    }
}
