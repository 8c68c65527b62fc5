//! Devices and profiles built by hand.

use crate::catalog::{Accelerator, AffinePieces, AttentionWave, Collective, DType, GemmWave, Peak, Profile, Relation, Topology};
use crate::kernel::collective::SCALE_OUT_EFFICIENCY;
use crate::kernel::{AttentionShape, Group, Network, ScaleOut, ScaleUp};
use std::collections::BTreeMap;

const HOPPER: [(u32, u32); 6] = [(256, 128), (128, 256), (128, 128), (128, 64), (64, 128), (64, 256)];
const AMPERE: [(u32, u32); 6] = [(256, 128), (128, 256), (128, 128), (128, 64), (64, 128), (64, 64)];
const BLACKWELL: [(u32, u32); 6] = [(256, 256), (256, 128), (128, 256), (128, 128), (128, 64), (64, 128)];

/// Fields in the order of [`GemmWave`], without the error.
fn wave(v: [f64; 7]) -> GemmWave {
    GemmWave {
        efficiency: v[0],
        k0_elements: v[1],
        memory_efficiency: v[2],
        t0_s: v[3],
        tile_c_elements: v[4],
        wave_fraction: v[5],
        quant_bytes: v[6],
        mape_fraction: 0.05,
    }
}

/// Fields in the order of [`AttentionWave`], without the error.
fn flash(v: [f64; 8]) -> AttentionWave {
    AttentionWave {
        efficiency: v[0],
        memory_efficiency: v[1],
        t0_s: v[2],
        s0_tokens: v[3],
        d0_elements: v[4],
        wave_fraction: v[5],
        tail_blocks: v[6],
        backward_ratio: v[7],
        mape_fraction: 0.08,
    }
}

pub fn profile(name: &str, units: u32, memory_bytes_per_s: f64, tiles: &[(u32, u32)]) -> Profile {
    Profile {
        name: name.to_string(),
        measured_by: "tests".to_string(),
        scale_up: None,
        n_compute_units: units,
        memory_bytes_per_s,
        tdp_w: None,
        power_factor: 1.0,
        peak_flop_per_s: BTreeMap::new(),
        tiles: tiles.to_vec(),
        gemm: BTreeMap::new(),
        grouped: BTreeMap::new(),
        per_expert_factor: None,
        attention: BTreeMap::new(),
        collectives: BTreeMap::new(),
        bus_bytes_per_s: BTreeMap::new(),
        measured: None,
        relation: Relation::Same,
    }
}

fn pieces(profile: &mut Profile, kind: Collective, n: u32, alpha_us: [f64; 3], gigabytes: [f64; 3]) {
    let pieces = AffinePieces {
        alpha_s: alpha_us.map(|a| a * 1e-6).to_vec(),
        bytes_per_s: gigabytes.map(|b| b * 1e9).to_vec(),
    };
    profile.collectives.insert((kind, n), pieces);
}

pub fn h100() -> Profile {
    let mut p = profile("h100-sxm", 132, 3.35e12, &HOPPER);
    p.peak_flop_per_s = BTreeMap::from([(DType::Bf16, 9.89e14), (DType::Fp8, 1.979e15), (DType::Mxfp8, 1.979e15)]);
    p.gemm
        .insert(DType::Bf16, wave([0.8098, 117.1, 0.8203, 2.51e-6, 1.165, 0.1826, 0.0]));
    p.gemm
        .insert(DType::Fp8, wave([0.7634, 275.1, 0.7556, 1.1e-5, 0.5299, 0.06736, 5.927]));
    p.attention
        .insert(DType::Bf16, flash([0.7708, 0.3625, 9.432e-6, 177.3, 37.53, 0.0, 0.0, 2.89]));
    pieces(&mut p, Collective::AllReduce, 4, [9.276, 10.8, 26.68], [9.979, 134.0, 229.6]);
    pieces(&mut p, Collective::AllReduce, 8, [15.38, 17.83, 60.88], [6.357, 131.1, 258.3]);
    pieces(&mut p, Collective::AllGather, 8, [10.27, 12.68, 23.62], [13.15, 211.0, 370.3]);
    p.bus_bytes_per_s = BTreeMap::from([(Collective::AllReduce, 478.9e9), (Collective::AllGather, 335.1e9)]);
    p
}

pub fn a100() -> Profile {
    let mut p = profile("a100-sxm", 108, 2.039e12, &AMPERE);
    p.peak_flop_per_s = BTreeMap::from([(DType::Bf16, 3.12e14)]);
    p.gemm.insert(DType::Bf16, wave([1.0, 114.5, 0.9995, 4.923e-6, 17.67, 0.5353, 0.0]));
    p.attention
        .insert(DType::Bf16, flash([0.7671, 0.2608, 2.975e-5, 6.801, 25.61, 1.0, 0.8002, 2.96]));
    p
}

pub fn b200() -> Profile {
    let mut p = profile("b200-sxm", 148, 7.7e12, &BLACKWELL);
    p.peak_flop_per_s = BTreeMap::from([(DType::Bf16, 2.25e15)]);
    p.gemm
        .insert(DType::Bf16, wave([0.7025, 8.845, 0.6377, 2.267e-6, 2.377, 0.192, 0.0]));
    p.attention
        .insert(DType::Bf16, flash([0.8179, 0.3512, 1.278e-5, 222.4, 77.08, 1.0, 0.0, 3.2]));
    p.bus_bytes_per_s = BTreeMap::from([
        (Collective::AllReduce, 842.9e9),
        (Collective::AllGather, 672.3e9),
        (Collective::ReduceScatter, 695.0e9),
        (Collective::AllToAll, 672.6e9),
    ]);
    p
}

pub fn accelerator(name: &str, architecture: &str) -> Accelerator {
    let dense_flop_per_s = BTreeMap::from([(DType::Bf16, 9.89e14), (DType::Fp8, 1.979e15)]);
    Accelerator {
        name: name.to_string(),
        title: name.to_string(),
        vendor: "any".to_string(),
        architecture: architecture.to_string(),
        peak: Peak {
            dense_flop_per_s,
            vector_flop_per_s: 6.7e13,
        },
        n_compute_units: 132,
        memory_bytes: 8e10,
        memory_bytes_per_s: 3.35e12,
        host_bytes_per_s: Some(6.4e10),
        tdp_w: 700.0,
        idle_w: 70.0,
        embodied_kg_co2e: None,
        price: None,
        matrix_efficiency: None,
        profile: None,
    }
}

pub fn near(got: f64, want: f64, tolerance: f64, what: &str) {
    assert!((got / want - 1.0).abs() <= tolerance, "{what}: {got:e}, expected {want:e}");
}

pub fn self_attention(batch: f64, tokens: f64, heads: f64, kv_heads: f64, width: f64) -> AttentionShape {
    AttentionShape {
        batch,
        query_tokens: tokens,
        key_tokens: tokens,
        heads,
        kv_heads,
        head_dim_qk: width,
        head_dim_v: width,
        causal: true,
        window_tokens: None,
        dtype: DType::Bf16,
    }
}

pub const EIGHT: Group = Group { n: 8.0, per_domain: 8.0 };

pub fn network(topology: Topology, up_bytes_per_s: f64, nic_bytes_per_s: f64) -> Network {
    Network {
        scale_up: ScaleUp {
            topology,
            bytes_per_s: up_bytes_per_s,
            latency_s: 6e-6,
            ring_efficiency: 0.75,
            in_network_efficiency: None,
            domain: 8.0,
        },
        scale_out: ScaleOut {
            nic_bytes_per_s,
            latency_s: 6.5e-6,
            efficiency: SCALE_OUT_EFFICIENCY,
            oversubscription: 1.0,
        },
    }
}
