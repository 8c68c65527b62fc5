//! Collectives and sends.

use super::fixture::{EIGHT, b200, h100, near, network};
use crate::catalog::{Collective, Topology};
use crate::kernel::*;

#[test]
fn collectives_meet_golden_values() {
    let (profile, net) = (h100(), network(Topology::Switched, 450e9, 50e9));
    let rows = [
        (Collective::AllReduce, 65_536.0, 1.833e-5),
        (Collective::AllReduce, 3_145_728.0, 4.1825e-5),
        (Collective::AllReduce, 2e8, 0.000_835_17),
        (Collective::AllGather, 2e8, 0.000_563_72),
        (Collective::AllGather, 4_294_967_296.0, 0.011_622),
    ];
    for (kind, bytes, want) in rows {
        let got = collective(&net, Some(&profile), kind, EIGHT, bytes);
        near(got.time_s, want, 0.001, &format!("{kind:?} {bytes}"));
        assert_eq!((got.evidence, got.source), (Evidence::Interpolated, Source::ProfileCollective));
    }
}

/// Bus bandwidth in GB/s of published runs over several nodes, with what the rule may be off.
#[test]
fn multi_node_rule_meets_published_runs() {
    use Collective::{AllGather, AllReduce, AllToAll};
    let (hopper, blackwell) = (h100(), b200());
    let switched = |nic| network(Topology::Switched, 450e9, nic);
    let rows = [
        ("H100 EFA, AWS", switched(50e9), Some(&hopper), AllReduce, 16.0, 487.1, 0.02),
        (
            "H100 TCPXO, Google Cloud",
            switched(25e9),
            Some(&hopper),
            AllReduce,
            16.0,
            338.8,
            0.01,
        ),
        (
            "H100 InfiniBand, 12 nodes",
            switched(50e9),
            Some(&hopper),
            AllReduce,
            96.0,
            386.6,
            0.01,
        ),
        (
            "B200 InfiniBand, Vultr",
            switched(50e9),
            Some(&blackwell),
            AllReduce,
            16.0,
            717.9,
            0.07,
        ),
        (
            "B200 RoCE, Google Cloud",
            switched(50e9),
            Some(&blackwell),
            AllGather,
            16.0,
            328.8,
            0.04,
        ),
        (
            "A100 EFA, AWS",
            network(Topology::Switched, 300e9, 6.25e9),
            None,
            AllReduce,
            16.0,
            78.3,
            0.08,
        ),
        (
            "MI300X RoCE",
            network(Topology::Mesh, 448e9, 50e9),
            None,
            AllReduce,
            16.0,
            357.4,
            0.01,
        ),
        (
            "MI325X RoCE, 8 nodes",
            network(Topology::Mesh, 448e9, 50e9),
            None,
            AllReduce,
            64.0,
            350.9,
            0.03,
        ),
        (
            "MI355X RoCE, Vultr",
            network(Topology::Mesh, 538e9, 50e9),
            None,
            AllToAll,
            16.0,
            91.1,
            0.08,
        ),
    ];
    for (what, net, profile, kind, n, want, tolerance) in rows {
        let bytes = 1e12;
        let t = collective(&net, profile, kind, Group { n, per_domain: 8.0 }, bytes);
        let passes = if kind == AllReduce { 2.0 } else { 1.0 };
        near(bytes * passes * (n - 1.0) / n / t.time_s / 1e9, want, tolerance, what);
        assert_eq!(t.source, Source::MultiNodeRule);
    }
}

/// Small messages over two nodes: the published 1 KiB times that the latencies were read from.
#[test]
fn small_messages_cost_latency() {
    let (profile, mut net) = (h100(), network(Topology::Switched, 450e9, 50e9));
    net.scale_out.latency_s = 27e-6;
    let sixteen = Group { n: 16.0, per_domain: 8.0 };
    near(
        collective(&net, Some(&profile), Collective::AllReduce, sixteen, 1024.0).time_s,
        69e-6,
        0.05,
        "H100 EFA",
    );
}

#[test]
fn collectives_grow_with_bytes_and_members() {
    use Collective::{AllGather, AllReduce, AllToAll, ReduceScatter};
    let profile = h100();
    let torus = network(Topology::Torus { dims: 3 }, 540e9, 25e9);
    let nets = [
        network(Topology::Switched, 450e9, 50e9),
        network(Topology::Mesh, 448e9, 50e9),
        torus,
    ];
    for (net, profile) in [(nets[0], Some(&profile)), (nets[0], None), (nets[1], None), (nets[2], None)] {
        for kind in [AllReduce, AllGather, ReduceScatter, AllToAll] {
            for group in [
                Group { n: 2.0, per_domain: 8.0 },
                EIGHT,
                Group { n: 64.0, per_domain: 8.0 },
                Group { n: 64.0, per_domain: 1.0 },
            ] {
                let mut last = 0.0;
                for bytes in [1.0, 1e3, 1e5, 1e6, 1e7, 1e8, 1e9, 1e11] {
                    let t = collective(&net, profile, kind, group, bytes).time_s;
                    assert!(t >= last && t.is_finite(), "{kind:?} {group:?} {bytes}");
                    last = t;
                }
            }
            let over = |n| collective(&net, profile, kind, Group { n, per_domain: 8.0 }, 1e9).time_s;
            assert!(over(16.0) <= over(32.0) && over(32.0) <= over(1024.0), "{kind:?}");
        }
    }
    assert_eq!(
        collective(&nets[0], None, AllReduce, Group { n: 1.0, per_domain: 8.0 }, 1e9),
        Timed::ZERO
    );
    assert!(send(&nets[0], true, 1e8).time_s < send(&nets[0], false, 1e8).time_s);
    let mut thin = nets[0];
    thin.scale_out.oversubscription = 4.0;
    let sixteen = Group { n: 16.0, per_domain: 8.0 };
    let ratio = collective(&thin, None, AllGather, sixteen, 1e11).time_s / collective(&nets[0], None, AllGather, sixteen, 1e11).time_s;
    // The full network is held to the ring inside the node (337.5 of 340 GB/s).
    near(ratio, 4.0 * 337.5 / 340.0, 0.01, "oversubscribed over full");
}

/// Bandwidths of "How to Scale Your Model": a ring of bidirectional links along each dimension.
#[test]
fn torus_uses_its_dimensions() {
    let mut net = network(Topology::Torus { dims: 3 }, 540e9, 25e9);
    net.scale_up.ring_efficiency = 1.0;
    let bus = |kind, n: f64, bytes: f64| {
        let t = collective(&net, None, kind, Group { n, per_domain: 4096.0 }, bytes).time_s;
        bytes * (n - 1.0) / n / t
    };
    near(bus(Collective::AllGather, 16.0, 1e12), 180e9, 1e-3, "one dimension");
    near(bus(Collective::AllGather, 256.0, 1e12), 360e9, 1e-3, "two dimensions");
    near(bus(Collective::ReduceScatter, 4096.0, 1e12), 540e9, 1e-3, "three dimensions");
    let t = collective(
        &net,
        None,
        Collective::AllToAll,
        Group {
            n: 4096.0,
            per_domain: 4096.0,
        },
        1e12,
    )
    .time_s;
    near(t, 1e12 * 16.0 / (8.0 * 90e9), 1e-3, "all-to-all");
}
