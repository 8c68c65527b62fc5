//! Multiplies of experts.

use super::fixture::{accelerator, b200, h100, near};
use crate::catalog::{Accelerator, DType, GroupedWave, Profile};
use crate::kernel::grouped::{EXPERT_LAUNCHES, MeasuredLayer};
use crate::kernel::*;

const LAUNCHES: [Launch; 3] = [
    Launch::Single,
    Launch::PerExpert { launch_s: 0.0 },
    Launch::PerExpert { launch_s: 4e-6 },
];

fn with_experts(mut profile: Profile, dtype: DType) -> Profile {
    let wave = GroupedWave {
        measured_on: None,
        efficiency: 1.0,
        k0_elements: 875.7,
        memory_efficiency: 0.8751,
        layer_s: 5.322e-5,
        stream_factor: 1.64,
        mape_fraction: 0.1,
        held_out_mape_fraction: 0.1,
    };
    profile.grouped.insert(dtype, wave);
    profile.per_expert_factor = Some(1.3);
    profile
}

fn sheet() -> Accelerator {
    accelerator("h100-sxm", "hopper")
}

fn shape(experts: f64, m: f64, n: f64, k: f64) -> GemmShape {
    GemmShape {
        batch: experts,
        ..GemmShape::new(m, n, k, DType::Bf16)
    }
}

#[test]
fn one_expert_is_the_dense_kernel() {
    let (profile, sheet) = (with_experts(h100(), DType::Bf16), sheet());
    let device = Device {
        accelerator: &sheet,
        profile: Some(&profile),
    };
    for launch in LAUNCHES {
        let one = shape(1.0, 4096.0, 4096.0, 2048.0);
        assert_eq!(grouped(&device, &one, launch), gemm(&device, &one));
    }
}

#[test]
fn experts_grow_with_every_dimension_and_never_beat_the_peak() {
    let (own, bare, sheet) = (with_experts(h100(), DType::Bf16), b200(), sheet());
    for profile in [Some(&own), Some(&bare), None] {
        let device = Device {
            accelerator: &sheet,
            profile,
        };
        let peak = profile.map_or(9.89e14, |p| p.peak_flop_per_s[&DType::Bf16]);
        for launch in LAUNCHES {
            for experts in [1.0, 2.0, 3.0, 8.0, 64.0, 256.0] {
                for m in [16.0, 100.0, 512.0, 4096.0, 16_384.0] {
                    let base = shape(experts, m, 1536.0, 2048.0);
                    let t = grouped(&device, &base, launch).time_s;
                    assert!(t.is_finite() && t > base.flop() / peak, "{base:?} {launch:?}");
                    let grown = [
                        shape(2.0 * experts, m, 1536.0, 2048.0),
                        shape(experts + 1.0, m, 1536.0, 2048.0),
                        shape(experts, 2.0 * m, 1536.0, 2048.0),
                        shape(experts, m, 3072.0, 2048.0),
                        shape(experts, m, 1536.0, 4096.0),
                        GemmShape {
                            accumulate_fp32: true,
                            ..base
                        },
                    ];
                    for larger in grown {
                        let longer = grouped(&device, &larger, launch).time_s;
                        assert!(longer >= t, "{base:?} {t:e}, {larger:?} {longer:e}, {launch:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn experts_cost_more_than_the_dense_kernel_of_their_tiles() {
    let (profile, sheet) = (with_experts(h100(), DType::Bf16), sheet());
    let device = Device {
        accelerator: &sheet,
        profile: Some(&profile),
    };
    let many = shape(64.0, 1024.0, 4096.0, 2048.0);
    let each = grouped(&device, &many, LAUNCHES[1]).time_s / gemm(&device, &many).time_s;
    near(each, 1.0 + 0.3 * 63.0 / 64.0, 1e-9, "one by one over dense");
    // Hundreds of tiny ones wait for the host.
    let tiny = shape(128.0, 16.0, 512.0, 512.0);
    let waits = grouped(&device, &tiny, LAUNCHES[2]).time_s;
    near(waits, 127.0 * EXPERT_LAUNCHES * 4e-6, 1e-9, "128 launches");
    assert!(grouped(&device, &tiny, Launch::Single).time_s < 0.1 * waits);
}

#[test]
fn evidence_of_experts_is_that_of_their_parameters() {
    let (own, sheet) = (with_experts(h100(), DType::Bf16), sheet());
    let mut lent = own.clone();
    for wave in lent.grouped.values_mut() {
        wave.measured_on = Some("another".to_string());
    }
    let bare = h100();
    let grade = |profile: Option<&Profile>, launch, m: f64, accumulate_fp32| {
        let device = Device {
            accelerator: &sheet,
            profile,
        };
        let shape = GemmShape {
            accumulate_fp32,
            ..shape(16.0, m, 4096.0, 2048.0)
        };
        let timed = grouped(&device, &shape, launch);
        (timed.evidence, timed.source)
    };
    use Evidence::{Datasheet, Extrapolated, Interpolated};
    let (fit, stated) = (Source::ProfileGrouped, Source::SheetGrouped);
    assert_eq!(grade(Some(&own), Launch::Single, 512.0, false), (Interpolated, fit));
    assert_eq!(grade(Some(&own), Launch::Single, 16.0, false), (Extrapolated, fit));
    assert_eq!(grade(Some(&own), Launch::Single, 512.0, true), (Extrapolated, fit));
    assert_eq!(grade(Some(&own), LAUNCHES[1], 512.0, false), (Extrapolated, fit));
    assert_eq!(grade(Some(&lent), Launch::Single, 512.0, false), (Extrapolated, fit));
    assert_eq!(grade(Some(&bare), Launch::Single, 512.0, false), (Extrapolated, fit));
    assert_eq!(grade(None, Launch::Single, 512.0, false), (Datasheet, stated));
    assert_eq!(grade(None, LAUNCHES[2], 512.0, false), (Datasheet, stated));
}

#[test]
fn a_measured_layer_is_two_multiplies_and_the_rest() {
    let (own, sheet) = (with_experts(h100(), DType::Bf16), sheet());
    let device = Device {
        accelerator: &sheet,
        profile: Some(&own),
    };
    let layer = MeasuredLayer {
        n_experts: 32.0,
        expert_tokens: 1024.0,
        hidden: 2048.0,
        width_elements: 768.0,
        dtype: DType::Bf16,
    };
    let multiplies = grouped(&device, &shape(32.0, 1024.0, 1536.0, 2048.0), Launch::Single).time_s
        + grouped(&device, &shape(32.0, 1024.0, 2048.0, 768.0), Launch::Single).time_s;
    let rest = 5.322e-5 + 1.64 * 32.0 * 1024.0 * (4.0 * 2048.0 + 6.0 * 768.0) / 3.35e12;
    near(layer.time_s(&own).unwrap(), multiplies + rest, 1e-12, "layer");
    assert!(layer.time_s(&h100()).is_none());
}
