//! Schedules and the engine that times them, against papers, a slow second simulator, and laws.

mod bars;
mod clock;
mod filled;
mod held;
mod laws;
mod layouts;
mod papers;
mod reference;

use exaplan::step::engine::{ChunkCost, Costs, Noise, Timeline, run};
use exaplan::step::schedule::{Schedule, SchedulePlan, slots};

/// Costs that are the same everywhere; messages take no time.
fn even(plan: &SchedulePlan, cost: ChunkCost) -> Costs {
    Costs {
        chunks: vec![cost; (plan.stages * plan.chunks) as usize],
        messages_s: vec![0.0; plan.path_len() - 1],
        blocking_fraction: 0.0,
        data: None,
    }
}

/// Forward, input gradient and weight gradient of a chunk; a pair takes as long as its parts.
fn chunk(forward_s: f64, backward_s: f64, weight_gradient_s: f64) -> ChunkCost {
    ChunkCost {
        forward_s,
        backward_s,
        weight_gradient_s,
        pair_s: forward_s + backward_s + weight_gradient_s,
        kept_bytes: 3.0,
        weight_gradient_bytes: 1.0,
    }
}

fn timeline(plan: &SchedulePlan, costs: &Costs) -> Timeline {
    let order = slots(plan).unwrap();
    run(plan, &order, costs, &Noise::default()).unwrap()
}

/// Every schedule that exists for these sizes.
fn plans(stages: u32, chunks: u32, micro_batches: u32) -> Vec<SchedulePlan> {
    let mut out = Vec::new();
    for kind in Schedule::ALL {
        let mut groups = vec![stages];
        if kind == Schedule::OneFOneB && chunks > 1 {
            groups.extend(stages + 1..=micro_batches);
        }
        for group in groups {
            let plan = SchedulePlan {
                group,
                ..SchedulePlan::new(kind, stages, chunks, micro_batches)
            };
            if slots(&plan).is_ok() {
                out.push(plan);
            }
        }
    }
    out
}
