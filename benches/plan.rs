//! Planning speed: reading the catalog, one plan, one search.
//!
//! `cargo bench` prints medians; compare ratios within one run, machines are noisy.

use divan::{Bencher, black_box};
use exaplan::layout::Choice;
use exaplan::search::{Options, search};
use exaplan::{Catalog, Scenario, plan};

fn main() {
    divan::main();
}

/// Every built-in file parsed. Done once per process; with the next line it is the cost of reading
/// the whole catalog at start, which `plan` does not pay: it reads only what a scenario names.
#[divan::bench]
fn parse_whole_catalog() -> usize {
    let files = exaplan::catalog::source::embedded().filter(|(path, _)| path.ends_with(".toml"));
    let origins = files.map(|(name, text)| {
        std::sync::Arc::new(exaplan::error::Origin {
            name,
            text: text.to_string(),
        })
    });
    origins.map(|origin| exaplan::catalog::raw::parse(&origin).0.entries.len()).sum()
}

/// Every built-in entry resolved and checked.
#[divan::bench]
fn check_whole_catalog() -> usize {
    Catalog::builtin().check(exaplan::catalog::Layer::Builtin).len()
}

/// What `exaplan plan` does before it computes: read the scenario and the entries it names.
#[divan::bench]
fn load_default_scenario() -> u64 {
    Scenario::load("llama3-405b", &[], Catalog::builtin()).map_or(0, |(s, _)| s.n_devices())
}

/// The default scenario from text to bill.
#[divan::bench]
fn plan_default_scenario(bencher: Bencher) {
    let Ok((scenario, catalog)) = Scenario::load("llama3-405b", &[], Catalog::builtin()) else {
        return;
    };
    bencher.bench(|| plan(black_box(&scenario), &catalog).map(|p| p.run.wall_s).unwrap_or(0.0));
}

/// All layouts of Llama 3 405B on 16,384 devices; items are candidates.
#[divan::bench]
fn search_default_scenario(bencher: Bencher) {
    let Ok((mut scenario, _)) = Scenario::load("llama3-405b", &[], Catalog::builtin()) else {
        return;
    };
    scenario.choice = Choice::default();
    let n = search(&scenario, &Options::default()).n_considered;
    bencher
        .counter(divan::counter::ItemsCount::new(n))
        .bench(|| search(black_box(&scenario), &Options::default()).n_evaluated);
}
