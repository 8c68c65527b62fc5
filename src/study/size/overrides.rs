//! The text that makes the scenario the answer.

use super::{Bound, Case, Machine, Question};
use crate::layout::{Layout, Split};
use crate::plan::Scenario;

/// `path=value` for each thing that differs from the scenario as it was read.
pub(super) fn of(own: &Scenario, question: &Question, machine: &Machine, case: &Case) -> Vec<String> {
    let market = &machine.markets[case.market];
    let mut out = Vec::new();
    if machine.is_own {
        out.push(format!("cluster.nodes={}", case.n_nodes));
        if market.region.name != own.region.name {
            out.push(format!("cluster.region=\"{}\"", market.region.name));
        }
    } else {
        out.push(cluster(&machine.base.cluster.node.name, case.n_nodes, &market.region.name));
    }
    out.push(format!("layout={}", layout(&case.layout)));
    let finance = match own.finance.name.as_str() {
        "default" => String::new(),
        name => format!(",finance=\"{name}\""),
    };
    match &market.offer {
        _ if market.owned => out.push(format!("cost={{owned=true{finance}}}")),
        // A price that the scenario states stays as it is stated.
        Some(offer) if own.offer.as_ref() == Some(offer) && offer.as_of == "scenario" => {}
        Some(offer) => out.push(format!("cost={{offer=\"{}\"{finance}}}", offer.name)),
        None => {}
    }
    for (bound, unit) in [
        (Bound::Deadline, "s"),
        (Bound::Budget, "USD"),
        (Bound::Power, "W"),
        (Bound::Carbon, "kg"),
    ] {
        if let Some(limit) = question.limit(bound) {
            out.push(format!("limits.{}=\"{limit} {unit}\"", bound.name()));
        }
    }
    out
}

/// Another machine than the scenario's: its fabric, network cards and storage are those of its node.
pub(super) fn cluster(node: &str, n_nodes: u32, region: &str) -> String {
    format!("cluster={{node=\"{node}\",nodes={n_nodes},region=\"{region}\"}}")
}

/// A layout as `[layout]` of a scenario, on one line.
fn layout(l: &Layout) -> String {
    let mut text = format!(
        "{{tensor={},sequence_parallel={},context={},pipeline={},virtual_stages={},expert={},expert_tensor={},data={},sharding=\"{}\",micro_batch={},schedule=\"{}\",recompute=\"{}\",offload=\"{}\"",
        l.tensor,
        l.sequence_parallel,
        l.context,
        l.pipeline,
        l.virtual_stages,
        l.expert,
        l.expert_tensor,
        l.data,
        l.sharding.name(),
        l.micro_batch_seqs,
        l.schedule.name(),
        l.recompute.name(),
        l.offload.name()
    );
    if l.replicas > 1 {
        text += &format!(",replicas={}", l.replicas);
    }
    match l.split {
        Split::Even => {}
        Split::Explicit(list) => text += &format!(",stage_layers={list:?}"),
        Split::Counted { embedding, loss } => text += &format!(",count_embedding={embedding},count_loss={loss}"),
        Split::Ends { first, last } => {
            for (end, n) in [("first", first), ("last", last)] {
                text += &n.map_or(String::new(), |n| format!(",{end}_stage_layers={n}"));
            }
        }
    }
    text + "}"
}
