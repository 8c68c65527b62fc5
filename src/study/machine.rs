//! The machine behind a row: which server, how many, on which network.

use super::runs::Row;
use crate::catalog::{Accelerator, Catalog, Cluster, Kind, Node, Reliability, default_storage};

/// A server of this accelerator with the row's number of devices, else the usual one cut to it.
///
/// # Errors
/// A reason, when no server of the catalog holds the accelerator.
pub(super) fn cluster(row: &Row, accelerator: &Accelerator, devices: u32, catalog: &Catalog) -> Result<Cluster, String> {
    let wanted = row.degree("devices_per_node");
    let nodes = catalog
        .entries(Kind::Node)
        .entries
        .values()
        .filter_map(|e| catalog.get::<Node>(&e.name).ok());
    let mut fitting: Vec<Node> = nodes.filter(|n| n.accelerator == accelerator.name).collect();
    // Reference designs first, then by name: the choice must not depend on the order of files.
    fitting.sort_by_key(|n| {
        (
            wanted.is_some_and(|w| w != n.n_devices),
            !n.name.starts_with("dgx"),
            !n.name.starts_with("hgx"),
            n.name.clone(),
        )
    });
    let mut node = fitting
        .into_iter()
        .next()
        .ok_or_else(|| format!("no node holds `{}`", accelerator.name))?;
    let nodes_of = |per_node: u32| devices.div_ceil(per_node.max(1));
    let per_node = wanted.unwrap_or(node.n_devices).min(devices).max(1);
    // Equal nodes with no device left over: twelve devices are two nodes of six, not of eight.
    let n_nodes = (nodes_of(per_node)..=devices)
        .find(|n| devices.is_multiple_of(*n))
        .unwrap_or(1)
        .max(1);
    if let Some(rate) = row.text("fabric").and_then(|f| nic_bytes_per_s(f, f64::from(per_node))) {
        node.nic_bytes_per_s = rate;
    }
    // A domain of one server shrinks with it; that of a rack does not.
    if node.scale_up_domain == node.n_devices {
        node.scale_up_domain = devices / n_nodes;
    }
    node.n_devices = devices / n_nodes;
    Ok(Cluster {
        name: row.id.clone(),
        title: row.id.clone(),
        node,
        n_nodes,
        levels: Vec::new(),
        rails: None,
        pod_devices: None,
        known_for: Vec::new(),
        storage_bytes_per_s: default_storage(f64::from(n_nodes)),
        reliability: catalog.get::<Reliability>("default").map_err(|e| e.to_string())?,
        region: "us-average".to_string(),
    })
}

/// Networks that are not the one between servers, or not the one that training uses.
const OTHER: [&str; 6] = ["nvlink", "pcie", "xgmi", "management", "storage", "ici"];

/// Bytes per second and device that the words of a row give: `8x HDR InfiniBand 200 Gb/s per node`,
/// `1600 Gbps node-node`, `RDMA 400 Gb/s per GPU`. `None` when they give no number, or do not say of what.
fn nic_bytes_per_s(text: &str, per_node: f64) -> Option<f64> {
    let parts = text.split([';', ',']).filter_map(|part| {
        let lower = part.to_lowercase();
        let other = OTHER.iter().any(|w| lower.contains(w)) && !lower.contains("compute");
        let rate = gigabits(part).filter(|_| !other)?;
        let cards = count(part);
        if lower.contains("per gpu") || lower.contains("per device") {
            return Some(rate);
        }
        let of_node = cards.is_some() || lower.contains("per node") || lower.contains("node-node");
        of_node.then(|| cards.unwrap_or(1.0) * rate / per_node)
    });
    // Bits to bytes.
    parts.reduce(f64::max).map(|rate| rate * 1e9 / 8.0)
}

/// The only `400Gb/s`, `100 Gbit/s`, `200Gbe` of a text; none where there are two.
fn gigabits(text: &str) -> Option<f64> {
    let mut found = text.match_indices("Gb").filter_map(|(i, _)| {
        let head = text[..i].trim_end();
        let digits = head.len() - head.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        head[head.len() - digits..].parse::<f64>().ok()
    });
    let first = found.next()?;
    (found.next().is_none() && first > 0.0).then_some(first)
}

/// The `8` of `8x ConnectX-7` or `2 x 200Gbe`.
fn count(text: &str) -> Option<f64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.iter().enumerate().find_map(|(i, word)| {
        if let Some(n) = word.strip_suffix('x').and_then(|n| n.parse::<f64>().ok()) {
            return Some(n);
        }
        (words.get(i + 1) == Some(&"x")).then(|| word.parse::<f64>().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_network_give_its_rate() {
        for (text, gigabits) in [
            ("8x HDR InfiniBand 200 Gb/s per node, 3-level fat tree (Selene)", Some(200.0)),
            ("NVLink; 4x Omni-Path 100 Gb/s per node", Some(50.0)),
            ("1600 Gbps node-node RoCE", Some(200.0)),
            (
                "800 Gbit/s per node InfiniBand, NVLink in node (its configs: inter 800 Gbit/s, node_size 8)",
                Some(100.0),
            ),
            ("NVLink in host; RDMA 400 Gb/s per GPU", Some(400.0)),
            (
                "NVLINK Gen4 900 GB/s + NVSWITCH Gen3; Storage: 2x ConnectX-7 IB NDR 400Gb/s, Compute: 8x ConnectX-7 IB NDR 400Gb/s, Management: 100Gb/s Ethernet NIC",
                Some(400.0),
            ),
            ("2 x 200Gbe Ethernet; Gig Ethernet", Some(50.0)),
            ("NVLINK Gen4 900 GB/s + NVSWITCH Gen3; ConnectX-6 25Gb/s Ethernet", None),
            ("PCIe Gen4; BF3 200Gbps for NS and 2xBF3 400Gbps for EW", None),
            ("nvlink", None),
            ("", None),
        ] {
            let rate = nic_bytes_per_s(text, 8.0).map(|r| r * 8.0 / 1e9);
            assert_eq!(rate, gigabits, "{text}");
        }
    }
}
