//! Who has a machine, at which price and where.

use super::Question;
use crate::catalog::{Catalog, Commitment, Kind, Offer, Region};
use crate::error::{Diagnostic, Error, Result, nearest};
use crate::plan::{self, Scenario};
use std::collections::{BTreeMap, BTreeSet};

/// Name of the provider where the machine is bought.
pub const OWNED: &str = "owned";
/// Name of the provider where there is no price.
pub const NO_PRICE: &str = "no price";

/// A price in a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Market {
    /// Who rents it out.
    pub provider: String,
    /// The price; none where the machine is bought or nobody has one.
    pub offer: Option<Offer>,
    /// The place.
    pub region: Region,
    /// The machine is bought.
    pub owned: bool,
    /// The price names no place: the region is the scenario's, or one that was asked for.
    pub place_assumed: bool,
}

impl Market {
    /// A price index or the catalog's own average over providers: nobody rents from it.
    #[must_use]
    pub fn is_average(&self) -> bool {
        self.provider.starts_with("market") || self.provider.starts_with("index-")
    }

    /// How it is committed, where that is not by the hour on demand.
    #[must_use]
    pub fn commitment(&self) -> Option<Commitment> {
        self.offer.as_ref().map(|o| o.commitment).filter(|c| *c != Commitment::OnDemand)
    }

    /// Somebody rents at it without interrupting, or it was asked for.
    #[must_use]
    pub fn is_firm(&self, question: &Question) -> bool {
        let spot = self.commitment() == Some(Commitment::Spot) && question.commitment.is_none();
        !(spot || (self.is_average() && question.providers.is_empty()))
    }

    /// As a plan is billed at it.
    #[must_use]
    pub fn of_plan(&self) -> plan::Market<'_> {
        plan::Market {
            offer: self.offer.as_ref(),
            region: &self.region,
            owned: self.owned,
        }
    }
}

/// All offers by accelerator, and where they may be.
pub(super) struct Markets<'a> {
    scenario: &'a Scenario,
    question: &'a Question,
    catalog: &'a Catalog,
    offers: BTreeMap<String, Vec<Offer>>,
    regions: Vec<Region>,
}

impl<'a> Markets<'a> {
    /// # Errors
    /// When a provider or region is not known.
    pub(super) fn new(scenario: &'a Scenario, question: &'a Question, catalog: &'a Catalog) -> Result<Markets<'a>> {
        let regions = question.regions.iter().map(|name| catalog.get(name));
        let regions = regions.collect::<Result<Vec<Region>>>()?;
        let mut offers: BTreeMap<String, Vec<Offer>> = BTreeMap::new();
        for name in catalog.entries(Kind::Offer).entries.keys() {
            let offer: Offer = catalog.get(name)?;
            let device = catalog.entry(Kind::Accelerator, &offer.accelerator)?.name.clone();
            offers.entry(device).or_default().push(offer);
        }
        known_providers(&question.providers, &offers)?;
        Ok(Markets {
            scenario,
            question,
            catalog,
            offers,
            regions,
        })
    }

    /// Accelerators that somebody has a price for.
    pub(super) fn priced(&self) -> impl Iterator<Item = &str> {
        self.offers.keys().map(String::as_str)
    }

    /// Prices of an accelerator in their places, by provider. The node tells whether it can be bought.
    pub(super) fn of(&self, accelerator: &str, has_price: bool) -> Result<Vec<Market>> {
        let mut out = Vec::new();
        let wanted = |p: &str| self.question.providers.is_empty() || self.question.providers.iter().any(|w| w == p);
        let bought = self.question.providers.iter().any(|p| p == OWNED);
        if bought || (self.scenario.owned && self.question.providers.is_empty()) {
            if has_price {
                out.extend(self.here().into_iter().map(|region| Market {
                    provider: OWNED.to_string(),
                    offer: None,
                    region,
                    owned: true,
                    place_assumed: true,
                }));
            }
            if self.scenario.owned {
                return Ok(out);
            }
        }
        if let Some(stated) = self.stated(accelerator).filter(|o| wanted(&o.provider)) {
            out.extend(self.places(&stated)?);
        }
        let listed = self.offers.get(accelerator).map_or(&[] as &[Offer], Vec::as_slice);
        let providers: BTreeSet<&str> = listed.iter().map(|o| o.provider.as_str()).filter(|p| wanted(p)).collect();
        for provider in providers {
            let own: Vec<&Offer> = listed.iter().filter(|o| o.provider == provider).collect();
            for offer in self.current(&own) {
                out.extend(self.places(offer)?);
            }
        }
        Ok(out)
    }

    /// Where something without a place stands.
    fn here(&self) -> Vec<Region> {
        if self.regions.is_empty() {
            vec![self.scenario.region.clone()]
        } else {
            self.regions.clone()
        }
    }

    /// Where no price is.
    pub(super) fn unpriced(&self) -> Vec<Market> {
        let market = |region| Market {
            provider: NO_PRICE.to_string(),
            offer: None,
            region,
            owned: false,
            place_assumed: true,
        };
        self.here().into_iter().map(market).collect()
    }

    /// The price that the scenario states for its own accelerator.
    fn stated(&self, accelerator: &str) -> Option<Offer> {
        let offer = self.scenario.offer.as_ref()?;
        let is_listed = self.catalog.entry(Kind::Offer, &offer.name).is_ok();
        (!is_listed && accelerator == self.scenario.accelerator.name).then(|| offer.clone())
    }

    /// Of one provider's offers those of the best commitment, and of these the newest of each place, the
    /// cheapest of equally new ones.
    fn current<'o>(&self, offers: &[&'o Offer]) -> Vec<&'o Offer> {
        let committed = |c: Commitment| offers.iter().copied().filter(|o| o.commitment == c).collect::<Vec<_>>();
        let own = self.scenario.offer.as_ref().map_or(Commitment::OnDemand, |o| o.commitment);
        let list = match self.question.commitment {
            Some(only) => committed(only),
            // Spot comes last: a plan does not count on being interrupted.
            None => [
                own,
                Commitment::OnDemand,
                Commitment::OneYear,
                Commitment::ThreeYears,
                Commitment::CapacityBlock,
                Commitment::Spot,
            ]
            .into_iter()
            .map(committed)
            .find(|list| !list.is_empty())
            .unwrap_or_default(),
        };
        let mut best: BTreeMap<Option<&str>, &Offer> = BTreeMap::new();
        for offer in list {
            let newer = |old: &Offer| {
                let price = |o: &Offer| o.usd_per_device_hour.base_usd;
                offer.as_of > old.as_of || (offer.as_of == old.as_of && price(offer) < price(old))
            };
            let slot = best.entry(offer.region.as_deref()).or_insert(offer);
            if newer(slot) {
                *slot = offer;
            }
        }
        best.into_values().collect()
    }

    /// An offer in the places where it may be. One that names no place is held to be in the scenario's
    /// region, or in those asked for that are its provider's or nobody's.
    fn places(&self, offer: &Offer) -> Result<Vec<Market>> {
        let market = |region: Region, place_assumed| Market {
            provider: offer.provider.clone(),
            offer: Some(offer.clone()),
            region,
            owned: false,
            place_assumed,
        };
        if let Some(name) = &offer.region {
            let region: Region = self.catalog.get(name)?;
            let asked = self.regions.is_empty() || self.regions.iter().any(|r| r.name == region.name);
            return Ok(asked.then(|| market(region, false)).into_iter().collect());
        }
        let may = |r: &Region| self.regions.is_empty() || r.provider == "generic" || r.provider == offer.provider;
        let here = self.here().into_iter().filter(may);
        Ok(here.map(|region| market(region, true)).collect())
    }
}

fn known_providers(wanted: &[String], offers: &BTreeMap<String, Vec<Offer>>) -> Result<()> {
    let known: BTreeSet<&str> = offers.values().flatten().map(|o| o.provider.as_str()).chain([OWNED]).collect();
    let unknown = wanted.iter().filter(|p| !known.contains(p.as_str()));
    let problems: Vec<Diagnostic> = unknown
        .map(|name| {
            let hint = nearest(name, known.iter().copied()).map_or(String::new(), |n| format!("did you mean `{n}`? "));
            let all: Vec<&str> = known.iter().copied().collect();
            Diagnostic::new(format!("no provider is called `{name}`")).help(format!("{hint}there are {}", all.join(", ")))
        })
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(problems))
    }
}
