//! The host's own processors and memory: the path that every machine can test.
//!
//! Threads of a pool are not pinned; waking them is in the times.

mod attention;
mod machine;
mod product;
mod reduce;
mod softmax;

pub use machine::Machine;

use super::clock::{Cache, measure_in};
use super::{Backend, Checked, Clock, Environment, Item, Measured, Operands, Pass, Protocol, Rates, Stream};
use crate::catalog::{Collective, DType};
use crate::error::{Error, Result};
use product::{Float, View};
use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

const STREAM_KERNEL: &str = "safe Rust loops over f64, baseline instruction set";
const TRIAD_FACTOR: f64 = 3.0;
/// Rows of a product that are checked: all would take longer than the measurement.
const N_CHECKED_ROWS: usize = 16;
/// Time that the peak is looked for.
const PEAK_ROUNDS: usize = 400_000;

/// The host as a backend.
pub struct Host {
    machine: Machine,
    pool: rayon::ThreadPool,
    n_threads: usize,
    seed: u64,
}

impl Host {
    /// With so many threads; `None` for as many as there are cores.
    ///
    /// # Errors
    /// When the threads are refused.
    pub fn new(n_threads: Option<usize>, seed: u64) -> Result<Host> {
        let machine = Machine::here();
        let n_threads = n_threads.unwrap_or(machine.n_cores);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build();
        let pool = pool.map_err(|e| Error::Device {
            what: format!("no pool of {n_threads} threads: {e}"),
        })?;
        Ok(Host {
            machine,
            pool,
            n_threads,
            seed,
        })
    }

    /// What the host is.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Best rate of multiply-adds that stay in registers, of all threads, in fp32.
    fn peak_flop_per_s(&self, clock: &dyn Clock) -> f64 {
        let once = |_: usize| {
            let start = clock.now_s();
            let (flop, sum) = self
                .pool
                .broadcast(|_| pulp::Arch::new().dispatch(softmax::Peak { rounds: PEAK_ROUNDS }))
                .into_iter()
                .fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
            black_box(sum);
            flop / (clock.now_s() - start).max(1e-9)
        };
        (0..8).map(once).fold(0.0, f64::max)
    }

    fn timed(&self, job: &mut Job<'_>, item: &Item, protocol: &Protocol, how: (&dyn Clock, &AtomicBool)) -> Result<Measured> {
        let (error, n_checked) = job.found;
        let limit = job.limit;
        // A result that is no number is wrong, too.
        if error.is_nan() || error > limit {
            let what = format!("{item} gave a wrong result: relative error {error:.1e}, rounding explains {limit:.1e}");
            return Err(Error::Device { what });
        }
        let cache = Cache::new(protocol.cold_bytes)?;
        let sample = self.pool.install(|| measure_in(how.0, protocol, how.1, cache, job.run))?;
        Ok(Measured {
            item: *item,
            n_threads: self.n_threads,
            kernel: job.kernel.to_string(),
            sample,
            check: Checked {
                max_error_fraction: error,
                n_checked,
            },
            energy_j: None,
        })
    }

    fn streams(&self, bytes: u64) -> Result<Streams> {
        let n = usize::try_from(bytes).unwrap_or(usize::MAX) / size_of::<f64>();
        Streams::new(n.max(self.n_threads), self.n_threads, self.seed, &self.pool)
    }
}

/// One item made ready: checked, then run again and again.
struct Job<'a> {
    /// Largest relative error of the first run, and elements that were compared.
    found: (f64, usize),
    run: &'a mut (dyn FnMut() -> Result<()> + Send),
    kernel: &'a str,
    limit: f64,
}

impl Backend for Host {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn environment(&mut self, clock: &dyn Clock) -> Result<Environment> {
        let measured = self.peak_flop_per_s(clock);
        let single = self.machine.nominal_flop_per_s(4.0, self.n_threads).unwrap_or(0.0).max(measured);
        Ok(Environment {
            device: self.machine.describe(),
            software: vec![product::KERNEL.to_string(), attention::KERNEL.to_string()],
            clocks: clocks(&self.machine),
            n_units: self.n_threads,
            n_devices: 1,
            memory_bytes: self.machine.memory_bytes,
            peak: Rates([(DType::F64, single / 2.0), (DType::F32, single)].into_iter().collect()),
            is_host: true,
            ..Environment::default()
        })
    }

    fn supports(&self, item: &Item) -> bool {
        match item {
            Item::Stream { .. } => true,
            Item::Gemm { dtype, .. } => matches!(dtype, DType::F32 | DType::F64),
            Item::Attention { dtype, .. } => *dtype == DType::F32,
            Item::Collective { ranks, .. } => *ranks == self.n_threads as u64 && *ranks > 1,
            Item::Fused { .. } | Item::Transfer { .. } | Item::Launch { .. } => false,
        }
    }

    fn measure(&mut self, item: &Item, protocol: &Protocol, clock: &dyn Clock, cancel: &AtomicBool) -> Result<Measured> {
        let how = (clock, cancel);
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        match *item {
            Item::Stream { stream, bytes } => {
                let mut streams = self.streams(bytes)?;
                self.pool.install(|| streams.run(stream));
                let found = (streams.error(stream), streams.len());
                let mut run = || {
                    streams.run(stream);
                    Ok(())
                };
                let mut job = Job {
                    found,
                    run: &mut run,
                    kernel: STREAM_KERNEL,
                    limit: f64::EPSILON,
                };
                self.timed(&mut job, item, protocol, how)
            }
            Item::Gemm { dtype, m, n, k, operands } => {
                let shape = [size(m), size(n), size(k)];
                if dtype == DType::F64 {
                    self.gemm::<f64>(item, shape, operands, protocol, how)
                } else {
                    self.gemm::<f32>(item, shape, operands, protocol, how)
                }
            }
            Item::Attention {
                pass,
                causal,
                batch,
                seq_tokens,
                heads,
                kv_heads,
                head_dim,
                ..
            } => {
                let shape = attention::Shape {
                    batch: size(batch),
                    seq: size(seq_tokens),
                    heads: size(heads),
                    kv_heads: size(kv_heads),
                    dim: size(head_dim),
                    causal,
                };
                self.attention(item, shape, pass, protocol, how)
            }
            Item::Collective { collective, ranks, bytes } => self.collective(item, (collective, size(ranks), size(bytes)), protocol, how),
            Item::Fused { .. } | Item::Transfer { .. } | Item::Launch { .. } => Err(Error::Device {
                what: format!("the cpu backend has no {}", item.op()),
            }),
        }
    }
}

impl Host {
    fn gemm<T: Float>(
        &self,
        item: &Item,
        shape: [usize; 3],
        operands: Operands,
        protocol: &Protocol,
        how: (&dyn Clock, &AtomicBool),
    ) -> Result<Measured> {
        let [m, n, k] = shape;
        let mut random = Random(self.seed);
        let mut matrix = |n| numbers(n, || T::from_f64(random.next()));
        let (a, b) = (matrix(m * k)?, matrix(k * n)?);
        let mut c = numbers(m * n, || T::default())?;
        let (av, bv) = product::views(operands, shape);
        let once = |c: &mut [T]| {
            let (a, b) = ((black_box(&a[..]), av), (black_box(&b[..]), bv));
            product::multiply(shape, a, b, (c, View::rows(n)), T::ONE, false, true)
        };
        self.pool.install(|| once(&mut c))?;
        let rows = product::sample_rows(m, N_CHECKED_ROWS);
        let found = (product::error(shape, (&a, av), (&b, bv), &c, &rows), rows.len() * n);
        let mut run = || once(&mut c);
        let mut job = Job {
            found,
            run: &mut run,
            kernel: product::KERNEL,
            limit: 2.0 * k as f64 * T::EPSILON,
        };
        self.timed(&mut job, item, protocol, how)
    }

    fn attention(
        &self,
        item: &Item,
        shape: attention::Shape,
        pass: Pass,
        protocol: &Protocol,
        how: (&dyn Clock, &AtomicBool),
    ) -> Result<Measured> {
        if shape.kv_heads == 0 || !shape.heads.is_multiple_of(shape.kv_heads) {
            let what = format!("{item}: key-value heads do not divide query heads");
            return Err(Error::Device { what });
        }
        let backward = pass == Pass::Backward;
        let mut work = attention::Attention::new(shape, backward, self.seed)?;
        self.pool.install(|| {
            work.forward()?;
            if backward { work.backward() } else { Ok(()) }
        })?;
        let found = work.error(backward);
        let mut run = || if backward { work.backward() } else { work.forward() };
        let mut job = Job {
            found,
            run: &mut run,
            kernel: attention::KERNEL,
            // Sums over keys and widths, each rounded.
            limit: 4.0 * ((shape.seq + shape.dim) as f64).sqrt() * f64::from(f32::EPSILON) * 8.0,
        };
        self.timed(&mut job, item, protocol, how)
    }

    fn collective(
        &self,
        item: &Item,
        (kind, ranks, bytes): (Collective, usize, usize),
        protocol: &Protocol,
        how: (&dyn Clock, &AtomicBool),
    ) -> Result<Measured> {
        let mut buffers = reduce::Ranks::new(kind, ranks, bytes, self.seed)?;
        let found = self.pool.install(|| buffers.error());
        let mut run = || {
            buffers.run();
            Ok(())
        };
        let mut job = Job {
            found,
            run: &mut run,
            kernel: reduce::KERNEL,
            limit: 2.0 * ranks as f64 * f64::from(f32::EPSILON),
        };
        self.timed(&mut job, item, protocol, how)
    }
}

fn clocks(machine: &Machine) -> String {
    let mhz = |hz: Option<f64>| hz.map_or("not readable".to_string(), |hz| format!("{:.0} MHz", hz / 1e6));
    let heat = machine
        .n_throttled
        .map_or("heat not readable".to_string(), |n| format!("slowed for heat {n} times since boot"));
    format!("{} now, {} at most, {heat}", mhz(machine.clock_hz), mhz(machine.max_clock_hz))
}

/// The stream buffers, a part for each thread.
struct Streams {
    parts: Vec<[Vec<f64>; 3]>,
}

impl Streams {
    /// Each thread makes its own part, so that the pages lie near it.
    fn new(n: usize, n_threads: usize, seed: u64, pool: &rayon::ThreadPool) -> Result<Streams> {
        let per_thread = n / n_threads;
        let make = |i: usize| {
            let mut random = Random(seed.wrapping_add(i as u64));
            let a = numbers(per_thread, || 1.0)?;
            let b = numbers(per_thread, || random.next())?;
            Ok([a, b, numbers(per_thread, || random.next())?])
        };
        let parts: Vec<Result<_>> = pool.broadcast(|context| make(context.index()));
        Ok(Streams {
            parts: parts.into_iter().collect::<Result<_>>()?,
        })
    }

    fn len(&self) -> usize {
        self.parts.iter().map(|p| p[0].len()).sum()
    }

    fn run(&mut self, stream: Stream) {
        on_threads(self.parts.iter_mut().collect(), |_, [a, b, c]| match stream {
            Stream::Copy => a.copy_from_slice(black_box(b)),
            Stream::Triad => {
                for (a, (b, c)) in a.iter_mut().zip(black_box(b.iter().zip(c.iter()))) {
                    *a = b + TRIAD_FACTOR * c;
                }
            }
        });
        black_box(&mut self.parts);
    }

    fn error(&self, stream: Stream) -> f64 {
        let factor = if stream == Stream::Triad { TRIAD_FACTOR } else { 0.0 };
        let errors = self.parts.iter().flat_map(|[a, b, c]| {
            let inputs = b.iter().zip(c);
            a.iter().zip(inputs).map(move |(a, (b, c))| {
                let size = b.abs() + (factor * c).abs();
                (a - (b + factor * c)).abs() / size
            })
        });
        worst(errors)
    }
}

/// Every part on a thread of its own, the same each time: work stealing would run two small ones on one thread, and
/// big ones far from their memory. With fewer threads than parts each takes its share.
fn on_threads<T: Send>(parts: Vec<T>, work: impl Fn(usize, T) + Sync) {
    let parts: Vec<_> = parts.into_iter().map(|part| Mutex::new(Some(part))).collect();
    rayon::broadcast(|thread| {
        for i in (thread.index()..parts.len()).step_by(thread.num_threads()) {
            let part = parts[i].lock().ok().and_then(|mut part| part.take());
            if let Some(part) = part {
                work(i, part);
            }
        }
    });
}

/// The largest error; one that is not a number is the largest of all.
fn worst(errors: impl Iterator<Item = f64>) -> f64 {
    errors.fold(0.0, |max, e| if e > max || e.is_nan() { e } else { max })
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
        let host = Host::new(Some(2), 1).unwrap();
        let mut streams = Streams::new(100, 2, 3, &host.pool).unwrap();
        assert!(streams.error(Stream::Copy) > 0.01);
        streams.run(Stream::Copy);
        assert_eq!(streams.error(Stream::Copy), 0.0);
        assert!(streams.error(Stream::Triad) > 0.01);
        streams.run(Stream::Triad);
        assert_eq!(streams.error(Stream::Triad), 0.0);
        streams.parts[1][0][49] = f64::NAN;
        assert!(streams.error(Stream::Triad).is_nan());
        let item = Item::Stream {
            stream: Stream::Copy,
            bytes: 8,
        };
        let mut job = Job {
            found: (f64::NAN, 1),
            run: &mut || Ok(()),
            kernel: "",
            limit: 1.0,
        };
        let clock = super::super::Monotonic::default();
        let outcome = host.timed(&mut job, &item, &Protocol::default(), (&clock, &AtomicBool::new(false)));
        assert!(outcome.unwrap_err().to_string().contains("wrong result"));
    }

    #[test]
    fn refused_memory_is_an_error() {
        assert!(matches!(numbers(usize::MAX / 16, || 0.0), Err(Error::Device { .. })));
    }
}
