//! Which price a scenario is billed at, and what else `[cost]` says.

use super::scenario::Builder;
use crate::bill::{Currency, Terms};
use crate::catalog::ranges::{MONEY, MTBF, RENT};
use crate::catalog::reader::{Bounds, Reader};
use crate::catalog::show::known_facts;
use crate::catalog::{Accelerator, Cluster, Commitment, Finance, Kind, Money3, Offer, Region};
use crate::units::{self, DAY_S, HOUR_S, Unit};
use Bounds::Within;

/// Mean time between preemptions of an interruptible node where nobody knows better: a fifth of them
/// taken away in a month, `730 h / −ln(0.8)`, the top band that AWS' Spot Instance Advisor tells of.
pub(super) const PREEMPTED_EVERY_S: f64 = 3271.0 * HOUR_S;
/// Time until they come back.
pub(super) const PREEMPTION_WAIT_S: f64 = 0.5 * HOUR_S;

/// `[cost]` as read.
pub(super) struct CostChoice {
    pub(super) offer: Option<String>,
    pub(super) usd_per_device_hour: Option<f64>,
    pub(super) commitment: Option<Commitment>,
    pub(super) finance: String,
    pub(super) owned: bool,
    pub(super) preempted_every_s: Option<f64>,
    pub(super) terms: Terms,
}

impl Builder<'_> {
    pub(super) fn cost(&mut self, root: &Reader<'_>, _: Option<&Cluster>) -> CostChoice {
        let none = CostChoice {
            offer: None,
            usd_per_device_hour: None,
            commitment: None,
            finance: "default".to_string(),
            owned: false,
            preempted_every_s: None,
            terms: Terms::default(),
        };
        let Some(c) = self.section(root, "cost") else {
            self.note_left_out(&none.terms, &[]);
            return none;
        };
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
            preempted_every_s: c.written("preempted_every", Unit::S, MTBF),
            terms: terms(&c),
        };
        let given: Vec<&str> = c.keys().collect();
        self.note_left_out(&out.terms, &given);
        c.finish();
        out
    }

    /// Name what a bill could hold and this one leaves at nothing because nobody gave it.
    fn note_left_out(&mut self, terms: &Terms, given: &[&str]) {
        let lines = [
            ("egress", terms.egress_bytes),
            ("data_licences", terms.licences_usd),
            ("experiments_fraction", terms.experiments_fraction),
            ("failed_runs_fraction", terms.failed_runs_fraction),
            ("tax_fraction", terms.tax_fraction),
        ];
        let open: Vec<&str> = lines
            .iter()
            .filter(|(key, value)| *value <= 0.0 && !given.contains(key))
            .map(|(key, _)| *key)
            .collect();
        if !open.is_empty() {
            self.assume(
                "cost.not_counted",
                open.join(", "),
                "default: nothing is declared; set them under [cost]",
            );
        }
    }

    /// Interruptible nodes are taken away, as often as the scenario, the offer or an assumption says.
    pub(super) fn preempted(&mut self, root: &Reader<'_>, choice: &CostChoice, offer: Option<&Offer>, cluster: &mut Cluster) {
        let Some(offer) = offer.filter(|o| o.commitment == Commitment::Spot && !choice.owned) else {
            return;
        };
        let section = self.section(root, "reliability");
        let given = |key: &str| section.as_ref().is_some_and(|r| r.item(key).is_some());
        if !given("preemptions_per_day") {
            let known = choice.preempted_every_s.or(offer.preempted_every_s);
            if known.is_none() {
                let source = "assumption of 2026-11, no rate is published: a fifth of the nodes in a month; set cost.preempted_every";
                self.assume(
                    "cost.preempted_every",
                    format!("{} per node", units::duration(PREEMPTED_EVERY_S)),
                    source,
                );
            }
            let every_s = known.unwrap_or(PREEMPTED_EVERY_S);
            cluster.reliability.preemptions_per_day = f64::from(cluster.n_nodes) * DAY_S / every_s;
        }
        if given("preemption_wait") {
            return;
        }
        let source = if cluster.reliability.preemption_wait_s <= 0.0 {
            cluster.reliability.preemption_wait_s = PREEMPTION_WAIT_S;
            "assumption of 2026-11, nothing is published; set reliability.preemption_wait".to_string()
        } else {
            let entry = self.catalog.entry(Kind::Reliability, &cluster.reliability.name).ok();
            let fact = entry.and_then(|e| known_facts(e).iter().find(|f| f.key == "preemption_wait_s"));
            fact.and_then(|f| f.source.clone()).unwrap_or_else(|| "default".to_string())
        };
        let wait = units::duration(cluster.reliability.preemption_wait_s);
        self.assume("reliability.preemption_wait", wait, source);
    }

    /// Name every value of prices, places and machines that the bill rests on, with source and date.
    pub(super) fn note_bill(&mut self, cluster: &Cluster, region: &Region, finance: &Finance, owned: bool) {
        let owning = [
            "life_s",
            "network_fraction",
            "residual_fraction",
            "maintenance_fraction",
            "colocation_usd_per_kw_month",
            "utilization_fraction",
            "staff_usd_per_device_year",
            "facility_usd_per_w",
            "facility_life_s",
        ];
        let mut out = Vec::new();
        for (kind, entry) in [
            (Kind::Node, &cluster.node.name),
            (Kind::Region, &region.name),
            (Kind::Grid, &region.grid.name),
            (Kind::Finance, &finance.name),
        ] {
            let Ok(entry) = self.catalog.entry(kind, entry) else { continue };
            let facts = known_facts(entry);
            let year = facts.iter().find(|f| f.key == "year").map(|f| f.value.clone());
            let date = year.or_else(|| entry.tree.text("as_of").map(str::to_string)).unwrap_or_default();
            for fact in facts {
                let used = match kind {
                    Kind::Node => {
                        matches!(fact.key.as_str(), "idle_w" | "active_w" | "max_w" | "embodied_kg_co2e") || fact.key == "price.base_usd"
                    }
                    Kind::Finance => owned || !owning.contains(&fact.key.as_str()),
                    _ => fact.number.is_some(),
                };
                if used {
                    let source = fact.source.clone().unwrap_or_else(|| "no source".to_string());
                    let dated = source.contains("20") || date.is_empty();
                    let source = if dated { source } else { format!("{source} ({date})") };
                    out.push((format!("{}.{}.{}", kind.name(), entry.name, fact.key), fact.value.clone(), source));
                }
            }
        }
        for (key, value, source) in out {
            self.assume(&key, value, source);
        }
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
                preempted_every_s: None,
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

/// What `[cost]` says beyond the price.
fn terms(c: &Reader<'_>) -> Terms {
    let share = |key: &str, most: f64| c.number(key, Unit::Fraction, Within(0.0, most));
    Terms {
        start_s: None,
        egress_bytes: c.written("egress", Unit::Bytes, Within(0.0, 1e24)).unwrap_or(0.0),
        licences_usd: c.written("data_licences", Unit::Usd, MONEY).unwrap_or(0.0),
        experiments_fraction: share("experiments_fraction", 100.0).unwrap_or(0.0),
        failed_runs_fraction: share("failed_runs_fraction", 100.0).unwrap_or(0.0),
        tax_fraction: share("tax_fraction", 1.0).unwrap_or(0.0),
        own_facility: c.flag("own_facility").unwrap_or(false),
        discount_rate_fraction: share("discount_rate_fraction", 1.0),
        currency: currency(c),
    }
}

/// A currency needs its rate and the date of it: none of them is guessed.
fn currency(c: &Reader<'_>) -> Option<Currency> {
    let (code, unit_usd, as_of) = (
        c.text("currency"),
        c.number("currency_usd", Unit::Usd, Within(1e-9, 1e9)),
        c.text("currency_date"),
    );
    match (code, unit_usd, as_of) {
        (None, None, None) => None,
        (Some(code), Some(unit_usd), Some(as_of)) => Some(Currency { code, unit_usd, as_of }),
        _ => {
            if c.problem_count() == 0 {
                c.problem(
                    "currency",
                    "a currency needs its rate and the date of the rate",
                    "write currency = \"EUR\", currency_usd = 1.08 (dollars for one) and currency_date = 2026-11-20",
                );
            }
            None
        }
    }
}
