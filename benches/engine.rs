//! Speed of the event engine.
//!
//! `cargo bench --bench engine` prints medians; compare ratios within one run, machines are noisy.
//!
//! Medians of 2026-11-24 on one of two shared cores of an AMD EPYC: interleaved 9.3 ms, 1F1B 42 µs
//! (23,800 steps/s), jittered 32 µs, `DualPipe` 144 µs.

use divan::{Bencher, black_box};
use exaplan::step::engine::{ChunkCost, Costs, Noise, run, time_s};
use exaplan::step::schedule::{Schedule, SchedulePlan, slots};

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
