//! The published forms of scaling laws, without constants: those are data (`profiles/laws`).
//!
//! Losses are in the unit that the law's constants are in, which [`super::law::Law`] carries.

mod mixture;

pub use mixture::{Granular, Precise, Routed, Sparse, best_bits};

use super::minimize::golden;

/// Model FLOP of training per parameter and token: two of the forward pass, four of the backward one
/// (Kaplan et al. 2020, arXiv 2001.08361 §2.1).
pub const TRAIN_FLOP: f64 = 6.0;
/// The same for producing or reading a token at inference.
pub const INFER_FLOP: f64 = 2.0;

/// `L = E + A/N^alpha + B/D^beta` (Hoffmann et al. 2022, arXiv 2203.15556 §3.3; with equal exponents
/// Gadre et al. 2024, arXiv 2403.08540 §3.1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chinchilla {
    /// Loss that neither size nor data removes.
    pub e: f64,
    /// Of the term of size.
    pub a: f64,
    /// Of the term of data.
    pub b: f64,
    /// Exponent of size.
    pub alpha: f64,
    /// Exponent of data.
    pub beta: f64,
}

/// A model and what it is trained on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allocation {
    /// Parameters, counted as the law counts them.
    pub n_params: f64,
    /// Training tokens.
    pub n_tokens: f64,
}

impl Allocation {
    /// `6 N D`.
    #[must_use]
    pub fn flop(&self) -> f64 {
        TRAIN_FLOP * self.n_params * self.n_tokens
    }
}

impl Chinchilla {
    /// Expected loss.
    #[must_use]
    pub fn loss(&self, at: Allocation) -> f64 {
        self.e + self.a * at.n_params.powf(-self.alpha) + self.b * at.n_tokens.powf(-self.beta)
    }

    /// The size and data of least loss for training FLOP `C = 6 N D`, in closed form (ibid., equation 4).
    #[must_use]
    pub fn optimum(&self, train_flop: f64) -> Allocation {
        let sum = self.alpha + self.beta;
        let g = (self.alpha * self.a / (self.beta * self.b)).powf(1.0 / sum);
        let n_params = g * (train_flop / TRAIN_FLOP).powf(self.beta / sum);
        Allocation {
            n_params,
            n_tokens: train_flop / TRAIN_FLOP / n_params,
        }
    }

    /// Exponent with which the optimal size grows with compute.
    #[must_use]
    pub fn size_exponent(&self) -> f64 {
        self.beta / (self.alpha + self.beta)
    }

    /// Exponent with which the reducible loss falls with compute along the optimum: each factor `k`
    /// of compute leaves `k^-gamma` of it.
    #[must_use]
    pub fn gamma(&self) -> f64 {
        self.alpha * self.beta / (self.alpha + self.beta)
    }

    /// Loss above the irreducible one.
    #[must_use]
    pub fn reducible(&self, at: Allocation) -> f64 {
        self.loss(at) - self.e
    }

    /// Tokens with which a size reaches a loss; nothing when no data does.
    #[must_use]
    pub fn tokens_for(&self, n_params: f64, loss: f64) -> Option<f64> {
        let left = loss - self.e - self.a * n_params.powf(-self.alpha);
        (left > 0.0)
            .then(|| (self.b / left).powf(1.0 / self.beta))
            .filter(|t| t.is_finite())
    }

    /// Least training FLOP that reach a loss; nothing at or below the irreducible one.
    #[must_use]
    pub fn flop_for(&self, loss: f64) -> Option<f64> {
        if loss <= self.e {
            return None;
        }
        // The reducible loss along the optimum is a pure power of compute.
        let unit = self.reducible(self.optimum(1.0));
        Some(((loss - self.e) / unit).powf(-1.0 / self.gamma())).filter(|c| c.is_finite())
    }

    /// The size and data that reach `loss` with the fewest FLOP of training and of `n_inference`
    /// tokens together: `min 6 N D + 2 N T` (Sardana et al. 2024, arXiv 2401.00448, equation 2).
    #[must_use]
    pub fn lifetime_optimum(&self, loss: f64, n_inference: f64) -> Option<Allocation> {
        let start = self.optimum(self.flop_for(loss)?);
        let at = |ln_n: f64| {
            let n_params = ln_n.exp();
            let n_tokens = self.tokens_for(n_params, loss)?;
            Some(Allocation { n_params, n_tokens })
        };
        let cost = |ln_n: f64| at(ln_n).map_or(f64::MAX, |a| (a.flop() + INFER_FLOP * a.n_params * n_inference).ln());
        // Below this size no data reaches the loss.
        let least = ((loss - self.e) / self.a).ln() / -self.alpha;
        at(golden(cost, least, start.n_params.ln() + 1.0, 120))
    }

    /// Inference tokens per training token for which a model would have been the cheapest of its
    /// quality: the first-order condition `elasticity_N / elasticity_D = 1 + T/(3 D)` (ibid.) solved for `T/D`.
    #[must_use]
    pub fn implied_inference_ratio(&self, at: Allocation) -> f64 {
        let size = self.alpha * self.a * at.n_params.powf(-self.alpha);
        let data = self.beta * self.b * at.n_tokens.powf(-self.beta);
        3.0 * (size / data - 1.0)
    }
}

/// `L = [(Nc/N)^(aN/aD) + Dc/D]^aD` (Kaplan et al. 2020, arXiv 2001.08361, equation 1.5). Parameters
/// without embeddings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kaplan {
    /// Scale of size.
    pub n_c: f64,
    /// Scale of data.
    pub d_c: f64,
    /// Exponent of size.
    pub alpha_n: f64,
    /// Exponent of data.
    pub alpha_d: f64,
}

impl Kaplan {
    /// Expected loss.
    #[must_use]
    pub fn loss(&self, at: Allocation) -> f64 {
        let size = (self.n_c / at.n_params).powf(self.alpha_n / self.alpha_d);
        (size + self.d_c / at.n_tokens).powf(self.alpha_d)
    }

    /// The size and data of least loss for training FLOP; there is no closed form.
    #[must_use]
    pub fn optimum(&self, train_flop: f64) -> Allocation {
        let at = |ln_n: f64| Allocation {
            n_params: ln_n.exp(),
            n_tokens: train_flop / TRAIN_FLOP / ln_n.exp(),
        };
        let middle = 0.5 * (train_flop / TRAIN_FLOP).ln();
        at(golden(|x| self.loss(at(x)), 0.0, 2.0 * middle, 200))
    }
}

/// Data and size that repeat: what each further epoch is worth falls off exponentially
/// (Muennighoff et al. 2023, arXiv 2305.16264, equations 5 and 6).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Repeated {
    /// The law of fresh data.
    pub base: Chinchilla,
    /// Repetitions after which a token has lost all but 1/e of its worth.
    pub r_tokens: f64,
    /// The same for parameters beyond what the unique tokens can use.
    pub r_params: f64,
}

impl Repeated {
    /// Tokens that would be worth as much if all were fresh.
    #[must_use]
    pub fn effective_tokens(&self, unique: f64, tokens: f64) -> f64 {
        let unique = unique.min(tokens);
        unique * saturating(tokens / unique - 1.0, self.r_tokens)
    }

    /// Parameters that would be worth as much with enough unique tokens.
    #[must_use]
    pub fn effective_params(&self, unique: f64, params: f64) -> f64 {
        let usable = self.usable_params(unique).min(params);
        usable * saturating(params / usable - 1.0, self.r_params)
    }

    /// Parameters that are compute-optimal for so many unique tokens (ibid., §3.1).
    #[must_use]
    pub fn usable_params(&self, unique: f64) -> f64 {
        let base = &self.base;
        let g = (base.alpha * base.a / (base.beta * base.b)).powf(1.0 / (base.alpha + base.beta));
        // D* = (C/6)^b / G, so C/6 = (G D*)^(1/b) and N* = G (C/6)^a with a/b = beta/alpha.
        g * (g * unique).powf(base.beta / base.alpha)
    }

    /// What a token of epoch `epoch` (from 1) is worth against a fresh one.
    #[must_use]
    pub fn worth(&self, epoch: f64) -> f64 {
        (-(epoch - 1.0) / self.r_tokens).exp()
    }

    /// Expected loss with a stock of `unique` tokens, repeated where `at.n_tokens` are more.
    #[must_use]
    pub fn loss(&self, at: Allocation, unique: f64) -> f64 {
        self.base.loss(Allocation {
            n_params: self.effective_params(unique, at.n_params),
            n_tokens: self.effective_tokens(unique, at.n_tokens),
        })
    }

    /// The size and data of least loss for training FLOP and a stock of unique tokens.
    #[must_use]
    pub fn optimum(&self, train_flop: f64, unique: f64) -> Allocation {
        let at = |ln_n: f64| Allocation {
            n_params: ln_n.exp(),
            n_tokens: train_flop / TRAIN_FLOP / ln_n.exp(),
        };
        let free = self.base.optimum(train_flop).n_params.ln();
        let span = 12.0;
        at(golden(|x| self.loss(at(x), unique), free - span, free + span, 200))
    }
}

fn saturating(repeats: f64, scale: f64) -> f64 {
    let repeats = repeats.max(0.0);
    1.0 - scale * (-repeats / scale).exp_m1()
}

/// `y = k N^p D^q C^r L^s`: compute-optimal sizes, batches, learning rates.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Power {
    /// `k`; nothing when only exponents are published.
    pub coefficient: Option<f64>,
    /// `p`.
    pub params_exponent: f64,
    /// `q`.
    pub tokens_exponent: f64,
    /// `r`.
    pub flop_exponent: f64,
    /// `s`.
    pub loss_exponent: f64,
}

impl Power {
    /// Its value where all that it rests on is given; factors with exponent 0 may be anything.
    #[must_use]
    pub fn at(&self, params: f64, tokens: f64, train_flop: f64, loss: f64) -> Option<f64> {
        let power = |x: f64, p: f64| if p == 0.0 { 1.0 } else { x.powf(p) };
        let rest = power(params, self.params_exponent)
            * power(tokens, self.tokens_exponent)
            * power(train_flop, self.flop_exponent)
            * power(loss, self.loss_exponent);
        self.coefficient.map(|k| k * rest)
    }
}

/// Accuracy or error from loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Task {
    /// `eps - k exp(-gamma L)`: an error (Gadre et al. 2024, arXiv 2403.08540, equation 5).
    Exponential {
        /// Error at infinite loss.
        eps: f64,
        /// Depth.
        k: f64,
        /// Rate.
        gamma: f64,
    },
    /// `a/(1 + exp(-k (L - x0))) + b`: an accuracy (Bhagia et al. 2024, arXiv 2412.04403, equation 3).
    Sigmoid {
        /// Height, negative as accuracy falls with loss.
        a: f64,
        /// Loss at half height.
        x0: f64,
        /// Slope.
        k: f64,
        /// Accuracy at no loss.
        b: f64,
    },
}

impl Task {
    /// Error or accuracy at a loss.
    #[must_use]
    pub fn at(&self, loss: f64) -> f64 {
        match *self {
            Task::Exponential { eps, k, gamma } => eps - k * (-gamma * loss).exp(),
            Task::Sigmoid { a, x0, k, b } => a / (1.0 + (-k * (loss - x0)).exp()) + b,
        }
    }
}

/// Steps and tokens over their least, at a batch of `ratio` noise scales: `S/S_min = 1 + B_noise/B`,
/// `E/E_min = 1 + B/B_noise` (McCandlish et al. 2018, arXiv 1812.06162, equation 2.11).
#[must_use]
pub fn batch_overheads(ratio: f64) -> (f64, f64) {
    (1.0 + 1.0 / ratio, 1.0 + ratio)
}

/// Probability that all of `tokens` are right when each is with probability `p`: why an exact match
/// seems to jump where the loss falls smoothly (Schaeffer et al. 2023, arXiv 2304.15004 §3).
#[must_use]
pub fn exact_match(p: f64, tokens: f64) -> f64 {
    p.powf(tokens)
}

#[cfg(test)]
mod tests;
