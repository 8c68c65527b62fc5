//! Time of matrix multiplies.
//!
//! A tensor-core kernel covers the output with tiles, deals the tiles to compute units in waves
//! and runs the k loop in each. Its time is
//!
//! ```text
//! w    = batch · ceil(m/tm) · ceil(n/tn) · s / units               s in {1, 2, 4, 8}: split-k
//! we   = f · ceil(w) + (1 - f) · max(w, 1)                         f: wave_fraction
//! r    = 1 / (1 + tile_c · (1/tm + 1/tn))
//! math = min over tiles and s of
//!        we · 2·tm·tn·(k/s + k0) / (peak/units · efficiency · r)  + [s > 1] 4·m·n·s·batch / bandwidth
//! mem  = batch · (b·(m·k + n·k) + 2·m·n) / bandwidth              bandwidth: memory × memory_efficiency
//! t    = t0 + (math^4 + mem^4)^(1/4) + quant_bytes·m·k·batch / bandwidth
//! ```
//!
//! Wave quantization: NVIDIA, "Matrix Multiplication Background User's Guide"; split-k and tile
//! shapes: CUTLASS documentation. Parameters: fitted by least squares on log time to the GEMM
//! tables of aiconfigurator @095f58a (Apache-2.0), median error 6 %, and checked against the
//! cuBLASLt figures of the Azure AI benchmarking guide (MIT).

use super::{Device, Evidence, Source, Timed, near};
use crate::catalog::{DType, GemmKey, GemmWave, Measured, Profile};

/// `batch` equal and independent products `C[m,n] = A[m,k] · B[k,n]` run as one kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GemmShape {
    /// Rows of the output.
    pub m: f64,
    /// Columns of the output.
    pub n: f64,
    /// Depth of the reduction.
    pub k: f64,
    /// Number of such products.
    pub batch: f64,
    /// Format of the operands; the output has 16 bits.
    pub dtype: DType,
    /// The output is added to an fp32 buffer (weight gradients): 4 bytes read and 4 written for
    /// each element in place of 2 written.
    pub accumulate_fp32: bool,
}

impl GemmShape {
    /// One product with a 16-bit output.
    #[must_use]
    pub fn new(m: f64, n: f64, k: f64, dtype: DType) -> GemmShape {
        GemmShape {
            m,
            n,
            k,
            batch: 1.0,
            dtype,
            accumulate_fp32: false,
        }
    }

    /// FLOPs, two per multiply-add.
    #[must_use]
    pub fn flop(&self) -> f64 {
        2.0 * self.batch * self.m * self.n * self.k
    }

    /// Bytes that have to move: operands once, output once.
    #[must_use]
    pub fn bytes(&self) -> f64 {
        let output_bytes = if self.accumulate_fp32 { 8.0 } else { 2.0 };
        self.batch * (self.dtype.bytes() * (self.m * self.k + self.n * self.k) + output_bytes * self.m * self.n)
    }

    /// Inside the range that the fits were made on.
    fn is_fitted(&self) -> bool {
        self.batch == 1.0
            && (256.0..=32_768.0).contains(&self.m)
            && (256.0..=65_536.0).contains(&self.n)
            && (256.0..=65_536.0).contains(&self.k)
    }
}

/// Longest launch time of a low-precision kernel without its quantization pass: the 8-bit tables
/// have 11 to 15 us with it, the 16-bit ones 2 to 2.5 us. Static scaling needs no more than 3 us.
pub const QUANTIZED_LAUNCH_S: f64 = 3e-6;

/// Fraction of peak of large 16-bit products where nothing was measured: median of the fitted
/// asymptotes of nine parts, 0.60 (L40S) to 0.88 (RTX PRO 6000), is 0.77; rounded down.
pub const SHEET_EFFICIENCY_16: f64 = 0.75;
/// The same with 8-bit operands: asymptotes of 0.51 (L40S) to 0.82, less 7 to 12 % that the Azure
/// guide's sustained cuBLASLt runs on H200 and GB200 lie below them.
pub const SHEET_EFFICIENCY_8: f64 = 0.65;
/// The same with 4-bit operands: on B200 to GB300 0.48 to 0.54 in the TensorRT-LLM tables and up to
/// 0.76 in cuBLASLt (Azure guide, GB200); below the lower end because few kernels are tuned.
pub const SHEET_EFFICIENCY_4: f64 = 0.45;
/// Share of memory bandwidth where nothing was measured.
pub const SHEET_MEMORY_EFFICIENCY: f64 = 0.75;
/// Correction of CDNA 3 parts, whose peak assumes a clock that matrix math does not hold: MI300X
/// reaches about 45 % of peak in fp8, bf16 and fp16 (Ambati et al. 2025, "AMD MI300X GPU Performance
/// Analysis"); with this factor 49 % in 16 bits and 42 % in 8.
pub const CDNA3_FACTOR: f64 = 0.65;

/// Tile of the generic kernel.
const SHEET_TILES: [(u32, u32); 1] = [(128, 128)];

/// What a kernel runs on, in the numbers that its parameters are relative to.
#[derive(Clone, Copy)]
pub(super) struct Machine<'a> {
    pub(super) flop_per_s: f64,
    pub(super) memory_bytes_per_s: f64,
    pub(super) units: f64,
    pub(super) tiles: &'a [(u32, u32)],
}

impl Machine<'_> {
    /// What no kernel is faster than: all FLOPs at the peak, all bytes at the full bandwidth.
    fn least_s(&self, shape: &GemmShape) -> f64 {
        (shape.flop() / self.flop_per_s).max(shape.bytes() / self.memory_bytes_per_s)
    }
}

/// Time of a matrix multiply in a training step.
///
/// Quantization of the operands is left out for every low-precision format (the workload charges
/// it as an operation of its own), and with it the launch time above [`QUANTIZED_LAUNCH_S`]. fp16
/// runs at bf16 speed. Batched products count as extrapolated: tiles add up over the batch. Experts are
/// [`super::grouped`].
#[must_use]
pub fn gemm(device: &Device, shape: &GemmShape) -> Timed {
    if shape.flop() <= 0.0 {
        return Timed::ZERO;
    }
    let known = device
        .profile
        .and_then(|p| Some((p, fitted(p, p.measured.as_deref(), shape.dtype)?)));
    if let Some((profile, fit)) = known {
        let near = near::gemm(profile, fit.dtype, shape);
        let model_s = wave_s(fit.machine, &fit.wave, training_t0_s(&fit.wave, shape.dtype), shape);
        // Tables of low-precision kernels have a quantization pass in them that is charged elsewhere.
        let same_kernel = shape.dtype.bytes() >= 2.0 && !shape.accumulate_fp32;
        let (evidence, rung) = near::rung(profile, fit.is_own, same_kernel, near, shape.is_fitted());
        return Timed {
            time_s: match near {
                Some(near) => (model_s * near.value.exp()).max(fit.machine.least_s(shape)),
                None => model_s,
            },
            evidence,
            source: rung.gemm(),
        };
    }
    let wave = sheet_wave(device, shape.dtype);
    let machine = Machine {
        flop_per_s: device.sheet_flop_per_s(shape.dtype),
        memory_bytes_per_s: device.accelerator.memory_bytes_per_s,
        units: f64::from(device.accelerator.n_compute_units.max(1)),
        tiles: &SHEET_TILES,
    };
    Timed {
        time_s: wave_s(machine, &wave, wave.t0_s, shape),
        evidence: Evidence::Datasheet,
        source: Source::SheetGemm,
    }
}

/// Time as the profile's source measured it, dynamic quantization of `A` included, by the fitted
/// parameters alone; `None` where the profile has none. For checking a profile, not for planning.
#[must_use]
pub fn measured_gemm_s(profile: &Profile, shape: &GemmShape) -> Option<f64> {
    modelled_s(profile, profile.measured.as_deref(), shape)
}

/// The same with what the points near it say.
#[must_use]
pub fn interpolated_gemm_s(profile: &Profile, shape: &GemmShape) -> Option<f64> {
    let fit = fitted(profile, profile.measured.as_deref(), shape.dtype)?;
    let model_s = measured_gemm_s(profile, shape)?;
    let near = near::gemm(profile, fit.dtype, shape);
    Some((model_s * near.map_or(1.0, |n| n.value.exp())).max(fit.machine.least_s(shape)))
}

pub(super) fn modelled_s(profile: &Profile, measured: Option<&Measured>, shape: &GemmShape) -> Option<f64> {
    let Fit { wave, machine, .. } = fitted(profile, measured, shape.dtype)?;
    let quantize = wave.quant_bytes * shape.batch * shape.m * shape.k / (machine.memory_bytes_per_s * wave.memory_efficiency);
    Some(wave_s(machine, &wave, wave.t0_s, shape) + quantize)
}

/// Launch time without the quantization pass that low-precision tables have in theirs.
pub(super) fn training_t0_s(wave: &GemmWave, dtype: DType) -> f64 {
    if dtype.bytes() < 2.0 {
        wave.t0_s.min(QUANTIZED_LAUNCH_S)
    } else {
        wave.t0_s
    }
}

/// The parameters that serve a format.
pub(super) struct Fit<'a> {
    /// They are of this very format, not of another whose kernels do other work per element.
    pub(super) is_own: bool,
    /// The format that they are of.
    pub(super) dtype: DType,
    pub(super) wave: GemmWave,
    pub(super) machine: Machine<'a>,
}

/// Parameters for `dtype`: its own, else those of the same multiplier. Where only points are, those
/// of a stated kernel, which the points then correct.
pub(super) fn fitted<'a>(profile: &'a Profile, measured: Option<&Measured>, dtype: DType) -> Option<Fit<'a>> {
    let alias = match dtype {
        DType::Fp16 => DType::Bf16,
        DType::Mxfp8 => DType::Fp8,
        DType::Fp8 => DType::Mxfp8,
        other => other,
    };
    let machine = |flop_per_s, tiles| Machine {
        flop_per_s,
        memory_bytes_per_s: profile.memory_bytes_per_s,
        units: f64::from(profile.n_compute_units.max(1)),
        tiles,
    };
    let is_own = |key| key == dtype || dtype == DType::Fp16;
    let wave = [dtype, alias].into_iter().find_map(|d| Some((d, *profile.gemm.get(&d)?)));
    if let Some((key, wave)) = wave.filter(|_| !profile.tiles.is_empty()) {
        let flop_per_s = [key, dtype, alias].into_iter().find_map(|d| profile.peak_flop_per_s.get(&d))?;
        return Some(Fit {
            is_own: is_own(key),
            dtype: key,
            wave,
            machine: machine(*flop_per_s, &profile.tiles),
        });
    }
    let points = &measured?.points.gemm;
    let set = |dtype| {
        Some((
            dtype,
            points.get(&GemmKey {
                dtype,
                accumulate_fp32: false,
            })?,
        ))
    };
    let (key, list) = [dtype, alias].into_iter().find_map(set)?;
    let wave = stated(key, 1.0);
    let best = list.iter().map(|p| 2.0 * p.m * p.n * p.k / p.time_s).fold(0.0, f64::max);
    let flop_per_s = profile.peak_flop_per_s.get(&key).map_or(best / wave.efficiency, |peak| *peak);
    Some(Fit {
        is_own: is_own(key),
        dtype: key,
        wave,
        machine: machine(flop_per_s, &SHEET_TILES),
    })
}

/// Stated parameters of a kernel that nobody measured.
fn sheet_wave(device: &Device, dtype: DType) -> GemmWave {
    stated(dtype, architecture_factor(device))
}

fn stated(dtype: DType, factor: f64) -> GemmWave {
    let base = match dtype {
        DType::Nvfp4 => SHEET_EFFICIENCY_4,
        DType::Fp8 | DType::Mxfp8 | DType::Int8 => SHEET_EFFICIENCY_8,
        _ => SHEET_EFFICIENCY_16,
    };
    GemmWave {
        efficiency: base * factor,
        k0_elements: 100.0,
        memory_efficiency: SHEET_MEMORY_EFFICIENCY,
        t0_s: QUANTIZED_LAUNCH_S,
        tile_c_elements: 0.0,
        wave_fraction: 0.2,
        quant_bytes: 0.0,
        mape_fraction: 0.3,
    }
}

/// Correction of the stated efficiencies for a device: by its measured ceiling, else by its architecture;
/// see [`CDNA3_FACTOR`].
pub(super) fn architecture_factor(device: &Device) -> f64 {
    let by_architecture = if device.accelerator.architecture.starts_with("cdna3") {
        CDNA3_FACTOR
    } else {
        1.0
    };
    device
        .accelerator
        .matrix_efficiency
        .map_or(by_architecture, |reached| reached / SHEET_EFFICIENCY_16)
}

/// The formula at the head of this file without its quantization term.
fn wave_s(machine: Machine, p: &GemmWave, t0_s: f64, shape: &GemmShape) -> f64 {
    let bandwidth = machine.memory_bytes_per_s * p.memory_efficiency;
    let unit_flop_per_s = machine.flop_per_s / machine.units * p.efficiency;
    let partial_s = 4.0 * shape.batch * shape.m * shape.n / bandwidth;
    let mut best_s = f64::INFINITY;
    for &(tile_m, tile_n) in machine.tiles {
        let (tm, tn) = (f64::from(tile_m), f64::from(tile_n));
        let loss = 1.0 + p.tile_c_elements * (1.0 / tm + 1.0 / tn);
        let waves = shape.batch * (shape.m / tm).ceil() * (shape.n / tn).ceil() / machine.units;
        let per_k_s = 2.0 * tm * tn * loss / unit_flop_per_s;
        for split in [1.0, 2.0, 4.0, 8.0] {
            let w = blend(waves * split, p.wave_fraction);
            let reduce_s = if split > 1.0 { partial_s * split } else { 0.0 };
            best_s = best_s.min(w * per_k_s * (shape.k / split + p.k0_elements) + reduce_s);
        }
    }
    t0_s + smooth_max(best_s, shape.bytes() / bandwidth)
}

/// Waves that count: whole ones in part, fractional ones in part, never less than one.
pub(super) fn blend(waves: f64, whole_fraction: f64) -> f64 {
    whole_fraction * waves.ceil() + (1.0 - whole_fraction) * waves.max(1.0)
}

/// `(a^4 + b^4)^(1/4)`: the larger, and a little more where both are near each other.
pub(super) fn smooth_max(a: f64, b: f64) -> f64 {
    // Scaled by the larger so that no power leaves the range of f64.
    let (large, small) = if a > b { (a, b) } else { (b, a) };
    if large <= 0.0 || !large.is_finite() {
        return large;
    }
    let ratio = small / large;
    large * (1.0 + (ratio * ratio) * (ratio * ratio)).sqrt().sqrt()
}
