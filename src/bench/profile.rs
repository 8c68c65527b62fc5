//! What was measured as entries of the catalog: a TOML file and CSV tables beside it.

mod host;
mod tables;

use super::{Environment, Item, Measured, Pass, Work};
use crate::catalog::{Collective, DType, sha256};
use crate::error::{Diagnostic, Result};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A profile as text, ready to be written: the tables first, so that a profile that stands has its points.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The catalog file.
    pub toml: String,
    /// Names of its tables, in the same folder, with their text. A name holds the beginning of the digest of
    /// what is in it, so that no table of an earlier state is overwritten before the profile names the new one.
    pub tables: Vec<(String, String)>,
}

/// What a profile is made of.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Id of the profile.
    pub name: &'a str,
    /// Who measured.
    pub backend: &'a str,
    /// Where.
    pub environment: &'a Environment,
    /// What.
    pub list: &'a [Measured],
    /// How often a step of the scenarios runs an item: weights of the element-wise work.
    pub weights: &'a [(Item, f64)],
    /// Everything that was asked for was measured.
    pub complete: bool,
    /// Where the times come from.
    pub source: &'a str,
    /// Memory bandwidth, where no stream says it.
    pub bandwidth_bytes_per_s: Option<f64>,
    /// Links that the collectives ran over.
    pub scale_up: Option<&'a str>,
}

/// What a measurement on this machine names as its source.
pub const HERE: &str = "measured here";

/// Share of memory bandwidth of element-wise kernels where none was measured (estimate): as in
/// `kernel::gemm::SHEET_MEMORY_EFFICIENCY`.
const STREAM_EFFICIENCY: f64 = 0.75;

impl Record<'_> {
    fn bandwidth(&self) -> f64 {
        let streams = self.list.iter().filter(|m| matches!(m.item, Item::Stream { .. }));
        streams
            .map(Measured::rate_per_s)
            .fold(self.bandwidth_bytes_per_s.unwrap_or(0.0), f64::max)
    }

    /// Nominal peaks, none below a rate that was measured: a checked result that is faster than the nominal
    /// peak says that the nominal clock or unit count was taken too low.
    fn peaks(&self) -> BTreeMap<DType, f64> {
        let mut peaks = self.environment.peak.0.clone();
        for m in self.list {
            let (Item::Gemm { dtype, .. } | Item::Attention { dtype, .. }, Work::Flop(flop)) = (m.item, m.item.work()) else {
                continue;
            };
            // A little room: the profile is written with four digits.
            let rate = flop / m.sample.median_s * 1.001;
            let peak = peaks.entry(dtype).or_insert(rate);
            *peak = peak.max(rate);
        }
        peaks
    }

    fn raised(&self) -> Vec<DType> {
        let nominal = &self.environment.peak.0;
        let peaks = self.peaks();
        peaks
            .iter()
            .filter(|(d, p)| nominal.get(d).is_some_and(|n| *p > n))
            .map(|(d, _)| *d)
            .collect()
    }

    /// Largest bus bandwidth of a collective: no link is slower.
    fn bus(&self) -> f64 {
        let bus = |m: &Measured| match m.item {
            Item::Collective { collective, ranks, bytes } => {
                let passes = if collective == Collective::AllReduce { 2.0 } else { 1.0 };
                let n = ranks as f64;
                bytes as f64 * passes * (n - 1.0) / n / m.sample.median_s
            }
            _ => 0.0,
        };
        self.list.iter().map(bus).fold(0.0, f64::max)
    }

    /// Share of the memory bandwidth that element-wise work reaches as the planner counts its bytes, weighted
    /// as a step runs it; `None` where none was measured.
    fn stream_efficiency(&self, pass: Pass, passes: f64, bandwidth: f64) -> Option<f64> {
        let (mut bytes, mut time_s) = (0.0, 0.0);
        for m in self.list {
            let Item::Fused { fused, pass: way, .. } = m.item else { continue };
            let weight = if self.weights.is_empty() {
                1.0
            } else {
                self.weights.iter().find(|(i, _)| *i == m.item).map_or(0.0, |(_, w)| *w)
            };
            // The optimizer is priced in the bytes that it moves, the others in 16 bits.
            let factor = if fused == super::Fused::Adam { 1.0 } else { passes };
            if way == pass && weight > 0.0 {
                bytes += weight * factor * m.item.work().amount();
                time_s += weight * m.sample.median_s;
            }
        }
        (time_s > 0.0).then(|| bytes / time_s / bandwidth)
    }
}

/// The profile of these measurements: tables of points, and the best rate of the streams as the bandwidth
/// that they are relative to. The host itself comes with entries of its own: device, links, node and software.
///
/// # Errors
/// When there is no stream or nothing else among them.
pub fn profile(record: &Record) -> Result<Written> {
    // What is faster in training is no entry: a plan would take the floor for it.
    let is_floor = |m: &&Measured| m.kernel.starts_with(super::FLOOR);
    let kept: Vec<Measured> = record.list.iter().filter(|m| !is_floor(m)).cloned().collect();
    let n_floors = record.list.len() - kept.len();
    let record = &Record { list: &kept, ..*record };
    let bandwidth = record.bandwidth();
    let tables = tables::all(record.list);
    if bandwidth <= 0.0 || tables.is_empty() {
        let help = "measure both: leave --suite out, or give --suite stream --suite gemm";
        return Err(Diagnostic::new("a profile needs a memory bandwidth and kernels").help(help).into());
    }
    let environment = record.environment;
    let mut toml = String::new();
    let state = if record.complete {
        ""
    } else {
        " Not everything was measured that was asked for."
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        toml,
        "# Kernel times of the machine that wrote this. `exaplan plan --profile` reads it.{state}\nformat = 1\n"
    );
    if n_floors > 0 {
        let _ = writeln!(
            toml,
            "# {n_floors} times of attention by a kernel of exaplan are in the journal only: training runs faster ones, which\n\
             # --backend torch or jax measures.\n"
        );
    }
    head(&mut toml, record, bandwidth);
    let mut files = Vec::new();
    for table in tables {
        let digest = sha256(&table.text);
        let file = format!("{}-{}-{}.csv", record.name, table.op, &digest[..8]);
        let _ = writeln!(toml, "\n[[profile.{}.table]]", record.name);
        let lines = [
            ("op", table.op.to_string()),
            ("file", file.clone()),
            ("sha256", digest),
            ("software", table.kernels.join("; ")),
            ("timing", timing(record)),
            ("clocks", environment.clocks.clone()),
            ("environment", environment.device.clone()),
            ("source", record.source.to_string()),
        ];
        for (key, value) in lines {
            let _ = writeln!(toml, "{key} = {}", quoted(&value));
        }
        files.push((file, table.text));
    }
    if environment.is_host {
        toml.push_str(&host::entries(record, bandwidth));
    }
    Ok(Written { toml, tables: files })
}

fn timing(record: &Record) -> String {
    if record.source != HERE {
        return "as the tool has it; no spread is stated".to_string();
    }
    let call = record.environment.call_s.map_or(String::new(), |s| {
        format!("; the time of an empty call, {:.1} us, is taken off", s * 1e6)
    });
    format!("median of repeats after warm-up; spread_fraction is how far its 95 % interval reaches{call}")
}

fn head(toml: &mut String, record: &Record, bandwidth: f64) {
    let (name, environment) = (record.name, record.environment);
    let by = format!(
        "exaplan {} bench, {}: {}",
        env!("CARGO_PKG_VERSION"),
        record.backend,
        environment.software.join("; ")
    );
    let _ = writeln!(
        toml,
        "[profile.{name}]\ntitle = {}\nmeasured_by = {}",
        quoted(&environment.device),
        quoted(&by)
    );
    let links = record.scale_up.or(environment.is_host.then_some(host::FABRIC));
    if let Some(links) = links {
        let _ = writeln!(toml, "scale_up = {}", quoted(links));
    }
    let _ = writeln!(
        toml,
        "n_compute_units = {}\nmemory_bytes_per_s = {bandwidth:.4e} # {of}\ntiles = []\nsource = {source}",
        environment.n_units.max(1),
        of = if record.bandwidth_bytes_per_s.is_some() {
            "of its data sheet"
        } else {
            "best of copy and triad"
        },
        source = quoted(record.source),
    );
    let peaks = record.peaks();
    let _ = writeln!(toml, "\n[profile.{name}.peak]");
    for (dtype, rate) in &peaks {
        let raised = if record.raised().contains(dtype) {
            " # nominal is lower: raised to the best rate measured"
        } else {
            ""
        };
        let _ = writeln!(toml, "{dtype}_flop_per_s = {:.4e}{raised}", rate * 1.0001);
    }
    for (dtype, peak) in &peaks {
        if let Some(wave) = tables::attention_wave(record.list, *dtype, *peak) {
            let _ = writeln!(toml, "\n# from the best rate measured; what lies near a point is corrected by it");
            let _ = writeln!(toml, "[profile.{name}.attention.{dtype}]\n{wave}");
        }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::{Checked, Operands, Rates, Sample, Stream};
    use super::*;

    pub(super) fn measured(item: Item, median_s: f64) -> Measured {
        Measured {
            item,
            n_threads: 2,
            kernel: "tests".into(),
            sample: Sample::new(&[median_s; 7]).unwrap(),
            check: Checked {
                max_error_fraction: 0.0,
                n_checked: 1,
            },
            energy_j: None,
        }
    }

    fn gemm(operands: Operands) -> Item {
        Item::Gemm {
            dtype: DType::F32,
            m: 64,
            n: 32,
            k: 16,
            operands,
        }
    }

    fn stream() -> Measured {
        let item = Item::Stream {
            stream: Stream::Copy,
            bytes: 1 << 30,
        };
        measured(item, 0.1)
    }

    fn record<'a>(list: &'a [Measured], environment: &'a Environment) -> Record<'a> {
        Record {
            name: "box",
            backend: "cpu",
            environment,
            list,
            weights: &[],
            complete: true,
            source: HERE,
            bandwidth_bytes_per_s: None,
            scale_up: None,
        }
    }

    #[test]
    fn points_of_one_shape_are_one_line() {
        let list = [stream(), measured(gemm(Operands::Nn), 1e-6), measured(gemm(Operands::Tn), 3e-6)];
        let environment = Environment {
            device: "a \"box\"".into(),
            n_units: 2,
            ..Environment::default()
        };
        let written = profile(&record(&list, &environment)).unwrap();
        let (file, text) = &written.tables[0];
        assert_eq!(
            text,
            "dtype,m,n,k,time_s,spread_fraction,n_repeats\nfp32,64,32,16,2.0000e-6,0.000,14\n"
        );
        assert!(file.starts_with("box-gemm-") && written.toml.contains(file));
        for line in ["memory_bytes_per_s = 2.1475e10", "n_compute_units = 2", &sha256(text)] {
            assert!(written.toml.contains(line), "{line}: {}", written.toml);
        }
        assert!(toml::from_str::<toml::Table>(&written.toml).is_ok(), "{}", written.toml);
        assert!(profile(&record(&list[1..], &environment)).is_err() && profile(&record(&list[..1], &environment)).is_err());
    }

    #[test]
    fn a_floor_is_no_entry_of_a_profile() {
        let mut floor = measured(
            Item::Attention {
                dtype: DType::Bf16,
                pass: Pass::Forward,
                causal: true,
                batch: 1,
                seq_tokens: 512,
                heads: 8,
                kv_heads: 8,
                head_dim: 64,
            },
            1e-6,
        );
        let environment = Environment::default();
        let all = |last: &Measured| profile(&record(&[stream(), measured(gemm(Operands::Nn), 1e-6), last.clone()], &environment));
        assert!(all(&floor).unwrap().toml.contains("attention-training"));
        floor.kernel = format!("{} ours", super::super::FLOOR);
        let without = all(&floor).unwrap();
        assert!(
            !without.toml.contains("attention-training") && !without.toml.contains("bf16"),
            "{}",
            without.toml
        );
        assert!(without.toml.contains("1 times of attention") && without.tables.len() == 1);
    }

    #[test]
    fn a_peak_is_never_below_what_was_measured() {
        let list = [stream(), measured(gemm(Operands::Nn), 1e-6)];
        let environment = Environment {
            peak: Rates([(DType::F32, 1e9)].into_iter().collect()),
            ..Environment::default()
        };
        let record = record(&list, &environment);
        assert!(record.peaks()[&DType::F32] > 2.0 * 64.0 * 32.0 * 16.0 / 1e-6);
        assert_eq!(record.raised(), [DType::F32]);
    }

    #[test]
    fn element_wise_work_is_weighted_as_a_step_runs_it() {
        let fused = |fused, rows| Item::Fused {
            fused,
            pass: Pass::Forward,
            dtype: DType::F32,
            rows,
            columns: 10,
        };
        let (norm, loss) = (fused(super::super::Fused::Norm, 100), fused(super::super::Fused::Loss, 100));
        let list = [measured(norm, 1.0), measured(loss, 9.0)];
        let environment = Environment::default();
        let mut record = record(&list, &environment);
        // 4 bytes of 16 bits for each of 1,000 elements, twice in fp32.
        assert_eq!(record.stream_efficiency(Pass::Forward, 2.0, 1e3), Some(16_000.0 / 10.0 / 1e3));
        let weights = [(norm, 9.0), (loss, 0.0)];
        record.weights = &weights;
        assert_eq!(record.stream_efficiency(Pass::Forward, 2.0, 1e3), Some(8_000.0 / 1e3));
        assert_eq!(record.stream_efficiency(Pass::Backward, 2.0, 1e3), None);
    }
}
