//! What lies in host memory, and what has to cross the host link for it.

use super::activation::{ActivationRules, Activations};
use super::memory::{DeviceParams, device_params, shards};
use super::{Layout, Sharding, StageShape};
use crate::workload::Workload;

/// Layers whose activations are on the device although they are offloaded: the one running, one
/// leaving and one arriving (vDNN copies a layer's while the next runs and fetches one layer ahead,
/// arXiv 1602.08124 §3.2; Transformer Engine's `cpu_offload` with double buffers). A forward's
/// copies out and the next backward's copies in overlap in a pipeline, so both are counted.
const RESIDENT_LAYERS: f64 = 3.0;

/// What offloaded activations still take of the device, out of `held_bytes`.
#[must_use]
pub fn resident_bytes(held_bytes: f64, shape: &StageShape, layers: &Activations) -> f64 {
    let largest = layers.largest(shape, |layer| layer.kept_bytes);
    held_bytes.min(RESIDENT_LAYERS * largest)
}

/// Bytes that one micro-batch moves to the host after the forward of a chunk, and back before its
/// backward; 0 where activations stay.
#[must_use]
pub fn offloaded_activation_bytes(workload: &Workload, layout: &Layout, shape: &StageShape, rules: ActivationRules) -> f64 {
    if !layout.offload.activations() {
        return 0.0;
    }
    Activations::of(workload, layout, rules).kept_bytes(shape)
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

/// Host memory of one device's offloaded optimizer: master weights, moments and the gradients they
/// are updated with (ZeRO-Offload, arXiv 2101.06840 §4). Activations that are offloaded take what
/// all that are under way take: those still on the device included, buffers are not freed early.
#[must_use]
pub fn offloaded_optimizer_bytes(workload: &Workload, layout: &Layout, params: DeviceParams) -> f64 {
    let p = &workload.precision;
    owned(layout, params) * (p.optimizer_bytes + p.gradient_bytes)
}
