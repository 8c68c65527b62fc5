//! What neighbours in a space share, kept by what it depends on.

use crate::layout::memory::{Activity, State, activities};
use crate::layout::{Cut, Groups, Layout, MemoryContext, Overlap, Recompute, Sharding, StageShape, place};
use crate::step::engine::DataCost;
use crate::step::pipeline::ChunkCosts;
use crate::step::price::Operations;
use crate::step::{Machine, Prices, data};
use crate::workload::Workload;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The kind of recomputation, without how many layers.
pub(super) fn kind(recompute: Recompute) -> usize {
    match recompute {
        Recompute::None => 0,
        Recompute::Selective => 1,
        Recompute::Layers(_) => 2,
        Recompute::Full => 3,
    }
}

/// What the operations of a micro-batch depend on, given workload and machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct OperationKey {
    tensor: u32,
    sequence_parallel: bool,
    context: u32,
    expert: u32,
    expert_tensor: u32,
    micro_batch_seqs: u32,
    /// Gradients are summed over micro-batches.
    several: bool,
    recompute: usize,
}

/// Timed operations for all threads: the kernel room is asked once for each.
#[derive(Debug, Default)]
pub(super) struct OperationTable(RwLock<HashMap<OperationKey, Arc<Operations>>>);

impl OperationTable {
    pub(super) fn of(&self, workload: &Workload, machine: &Machine, layout: &Layout) -> Arc<Operations> {
        let key = OperationKey {
            tensor: layout.tensor,
            sequence_parallel: layout.sequence_parallel,
            context: layout.context,
            expert: layout.expert,
            expert_tensor: layout.expert_tensor,
            micro_batch_seqs: layout.micro_batch_seqs,
            several: layout.n_micro_batches(workload.global_batch_seqs) > 1.0,
            recompute: kind(layout.recompute),
        };
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Arc::clone(known);
        }
        let groups = place(layout, machine.domain);
        let made = Arc::new(Operations::of(workload, layout, machine, &groups));
        // Two threads may both have made it: they made the same.
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(table.entry(key).or_insert(made))
    }
}

/// Prices of the layers of one micro-batch size.
#[derive(Debug, Default)]
pub(super) struct PriceTable(Vec<(PriceKey, Box<Prices>)>);

/// What prices depend on beside the operations' shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PriceKey {
    recompute: usize,
    splits_backward: bool,
    offloads_activations: bool,
    overlap: Overlap,
}

impl PriceTable {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The number of a layout's prices, for [`PriceTable::at`].
    pub(super) fn number(
        &mut self,
        table: &OperationTable,
        workload: &Workload,
        machine: &Machine,
        layout: &Layout,
        groups: &Groups,
    ) -> usize {
        let key = PriceKey {
            recompute: kind(layout.recompute),
            splits_backward: layout.schedule.splits_backward(),
            offloads_activations: layout.offload.activations(),
            overlap: layout.overlap,
        };
        self.0.iter().position(|(k, _)| *k == key).unwrap_or_else(|| {
            // Times of operations do not depend on what overlaps.
            let operations = table.of(workload, machine, layout);
            self.0.push((key, Box::new(operations.prices(workload, layout, machine, groups))));
            self.0.len() - 1
        })
    }

    /// Prices by their number.
    pub(super) fn at(&self, number: usize) -> &Prices {
        &self.0[number].1
    }
}

/// A stage or chunk by what it holds, whether or not it is computed again.
fn bare(shape: &StageShape) -> StageShape {
    StageShape {
        recomputed: StageShape::default().recomputed,
        ..*shape
    }
}

/// A cut with what is known of its stages under every way to share state.
#[derive(Debug)]
pub(super) struct CutEntry {
    key: (crate::layout::SchedulePlan, crate::layout::Split, u32),
    pub(super) cut: Cut,
    /// By share: the state of each class of stages.
    pub(super) states: Vec<Vec<State>>,
    /// By share and by whether the stack's overlap is on, where they were asked for.
    costs: Vec<[Option<ChunkCosts>; 2]>,
    /// Layers by kind on all stages, in general and computed again, and copies of the two ends.
    pub(super) sums: StageShape,
}

/// Cuts of one set of degrees, and what their stages hold and send.
#[derive(Debug, Default)]
pub(super) struct CutTable {
    cuts: Vec<CutEntry>,
    states: Vec<((Sharding, u32, StageShape), State)>,
    chunks: Vec<((Sharding, u32, StageShape), DataCost)>,
    optimizers: Vec<((Sharding, u32, bool, StageShape), f64)>,
}

/// The value of a key, made when it is not there.
fn memo<K: PartialEq, V: Copy>(table: &mut Vec<(K, V)>, key: K, make: impl FnOnce() -> V) -> V {
    if let Some((_, value)) = table.iter().find(|(k, _)| *k == key) {
        return *value;
    }
    let value = make();
    table.push((key, value));
    value
}

impl CutTable {
    pub(super) fn clear(&mut self) {
        self.cuts.clear();
        self.states.clear();
        self.chunks.clear();
        self.optimizers.clear();
    }

    pub(super) fn entry(&self, at: usize) -> &CutEntry {
        &self.cuts[at]
    }

    /// The number of a layout's cut.
    pub(super) fn of(&mut self, workload: &Workload, layout: &Layout, shares: &[(Sharding, u32)]) -> usize {
        let mut plan = crate::layout::SchedulePlan::of(layout, 1.0);
        // What matters is where chunks lie and how many copies there are, not the order.
        plan.kind = match plan.kind {
            crate::layout::Schedule::DualPipe => crate::layout::Schedule::DualPipe,
            vee if vee.placement() == crate::layout::Schedule::ZeroBubbleV.placement() => crate::layout::Schedule::ZeroBubbleV,
            _ => crate::layout::Schedule::OneFOneB,
        };
        let key = (plan, layout.split, layout.recompute.layers());
        if let Some(at) = self.cuts.iter().position(|c| c.key == key) {
            return at;
        }
        let cut = Cut::of(&workload.model, layout);
        let states = &mut self.states;
        let of_share = |&(sharding, replicas): &(Sharding, u32)| {
            let layout = Layout {
                sharding,
                replicas,
                ..*layout
            };
            let classes = cut.stage_kinds().first.iter().map(|&i| bare(&cut.stages()[i]));
            let states = classes.map(|shape| memo(states, (sharding, replicas, shape), || State::of(workload, &layout, &shape)));
            states.collect()
        };
        let states = shares.iter().map(of_share).collect();
        self.cuts.push(CutEntry {
            key,
            states,
            costs: vec![[None, None]; shares.len()],
            sums: crate::layout::stage::sum(cut.stages()),
            cut,
        });
        self.cuts.len() - 1
    }

    /// Collectives of a cut's chunks under a share; the layout has it.
    pub(super) fn costs(&mut self, at: usize, share: usize, workload: &Workload, machine: &Machine, layout: &Layout) -> &ChunkCosts {
        let CutEntry { cut, costs, .. } = &mut self.cuts[at];
        let slot = &mut costs[share][usize::from(layout.overlap.data)];
        let chunks = &mut self.chunks;
        slot.get_or_insert_with(|| {
            let groups = place(layout, machine.domain);
            if !data::is_shared(&groups) {
                return ChunkCosts::default();
            }
            ChunkCosts::new(cut, machine.stack.data_overlap_fraction, |shape| {
                let shape = bare(shape);
                memo(chunks, (layout.sharding, layout.replicas, shape), || {
                    data::chunk_cost(workload, machine, layout, &groups, &shape)
                })
            })
        })
    }

    /// The optimizer of the stages that may be slowest at it.
    pub(super) fn optimizer_s(&mut self, at: usize, heaviest: usize, workload: &Workload, machine: &Machine, layout: &Layout) -> f64 {
        let stages = self.cuts[at].cut.stages();
        let table = &mut self.optimizers;
        let mut of = |stage: usize| {
            let shape = bare(&stages[stage]);
            let key = (layout.sharding, layout.replicas, layout.offload.optimizer(), shape);
            memo(table, key, || data::optimizer_s(workload, machine, layout, &shape))
        };
        let last = stages.len().saturating_sub(1);
        f64::max(of(0), of(last)).max(of(heaviest)).max(0.0)
    }
}

/// The fullest stage of each class: where most is under way, among stages that hold the same.
pub(super) fn fullest(workload: &Workload, layout: &Layout, cut: &Cut, context: &MemoryContext, out: &mut Vec<(u32, Activity)>) {
    let classes = cut.stage_kinds();
    out.clear();
    out.resize(classes.first.len(), (u32::MAX, Activity::default()));
    for (stage, (&class, activity)) in (0u32..).zip(classes.of.iter().zip(activities(workload, layout, cut, context))) {
        let most = &mut out[usize::from(class)];
        if most.0 == u32::MAX || activity.held_bytes > most.1.held_bytes {
            *most = (stage, activity);
        }
    }
}
