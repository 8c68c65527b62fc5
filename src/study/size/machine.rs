//! Which machine an accelerator is had in.

use super::market::{Market, Markets};
use super::{Question, Start};
use crate::catalog::{Catalog, Kind, Node};
use crate::error::{Diagnostic, Error, Result, nearest};
use crate::layout::Choice;
use crate::plan::Scenario;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// An accelerator in a node, with everything that does not depend on their number.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Accelerator id.
    pub accelerator: String,
    /// Who has it, at which prices.
    pub markets: Vec<Market>,
    /// It is that of the scenario, whose network and storage it keeps.
    pub is_own: bool,
    /// The scenario on one such node, layout freed.
    pub base: Scenario,
}

/// Machines of a question, by accelerator, and those that were left out with the reason.
type Found = (Vec<Machine>, Vec<(String, String)>);

/// The machines to look at.
///
/// # Errors
/// Unknown names.
pub(super) fn machines(start: &Start<'_>, question: &Question) -> Result<Found> {
    let (scenario, catalog) = (start.scenario, start.catalog);
    let markets = Markets::new(scenario, question, catalog)?;
    let nodes = nodes(catalog)?;
    let mut skipped = Vec::new();
    let mut chosen: Vec<(String, Option<Node>)> = Vec::new();
    if question.accelerators.is_empty() {
        let mut names: BTreeSet<&str> = markets.priced().collect();
        names.insert(&scenario.accelerator.name);
        for name in names {
            chosen.push((name.to_string(), usual(scenario, &nodes, name)));
        }
    } else {
        for name in &question.accelerators {
            let (accelerator, node) = named(scenario, catalog, &nodes, name)?;
            if !chosen
                .iter()
                .any(|(a, n)| *a == accelerator && n.as_ref().map(|n| &n.name) == node.as_ref().map(|n| &n.name))
            {
                chosen.push((accelerator, node));
            }
        }
    }
    let mut asked = Vec::new();
    for (accelerator, node) in chosen {
        let Some(node) = node else {
            skipped.push((accelerator, "no node of the catalog has it".to_string()));
            continue;
        };
        let mut list = markets.of(&accelerator, node.price.is_some())?;
        let is_named = !question.accelerators.is_empty() || accelerator == scenario.accelerator.name;
        if list.is_empty() && is_named && question.providers.is_empty() && question.regions.is_empty() && question.commitment.is_none() {
            list = markets.unpriced();
        }
        if list.is_empty() {
            skipped.push((accelerator, no_market(question)));
        } else {
            asked.push((accelerator, node, list));
        }
    }
    let loaded: Vec<(String, Result<Machine>)> = asked
        .into_par_iter()
        .map(|(accelerator, node, markets)| {
            let machine = load(start, question, &accelerator, &node, markets);
            (accelerator, machine)
        })
        .collect();
    let mut out = Vec::new();
    for (accelerator, machine) in loaded {
        match machine {
            Ok(machine) => out.push(machine),
            // What the scenario asks for and this machine has not, such as a link to its host.
            Err(Error::Invalid(list)) => skipped.push((accelerator, list.first().map_or_else(String::new, |d| d.message.clone()))),
            Err(other) => return Err(other),
        }
    }
    Ok((out, skipped))
}

fn no_market(question: &Question) -> String {
    match (&question.commitment, question.providers.is_empty() && question.regions.is_empty()) {
        (Some(c), true) => format!("nobody has a {} price for it", c.name()),
        (None, true) => "nobody has a price for it".to_string(),
        _ => "none of these providers has a price for it there".to_string(),
    }
}

/// Every node of the catalog.
fn nodes(catalog: &Catalog) -> Result<Vec<Node>> {
    let names = catalog.entries(Kind::Node).entries.keys();
    names.map(|name| catalog.get(name)).collect()
}

/// An accelerator, or the one of a node, by name.
fn named(scenario: &Scenario, catalog: &Catalog, nodes: &[Node], name: &str) -> Result<(String, Option<Node>)> {
    if let Ok(entry) = catalog.entry(Kind::Accelerator, name) {
        return Ok((entry.name.clone(), usual(scenario, nodes, &entry.name)));
    }
    if catalog.entry(Kind::Node, name).is_ok() {
        let node: Node = catalog.get(name)?;
        let accelerator = catalog.entry(Kind::Accelerator, &node.accelerator)?.name.clone();
        return Ok((accelerator, Some(node)));
    }
    let kinds = [Kind::Accelerator, Kind::Node];
    let names = kinds.iter().flat_map(|k| {
        let index = catalog.entries(*k);
        index.entries.keys().chain(index.aliases.keys()).map(String::as_str)
    });
    let hint = nearest(name, names).map_or(String::new(), |n| format!("did you mean `{n}`? "));
    let help = format!("{hint}`exaplan catalog list accelerator` and `exaplan catalog list node` list what there is");
    Err(Diagnostic::new(format!("no accelerator or node is called `{name}`"))
        .help(help)
        .into())
}

/// The node that an accelerator is had in unless somebody says otherwise: the scenario's own; else of
/// those that are nobody's in particular the one with the most devices, the fastest network, the first
/// by name. Titles of a cloud's instances begin with its name, those of a site's machine say `node`.
fn usual(scenario: &Scenario, nodes: &[Node], accelerator: &str) -> Option<Node> {
    if scenario.accelerator.name == accelerator {
        return Some(scenario.cluster.node.clone());
    }
    const CLOUDS: [&str; 4] = ["AWS ", "Azure ", "GCP ", "OCI "];
    let particular = |n: &Node| CLOUDS.iter().any(|c| n.title.starts_with(c)) || n.title.contains(" node");
    let with_it = nodes.iter().filter(|n| n.accelerator == accelerator);
    let best = with_it.min_by(|a, b| {
        particular(a)
            .cmp(&particular(b))
            .then(b.n_devices.cmp(&a.n_devices))
            .then(b.nic_bytes_per_s.total_cmp(&a.nic_bytes_per_s))
            .then(a.name.cmp(&b.name))
    });
    best.cloned()
}

fn load(start: &Start<'_>, question: &Question, accelerator: &str, node: &Node, mut markets: Vec<Market>) -> Result<Machine> {
    let own = start.scenario;
    let is_own = own.accelerator.name == accelerator && own.cluster.node.name == node.name;
    let mut base = if is_own {
        own.clone()
    } else {
        let mut all = own.overrides.clone();
        all.push(super::overrides::cluster(&node.name, 1, &own.region.name));
        Scenario::load(start.name, &all, start.catalog.beneath())?.0
    };
    base.choice = freed(&own.choice, question.keep_layout);
    markets.sort_by(|a, b| (a.is_average(), &a.provider, &a.region.name).cmp(&(b.is_average(), &b.provider, &b.region.name)));
    Ok(Machine {
        accelerator: accelerator.to_string(),
        markets,
        is_own,
        base,
    })
}

/// What stays of the scenario's layout. Orders, splits and offloading are not searched.
fn freed(own: &Choice, keep: bool) -> Choice {
    if keep {
        return Choice {
            data: None,
            replicas: None,
            ..*own
        };
    }
    Choice {
        schedule: own.schedule,
        split: own.split,
        offload: own.offload,
        ..Choice::default()
    }
}
