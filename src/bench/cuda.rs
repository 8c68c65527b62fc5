//! NVIDIA devices without a framework: cuBLASLt for products, NCCL for collectives, and kernels of ours for the
//! rest, compiled by NVRTC when they are needed. The libraries are found when the program runs; nothing of them is
//! needed to build it.
//!
//! Attention is a floor: see [`attention`]. **Nothing here has run on a device yet**; `tests/cuda_host` runs the
//! arithmetic of our kernels on a processor, and `tests/real-parts/cuda.sh` compiles them.

mod attention;
mod collective;
mod device;
mod fused;
mod fused_check;
mod gemm;
mod input;
mod job;
pub mod library;
mod memory;
mod nccl;
mod power;
mod reference;
pub mod source;

use super::clock::measure_cold;
use super::ranks::{Place, Settings};
use super::{Backend, Clock, Environment, Fused, Item, Measured, Pass, Protocol, Rates, Sample, Way};
use crate::catalog::DType;
use crate::error::{Error, Result};
use collective::Team;
use device::Device;
use job::Job;
use library::Library;
use power::Power;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What `doctor` and README say of it.
pub const NEVER_RUN: &str = "No part of the CUDA backend has ever run on a device: not its launches, cuBLASLt products, NCCL \
    collectives, timing or energy. Its kernels compile for sm_80, sm_90 and sm_100, and ran on a processor only, called by \
    the program through stand-ins of the libraries.";

/// Runs between two events take this long together, so that the launch of one hides behind another.
const SPAN_S: f64 = 200e-6;
/// Runs between two events at most.
const MOST_RUNS: f64 = 1000.0;
/// Energy is a counter that moves every tenth of a second: it is read over this long.
const ENERGY_S: f64 = 1.0;

/// An NVIDIA device.
pub struct Cuda {
    // Goes first: it needs the device.
    team: Option<Team>,
    device: Device,
    power: std::result::Result<Power, String>,
    has_products: bool,
    seed: u64,
}

/// A library that is looked for: its name, and its version or why it cannot be used.
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// What was found.
    pub found: std::result::Result<String, String>,
}

/// All libraries that this backend uses.
#[must_use]
pub fn parts() -> Vec<Part> {
    let mut out: Vec<Part> = Library::ALL
        .into_iter()
        .map(|l| Part {
            name: l.name(),
            found: l.version().map_err(|e| e.to_string()),
        })
        .collect();
    let nvml = nvml_wrapper::Nvml::init().and_then(|n| n.sys_nvml_version());
    out.push(Part {
        name: "NVML",
        found: nvml.map_err(|e| format!("no NVML (libnvidia-ml.so.1), which tells power and clocks: {e}")),
    });
    out
}

impl Cuda {
    /// The device with this number.
    ///
    /// # Errors
    /// [`Error::Device`] with what is missing.
    pub fn open(ordinal: usize, seed: u64) -> Result<Cuda> {
        // Inputs are made by kernels: without a compiler there is nothing.
        Library::Driver.need()?;
        Library::Nvrtc.need()?;
        let device = Device::open(ordinal)?;
        let power = Power::open(&device.bus);
        Ok(Cuda {
            team: None,
            power,
            has_products: Library::CublasLt.need().is_ok(),
            device,
            seed,
        })
    }

    /// Meet the other ranks: collectives become possible.
    ///
    /// # Errors
    /// As [`super::ranks::meet`], and those of NCCL.
    pub fn join(&mut self, place: &Place, settings: &Settings, cancel: &AtomicBool) -> Result<()> {
        self.team = Some(Team::join(&self.device, place, settings, self.seed, cancel)?);
        Ok(())
    }

    /// Do what rank 0 says until it is done.
    ///
    /// # Errors
    /// When rank 0 is gone.
    pub fn follow(&self) -> Result<()> {
        self.team.as_ref().map_or(Ok(()), |t| t.follow(&self.device))
    }

    /// Members of collectives.
    #[must_use]
    pub fn ranks(&self) -> u64 {
        self.team.as_ref().map_or(1, |t| t.world() as u64)
    }

    /// Formats that the device multiplies, the one of most training first.
    #[must_use]
    pub fn dtypes(&self) -> Vec<DType> {
        let all = [DType::Bf16, DType::Fp16, DType::Fp8, DType::Tf32, DType::F32, DType::F64];
        let fits = |d: &DType| gemm::supports(self.device.capability, *d, [16; 3]);
        all.into_iter().filter(fits).collect()
    }

    /// Number of devices here.
    ///
    /// # Errors
    /// As [`Cuda::open`].
    pub fn count() -> Result<usize> {
        device::count()
    }

    fn prepare(&self, item: &Item) -> Result<Job<'_>> {
        let (device, seed) = (&self.device, self.seed);
        match *item {
            Item::Stream { stream, bytes } => memory::stream(device, stream, bytes, seed),
            Item::Gemm { dtype, m, n, k, operands } => gemm::prepare(device, dtype, operands, [m, n, k], seed),
            Item::Attention { .. } => match attention_shape(item) {
                Some(shape) => attention::prepare(device, shape, seed),
                None => Err(none(item)),
            },
            Item::Fused { .. } => match fused_shape(item) {
                Some(shape) => fused::prepare(device, shape, seed),
                None => Err(none(item)),
            },
            Item::Transfer { way, bytes } => memory::transfer(device, way, bytes),
            Item::Launch { by_graph } => memory::launch(device, by_graph),
            Item::Collective { .. } => match &self.team {
                Some(team) => team.prepare(device, *item),
                None => Err(none(item)),
            },
        }
    }

    /// Joules of one run, where a counter can be read and time is left for it.
    fn energy_j(&self, job: &mut Job, (runs, once_s): (usize, f64), (clock, cancel): (&dyn Clock, &AtomicBool)) -> Result<Option<f64>> {
        let Some(before) = self.power.as_ref().ok().and_then(Power::energy_j) else {
            return Ok(None);
        };
        let (mut n, mut busy_s) = (0, 0.0);
        let begin_s = clock.now_s();
        while busy_s < ENERGY_S {
            if cancel.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            let some = runs.max((0.1 * ENERGY_S / once_s.max(1e-7)) as usize);
            busy_s += (job.time_s)(some)?;
            n += some;
            // A device that waits most of the time draws for waiting.
            if clock.now_s() - begin_s > 1.25 * ENERGY_S + 1.25 * busy_s {
                return Ok(None);
            }
        }
        let after = self.power.as_ref().ok().and_then(Power::energy_j);
        Ok(after.map(|a| (a - before) / (n * job.parts) as f64).filter(|e| *e > 0.0))
    }
}

fn none(item: &Item) -> Error {
    Error::Device {
        what: format!("the cuda backend has no {item}"),
    }
}

fn attention_shape(item: &Item) -> Option<attention::Shape> {
    match *item {
        Item::Attention {
            dtype,
            pass,
            causal,
            batch,
            seq_tokens,
            heads,
            kv_heads,
            head_dim,
        } => Some(attention::Shape {
            dtype,
            pass,
            causal,
            batch,
            seq: seq_tokens,
            heads,
            kv_heads,
            dim: head_dim,
        }),
        _ => None,
    }
}

fn fused_shape(item: &Item) -> Option<fused::Shape> {
    match *item {
        Item::Fused {
            fused,
            pass,
            dtype,
            rows,
            columns,
        } => Some(fused::Shape {
            fused,
            pass,
            dtype,
            rows,
            columns,
        }),
        _ => None,
    }
}

/// What is measured beside the grid of all backends: copies, launches, and element-wise work of a usual layer.
#[must_use]
pub fn extra() -> Vec<Item> {
    let mut out = vec![Item::Launch { by_graph: false }, Item::Launch { by_graph: true }];
    for way in [Way::HostToDevice, Way::DeviceToHost] {
        out.extend([12, 16, 20, 24, 28, 30].map(|log| Item::Transfer { way, bytes: 1 << log }));
    }
    let kinds = [
        (Fused::Norm, 8192),
        (Fused::Residual, 8192),
        (Fused::Activation, 28_672),
        (Fused::Gated, 28_672),
        (Fused::Rotary, 10_240),
        (Fused::Embedding, 8192),
        (Fused::Loss, 32_000),
        (Fused::Transpose, 8192),
        (Fused::Quantize, 8192),
    ];
    for (fused, columns) in kinds {
        for pass in [Pass::Forward, Pass::Backward] {
            out.push(Item::Fused {
                fused,
                pass,
                dtype: DType::Bf16,
                rows: 8192,
                columns,
            });
        }
    }
    out.push(Item::Fused {
        fused: Fused::Adam,
        pass: Pass::Forward,
        dtype: DType::F32,
        rows: 16_384,
        columns: 8192,
    });
    out
}

/// Seconds that the device worked.
#[derive(Default)]
struct Worked(AtomicU64);

impl Worked {
    fn pass(&self, seconds: f64) {
        self.0.store((self.now_s() + seconds).to_bits(), Ordering::Relaxed);
    }
}

impl Clock for Worked {
    fn now_s(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// A sample of so many runs at once as a sample of one.
fn of_one(sample: Sample, runs: usize) -> Sample {
    let n = runs as f64;
    Sample {
        median_s: sample.median_s / n,
        low_s: sample.low_s / n,
        high_s: sample.high_s / n,
        ..sample
    }
}

impl Backend for Cuda {
    fn name(&self) -> &'static str {
        "cuda"
    }

    fn environment(&mut self, _: &dyn Clock) -> Result<Environment> {
        let device = &self.device;
        let mut software: Vec<String> = Vec::new();
        if let Some(driver) = self.power.as_ref().ok().and_then(Power::driver) {
            software.push(format!("driver {driver}"));
        }
        for library in Library::ALL {
            software.extend(library.version().ok().map(|v| format!("{} {v}", library.name())));
        }
        let clocks = match &self.power {
            Ok(power) => power.clocks(),
            Err(why) => format!("not readable: {why}"),
        };
        let n_devices = usize::try_from(self.ranks()).unwrap_or(1);
        Ok(Environment {
            device: format!(
                "{} ({}, {})",
                device.name,
                device.arch(),
                crate::units::gib(device.memory_bytes as f64)
            ),
            software,
            clocks,
            n_units: device.n_units,
            n_devices,
            memory_bytes: Some(device.memory_bytes as f64),
            // The driver does not tell them: the catalog or what is measured does.
            peak: Rates::default(),
            is_host: false,
            call_s: None,
        })
    }

    fn supports(&self, item: &Item) -> bool {
        match item {
            Item::Stream { .. } | Item::Transfer { .. } | Item::Launch { .. } => true,
            Item::Gemm { dtype, m, n, k, .. } => self.has_products && gemm::supports(self.device.capability, *dtype, [*m, *n, *k]),
            Item::Attention { .. } => attention_shape(item).is_some_and(|s| s.supported()),
            Item::Fused { .. } => fused_shape(item).is_some_and(|s| s.supported()),
            Item::Collective { ranks, .. } => self.team.is_some() && *ranks == self.ranks() && *ranks > 1,
        }
    }

    fn measure(&mut self, item: &Item, protocol: &Protocol, clock: &dyn Clock, cancel: &AtomicBool) -> Result<Measured> {
        let mut job = self.prepare(item)?;
        let check = job.check.verdict(item)?;
        let spoiler = match protocol.cold_bytes {
            0 => None,
            bytes => Some(self.device.memory(bytes)?),
        };
        (job.time_s)(1)?;
        let once_s = (job.time_s)(1)?;
        let runs = match &spoiler {
            None => (SPAN_S / once_s.max(1e-9)).ceil().clamp(1.0, MOST_RUNS) as usize,
            Some(_) => 1,
        };
        let worked = Worked::default();
        let mut before = || spoiler.as_ref().map_or(Ok(()), |s| self.device.zero(s));
        let mut work = || {
            worked.pass((job.time_s)(runs)?);
            Ok(())
        };
        let sample = measure_cold(&worked, protocol, cancel, &mut before, &mut work)?;
        let sample = of_one(sample, runs * job.parts);
        let held_down = self.power.as_ref().ok().and_then(Power::held_down);
        let spare_s = protocol.budget_s - worked.now_s();
        let energy_j = if spare_s > ENERGY_S && spoiler.is_none() {
            self.energy_j(&mut job, (runs, once_s), (clock, cancel))?
        } else {
            None
        };
        let clocks = held_down.map_or(String::new(), |why| format!(", clocks held down by {why}"));
        Ok(Measured {
            item: *item,
            n_threads: 0,
            kernel: format!("{}{clocks}", job.kernel),
            sample,
            check,
            energy_j,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_device_it_says_what_is_missing() {
        match Cuda::open(0, 1) {
            Ok(cuda) => assert!(cuda.device.memory_bytes > 0),
            Err(Error::Device { what }) => assert!(
                what.contains("driver") || what.contains("NVRTC") || what.contains("device"),
                "{what}"
            ),
            Err(other) => panic!("{other}"),
        }
        assert_eq!(parts().len(), 5);
    }

    #[test]
    fn runs_between_two_events_become_one() {
        let sample = of_one(Sample::new(&[0.2; 7]).unwrap(), 100);
        assert!((sample.median_s - 0.002).abs() < 1e-12 && sample.n == 7);
        let worked = Worked::default();
        worked.pass(0.25);
        worked.pass(0.5);
        assert_eq!(worked.now_s(), 0.75);
    }

    #[test]
    fn what_is_measured_beside_the_grid_has_a_kernel() {
        let has = |i: &Item| match i {
            Item::Fused { .. } => fused_shape(i).is_some_and(|s| s.supported()),
            _ => true,
        };
        let list = extra();
        // Transposes and conversions have no way back.
        assert_eq!(list.iter().filter(|i| !has(i)).count(), 2);
        for suite in ["launch", "transfer", "fused"] {
            assert!(list.iter().any(|i| i.suite() == suite));
        }
    }
}
