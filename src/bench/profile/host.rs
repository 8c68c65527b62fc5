//! The host as entries of the catalog: a device, its links, a node and the software that ran on it.
//!
//! Ids are those of the built-in host, so that a scenario on `cpu-host` becomes one on the machine that was
//! measured.

use super::{Record, STREAM_EFFICIENCY, quoted};
use crate::bench::{Item, Pass};
use crate::catalog::DType;
use std::fmt::Write;

/// Id of the links between devices of the host.
pub(super) const FABRIC: &str = "cpu-host-memory";

/// Watts of a core under load, idle and of the board around them; kilograms of a server (estimates: no
/// counter was read). See hardware/accelerators/host.toml.
const CORE_W: f64 = 8.0;
const BOARD_W: f64 = 60.0;
const SERVER_KG_CO2E: f64 = 1300.0;

/// The entries, as text.
pub(super) fn entries(record: &Record, bandwidth: f64) -> String {
    let environment = record.environment;
    let peaks = record.peaks();
    let wide = peaks.get(&DType::F32).or_else(|| peaks.values().next()).copied().unwrap_or(1e9);
    let n_devices = environment.n_devices.max(1);
    let memory = environment.memory_bytes.unwrap_or(16e9).max(1e8) / n_devices as f64;
    let tdp_w = (CORE_W * environment.n_units as f64).max(1.0);
    let title = quoted(&environment.device);
    let mut out = format!(
        "
[accelerator.cpu-host]
title = {title}
vendor = \"host\"
architecture = \"cpu\"
n_compute_units = {units}
memory_bytes = {memory:.0}
memory_bytes_per_s = {bandwidth:.4e}
tdp_w = {tdp_w:.1}
idle_w = {idle:.1}
profile = {profile}
source = \"measured here\"
estimates = [\"tdp_w\", \"idle_w\", \"peak.bf16_flop_per_s\"]
note = \"{CORE_W} W for each core and a quarter of it idle; 16-bit products run in fp32.\"

[accelerator.cpu-host.peak]
",
        units = environment.n_units.max(1),
        idle = tdp_w / 4.0,
        profile = quoted(record.name),
    );
    for (dtype, rate) in &peaks {
        let _ = writeln!(out, "{dtype}_flop_per_s = {:.4e}", rate * 1.0001);
    }
    if !peaks.contains_key(&DType::Bf16) {
        let _ = writeln!(out, "bf16_flop_per_s = {:.4e}", wide * 1.0001);
    }
    let _ = writeln!(out, "vector_flop_per_s = {wide:.4e}\nsource = \"measured here\"");
    out.push_str(&links(record, bandwidth));
    let total_w = tdp_w * n_devices as f64;
    let _ = write!(
        out,
        "
[node.cpu-host]
title = {title}
accelerator = \"cpu-host\"
n_devices = {n_devices}
scale_up = \"{FABRIC}\"
scale_up_domain = {n_devices}
scale_out = \"eth-10g\"
nic_bytes_per_s = 1.25e9
host_memory_bytes = {host:.0}
idle_w = {idle:.1}
active_w = {active:.1}
max_w = {max:.1}
embodied_kg_co2e = {SERVER_KG_CO2E}
source = \"measured here\"
estimates = [\"nic_bytes_per_s\", \"scale_out\", \"idle_w\", \"active_w\", \"max_w\", \"embodied_kg_co2e\"]
note = \"A 10 Gb/s network is assumed between hosts; {BOARD_W} W for the board.\"
",
        host = memory * n_devices as f64,
        idle = BOARD_W + total_w / 4.0,
        active = BOARD_W + 0.9 * total_w,
        max = BOARD_W + total_w,
    );
    out.push_str(&stack(record, bandwidth));
    out
}

fn links(record: &Record, bandwidth: f64) -> String {
    // Small buffers stay in caches and are faster than memory: the links are as fast as the fastest of them.
    let rate = bandwidth.max(record.bus() * 1.001);
    let times = record.list.iter().filter(|m| matches!(m.item, Item::Collective { .. }));
    let least_s = times.map(|m| m.sample.median_s).fold(f64::INFINITY, f64::min);
    let latency_s = if least_s.is_finite() { least_s.min(1.0) } else { 1e-6 };
    format!(
        "
[fabric.{FABRIC}]
title = \"Memory shared by the devices of a host\"
kind = \"scale-up\"
topology = \"switched\"
bytes_per_s = {rate:.4e}
latency_s = {latency_s:.3e}
max_domain = 1024
source = \"measured here\"
note = \"The faster of memory bandwidth and the best bus bandwidth of a collective; latency of the shortest one.\"
"
    )
}

/// The software that was measured: no element-wise work of it is better known than by its kernels.
fn stack(record: &Record, bandwidth: f64) -> String {
    // Elements of 4 bytes where the planner counts 2.
    let passes = 2.0;
    let share = |pass| record.stream_efficiency(pass, passes, bandwidth);
    let (forward, backward) = (share(Pass::Forward), share(Pass::Backward));
    let estimates = if forward.is_some() && backward.is_some() {
        ""
    } else {
        "\"stream_forward_efficiency\", \"stream_backward_efficiency\", "
    };
    let bounded = |share: Option<f64>| share.unwrap_or(STREAM_EFFICIENCY).clamp(0.01, 1.0);
    format!(
        "
[stack.cpu-host]
title = {title}
flash_attention = true
skips_masked = true
fuses_gradient_sum = false
passes = {passes}
stream_forward_efficiency = {f:.4}
stream_backward_efficiency = {b:.4}
launch_s = 0.0
kernel_floor_s = 0.0
kernels_per_layer = 0
hides_tensor_backward = false
tensor_overlap_fraction = 0.0
data_overlap_fraction = 0.0
pipeline_overlap_fraction = 0.0
expert_overlap_fraction = 0.0
context_overlap_fraction = 0.0
math_slowdown = 1.0
communication_slowdown = 1.0
sustained_factor = 1.0
expert_imbalance = 1.0
straggler_sigma = 0.0
fp32_gradients = false
fused_loss = true
usual_recompute = \"none\"
source = \"measured here\"
estimates = [{estimates}\"expert_imbalance\"]
note = \"Compiled programs: no launches, nothing beside each other. Efficiencies: bytes of fused kernels in 16 bits, twice, over their times.\"
",
        title = quoted(&record.environment.software.join("; ")),
        f = bounded(forward),
        b = bounded(backward),
    )
}
