//! Who hands what to whom, looked up once.

use super::super::schedule::{Placement, SchedulePlan};
use super::{ChunkCost, Costs, Stuck};

/// A neighbour on the path of a micro-batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Neighbour {
    pub stage: usize,
    /// Index of its chunk among all chunks of all stages.
    pub chunk: usize,
    /// Seconds of a message there.
    pub message_s: f64,
}

/// Places on the paths of micro-batches, by `stage · chunks + chunk`.
pub(super) struct Table {
    pub stages: usize,
    pub chunks: usize,
    pub micro_batches: usize,
    pub before: Vec<Option<Neighbour>>,
    pub after: Vec<Option<Neighbour>>,
    /// Micro-batches that pass the place: first and one past the last.
    pub passes: Vec<(u32, u32)>,
}

impl Table {
    pub fn new(plan: &SchedulePlan, costs: &Costs) -> Result<Table, Stuck> {
        let (p, v, m) = (plan.stages as usize, plan.chunks as usize, plan.micro_batches as usize);
        let places = p.checked_mul(v).ok_or(Stuck::TooLarge)?;
        let keys = places.checked_mul(m).and_then(|n| n.checked_mul(3)).ok_or(Stuck::TooLarge)?;
        if keys >= u32::MAX as usize {
            return Err(Stuck::TooLarge);
        }
        let positive = |x: &f64| x.is_finite() && *x >= 0.0;
        let sound = |c: &ChunkCost| {
            let all = [
                c.forward_s,
                c.backward_s,
                c.weight_gradient_s,
                c.pair_s,
                c.kept_bytes,
                c.weight_gradient_bytes,
            ];
            all.iter().all(positive)
        };
        let path = plan.path_len();
        let fits = costs.chunks.len() == places && costs.messages_s.len() + 1 == path;
        let finite = costs.chunks.iter().all(sound) && costs.messages_s.iter().all(positive) && positive(&costs.blocking_fraction);
        let sound = costs.data.as_ref().is_none_or(|d| d.is_sound(places));
        if !fits || !finite || !sound {
            return Err(Stuck::Costs);
        }
        let two_way = plan.kind.placement() == Placement::TwoWay;
        let mut table = Table {
            stages: p,
            chunks: v,
            micro_batches: m,
            before: Vec::with_capacity(places),
            after: Vec::with_capacity(places),
            passes: Vec::with_capacity(places),
        };
        for stage in 0..p {
            for chunk in 0..v {
                let position = plan.position(stage, chunk);
                let to = |other: usize, boundary: usize| {
                    let (there, c) = plan.place(other, chunk);
                    let message_s = costs.messages_s.get(boundary).copied().unwrap_or(0.0);
                    Neighbour {
                        stage: there,
                        chunk: there * v + c,
                        message_s: if there == stage { 0.0 } else { message_s },
                    }
                };
                table.before.push((position > 0).then(|| to(position - 1, position - 1)));
                table.after.push((position + 1 < path).then(|| to(position + 1, position)));
                let (all, half) = (plan.micro_batches, plan.micro_batches / 2);
                table.passes.push(match (two_way, chunk) {
                    (false, _) => (0, all),
                    (true, 0) => (0, half),
                    (true, _) => (half, all),
                });
            }
        }
        Ok(table)
    }
}
