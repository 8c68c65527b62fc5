//! What happens to an answer when an input is scaled: slips of units and swapped arguments show here.

use super::strategy::{CASES, config, draws, small};
use crate::support::{plan_text, with_scenario};
use exaplan::catalog::{Catalog, Collective, DType, Kind, Profile, Topology};
use exaplan::error::Error;
use exaplan::kernel::{Device, GemmShape, Group, Network, ScaleOut, ScaleUp, collective, gemm, send, stream};
use exaplan::step::simulate;
use exaplan::units::{self, Unit};
use proptest::prelude::*;

const KINDS: [Collective; 4] = [
    Collective::AllReduce,
    Collective::AllGather,
    Collective::ReduceScatter,
    Collective::AllToAll,
];

fn network(topology: Topology, bytes_per_s: f64, nic_bytes_per_s: f64, domain: f64) -> Network {
    Network {
        scale_up: ScaleUp {
            topology,
            bytes_per_s,
            latency_s: 0.0,
            ring_efficiency: 0.8,
            in_network_efficiency: Some(1.1),
            domain,
        },
        scale_out: ScaleOut {
            nic_bytes_per_s,
            latency_s: 0.0,
            efficiency: 0.9,
            oversubscription: 1.5,
        },
    }
}

fn topologies() -> impl Strategy<Value = Topology> {
    prop_oneof![
        Just(Topology::Switched),
        Just(Topology::Mesh),
        (1u32..=3).prop_map(|dims| Topology::Torus { dims })
    ]
}

/// The accelerator's profile without anything that does not scale with its rates.
fn without_launches(mut profile: Profile) -> Profile {
    profile.gemm.values_mut().for_each(|w| w.t0_s = 0.0);
    profile.attention.values_mut().for_each(|w| w.t0_s = 0.0);
    profile
}

fn faster(mut profile: Profile, k: f64) -> Profile {
    profile.memory_bytes_per_s *= k;
    profile.peak_flop_per_s.values_mut().for_each(|p| *p *= k);
    profile
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn halving_every_bandwidth_doubles_network_seconds(
        topology in topologies(), kind in prop::sample::select(&KINDS[..]),
        up in 1e10f64..1e12, nic in 1e9f64..1e11, domain in 0u32..7, n in 1u32..12, bytes in 1e6f64..1e11,
    ) {
        let domain = f64::from(1u32 << domain);
        let n = f64::from(1u32 << n);
        let group = Group { n, per_domain: domain.min(n) };
        let time = |share: f64| {
            let net = network(topology, up * share, nic * share, domain);
            (collective(&net, None, kind, group, bytes).time_s, send(&net, true, bytes).time_s, send(&net, false, bytes).time_s)
        };
        let (whole, half) = (time(1.0), time(0.5));
        prop_assert!(whole.0 > 0.0 && whole.0.is_finite());
        // Powers of two leave no rounding, so the law holds to the bit.
        prop_assert_eq!((2.0 * whole.0, 2.0 * whole.1, 2.0 * whole.2), half);
    }

    #[test]
    fn more_bytes_never_take_less_time(
        topology in topologies(), kind in prop::sample::select(&KINDS[..]), domain in 0u32..7, n in 1u32..12, bytes in 1.0f64..1e11, more in 1.0f64..10.0,
    ) {
        let mut net = network(topology, 4e11, 5e10, f64::from(1u32 << domain));
        (net.scale_up.latency_s, net.scale_out.latency_s) = (5e-6, 1e-5);
        let n = f64::from(1u32 << n);
        let group = Group { n, per_domain: f64::from(1u32 << domain).min(n) };
        let time = |bytes| collective(&net, None, kind, group, bytes).time_s;
        prop_assert!(time(bytes * more) >= time(bytes) * (1.0 - 1e-12));
    }

    #[test]
    fn a_device_faster_by_k_needs_a_kth_of_the_kernel_time(
        m in 1u32..40_000, n in 1u32..40_000, k in 1u32..40_000, factor in 1u32..4, name in prop::sample::select(vec!["h100-sxm", "a100-sxm", "b200-sxm", "gb300"]),
    ) {
        let catalog = Catalog::builtin();
        prop_assume!(catalog.get::<Profile>(name).unwrap().gemm.contains_key(&DType::Bf16));
        let profile = without_launches(catalog.get::<Profile>(name).unwrap());
        let accelerator = catalog.entries(Kind::Accelerator).entries.values().find(|e| e.tree.text("profile") == Some(name)).unwrap();
        let accelerator = catalog.get(&accelerator.name).unwrap();
        let times = f64::from(1u32 << factor);
        let quick = faster(profile.clone(), times);
        let shape = GemmShape::new(f64::from(m), f64::from(n), f64::from(k), DType::Bf16);
        let (slow, fast) = (Device { accelerator: &accelerator, profile: Some(&profile) }, Device { accelerator: &accelerator, profile: Some(&quick) });
        prop_assert_eq!(gemm(&slow, &shape).time_s, times * gemm(&fast, &shape).time_s);
        prop_assert_eq!(stream(&slow, 1e9, 0.7, 0.0).time_s, times * stream(&fast, 1e9, 0.7, 0.0).time_s);
    }

    #[test]
    fn a_data_sheet_faster_by_k_gains_at_most_k(draw in draws(), factor in 1u32..4) {
        let times = f64::from(1u32 << factor);
        let done = with_scenario(&draw.free(), &[], |scenario, _| {
            let mut quick = scenario.accelerator.clone();
            quick.memory_bytes_per_s *= times;
            quick.peak.vector_flop_per_s *= times;
            quick.peak.dense_flop_per_s.values_mut().for_each(|p| *p *= times);
            let shape = GemmShape::new(f64::from(draw.sequence), 4096.0, 4096.0, scenario.workload.precision.compute);
            let time = |accelerator| gemm(&Device { accelerator, profile: None }, &shape).time_s;
            (time(&scenario.accelerator), time(&quick))
        });
        let (slow, fast) = done.unwrap();
        // What is left is the launch time, which no data sheet has.
        prop_assert!(fast <= slow && slow <= fast * times * (1.0 + 1e-12), "{} {}", slow, fast);
    }

    #[test]
    fn a_cluster_faster_by_k_divides_the_math_seconds_by_k(draw in small(), factor in 1u32..4) {
        let times = f64::from(1u32 << factor);
        let result = with_scenario(&draw.fixed(), &["cluster.node=dgx-h100"], |scenario, catalog| {
            let plan = exaplan::plan::plan(scenario, catalog)?;
            let mut machine = scenario.machine();
            (machine.stack.launch_s, machine.stack.kernel_floor_s) = (0.0, 0.0);
            machine.profile = machine.profile.map(without_launches);
            let slow = simulate(&scenario.workload, &machine, &plan.layout).parts;
            machine.profile = machine.profile.map(|p| faster(p, times));
            let fast = simulate(&scenario.workload, &machine, &plan.layout).parts;
            Ok::<_, Error>((slow, fast))
        }).unwrap();
        if let Ok((slow, fast)) = result {
            for (a, b) in [(slow.math_s, fast.math_s), (slow.recompute_s, fast.recompute_s), (slow.optimizer_s, fast.optimizer_s)] {
                prop_assert!((a - times * b).abs() <= 1e-9 * a, "{} is not {} times {}", a, times, b);
            }
            prop_assert!(slow.math_s > 0.0);
            prop_assert_eq!(slow.tensor_s > 0.0, fast.tensor_s > 0.0);
        }
    }

    #[test]
    fn doubling_the_price_doubles_the_cloud_compute_cost_and_nothing_else(draw in small(), cents in 1u32..10_000) {
        let price = |usd: f64| plan_text(&draw.fixed(), &[&format!("cost.usd_per_device_hour={usd}")]);
        let usd = f64::from(cents) / 64.0;
        if let (Ok(one), Ok(two)) = (price(usd), price(2.0 * usd)) {
            let (a, b) = (one.bill.cost.cloud.clone().unwrap(), two.bill.cost.cloud.clone().unwrap());
            prop_assert_eq!(2.0 * a.compute_usd, b.compute_usd);
            prop_assert_eq!(a.storage_usd, b.storage_usd);
            prop_assert_eq!(&one.step, &two.step);
            prop_assert_eq!(one.run, two.run);
            prop_assert_eq!((&one.bill.energy, &one.bill.carbon, one.bill.water_l), (&two.bill.energy, &two.bill.carbon, two.bill.water_l));
            prop_assert_eq!(one.bill.cost.owned, two.bill.cost.owned);
        }
    }

    #[test]
    fn a_quantity_has_the_same_bits_in_every_unit(n in 1u32..1_000_000) {
        let v = f64::from(n);
        let same = [
            (format!("{n} GiB"), Unit::Bytes, v * 1_073_741_824.0), (format!("{n}MiB"), Unit::Bytes, v * 1_048_576.0),
            (format!("{n} GB"), Unit::Bytes, v * 1e9), (format!("{n} Gb/s"), Unit::BytesPerS, v * 1.25e8),
            (format!("{n} min"), Unit::S, v * 60.0), (format!("{n} MW"), Unit::W, v * 1e6), (format!("{n}k"), Unit::One, v * 1e3),
            (format!("{n} sequences"), Unit::Sequences, v),
        ];
        for (text, unit, want) in same {
            prop_assert_eq!(units::parse(&text, unit).unwrap().to_bits(), want.to_bits(), "{}", text);
        }
    }
}

#[test]
fn an_override_means_the_same_in_either_unit() {
    let text = "[model]\nuse = \"llama3-8b\"\n[training]\ntokens = \"1T\"\n[cluster]\nnode = \"gaudi2-8\"\nnodes = 8\n";
    let pairs = [
        (
            "accelerator.gaudi2.memory_bytes=\"80 GiB\"",
            "accelerator.gaudi2.memory_bytes=85899345920",
        ),
        (
            "accelerator.gaudi2.memory_bytes=96 GB",
            "accelerator.gaudi2.memory_bytes=96000000000",
        ),
        ("cluster.nic=400 Gb/s", "cluster.nic=50 GB/s"),
        ("reliability.restart=5 min", "reliability.restart=300 s"),
        ("training.tokens=2T", "training.tokens=2000000000000"),
        ("training.global_batch=512 sequences", "training.global_batch=2097152 tokens"),
    ];
    for (a, b) in pairs {
        let (a, b) = (plan_text(text, &[a]).unwrap(), plan_text(text, &[b]).unwrap());
        assert_eq!((&a.step, a.run, &a.bill, a.layout), (&b.step, b.run, &b.bill, b.layout));
    }
}
