//! The closed form of schedules that fill the bubble, against the engine.

use exaplan::step::closed::{Passes, Pipe};
use exaplan::step::engine::{ChunkCost, Costs, Noise, time_s};
use exaplan::step::schedule::{Schedule, SchedulePlan, slots};

/// A pipeline of equal stages, save that the ends may hold more.
struct Case {
    plan: SchedulePlan,
    input_s: f64,
    weight_s: f64,
    ends_s: f64,
    send_s: f64,
    hidden_s: f64,
}

impl Case {
    /// Forward, input gradient and weight gradient of each chunk. A forward takes a second.
    fn chunks(&self) -> Vec<[f64; 3]> {
        let n = (self.plan.stages * self.plan.chunks) as usize;
        let mut out = vec![[1.0, self.input_s, self.weight_s]; n];
        // The embedding is little but the head is some layers' worth: both ends of a V are one stage, and
        // of two copies each has one.
        let heads = match self.plan.kind {
            Schedule::DualPipe => vec![1, n - 2],
            _ if self.plan.chunks == 2 => vec![1],
            _ => vec![n - 1],
        };
        for head in heads {
            out[head] = out[head].map(|s| s * (1.0 + self.ends_s));
        }
        out
    }

    fn simulated_s(&self) -> Option<f64> {
        let chunks = self
            .chunks()
            .into_iter()
            .map(|[forward_s, backward_s, weight_gradient_s]| ChunkCost {
                forward_s,
                backward_s,
                weight_gradient_s,
                pair_s: forward_s + backward_s + weight_gradient_s - self.hidden_s,
                ..ChunkCost::default()
            });
        let costs = Costs {
            chunks: chunks.collect(),
            messages_s: vec![self.send_s; self.plan.path_len() - 1],
            blocking_fraction: 0.0,
            data: None,
        };
        time_s(&self.plan, &slots(&self.plan).ok()?, &costs, &Noise::default()).ok()
    }

    fn closed_s(&self) -> f64 {
        let mut chunks = self.chunks();
        let mut n_chunks = self.plan.chunks as usize;
        if self.plan.kind == Schedule::DualPipe {
            // Two copies of a model are one of their mean.
            let mean = |pair: &[[f64; 3]]| [0, 1, 2].map(|i| f64::midpoint(pair[0][i], pair[1][i]));
            chunks = chunks.chunks(2).map(mean).collect();
            n_chunks = 1;
        }
        let slots = chunks.into_iter().map(|[forward_s, input_s, weight_s]| Passes {
            forward_s,
            backward_s: input_s + weight_s,
        });
        let pipe = Pipe {
            stages: self.plan.stages as usize,
            chunks: n_chunks,
            n_micro_batches: f64::from(self.plan.micro_batches),
            slots: slots.collect(),
            send_s: self.send_s,
            hidden_s: vec![self.hidden_s; self.plan.stages as usize],
            ..Pipe::default()
        };
        pipe.filled_s(self.plan.kind, self.weight_s / (self.input_s + self.weight_s))
    }
}

/// Errors of the closed form over a grid, smallest first.
fn errors(kind: Schedule, ends_s: f64, sends_s: &[f64]) -> Vec<f64> {
    let mut out = Vec::new();
    for stages in [2, 4, 8, 16, 32] {
        for micro_batches in [stages, 2 * stages, 3 * stages, 8 * stages] {
            // The last with recomputation.
            for (input_s, weight_s) in [(1.0, 1.0), (1.3, 0.8), (2.1, 0.9)] {
                for &send_s in sends_s {
                    for hidden_s in if kind.pairs() { [0.0, 0.8] } else { [0.0, 0.0] } {
                        let chunks = kind.chunks().unwrap_or(1);
                        let case = Case {
                            plan: SchedulePlan::new(kind, stages, chunks, micro_batches),
                            input_s,
                            weight_s,
                            ends_s,
                            send_s,
                            hidden_s,
                        };
                        out.extend(case.simulated_s().map(|s| (s / case.closed_s() - 1.0).abs()));
                    }
                }
            }
        }
    }
    out.sort_by(f64::total_cmp);
    out
}

fn quantile(errors: &[f64], share: f64) -> f64 {
    errors[((errors.len() - 1) as f64 * share) as usize]
}

/// Zero-bubble schedules that are made by hand, on equal stages whose messages take no time: exact.
#[test]
fn handcrafted_schedules_of_equal_stages_are_exact() {
    for kind in [Schedule::ZeroBubbleH1, Schedule::ZeroBubbleH2] {
        let errors = errors(kind, 0.0, &[0.0]);
        assert!(
            quantile(&errors, 0.9) < 1e-9 && quantile(&errors, 1.0) < 0.005,
            "{kind:?}: {errors:?}"
        );
    }
}

/// All of them, with messages and a head: what the search ranks by is near what the engine says.
#[test]
fn schedules_that_fill_the_bubble_are_near_the_engine() {
    let kinds = [
        Schedule::ZeroBubbleH1,
        Schedule::ZeroBubbleH2,
        Schedule::ZeroBubbleV,
        Schedule::DualPipe,
        Schedule::DualPipeV,
    ];
    for kind in kinds {
        for ends_s in [0.0, 0.3] {
            let errors = errors(kind, ends_s, &[0.0, 0.03, 0.1]);
            let (median, most, worst) = (quantile(&errors, 0.5), quantile(&errors, 0.9), quantile(&errors, 1.0));
            println!(
                "{kind:?} {ends_s}: median {median:.4}, 90 % {most:.4}, worst {worst:.4} of {}",
                errors.len()
            );
            assert!(median < 0.035 && most < 0.07 && worst < 0.14, "{kind:?}: {median} {most} {worst}");
        }
    }
}
