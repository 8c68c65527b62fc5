//! Ranges of a plan: ten thousand samples of what is uncertain, from reading the unknowns to quantiles,
//! tornado and rank regression.

use divan::{Bencher, counter::ItemsCount};
use exaplan::study::uncertain::{Options, uncertain};
use exaplan::{Catalog, Plan, Result, Scenario, plan};

fn main() {
    divan::main();
}

const N_SAMPLES: u32 = 10_000;

/// Prices, failures, cooling, electricity and data: what leaves the step as it is.
const RUN_AND_BILL: [&str; 6] = [
    "unknowns.cost.usd_per_device_hour={ triangular = [\"2 USD/h\", \"2.5 USD/h\", \"4 USD/h\"] }",
    "unknowns.reliability.node_mtbf={ lognormal = { p10 = \"200 d\", p90 = \"600 d\" } }",
    "unknowns.reliability.restart={ normal = { p10 = \"4 min\", p90 = \"12 min\" }, min = \"1 min\" }",
    "unknowns.region.us-east-1.pue={ beta = [2, 4, 1.05, 1.5] }",
    "unknowns.training.tokens={ uniform = [15e12, 16e12] }",
    "limits.deadline=90 d",
];
/// What changes the step: the scenario is read and the step worked out for each sample.
const STEP: [&str; 1] = ["unknowns.software.sustained_factor={ uniform = [1.0, 1.1] }"];

fn case(sets: &[&str]) -> Result<(Plan, Catalog, Vec<String>)> {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let base = Catalog::builtin();
    let (scenario, catalog) = Scenario::load("llama3-405b", &sets, base.clone())?;
    Ok((plan(&scenario, &catalog)?, base, sets))
}

fn run(bencher: Bencher, sets: &[&str], n: u32) {
    let Ok((plan, base, sets)) = case(sets) else { return };
    let read = |more: &[String]| {
        let all: Vec<String> = sets.iter().chain(more).cloned().collect();
        Scenario::load("llama3-405b", &all, base.clone()).map(|(s, _)| s)
    };
    let options = Options {
        n_samples: Some(n),
        seed: 1,
    };
    bencher
        .counter(ItemsCount::new(n))
        .bench_local(|| uncertain(&plan, &read, options).map(|u| u.outputs.len()).unwrap_or(0));
}

/// The step stays: run and bill for each sample.
#[divan::bench]
fn run_and_bill(bencher: Bencher) {
    run(bencher, &RUN_AND_BILL, N_SAMPLES);
}

/// The step is worked out for each sample; a tenth as many.
#[divan::bench(sample_count = 5)]
fn with_the_step(bencher: Bencher) {
    run(bencher, &STEP, N_SAMPLES / 10);
}
