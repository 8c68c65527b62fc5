//! Electricity by phase of the run, and by the equipment that draws it.
//!
//! A node draws `idle + u (active − idle)`, where u depends on what it does. Device TDP times hours,
//! the convention of model cards, is 18 to 28 % below measured H100 nodes; nameplate is 49 % above.
//! The u below are the fit of [`crate::study::power`] to six MLPerf power logs of language models
//! (v4.0, v4.1, v5.0); with each left out in turn the mean power of its nodes is met within 10 %.
//! Memory-bound kernels are no phase of their own: the nodes of the DLRM log, bound by memory, draw 97 %
//! of those of the best LoRA log. Nor are number formats: large kernels sit at the board's limit in all
//! of them (97 to 98 % of it in the `sustained` tables of aiconfigurator @095f58a).

use super::BillInput;
use crate::catalog::Node;

/// Power of a device at work over its board limit; 0.97 to 1.05 with a log left out.
pub const DEVICE_FRACTION: f64 = 0.99;
/// Math, recomputation, optimizer: 1 by the definition of a node's active power.
pub const MATH_FRACTION: f64 = 1.0;
/// Exposed communication, pipeline bubbles, waiting for a slow rank, a launch or a dead one; 0 to 0.14
/// with a log left out. "Near idle" in Choukse et al., arXiv 2508.14318.
pub const WAIT_FRACTION: f64 = 0.03;
/// Evaluation, over the training step: forward passes with pauses between; 0.3 to 0.93 with a log left out.
pub const EVALUATION_FRACTION: f64 = 0.87;
/// Checkpoints and planned pauses: about 100 W per H100, Morrison et al., arXiv 2503.05804.
pub const CHECKPOINT_FRACTION: f64 = 0.05;
/// Restart, initialization, compilation: MLPerf logs read 2.5 to 2.85 kW per H100 node at run start.
pub const RESTART_FRACTION: f64 = 0.05;
/// Least share of nameplate to provision: Dell's air-cooled H100 nodes peak there (MLPerf v4.1).
pub const PROVISIONED_FRACTION: f64 = 0.84;

/// Energy of a run. Math, communication, bubble, lost, idle, network and storage sum to `it_j`, and so
/// do devices, hosts, network and storage; with cooling to `facility_j`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Energy {
    /// Nodes during math, recomputation and optimizer.
    pub math_j: f64,
    /// Of it, during recomputation.
    pub recompute_j: f64,
    /// Of it, during the optimizer's passes over memory.
    pub optimizer_j: f64,
    /// Nodes during exposed communication.
    pub communication_j: f64,
    /// Nodes during pipeline bubbles, launch bounds and stragglers.
    pub bubble_j: f64,
    /// Nodes during lost time: checkpoints, rework, restarts, detection, pauses.
    pub lost_j: f64,
    /// Of it, during restarts and detection.
    pub restart_j: f64,
    /// Spare nodes, idle.
    pub idle_j: f64,
    /// Switches and optics.
    pub network_j: f64,
    /// Storage of checkpoints and data.
    pub storage_j: f64,
    /// All IT equipment.
    pub it_j: f64,
    /// The part of the nodes that their devices draw.
    pub devices_j: f64,
    /// The rest of the nodes: processors, memory, network cards, fans, conversion.
    pub hosts_j: f64,
    /// Cooling and power conversion, the part of PUE above 1.
    pub cooling_j: f64,
    /// At the utility meter.
    pub facility_j: f64,
    /// Power usage effectiveness that was used: of the months of the run where the region has them.
    pub pue: f64,
    /// Mean power at the meter.
    pub mean_w: f64,
    /// Power to provide for at the meter.
    pub peak_w: f64,
    /// Power to provide for the IT equipment alone.
    pub peak_it_w: f64,
    /// IT power between the math of a step and its waiting, which all nodes reach together.
    pub swing_it_w: f64,
    /// Device TDP × wall time, without host and PUE: what model cards print. For comparison only.
    pub tdp_convention_j: f64,
}

impl Energy {
    /// Name and joules of the parts that sum to `facility_j`, in display order.
    #[must_use]
    pub fn list(&self) -> [(&'static str, f64); 8] {
        [
            ("math_j", self.math_j),
            ("communication_j", self.communication_j),
            ("bubble_j", self.bubble_j),
            ("lost_j", self.lost_j),
            ("idle_j", self.idle_j),
            ("network_j", self.network_j),
            ("storage_j", self.storage_j),
            ("cooling_j", self.cooling_j),
        ]
    }

    /// The same with names for people.
    #[must_use]
    pub fn named(&self) -> [(&'static str, f64); 8] {
        self.list().map(|(key, j)| {
            let name = match key {
                "bubble_j" => "bubble and waiting",
                "lost_j" => "lost time",
                "idle_j" => "idle spares",
                "cooling_j" => "cooling and conversion",
                other => other.trim_end_matches("_j"),
            };
            (name, j)
        })
    }

    /// The same by equipment.
    #[must_use]
    pub fn equipment(&self) -> [(&'static str, f64); 5] {
        [
            ("devices_j", self.devices_j),
            ("hosts_j", self.hosts_j),
            ("network_j", self.network_j),
            ("storage_j", self.storage_j),
            ("cooling_j", self.cooling_j),
        ]
    }
}

/// AC power of a node that is busy to this fraction.
#[must_use]
pub fn node_w(node: &Node, busy_fraction: f64) -> f64 {
    node.idle_w + busy_fraction * (node.active_w - node.idle_w)
}

/// Seconds of a run by what its nodes do.
struct Seconds {
    math_s: f64,
    communication_s: f64,
    bubble_s: f64,
    /// Lost time that draws what a step does.
    stepping_s: f64,
    evaluation_s: f64,
    detect_s: f64,
    restart_s: f64,
    paused_s: f64,
}

impl Seconds {
    fn of(input: &BillInput) -> Seconds {
        let (run, parts, lost) = (input.run, &input.step.parts, &input.run.lost);
        #[allow(clippy::cast_precision_loss)]
        let n_steps = run.n_steps as f64;
        let communication_s = parts.tensor_s + parts.context_s + parts.expert_s + parts.pipeline_s + parts.data_s + parts.host_s;
        Seconds {
            math_s: n_steps * (parts.math_s + parts.recompute_s + parts.optimizer_s),
            communication_s: n_steps * communication_s,
            bubble_s: n_steps * (parts.bubble_s + parts.other_s),
            stepping_s: lost.rework_s + lost.rollback_s + lost.slow_s + lost.degraded_s,
            evaluation_s: lost.evaluation_s,
            detect_s: lost.detect_s,
            restart_s: lost.restart_s,
            paused_s: lost.checkpoint_s + lost.planned_s + lost.wait_s,
        }
    }
}

/// Energy of a run.
///
/// Rework is training again and draws the mean power of a step; undetected failures leave the other
/// nodes spinning in a collective. PUE applies once, to nodes, network and storage together.
#[must_use]
pub fn energy(input: &BillInput) -> Energy {
    let run = input.run;
    let s = Seconds::of(input);
    let all_w = |busy_fraction: f64| input.n_nodes * node_w(input.node, busy_fraction);
    let network = input.finance.network_power_fraction;
    #[allow(clippy::cast_precision_loss)]
    let n_steps = run.n_steps as f64;

    let math_j = s.math_s * all_w(MATH_FRACTION);
    let communication_j = s.communication_s * all_w(WAIT_FRACTION);
    let bubble_j = s.bubble_s * all_w(WAIT_FRACTION);
    let step_w = if run.ideal_s > 0.0 {
        (math_j + communication_j + bubble_j) / run.ideal_s
    } else {
        0.0
    };
    let evaluation_w = all_w(0.0) + EVALUATION_FRACTION * (step_w - all_w(0.0)).max(0.0);
    let restart_j = s.detect_s * all_w(WAIT_FRACTION) + s.restart_s * all_w(RESTART_FRACTION);
    let lost_j = s.stepping_s * step_w + s.evaluation_s * evaluation_w + restart_j + s.paused_s * all_w(CHECKPOINT_FRACTION);
    let idle_j = input.n_spare_nodes * input.node.idle_w * run.wall_s;
    let nodes_j = math_j + communication_j + bubble_j + lost_j + idle_j;
    let network_j = network * nodes_j;
    let storage_j = super::cost::stored_tb(input) * input.finance.storage_w_per_tb * run.wall_s;
    let it_j = nodes_j + network_j + storage_j;
    let pue = input.pue();
    let cooling_j = it_j * (pue - 1.0);
    let facility_j = it_j + cooling_j;
    let devices_j = devices_j(input, nodes_j);
    let peak_it_w = input.held_nodes() * input.node.active_w.max(PROVISIONED_FRACTION * input.node.max_w) * (1.0 + network);
    Energy {
        math_j,
        recompute_j: n_steps * input.step.parts.recompute_s * all_w(MATH_FRACTION),
        optimizer_j: n_steps * input.step.parts.optimizer_s * all_w(MATH_FRACTION),
        communication_j,
        bubble_j,
        lost_j,
        restart_j,
        idle_j,
        network_j,
        storage_j,
        it_j,
        devices_j,
        hosts_j: nodes_j - devices_j,
        cooling_j,
        facility_j,
        pue,
        mean_w: if run.wall_s > 0.0 { facility_j / run.wall_s } else { 0.0 },
        peak_w: peak_it_w * pue,
        peak_it_w,
        swing_it_w: all_w(MATH_FRACTION) - all_w(WAIT_FRACTION),
        tdp_convention_j: input.accelerator.tdp_w * input.n_devices() * run.wall_s,
    }
}

/// What the devices draw of the nodes' energy: idle and, while busy, up to [`DEVICE_FRACTION`] of their
/// limit, as the nodes go from idle to active; never more than the nodes do.
fn devices_j(input: &BillInput, nodes_j: f64) -> f64 {
    let (node, device) = (input.node, input.accelerator);
    let dynamic_w = node.active_w - node.idle_w;
    if dynamic_w <= 0.0 {
        // A convention that charges a constant power charges it for the devices.
        return nodes_j;
    }
    let (nodes, n, wall_s) = (input.held_nodes(), f64::from(node.n_devices), input.run.wall_s);
    let busy_node_s = (nodes_j - nodes * node.idle_w * wall_s).max(0.0) / dynamic_w;
    let active_w = (DEVICE_FRACTION * device.tdp_w - device.idle_w).max(0.0);
    (nodes * n * device.idle_w * wall_s + busy_node_s * n * active_w).min(nodes_j)
}
