//! Kernels of a part that nobody measured, from one of its architecture that somebody did.

use crate::catalog::{Accelerator, Catalog, DType, Kind, Profile};

/// The profile of the measured part of the same architecture whose rates are nearest, as it serves
/// this one; `None` where none was measured. Collectives are those of the fabric.
pub(super) fn profile(accelerator: &Accelerator, catalog: &Catalog) -> Option<Profile> {
    if accelerator.architecture.is_empty() {
        return None;
    }
    let others = catalog.entries(Kind::Accelerator).entries.values();
    let related = others
        .filter(|e| e.tree.text("architecture") == Some(&accelerator.architecture) && e.tree.text("profile").is_some())
        .filter_map(|e| catalog.get::<Accelerator>(&e.name).ok());
    let (_, nearest) = related
        .filter_map(|a| Some((distance(&a, accelerator)?, a)))
        .min_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.name.cmp(&b.1.name)))?;
    let measured: Profile = catalog.get(nearest.profile.as_deref()?).ok()?;
    // Where only collectives were measured there is nothing to take over.
    (!measured.gemm.is_empty()).then(|| measured.for_sibling(accelerator))
}

/// How far two parts are apart: peak and bandwidth per unit of computation decide which shapes are
/// bound by what, the sizes themselves how many waves a shape makes.
fn distance(a: &Accelerator, b: &Accelerator) -> Option<f64> {
    let rate = |x: &Accelerator| x.peak.matrix_flop_per_s(DType::Bf16);
    let apart = |x: f64, y: f64| (x / y).ln().abs();
    Some(apart(rate(a)?, rate(b)?) + apart(a.memory_bytes_per_s, b.memory_bytes_per_s))
}
