//! The run drawn failure by failure: what the closed form of `run` gives the mean of. Draws are made
//! here, each run from a seeded stream of its own, so any number of threads gives the same bytes.
//!
//! More is exact here than there: a checkpoint that was not durable yet, the fall back to storage,
//! rollbacks, slow nodes one by one, repairs, hardware that burns in. What both take alike: failures
//! during pauses are neglected, and pauses are a share of the time.

use super::statistics::quantile;
use crate::plan::{Plan, Quantiles, process_of};
use crate::run::Process;
use crate::run::failure::{Failures, Stop};
use rand_distr::{Distribution, Exp1, StandardUniform};
use rand_pcg::Pcg64;
use rayon::prelude::*;

/// Stops after which a run counts as hopeless and is cut; its time is then a lower bound.
const MOST_STOPS: u32 = 2_000_000;
/// Ages, in burn-in times, from which on hardware counts as burnt in.
const BURNT_IN: f64 = 30.0;

/// How to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    /// Runs.
    pub n: u32,
    /// Seed of the streams.
    pub seed: u64,
}

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sample {
    /// Its time.
    pub wall_s: f64,
    /// Share of it that was new training.
    pub goodput: f64,
    /// Failures; preemptions and loss spikes are none.
    pub n_failures: f64,
    /// Between noticing and new steps, and without nodes, in all.
    pub stopped_s: f64,
    /// It never ended: the time is a lower bound.
    pub cut: bool,
}

/// Many runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Renewal {
    /// Each, in order of its stream.
    pub samples: Vec<Sample>,
    /// Mean of their goodput.
    pub mean_goodput_fraction: f64,
    /// Mean of their time.
    pub mean_wall_s: f64,
    /// Mean number of failures.
    pub mean_failures: f64,
    /// Goodput.
    pub goodput: Quantiles,
    /// Time.
    pub wall_s: Quantiles,
    /// Failures.
    pub n_failures: Quantiles,
}

/// Runs of a plan.
#[must_use]
pub fn of_plan(plan: &Plan, draws: &Draws) -> Renewal {
    draw(&process_of(plan), draws)
}

/// Runs of a process.
#[must_use]
pub fn draw(process: &Process, draws: &Draws) -> Renewal {
    let samples: Vec<Sample> = (0..draws.n.max(1))
        .into_par_iter()
        .map(|index| sample(process, draws.seed, index))
        .collect();
    let (goodput, mean_goodput_fraction) = summary(&samples, |s| s.goodput);
    let (wall_s, mean_wall_s) = summary(&samples, |s| s.wall_s);
    let (n_failures, mean_failures) = summary(&samples, |s| s.n_failures);
    Renewal {
        samples,
        mean_goodput_fraction,
        mean_wall_s,
        mean_failures,
        goodput,
        wall_s,
        n_failures,
    }
}

/// Quantiles and mean, summed in the order of the streams.
fn summary(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> (Quantiles, f64) {
    let mut list: Vec<f64> = samples.iter().map(of).collect();
    #[allow(clippy::cast_precision_loss)]
    let mean = list.iter().sum::<f64>() / list.len().max(1) as f64;
    list.sort_by(f64::total_cmp);
    let at = |share: f64| quantile(&list, share);
    let quantiles = Quantiles {
        p10: at(0.1),
        p50: at(0.5),
        p90: at(0.9),
    };
    (quantiles, mean)
}

/// One run from its stream.
#[must_use]
pub fn sample(process: &Process, seed: u64, index: u32) -> Sample {
    let mut run = Running {
        process,
        lots: Pcg64::new(u128::from(seed), u128::from(index)),
        cumulative: shares(&process.failures),
        active_s: 0.0,
        wait_s: 0.0,
        work_s: 0.0,
        saved: Saved::default(),
        since_s: 0.0,
        slow_until_s: 0.0,
        out: Vec::new(),
        sample: Sample::default(),
    };
    run.all();
    let work_s = run.active_s + run.wait_s + process.evaluation_s;
    let wall_s = work_s / (1.0 - process.planned_fraction);
    Sample {
        wall_s,
        goodput: if wall_s > 0.0 { process.ideal_s / wall_s } else { 1.0 },
        ..run.sample
    }
}

/// Running sums of the shares, of young hardware (at its most) and burnt in.
fn shares(failures: &Failures) -> Vec<f64> {
    let mut sum = 0.0;
    let running = failures.stops.iter().map(|s| {
        sum += s.share_fraction;
        sum
    });
    running.collect()
}

/// What a stop falls back to.
#[derive(Debug, Clone, Copy, Default)]
struct Saved {
    /// Work at the last checkpoint.
    last_s: f64,
    /// Work at the one before, while the last is not durable.
    before_s: f64,
    /// The last was loaded, so it is durable.
    durable: bool,
}

/// A run on its way.
struct Running<'a> {
    process: &'a Process,
    lots: Pcg64,
    cumulative: Vec<f64>,
    /// Time in which the job may fail.
    active_s: f64,
    /// Time without nodes for want of spares.
    wait_s: f64,
    /// Ideal time of the work that is done.
    work_s: f64,
    saved: Saved,
    /// Since the last checkpoint, or the last restart.
    since_s: f64,
    slow_until_s: f64,
    /// When nodes come back from repair, on the clock of active and waiting time.
    out: Vec<f64>,
    sample: Sample,
}

impl Running<'_> {
    fn uniform(&mut self) -> f64 {
        StandardUniform.sample(&mut self.lots)
    }

    fn exponential(&mut self, mean_s: f64) -> f64 {
        let one: f64 = Exp1.sample(&mut self.lots);
        one * mean_s
    }

    /// Time to the next stop from now, and its kind. Young hardware: candidates at the highest rate,
    /// those above the rate of the moment are dropped (thinning; Lewis and Shedler 1979).
    fn next_stop(&mut self) -> Option<(f64, Stop)> {
        let failures = &self.process.failures;
        if failures.stops.is_empty() || !failures.mtbf_s.is_finite() {
            return None;
        }
        let mut wait_s = 0.0;
        loop {
            let age_s = self.active_s + wait_s;
            let young = failures.burn_in_factor > 1.0 && age_s < BURNT_IN * failures.burn_in_s;
            let most = if young { failures.excess_factor(age_s) } else { 1.0 };
            wait_s += self.exponential(failures.mtbf_s / most);
            let kind = self.uniform();
            let at = self.cumulative.iter().position(|sum| kind < *sum);
            let stop = failures.stops[at.unwrap_or(failures.stops.len() - 1)];
            if !young {
                return Some((wait_s, stop));
            }
            let now = if stop.cause.is_hardware() {
                failures.excess_factor(self.active_s + wait_s)
            } else {
                1.0
            };
            if self.uniform() * most < now {
                return Some((wait_s, stop));
            }
        }
    }

    fn clock_s(&self) -> f64 {
        self.active_s + self.wait_s
    }

    /// Work per time, from the slow node that is there and the nodes that are not.
    fn speed(&mut self) -> f64 {
        let now = self.clock_s();
        self.out.retain(|back_s| *back_s > now);
        let slow = if self.active_s < self.slow_until_s {
            1.0 / self.process.slow.slow_factor
        } else {
            1.0
        };
        slow * self.process.pool.speed_with(self.out.len())
    }

    /// Until the work is done.
    fn all(&mut self) {
        let slow = self.process.slow;
        let watched = slow.slow_factor > 1.0 && slow.found_s > 0.0 && slow.mtbf_s.is_finite();
        let mut onset_s = if watched { self.exponential(slow.mtbf_s) } else { f64::INFINITY };
        for _ in 0..MOST_STOPS {
            let Some((left_s, stop)) = self.next_stop() else {
                self.stretch(f64::INFINITY, &mut onset_s);
                return;
            };
            if self.stretch(left_s, &mut onset_s) {
                return;
            }
            self.recover(stop);
        }
        self.sample.cut = true;
    }

    /// Run for this long or to the end; whether the end was reached. Speed is constant between slow
    /// nodes coming and going and repairs ending.
    fn stretch(&mut self, mut left_s: f64, onset_s: &mut f64) -> bool {
        let slow = self.process.slow;
        loop {
            if self.active_s >= *onset_s {
                self.slow_until_s = *onset_s + slow.found_s;
                *onset_s += self.exponential(slow.mtbf_s);
                continue;
            }
            let speed = self.speed();
            let mut until_s = (*onset_s - self.active_s).min(left_s);
            if self.slow_until_s > self.active_s {
                until_s = until_s.min(self.slow_until_s - self.active_s);
            }
            if self.process.pool.elastic {
                let now = self.clock_s();
                until_s = self.out.iter().fold(until_s, |u, back_s| u.min(back_s - now));
            }
            let end_s = self.to_end(speed);
            if end_s <= until_s {
                self.active_s += end_s;
                self.work_s = self.process.ideal_s;
                return true;
            }
            self.advance(until_s, speed);
            // Never stand still for a rounding error.
            let least_s = f64::EPSILON * self.clock_s();
            self.active_s += until_s.max(least_s);
            left_s -= until_s.max(least_s);
            if left_s <= 0.0 {
                return false;
            }
        }
    }

    /// Time to the end of the work at this speed, checkpoints on the way included.
    fn to_end(&self, speed: f64) -> f64 {
        let segment = self.process.segment;
        let left_s = (self.process.ideal_s - self.work_s) / speed;
        let first_s = (segment.work_s - self.since_s).max(0.0);
        if left_s <= first_s {
            return left_s;
        }
        let stall_s = (segment.work_s + segment.stall_s - self.since_s).clamp(0.0, segment.stall_s);
        let beyond_s = left_s - first_s;
        // A segment that ends the work saves nothing more.
        let whole = ((beyond_s / segment.work_s).ceil() - 1.0).max(0.0);
        first_s + stall_s + beyond_s + whole * segment.stall_s
    }

    /// Work, save, work for this long.
    fn advance(&mut self, mut time_s: f64, speed: f64) {
        let segment = self.process.segment;
        let length_s = segment.work_s + segment.stall_s;
        let rest_s = (length_s - self.since_s).max(0.0);
        if time_s >= rest_s {
            // The segment that is on its way ends.
            self.work_s += (segment.work_s - self.since_s).max(0.0) * speed;
            self.save(self.work_s);
            time_s -= rest_s;
            let whole = (time_s / length_s).floor();
            if whole > 0.0 {
                let each_s = segment.work_s * speed;
                self.work_s += whole * each_s;
                self.save(self.work_s);
                self.saved.before_s = self.work_s - each_s;
                time_s -= whole * length_s;
            }
            self.since_s = 0.0;
        }
        self.work_s += ((self.since_s + time_s).min(segment.work_s) - self.since_s).max(0.0) * speed;
        self.since_s += time_s;
    }

    fn save(&mut self, work_s: f64) {
        self.saved = Saved {
            last_s: work_s,
            before_s: self.saved.last_s,
            durable: false,
        };
    }

    /// From a stop to the first new step; stops on the way begin again.
    fn recover(&mut self, first: Stop) {
        let mut stop = first;
        loop {
            self.fall_back(&stop);
            self.count(&stop);
            let needed_s = stop.detect_s + stop.wait_s + stop.restart_s;
            let next = self.next_stop();
            match next {
                Some((after_s, next)) if after_s < needed_s => {
                    self.active_s += after_s;
                    self.sample.stopped_s += after_s;
                    stop = next;
                }
                _ => {
                    self.active_s += needed_s;
                    self.sample.stopped_s += needed_s;
                    return;
                }
            }
            if self.sample.n_failures > f64::from(MOST_STOPS) {
                return;
            }
        }
    }

    /// Back to the last durable checkpoint, or further.
    fn fall_back(&mut self, stop: &Stop) {
        let durable = self.saved.durable || self.since_s >= self.process.segment.open_s;
        let mut back_s = if durable { self.saved.last_s } else { self.saved.before_s };
        if stop.deep_s > 0.0 {
            // Storage has the state after each whole interval of work.
            back_s = back_s.min((self.saved.last_s / stop.deep_s).floor() * stop.deep_s);
        }
        back_s = (back_s - stop.rollback_s).max(0.0);
        self.work_s = back_s;
        self.saved = Saved {
            last_s: back_s,
            before_s: back_s,
            durable: true,
        };
        self.since_s = 0.0;
    }

    /// Count it, and send a node to repair where it needs one; without a spare the job waits.
    fn count(&mut self, stop: &Stop) {
        if stop.cause.index() < crate::catalog::Cause::N_FAILURES {
            self.sample.n_failures += 1.0;
        }
        let pool = self.process.pool;
        let Some(n_spares) = pool.n_spares.filter(|_| stop.cause.is_hardware()) else {
            return;
        };
        if self.uniform() >= pool.replace_fraction {
            return;
        }
        let now = self.clock_s();
        self.out.retain(|back_s| *back_s > now);
        let repair_s = self.exponential(pool.repair_s);
        self.out.push(now + repair_s);
        if pool.elastic || self.out.len() <= n_spares as usize {
            return;
        }
        let first = self.out.iter().copied().fold(f64::INFINITY, f64::min);
        self.wait_s += first - now;
        self.sample.stopped_s += first - now;
    }
}

#[cfg(test)]
mod tests;
