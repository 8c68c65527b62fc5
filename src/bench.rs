//! Measures what a machine does. It reads no prediction, so that no calibration can feed on itself.

pub mod clock;
pub mod cpu;
pub mod profile;

pub use clock::{Clock, Monotonic, Protocol, Sample};

use crate::error::{Diagnostic, Error, Result, nearest};
use std::sync::atomic::AtomicBool;

/// Measurements that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suite {
    /// Its name for the command line.
    pub name: &'static str,
    /// What it measures.
    pub what: &'static str,
    /// What it needs to run.
    pub needs: &'static str,
    /// Operations that it times, at most; each may take the whole budget of the protocol.
    pub n_measurements: usize,
}

const SUITES: [Suite; 2] = [
    Suite {
        name: "cpu-stream",
        what: "memory bandwidth of the host: copy and triad, one and all threads",
        needs: "any host; memory for three buffers",
        n_measurements: 4,
    },
    Suite {
        name: "cpu-gemm",
        what: "matrix multiply of the host in fp32 and fp64, one and all threads, with the kernel of this program",
        needs: "any host",
        n_measurements: 4,
    },
];

/// All suites.
#[must_use]
pub fn list() -> &'static [Suite] {
    &SUITES
}

/// What to measure and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names of suites; none for all.
    pub suites: Vec<String>,
    /// When a measurement is good enough.
    pub protocol: Protocol,
    /// Bytes of each of the three stream buffers, together over threads. Four times the last-level
    /// caches or more, else it measures them.
    pub buffer_bytes: usize,
    /// Rows and columns of the matrices.
    pub matrix: usize,
    /// Threads of "all"; `None` for as many as the process may use.
    pub n_threads: Option<usize>,
    /// Of the random inputs.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            suites: Vec::new(),
            protocol: Protocol::default(),
            buffer_bytes: 256 << 20,
            matrix: 768,
            n_threads: None,
            seed: 1,
        }
    }
}

/// What one run of an operation does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Work {
    /// This many floating-point operations; a multiply-add is two.
    Flop(f64),
    /// This many bytes read and written by the program. Lines that the cache fetches before it
    /// overwrites them are not counted, as in STREAM.
    Bytes(f64),
}

impl Work {
    /// Its amount.
    #[must_use]
    pub fn amount(self) -> f64 {
        match self {
            Work::Flop(amount) | Work::Bytes(amount) => amount,
        }
    }

    /// The unit of its rate.
    #[must_use]
    pub fn rate_unit(self) -> &'static str {
        match self {
            Work::Flop(_) => "FLOP/s",
            Work::Bytes(_) => "B/s",
        }
    }
}

/// One measured operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// `copy`, `triad`, `gemm-fp32`, `gemm-fp64`.
    pub op: &'static str,
    /// Its size: `m=768 n=768 k=768`.
    pub shape: String,
    /// Threads that worked on it.
    pub n_threads: usize,
    /// The code that was timed: a rate without its kernel says nothing about the machine.
    pub kernel: &'static str,
    /// What one run does.
    pub work: Work,
    /// How long one run takes.
    pub sample: Sample,
    /// Largest error found when the result was checked before timing, relative to the size of the terms.
    pub max_error_fraction: f64,
    /// Elements of the result that were checked.
    pub n_checked: usize,
}

impl Measurement {
    /// Median rate in [`Work::rate_unit`].
    #[must_use]
    pub fn rate_per_s(&self) -> f64 {
        self.work.amount() / self.sample.median_s
    }

    /// Interval of the median rate, lower end first.
    #[must_use]
    pub fn rate_interval_per_s(&self) -> (f64, f64) {
        (self.work.amount() / self.sample.high_s, self.work.amount() / self.sample.low_s)
    }
}

/// Run suites, telling `done` of each result as it comes: an interrupted run keeps those.
///
/// # Errors
/// An unknown suite or a size of 0; [`Error::Interrupted`] when `cancel` is set; [`Error::Device`]
/// when memory or threads are refused, a result is wrong or the clock stands still.
pub fn run(options: &Options, cancel: &AtomicBool, done: &mut dyn FnMut(&Measurement)) -> Result<Vec<Measurement>> {
    run_with(&Monotonic::default(), options, cancel, done)
}

/// The same with another clock.
///
/// # Errors
/// As [`run`].
pub fn run_with(clock: &dyn Clock, options: &Options, cancel: &AtomicBool, done: &mut dyn FnMut(&Measurement)) -> Result<Vec<Measurement>> {
    check(options)?;
    let bench = cpu::Bench { clock, options, cancel };
    let mut all = Vec::new();
    let wanted = |suite: &Suite| options.suites.is_empty() || options.suites.iter().any(|s| s == suite.name);
    for suite in SUITES.iter().filter(|s| wanted(s)) {
        let mut keep = |m: Measurement| {
            if m.sample.low_s <= 0.0 {
                let what = format!("{} {} was over before the clock moved; make it larger", m.op, m.shape);
                return Err(Error::Device { what });
            }
            done(&m);
            all.push(m);
            Ok(())
        };
        match suite.name {
            "cpu-stream" => bench.stream(&mut keep)?,
            _ => bench.gemm(&mut keep)?,
        }
    }
    Ok(all)
}

fn check(options: &Options) -> Result<()> {
    let names = || SUITES.iter().map(|s| s.name);
    let mut wrong = Vec::new();
    for suite in options.suites.iter().filter(|s| !names().any(|n| n == s.as_str())) {
        let guess = nearest(suite, names()).map_or(String::new(), |n| format!("did you mean `{n}`? "));
        let list = names().collect::<Vec<_>>().join(", ");
        wrong.push(Diagnostic::new(format!("no suite `{suite}`")).help(format!("{guess}there are {list}")));
    }
    let sizes = [
        ("buffer", options.buffer_bytes / 8),
        ("matrix", options.matrix),
        ("threads", options.n_threads.unwrap_or(1)),
    ];
    for (name, _) in sizes.iter().filter(|(_, size)| *size == 0) {
        wrong.push(Diagnostic::new(format!("the {name} size is 0")).help("give a larger one"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Options {
        Options {
            protocol: Protocol {
                min_repeats: 6,
                max_repeats: 6,
                ..Protocol::default()
            },
            buffer_bytes: 1 << 20,
            matrix: 70,
            n_threads: Some(2),
            ..Options::default()
        }
    }

    #[test]
    fn every_suite_measures_and_checks() {
        let mut seen = 0;
        let list = run(&small(), &AtomicBool::new(false), &mut |_| seen += 1).unwrap();
        assert_eq!((list.len(), seen), (8, 8));
        assert_eq!(super::list().iter().map(|s| s.n_measurements).sum::<usize>(), 8);
        for m in &list {
            let (low, high) = m.rate_interval_per_s();
            assert!(low > 0.0 && low <= m.rate_per_s() && m.rate_per_s() <= high, "{m:?}");
            assert!(m.max_error_fraction < 1e-5 && m.n_checked > 0 && m.sample.n == 6, "{m:?}");
        }
        assert_eq!(list[0].work, Work::Bytes(2.0 * 1048576.0));
        assert_eq!(list[7].work, Work::Flop(2.0 * 343_000.0));
    }

    #[test]
    fn what_cannot_be_run_is_said_at_once() {
        let never = AtomicBool::new(true);
        let wrong = Options {
            suites: vec!["cpu-gem".into()],
            matrix: 0,
            ..small()
        };
        let error = run(&wrong, &never, &mut |_| ()).unwrap_err().to_string();
        assert!(
            error.contains("did you mean `cpu-gemm`?") && error.contains("matrix size is 0"),
            "{error}"
        );
        assert!(matches!(run(&small(), &never, &mut |_| ()), Err(Error::Interrupted)));
    }

    #[test]
    fn a_clock_that_stands_is_an_error() {
        struct Stopped;
        impl Clock for Stopped {
            fn now_s(&self) -> f64 {
                0.0
            }
        }
        let outcome = run_with(&Stopped, &small(), &AtomicBool::new(false), &mut |_| ());
        assert!(matches!(outcome, Err(Error::Device { .. })));
    }
}
