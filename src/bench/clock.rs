//! How things are timed: warm up, repeat until the median is known well enough, say how well.
//!
//! The median and the interval between two order statistics need no assumption about the noise,
//! which on shared machines is one-sided and heavy-tailed (T. Hoefler and R. Belli, "Scientific
//! benchmarking of parallel computing systems", SC 2015).

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Confidence that the interval is made for.
const CONFIDENCE: f64 = 0.95;
/// Up to here the binomial is summed; beyond it the first term underflows.
const MAX_EXACT: usize = 1000;

/// Median absolute deviations beyond which a run is an outlier.
const FAR: f64 = 5.2;
/// Slower by this much at the end than at the beginning is throttling.
pub const THROTTLED_FRACTION: f64 = 0.05;

/// Where time comes from.
pub trait Clock: Sync {
    /// Seconds since some fixed moment.
    fn now_s(&self) -> f64;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy)]
pub struct Monotonic(Instant);

impl Default for Monotonic {
    fn default() -> Self {
        Monotonic(Instant::now())
    }
}

impl Clock for Monotonic {
    fn now_s(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// When a measurement is good enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Protocol {
    /// Runs before the first timed one: caches, clocks and page tables settle.
    pub n_warm_up: usize,
    /// Timed runs at least, if the budget allows; below 6 no interval has 95 % confidence.
    pub min_repeats: usize,
    /// Timed runs at most.
    pub max_repeats: usize,
    /// The interval may reach this far from the median, as a fraction of it.
    pub target_fraction: f64,
    /// Time that warm-up and repeats may take together. One timed run is always made.
    pub budget_s: f64,
    /// Bytes written between runs so that no input is found in a cache; 0 for runs right after each other,
    /// as the kernels of a training step find their operands.
    pub cold_bytes: usize,
}

impl Default for Protocol {
    fn default() -> Self {
        Protocol {
            n_warm_up: 2,
            min_repeats: 10,
            max_repeats: 500,
            target_fraction: 0.01,
            budget_s: 10.0,
            cold_bytes: 0,
        }
    }
}

/// What repeated timing says.
///
/// The repeats stop when the interval is narrow, so its true coverage is a little below the nominal one.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Sample {
    /// Timed runs.
    pub n: usize,
    /// Half of the runs took longer.
    pub median_s: f64,
    /// Lower end of the interval of the median.
    pub low_s: f64,
    /// Upper end of it.
    pub high_s: f64,
    /// Nominal confidence of the interval; below 0.95 where the budget ended before six runs.
    pub confidence_fraction: f64,
    /// Runs beyond [`FAR`] median absolute deviations: something else had the machine. They count for the
    /// median like all others.
    pub n_outliers: usize,
    /// Median of the last third of the runs over that of the first third, less one: above
    /// [`THROTTLED_FRACTION`] the device slowed down while it was timed.
    pub drift_fraction: f64,
}

impl Sample {
    /// The sample of these durations, in the order they were taken; `None` without any.
    #[must_use]
    pub fn new(durations_s: &[f64]) -> Option<Sample> {
        let mut sorted = durations_s.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let median_s = middle(&sorted)?;
        let (rank, confidence_fraction) = median_rank(n);
        Some(Sample {
            n,
            median_s,
            low_s: sorted[rank],
            high_s: sorted[n - 1 - rank],
            confidence_fraction,
            n_outliers: outliers(&sorted, median_s),
            drift_fraction: drift(durations_s),
        })
    }

    /// The later runs took longer than noise explains: the clock fell, or the device grew hot.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.drift_fraction > THROTTLED_FRACTION.max(2.0 * self.spread_fraction())
    }

    /// How far the interval reaches from the median, as a fraction of it; 0 for a median of 0.
    #[must_use]
    pub fn spread_fraction(&self) -> f64 {
        let reach = (self.high_s - self.median_s).max(self.median_s - self.low_s);
        if reach > 0.0 { reach / self.median_s } else { 0.0 }
    }
}

/// The middle of sorted numbers.
fn middle(sorted: &[f64]) -> Option<f64> {
    let n = sorted.len();
    let upper = *sorted.get(n / 2)?;
    Some(if n.is_multiple_of(2) {
        f64::midpoint(sorted[n / 2 - 1], upper)
    } else {
        upper
    })
}

/// Runs far from the median, by the median absolute deviation (B. Iglewicz and D. Hoaglin, "How to detect
/// and handle outliers", 1993: modified z-scores above 3.5, that is 5.2 deviations). Steps of a clock are none.
fn outliers(sorted: &[f64], median_s: f64) -> usize {
    let mut off: Vec<f64> = sorted.iter().map(|d| (d - median_s).abs()).collect();
    off.sort_by(f64::total_cmp);
    let deviation_s = middle(&off).unwrap_or(0.0).max(0.001 * median_s);
    off.iter().filter(|d| **d > FAR * deviation_s).count()
}

fn drift(durations_s: &[f64]) -> f64 {
    let third = durations_s.len() / 3;
    if third < 3 {
        return 0.0;
    }
    let median = |part: &[f64]| {
        let mut sorted = part.to_vec();
        sorted.sort_by(f64::total_cmp);
        middle(&sorted).unwrap_or(0.0)
    };
    let (first_s, last_s) = (median(&durations_s[..third]), median(&durations_s[durations_s.len() - third..]));
    if first_s > 0.0 { last_s / first_s - 1.0 } else { 0.0 }
}

/// How many runs to leave out at each end so that the rest still holds the median with 95 %
/// confidence, and that confidence. The number of runs below the median is binomial with p = 1/2,
/// so leaving out `k` at each end loses twice the chance of at most `k` runs on one side.
fn median_rank(n: usize) -> (usize, f64) {
    let size = n as f64;
    if n > MAX_EXACT {
        // 1.96 standard deviations of sqrt(n)/2 each, one rank wider for the rounding.
        return ((((size - 1.96 * size.sqrt()) / 2.0) as usize).saturating_sub(1), CONFIDENCE);
    }
    let mut term = 0.5_f64.powf(size);
    let mut tail = term;
    let mut rank = 0;
    let mut confidence = 1.0 - 2.0 * tail;
    while rank + 1 < n.div_ceil(2) {
        term *= (size - rank as f64) / (rank as f64 + 1.0);
        tail += term;
        if 1.0 - 2.0 * tail < CONFIDENCE {
            break;
        }
        rank += 1;
        confidence = 1.0 - 2.0 * tail;
    }
    (rank, confidence.max(0.0))
}

/// Time `work`, which should take far longer than a tick of `clock`.
///
/// # Errors
/// [`Error::Interrupted`] when `cancel` is set, looked at before each run; else the first error of `work`.
pub fn measure(clock: &dyn Clock, protocol: &Protocol, cancel: &AtomicBool, work: &mut dyn FnMut() -> Result<()>) -> Result<Sample> {
    measure_cold(clock, protocol, cancel, &mut || Ok(()), work)
}

/// The same with something untimed before each run: for a cold cache, what fills it with other data.
///
/// # Errors
/// As [`measure`], and those of `before`.
pub fn measure_cold(
    clock: &dyn Clock,
    protocol: &Protocol,
    cancel: &AtomicBool,
    before: &mut dyn FnMut() -> Result<()>,
    work: &mut dyn FnMut() -> Result<()>,
) -> Result<Sample> {
    let start = clock.now_s();
    let mut once = || {
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        before()?;
        let begin = clock.now_s();
        work()?;
        Ok((clock.now_s() - begin).max(0.0))
    };
    for _ in 0..protocol.n_warm_up {
        let last = once()?;
        // The timed runs need most of the budget.
        if clock.now_s() - start + last > protocol.budget_s / 4.0 {
            break;
        }
    }
    let mut durations = vec![once()?];
    while durations.len() < protocol.max_repeats {
        let settled = durations.len() >= protocol.min_repeats.max(2) && Sample::new(&durations).is_some_and(|s| good(&s, protocol));
        let last = durations.last().copied().unwrap_or(0.0);
        // A run that by the last one cannot end in time is not begun.
        if settled || clock.now_s() - start + last > protocol.budget_s {
            break;
        }
        durations.push(once()?);
    }
    Sample::new(&durations).ok_or(Error::Interrupted)
}

/// What fills the caches between runs, where they shall be cold.
#[derive(Debug, Default)]
pub struct Cache(Vec<u64>);

impl Cache {
    /// Of so many bytes; none for caches as they are.
    ///
    /// # Errors
    /// When the memory is refused.
    pub fn new(bytes: usize) -> Result<Cache> {
        let n = bytes / size_of::<u64>();
        let mut filler = Vec::new();
        filler.try_reserve_exact(n).map_err(|_| Error::Device {
            what: format!("no memory for {} that make the cache cold", crate::units::gib(bytes as f64)),
        })?;
        filler.resize(n, 1);
        Ok(Cache(filler))
    }

    fn spoil(&mut self) {
        self.0.iter_mut().for_each(|x| *x = x.wrapping_mul(3));
        std::hint::black_box(&mut self.0);
    }
}

/// [`measure_cold`] with such a cache.
///
/// # Errors
/// As [`measure`].
pub fn measure_in(
    clock: &dyn Clock,
    protocol: &Protocol,
    cancel: &AtomicBool,
    mut cache: Cache,
    work: &mut dyn FnMut() -> Result<()>,
) -> Result<Sample> {
    let mut before = || {
        cache.spoil();
        Ok(())
    };
    measure_cold(clock, protocol, cancel, &mut before, work)
}

fn good(sample: &Sample, protocol: &Protocol) -> bool {
    sample.confidence_fraction >= CONFIDENCE && sample.spread_fraction() <= protocol.target_fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Time passes only when told.
    #[derive(Default)]
    struct Mock(Mutex<f64>);

    impl Mock {
        fn pass(&self, seconds: f64) {
            *self.0.lock().unwrap() += seconds;
        }
    }

    impl Clock for Mock {
        fn now_s(&self) -> f64 {
            *self.0.lock().unwrap()
        }
    }

    fn timed(protocol: Protocol, duration: impl Fn(usize) -> f64) -> (Sample, f64) {
        let (clock, mut runs) = (Mock::default(), 0);
        let mut work = || {
            clock.pass(duration(runs));
            runs += 1;
            Ok(())
        };
        let sample = measure(&clock, &protocol, &AtomicBool::new(false), &mut work).unwrap();
        (sample, clock.now_s())
    }

    #[test]
    fn ranks_are_those_of_the_tables() {
        // D'Agostino and Stephens; also Le Boudec, "Performance Evaluation", table A.1.
        for (n, low) in [(6, 1), (8, 1), (9, 2), (10, 2), (20, 6), (30, 10), (50, 18), (70, 27)] {
            let (rank, confidence) = median_rank(n);
            assert_eq!(rank + 1, low, "n = {n}");
            assert!(confidence >= 0.95, "n = {n}");
        }
        assert!((median_rank(6).1 - 0.96875).abs() < 1e-12);
        assert!(median_rank(5).1 < 0.95 && median_rank(1).1 == 0.0);
        let (exact, beyond) = (median_rank(MAX_EXACT).0, median_rank(MAX_EXACT + 1).0);
        assert!(exact.abs_diff(beyond) <= 2, "{exact} {beyond}");
    }

    #[test]
    fn a_steady_clock_stops_early() {
        let (sample, total_s) = timed(Protocol::default(), |_| 0.001);
        assert_eq!(sample.n, 10);
        assert!((sample.median_s - 0.001).abs() < 1e-9 && sample.spread_fraction() < 1e-6);
        assert!((total_s - 0.012).abs() < 1e-9);
    }

    #[test]
    fn noise_takes_more_repeats_and_outliers_do_not_move_the_median() {
        let noisy = |i: usize| 0.001 * (1.0 + 0.05 * ((i * 7919 % 101) as f64 / 101.0 - 0.5));
        let (sample, _) = timed(Protocol::default(), noisy);
        assert!(sample.n > 10 && sample.n < 500, "{sample:?}");
        assert!(sample.spread_fraction() <= 0.01);
        assert!(sample.low_s < 0.001 && 0.001 < sample.high_s * 1.01);
        let spiky = |i: usize| if i % 9 == 4 { 0.05 } else { 0.001 };
        let (sample, _) = timed(Protocol::default(), spiky);
        assert!((sample.median_s - 0.001).abs() < 1e-9 && sample.high_s < 0.0011, "{sample:?}");
    }

    #[test]
    fn the_budget_and_the_cap_hold() {
        let protocol = Protocol {
            budget_s: 1.0,
            ..Protocol::default()
        };
        let (sample, total_s) = timed(protocol, |i| if i % 2 == 0 { 0.1 } else { 0.2 });
        assert!(total_s <= 1.2 && sample.n < 10, "{sample:?} {total_s}");
        // One run that is longer than the budget is still an answer, and says how weak it is.
        let (sample, _) = timed(protocol, |_| 5.0);
        assert_eq!((sample.n, sample.confidence_fraction), (1, 0.0));
        let capped = Protocol {
            max_repeats: 20,
            ..Protocol::default()
        };
        assert_eq!(timed(capped, |i| if i % 2 == 0 { 1e-6 } else { 2e-6 }).0.n, 20);
    }

    #[test]
    fn a_clock_that_stands_or_runs_back_ends() {
        let (sample, _) = timed(Protocol::default(), |_| 0.0);
        assert_eq!((sample.n, sample.median_s, sample.spread_fraction()), (10, 0.0, 0.0));
        assert_eq!(timed(Protocol::default(), |_| -1.0).0.median_s, 0.0);
    }

    #[test]
    fn a_cancelled_measurement_stops_between_runs() {
        let (cancel, mut runs) = (AtomicBool::new(false), 0);
        let mut work = || {
            runs += 1;
            cancel.store(runs == 3, Ordering::Relaxed);
            Ok(())
        };
        let outcome = measure(&Mock::default(), &Protocol::default(), &cancel, &mut work);
        assert!(matches!(outcome, Err(Error::Interrupted)));
        assert_eq!(runs, 3);
        let mut broken = || Err(Error::Device { what: "gone".to_string() });
        let outcome = measure(&Mock::default(), &Protocol::default(), &AtomicBool::new(false), &mut broken);
        assert!(matches!(outcome, Err(Error::Device { .. })));
    }

    #[test]
    fn a_device_that_slows_down_is_noticed_and_noise_is_not() {
        let hot: Vec<f64> = (0..60).map(|i| 0.001 * (1.0 + 0.004 * f64::from(i))).collect();
        let sample = Sample::new(&hot).unwrap();
        assert!(sample.is_throttled() && sample.drift_fraction > 0.1, "{sample:?}");
        let noisy: Vec<f64> = (0..60).map(|i| 0.001 * (1.0 + 0.2 * f64::from(i * 7919 % 101) / 101.0)).collect();
        assert!(!Sample::new(&noisy).unwrap().is_throttled());
        assert!(!Sample::new(&[1.0, 2.0, 3.0]).unwrap().is_throttled());
    }

    #[test]
    fn outliers_are_counted_and_kept() {
        let mut list = vec![0.001; 30];
        list[7] = 0.5;
        list[20] = 0.02;
        let sample = Sample::new(&list).unwrap();
        assert_eq!((sample.n, sample.n_outliers, sample.median_s), (30, 2, 0.001));
        assert_eq!(Sample::new(&[1.0]).unwrap().n_outliers, 0);
    }

    #[test]
    fn what_makes_the_cache_cold_is_not_timed() {
        let (clock, order) = (Mock::default(), std::cell::RefCell::new(String::new()));
        let protocol = Protocol {
            n_warm_up: 1,
            min_repeats: 2,
            max_repeats: 2,
            ..Protocol::default()
        };
        let pass = |name: char, seconds: f64| {
            order.borrow_mut().push(name);
            clock.pass(seconds);
            Ok(())
        };
        let sample = measure_cold(&clock, &protocol, &AtomicBool::new(false), &mut || pass('f', 0.5), &mut || {
            pass('w', 0.25)
        });
        assert_eq!(sample.unwrap().median_s, 0.25);
        assert_eq!(order.into_inner(), "fwfwfw");
    }

    #[test]
    fn the_real_clock_moves_forward() {
        let clock = Monotonic::default();
        let first = clock.now_s();
        assert!(clock.now_s() >= first);
    }
}
