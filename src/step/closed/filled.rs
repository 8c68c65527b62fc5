//! Schedules that fill the bubble: with weight gradients (zero bubble) and with a second line of
//! micro-batches (`DualPipe`).
//!
//! Every stage is late by what it waits for before its pace settles: its first input, its first
//! gradient, and what comes a second time round. From then on it runs at its pace, which messages may
//! slow where a neighbor's result is needed in the same turn; after the last gradient what is left of
//! it goes home through all stages. The longest of these paths is the length. The papers' bubbles
//! (arXiv 2401.10241 table 2, 2405.15362 §4, 2412.19437 table 2) are what it gives for equal stages
//! without messages, plus, for those that call it zero, the time until the last stage has its first
//! input: a step ends when all stages do.

use super::Pipe;

/// One chunk and micro-batch on a stage.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    forward_s: f64,
    /// Gradients of the inputs.
    input_s: f64,
    /// Gradients of the weights.
    weight_s: f64,
}

impl Chunk {
    fn both_s(self) -> f64 {
        self.forward_s + self.input_s + self.weight_s
    }

    fn backward_s(self) -> f64 {
        self.input_s + self.weight_s
    }
}

#[allow(clippy::cast_precision_loss)]
fn real(n: usize) -> f64 {
    n as f64
}

/// A pipeline whose backwards are cut in two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filled<'a> {
    pub pipe: &'a Pipe,
    /// Stages: half of them where the other half is their mirror.
    pub stages: usize,
    /// Micro-batches that enter at the first stage.
    pub n_micro_batches: f64,
    /// Of a backward.
    pub weight_gradient_fraction: f64,
}

impl Filled<'_> {
    fn at(self, stage: usize, chunk: usize) -> Chunk {
        let slot = self.pipe.at(stage, chunk.min(self.pipe.chunks.saturating_sub(1)));
        let weight_s = slot.backward_s * self.weight_gradient_fraction;
        Chunk {
            forward_s: slot.forward_s,
            input_s: slot.backward_s - weight_s,
            weight_s,
        }
    }

    fn delays_s(self) -> f64 {
        self.pipe.delays.iter().map(|d| d.forward_s + d.backward_s).sum()
    }

    /// What sends hold up per micro-batch on a stage: one each way where there is a neighbor.
    fn held_s(self, stage: usize) -> f64 {
        let neighbors = usize::from(stage > 0) + usize::from(stage + 1 < self.stages);
        self.pipe.send_s * self.pipe.blocking_fraction * real(neighbors)
    }

    /// ZB-H1 (`depth` 1) and ZB-H2 (2): stage `i` runs `depth·(p − 1 − i) + 1` forwards ahead, and its
    /// weight gradients lag by `depth·i` micro-batches ([`crate::step::schedule`]).
    pub(super) fn handcrafted_s(self, depth: f64) -> f64 {
        let (p, m, s) = (self.stages, self.n_micro_batches, self.pipe.send_s);
        let last = p.saturating_sub(1);
        let ahead = |i: usize| (depth * real(last - i)).min(m - 1.0) + 1.0;
        let (mut fill_s, mut back_s) = (0.0, 0.0);
        for i in 0..p {
            let here = self.at(i, 0);
            fill_s += here.forward_s + if i < last { s } else { 0.0 };
            back_s += if i > 0 { here.input_s + s } else { 0.0 };
        }
        let first = self.at(0, 0);
        // The first stage has its first gradient back and turns to forwards again.
        let again_s = f64::max(fill_s + back_s, ahead(0) * first.forward_s) + first.backward_s();
        let (mut start_s, mut late_s, mut longest_s) = (0.0, 0.0, 0.0);
        for i in 0..p {
            let here = self.at(i, 0);
            back_s -= if i > 0 { here.input_s + s } else { 0.0 };
            late_s = f64::max(start_s, fill_s + back_s - ahead(i) * here.forward_s);
            if m > ahead(0) && i > 0 {
                let done_s = ahead(0) * here.forward_s + (depth * real(i) + 1.0) * here.input_s + here.weight_s;
                late_s = f64::max(late_s, again_s + start_s - done_s);
            }
            // A trip to the neighbor and back has `depth` turns.
            let trip_s = if p > 1 {
                (here.forward_s + here.input_s + 2.0 * s) / depth
            } else {
                0.0
            };
            longest_s = f64::max(longest_s, late_s + m * f64::max(here.both_s() + self.held_s(i), trip_s));
            start_s += here.forward_s + s;
        }
        // From the last gradient of the last stage home, and the weight gradients that are left there.
        let end = self.at(last, 0);
        let before = (m - 1.0 - depth * real(last)).max(0.0);
        let mut home_s = late_s + m * (end.forward_s + end.input_s + self.held_s(last)) + before * end.weight_s;
        for i in (0..last).rev() {
            let here = self.at(i, 0);
            home_s += here.input_s + s;
            let left = (depth * real(i)).min(m - 1.0) + 1.0;
            longest_s = f64::max(longest_s, home_s + left * here.weight_s);
        }
        longest_s + self.delays_s()
    }

    /// Forwards of the first micro-batch down the V and back up, with its messages.
    fn down_and_up_s(self, turn_s: f64) -> f64 {
        let p = self.stages;
        let forwards = (0..p).map(|i| self.at(i, 0).forward_s + self.at(i, 1).forward_s);
        forwards.sum::<f64>() + 2.0 * real(p.saturating_sub(1)) * self.pipe.send_s + turn_s
    }

    /// ZB-V: chunk 0 goes down the stages, chunk 1 comes back.
    pub(super) fn vee_s(self) -> f64 {
        let (p, m, s) = (self.stages, self.n_micro_batches, self.pipe.send_s);
        let stages = real(p);
        let top_s = self.down_and_up_s(0.0);
        // When the first gradient of chunk 1 and then that of chunk 0 comes to a stage.
        let (mut down_s, mut up_s) = (top_s, top_s + self.at(0, 1).input_s);
        for i in 1..p {
            up_s += self.at(i, 1).input_s + self.at(i, 0).input_s + 2.0 * s;
        }
        let (mut start_s, mut longest_s, mut top_end_s) = (0.0, 0.0, 0.0);
        for i in 0..p {
            let (go, back, n) = (self.at(i, 0), self.at(i, 1), real(i));
            up_s -= if i > 0 { go.input_s + s } else { 0.0 };
            let mut late_s = f64::max(
                start_s,
                down_s - (2.0 * stages - n - 1.0) * go.forward_s - (n + 1.0) * back.forward_s,
            );
            if i == 0 {
                late_s = f64::max(late_s, top_s - back.forward_s - (2.0 * stages - 1.0) * go.forward_s);
            }
            let before_s = (2.0 * stages - n) * go.forward_s + stages * back.forward_s + (stages - n) * back.backward_s();
            late_s = f64::max(late_s, up_s - before_s);
            // Both gradients and both forwards cross a boundary in every turn.
            let most_s = go.forward_s.max(go.input_s).max(back.forward_s).max(back.input_s);
            let pace_s = f64::max(go.both_s() + back.both_s() + 2.0 * self.held_s(i), 2.0 * (most_s + s));
            longest_s = f64::max(longest_s, late_s + m * pace_s);
            if i == 0 {
                top_end_s = late_s + m * pace_s - back.weight_s - stages * go.backward_s();
            }
            start_s += go.forward_s + s;
            down_s += back.input_s + s;
        }
        let mut home_s = top_end_s + (1..p).map(|i| self.at(i, 1).input_s + s).sum::<f64>();
        for i in (0..p).rev() {
            let (go, back) = (self.at(i, 0), self.at(i, 1));
            home_s += go.input_s;
            longest_s = f64::max(longest_s, home_s + real(i + 1) * go.weight_s + real(i) * back.weight_s);
            home_s += s;
        }
        longest_s + self.delays_s()
    }

    /// `DualPipeV`; `DualPipe` is the same with half of the stages and micro-batches, whose other half
    /// is its mirror, and a message (`turn_s`) where the lines meet.
    pub(super) fn two_lines_s(self, turn_s: f64) -> f64 {
        let (p, m, s) = (self.stages, self.n_micro_batches, self.pipe.send_s);
        let stages = real(p);
        // A forward and a backward side by side.
        let both_s = |i: usize| f64::midpoint(self.at(i, 0).both_s(), self.at(i, 1).both_s());
        let pair_s = |i: usize| both_s(i) - self.pipe.hidden_s.get(i).copied().unwrap_or(0.0);
        let top_s = self.down_and_up_s(turn_s);
        let end = p.saturating_sub(1);
        let mut down_s = top_s;
        let mut up_s = top_s + turn_s + self.at(end, 1).backward_s();
        // The last gradient, from the first stage down, back up, and its weight gradient.
        let mut home_s = stages.max(1.0).mul_add(s, -s) + turn_s + self.at(0, 0).backward_s();
        let mut climb_s = 0.0;
        for i in 0..end {
            up_s += self.at(i, 1).input_s + s + if i > 0 { pair_s(i) + s } else { 0.0 };
            climb_s += pair_s(i) + s;
        }
        up_s += if end > 0 { pair_s(end) + s } else { 0.0 };
        for i in 1..p {
            home_s += self.at(i, 1).input_s + s + self.at(i, 0).input_s;
        }
        let (mut start_s, mut longest_s, mut turned_s) = (0.0, 0.0, 0.0);
        for i in 0..p {
            let (go, back, n) = (self.at(i, 0), self.at(i, 1), real(i));
            let before_s = (2.0 * stages - n - 1.0) * go.forward_s + (n + 1.0) * back.forward_s;
            let meets_s = if i == end { go.forward_s } else { 0.0 };
            let mut late_s = f64::max(start_s, down_s - before_s - meets_s);
            if i < end {
                let behind = stages - 1.0 - n;
                let before_s = before_s + behind * (back.forward_s + back.backward_s()) + pair_s(i);
                late_s = f64::max(late_s, up_s - before_s);
                up_s -= pair_s(i + 1) + s;
            }
            // In a pair forward and gradient of both neighbors are needed in the same turn.
            let neighbors = if turn_s > 0.0 || (i > 0 && i < end) { 4.0 } else { 2.0 };
            let waits_s = if p > 1 { 2.0 * s } else { 0.0 };
            let held_s = f64::max(s * self.pipe.blocking_fraction * neighbors, waits_s);
            let paired = (2.0 * m - 3.0 * stages + n + 1.0).max(0.0);
            let end_s = late_s + paired * pair_s(i) + (2.0 * m - paired) * both_s(i) + (m + n + 1.0 - 2.0 * stages).max(0.0) * held_s;
            longest_s = f64::max(longest_s, end_s);
            if i == 0 {
                longest_s = f64::max(longest_s, end_s - stages * go.backward_s() + home_s);
            }
            if i == end {
                turned_s = end_s - stages * (go.backward_s() + back.backward_s());
            }
            start_s += go.forward_s + s;
            down_s += back.input_s + s;
        }
        let last = self.at(0, 1).backward_s();
        f64::max(longest_s, turned_s + climb_s + last + home_s) + self.delays_s()
    }
}
