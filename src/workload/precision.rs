//! Number formats of a training recipe.

use crate::catalog::DType;

/// Which format each tensor of a step lives or computes in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Precision {
    /// Format of the large matrix multiplies.
    pub compute: DType,
    /// Format of attention, routers, embedding and head.
    pub sensitive: DType,
    /// Bytes of a weight as the forward pass reads it.
    pub weight_bytes: f64,
    /// Bytes of an accumulated gradient.
    pub gradient_bytes: f64,
    /// Bytes of optimizer state per parameter: master copy and moments.
    pub optimizer_bytes: f64,
    /// Bytes of a stored activation element.
    pub activation_bytes: f64,
}

/// How weights are updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Optimizer {
    /// Adam or AdamW: fp32 master weight and two fp32 moments, 12 bytes per parameter.
    AdamW,
    /// AdamW with bf16 moments, 8 bytes per parameter (DeepSeek-V3, arXiv 2412.19437 §3.3.3).
    AdamWBf16,
    /// Stochastic gradient descent with one fp32 momentum and the master weight.
    Sgd,
    /// Muon: one fp32 momentum and the master weight.
    Muon,
}

impl Optimizer {
    /// Every optimizer with its name in files.
    pub const ALL: [(&'static str, Optimizer); 4] = [
        ("adamw", Optimizer::AdamW),
        ("adamw-bf16", Optimizer::AdamWBf16),
        ("sgd", Optimizer::Sgd),
        ("muon", Optimizer::Muon),
    ];

    /// Bytes of state per parameter, master copy included.
    #[must_use]
    pub fn state_bytes(self) -> f64 {
        match self {
            Optimizer::AdamW => 12.0,
            Optimizer::AdamWBf16 | Optimizer::Sgd | Optimizer::Muon => 8.0,
        }
    }
}

impl Precision {
    /// The usual mixed-precision recipe around one compute format. `fp32_gradients` is a
    /// property of the software stack. Weights stay in 16 bits: FP8 and FP4 copies are made
    /// from them on the fly (Transformer Engine, MXFP8 and NVFP4 recipes), and activations are
    /// kept in 16 bits unless the stack says otherwise.
    #[must_use]
    pub fn recipe(compute: DType, optimizer: Optimizer, fp32_gradients: bool) -> Precision {
        let full = matches!(compute, DType::F32 | DType::Tf32 | DType::F64);
        let sixteen = if compute == DType::Fp16 { DType::Fp16 } else { DType::Bf16 };
        Precision {
            compute,
            sensitive: if full { compute } else { sixteen },
            weight_bytes: if full { 4.0 } else { 2.0 },
            gradient_bytes: if full || fp32_gradients { 4.0 } else { 2.0 },
            optimizer_bytes: if full {
                optimizer.state_bytes() - 4.0
            } else {
                optimizer.state_bytes()
            },
            activation_bytes: if full { 4.0 } else { 2.0 },
        }
    }
}
