//! Matrix multiplies and attention.

use super::fixture::{EIGHT, a100, accelerator, b200, h100, near, network, self_attention};
use crate::catalog::{Collective, DType, Topology};
use crate::kernel::attention::{ScoreKernels, measured_attention_s};
use crate::kernel::gemm::measured_gemm_s;
use crate::kernel::*;

#[test]
fn gemm_meets_golden_values() {
    let rows = [
        (a100(), DType::Bf16, 4096.0, 4096.0, 4096.0, 0.000_567_52),
        (a100(), DType::Bf16, 8192.0, 14336.0, 4096.0, 0.003_881_3),
        (a100(), DType::Bf16, 131_072.0, 5120.0, 5120.0, 0.027_214),
        (h100(), DType::Bf16, 4096.0, 4096.0, 4096.0, 0.000_182_53),
        (h100(), DType::Bf16, 4096.0, 6144.0, 5120.0, 0.000_338_1),
        (h100(), DType::Bf16, 16384.0, 8192.0, 28672.0, 0.009_839_4),
        (h100(), DType::Fp8, 4096.0, 4096.0, 4096.0, 0.000_148_31),
        (h100(), DType::Fp8, 16384.0, 8192.0, 28672.0, 0.006_297_2),
        (b200(), DType::Bf16, 8192.0, 3584.0, 8192.0, 0.000_322_77),
        (b200(), DType::Bf16, 16384.0, 8192.0, 28672.0, 0.004_974_7),
    ];
    for (profile, dtype, m, n, k, want) in rows {
        let got = measured_gemm_s(&profile, &GemmShape::new(m, n, k, dtype)).unwrap();
        near(got, want, 0.001, &format!("{} {dtype} {m}x{n}x{k}", profile.name));
    }
}

#[test]
fn attention_meets_golden_values() {
    let rows = [
        (a100(), self_attention(1.0, 4096.0, 32.0, 8.0, 128.0), 0.000_785_97),
        (a100(), self_attention(4.0, 2048.0, 40.0, 8.0, 128.0), 0.000_972_1),
        (h100(), self_attention(2.0, 8192.0, 16.0, 4.0, 128.0), 0.000_997_13),
        (h100(), self_attention(1.0, 32768.0, 8.0, 1.0, 128.0), 0.003_795_1),
        (b200(), self_attention(1.0, 4096.0, 32.0, 8.0, 128.0), 0.000_151_03),
        (b200(), self_attention(1.0, 32768.0, 8.0, 1.0, 128.0), 0.001_983_8),
    ];
    for (profile, shape, want) in rows {
        near(measured_attention_s(&profile, &shape).unwrap(), want, 0.001, &profile.name);
    }
}

#[test]
fn training_kernels_leave_quantization_out() {
    let (profile, sheet) = (h100(), accelerator("h100-sxm", "hopper"));
    let device = Device {
        accelerator: &sheet,
        profile: Some(&profile),
    };
    let shape = GemmShape::new(4096.0, 4096.0, 4096.0, DType::Fp8);
    let trained = gemm(&device, &shape);
    assert!(trained.time_s < 0.8 * measured_gemm_s(&profile, &shape).unwrap());
    assert!(trained.time_s > shape.flop() / 1.979e15);
    assert_eq!(trained.evidence, Evidence::Interpolated);
    let half = GemmShape {
        dtype: DType::Fp16,
        ..shape
    };
    let brain = GemmShape {
        dtype: DType::Bf16,
        ..shape
    };
    assert_eq!(gemm(&device, &half), gemm(&device, &brain));
    // MXFP8 has no fit of its own here and takes the FP8 one.
    assert_eq!(
        gemm(
            &device,
            &GemmShape {
                dtype: DType::Mxfp8,
                ..shape
            }
        )
        .evidence,
        Evidence::Extrapolated
    );
}

#[test]
fn evidence_says_where_shapes_leave_the_fit() {
    let (profile, sheet) = (h100(), accelerator("h100-sxm", "hopper"));
    let measured = Device {
        accelerator: &sheet,
        profile: Some(&profile),
    };
    let bare = Device {
        accelerator: &sheet,
        profile: None,
    };
    let grade = |device: &Device, m: f64| gemm(device, &GemmShape::new(m, 4096.0, 4096.0, DType::Bf16)).evidence;
    assert_eq!(grade(&measured, 8192.0), Evidence::Interpolated);
    assert_eq!(grade(&measured, 128.0), Evidence::Extrapolated);
    assert_eq!(grade(&measured, 131_072.0), Evidence::Extrapolated);
    assert_eq!(grade(&bare, 8192.0), Evidence::Datasheet);
    let seen = |tokens| attention(&measured, &self_attention(1.0, tokens, 32.0, 8.0, 128.0)).evidence;
    assert_eq!((seen(4096.0), seen(256.0)), (Evidence::Interpolated, Evidence::Extrapolated));
    let net = network(Topology::Switched, 450e9, 50e9);
    let group = Group { n: 6.0, per_domain: 6.0 };
    let scaled = collective(&net, Some(&profile), Collective::AllReduce, group, 1e8);
    assert_eq!((scaled.evidence, scaled.source), (Evidence::Extrapolated, Source::ScaledCollective));
    assert_eq!(
        collective(&net, None, Collective::AllReduce, EIGHT, 1e8).evidence,
        Evidence::Datasheet
    );
}

#[test]
fn gemm_grows_with_every_dimension() {
    let (profile, sheet) = (h100(), accelerator("h100-sxm", "hopper"));
    for device in [
        Device {
            accelerator: &sheet,
            profile: Some(&profile),
        },
        Device {
            accelerator: &sheet,
            profile: None,
        },
    ] {
        for dtype in [DType::Bf16, DType::Fp8, DType::Nvfp4, DType::F32] {
            for base in [64.0, 300.0, 1024.0, 5000.0] {
                let shape = GemmShape::new(base, base, base, dtype);
                let t = gemm(&device, &shape).time_s;
                assert!(t > 0.0 && t.is_finite());
                let grown = [
                    GemmShape { m: 2.0 * base, ..shape },
                    GemmShape { n: 2.0 * base, ..shape },
                    GemmShape { k: 2.0 * base, ..shape },
                    GemmShape { batch: 2.0, ..shape },
                    GemmShape {
                        accumulate_fp32: true,
                        ..shape
                    },
                ];
                for larger in grown {
                    assert!(gemm(&device, &larger).time_s >= t, "{larger:?}");
                }
            }
        }
    }
}

#[test]
fn a_group_of_products_costs_no_more_than_each_alone() {
    let (profile, sheet) = (h100(), accelerator("h100-sxm", "hopper"));
    let device = Device {
        accelerator: &sheet,
        profile: Some(&profile),
    };
    let one = GemmShape::new(512.0, 2048.0, 4096.0, DType::Bf16);
    let grouped = gemm(&device, &GemmShape { batch: 16.0, ..one });
    assert!(grouped.time_s < 16.0 * gemm(&device, &one).time_s);
    assert!(grouped.time_s > 16.0 * one.flop() / 9.89e14);
}

#[test]
fn visible_keys_match_a_count() {
    for (tokens, window) in [(1, None), (7, None), (64, Some(5)), (64, Some(64)), (64, Some(100))] {
        let sum: u32 = (1..=tokens).map(|p| p.min(window.unwrap_or(p))).sum();
        let want = f64::from(sum) / f64::from(tokens);
        near(
            visible_keys(f64::from(tokens), f64::from(tokens), true, window.map(f64::from)),
            want,
            1e-12,
            "mean keys",
        );
    }
    assert_eq!(visible_keys(128.0, 4096.0, false, None), 4096.0);
    // A balanced eighth of the queries sees what all queries see on average.
    assert_eq!(visible_keys(512.0, 4096.0, true, None), visible_keys(4096.0, 4096.0, true, None));
}

#[test]
fn attention_follows_its_mask() {
    let (profile, sheet) = (h100(), accelerator("h100-sxm", "hopper"));
    for device in [
        Device {
            accelerator: &sheet,
            profile: Some(&profile),
        },
        Device {
            accelerator: &sheet,
            profile: None,
        },
    ] {
        let causal = self_attention(4.0, 8192.0, 32.0, 8.0, 128.0);
        let time = |shape: AttentionShape| attention(&device, &shape).time_s;
        let full = time(AttentionShape { causal: false, ..causal });
        near(full / time(causal), 2.0, 0.1, "full over causal");
        let windowed = time(AttentionShape {
            window_tokens: Some(1024.0),
            ..causal
        });
        assert!(windowed < 0.4 * time(causal) && windowed > 0.1 * time(causal));
        let part = AttentionShape {
            query_tokens: 1024.0,
            ..causal
        };
        near(8.0 * time(part) / time(causal), 1.0, 0.15, "eight chunks over one");
        for longer in [1.5, 2.0, 4.0] {
            let tokens = 8192.0 * longer;
            assert!(
                time(AttentionShape {
                    query_tokens: tokens,
                    key_tokens: tokens,
                    ..causal
                }) > longer * time(causal)
            );
        }
        assert!(
            time(AttentionShape {
                head_dim_qk: 192.0,
                ..causal
            }) > time(causal)
        );
        let backward = attention_backward(&device, &causal).time_s / time(causal);
        assert!((2.5..3.5).contains(&backward), "{backward}");
    }
}

#[test]
fn unfused_attention_pays_for_the_square() {
    let (profile, mut sheet) = (a100(), accelerator("a100-sxm", "ampere"));
    sheet.vendor = "nvidia".to_string();
    let device = Device {
        accelerator: &sheet,
        profile: Some(&profile),
    };
    let kernels = ScoreKernels {
        passes: 1.0,
        forward_efficiency: 0.75,
        backward_efficiency: 0.63,
        floor_s: 3e-6,
    };
    let shape = self_attention(1.0, 2048.0, 96.0, 96.0, 128.0);
    let work = unfused(&device, &shape, &kernels);
    assert_eq!(work.forward_flop, 4.0 * 96.0 * 2048.0 * 2048.0 * 128.0);
    assert_eq!(work.backward_flop, 2.0 * work.forward_flop);
    assert_eq!(work.forward_bytes, 9.0 * 96.0 * 2048.0 * 2048.0);
    assert!(work.forward.time_s > 2.0 * attention(&device, &shape).time_s);
    assert!(work.backward.time_s > work.forward.time_s);
    // Heads 8 bytes wider are no multiple of 16: the products, not the passes, take eight times as long.
    let odd = self_attention(1.0, 2048.0, 96.0, 96.0, 132.0);
    let unaligned = unfused(&device, &odd, &kernels).forward.time_s;
    assert!(
        (3.0..8.0).contains(&(unaligned / work.forward.time_s)),
        "{}",
        unaligned / work.forward.time_s
    );
}
