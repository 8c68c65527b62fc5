//! Data-parallel collectives beside the slots of a pipeline, in closed form.

use super::{Way, of_pieces};
use crate::layout::{Layout, Schedule};
use crate::step::closed::{Collectives, Passes, Pipe};
use crate::step::data;
use crate::step::engine::{DataCost, Occasion, Slowdown};
use crate::step::{Machine, Priced};
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

/// Seconds that the collectives of a layout add to a pipeline that takes `whole_s` without them.
pub(super) fn data_parallel(
    workload: &Workload,
    machine: &Machine,
    layout: &Layout,
    priced: &Priced<'_>,
    mut pipe: Pipe,
    way: Way,
    whole_s: f64,
) -> DataParallel {
    let groups = priced.groups;
    if !data::is_shared(groups) {
        return DataParallel::default();
    }
    let share = machine.stack.data_overlap_fraction;
    let cut = priced.cut;
    let mut whole = of_pieces(cut, |shape| data::chunk_cost(workload, machine, layout, groups, shape));
    if cut.copies() > 1 {
        whole = whole.chunks(cut.chunks()).map(data::joined).collect();
    }
    let last_s = whole
        .chunks(pipe.chunks)
        .map(|stage| stage.iter().map(|c| data::step_s(layout, c, pipe.n_micro_batches)).sum());
    let after_s = (1.0 - share) * last_s.fold(0.0, f64::max);
    let beside: Vec<DataCost> = whole.iter().map(|c| data::scaled(c, share)).collect();
    let (gathers, reduces) = data::occasions(layout);
    let collectives = Collectives {
        chunks: &beside,
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
    if every {
        let (settled, first_edge_s) = settled(&collectives, &pipe);
        edge_s = first_edge_s;
        if gathers == Occasion::Every {
            pipe.slots = settled;
        } else {
            // Only backwards are longer, and only where they follow each other: not while it fills.
            paced_s = pipe.n_micro_batches * slower_s(&pipe, &settled);
        }
    }
    let once = collectives.once(&pipe);
    // All forwards first: which stage's delays lie on the longest way depends on where it turns.
    let turns_s: f64 = once.delays.iter().map(|d| d.forward_s + d.backward_s).sum();
    let unsure_s = once.unsure_s + if way.order == Schedule::OneFOneB { 0.0 } else { turns_s };
    pipe.delays = once.delays;
    let lengthened_s = if every || turns_s > 0.0 {
        way.length_s(&pipe) - whole_s
    } else {
        0.0
    };
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
