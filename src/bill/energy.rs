//! Electricity by phase of the run.
//!
//! A node draws `idle + u (active − idle)`, where u depends on what it does. Device TDP times hours,
//! the convention of model cards, is 18 to 28 % below measured H100 nodes; nameplate is 49 % above.
//! The u below reproduce node power in the MLPerf Training v4.0, v4.1 and v5.0 power logs.

use super::BillInput;
use crate::catalog::Node;

/// Math, recomputation, optimizer: 1 by the definition of a node's active power (plateaus of MLPerf
/// power logs lie at 0.93 to 1.0 of it).
pub const MATH_FRACTION: f64 = 1.0;
/// Exposed communication, pipeline bubbles, waiting for a slow rank, a launch or a dead one. Estimate
/// (0.05 to 0.4): near idle in Choukse et al., arXiv 2508.14318, but collectives spin on the device.
pub const WAIT_FRACTION: f64 = 0.15;
/// Checkpoints, evaluation, planned pauses: about 100 W per H100, Morrison et al., arXiv 2503.05804.
pub const CHECKPOINT_FRACTION: f64 = 0.05;
/// x
pub const DEVICE_FRACTION: f64 = 0.99;
/// x
pub const EVALUATION_FRACTION: f64 = 0.85;
/// Restart, initialization, compilation: MLPerf logs read 2.5 to 2.85 kW per H100 node at run start.
pub const RESTART_FRACTION: f64 = 0.05;
/// Least share of nameplate to provision: Dell's air-cooled H100 nodes peak there (MLPerf v4.1).
pub const PROVISIONED_FRACTION: f64 = 0.84;

/// Energy of a run. Math, communication, bubble, lost and network sum to `it_j`; with cooling to `facility_j`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Energy {
    /// Nodes during math, recomputation and optimizer.
    pub math_j: f64,
    /// Nodes during exposed communication.
    pub communication_j: f64,
    /// Nodes during pipeline bubbles, launch bounds and stragglers.
    pub bubble_j: f64,
    /// Nodes during lost time: checkpoints, rework, restarts, detection, pauses.
    pub lost_j: f64,
    /// Switches and optics.
    pub network_j: f64,
    /// All IT equipment.
    pub it_j: f64,
    /// Cooling and power conversion, the part of PUE above 1.
    pub cooling_j: f64,
    /// At the utility meter.
    pub facility_j: f64,
    /// Mean power at the meter.
    pub mean_w: f64,
    /// Power to provide for at the meter.
    pub peak_w: f64,
    /// Power to provide for the IT equipment alone.
    pub peak_it_w: f64,
    /// Device TDP × wall time, without host and PUE: what model cards print. For comparison only.
    pub tdp_convention_j: f64,
}

impl Energy {
    /// Name and joules of the parts that sum to `facility_j`, in display order.
    #[must_use]
    pub fn list(&self) -> [(&'static str, f64); 6] {
        [
            ("math_j", self.math_j),
            ("communication_j", self.communication_j),
            ("bubble_j", self.bubble_j),
            ("lost_j", self.lost_j),
            ("network_j", self.network_j),
            ("cooling_j", self.cooling_j),
        ]
    }
}

/// AC power of a node that is busy to this fraction.
#[must_use]
pub fn node_w(node: &Node, busy_fraction: f64) -> f64 {
    node.idle_w + busy_fraction * (node.active_w - node.idle_w)
}

/// Energy of a run.
///
/// Rework is training again and draws the mean power of a step; undetected failures leave the other
/// nodes spinning in a collective. PUE applies once, to nodes and network together.
#[must_use]
pub fn energy(input: &BillInput) -> Energy {
    let (run, parts) = (input.run, &input.step.parts);
    #[allow(clippy::cast_precision_loss)]
    let n_steps = run.n_steps as f64;
    let all_w = |busy_fraction: f64| input.n_nodes * node_w(input.node, busy_fraction);
    let network = input.finance.network_power_fraction;

    let math_j = n_steps * (parts.math_s + parts.recompute_s + parts.optimizer_s) * all_w(MATH_FRACTION);
    let communication_s = parts.tensor_s + parts.context_s + parts.expert_s + parts.pipeline_s + parts.data_s + parts.host_s;
    let communication_j = n_steps * communication_s * all_w(WAIT_FRACTION);
    let bubble_j = n_steps * (parts.bubble_s + parts.other_s) * all_w(WAIT_FRACTION);
    let step_w = if run.ideal_s > 0.0 {
        (math_j + communication_j + bubble_j) / run.ideal_s
    } else {
        0.0
    };
    let lost = &run.lost;
    let lost_j = (lost.rework_s + lost.rollback_s + lost.slow_s + lost.degraded_s) * step_w
        + lost.detect_s * all_w(WAIT_FRACTION)
        + lost.restart_s * all_w(RESTART_FRACTION)
        + (lost.checkpoint_s + lost.evaluation_s + lost.planned_s + lost.wait_s) * all_w(CHECKPOINT_FRACTION);
    let network_j = network * (math_j + communication_j + bubble_j + lost_j);
    let it_j = math_j + communication_j + bubble_j + lost_j + network_j;
    let cooling_j = it_j * (input.region.pue - 1.0);
    let facility_j = it_j + cooling_j;
    let peak_it_w = input.n_nodes * input.node.active_w.max(PROVISIONED_FRACTION * input.node.max_w) * (1.0 + network);
    Energy {
        math_j,
        communication_j,
        bubble_j,
        lost_j,
        network_j,
        it_j,
        cooling_j,
        facility_j,
        mean_w: if run.wall_s > 0.0 { facility_j / run.wall_s } else { 0.0 },
        peak_w: peak_it_w * input.region.pue,
        peak_it_w,
        tdp_convention_j: input.accelerator.tdp_w * input.n_devices() * run.wall_s,
    }
}
