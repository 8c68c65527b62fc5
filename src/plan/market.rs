//! What a plan costs at a price and in a place: what changes with these is the bill alone.

use super::{Plan, Scenario};
use crate::bill::{Bill, BillInput, bill};
use crate::catalog::{Offer, Region};
use crate::run::Run;
use crate::step::Step;

/// At which price and in which place a plan is billed.
#[derive(Debug, Clone, Copy)]
pub struct Market<'a> {
    /// A price per device-hour, if one is known.
    pub offer: Option<&'a Offer>,
    /// The place.
    pub region: &'a Region,
    /// The hardware is bought.
    pub owned: bool,
}

impl Market<'_> {
    /// That of a scenario.
    pub(super) fn of(scenario: &Scenario) -> Market<'_> {
        Market {
            offer: scenario.offer.as_ref(),
            region: &scenario.region,
            owned: scenario.owned,
        }
    }

    pub(super) fn bill(&self, scenario: &Scenario, step: &Step, run: &Run, checkpoint_bytes: f64) -> Bill {
        bill(&BillInput {
            step,
            run,
            total_tokens: scenario.workload.total_tokens,
            checkpoint_bytes,
            n_nodes: f64::from(scenario.cluster.n_nodes),
            n_spare_nodes: f64::from(scenario.cluster.reliability.spares.unwrap_or(0)),
            node: &scenario.cluster.node,
            accelerator: &scenario.accelerator,
            region: self.region,
            finance: &scenario.finance,
            offer: self.offer,
            owned: self.owned,
            terms: &scenario.terms,
        })
    }
}

/// The bill of a plan at another price and in another place: step and run do not depend on these.
#[must_use]
pub fn bill_at(plan: &Plan, market: &Market<'_>) -> Bill {
    market.bill(&plan.scenario, &plan.mean_step, &plan.run, plan.checkpoint_bytes)
}
