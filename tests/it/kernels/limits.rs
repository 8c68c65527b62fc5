//! Points, residuals and curves never make anything faster than the device and its links.

use super::held_out::network;
use exaplan::catalog::{Accelerator, Catalog, Collective, DType, Kind, Profile};
use exaplan::kernel::{AttentionShape, Device, Evidence, GemmShape, Group, attention, attention_backward, collective, gemm};
use proptest::prelude::*;
use std::sync::LazyLock;

/// Room for rounding.
const WHOLE: f64 = 1.0 + 1e-9;

static DEVICES: LazyLock<Vec<(Accelerator, Profile)>> = LazyLock::new(|| {
    let catalog = Catalog::builtin();
    let accelerators = catalog.entries(Kind::Accelerator).entries.keys();
    accelerators
        .filter_map(|name| {
            let a: Accelerator = catalog.get(name).unwrap();
            let measured: Profile = catalog.get(a.profile.as_deref()?).unwrap();
            let profile = measured.clone().on(&a, measured.scale_up.as_deref().unwrap_or(""));
            profile.measured.is_some().then_some((a, profile))
        })
        .collect()
});

fn device(at: usize) -> Device<'static> {
    let (accelerator, profile) = &DEVICES[at % DEVICES.len()];
    Device {
        accelerator,
        profile: Some(profile),
    }
}

const FORMATS: [DType; 5] = [DType::Bf16, DType::Fp16, DType::Fp8, DType::Mxfp8, DType::Nvfp4];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_product_beats_the_peak_or_the_memory(
        at in 0_usize..64, format in 0_usize..5, m in 0.0_f64..18.0, n in 4.0_f64..18.0, k in 4.0_f64..18.0, adds: bool, whole: bool,
    ) {
        let device = device(at);
        let size = |log: f64| if whole { log.round().exp2() } else { log.exp2().round() };
        let shape = GemmShape { accumulate_fp32: adds, ..GemmShape::new(size(m), size(n), size(k), FORMATS[format]) };
        let timed = gemm(&device, &shape);
        prop_assert!(timed.time_s.is_finite() && timed.time_s > 0.0);
        if let Some(peak) = device.accelerator.peak.dense_flop_per_s.get(&shape.dtype) {
            prop_assert!(shape.flop() / timed.time_s <= peak * WHOLE, "{} {shape:?}", device.accelerator.name);
        }
        prop_assert!(shape.bytes() / timed.time_s <= device.accelerator.memory_bytes_per_s * WHOLE, "{} {shape:?}", device.accelerator.name);
    }

    #[test]
    fn no_attention_beats_the_peak(
        at in 0_usize..64, format in 0_usize..4, batch in 0.0_f64..7.0, tokens in 7.0_f64..18.0, heads in 0.0_f64..7.0,
        group in 0_u32..5, width in 0_usize..4, causal: bool,
    ) {
        let device = device(at);
        let heads = heads.exp2().round();
        let width = [64.0, 128.0, 192.0, 256.0][width];
        let tokens = tokens.exp2().round();
        let shape = AttentionShape {
            batch: batch.exp2().round(),
            query_tokens: tokens,
            key_tokens: tokens,
            heads,
            kv_heads: (heads / f64::from(1 << group)).max(1.0).round(),
            head_dim_qk: width,
            head_dim_v: width.min(128.0),
            causal,
            window_tokens: None,
            dtype: FORMATS[format],
        };
        let forward = attention(&device, &shape).time_s;
        let backward = attention_backward(&device, &shape).time_s;
        prop_assert!(forward.is_finite() && backward.is_finite() && forward > 0.0 && backward > 0.0);
        if let Some(peak) = device.accelerator.peak.dense_flop_per_s.get(&shape.dtype) {
            prop_assert!(shape.flop() / forward <= peak * WHOLE, "{} {shape:?}", device.accelerator.name);
            prop_assert!(2.5 * shape.flop() / backward <= peak * WHOLE, "{} {shape:?}", device.accelerator.name);
        }
    }

    #[test]
    fn no_collective_beats_the_wire(at in 0_usize..64, op in 0_usize..4, ranks in 2_u32..9, bytes in 5.0_f64..36.0) {
        let device = device(at);
        let profile = device.profile.unwrap();
        let (_, kind) = Collective::ALL[op];
        let n = f64::from(ranks);
        let net = network(&Catalog::builtin(), profile);
        let bytes = bytes.exp2().round();
        let time_s = collective(&net, Some(profile), kind, Group { n, per_domain: n }, bytes).time_s;
        prop_assert!(time_s.is_finite() && time_s > 0.0);
        let reduces = kind == Collective::AllReduce && net.scale_up.in_network_efficiency.is_some();
        let passes = if kind == Collective::AllReduce { 2.0 } else { 1.0 };
        let sent = if reduces { 1.0 } else { passes * (n - 1.0) / n };
        prop_assert!(bytes * sent / time_s <= net.scale_up.bytes_per_s * WHOLE, "{} {kind:?} {n} × {bytes}", device.accelerator.name);
    }
}

/// The ladder: what is further from a measurement is graded no better and errs more.
#[test]
fn grades_fall_and_errors_grow_down_the_ladder() {
    let catalog = Catalog::builtin();
    let a: Accelerator = catalog.get("h100-sxm-80gb").unwrap();
    let whole: Profile = catalog.get::<Profile>("h100-sxm").unwrap().on(&a, "nvlink4");
    let mut other_format = whole.clone();
    other_format.gemm.remove(&DType::Mxfp8);
    let sibling = whole.clone().for_sibling(&a);
    let at =
        |profile: Option<&Profile>, m: f64, dtype| gemm(&Device { accelerator: &a, profile }, &GemmShape::new(m, 4096.0, 4096.0, dtype));
    let steps = [
        ("measured", at(Some(&whole), 4096.0, DType::Bf16)),
        ("near", at(Some(&whole), 5000.0, DType::Bf16)),
        ("far", at(Some(&whole), 262_144.0, DType::Bf16)),
        ("other format", at(Some(&other_format), 4096.0, DType::Mxfp8)),
        ("architecture", at(Some(&sibling), 4096.0, DType::Bf16)),
        ("sheet", at(None, 4096.0, DType::Bf16)),
    ];
    for pair in steps.windows(2) {
        let [(name, better), (next, worse)] = pair else { unreachable!() };
        assert!(better.evidence <= worse.evidence, "{name} {better:?}, {next} {worse:?}");
        assert!(
            better.source.error_fraction() < worse.source.error_fraction(),
            "{name} {better:?}, {next} {worse:?}"
        );
    }
    let grades = steps.map(|(_, t)| t.evidence);
    assert_eq!(
        grades,
        [
            Evidence::Measured,
            Evidence::Interpolated,
            Evidence::Extrapolated,
            Evidence::Extrapolated,
            Evidence::Extrapolated,
            Evidence::Datasheet
        ]
    );
}
