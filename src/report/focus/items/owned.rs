//! What owning a machine is billed for: the run's share, and the whole life.

use super::{BUILDING, CAPITAL, Impact, Item, Maker, NETWORK, POWER, Paid, SERVERS, SPACE, STAFF, SUPPORT, Source, UPKEEP, When};
use crate::bill::{Books, Owned};
use crate::catalog::Kind;
use crate::units::{KWH_J, MONTH_S, YEAR_S};
use serde_json::{Value, json};

impl Maker<'_> {
    fn electricity(&self, kwh: f64, cost_usd: f64) -> Item {
        let region = &self.plan.scenario.region;
        let all = self.impact();
        let run_kwh = all.energy_kwh.unwrap_or(0.0);
        Item {
            sku: format!("{}/kWh", region.name),
            details: json!({ "x_PUE": self.plan.bill.energy.pue }),
            impact: Impact {
                embodied_kg: None,
                ..all.times(if run_kwh > 0.0 { kwh / run_kwh } else { 0.0 })
            },
            ..Item::new("electricity", "electricity at the meter", POWER, (kwh, "kWh"), cost_usd)
                .used()
                .from(self.source(Kind::Region, &region.name, "electricity_usd_per_kwh"))
        }
    }

    /// The price of the machine, of which others are shares.
    fn node_source(&self) -> Source {
        self.source(Kind::Node, &self.plan.scenario.cluster.node.name, "price.base_usd")
    }

    fn server_details(&self) -> Value {
        let node = &self.plan.scenario.cluster.node;
        json!({ "InstanceType": node.name, "GpuCount": node.n_devices })
    }

    /// The run's share of what owning costs. Hours that earn nothing are spread over those that do.
    pub(super) fn owned(&self, o: &Owned) -> Vec<Item> {
        let s = &self.plan.scenario;
        let finance = &s.finance;
        let held_s = self.held_s();
        let held = (held_s / MONTH_S, "Months");
        let machine_usd = o.capital.machine_usd();
        let share = |usd: f64| {
            if machine_usd > 0.0 {
                o.capital_usd * usd / machine_usd
            } else {
                0.0
            }
        };
        let nodes = (self.held_nodes() * held.0, "Server-Months");
        let kw = self.plan.bill.energy.peak_it_w / 1e3;
        // The part of an own building that is paid while it is used; the rest was paid before.
        let upkeep_usd = o.capital.facility_usd * finance.maintenance_fraction * held_s / YEAR_S;
        vec![
            Item {
                sku: s.cluster.node.name.clone(),
                details: self.server_details(),
                impact: Impact {
                    embodied_kg: Some(self.plan.bill.carbon.embodied_kg_co2e),
                    ..Impact::default()
                },
                ..Item::new(
                    "servers",
                    "straight-line amortization of servers, the run's share",
                    SERVERS,
                    nodes,
                    share(o.capital.servers_usd),
                )
                .amortized(finance.life_s)
                .from(self.node_source())
            },
            Item::new(
                "network",
                "straight-line amortization of network and installation, the run's share",
                NETWORK,
                held,
                share(o.capital.network_usd),
            )
            .amortized(finance.life_s)
            .from(self.of_finance("network_fraction")),
            Item {
                paid: Paid::Before,
                nature: "capex",
                ..Item::new(
                    "capital",
                    "cost of the capital tied up, imputed and not billed",
                    CAPITAL,
                    held,
                    o.financing_usd,
                )
                .from(self.of_finance("capital_rate_fraction"))
            },
            Item::new(
                "building",
                "amortization and capital of the own building, the run's share",
                BUILDING,
                held,
                o.facility_usd - upkeep_usd,
            )
            .amortized(finance.facility_life_s)
            .from(self.of_finance("facility_usd_per_w")),
            Item::new("building.upkeep", "upkeep of the own building", UPKEEP, held, upkeep_usd)
                .from(self.of_finance("maintenance_fraction")),
            self.electricity(self.plan.bill.energy.facility_j / KWH_J, o.electricity_usd),
            Item::new(
                "colocation",
                "space and cooling plant in another's building",
                SPACE,
                (kw * held.0, "kW-Months"),
                o.colocation_usd,
            )
            .from(self.of_finance("colocation_usd_per_kw_month")),
            Item::new("maintenance", "operation and maintenance", UPKEEP, held, o.maintenance_usd)
                .from(self.of_finance("maintenance_fraction")),
            Item::new("staff", "people who run the machine", STAFF, held, o.staff_usd).from(self.of_finance("staff_usd_per_device_year")),
            Item::new("support", "support of the vendor", SUPPORT, held, o.support_usd).from(self.of_finance("support_fraction")),
            self.storage(o.storage_usd),
        ]
        .into_iter()
        .chain(self.extra(&o.extra, "Owner"))
        .collect()
    }

    /// Wall time with its share of the hours that earn nothing, as the bill has it.
    fn held_s(&self) -> f64 {
        let least = crate::bill::cost::MIN_UTILIZATION_FRACTION;
        self.wall_s() / self.plan.scenario.finance.utilization_fraction.clamp(least, 1.0)
    }

    /// The whole cluster from its purchase to its sale, whatever it trains: cash and accrual come to the same.
    pub(super) fn life(&self, books: &Books) -> Vec<Item> {
        let s = &self.plan.scenario;
        let (years, months) = (books.life_s / YEAR_S, (books.life_s / MONTH_S, "Months"));
        let running = &books.running;
        let nodes = self.held_nodes();
        let capital = &books.capital;
        // What is left at the end lowers what is used up of each in proportion.
        let used = 1.0 - books.left_usd / capital.total_usd().max(f64::MIN_POSITIVE);
        let mut out = Vec::new();
        for (key, used_key, text, service, usd, quantity, source) in [
            (
                "servers.purchase",
                "servers",
                "servers",
                SERVERS,
                capital.servers_usd,
                (nodes, "Units"),
                self.node_source(),
            ),
            (
                "network.purchase",
                "network",
                "network and installation",
                NETWORK,
                capital.network_usd,
                (1.0, "Units"),
                self.of_finance("network_fraction"),
            ),
            (
                "building.purchase",
                "building",
                "own building",
                BUILDING,
                capital.facility_usd,
                (1.0, "Units"),
                self.of_finance("facility_usd_per_w"),
            ),
        ] {
            let details = if key.starts_with("servers") {
                self.server_details()
            } else {
                json!({})
            };
            let whole = |item: Item| Item {
                details: details.clone(),
                ..item.from(source.clone())
            };
            out.push(whole(
                Item::new(key, format!("purchase of {text}"), service, quantity, usd).bought(),
            ));
            let unit = if key.starts_with("servers") {
                (nodes * months.0, "Server-Months")
            } else {
                months
            };
            out.push(Item {
                impact: Impact {
                    embodied_kg: key.starts_with("servers").then_some(self.plan.bill.carbon.embodied_booked_kg_co2e),
                    ..Impact::default()
                },
                ..whole(
                    Item::new(used_key, format!("straight-line amortization of {text}"), service, unit, usd * used).amortized(books.life_s),
                )
            });
        }
        out.push(Item {
            category: "Adjustment",
            frequency: "One-Time",
            paid: Paid::Ahead,
            when: When::Last,
            nature: "capex",
            ..Item::new("sale", "sale of what is left at the end", SERVERS, (1.0, "Units"), -books.left_usd)
                .from(self.of_finance("residual_fraction"))
        });
        let kwh = running.electricity_usd * years / s.region.electricity_usd_per_kwh.max(f64::MIN_POSITIVE);
        out.push(self.electricity(kwh, running.electricity_usd * years));
        let kw = self.plan.bill.energy.peak_it_w / 1e3;
        out.push(if s.terms.own_facility {
            Item::new(
                "building.upkeep",
                "upkeep of the own building",
                UPKEEP,
                months,
                running.place_usd * years,
            )
            .from(self.of_finance("maintenance_fraction"))
        } else {
            Item::new(
                "colocation",
                "space and cooling plant in another's building",
                SPACE,
                (kw * months.0, "kW-Months"),
                running.place_usd * years,
            )
            .from(self.of_finance("colocation_usd_per_kw_month"))
        });
        for (key, text, service, usd, source) in [
            (
                "maintenance",
                "operation and maintenance",
                UPKEEP,
                running.maintenance_usd,
                "maintenance_fraction",
            ),
            (
                "staff",
                "people who run the machine",
                STAFF,
                running.staff_usd,
                "staff_usd_per_device_year",
            ),
            ("support", "support of the vendor", SUPPORT, running.support_usd, "support_fraction"),
        ] {
            out.push(Item::new(key, text, service, months, usd * years).from(self.of_finance(source)));
        }
        out
    }
}
