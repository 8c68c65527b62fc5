//! Values that are legal and yet hardly true: a unit slipped, a zero too many. Warnings, not errors.

use super::raw::Item;
use super::read::Entity;
use super::{Accelerator, Catalog, DType, Entry, Fabric, Grid, Kind, Layer, Node, Offer, Region};
use crate::error::{At, Diagnostic};
use crate::units::{si, significant};
use std::collections::BTreeMap;

/// A peak per compute unit this far outside its family is a slip.
const FAMILY_FACTOR: f64 = 3.0;
/// How often a second a memory can be read once: HBM and GDDR of every generation lie between.
const MEMORY_SWEEPS: (f64, f64) = (10.0, 200.0);
/// The same of a host's modules: from one channel with much memory to HBM beside the cores.
const HOST_MEMORY_SWEEPS: (f64, f64) = (0.05, 50.0);
const TDP_W: (f64, f64) = (20.0, 3000.0);
/// Against the best FLOP per joule of the built-ins.
const PER_WATT_FACTOR: f64 = 4.0;
const PRICE_FACTOR: f64 = 10.0;
const OFFER_FACTOR: f64 = 8.0;
/// A ring cannot carry more than its links, but measurements and stated rates differ a little.
const RING_EFFICIENCY: f64 = 1.05;
/// Reducing in the network sends each byte once; a little over 1 has been measured.
const IN_NETWORK_EFFICIENCY: f64 = 1.2;
/// Network cards per device.
const MAX_PORTS: f64 = 8.0;
const PUE: (f64, f64) = (1.02, 2.0);
/// Lignite in old plants stays below.
const GRID_KG_CO2E_PER_KWH: f64 = 1.2;
/// Industrial tariffs of the world lie between.
const TARIFF_USD_PER_KWH: (f64, f64) = (0.01, 0.6);

/// Built-in offers that look wrong and are right: entry, why.
const KNOWN: [(&str, &str); 3] = [
    (
        "aws-trn1-32xlarge-spot-us-east-2",
        "spot market of one region, as skypilot's catalog lists it",
    ),
    (
        "aws-trn2-48xlarge-spot-us-east-2",
        "spot market of one region, as skypilot's catalog lists it",
    ),
    (
        "verda-1x-v100-16gb-on-demand",
        "as skypilot's catalog lists it; the others are large clouds",
    ),
];

/// Doubts about every entry of a layer and those above.
#[must_use]
pub fn implausible(catalog: &Catalog, from: Layer) -> Vec<Diagnostic> {
    let known = Known::new();
    let mut out = Doubts::default();
    each(catalog, from, |e, v: &Accelerator| accelerator(e, v, &known, &mut out));
    each(catalog, from, |e, v: &Fabric| fabric(e, v, &mut out));
    each(catalog, from, |e, v: &Node| node(e, v, catalog, &known, &mut out));
    each(catalog, from, |e, v: &Grid| grid(e, v, &mut out));
    each(catalog, from, |e, v: &Region| region(e, v, &mut out));
    each(catalog, from, |e, v: &Offer| offer(e, v, &known, &mut out));
    out.list
}

fn each<T: Entity>(catalog: &Catalog, from: Layer, mut look: impl FnMut(&Entry, &T)) {
    for entry in catalog.entries(T::KIND).entries.values().filter(|e| e.layer >= from) {
        // Entries that are wrong are told elsewhere.
        if let Ok(value) = catalog.get::<T>(&entry.name) {
            look(entry, &value);
        }
    }
}

/// What the built-in entries say together.
struct Known {
    /// bf16 peak per compute unit, lowest and highest: by vendor and family, and by vendor alone.
    per_unit: BTreeMap<(String, String), (f64, f64)>,
    best_flop_per_j: f64,
    usd_per_flop_per_s: f64,
    offers: BTreeMap<String, f64>,
}

impl Known {
    fn new() -> Known {
        let catalog = Catalog::builtin();
        let mut per_unit: BTreeMap<(String, String), (f64, f64)> = BTreeMap::new();
        let mut best_flop_per_j = 0.0_f64;
        let mut prices = Vec::new();
        each(&catalog, Layer::Builtin, |_, a: &Accelerator| {
            let Some(peak) = a.peak.matrix_flop_per_s(DType::Bf16) else {
                return;
            };
            for family in [a.architecture.as_str(), ""] {
                let rate = peak / f64::from(a.n_compute_units);
                let range = per_unit.entry((a.vendor.clone(), family.to_string())).or_insert((rate, rate));
                *range = (range.0.min(rate), range.1.max(rate));
            }
            best_flop_per_j = best_flop_per_j.max(peak / a.tdp_w);
            prices.extend(a.price.map(|p| p.base_usd / peak));
        });
        let mut offers: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        each(&catalog, Layer::Builtin, |_, o: &Offer| {
            offers
                .entry(o.accelerator.clone())
                .or_default()
                .push(o.usd_per_device_hour.base_usd);
        });
        Known {
            per_unit,
            best_flop_per_j,
            usd_per_flop_per_s: median(prices),
            offers: offers.into_iter().map(|(name, list)| (name, median(list))).collect(),
        }
    }
}

fn median(mut list: Vec<f64>) -> f64 {
    list.sort_by(f64::total_cmp);
    list.get(list.len() / 2).copied().unwrap_or(0.0)
}

#[derive(Default)]
struct Doubts {
    list: Vec<Diagnostic>,
}

impl Doubts {
    /// Doubt the value at a dotted key of an entry, unless it is known to be right.
    fn add(&mut self, kind: Kind, entry: &Entry, key: &str, what: String, help: &str) {
        let right = KNOWN.iter().any(|(name, _)| kind == Kind::Offer && *name == entry.name);
        if right && entry.layer == Layer::Builtin {
            return;
        }
        let text = format!("{} `{}`: {what}", kind.name(), entry.name);
        self.list.push(Diagnostic::new(text).at(place(entry, key)).help(help));
    }

    /// Doubt a value outside a range.
    fn within(&mut self, kind: Kind, entry: &Entry, value: f64, limit: &Limit<'_>) {
        let (low, high) = limit.range;
        if !(low..=high).contains(&value) {
            let text = format!(
                "{} is {}, outside {} to {}",
                limit.what,
                significant(value),
                significant(low),
                significant(high)
            );
            self.add(kind, entry, limit.key, text, limit.help);
        }
    }
}

/// Where a number usually lies.
struct Limit<'a> {
    key: &'a str,
    what: &'a str,
    range: (f64, f64),
    help: &'a str,
}

/// Where a value of an entry stands: the deepest table on the way that is there, or the entry where
/// the value is inherited from another file.
fn place<'a>(entry: &'a Entry, key: &str) -> &'a At {
    let mut at = &entry.at;
    let mut tree = &entry.tree;
    for part in key.split('.') {
        let Some(Item { at: here, value, .. }) = tree.get(part) else {
            break;
        };
        at = here;
        match value {
            super::raw::Value::Table(inner) => tree = inner,
            _ => break,
        }
    }
    if at.origin == entry.at.origin { at } else { &entry.at }
}

fn accelerator(entry: &Entry, a: &Accelerator, known: &Known, out: &mut Doubts) {
    let kind = Kind::Accelerator;
    let power = Limit {
        key: "tdp_w",
        what: "power in watts",
        range: TDP_W,
        help: "write the board power limit in watts",
    };
    out.within(kind, entry, a.tdp_w, &power);
    let sweeps = Limit {
        key: "memory_bytes_per_s",
        what: "memory bandwidth over memory, per second,",
        range: if a.architecture == "cpu" {
            HOST_MEMORY_SWEEPS
        } else {
            MEMORY_SWEEPS
        },
        help: "check bytes against bits, GB against GiB, and one direction against both",
    };
    out.within(kind, entry, a.memory_bytes_per_s / a.memory_bytes, &sweeps);
    let Some(peak) = a.peak.matrix_flop_per_s(DType::Bf16) else {
        return;
    };
    let family = |family: &str| known.per_unit.get(&(a.vendor.clone(), family.to_string()));
    if let Some((low, high)) = family(&a.architecture).or_else(|| family("")) {
        let rate = peak / f64::from(a.n_compute_units);
        if !(low / FAMILY_FACTOR..=high * FAMILY_FACTOR).contains(&rate) {
            let text = format!(
                "bf16 peak per compute unit is {}, the built-in ones of {} {} have {} to {}",
                si(rate, "FLOP/s"),
                a.vendor,
                a.architecture,
                si(*low, "FLOP/s"),
                si(*high, "FLOP/s")
            );
            let help = "write dense FLOP/s (half of a sparse figure) of the whole device, and all its compute units";
            out.add(kind, entry, "peak.bf16_flop_per_s", text, help);
        }
    }
    let per_j = peak / a.tdp_w;
    if per_j > known.best_flop_per_j * PER_WATT_FACTOR {
        let text = format!(
            "bf16 peak per watt is {}, the best built-in has {}",
            si(per_j, "FLOP/J"),
            si(known.best_flop_per_j, "FLOP/J")
        );
        let help = "check that peak and power are of the same part, dense, in FLOP/s and watts";
        out.add(kind, entry, "peak.bf16_flop_per_s", text, help);
    }
    if let Some(price) = a.price {
        costs(kind, entry, price.base_usd / peak, known, out);
    }
}

fn costs(kind: Kind, entry: &Entry, usd_per_flop_per_s: f64, known: &Known, out: &mut Doubts) {
    let ratio = usd_per_flop_per_s / known.usd_per_flop_per_s;
    // A price of 0 means that there is none to pay.
    if ratio > 0.0 && !(1.0 / PRICE_FACTOR..=PRICE_FACTOR).contains(&ratio) {
        let text = format!("price per bf16 FLOP/s is {} times the median of the built-ins", significant(ratio));
        let help = "write the price of one device under an accelerator, of the whole server under a node, in dollars";
        out.add(kind, entry, "price.base_usd", text, help);
    }
}

fn fabric(entry: &Entry, f: &Fabric, out: &mut Doubts) {
    let help = "write bus bandwidth over the one-direction rate in bytes_per_s";
    if f.ring_efficiency > RING_EFFICIENCY {
        let text = format!("ring_efficiency is {}, more than its links carry", significant(f.ring_efficiency));
        out.add(Kind::Fabric, entry, "ring_efficiency", text, help);
    }
    if let Some(efficiency) = f.in_network_efficiency.filter(|e| *e > IN_NETWORK_EFFICIENCY) {
        let text = format!("in_network_efficiency is {}, more than its links carry", significant(efficiency));
        out.add(Kind::Fabric, entry, "in_network_efficiency", text, help);
    }
}

fn node(entry: &Entry, n: &Node, catalog: &Catalog, known: &Known, out: &mut Doubts) {
    let kind = Kind::Node;
    if n.active_w > n.max_w {
        let text = format!("active_w is {}, above max_w, {}", si(n.active_w, "W"), si(n.max_w, "W"));
        out.add(kind, entry, "active_w", text, "write the power of the whole server in both");
    }
    if n.idle_w > n.active_w {
        let text = format!("idle_w is {}, above active_w, {}", si(n.idle_w, "W"), si(n.active_w, "W"));
        out.add(kind, entry, "idle_w", text, "write the power of the whole server in both");
    }
    if let Ok(fabric) = catalog.get::<Fabric>(&n.scale_out)
        && n.nic_bytes_per_s > MAX_PORTS * fabric.bytes_per_s
    {
        let text = format!(
            "nic_bytes_per_s is {} per device, more than {MAX_PORTS} ports of `{}`, {} each",
            si(n.nic_bytes_per_s, "B/s"),
            fabric.name,
            si(fabric.bytes_per_s, "B/s")
        );
        let help = "write bytes (not bits) per second of one device (not the server), one direction";
        out.add(kind, entry, "nic_bytes_per_s", text, help);
    }
    let device = catalog.get::<Accelerator>(&n.accelerator).ok();
    let peak = device.as_ref().and_then(|a| a.peak.matrix_flop_per_s(DType::Bf16));
    if let (Some(price), Some(peak)) = (n.price, peak) {
        costs(kind, entry, price.base_usd / f64::from(n.n_devices) / peak, known, out);
    }
    if let Some(device) = device {
        let devices_w = f64::from(n.n_devices) * device.tdp_w;
        if n.max_w > 0.0 && n.max_w < 0.8 * devices_w {
            let text = format!("max_w is {}, its devices alone may draw {}", si(n.max_w, "W"), si(devices_w, "W"));
            out.add(kind, entry, "max_w", text, "write the nameplate power of the whole server");
        }
    }
}

fn grid(entry: &Entry, g: &Grid, out: &mut Doubts) {
    let factors = [
        ("location_kg_co2e_per_kwh", Some(g.location_kg_co2e_per_kwh)),
        ("marginal_kg_co2e_per_kwh", g.marginal_kg_co2e_per_kwh),
    ];
    for (key, value) in factors {
        let limit = Limit {
            key,
            what: key,
            range: (0.0, GRID_KG_CO2E_PER_KWH),
            help: "write kilograms (not grams) of CO2e per kWh",
        };
        out.within(Kind::Grid, entry, value.unwrap_or(0.0), &limit);
    }
}

fn region(entry: &Entry, r: &Region, out: &mut Doubts) {
    let pue = Limit {
        key: "pue",
        what: "pue",
        range: PUE,
        help: "write facility over IT energy of a year: 1.08 to 1.6 as a rule",
    };
    out.within(Kind::Region, entry, r.pue, &pue);
    let tariff = Limit {
        key: "electricity_usd_per_kwh",
        what: "electricity_usd_per_kwh",
        range: TARIFF_USD_PER_KWH,
        help: "write dollars (not cents) per kWh",
    };
    out.within(Kind::Region, entry, r.electricity_usd_per_kwh, &tariff);
}

fn offer(entry: &Entry, o: &Offer, known: &Known, out: &mut Doubts) {
    let Some(usual) = known.offers.get(&o.accelerator).filter(|u| **u > 0.0) else {
        return;
    };
    let ratio = o.usd_per_device_hour.base_usd / usual;
    if !(1.0 / OFFER_FACTOR..=OFFER_FACTOR).contains(&ratio) {
        let text = format!(
            "{} USD per device-hour is {} times the median of the built-in offers of `{}`",
            significant(o.usd_per_device_hour.base_usd),
            significant(ratio),
            o.accelerator
        );
        let help = "write the price of one device for one hour, not of a server or a month";
        out.add(Kind::Offer, entry, "usd_per_device_hour", text, help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::raw;
    use crate::error::Origin;
    use std::sync::Arc;

    #[test]
    fn the_built_in_catalog_is_plausible() {
        let doubts: Vec<String> = implausible(&Catalog::builtin(), Layer::Builtin)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(doubts.is_empty(), "{}", doubts.join("\n"));
    }

    fn doubts(text: &str) -> Vec<Diagnostic> {
        let origin = Arc::new(Origin {
            name: "own.toml".into(),
            text: text.into(),
        });
        let (tree, problems) = raw::parse(&origin);
        assert!(problems.is_empty(), "{problems:?}");
        implausible(&Catalog::builtin().overlay_tree(&origin, tree).unwrap(), Layer::Scenario)
    }

    #[test]
    fn a_slip_of_each_kind_is_seen_at_its_place() {
        let cases = [
            ("[accelerator.x]\nextends = \"h100-sxm-80gb\"\ntdp_w = 7.0", "power in watts"),
            (
                "[accelerator.x]\nextends = \"h100-sxm-80gb\"\nmemory_bytes_per_s = 3.35e13",
                "memory bandwidth",
            ),
            (
                "[accelerator.x]\nextends = \"h100-sxm-80gb\"\npeak.bf16_flop_per_s = 9.9e15",
                "per compute unit",
            ),
            (
                "[accelerator.x]\nextends = \"h100-sxm-80gb\"\npeak.bf16_flop_per_s = 9.9e15\ntdp_w = 100.0",
                "per watt",
            ),
            ("[node.x]\nextends = \"dgx-h100\"\nactive_w = 99000.0", "above max_w"),
            ("[node.x]\nextends = \"dgx-h100\"\nnic_bytes_per_s = 4e12", "8 ports"),
            (
                "[node.x]\nextends = \"dgx-h100\"\nprice.base_usd = 3e7\nprice.high_usd = 4e7",
                "price per bf16",
            ),
            ("[fabric.x]\nextends = \"ib-ndr\"\nring_efficiency = 1.5", "ring_efficiency"),
            ("[region.x]\nextends = \"us-average\"\npue = 2.5", "pue"),
            (
                "[region.x]\nextends = \"us-average\"\nelectricity_usd_per_kwh = 7.5",
                "electricity_usd_per_kwh",
            ),
        ];
        for (text, word) in cases {
            let list = doubts(text);
            let lines: Vec<String> = list.iter().map(ToString::to_string).collect();
            assert!(
                list.iter().any(|d| d.message.contains(word) && d.help.is_some()),
                "{text}: {lines:?}"
            );
            assert!(lines.iter().all(|l| l.starts_with("own.toml:")), "{lines:?}");
        }
        assert!(doubts("[accelerator.x]\nextends = \"h100-sxm-80gb\"\ntdp_w = 650.0").is_empty());
    }
}
