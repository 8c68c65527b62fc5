//! Loss and tasks of a run that has not been made, with what is known of the errors of such forecasts.

use super::formula::{Allocation, Task, exact_match};
use super::law::{Beyond, Formula, Law, Range, builtin};
use crate::error::Result;

/// Largest published miss of a loss by a ladder: 13B on 5T tokens, C4 (Bhagia et al. 2024, arXiv 2412.04403).
pub const LOSS_MISS_FRACTION: f64 = 0.04;

/// Loss by one law.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// The law.
    pub law: Law,
    /// Its loss, in its own unit, on its own corpus.
    pub loss: f64,
    /// 10th to 90th percentile by its resamples.
    pub interval: Option<Range>,
    /// What lies outside its points.
    pub beyond: Vec<Beyond>,
}

/// Loss by one law, if it tells one.
#[must_use]
pub fn expected(law: &Law, at: Allocation) -> Option<Expected> {
    Some(Expected {
        loss: law.loss(at)?,
        interval: law.interval(|c| c.loss(at)),
        beyond: law.bounds.beyond(at),
        law: law.clone(),
    })
}

/// Loss by every dense law in nats per token. They count, tokenize and train differently: a list to
/// compare shapes by, never an average.
///
/// # Errors
/// Never with the shipped laws.
pub fn by_every_law(at: Allocation) -> Result<Vec<Expected>> {
    let dense = |l: &&Law| matches!(l.formula, Formula::Chinchilla(_) | Formula::Kaplan(_)) && l.loss_unit == "nats per token";
    Ok(builtin()?.iter().filter(dense).filter_map(|l| expected(l, at)).collect())
}

/// A task by its published ladder.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The law of the task.
    pub law: Law,
    /// Loss that it starts from.
    pub loss: f64,
    /// Error or accuracy.
    pub score: f64,
    /// The score when the loss is off by the largest published miss, either way.
    pub range: Range,
    /// It is an accuracy, not an error.
    pub accuracy: bool,
    /// What lies outside the points of the loss.
    pub beyond: Vec<Beyond>,
}

/// Every task that has a published ladder.
///
/// # Errors
/// Never with the shipped laws.
pub fn tasks(at: Allocation) -> Result<Vec<Scored>> {
    let laws = builtin()?;
    let mut out = Vec::new();
    for law in laws {
        let Formula::Task(task) = law.formula else { continue };
        let Some(over) = laws.iter().find(|l| Some(&l.name) == law.over.as_ref()) else {
            continue;
        };
        let Some(loss) = over.loss(at) else { continue };
        let ends = [1.0 - LOSS_MISS_FRACTION, 1.0 + LOSS_MISS_FRACTION].map(|f| task.at(loss * f));
        out.push(Scored {
            score: task.at(loss),
            range: (ends[0].min(ends[1]), ends[0].max(ends[1])),
            accuracy: matches!(task, Task::Sigmoid { .. }),
            beyond: over.bounds.beyond(at),
            law: law.clone(),
            loss,
        });
    }
    Ok(out)
}

/// Compute over the question's, loss, chance of a token, chance of a whole answer.
pub type Match = (f64, f64, f64, f64);

/// Why an exact match seems to jump: the chance of one token, `exp(-L)`, rises smoothly; that of all
/// `n_tokens` of an answer is its power (Schaeffer et al. 2023, arXiv 2304.15004 §3). A demonstration,
/// no forecast of a task.
#[must_use]
pub fn exact_matches(law: &Law, at: Allocation, n_tokens: f64) -> Vec<Match> {
    (-4..=4)
        .filter_map(|power| {
            let factor = 10f64.powi(power);
            let loss = law.loss(Allocation {
                n_params: at.n_params * factor.sqrt(),
                n_tokens: at.n_tokens * factor.sqrt(),
            })?;
            let one = (-loss).exp();
            Some((factor, loss, one, exact_match(one, n_tokens)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scale::law::find;

    #[test]
    fn the_ladder_tells_tasks_of_13b_on_5t() {
        let at = Allocation {
            n_params: 13_202_396_160.0,
            n_tokens: 5e12,
        };
        let list = tasks(at).unwrap();
        let of = |name: &str| list.iter().find(|t| t.law.name == name).unwrap();
        // Constants of the paper's table, three digits: two digits of the published .5127 and .8530.
        assert!((of("olmo-mmlu").score - 0.5127).abs() < 5e-3, "{}", of("olmo-mmlu").score);
        assert!((of("olmo-hellaswag").score - 0.8530).abs() < 5e-3, "{}", of("olmo-hellaswag").score);
        // What was then measured lies in the range that is told.
        assert!(of("olmo-mmlu").range.0 < 0.5161 && 0.5161 < of("olmo-mmlu").range.1);
        // Rounded constants of a tenth power: half a percent of the published 2.3444.
        let loss = expected(&find("olmo-ladder-c4").unwrap(), at).unwrap();
        assert!((loss.loss - 2.3444).abs() < 0.012, "{}", loss.loss);
    }

    #[test]
    fn a_smooth_token_makes_a_jump_of_answers() {
        let at = Allocation {
            n_params: 1e9,
            n_tokens: 2e10,
        };
        let list = exact_matches(&find("chinchilla").unwrap(), at, 8.0);
        let step = |of: fn(&Match) -> f64| of(&list[8]) / of(&list[0]);
        assert!(step(|m| m.3) > 20.0 * step(|m| m.2), "{list:?}");
    }
}
