//! What a plan rests on, as rows of the sheet of assumptions.

use crate::bill::cost::{MIN_UTILIZATION_FRACTION, N_CHECKPOINTS_KEPT, STORED_BYTES_PER_TOKEN};
use crate::bill::energy::{CHECKPOINT_FRACTION, EVALUATION_FRACTION, MATH_FRACTION, PROVISIONED_FRACTION, RESTART_FRACTION, WAIT_FRACTION};
use crate::catalog::show::facts;
use crate::catalog::{Catalog, Commitment, Kind};
use crate::plan::Plan;
use crate::units::{HOUR_S, MONTH_S, YEAR_S};

/// One named cell.
pub(super) struct Driver {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) value: f64,
    pub(super) unit: &'static str,
    /// Low and high end, where known.
    pub(super) ends: Option<(f64, f64)>,
    pub(super) source: String,
    pub(super) date: String,
    pub(super) confidence: String,
    /// The override of the command line that does the same.
    pub(super) set: String,
}

/// Drivers that share a remark.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) drivers: Vec<Driver>,
}

/// Where a value of the catalog comes from.
struct Sources<'a> {
    catalog: &'a Catalog,
}

impl Sources<'_> {
    fn driver(&self, kind: Kind, entry: &str, key: &str, row: (&'static str, &'static str, f64, &'static str)) -> Driver {
        let (name, what, value, unit) = row;
        let found = self.catalog.entry(kind, entry).ok();
        let fact = found.and_then(|e| facts(e).into_iter().find(|f| f.key == key));
        let text = |field: &str| found.and_then(|e| e.tree.text(field)).unwrap_or("").to_string();
        let date = match found.and_then(|e| facts(e).into_iter().find(|f| f.key == "year")) {
            Some(year) => year.value,
            None => text("as_of"),
        };
        Driver {
            name,
            what,
            value,
            unit,
            ends: None,
            source: fact.and_then(|f| f.source).unwrap_or_else(|| text("source")),
            date,
            confidence: text("confidence"),
            set: format!("--set {}.{entry}.{key}=…", kind.name()),
        }
    }
}

/// Everything that the formulas use.
pub(super) fn sections(plan: &Plan, catalog: &Catalog) -> Vec<Section> {
    vec![
        Section {
            title: "Prices, places and machines: change a yellow cell and every total follows, as with --set",
            drivers: free(plan, catalog),
        },
        Section {
            title: "Conventions of the program",
            drivers: conventions(),
        },
        Section {
            title: "Worked out by the planner: change the scenario, not these cells (more nodes also change the step)",
            drivers: planned(plan),
        },
    ]
}

fn free(plan: &Plan, catalog: &Catalog) -> Vec<Driver> {
    let s = &plan.scenario;
    let sources = Sources { catalog };
    let (node, region, finance) = (&s.cluster.node, &s.region, &s.finance);
    let mut out = Vec::new();
    if let Some(offer) = &s.offer {
        let price = offer.usd_per_device_hour;
        let row = ("rent_usd_per_device_hour", "Rent of a device", price.base_usd, "USD/device-hour");
        let mut rent = sources.driver(Kind::Offer, &offer.name, "base_usd_per_device_hour", row);
        rent.ends = Some((price.low_usd, price.high_usd)).filter(|(low, high)| low < high);
        rent.date.clone_from(&offer.as_of);
        rent.set = "--set cost.usd_per_device_hour=…".to_string();
        if rent.source.is_empty() {
            rent.source.clone_from(&offer.name);
        }
        out.push(rent);
    }
    let mut place = |key: &str, row| out.push(sources.driver(Kind::Region, &region.name, key, row));
    place(
        "electricity_usd_per_kwh",
        (
            "electricity_usd_per_kwh",
            "Electricity at the meter",
            region.electricity_usd_per_kwh,
            "USD/kWh",
        ),
    );
    place("pue", ("pue_ratio", "Power usage effectiveness", plan.bill.energy.pue, "ratio"));
    place(
        "wue_l_per_kwh",
        ("wue_l_per_kwh", "Water on site per kWh of IT energy", region.wue_l_per_kwh, "L/kWh"),
    );
    if let Some(factor) = region.market_kg_co2e_per_kwh {
        let row = (
            "market_kg_co2e_per_kwh",
            "Carbon after the operator's contracts",
            factor,
            "kg CO2e/kWh",
        );
        place("market_kg_co2e_per_kwh", row);
    }
    let grid = &region.grid;
    let mut of_grid = |key: &str, row| out.push(sources.driver(Kind::Grid, &grid.name, key, row));
    // Of the hours of the run, where the grid has them.
    let location = plan.bill.carbon.location_kg_co2e_per_kwh;
    of_grid(
        "location_kg_co2e_per_kwh",
        ("grid_kg_co2e_per_kwh", "Carbon of the grid, average", location, "kg CO2e/kWh"),
    );
    if let Some(factor) = grid.marginal_kg_co2e_per_kwh {
        let row = ("marginal_kg_co2e_per_kwh", "Carbon of the grid, marginal", factor, "kg CO2e/kWh");
        of_grid("marginal_kg_co2e_per_kwh", row);
    }
    of_grid(
        "water_l_per_kwh",
        ("grid_water_l_per_kwh", "Water to make electricity", grid.water_l_per_kwh, "L/kWh"),
    );
    for (key, row) in [
        ("idle_w", ("node_idle_w", "Node when idle", node.idle_w, "W")),
        ("active_w", ("node_active_w", "Node under training math", node.active_w, "W")),
        ("max_w", ("node_max_w", "Node, nameplate", node.max_w, "W")),
        (
            "embodied_kg_co2e",
            ("node_embodied_kg_co2e", "Making a node", node.embodied_kg_co2e, "kg CO2e"),
        ),
    ] {
        out.push(sources.driver(Kind::Node, &node.name, key, row));
    }
    if let Some(price) = node.price {
        let row = ("node_price_usd", "Price of a node", price.base_usd, "USD");
        let mut driver = sources.driver(Kind::Node, &node.name, "price.base_usd", row);
        driver.ends = Some((price.low_usd, price.high_usd)).filter(|(low, high)| low < high);
        out.push(driver);
    }
    let f = finance;
    for (key, row) in [
        (
            "life_s",
            (
                "life_years",
                "Depreciation life (a year is 365.25 days)",
                f.life_s / YEAR_S,
                "years",
            ),
        ),
        (
            "network_fraction",
            (
                "network_fraction",
                "Network and installation over servers",
                f.network_fraction,
                "fraction",
            ),
        ),
        (
            "residual_fraction",
            ("residual_fraction", "Value left at the end", f.residual_fraction, "fraction"),
        ),
        (
            "capital_rate_fraction",
            (
                "capital_rate_fraction",
                "Cost of capital, and discount rate",
                f.capital_rate_fraction,
                "fraction/year",
            ),
        ),
        (
            "maintenance_fraction",
            (
                "maintenance_fraction",
                "Operation and maintenance",
                f.maintenance_fraction,
                "fraction/year",
            ),
        ),
        (
            "colocation_usd_per_kw_month",
            (
                "colocation_usd_per_kw_month",
                "Colocation",
                f.colocation_usd_per_kw_month,
                "USD/kW-month",
            ),
        ),
        (
            "utilization_fraction",
            ("utilization_fraction", "Owned hours that earn", f.utilization_fraction, "fraction"),
        ),
        (
            "storage_usd_per_gb_month",
            (
                "storage_usd_per_gb_month",
                "Object storage",
                f.storage_usd_per_gb_month,
                "USD/GB-month",
            ),
        ),
        (
            "network_power_fraction",
            (
                "network_power_fraction",
                "Network power over node power",
                f.network_power_fraction,
                "fraction",
            ),
        ),
        (
            "storage_w_per_tb",
            ("storage_w_per_tb", "Power of storage", f.storage_w_per_tb, "W/TB"),
        ),
        (
            "staff_usd_per_device_year",
            (
                "staff_usd_per_device_year",
                "People who run the machine",
                f.staff_usd_per_device_year,
                "USD/device-year",
            ),
        ),
        (
            "support_fraction",
            (
                "support_fraction",
                "Support over rent, or over purchase and year",
                f.support_fraction,
                "fraction",
            ),
        ),
        (
            "egress_usd_per_gb",
            ("egress_usd_per_gb", "Data transfer out", f.egress_usd_per_gb, "USD/GB"),
        ),
        (
            "facility_usd_per_w",
            ("facility_usd_per_w", "Building per watt of IT", f.facility_usd_per_w, "USD/W"),
        ),
        (
            "facility_life_s",
            ("facility_life_years", "Life of the building", f.facility_life_s / YEAR_S, "years"),
        ),
    ] {
        out.push(sources.driver(Kind::Finance, &f.name, key, row));
    }
    out.extend(declared(plan));
    out
}

/// What the scenario says of its bill, or leaves at nothing.
fn declared(plan: &Plan) -> Vec<Driver> {
    let t = &plan.scenario.terms;
    let own = if t.own_facility { 1.0 } else { 0.0 };
    let rows = [
        ("egress_gb", "Data transferred out", t.egress_bytes / 1e9, "GB", "egress"),
        ("licences_usd", "Licences of data", t.licences_usd, "USD", "data_licences"),
        (
            "experiments_fraction",
            "Experiments over the machine's cost",
            t.experiments_fraction,
            "fraction",
            "experiments_fraction",
        ),
        (
            "failed_runs_fraction",
            "Failed runs over the machine's cost",
            t.failed_runs_fraction,
            "fraction",
            "failed_runs_fraction",
        ),
        (
            "tax_fraction",
            "Taxes on everything else",
            t.tax_fraction,
            "fraction",
            "tax_fraction",
        ),
        (
            "own_facility_flag",
            "1 in an own building, 0 in colocation",
            own,
            "0 or 1",
            "own_facility",
        ),
        (
            "discount_rate_fraction",
            "Discount rate",
            plan.bill.cost.discount_rate_fraction,
            "fraction/year",
            "discount_rate_fraction",
        ),
    ];
    let row = |(name, what, value, unit, key): (&'static str, &'static str, f64, &'static str, &str)| Driver {
        set: format!("--set cost.{key}=…"),
        ..plain(name, what, value, unit, "[cost] of the scenario; nothing is declared where it is 0")
    };
    rows.into_iter().map(row).collect()
}

fn plain(name: &'static str, what: &'static str, value: f64, unit: &'static str, source: &str) -> Driver {
    Driver {
        name,
        what,
        value,
        unit,
        ends: None,
        source: source.to_string(),
        date: String::new(),
        confidence: String::new(),
        set: String::new(),
    }
}

fn conventions() -> Vec<Driver> {
    let power = "fitted to MLPerf power logs, see bill::energy";
    vec![
        plain(
            "hours_per_month",
            "Hours of a month",
            MONTH_S / HOUR_S,
            "h",
            "convention of price lists",
        ),
        plain("hours_per_year", "Hours of a year", YEAR_S / HOUR_S, "h", "365.25 days"),
        plain("math_power_fraction", "Busy during math", MATH_FRACTION, "fraction", power),
        plain("wait_power_fraction", "Busy while waiting", WAIT_FRACTION, "fraction", power),
        plain(
            "evaluation_power_fraction",
            "Evaluation over training",
            EVALUATION_FRACTION,
            "fraction",
            power,
        ),
        plain(
            "checkpoint_power_fraction",
            "Busy in pauses",
            CHECKPOINT_FRACTION,
            "fraction",
            power,
        ),
        plain("restart_power_fraction", "Busy in restarts", RESTART_FRACTION, "fraction", power),
        plain(
            "provisioned_fraction",
            "Least power to provide over nameplate",
            PROVISIONED_FRACTION,
            "fraction",
            power,
        ),
        plain(
            "utilization_least_fraction",
            "Least utilization used",
            MIN_UTILIZATION_FRACTION,
            "fraction",
            "bound",
        ),
        plain(
            "checkpoints_kept_count",
            "Checkpoints kept",
            N_CHECKPOINTS_KEPT,
            "checkpoints",
            "estimate",
        ),
        plain(
            "stored_bytes_per_token",
            "Stored bytes of a token",
            STORED_BYTES_PER_TOKEN,
            "B/token",
            "estimate",
        ),
    ]
}

/// 1 where nodes that were taken away are not paid for.
fn unpaid_wait(plan: &Plan) -> f64 {
    let spot = plan.scenario.offer.as_ref().is_some_and(|o| o.commitment == Commitment::Spot);
    if spot { 1.0 } else { 0.0 }
}

fn planned(plan: &Plan) -> Vec<Driver> {
    let (run, parts, lost) = (&plan.run, &plan.mean_step.parts, &plan.run.lost);
    let node = &plan.scenario.cluster.node;
    #[allow(clippy::cast_precision_loss)]
    let n_steps = run.n_steps as f64;
    let hours = |step_s: f64| n_steps * step_s / HOUR_S;
    let exposed_s = parts.tensor_s + parts.context_s + parts.expert_s + parts.pipeline_s + parts.data_s + parts.host_s;
    let source = "this plan";
    let row = |name, what, value, unit| plain(name, what, value, unit, source);
    vec![
        row("nodes_count", "Nodes", f64::from(plan.scenario.cluster.n_nodes), "nodes"),
        row(
            "spares_count",
            "Spare nodes",
            f64::from(plan.scenario.cluster.reliability.spares.unwrap_or(0)),
            "nodes",
        ),
        row(
            "unpaid_wait_fraction",
            "Waiting that is not paid: 1 of an interruptible offer",
            unpaid_wait(plan),
            "0 or 1",
        ),
        row("devices_per_node_count", "Devices of a node", f64::from(node.n_devices), "devices"),
        row(
            "training_tokens",
            "Tokens trained on",
            plan.scenario.workload.total_tokens,
            "tokens",
        ),
        row("checkpoint_gb", "Size of a checkpoint", plan.checkpoint_bytes / 1e9, "GB"),
        row(
            "math_h",
            "Math, recomputation, optimizer",
            hours(parts.math_s + parts.recompute_s + parts.optimizer_s),
            "h",
        ),
        row("communication_h", "Exposed communication", hours(exposed_s), "h"),
        row("bubble_h", "Bubble and waiting", hours(parts.bubble_s + parts.other_s), "h"),
        row("checkpoint_h", "Lost: checkpoints", lost.checkpoint_s / HOUR_S, "h"),
        row("rework_h", "Lost: rework after failures", lost.rework_s / HOUR_S, "h"),
        row("restart_h", "Lost: restarts", lost.restart_s / HOUR_S, "h"),
        row("detect_h", "Lost: detection of failures", lost.detect_s / HOUR_S, "h"),
        row("planned_h", "Lost: planned pauses", lost.planned_s / HOUR_S, "h"),
        row("evaluation_h", "Lost: evaluation", lost.evaluation_s / HOUR_S, "h"),
        row("rollback_h", "Lost: rollbacks of loss spikes", lost.rollback_s / HOUR_S, "h"),
        row("wait_h", "Lost: waiting for nodes", lost.wait_s / HOUR_S, "h"),
        row("slow_h", "Lost: slow nodes", lost.slow_s / HOUR_S, "h"),
        row("degraded_h", "Lost: missing nodes", lost.degraded_s / HOUR_S, "h"),
    ]
}
