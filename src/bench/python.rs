//! JAX and PyTorch as backends: a program of ours in Python, embedded, that times the framework's own
//! operations, since those are what training runs. It speaks JSON lines over its pipes; no shell is involved.

use super::{Backend, Checked, Clock, Environment, Fused, Item, Measured, Protocol, Rates, Sample, cpu};
use crate::catalog::DType;
use crate::error::{Diagnostic, Error, Result};
use serde::Deserialize;
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

const RUNNER: &str = include_str!("runner.py");
/// How often somebody who wants to stop is heard.
const POLL: Duration = Duration::from_millis(100);
/// Starting a framework and its devices.
const START_S: f64 = 180.0;
/// Compiling and checking one item, on top of timing it.
const PREPARE_S: f64 = 300.0;
/// For JAX on a host, whose step works in one arena: the C library keeps what is freed instead of asking the
/// system for new pages at every call. 32 MiB of results cost more in page faults than in arithmetic otherwise.
/// PyTorch asks anew in training as well, so it is left alone.
const KEPT_MEMORY: [(&str, &str); 2] = [("MALLOC_MMAP_THRESHOLD_", "8589934592"), ("MALLOC_TRIM_THRESHOLD_", "8589934592")];

/// A framework.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framework {
    /// On CPU, CUDA, ROCm or TPU, whatever is installed.
    Jax,
    /// On CUDA, ROCm, XPU, MPS or CPU.
    Torch,
}

impl Framework {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Framework::Jax => "jax",
            Framework::Torch => "torch",
        }
    }

    /// Variables that its process needs.
    fn environment(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Framework::Jax => &KEPT_MEMORY,
            Framework::Torch => &[],
        }
    }
}

#[derive(Deserialize)]
struct Hello {
    device: String,
    software: Vec<String>,
    n_devices: usize,
    is_host: bool,
    memory_bytes: Option<f64>,
    call_s: Option<f64>,
    dtypes: Vec<String>,
    ops: Vec<String>,
    ranks: u64,
}

#[derive(Deserialize)]
struct Answer {
    hello: Option<Hello>,
    error: Option<String>,
    #[serde(default)]
    durations_s: Vec<f64>,
    #[serde(default)]
    kernel: String,
    max_error_fraction: Option<f64>,
    #[serde(default)]
    n_checked: usize,
}

/// A running framework.
pub struct Python {
    framework: Framework,
    child: Child,
    input: ChildStdin,
    output: Receiver<String>,
    hello: Hello,
    seed: u64,
}

impl Python {
    /// Start `python` with a framework on so many devices.
    ///
    /// # Errors
    /// When there is no such program, or it has not the framework, or that has not the devices.
    pub fn start(framework: Framework, python: &str, n_devices: usize, seed: u64, cancel: &AtomicBool) -> Result<Python> {
        let mut child = Command::new(python)
            .args(["-c", RUNNER, framework.name(), &n_devices.to_string()])
            .envs(framework.environment().iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| {
                let text = format!("cannot run `{python}`: {e}");
                Diagnostic::new(text).help("name a Python with --python; `bench run --backend cpu` needs none")
            })?;
        let (Some(input), Some(out)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(broken(framework, "no pipes"));
        };
        let (send, output) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines() {
                let Ok(line) = line else { break };
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let hello = Hello {
            device: String::new(),
            software: Vec::new(),
            n_devices,
            is_host: false,
            memory_bytes: None,
            call_s: None,
            dtypes: Vec::new(),
            ops: Vec::new(),
            ranks: 0,
        };
        let mut python = Python {
            framework,
            child,
            input,
            output,
            hello,
            seed,
        };
        let answer = python.answer(START_S, cancel)?;
        python.hello = answer.hello.ok_or_else(|| broken(framework, "no greeting"))?;
        Ok(python)
    }

    fn answer(&mut self, patience_s: f64, cancel: &AtomicBool) -> Result<Answer> {
        let mut waited_s = 0.0;
        let line = loop {
            match self.output.recv_timeout(POLL) {
                Ok(line) => break line,
                Err(_) if cancel.load(Ordering::Relaxed) => return Err(Error::Interrupted),
                Err(RecvTimeoutError::Disconnected) => return Err(broken(self.framework, "it ended")),
                Err(RecvTimeoutError::Timeout) => waited_s += POLL.as_secs_f64(),
            }
            if waited_s > patience_s {
                return Err(broken(self.framework, &format!("no answer for {patience_s:.0} s")));
            }
        };
        let answer: Answer = serde_json::from_str(&line).map_err(|e| broken(self.framework, &e.to_string()))?;
        match answer.error {
            Some(what) => Err(Error::Device {
                what: format!("{}: {what}", self.framework.name()),
            }),
            None => Ok(answer),
        }
    }

    /// Members of collectives.
    #[must_use]
    pub fn ranks(&self) -> u64 {
        self.hello.ranks
    }

    /// Formats that it multiplies.
    #[must_use]
    pub fn dtypes(&self) -> Vec<DType> {
        self.hello.dtypes.iter().filter_map(|d| DType::from_name(d)).collect()
    }

    /// It runs on the processors of the host.
    #[must_use]
    pub fn is_host(&self) -> bool {
        self.hello.is_host
    }
}

fn broken(framework: Framework, why: &str) -> Error {
    let text = format!("the {} runner does not answer: {why}", framework.name());
    Diagnostic::new(text)
        .help(format!("see that `import {}` works in that Python", framework.name()))
        .into()
}

impl Drop for Python {
    fn drop(&mut self) {
        // It may be compiling and hear nothing; whether it has ended already does not matter.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Backend for Python {
    fn name(&self) -> &'static str {
        self.framework.name()
    }

    fn environment(&mut self, _: &dyn Clock) -> Result<Environment> {
        let hello = &self.hello;
        let n_devices = hello.n_devices.max(1);
        let mut environment = Environment {
            device: hello.device.clone(),
            software: hello.software.clone(),
            clocks: "not readable".to_string(),
            n_units: 1,
            n_devices,
            memory_bytes: hello.memory_bytes,
            peak: Rates::default(),
            is_host: hello.is_host,
            call_s: hello.call_s,
        };
        if hello.is_host {
            // Devices of a host share its cores.
            let machine = cpu::Machine::here();
            environment.device = format!("{}; {}", machine.describe(), hello.device);
            environment.n_units = machine.n_cores.div_ceil(n_devices);
            let peak = machine.nominal_flop_per_s(4.0, machine.n_cores);
            environment.peak = Rates(peak.map(|p| (DType::F32, p / n_devices as f64)).into_iter().collect());
        }
        Ok(environment)
    }

    fn supports(&self, item: &Item) -> bool {
        let dtype = match item {
            Item::Gemm { dtype, .. } | Item::Attention { dtype, .. } | Item::Fused { dtype, .. } => Some(dtype.name()),
            _ => None,
        };
        let ranks = match item {
            Item::Collective { ranks, .. } => *ranks == self.hello.ranks,
            _ => true,
        };
        let has = |list: &[String], name: &str| list.iter().any(|n| n == name);
        // Frameworks fuse it into what comes before.
        let known = !matches!(
            item,
            Item::Fused {
                fused: Fused::Quantize,
                ..
            }
        );
        known && ranks && has(&self.hello.ops, item.suite()) && dtype.is_none_or(|d| has(&self.hello.dtypes, d))
    }

    fn measure(&mut self, item: &Item, protocol: &Protocol, _: &dyn Clock, cancel: &AtomicBool) -> Result<Measured> {
        let request = json!({
            "item": item,
            "seed": self.seed,
            "protocol": {
                "n_warm_up": protocol.n_warm_up,
                "min_repeats": protocol.min_repeats,
                "max_repeats": protocol.max_repeats,
                "target_fraction": protocol.target_fraction,
                "budget_s": protocol.budget_s,
            },
        });
        let framework = self.framework;
        writeln!(self.input, "{request}").map_err(|e| broken(framework, &e.to_string()))?;
        let answer = self.answer(PREPARE_S + 4.0 * protocol.budget_s, cancel)?;
        let sample = Sample::new(&answer.durations_s).ok_or_else(|| broken(framework, "no times"))?;
        Ok(Measured {
            item: *item,
            n_threads: 0,
            kernel: format!("{}: {}", self.hello.software.join(", "), answer.kernel),
            sample,
            check: Checked {
                max_error_fraction: answer.max_error_fraction.unwrap_or(f64::NAN),
                n_checked: answer.n_checked,
            },
            energy_j: None,
        })
    }
}
