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
    /// This matrix multiply was measured.
    MeasuredGemm,
    /// Wave model of matrix multiplies, corrected by measured shapes near it.
    NearGemm,
    /// Wave model of matrix multiplies with fitted parameters.
    ProfileGemm,
    /// The same with the parameters of another number format.
    SiblingGemm,
    /// The same with the parameters of another device of the architecture.
    ArchitectureGemm,
    /// Wave model of matrix multiplies with data-sheet peak and stated efficiencies.
    SheetGemm,
    /// Multiplies of experts by parameters fitted to grouped kernels or beside the dense ones.
    ProfileGrouped,
    /// Multiplies of experts with data-sheet peak and stated efficiencies.
    SheetGrouped,
    /// This attention was measured with a kernel that trains.
    MeasuredAttention,
    /// Wave model of flash attention, corrected by measured shapes near it.
    NearAttention,
    /// Wave model of flash attention with fitted parameters.
    ProfileAttention,
    /// The same with the parameters of another number format.
    SiblingAttention,
    /// The same with the parameters of another device of the architecture.
    ArchitectureAttention,
    /// Wave model of flash attention with data-sheet peak and stated efficiencies.
    SheetAttention,
    /// Batched matrix multiplies and passes over the score matrix.
    UnfusedAttention,
    /// Bytes over a share of memory bandwidth.
    Stream,
    /// This collective, rank count and size was measured.
    MeasuredCollective,
    /// Between measured sizes of this collective and rank count.
    NearCollective,
    /// Affine pieces fitted to this collective and rank count, or its last measured rate.
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
            Source::MeasuredGemm => "this very matrix multiply, timed on this device",
            Source::NearGemm => "tile and wave model of matrix multiplies, corrected by measured shapes near this one",
            Source::SiblingGemm => "tile and wave model of matrix multiplies, parameters fitted to another number format",
            Source::ArchitectureGemm => "tile and wave model of matrix multiplies, parameters fitted to another device of the architecture",
            Source::SheetGemm => "tile and wave model of matrix multiplies, data-sheet peak times a stated efficiency",
            Source::ProfileGrouped => "tile and wave model of the experts' multiplies, parameters fitted to measured shapes",
            Source::SheetGrouped => "tile and wave model of the experts' multiplies, data-sheet peak times a stated efficiency",
            Source::ProfileAttention => "tile and wave model of flash attention, parameters fitted to measured shapes",
            Source::MeasuredAttention => "this very attention, timed on this device with a kernel that trains",
            Source::NearAttention => "tile and wave model of flash attention, corrected by measured shapes near this one",
            Source::SiblingAttention => "tile and wave model of flash attention, parameters fitted to another number format",
            Source::ArchitectureAttention => {
                "tile and wave model of flash attention, parameters fitted to another device of the architecture"
            }
            Source::SheetAttention => "tile and wave model of flash attention, data-sheet peak times a stated efficiency",
            Source::UnfusedAttention => "batched matrix multiplies over the full score matrix and memory passes over it",
            Source::Stream => "bytes over a stated share of memory bandwidth, plus a floor",
            Source::MeasuredCollective => "this very collective, rank count and size, timed inside one domain",
            Source::NearCollective => "between measured sizes of this collective at this rank count inside one domain",
            Source::ProfileCollective => "affine pieces fitted to this collective at this rank count inside one domain",
            Source::ScaledCollective => "bus bandwidth measured in this domain at another rank count, latency rescaled",
            Source::SheetCollective => "latency and bus bandwidth of the scale-up fabric's data sheet",
            Source::MultiNodeRule => "bus bandwidth rule over several domains, capped by the bus bandwidth inside one",
            Source::Link => "latency and rate of one link",
            Source::Fixed => "a stated constant",
        }
    }

    /// Mean error of such a time that is to be expected, as a fraction of it; 0 where there is none.
    ///
    /// Of kernels alone, on tables that were held out: repeats of a measurement differ by 3 %;
    /// between measured shapes 3.5 to 6.5 % (median of 30 tables of products 3.3 %, of attention
    /// 4.6 %); the fitted model alone 5.7 % and 8.5 %; fp8 by the parameters of mxfp8 and the reverse
    /// 13 % (median of 16, sides of 4,096 and more); parts of one architecture that differ in memory
    /// and size 18 % (B200 and RTX PRO 6000, either way; those of one kind 5 to 8 %); constant
    /// efficiency 30 %. Collectives: 6 % between sizes and by pieces alike, 9 to 11 % at other rank
    /// counts, 11.6 % (the ninetieth percentile of 20 published runs) between domains; data sheets
    /// as the alpha-beta model that they fill, 32 %.
    #[must_use]
    pub fn error_fraction(self) -> f64 {
        match self {
            Source::MeasuredGemm | Source::MeasuredAttention | Source::MeasuredCollective => 0.03,
            Source::NearGemm | Source::NearAttention => 0.05,
            Source::NearCollective => 0.06,
            Source::ProfileGemm | Source::ProfileAttention | Source::ProfileCollective => 0.09,
            Source::ProfileGrouped | Source::ScaledCollective => 0.12,
            Source::MultiNodeRule => 0.12,
            Source::SiblingGemm | Source::SiblingAttention => 0.13,
            Source::ArchitectureGemm | Source::ArchitectureAttention => 0.18,
            Source::SheetGemm | Source::SheetGrouped | Source::SheetAttention | Source::SheetCollective => 0.3,
            Source::UnfusedAttention | Source::Stream | Source::Link => 0.3,
            Source::Fixed => 0.0,
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
