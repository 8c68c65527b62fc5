//! What a run costs: energy, carbon, water and money.

pub mod carbon;
pub mod cost;
pub mod energy;
#[cfg(test)]
mod tests;

pub use carbon::Carbon;
pub use cost::{Cloud, Money, Owned, Way};
pub use energy::Energy;

use crate::catalog::{Accelerator, Finance, Node, Offer, Region};
use crate::run::Run;
use crate::step::Step;
use crate::units::KWH_J;

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
    /// Nodes held for the whole run, idle ones included.
    pub n_nodes: f64,
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
}

impl BillInput<'_> {
    /// Devices held for the whole run.
    #[must_use]
    pub fn n_devices(&self) -> f64 {
        self.n_nodes * f64::from(self.node.n_devices)
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
    let water_l = water_onsite_l + it_kwh * input.region.pue * input.region.grid.water_l_per_kwh;
    let cost = cost::money(input, &energy);
    Bill {
        energy,
        carbon,
        water_l,
        water_onsite_l,
        cost,
    }
}
