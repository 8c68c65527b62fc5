//! The bill once more, as formulas over named cells. A test holds it against [`crate::bill`].

use super::expr::Expr;
use std::collections::BTreeMap;

/// Named values, each with the formula that stands for it where it is used.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope(BTreeMap<&'static str, Expr>);

impl Scope {
    pub(super) fn put(&mut self, name: &'static str, expr: Expr) {
        self.0.insert(name, expr);
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A named value; nothing is zero, so a definition without its drivers must not be used.
    pub(super) fn get(&self, name: &str) -> Expr {
        self.0.get(name).cloned().unwrap_or_else(|| Expr::number(0.0))
    }

    fn sum(&self, names: &[&str]) -> Expr {
        Expr::sum(names.iter().map(|n| self.get(n)))
    }
}

/// Where a definition is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Time,
    Capacity,
    Energy,
    Carbon,
    Water,
    Rented,
    Owned,
    Total,
}

/// A value that follows from others.
pub(super) struct Definition {
    pub(super) group: Group,
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) unit: &'static str,
    /// The driver without which it has no value.
    pub(super) needs: &'static str,
    pub(super) make: fn(&Scope) -> Expr,
}

/// Parts of the ideal time, and of what is lost.
pub(super) const IDEAL_H: [&str; 3] = ["math_h", "communication_h", "bubble_h"];
pub(super) const LOST_H: [&str; 10] = [
    "checkpoint_h",
    "rework_h",
    "restart_h",
    "detect_h",
    "planned_h",
    "evaluation_h",
    "rollback_h",
    "wait_h",
    "slow_h",
    "degraded_h",
];
/// Parts of the energy at the meter.
pub(super) const METER_KWH: [&str; 8] = [
    "math_kwh",
    "communication_kwh",
    "bubble_kwh",
    "lost_kwh",
    "idle_kwh",
    "network_kwh",
    "storage_kwh",
    "cooling_kwh",
];
/// Lines of renting and of owning.
pub(super) const RENTED_USD: [&str; 8] = [
    "rent_compute_usd",
    "rent_support_usd",
    "storage_usd",
    "egress_usd",
    "data_licences_usd",
    "rent_experiments_usd",
    "rent_failed_runs_usd",
    "rent_tax_usd",
];
pub(super) const OWNED_USD: [&str; 14] = [
    "capital_usd",
    "financing_usd",
    "electricity_usd",
    "colocation_usd",
    "facility_usd",
    "maintenance_usd",
    "staff_usd",
    "support_usd",
    "storage_usd",
    "egress_usd",
    "data_licences_usd",
    "owned_experiments_usd",
    "owned_failed_runs_usd",
    "owned_tax_usd",
];
/// The first lines of each are the machine's, which experiments and failed runs are declared over.
const N_RENTED_MACHINE: usize = 3;
const N_OWNED_MACHINE: usize = 9;

const RENT: &str = "rent_usd_per_device_hour";
const PRICE: &str = "node_price_usd";

const fn def(group: Group, name: &'static str, label: &'static str, unit: &'static str, make: fn(&Scope) -> Expr) -> Definition {
    Definition {
        group,
        name,
        label,
        unit,
        needs: "",
        make,
    }
}

const fn needs(needs: &'static str, definition: Definition) -> Definition {
    Definition { needs, ..definition }
}

/// What a defined name is called.
pub(super) fn label(name: &str) -> &'static str {
    DEFINITIONS.iter().find(|d| d.name == name).map_or("", |d| d.label)
}

fn one() -> Expr {
    Expr::number(1.0)
}

fn thousand() -> Expr {
    Expr::number(1000.0)
}

/// All nodes, busy to a fraction.
fn nodes_kw(s: &Scope, busy: &str) -> Expr {
    let w = s.get("node_idle_w") + s.get(busy) * (s.get("node_active_w") - s.get("node_idle_w"));
    s.get("nodes_count") * w / thousand()
}

/// The machine's lines with what comes on top, each of them named once: formulas stay short.
fn with_extra(s: &Scope, machine: &[&str]) -> Expr {
    let declared = one() + s.get("experiments_fraction") + s.get("failed_runs_fraction");
    (s.sum(machine) * declared + s.get("egress_usd") + s.get("data_licences_usd")) * (one() + s.get("tax_fraction"))
}

/// Every definition; each uses drivers and those before it.
pub(super) const DEFINITIONS: &[Definition] = &[
    def(Group::Time, "ideal_h", "Time of the steps alone", "h", |s| s.sum(&IDEAL_H)),
    def(Group::Time, "lost_h", "Lost time", "h", |s| s.sum(&LOST_H)),
    def(Group::Time, "wall_h", "Wall time", "h", |s| s.get("ideal_h") + s.get("lost_h")),
    def(Group::Time, "goodput_fraction", "Goodput", "fraction", |s| {
        s.get("ideal_h") / s.get("wall_h")
    }),
    def(Group::Capacity, "held_nodes_count", "Nodes with spares", "nodes", |s| {
        s.get("nodes_count") + s.get("spares_count")
    }),
    def(Group::Capacity, "devices_count", "Devices", "devices", |s| {
        s.get("held_nodes_count") * s.get("devices_per_node_count")
    }),
    def(Group::Capacity, "device_hours", "Device-hours held", "device-hours", |s| {
        s.get("devices_count") * s.get("wall_h")
    }),
    def(
        Group::Capacity,
        "useful_device_hours",
        "Device-hours that train",
        "device-hours",
        |s| s.get("nodes_count") * s.get("devices_per_node_count") * s.get("ideal_h"),
    ),
    def(Group::Capacity, "peak_it_kw", "IT power to provide for", "kW", |s| {
        let node_w = s.get("node_active_w").max(s.get("provisioned_fraction") * s.get("node_max_w"));
        s.get("held_nodes_count") * node_w * (Expr::number(1.0) + s.get("network_power_fraction")) / thousand()
    }),
    def(Group::Capacity, "peak_meter_kw", "Power to provide for at the meter", "kW", |s| {
        s.get("peak_it_kw") * s.get("pue_ratio")
    }),
    def(Group::Capacity, "stored_gb", "Stored checkpoints and data", "GB", |s| {
        s.get("checkpoints_kept_count") * s.get("checkpoint_gb")
            + s.get("stored_bytes_per_token") * s.get("training_tokens") / Expr::number(1e9)
    }),
    def(Group::Energy, "math_kwh", "Math", "kWh", |s| {
        s.get("math_h") * nodes_kw(s, "math_power_fraction")
    }),
    def(Group::Energy, "communication_kwh", "Exposed communication", "kWh", |s| {
        s.get("communication_h") * nodes_kw(s, "wait_power_fraction")
    }),
    def(Group::Energy, "bubble_kwh", "Bubble and waiting", "kWh", |s| {
        s.get("bubble_h") * nodes_kw(s, "wait_power_fraction")
    }),
    def(Group::Energy, "lost_kwh", "Lost time", "kWh", |s| {
        let step_kw = s.sum(&METER_KWH[..3]) / s.get("ideal_h");
        let idle_kw = s.get("nodes_count") * s.get("node_idle_w") / thousand();
        let paused_h = s.sum(&["checkpoint_h", "planned_h", "wait_h"]);
        let stepping_h = s.sum(&["rework_h", "rollback_h", "slow_h", "degraded_h"]);
        let evaluating_kw = idle_kw.clone() + s.get("evaluation_power_fraction") * (step_kw.clone() - idle_kw);
        stepping_h * step_kw
            + s.get("evaluation_h") * evaluating_kw
            + s.get("detect_h") * nodes_kw(s, "wait_power_fraction")
            + s.get("restart_h") * nodes_kw(s, "restart_power_fraction")
            + paused_h * nodes_kw(s, "checkpoint_power_fraction")
    }),
    def(Group::Energy, "idle_kwh", "Idle spares", "kWh", |s| {
        s.get("spares_count") * s.get("node_idle_w") * s.get("wall_h") / thousand()
    }),
    def(Group::Energy, "network_kwh", "Network", "kWh", |s| {
        s.get("network_power_fraction") * s.sum(&METER_KWH[..5])
    }),
    def(Group::Energy, "storage_kwh", "Storage", "kWh", |s| {
        s.get("stored_gb") / thousand() * s.get("storage_w_per_tb") * s.get("wall_h") / thousand()
    }),
    def(Group::Energy, "it_kwh", "All IT equipment", "kWh", |s| s.sum(&METER_KWH[..7])),
    def(Group::Energy, "cooling_kwh", "Cooling and conversion", "kWh", |s| {
        s.get("it_kwh") * (s.get("pue_ratio") - Expr::number(1.0))
    }),
    def(Group::Energy, "facility_kwh", "At the meter", "kWh", |s| {
        s.get("it_kwh") + s.get("cooling_kwh")
    }),
    def(Group::Energy, "mean_meter_kw", "Mean power at the meter", "kW", |s| {
        s.get("facility_kwh") / s.get("wall_h")
    }),
    def(Group::Carbon, "carbon_location_kg", "Electricity, location-based", "kg CO2e", |s| {
        s.get("facility_kwh") * s.get("grid_kg_co2e_per_kwh")
    }),
    needs(
        "market_kg_co2e_per_kwh",
        def(
            Group::Carbon,
            "carbon_market_kg",
            "Electricity, market-based (not added)",
            "kg CO2e",
            |s| s.get("facility_kwh") * s.get("market_kg_co2e_per_kwh"),
        ),
    ),
    needs(
        "marginal_kg_co2e_per_kwh",
        def(
            Group::Carbon,
            "carbon_marginal_kg",
            "Electricity, marginal (not added)",
            "kg CO2e",
            |s| s.get("facility_kwh") * s.get("marginal_kg_co2e_per_kwh"),
        ),
    ),
    def(
        Group::Carbon,
        "carbon_embodied_kg",
        "Making the servers, this run's share",
        "kg CO2e",
        |s| s.get("node_embodied_kg_co2e") * s.get("held_nodes_count") * s.get("wall_h") / (s.get("life_years") * s.get("hours_per_year")),
    ),
    def(Group::Carbon, "carbon_total_kg", "Location-based and servers", "kg CO2e", |s| {
        s.get("carbon_location_kg") + s.get("carbon_embodied_kg")
    }),
    def(Group::Water, "water_onsite_l", "On site", "L", |s| {
        s.get("it_kwh") * s.get("wue_l_per_kwh")
    }),
    def(Group::Water, "water_offsite_l", "Where the electricity is made", "L", |s| {
        s.get("it_kwh") * s.get("pue_ratio") * s.get("grid_water_l_per_kwh")
    }),
    def(Group::Water, "water_total_l", "Water", "L", |s| {
        s.get("water_onsite_l") + s.get("water_offsite_l")
    }),
    def(Group::Total, "storage_usd", "Storage", "USD", |s| {
        s.get("stored_gb") * s.get("storage_usd_per_gb_month") * s.get("wall_h") / s.get("hours_per_month")
    }),
    def(Group::Total, "egress_usd", "Data transfer out", "USD", |s| {
        s.get("egress_gb") * s.get("egress_usd_per_gb")
    }),
    def(Group::Total, "data_licences_usd", "Licences of data", "USD", |s| {
        s.get("licences_usd")
    }),
    needs(
        RENT,
        def(Group::Rented, "rent_compute_usd", "Compute", "USD", |s| {
            let paid_h = s.get("wall_h") - s.get("unpaid_wait_fraction") * s.get("wait_h");
            s.get("devices_count") * paid_h * s.get(RENT)
        }),
    ),
    needs(
        RENT,
        def(Group::Rented, "rent_support_usd", "Support", "USD", |s| {
            s.get("rent_compute_usd") * s.get("support_fraction")
        }),
    ),
    needs(
        RENT,
        def(Group::Rented, "rent_experiments_usd", "Experiments, as declared", "USD", |s| {
            s.sum(&RENTED_USD[..N_RENTED_MACHINE]) * s.get("experiments_fraction")
        }),
    ),
    needs(
        RENT,
        def(Group::Rented, "rent_failed_runs_usd", "Failed runs, as declared", "USD", |s| {
            s.sum(&RENTED_USD[..N_RENTED_MACHINE]) * s.get("failed_runs_fraction")
        }),
    ),
    needs(
        RENT,
        def(Group::Rented, "rent_tax_usd", "Taxes", "USD", |s| {
            s.sum(&RENTED_USD[..RENTED_USD.len() - 1]) * s.get("tax_fraction")
        }),
    ),
    needs(
        RENT,
        def(Group::Rented, "rent_total_usd", "Rented, all of it", "USD", |s| {
            with_extra(s, &RENTED_USD[..N_RENTED_MACHINE])
        }),
    ),
    needs(
        PRICE,
        def(
            Group::Owned,
            "utilization_used_fraction",
            "Utilization used (1 % to 100 %)",
            "fraction",
            |s| {
                s.get("utilization_fraction")
                    .max(s.get("utilization_least_fraction"))
                    .min(Expr::number(1.0))
            },
        ),
    ),
    needs(
        PRICE,
        def(Group::Owned, "held_h", "Hours that the run pays for", "h", |s| {
            s.get("wall_h") / s.get("utilization_used_fraction")
        }),
    ),
    needs(
        PRICE,
        def(
            Group::Owned,
            "servers_usd",
            "Purchase: servers (not part of the total)",
            "USD",
            |s| s.get(PRICE) * s.get("held_nodes_count"),
        ),
    ),
    needs(
        PRICE,
        def(
            Group::Owned,
            "network_purchase_usd",
            "Purchase: network, storage, installation (not part of the total)",
            "USD",
            |s| s.get("servers_usd") * s.get("network_fraction"),
        ),
    ),
    needs(
        PRICE,
        def(
            Group::Owned,
            "building_usd",
            "Purchase: building (not part of the total)",
            "USD",
            |s| s.get("own_facility_flag") * s.get("peak_it_kw") * thousand() * s.get("facility_usd_per_w"),
        ),
    ),
    needs(
        PRICE,
        def(
            Group::Owned,
            "machine_usd",
            "Purchase without the building (not part of the total)",
            "USD",
            |s| s.sum(&["servers_usd", "network_purchase_usd"]),
        ),
    ),
    needs(
        PRICE,
        def(
            Group::Owned,
            "purchase_usd",
            "Purchase, all of it (not part of the total)",
            "USD",
            |s| s.sum(&["machine_usd", "building_usd"]),
        ),
    ),
    needs(
        PRICE,
        def(Group::Owned, "capital_usd", "Depreciation", "USD", |s| {
            let depreciable = s.get("machine_usd") * (one() - s.get("residual_fraction"));
            depreciable * s.get("held_h") / (s.get("life_years") * s.get("hours_per_year"))
        }),
    ),
    needs(
        PRICE,
        def(
            Group::Owned,
            "financing_usd",
            "Cost of capital on the mean book value",
            "USD",
            |s| {
                let book = s.get("machine_usd") * (one() + s.get("residual_fraction")) / Expr::number(2.0);
                book * s.get("capital_rate_fraction") * s.get("held_h") / s.get("hours_per_year")
            },
        ),
    ),
    needs(
        PRICE,
        def(Group::Owned, "electricity_usd", "Electricity", "USD", |s| {
            s.get("facility_kwh") * s.get("electricity_usd_per_kwh")
        }),
    ),
    needs(
        PRICE,
        def(Group::Owned, "colocation_usd", "Colocation", "USD", |s| {
            let rented = one() - s.get("own_facility_flag");
            rented * s.get("peak_it_kw") * s.get("colocation_usd_per_kw_month") * s.get("held_h") / s.get("hours_per_month")
        }),
    ),
    needs(
        PRICE,
        def(
            Group::Owned,
            "facility_usd",
            "Own building: depreciation, capital, upkeep",
            "USD",
            |s| {
                let yearly = one() / s.get("facility_life_years")
                    + s.get("capital_rate_fraction") / Expr::number(2.0)
                    + s.get("maintenance_fraction");
                s.get("building_usd") * yearly * s.get("held_h") / s.get("hours_per_year")
            },
        ),
    ),
    needs(
        PRICE,
        def(Group::Owned, "maintenance_usd", "Operation and maintenance", "USD", |s| {
            s.get("machine_usd") * s.get("maintenance_fraction") * s.get("held_h") / s.get("hours_per_year")
        }),
    ),
    needs(
        PRICE,
        def(Group::Owned, "staff_usd", "Staff", "USD", |s| {
            s.get("staff_usd_per_device_year") * s.get("devices_count") * s.get("held_h") / s.get("hours_per_year")
        }),
    ),
    needs(
        PRICE,
        def(Group::Owned, "support_usd", "Support", "USD", |s| {
            s.get("machine_usd") * s.get("support_fraction") * s.get("held_h") / s.get("hours_per_year")
        }),
    ),
    needs(
        PRICE,
        def(Group::Owned, "owned_experiments_usd", "Experiments, as declared", "USD", |s| {
            s.sum(&OWNED_USD[..N_OWNED_MACHINE]) * s.get("experiments_fraction")
        }),
    ),
    needs(
        PRICE,
        def(Group::Owned, "owned_failed_runs_usd", "Failed runs, as declared", "USD", |s| {
            s.sum(&OWNED_USD[..N_OWNED_MACHINE]) * s.get("failed_runs_fraction")
        }),
    ),
    needs(
        PRICE,
        def(Group::Owned, "owned_tax_usd", "Taxes", "USD", |s| {
            s.sum(&OWNED_USD[..OWNED_USD.len() - 1]) * s.get("tax_fraction")
        }),
    ),
    needs(
        PRICE,
        def(Group::Owned, "owned_total_usd", "Owned, all of it", "USD", |s| {
            with_extra(s, &OWNED_USD[..N_OWNED_MACHINE])
        }),
    ),
];

/// Every value that the drivers of a scope give, worked out from them alone; what does not feel a
/// changed driver keeps its name, so that formulas stay short.
pub(super) fn worked_out(drivers: &Scope, named: &Scope) -> Scope {
    let mut out = drivers.clone();
    for d in DEFINITIONS.iter().filter(|d| d.needs.is_empty() || drivers.has(d.needs)) {
        let made = (d.make)(&out);
        let same = named.has(d.name) && (d.make)(named).formula == made.formula;
        out.put(d.name, if same { named.get(d.name) } else { made });
    }
    out
}
