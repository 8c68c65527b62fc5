//! A scenario that differs from one that was read, without reading again.

use super::own::OWN;
use crate::catalog::default_storage;
use crate::plan::Scenario;

impl Scenario {
    /// The same on another number of nodes, as `--set cluster.nodes=N` would make it. Assumptions and
    /// digest stay those of the scenario as it was read.
    #[must_use]
    pub fn with_nodes(&self, n_nodes: u32) -> Scenario {
        let mut other = self.clone();
        other.cluster.n_nodes = n_nodes;
        if other.cluster.name == OWN {
            other.cluster.title = format!("{n_nodes} × {}", other.cluster.node.title);
            // Storage that nobody stated grows with the nodes; a cluster of the catalog has its own.
            if self.assumptions.iter().any(|a| a.key == "cluster.storage") {
                other.cluster.storage_bytes_per_s = default_storage(f64::from(n_nodes));
            }
        }
        other
    }
}
