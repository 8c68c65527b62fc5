//! How often a job fails and what that costs it.

use super::checkpoint::Segment;
use crate::catalog::{Cause, Reliability, Screening};

/// The size of node that [`Reliability::node_mtbf_s`] speaks of.
pub const RELIABILITY_NODE_DEVICES: f64 = 8.0;

/// Recovery, one segment and its checkpoint never count for more than this many mean times between
/// failures. A worse job saturates: pauses apart, it takes at most
/// `(1 + δ/τ) e^{11}` times the ideal (the optimum τ adds at most one M).
pub const MAX_EXPONENT: f64 = 10.0;

/// Work that is done again, as a share of all work, saturates here.
const MOST_AGAIN: f64 = 0.9;

/// Ends of the pieces in which a rate that falls with age is taken as constant, in burn-in times.
const BURN_IN_ENDS: [f64; 12] = [0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0];

/// How far the nodes of a job of this many devices are taken to be unscreened.
///
/// Where nobody says: `1 / (1 + (n/n½)²)`. One constant rate fits neither the 8 and 1,024 GPUs of Meta's
/// research cluster (21 and 24 failures per 1,000 node-days; Kokolis et al., arXiv 2410.21680) nor the
/// runs on thousands of nodes (2.3 to 3.8), whose operators test nodes and take weak ones out (lemon
/// nodes there; SuperBench, arXiv 2402.06194). The square is the least whole power that takes an
/// eightfold fall within the sizes between those jobs, and up to a factor of nine the job as a whole
/// still fails more often with more nodes: the derivative of `n (1 + (f − 1)/(1 + (n/n½)²))` is at
/// least `1 − (f − 1)/8`.
#[must_use]
pub fn unscreened_fraction(reliability: &Reliability, n_devices: f64) -> f64 {
    match reliability.screening {
        Screening::Screened => 0.0,
        Screening::Unscreened => 1.0,
        Screening::BySize => {
            let ratio = n_devices / RELIABILITY_NODE_DEVICES / f64::from(reliability.half_screened_nodes.max(1));
            1.0 / (1.0 + ratio * ratio)
        }
    }
}

/// Mean time between failures of a job that stops when any of its nodes does. The catalog's figure is
/// for screened nodes of eight devices; larger or smaller nodes fail in proportion to their devices.
/// A node that never lives yields 0, which [`Failures::bounded`] lifts.
#[must_use]
pub fn job_mtbf_s(reliability: &Reliability, n_devices: f64) -> f64 {
    let n_nodes = n_devices / RELIABILITY_NODE_DEVICES;
    if n_nodes > 0.0 {
        let excess = (reliability.unscreened_factor - 1.0) * unscreened_fraction(reliability, n_devices);
        reliability.node_mtbf_s.max(0.0) / (n_nodes * (1.0 + excess))
    } else {
        f64::INFINITY
    }
}

/// One kind of stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop {
    /// Why.
    pub cause: Cause,
    /// Its share of all stops, once burnt in.
    pub share_fraction: f64,
    /// From the stop to noticing.
    pub detect_s: f64,
    /// Without nodes.
    pub wait_s: f64,
    /// From noticing, or having nodes again, to the first new step.
    pub restart_s: f64,
    /// Work that is done again on purpose, besides that of the failed segment.
    pub rollback_s: f64,
    /// Work between the checkpoints that it falls back to, when those in memory are gone.
    pub deep_s: f64,
}

impl Stop {
    /// From the stop to the first new step.
    #[must_use]
    pub fn recovery_s(&self) -> f64 {
        self.detect_s + self.wait_s + self.restart_s
    }

    /// Work done again beyond the failed segment, on average, when stops are rare.
    fn deeper_s(&self) -> f64 {
        self.rollback_s + self.deep_s / 2.0
    }
}

/// Everything that stops a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Failures {
    /// Mean time between stops, once burnt in.
    pub mtbf_s: f64,
    /// The kinds.
    pub stops: Vec<Stop>,
    /// How many times as often hardware fails at the start.
    pub burn_in_factor: f64,
    /// Time in which that excess falls to 1/e.
    pub burn_in_s: f64,
    /// Young hardware saturates here too, see [`Failures::bounded`].
    pub least_mtbf_s: f64,
}

impl Failures {
    /// Of kinds with their rates per second.
    #[must_use]
    pub fn of(list: Vec<(f64, Stop)>, burn_in_factor: f64, burn_in_s: f64) -> Failures {
        let per_s: f64 = list.iter().map(|(rate, _)| rate).sum();
        let stops = list.into_iter().map(|(rate, stop)| Stop {
            share_fraction: rate / per_s,
            ..stop
        });
        Failures {
            mtbf_s: if per_s > 0.0 { 1.0 / per_s } else { f64::INFINITY },
            stops: stops.collect(),
            burn_in_factor: burn_in_factor.max(1.0),
            burn_in_s,
            least_mtbf_s: 0.0,
        }
    }

    /// Mean time of a recovery, work further back than the failed segment included.
    #[must_use]
    pub fn recovery_s(&self) -> f64 {
        self.stops.iter().map(|s| s.share_fraction * (s.recovery_s() + s.deeper_s())).sum()
    }

    /// The same with a mean time between stops of at least `exposed_s` / [`MAX_EXPONENT`].
    #[must_use]
    pub fn bounded(self, exposed_s: f64) -> Failures {
        let least_mtbf_s = exposed_s / MAX_EXPONENT;
        Failures {
            mtbf_s: self.mtbf_s.max(least_mtbf_s),
            least_mtbf_s,
            ..self
        }
    }

    /// The kinds with hardware failing `times` as often.
    fn aged(&self, times: f64) -> Failures {
        let rates = self.stops.iter().map(|s| {
            let more = if s.cause.is_hardware() { times } else { 1.0 };
            (s.share_fraction * more / self.mtbf_s, *s)
        });
        let mut aged = Failures::of(rates.collect(), 1.0, 1.0);
        aged.mtbf_s = aged.mtbf_s.max(self.least_mtbf_s);
        aged
    }

    /// How many times as often hardware fails at this age: `1 + (b − 1) e^{−t/τ}`.
    #[must_use]
    pub fn excess_factor(&self, age_s: f64) -> f64 {
        1.0 + (self.burn_in_factor - 1.0) * (-age_s / self.burn_in_s).exp()
    }
}

/// Expected losses of a run.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Expected {
    /// Pauses for checkpoints that were kept.
    pub checkpoint_s: f64,
    /// Work, and pauses for checkpoints, that stops destroyed.
    pub rework_s: f64,
    /// Failed and not noticed yet.
    pub detect_s: f64,
    /// Without nodes.
    pub wait_s: f64,
    /// Restarting.
    pub restart_s: f64,
    /// Done again on purpose.
    pub rollback_s: f64,
    /// How often it stops, by cause.
    pub stops: [f64; Cause::ALL.len()],
}

impl Expected {
    /// All of it.
    #[must_use]
    pub fn lost_s(&self) -> f64 {
        self.checkpoint_s + self.rework_s + self.detect_s + self.wait_s + self.restart_s + self.rollback_s
    }

    fn add(&mut self, unit: &Expected, times: f64) {
        self.checkpoint_s += unit.checkpoint_s * times;
        self.rework_s += unit.rework_s * times;
        self.detect_s += unit.detect_s * times;
        self.wait_s += unit.wait_s * times;
        self.restart_s += unit.restart_s * times;
        self.rollback_s += unit.rollback_s * times;
        for (all, one) in self.stops.iter_mut().zip(unit.stops) {
            *all += one * times;
        }
    }
}

/// Expected losses while `ideal_s` of work is done in segments, with hardware that burns in: pieces of
/// constant rate, each the mean of `1 + (b − 1) e^{−t/τ}` over it, one after the other.
#[must_use]
pub fn expected(failures: &Failures, segment: &Segment, ideal_s: f64) -> Expected {
    if failures.burn_in_factor <= 1.0 {
        return steady(failures, segment, ideal_s);
    }
    let (mut out, mut left_s, mut from_s) = (Expected::default(), ideal_s, 0.0);
    let tau = failures.burn_in_s;
    for to_s in BURN_IN_ENDS.iter().map(|end| end * tau) {
        let mean = (failures.burn_in_factor - 1.0) * tau * ((-from_s / tau).exp() - (-to_s / tau).exp()) / (to_s - from_s);
        let unit = steady(&failures.aged(1.0 + mean), segment, 1.0);
        let done_s = ((to_s - from_s) / (1.0 + unit.lost_s())).min(left_s);
        out.add(&unit, done_s);
        left_s -= done_s;
        if left_s <= 0.0 {
            return out;
        }
        from_s = to_s;
    }
    out.add(&steady(failures, segment, 1.0), left_s);
    out
}

/// The same at constant rates.
///
/// Stops are Poisson with mean time M between them, kind i with probability `p_i`, and may strike during
/// recovery too. A segment of length L = τ + δ must be run from its start until it passes without a stop;
/// after each stop a recovery `R_i` must pass without one, else another begins, of the new stop's kind.
/// With `s = Σ p_i e^{−R_i/M}`, the probability that a recovery passes, the mean time in recovery after a
/// stop is `M (1 − s)/s`, and the mean time to pass a segment is `M (e^{L/M} − 1)/s`, hence
///
/// ```text
/// T = M/s (e^{(τ+δ)/M} − 1) · T_ideal/τ
/// ```
///
/// which is Daly's complete cost function (2006) when all stops are alike, `s = e^{−R/M}`.
/// It splits without remainder. By Wald's identity the job stops N = T/M times, `p_i N` of kind i; each
/// starts a recovery that lasts `E[min(X, R_i)] = M (1 − e^{−R_i/M})`, so `T p_i (1 − e^{−R_i/M})` is
/// recovery, of which the first D (detection) take `T p_i (1 − e^{−D/M})`, and so on for what follows.
/// The rest, `T s = T_ideal/τ · M (e^{L/M} − 1)`, is spent in segments: `T_ideal` is useful,
/// `T_ideal/τ · δ` are checkpoints, the remainder is what stops destroyed.
///
/// Work further back than the failed segment is done again like any other. There are three kinds: what a
/// stop goes back on purpose (B); one more segment when the last checkpoint was not durable, for w after
/// it was taken; and, when copies in memory are gone, what follows the last multiple of the interval D of
/// checkpoints on storage. The second happens to a stop inside a segment that is not the first after a
/// restart, with probability `e^{−L/M} (1 − e^{−w/M}) / (1 − e^{−L/M})`. With the third every μ of work,
/// exponential, `E[x mod D] = μ − D/(e^{D/μ} − 1)` is lost, so `(D/μ)/(e^{D/μ} − 1)` of the work is kept
/// ([`deep_fraction`]).
/// With q the sum of the first two per unit of work, the work is `T_ideal` over `1 − q` and that share.
#[must_use]
fn steady(failures: &Failures, segment: &Segment, ideal_s: f64) -> Expected {
    let m = failures.mtbf_s;
    let over_m = |s: f64| if s > 0.0 { s / m } else { 0.0 };
    let length_s = segment.work_s + segment.stall_s;
    let passes = |stop: &Stop| stop.share_fraction * (-over_m(stop.recovery_s())).exp();
    let recovers: f64 = if failures.stops.is_empty() {
        1.0
    } else {
        failures.stops.iter().map(passes).sum()
    };
    let per_work = if segment.work_s > 0.0 { length_s / segment.work_s } else { 1.0 };
    let in_segments = per_work * (1.0 + excess(over_m(length_s)));

    // Stops of a kind per unit of work, times what each costs.
    let back = |of: fn(&Stop) -> f64| -> f64 {
        let each_s: f64 = failures.stops.iter().map(|s| s.share_fraction * of(s)).sum();
        over_m(each_s) * in_segments / recovers
    };
    let rolled = back(|s| s.rollback_s);
    let open = over_m(segment.work_s) * in_segments * not_durable(over_m(length_s), over_m(segment.open_s));
    let deep = deep_fraction(failures, over_m(1.0) * in_segments, recovers);
    let kept = ((1.0 - rolled - open) * (1.0 - deep)).max(1.0 - MOST_AGAIN);
    let work_s = ideal_s / kept;
    let more_s = work_s - ideal_s;
    let rollback_s = if rolled > 0.0 {
        more_s * rolled / (rolled + open + deep)
    } else {
        0.0
    };

    let total_s = work_s * in_segments / recovers;
    let mut out = Expected {
        checkpoint_s: work_s * (per_work - 1.0),
        rework_s: work_s * per_work * excess(over_m(length_s)) + more_s - rollback_s,
        rollback_s,
        ..Expected::default()
    };
    for stop in &failures.stops {
        let all_s = total_s * stop.share_fraction;
        let mut before = 0.0;
        // The part of a recovery that follows `before` and takes `s`.
        let mut part = |s: f64| {
            let spent_s = -all_s * (-over_m(before)).exp() * (-over_m(s)).exp_m1();
            before += s;
            spent_s
        };
        out.detect_s += part(stop.detect_s);
        out.wait_s += part(stop.wait_s);
        out.restart_s += part(stop.restart_s);
        out.stops[stop.cause.index()] += over_m(total_s) * stop.share_fraction;
    }
    out
}

/// Share of the work that is lost to falling back to storage, with `per_s` stops inside segments per work.
/// A stop and those during its recovery fall back once, if any of them destroys the copies in memory: with
/// probability `1 − P`, `P = (1 − d) s / (1 − (1 − d)(1 − s))` for a share d of such stops.
fn deep_fraction(failures: &Failures, per_s: f64, recovers: f64) -> f64 {
    let is_deep = |s: &&Stop| s.deep_s > 0.0;
    let share: f64 = failures.stops.iter().filter(is_deep).map(|s| s.share_fraction).sum();
    let Some(stop) = failures.stops.iter().find(is_deep) else {
        return 0.0;
    };
    let kept = (1.0 - share) * recovers / (1.0 - (1.0 - share) * (1.0 - recovers));
    1.0 - 1.0 / (1.0 + excess(stop.deep_s * per_s * (1.0 - kept)))
}

/// Probability that a stop in a segment of length `length` finds the last checkpoint open, both in mean
/// times between stops.
fn not_durable(length: f64, open: f64) -> f64 {
    if length <= 0.0 || open <= 0.0 {
        return 0.0;
    }
    (-length).exp() * (-open).exp_m1() / (-length).exp_m1()
}

/// `(e^x − 1)/x − 1` without cancellation for small x.
fn excess(x: f64) -> f64 {
    if x < 1e-3 {
        x * (0.5 + x * (1.0 / 6.0 + x / 24.0))
    } else {
        x.exp_m1() / x - 1.0
    }
}
