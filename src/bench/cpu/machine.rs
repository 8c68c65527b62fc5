//! What the host is: processors, vectors, memory, as far as Linux and the processor tell.

use crate::catalog::source;
use std::collections::BTreeSet;
use std::path::Path;

/// The host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Machine {
    /// Name of the processor.
    pub processor: Option<String>,
    /// Cores that this process may use, two threads of one counted once.
    pub n_cores: usize,
    /// Threads that it may use.
    pub n_threads: usize,
    /// Memory domains with processors.
    pub n_numa_nodes: usize,
    /// Widest vector instructions.
    pub vectors: &'static str,
    /// Bits of a vector.
    pub vector_bits: u32,
    /// Clock when it was asked.
    pub clock_hz: Option<f64>,
    /// Highest clock that the processor states.
    pub max_clock_hz: Option<f64>,
    /// Last-level cache, of one of them.
    pub cache_bytes: Option<f64>,
    /// Main memory.
    pub memory_bytes: Option<f64>,
    /// Times that a core was slowed down for heat since boot.
    pub n_throttled: Option<u64>,
}

/// Multiply-add units of a core: two in every x86 server core with AVX2 or AVX-512 and in Arm's Neoverse
/// V1, V2; some desktop parts have one for 512 bits, which makes the nominal peak twice too high there.
const N_FMA_UNITS: f64 = 2.0;

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Machine {
        let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
        let info = text("/proc/cpuinfo").unwrap_or_default();
        let (vectors, vector_bits) = vectors();
        Machine {
            processor: value(&info, "model name").or_else(|| value(&info, "CPU part")),
            n_cores: cores(&info).map_or(n_threads, |n| n.min(n_threads)).max(1),
            n_threads,
            n_numa_nodes: numa_nodes(),
            vectors,
            vector_bits,
            clock_hz: value(&info, "cpu MHz").and_then(|m| m.parse::<f64>().ok()).map(|mhz| mhz * 1e6),
            max_clock_hz: number("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq").map(|khz| khz * 1e3),
            cache_bytes: text("/sys/devices/system/cpu/cpu0/cache/index3/size").as_deref().and_then(size),
            memory_bytes: text("/proc/meminfo")
                .and_then(|t| value(&t, "MemTotal"))
                .and_then(|v| v.split(' ').next()?.parse::<f64>().ok())
                .map(|kib| kib * 1024.0),
            n_throttled: number("/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count").map(|n| {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let n = n as u64;
                n
            }),
        }
    }

    /// FLOP per second that `n_threads` threads have by their vectors and clock: two multiply-add units of two
    /// operations per lane. Without a stated highest clock the one read now.
    #[must_use]
    pub fn nominal_flop_per_s(&self, element_bytes: f64, n_threads: usize) -> Option<f64> {
        let clock_hz = self.max_clock_hz.or(self.clock_hz)?;
        let lanes = f64::from(self.vector_bits) / 8.0 / element_bytes;
        Some(n_threads.min(self.n_cores) as f64 * clock_hz * lanes * 2.0 * N_FMA_UNITS)
    }

    /// One line for people and files.
    #[must_use]
    pub fn describe(&self) -> String {
        let processor = self.processor.as_deref().unwrap_or("an unnamed processor");
        format!(
            "{processor}, {} cores, {} threads, {} NUMA node(s), {}",
            self.n_cores, self.n_threads, self.n_numa_nodes, self.vectors
        )
    }
}

fn text(path: &str) -> Option<String> {
    source::read(Path::new(path)).ok().map(|o| o.text.clone())
}

fn number(path: &str) -> Option<f64> {
    text(path)?.trim().parse().ok()
}

fn value(text: &str, key: &str) -> Option<String> {
    let pairs = text.lines().filter_map(|l| l.split_once(':'));
    pairs
        .map(|(k, v)| (k.trim(), v.trim()))
        .find(|(k, _)| *k == key)
        .map(|(_, v)| v.to_string())
}

/// Different pairs of socket and core.
fn cores(info: &str) -> Option<usize> {
    let list = |key: &str| -> Vec<String> {
        let pairs = info.lines().filter_map(|l| l.split_once(':'));
        pairs.filter(|(k, _)| k.trim() == key).map(|(_, v)| v.trim().to_string()).collect()
    };
    let pairs: BTreeSet<(String, String)> = list("physical id").into_iter().zip(list("core id")).collect();
    (!pairs.is_empty()).then_some(pairs.len())
}

fn numa_nodes() -> usize {
    let node = |i: usize| text(&format!("/sys/devices/system/node/node{i}/cpulist")).is_some_and(|t| !t.trim().is_empty());
    (0..64).filter(|i| node(*i)).count().max(1)
}

/// `36864K`.
fn size(text: &str) -> Option<f64> {
    let text = text.trim();
    let unit = match text.chars().last()? {
        'K' => 1024.0,
        'M' => 1024.0 * 1024.0,
        _ => return text.parse().ok(),
    };
    Some(text[..text.len() - 1].parse::<f64>().ok()? * unit)
}

#[cfg(target_arch = "x86_64")]
fn vectors() -> (&'static str, u32) {
    if std::is_x86_feature_detected!("avx512f") {
        ("AVX-512", 512)
    } else if std::is_x86_feature_detected!("fma") {
        ("AVX2 with FMA", 256)
    } else {
        ("SSE2", 128)
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn vectors() -> (&'static str, u32) {
    (if cfg!(target_arch = "aarch64") { "NEON" } else { "baseline" }, 128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_one_core_count_once() {
        let one = |socket: u32, core: u32| format!("processor : 0\nphysical id : {socket}\ncore id\t: {core}\n\n");
        let info = [one(0, 0), one(0, 0), one(0, 1), one(1, 0)].concat();
        assert_eq!(cores(&info), Some(3));
        assert_eq!(cores("processor: 0\n"), None);
        assert_eq!(value(&info, "core id").as_deref(), Some("0"));
        assert_eq!(
            (size("36864K\n"), size("2M"), size("7")),
            (Some(37_748_736.0), Some(2_097_152.0), Some(7.0))
        );
    }

    #[test]
    fn a_nominal_peak_counts_cores_lanes_and_units() {
        let machine = Machine {
            n_cores: 4,
            n_threads: 8,
            vector_bits: 512,
            clock_hz: Some(1e9),
            max_clock_hz: Some(2e9),
            ..Machine::default()
        };
        // 4 cores, 2 GHz, 16 lanes, 2 units of 2 operations.
        assert_eq!(machine.nominal_flop_per_s(4.0, 8), Some(4.0 * 2e9 * 16.0 * 4.0));
        assert_eq!(machine.nominal_flop_per_s(8.0, 1), Some(2e9 * 8.0 * 4.0));
        let here = Machine::here();
        assert!(here.n_cores >= 1 && here.n_cores <= here.n_threads && here.vector_bits >= 128);
    }
}
