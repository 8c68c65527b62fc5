//! A step by the event engine: the same prices as the closed form, every slot in its place.

use super::engine::{self, ChunkCost, Costs, DataCost, DataWork, Noise, Stuck, Timeline};
use super::machine::Machine;
use super::overlap::Slowdown;
use super::parts::Parts;
use super::pipeline::{self, stage_price};
use super::price::Price;
use super::schedule::{self, SchedulePlan, Slot, Unsupported};
use super::{Priced, data, prices, straggler_s};
use crate::layout::activation::Activations;
use crate::layout::{Cut, Layout, StageShape, place};
use crate::workload::Workload;
use std::fmt;

/// What follows when all stages have computed and communicated.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tail {
    /// Collectives that the stack does not run beside math.
    pub data_s: f64,
    /// The optimizer.
    pub optimizer_s: f64,
    /// Waiting for the slowest node.
    pub straggler_s: f64,
}

/// A simulated step.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineStep {
    /// Wall time.
    pub time_s: f64,
    /// Where it goes; they sum to the time.
    pub parts: Parts,
    /// The pipeline, from the first forward to the last backward and reduction.
    pub timeline: Timeline,
    /// What was run.
    pub plan: SchedulePlan,
    /// Index of the heaviest stage, whose work the parts name.
    pub heaviest: usize,
    /// What follows the timeline.
    pub tail: Tail,
}

/// Forwards and backwards that are simulated at most: a tenth of a second and a few hundred MB.
pub const MOST_SLOTS: u64 = 1 << 21;

/// Why a step could not be simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There is no such schedule.
    Schedule(Unsupported),
    /// Its slots cannot run.
    Engine(Stuck),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Schedule(why) => why.fmt(f),
            Refused::Engine(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for Refused {}

/// The schedule of a layout.
#[must_use]
pub fn plan(workload: &Workload, layout: &Layout) -> SchedulePlan {
    SchedulePlan::of(layout, layout.n_micro_batches(workload.global_batch_seqs))
}

/// Simulate one step of a layout that has passed its checks, on even devices.
///
/// # Errors
///
/// When the layout's schedule does not exist for its sizes.
pub fn engine_step(workload: &Workload, machine: &Machine, layout: &Layout) -> Result<EngineStep, Refused> {
    engine_step_as(workload, machine, layout, &plan(workload, layout), &Noise::default())
}

/// The same with another schedule than the layout's, or with slow stages and jitter.
///
/// # Errors
///
/// When the schedule does not exist for these sizes.
pub fn engine_step_as(
    workload: &Workload,
    machine: &Machine,
    layout: &Layout,
    plan: &SchedulePlan,
    noise: &Noise<'_>,
) -> Result<EngineStep, Refused> {
    let machine = &*machine.with_overlap(layout.overlap);
    if u64::from(plan.stages) * u64::from(plan.chunks) * u64::from(plan.micro_batches) > MOST_SLOTS / 2 {
        return Err(Refused::Engine(Stuck::TooLarge));
    }
    let order = schedule::slots(plan).map_err(Refused::Schedule)?;
    let groups = place(layout, machine.domain);
    let prices = prices(workload, layout, machine, &groups);
    let cut = Cut::by(&workload.model, layout, plan);
    let pieces = cut.pieces();
    let priced = Priced {
        cut: &cut,
        groups: &groups,
        prices: &prices,
    };
    let send_s = pipeline::send_s(workload, machine, layout, &priced);
    let timing = pipeline::timing(workload, machine, layout, &priced);
    let mut costs = costs(machine, layout, workload, plan, &priced, pieces, send_s);
    let whole = data_costs(workload, machine, layout, &priced, pieces);
    costs.data = data_work(machine, layout, &whole);
    let timeline = engine::run(plan, &order, &costs, noise).map_err(Refused::Engine)?;
    let (alone_s, sent_s) = without_collectives(plan, &order, costs, noise).map_err(Refused::Engine)?;
    // Work of the heaviest stage, then what waiting, sending and reducing add to it.
    let mut parts = Parts {
        bubble_s: 0.0,
        pipeline_s: 0.0,
        data_s: 0.0,
        ..timing.parts.times(1.0 / timing.shown_fraction)
    };
    // Pairs hide some of the work, which can make the time shorter than the sum of the parts.
    let work_s = parts.total_s();
    if alone_s < work_s {
        parts = parts.times(alone_s / work_s);
    }
    let tail = Tail {
        data_s: after_s(machine, layout, workload, &whole, plan.chunks),
        optimizer_s: data::optimizer_of_stages_s(workload, machine, layout, cut.stages(), timing.heaviest),
        straggler_s: straggler_s(machine, parts.math_s + parts.recompute_s),
    };
    parts.bubble_s = (alone_s - work_s).max(0.0);
    parts.pipeline_s = (sent_s - alone_s).max(0.0);
    parts.data_s = (timeline.time_s - sent_s).max(0.0) + tail.data_s;
    parts.optimizer_s = tail.optimizer_s;
    parts.other_s += tail.straggler_s;
    Ok(EngineStep {
        time_s: parts.total_s(),
        parts,
        timeline,
        plan: *plan,
        heaviest: timing.heaviest,
        tail,
    })
}

/// The time without messages and collectives, and the one without collectives only.
fn without_collectives(plan: &SchedulePlan, order: &[Vec<Slot>], mut costs: Costs, noise: &Noise<'_>) -> Result<(f64, f64), Stuck> {
    costs.data = None;
    let sent_s = engine::time_s(plan, order, &costs, noise)?;
    costs.messages_s.fill(0.0);
    Ok((engine::time_s(plan, order, &costs, noise)?, sent_s))
}

/// Data-parallel collectives of chunk `c` of stage `i` at `i · chunks + c`.
fn data_costs(workload: &Workload, machine: &Machine, layout: &Layout, priced: &Priced<'_>, pieces: &[StageShape]) -> Vec<DataCost> {
    if !data::is_shared(priced.groups) {
        return vec![
            DataCost {
                pieces: 1,
                ..DataCost::default()
            };
            pieces.len()
        ];
    }
    let one = |shape| data::chunk_cost(workload, machine, layout, priced.groups, shape);
    pieces.iter().map(one).collect()
}

/// What of them runs beside the slots.
fn data_work(machine: &Machine, layout: &Layout, whole: &[DataCost]) -> Option<DataWork> {
    let share = machine.stack.data_overlap_fraction;
    let chunks: Vec<DataCost> = whole.iter().map(|c| data::scaled(c, share)).collect();
    let (gathers, reduces) = data::occasions(layout);
    let any = chunks.iter().any(|c| c.gather_s > 0.0 || c.reduce_s > 0.0);
    any.then_some(DataWork {
        chunks,
        gathers,
        reduces,
        slowdown: Slowdown::of(&machine.stack),
    })
}

/// The rest of them, on the stage that has most.
fn after_s(machine: &Machine, layout: &Layout, workload: &Workload, whole: &[DataCost], chunks: u32) -> f64 {
    let m = layout.n_micro_batches(workload.global_batch_seqs).max(1.0);
    let stages = whole.chunks(chunks.max(1) as usize);
    let of_stages_s = stages.map(|stage| stage.iter().map(|c| data::step_s(layout, c, m)).sum());
    (1.0 - machine.stack.data_overlap_fraction) * of_stages_s.fold(0.0, f64::max)
}

fn costs(
    machine: &Machine,
    layout: &Layout,
    workload: &Workload,
    plan: &SchedulePlan,
    priced: &Priced<'_>,
    pieces: &[StageShape],
    send_s: f64,
) -> Costs {
    let rules = machine.memory_context().rules;
    let layers = Activations::of(workload, layout, rules);
    let prices: Vec<Price> = pieces.iter().map(|shape| stage_price(shape, priced.prices)).collect();
    let v = plan.chunks as usize;
    let chunks = pieces
        .iter()
        .zip(&prices)
        .enumerate()
        .map(|(i, (shape, price))| {
            let other = prices.get(i - i % v + (v - 1 - i % v)).unwrap_or(price);
            let kept_bytes = layers.kept_bytes(shape);
            ChunkCost {
                forward_s: price.forward.total_s(),
                backward_s: (price.backward_s() - price.weight_gradient_s).max(0.0),
                weight_gradient_s: price.weight_gradient_s,
                pair_s: price.beside_s(other, Slowdown::of(&machine.stack)),
                kept_bytes,
                // Inputs and output gradients of the linear layers: what the papers call M_W is
                // below M_B; without a tensor-by-tensor account all of it is held.
                weight_gradient_bytes: kept_bytes,
            }
        })
        .collect();
    Costs {
        chunks,
        messages_s: vec![send_s; plan.path_len().saturating_sub(1)],
        blocking_fraction: 1.0 - machine.stack.pipeline_overlap_fraction,
        data: None,
    }
}
