//! Budgets that go through the layout search.

use crate::support::origin;
use exaplan::plan::{Scenario, plan};
use exaplan::scale::law::find;
use exaplan::scale::machine::{Budget, Found, Machine, best};
use exaplan::scale::question::{BatchCost, Question};
use exaplan::units::DAY_S;
use exaplan::{Catalog, Result};

fn question() -> Question {
    Question {
        batch_cost: Some(BatchCost::published().unwrap()),
        ..Question::of(find("chinchilla").unwrap())
    }
}

fn found(overrides: &[&str], budget: Budget, batch_tokens: Option<f64>) -> Result<Found> {
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    let (scenario, catalog) = Scenario::load("llama3-405b", &overrides, Catalog::builtin())?;
    let machine = Machine {
        scenario: ("llama3-405b", &overrides),
        base: &scenario,
        catalog: &catalog,
        fresh: &|| Ok(Catalog::builtin()),
        question: &question(),
        budget: &budget,
        keep_layout: false,
        batch_tokens,
    };
    best(&machine, &|| ())
}

#[test]
fn the_answer_planned_again_takes_the_same_days() {
    let budget = Budget {
        wall_s: Some(20.0 * DAY_S),
        ..Budget::default()
    };
    let overrides = ["cluster.nodes=16"];
    let answer = found(&overrides, budget, Some(4_194_304.0)).unwrap();
    assert_eq!(answer.best.binding, "time");
    let wall_s = answer.best.plan.run.wall_s;
    assert!((wall_s / (20.0 * DAY_S) - 1.0).abs() < 1e-3, "{} days", wall_s / DAY_S);
    let all: Vec<String> = overrides.iter().map(ToString::to_string).chain(answer.overrides.clone()).collect();
    let (scenario, catalog) = Scenario::load("llama3-405b", &all, Catalog::builtin()).unwrap();
    let again = plan(&scenario, &catalog).unwrap();
    assert!(
        (again.run.wall_s / wall_s - 1.0).abs() < 1e-3,
        "{} against {wall_s}",
        again.run.wall_s
    );
    // Near the best the loss is flat: a shelf of sizes cannot be told from it.
    assert!(answer.shelf().count() >= 5, "{}", answer.shelf().count());
    assert!(answer.sizes.iter().all(|c| c.loss >= answer.best.loss * (1.0 - 1e-9)));
}

#[test]
fn the_tightest_bound_binds() {
    let energy = Budget {
        wall_s: Some(1000.0 * DAY_S),
        energy_j: Some(2e11),
        ..Budget::default()
    };
    let answer = found(&["cluster.nodes=4"], energy, Some(1_048_576.0)).unwrap();
    assert_eq!(answer.best.binding, "energy");
    let used = answer.best.plan.bill.energy.facility_j;
    assert!((used / 2e11 - 1.0).abs() < 0.01, "{used}");
    let money = Budget {
        usd: Some(50_000.0),
        kg_co2e: Some(1e9),
        ..Budget::default()
    };
    let answer = found(&["cluster.nodes=4"], money, Some(1_048_576.0)).unwrap();
    assert_eq!(answer.best.binding, "money");
    assert!((answer.best.plan.bill.cost.total_usd.unwrap() / 50_000.0 - 1.0).abs() < 0.01);
}

#[test]
fn energy_bounds_a_run() {
    let budget = |energy_j| Budget {
        energy_j: Some(energy_j),
        ..Budget::default()
    };
    let loss = |j| found(&["cluster.nodes=4"], budget(j), Some(1_048_576.0)).unwrap().best.loss;
    assert!(loss(4e11) < loss(1e11));
}

/// Wider batches hide communication: where the network is faster, less of that is to be gained.
#[test]
fn a_faster_network_wants_no_wider_batch() {
    let budget = Budget {
        wall_s: Some(7.0 * DAY_S),
        ..Budget::default()
    };
    let batch = |nic: &str| found(&["cluster.nodes=32", nic], budget, None).unwrap().best.batch_tokens;
    let (slow, fast) = (
        batch("node.dgx-h100.nic_bytes_per_s=\"100 Gb/s\""),
        batch("node.dgx-h100.nic_bytes_per_s=\"800 Gb/s\""),
    );
    assert!(fast <= slow, "{fast} against {slow}");
}

#[test]
fn money_without_a_price_and_machines_too_small_are_told() {
    let text = "name = \"x\"\n[model]\nuse = \"llama3-8b\"\n[training]\ntokens = \"1T\"\n[cluster]\nnode = \"dgx-h100\"\nnodes = 2\nregion = \"us-east-1\"\n";
    let (mut scenario, catalog) = Scenario::parse(&origin(text), &[], Catalog::builtin()).unwrap();
    scenario.offer = None;
    let run = |budget: &Budget, scenario: &Scenario| {
        let machine = Machine {
            scenario: ("x", &[]),
            base: scenario,
            catalog: &catalog,
            fresh: &|| Ok(Catalog::builtin()),
            question: &question(),
            budget,
            keep_layout: false,
            batch_tokens: Some(1_048_576.0),
        };
        best(&machine, &|| ()).unwrap_err().to_string()
    };
    let money = Budget {
        usd: Some(1e6),
        ..Budget::default()
    };
    assert!(run(&money, &scenario).contains("no price"));
    let tiny = scenario.with_memory(1e6);
    let time = Budget {
        wall_s: Some(DAY_S),
        ..Budget::default()
    };
    assert!(run(&time, &tiny).contains("no layout fits"));
}
