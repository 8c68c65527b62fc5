//! Time of attention: flash kernels, and the unfused attention of older stacks.
//!
//! A flash kernel (Dao et al. 2022, arXiv 2205.14135; Dao 2023, arXiv 2307.08691) gives each
//! block of 128 queries of one head to one compute unit, which walks over the keys that the block
//! sees. Its time is
//!
//! ```text
//! nq   = ceil(queries/128);  w = batch · heads · nq / units;  we = f · ceil(w) + (1 - f) · max(w, 1)
//! one  = 2·128·(dqk + dv) / (peak/units · efficiency · d/(d + d0))       d = (dqk + dv)/2
//! math = smax(we · one · (keys + s0), one · (longest + s0)) + tail · one · 128
//! mem  = batch · (e·(heads·queries·dqk + kv_heads·key_tokens·(dqk + dv)) + 2·heads·queries·dv) / bandwidth
//! t    = t0 + smax(math, mem)                                            smax(a, b) = (a^4 + b^4)^(1/4)
//! ```
//!
//! with `keys` the mean and `longest` the largest number of keys that a block works through.
//! Parameters: fitted by least squares on log time to the context-attention tables of
//! aiconfigurator @095f58a (Apache-2.0), median error 9 %.

use super::gemm::{architecture_factor, blend, smooth_max};
use super::stream::stream;
use super::{Device, Evidence, GemmShape, Source, Timed, gemm, near};
use crate::catalog::{AttentionKey, AttentionPoint, AttentionWave, DType, Measured, Profile};

/// Attention of `batch` sequences, or of the part of them that one device holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionShape {
    /// Sequences.
    pub batch: f64,
    /// Queries of each; fewer than the keys under context parallelism.
    pub query_tokens: f64,
    /// Keys of each.
    pub key_tokens: f64,
    /// Query heads.
    pub heads: f64,
    /// Key and value heads.
    pub kv_heads: f64,
    /// Width of a query and a key.
    pub head_dim_qk: f64,
    /// Width of a value.
    pub head_dim_v: f64,
    /// A query sees no key after it.
    pub causal: bool,
    /// A query sees this many last keys only.
    pub window_tokens: Option<f64>,
    /// Format of the operands.
    pub dtype: DType,
}

impl AttentionShape {
    /// What a measured point timed. Windows were not measured.
    #[must_use]
    pub fn of(p: &AttentionPoint, key: AttentionKey) -> AttentionShape {
        AttentionShape {
            batch: p.batch,
            query_tokens: p.seq_tokens,
            key_tokens: p.seq_tokens,
            heads: p.heads,
            kv_heads: p.kv_heads,
            head_dim_qk: p.head_dim_qk,
            head_dim_v: p.head_dim_v,
            causal: key.causal,
            window_tokens: None,
            dtype: key.dtype,
        }
    }

    /// FLOPs of the forward pass over the visible keys: two products, two per multiply-add.
    #[must_use]
    pub fn flop(&self) -> f64 {
        self.pairs() * visible_keys(self.query_tokens, self.key_tokens, self.causal, self.window_tokens)
    }

    /// FLOPs of the forward pass when masked blocks are computed too.
    #[must_use]
    pub fn full_flop(&self) -> f64 {
        self.pairs() * self.key_tokens
    }

    /// FLOPs of all queries against one key each.
    fn pairs(&self) -> f64 {
        2.0 * self.batch * self.heads * self.query_tokens * (self.head_dim_qk + self.head_dim_v)
    }

    /// As many queries as keys.
    fn is_self(&self) -> bool {
        self.query_tokens == self.key_tokens
    }

    /// A query does not see all keys before it.
    pub(super) fn is_windowed(&self) -> bool {
        self.window_tokens.is_some_and(|w| w < self.key_tokens)
    }

    /// Inside the range that the fits were made on: causal self attention of 512 to 16384 tokens.
    fn is_fitted(&self) -> bool {
        self.causal
            && self.is_self()
            && (512.0..=16_384.0).contains(&self.query_tokens)
            && !self.is_windowed()
            && self.head_dim_qk == self.head_dim_v
            && (64.0..=256.0).contains(&self.head_dim_qk)
    }
}

/// Mean number of keys that a query sees, token by token.
///
/// Causal queries are taken as spread evenly over the positions of the keys: exact for self
/// attention, and exact per device when context parallelism gives each device a head and a tail
/// chunk (Megatron-LM, Llama 3, arXiv 2407.21783 §3.3.2). Query `p` of `n` sees `min(p, window)`
/// keys, whose mean is `(n + 1)/2` without a window.
#[must_use]
pub fn visible_keys(query_tokens: f64, key_tokens: f64, causal: bool, window_tokens: Option<f64>) -> f64 {
    if query_tokens <= 0.0 || key_tokens <= 0.0 {
        return 0.0;
    }
    let window = window_tokens.unwrap_or(key_tokens).clamp(1.0, key_tokens.max(1.0));
    if causal {
        window - window * (window - 1.0) / (2.0 * key_tokens)
    } else {
        window
    }
}

/// Queries of one block.
const BLOCK_TOKENS: f64 = 128.0;

/// Time of a training kernel over that of the serving kernels in the tables, which also write a
/// KV cache: 0.82 to 0.95 on H200, 0.77 to 0.91 on GB200, 0.68 to 0.92 on GB300, 0.92 to 1.01 on
/// A100 (cudnn-frontend benchmark tables, MIT, against aiconfigurator).
pub const TRAINING_OVER_SERVING: f64 = 0.9;

/// Backward over forward time where a profile has none: FlashAttention-2 2.96 and cuDNN 3.19 on
/// A100, FlashAttention-3 2.89 on H100, cuDNN 2.97 on H200, 3.14 on GB200, 3.26 on GB300, causal
/// at width 128 (arXiv 2407.08608 and cudnn-frontend tables). The FLOP ratio is 2.5.
pub const BACKWARD_RATIO: f64 = 3.0;

/// Further factor on the backward ratio when keys are wider than values (192 and 128): cuDNN 3.22
/// on H200, 3.66 on GB200, 3.82 on GB300 over the ratios at width 128; FlashAttention-4 1.33.
pub const WIDE_KEY_BACKWARD_FACTOR: f64 = 1.17;

/// Medians of the fits over A100 to GB300 in 16 bits, for parts where nothing was measured.
const SHEET_WAVE: AttentionWave = AttentionWave {
    efficiency: 0.74,
    memory_efficiency: 0.35,
    t0_s: 9e-6,
    s0_tokens: 157.0,
    d0_elements: 37.0,
    wave_fraction: 0.5,
    tail_blocks: 0.0,
    backward_ratio: BACKWARD_RATIO,
    mape_fraction: 0.25,
};

/// Forward time of flash attention in a training step: the serving kernel's time times
/// [`TRAINING_OVER_SERVING`].
#[must_use]
pub fn attention(device: &Device, shape: &AttentionShape) -> Timed {
    timed(device, shape, false)
}

/// Backward time of flash attention in a training step, without recomputing the forward pass.
/// The forward time times the ratio that the profile states, as cuDNN's and FlashAttention's
/// published tables have it.
#[must_use]
pub fn attention_backward(device: &Device, shape: &AttentionShape) -> Timed {
    timed(device, shape, true)
}

/// Backward over forward time of a shape.
fn pass_ratio(wave: &AttentionWave, shape: &AttentionShape, backward: bool) -> f64 {
    let wide = if shape.head_dim_qk > shape.head_dim_v {
        WIDE_KEY_BACKWARD_FACTOR
    } else {
        1.0
    };
    if backward { wave.backward_ratio * wide } else { 1.0 }
}

fn timed(device: &Device, shape: &AttentionShape, backward: bool) -> Timed {
    if shape.flop() <= 0.0 {
        return Timed::ZERO;
    }
    let known = device.profile.and_then(|p| Some((p, fitted(p, shape.dtype)?)));
    if let Some((profile, fit)) = known {
        return by_profile(profile, &fit, shape, backward);
    }
    let efficiency = SHEET_WAVE.efficiency * architecture_factor(device);
    let wave = AttentionWave { efficiency, ..SHEET_WAVE };
    let (peak, units) = (device.sheet_flop_per_s(shape.dtype), device.accelerator.n_compute_units);
    let model_s = wave_s(peak, device.accelerator.memory_bytes_per_s, units, &wave, shape);
    Timed {
        time_s: model_s * TRAINING_OVER_SERVING * pass_ratio(&wave, shape, backward),
        evidence: Evidence::Datasheet,
        source: Source::SheetAttention,
    }
}

fn by_profile(profile: &Profile, fit: &Fit, shape: &AttentionShape, backward: bool) -> Timed {
    let serving = near::serving(profile, fit.dtype, shape);
    let training = near::training(profile, shape, backward);
    let residual = serving.map_or(0.0, |n| n.value) + training.map_or(0.0, |(n, _)| n.value);
    let model_s = wave_s(
        fit.peak_flop_per_s,
        profile.memory_bytes_per_s,
        profile.n_compute_units,
        &fit.wave,
        shape,
    );
    let model_s = model_s * TRAINING_OVER_SERVING * pass_ratio(&fit.wave, shape, backward);
    // Five products backward against two forward.
    let flop = if backward { 2.5 * shape.flop() } else { shape.flop() };
    let measured = profile.measured.is_some();
    // Points of the very kernel count; those of a serving kernel where the shape is of their kind.
    let near = training
        .filter(|(n, own)| n.is_inside() && *own && shape.is_self())
        .map(|(n, _)| n)
        .or_else(|| serving.filter(|_| shape.is_fitted()));
    let same_kernel = training.is_some_and(|(n, own)| own && n.is_exact());
    let (evidence, rung) = near::rung(profile, fit.is_own, same_kernel, near, !measured && shape.is_fitted());
    Timed {
        time_s: if residual == 0.0 {
            model_s
        } else {
            (model_s * residual.exp()).max(flop / fit.peak_flop_per_s)
        },
        evidence,
        source: rung.attention(),
    }
}

/// Forward time as the profile's source measured it, in a serving engine, by the fitted parameters
/// alone; `None` where the profile has none. For checking a profile, not for planning.
#[must_use]
pub fn measured_attention_s(profile: &Profile, shape: &AttentionShape) -> Option<f64> {
    modelled_s(profile, shape)
}

/// The same with what the points near it say.
#[must_use]
pub fn interpolated_attention_s(profile: &Profile, shape: &AttentionShape) -> Option<f64> {
    let fit = fitted(profile, shape.dtype)?;
    let near = near::serving(profile, fit.dtype, shape);
    let time_s = modelled_s(profile, shape)? * near.map_or(1.0, |n| n.value.exp());
    Some(time_s.max(shape.flop() / fit.peak_flop_per_s))
}

pub(super) fn modelled_s(profile: &Profile, shape: &AttentionShape) -> Option<f64> {
    let fit = fitted(profile, shape.dtype)?;
    Some(wave_s(
        fit.peak_flop_per_s,
        profile.memory_bytes_per_s,
        profile.n_compute_units,
        &fit.wave,
        shape,
    ))
}

/// Time of a training kernel from the serving tables: what points of training kernels correct.
pub(super) fn trained_s(profile: &Profile, measured: Option<&Measured>, shape: &AttentionShape, backward: bool) -> Option<f64> {
    let fit = fitted(profile, shape.dtype)?;
    let serving = measured.and_then(|m| near::serving_in(m, fit.dtype, shape));
    let factor = TRAINING_OVER_SERVING * pass_ratio(&fit.wave, shape, backward);
    Some(modelled_s(profile, shape)? * factor * serving.map_or(1.0, |n| n.value.exp()))
}

/// The parameters that serve a format.
struct Fit {
    is_own: bool,
    dtype: DType,
    wave: AttentionWave,
    peak_flop_per_s: f64,
}

/// Parameters and peak for `dtype`; those of bf16 where it has none of its own.
fn fitted(profile: &Profile, dtype: DType) -> Option<Fit> {
    let key = if profile.attention.contains_key(&dtype) {
        dtype
    } else {
        DType::Bf16
    };
    let wave = profile.attention.get(&key)?;
    let peak = profile
        .peak_flop_per_s
        .get(&key)
        .or_else(|| profile.peak_flop_per_s.get(&DType::Bf16))?;
    Some(Fit {
        is_own: key == dtype || dtype == DType::Fp16,
        dtype: key,
        wave: *wave,
        peak_flop_per_s: *peak,
    })
}

/// The formula at the head of this file.
fn wave_s(flop_per_s: f64, memory_bytes_per_s: f64, n_compute_units: u32, p: &AttentionWave, shape: &AttentionShape) -> f64 {
    let units = f64::from(n_compute_units.max(1));
    let widths = shape.head_dim_qk + shape.head_dim_v;
    let width_loss = 1.0 + p.d0_elements / (widths / 2.0);
    let one_s = 2.0 * BLOCK_TOKENS * widths * width_loss / (flop_per_s / units * p.efficiency);
    let query_blocks = (shape.query_tokens / BLOCK_TOKENS).ceil();
    let waves = blend(shape.batch * shape.heads * query_blocks / units, p.wave_fraction);
    let (keys, longest) = block_keys(shape);
    let total_s = waves * one_s * (keys + p.s0_tokens);
    let math_s = smooth_max(total_s, one_s * (longest + p.s0_tokens)) + p.tail_blocks * one_s * BLOCK_TOKENS;
    let element_bytes = if shape.dtype.bytes() < 2.0 { 1.0 } else { shape.dtype.bytes() };
    let read = shape.heads * shape.query_tokens * shape.head_dim_qk + shape.kv_heads * shape.key_tokens * widths;
    let written_bytes = 2.0 * shape.heads * shape.query_tokens * shape.head_dim_v;
    let memory_s = shape.batch * (element_bytes * read + written_bytes) / (memory_bytes_per_s * p.memory_efficiency);
    p.t0_s + smooth_max(math_s, memory_s)
}

/// Mean and largest number of keys that a block of queries works through. A block computes whole
/// blocks of keys, so half a block is lost at the diagonal and half at the far end of a window.
fn block_keys(shape: &AttentionShape) -> (f64, f64) {
    let padded = (shape.key_tokens / BLOCK_TOKENS).ceil() * BLOCK_TOKENS;
    let window = shape.window_tokens.unwrap_or(padded).clamp(1.0, padded);
    let visible = visible_keys(padded, padded, shape.causal, Some(window));
    let half = (BLOCK_TOKENS - 1.0) / 2.0;
    let lost = if shape.causal { half } else { 0.0 } + if window < padded { half } else { 0.0 };
    ((visible + lost).min(padded), (window + 2.0 * half).min(padded))
}

/// Attention that stores its score matrix, as before flash attention: work of both passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unfused {
    /// FLOPs of the forward pass, over the full square.
    pub forward_flop: f64,
    /// FLOPs of the backward pass.
    pub backward_flop: f64,
    /// Bytes that softmax, mask and dropout move in the forward pass.
    pub forward_bytes: f64,
    /// The same in the backward pass.
    pub backward_bytes: f64,
    /// Forward time.
    pub forward: Timed,
    /// Backward time.
    pub backward: Timed,
}

/// Bytes per score that scaled masked softmax (2 read, 2 written) and dropout (2 read, 2 written,
/// a mask of 1 written) move forward; what they keep is the `5·a·s²·b` of Korthikanti et al. 2022
/// (arXiv 2205.05198, equation 2).
const SCORE_FORWARD_BYTES: f64 = 9.0;
/// Backward: gradient read and written and mask read by dropout; gradient and softmax output read
/// and gradient written by softmax.
const SCORE_BACKWARD_BYTES: f64 = 11.0;

/// Tensor cores are fed rows that begin at multiples of this (NVIDIA Deep Learning Performance, matrix
/// multiplication guide, "Requirements to use tensor cores": best when dimensions are multiples of 16 bytes).
const ALIGNMENT_BYTES: f64 = 16.0;

/// Time without tensor cores over that with them. Batched products of odd head widths (108, 180) run so:
/// 16-bit rates of the A100 data sheet outside tensor cores are 78 TFLOP/s in fp16 and 39 in bf16 of 312.
fn without_tensor_cores(device: &Device, dtype: DType) -> f64 {
    match dtype {
        _ if device.accelerator.vendor != "nvidia" => 1.0,
        DType::Fp16 => 4.0,
        _ => 8.0,
    }
}

/// How a stack runs the element-wise part of unfused attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreKernels {
    /// Passes over memory relative to one fused softmax and one dropout kernel.
    pub passes: f64,
    /// Share of memory bandwidth, forward.
    pub forward_efficiency: f64,
    /// Share of memory bandwidth, backward.
    pub backward_efficiency: f64,
    /// Shortest kernel.
    pub floor_s: f64,
}

/// Unfused attention: two batched products forward and four backward over the full square, and
/// memory passes over the `batch · heads · queries · keys` scores in 16 bits.
#[must_use]
pub fn unfused(device: &Device, shape: &AttentionShape, kernels: &ScoreKernels) -> Unfused {
    let AttentionShape {
        query_tokens: q,
        key_tokens: s,
        head_dim_qk: dqk,
        head_dim_v: dv,
        ..
    } = *shape;
    let batch = shape.batch * shape.heads;
    let product = |m, n, k| {
        let product = GemmShape {
            m,
            n,
            k,
            batch,
            dtype: shape.dtype,
            accumulate_fp32: false,
        };
        let aligned = [n, k].iter().all(|d| (d * shape.dtype.bytes()) % ALIGNMENT_BYTES == 0.0);
        let slower = if aligned { 1.0 } else { without_tensor_cores(device, shape.dtype) };
        (product.flop(), gemm(device, &product).times(slower))
    };
    let scores = batch * q * s * kernels.passes;
    let (forward_bytes, backward_bytes) = (SCORE_FORWARD_BYTES * scores, SCORE_BACKWARD_BYTES * scores);
    let sum = |products: &[(f64, Timed)], bytes: f64, efficiency: f64| {
        let pass = stream(device, bytes, efficiency, 2.0 * kernels.floor_s);
        let math_s: f64 = products.iter().map(|(_, t)| t.time_s).sum();
        let evidence = products.iter().map(|(_, t)| t.evidence).fold(pass.evidence, Ord::max);
        let flop: f64 = products.iter().map(|(f, _)| f).sum();
        (
            flop,
            Timed {
                time_s: math_s + pass.time_s,
                evidence,
                source: Source::UnfusedAttention,
            },
        )
    };
    let (forward_flop, forward) = sum(&[product(q, s, dqk), product(q, dv, s)], forward_bytes, kernels.forward_efficiency);
    // dP = dO·V', dV = P'·dO, dQ = dS·K, dK = dS'·Q.
    let products = [product(q, s, dv), product(s, dv, q), product(q, dqk, s), product(s, dqk, q)];
    let (backward_flop, backward) = sum(&products, backward_bytes, kernels.backward_efficiency);
    Unfused {
        forward_flop,
        backward_flop,
        forward_bytes,
        backward_bytes,
        forward,
        backward,
    }
}
