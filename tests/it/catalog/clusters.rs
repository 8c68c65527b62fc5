//! Every published cluster plans the model it is known for, or an 8B model.

use crate::support::plan_text;
use exaplan::catalog::{Catalog, Cluster, Kind};

/// What a cluster without `known_for` plans.
const COMMON: &str = "llama3-8b";
/// Clusters that cannot hold what they are known for, with what the refusal must say.
const REFUSED: [(&str, &str, &str); 0] = [];

#[test]
fn every_published_cluster_plans_the_model_it_is_known_for() {
    let catalog = Catalog::builtin();
    let mut wrong = Vec::new();
    for name in catalog.entries(Kind::Cluster).entries.keys() {
        let cluster: Cluster = catalog.get(name).unwrap();
        let models = if cluster.known_for.is_empty() {
            vec![COMMON.to_string()]
        } else {
            cluster.known_for
        };
        // One sequence of each device: divisible by any number of replicas.
        let sequences = u64::from(cluster.n_nodes) * u64::from(cluster.node.n_devices);
        for model in models {
            let text = format!(
                "[model]\nuse = \"{model}\"\n[training]\ntokens = \"1T\"\nsequence = 4096\n\
                 global_batch = \"{sequences} sequences\"\n[cluster]\nuse = \"{name}\"\n"
            );
            let refused = REFUSED.iter().find(|(c, m, _)| c == name && *m == model);
            match (plan_text(&text, &[]), refused) {
                (Ok(plan), None) => {
                    if !(0.02..=0.9).contains(&plan.step.mfu) {
                        wrong.push(format!("{name}, {model}: MFU {}", plan.step.mfu));
                    }
                }
                (Ok(_), Some(_)) => wrong.push(format!("{name}, {model}: is planned after all")),
                (Err(e), Some((_, _, word))) if e.to_string().contains(word) => {}
                (Err(e), _) => wrong.push(format!("{name}, {model}: {e}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `known_for` names models; a run of the validation set that has no cluster is no reason to keep
/// a name that leads nowhere.
#[test]
fn what_clusters_are_known_for_are_models_of_the_catalog() {
    let catalog = Catalog::builtin();
    for name in catalog.entries(Kind::Cluster).entries.keys() {
        let cluster: Cluster = catalog.get(name).unwrap();
        for model in cluster.known_for {
            assert!(catalog.entry(Kind::Model, &model).is_ok(), "{name} names `{model}`");
        }
    }
}
