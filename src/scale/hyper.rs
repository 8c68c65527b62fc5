//! Where to start with learning rate and batch, and what batches cost.

use super::formula::Allocation;
use super::law::{Formula, find};
use crate::error::Result;

/// Published optima scatter about the laws by this factor (StepFun 2025, arXiv 2503.04715: ratio .65 to 1.89
/// against 17 measured optima).
pub const BAND_FACTOR: f64 = 2.0;

/// A start by one law.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The law.
    pub law: String,
    /// `learning rate` or `batch tokens`.
    pub quantity: String,
    /// Its value; a factor of two either way is as good.
    pub value: f64,
    /// Publication.
    pub source: String,
}

/// Learning rate and batch by the published laws; critical batches among them.
///
/// # Errors
/// Never with the shipped laws.
pub fn starts(at: Allocation, loss: f64) -> Result<Vec<Start>> {
    let names = [
        "deepseek-rate",
        "steplaw-rate",
        "deepseek-batch",
        "steplaw-batch",
        "zhang-batch",
        "kaplan-batch",
    ];
    let mut out = Vec::new();
    for name in names {
        let law = find(name)?;
        let Formula::Power(power) = law.formula else { continue };
        if let Some(value) = power.at(at.n_params, at.n_tokens, at.flop(), loss) {
            out.push(Start {
                law: law.name,
                quantity: law.quantity,
                value,
                source: law.source,
            });
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(at: Allocation, name: &str) -> f64 {
        starts(at, 2.0).unwrap().into_iter().find(|s| s.law == name).unwrap().value
    }

    #[test]
    fn deepseek_models_come_back() {
        for (n, rate, batch) in [(6.9e9, 4.26e-4, 9.16e6), (67e9, 3.20e-4, 19.3e6)] {
            let at = Allocation {
                n_params: n,
                n_tokens: 2e12,
            };
            assert!(
                (value(at, "deepseek-rate") / rate - 1.0).abs() < 0.01,
                "{}",
                value(at, "deepseek-rate")
            );
            assert!(
                (value(at, "deepseek-batch") / batch - 1.0).abs() < 0.01,
                "{}",
                value(at, "deepseek-batch")
            );
        }
    }

    #[test]
    fn kaplans_critical_batch_grows_as_loss_falls() {
        let at = Allocation {
            n_params: 1e9,
            n_tokens: 2e10,
        };
        let of = |loss: f64| {
            starts(at, loss)
                .unwrap()
                .into_iter()
                .find(|s| s.law == "kaplan-batch")
                .unwrap()
                .value
        };
        for (loss, want) in [(3.0, 1.07e6), (2.5, 2.55e6), (2.0, 7.37e6)] {
            assert!((of(loss) / want - 1.0).abs() < 0.01, "{}", of(loss));
        }
    }
}
