//! Parameters of the tile and wave models from measured points.
//!
//! Least mean absolute logarithm of modelled over measured time, by a pattern search (Hooke and
//! Jeeves 1961): each parameter is moved up and down by a step that shrinks when nothing gets better.
//! The models have corners (whole waves, choice of a tile), where a gradient says little.

use super::attention::modelled_s;
use super::{AttentionShape, GemmShape, attention, gemm};
use crate::catalog::{AttentionKey, AttentionPoint, AttentionWave, GemmKey, GemmPoint, GemmWave, Profile};

/// Points that a fit looks at: more do not change what it finds.
const N_POINTS: usize = 400;
/// Rounds over all parameters; none of ours takes more than 120.
const N_ROUNDS: usize = 200;
/// First and last step, as a share of each parameter's range.
const STEPS: [f64; 2] = [0.25, 1e-3];

/// One parameter: how it is written into the model and between which bounds it lies, in logarithms
/// where both are above zero.
struct Knob<T> {
    set: fn(&mut T, f64),
    low: f64,
    high: f64,
    logarithmic: bool,
}

const fn knob<T>(set: fn(&mut T, f64), low: f64, high: f64, logarithmic: bool) -> Knob<T> {
    Knob {
        set,
        low,
        high,
        logarithmic,
    }
}

impl<T> Knob<T> {
    fn apply(&self, wave: &mut T, share: f64) {
        let value = if self.logarithmic {
            self.low * (self.high / self.low).powf(share)
        } else {
            self.low + (self.high - self.low) * share
        };
        (self.set)(wave, value);
    }
}

const GEMM: [Knob<GemmWave>; 7] = [
    knob(|w, v| w.efficiency = v, 0.1, 1.0, false),
    knob(|w, v| w.memory_efficiency = v, 0.1, 1.0, false),
    knob(|w, v| w.t0_s = v, 5e-7, 4e-5, true),
    knob(|w, v| w.k0_elements = v, 0.0, 2000.0, false),
    knob(|w, v| w.tile_c_elements = v, 0.0, 150.0, false),
    knob(|w, v| w.wave_fraction = v, 0.0, 1.0, false),
    knob(|w, v| w.quant_bytes = v, 0.0, 8.0, false),
];

const ATTENTION: [Knob<AttentionWave>; 7] = [
    knob(|w, v| w.efficiency = v, 0.1, 1.0, false),
    knob(|w, v| w.memory_efficiency = v, 0.05, 1.0, false),
    knob(|w, v| w.t0_s = v, 5e-7, 4e-5, true),
    knob(|w, v| w.s0_tokens = v, 0.0, 1200.0, false),
    knob(|w, v| w.d0_elements = v, 0.0, 120.0, false),
    knob(|w, v| w.wave_fraction = v, 0.0, 1.0, false),
    knob(|w, v| w.tail_blocks = v, 0.0, 10.0, false),
];

/// Where a fit begins: the middle of every range. It uses nothing but the points.
fn search<T: Copy, const N: usize>(knobs: &[Knob<T>; N], start: T, error: impl Fn(&T) -> f64) -> (T, f64) {
    let waves = |shares: &[f64; N]| {
        let mut wave = start;
        knobs.iter().zip(shares).for_each(|(k, s)| k.apply(&mut wave, *s));
        wave
    };
    let mut best = [0.5; N];
    let mut least = error(&waves(&best));
    let mut step = STEPS[0];
    for _ in 0..N_ROUNDS {
        let before = least;
        for i in 0..N {
            for sign in [1.0, -1.0] {
                let mut other = best;
                other[i] = (other[i] + sign * step).clamp(0.0, 1.0);
                let found = error(&waves(&other));
                if found < least {
                    (best, least) = (other, found);
                }
            }
        }
        if least >= before * (1.0 - 1e-4) {
            step /= 2.0;
        }
        if step < STEPS[1] {
            break;
        }
    }
    (waves(&best), least)
}

/// Every so many points that about [`N_POINTS`] are left.
fn thinned<T: Copy>(points: &[T]) -> Vec<T> {
    points.iter().step_by(points.len().div_ceil(N_POINTS).max(1)).copied().collect()
}

/// Parameters of a family of matrix multiplies, relative to the rates, units and tiles of `profile`.
/// `None` without points.
#[must_use]
pub fn gemm_wave(profile: &Profile, key: GemmKey, points: &[GemmPoint]) -> Option<GemmWave> {
    let points = thinned(points);
    let start = GemmWave {
        efficiency: 0.5,
        k0_elements: 0.0,
        memory_efficiency: 0.5,
        t0_s: 3e-6,
        tile_c_elements: 0.0,
        wave_fraction: 0.5,
        quant_bytes: 0.0,
        mape_fraction: 0.0,
    };
    let mut trial = Profile {
        measured: None,
        ..profile.clone()
    };
    trial.gemm.insert(key.dtype, start);
    let cell = std::cell::RefCell::new(trial);
    let low = key.dtype.bytes() < 2.0;
    let error = |wave: &GemmWave| {
        let mut trial = cell.borrow_mut();
        let quant_bytes = if low { wave.quant_bytes } else { 0.0 };
        trial.gemm.insert(key.dtype, GemmWave { quant_bytes, ..*wave });
        mean(points.iter().map(|p| {
            let shape = GemmShape {
                accumulate_fp32: key.accumulate_fp32,
                ..GemmShape::new(p.m, p.n, p.k, key.dtype)
            };
            Some((gemm::measured_gemm_s(&trial, &shape)? / p.time_s).ln().abs())
        }))
    };
    let (wave, mape_fraction) = search(&GEMM, start, error);
    let quant_bytes = if low { wave.quant_bytes } else { 0.0 };
    mape_fraction.is_finite().then_some(GemmWave {
        mape_fraction,
        quant_bytes,
        ..wave
    })
}

/// The same for attention forward.
#[must_use]
pub fn attention_wave(profile: &Profile, key: AttentionKey, points: &[AttentionPoint]) -> Option<AttentionWave> {
    let points = thinned(points);
    let start = AttentionWave {
        efficiency: 0.5,
        memory_efficiency: 0.5,
        t0_s: 5e-6,
        s0_tokens: 0.0,
        d0_elements: 0.0,
        wave_fraction: 0.5,
        tail_blocks: 0.0,
        backward_ratio: attention::BACKWARD_RATIO,
        mape_fraction: 0.0,
    };
    let cell = std::cell::RefCell::new(Profile {
        measured: None,
        ..profile.clone()
    });
    let error = |wave: &AttentionWave| {
        let mut trial = cell.borrow_mut();
        trial.attention.insert(key.dtype, *wave);
        mean(points.iter().map(|p| {
            let shape = AttentionShape::of(p, key);
            Some((modelled_s(&trial, &shape)? / p.time_s).ln().abs())
        }))
    };
    let (wave, mape_fraction) = search(&ATTENTION, start, error);
    mape_fraction.is_finite().then_some(AttentionWave { mape_fraction, ..wave })
}

/// Mean of what there is; infinite where there is nothing.
fn mean(errors: impl Iterator<Item = Option<f64>>) -> f64 {
    let (mut sum, mut n) = (0.0, 0_u32);
    for error in errors.flatten() {
        sum += error;
        n += 1;
    }
    if n == 0 { f64::INFINITY } else { sum / f64::from(n) }
}
