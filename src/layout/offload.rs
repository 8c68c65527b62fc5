//! What lies in host memory, and what has to cross the host link for it.

use super::activation::{self, ActivationRules, LayerActivations};
use super::memory::{DeviceParams, device_params, shards};
use super::{Layout, Sharding, StageShape};
use crate::catalog::N_KINDS;
use crate::workload::Workload;

/// Layers whose activations are on the device although they are offloaded: the one running, one
/// leaving and one arriving (vDNN copies a layer's while the next runs and fetches one layer ahead,
/// arXiv 1602.08124 §3.2; Transformer Engine's `cpu_offload` with double buffers). A forward's
/// copies out and the next backward's copies in overlap in a pipeline, so both are counted.
const RESIDENT_LAYERS: f64 = 3.0;

/// What offloaded activations still take of the device, out of `held_bytes`.
#[must_use]
pub fn resident_bytes(held_bytes: f64, shape: &StageShape, layers: &[LayerActivations; N_KINDS]) -> f64 {
    let largest = shape.kinds().map(|(kind, _)| layers[kind.index()].kept_bytes).fold(0.0, f64::max);
    held_bytes.min(RESIDENT_LAYERS * largest)
}

/// Bytes that one micro-batch moves to the host after the forward of a chunk, and back before its
/// backward; 0 where activations stay.
#[must_use]
pub fn offloaded_activation_bytes(workload: &Workload, layout: &Layout, shape: &StageShape, rules: ActivationRules) -> f64 {
    if !layout.offload.activations() {
        return 0.0;
    }
    let kept = |kind| activation::layer(workload, layout, kind, rules).kept_bytes;
    shape.kinds().map(|(kind, n)| n * kept(kind)).sum()
}

/// Parameters of one device that its host updates once per step: their gradients go up, their
/// weights come down; 0 where the device does it.
#[must_use]
pub fn offloaded_optimizer_params(workload: &Workload, layout: &Layout, shape: &StageShape) -> f64 {
    if layout.offload.optimizer() {
        owned(layout, device_params(workload, layout, shape))
    } else {
        0.0
    }
}

/// Trained parameters whose optimizer state is a device's own (ZeRO 1 and up share it).
#[must_use]
pub fn owned(layout: &Layout, params: DeviceParams) -> f64 {
    if layout.sharding == Sharding::None {
        return params.trained();
    }
    let (dense, expert) = shards(layout);
    params.trained_dense / dense + params.trained_expert / expert
}

/// Host memory of one device: all activations that are under way (those still on the device
/// included, buffers are not freed early), and master weights, moments and the gradients they are
/// updated with (ZeRO-Offload, arXiv 2101.06840 §4).
#[must_use]
pub fn host_bytes(workload: &Workload, layout: &Layout, held_bytes: f64, params: DeviceParams) -> f64 {
    let p = &workload.precision;
    let activations_bytes = if layout.offload.activations() { held_bytes } else { 0.0 };
    let optimizer_bytes = if layout.offload.optimizer() {
        owned(layout, params) * (p.optimizer_bytes + p.gradient_bytes)
    } else {
        0.0
    };
    activations_bytes + optimizer_bytes
}
