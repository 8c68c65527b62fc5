//! From models to measurements: what a time near a measured one learns from it, and how a time is
//! graded.
//!
//! The time of a shape is that of the model times `exp(r)`, where `r` is interpolated between the
//! logarithms of measured over modelled time at the shapes that were measured ([`Field`]), in binary
//! logarithms of the sizes. A model that knows waves and tiles leaves a smooth residual, so this holds
//! off the grid of the tables too.

use super::attention::{self, AttentionShape};
use super::gemm::{self, GemmShape};
use super::{Evidence, Source};
use crate::catalog::field::Place;
use crate::catalog::{AttentionKey, AttentionPoint, DType, Field, GemmKey, GemmPoint, Measured, Near, Profile, Relation};

/// Which step of the ladder a time stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rung {
    /// This very shape.
    Measured,
    /// Between measured shapes.
    Near,
    /// The model alone, with parameters of this format and device.
    Fitted,
    /// The model with the parameters of another format of the same multiplier.
    Sibling,
    /// The model with the parameters of another device of the architecture.
    Architecture,
}

/// Grade and step of a time by a profile. `own`: parameters of the very format; `same_kernel`: what
/// was measured is what trains; `in_range`: inside the range of the fit, which counts where there are
/// no points.
pub(super) fn rung(profile: &Profile, own: bool, same_kernel: bool, near: Option<Near>, in_range: bool) -> (Evidence, Rung) {
    if profile.relation == Relation::Architecture {
        return (Evidence::Extrapolated, Rung::Architecture);
    }
    if !own {
        return (Evidence::Extrapolated, Rung::Sibling);
    }
    match near {
        Some(near) if near.is_exact() && same_kernel && profile.relation == Relation::Same => (Evidence::Measured, Rung::Measured),
        Some(near) if near.is_inside() => (Evidence::Interpolated, Rung::Near),
        None if in_range => (Evidence::Interpolated, Rung::Fitted),
        _ => (Evidence::Extrapolated, Rung::Fitted),
    }
}

impl Rung {
    pub(super) fn gemm(self) -> Source {
        match self {
            Rung::Measured => Source::MeasuredGemm,
            Rung::Near => Source::NearGemm,
            Rung::Fitted => Source::ProfileGemm,
            Rung::Sibling => Source::SiblingGemm,
            Rung::Architecture => Source::ArchitectureGemm,
        }
    }

    pub(super) fn attention(self) -> Source {
        match self {
            Rung::Measured => Source::MeasuredAttention,
            Rung::Near => Source::NearAttention,
            Rung::Fitted => Source::ProfileAttention,
            Rung::Sibling => Source::SiblingAttention,
            Rung::Architecture => Source::ArchitectureAttention,
        }
    }
}

/// Binary logarithm; of nothing as of one.
fn log(x: f64) -> f64 {
    if x > 0.0 { x.log2() } else { 0.0 }
}

/// Residual of a product; `None` where nothing of the kind was measured. Batched products were not.
pub(super) fn gemm(profile: &Profile, dtype: DType, shape: &GemmShape) -> Option<Near> {
    let measured = profile.measured.as_deref().filter(|_| shape.batch == 1.0)?;
    let plain = GemmKey {
        dtype,
        accumulate_fp32: false,
    };
    let adding = GemmKey {
        accumulate_fp32: true,
        ..plain
    };
    // What adding to a buffer costs is in the model; a table of its own knows it better.
    let key = if shape.accumulate_fp32 && measured.points.gemm.contains_key(&adding) {
        adding
    } else {
        plain
    };
    let field = measured.gemm_field(key, |prior, points| gemm_field(prior, measured, key, points))?;
    field.at(&[log(shape.m), log(shape.n), log(shape.k), 0.0, 0.0])
}

fn gemm_field(prior: &Profile, measured: &Measured, key: GemmKey, points: &[GemmPoint]) -> Field {
    Field::new(points.iter().filter_map(|p| {
        let shape = GemmShape {
            accumulate_fp32: key.accumulate_fp32,
            ..GemmShape::new(p.m, p.n, p.k, key.dtype)
        };
        let model_s = gemm::modelled_s(prior, Some(measured), &shape)?;
        Some(([log(p.m), log(p.n), log(p.k), 0.0, 0.0], (p.time_s / model_s).ln()))
    }))
}

/// Where self attention lies; sizes that change little count less. Fewer queries than keys are as many
/// fewer sequences: the work is the same, and so is the work of each block.
fn place(shape: &AttentionShape) -> Place {
    let batch = shape.batch * shape.query_tokens / shape.key_tokens;
    let width = (shape.head_dim_qk + shape.head_dim_v) / 2.0;
    [
        log(batch),
        log(shape.key_tokens),
        log(shape.heads),
        0.5 * log(shape.kv_heads),
        2.0 * log(width),
    ]
}

/// Residual of the serving kernel forward. Windows were not measured.
pub(super) fn serving(profile: &Profile, dtype: DType, shape: &AttentionShape) -> Option<Near> {
    serving_in(profile.measured.as_deref()?, dtype, shape)
}

/// The same from the points; those of the other mask where there are none of this one.
pub(super) fn serving_in(measured: &Measured, dtype: DType, shape: &AttentionShape) -> Option<Near> {
    let set = |causal| AttentionKey {
        dtype,
        training: false,
        backward: false,
        causal,
    };
    serving_of(measured, set(shape.causal), shape).or_else(|| serving_of(measured, set(!shape.causal), shape))
}

fn serving_of(measured: &Measured, key: AttentionKey, shape: &AttentionShape) -> Option<Near> {
    if shape.is_windowed() {
        return None;
    }
    let make = |points: &[AttentionPoint]| {
        Field::new(points.iter().filter_map(|p| {
            let shape = AttentionShape::of(p, key);
            Some((place(&shape), (p.time_s / attention::modelled_s(&measured.prior, &shape)?).ln()))
        }))
    };
    measured.attention_field(key, make)?.at(&place(shape))
}

/// Residual of the kernel that trains, over the serving kernel with its residual. The flag tells that
/// the very mask was measured; else the other one's residual serves.
pub(super) fn training(profile: &Profile, shape: &AttentionShape, backward: bool) -> Option<(Near, bool)> {
    let measured = profile.measured.as_deref().filter(|_| !shape.is_windowed())?;
    let dtype = if shape.dtype == DType::Fp16 { DType::Bf16 } else { shape.dtype };
    let set = |causal| AttentionKey {
        dtype,
        training: true,
        backward,
        causal,
    };
    let own = training_of(measured, set(shape.causal), shape).map(|near| (near, true));
    own.or_else(|| training_of(measured, set(!shape.causal), shape).map(|near| (near, false)))
}

fn training_of(measured: &Measured, key: AttentionKey, shape: &AttentionShape) -> Option<Near> {
    let make = |points: &[AttentionPoint]| {
        Field::new(points.iter().filter_map(|p| {
            let shape = AttentionShape::of(p, key);
            let model_s = attention::trained_s(&measured.prior, Some(measured), &shape, key.backward)?;
            Some((place(&shape), (p.time_s / model_s).ln()))
        }))
    };
    measured.attention_field(key, make)?.at(&place(shape))
}

/// Seconds of a collective between measured sizes: straight lines in logarithms of bytes and
/// seconds, the first time below the least size, the last marginal rate beyond the largest.
/// The flag tells a size that was measured.
pub(super) fn curve(points: &[(f64, f64)], bytes: f64) -> Option<(f64, bool)> {
    let at = points.partition_point(|(b, _)| *b < bytes);
    if let Some((_, time_s)) = points.get(at).filter(|(b, _)| *b == bytes) {
        return Some((*time_s, true));
    }
    let Some((high, high_s)) = points.get(at) else {
        let [.., (low, low_s), (high, high_s)] = points else {
            return points.last().map(|(b, t)| (t * bytes / b, false));
        };
        let rate_s = ((high_s - low_s) / (high - low)).max(high_s / high * 0.1);
        return Some((high_s + (bytes - high) * rate_s, false));
    };
    let Some((low, low_s)) = at.checked_sub(1).and_then(|i| points.get(i)) else {
        return Some((*high_s, false));
    };
    let share = (bytes / low).ln() / (high / low).ln();
    Some(((low_s.ln() + share * (high_s / low_s).ln()).exp(), false))
}
