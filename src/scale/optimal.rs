//! The best size and data for training FLOP, by a law alone.

use super::formula::{Allocation, INFER_FLOP, TRAIN_FLOP};
use super::law::{Beyond, Formula, Law, Range, quantile};
use super::minimize::golden;
use super::question::Question;
use crate::error::Result;

/// Losses closer than this to the best cannot be told from it: seeds and data order move as much.
pub const SHELF_FRACTION: f64 = 0.01;

/// A size near the best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// Size and data of the same budget.
    pub at: Allocation,
    /// Its loss.
    pub loss: f64,
}

/// What serving changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Served {
    /// The cheapest model of the same loss over its life.
    pub at: Allocation,
    /// FLOP of training and serving it, over those of the model that is optimal in training alone.
    pub lifetime_ratio: f64,
}

/// The answer of a law.
#[derive(Debug, Clone, PartialEq)]
pub struct Optimum {
    /// Budget.
    pub train_flop: f64,
    /// Size and data; active parameters of a mixture.
    pub at: Allocation,
    /// What they count for.
    pub counted: Allocation,
    /// Expected loss.
    pub loss: f64,
    /// 10th to 90th percentile by the law's resamples.
    pub loss_interval: Option<Range>,
    /// The same of the best size.
    pub size_interval: Option<Range>,
    /// The same of the best data.
    pub tokens_interval: Option<Range>,
    /// What lies outside the law's points.
    pub beyond: Vec<Beyond>,
    /// Passes over the unique tokens.
    pub epochs: Option<f64>,
    /// Smallest and largest size within 1 % of the loss, with their data.
    pub shelf: (Near, Near),
    /// The same budget on other sizes.
    pub around: Vec<Near>,
    /// What serving changes.
    pub served: Option<Served>,
}

/// The size of least loss whose training takes `train_flop`, and all that is to be known about it.
#[must_use]
pub fn optimum(question: &Question, train_flop: f64) -> Optimum {
    let at = |ln_n: f64| Allocation {
        n_params: ln_n.exp(),
        n_tokens: train_flop / TRAIN_FLOP / ln_n.exp(),
    };
    let loss = |ln_n: f64| question.loss(at(ln_n), None);
    let free = question
        .law
        .optimum(train_flop)
        .map_or(0.5 * (train_flop / TRAIN_FLOP).ln(), |a| a.n_params.ln());
    let best = golden(loss, free - 10.0, free + 10.0, 200);
    let here = at(best);
    let least = loss(best);
    let edge = |sign: f64| {
        let over = |step: f64| loss(best + sign * step) - least * (1.0 + SHELF_FRACTION);
        let step = super::minimize::rising_root(over, 0.0, 12.0);
        Near {
            at: at(best + sign * step),
            loss: loss(best + sign * step),
        }
    };
    let (size_interval, tokens_interval) = intervals(question, train_flop, best);
    Optimum {
        train_flop,
        at: here,
        counted: question.counted(here, None),
        loss: least,
        loss_interval: question.loss_interval(here, None),
        size_interval,
        tokens_interval,
        beyond: question.law.bounds.beyond(here),
        epochs: question.unique_tokens.map(|u| here.n_tokens / u),
        shelf: (edge(-1.0), edge(1.0)),
        around: [-2.0f64, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0]
            .map(|power| best + power * 2f64.ln())
            .map(|ln_n| Near {
                at: at(ln_n),
                loss: loss(ln_n),
            })
            .to_vec(),
        served: question.served_tokens.and_then(|t| served(question, here, t)),
    }
}

/// What a published law gives a budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Elsewhere {
    /// The law.
    pub law: Law,
    /// Its best size and data, `6 N D` of them the budget.
    pub at: Allocation,
    /// How far the budget is from its points.
    pub beyond: Vec<Beyond>,
}

/// Every published law that tells a best size or data for FLOP. They disagree for reasons that are known
/// (Porian et al. 2024, arXiv 2406.19146: counting the head, warm-up, decay, tuning), so there is no mean.
///
/// # Errors
/// Never with the shipped laws.
pub fn elsewhere(train_flop: f64) -> Result<Vec<Elsewhere>> {
    let product = train_flop / TRAIN_FLOP;
    let at = |law: &Law| match &law.formula {
        Formula::Power(power) if power.flop_exponent != 0.0 => {
            let value = power.at(1.0, 1.0, train_flop, 1.0)?;
            match law.quantity.as_str() {
                "params" => Some(value),
                "tokens" => Some(product / value),
                _ => None,
            }
        }
        // Laws of one task's loss, and of few or many tokens per parameter, are no law of allocation.
        Formula::Chinchilla(_) | Formula::Repeated(_) if law.loss_unit == "nats per token" => {
            let best = law.optimum(train_flop)?;
            let ratio = best.n_tokens / best.n_params;
            let inside = law.bounds.tokens_per_param.is_none_or(|(low, high)| (low..=high).contains(&ratio));
            inside.then_some(best.n_params)
        }
        _ => None,
    };
    let of = |law: &Law| {
        let n_params = at(law)?;
        let at = Allocation {
            n_params,
            n_tokens: product / n_params,
        };
        Some(Elsewhere {
            beyond: law.bounds.beyond(at),
            law: law.clone(),
            at,
        })
    };
    Ok(super::law::builtin()?.iter().filter_map(of).collect())
}

/// 10th and 90th percentile of the best size and data over the law's resamples.
fn intervals(question: &Question, train_flop: f64, best: f64) -> (Option<Range>, Option<Range>) {
    let mut drawn = Question {
        law: Law {
            draws: Vec::new(),
            ..question.law.clone()
        },
        ..question.clone()
    };
    let mut sizes = Vec::with_capacity(question.law.draws.len());
    for draw in &question.law.draws {
        drawn.law.formula = Formula::Chinchilla(*draw);
        let loss = |ln_n: f64| {
            let n_params = ln_n.exp();
            drawn.loss(
                Allocation {
                    n_params,
                    n_tokens: train_flop / TRAIN_FLOP / n_params,
                },
                None,
            )
        };
        sizes.push(golden(loss, best - 5.0, best + 5.0, 60).exp());
    }
    if sizes.len() < 20 {
        return (None, None);
    }
    sizes.sort_by(f64::total_cmp);
    let size = quantile(&sizes, 0.1).zip(quantile(&sizes, 0.9));
    (
        size,
        size.map(|(low, high)| (train_flop / TRAIN_FLOP / high, train_flop / TRAIN_FLOP / low)),
    )
}

fn served(question: &Question, here: Allocation, tokens: f64) -> Option<Served> {
    let law = question.law.dense()?;
    let at = law.lifetime_optimum(law.loss(here), tokens)?;
    let life = |a: Allocation| a.flop() + INFER_FLOP * a.n_params * tokens;
    Some(Served {
        at,
        lifetime_ratio: life(at) / life(here),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scale::law::find;

    fn near(got: f64, want: f64, fraction: f64) {
        assert!((got / want - 1.0).abs() <= fraction, "{got} is not {want}");
    }

    #[test]
    fn chinchilla_follows_from_its_budget_and_stands_on_a_wide_shelf() {
        let question = Question::of(find("chinchilla").unwrap());
        let found = optimum(&question, 5.88e23);
        near(found.at.n_params, 70e9, 0.06);
        near(found.at.n_tokens, 1.4e12, 0.06);
        let (small, large) = found.shelf;
        near(small.loss, found.loss * 1.01, 1e-6);
        assert!(small.at.n_params < 0.6 * found.at.n_params && large.at.n_params > 1.5 * found.at.n_params);
        assert!(
            found.beyond.iter().any(|b| b.what == "training FLOP" && b.times > 10.0),
            "{:?}",
            found.beyond
        );
    }

    #[test]
    fn llama_3_tokens_follow_from_its_unrounded_law() {
        let law = find("llama3-tokens").unwrap();
        let crate::scale::law::Formula::Power(power) = law.formula else {
            panic!()
        };
        near(power.at(0.0, 0.0, 3.8e25, 0.0).unwrap(), 16.55e12, 0.02);
    }

    /// At 5.88e23 FLOP: 3.03T, 787B, 292B, 183B, 76.9B as one cause after the other is removed (Porian et al. 2024).
    #[test]
    fn bookkeeping_alone_moves_the_best_size_forty_fold() {
        let list = elsewhere(5.88e23).unwrap();
        let of = |name: &str| list.iter().find(|e| e.law.name == name).unwrap().at.n_params;
        for (name, want) in [
            ("porian-kaplan", 3.03e12),
            ("porian-head", 787e9),
            ("porian-warmup", 292e9),
            ("porian-decay", 183e9),
            ("porian-tuned", 76.9e9),
        ] {
            near(of(name), want, 0.01);
        }
    }

    #[test]
    fn scarce_data_makes_larger_models_of_more_epochs() {
        let law = find("muennighoff").unwrap();
        let free = optimum(&Question::of(law.clone()), 1e24);
        let question = Question {
            unique_tokens: Some(free.at.n_tokens / 8.0),
            ..Question::of(law)
        };
        let scarce = optimum(&question, 1e24);
        assert!(scarce.loss > free.loss && scarce.epochs.unwrap() > 4.0);
    }
}
