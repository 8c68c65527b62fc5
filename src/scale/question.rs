//! What is asked of a law, and what each model and training run counts for under it.

use super::formula::{Allocation, Granular, Precise, Repeated, Routed};
use super::law::{Formula, Law, Range};
use super::shape::Mixture;
use crate::error::{Diagnostic, Error, Result};

/// By which law a mixture is compared with dense models. They disagree; the spread is the uncertainty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Route {
    /// Clark et al. 2022, S-BASE: fitted at 130B tokens, pessimistic beyond.
    Clark,
    /// Krajewski et al. 2024: fine-grained experts.
    Krajewski,
    /// The user's factor on active parameters.
    Leverage(f64),
}

impl Route {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Route::Clark => "clark".to_string(),
            Route::Krajewski => "krajewski".to_string(),
            Route::Leverage(factor) => format!("leverage={factor}"),
        }
    }

    /// Read `clark`, `krajewski` or `leverage=4`.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn parse(text: &str) -> Result<Route> {
        match text {
            "clark" => return Ok(Route::Clark),
            "krajewski" => return Ok(Route::Krajewski),
            _ => {}
        }
        let factor = text.strip_prefix("leverage=").and_then(|f| f.parse::<f64>().ok());
        factor
            .filter(|f| (0.1..=1e3).contains(f))
            .map(Route::Leverage)
            .ok_or_else(|| -> Error {
                Diagnostic::new(format!("--route is `{text}`"))
                    .help("write clark, krajewski, or leverage=FACTOR on the active parameters, from 0.1 to 1000")
                    .into()
            })
    }
}

/// A mixture and how it is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixing {
    /// Its experts.
    pub mixture: Mixture,
    /// By which law.
    pub route: Route,
    /// Total over active parameters.
    pub total_ratio: f64,
}

/// How large batches cost tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchCost {
    /// Coefficient of the critical batch in tokens, of `(D/20)^exponent`.
    coefficient: f64,
    exponent: f64,
}

/// Tokens per parameter of the runs by which the critical batch was measured.
const ALONG: f64 = 20.0;
/// Share of steps above linear scaling that defines the measured critical batch.
const OVERHEAD_FRACTION: f64 = 0.2;

impl BatchCost {
    /// The published law (Zhang et al. 2024, arXiv 2410.21676). It grows with data; it was measured with
    /// size and data grown together, so that data stands for size here.
    ///
    /// # Errors
    /// Never with the shipped laws.
    pub fn published() -> Result<BatchCost> {
        let law = super::law::find("zhang-batch")?;
        let Formula::Power(power) = law.formula else {
            return Err(Diagnostic::new("`zhang-batch` is no power law").into());
        };
        Ok(BatchCost {
            coefficient: power.coefficient.unwrap_or(0.0),
            exponent: power.params_exponent,
        })
    }

    /// Critical batch in tokens: where 20 % more tokens are needed.
    #[must_use]
    pub fn critical_tokens(&self, n_tokens: f64) -> f64 {
        self.coefficient * (n_tokens / ALONG).powf(self.exponent)
    }

    /// Tokens over those that a small batch needs: `1 + B/B_noise` (McCandlish et al. 2018, arXiv
    /// 1812.06162) with the noise scale at which the critical batch costs its 20 %.
    #[must_use]
    pub fn overhead(&self, batch_tokens: f64, n_tokens: f64) -> f64 {
        let noise = self.critical_tokens(n_tokens) / OVERHEAD_FRACTION;
        super::formula::batch_overheads(batch_tokens / noise).1
    }
}

/// What is asked of a law, budget aside.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The law.
    pub law: Law,
    /// Unique tokens there are; more are repeats.
    pub unique_tokens: Option<f64>,
    /// Scales of repetition over the law.
    pub repetition: (f64, f64),
    /// Tokens served over the model's life.
    pub served_tokens: Option<f64>,
    /// A mixture instead of a dense model.
    pub mixing: Option<Mixing>,
    /// Bits of weights, activations and attention in training.
    pub bits: Option<f64>,
    /// What wide batches cost; nothing when that is not asked.
    pub batch_cost: Option<BatchCost>,
}

/// Published scales of repetition and the ends that their bootstrap supports.
pub const REPETITION: (f64, f64) = (15.387_756, 5.309_743);

impl Question {
    /// A dense model on fresh data.
    #[must_use]
    pub fn of(law: Law) -> Question {
        Question {
            law,
            unique_tokens: None,
            repetition: REPETITION,
            served_tokens: None,
            mixing: None,
            bits: None,
            batch_cost: None,
        }
    }

    /// Size and data that count the same as `at` with a small batch, fresh data, 16 bits and a dense
    /// model. `at` has the active parameters of a mixture.
    #[must_use]
    pub fn counted(&self, at: Allocation, batch_tokens: Option<f64>) -> Allocation {
        let mut out = at;
        if let Some(mixing) = &self.mixing {
            out.n_params = effective_params(mixing, at).unwrap_or(at.n_params);
        }
        if let Some(bits) = self.bits {
            out.n_params *= share_of_bits(bits);
        }
        if let (Some(cost), Some(batch)) = (&self.batch_cost, batch_tokens) {
            out.n_tokens /= cost.overhead(batch, at.n_tokens);
        }
        if let (Some(unique), Some(law)) = (self.unique_tokens, self.repeated()) {
            out = Allocation {
                n_params: law.effective_params(unique, out.n_params),
                n_tokens: law.effective_tokens(unique, out.n_tokens),
            };
        }
        out
    }

    /// The law of repetition over this one.
    #[must_use]
    pub fn repeated(&self) -> Option<Repeated> {
        if let Formula::Repeated(law) = &self.law.formula {
            return Some(*law);
        }
        self.law.dense().map(|base| Repeated {
            base,
            r_tokens: self.repetition.0,
            r_params: self.repetition.1,
        })
    }

    /// Expected loss.
    #[must_use]
    pub fn loss(&self, at: Allocation, batch_tokens: Option<f64>) -> f64 {
        self.law.loss(self.counted(at, batch_tokens)).unwrap_or(f64::NAN)
    }

    /// 10th and 90th percentile of the loss over the law's resamples.
    #[must_use]
    pub fn loss_interval(&self, at: Allocation, batch_tokens: Option<f64>) -> Option<Range> {
        let counted = self.counted(at, batch_tokens);
        self.law.interval(|c| c.loss(counted))
    }
}

/// Parameters of the dense model that a mixture with these active parameters equals, by its route.
#[must_use]
pub fn effective_params(mixing: &Mixing, at: Allocation) -> Option<f64> {
    let m = &mixing.mixture;
    match mixing.route {
        Route::Leverage(factor) => Some(at.n_params * factor),
        Route::Clark => {
            let law: Routed = routed("clark-sbase")?;
            // Experts of the width of the dense feed-forward: k fine ones make one of them.
            let experts = f64::from(m.n_experts) / f64::from(m.experts_per_token.max(1));
            Some(law.effective_params(at.n_params, experts))
        }
        Route::Krajewski => {
            let (moe, dense) = (granular("krajewski-moe")?, granular("krajewski-dense")?);
            let total = Allocation {
                n_params: at.n_params * mixing.total_ratio,
                ..at
            };
            let loss = moe.loss(total, f64::from(m.experts_per_token.max(1)));
            dense.params_for(loss, at.n_tokens, 1.0)
        }
    }
}

/// Effective dense parameters over active ones, by both published routes and the user's.
#[must_use]
pub fn leverages(mixing: &Mixing, at: Allocation) -> Vec<(String, Option<f64>)> {
    let mut routes = vec![Route::Clark, Route::Krajewski];
    if matches!(mixing.route, Route::Leverage(_)) {
        routes.push(mixing.route);
    }
    let ratio = |route: Route| effective_params(&Mixing { route, ..*mixing }, at).map(|n| n / at.n_params);
    routes.into_iter().map(|r| (r.name(), ratio(r))).collect()
}

fn routed(name: &str) -> Option<Routed> {
    match super::law::find(name).ok()?.formula {
        Formula::Routed(law) => Some(law),
        _ => None,
    }
}

fn granular(name: &str) -> Option<Granular> {
    match super::law::find(name).ok()?.formula {
        Formula::Granular(law) => Some(law),
        _ => None,
    }
}

/// The law of few bits.
#[must_use]
pub fn precise() -> Option<Precise> {
    match super::law::find("kumar").ok()?.formula {
        Formula::Precise(law) => Some(law),
        _ => None,
    }
}

/// Parameters that count with these bits, over those with 16.
#[must_use]
pub fn share_of_bits(bits: f64) -> f64 {
    precise().map_or(1.0, |law| (law.share([bits; 3]) / law.share([16.0; 3])).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scale::law::find;

    fn at(n_params: f64, n_tokens: f64) -> Allocation {
        Allocation { n_params, n_tokens }
    }

    #[test]
    fn wide_batches_repeats_and_few_bits_cost_loss() {
        let plain = Question::of(find("chinchilla").unwrap());
        let here = at(7e10, 1.4e12);
        let base = plain.loss(here, None);
        let wide = Question {
            batch_cost: Some(BatchCost::published().unwrap()),
            ..plain.clone()
        };
        assert!(wide.loss(here, Some(64e6)) > wide.loss(here, Some(4e6)) && wide.loss(here, Some(1e3)) < base + 1e-4);
        let scarce = Question {
            unique_tokens: Some(1.4e11),
            ..plain.clone()
        };
        assert!(scarce.loss(here, None) > base);
        let coarse = Question { bits: Some(8.0), ..plain };
        assert!(coarse.loss(here, None) > base && share_of_bits(16.0) == 1.0);
    }

    #[test]
    fn the_critical_batch_costs_a_fifth() {
        let cost = BatchCost::published().unwrap();
        // 1B on 20B tokens: 2,396 sequences of 512 tokens (Zhang et al. 2024).
        let critical = cost.critical_tokens(20e9);
        assert!((critical / (2396.0 * 512.0) - 1.0).abs() < 0.01, "{critical}");
        assert!((cost.overhead(critical, 20e9) - 1.2).abs() < 1e-12);
    }

    #[test]
    fn mixtures_count_more_than_they_activate_and_routes_disagree() {
        let mixing = Mixing {
            mixture: Mixture {
                n_experts: 64,
                experts_per_token: 8,
            },
            route: Route::Clark,
            total_ratio: 6.0,
        };
        let list = leverages(&mixing, at(1e9, 1e11));
        assert!(list.iter().all(|(_, l)| l.unwrap() > 1.0), "{list:?}");
        assert_ne!(list[0].1, list[1].1);
        assert_eq!(Route::parse("leverage=4").unwrap(), Route::Leverage(4.0));
        assert!(Route::parse("best").unwrap_err().to_string().contains("leverage=FACTOR"));
    }
}
