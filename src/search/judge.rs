//! One set of outer degrees: every layout inside, judged.
//!
//! What layouts have in common is worked out once: operations by their shapes, prices by what
//! overlaps, memory by what is under way, the pipeline by its slots. Innermost are the ways to share
//! state, of which the collectives and the optimizer are left to add.

use super::keep::Keep;
use super::tables::{CutTable, OperationTable, PriceTable, fullest};
use super::{Candidate, Totals, Watch};
use crate::layout::check::{host_violation, shape_violations};
use crate::layout::memory::{Activity, budget};
use crate::layout::{
    Groups, Layout, MemoryContext, Offload, Outer, Overlap, Recompute, Schedule, SchedulePlan, Sharding, Space, Split, SplitChoice,
    Violation, Way, place, stages,
};
use crate::step::pipeline::{self, Base};
use crate::step::price::{Price, Slot};
use crate::step::split::balanced;
use crate::step::{Machine, Parts, Priced, ended};
use crate::workload::{LayerKind, pattern};

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
#[derive(Debug, Clone, Copy, Default)]
struct Bound {
    /// Least time of one micro-batch on the mean stage, nothing computed again.
    micro_batch_s: f64,
    /// What it takes more when every layer is.
    again_s: f64,
    n_micro_batches: f64,
}

impl Bound {
    /// Least time of a step.
    fn step_s(&self, layout: &Layout, way: &Way, n_layers: u32) -> f64 {
        let chunks = f64::from(layout.pipeline) * f64::from(layout.virtual_stages);
        let again = match layout.recompute {
            Recompute::Full => 1.0,
            // A chunk has at least the layers that an even deal leaves the smallest, less one at either end.
            Recompute::Layers(n) if way.split == SplitChoice::Given(Split::Even) => {
                let least = (f64::from(n_layers) / chunks).floor() - 1.0;
                f64::from(n).min(least).max(0.0) * chunks / f64::from(n_layers)
            }
            _ => 0.0,
        };
        let each_s = self.micro_batch_s + again * self.again_s;
        // One after another through one chunk each, the first and last micro-batch pass all stages
        // while the heaviest works on all: (m + p − 1) of the mean (arXiv 2104.04473 §2.2.1).
        let fills = layout.virtual_stages <= 1 && matches!(layout.order(), Schedule::OneFOneB | Schedule::GPipe);
        let passes = self.n_micro_batches + if fills { f64::from(layout.pipeline) - 1.0 } else { 0.0 };
        passes * each_s * ROUNDING
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
            layers: stages(&self.space.workload.model, &Layout::single()).iter().flat_map(|s| s.kinds()).collect(),
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
        let machine = self.machine(Overlap::ALL);
        let groups = place(start, machine.domain);
        let slowed = machine.stack.communication_slowdown.max(1.0);
        let slot_s = |slot: &Slot| slot.math_s + (slot.tensor_s + slot.context_s + slot.expert_s) / slowed;
        let mut all = |recompute: Recompute, of: &dyn Fn(&Price) -> f64| {
            let layout = Layout { recompute, ..*start };
            let number = self.prices(&mut work.prices, &layout, &groups);
            let prices = work.prices.at(number);
            let layers: f64 = work.layers.iter().map(|(kind, n)| n * of(&prices.layers[kind.index()])).sum();
            (layers, of(&prices.embedding) + of(&prices.head))
        };
        let (layers_s, ends_s) = all(
            Recompute::None,
            &|p| slot_s(&p.forward) + slot_s(&p.backward),
        );
        let (again_s, _) = all(Recompute::Full, &|p| slot_s(&p.recompute));
        let stages = f64::from(start.pipeline.max(1));
        Bound {
            micro_batch_s: (layers_s + ends_s) / stages * ROUNDING,
            again_s: again_s / stages * ROUNDING,
            n_micro_batches: m,
        }
    }

    fn way(&self, work: &mut Work<'_>, outer: &Outer, start: &Layout, way: &Way, bound: &Bound) {
        let layout = way.on(start);
        let recomputes = self.space.recomputes(outer, way);
        if let Some(violation) = shape_violations(self.space.workload, &layout, self.space.n_devices).into_iter().next() {
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
            self.memory(work, &layout);
            self.times(work, &layout, &groups);
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
    fn memory(&self, work: &mut Work<'_>, layout: &Layout) {
        let workload = self.space.workload;
        let at = work.cuts.of(workload, layout, &work.shares);
        work.fits.clear();
        // What is under way rests on no share.
        fullest(workload, layout, &work.cuts.entry(at).cut, &self.context, &mut work.activities);
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
    fn times(&self, work: &mut Work<'_>, layout: &Layout, groups: &Groups) {
        let fits = std::mem::take(&mut work.fits);
        for activations in [false, true] {
            let here = || fits.iter().filter(|f| f.offload.activations() == activations);
            let least_bytes = here().map(|f| f.peak_bytes).fold(f64::MAX, f64::min);
            let n = here().count() as u64;
            if n == 0 {
                continue;
            }
            for i in 0..work.overlaps.len() {
                let layout = Layout {
                    overlap: work.overlaps[i],
                    offload: if activations { Offload::Activations } else { Offload::None },
                    ..*layout
                };
                match self.base(work, &layout, groups, least_bytes) {
                    Some((at, base)) => self.shares(work, &layout, (at, base), here()),
                    None => work.keep.bounded += n,
                }
            }
        }
        work.fits = fits;
    }

    /// The pipeline before data-parallel collectives; none where it is hopeless already.
    fn base(&self, work: &mut Work<'_>, layout: &Layout, groups: &Groups, least_bytes: f64) -> Option<(usize, Base)> {
        let workload = self.space.workload;
        let at = work.cuts.of(workload, layout, &work.shares);
        let machine = self.machine(layout.overlap);
        let number = self.prices(&mut work.prices, layout, groups);
        let (entry, prices) = (work.cuts.entry(at), work.prices.at(number));
        if self.prune {
            // The heaviest stage is at least as heavy as the mean.
            let passes = layout.n_micro_batches(workload.global_batch_seqs) / f64::from(entry.cut.copies());
            let all_s: f64 = entry
                .sums
                .parts()
                .map(|(kind, n, again)| {
                    let i = kind.index();
                    n * prices.layers[i].total_s() + again * prices.whole[i].total_s()
                })
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
        (!hopeless).then_some((at, base))
    }

    /// Every way to share state, on one pipeline.
    fn shares<'f>(&self, work: &mut Work<'_>, layout: &Layout, pipeline: (usize, Base), fits: impl Iterator<Item = &'f Fit>) {
        let workload = self.space.workload;
        let machine = self.machine(layout.overlap);
        let (at, mut base) = pipeline;
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
                    let parts = pipeline::with_data(&mut base, machine, &layout, costs).parts;
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
