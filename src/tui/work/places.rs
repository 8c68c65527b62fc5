//! One plan at other prices and in other places.

use crate::catalog::{Kind, Region};
use crate::plan::{Market, run_and_bill_at};
use crate::tui::state::jobs::{Elsewhere, Planned};

/// Prices that a list has.
const MOST_PLACES: usize = 60;

/// Every price of the device, and the places of its provider at the plan's own price.
pub fn places(of: &Planned) -> Vec<Elsewhere> {
    let (plan, catalog) = (&of.plan, &of.catalog);
    let scenario = &plan.scenario;
    let line = |market: &Market<'_>, offer: String, terms: String, usd: Option<f64>, sets: Vec<String>| {
        let (run, bill) = run_and_bill_at(plan, market);
        Elsewhere {
            region: market.region.name.clone(),
            offer,
            terms,
            usd_per_device_hour: usd,
            cost_usd: bill.cost.total_usd,
            energy_j: bill.energy.facility_j,
            carbon_kg_co2e: bill.carbon.total_location_kg_co2e,
            wall_s: run.wall_s,
            sets,
        }
    };
    let mut out = Vec::new();
    for offer in catalog.offers_for(&scenario.accelerator.name).iter() {
        let own: Option<Region> = offer.region.as_ref().and_then(|r| catalog.get(r).ok());
        let region = own.as_ref().unwrap_or(&scenario.region);
        let market = Market {
            offer: Some(offer),
            region,
            owned: false,
        };
        let sets = vec![
            format!("cost.offer={}", offer.name),
            format!("cluster.region={}", region.name),
            "cost.owned=false".to_string(),
        ];
        let usd = offer.usd_per_device_hour.base_usd;
        out.push(line(
            &market,
            offer.provider.clone(),
            offer.commitment.name().to_string(),
            Some(usd),
            sets,
        ));
    }
    let bought = Market {
        offer: None,
        region: &scenario.region,
        owned: true,
    };
    out.push(line(
        &bought,
        "own".to_string(),
        "bought".to_string(),
        None,
        vec!["cost.owned=true".to_string()],
    ));
    out.sort_by(|a, b| {
        let key = |e: &Elsewhere| e.cost_usd.unwrap_or(f64::INFINITY);
        key(a).total_cmp(&key(b))
    });
    out.truncate(MOST_PLACES);
    let names: Vec<String> = catalog.entries(Kind::Region).entries.keys().cloned().collect();
    for name in names {
        let Ok(region) = catalog.get::<Region>(&name) else { continue };
        if region.provider != scenario.region.provider {
            continue;
        }
        let market = Market {
            offer: scenario.offer.as_ref(),
            region: &region,
            owned: scenario.owned,
        };
        let sets = vec![format!("cluster.region={name}")];
        let usd = scenario.offer.as_ref().map(|o| o.usd_per_device_hour.base_usd);
        out.push(line(&market, "as planned".to_string(), String::new(), usd, sets));
    }
    out
}
