//! The best size and data for a machine and a budget, through the real layout search: what a FLOP costs
//! depends on the size, the batch and the layout.

use super::formula::Allocation;
use super::law::{Beyond, Embeddings, Range};
use super::optimal::SHELF_FRACTION;
use super::question::Question;
use super::shape::{self, Mixture, shaped};
use crate::catalog::{Catalog, Model};
use crate::error::{Diagnostic, Error, Result};
use crate::layout::Choice;
use crate::plan::{Plan, Scenario, evaluate, plan, with_tokens};
use crate::search::{self, Options};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// What may be spent; each bound that is given holds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Budget {
    /// Wall time on the whole machine.
    pub wall_s: Option<f64>,
    /// Device-seconds.
    pub device_s: Option<f64>,
    /// Money.
    pub usd: Option<f64>,
    /// Electricity at the meter.
    pub energy_j: Option<f64>,
    /// Greenhouse gases, embodied ones included.
    pub kg_co2e: Option<f64>,
    /// Model FLOP, `6 N D`.
    pub train_flop: Option<f64>,
    /// Tokens there are, counting repeats.
    pub tokens: Option<f64>,
}

impl Budget {
    /// True when nothing is bounded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Budget::default()
    }

    /// The bounds that are given: name, what the plan takes, the bound.
    fn held(&self, plan: &Plan) -> Vec<(&'static str, f64, f64)> {
        #[allow(clippy::cast_precision_loss)]
        let devices = plan.scenario.n_devices() as f64;
        let tokens = plan.scenario.workload.total_tokens;
        let list = [
            ("time", Some(plan.run.wall_s), self.wall_s),
            ("device-hours", Some(plan.run.wall_s * devices), self.device_s),
            ("money", plan.bill.cost.total_usd, self.usd),
            ("energy", Some(plan.bill.energy.facility_j), self.energy_j),
            ("carbon", Some(plan.bill.carbon.total_location_kg_co2e), self.kg_co2e),
            (
                "training FLOP",
                Some(super::formula::TRAIN_FLOP * plan.counts.params_active * tokens),
                self.train_flop,
            ),
            ("tokens", Some(tokens), self.tokens),
        ];
        list.into_iter()
            .filter_map(|(name, takes, bound)| Some((name, takes?, bound?)))
            .collect()
    }
}

/// One size and batch, planned.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The plan, tokens at the bound.
    pub plan: Plan,
    /// Size as the law counts it, and tokens.
    pub at: Allocation,
    /// Tokens of a step.
    pub batch_tokens: f64,
    /// Expected loss.
    pub loss: f64,
    /// The bound that is met first.
    pub binding: &'static str,
}

/// The best size for a machine.
#[derive(Debug, Clone)]
pub struct Found {
    /// The best, planned once more from its overrides.
    pub best: Candidate,
    /// 10th to 90th percentile of its loss.
    pub loss_interval: Option<Range>,
    /// What lies outside the law's points.
    pub beyond: Vec<Beyond>,
    /// All candidates of the best batch of each size, by rising size.
    pub sizes: Vec<Candidate>,
    /// Batches of the best size.
    pub batches: Vec<Candidate>,
    /// Overrides that make the scenario the answer: `exaplan plan SCENARIO --set …`.
    pub overrides: Vec<String>,
    /// Layouts judged.
    pub n_layouts: u64,
}

impl Found {
    /// Sizes whose loss cannot be told from the best.
    pub fn shelf(&self) -> impl Iterator<Item = &Candidate> {
        self.sizes.iter().filter(|c| c.loss <= self.best.loss * (1.0 + SHELF_FRACTION))
    }
}

/// What stays the same over the sizes.
pub struct Machine<'a> {
    /// Name or path of the scenario, and its overrides.
    pub scenario: (&'a str, &'a [String]),
    /// The scenario as read.
    pub base: &'a Scenario,
    /// Its catalog.
    pub catalog: &'a Catalog,
    /// The catalog under the scenario, made anew.
    pub fresh: &'a (dyn Fn() -> Result<Catalog> + Sync),
    /// What is asked.
    pub question: &'a Question,
    /// What may be spent.
    pub budget: &'a Budget,
    /// Keep the degrees that the scenario fixes.
    pub keep_layout: bool,
    /// Tokens of a step; else those of least loss are found.
    pub batch_tokens: Option<f64>,
}

/// Most sizes of the first sweep on each side of a guess, and the factor between them.
const N_COARSE: i32 = 14;
const COARSE: f64 = 1.7;
/// A side ends when its losses are this much above the best: they only rise from there.
const FAR_FRACTION: f64 = 0.02;
/// Sizes of the finer sweep on each side of the best, and the factor between them.
const N_FINE: i32 = 3;
const FINE: f64 = 1.13;

/// Sizes that are looked at.
const SMALLEST: f64 = 1e7;
const LARGEST: f64 = 2e13;

/// About how many times [`best`] tells that one more is done.
#[must_use]
pub fn n_pieces() -> usize {
    16
}

/// The size, batch and tokens of least loss within a budget.
///
/// # Errors
/// When no size has a layout that fits, or a bound on money meets no price.
pub fn best(machine: &Machine<'_>, told: &dyn Fn()) -> Result<Found> {
    if machine.budget.usd.is_some() && machine.base.offer.is_none() && !machine.base.owned {
        return Err(Diagnostic::new("there is a budget but no price to hold against it")
            .help("add --set cost.usd_per_device_hour=\"2.50 USD/h\", or `cost.offer` with a name of `exaplan catalog list prices`")
            .into());
    }
    let mut tried = Tried::default();
    let mut sizes = machine.sweep(&mut tried, told);
    let Some(first) = least(&sizes) else {
        return Err(Error::NoFeasibleLayout {
            rejected: tried.rejected,
            nearest: tried.nearest,
        });
    };
    let (size, batch) = (first.plan.counts.params_active, first.batch_tokens);
    let near = [0.5, 1.0, 2.0].map(|f| f * batch);
    let batches = if machine.batch_tokens.is_some() {
        vec![batch]
    } else {
        near.to_vec()
    };
    for step in (-N_FINE..=N_FINE).filter(|s| *s != 0) {
        sizes.extend(machine.size(size * FINE.powi(step), &batches, &mut tried));
        told();
    }
    sizes.sort_by(|a, b| a.plan.counts.params_active.total_cmp(&b.plan.counts.params_active));
    machine.answer(sizes, tried)
}

fn least(list: &[Candidate]) -> Option<&Candidate> {
    list.iter().min_by(|a, b| a.loss.total_cmp(&b.loss))
}

#[derive(Default)]
struct Tried {
    n_layouts: u64,
    rejected: BTreeMap<String, u64>,
    nearest: Option<String>,
}

impl Tried {
    fn add(&mut self, other: Tried) {
        self.n_layouts += other.n_layouts;
        for (reason, n) in other.rejected {
            *self.rejected.entry(reason).or_insert(0) += n;
        }
        self.nearest = self.nearest.take().or(other.nearest);
    }
}

impl Machine<'_> {
    fn mixture(&self) -> Option<Mixture> {
        self.question.mixing.map(|m| m.mixture)
    }

    /// The size that the law gives the FLOP of the budget at a third of the peak.
    fn guess(&self) -> f64 {
        let base = self.base;
        #[allow(clippy::cast_precision_loss)]
        let devices = base.n_devices() as f64;
        let rate = base
            .accelerator
            .peak
            .matrix_flop_per_s(base.workload.precision.compute)
            .unwrap_or(1e14)
            / 3.0;
        let price = base.offer.as_ref().map_or(2.0, |o| o.usd_per_device_hour.base_usd) / 3600.0;
        // Rough figures, to begin the sweep in the right decade only.
        let watts = 1.5 * base.accelerator.tdp_w;
        let bounds = [
            self.budget.wall_s.map(|s| s * devices * rate),
            self.budget.device_s.map(|s| s * rate),
            self.budget.usd.map(|u| u / price * rate),
            self.budget.energy_j.map(|j| j / watts * rate),
            self.budget.kg_co2e.map(|kg| kg / 0.4 * 3.6e6 / watts * rate),
            self.budget.train_flop,
            self.budget.tokens.map(|t| 6.0 * t * t / 20.0),
        ];
        let flop = bounds.into_iter().flatten().fold(f64::MAX, f64::min);
        super::optimal::optimum(self.question, flop).at.n_params.clamp(SMALLEST, LARGEST)
    }

    /// Batches to try: powers of two around what runs of any size use.
    fn batches(&self) -> Vec<f64> {
        match self.batch_tokens {
            Some(batch) => vec![batch],
            None => (19..=25).step_by(2).map(|power| 2f64.powi(power)).collect(),
        }
    }

    /// Sizes outwards from the guess, on each side until losses are far above the best or nothing fits.
    fn sweep(&self, tried: &mut Tried, told: &dyn Fn()) -> Vec<Candidate> {
        let middle = self.guess();
        let mut sizes: Vec<Candidate> = Vec::new();
        sizes.extend(self.size(middle, &self.batches(), tried));
        told();
        for side in [-1, 1] {
            let mut fitted = !sizes.is_empty();
            for step in 1..=N_COARSE {
                let n_params = middle * COARSE.powi(side * step);
                if !(SMALLEST..=LARGEST).contains(&n_params) {
                    break;
                }
                let found = self.size(n_params, &self.batches(), tried);
                told();
                let lowest = least(&sizes).map_or(f64::INFINITY, |c| c.loss);
                let far = found.as_ref().is_some_and(|c| c.loss > lowest * (1.0 + FAR_FRACTION));
                let gone = found.is_none() && fitted;
                fitted |= found.is_some();
                sizes.extend(found);
                if far || gone {
                    break;
                }
            }
        }
        sizes
    }

    /// The best batch of a size.
    fn size(&self, n_params: f64, batches: &[f64], tried: &mut Tried) -> Option<Candidate> {
        let model = shaped(&self.base.workload.model, n_params, self.mixture());
        let list = self.candidates(&model, batches, tried);
        list.into_iter().min_by(|a, b| a.loss.total_cmp(&b.loss))
    }

    /// One model with several batches, beside each other; what comes back is in their order.
    fn candidates(&self, model: &Model, batches: &[f64], tried: &mut Tried) -> Vec<Candidate> {
        let one = |batch: &f64| {
            let mut own = Tried::default();
            let found = self.candidate(model, *batch, &mut own);
            (found, own)
        };
        let list: Vec<(Option<Candidate>, Tried)> = batches.par_iter().map(one).collect();
        let mut out = Vec::new();
        for (found, own) in list {
            tried.add(own);
            out.extend(found);
        }
        out
    }

    fn scenario(&self, model: &Model, batch_tokens: f64) -> Scenario {
        let mut scenario = self.base.clone();
        scenario.workload.model = model.clone();
        scenario.workload.global_batch_seqs = (batch_tokens / scenario.workload.seq_len_tokens).round().max(1.0);
        if !self.keep_layout {
            scenario.choice = Choice::default();
        }
        scenario
    }

    fn candidate(&self, model: &Model, batch_tokens: f64, tried: &mut Tried) -> Option<Candidate> {
        let scenario = self.scenario(model, batch_tokens);
        let options = Options {
            n_best: 1,
            ..Options::default()
        };
        let found = search::search(&scenario, &options);
        tried.n_layouts += found.n_considered;
        let Some(best) = found.best.first() else {
            for (reason, n) in found.rejected {
                *tried.rejected.entry(reason).or_insert(0) += n;
            }
            tried.nearest = tried.nearest.take().or(found.nearest);
            return None;
        };
        let plan = evaluate(&scenario, self.catalog, best.layout);
        self.filled(plan)
    }

    /// A plan with as many tokens as the tightest bound allows.
    fn filled(&self, plan: Plan) -> Option<Candidate> {
        let batch_tokens = plan.scenario.workload.step_tokens();
        let mut plan = with_tokens(&plan, 1000.0 * batch_tokens);
        let mut binding = "";
        // All that is bounded is very nearly proportional to the steps.
        for _ in 0..8 {
            let held = self.budget.held(&plan);
            let (name, room) = held
                .into_iter()
                .map(|(name, takes, bound)| (name, bound / takes))
                .min_by(|a, b| a.1.total_cmp(&b.1))?;
            binding = name;
            let tokens = plan.scenario.workload.total_tokens * room;
            if !tokens.is_finite() || tokens < batch_tokens {
                return None;
            }
            // Whole steps: a run does not end inside one.
            let whole = (tokens / batch_tokens * (1.0 + 1e-12)).floor() * batch_tokens;
            let still = (whole / plan.scenario.workload.total_tokens - 1.0).abs() < 1e-9;
            plan = with_tokens(&plan, whole);
            if still {
                break;
            }
        }
        let at = self.counted(&plan);
        Some(Candidate {
            at,
            batch_tokens,
            loss: self.question.loss(at, Some(batch_tokens)),
            binding,
            plan,
        })
    }

    /// Size and tokens as the law counts them.
    fn counted(&self, plan: &Plan) -> Allocation {
        let embedding = plan
            .counts
            .params_by_part
            .iter()
            .find(|(name, _)| *name == "embedding")
            .map_or(0.0, |(_, n)| *n);
        let left_out = if self.question.law.embeddings == Embeddings::Excluded {
            embedding
        } else {
            0.0
        };
        Allocation {
            n_params: plan.counts.params_active - left_out,
            n_tokens: plan.scenario.workload.total_tokens,
        }
    }

    fn answer(&self, sizes: Vec<Candidate>, mut tried: Tried) -> Result<Found> {
        let Some(best) = least(&sizes) else {
            return Err(Error::NoFeasibleLayout {
                rejected: tried.rejected,
                nearest: tried.nearest,
            });
        };
        let model = best.plan.scenario.workload.model.clone();
        let around = [0.25, 0.5, 1.0, 2.0, 4.0].map(|f| f * best.batch_tokens);
        let around: &[f64] = if self.batch_tokens.is_some() { &[] } else { &around };
        let batches = self.candidates(&model, around, &mut tried);
        let overrides = self.overrides(best);
        let (name, own) = self.scenario;
        let all: Vec<String> = own.iter().chain(&overrides).cloned().collect();
        let (scenario, catalog) = Scenario::load(name, &all, (self.fresh)()?)?;
        let plan = plan(&scenario, &catalog)?;
        let at = self.counted(&plan);
        let best = Candidate {
            loss: self.question.loss(at, Some(best.batch_tokens)),
            at,
            plan,
            ..*best
        };
        Ok(Found {
            loss_interval: self.question.loss_interval(at, Some(best.batch_tokens)),
            beyond: self.question.law.bounds.beyond(at),
            best,
            sizes,
            batches,
            overrides,
            n_layouts: tried.n_layouts,
        })
    }

    fn overrides(&self, best: &Candidate) -> Vec<String> {
        let workload = &best.plan.scenario.workload;
        let mut list = vec![
            format!("model={}", shape::toml(&workload.model)),
            format!("training.tokens={:.0}", workload.total_tokens),
            format!("training.global_batch=\"{:.0} sequences\"", workload.global_batch_seqs),
        ];
        if !self.keep_layout {
            list.push("layout={}".to_string());
        }
        list
    }
}
