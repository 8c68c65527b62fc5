//! Time of the experts' multiplies.
//!
//! `e` experts of a device multiply `m` tokens each by their own `k × n` weight. Two kinds of kernel
//! do that. One launch deals the tiles of all experts to the compute units in common waves (CUTLASS
//! grouped kernels, `DeepGEMM`, `torch._grouped_mm`, compiled programs):
//!
//! ```text
//! w    = e · ceil(m/tm) · ceil(n/tn) / units                   no split-k
//! math = min over tiles of blend(w) · 2·tm·tn·(k + k0) / (peak/units · efficiency · r)
//! mem  = e · (b·(m·k + n·k) + 2·m·n) / bandwidth               the weight of every expert is read
//! t    = t0 + (math^4 + mem^4)^(1/4)
//! ```
//!
//! with `blend`, `r` and `t0` of the dense kernel ([`super::gemm`]). `efficiency`, `k0` and
//! `memory_efficiency` are `d/e + g·(1 − 1/e)`: `d` those of the dense kernel, which one expert is,
//! and `g` fitted. The other kind launches an ordinary multiply per expert on a few streams
//! (`GroupedLinear` of Transformer Engine, which Megatron-LM, `NeMo` and Primus train with):
//!
//! ```text
//! t    = max(dense(e) · (1 + (per_expert_factor − 1)·(1 − 1/e)), (e − 1) · 2 launches)
//! ```
//!
//! where `dense(e)` is the dense kernel with the tiles of all experts in its waves.
//!
//! The tables of the fit (aiconfigurator @095f58a, Apache-2.0, TensorRT-LLM 1.3.0rc20 `moe`) hold a
//! forward layer with balanced routing and without communication: top-k, permutation, first multiply
//! (gate and up), activation, second multiply, weighted sum. `layer_s` and `stream_factor` are what
//! that is besides the two multiplies; they serve to check the fit and not to plan. Rows with 2,048
//! and more routed tokens and 32 and more for each expert, split 70/30 by a seed. These kernels serve
//! and were tuned for it: nothing trains faster.

use super::gemm::{self, Machine, blend, gemm, smooth_max};
use super::{Device, Evidence, GemmShape, Source, Timed};
use crate::catalog::{DType, GemmWave, GroupedWave, Profile};

/// How the multiplies of the experts are launched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Launch {
    /// All in one kernel.
    Single,
    /// Each on its own.
    PerExpert {
        /// Host time to launch one kernel.
        launch_s: f64,
    },
}

/// Launches' worth of host time for each expert: the shortest multiplies of Transformer Engine's
/// grouped linear take 8.6 to 9.3 us an expert on B200 whatever their size (`SimuMax`, 80 and 160
/// experts), which is two launches of 4 us and a little.
pub const EXPERT_LAUNCHES: f64 = 2.0;

/// [`Profile::per_expert_factor`] of a part that nobody measured: the median of Ampere (1.06), Hopper
/// (1.31) and Blackwell (1.20). Those were measured in bf16 and stand for the other formats.
pub const PER_EXPERT_FACTOR: f64 = 1.2;

/// One launch over the dense kernel where no table is: CUTLASS on H100 takes 1.10 times what the dense
/// parameters say (Transformer Engine pull request 2045: 651 and 637 TFLOP/s for 8 and 16 experts).
pub const SINGLE_LAUNCH_FACTOR: f64 = 1.1;

/// Fewest tokens, over all experts and for each, of the rows that the fits were made on.
const FITTED_TOKENS: [f64; 2] = [2048.0, 32.0];
/// Most tokens over all experts of such a row.
const MOST_TOKENS: f64 = 163_840.0;

/// Time of the multiply of `shape.batch` experts, `shape.m` rows each.
///
/// The rows of a weight gradient are those of the weight and its depth is the tokens: give it as such,
/// with its accumulation. One expert is [`gemm`].
#[must_use]
pub fn grouped(device: &Device, shape: &GemmShape, launch: Launch) -> Timed {
    if shape.batch <= 1.0 || shape.flop() <= 0.0 {
        return gemm(device, shape);
    }
    let many = 1.0 - 1.0 / shape.batch;
    let scaled = |factor: f64| {
        let dense = gemm(device, shape);
        Timed {
            source: match dense.source {
                Source::SheetGemm => Source::SheetGrouped,
                _ => Source::ProfileGrouped,
            },
            evidence: dense.evidence.max(Evidence::Extrapolated),
            ..dense.times(1.0 + (factor - 1.0) * many)
        }
    };
    match launch {
        Launch::PerExpert { launch_s } => {
            let factor = device.profile.and_then(|p| p.per_expert_factor).unwrap_or(PER_EXPERT_FACTOR);
            let tiles = scaled(factor);
            Timed {
                time_s: tiles.time_s.max((shape.batch - 1.0) * EXPERT_LAUNCHES * launch_s),
                ..tiles
            }
        }
        Launch::Single => match device.profile.and_then(|p| fitted(p, shape.dtype)) {
            Some(fit) => Timed {
                time_s: fit.time_s(shape),
                evidence: if fit.is_own && is_fitted(shape) {
                    Evidence::Interpolated
                } else {
                    Evidence::Extrapolated
                },
                source: Source::ProfileGrouped,
            },
            None => scaled(SINGLE_LAUNCH_FACTOR),
        },
    }
}

/// A layer of experts as the tables measured it: balanced, forward, gated, on one device. For checking
/// a profile, not for planning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeasuredLayer {
    /// Experts of the device.
    pub n_experts: f64,
    /// Tokens of each.
    pub expert_tokens: f64,
    /// Width of the model.
    pub hidden: f64,
    /// Inner width of an expert.
    pub width_elements: f64,
    /// Format of the operands.
    pub dtype: DType,
}

impl MeasuredLayer {
    /// Seconds by the fitted parameters of a profile; `None` where it has none.
    #[must_use]
    pub fn time_s(&self, profile: &Profile) -> Option<f64> {
        let fit = fitted(profile, self.dtype)?;
        let shape = |n, k| GemmShape {
            batch: self.n_experts,
            ..GemmShape::new(self.expert_tokens, n, k, self.dtype)
        };
        // Permutation and weighted sum read and write 16-bit rows, the activation reads two and writes
        // one: with nothing fused 4 · hidden + 6 · width bytes a token.
        let row_bytes = 4.0 * self.hidden + 6.0 * self.width_elements;
        let rest_s = fit.wave.stream_factor * self.n_experts * self.expert_tokens * row_bytes / profile.memory_bytes_per_s;
        let first = shape(2.0 * self.width_elements, self.hidden);
        let second = shape(self.hidden, self.width_elements);
        Some(fit.wave.layer_s + rest_s + fit.time_s(&first) + fit.time_s(&second))
    }
}

/// Inside the rows that the fits were made on, which are forward.
fn is_fitted(shape: &GemmShape) -> bool {
    let all = shape.batch * shape.m;
    !shape.accumulate_fp32 && shape.m >= FITTED_TOKENS[1] && (FITTED_TOKENS[0]..=MOST_TOKENS).contains(&all)
}

/// Parameters of a grouped kernel, with the dense kernel that it becomes for one expert.
struct Fit<'a> {
    is_own: bool,
    wave: &'a GroupedWave,
    dense: GemmWave,
    machine: Machine<'a>,
}

fn fitted(profile: &Profile, dtype: DType) -> Option<Fit<'_>> {
    let gemm::Fit {
        is_own: exact,
        wave: dense,
        machine,
        ..
    } = gemm::fitted(profile, None, dtype)?;
    let alias = match dtype {
        DType::Fp16 => DType::Bf16,
        DType::Mxfp8 => DType::Fp8,
        DType::Fp8 => DType::Mxfp8,
        other => other,
    };
    let (own, wave) = [dtype, alias].into_iter().find_map(|d| Some((d, profile.grouped.get(&d)?)))?;
    Some(Fit {
        is_own: exact && (own == dtype || dtype == DType::Fp16) && wave.measured_on.is_none(),
        wave,
        dense,
        machine,
    })
}

impl Fit<'_> {
    /// The formula at the head of this file.
    fn time_s(&self, shape: &GemmShape) -> f64 {
        let (d, g, machine) = (&self.dense, self.wave, &self.machine);
        let many = (1.0 - 1.0 / shape.batch).max(0.0);
        let between = |dense: f64, grouped: f64| dense + (grouped - dense) * many;
        let bandwidth = machine.memory_bytes_per_s * between(d.memory_efficiency, g.memory_efficiency);
        let unit_flop_per_s = machine.flop_per_s / machine.units * between(d.efficiency, g.efficiency);
        let depth = shape.k + between(d.k0_elements, g.k0_elements);
        let math_s = machine
            .tiles
            .iter()
            .map(|&(tile_m, tile_n)| {
                let (tm, tn) = (f64::from(tile_m), f64::from(tile_n));
                let loss = 1.0 + d.tile_c_elements * (1.0 / tm + 1.0 / tn);
                let waves = shape.batch * (shape.m / tm).ceil() * (shape.n / tn).ceil() / machine.units;
                blend(waves, d.wave_fraction) * 2.0 * tm * tn * depth * loss / unit_flop_per_s
            })
            .fold(f64::INFINITY, f64::min);
        gemm::training_t0_s(d, shape.dtype) + smooth_max(math_s, shape.bytes() / bandwidth)
    }
}
