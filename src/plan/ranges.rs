//! Between which values a plan's headline numbers lie in eight cases of ten.

use super::{Plan, outcome};
use crate::step::Step;

/// A tenth of the cases lies below, half, and nine tenths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantiles {
    /// Tenth percentile.
    pub p10: f64,
    /// Median.
    pub p50: f64,
    /// Ninetieth percentile.
    pub p90: f64,
}

/// Ranges that follow from how far predictions of left-out runs of the same class were off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranges {
    /// Step time.
    pub step_time_s: Quantiles,
    /// Wall time of the run.
    pub wall_s: Quantiles,
    /// Cost, where there is a price.
    pub cost_usd: Option<Quantiles>,
    /// Energy at the meter.
    pub energy_j: Quantiles,
}

/// The ranges of a plan; nothing when the catalog has no band for its class.
///
/// A run whose throughput was predicted `r` times too high takes `r` times the predicted step time.
/// The band states the tenth and ninetieth percentile of `r`; run and bill are worked out again
/// for both. Prices, failures and grids are held: their spread is not in it.
#[must_use]
pub fn ranges(plan: &Plan) -> Option<Ranges> {
    let band = plan.scenario.band.as_ref()?;
    let (low, high) = (band.low_ratio, band.high_ratio);
    let at = |ratio: f64| outcome(&plan.scenario, &slower(&plan.step, ratio), &plan.counts);
    let (short, long) = (at(low), at(high));
    let quantiles = |p10, p50, p90| Quantiles { p10, p50, p90 };
    let cost = |short: Option<f64>, long: Option<f64>| Some(quantiles(short?, plan.bill.cost.total_usd?, long?));
    Some(Ranges {
        step_time_s: quantiles(plan.step.time_s * low, plan.step.time_s, plan.step.time_s * high),
        wall_s: quantiles(short.run.wall_s, plan.run.wall_s, long.run.wall_s),
        cost_usd: cost(short.bill.cost.total_usd, long.bill.cost.total_usd),
        energy_j: quantiles(
            short.bill.energy.facility_j,
            plan.bill.energy.facility_j,
            long.bill.energy.facility_j,
        ),
    })
}

/// A step that takes `ratio` times as long, each part of it.
fn slower(step: &Step, ratio: f64) -> Step {
    Step {
        time_s: step.time_s * ratio,
        parts: step.parts.times(ratio),
        mfu: step.mfu / ratio,
        hfu: step.hfu / ratio,
        ..step.clone()
    }
}
