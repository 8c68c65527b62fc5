//! Every layout of a space, judged: which fit, which is fastest, why the others fell.
//!
//! Sits between `step` and `plan`: planning a scenario with free degrees is a search for the
//! fastest layout. It ranks by step time; objectives that need the whole plan belong to `study`.

use crate::layout::check::{host_violation, memory_violation, shape_violations};
use crate::layout::{Choice, Cut, Layout, MemoryBudget, Outer, SchedulePlan, Space, Split, SplitChoice, Violation, budgets, place};
use crate::plan::Scenario;
use crate::step::split::balanced;
use crate::step::{self, Machine, Priced, Prices, prices};
use crate::workload::{Workload, pattern};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// How to search.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Layouts to return, best first.
    pub n_best: usize,
    /// Step times closer than this to the best are ties: no model of a step is more exact than a
    /// few percent, so the order among them means nothing.
    pub tie_fraction: f64,
    /// A layout to look for among those that fit: the one the scenario came with.
    pub mark: Option<Choice>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            n_best: 20,
            tie_fraction: 0.02,
            mark: None,
        }
    }
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
}

/// What a search found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Candidates looked at.
    pub n_considered: u64,
    /// Candidates whose step time was computed: those that fit.
    pub n_evaluated: u64,
    /// Candidates that fell before.
    pub n_pruned: u64,
    /// Best first.
    pub best: Vec<Candidate>,
    /// Layouts of which no other is both faster and smaller in memory, fastest first.
    pub pareto: Vec<Candidate>,
    /// Reason → candidates that fell for it first.
    pub rejected: BTreeMap<String, u64>,
    /// The smallest change that would let the nearest one fit.
    pub nearest: Option<String>,
    /// The fastest fitting layout that agrees with [`Options::mark`], and its rank from 1.
    pub marked: Option<(u64, Candidate)>,
}

/// The result of one set of outer degrees; merged in order, so threads do not matter.
#[derive(Default)]
struct Partial {
    considered: u64,
    fits: Vec<Candidate>,
    rejected: BTreeMap<String, u64>,
    nearest: Option<(f64, Layout, Violation)>,
}

/// Judge every layout that the scenario leaves open.
#[must_use]
pub fn search(scenario: &Scenario, options: &Options) -> Found {
    let machine = scenario.machine();
    let space = Space {
        workload: &scenario.workload,
        n_devices: scenario.n_devices(),
        domain: scenario.domain(),
        choice: scenario.choice,
        selective_pays: !scenario.stack.flash_attention,
    };
    let outer = space.outer();
    let parts: Vec<Partial> = outer.par_iter().map(|o| judge(&space, o, &machine)).collect();
    merge(parts, options)
}

/// What prices of layers depend on inside one set of outer degrees.
type PriceKey = (u32, u32, u32, crate::layout::Recompute);

/// Prices of one set of outer degrees.
#[derive(Default)]
struct PriceTable(Vec<(PriceKey, Prices)>);

impl PriceTable {
    fn of(&mut self, workload: &Workload, machine: &Machine, layout: &Layout) -> &Prices {
        let key = price_key(layout);
        let at = self.0.iter().position(|(k, _)| *k == key).unwrap_or_else(|| {
            let groups = place(layout, machine.domain);
            self.0.push((key, prices(workload, layout, machine, &groups)));
            self.0.len() - 1
        });
        &self.0[at].1
    }
}

/// Cuts of one set of outer degrees.
#[derive(Default)]
struct Cuts {
    /// The last one by virtual stages: neighbours share it.
    last: Option<(u32, Cut)>,
    /// Balanced ones, by what they rest on.
    balanced: Vec<((PriceKey, u32), Split, Cut)>,
}

impl Cuts {
    /// The cut of a layout as it stands.
    fn given(&mut self, workload: &Workload, layout: &Layout) -> &Cut {
        let last = self.last.take().filter(|(v, _)| *v == layout.virtual_stages);
        let cut = || (layout.virtual_stages, Cut::of(&workload.model, layout));
        &self.last.insert(last.unwrap_or_else(cut)).1
    }

    /// The cut of a layout with its layers balanced, which it then has.
    fn balanced(&mut self, workload: &Workload, layout: &mut Layout, prices: &Prices) -> &Cut {
        let key = (price_key(layout), layout.virtual_stages);
        let at = self.balanced.iter().position(|(k, ..)| *k == key).unwrap_or_else(|| {
            let plan = SchedulePlan::of(layout, layout.n_micro_batches(workload.global_batch_seqs));
            let split = Split::explicit(&balanced(&pattern(&workload.model), prices, &plan));
            let cut = Cut::of(&workload.model, &Layout { split, ..*layout });
            self.balanced.push((key, split, cut));
            self.balanced.len() - 1
        });
        let (_, split, cut) = &self.balanced[at];
        layout.split = *split;
        cut
    }
}

fn price_key(layout: &Layout) -> PriceKey {
    (layout.expert, layout.expert_tensor, layout.micro_batch_seqs, layout.recompute)
}

fn judge(space: &Space<'_>, outer: &Outer, machine: &Machine) -> Partial {
    let workload = space.workload;
    let context = machine.memory_context();
    let mut out = Partial::default();
    let (mut table, mut cuts) = (PriceTable::default(), Cuts::default());
    for mut layout in space.inner(outer) {
        out.considered += 1;
        let first = shape_violations(workload, &layout, space.n_devices).into_iter().next();
        if let Some(violation) = first.or_else(|| host_violation(&layout, &context)) {
            reject(&mut out, layout, violation);
            continue;
        }
        let cut = if space.choice.split == Some(SplitChoice::Balanced) && layout.pipeline > 1 {
            let prices = table.of(workload, machine, &layout);
            cuts.balanced(workload, &mut layout, prices)
        } else {
            cuts.given(workload, &layout)
        };
        let memory = budgets(workload, &layout, cut, &context);
        if let Some(violation) = memory_violation(&memory) {
            reject(&mut out, layout, violation);
            continue;
        }
        let (parts, _) = step::parts(
            workload,
            machine,
            &layout,
            &Priced {
                cut,
                groups: &place(&layout, machine.domain),
                prices: table.of(workload, machine, &layout),
            },
        );
        let step_time_s = parts.total_s();
        #[allow(clippy::cast_precision_loss)]
        let n_devices = layout.n_devices() as f64;
        out.fits.push(Candidate {
            layout,
            step_time_s,
            tokens_per_s_per_device: workload.step_tokens() / step_time_s / n_devices,
            peak_bytes: memory.iter().map(MemoryBudget::peak_bytes).fold(0.0, f64::max),
            tie: false,
        });
    }
    out
}

fn reject(out: &mut Partial, layout: Layout, violation: Violation) {
    *out.rejected.entry(violation.kind().to_string()).or_insert(0) += 1;
    let miss = match violation {
        Violation::OutOfMemory { short_bytes, .. } | Violation::HostOutOfMemory { short_bytes, .. } => short_bytes,
        _ => f64::MAX,
    };
    if out.nearest.is_none_or(|(m, ..)| miss < m) {
        out.nearest = Some((miss, layout, violation));
    }
}

fn merge(parts: Vec<Partial>, options: &Options) -> Found {
    let mut found = Found::default();
    let mut fits = Vec::new();
    let mut nearest: Option<(f64, Layout, Violation)> = None;
    for part in parts {
        found.n_considered += part.considered;
        fits.extend(part.fits);
        for (reason, n) in part.rejected {
            *found.rejected.entry(reason).or_insert(0) += n;
        }
        if let Some(near) = part.nearest.filter(|n| nearest.is_none_or(|m| n.0 < m.0)) {
            nearest = Some(near);
        }
    }
    found.n_evaluated = fits.len() as u64;
    found.n_pruned = found.n_considered - found.n_evaluated;
    found.nearest = nearest.map(|(_, layout, violation)| format!("{layout}: {violation}; {}", violation.remedy()));
    fits.sort_by(|a, b| a.step_time_s.total_cmp(&b.step_time_s).then(a.layout.cmp(&b.layout)));
    let limit = fits.first().map_or(0.0, |b| b.step_time_s * (1.0 + options.tie_fraction));
    for candidate in &mut fits {
        candidate.tie = candidate.step_time_s <= limit;
    }
    if let Some(choice) = options.mark {
        let rank = fits.iter().position(|c| choice.allows(&c.layout));
        found.marked = rank.map(|i| (i as u64 + 1, fits[i]));
    }
    let mut least = f64::MAX;
    for candidate in &fits {
        if candidate.peak_bytes < least {
            least = candidate.peak_bytes;
            found.pareto.push(*candidate);
        }
    }
    fits.truncate(options.n_best);
    found.best = fits;
    found
}
