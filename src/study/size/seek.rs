//! The search over counts of one machine.

use super::counts::Counts;
use super::market::Market;
use super::{Bound, Case, MARGIN_FRACTION, Machine, Objective, Outcome, Question, Row, least};
use crate::catalog::Catalog;
use crate::error::Error;
use crate::plan::{Plan, plan, run_and_bill_at};
use crate::workload::count;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ratio of neighbours of the first grid.
const COARSE_RATIO: f64 = 2.0;
/// Brackets of this ratio or less are planned count by count.
const FINE_RATIO: f64 = 1.2;
/// A miss of this ratio or less is looked at as closely as an answer.
const NEAR_RATIO: f64 = 1.1;
/// Gain of device time over two steps of the grid below which smaller clusters are no more efficient.
const LEVEL_FRACTION: f64 = 0.02;
/// Beyond what can be had, looked at to tell what would do.
const BEYOND_RATIOS: [f64; 3] = [1.5, 2.5, 5.0];

/// One machine with the counts planned so far.
pub(super) struct Seek<'a> {
    machine: Machine,
    question: &'a Question,
    catalog: &'a Catalog,
    cancel: &'a AtomicBool,
    counts: Counts,
    /// Every count looked at: a case per market, or nothing where no layout fits.
    seen: BTreeMap<u32, Vec<Case>>,
    /// Why the last count without layout has none.
    why_none: Option<String>,
    /// Proven bounds.
    floor: u32,
    ceiling: u32,
    /// Device-seconds of the model FLOP at peak.
    peak_device_s: f64,
}

impl<'a> Seek<'a> {
    pub(super) fn new(machine: Machine, question: &'a Question, catalog: &'a Catalog, cancel: &'a AtomicBool) -> Seek<'a> {
        let beyond = question.most_devices.saturating_mul(8);
        let counts = Counts::of(&machine.base, beyond);
        let peak_device_s = peak_device_s(&machine);
        let node = f64::from(machine.base.cluster.node.n_devices);
        let floor = question.limits.wall_s.map_or(1.0, |s| (peak_device_s / s / node).ceil().max(1.0));
        #[allow(clippy::cast_precision_loss)]
        let had = (question.most_devices as f64 / node).floor();
        let idle = question.limits.facility_w.map_or(f64::INFINITY, |w| w / idle_w(&machine));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let (floor, ceiling) = (floor.min(f64::from(u32::MAX)) as u32, had.min(idle) as u32);
        Seek {
            machine,
            question,
            catalog,
            cancel,
            counts,
            seen: BTreeMap::new(),
            why_none: None,
            floor,
            ceiling,
            peak_device_s,
        }
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Cases of a market, rising.
    pub(super) fn at(&self, market: usize) -> impl Iterator<Item = &Case> {
        self.seen.values().filter_map(move |list| list.get(market))
    }

    fn stopped(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Plan a count, unless that is done; what it gives.
    pub(super) fn look(&mut self, n_nodes: u32) -> &[Case] {
        if !self.seen.contains_key(&n_nodes) && !self.stopped() {
            let scenario = self.machine.base.with_nodes(n_nodes);
            let cases = match plan(&scenario, self.catalog) {
                Ok(plan) => self.machine.markets.iter().enumerate().map(|(i, m)| case(&plan, i, m)).collect(),
                Err(error) => {
                    if let Error::NoFeasibleLayout { nearest, .. } = error {
                        self.why_none = nearest.or(self.why_none.take());
                    }
                    Vec::new()
                }
            };
            self.seen.insert(n_nodes, cases);
        }
        self.seen.get(&n_nodes).map_or(&[], Vec::as_slice)
    }

    /// Look at what the question needs.
    pub(super) fn run(&mut self) {
        if self.floor <= self.ceiling {
            if self.question.exhaustive {
                for n in self.counts.within(self.floor, self.ceiling) {
                    self.look(n);
                }
            } else {
                self.grid();
                self.narrow();
                self.close();
            }
        }
        if self.best().is_none() {
            self.diagnose();
        }
    }

    /// The first grid, from the end where the objective wants to be, until every market has an answer.
    fn grid(&mut self) {
        let mut grid = self.counts.coarse(self.floor, self.ceiling, COARSE_RATIO);
        if self.question.objective == Objective::Days {
            grid.reverse();
        }
        let mut trail = Vec::new();
        for n in grid {
            if self.stopped() || self.settled() || self.levels_off(&trail) {
                return;
            }
            self.look(n);
            trail.push(self.least_device_s(0));
        }
    }

    /// For fewest days: two counts further down hardly saved device time, and whoever has no answer yet
    /// misses by more than that. What makes few devices cheap, less communication, is used up there.
    fn levels_off(&self, trail: &[f64]) -> bool {
        let [.., before, _, now] = trail else { return false };
        let gained = before / now - 1.0;
        let far = |m: usize| {
            let excess = self.at(m).map(|c| c.excess(self.question));
            self.is_out(m) || excess.fold(f64::INFINITY, f64::min) > NEAR_RATIO
        };
        self.question.objective == Objective::Days
            && now.is_finite()
            && gained < LEVEL_FRACTION
            && (0..self.machine.markets.len()).all(|m| far(m) || self.at(m).any(|c| c.fits(self.question)))
    }

    /// Least node-seconds of a run seen on so many nodes or more.
    fn least_device_s(&self, from: u32) -> f64 {
        let cases = self.seen.range(from..).filter_map(|(_, list)| list.first());
        cases.map(|c| f64::from(c.n_nodes) * c.wall_s).fold(f64::INFINITY, f64::min)
    }

    /// True when looking further along the grid can tell nothing new: for fewest devices and fewest
    /// days whatever comes after the first count that fits is worse but for what `narrow` finds.
    fn settled(&self) -> bool {
        if !matches!(self.question.objective, Objective::Devices | Objective::Days) {
            return false;
        }
        (0..self.machine.markets.len()).all(|m| self.is_out(m) || self.at(m).any(|c| c.fits(self.question)))
    }

    /// Proven: at this price even the model FLOP at peak cost more than the budget.
    fn is_out(&self, market: usize) -> bool {
        let offer = self.machine.markets[market].offer.as_ref();
        let hours = self.peak_device_s / crate::units::HOUR_S;
        let least_usd = offer.map(|o| o.usd_per_device_hour.base_usd * hours);
        self.question.limits.cost_usd.zip(least_usd).is_some_and(|(most, usd)| usd > most)
    }

    /// The best of all that was seen and fits.
    fn best(&self) -> Option<&Case> {
        let fitting = self.seen.values().flatten().filter(|c| c.fits(self.question));
        least(fitting, self.question.objective)
    }

    /// What misses its limits by least.
    fn nearest(&self) -> Option<&Case> {
        let excess = |c: &Case| c.excess(self.question);
        let finite = self.seen.values().flatten().filter(|c| excess(c).is_finite());
        finite.reduce(|a, b| if excess(b) < excess(a) { b } else { a })
    }

    /// Where to look closer: at the best, else at what misses by little.
    fn middle(&self) -> Option<u32> {
        let near = |c: &&Case| c.excess(self.question) <= NEAR_RATIO;
        self.best().or_else(|| self.nearest().filter(near)).map(|c| c.n_nodes)
    }

    /// The nearest counts seen on both sides, or where nothing can be.
    fn bracket(&self, n: u32) -> (u32, u32) {
        let below = self.seen.range(..n).next_back().map_or(self.floor.saturating_sub(1), |(n, _)| *n);
        let above = self.seen.range(n + 1..).next().map_or(self.ceiling.saturating_add(1), |(n, _)| *n);
        (below, above)
    }

    /// Sides of the best on which a better one may be.
    fn sides(&self) -> (bool, bool) {
        match self.question.objective {
            _ if self.best().is_none() => (true, true),
            Objective::Devices => (true, false),
            Objective::Days => (false, true),
            Objective::Cost | Objective::Carbon => (true, true),
        }
    }

    /// Halve the bracket around the best until it is small enough to plan every count in it.
    fn narrow(&mut self) {
        while let Some(n) = self.middle().filter(|_| !self.stopped()) {
            let (below, above) = self.bracket(n);
            let (down, up) = self.sides();
            let next = (down.then(|| self.halfway(below, n)).flatten()).or_else(|| up.then(|| self.halfway(n, above)).flatten());
            let Some(next) = next else { return };
            self.look(next);
        }
    }

    /// A rich count about halfway, if the bracket is wide.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn halfway(&self, below: u32, above: u32) -> Option<u32> {
        let (low, high) = (f64::from(below.max(1)), f64::from(above));
        if high / low <= FINE_RATIO || above <= below + 2 {
            return None;
        }
        let at = |share: f64| low * (high / low).powf(share);
        let (from, to) = ((at(0.3).ceil() as u32).max(below + 1), (at(0.7) as u32).min(above - 1));
        self.counts.richest(from, to)
    }

    /// Plan every count that may still be better than the best.
    fn close(&mut self) {
        while let Some(n) = self.next_open().filter(|_| !self.stopped()) {
            self.look(n);
        }
    }

    fn next_open(&self) -> Option<u32> {
        let n = self.middle()?;
        let (below, above) = self.bracket(n);
        let best = self.best();
        let (least_n, most_n) = match (self.question.objective, best) {
            (Objective::Devices, Some(_)) => (self.reach(self.question.limits.wall_s).unwrap_or(below + 1), n.saturating_sub(1)),
            (Objective::Days, Some(best)) => (self.reach(Some(best.wall_s)).unwrap_or(below + 1), above.saturating_sub(1)),
            _ => (below + 1, above.saturating_sub(1)),
        };
        let open = |n: &u32| !self.seen.contains_key(n);
        self.counts
            .within(least_n.max(self.floor), most_n.min(self.ceiling))
            .into_iter()
            .find(open)
    }

    /// The least count that keeps a wall time if it is more efficient by the margin than the best seen
    /// of at least half the size of the best: much smaller ones are more efficient anyway.
    fn reach(&self, wall_s: Option<f64>) -> Option<u32> {
        let half = self.best().map_or(0, |c| c.n_nodes / 2);
        let least_s = self.least_device_s(half);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        wall_s.map(|s| (least_s / (1.0 + MARGIN_FRACTION) / s).ceil().min(f64::from(u32::MAX)) as u32)
    }

    /// Nothing fits: look at what keeps the deadline, within what can be had and beyond, so that it can be
    /// told what would do.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn diagnose(&mut self) {
        let mut list = self.counts.coarse(self.floor, self.ceiling, COARSE_RATIO);
        let end = f64::from(self.ceiling.max(self.floor).max(1));
        for ratio in BEYOND_RATIOS {
            let (from, to) = (end * ratio / 1.25, (end * ratio * 1.25).min(f64::from(u32::MAX)));
            list.extend(self.counts.richest(from as u32, to as u32));
        }
        for n in list {
            if self.stopped() || self.keeps_deadline() {
                return;
            }
            self.look(n);
        }
    }

    /// Whether some count that was seen keeps the deadline.
    fn keeps_deadline(&self) -> bool {
        let most_s = self.question.limits.wall_s.unwrap_or(f64::INFINITY);
        self.seen.values().flatten().any(|c| c.wall_s <= most_s)
    }

    /// What was found, for the report.
    pub(super) fn outcome(&self) -> Outcome {
        let question = self.question;
        let mut rows: Vec<Row> = Vec::new();
        for market in &self.machine.markets {
            if !rows.iter().any(|r| r.provider == market.provider) {
                rows.push(self.row(&market.provider));
            }
        }
        rows.sort_by(|a, b| row_order(a, b, question));
        Outcome {
            rows,
            cases: self.seen.values().filter_map(|list| least_of_market(list, question)).collect(),
            relaxed: Bound::ALL.iter().filter_map(|b| Some((*b, self.relaxed(*b)?.clone()))).collect(),
            least_nodes: self.floor,
            n_counts: self.counts.within(1, self.ceiling).len(),
            n_planned: self.seen.len(),
            nothing_fits: self.why_none.clone().filter(|_| self.seen.values().all(Vec::is_empty)),
            machine: self.machine.clone(),
        }
    }

    fn row(&self, provider: &str) -> Row {
        let of_it = |c: &&Case| self.machine.markets[c.market].provider == provider;
        let cases = || self.seen.values().flatten().filter(of_it);
        let best = least(cases().filter(|c| c.fits(self.question)), self.question.objective);
        let excess = |c: &Case| c.excess(self.question);
        let miss = cases().reduce(|a, b| if excess(b) < excess(a) { b } else { a });
        Row {
            provider: provider.to_string(),
            best: best.cloned(),
            miss: miss.cloned().filter(|_| best.is_none()),
        }
    }

    /// Of the cases that keep every other limit the one that takes least of this.
    fn relaxed(&self, bound: Bound) -> Option<&Case> {
        self.question.limit(bound)?;
        let keeps = |c: &&Case| c.shares(self.question).all(|(b, share)| b == bound || share <= 1.0);
        let takes = |c: &Case| c.takes(bound).unwrap_or(f64::INFINITY);
        let kept = self.seen.values().flatten().filter(keeps).filter(|c| takes(c).is_finite());
        kept.reduce(|a, b| if takes(b) < takes(a) { b } else { a })
    }
}

fn row_order(a: &Row, b: &Row, question: &Question) -> std::cmp::Ordering {
    use std::cmp::Ordering::{Equal, Greater, Less};
    match (&a.best, &b.best) {
        (Some(x), Some(y)) if x.better(y, question.objective) => Less,
        (Some(x), Some(y)) if y.better(x, question.objective) => Greater,
        (Some(_), Some(_)) => Equal,
        (Some(_), None) => Less,
        (None, Some(_)) => Greater,
        (None, None) => {
            let excess = |r: &Row| r.miss.as_ref().map_or(f64::INFINITY, |c| c.excess(question));
            excess(a).partial_cmp(&excess(b)).unwrap_or(Equal)
        }
    }
}

/// The case of a count at its best market: one that fits if any does.
fn least_of_market(list: &[Case], question: &Question) -> Option<Case> {
    let fitting = least(list.iter().filter(|c| c.fits(question)), question.objective);
    fitting.or_else(|| least(list.iter(), question.objective)).cloned()
}

/// Device-seconds that the model FLOP take at the peak of the device: no run takes fewer.
fn peak_device_s(machine: &Machine) -> f64 {
    let workload = &machine.base.workload;
    let counts = count(&workload.model, workload.seq_len_tokens);
    let flop = workload.train_flop_per_token(&counts).0 * workload.total_tokens;
    let peak = machine.base.machine().device().sheet_flop_per_s(workload.precision.compute);
    if peak > 0.0 { flop / peak } else { 0.0 }
}

/// What a node draws at the meter at least: idle, in the place with the least overhead.
fn idle_w(machine: &Machine) -> f64 {
    let pue = machine.markets.iter().map(|m| m.region.pue).fold(f64::INFINITY, f64::min);
    let network = 1.0 + machine.base.finance.network_power_fraction;
    (machine.base.cluster.node.idle_w * network * pue).max(f64::MIN_POSITIVE)
}

fn case(plan: &Plan, index: usize, market: &Market) -> Case {
    let (run, bill) = run_and_bill_at(plan, &market.of_plan());
    Case {
        n_nodes: plan.scenario.cluster.n_nodes,
        n_devices: plan.scenario.n_devices(),
        market: index,
        layout: plan.layout,
        step_time_s: plan.step.time_s,
        mfu: plan.step.mfu,
        goodput: run.goodput,
        wall_s: run.wall_s,
        cost_usd: bill.cost.total_usd,
        energy_j: bill.energy.facility_j,
        mean_w: bill.energy.mean_w,
        peak_w: bill.energy.peak_w,
        carbon_kg_co2e: bill.carbon.total_location_kg_co2e,
    }
}
