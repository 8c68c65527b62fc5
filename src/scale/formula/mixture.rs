//! Forms for mixtures of experts and for few bits.

use super::{Allocation, Chinchilla};
use crate::scale::minimize::golden;

/// Routed models: `log10 L = a n + b e + c n e + d` with `n = log10 N` of the dense base and `e` the
/// saturating number of experts (Clark et al. 2022, arXiv 2202.01169, equation 8). 130B tokens fixed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Routed {
    /// Of size.
    pub a: f64,
    /// Of experts.
    pub b: f64,
    /// Of both.
    pub c: f64,
    /// Constant.
    pub d: f64,
    /// Experts below which nothing is gained.
    pub e_start: f64,
    /// Experts above which nothing is gained.
    pub e_max: f64,
}

impl Routed {
    /// log10 of the saturating number of experts.
    #[must_use]
    pub fn log_experts(&self, experts: f64) -> f64 {
        let inner = experts - 1.0 + 1.0 / (1.0 / self.e_start - 1.0 / self.e_max);
        -(1.0 / inner + 1.0 / self.e_max).log10()
    }

    /// Expected loss of a base of `dense_params` with so many experts.
    #[must_use]
    pub fn loss(&self, dense_params: f64, experts: f64) -> f64 {
        let (n, e) = (dense_params.log10(), self.log_experts(experts));
        10f64.powf(self.a * n + self.b * e + self.c * n * e + self.d)
    }

    /// Parameters of the dense model of equal loss by the same law at one expert (ibid., §5).
    #[must_use]
    pub fn effective_params(&self, dense_params: f64, experts: f64) -> f64 {
        let (n, e, one) = (dense_params.log10(), self.log_experts(experts), self.log_experts(1.0));
        // a m + b e1 + c m e1 = a n + b e + c n e, solved for m.
        let m = (self.a * n + self.b * (e - one) + self.c * n * e) / (self.a + self.c * one);
        10f64.powf(m)
    }

    /// Size of the base above which more experts no longer help: `-b/c` in log10.
    #[must_use]
    pub fn cutoff_params(&self) -> f64 {
        10f64.powf(-self.b / self.c)
    }
}

/// Fine-grained mixtures: `L = c + (g/G^gamma + a)/N^alpha + b/D^beta` (Krajewski et al. 2024, arXiv
/// 2402.07871, equation 9). Parameters are total ones without embeddings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Granular {
    /// Irreducible.
    pub c: f64,
    /// Of size.
    pub a: f64,
    /// Exponent of size.
    pub alpha: f64,
    /// Of data.
    pub b: f64,
    /// Exponent of data.
    pub beta: f64,
    /// Of granularity.
    pub g: f64,
    /// Exponent of granularity.
    pub gamma: f64,
}

impl Granular {
    /// Expected loss at a granularity (feed-forward width over an expert's).
    #[must_use]
    pub fn loss(&self, at: Allocation, granularity: f64) -> f64 {
        let size = (self.g * granularity.powf(-self.gamma) + self.a) * at.n_params.powf(-self.alpha);
        self.c + size + self.b * at.n_tokens.powf(-self.beta)
    }

    /// Parameters at which the law has this loss with these tokens; nothing when none has.
    #[must_use]
    pub fn params_for(&self, loss: f64, n_tokens: f64, granularity: f64) -> Option<f64> {
        let left = loss - self.c - self.b * n_tokens.powf(-self.beta);
        let top = self.g * granularity.powf(-self.gamma) + self.a;
        (left > 0.0).then(|| (top / left).powf(1.0 / self.alpha)).filter(|n| n.is_finite())
    }
}

/// Sparse models: `L = a/N^alpha + b/D^beta + c/(1-S)^lambda + d/((1-S)^delta N^gamma) + e` with the
/// inactive share `S` and total parameters (Abnar et al. 2025, arXiv 2501.12370, equation 5).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sparse {
    /// Of size.
    pub a: f64,
    /// Exponent of size.
    pub alpha: f64,
    /// Of data.
    pub b: f64,
    /// Exponent of data.
    pub beta: f64,
    /// Of sparsity.
    pub c: f64,
    /// Exponent of sparsity.
    pub lambda: f64,
    /// Of sparsity and size.
    pub d: f64,
    /// Its exponent of sparsity.
    pub delta: f64,
    /// Its exponent of size.
    pub gamma: f64,
    /// Irreducible.
    pub e: f64,
}

impl Sparse {
    /// Expected loss with the share `inactive_fraction` of the parameters unused by each token.
    #[must_use]
    pub fn loss(&self, at: Allocation, inactive_fraction: f64) -> f64 {
        let active = 1.0 - inactive_fraction;
        self.a * at.n_params.powf(-self.alpha)
            + self.b * at.n_tokens.powf(-self.beta)
            + self.c * active.powf(-self.lambda)
            + self.d * active.powf(-self.delta) * at.n_params.powf(-self.gamma)
            + self.e
    }
}

/// Training in few bits: `L = A N_eff^-alpha + B D^-beta + E`, `N_eff = N Π (1 - exp(-P/γ + n))` over
/// weights, activations and attention (Kumar et al. 2024, arXiv 2411.04330, equation 9).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Precise {
    /// The law at infinite precision.
    pub base: Chinchilla,
    /// Bits over which weights lose, and the offset of the fit.
    pub weights: (f64, f64),
    /// The same of activations.
    pub activations: (f64, f64),
    /// The same of keys and values.
    pub attention: (f64, f64),
    /// `C_T`, exponents of tokens and parameters, bits of the loss by quantizing afterwards, and its offset.
    pub after: (f64, f64, f64, f64, f64),
}

impl Precise {
    /// Share of the parameters that count when weights, activations and attention have these bits.
    #[must_use]
    pub fn share(&self, bits: [f64; 3]) -> f64 {
        let one = |(scale, offset): (f64, f64), bits: f64| (1.0 - (-bits / scale + offset).exp()).max(0.0);
        one(self.weights, bits[0]) * one(self.activations, bits[1]) * one(self.attention, bits[2])
    }

    /// Expected loss.
    #[must_use]
    pub fn loss(&self, at: Allocation, bits: [f64; 3]) -> f64 {
        self.base.loss(Allocation {
            n_params: at.n_params * self.share(bits),
            ..at
        })
    }

    /// What quantizing the finished weights to `bits` adds (ibid., equation 2): more, the more it was trained.
    #[must_use]
    pub fn quantizing(&self, at: Allocation, bits: f64) -> f64 {
        let (scale, tokens, params, gamma, offset) = self.after;
        scale * at.n_tokens.powf(tokens) / at.n_params.powf(params) * (-bits / gamma + offset).exp()
    }
}

/// Bits per weight that buy the most effective parameters per bit when compute grows with bits.
#[must_use]
pub fn best_bits(law: &Precise) -> f64 {
    golden(|bits| -law.share([bits; 3]) / bits, 2.0, 32.0, 100)
}
