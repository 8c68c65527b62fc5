//! A device with what was measured on it, and a time with where it came from.

use super::Evidence;
use crate::catalog::{Accelerator, DType, Profile};

/// One device: its data sheet and, where there is one, the profile measured on it.
#[derive(Debug, Clone, Copy)]
pub struct Device<'a> {
    /// The data sheet.
    pub accelerator: &'a Accelerator,
    /// Fitted kernels.
    pub profile: Option<&'a Profile>,
}

impl Device<'_> {
    /// Memory bandwidth: the one that the profile's fits are relative to, else the data sheet's.
    #[must_use]
    pub fn memory_bytes_per_s(&self) -> f64 {
        self.profile.map_or(self.accelerator.memory_bytes_per_s, |p| p.memory_bytes_per_s)
    }

    /// Matrix rate of the data sheet for `dtype`. A format that the device lacks runs in the next
    /// wider one that it has, in the end on the vector units.
    #[must_use]
    pub fn sheet_flop_per_s(&self, dtype: DType) -> f64 {
        let peak = &self.accelerator.peak;
        let wider: &[DType] = match dtype {
            DType::Nvfp4 => &[DType::Nvfp4, DType::Mxfp8, DType::Bf16],
            DType::Mxfp8 | DType::Fp8 | DType::Int8 => &[dtype, DType::Bf16],
            DType::Bf16 | DType::Fp16 | DType::Tf32 => &[dtype, DType::Tf32, DType::F32],
            DType::F32 | DType::F64 => &[dtype],
        };
        wider
            .iter()
            .find_map(|d| peak.matrix_flop_per_s(*d))
            .unwrap_or(peak.vector_flop_per_s)
    }
}

/// What a time rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// Wave model of matrix multiplies with fitted parameters.
    ProfileGemm,
    /// Wave model of matrix multiplies with data-sheet peak and stated efficiencies.
    SheetGemm,
    /// Multiplies of experts by parameters fitted to grouped kernels or beside the dense ones.
    ProfileGrouped,
    /// Multiplies of experts with data-sheet peak and stated efficiencies.
    SheetGrouped,
    /// Wave model of flash attention with fitted parameters.
    ProfileAttention,
    /// Wave model of flash attention with data-sheet peak and stated efficiencies.
    SheetAttention,
    /// Batched matrix multiplies and passes over the score matrix.
    UnfusedAttention,
    /// Bytes over a share of memory bandwidth.
    Stream,
    /// Affine pieces fitted to this collective and rank count.
    ProfileCollective,
    /// Measured bus bandwidth of another rank count, latency rescaled.
    ScaledCollective,
    /// Latency and bus bandwidth of the fabric's data sheet.
    SheetCollective,
    /// Bus bandwidth rule over several scale-up domains.
    MultiNodeRule,
    /// Latency and rate of one link.
    Link,
    /// A stated constant, or nothing to do.
    Fixed,
}

impl Source {
    /// One line for people.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Source::ProfileGemm => "tile and wave model of matrix multiplies, parameters fitted to measured shapes",
            Source::SheetGemm => "tile and wave model of matrix multiplies, data-sheet peak times a stated efficiency",
            Source::ProfileGrouped => "tile and wave model of the experts' multiplies, parameters fitted to measured shapes",
            Source::SheetGrouped => "tile and wave model of the experts' multiplies, data-sheet peak times a stated efficiency",
            Source::ProfileAttention => "tile and wave model of flash attention, parameters fitted to measured shapes",
            Source::SheetAttention => "tile and wave model of flash attention, data-sheet peak times a stated efficiency",
            Source::UnfusedAttention => "batched matrix multiplies over the full score matrix and memory passes over it",
            Source::Stream => "bytes over a stated share of memory bandwidth, plus a floor",
            Source::ProfileCollective => "affine pieces fitted to this collective at this rank count inside one domain",
            Source::ScaledCollective => "bus bandwidth measured in this domain at another rank count, latency rescaled",
            Source::SheetCollective => "latency and bus bandwidth of the scale-up fabric's data sheet",
            Source::MultiNodeRule => "bus bandwidth rule over several domains, capped by the bus bandwidth inside one",
            Source::Link => "latency and rate of one link",
            Source::Fixed => "a stated constant",
        }
    }
}

/// A time with its grade and origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timed {
    /// Seconds.
    pub time_s: f64,
    /// How well it is founded.
    pub evidence: Evidence,
    /// What it rests on.
    pub source: Source,
}

impl Timed {
    /// Nothing to do.
    pub const ZERO: Timed = Timed {
        time_s: 0.0,
        evidence: Evidence::Measured,
        source: Source::Fixed,
    };

    /// The same grade and origin, `factor` times as long.
    #[must_use]
    pub fn times(self, factor: f64) -> Timed {
        Timed {
            time_s: self.time_s * factor,
            ..self
        }
    }
}
