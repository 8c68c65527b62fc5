//! Nothing is faster than its data sheet.

use exaplan::catalog::{Accelerator, Catalog, DType, Entity, Kind, Profile, Stack};
use exaplan::kernel::{AttentionShape, Device, GemmShape, attention, attention_backward, gemm, stream};

/// Room for rounding.
const WHOLE: f64 = 1.0 + 1e-9;

fn all<T: Entity>(catalog: &Catalog, kind: Kind) -> Vec<T> {
    catalog
        .entries(kind)
        .entries
        .keys()
        .map(|name| catalog.get(name).unwrap())
        .collect()
}

/// Every accelerator with the profile that times its operations.
fn devices(catalog: &Catalog) -> Vec<(Accelerator, Option<Profile>)> {
    let with_profile = |a: Accelerator| {
        let profile = a.profile.as_deref().map(|name| catalog.get::<Profile>(name).unwrap().on(&a, ""));
        (a, profile)
    };
    all(catalog, Kind::Accelerator).into_iter().map(with_profile).collect()
}

/// Every device and every format that its sheet rates.
fn rated(catalog: &Catalog, then: impl Fn(&Device, DType, f64)) {
    for (accelerator, profile) in &devices(catalog) {
        let device = Device {
            accelerator,
            profile: profile.as_ref(),
        };
        for (dtype, peak) in &accelerator.peak.dense_flop_per_s {
            then(&device, *dtype, *peak);
        }
    }
}

const SIZES: [f64; 6] = [1024.0, 2048.0, 4096.0, 5120.0, 16384.0, 28672.0];

#[test]
fn no_matrix_multiply_exceeds_the_dense_peak_or_the_memory_bandwidth() {
    rated(&Catalog::builtin(), |device, dtype, peak| {
        let sheet = device.accelerator;
        let mut best: f64 = 0.0;
        for (m, n, k) in SIZES
            .iter()
            .flat_map(|m| SIZES.iter().flat_map(move |n| SIZES.map(|k| (*m, *n, k))))
        {
            for accumulate_fp32 in [false, true] {
                let shape = GemmShape {
                    accumulate_fp32,
                    ..GemmShape::new(m, n, k, dtype)
                };
                let time_s = gemm(device, &shape).time_s;
                let (share, bytes_share) = (shape.flop() / time_s / peak, shape.bytes() / time_s / sheet.memory_bytes_per_s);
                assert!(share <= WHOLE, "{} {dtype} {m}×{n}×{k}: {share} of peak", sheet.name);
                assert!(
                    bytes_share <= WHOLE,
                    "{} {dtype} {m}×{n}×{k}: {bytes_share} of bandwidth",
                    sheet.name
                );
                best = best.max(share);
            }
        }
        // Less at the best shape would be a slip of a unit.
        assert!(best >= 0.3, "{} {dtype}: no shape above {best} of peak", sheet.name);
    });
}

#[test]
fn no_thin_product_exceeds_the_memory_bandwidth() {
    rated(&Catalog::builtin(), |device, dtype, _| {
        for (m, n) in [(1.0, 8192.0), (16.0, 16384.0), (64.0, 53248.0)] {
            let shape = GemmShape::new(m, n, 8192.0, dtype);
            let share = shape.bytes() / gemm(device, &shape).time_s / device.accelerator.memory_bytes_per_s;
            assert!(share <= WHOLE, "{} {dtype} {m}×{n}: {share} of bandwidth", device.accelerator.name);
        }
    });
}

#[test]
fn no_attention_exceeds_the_dense_peak() {
    let sixteen = |d: DType| matches!(d, DType::Bf16 | DType::Fp16 | DType::Fp8);
    rated(&Catalog::builtin(), |device, dtype, peak| {
        if !sixteen(dtype) {
            return;
        }
        for (tokens, head_dim, causal) in [1024.0, 4096.0, 8192.0, 32768.0]
            .into_iter()
            .flat_map(|s| [64.0, 128.0, 192.0, 256.0].map(|d| (s, d)))
            .flat_map(|(s, d)| [(s, d, true), (s, d, false)])
        {
            let shape = AttentionShape {
                batch: 4.0,
                query_tokens: tokens,
                key_tokens: tokens,
                heads: 32.0,
                kv_heads: 8.0,
                head_dim_qk: head_dim,
                head_dim_v: head_dim.min(128.0),
                causal,
                window_tokens: None,
                dtype,
            };
            // Five products in the backward pass against two in the forward one.
            let rates = [
                ("forward", shape.flop() / attention(device, &shape).time_s),
                ("backward", 2.5 * shape.flop() / attention_backward(device, &shape).time_s),
            ];
            for (pass, rate) in rates {
                let name = &device.accelerator.name;
                assert!(
                    rate <= peak * WHOLE,
                    "{name} {dtype} {tokens}×{head_dim} {pass}: {} of peak",
                    rate / peak
                );
            }
        }
    });
}

#[test]
fn no_stream_exceeds_the_memory_bandwidth() {
    let catalog = Catalog::builtin();
    let stacks: Vec<Stack> = all(&catalog, Kind::Stack);
    for (accelerator, profile) in &devices(&catalog) {
        let device = Device {
            accelerator,
            profile: profile.as_ref(),
        };
        for stack in &stacks {
            for efficiency in [stack.stream_forward_efficiency, stack.stream_backward_efficiency] {
                let bytes = 1e9;
                let share = bytes / stream(&device, bytes, efficiency, stack.kernel_floor_s).time_s / accelerator.memory_bytes_per_s;
                assert!(share <= WHOLE, "{} under {}: {share} of bandwidth", accelerator.name, stack.name);
            }
        }
    }
}

/// Peaks, bandwidths and powers of one device that do not fit each other are slips of a unit: over
/// everything built since 2017, 16-bit FLOP per byte lies between 37 (H20) and 600, FLOP per joule
/// between 3e11 and 6e12, and memory is read in 10 to 100 ms.
#[test]
fn rates_of_a_device_fit_each_other() {
    // Hosts have more memory and less of everything else.
    for (a, _) in devices(&Catalog::builtin()).into_iter().filter(|(a, _)| a.architecture != "cpu") {
        let peak = a.peak.matrix_flop_per_s(DType::Bf16).unwrap();
        let numbers = [
            ("FLOP per byte", peak / a.memory_bytes_per_s, 30.0, 900.0),
            ("FLOP per joule", peak / a.tdp_w, 1e11, 1e13),
            ("seconds to read the memory", a.memory_bytes / a.memory_bytes_per_s, 5e-3, 0.2),
            ("idle over full power", a.idle_w / a.tdp_w, 0.0, 0.6),
        ];
        for (what, value, low, high) in numbers {
            assert!((low..=high).contains(&value), "{}: {what} is {value}", a.name);
        }
    }
}
