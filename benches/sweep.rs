//! Speed of sweeps: cases to rows, without files. Items are cases; all cores work.
//!
//! `cargo bench --bench sweep` prints medians; compare ratios within one run, machines are noisy.

use divan::{Bencher, black_box, counter::ItemsCount};
use exaplan::Catalog;
use exaplan::error::Origin;
use exaplan::study::sweep::{Shard, Study, Sweep};
use std::sync::Arc;

fn main() {
    divan::main();
}

/// Cases of a study, 2,000 at a time.
fn cases(bencher: Bencher, axes: &str) {
    let text = format!("scenario = \"llama3-405b\"\n{axes}");
    let origin = Arc::new(Origin {
        name: "bench".to_string(),
        text,
    });
    let Ok(study) = Study::parse(&origin) else { return };
    let Ok(sweep) = Sweep::new(study, "llama3-405b", Catalog::builtin()) else {
        return;
    };
    let list: Vec<u64> = Shard::WHOLE.cases(&sweep.study, 0).take(2000).collect();
    bencher
        .counter(ItemsCount::new(list.len()))
        .bench(|| sweep.rows(black_box(&list)).len());
}

/// One step: tokens, failures and prices vary.
#[divan::bench]
fn tokens_failures_prices(bencher: Bencher) {
    cases(
        bencher,
        "[[axis]]\npath = \"training.tokens\"\nfrom = \"1T\"\nto = \"16T\"\nn = 20\n\
         [[axis]]\npath = \"reliability.node_mtbf\"\nfrom = \"1000 d\"\nto = \"40000 d\"\nn = 10\n\
         [[axis]]\npath = \"cost.usd_per_device_hour\"\nfrom = 1.5\nto = 6.0\nn = 10",
    );
}

/// A step for every hundred cases.
#[divan::bench]
fn nodes_tokens_prices(bencher: Bencher) {
    cases(
        bencher,
        "[[axis]]\nzip = { cluster.nodes = [256, 512, 1024, 2048], layout.data = [16, 32, 64, 128] }\n\
         [[axis]]\npath = \"training.sequence\"\nvalues = [4096, 8192, 16384, 32768, 65536]\n\
         [[axis]]\npath = \"training.tokens\"\nfrom = \"1T\"\nto = \"16T\"\nn = 10\n\
         [[axis]]\npath = \"cost.usd_per_device_hour\"\nfrom = 1.5\nto = 6.0\nn = 10",
    );
}

/// Every case a step of its own, without a pipeline.
#[divan::bench]
fn a_step_for_each(bencher: Bencher) {
    cases(
        bencher,
        "[[axis]]\nzip = { model.use = [\"llama3-8b\"], layout.pipeline = [1], layout.tensor = [1], cluster.nodes = [16], layout.data = [128] }\n\
         [[axis]]\npath = \"training.sequence\"\nfrom = 1024\nto = 8192\nn = 1000\n\
         [[axis]]\npath = \"training.global_batch\"\nvalues = [\"512 sequences\", \"1024 sequences\"]",
    );
}

/// Every case a step of its own, 16 stages of 8 chunks simulated slot by slot.
#[divan::bench(sample_count = 5)]
fn a_pipeline_for_each(bencher: Bencher) {
    cases(
        bencher,
        "[[axis]]\nzip = { cluster.nodes = [512, 1024, 2048], layout.data = [32, 64, 128] }\n\
         [[axis]]\npath = \"training.sequence\"\nfrom = 4096\nto = 16384\nstep = 16",
    );
}
