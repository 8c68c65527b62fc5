//! Data-parallel collectives beside the slots of a pipeline, in closed form.

use super::Base;
use crate::layout::{Cut, Groups, Layout, Schedule, StageShape};
use crate::step::Machine;
use crate::step::closed::{Collectives, Passes, Pipe};
use crate::step::data;
use crate::step::engine::{DataCost, Occasion, Slowdown};
use crate::workload::Workload;

/// What data-parallel collectives do to a pipeline.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DataParallel {
    /// Seconds by which they lengthen it.
    pub time_s: f64,
    /// By how much more they might.
    pub unsure_s: f64,
    /// They come with every micro-batch.
    pub every: bool,
}

/// Collectives of the chunks of a cut: they depend on who shares state, not on the micro-batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChunkCosts {
    /// Chunk `c` of stage `i` at `i · chunks + c`, two copies of a model as one; empty where every
    /// weight has one owner.
    whole: Vec<DataCost>,
    /// What of them the stack sends beside math.
    beside: Vec<DataCost>,
}

impl ChunkCosts {
    /// Those of a layout.
    #[must_use]
    pub fn of(workload: &Workload, machine: &Machine, layout: &Layout, cut: &Cut, groups: &Groups) -> ChunkCosts {
        if !data::is_shared(groups) {
            return ChunkCosts::default();
        }
        let one = |shape: &StageShape| data::chunk_cost(workload, machine, layout, groups, shape);
        ChunkCosts::new(cut, machine.stack.data_overlap_fraction, one)
    }

    /// Those of a cut whose chunks cost so much, a share of it sent beside math.
    pub fn new(cut: &Cut, share: f64, mut cost: impl FnMut(&StageShape) -> DataCost) -> ChunkCosts {
        let mut whole = cut.kinds().spread(|i| cost(&cut.pieces()[i]));
        if cut.copies() > 1 {
            whole = whole.chunks(cut.chunks()).map(data::joined).collect();
        }
        let beside = whole.iter().map(|c| data::scaled(c, share)).collect();
        ChunkCosts { whole, beside }
    }
}

/// Seconds that the collectives of a layout add to a pipeline.
pub(super) fn data_parallel(base: &mut Base, machine: &Machine, layout: &Layout, costs: &ChunkCosts) -> DataParallel {
    if costs.whole.is_empty() {
        return DataParallel::default();
    }
    let (way, whole_s, pipe) = (base.way, base.whole_s, &mut base.pipe);
    let share = machine.stack.data_overlap_fraction;
    let after_s = if share < 1.0 {
        let last_s = costs
            .whole
            .chunks(pipe.chunks)
            .map(|stage| stage.iter().map(|c| data::step_s(layout, c, pipe.n_micro_batches)).sum());
        (1.0 - share) * last_s.fold(0.0, f64::max)
    } else {
        0.0
    };
    let (gathers, reduces) = data::occasions(layout);
    if share <= 0.0 {
        return DataParallel {
            time_s: after_s,
            every: gathers == Occasion::Every || reduces == Occasion::Every,
            ..DataParallel::default()
        };
    }
    let collectives = Collectives {
        chunks: &costs.beside,
        gathers,
        reduces,
        slowdown: Slowdown::of(&machine.stack),
        n_together: match way.order {
            Schedule::OneFOneB => f64::from(layout.pipeline),
            _ => pipe.n_micro_batches,
        },
    };
    let (mut edge_s, mut paced_s) = (0.0, 0.0);
    let every = gathers == Occasion::Every || reduces == Occasion::Every;
    let mut alone = None;
    if every {
        let (settled, first_edge_s) = settled(&collectives, pipe);
        edge_s = first_edge_s;
        if gathers == Occasion::Every {
            alone = Some(std::mem::replace(&mut pipe.slots, settled));
        } else {
            // Only backwards are longer, and only where they follow each other: not while it fills.
            paced_s = pipe.n_micro_batches * slower_s(pipe, &settled);
        }
    }
    let once = collectives.once(pipe);
    // All forwards first: which stage's delays lie on the longest way depends on where it turns.
    let turns_s: f64 = pipe.delays.iter().map(|d| d.forward_s + d.backward_s).sum();
    let unsure_s = once.unsure_s + if way.order == Schedule::OneFOneB { 0.0 } else { turns_s };
    let lengthened_s = if every || turns_s > 0.0 {
        way.length_s(pipe) - whole_s
    } else {
        0.0
    };
    pipe.delays.clear();
    if let Some(slots) = alone {
        pipe.slots = slots;
    }
    DataParallel {
        time_s: (lengthened_s + paced_s + edge_s + once.later_chunks_s + once.after_s).max(0.0) + after_s,
        unsure_s,
        every,
    }
}

/// Slots of chunks whose collectives come with every micro-batch, and what the first one's ends add:
/// it ends last.
fn settled(collectives: &Collectives<'_>, pipe: &Pipe) -> (Vec<Passes>, f64) {
    let mut edge_s = 0.0;
    let mut last: Option<(Passes, DataCost, Passes)> = None;
    let mut out = Vec::with_capacity(pipe.slots.len());
    for (i, (alone, cost)) in pipe.slots.iter().zip(collectives.chunks).enumerate() {
        // Most neighbors are the same.
        let passes = match last {
            Some((a, c, passes)) if a == *alone && c == *cost => passes,
            _ => {
                let steady = collectives.steady(*alone, cost);
                edge_s = if i == 0 { steady.edge_s } else { edge_s };
                steady.passes
            }
        };
        last = Some((*alone, *cost, passes));
        out.push(passes);
    }
    (out, edge_s)
}

/// By how much a micro-batch takes longer on the stage where that is most.
fn slower_s(pipe: &Pipe, settled: &[Passes]) -> f64 {
    let both = |p: &Passes| p.forward_s + p.backward_s;
    let more_s = |(alone, settled): (&Passes, &Passes)| both(settled) - both(alone);
    let stages = pipe.slots.chunks(pipe.chunks).zip(settled.chunks(pipe.chunks));
    stages.map(|(a, s)| a.iter().zip(s).map(more_s).sum()).fold(0.0, f64::max)
}
