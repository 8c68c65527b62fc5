//! Which price a scenario is billed at.

use super::scenario::Builder;
use crate::catalog::ranges::RENT;
use crate::catalog::reader::Reader;
use crate::catalog::{Accelerator, Cluster, Commitment, Kind, Money3, Offer, Region};
use crate::units::Unit;

/// `[cost]` as read.
pub(super) struct CostChoice {
    pub(super) offer: Option<String>,
    pub(super) usd_per_device_hour: Option<f64>,
    pub(super) commitment: Option<Commitment>,
    pub(super) finance: String,
    pub(super) owned: bool,
}

impl Builder<'_> {
    pub(super) fn cost(&mut self, root: &Reader<'_>, _: Option<&Cluster>) -> CostChoice {
        let none = CostChoice {
            offer: None,
            usd_per_device_hour: None,
            commitment: None,
            finance: "default".to_string(),
            owned: false,
        };
        let Some(c) = self.section(root, "cost") else { return none };
        let offer = c.text("offer");
        if let Some(name) = &offer {
            let index = self.catalog.entries(Kind::Offer);
            if index.get(name).is_none() {
                let problem = index.unknown(Kind::Offer, name);
                c.problem("offer", problem.message, problem.help.unwrap_or_default());
            }
        }
        let out = CostChoice {
            offer,
            usd_per_device_hour: c.number("usd_per_device_hour", Unit::UsdPerHour, RENT),
            commitment: c.choice("commitment", &Commitment::ALL),
            finance: c.text("finance").unwrap_or(none.finance),
            owned: c.flag("owned").unwrap_or(false),
        };
        c.finish();
        out
    }

    /// The price the scenario names, else the region's provider's, else the market's, on demand
    /// unless it says otherwise. What was chosen is named among the assumptions; without any there
    /// is no price rather than a made-up one.
    pub(super) fn offer(&mut self, choice: &CostChoice, accelerator: &Accelerator, region: &Region) -> Option<Offer> {
        if let Some(price) = choice.usd_per_device_hour {
            return Some(Offer {
                name: "stated in the scenario".to_string(),
                provider: region.provider.clone(),
                accelerator: accelerator.name.clone(),
                region: None,
                commitment: choice.commitment.unwrap_or(Commitment::OnDemand),
                usd_per_device_hour: Money3 {
                    low_usd: price,
                    base_usd: price,
                    high_usd: price,
                },
                as_of: "scenario".to_string(),
            });
        }
        if let Some(name) = &choice.offer {
            return self.catalog.get::<Offer>(name).ok();
        }
        let commitment = choice.commitment.unwrap_or(Commitment::OnDemand);
        let found = self.best_offer(accelerator, region, commitment)?;
        let price = found.usd_per_device_hour;
        let text = format!(
            "{} USD per device-hour ({}, {}, {})",
            price.base_usd,
            found.name,
            found.commitment.name(),
            found.as_of
        );
        let source = self
            .catalog
            .entry(Kind::Offer, &found.name)
            .ok()
            .and_then(|e| e.tree.text("source").map(str::to_string));
        self.assume("cost.offer", text, source.unwrap_or_else(|| "no source".to_string()));
        Some(found)
    }

    fn best_offer(&self, accelerator: &Accelerator, region: &Region, commitment: Commitment) -> Option<Offer> {
        let rank = |o: &Offer| {
            let regional = o.region.as_deref() == Some(region.name.as_str());
            match (o.provider == region.provider, o.provider.starts_with("market")) {
                (true, _) if regional => 0,
                (true, _) if o.region.is_none() => 1,
                (_, true) => 2,
                (true, _) => 3,
                _ => 4,
            }
        };
        let offers = self.catalog.offers_for(&accelerator.name);
        let fitting = offers.iter().filter(|o| o.commitment == commitment);
        let mut fitting: Vec<(u32, &Offer)> = fitting.map(|o| (rank(o), o)).collect();
        let nearest = fitting.iter().map(|(r, _)| *r).min()?;
        fitting.retain(|(r, _)| *r == nearest);
        // The newest price of the provider or market; of strangers elsewhere the one in the middle.
        if nearest < 4 {
            fitting.sort_by(|(_, a), (_, b)| b.as_of.cmp(&a.as_of).then(a.name.cmp(&b.name)));
            fitting.first().map(|(_, o)| Offer::clone(o))
        } else {
            let price = |o: &Offer| o.usd_per_device_hour.base_usd;
            fitting.sort_by(|(_, a), (_, b)| price(a).total_cmp(&price(b)).then(a.name.cmp(&b.name)));
            let middle = (fitting.len() - 1) / 2;
            fitting.get(middle).map(|(_, o)| Offer::clone(o))
        }
    }
}
