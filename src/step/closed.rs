//! Length of a pipeline in closed form: what the search ranks by. [`super::engine`] is exact; this is
//! as near as a sum over stages and chunks comes.
//!
//! Derived as longest paths over the slots. A path that starts and ends on the first stage goes
//! right by forwards and left by backwards, so it passes as many of the one as of the other on every
//! stage; what a stage adds per micro-batch is `f + b`, and nothing can beat the slowest stage by
//! going to and fro, except messages: a trip right and back costs two of them for each boundary.

mod data;
mod filled;
mod lane;

use crate::layout::Schedule;
use filled::Filled;

pub use data::{Collectives, Once, Steady};

/// Seconds of a pipeline's slots and messages.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pipe {
    /// Stages.
    pub stages: usize,
    /// Chunks on each.
    pub chunks: usize,
    /// Micro-batches.
    pub n_micro_batches: f64,
    /// Forward and backward of chunk `c` of stage `i` at `i · chunks + c`.
    pub slots: Vec<Passes>,
    /// A message over a boundary.
    pub send_s: f64,
    /// Share of a message for which its sender cannot compute.
    pub blocking_fraction: f64,
    /// By how much a forward beside a backward of the other line is shorter than one after the other,
    /// by stage; nothing if empty.
    pub hidden_s: Vec<f64>,
    /// How much longer the first forward and the last backward of each stage take; nothing if empty.
    pub delays: Vec<Passes>,
}

/// Forward and backward of one chunk and micro-batch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Passes {
    /// Forward.
    pub forward_s: f64,
    /// Backward.
    pub backward_s: f64,
}

impl Passes {
    fn both_s(self) -> f64 {
        self.forward_s + self.backward_s
    }
}

impl Pipe {
    fn at(&self, stage: usize, chunk: usize) -> Passes {
        self.slots.get(stage * self.chunks + chunk).copied().unwrap_or_default()
    }

    fn delay(&self, stage: usize) -> Passes {
        self.delays.get(stage).copied().unwrap_or_default()
    }

    /// The same with what sends hold up: forwards send except from the end of the path, backwards
    /// except from its start.
    fn held(&self, stage: usize, chunk: usize) -> Passes {
        let held_s = self.send_s * self.blocking_fraction;
        let position = chunk * self.stages + stage;
        let slot = self.at(stage, chunk);
        let sends = |there: bool| if there { held_s } else { 0.0 };
        Passes {
            forward_s: slot.forward_s + sends(position + 1 < self.stages * self.chunks),
            backward_s: slot.backward_s + sends(position > 0),
        }
    }

    /// `GPipe`: the forwards follow each other at the pace of the slowest, then the backwards.
    #[must_use]
    pub fn gpipe_s(&self) -> f64 {
        let (mut out, mut slowest) = (0.0, Passes::default());
        for i in 0..self.stages {
            out += self.at(i, 0).both_s() + self.delay(i).both_s();
            let held = self.held(i, 0);
            slowest.forward_s = slowest.forward_s.max(held.forward_s);
            slowest.backward_s = slowest.backward_s.max(held.backward_s);
        }
        out + (self.n_micro_batches - 1.0) * slowest.both_s() + self.crossings_s()
    }

    /// First micro-batch to the last stage, last gradient back.
    fn crossings_s(&self) -> f64 {
        #[allow(clippy::cast_precision_loss)]
        let boundaries = self.stages.saturating_sub(1) as f64;
        2.0 * boundaries * self.send_s
    }

    /// 1F1B: the longest over stages `h` of filling up to it, its warm-up, its steady state, its
    /// drain and emptying. Of inner stages that are the same only the first is looked at: one
    /// later, the fill is longer by a trip over one boundary, warm-up and drain are each shorter by it.
    ///
    /// - Warm-up: from the end of its first forward to the start of its first backward a path may go
    ///   right to stage `j` and come back, and meanwhile take `p − j − 1` forwards of the slowest
    ///   stage it passes. Drain: the same with backwards.
    /// - Steady state: `p − h` micro-batches are under way at most, so a trip from `h` to `j` and back,
    ///   `2(j − h)` messages included, is made once every `j − h + 1` micro-batches; `j = h` is the
    ///   stage on its own. This is why messages are seen even when they overlap (the in-flight limit
    ///   of arXiv 2104.04473 §2.2.1).
    #[must_use]
    pub fn one_f_one_b_s(&self) -> f64 {
        let (p, m, s) = (self.stages, self.n_micro_batches, self.send_s);
        let held_s = s * self.blocking_fraction;
        let (mut fill_s, mut longest_s) = (0.0, 0.0);
        for h in 0..p {
            let here = self.at(h, 0);
            if h > 1 && h + 1 < p && here == self.at(h - 1, 0) {
                fill_s += here.both_s() + 2.0 * s + self.delay(h).both_s();
                continue;
            }
            // Delays of the trip's first forwards and last backwards.
            let (mut slowest, mut late) = (Passes::default(), Passes::default());
            let (mut trip_s, mut warm_s, mut drain_s, mut steady_s) = (0.0, 0.0, 0.0, 0.0);
            for j in h..p {
                #[allow(clippy::cast_precision_loss)]
                let (n, behind) = ((j - h + 1) as f64, ((p - j - 1) as f64).min(m - 1.0));
                if j > h {
                    trip_s += self.at(j, 0).both_s() + 2.0 * s;
                    late.forward_s += self.delay(j).forward_s;
                    late.backward_s += self.delay(j).backward_s;
                }
                let held = self.held(j, 0);
                slowest.forward_s = f64::max(slowest.forward_s, held.forward_s);
                slowest.backward_s = f64::max(slowest.backward_s, held.backward_s);
                warm_s = f64::max(warm_s, trip_s + late.forward_s + behind * slowest.forward_s);
                drain_s = f64::max(drain_s, trip_s + late.backward_s + behind * slowest.backward_s);
                let turns = f64::from(u8::from(h > 0)) + f64::from(u8::from(j + 1 < p));
                steady_s = f64::max(steady_s, (here.both_s() + trip_s + turns * held_s) / n);
            }
            #[allow(clippy::cast_precision_loss)]
            let under_way = (p - h) as f64;
            // One trip there and back is all there is when the pipeline never fills.
            let middle_s = if m > under_way { (m - under_way) * steady_s + drain_s } else { 0.0 };
            let short_s = if m > under_way { 0.0 } else { drain_s - self.farthest_s(h) };
            fill_s += here.both_s() + self.delay(h).both_s();
            longest_s = f64::max(longest_s, fill_s + warm_s + middle_s + short_s.max(0.0));
            fill_s += 2.0 * s;
        }
        longest_s
    }

    /// From a stage to the last and back.
    fn farthest_s(&self, h: usize) -> f64 {
        (h + 1..self.stages).map(|j| self.at(j, 0).both_s() + 2.0 * self.send_s).sum()
    }

    /// Schedules that fill the bubble; weight gradients are that share of a backward.
    #[must_use]
    pub fn filled_s(&self, kind: Schedule, weight_gradient_fraction: f64) -> f64 {
        let all = Filled {
            pipe: self,
            stages: self.stages,
            n_micro_batches: self.n_micro_batches,
            weight_gradient_fraction,
        };
        match kind {
            Schedule::ZeroBubbleH1 => all.handcrafted_s(1.0),
            Schedule::ZeroBubbleH2 => all.handcrafted_s(2.0),
            Schedule::ZeroBubbleV => all.vee_s(),
            Schedule::DualPipeV => all.two_lines_s(0.0),
            // Stages and lines are mirrored where they meet.
            _ => {
                let half = Filled {
                    stages: self.stages.div_ceil(2),
                    n_micro_batches: self.n_micro_batches / 2.0,
                    ..all
                };
                half.two_lines_s(if self.stages > 1 { self.send_s } else { 0.0 })
            }
        }
    }

    /// The depth-first loop: between which lengths interleaved 1F1B lies.
    ///
    /// A group of `p` micro-batches passes one chunk of all stages after another. In warm-up and
    /// drain, and throughout when there is one group only, a chunk's first micro-batch needs the
    /// last stage's result of the chunk before, so every chunk goes at the pace of its slowest stage:
    /// `p·Σ_c max_i`. In the steady state the other pass leaves time for that, and the pace is at
    /// least `max_i Σ_c`, at most `Σ_c max_i`. With chunks that are even, or uneven on one stage
    /// only (embedding, head), both are the same.
    #[must_use]
    pub fn depth_first_s(&self) -> Between {
        let (p, v, m) = (self.stages, self.chunks, self.n_micro_batches);
        #[allow(clippy::cast_precision_loss)]
        let stages = p as f64;
        let mut fixed_s = self.crossings_s() + self.first_chunk_s();
        let mut apart_s = 0.0;
        for c in 0..v {
            let (slowest, round) = self.chunk(c);
            apart_s += slowest.both_s();
            if c + 1 < v {
                // A trip of one micro-batch round all stages, messages included, may take longer.
                fixed_s += (round.forward_s - stages * slowest.forward_s).max(0.0);
                fixed_s += (round.backward_s - stages * slowest.backward_s).max(0.0);
            }
        }
        let whole = |i| (0..v).map(|c| self.held(i, c).both_s()).sum::<f64>();
        let together_s = (0..p).map(whole).fold(0.0, f64::max);
        let first_s = fixed_s + m.min(stages) * apart_s;
        let rest = (m - stages).max(0.0);
        Between {
            low_s: first_s + rest * together_s,
            high_s: first_s + rest * apart_s,
        }
    }

    /// The breadth-first loop: all micro-batches pass a chunk before the next one. The longest path
    /// never goes back to an earlier stage at a later chunk, so each chunk counts at a stage that is
    /// not before that of the chunk before it.
    #[must_use]
    pub fn breadth_first_s(&self) -> f64 {
        let (p, v, m) = (self.stages, self.chunks, self.n_micro_batches);
        let longest = |of: &dyn Fn(Passes) -> f64| {
            // Longest path that is at stage i after the chunks so far.
            let mut at = vec![0.0; p];
            for c in 0..v {
                let mut best = 0.0;
                for (i, here) in at.iter_mut().enumerate() {
                    best = f64::max(best, *here);
                    *here = best + m * of(self.held(i, c));
                }
            }
            at.into_iter().fold(0.0, f64::max)
        };
        let mut out = self.crossings_s() + self.first_chunk_s() + longest(&|x| x.forward_s) + longest(&|x| x.backward_s);
        for c in 1..v {
            let (slowest, round) = self.chunk(c - 1);
            out += (round.forward_s - m * slowest.forward_s).max(0.0);
            out += (round.backward_s - m * slowest.backward_s).max(0.0);
        }
        out
    }

    /// First chunk of all stages but the last: how long the last waits for its first micro-batch
    /// and the first for its last gradient.
    fn first_chunk_s(&self) -> f64 {
        let last_s = self.delay(self.stages.saturating_sub(1)).both_s();
        let passes = (1..self.stages).map(|i| self.at(i - 1, 0).both_s() + self.delay(i - 1).both_s());
        passes.sum::<f64>() + last_s
    }

    /// The slowest stage at a chunk, and one micro-batch through that chunk of all stages.
    fn chunk(&self, c: usize) -> (Passes, Passes) {
        let (mut slowest, mut round) = (Passes::default(), Passes::default());
        for i in 0..self.stages {
            let (slot, held) = (self.at(i, c), self.held(i, c));
            slowest.forward_s = slowest.forward_s.max(held.forward_s);
            slowest.backward_s = slowest.backward_s.max(held.backward_s);
            round.forward_s += slot.forward_s + self.send_s;
            round.backward_s += slot.backward_s + self.send_s;
        }
        (slowest, round)
    }
}

/// A length that is known between two others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Between {
    /// At least.
    pub low_s: f64,
    /// At most.
    pub high_s: f64,
}

impl Between {
    /// Half way.
    #[must_use]
    pub fn middle_s(self) -> f64 {
        f64::midpoint(self.low_s, self.high_s)
    }
}
