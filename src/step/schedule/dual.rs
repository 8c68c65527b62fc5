//! `DualPipe` and `DualPipeV`: a forward and a backward of different micro-batches run as one slot
//! pair in which the communication of each hides behind the math of the other
//! (DeepSeek-V3, arXiv 2412.19437 §3.2.1, figures 4 and 5; eight phases as in deepseek-ai/DualPipe).

use super::{Pass, SchedulePlan, Slot};
use std::collections::VecDeque;

/// Appends slots; weight gradients that were put off run in the order in which they came.
struct List {
    out: Vec<Slot>,
    late: VecDeque<(u32, u32)>,
    /// First micro-batch of either line.
    first: [u32; 2],
    forwards: [u32; 2],
    backwards: [u32; 2],
    /// Chunk of either line.
    chunk: [u32; 2],
}

impl List {
    fn new(micro_batches: u32, first: [u32; 2], chunk: [u32; 2]) -> List {
        List {
            out: Vec::with_capacity(6 * micro_batches as usize),
            late: VecDeque::new(),
            first,
            forwards: [0; 2],
            backwards: [0; 2],
            chunk,
        }
    }

    fn forward(&mut self, line: usize) {
        let slot = Slot::new(Pass::Forward, self.first[line] + self.forwards[line], self.chunk[line]);
        self.forwards[line] += 1;
        self.out.push(slot);
    }

    /// Whole, or with the weight gradient put off.
    fn backward(&mut self, line: usize, split: bool) {
        let j = self.first[line] + self.backwards[line];
        self.backwards[line] += 1;
        let pass = if split { Pass::Backward } else { Pass::FullBackward };
        self.out.push(Slot::new(pass, j, self.chunk[line]));
        if split {
            self.late.push_back((j, self.chunk[line]));
        }
    }

    fn weight_gradient(&mut self) {
        if let Some((j, chunk)) = self.late.pop_front() {
            self.out.push(Slot::new(Pass::WeightGradient, j, chunk));
        }
    }

    /// A forward of one line beside a backward of the other.
    fn both(&mut self, forward: usize, backward: usize) {
        self.forward(forward);
        if let Some(slot) = self.out.last_mut() {
            slot.with_next = true;
        }
        self.backward(backward, false);
    }

    /// The phases; `inner` counts stages towards the one where the lines meet, `behind` those left.
    /// `main` is the length of the steady phase and `meets` says that this is the stage where they meet.
    fn phases(&mut self, inner: u32, behind: u32, main: u32, meets: bool) {
        for _ in 0..2 * behind {
            self.forward(0);
        }
        for _ in 0..=inner {
            self.forward(0);
            self.forward(1);
        }
        for _ in 0..behind {
            self.backward(1, true);
            self.weight_gradient();
            self.forward(1);
        }
        for i in 0..main {
            if i == 0 && meets {
                // Nothing to overlap with yet: the gradient that the neighbour waits for goes out sooner.
                self.forward(0);
                self.backward(1, false);
            } else {
                self.both(0, 1);
            }
            self.both(1, 0);
        }
        for _ in 0..behind {
            self.backward(1, false);
            self.both(1, 0);
        }
        // The second half of the drain puts weight gradients off.
        let half = inner.div_ceil(2);
        for i in 0..=inner {
            let odd = inner % 2 == 1;
            self.backward(1, if odd { i >= half } else { i > half });
            self.backward(0, i >= half);
        }
        for _ in 0..behind {
            self.weight_gradient();
            self.backward(0, true);
        }
        while !self.late.is_empty() {
            self.weight_gradient();
        }
    }
}

/// `DualPipe`: half of the micro-batches enter at the first stage, half at the last. Line 0 of a
/// stage is the one that enters at the nearer end.
pub(super) fn two_way(plan: &SchedulePlan, stage: u32) -> Vec<Slot> {
    let (p, m) = (plan.stages, plan.micro_batches);
    let half = p / 2;
    let inner = stage.min(p - 1 - stage);
    let (first, chunk) = if stage < half { ([0, m / 2], [0, 1]) } else { ([m / 2, 0], [1, 0]) };
    let mut list = List::new(m, first, chunk);
    let behind = half - inner - 1;
    list.phases(inner, behind, m / 2 + inner + 1 - p, behind == 0);
    list.out
}

/// `DualPipeV`: line 0 is the way down the V, line 1 the way back.
pub(super) fn vee(plan: &SchedulePlan, stage: u32) -> Vec<Slot> {
    let (p, m) = (plan.stages, plan.micro_batches);
    let mut list = List::new(m, [0, 0], [0, 1]);
    list.phases(stage, p - stage - 1, m + stage + 1 - 2 * p, stage + 1 == p);
    list.out
}
