//! Memory-bound kernels: element-wise operations, norms, quantization, optimizer updates.

use super::{Device, Evidence, Source, Timed};

/// `floor_s + bytes / (bandwidth × efficiency)`.
///
/// The bandwidth model of the roofline (Williams, Waterman and Patterson 2009). The caller passes
/// the efficiency of its software: norms of 30 million elements and more reach 0.75 of nominal
/// bandwidth forward and 0.63 backward in fused kernels, 0.57 and 0.28 in eager ones
/// (cudnn-frontend benchmark tables, MIT, on H200, GB200 and GB300); STREAM-like copies reach 0.79
/// to 0.95 (Azure AI benchmarking guide, MIT). Because those parts stand for others, a device with
/// a profile gives [`Evidence::Extrapolated`].
#[must_use]
pub fn stream(device: &Device, bytes: f64, efficiency: f64, floor_s: f64) -> Timed {
    let evidence = if device.profile.is_some() {
        Evidence::Extrapolated
    } else {
        Evidence::Datasheet
    };
    Timed {
        time_s: floor_s + bytes / (device.memory_bytes_per_s() * efficiency),
        evidence,
        source: Source::Stream,
    }
}
