//! One set of outer degrees: every layout inside, judged.
//!
//! What layouts have in common is worked out once: operations by their shapes, prices by what
//! overlaps, memory by what is under way, the pipeline by its slots. Innermost are the ways to share
//! state, of which the collectives and the optimizer are left to add.

use super::keep::Keep;
use super::tables::{CutTable, Least, OperationTable, PriceTable, fullest};
use super::{Candidate, Totals, Watch};
use crate::layout::activation::Activations;
use crate::layout::check::{host_violation, shape_violations};
use crate::layout::memory::{Activity, activities, budget};
use crate::layout::{
    Groups, Layout, MemoryContext, Offload, Outer, Overlap, Recompute, Schedule, SchedulePlan, Sharding, Space, Split, SplitChoice,
    Violation, Way, place, stages,
};
use crate::step::pipeline::{self, Base};
use crate::step::price::{Price, Slot};
use crate::step::split::balanced;
use crate::step::{Machine, Parts, Priced, ended};
use crate::workload::{LayerKind, pattern};
use std::sync::Arc;

/// What a step of so long makes of the run.
pub(super) type Score<'a> = dyn Fn(&Layout, &Parts) -> Totals + Sync + 'a;

/// All that judging needs.
pub(super) struct Judge<'a> {
    pub(super) space: Space<'a>,
    /// The machine with every set of overlaps that the space tries.
    pub(super) machines: Vec<(Overlap, Machine)>,
    pub(super) context: MemoryContext,
    pub(super) operations: OperationTable,
    /// Leave out what a bound says is hopeless.
    pub(super) prune: bool,
    pub(super) score: Option<&'a Score<'a>>,
    pub(super) watch: &'a Watch,
}

/// A layout that fits: which share, which offload, and the memory of its fullest stage.
#[derive(Debug, Clone, Copy)]
struct Fit {
    share: usize,
    offload: Offload,
    peak_bytes: f64,
}

/// Buffers and tables of one set of outer degrees.
struct Work<'k> {
    keep: Keep,
    /// What other sets have found: the bar to clear.
    known: &'k Keep,
    shares: Vec<(Sharding, u32)>,
    /// What is wrong with each share.
    faults: Vec<Option<Violation>>,
    offloads: Vec<Offload>,
    overlaps: Vec<Overlap>,
    cuts: CutTable,
    prices: PriceTable,
    splits: Vec<(usize, Way, Split)>,
    /// Activations by kind of recomputation.
    layers_of: [Option<Activations>; 4],
    /// Layers of the model by kind.
    layers: Vec<(LayerKind, f64)>,
    activities: Vec<(u32, Activity)>,
    fits: Vec<Fit>,
}

impl Work<'_> {
    /// Layouts that differ in sharing, offloading and overlaps only.
    fn n_alike(&self) -> u64 {
        (self.shares.len() * self.offloads.len() * self.overlaps.len()) as u64
    }

    fn hopeless(&self, step_time_s: f64, peak_bytes: f64) -> bool {
        self.keep.hopeless(step_time_s, peak_bytes) || self.known.hopeless(step_time_s, peak_bytes)
    }
}

/// Why a layout is not looked at twice.
const EVEN_ANYWAY: &str = "balanced layers that are even: looked at as such";

/// What the steps of a start have in common.
#[derive(Debug, Clone, Default)]
struct Bound {
    least: Arc<Least>,
    n_micro_batches: f64,
}

impl Bound {
    /// Least time of a step.
    fn step_s(&self, layout: &Layout, way: &Way, n_layers: u32) -> f64 {
        let stages = f64::from(layout.pipeline.max(1));
        let chunks = stages * f64::from(layout.virtual_stages.max(1));
        let layers = f64::from(n_layers);
        // An even deal takes at most one layer from a chunk.
        let even = way.split == SplitChoice::Given(Split::Even);
        let least = if even { (layers / chunks).floor() } else { 0.0 };
        let whole = if layout.recompute == Recompute::Full { 1.0 } else { 0.0 };
        let kinds = if layout.order().pairs() {
            &self.least.paired
        } else {
            &self.least.kinds
        };
        let cheapest = |of: &dyn Fn(&(f64, f64, f64)) -> f64| kinds.iter().map(of).fold(f64::MAX, f64::min);
        let each = |(_, own_s, more_s): &(f64, f64, f64)| own_s + whole * more_s;
        let all_s: f64 = kinds.iter().map(|k| k.0 * each(k)).sum();
        let some_s = f64::from(layout.recompute.layers()).min(least) * chunks * cheapest(&|k| k.2);
        let sum_s = all_s + some_s + self.least.ends_s;
        // Some stage has at least its share of the layers of a kind, in whole ones.
        let copies = f64::from(layout.order().weight_copies());
        let most = |k: &(f64, f64, f64)| (k.0 / stages * copies).ceil() / copies * each(k);
        let heaviest_s = kinds.iter().map(most).fold(sum_s / stages, f64::max);
        // One after another through one chunk each: the last stage gets its first micro-batch when all
        // others have passed it, and its last gradient goes back through all of them.
        let fills = layout.virtual_stages <= 1 && matches!(layout.order(), Schedule::OneFOneB | Schedule::GPipe);
        let last_s = if fills { least * cheapest(&each) } else { 0.0 };
        let filled_s = if fills {
            sum_s + (self.n_micro_batches - 1.0) * last_s
        } else {
            0.0
        };
        (self.n_micro_batches * heaviest_s).max(filled_s) * ROUNDING
    }
}

/// A bound made of sums in another order than the value's may be above it by rounding.
const ROUNDING: f64 = 1.0 - 1e-9;

impl Judge<'_> {
    /// Judge everything inside outer degrees.
    pub(super) fn judge(&self, outer: &Outer, keep: Keep, known: &Keep) -> Keep {
        let shares = self.space.shardings(outer);
        let mut work = Work {
            keep,
            known,
            faults: shares.iter().map(|&(s, n)| replicas_fault(s, n, outer.data)).collect(),
            shares,
            offloads: self.space.offloads(),
            overlaps: Vec::new(),
            cuts: CutTable::default(),
            prices: PriceTable::default(),
            splits: Vec::new(),
            layers_of: [None; 4],
            layers: stages(&self.space.workload.model, &Layout::single())
                .iter()
                .flat_map(|s| s.kinds())
                .collect(),
            activities: Vec::new(),
            fits: Vec::new(),
        };
        let ways = self.space.ways(outer);
        let mut last = None;
        for start in self.space.starts(outer) {
            let degrees = (start.expert, start.expert_tensor, start.sequence_parallel);
            if last.replace(degrees) != Some(degrees) {
                work.cuts.clear();
            }
            work.prices.clear();
            work.splits.clear();
            work.layers_of = [None; 4];
            work.overlaps = self.space.overlaps(&start);
            let before = work.keep.considered;
            let bound = self.bound(&mut work, &start);
            for way in &ways {
                if self.watch.cancelled() {
                    return work.keep;
                }
                self.way(&mut work, outer, &start, way, &bound);
            }
            self.watch.looked_at(work.keep.considered - before);
        }
        work.keep
    }

    /// The least that a step can take whatever its way, sharing, offloading and overlaps.
    ///
    /// A stage has at least the mean of the layers' work, and communication beside math adds at least
    /// its exposed part divided by its own slowdown: with overlap off it takes that part or more
    /// ([`crate::step::overlap::together`]).
    fn bound(&self, work: &mut Work<'_>, start: &Layout) -> Bound {
        let workload = self.space.workload;
        let m = start.n_micro_batches(workload.global_batch_seqs);
        if !self.prune || m < 1.0 {
            return Bound::default();
        }
        Bound {
            least: self.operations.least(workload, start, || self.least(work, start)),
            n_micro_batches: m,
        }
    }

    /// The same of layers, whatever the micro-batches and the stages.
    fn least(&self, work: &mut Work<'_>, start: &Layout) -> Least {
        let machine = self.machine(Overlap::ALL);
        let groups = place(start, machine.domain);
        let slowed = machine.stack.communication_slowdown.max(1.0);
        let slot_s = |slot: &Slot, exchange: f64| slot.math_s + (slot.tensor_s + slot.context_s + exchange * slot.expert_s) / slowed;
        let priced = |table: &mut PriceTable, recompute| self.prices(table, &Layout { recompute, ..*start }, &groups);
        let (none, full) = (priced(&mut work.prices, Recompute::None), priced(&mut work.prices, Recompute::Full));
        let (none, full) = (work.prices.at(none), work.prices.at(full));
        let own_s = |price: &Price, exchange| slot_s(&price.forward, exchange) + slot_s(&price.backward, exchange);
        let kinds = |exchange: f64| {
            let one = |&(kind, n): &(LayerKind, f64)| {
                let i = kind.index();
                (n, own_s(&none.layers[i], exchange), slot_s(&full.layers[i].recompute, exchange))
            };
            work.layers.iter().map(one).collect()
        };
        Least {
            kinds: kinds(1.0),
            paired: kinds(0.0),
            ends_s: own_s(&none.embedding, 0.0) + own_s(&none.head, 0.0),
        }
    }

    fn way(&self, work: &mut Work<'_>, outer: &Outer, start: &Layout, way: &Way, bound: &Bound) {
        let layout = way.on(start);
        let recomputes = self.space.recomputes(outer, way);
        if let Some(violation) = shape_violations(self.space.workload, &layout, self.space.n_devices)
            .into_iter()
            .next()
        {
            let n = recomputes.len() as u64 * work.n_alike();
            let layout = self.example(work, &layout, recomputes.first().copied(), 0, 0);
            work.keep.considered += n;
            work.keep.reject(n, &layout, violation);
            return;
        }
        let groups = place(&layout, self.machine(Overlap::ALL).domain);
        for recompute in recomputes {
            let mut layout = Layout { recompute, ..layout };
            work.keep.considered += work.n_alike();
            if self.prune && work.hopeless(bound.step_s(&layout, way, self.space.workload.model.n_layers), 0.0) {
                work.keep.bounded += work.n_alike();
                continue;
            }
            if way.split == SplitChoice::Balanced && layout.pipeline > 1 {
                let even = layout.split;
                layout.split = self.balanced(work, way, &layout, &groups);
                // Balanced is even here: it was looked at under that name.
                let free = self.space.choice.split.is_none();
                if free && even_sizes(&layout, self.space.workload.model.n_layers, even) {
                    work.keep.count(EVEN_ANYWAY, work.n_alike());
                    continue;
                }
            }
            let at = work.cuts.of(self.space.workload, &layout, &work.shares);
            self.memory(work, &layout, at);
            if !work.fits.is_empty() {
                self.times(work, &layout, at, &groups);
            }
        }
    }

    /// A layout with one of the shares, one of the offloads and the first of the overlaps.
    fn example(&self, work: &Work<'_>, layout: &Layout, recompute: Option<Recompute>, share: usize, offload: usize) -> Layout {
        let (sharding, replicas) = work.shares.get(share).copied().unwrap_or((Sharding::None, 1));
        Layout {
            recompute: recompute.unwrap_or(layout.recompute),
            sharding,
            replicas,
            offload: work.offloads.get(offload).copied().unwrap_or(Offload::None),
            overlap: work.overlaps.first().copied().unwrap_or(Overlap::ALL),
            ..*layout
        }
    }

    fn machine(&self, overlap: Overlap) -> &Machine {
        let at = self.machines.iter().position(|(o, _)| *o == overlap).unwrap_or(0);
        &self.machines[at].1
    }

    /// The number of a layout's prices.
    fn prices(&self, table: &mut PriceTable, layout: &Layout, groups: &Groups) -> usize {
        table.number(&self.operations, self.space.workload, self.machine(layout.overlap), layout, groups)
    }

    fn balanced(&self, work: &mut Work<'_>, way: &Way, layout: &Layout, groups: &Groups) -> Split {
        let kind = super::tables::kind(layout.recompute);
        if let Some((.., split)) = work.splits.iter().find(|(k, w, _)| *k == kind && w == way) {
            return *split;
        }
        let workload = self.space.workload;
        let plan = SchedulePlan::of(layout, layout.n_micro_batches(workload.global_batch_seqs));
        let plain = self.example(work, layout, None, 0, 0);
        let prices = self.prices(&mut work.prices, &plain, groups);
        let split = Split::explicit(&balanced(&pattern(&workload.model), work.prices.at(prices), &plan));
        work.splits.push((kind, *way, split));
        split
    }

    /// Which shares and offloads fit, with all overlaps alike.
    fn memory(&self, work: &mut Work<'_>, layout: &Layout, at: usize) {
        let workload = self.space.workload;
        work.fits.clear();
        // What is under way rests on no share.
        let kind = super::tables::kind(layout.recompute);
        let layers = work.layers_of[kind].get_or_insert_with(|| Activations::of(workload, layout, self.context.rules));
        let cut = &work.cuts.entry(at).cut;
        let activities = activities(workload, layout, cut, &self.context, layers);
        fullest(cut.stage_kinds(), &activities, &mut work.activities);
        let n_overlaps = work.overlaps.len() as u64;
        for share in 0..work.shares.len() {
            for offload in 0..work.offloads.len() {
                let kind = work.offloads[offload];
                let judged = match work.faults[share] {
                    Some(fault) => Err(fault),
                    None => self.fits(work, at, share, kind),
                };
                match judged {
                    Ok(peak_bytes) => work.fits.push(Fit {
                        share,
                        offload: kind,
                        peak_bytes,
                    }),
                    Err(violation) => {
                        let layout = self.example(work, layout, None, share, offload);
                        work.keep.reject(n_overlaps, &layout, violation);
                    }
                }
            }
        }
    }

    /// Memory of the fullest stage, or what it lacks.
    fn fits(&self, work: &Work<'_>, cut: usize, share: usize, offload: Offload) -> Result<f64, Violation> {
        let offloaded = Layout {
            offload,
            ..Layout::single()
        };
        if let Some(violation) = host_violation(&offloaded, &self.context) {
            return Err(violation);
        }
        let states = &work.cuts.entry(cut).states[share];
        let mut peak_bytes: f64 = 0.0;
        let (mut room, mut host_room) = ((0, f64::MAX), (0, f64::MAX));
        for (state, (stage, activity)) in states.iter().zip(&work.activities) {
            let budget = budget(*stage, state, activity, offload, &self.context);
            peak_bytes = peak_bytes.max(budget.peak_bytes());
            let less = |least: &mut (u32, f64), bytes: f64| {
                if bytes < least.1 {
                    *least = (*stage, bytes);
                }
            };
            less(&mut room, budget.headroom_bytes());
            less(&mut host_room, budget.host_headroom_bytes());
        }
        if room.1 < 0.0 {
            return Err(Violation::OutOfMemory {
                stage: room.0,
                short_bytes: -room.1,
            });
        }
        if host_room.1 < 0.0 {
            return Err(Violation::HostOutOfMemory {
                stage: host_room.0,
                short_bytes: -host_room.1,
            });
        }
        Ok(peak_bytes)
    }

    /// Step times of what fits.
    fn times(&self, work: &mut Work<'_>, layout: &Layout, at: usize, groups: &Groups) {
        let fits = std::mem::take(&mut work.fits);
        for activations in [false, true] {
            let here = || fits.iter().filter(|f| f.offload.activations() == activations);
            let least_bytes = here().map(|f| f.peak_bytes).fold(f64::MAX, f64::min);
            let n = here().count() as u64;
            if n == 0 {
                continue;
            }
            for i in 0..work.overlaps.len() {
                let overlap = work.overlaps[i];
                // The pipeline without collectives over data ranks is the same whether they overlap.
                let alike = |o: &Overlap| Overlap { data: overlap.data, ..*o } == overlap;
                if work.overlaps[..i].iter().any(alike) {
                    continue;
                }
                let layout = Layout {
                    overlap,
                    offload: if activations { Offload::Activations } else { Offload::None },
                    ..*layout
                };
                let n_alike = work.overlaps[i..].iter().filter(|o| alike(o)).count() as u64;
                let Some(mut base) = self.base(work, &layout, at, groups, least_bytes) else {
                    work.keep.bounded += n * n_alike;
                    continue;
                };
                for j in i..work.overlaps.len() {
                    let overlap = work.overlaps[j];
                    if alike(&overlap) {
                        self.shares(work, &Layout { overlap, ..layout }, (at, &mut base), here());
                    }
                }
            }
        }
        work.fits = fits;
    }

    /// The pipeline before data-parallel collectives; none where it is hopeless already.
    fn base(&self, work: &mut Work<'_>, layout: &Layout, at: usize, groups: &Groups, least_bytes: f64) -> Option<Base> {
        let workload = self.space.workload;
        let machine = self.machine(layout.overlap);
        let number = self.prices(&mut work.prices, layout, groups);
        let (entry, prices) = (work.cuts.entry(at), work.prices.at(number));
        if self.prune {
            // The heaviest stage is at least as heavy as the mean.
            let passes = layout.n_micro_batches(workload.global_batch_seqs) / f64::from(entry.cut.copies());
            let hides = layout.order().pairs();
            let least_s = |price: &Price| price.total_s() - if hides { price.exchange_s() } else { 0.0 };
            let all_s: f64 = entry
                .sums
                .parts()
                .map(|(kind, n, again)| n * least_s(&prices.layers[kind.index()]) + again * least_s(&prices.whole[kind.index()]))
                .sum();
            #[allow(clippy::cast_precision_loss)]
            let mean_s = all_s / entry.cut.stages().len().max(1) as f64;
            if work.hopeless(passes * mean_s * ROUNDING, least_bytes) {
                return None;
            }
        }
        let priced = Priced {
            cut: &entry.cut,
            groups,
            prices,
        };
        let base = pipeline::base(workload, machine, layout, &priced);
        let hopeless = self.prune && work.hopeless(base.parts().total_s() * ROUNDING, least_bytes);
        (!hopeless).then_some(base)
    }

    /// Every way to share state, on one pipeline.
    fn shares<'f>(&self, work: &mut Work<'_>, layout: &Layout, pipeline: (usize, &mut Base), fits: impl Iterator<Item = &'f Fit>) {
        let workload = self.space.workload;
        let machine = self.machine(layout.overlap);
        let (at, base) = pipeline;
        let mut last: Option<(usize, Parts)> = None;
        for fit in fits {
            let (sharding, replicas) = work.shares[fit.share];
            let layout = Layout {
                sharding,
                replicas,
                offload: fit.offload,
                ..*layout
            };
            let optimizer_s = work.cuts.optimizer_s(at, base.heaviest(), workload, machine, &layout);
            let parts = match last {
                Some((share, parts)) if share == fit.share => parts,
                _ => {
                    let bound_s = ended(machine, *base.parts(), optimizer_s).total_s();
                    // Both offloads of a share differ in the optimizer alone, so the bound speaks for this one only.
                    if self.prune && work.hopeless(bound_s, fit.peak_bytes) {
                        work.keep.bounded += 1;
                        continue;
                    }
                    let costs = work.cuts.costs(at, fit.share, workload, machine, &layout);
                    let parts = pipeline::with_data(base, machine, &layout, costs).parts;
                    last = Some((fit.share, parts));
                    parts
                }
            };
            let parts = ended(machine, parts, optimizer_s);
            let step_time_s = parts.total_s();
            #[allow(clippy::cast_precision_loss)]
            let n_devices = layout.n_devices() as f64;
            work.keep.offer(&Candidate {
                layout,
                step_time_s,
                tokens_per_s_per_device: workload.step_tokens() / step_time_s / n_devices,
                peak_bytes: fit.peak_bytes,
                tie: false,
                simulated: false,
                totals: self.score.map(|score| score(&layout, &parts)),
            });
        }
    }
}

/// Copies of sharded state that do not divide the ranks.
fn replicas_fault(sharding: Sharding, replicas: u32, data: u32) -> Option<Violation> {
    let fine = replicas == 1 || (sharding == Sharding::Zero3 && data.is_multiple_of(replicas));
    (!fine).then_some(Violation::ReplicasNotDivisible { replicas })
}

/// Whether a split deals the layers as another does.
fn even_sizes(layout: &Layout, n_layers: u32, even: Split) -> bool {
    layout.layers(n_layers) == Layout { split: even, ..*layout }.layers(n_layers)
}
