//! What a run costs: energy, carbon, water and money.

pub mod books;
pub mod calendar;
pub mod carbon;
pub mod cost;
pub mod energy;
pub mod scope;
#[cfg(test)]
mod tests;

pub use books::Books;
pub use carbon::{Carbon, Sci};
pub use cost::{Capital, Cloud, Extra, Money, Owned, Way};
pub use energy::Energy;
pub use scope::ScopeLine;

use crate::catalog::{Accelerator, Commitment, Finance, Node, Offer, Region};
use crate::run::Run;
use crate::step::Step;
use crate::units::KWH_J;
use calendar::Span;

/// A currency beside the dollar.
#[derive(Debug, Clone, PartialEq)]
pub struct Currency {
    /// Its code, as ISO 4217 has it.
    pub code: String,
    /// What one unit of it costs.
    pub unit_usd: f64,
    /// Date of the rate.
    pub as_of: String,
}

/// What a scenario says of its bill beyond catalog entries. The default says nothing, and what it
/// leaves out is named among the assumptions of a plan.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Terms {
    /// From the start of its year to the start of the run, local time.
    pub start_s: Option<f64>,
    /// Data transferred out.
    pub egress_bytes: f64,
    /// Licences of data.
    pub licences_usd: f64,
    /// Experiments beside the run, over its machine cost.
    pub experiments_fraction: f64,
    /// Runs that failed and were started over, over its machine cost.
    pub failed_runs_fraction: f64,
    /// Taxes on everything else.
    pub tax_fraction: f64,
    /// The machine stands in a building of its owner, not in colocation.
    pub own_facility: bool,
    /// Rate of discount; the cost of capital where nothing is said.
    pub discount_rate_fraction: Option<f64>,
    /// A currency to show totals in, too.
    pub currency: Option<Currency>,
}

/// What a bill is made of.
#[derive(Debug, Clone, Copy)]
pub struct BillInput<'a> {
    /// One optimizer step.
    pub step: &'a Step,
    /// The whole run.
    pub run: &'a Run,
    /// Tokens trained on, which are stored during the run.
    pub total_tokens: f64,
    /// Size of one checkpoint.
    pub checkpoint_bytes: f64,
    /// Nodes that the job runs on, held for the whole run.
    pub n_nodes: f64,
    /// Spare nodes, held and idle.
    pub n_spare_nodes: f64,
    /// What a node is.
    pub node: &'a Node,
    /// Its devices.
    pub accelerator: &'a Accelerator,
    /// Where it stands.
    pub region: &'a Region,
    /// Assumptions of owning and storing.
    pub finance: &'a Finance,
    /// A price per device-hour, if one is known.
    pub offer: Option<&'a Offer>,
    /// The machine is bought, not rented.
    pub owned: bool,
    /// What else the scenario says.
    pub terms: &'a Terms,
}

impl BillInput<'_> {
    /// Nodes held for the whole run, idle ones included.
    #[must_use]
    pub fn held_nodes(&self) -> f64 {
        self.n_nodes + self.n_spare_nodes
    }

    /// Devices held for the whole run.
    #[must_use]
    pub fn n_devices(&self) -> f64 {
        self.held_nodes() * f64::from(self.node.n_devices)
    }

    /// When the run takes place.
    #[must_use]
    pub fn span(&self) -> Span {
        Span {
            start_s: self.terms.start_s,
            wall_s: self.run.wall_s,
        }
    }

    /// Power usage effectiveness over the months of the run, or of the year.
    #[must_use]
    pub fn pue(&self) -> f64 {
        let months = self.region.pue_by_month.as_ref();
        months.map_or(self.region.pue, |m| calendar::of_months(m, self.span()))
    }

    /// Average factor of the grid over the hours of the run, or of the year.
    #[must_use]
    pub fn location_kg_co2e_per_kwh(&self) -> f64 {
        let grid = &self.region.grid;
        let hours = grid.hourly_kg_co2e_per_kwh.as_ref();
        hours.map_or(grid.location_kg_co2e_per_kwh, |h| calendar::of_hours(h, self.span()))
    }

    /// Whether nodes that were taken away are not paid for.
    #[must_use]
    pub fn waits_for_nothing(&self) -> bool {
        self.offer.is_some_and(|o| o.commitment == Commitment::Spot)
    }
}

/// What a run costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Bill {
    /// Electricity.
    pub energy: Energy,
    /// Greenhouse gases.
    pub carbon: Carbon,
    /// Water on site and where the electricity is made.
    pub water_l: f64,
    /// The part of it used on site.
    pub water_onsite_l: f64,
    /// Money.
    pub cost: Money,
    /// Lines of a greenhouse gas inventory, for who pays the bill.
    pub scopes: Vec<ScopeLine>,
}

/// The bill of a run.
///
/// Water is `E_IT (WUE_onsite + PUE · WUE_offsite)`: P. Li et al., "Making AI less thirsty",
/// arXiv 2304.03271; EcoLogits computes the same.
#[must_use]
pub fn bill(input: &BillInput) -> Bill {
    let energy = energy::energy(input);
    let carbon = carbon::carbon(input, &energy);
    let it_kwh = energy.it_j / KWH_J;
    let water_onsite_l = it_kwh * input.region.wue_l_per_kwh;
    let water_l = water_onsite_l + it_kwh * energy.pue * input.region.grid.water_l_per_kwh;
    let cost = cost::money(input, &energy);
    let scopes = scope::lines(input, &energy, &carbon, cost.way);
    Bill {
        energy,
        carbon,
        water_l,
        water_onsite_l,
        cost,
        scopes,
    }
}
