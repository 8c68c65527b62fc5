//! Devices rank by joules and by money as published data say.

use crate::support::plan_text;
use exaplan::catalog::{Accelerator, Catalog, Commitment, DType, Kind, Offer};
use exaplan::plan::Plan;

/// The same 8B model, tokens and batch on every machine, in a fixed place.
fn planned(node: &str, nodes: u32, cost: &str) -> Plan {
    let text = format!(
        "[model]\nuse = \"llama3-8b\"\n[training]\ntokens = \"1T\"\nsequence = 4096\nglobal_batch = \"512 sequences\"\n\
         [cluster]\nnode = \"{node}\"\nnodes = {nodes}\nregion = \"us-east-1\"\n{cost}"
    );
    plan_text(&text, &[]).unwrap_or_else(|e| panic!("{node}: {e}"))
}

fn joules_per_token(node: &str, nodes: u32) -> f64 {
    let plan = planned(node, nodes, "");
    plan.bill.energy.it_j / plan.scenario.workload.total_tokens
}

/// Dollars for 1e15 FLOP/s of useful arithmetic over a day.
fn usd_per_petaflop_day(node: &str, nodes: u32, offer: &str) -> f64 {
    let plan = planned(node, nodes, &format!("[cost]\noffer = \"{offer}\"\n"));
    let useful = plan.counts.train_flop_per_token * plan.scenario.workload.total_tokens;
    plan.bill.cost.total_usd.unwrap() / (useful / (1e15 * 86_400.0))
}

fn assert_falls(what: &str, values: &[(&str, f64)]) {
    assert!(values.windows(2).all(|w| w[1].1 < w[0].1), "{what}: {values:?}");
}

/// Dense 16-bit peak over board power doubles or nearly so with each generation of data sheets
/// (0.42, 0.78, 1.41, 2.25 TFLOP/J), and MLPerf Training power logs of H100 and B200 nodes keep the order.
#[test]
fn each_nvidia_generation_takes_fewer_joules_for_a_token() {
    let nodes = [
        ("V100", "dgx1-v100"),
        ("A100", "dgx-a100-80gb"),
        ("H100", "dgx-h100"),
        ("B200", "hgx-b200"),
    ];
    assert_falls("J per token", &nodes.map(|(title, node)| (title, joules_per_token(node, 1))));
}

/// Schneider et al., Life-cycle emissions of AI hardware (arXiv 2502.01671): carbon per FLOP of use
/// falls from v4 over v5e to v6e.
#[test]
fn each_tpu_of_the_efficient_line_takes_fewer_joules_for_a_token() {
    let hosts = [("v4", "tpu-v4-host", 64), ("v5e", "tpu-v5e-host", 32), ("v6e", "tpu-v6e-host", 32)];
    assert_falls("J per token", &hosts.map(|(title, node, n)| (title, joules_per_token(node, n))));
}

/// Price per hour rises less than speed from A100 to H100 at the hyperscalers of the catalog
/// (median list prices of 2026-09: 5.07 and 10.28 USD; AWS 3.43 and 6.88) and at specialized
/// clouds (1.29 and 2.95 USD).
#[test]
fn useful_arithmetic_is_cheaper_on_h100_than_on_a100() {
    for (old, new) in [
        (
            "market-hyperscaler-a100-sxm-80gb-on-demand",
            "market-hyperscaler-h100-sxm-80gb-on-demand",
        ),
        ("market-neocloud-a100-sxm-80gb-on-demand", "market-neocloud-h100-sxm-80gb-on-demand"),
    ] {
        let values = [
            (old, usd_per_petaflop_day("dgx-a100-80gb", 8, old)),
            (new, usd_per_petaflop_day("dgx-h100", 8, new)),
        ];
        assert_falls("USD per useful PFLOP-day", &values);
    }
}

/// Interruptible devices are cheaper than those on demand, in every region that offers both.
#[test]
fn spot_is_cheaper_than_on_demand_at_the_same_place() {
    let catalog = Catalog::builtin();
    let offers: Vec<Offer> = catalog
        .entries(Kind::Offer)
        .entries
        .keys()
        .map(|n| catalog.get(n).unwrap())
        .collect();
    let mut n = 0;
    for spot in offers.iter().filter(|o| o.commitment == Commitment::Spot && o.region.is_some()) {
        let there = |o: &&Offer| {
            (&o.provider, &o.accelerator, &o.region, o.commitment)
                == (&spot.provider, &spot.accelerator, &spot.region, Commitment::OnDemand)
        };
        for list in offers.iter().filter(there) {
            n += 1;
            let (a, b) = (spot.usd_per_device_hour.base_usd, list.usd_per_device_hour.base_usd);
            assert!(a < b, "{} at {a}, {} at {b}", spot.name, list.name);
        }
    }
    assert!(n >= 40, "{n} places");
}

/// A price for the node instead of the device, or per second, would be out by more than this range.
#[test]
fn prices_per_peak_teraflop_lie_in_the_range_of_the_market() {
    let catalog = Catalog::builtin();
    for name in catalog.entries(Kind::Offer).entries.keys() {
        let offer: Offer = catalog.get(name).unwrap();
        let device: Accelerator = catalog.get(&offer.accelerator).unwrap();
        let teraflops = device.peak.matrix_flop_per_s(DType::Bf16).unwrap() / 1e12;
        let price = offer.usd_per_device_hour.base_usd / teraflops;
        let low = if offer.commitment == Commitment::Spot { 2e-4 } else { 9e-4 };
        assert!((low..=5e-2).contains(&price), "{name}: {price} USD per peak TFLOP/s and hour");
    }
}
