//! From size and data to a task in two steps: loss, then accuracy or error.

use super::curves::{Even, Free, Rising, Sigmoid};
use super::{Curve, Loss, solve};
use crate::error::{Diagnostic, Result};
use crate::scale::formula::{Allocation, Chinchilla, Task};
use crate::scale::points::{Points, Role};

/// A loss law and what it means for a task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TwoStep {
    /// Loss from size and data.
    pub loss: Chinchilla,
    /// Score from loss.
    pub task: Task,
}

impl TwoStep {
    /// Loss and score.
    #[must_use]
    pub fn at(&self, at: Allocation) -> (f64, f64) {
        let loss = self.loss.loss(at);
        (loss, self.task.at(loss))
    }
}

/// The first step of a ladder, from the start of its authors (Bhagia et al. 2024, arXiv 2412.04403,
/// their code: a 3, b 6, alpha .1, beta .2, E 1).
#[must_use]
pub fn ladder_loss(points: &Points) -> Chinchilla {
    let curve = Free::new(points);
    let solved = solve(&curve, &[[3.0, 6.0, 0.0, 0.1, 0.2]], Loss::Huber(1e-3), &|| ());
    Free::law(&solved.best.at)
}

/// The second step: pairs of loss and accuracy, with the ideal end (0, 1) among them.
#[must_use]
pub fn accuracy(loss: &[f64], score: &[f64]) -> Task {
    let (mut loss, mut score) = (loss.to_vec(), score.to_vec());
    loss.push(0.0);
    score.push(1.0);
    let curve = Sigmoid::new(&loss, &score);
    let solved = solve(&curve, &curve.starts(), Loss::Squares, &|| ());
    let [a, x0, k, b] = Sigmoid::constants(&solved.best.at);
    Task::Sigmoid { a, x0, k, b }
}

/// The second step for errors.
#[must_use]
pub fn error(loss: &[f64], score: &[f64]) -> Task {
    let curve = Rising::new(loss, score);
    let solved = solve(&curve, &curve.starts(), Loss::Squares, &|| ());
    let [eps, k, gamma] = curve.reported(&solved.best.at);
    Task::Exponential { eps, k, gamma }
}

/// Loss of over-trained models by least squares with one exponent (Gadre et al. 2024, arXiv 2403.08540 §3.4).
#[must_use]
pub fn overtrained_loss(points: &Points) -> Chinchilla {
    let curve = Even::new(points);
    let solved = solve(&curve, &curve.starts(), Loss::Squares, &|| ());
    Even::law(&solved.best.at)
}

/// Both steps from one set of points with sizes, tokens, loss and score. Scores that fall with loss
/// are accuracies, others errors.
///
/// # Errors
/// When there are too few points.
pub fn two_step(points: &Points) -> Result<TwoStep> {
    if points.len() < 6 {
        let text = format!("{} rows are too few for the two steps from size to task", points.len());
        return Err(Diagnostic::new(text).help("add runs of other sizes and lengths; six or more").into());
    }
    let (loss, score) = (points.get(Role::Loss), points.get(Role::Score));
    let task = if falls(loss, score) { accuracy(loss, score) } else { error(loss, score) };
    Ok(TwoStep {
        loss: ladder_loss(points),
        task,
    })
}

/// Whether scores fall as losses rise.
fn falls(loss: &[f64], score: &[f64]) -> bool {
    #[allow(clippy::cast_precision_loss)]
    let mean = |list: &[f64]| list.iter().sum::<f64>() / list.len() as f64;
    let (l, s) = (mean(loss), mean(score));
    loss.iter().zip(score).map(|(x, y)| (x - l) * (y - s)).sum::<f64>() < 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_two_steps_come_back() {
        let loss = Chinchilla {
            e: 0.5,
            a: 40.0,
            b: 100.0,
            alpha: 0.23,
            beta: 0.24,
        };
        let task = Task::Sigmoid {
            a: -0.7,
            x0: 0.8,
            k: 6.0,
            b: 0.98,
        };
        let (mut n, mut d, mut l, mut s) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for i in 0..4 {
            for j in 0..4 {
                let at = Allocation {
                    n_params: 2e8 * 2f64.powi(i),
                    n_tokens: 4e9 * 3f64.powi(j),
                };
                n.push(at.n_params);
                d.push(at.n_tokens);
                l.push(loss.loss(at));
                s.push(task.at(loss.loss(at)));
            }
        }
        let points = Points::of("made", vec![(Role::Params, n), (Role::Tokens, d), (Role::Loss, l), (Role::Score, s)]);
        let fitted = two_step(&points).unwrap();
        let at = Allocation {
            n_params: 7e9,
            n_tokens: 4e12,
        };
        let (want, got) = (task.at(loss.loss(at)), fitted.at(at).1);
        // The ideal end pulls the curve a little.
        assert!((got - want).abs() < 0.02, "{got} {want}");
    }
}
