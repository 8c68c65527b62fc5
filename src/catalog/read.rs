//! From entries as written to checked entities, one small function per kind.

use super::ranges::{BANDWIDTH, MAX_NODE_DEVICES, MAX_NODES, MONEY, MTBF, POWER, PUE, RENT};
use super::reader::{Bounds, Problems, Reader};
use super::{
    Accelerator, Band, Catalog, Cluster, Commitment, DType, Fabric, Finance, Grid, Kind, Level, Model, Money3, Node, Offer, Peak, Profile,
    Region, Reliability, Stack, Topology,
};
use crate::error::{Diagnostic, Error};
use crate::units::Unit;
use Bounds::{NonNegative, Within};
use std::collections::BTreeMap;

/// Something the catalog can hold.
pub trait Entity: Clone + Send + Sync + 'static {
    /// Its kind.
    const KIND: Kind;
    /// Read it; problems go to the reader, and the value is only used when there are none.
    fn read(name: &str, reader: &Reader<'_>, catalog: &Catalog) -> Self;
}

/// Keys that any entry or sub-table may carry.
pub(super) const COMMON: [&str; 8] = [
    "source",
    "sources",
    "confidence",
    "note",
    "estimates",
    "aliases",
    "extends",
    "release",
];

pub(super) fn common(reader: &Reader<'_>) {
    reader.skip(&COMMON);
    let _ = reader.texts("aliases");
}

pub(super) fn title(name: &str, reader: &Reader<'_>) -> String {
    common(reader);
    reader.text("title").unwrap_or_else(|| name.to_string())
}

fn money(reader: &Reader<'_>, key: &str) -> Option<Money3> {
    let price = reader.table(key)?;
    common(&price);
    let base_usd = price.need("base_usd", Unit::Usd, MONEY);
    let value = Money3 {
        low_usd: price.number("low_usd", Unit::Usd, MONEY).unwrap_or(base_usd),
        base_usd,
        high_usd: price.number("high_usd", Unit::Usd, MONEY).unwrap_or(base_usd),
    };
    let _ = price.text("as_of");
    ordered(&price, value);
    price.finish();
    Some(value)
}

fn ordered(reader: &Reader<'_>, value: Money3) {
    if !(value.low_usd <= value.base_usd && value.base_usd <= value.high_usd) {
        let text = format!(
            "price range {} .. {} .. {} is not in order",
            value.low_usd, value.base_usd, value.high_usd
        );
        reader.problem("base_usd", text, "write low, base and high so that low ≤ base ≤ high");
    }
}

impl Entity for Accelerator {
    const KIND: Kind = Kind::Accelerator;

    fn read(name: &str, r: &Reader<'_>, _: &Catalog) -> Self {
        Accelerator {
            name: name.to_string(),
            title: title(name, r),
            vendor: r.text("vendor").unwrap_or_default(),
            architecture: r.text("architecture").unwrap_or_default(),
            peak: peak(r),
            n_compute_units: r.count32("n_compute_units", 1).unwrap_or(1),
            memory_bytes: r.need("memory_bytes", Unit::Bytes, Within(1e8, 1e15)),
            memory_bytes_per_s: r.need("memory_bytes_per_s", Unit::BytesPerS, BANDWIDTH),
            host_bytes_per_s: r.number("host_bytes_per_s", Unit::BytesPerS, BANDWIDTH),
            tdp_w: r.need("tdp_w", Unit::W, Within(1.0, 1e6)),
            idle_w: r.number("idle_w", Unit::W, POWER).unwrap_or(0.0),
            embodied_kg_co2e: r.number("embodied_kg_co2e", Unit::KgCo2e, Within(0.0, 1e12)),
            price: money(r, "price"),
            matrix_efficiency: r.number("matrix_efficiency", Unit::Fraction, Within(0.01, 1.0)),
            profile: r.text("profile"),
        }
    }
}

fn peak(r: &Reader<'_>) -> Peak {
    let Some(table) = r.table("peak") else {
        r.problem(
            "peak",
            format!("`{}` is missing", r.name("peak")),
            "add a table with bf16_flop_per_s = ... (dense, not sparse)",
        );
        return Peak {
            dense_flop_per_s: BTreeMap::new(),
            vector_flop_per_s: 1.0,
        };
    };
    common(&table);
    let rate = |key: &str| table.number(key, Unit::FlopPerS, Within(1e6, 1e20));
    let dense_flop_per_s: BTreeMap<DType, f64> = DType::ALL
        .into_iter()
        .filter_map(|d| Some((d, rate(&format!("{}_flop_per_s", d.name()))?)))
        .collect();
    if !dense_flop_per_s.contains_key(&DType::Bf16) && !dense_flop_per_s.contains_key(&DType::Fp16) {
        table.problem(
            "bf16_flop_per_s",
            "no 16-bit peak is given",
            "add bf16_flop_per_s or fp16_flop_per_s",
        );
    }
    // A part whose sheet leaves out the vector rate gets a 16th of its 16-bit matrix rate, the
    // ratio of A100 and H100 (19.5/312, 66.9/989) rounded down.
    let sixteen = dense_flop_per_s
        .get(&DType::Bf16)
        .or(dense_flop_per_s.get(&DType::Fp16))
        .copied()
        .unwrap_or(1e12);
    let vector_flop_per_s = rate("vector_flop_per_s").unwrap_or(sixteen / 16.0);
    table.finish();
    Peak {
        dense_flop_per_s,
        vector_flop_per_s,
    }
}

impl Entity for Fabric {
    const KIND: Kind = Kind::Fabric;

    fn read(name: &str, r: &Reader<'_>, _: &Catalog) -> Self {
        let kinds = [("scale-up", true), ("scale-out", false)];
        let torus = r.count32("torus_dims", 1).unwrap_or(3);
        let shapes = [
            ("switched", Topology::Switched),
            ("mesh", Topology::Mesh),
            ("torus", Topology::Torus { dims: torus }),
        ];
        let scale_up = r.choice("kind", &kinds).unwrap_or(false);
        Fabric {
            name: name.to_string(),
            title: title(name, r),
            scale_up,
            topology: r.choice("topology", &shapes).unwrap_or(Topology::Switched),
            bytes_per_s: r.need("bytes_per_s", Unit::BytesPerS, BANDWIDTH),
            latency_s: r.need("latency_s", Unit::S, Within(0.0, 1.0)),
            ring_efficiency: r.number("ring_efficiency", Unit::Fraction, Within(0.01, 1.5)).unwrap_or(0.8),
            in_network_efficiency: r.number("in_network_efficiency", Unit::Fraction, Within(0.01, 2.5)),
            max_domain: r.count32("max_domain", 1).unwrap_or(if scale_up { 8 } else { 0 }),
        }
    }
}

impl Entity for Node {
    const KIND: Kind = Kind::Node;

    fn read(name: &str, r: &Reader<'_>, catalog: &Catalog) -> Self {
        let title = title(name, r);
        let n_devices = r.need_count_to("n_devices", MAX_NODE_DEVICES);
        let node = Node {
            name: name.to_string(),
            title,
            accelerator: reference(r, "accelerator", Kind::Accelerator, catalog),
            n_devices,
            scale_up: reference(r, "scale_up", Kind::Fabric, catalog),
            scale_up_domain: r.count32("scale_up_domain", 1).unwrap_or(n_devices),
            scale_out: reference(r, "scale_out", Kind::Fabric, catalog),
            nic_bytes_per_s: r.need("nic_bytes_per_s", Unit::BytesPerS, BANDWIDTH),
            host_memory_bytes: r.number("host_memory_bytes", Unit::Bytes, NonNegative).unwrap_or(0.0),
            idle_w: r.need("idle_w", Unit::W, POWER),
            active_w: r.need("active_w", Unit::W, POWER),
            max_w: r.need("max_w", Unit::W, POWER),
            embodied_kg_co2e: r.need("embodied_kg_co2e", Unit::KgCo2e, Within(0.0, 1e12)),
            price: money(r, "price"),
        };
        if node.idle_w > node.active_w {
            r.problem("idle_w", "idle power is above active power", "check `idle_w` and `active_w`");
        }
        node
    }
}

/// A required reference to another entry, as its id; an unknown name is reported where it stands.
fn reference(r: &Reader<'_>, key: &str, kind: Kind, catalog: &Catalog) -> String {
    let name = r.need_text(key);
    resolve(r, key, &name, kind, catalog)
}

fn resolve(r: &Reader<'_>, key: &str, name: &str, kind: Kind, catalog: &Catalog) -> String {
    let index = catalog.entries(kind);
    match index.get(name) {
        Some(entry) => entry.name.clone(),
        None => {
            if !name.is_empty() {
                let problem = index.unknown(kind, name);
                r.problem(key, problem.message, problem.help.unwrap_or_default());
            }
            name.to_string()
        }
    }
}

impl Entity for Cluster {
    const KIND: Kind = Kind::Cluster;

    fn read(name: &str, r: &Reader<'_>, catalog: &Catalog) -> Self {
        let title = title(name, r);
        let problems = Problems::default();
        let node_name = r.need_text("node");
        let node = catalog.get_at::<Node>(&node_name, &r.place("node"), &problems);
        for problem in problems.into_list() {
            r.problem("node", problem.message, problem.help.unwrap_or_default());
        }
        let mut node = node.unwrap_or_else(missing_node);
        if let Some(fabric) = r.text("fabric") {
            node.scale_out = resolve(r, "fabric", &fabric, Kind::Fabric, catalog);
        }
        if let Some(rate) = r.number("nic_bytes_per_s", Unit::BytesPerS, BANDWIDTH) {
            node.nic_bytes_per_s = rate;
        }
        let n_nodes = r.need_count_to("n_nodes", MAX_NODES);
        Cluster {
            name: name.to_string(),
            title,
            n_nodes,
            levels: r.tables("level").iter().map(level).collect(),
            storage_bytes_per_s: r
                .number("storage_bytes_per_s", Unit::BytesPerS, BANDWIDTH)
                .unwrap_or_else(|| default_storage(f64::from(n_nodes))),
            reliability: named_or_default(r, "reliability", catalog),
            region: r
                .text("region")
                .map_or_else(|| "us-average".to_string(), |g| resolve(r, "region", &g, Kind::Region, catalog)),
            rails: r.count32("rails", 1),
            pod_devices: r.count32("pod_devices", 1),
            known_for: r.texts("known_for"),
            node,
        }
    }
}

/// Delivered checkpoint bandwidth where none is stated: 1 GB/s per node, what MLPerf Storage v1.0
/// submissions ask of a file system per client (estimate), at most 2 TB/s, the sustained write
/// rate of Meta's Tectonic for Llama 3 (arXiv 2407.21783 §3.3.1).
#[must_use]
pub fn default_storage(n_nodes: f64) -> f64 {
    (1e9 * n_nodes).min(2e12)
}

fn missing_node() -> Node {
    Node {
        name: String::new(),
        title: String::new(),
        accelerator: String::new(),
        n_devices: 1,
        scale_up: String::new(),
        scale_up_domain: 1,
        scale_out: String::new(),
        nic_bytes_per_s: 1.0,
        host_memory_bytes: 0.0,
        idle_w: 0.0,
        active_w: 0.0,
        max_w: 0.0,
        embodied_kg_co2e: 0.0,
        price: None,
    }
}

fn level(r: &Reader<'_>) -> Level {
    common(r);
    let _ = r.text("title");
    let value = Level {
        n_devices: r.need_count("n_devices", 1),
        oversubscription: r.need("oversubscription", Unit::One, Within(0.01, 1000.0)),
    };
    r.finish();
    value
}

fn named_or_default(r: &Reader<'_>, key: &str, catalog: &Catalog) -> Reliability {
    let name = r.text(key).unwrap_or_else(|| "default".to_string());
    let problems = Problems::default();
    let found = catalog.get_at::<Reliability>(&name, &r.place(key), &problems);
    for problem in problems.into_list() {
        r.problem(key, problem.message, problem.help.unwrap_or_default());
    }
    found.unwrap_or_else(|| Reliability::plain(&name))
}

impl Entity for Offer {
    const KIND: Kind = Kind::Offer;

    fn read(name: &str, r: &Reader<'_>, catalog: &Catalog) -> Self {
        let _ = title(name, r);
        let price = |key: &str| r.number(key, Unit::UsdPerHour, RENT);
        let base_usd = r.need("base_usd_per_device_hour", Unit::UsdPerHour, RENT);
        let usd_per_device_hour = Money3 {
            low_usd: price("low_usd_per_device_hour").unwrap_or(base_usd),
            base_usd,
            high_usd: price("high_usd_per_device_hour").unwrap_or(base_usd),
        };
        ordered(r, usd_per_device_hour);
        Offer {
            name: name.to_string(),
            provider: r.need_text("provider"),
            accelerator: reference(r, "accelerator", Kind::Accelerator, catalog),
            region: r.text("region"),
            commitment: r.choice("commitment", &Commitment::ALL).unwrap_or(Commitment::OnDemand),
            usd_per_device_hour,
            as_of: r.need_text("as_of"),
            preempted_every_s: r.number("preempted_every_s", Unit::S, MTBF),
        }
    }
}

impl Entity for Grid {
    const KIND: Kind = Kind::Grid;

    fn read(name: &str, r: &Reader<'_>, _: &Catalog) -> Self {
        let factor = |key: &str| r.number(key, Unit::KgCo2ePerKwh, Within(0.0, 3.0));
        Grid {
            name: name.to_string(),
            title: title(name, r),
            location_kg_co2e_per_kwh: r.need("location_kg_co2e_per_kwh", Unit::KgCo2ePerKwh, Within(0.0, 3.0)),
            marginal_kg_co2e_per_kwh: factor("marginal_kg_co2e_per_kwh"),
            hourly_kg_co2e_per_kwh: hourly(r),
            water_l_per_kwh: r.need("water_l_per_kwh", Unit::LPerKwh, Within(0.0, 100.0)),
            year: r.count32("year", 1990).unwrap_or(0),
        }
    }
}

/// An optional list of so many numbers within bounds.
fn list(r: &Reader<'_>, key: &str, lengths: &[usize], bounds: (f64, f64)) -> Option<Vec<f64>> {
    r.item(key)?;
    let values = r.numbers(key);
    let said: Vec<String> = lengths.iter().map(ToString::to_string).collect();
    if !lengths.contains(&values.len()) {
        let text = format!("`{}` has {} numbers", r.name(key), values.len());
        r.problem(key, text, format!("write {} numbers", said.join(" or ")));
        return None;
    }
    let (low, high) = bounds;
    if let Some(wrong) = values.iter().find(|v| !(low..=high).contains(*v)) {
        let text = format!("`{}` holds {wrong}, out of range", r.name(key));
        r.problem(key, text, format!("write numbers from {low} to {high}"));
        return None;
    }
    Some(values)
}

/// Factors of the hours of a day or of a year.
fn hourly(r: &Reader<'_>) -> Option<Vec<f64>> {
    list(r, "hourly_kg_co2e_per_kwh", &[24, 8760], (0.0, 3.0))
}

fn by_month(r: &Reader<'_>) -> Option<[f64; 12]> {
    list(r, "pue_by_month", &[12], (1.0, 5.0))?.try_into().ok()
}

impl Entity for Region {
    const KIND: Kind = Kind::Region;

    fn read(name: &str, r: &Reader<'_>, catalog: &Catalog) -> Self {
        let title = title(name, r);
        let problems = Problems::default();
        let grid = catalog.get_at::<Grid>(&r.need_text("grid"), &r.place("grid"), &problems);
        for problem in problems.into_list() {
            r.problem("grid", problem.message, problem.help.unwrap_or_default());
        }
        let nowhere = || Grid {
            name: String::new(),
            title: String::new(),
            location_kg_co2e_per_kwh: 0.0,
            marginal_kg_co2e_per_kwh: None,
            hourly_kg_co2e_per_kwh: None,
            water_l_per_kwh: 0.0,
            year: 0,
        };
        Region {
            name: name.to_string(),
            title,
            provider: r.text("provider").unwrap_or_default(),
            grid: grid.unwrap_or_else(nowhere),
            pue: r.need("pue", Unit::One, PUE),
            pue_by_month: by_month(r),
            wue_l_per_kwh: r.need("wue_l_per_kwh", Unit::LPerKwh, Within(0.0, 100.0)),
            market_kg_co2e_per_kwh: r.number("market_kg_co2e_per_kwh", Unit::KgCo2ePerKwh, Within(0.0, 3.0)),
            electricity_usd_per_kwh: r.need("electricity_usd_per_kwh", Unit::UsdPerKwh, Within(0.0, 10.0)),
        }
    }
}

impl Entity for Finance {
    const KIND: Kind = Kind::Finance;

    fn read(name: &str, r: &Reader<'_>, _: &Catalog) -> Self {
        let _ = title(name, r);
        let _ = r.text("as_of");
        let part = |key: &str, high: f64| r.need(key, Unit::Fraction, Within(0.0, high));
        Finance {
            name: name.to_string(),
            life_s: r.need("life_s", Unit::S, Within(86_400.0, 1e11)),
            network_fraction: part("network_fraction", 5.0),
            residual_fraction: part("residual_fraction", 1.0),
            capital_rate_fraction: part("capital_rate_fraction", 1.0),
            maintenance_fraction: part("maintenance_fraction", 1.0),
            colocation_usd_per_kw_month: r.need("colocation_usd_per_kw_month", Unit::Usd, Within(0.0, 1e5)),
            utilization_fraction: r.need("utilization_fraction", Unit::Fraction, Within(0.01, 1.0)),
            storage_usd_per_gb_month: r.need("storage_usd_per_gb_month", Unit::Usd, Within(0.0, 100.0)),
            network_power_fraction: part("network_power_fraction", 1.0),
            storage_w_per_tb: r.need("storage_w_per_tb", Unit::W, Within(0.0, 1e4)),
            staff_usd_per_device_year: r.need("staff_usd_per_device_year", Unit::Usd, Within(0.0, 1e6)),
            support_fraction: part("support_fraction", 1.0),
            egress_usd_per_gb: r.need("egress_usd_per_gb", Unit::Usd, Within(0.0, 100.0)),
            facility_usd_per_w: r.need("facility_usd_per_w", Unit::Usd, Within(0.0, 1e4)),
            facility_life_s: r.need("facility_life_s", Unit::S, Within(86_400.0, 1e11)),
        }
    }
}

/// Problems of one entry of any kind.
pub(super) fn check(kind: Kind, name: &str, catalog: &Catalog) -> Vec<Diagnostic> {
    fn of<T: Entity>(name: &str, catalog: &Catalog) -> Vec<Diagnostic> {
        match catalog.get::<T>(name) {
            Ok(_) => Vec::new(),
            Err(Error::Invalid(list)) => list,
            Err(other) => vec![Diagnostic::new(other.to_string())],
        }
    }
    match kind {
        Kind::Accelerator => of::<Accelerator>(name, catalog),
        Kind::Fabric => of::<Fabric>(name, catalog),
        Kind::Node => of::<Node>(name, catalog),
        Kind::Cluster => of::<Cluster>(name, catalog),
        Kind::Grid => of::<Grid>(name, catalog),
        Kind::Region => of::<Region>(name, catalog),
        Kind::Offer => of::<Offer>(name, catalog),
        Kind::Finance => of::<Finance>(name, catalog),
        Kind::Reliability => of::<Reliability>(name, catalog),
        Kind::Model => of::<Model>(name, catalog),
        Kind::Profile => of::<Profile>(name, catalog),
        Kind::Stack => of::<Stack>(name, catalog),
        Kind::Band => of::<Band>(name, catalog),
    }
}
