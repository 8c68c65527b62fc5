//! Speed of the event engine.
//!
//! `cargo bench --bench engine` prints medians; compare ratios within one run, machines are noisy.
//!
//! Medians of 2026-11-24 on one of two cores of an AMD EPYC, memory at its largest: interleaved
//! 16 × 8 × 512 9.6 ms and 14.4 MB, with collectives 10.6 ms and 14.5 MB; 1F1B 8 × 64 38 µs (26,000
//! steps/s), jittered 30 µs; `DualPipe` 16 × 128 125 µs; 64 micro-batches of 32 sharded layers 50 µs; the
//! default scenario from layout to parts 0.37 ms.

use divan::{Bencher, black_box};
use exaplan::step::engine::{ChunkCost, Costs, DataCost, DataWork, Noise, Occasion, Slowdown, run, time_s};
use exaplan::step::schedule::{Schedule, SchedulePlan, slots};

/// Counts what a bench holds at most: memory is proportional to slots too.
#[global_allocator]
static ALLOC: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

/// Unequal chunks and messages, so that no two slots fall together.
fn costs(plan: &SchedulePlan) -> Costs {
    let one = |i: u32| ChunkCost {
        forward_s: 1.0 + f64::from(i % 7) / 64.0,
        backward_s: 1.0 + f64::from(i % 5) / 64.0,
        weight_gradient_s: 1.0 - f64::from(i % 3) / 64.0,
        pair_s: 2.5,
        kept_bytes: 3.0,
        weight_gradient_bytes: 1.0,
    };
    Costs {
        chunks: (0..plan.stages * plan.chunks).map(one).collect(),
        messages_s: vec![0.01; plan.path_len() - 1],
        blocking_fraction: 0.5,
        data: None,
    }
}

fn whole(bencher: Bencher, plan: SchedulePlan) {
    let costs = costs(&plan);
    let n = u64::from(plan.stages) * u64::from(plan.chunks) * u64::from(plan.micro_batches) * 2;
    bencher.counter(divan::counter::ItemsCount::new(n)).bench(|| {
        let order = slots(black_box(&plan)).unwrap_or_default();
        run(&plan, &order, &costs, &Noise::default()).map_or(0.0, |t| t.time_s)
    });
}

/// Order, times, memory and critical path of 131,072 slots; at most 20 ms.
#[divan::bench]
fn interleaved_16_stages_8_chunks_512_micro_batches(bencher: Bencher) {
    whole(bencher, SchedulePlan::new(Schedule::OneFOneB, 16, 8, 512));
}

/// The same of 1,024 slots; at most 1 ms.
#[divan::bench]
fn one_f_one_b_8_stages_64_micro_batches(bencher: Bencher) {
    whole(bencher, SchedulePlan::new(Schedule::OneFOneB, 8, 1, 64));
}

/// The same with weights gathered and gradients reduced beside the slots.
#[divan::bench]
fn interleaved_16_stages_8_chunks_512_micro_batches_with_collectives(bencher: Bencher) {
    let plan = SchedulePlan::new(Schedule::OneFOneB, 16, 8, 512);
    let cost = DataCost {
        gather_s: 1.0,
        reduce_s: 2.0,
        pieces: 4,
    };
    let costs = Costs {
        data: Some(DataWork {
            chunks: vec![cost; 16 * 8],
            gathers: Occasion::Once,
            reduces: Occasion::Once,
            slowdown: Slowdown {
                math_factor: 1.1,
                communication_factor: 1.2,
            },
        }),
        ..costs(&plan)
    };
    bencher.bench(|| {
        let order = slots(black_box(&plan)).unwrap_or_default();
        run(&plan, &order, &costs, &Noise::default()).map_or(0.0, |t| t.time_s)
    });
}

/// A sharded model without a pipeline: every micro-batch gathers 32 layers twice and reduces them.
#[divan::bench]
fn fully_sharded_32_layers_64_micro_batches(bencher: Bencher) {
    let plan = SchedulePlan::new(Schedule::OneFOneB, 1, 1, 64);
    let cost = DataCost {
        gather_s: 0.5,
        reduce_s: 0.5,
        pieces: 32,
    };
    let costs = Costs {
        data: Some(DataWork {
            chunks: vec![cost],
            gathers: Occasion::Every,
            reduces: Occasion::Every,
            slowdown: Slowdown::default(),
        }),
        ..costs(&plan)
    };
    let order = slots(&plan).unwrap_or_default();
    bencher.bench(|| run(black_box(&plan), &order, &costs, &Noise::default()).map_or(0.0, |t| t.time_s));
}

/// A real layout from prices to parts: what a plan costs on top of a search.
#[divan::bench]
fn default_scenario_simulated(bencher: Bencher) {
    let Ok((scenario, catalog)) = exaplan::Scenario::load("llama3-405b", &[], exaplan::Catalog::builtin()) else {
        return;
    };
    let Ok(plan) = exaplan::plan(&scenario, &catalog) else { return };
    let machine = scenario.machine();
    bencher.bench(|| exaplan::step::engine_step(&scenario.workload, black_box(&machine), &plan.layout).map_or(0.0, |s| s.time_s));
}

/// Slot pairs and weight gradients of their own.
#[divan::bench]
fn dual_pipe_16_stages_128_micro_batches(bencher: Bencher) {
    whole(bencher, SchedulePlan::new(Schedule::DualPipe, 16, 2, 128));
}

/// One draw of a Monte Carlo: order known, jitter on every slot, only the time wanted.
#[divan::bench]
fn jittered_1f1b_8_stages_64_micro_batches(bencher: Bencher) {
    let plan = SchedulePlan::new(Schedule::OneFOneB, 8, 1, 64);
    let (costs, order) = (costs(&plan), slots(&plan).unwrap_or_default());
    #[allow(clippy::cast_precision_loss)]
    let jitter = |stage: usize, slot: usize| 1.0 + ((stage * 31 + slot * 17) % 11) as f64 / 100.0;
    let noise = Noise {
        stage_factor: &[1.0, 1.0, 1.0, 1.1],
        slot_factor: Some(&jitter),
    };
    bencher.bench_local(|| time_s(black_box(&plan), &order, &costs, &noise).unwrap_or(0.0));
}
