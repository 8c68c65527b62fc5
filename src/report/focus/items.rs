//! What a plan is billed for: one item for each line, over the whole time.

mod owned;

use super::Scope;
use crate::bill::cost::{N_CHECKPOINTS_KEPT, STORED_BYTES_PER_TOKEN};
use crate::bill::{Cloud, Extra, Way};
use crate::catalog::show::known_facts;
use crate::catalog::{Catalog, Commitment, Kind, Offer};
use crate::plan::Plan;
use crate::units::{KWH_J, MONTH_S};
use serde_json::{Value, json};

/// How an item is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paid {
    /// When it is used.
    AsUsed,
    /// Before, by a purchase: used up without a bill.
    Before,
    /// Bought now, used up by other rows.
    Ahead,
}

/// When it is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Evenly, month by month.
    Spread,
    First,
    Last,
}

/// Category, subcategory and name of a service, and what its resources are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Service(
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) &'static str,
);

const RENTED: Service = Service("Compute", "Virtual Machines", "Rented accelerators", "GPU Node");
const SERVERS: Service = Service("Compute", "Other (Compute)", "Owned servers", "Server");
const NETWORK: Service = Service("Networking", "Network Infrastructure", "Owned network and installation", "Network");
const BUILDING: Service = Service("Other", "Other (Other)", "Own building", "Building");
const STORAGE: Service = Service("Storage", "Object Storage", "Object storage", "Bucket");
const EGRESS: Service = Service("Networking", "Network Connectivity", "Data transfer out", "Network");
const SUPPORT: Service = Service("Management and Governance", "Support", "Support", "Contract");
const STAFF: Service = Service("Management and Governance", "Support", "Cluster operations staff", "Staff");
const UPKEEP: Service = Service(
    "Management and Governance",
    "Other (Management and Governance)",
    "Operation and maintenance",
    "Contract",
);
const POWER: Service = Service("Other", "Other (Other)", "Facility electricity", "Facility");
const SPACE: Service = Service("Other", "Other (Other)", "Colocation", "Colocation");
const CAPITAL: Service = Service("Other", "Other (Other)", "Cost of capital", "Capital");
const DATA: Service = Service("Other", "Other (Other)", "Licences of data", "Licence");
const BESIDE: Service = Service("Compute", "Other (Compute)", "Experiments and failed runs", "GPU Node");
const TAX: Service = Service("Other", "Other (Other)", "Taxes", "Tax");

/// Where a price comes from.
#[derive(Debug, Clone, Default)]
pub(super) struct Source {
    pub(super) source: String,
    pub(super) date: String,
    pub(super) confidence: String,
}

/// What an item does beside costing money, over its whole time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Impact {
    pub(super) energy_kwh: Option<f64>,
    pub(super) location_kg: Option<f64>,
    pub(super) market_kg: Option<f64>,
    pub(super) embodied_kg: Option<f64>,
    pub(super) water_l: Option<f64>,
}

impl Impact {
    fn times(self, share: f64) -> Impact {
        let of = |v: Option<f64>| v.map(|v| v * share);
        Impact {
            energy_kwh: of(self.energy_kwh),
            location_kg: of(self.location_kg),
            market_kg: of(self.market_kg),
            embodied_kg: of(self.embodied_kg),
            water_l: of(self.water_l),
        }
    }
}

/// A line of the bill.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) key: &'static str,
    pub(super) text: String,
    pub(super) category: &'static str,
    pub(super) frequency: &'static str,
    pub(super) pricing: &'static str,
    pub(super) service: Service,
    pub(super) seller: String,
    pub(super) sku: String,
    pub(super) details: Value,
    pub(super) quantity: f64,
    pub(super) unit: &'static str,
    /// Of the whole item.
    pub(super) cost_usd: f64,
    /// Price of a unit before any commitment.
    pub(super) list_usd: f64,
    pub(super) paid: Paid,
    pub(super) when: When,
    pub(super) nature: &'static str,
    pub(super) amortization_s: Option<f64>,
    /// Id and kind of the commitment that it is covered by.
    pub(super) commitment: Option<(String, &'static str)>,
    pub(super) source: Source,
    pub(super) impact: Impact,
}

impl Item {
    fn new(key: &'static str, text: impl Into<String>, service: Service, (quantity, unit): (f64, &'static str), cost_usd: f64) -> Item {
        Item {
            key,
            text: text.into(),
            category: "Usage",
            frequency: "Recurring",
            pricing: "Standard",
            service,
            seller: "Owner".to_string(),
            sku: key.to_string(),
            details: json!({}),
            quantity,
            unit,
            cost_usd,
            list_usd: if quantity == 0.0 { 0.0 } else { cost_usd / quantity },
            paid: Paid::AsUsed,
            when: When::Spread,
            nature: "opex",
            amortization_s: None,
            commitment: None,
            source: Source::default(),
            impact: Impact::default(),
        }
    }

    fn used(self) -> Item {
        Item {
            frequency: "Usage-Based",
            ..self
        }
    }

    fn sold_by(self, seller: &str) -> Item {
        Item {
            seller: seller.to_string(),
            ..self
        }
    }

    fn from(self, source: Source) -> Item {
        Item { source, ..self }
    }

    /// Used up over a life, paid for before.
    fn amortized(self, life_s: f64) -> Item {
        Item {
            paid: Paid::Before,
            nature: "capex",
            amortization_s: Some(life_s),
            ..self
        }
    }

    /// Bought at once and used up by other rows.
    fn bought(self) -> Item {
        Item {
            category: "Purchase",
            frequency: "One-Time",
            paid: Paid::Ahead,
            when: When::First,
            nature: "capex",
            ..self
        }
    }
}

/// The items of a plan; nothing where there is no price.
pub(super) fn items(plan: &Plan, catalog: &Catalog, scope: Scope) -> Vec<Item> {
    let make = Maker { plan, catalog };
    let cost = &plan.bill.cost;
    let mut out = match (scope, cost.way, &cost.cloud, &cost.owned, &cost.books) {
        (Scope::Life, _, _, _, Some(books)) => make.life(books),
        (Scope::Run, Some(Way::Cloud), Some(cloud), ..) => make.rented(cloud),
        (Scope::Run, Some(Way::Owned), _, Some(owned), _) => make.owned(owned),
        _ => Vec::new(),
    };
    out.retain(|i| i.cost_usd != 0.0);
    out
}

struct Maker<'a> {
    plan: &'a Plan,
    catalog: &'a Catalog,
}

impl Maker<'_> {
    fn wall_s(&self) -> f64 {
        self.plan.run.wall_s
    }

    fn months(&self) -> (f64, &'static str) {
        (self.wall_s() / MONTH_S, "Months")
    }

    fn held_nodes(&self) -> f64 {
        f64::from(self.plan.scenario.cluster.n_nodes) + self.spares()
    }

    fn spares(&self) -> f64 {
        f64::from(self.plan.scenario.cluster.reliability.spares.unwrap_or(0))
    }

    fn source(&self, kind: Kind, entry: &str, key: &str) -> Source {
        let Ok(entry) = self.catalog.entry(kind, entry) else {
            return Source::default();
        };
        let text = |field: &str| entry.tree.text(field).unwrap_or("").to_string();
        let fact = known_facts(entry).iter().find(|f| f.key == key).and_then(|f| f.source.clone());
        Source {
            source: fact.unwrap_or_else(|| text("source")),
            date: text("as_of"),
            confidence: text("confidence"),
        }
    }

    fn of_finance(&self, key: &str) -> Source {
        self.source(Kind::Finance, &self.plan.scenario.finance.name, key)
    }

    /// What the scenario itself says.
    fn declared() -> Source {
        Source {
            source: "[cost] of the scenario".to_string(),
            ..Source::default()
        }
    }

    fn rented(&self, cloud: &Cloud) -> Vec<Item> {
        let Some(offer) = &self.plan.scenario.offer else {
            return Vec::new();
        };
        let seller = offer.provider.as_str();
        let mut out = self.accelerators(cloud, offer);
        let support = Item::new("support", "support of the provider", SUPPORT, self.months(), cloud.support_usd);
        out.push(support.sold_by(seller).from(self.of_finance("support_fraction")));
        out.push(self.storage(cloud.storage_usd).sold_by(seller));
        out.extend(self.extra(&cloud.extra, seller));
        out
    }

    /// Device-hours that train, that are lost, and of idle spares; and the fee where they are committed.
    fn accelerators(&self, cloud: &Cloud, offer: &Offer) -> Vec<Item> {
        let (plan, scenario) = (self.plan, &self.plan.scenario);
        let hours = cloud.device_hours();
        let idle = hours * self.spares() / self.held_nodes();
        let trains = plan.useful_device_hours().min(hours - idle);
        let list_usd = self.list_price(offer);
        let what = format!("{} of {}", scenario.accelerator.name, offer.provider);
        let committed = matches!(
            offer.commitment,
            Commitment::OneYear | Commitment::ThreeYears | Commitment::CapacityBlock
        );
        let commitment = committed.then(|| (format!("estimate-{}", offer.name), offer.commitment.name()));
        let source = self.source(Kind::Offer, &offer.name, "base_usd_per_device_hour");
        let details = json!({
            "InstanceType": scenario.cluster.node.name,
            "GpuCount": scenario.cluster.node.n_devices,
            "x_Accelerator": scenario.accelerator.name,
        });
        let base = |key, text: String, n: f64| Item {
            pricing: match offer.commitment {
                Commitment::Spot => "Dynamic",
                _ if committed => "Committed",
                _ => "Standard",
            },
            sku: format!("{}/{}", offer.name, offer.commitment.name()),
            details: details.clone(),
            list_usd,
            paid: if committed { Paid::Before } else { Paid::AsUsed },
            commitment: commitment.clone(),
            source: source.clone(),
            impact: self.impact().times(if hours > 0.0 { n / hours } else { 0.0 }),
            ..Item::new(key, text, RENTED, (n, "Hours"), n * cloud.usd_per_device_hour)
                .used()
                .sold_by(&offer.provider)
        };
        let mut out = vec![
            base("accelerators.training", format!("{what}, device-hours that train"), trains),
            base(
                "accelerators.lost",
                format!("{what}, device-hours lost to failures, checkpoints and pauses"),
                hours - idle - trains,
            ),
            base("accelerators.spares", format!("{what}, device-hours of idle spares"), idle),
        ];
        if committed {
            let at_once = offer.commitment == Commitment::CapacityBlock;
            out.push(Item {
                category: "Purchase",
                frequency: if at_once { "One-Time" } else { "Recurring" },
                pricing: "Standard",
                when: if at_once { When::First } else { When::Spread },
                list_usd: cloud.usd_per_device_hour,
                paid: Paid::Ahead,
                sku: format!("{}/{}-fee", offer.name, offer.commitment.name()),
                impact: Impact::default(),
                ..base("accelerators.fee", format!("{what}, fee of the commitment"), hours)
            });
        }
        out
    }

    /// On demand at the same provider for the same device, where that is known and dearer; else the price itself.
    fn list_price(&self, offer: &Offer) -> f64 {
        let own = offer.usd_per_device_hour.base_usd;
        let same = |o: &&Offer| o.provider == offer.provider && o.commitment == Commitment::OnDemand;
        let here = |o: &&Offer| o.region == offer.region;
        let all = self.catalog.offers_for(&offer.accelerator);
        let known = all.iter().filter(same).find(here).or_else(|| all.iter().find(same));
        match offer.commitment {
            Commitment::OnDemand => own,
            _ => known.map_or(own, |o| o.usd_per_device_hour.base_usd.max(own)),
        }
    }

    fn storage(&self, cost_usd: f64) -> Item {
        let (plan, finance) = (self.plan, &self.plan.scenario.finance);
        let bytes = N_CHECKPOINTS_KEPT * plan.checkpoint_bytes + STORED_BYTES_PER_TOKEN * plan.scenario.workload.total_tokens;
        let quantity = (bytes / 1e9 * self.months().0, "GB-Months");
        Item {
            sku: format!("{}/storage", finance.name),
            details: json!({ "StorageClass": "Object" }),
            ..Item::new(
                "storage",
                "checkpoints and tokens kept in object storage",
                STORAGE,
                quantity,
                cost_usd,
            )
            .used()
            .from(self.of_finance("storage_usd_per_gb_month"))
        }
    }

    /// What comes on top of the machine.
    fn extra(&self, extra: &Extra, seller: &str) -> Vec<Item> {
        let gb = self.plan.scenario.terms.egress_bytes / 1e9;
        let egress = Item::new("egress", "data transferred out", EGRESS, (gb, "GB"), extra.egress_usd).used();
        let bought = Item {
            category: "Purchase",
            frequency: "One-Time",
            paid: Paid::Ahead,
            when: When::First,
            ..Item::new(
                "licences.purchase",
                "purchase of licences of data",
                DATA,
                (1.0, "Units"),
                extra.licences_usd,
            )
        };
        let licences = Item {
            paid: Paid::Before,
            ..Item::new(
                "licences",
                "licences of data, used evenly over the run",
                DATA,
                self.months(),
                extra.licences_usd,
            )
        };
        let beside = |key, text: &str, usd| Item::new(key, text, BESIDE, self.months(), usd).from(Self::declared());
        vec![
            egress.sold_by(seller).from(self.of_finance("egress_usd_per_gb")),
            bought.sold_by("Licensors").from(Self::declared()),
            licences.sold_by("Licensors").from(Self::declared()),
            beside("experiments", "experiments beside the run, as declared", extra.experiments_usd).sold_by(seller),
            beside("failed_runs", "failed runs, as declared", extra.failed_runs_usd).sold_by(seller),
            Item {
                category: "Tax",
                ..Item::new("tax", "taxes as declared", TAX, (0.0, ""), extra.tax_usd)
                    .sold_by(seller)
                    .from(Self::declared())
            },
        ]
    }

    /// Energy, carbon and water of the run.
    fn impact(&self) -> Impact {
        let bill = &self.plan.bill;
        Impact {
            energy_kwh: Some(bill.energy.facility_j / KWH_J),
            location_kg: Some(bill.carbon.operational_location_kg_co2e),
            market_kg: bill.carbon.operational_market_kg_co2e,
            embodied_kg: Some(bill.carbon.embodied_kg_co2e),
            water_l: Some(bill.water_l),
        }
    }
}
