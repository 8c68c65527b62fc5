//! The inverse question: which machine, how many of it, from whom and where, so that a run keeps its
//! deadline, budget, power and carbon.
//!
//! A *count* is a number of nodes. What a run takes on one is a plan of its own: the search picks the
//! layout, failures and checkpoints the goodput, so wall time here is never a rate times a number. One
//! plan serves every provider and region, as these change the bill alone ([`crate::plan::bill_at`]).
//!
//! # What is exact and what is not
//!
//! Wall time is **not monotone in the count**: degrees must divide batch, heads and devices, so 2,047
//! nodes may fit nothing and 2,176 be slower than 2,048. Bisection alone would be wrong. Therefore:
//!
//! - The counts that a model and batch can be cut to are enumerated ([`counts`]); all others have no
//!   layout at all.
//! - Two bounds are monotone and proven: no run beats its model FLOP over the peak of its devices, which
//!   gives a least count for a deadline and a least cost for a budget; no node draws less than it does
//!   idle, which gives a greatest count for a power limit. What they rule out is not planned.
//! - Between these, a coarse grid of the counts that most layouts share brackets the answer, halving the
//!   bracket in logarithms narrows it, and **every** count left in it is planned. For fewest devices that
//!   bracket reaches down to where a count would have to be more than [`MARGIN_FRACTION`] more efficient
//!   per device than the best one seen of at least half the answer's size; likewise for the shortest run.
//! - For fewest days the grid is followed down until every provider has an answer, or until two steps
//!   hardly save device time and those without one miss by more than that.
//! - `exhaustive` plans every count between the proven bounds instead. Then the answer is the optimum
//!   over all of them, and a tighter limit can never give a smaller cluster.

pub mod counts;
mod machine;
mod market;
mod overrides;
mod seek;
mod trade;

pub use machine::Machine;
pub use market::Market;
pub use trade::Marginal;

use crate::catalog::{Catalog, Commitment};
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::plan::{Limits, Plan, Scenario, plan};
use rayon::prelude::*;
use seek::Seek;
use std::sync::atomic::{AtomicBool, Ordering};

/// How much more efficient per device than the best count seen near the answer one that is not planned
/// would have to be. It is a choice, not a proof: `exhaustive` needs none.
pub const MARGIN_FRACTION: f64 = 0.05;
/// Devices that can be had unless the question says otherwise: the largest clusters announced by 2025
/// have 100,000 to 200,000.
pub const MOST_DEVICES: u64 = 131_072;

/// What the best cluster has least of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objective {
    /// Devices.
    Devices,
    /// Money.
    Cost,
    /// Wall time.
    Days,
    /// Greenhouse gases.
    Carbon,
}

impl Objective {
    /// Every objective with its name.
    pub const ALL: [(&'static str, Objective); 4] = [
        ("devices", Objective::Devices),
        ("cost", Objective::Cost),
        ("days", Objective::Days),
        ("carbon", Objective::Carbon),
    ];

    /// The name on the command line and in output.
    #[must_use]
    pub fn name(self) -> &'static str {
        Objective::ALL.iter().find(|(_, o)| *o == self).map_or("", |(n, _)| n)
    }
}

/// A limit of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Wall time.
    Deadline,
    /// Money.
    Budget,
    /// Mean power at the meter.
    Power,
    /// Greenhouse gases.
    Carbon,
    /// Devices that can be had.
    Devices,
}

impl Bound {
    /// All of them, in the order in which they are told.
    pub const ALL: [Bound; 5] = [Bound::Deadline, Bound::Budget, Bound::Power, Bound::Carbon, Bound::Devices];

    /// Its flag without dashes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Bound::Deadline => "deadline",
            Bound::Budget => "budget",
            Bound::Power => "power",
            Bound::Carbon => "carbon",
            Bound::Devices => "devices",
        }
    }
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// Deadline, budget, power and carbon.
    pub limits: Limits,
    /// Devices that can be had.
    pub most_devices: u64,
    /// What to have least of.
    pub objective: Objective,
    /// Accelerators or nodes by name; empty for every one with a price and a node.
    pub accelerators: Vec<String>,
    /// Providers by name; empty for all.
    pub providers: Vec<String>,
    /// Regions by name; empty for those of the prices, and the scenario's where a price names none.
    pub regions: Vec<String>,
    /// Only prices of this commitment; else each provider's on demand, or its next best.
    pub commitment: Option<Commitment>,
    /// Keep the degrees that the scenario fixes, all but the data degree.
    pub keep_layout: bool,
    /// Plan every count between the proven bounds.
    pub exhaustive: bool,
}

impl Question {
    /// A question about a scenario with its own limits: fewest devices for a deadline, else fewest days.
    #[must_use]
    pub fn of(limits: Limits) -> Question {
        let objective = if limits.wall_s.is_some() {
            Objective::Devices
        } else {
            Objective::Days
        };
        Question {
            limits,
            most_devices: MOST_DEVICES,
            objective,
            accelerators: Vec::new(),
            providers: Vec::new(),
            regions: Vec::new(),
            commitment: None,
            keep_layout: false,
            exhaustive: false,
        }
    }

    /// The limit of a bound.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn limit(&self, bound: Bound) -> Option<f64> {
        match bound {
            Bound::Deadline => self.limits.wall_s,
            Bound::Budget => self.limits.cost_usd,
            Bound::Power => self.limits.facility_w,
            Bound::Carbon => self.limits.carbon_kg_co2e,
            Bound::Devices => Some(self.most_devices as f64),
        }
    }
}

/// A count of a machine at one price and place.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Nodes.
    pub n_nodes: u32,
    /// Devices.
    pub n_devices: u64,
    /// Which of the machine's markets.
    pub market: usize,
    /// Its fastest layout.
    pub layout: Layout,
    /// One step.
    pub step_time_s: f64,
    /// Model FLOPs utilization.
    pub mfu: f64,
    /// Share of the wall time that trains.
    pub goodput: f64,
    /// The whole run.
    pub wall_s: f64,
    /// Money; none where there is no price.
    pub cost_usd: Option<f64>,
    /// Electricity at the meter.
    pub energy_j: f64,
    /// Mean power at the meter.
    pub mean_w: f64,
    /// Power to provide for.
    pub peak_w: f64,
    /// Greenhouse gases, servers included.
    pub carbon_kg_co2e: f64,
}

impl Case {
    /// What it takes of a bound; none where that cannot be told.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn takes(&self, bound: Bound) -> Option<f64> {
        match bound {
            Bound::Deadline => Some(self.wall_s),
            Bound::Budget => self.cost_usd,
            Bound::Power => Some(self.mean_w),
            Bound::Carbon => Some(self.carbon_kg_co2e),
            Bound::Devices => Some(self.n_devices as f64),
        }
    }

    /// How many times its limit it takes, for each bound of the question; infinite where there is a
    /// budget and no price.
    pub fn shares<'a>(&'a self, question: &'a Question) -> impl Iterator<Item = (Bound, f64)> + 'a {
        Bound::ALL.into_iter().filter_map(|bound| {
            let limit = question.limit(bound)?;
            Some((bound, self.takes(bound).map_or(f64::INFINITY, |takes| takes / limit)))
        })
    }

    /// The bound that it is nearest to or furthest beyond, and how many times the limit it takes.
    #[must_use]
    pub fn tightest(&self, question: &Question) -> (Bound, f64) {
        let tighter = |a: (Bound, f64), b: (Bound, f64)| if b.1 > a.1 { b } else { a };
        self.shares(question).reduce(tighter).unwrap_or((Bound::Devices, 0.0))
    }

    /// How far it is from keeping every limit: the product of how many times those missed are taken; 1 when
    /// all are kept. A case that misses one limit is nearer than one that misses it by the same and another.
    #[must_use]
    pub fn excess(&self, question: &Question) -> f64 {
        self.shares(question).map(|(_, share)| share.max(1.0)).product()
    }

    /// Whether every limit holds.
    #[must_use]
    pub fn fits(&self, question: &Question) -> bool {
        self.shares(question).all(|(_, share)| share <= 1.0)
    }

    /// What is least for the best; then money, time, devices, so that equals are told apart.
    fn rank(&self, objective: Objective) -> [f64; 4] {
        let usd = self.cost_usd.unwrap_or(f64::INFINITY);
        #[allow(clippy::cast_precision_loss)]
        let devices = self.n_devices as f64;
        match objective {
            Objective::Devices => [devices, usd, self.carbon_kg_co2e, self.wall_s],
            Objective::Cost => [usd, self.wall_s, devices, self.carbon_kg_co2e],
            Objective::Days => [self.wall_s, usd, self.carbon_kg_co2e, devices],
            Objective::Carbon => [self.carbon_kg_co2e, usd, self.wall_s, devices],
        }
    }

    /// True when this one is better; equals keep the order in which they came.
    fn better(&self, other: &Case, objective: Objective) -> bool {
        let pairs = self.rank(objective).into_iter().zip(other.rank(objective));
        let order = pairs.fold(std::cmp::Ordering::Equal, |o, (a, b)| o.then(a.total_cmp(&b)));
        order == std::cmp::Ordering::Less
    }
}

/// The best of a list.
fn least<'a>(cases: impl Iterator<Item = &'a Case>, objective: Objective) -> Option<&'a Case> {
    cases.reduce(|a, b| if b.better(a, objective) { b } else { a })
}

/// What a provider's prices give on a machine.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name; `owned` where the machine is bought, `no price` where there is none.
    pub provider: String,
    /// The best count that keeps all limits.
    pub best: Option<Case>,
    /// Else the one that misses them by least.
    pub miss: Option<Case>,
}

/// What one machine gives.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The machine.
    pub machine: Machine,
    /// One row per provider, best first.
    pub rows: Vec<Row>,
    /// Every count that was planned and has a layout, at its best market, by rising count.
    pub cases: Vec<Case>,
    /// What would let something fit if only this bound were moved: the bound and the case that needs least.
    pub relaxed: Vec<(Bound, Case)>,
    /// Least nodes by model FLOP over peak, for the deadline.
    pub least_nodes: u32,
    /// Counts that could be cut, up to the most.
    pub n_counts: usize,
    /// Counts planned.
    pub n_planned: usize,
    /// Why no count has a layout, when none has.
    pub nothing_fits: Option<String>,
}

/// The best cluster, planned again from its overrides.
#[derive(Debug, Clone)]
pub struct Best {
    /// The count and market.
    pub case: Case,
    /// What makes the scenario the answer, on top of its own overrides.
    pub overrides: Vec<String>,
    /// The plan that they give.
    pub plan: Plan,
    /// Counts around it, rising: devices against days, money and carbon.
    pub curve: Vec<Case>,
    /// What the next node that can be had and helps is worth: the smallest larger count that is faster.
    pub next: Option<Marginal>,
    /// What nodes are worth at best: the larger count seen that saves most time per node.
    pub steepest: Option<Marginal>,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The best cluster, of the first machine; none when nothing keeps the limits.
    pub best: Option<Best>,
    /// What each machine gives, best first.
    pub machines: Vec<Outcome>,
    /// Accelerators that were asked for or have a price, and why they were left out.
    pub skipped: Vec<(String, String)>,
}

/// Where the question starts from.
pub struct Start<'a> {
    /// Name or path of the scenario.
    pub name: &'a str,
    /// The scenario as read, overrides included.
    pub scenario: &'a Scenario,
    /// The catalog it was read with.
    pub catalog: &'a Catalog,
}

/// Answer a question; `told` is called whenever one more machine is done, with how many there are.
///
/// # Errors
/// Unknown names, each with the nearest; [`Error::Interrupted`] when `cancel` is set.
pub fn size(start: &Start<'_>, question: &Question, cancel: &AtomicBool, told: &(dyn Fn(usize) + Sync)) -> Result<Answer> {
    let (machines, skipped) = machine::machines(start, question)?;
    let total = machines.len();
    let sought: Vec<Seek<'_>> = machines
        .into_par_iter()
        .map(|machine| {
            let mut seek = Seek::new(machine, question, start.catalog, cancel);
            seek.run();
            told(total);
            seek
        })
        .collect();
    if cancel.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    let mut list: Vec<(Outcome, Seek<'_>)> = sought.into_iter().map(|seek| (seek.outcome(), seek)).collect();
    list.sort_by(|(a, _), (b, _)| order(a, b, question));
    let best = match list.first_mut() {
        Some((outcome, seek)) => match winner(outcome, question) {
            Some(case) => Some(answer(start, question, seek, case)?),
            None => None,
        },
        None => None,
    };
    if cancel.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    Ok(Answer {
        best,
        machines: list.into_iter().map(|(outcome, _)| outcome).collect(),
        skipped,
    })
}

/// The best case of a machine. Nobody rents from an average over providers, and a plan does not count
/// on the interruptions of spot: both are shown, and answer only where there is nothing else or they
/// were asked for by name.
fn winner(outcome: &Outcome, question: &Question) -> Option<Case> {
    let fits = |firm: bool| {
        let mut rows = outcome.rows.iter().filter_map(|r| r.best.clone());
        rows.find(|c| outcome.machine.markets[c.market].is_firm(question) == firm)
    };
    fits(true).or_else(|| fits(false))
}

/// Machines by their winner; those without by how little they miss.
fn order(a: &Outcome, b: &Outcome, question: &Question) -> std::cmp::Ordering {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let named = || a.machine.accelerator.cmp(&b.machine.accelerator);
    match (winner(a, question), winner(b, question)) {
        (Some(x), Some(y)) if x.better(&y, question.objective) => Less,
        (Some(x), Some(y)) if y.better(&x, question.objective) => Greater,
        (Some(_), Some(_)) => named(),
        (Some(_), None) => Less,
        (None, Some(_)) => Greater,
        (None, None) => {
            let misses = |o: &Outcome| {
                let excess = o.rows.iter().filter_map(|r| Some(r.miss.as_ref()?.excess(question)));
                excess.fold(f64::INFINITY, f64::min)
            };
            misses(a).partial_cmp(&misses(b)).unwrap_or(Equal).then_with(named)
        }
    }
}

/// The winner with its surroundings, planned once more from the text that reproduces it.
fn answer(start: &Start<'_>, question: &Question, seek: &mut Seek<'_>, case: Case) -> Result<Best> {
    let curve = trade::curve(seek, &case);
    let (next, steepest) = trade::marginal(seek, &case);
    let overrides = overrides::of(start.scenario, question, seek.machine(), &case);
    let all: Vec<String> = start.scenario.overrides.iter().chain(&overrides).cloned().collect();
    let (scenario, catalog) = Scenario::load(start.name, &all, start.catalog.beneath())?;
    let plan = plan(&scenario, &catalog)?;
    Ok(Best {
        case,
        overrides,
        plan,
        curve,
        next,
        steepest,
    })
}

#[cfg(test)]
mod tests;
