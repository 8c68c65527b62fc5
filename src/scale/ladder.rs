//! Small runs before the big one: what they cost and how far they are from it.

use super::formula::{Allocation, Power};
use super::law::{Formula, find};
use super::shape::shaped;
use crate::catalog::Catalog;
use crate::error::Result;
use crate::layout::Choice;
use crate::plan::{Plan, Scenario, plan};

/// One small run.
#[derive(Debug, Clone)]
pub struct Rung {
    /// Size and data.
    pub at: Allocation,
    /// Its plan on the machine of the ladder, where one was asked.
    pub plan: Option<Plan>,
}

/// All of them.
#[derive(Debug, Clone)]
pub struct Ladder {
    /// The runs.
    pub rungs: Vec<Rung>,
    /// Copies of each with other seeds or settings.
    pub n_copies: f64,
    /// The big run.
    pub target: Allocation,
}

impl Ladder {
    /// FLOP of all small runs.
    #[must_use]
    pub fn flop(&self) -> f64 {
        self.n_copies * self.rungs.iter().map(|r| r.at.flop()).sum::<f64>()
    }

    /// Their share of the big run's.
    #[must_use]
    pub fn share_fraction(&self) -> f64 {
        self.flop() / self.target.flop()
    }

    /// The target over the largest rung: size, data, FLOP.
    #[must_use]
    pub fn distance(&self) -> [f64; 3] {
        let largest = |of: fn(&Allocation) -> f64| self.rungs.iter().map(|r| of(&r.at)).fold(0.0, f64::max);
        let pairs: [fn(&Allocation) -> f64; 3] = [|a| a.n_params, |a| a.n_tokens, Allocation::flop];
        pairs.map(|of| of(&self.target) / largest(of))
    }

    /// Sum over the planned runs; nothing when one is not planned or has none.
    #[must_use]
    pub fn sum(&self, of: impl Fn(&Plan) -> Option<f64>) -> Option<f64> {
        let list: Option<Vec<f64>> = self.rungs.iter().map(|r| r.plan.as_ref().and_then(&of)).collect();
        list.map(|l| self.n_copies * l.iter().sum::<f64>())
    }
}

/// Sizes by tokens per parameter.
#[must_use]
pub fn ladder(sizes: &[f64], ratios: &[f64], n_copies: f64, target: Allocation) -> Ladder {
    let rung = |n: f64, ratio: f64| Rung {
        at: Allocation {
            n_params: n,
            n_tokens: n * ratio,
        },
        plan: None,
    };
    Ladder {
        rungs: sizes.iter().flat_map(|n| ratios.iter().map(move |r| rung(*n, *r))).collect(),
        n_copies,
        target,
    }
}

/// Plan every rung on a machine, each with the batch that the step law gives its data (StepFun 2025,
/// arXiv 2503.04715).
///
/// # Errors
/// When a rung has no layout that fits.
pub fn planned(ladder: &mut Ladder, base: &Scenario, catalog: &Catalog, told: &dyn Fn()) -> Result<()> {
    let batch = match find("steplaw-batch")?.formula {
        Formula::Power(power) => power,
        _ => Power::default(),
    };
    for rung in &mut ladder.rungs {
        let mut scenario = base.clone();
        scenario.workload.model = shaped(&base.workload.model, rung.at.n_params, None);
        scenario.workload.total_tokens = rung.at.n_tokens;
        let tokens = batch.at(0.0, rung.at.n_tokens, 0.0, 0.0).unwrap_or(1e6);
        // Machines divide powers of two.
        let sequences = (tokens / scenario.workload.seq_len_tokens).log2().round().exp2().max(1.0);
        scenario.workload.global_batch_seqs = sequences;
        scenario.choice = Choice::default();
        rung.plan = Some(plan(&scenario, catalog)?);
        told();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_ladder_costs_about_a_hundredth_of_its_target() {
        // Bhagia et al. 2024: 190M to 1.3B without embeddings at 1, 2, 5 and 10 times Chinchilla for 13B on 5T.
        let target = Allocation {
            n_params: 13.2e9,
            n_tokens: 5e12,
        };
        let sizes = [190.4e6, 371e6, 759e6, 1.279e9];
        let made = ladder(&sizes, &[20.0, 40.0, 100.0, 200.0], 1.0, target);
        assert_eq!(made.rungs.len(), 16);
        let share = made.share_fraction();
        assert!((0.009..0.016).contains(&share), "{share}");
        let [size, data, flop] = made.distance();
        assert!((size - 10.3).abs() < 0.1 && (data - 19.5).abs() < 0.2 && flop > 190.0);
    }
}
