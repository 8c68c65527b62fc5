//! Every number of a plan must have an explanation that holds.

use super::*;
use crate::plan::{Scenario, plan};

fn planned() -> (Plan, Catalog) {
    let (scenario, catalog) = Scenario::load("llama3-405b", &[], Catalog::builtin()).unwrap();
    (plan(&scenario, &catalog).unwrap(), catalog)
}

#[test]
fn every_number_is_explained() {
    let (plan, catalog) = planned();
    let mut paths = Vec::new();
    leaves("", &plan_report::json::plan(&plan), &mut paths);
    assert!(paths.len() > 50);
    let unexplained: Vec<_> = paths.iter().filter(|p| explain(&plan, &catalog, p).is_err()).collect();
    assert!(unexplained.is_empty(), "{unexplained:?}");
}

#[test]
fn every_input_exists_and_is_sourced() {
    let (plan, catalog) = planned();
    let whole = plan_report::json::plan(&plan);
    for topic in topics::all() {
        for i in topic.inputs {
            assert!(at(&whole, i.path).is_some(), "{}: {}", topic.path, i.path);
            if let Some((kind, key)) = i.from {
                let source = fact(&plan, &catalog, kind, key);
                assert!(
                    source.as_ref().is_some_and(|s| !s.ends_with("a default")),
                    "{}: {kind:?} {key}: {source:?}",
                    topic.path
                );
            }
        }
    }
}

#[test]
fn wrong_paths_get_a_guess() {
    let (plan, catalog) = planned();
    for (path, guess) in [
        ("step.tim_s", "step.time_s"),
        ("bill.cost", "bill.cost_usd"),
        ("wall_s", "run.wall_s"),
        ("step", "step."),
    ] {
        let message = explain(&plan, &catalog, path).unwrap_err().to_string();
        assert!(message.contains(guess), "{message}");
    }
}
