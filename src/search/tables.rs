//! What neighbours in a space share, kept by what it depends on.

use crate::layout::memory::{Activity, State};
use crate::layout::schedule::Placement;
use crate::layout::stage::{Classes, sum};
use crate::layout::{Cut, Groups, Layout, Overlap, Recompute, Schedule, SchedulePlan, Sharding, Split, StageShape, place};
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

impl OperationKey {
    fn of(workload: &Workload, layout: &Layout) -> OperationKey {
        OperationKey {
            tensor: layout.tensor,
            sequence_parallel: layout.sequence_parallel,
            context: layout.context,
            expert: layout.expert,
            expert_tensor: layout.expert_tensor,
            micro_batch_seqs: layout.micro_batch_seqs,
            several: layout.n_micro_batches(workload.global_batch_seqs) > 1.0,
            recompute: kind(layout.recompute),
        }
    }
}

/// Values that all threads share, each made once.
#[derive(Debug)]
struct Shared<V>(RwLock<HashMap<OperationKey, Arc<V>>>);

impl<V> Default for Shared<V> {
    fn default() -> Self {
        Shared(RwLock::default())
    }
}

impl<V> Shared<V> {
    fn of(&self, key: OperationKey, make: impl FnOnce() -> V) -> Arc<V> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Arc::clone(known);
        }
        let made = Arc::new(make());
        // Two threads may both have made it: they made the same.
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(table.entry(key).or_insert(made))
    }
}

/// The least that layers take in any way, schedule, sharing and overlap.
#[derive(Debug, Clone, Default)]
pub(super) struct Least {
    /// Of each kind: layers of the model, least time of one with a micro-batch, and what it takes more
    /// when it is computed again.
    pub(super) kinds: Vec<(f64, f64, f64)>,
    /// The same beside another micro-batch, whose math may hide the expert exchange.
    pub(super) paired: Vec<(f64, f64, f64)>,
    /// Least time of embedding and head.
    pub(super) ends_s: f64,
}

/// Timed operations for all threads: the kernel room is asked once for each.
#[derive(Debug, Default)]
pub(super) struct OperationTable {
    operations: Shared<Operations>,
    least: Shared<Least>,
}

impl OperationTable {
    pub(super) fn of(&self, workload: &Workload, machine: &Machine, layout: &Layout) -> Arc<Operations> {
        self.operations.of(OperationKey::of(workload, layout), || {
            let groups = place(layout, machine.domain);
            Operations::of(workload, layout, machine, &groups)
        })
    }

    /// What bounds the step of a layout from below, made where it is not known.
    pub(super) fn least(&self, workload: &Workload, layout: &Layout, make: impl FnOnce() -> Least) -> Arc<Least> {
        self.least.of(OperationKey::of(workload, layout), make)
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
            // Messages and collectives over data ranks are not part of a layer.
            overlap: Overlap {
                data: true,
                pipeline: true,
                ..layout.overlap
            },
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
    pub(super) cut: Cut,
    /// Layers by kind on all stages, in general and computed again, and copies of the two ends.
    pub(super) sums: StageShape,
    /// By share: the state of each class of stages; empty until asked for.
    pub(super) states: Vec<Vec<State>>,
    /// By share and by whether the stack's overlap is on, where they were asked for.
    costs: Vec<[Option<ChunkCosts>; 2]>,
}

/// Cuts of one set of outer degrees, and what their stages hold and send.
#[derive(Debug, Default)]
pub(super) struct CutTable {
    numbers: HashMap<(SchedulePlan, Split, u32), usize>,
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
    /// Forget what rests on expert degrees; cuts do not.
    pub(super) fn clear(&mut self) {
        for entry in &mut self.cuts {
            entry.states.clear();
            entry.costs.clear();
        }
        self.states.clear();
        self.chunks.clear();
        self.optimizers.clear();
    }

    pub(super) fn entry(&self, at: usize) -> &CutEntry {
        &self.cuts[at]
    }

    /// The number of a layout's cut, with the states of its stages under every share.
    pub(super) fn of(&mut self, workload: &Workload, layout: &Layout, shares: &[(Sharding, u32)]) -> usize {
        let mut plan = SchedulePlan::of(layout, 1.0);
        // What matters is where chunks lie and how many copies there are, not the order.
        plan.kind = match plan.kind.placement() {
            Placement::TwoWay => Schedule::DualPipe,
            Placement::Vee => Schedule::ZeroBubbleV,
            Placement::Loop => Schedule::OneFOneB,
        };
        let cuts = &mut self.cuts;
        let at = *self
            .numbers
            .entry((plan, layout.split, layout.recompute.layers()))
            .or_insert_with(|| {
                let cut = Cut::of(&workload.model, layout);
                cuts.push(CutEntry {
                    sums: sum(cut.stages()),
                    cut,
                    states: Vec::new(),
                    costs: Vec::new(),
                });
                cuts.len() - 1
            });
        let CutEntry { cut, states, costs, .. } = &mut self.cuts[at];
        if states.is_empty() {
            let table = &mut self.states;
            let classes: Vec<StageShape> = cut.stage_kinds().first.iter().map(|&i| bare(&cut.stages()[i])).collect();
            states.extend(shares.iter().map(|&(sharding, replicas)| {
                let layout = Layout {
                    sharding,
                    replicas,
                    ..*layout
                };
                let one = |shape: &StageShape| memo(table, (sharding, replicas, *shape), || State::of(workload, &layout, shape));
                classes.iter().map(one).collect()
            }));
            costs.resize(shares.len(), [None, None]);
        }
        at
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
pub(super) fn fullest(classes: &Classes, activities: &[Activity], out: &mut Vec<(u32, Activity)>) {
    out.clear();
    out.resize(classes.first.len(), (u32::MAX, Activity::default()));
    for (stage, (&class, activity)) in (0u32..).zip(classes.of.iter().zip(activities)) {
        let most = &mut out[usize::from(class)];
        if most.0 == u32::MAX || activity.held_bytes > most.1.held_bytes {
            *most = (stage, *activity);
        }
    }
}
