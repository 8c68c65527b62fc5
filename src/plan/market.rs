//! What a plan costs at a price and in a place: what changes with these is the bill alone.

use super::cost::{PREEMPTED_EVERY_S, PREEMPTION_WAIT_S};
use super::{Plan, Scenario};
use crate::bill::{Bill, BillInput, bill};
use crate::catalog::{Commitment, Offer, Region, Reliability};
use crate::run::Run;
use crate::step::Step;
use crate::units::DAY_S;

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

/// Run and bill of a plan at another price and in another place. The step does not depend on these, and
/// the run only by how often its nodes are taken away.
#[must_use]
pub fn run_and_bill_at(plan: &Plan, market: &Market<'_>) -> (Run, Bill) {
    let reliability = reliability_at(&plan.scenario, market);
    if reliability == plan.scenario.cluster.reliability {
        let bill = market.bill(&plan.scenario, &plan.mean_step, &plan.run, plan.checkpoint_bytes);
        return (plan.run, bill);
    }
    let mut scenario = plan.scenario.clone();
    scenario.cluster.reliability = reliability;
    let run = super::outcome(&scenario, &plan.layout, &plan.step, &plan.phases, &plan.counts).run;
    let bill = market.bill(&scenario, &plan.mean_step, &run, plan.checkpoint_bytes);
    (run, bill)
}

/// How nodes fail at a price: interruptible ones are also taken away. A scenario that is not on
/// interruptible nodes itself and has a rate of that states it for all.
fn reliability_at(scenario: &Scenario, market: &Market<'_>) -> Reliability {
    let spot = |offer: Option<&Offer>, owned: bool| offer.filter(|o| o.commitment == Commitment::Spot && !owned).cloned();
    let own = spot(scenario.offer.as_ref(), scenario.owned);
    let other = spot(market.offer, market.owned);
    let mut out = scenario.cluster.reliability.clone();
    match (&own, &other) {
        (Some(_), None) => out.preemptions_per_day = 0.0,
        (None, Some(_)) if out.preemptions_per_day > 0.0 => {}
        (_, Some(offer)) if own.as_ref().map(|o| &o.name) != Some(&offer.name) => {
            let every_s = offer.preempted_every_s.unwrap_or(PREEMPTED_EVERY_S);
            out.preemptions_per_day = f64::from(scenario.cluster.n_nodes) * DAY_S / every_s;
        }
        _ => {}
    }
    if other.is_some() && out.preemption_wait_s <= 0.0 {
        out.preemption_wait_s = PREEMPTION_WAIT_S;
    }
    out
}
