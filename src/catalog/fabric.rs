//! Fabrics: the links inside a scale-up domain and between domains.

/// How the devices of a fabric are wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// Every device reaches every other at full rate through switches.
    Switched,
    /// Direct links from each device to each other one of the domain (AMD UBB, Gaudi).
    Mesh,
    /// A torus with this many dimensions (TPU).
    Torus {
        /// Number of wrapped dimensions.
        dims: u32,
    },
}

/// A network technology. Bandwidths are one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Fabric {
    /// Catalog id.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// True for links inside a scale-up domain.
    pub scale_up: bool,
    /// Wiring.
    pub topology: Topology,
    /// All links of one device (scale-up) or one port (scale-out).
    pub bytes_per_s: f64,
    /// Time of a small message between two devices.
    pub latency_s: f64,
    /// Large-message ring bus bandwidth over `bytes_per_s`.
    pub ring_efficiency: f64,
    /// Bus bandwidth of an in-network all-reduce over `bytes_per_s`, where the fabric reduces.
    pub in_network_efficiency: Option<f64>,
    /// Largest scale-up domain in devices; 0 for scale-out.
    pub max_domain: u32,
}
