//! Nodes and clusters.

use super::accelerator::Money3;
use super::reliability::Reliability;

/// A server, or the part of a rack that is scheduled as one.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Catalog id.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Accelerator id.
    pub accelerator: String,
    /// Devices per node.
    pub n_devices: u32,
    /// Fabric id of the scale-up links.
    pub scale_up: String,
    /// Devices that share one scale-up domain (72 for an NVL72 rack of 4-device trays).
    pub scale_up_domain: u32,
    /// Fabric id of the scale-out network.
    pub scale_out: String,
    /// Scale-out bandwidth per device, one direction.
    pub nic_bytes_per_s: f64,
    /// Host memory.
    pub host_memory_bytes: f64,
    /// Measured (or estimated) AC power when idle.
    pub idle_w: f64,
    /// Measured (or estimated) AC power under sustained training math.
    pub active_w: f64,
    /// Nameplate power.
    pub max_w: f64,
    /// Cradle-to-gate footprint of the whole server.
    pub embodied_kg_co2e: f64,
    /// Purchase price of the whole server, if known.
    pub price: Option<Money3>,
}

/// One level of a scale-out network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Devices below one switch group of this level.
    pub n_devices: u32,
    /// Down-link over up-link bandwidth leaving the group.
    pub oversubscription: f64,
}

/// A named cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Catalog id.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// What a node is.
    pub node: Node,
    /// How many nodes.
    pub n_nodes: u32,
    /// Scale-out levels, innermost first.
    pub levels: Vec<Level>,
    /// Delivered storage write bandwidth of the whole cluster.
    pub storage_bytes_per_s: f64,
    /// Failure behaviour.
    pub reliability: Reliability,
    /// Region id.
    pub region: String,
    /// Rails of a rail-optimized network: devices of the same index in their nodes share leaf switches.
    pub rails: Option<u32>,
    /// Devices of one pod (torus slice, rack row) that the scale-up or innermost network joins.
    pub pod_devices: Option<u32>,
    /// Models it is publicly known to have trained, by name.
    pub known_for: Vec<String>,
}
