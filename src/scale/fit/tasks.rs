//! From size and data to a task in two steps: loss, then accuracy or error.

use super::curves::scores::{Rising, Sigmoid};
use super::curves::{Even, Free};
use super::forms::{Fitted, Parameter, Request, Row, held_out};
use super::{Curve, Loss, interval, isoflop, solve};
use crate::scale::formula::{Allocation, Chinchilla, Task};
use crate::scale::points::{Points, Role};
use rayon::prelude::*;

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
#[must_use]
pub fn two_step(points: &Points) -> TwoStep {
    let (loss, score) = (points.get(Role::Loss), points.get(Role::Score));
    let task = if falls(loss, score) {
        accuracy(loss, score)
    } else {
        error(loss, score)
    };
    TwoStep {
        loss: ladder_loss(points),
        task,
    }
}

/// The same as a fit with intervals and held-out rows; the rows tell scores.
#[must_use]
pub fn fitted(points: &Points, request: &Request, told: &(dyn Fn() + Sync)) -> Fitted {
    let out = held_out(points, request.hold_out_fraction);
    let kept = points.filtered(|i| !out[i]);
    let best = two_step(&kept);
    let one = |index: usize| {
        let weights = crate::scale::draws::resample(request.seed, index as u64, kept.len());
        let rows = isoflop::rows_of(&weights);
        told();
        values(&two_step(&kept.picked(&rows)))
    };
    let resampled: Vec<Vec<(&'static str, f64)>> = (0..request.n_bootstrap).into_par_iter().map(one).collect();
    let column = |i: usize| resampled.iter().filter_map(|r| Some(r.get(i)?.1)).collect();
    let parameters = values(&best).into_iter().enumerate().map(|(i, (name, value))| Parameter {
        name,
        value,
        interval: interval(column(i)),
    });
    let row = |i: usize| Row {
        train_flop: points.flop(i),
        measured: points.at(Role::Score, i),
        predicted: best
            .at(Allocation {
                n_params: points.at(Role::Params, i),
                n_tokens: points.at(Role::Tokens, i),
            })
            .1,
        held_out: out[i],
    };
    Fitted {
        parameters: parameters.collect(),
        rows: (0..points.len()).map(row).collect(),
        two_step: Some(best),
        notes: vec![
            "Only some tasks scale predictably (39 % of those in Lourie et al. 2025): hold out the largest runs and look at the miss."
                .to_string(),
        ],
        ..isoflop::empty(request, kept.len())
    }
}

/// The loss on one set as a line in that on another (Brandfonbrener et al. 2024, arXiv 2411.12925, near
/// their fits over a narrow range): how well a model that does one thing does another, as far as loss says.
#[must_use]
pub fn transfer(points: &Points, request: &Request) -> Fitted {
    let line = |loss: &[f64], value: &[f64]| {
        #[allow(clippy::cast_precision_loss)]
        let n = loss.len() as f64;
        let (x, y) = (loss.iter().sum::<f64>() / n, value.iter().sum::<f64>() / n);
        let (mut xx, mut xy) = (0.0, 0.0);
        for (l, v) in loss.iter().zip(value) {
            xx += (l - x) * (l - x);
            xy += (l - x) * (v - y);
        }
        (y - xy / xx * x, xy / xx)
    };
    let out = held_out(points, request.hold_out_fraction);
    let kept = points.filtered(|i| !out[i]);
    let of = |p: &Points| line(p.get(Role::Loss), p.get(Role::Value));
    let (constant, slope) = of(&kept);
    let one = |index: usize| {
        let weights = crate::scale::draws::resample(request.seed, index as u64, kept.len());
        of(&kept.picked(&isoflop::rows_of(&weights)))
    };
    let resampled: Vec<(f64, f64)> = (0..request.n_bootstrap).map(one).collect();
    let row = |i: usize| Row {
        train_flop: points.flop(i),
        measured: points.at(Role::Value, i),
        predicted: constant + slope * points.at(Role::Loss, i),
        held_out: out[i],
    };
    let parameter = |name, value, list| Parameter {
        name,
        value,
        interval: interval(list),
    };
    Fitted {
        parameters: vec![
            parameter("constant", constant, resampled.iter().map(|r| r.0).collect()),
            parameter("slope", slope, resampled.iter().map(|r| r.1).collect()),
        ],
        rows: (0..points.len()).map(row).collect(),
        notes: vec!["A line between two losses of the same models. How a model meets situations unlike any set is not told.".to_string()],
        ..isoflop::empty(request, kept.len())
    }
}

/// Constants of both steps.
fn values(fitted: &TwoStep) -> Vec<(&'static str, f64)> {
    let law = &fitted.loss;
    let mut list = vec![("e", law.e), ("a", law.a), ("b", law.b), ("alpha", law.alpha), ("beta", law.beta)];
    match fitted.task {
        Task::Exponential { eps, k, gamma } => list.extend([("eps", eps), ("k", k), ("gamma", gamma)]),
        Task::Sigmoid { a, x0, k, b } => list.extend([("height", a), ("x0", x0), ("slope", k), ("top", b)]),
    }
    list
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
        let points = Points::of(
            "made",
            vec![(Role::Params, n), (Role::Tokens, d), (Role::Loss, l), (Role::Score, s)],
        );
        let fitted = two_step(&points);
        let at = Allocation {
            n_params: 7e9,
            n_tokens: 4e12,
        };
        let (want, got) = (task.at(loss.loss(at)), fitted.at(at).1);
        // The ideal end pulls the curve a little.
        assert!((got - want).abs() < 0.02, "{got} {want}");
    }
}
