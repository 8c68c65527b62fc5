//! Accelerators: what one schedulable device can do, as data.

use std::collections::BTreeMap;
use std::fmt;

/// A number format that arithmetic runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// IEEE double precision.
    F64,
    /// IEEE single precision on the matrix path.
    F32,
    /// TensorFloat-32.
    Tf32,
    /// bfloat16.
    Bf16,
    /// IEEE half precision; uses the bf16 kernel surfaces.
    Fp16,
    /// FP8 with one scale per tensor.
    Fp8,
    /// FP8 with a scale per 32-element block (MXFP8).
    Mxfp8,
    /// FP4 with a scale per 16-element block (NVFP4).
    Nvfp4,
    /// 8-bit integer.
    Int8,
}

impl DType {
    /// Every format, in the order they are listed to users.
    pub const ALL: [DType; 9] = [
        DType::F64,
        DType::F32,
        DType::Tf32,
        DType::Bf16,
        DType::Fp16,
        DType::Fp8,
        DType::Mxfp8,
        DType::Nvfp4,
        DType::Int8,
    ];

    /// The name used in files and output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            DType::F64 => "fp64",
            DType::F32 => "fp32",
            DType::Tf32 => "tf32",
            DType::Bf16 => "bf16",
            DType::Fp16 => "fp16",
            DType::Fp8 => "fp8",
            DType::Mxfp8 => "mxfp8",
            DType::Nvfp4 => "nvfp4",
            DType::Int8 => "int8",
        }
    }

    /// The format with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|d| d.name() == name)
    }

    /// Bytes of one element as it lies in memory, block scales included
    /// (OCP Microscaling Formats v1.0: one scale byte per 32 FP8 elements; NVFP4 one per 16).
    #[must_use]
    pub fn bytes(self) -> f64 {
        match self {
            DType::F64 => 8.0,
            DType::F32 | DType::Tf32 => 4.0,
            DType::Bf16 | DType::Fp16 => 2.0,
            DType::Fp8 | DType::Int8 => 1.0,
            DType::Mxfp8 => 1.0 + 1.0 / 32.0,
            DType::Nvfp4 => 0.5 + 1.0 / 16.0,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Peak arithmetic rates. Dense only: a sparse figure cannot be represented.
#[derive(Debug, Clone, PartialEq)]
pub struct Peak {
    /// Dense matrix rate per format, FLOP/s.
    pub dense_flop_per_s: BTreeMap<DType, f64>,
    /// fp32 rate of the vector units, FLOP/s.
    pub vector_flop_per_s: f64,
}

impl Peak {
    /// Matrix rate for `dtype`. MXFP8 falls back to FP8 and fp16 to bf16, which have the same
    /// tensor-core rate on every part of the catalog; a format the device lacks is `None`.
    #[must_use]
    pub fn matrix_flop_per_s(&self, dtype: DType) -> Option<f64> {
        let get = |d: DType| self.dense_flop_per_s.get(&d).copied();
        get(dtype).or_else(|| match dtype {
            DType::Mxfp8 => get(DType::Fp8),
            DType::Fp16 => get(DType::Bf16),
            DType::Bf16 => get(DType::Fp16),
            _ => None,
        })
    }
}

/// One device as the framework schedules it: a GPU, a GCD, a TPU chip.
#[derive(Debug, Clone, PartialEq)]
pub struct Accelerator {
    /// Catalog id.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Vendor, lower case.
    pub vendor: String,
    /// Architecture family, lower case (`hopper`).
    pub architecture: String,
    /// Arithmetic rates.
    pub peak: Peak,
    /// Streaming multiprocessors or their like.
    pub n_compute_units: u32,
    /// What the device reports as usable memory.
    pub memory_bytes: f64,
    /// Memory bandwidth.
    pub memory_bytes_per_s: f64,
    /// Link to the host, one direction, line coding taken off and packet headers not; if it is known.
    pub host_bytes_per_s: Option<f64>,
    /// Board power limit.
    pub tdp_w: f64,
    /// Idle board power.
    pub idle_w: f64,
    /// Cradle-to-gate footprint of the module, if a value is known.
    pub embodied_kg_co2e: Option<f64>,
    /// Street price of one device, if a value is known.
    pub price: Option<Money3>,
    /// Share of the 16-bit peak that large matrix products reach, where no profile says it and it is known.
    pub matrix_efficiency: Option<f64>,
    /// Name of the kernel profile that times its operations, if one was measured.
    pub profile: Option<String>,
}

/// A price with its range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Money3 {
    /// Lower end.
    pub low_usd: f64,
    /// Default.
    pub base_usd: f64,
    /// Upper end.
    pub high_usd: f64,
}
