//! A run in the lines of a greenhouse gas inventory.
//!
//! Which line an emission belongs to depends on who owns and controls the equipment (GHG Protocol,
//! Scope 2 Guidance 2015 and Scope 3 Standard 2011). What is known here is laid out for three reporters
//! by the operational-control approach; lines that nothing is known of are there and empty, not zero.

use super::{BillInput, Carbon, Energy, Way};
use crate::units::KWH_J;

/// One line of an inventory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScopeLine {
    /// `1`, `2`, `3.1` …
    pub scope: &'static str,
    /// What it is.
    pub what: &'static str,
    /// By the average factor of the grid; nothing where it is not known.
    pub location_kg_co2e: Option<f64>,
    /// After contracts, where the operator states a factor.
    pub market_kg_co2e: Option<f64>,
}

/// Who reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reporter {
    /// Owns the servers and the building.
    Owner,
    /// Owns the servers, in somebody's building.
    Tenant,
    /// Rents.
    Customer,
}

impl Reporter {
    /// Who pays the bill of a run.
    #[must_use]
    pub fn of(way: Option<Way>, own_facility: bool) -> Reporter {
        match way {
            Some(Way::Owned) if own_facility => Reporter::Owner,
            Some(Way::Owned) => Reporter::Tenant,
            _ => Reporter::Customer,
        }
    }
}

/// The lines of who pays the bill. Grid losses and fuel extraction (3.3) are left open: some factors of
/// the catalog contain them (life cycle), some do not (plants alone).
#[must_use]
pub fn lines(input: &BillInput, energy: &Energy, carbon: &Carbon, way: Option<Way>) -> Vec<ScopeLine> {
    let line = |scope, what, location_kg_co2e, market_kg_co2e| ScopeLine {
        scope,
        what,
        location_kg_co2e,
        market_kg_co2e,
    };
    let by_location = |j: f64| Some(j / KWH_J * carbon.location_kg_co2e_per_kwh);
    let by_market = |j: f64| input.region.market_kg_co2e_per_kwh.map(|factor| j / KWH_J * factor);
    let electricity = |scope, what, j: f64| line(scope, what, by_location(j), by_market(j));
    let open = |scope, what| line(scope, what, None, None);
    let booked = Some(carbon.embodied_booked_kg_co2e);
    match Reporter::of(way, input.terms.own_facility) {
        Reporter::Owner => vec![
            open("1", "diesel of test runs, refrigerants"),
            electricity("2", "electricity of IT and cooling", energy.facility_j),
            line("3.2", "servers, booked in the year of purchase", booked, booked),
            open("3.2", "network, storage, building"),
            open("3.3", "fuel extraction, grid losses"),
        ],
        Reporter::Tenant => vec![
            open("1", "none: the building is another's"),
            electricity("2", "electricity of IT", energy.it_j),
            line("3.2", "servers, booked in the year of purchase", booked, booked),
            open("3.2", "network, storage"),
            open("3.3", "fuel extraction, grid losses"),
            electricity("3.8", "cooling and losses of the building", energy.cooling_j),
        ],
        Reporter::Customer => {
            let servers = carbon.embodied_kg_co2e;
            let market = carbon.operational_market_kg_co2e.map(|kg| kg + servers);
            let bought = Some(carbon.operational_location_kg_co2e + servers);
            vec![
                open("1", "none: nothing is owned"),
                open("2", "none: nothing is metered"),
                line("3.1", "the provider's electricity, and its servers amortized", bought, market),
                open("3.1", "the provider's fuel, network and buildings"),
            ]
        }
    }
}
