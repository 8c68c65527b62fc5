//! Data-parallel collectives beside a pipeline, in closed form: the lane of a few stages is played
//! through the slots that matter, instead of through all.

use super::lane::{Backlog, Weights};
use super::{Passes, Pipe};
use crate::step::engine::{DataCost, Occasion, Slowdown};

/// What the collectives are and how they run.
#[derive(Debug, Clone, Copy)]
pub struct Collectives<'a> {
    /// Chunk `c` of stage `i` at `i · chunks + c`.
    pub chunks: &'a [DataCost],
    /// When weights are gathered.
    pub gathers: Occasion,
    /// When gradients are reduced.
    pub reduces: Occasion,
    /// What running beside math costs.
    pub slowdown: Slowdown,
    /// Micro-batches that pass a chunk before the next one's turn.
    pub n_together: f64,
}

/// A micro-batch through one chunk when collectives come with every one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Steady {
    /// Its passes once the lane has settled.
    pub passes: Passes,
    /// What the first micro-batch saves, having no reduction before it, and what the last
    /// reduction adds.
    pub edge_s: f64,
}

/// What collectives that are made once do to a pipeline, besides [`Pipe::delays`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Once {
    /// The delays of chunks after the first, by the longer of two ways: they follow each other on one
    /// stage, and the first and the last micro-batch pass each of them on all stages.
    pub later_chunks_s: f64,
    /// What is left to reduce when the last micro-batch has left the pipeline.
    pub after_s: f64,
    /// How much longer it may all be: were every delay of every stage on the longest way.
    pub unsure_s: f64,
}

/// By how much the slots of a stage that wait for collectives, or run beside them, are longer.
#[derive(Debug, Clone, Copy, Default)]
struct Delay {
    /// The slot of the first chunk.
    first_chunk_s: f64,
    /// Everything between and before that, on this stage.
    others_s: f64,
    /// Of that, the slots of the last micro-batch.
    own_slots_s: f64,
}

impl Collectives<'_> {
    /// Passes of a chunk with the collectives that come with each.
    #[must_use]
    pub fn steady(&self, alone: Passes, cost: &DataCost) -> Steady {
        let every = |o: Occasion, s: f64| o == Occasion::Every && s > 0.0;
        let weights = if every(self.gathers, cost.gather_s) {
            Weights::Own
        } else {
            Weights::There
        };
        let reduces = every(self.reduces, cost.reduce_s);
        if weights == Weights::There && !reduces {
            return Steady {
                passes: alone,
                edge_s: 0.0,
            };
        }
        let mut lane = Backlog::new(self.slowdown);
        let period = |lane: &mut Backlog, start_s: f64| {
            let before_s = lane.pushed_s();
            let half_s = lane.slot(weights, 0.0, false, cost, alone.forward_s);
            // Gradients of the micro-batch before: there is room for one.
            let end_s = lane.slot(weights, before_s, reduces, cost, alone.backward_s);
            (half_s - start_s, end_s - half_s)
        };
        let first = period(&mut lane, 0.0);
        let middle_s = first.0 + first.1;
        let second = period(&mut lane, middle_s);
        let end_s = middle_s + second.0 + second.1;
        let passes = Passes {
            forward_s: second.0,
            backward_s: second.1,
        };
        Steady {
            passes,
            edge_s: middle_s - passes.both_s() + lane.drain() - end_s,
        }
    }

    /// What the collectives that are made once do to a pipeline: the first forward of a stage waits
    /// for its weights, the last backward is slowed by the reductions of its own gradients, and both
    /// lie on the way of the first and the last micro-batch through all stages. They are written into
    /// the pipe.
    #[must_use]
    pub fn once(&self, pipe: &mut Pipe) -> Once {
        let mut out = Once::default();
        let mut delays = std::mem::take(&mut pipe.delays);
        delays.clear();
        delays.resize(pipe.stages, Passes::default());
        // Chunks after the first: all on one stage, or one after another through all stages.
        let (mut most, mut chain_s, mut all_s) = (Passes::default(), 0.0, 0.0);
        // Most stages are like the one before.
        let mut drained = (Delay::default(), 0.0);
        // When the first micro-batch comes, and how much before the end the last one leaves.
        let (mut fill_s, mut slack_s) = (0.0, 0.0);
        for (stage, late) in delays.iter_mut().enumerate() {
            let slot = pipe.at(stage, 0);
            if self.gathers == Occasion::Once {
                let delay = self.first_forwards(pipe, stage, fill_s);
                late.forward_s = delay.first_chunk_s;
                most.forward_s = f64::max(most.forward_s, delay.others_s);
                all_s += delay.others_s;
                fill_s += delay.first_chunk_s;
            }
            fill_s += slot.forward_s + pipe.send_s;
            if self.reduces == Occasion::Once {
                if stage == 0 || !self.same(pipe, stage) {
                    drained = self.last_backwards(pipe, stage);
                }
                let (delay, left_s) = drained;
                late.backward_s = delay.first_chunk_s;
                most.backward_s = f64::max(most.backward_s, delay.others_s);
                chain_s += delay.own_slots_s;
                all_s += delay.others_s;
                out.after_s = out.after_s.max(left_s - slack_s);
                slack_s += delay.first_chunk_s;
            }
            slack_s += slot.backward_s + pipe.send_s;
        }
        // Stages wait for weights at the same time, but reductions slow each of them in turn.
        out.later_chunks_s = most.forward_s + f64::max(most.backward_s, chain_s);
        out.unsure_s = (all_s - out.later_chunks_s).max(0.0);
        pipe.delays = delays;
        out
    }

    /// A stage has the slots and collectives of the one before.
    fn same(&self, pipe: &Pipe, stage: usize) -> bool {
        (0..pipe.chunks).all(|c| pipe.at(stage, c) == pipe.at(stage - 1, c) && self.cost(pipe, stage, c) == self.cost(pipe, stage - 1, c))
    }

    fn cost(&self, pipe: &Pipe, stage: usize, chunk: usize) -> DataCost {
        self.chunks.get(stage * pipe.chunks + chunk).copied().unwrap_or_default()
    }

    /// How much longer than without gathers the first forwards of a stage take when the input of the
    /// first is there at `fill_s`.
    fn first_forwards(&self, pipe: &Pipe, stage: usize, fill_s: f64) -> Delay {
        let mut out = Delay::default();
        let costs = (0..pipe.chunks).map(|c| self.cost(pipe, stage, c));
        let work_s: f64 = costs.clone().map(|c| c.gather_s).sum();
        if work_s <= fill_s {
            return out;
        }
        let mut lane = Backlog::new(self.slowdown);
        lane.push(work_s);
        lane.idle_until(fill_s);
        let (mut alone_s, mut before_s) = (fill_s, 0.0);
        for (c, cost) in costs.enumerate() {
            let forward_s = pipe.at(stage, c).forward_s;
            let start_s = lane.now_s();
            let own_s = lane.slot(Weights::Behind(before_s), 0.0, false, &cost, forward_s) - start_s - forward_s;
            before_s += cost.gather_s;
            alone_s += forward_s;
            if c == 0 {
                out.first_chunk_s = own_s;
            }
            if lane.is_idle() {
                break;
            }
            // The other micro-batches of the group.
            lane.beside((self.n_together - 1.0) * forward_s);
            alone_s += (self.n_together - 1.0) * forward_s;
        }
        out.others_s = lane.now_s() - alone_s - out.first_chunk_s;
        out
    }

    /// How much longer than without reductions the last backwards of a stage take, and what is left
    /// to reduce then.
    fn last_backwards(&self, pipe: &Pipe, stage: usize) -> (Delay, f64) {
        let mut out = Delay::default();
        let work_s: f64 = (0..pipe.chunks).map(|c| self.cost(pipe, stage, c).reduce_s).sum();
        if work_s <= 0.0 {
            return (out, 0.0);
        }
        let mut lane = Backlog::new(self.slowdown);
        let mut alone_s = 0.0;
        for c in (0..pipe.chunks).rev() {
            let backward_s = pipe.at(stage, c).backward_s;
            if c + 1 < pipe.chunks {
                lane.beside((self.n_together - 1.0) * backward_s);
                alone_s += (self.n_together - 1.0) * backward_s;
            }
            out.others_s = lane.now_s() - alone_s;
            let start_s = lane.now_s();
            let cost = self.cost(pipe, stage, c);
            let own_s = lane.slot(Weights::There, 0.0, cost.reduce_s > 0.0, &cost, backward_s) - start_s - backward_s;
            alone_s += backward_s;
            if c == 0 {
                out.first_chunk_s = own_s;
            } else {
                out.own_slots_s += own_s;
            }
        }
        let end_s = lane.now_s();
        (out, lane.drain() - end_s)
    }
}
