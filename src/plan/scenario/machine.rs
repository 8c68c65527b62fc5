//! `[cluster]`: a catalog cluster, or a node and a count, with what the scenario changes.

use super::Builder;
use super::own::OWN;
use crate::catalog::ranges::{BANDWIDTH, MAX_DEVICES, MAX_NODES};
use crate::catalog::raw::Value;
use crate::catalog::reader::{Bounds::Within, Reader};
use crate::catalog::{Cluster, Fabric, Node, Reliability};
use crate::units::Unit;

impl Builder<'_> {
    pub(super) fn cluster(&mut self, root: &Reader<'_>) -> Option<Cluster> {
        let Some(c) = self.section(root, "cluster") else {
            root.problem(
                "cluster",
                "`[cluster]` is missing",
                "add [cluster] with node = \"dgx-h100\" and nodes = 128, or use = \"...\"",
            );
            return None;
        };
        let nodes = c.count("nodes", 1, MAX_NODES).and_then(|n| u32::try_from(n).ok());
        let base = match c.text("use") {
            Some(name) => self.get::<Cluster>(&name, &c.place("use")),
            None => self.own_cluster(&c, nodes),
        };
        let accelerator = c.text("accelerator");
        let fabric = c.text("fabric");
        let nic = c.written("nic", Unit::BytesPerS, BANDWIDTH);
        let region = c.text("region");
        let storage = c.written("storage", Unit::BytesPerS, BANDWIDTH);
        if let Some(name) = c.text("profile") {
            self.profile = Some((name, c.place("profile")));
        }
        let oversubscription = c.number("oversubscription", Unit::One, Within(1.0, 1000.0));
        c.finish();
        let mut cluster = base?;
        if let Some(n) = nodes {
            cluster.n_nodes = n;
        }
        if let Some(name) = accelerator {
            cluster.node.accelerator = self.get::<crate::catalog::Accelerator>(&name, &c.place("accelerator"))?.name;
        }
        if let Some(name) = fabric {
            let fabric = self.get::<Fabric>(&name, &c.place("fabric"))?;
            if fabric.scale_up {
                c.problem(
                    "fabric",
                    format!("`{name}` is a scale-up fabric"),
                    "name a scale-out network; `exaplan catalog list fabric` lists them",
                );
            }
            let own_nic = matches!(c.item("node").map(|i| &i.value), Some(Value::Table(t)) if t.get("nic_bytes_per_s").is_some());
            if nic.is_none() && !own_nic && fabric.name != cluster.node.scale_out {
                // The node's own network cards are for the other network.
                cluster.node.nic_bytes_per_s = fabric.bytes_per_s;
                let rate = crate::units::si(fabric.bytes_per_s, "B/s");
                self.assume("cluster.nic", rate, format!("default: one port of `{}` per device", fabric.name));
            }
            cluster.node.scale_out = fabric.name;
        }
        if let Some(rate) = nic {
            cluster.node.nic_bytes_per_s = rate;
        }
        match region {
            Some(name) => cluster.region = self.get::<crate::catalog::Region>(&name, &c.place("region"))?.name,
            None => self.assume("cluster.region", cluster.region.clone(), "default"),
        }
        match storage {
            Some(rate) => cluster.storage_bytes_per_s = rate,
            None => self.assume(
                "cluster.storage",
                crate::units::si(cluster.storage_bytes_per_s, "B/s"),
                "default (estimate: 1 GB/s per node, at most 2 TB/s)",
            ),
        }
        let n_devices = u64::from(cluster.n_nodes) * u64::from(cluster.node.n_devices);
        if n_devices > MAX_DEVICES {
            c.problem(
                "nodes",
                format!("the cluster has {n_devices} devices"),
                format!("choose nodes so that there are at most {MAX_DEVICES}"),
            );
            return None;
        }
        if let Some(o) = oversubscription {
            cluster.levels = vec![crate::catalog::Level {
                n_devices: cluster.node.n_devices,
                oversubscription: o,
            }];
        }
        Some(cluster)
    }

    /// A cluster from a node and a count.
    fn own_cluster(&mut self, c: &Reader<'_>, nodes: Option<u32>) -> Option<Cluster> {
        let node = match c.item("node").map(|i| &i.value) {
            Some(Value::Table(_)) => self.get::<Node>(OWN, &c.place("node")),
            Some(_) => c.text("node").and_then(|name| self.get::<Node>(&name, &c.place("node"))),
            None => {
                let help =
                    "add node = \"dgx-h100\" (see `exaplan catalog list node`) or use = \"...\" (see `exaplan catalog list cluster`)";
                c.problem("node", "`cluster` names neither a node nor a cluster", help);
                None
            }
        }?;
        let Some(n_nodes) = nodes else {
            if c.item("nodes").is_none() {
                c.problem("nodes", "`cluster.nodes` is missing", "add nodes = 128");
            }
            return None;
        };
        Some(Cluster {
            name: OWN.to_string(),
            title: format!("{n_nodes} × {}", node.title),
            storage_bytes_per_s: crate::catalog::default_storage(f64::from(n_nodes)),
            reliability: self.get::<Reliability>("default", c.at())?,
            region: "us-average".to_string(),
            levels: Vec::new(),
            rails: None,
            pod_devices: None,
            known_for: Vec::new(),
            n_nodes,
            node,
        })
    }
}
