//! Planning speed: reading the catalog, one plan, one search.
//!
//! `cargo bench` prints medians; compare ratios within one run, machines are noisy.

use divan::{Bencher, black_box};
use exaplan::layout::{Breadth, Choice};
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

/// A scenario with everything of its layout free.
fn free(overrides: &[&str]) -> Option<Scenario> {
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    let (mut scenario, _) = Scenario::load("llama3-405b", &overrides, Catalog::builtin()).ok()?;
    scenario.choice = Choice::default();
    Some(scenario)
}

/// GPT-3 175B on 1,024 A100-80GB, batch 1,536: the space that Calculon's paper searches, and more.
const GPT3: [&str; 6] = [
    "model.use=gpt3-175b",
    "training.sequence=2048",
    "training.global_batch=1536 sequences",
    "cluster.node=dgx-a100-80gb",
    "cluster.nodes=128",
    "training.tokens=300B",
];

/// DeepSeek-V3 on 2,048 H800.
const DEEPSEEK: [&str; 5] = [
    "model.use=deepseek-v3",
    "training.sequence=4096",
    "training.global_batch=15360 sequences",
    "cluster.node=dgx-h800",
    "cluster.nodes=256",
];

/// Layouts judged on one core: shape, memory of every stage, and the step time of those that fit.
/// Nothing is ruled out by a bound. Items are layouts judged; it prints how many of them were timed.
#[divan::bench(sample_count = 5)]
fn evaluate_layouts_on_one_core(bencher: Bencher) {
    let (Some(scenario), Ok(pool)) = (free(&GPT3), rayon::ThreadPoolBuilder::new().num_threads(1).build()) else {
        return;
    };
    let mut scenario = scenario;
    scenario.choice = Choice {
        tensor: Some(8),
        context: Some(1),
        ..Choice::default()
    };
    let options = Options {
        breadth: Breadth::All,
        exhaustive: true,
        ..Options::default()
    };
    let run = || pool.install(|| search(black_box(&scenario), &options));
    let found = run();
    println!("{} layouts judged, {} fit and are timed", found.n_considered, found.n_evaluated);
    let n = found.n_considered;
    bencher.counter(divan::counter::ItemsCount::new(n)).bench(|| run().n_evaluated);
}

/// The best layout of everything that a layout can say; items are candidates, nearly all of which a
/// bound rules out.
fn whole_space(bencher: Bencher, overrides: &[&str]) {
    let Some(scenario) = free(overrides) else { return };
    let options = Options {
        breadth: Breadth::All,
        exhaustive: false,
        front_factor: 1.0,
        ..Options::default()
    };
    let n = search(&scenario, &options).n_considered;
    bencher
        .counter(divan::counter::ItemsCount::new(n))
        .bench(|| search(black_box(&scenario), &options).n_evaluated);
}

#[divan::bench(sample_count = 5)]
fn whole_space_of_llama3_405b(bencher: Bencher) {
    whole_space(bencher, &[]);
}

#[divan::bench(sample_count = 5)]
fn whole_space_of_gpt3_175b(bencher: Bencher) {
    whole_space(bencher, &GPT3);
}

#[divan::bench(sample_count = 3)]
fn whole_space_of_deepseek_v3(bencher: Bencher) {
    whole_space(bencher, &DEEPSEEK);
}
