//! What was measured as a kernel profile of the catalog: a TOML file and a CSV table beside it.

use super::{Measurement, Work};
use crate::catalog::{DType, sha256, source};
use crate::error::{Diagnostic, Result};
use std::fmt::Write;
use std::path::Path;

/// A profile as text, ready to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The catalog file.
    pub toml: String,
    /// Name of its table, in the same folder.
    pub table_file: String,
    /// The table.
    pub table: String,
}

/// What is known of the machine beside its times. Nothing where it cannot be told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Environment {
    /// Name of the processor.
    pub processor: Option<String>,
    /// Its clock when it was asked, after the measurement.
    clock_hz: Option<f64>,
    /// Operating system and instruction set.
    pub system: String,
}

impl Environment {
    /// That of this machine, as far as Linux tells it; `system` as the caller knows it.
    #[must_use]
    pub fn here(system: String) -> Environment {
        let info = source::read(Path::new("/proc/cpuinfo")).ok();
        let value = |key: &str| {
            let lines = info.as_ref()?.text.lines();
            let line = lines.filter_map(|l| l.split_once(':')).find(|(k, _)| k.trim() == key);
            line.map(|(_, v)| v.trim().to_string())
        };
        Environment {
            processor: value("model name"),
            clock_hz: value("cpu MHz").and_then(|m| m.parse::<f64>().ok()).map(|mhz| mhz * 1e6),
            system,
        }
    }
}

/// The profile `name` of these measurements: products on all threads as points, and the best rate of
/// the streams as the bandwidth that they are relative to.
///
/// # Errors
/// When there is no product or no stream among them.
pub fn profile(name: &str, list: &[Measurement], environment: &Environment) -> Result<Written> {
    let bytes_per_s = list
        .iter()
        .filter(|m| matches!(m.work, Work::Bytes(_)))
        .map(Measurement::rate_per_s)
        .fold(0.0, f64::max);
    let products: Vec<(&Measurement, DType, [usize; 3])> = list
        .iter()
        .filter_map(|m| Some((m, DType::from_name(m.op.strip_prefix("gemm-")?)?, sides(&m.shape)?)))
        .collect();
    let n_threads = products.iter().map(|(m, ..)| m.n_threads).max().unwrap_or(0);
    if bytes_per_s <= 0.0 || n_threads == 0 {
        let help = "measure both: leave --suite out, or give --suite cpu-stream --suite cpu-gemm";
        return Err(Diagnostic::new("a profile needs a memory bandwidth and matrix multiplies")
            .help(help)
            .into());
    }
    let mut table = "dtype,m,n,k,time_s,spread_fraction,n_repeats\n".to_string();
    let mut kernels: Vec<&str> = Vec::new();
    for (measured, dtype, [m, n, k]) in products.iter().filter(|(m, ..)| m.n_threads == n_threads) {
        let s = &measured.sample;
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{dtype},{m},{n},{k},{:.3e},{:.3},{}", s.median_s, s.spread_fraction(), s.n);
        if !kernels.contains(&measured.kernel) {
            kernels.push(measured.kernel);
        }
    }
    let table_file = format!("{name}-gemm.csv");
    let clocks = environment.clock_hz.map_or("not readable".to_string(), |hz| {
        format!("{:.0} MHz after the measurement", hz / 1e6)
    });
    let processor = environment.processor.as_deref().unwrap_or("an unnamed processor");
    let quoted = |text: &str| format!("{text:?}");
    let program = format!("exaplan {} bench", env!("CARGO_PKG_VERSION"));
    let toml = format!(
        "# Kernel times of the machine that wrote this. `exaplan plan --profile` reads it.
format = 1

[profile.{name}]
title = {title}
measured_by = {by}
n_compute_units = {n_threads}
memory_bytes_per_s = {bytes_per_s:.4e} # best of copy and triad
tiles = []
source = \"measured here\"

[profile.{name}.peak]

[[profile.{name}.table]]
op = \"gemm\"
file = {file}
sha256 = \"{digest}\"
software = {software}
timing = \"median of repeats after warm-up; spread_fraction is how far its 95 % interval reaches\"
clocks = {clocks}
environment = {environment}
source = \"measured here\"
",
        title = quoted(processor),
        by = quoted(&program),
        file = quoted(&table_file),
        digest = sha256(&table),
        software = quoted(&kernels.join("; ")),
        clocks = quoted(&clocks),
        environment = quoted(&format!("{processor}, {n_threads} threads, {}", environment.system)),
    );
    Ok(Written { toml, table_file, table })
}

/// `m=768 n=768 k=768`.
fn sides(shape: &str) -> Option<[usize; 3]> {
    let mut parts = shape
        .split(' ')
        .zip(["m=", "n=", "k="])
        .map(|(part, key)| part.strip_prefix(key)?.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next()??])
}

#[cfg(test)]
mod tests {
    use super::super::Sample;
    use super::*;

    fn measured(op: &'static str, n_threads: usize, work: Work, median_s: f64) -> Measurement {
        Measurement {
            op,
            shape: "m=64 n=32 k=16".into(),
            n_threads,
            kernel: "tests",
            work,
            sample: Sample::new(&[median_s; 7]).unwrap(),
            max_error_fraction: 0.0,
            n_checked: 1,
        }
    }

    #[test]
    fn products_on_all_threads_are_points() {
        let list = [
            measured("copy", 1, Work::Bytes(1e9), 0.1),
            measured("gemm-fp32", 1, Work::Flop(65536.0), 2e-6),
            measured("gemm-fp32", 2, Work::Flop(65536.0), 1e-6),
        ];
        let environment = Environment {
            clock_hz: Some(3e9),
            ..Environment::default()
        };
        let written = profile("box", &list, &environment).unwrap();
        assert_eq!(
            written.table,
            "dtype,m,n,k,time_s,spread_fraction,n_repeats\nfp32,64,32,16,1.000e-6,0.000,7\n"
        );
        for line in ["memory_bytes_per_s = 1.0000e10", "n_compute_units = 2", "3000 MHz", "box-gemm.csv"] {
            assert!(written.toml.contains(line), "{line}: {}", written.toml);
        }
        assert!(written.toml.contains(&sha256(&written.table)));
        assert!(profile("box", &list[1..], &environment).is_err());
        assert!(profile("box", &list[..1], &environment).is_err());
    }
}
