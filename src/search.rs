//! Every layout of a space, judged: which fit, which is best, why the others fell.
//!
//! Sits between `step` and `plan`: planning a scenario with free degrees is a search for the fastest
//! layout. [`judge`] looks at one set of outer degrees, [`tables`] holds what neighbours share,
//! [`keep`] what is worth keeping. Layouts that a bound on step time or memory rules out are not
//! timed, which changes nothing in the answer ([`Options::exhaustive`] times them all); the best few
//! are simulated slot by slot in the end.

mod judge;
mod keep;
mod tables;

use crate::layout::space::Breadth;
use crate::layout::{Choice, Layout, Outer, Overlap, Space};
use crate::plan::Scenario;
use crate::plan::totals;
use crate::step::{Machine, Parts, engine_step};
use judge::{Judge, Score};
use keep::Keep;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What makes one layout better than another; less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Objective {
    /// Seconds of a step.
    StepTime,
    /// Memory of the fullest stage.
    Memory,
    /// Money for the whole run.
    Cost,
    /// Electricity of the whole run.
    Energy,
    /// Greenhouse gases of the whole run, by location.
    Carbon,
}

impl Objective {
    /// Names on the command line.
    pub const NAMES: [(&'static str, Objective); 5] = [
        ("time", Objective::StepTime),
        ("memory", Objective::Memory),
        ("cost", Objective::Cost),
        ("energy", Objective::Energy),
        ("carbon", Objective::Carbon),
    ];

    /// The name used in output.
    #[must_use]
    pub fn name(self) -> &'static str {
        Objective::NAMES.iter().find(|(_, o)| *o == self).map_or("time", |(n, _)| n)
    }
}

/// How to search.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Layouts to return, best first.
    pub n_best: usize,
    /// Values closer than this to the best are ties: their order means nothing.
    pub tie_fraction: f64,
    /// A layout to look for among those that fit: the one the scenario came with.
    pub mark: Option<Choice>,
    /// How much of what is free is tried.
    pub breadth: Breadth,
    /// What is wanted, most important first; two or more span the front, one does with memory.
    pub objectives: &'a [Objective],
    /// Time every layout that fits, also those that cannot be among the answers: counts and ranks need it.
    pub exhaustive: bool,
    /// The front goes no further than so many times the best step time. Bounds rule out more where it is short.
    pub front_factor: f64,
    /// The rank of [`Options::mark`] is worked out up to so many times the best step time: to count all
    /// that are ahead of a slow layout is to time most of the space.
    pub rank_factor: f64,
    /// How many of the best are simulated slot by slot, and ordered by that.
    pub n_simulated: usize,
}

/// Errors of layouts of one source scatter by so much around each other (robust standard deviation over 611
/// published steps with a pipeline, `exaplan validate`, `profiles/ACCURACY.md`): what the whole is off by is
/// the same for all layouts of a machine, so this is how well two of them can be told apart.
pub const TIE_FRACTION: f64 = 0.057;

/// [`TIE_FRACTION`] in words.
#[must_use]
pub fn tie_percent() -> String {
    format!("{} %", crate::units::significant(100.0 * TIE_FRACTION))
}

/// Layouts that are simulated slot by slot where people ask for a search: the closed form is within a
/// few percent, so what is best by the engine is among them.
pub const N_SIMULATED: usize = 20;

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            n_best: 20,
            tie_fraction: TIE_FRACTION,
            mark: None,
            breadth: Breadth::Usual,
            objectives: &[Objective::StepTime],
            exhaustive: true,
            front_factor: f64::INFINITY,
            rank_factor: f64::INFINITY,
            n_simulated: 0,
        }
    }
}

/// What the whole run takes with a layout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Totals {
    /// Money, where the machine has a price.
    pub cost_usd: Option<f64>,
    /// Electricity.
    pub energy_j: f64,
    /// Greenhouse gases by location, embodied ones included.
    pub carbon_kg_co2e: f64,
}

/// A layout that fits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The layout.
    pub layout: Layout,
    /// Seconds of one step.
    pub step_time_s: f64,
    /// Tokens per second and device.
    pub tokens_per_s_per_device: f64,
    /// Memory of the fullest stage, reserve included.
    pub peak_bytes: f64,
    /// Cannot be told from the best.
    pub tie: bool,
    /// The step time is that of the event engine, not of the closed form.
    pub simulated: bool,
    /// The whole run, where an objective asks for it.
    pub totals: Option<Totals>,
}

impl Candidate {
    /// What it is worth by an objective; infinite where that was not worked out.
    #[must_use]
    pub fn value(&self, objective: Objective) -> f64 {
        let total = |of: fn(&Totals) -> f64| self.totals.as_ref().map_or(f64::INFINITY, of);
        let cost_usd = || self.totals.and_then(|t| t.cost_usd);
        match objective {
            Objective::StepTime => self.step_time_s,
            Objective::Memory => self.peak_bytes,
            Objective::Cost => cost_usd().unwrap_or(f64::INFINITY),
            Objective::Energy => total(|t| t.energy_j),
            Objective::Carbon => total(|t| t.carbon_kg_co2e),
        }
    }
}

/// What a search found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Candidates looked at.
    pub n_considered: u64,
    /// Candidates whose step time was computed.
    pub n_evaluated: u64,
    /// Candidates that were not timed: they do not fit, or a bound ruled them out.
    pub n_pruned: u64,
    /// Of them, those that a bound on step time or memory ruled out; whether they fit is not known of all.
    pub n_bounded: u64,
    /// Best first.
    pub best: Vec<Candidate>,
    /// Layouts of which no other is better in one objective and no worse in the others.
    pub pareto: Vec<Candidate>,
    /// Reason → candidates that fell for it first.
    pub rejected: BTreeMap<String, u64>,
    /// The smallest change that would let the nearest one fit.
    pub nearest: Option<String>,
    /// The best layout that agrees with [`Options::mark`], and its rank from 1 among those of the space
    /// that fit; no rank where bounds rule layouts out and it is slower than [`Options::rank_factor`] allows.
    pub marked: Option<(Option<u64>, Candidate)>,
    /// It was stopped before the end: what is here is the best of a part of the space.
    pub cancelled: bool,
}

/// How far a search is, and the wish to stop it. Any thread may look and ask.
#[derive(Debug, Default)]
pub struct Watch {
    considered: AtomicU64,
    outer: AtomicU64,
    n_outer: AtomicU64,
    stop: AtomicBool,
}

impl Watch {
    /// Stop as soon as possible and return what there is.
    pub fn cancel(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Candidates looked at so far.
    #[must_use]
    pub fn considered(&self) -> u64 {
        self.considered.load(Ordering::Relaxed)
    }

    /// Sets of outer degrees that are done, and all of them.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.outer.load(Ordering::Relaxed), self.n_outer.load(Ordering::Relaxed))
    }

    fn looked_at(&self, n: u64) {
        self.considered.fetch_add(n, Ordering::Relaxed);
    }
}

/// Judge every layout that the scenario leaves open.
#[must_use]
pub fn search(scenario: &Scenario, options: &Options<'_>) -> Found {
    search_watched(scenario, options, &Watch::default())
}

/// The same, watched by another thread.
#[must_use]
pub fn search_watched(scenario: &Scenario, options: &Options<'_>, watch: &Watch) -> Found {
    let machine = scenario.machine();
    let runs = options
        .objectives
        .iter()
        .any(|o| !matches!(o, Objective::StepTime | Objective::Memory));
    let score = |layout: &Layout, parts: &Parts| totals(scenario, layout, parts);
    let mut judge = Judge {
        space: space(scenario, options.breadth),
        machines: machines(&machine),
        context: machine.memory_context(),
        operations: tables::OperationTable::default(),
        prune: !options.exhaustive && !runs && options.objectives.first() == Some(&Objective::StepTime),
        score: runs.then_some(&score as &Score<'_>),
        watch,
    };
    let marked = options.mark.and_then(|choice| marked(scenario, options, choice));
    let empty = Keep::new(options, marked);
    let mut order: Vec<(f64, Outer)> = judge.space.outer().into_iter().map(|o| (f64::MAX, o)).collect();
    watch.n_outer.store(order.len() as u64, Ordering::Relaxed);
    let mut bar = empty.clone();
    if options.breadth == Breadth::All && judge.prune {
        // Layouts that differ in their degrees and schedules are a small part of all, and set the bar
        // for the others.
        judge.space.breadth = Breadth::Schedules;
        let parts: Vec<Keep> = order.par_iter().map(|(_, o)| judge.judge(o, empty.clone(), &empty)).collect();
        for (part, (best_s, _)) in parts.into_iter().zip(&mut order) {
            *best_s = part.best.first().map_or(f64::MAX, |b| b.step_time_s);
            bar.merge(part);
        }
        judge.space.breadth = Breadth::All;
        // The most promising first: what they find rules out more of the rest.
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    let mut all = empty.clone();
    for wave in order.chunks(WAVE) {
        let one = |(_, outer): &(f64, Outer)| {
            let part = judge.judge(outer, empty.clone(), &bar);
            watch.outer.fetch_add(1, Ordering::Relaxed);
            part
        };
        let parts: Vec<Keep> = wave.par_iter().map(one).collect();
        for part in parts {
            bar.raise(&part);
            all.merge(part);
        }
        if watch.cancelled() {
            break;
        }
    }
    let mut found = finish(scenario, &machine, all, options);
    found.cancelled = watch.cancelled();
    found
}

/// The best layout that agrees with a choice.
fn marked(scenario: &Scenario, options: &Options<'_>, choice: Choice) -> Option<Candidate> {
    let own = Scenario {
        choice,
        ..scenario.clone()
    };
    // What it leaves open is chosen as it usually is.
    let one = Options {
        n_best: 1,
        mark: None,
        breadth: Breadth::Usual,
        n_simulated: 0,
        ..*options
    };
    search(&own, &one).best.first().copied()
}

/// Sets of outer degrees that are judged side by side, knowing what those before have found. Not the
/// number of threads: what is ruled out must not depend on it.
const WAVE: usize = 16;

/// The space of a scenario.
#[must_use]
pub fn space(scenario: &Scenario, breadth: Breadth) -> Space<'_> {
    let stack = &scenario.stack;
    Space {
        workload: &scenario.workload,
        n_devices: scenario.n_devices(),
        domain: scenario.domain(),
        choice: scenario.choice,
        selective_pays: !stack.flash_attention,
        breadth,
        overlaps: Overlap {
            tensor: stack.hides_tensor_backward || stack.tensor_overlap_fraction > 0.0,
            data: stack.data_overlap_fraction > 0.0,
            pipeline: stack.pipeline_overlap_fraction > 0.0,
            expert: stack.expert_overlap_fraction > 0.0,
        },
        host_link: scenario.accelerator.host_bytes_per_s.is_some(),
    }
}

/// The machine under every set of overlaps.
fn machines(machine: &Machine) -> Vec<(Overlap, Machine)> {
    let on = [true, false];
    let mut out = Vec::new();
    for tensor in on {
        for data in on {
            for pipeline in on {
                for expert in on {
                    let overlap = Overlap {
                        tensor,
                        data,
                        pipeline,
                        expert,
                    };
                    out.push((overlap, machine.with_overlap(overlap).into_owned()));
                }
            }
        }
    }
    out
}

fn finish(scenario: &Scenario, machine: &Machine, mut keep: Keep, options: &Options<'_>) -> Found {
    let counts = keep.mark_counts();
    let mut best = keep.sorted();
    let pareto = keep.front(&best);
    let first = options.objectives.first().copied().unwrap_or(Objective::StepTime);
    let n = options.n_simulated.min(best.len());
    if n > 0 {
        best[..n].par_iter_mut().for_each(|c| simulate(scenario, machine, c));
        best[..n].sort_by(|a, b| a.value(first).total_cmp(&b.value(first)).then(a.layout.cmp(&b.layout)));
    }
    let limit = best.first().map_or(0.0, |b| b.value(first) * (1.0 + options.tie_fraction));
    for candidate in &mut best {
        candidate.tie = candidate.value(first) <= limit;
    }
    Found {
        n_considered: keep.considered,
        n_evaluated: keep.evaluated,
        n_pruned: keep.considered - keep.evaluated,
        n_bounded: keep.bounded,
        rejected: keep.reasons(),
        nearest: keep
            .nearest
            .map(|(_, layout, violation)| format!("{layout}: {violation}; {}", violation.remedy())),
        marked: keep.mark.map(|m| (counts.then_some(keep.ahead + 1), m)),
        pareto,
        best,
        cancelled: false,
    }
}

/// Put the engine's step in place of the closed form's, where it can run it.
fn simulate(scenario: &Scenario, machine: &Machine, candidate: &mut Candidate) {
    let Ok(step) = engine_step(&scenario.workload, machine, &candidate.layout) else {
        return;
    };
    candidate.tokens_per_s_per_device *= candidate.step_time_s / step.time_s;
    candidate.step_time_s = step.time_s;
    candidate.simulated = true;
    if candidate.totals.is_some() {
        candidate.totals = Some(totals(scenario, &candidate.layout, &step.parts));
    }
}
