//! Between which values a plan's headline numbers lie in eight cases of ten.

use super::{PhasePlan, Plan, outcome};
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

/// Between which values the headline numbers lie.
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
    /// Location-based carbon, the servers' share included.
    pub carbon_kg_co2e: Quantiles,
}

/// Ranges from draws of everything that is uncertain, and what was drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// The ranges.
    pub ranges: Ranges,
    /// On what they rest, for people.
    pub note: String,
}

/// The ranges of a plan: those that were drawn, else those that follow from how far predictions of
/// left-out runs of the same class were off; nothing when the catalog has no band for its class.
///
/// A run whose throughput was predicted `r` times too high takes `r` times the predicted step time.
/// The band states the tenth and ninetieth percentile of `r`; run and bill are worked out again
/// for both. Prices, failures and grids are held: their spread is not in it.
#[must_use]
pub fn ranges(plan: &Plan) -> Option<Ranges> {
    if let Some(drawn) = &plan.drawn {
        return Some(drawn.ranges);
    }
    let band = plan.scenario.band.as_ref()?;
    let (low, high) = (band.low_ratio, band.high_ratio);
    let at = |ratio: f64| {
        let phases: Vec<PhasePlan> = plan.phases.iter().map(|p| slower_phase(p, ratio)).collect();
        outcome(&plan.scenario, &plan.layout, &slowed(&plan.step, ratio), &phases, &plan.counts)
    };
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
        carbon_kg_co2e: quantiles(
            short.bill.carbon.total_location_kg_co2e,
            plan.bill.carbon.total_location_kg_co2e,
            long.bill.carbon.total_location_kg_co2e,
        ),
    })
}

/// A step that takes `ratio` times as long, each part of it.
#[must_use]
pub fn slowed(step: &Step, ratio: f64) -> Step {
    Step {
        time_s: step.time_s * ratio,
        parts: step.parts.times(ratio),
        mfu: step.mfu / ratio,
        hfu: step.hfu / ratio,
        ..step.clone()
    }
}

/// The phase when its steps take so much longer.
#[must_use]
pub fn slower_phase(phase: &PhasePlan, ratio: f64) -> PhasePlan {
    PhasePlan {
        step: slowed(&phase.step, ratio),
        ..phase.clone()
    }
}
