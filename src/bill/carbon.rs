//! Greenhouse gases of the electricity and of making the machine.

use super::{BillInput, Energy};
use crate::units::KWH_J;

/// Emissions of a run. The methods stand side by side; they are never netted or added to each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Carbon {
    /// Electricity by the average factor of the grid (GHG Protocol Scope 2, location-based).
    pub operational_location_kg_co2e: f64,
    /// The factor: of the hours of the run where the grid has them, else of the year.
    pub location_kg_co2e_per_kwh: f64,
    /// Electricity after the operator's contracts (market-based), where it states a factor.
    pub operational_market_kg_co2e: Option<f64>,
    /// Electricity by the marginal factor of the grid, where published: for decisions, not for inventories.
    pub operational_marginal_kg_co2e: Option<f64>,
    /// Share of making the servers that this run uses up; network and building are not included.
    pub embodied_kg_co2e: f64,
    /// Making the servers in full, as the GHG Protocol books it in the year of purchase.
    pub embodied_booked_kg_co2e: f64,
    /// Location-based electricity and amortized servers: the headline.
    pub total_location_kg_co2e: f64,
    /// The same per unit of work.
    pub sci: Sci,
}

/// Software carbon intensity, `(O + M) per R` of ISO/IEC 21031:2024, for three units R: O by location,
/// M amortized. Market-based measures cannot reduce it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sci {
    /// R is the training run.
    pub run_kg_co2e: f64,
    /// R is a billion tokens trained on.
    pub gtoken_kg_co2e: f64,
    /// R is 10^18 model FLOPs, causal.
    pub eflop_kg_co2e: f64,
}

/// Emissions of a run. Embodied carbon is amortized by ISO/IEC 21031:2024 (SCI), `M = TE · TS · RS`
/// with the time share TS = wall time over life and the resource share RS = 1 (nodes are held whole).
#[must_use]
pub fn carbon(input: &BillInput, energy: &Energy) -> Carbon {
    let facility_kwh = energy.facility_j / KWH_J;
    let region = input.region;
    let location_kg_co2e_per_kwh = input.location_kg_co2e_per_kwh();
    let operational_location_kg_co2e = facility_kwh * location_kg_co2e_per_kwh;
    let embodied_booked_kg_co2e = input.node.embodied_kg_co2e * input.held_nodes();
    let embodied_kg_co2e = embodied_booked_kg_co2e * input.run.wall_s / input.finance.life_s;
    let total_location_kg_co2e = operational_location_kg_co2e + embodied_kg_co2e;
    #[allow(clippy::cast_precision_loss)]
    let model_flop = input.run.n_steps as f64 * input.step.model_flop;
    let per = |n: f64| if n > 0.0 { total_location_kg_co2e / n } else { 0.0 };
    Carbon {
        operational_location_kg_co2e,
        location_kg_co2e_per_kwh,
        operational_market_kg_co2e: region.market_kg_co2e_per_kwh.map(|factor| facility_kwh * factor),
        operational_marginal_kg_co2e: region.grid.marginal_kg_co2e_per_kwh.map(|factor| facility_kwh * factor),
        embodied_kg_co2e,
        embodied_booked_kg_co2e,
        total_location_kg_co2e,
        sci: Sci {
            run_kg_co2e: total_location_kg_co2e,
            gtoken_kg_co2e: per(input.total_tokens / 1e9),
            eflop_kg_co2e: per(model_flop / 1e18),
        },
    }
}
