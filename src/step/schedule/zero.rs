//! Zero-bubble schedules: the weight gradient is a slot of its own and fills what would be waiting.

use super::{Pass, SchedulePlan, Slot};

/// ZB-H1 and ZB-H2 (Qi et al., arXiv 2401.10241 §2, figures 2 and 3).
///
/// `depth` 1: stage `i` runs `p − i` forwards before its first backward as 1F1B does, and its
/// weight gradients lag by `i` micro-batches, so every stage keeps `p` micro-batches between
/// forward and weight gradient. `depth` 2: `2(p − i) − 1` forwards and a lag of `2i`: `2p − 1` kept.
pub(super) fn handcrafted(plan: &SchedulePlan, stage: u32, depth: u32) -> Vec<Slot> {
    let m = plan.micro_batches;
    let ahead = depth.saturating_mul(plan.stages - stage - 1).min(m - 1) + 1;
    let lag = depth.saturating_mul(stage);
    let mut out = Vec::with_capacity(3 * m as usize);
    out.extend((0..ahead).map(|j| Slot::new(Pass::Forward, j, 0)));
    for k in 0..m {
        out.push(Slot::new(Pass::Backward, k, 0));
        if k >= lag {
            out.push(Slot::new(Pass::WeightGradient, k - lag, 0));
        }
        if ahead + k < m {
            out.push(Slot::new(Pass::Forward, ahead + k, 0));
        }
    }
    out.extend((m.saturating_sub(lag)..m).map(|k| Slot::new(Pass::WeightGradient, k, 0)));
    out
}

/// Appends slots of one chunk in the order of micro-batches.
struct Counts {
    out: Vec<Slot>,
    m: u32,
    next: [[u32; 3]; 2],
}

impl Counts {
    /// The next micro-batch of a pass through a chunk, unless all are done.
    fn push(&mut self, pass: Pass, chunk: usize) {
        let index = match pass {
            Pass::Forward => 0,
            Pass::Backward | Pass::FullBackward => 1,
            Pass::WeightGradient => 2,
        };
        let next = &mut self.next[chunk][index];
        if *next < self.m {
            self.out.push(Slot::new(pass, *next, u32::from(chunk == 1)));
            *next += 1;
        }
    }

    fn split_backward(&mut self, chunk: usize) {
        self.push(Pass::Backward, chunk);
        self.push(Pass::WeightGradient, chunk);
    }
}

/// ZB-V (arXiv 2401.10241 §6; 2405.15362 §4, the `V-ZB` building block): chunk 0 goes down the
/// stages, chunk 1 comes back up, so the first stage holds first and last layers.
///
/// Stage `i` runs `2(p − i) − 1` forwards of chunk 0, `i` pairs of forwards, `p − i` times forward,
/// backward and weight gradient of chunk 1, then all six slots in turn; at the end backwards come
/// first and the weight gradients that are left fill the drain.
pub(super) fn vee(plan: &SchedulePlan, stage: u32) -> Vec<Slot> {
    let (p, m) = (plan.stages, plan.micro_batches);
    let mut list = Counts {
        out: Vec::with_capacity(6 * m as usize),
        m,
        next: [[0; 3]; 2],
    };
    for _ in 0..2 * (p - stage) - 1 {
        list.push(Pass::Forward, 0);
    }
    for _ in 0..stage {
        list.push(Pass::Forward, 1);
        list.push(Pass::Forward, 0);
    }
    for _ in 0..p - stage {
        list.push(Pass::Forward, 1);
        list.split_backward(1);
    }
    while list.next[1][0] < list.next[0][0] || list.next[0][0] < m {
        list.push(Pass::Forward, 0);
        list.split_backward(0);
        list.push(Pass::Forward, 1);
        list.split_backward(1);
    }
    for _ in 0..stage {
        list.push(Pass::Backward, 0);
        list.push(Pass::Backward, 1);
    }
    for _ in 0..p - stage {
        list.split_backward(0);
    }
    for chunk in [1, 0] {
        while list.next[chunk][2] < list.next[chunk][1] {
            list.push(Pass::WeightGradient, chunk);
        }
    }
    list.out
}
