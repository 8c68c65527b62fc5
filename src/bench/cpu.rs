//! The host's own processors and memory: the path that every machine can test.
//!
//! Threads are started for each run and not pinned; both costs are in the times.

mod gemm;

use super::clock::measure;
use super::{Clock, Measurement, Options, Work};
use crate::error::{Error, Result};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

const STREAM_KERNEL: &str = "safe Rust loops over f64, baseline instruction set";
const TRIAD_FACTOR: f64 = 3.0;
/// Rows of a product that are checked: all would take longer than the measurement.
const N_CHECKED_ROWS: usize = 16;

/// What measurements share.
pub(super) struct Bench<'a> {
    pub(super) clock: &'a dyn Clock,
    pub(super) options: &'a Options,
    pub(super) cancel: &'a AtomicBool,
}

/// Takes each result.
type Keep<'k> = &'k mut dyn FnMut(Measurement) -> Result<()>;

impl Bench<'_> {
    /// One thread, then all of them.
    fn thread_counts(&self) -> Vec<usize> {
        let all = self
            .options
            .n_threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        if all > 1 { vec![1, all] } else { vec![1] }
    }

    /// Copy and triad (J. D. McCalpin, STREAM, 1995).
    pub(super) fn stream(&self, keep: Keep) -> Result<()> {
        for n_threads in self.thread_counts() {
            self.go_on()?;
            let per_thread = self.options.buffer_bytes / size_of::<f64>() / n_threads;
            let mut parts: Vec<Streams> = (0..n_threads).map(|_| Streams::default()).collect();
            let seed = self.options.seed;
            // Each thread makes its own part, so that the pages lie near it.
            collect(on_threads(&mut parts, |i, p| p.fill(per_thread, seed.wrapping_add(i as u64)))?)?;
            let n_elements = per_thread * n_threads;
            let bytes = (n_elements * size_of::<f64>()) as f64;
            for (op, n_moved, run) in [("copy", 2.0, Streams::copy as fn(&mut Streams)), ("triad", 3.0, Streams::triad)] {
                on_threads(&mut parts, |_, p| run(p))?;
                let errors = on_threads(&mut parts, |_, p| p.error(op))?;
                let max_error_fraction = accept(op, errors, f64::EPSILON)?;
                let sample = measure(self.clock, &self.options.protocol, self.cancel, &mut || {
                    on_threads(&mut parts, |_, p| run(p)).map(|_| ())
                })?;
                keep(Measurement {
                    op,
                    shape: format!("n={n_elements}"),
                    n_threads,
                    kernel: STREAM_KERNEL,
                    work: Work::Bytes(n_moved * bytes),
                    sample,
                    max_error_fraction,
                    n_checked: n_elements,
                })?;
            }
        }
        Ok(())
    }

    /// Matrix multiply in both precisions.
    pub(super) fn gemm(&self, keep: Keep) -> Result<()> {
        self.gemm_in::<f32>("gemm-fp32", keep)?;
        self.gemm_in::<f64>("gemm-fp64", keep)
    }

    fn gemm_in<T: gemm::Float>(&self, op: &'static str, keep: Keep) -> Result<()> {
        let n = self.options.matrix;
        let mut random = Random(self.options.seed);
        let mut matrix = || numbers(n * n, || T::from_f64(random.next()));
        let (a, b) = (matrix()?, matrix()?);
        let mut c = numbers(n * n, || T::default())?;
        for n_threads in self.thread_counts() {
            self.go_on()?;
            let band = n.div_ceil(n_threads);
            let mut parts: Vec<(&[T], &mut [T])> = a.chunks(band * n).zip(c.chunks_mut(band * n)).collect();
            let mut run = || on_threads(&mut parts, |_, (a, c)| gemm::multiply((a, &b), c, n, n)).map(|_| ());
            run()?;
            let rows = gemm::sample_rows(n, N_CHECKED_ROWS);
            let error = gemm::error((&a, &b), &c, (n, n), &rows);
            let max_error_fraction = accept(op, vec![error], 2.0 * n as f64 * T::EPSILON)?;
            let mut parts: Vec<(&[T], &mut [T])> = a.chunks(band * n).zip(c.chunks_mut(band * n)).collect();
            let sample = measure(self.clock, &self.options.protocol, self.cancel, &mut || {
                on_threads(&mut parts, |_, (a, c)| {
                    gemm::multiply((black_box(*a), black_box(&b)), c, n, n);
                    black_box(c);
                })
                .map(|_| ())
            })?;
            keep(Measurement {
                op,
                shape: format!("m={n} n={n} k={n}"),
                n_threads: n.div_ceil(band),
                kernel: gemm::KERNEL,
                work: Work::Flop(2.0 * (n as f64).powi(3)),
                sample,
                max_error_fraction,
                n_checked: rows.len() * n,
            })?;
        }
        Ok(())
    }

    /// Making inputs takes time too.
    fn go_on(&self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }
}

/// One thread's part of the stream buffers.
#[derive(Default)]
struct Streams {
    a: Vec<f64>,
    b: Vec<f64>,
    c: Vec<f64>,
}

impl Streams {
    fn fill(&mut self, n: usize, seed: u64) -> Result<()> {
        let mut random = Random(seed);
        self.a = numbers(n, || 1.0)?;
        self.b = numbers(n, || random.next())?;
        self.c = numbers(n, || random.next())?;
        Ok(())
    }

    fn copy(&mut self) {
        self.a.copy_from_slice(black_box(&self.b));
        black_box(&mut self.a);
    }

    fn triad(&mut self) {
        let inputs = black_box(self.b.iter().zip(&self.c));
        for (a, (b, c)) in self.a.iter_mut().zip(inputs) {
            *a = b + TRIAD_FACTOR * c;
        }
        black_box(&mut self.a);
    }

    fn error(&self, op: &str) -> f64 {
        let factor = if op == "triad" { TRIAD_FACTOR } else { 0.0 };
        let inputs = self.b.iter().zip(&self.c);
        let errors = self.a.iter().zip(inputs).map(|(a, (b, c))| {
            let size = b.abs() + (factor * c).abs();
            (a - (b + factor * c)).abs() / size
        });
        worst(errors)
    }
}

/// The largest error; one that is not a number is the largest of all.
fn worst(errors: impl Iterator<Item = f64>) -> f64 {
    errors.fold(0.0, |max, e| if e > max || e.is_nan() { e } else { max })
}

/// The largest of `errors`, if it is within what rounding explains.
fn accept(op: &str, errors: Vec<f64>, limit: f64) -> Result<f64> {
    let error = worst(errors.into_iter());
    if error <= limit {
        return Ok(error);
    }
    let what = format!("{op} gave a wrong result: relative error {error:.1e}, rounding explains {limit:.1e}");
    Err(Error::Device { what })
}

/// `n` numbers, or an error when memory is refused.
fn numbers<T>(n: usize, next: impl FnMut() -> T) -> Result<Vec<T>> {
    let mut list = Vec::new();
    list.try_reserve_exact(n).map_err(|_| Error::Device {
        what: format!("no memory for {}", crate::units::gib((n * size_of::<T>()) as f64)),
    })?;
    list.resize_with(n, next);
    Ok(list)
}

/// SplitMix64 (G. L. Steele et al., OOPSLA 2014): non-zero numbers of both signs, since some
/// hardware is faster and cooler on zeros.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let size = 0.5 + (z >> 12) as f64 / (1_u64 << 52) as f64;
        if z & 1 == 0 { size } else { -size }
    }
}

fn collect(results: Vec<Result<()>>) -> Result<()> {
    results.into_iter().collect()
}

/// Work on each part in its own thread; a single part needs none.
fn on_threads<T: Send, R: Send>(parts: &mut [T], work: impl Fn(usize, &mut T) -> R + Sync) -> Result<Vec<R>> {
    if let [part] = parts {
        return Ok(vec![work(0, part)]);
    }
    let failed = |what: &str| Error::Device { what: what.to_string() };
    let work = &work;
    std::thread::scope(|scope| {
        let mut handles = Vec::with_capacity(parts.len());
        for (i, part) in parts.iter_mut().enumerate() {
            let handle = std::thread::Builder::new().spawn_scoped(scope, move || work(i, part));
            handles.push(handle.map_err(|e| failed(&format!("no thread {}: {e}", i + 1)))?);
        }
        handles
            .into_iter()
            .map(|h| h.join().map_err(|_| failed("a thread failed")))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_never_zero_and_of_both_signs() {
        let mut random = Random(7);
        let list = numbers(10_000, || random.next()).unwrap();
        assert!(list.iter().all(|v| (0.5..1.5).contains(&v.abs())));
        let mean = list.iter().sum::<f64>() / 10_000.0;
        assert!(mean.abs() < 0.05, "{mean}");
    }

    #[test]
    fn wrong_results_are_refused() {
        let mut streams = Streams::default();
        streams.fill(100, 3).unwrap();
        assert!(accept("copy", vec![streams.error("copy")], f64::EPSILON).is_err());
        streams.copy();
        assert_eq!(streams.error("copy"), 0.0);
        assert!(streams.error("triad") > 0.01);
        streams.triad();
        assert_eq!(streams.error("triad"), 0.0);
        streams.a[99] = f64::NAN;
        assert!(accept("triad", vec![0.0, streams.error("triad")], 1.0).is_err());
    }

    #[test]
    fn refused_memory_is_an_error() {
        assert!(matches!(numbers(usize::MAX / 16, || 0.0), Err(Error::Device { .. })));
    }

    #[test]
    fn each_part_is_worked_on_once() {
        let mut parts = vec![0; 5];
        assert_eq!(
            on_threads(&mut parts, |i, p| {
                *p += 1;
                i
            })
            .unwrap(),
            [0, 1, 2, 3, 4]
        );
        assert_eq!(parts, [1; 5]);
    }
}
