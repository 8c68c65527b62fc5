//! How often a job fails and what that costs it.

use super::checkpoint::Segment;
use crate::catalog::Reliability;

/// The size of node that [`Reliability::node_mtbf_s`] speaks of.
const RELIABILITY_NODE_DEVICES: f64 = 8.0;

/// Recovery, one segment and its checkpoint never count for more than this many mean times between
/// failures. A worse job saturates: pauses apart, it takes at most
/// `(1 + δ/τ) e^{11}` times the ideal (the optimum τ adds at most one M).
pub const MAX_EXPONENT: f64 = 10.0;

/// Mean time between failures of a job that stops when any of its nodes does. The catalog's figure is
/// for nodes of eight devices; larger or smaller nodes fail in proportion to their devices.
/// A node that never lives yields 0, which [`Failures::bounded`] lifts.
#[must_use]
pub fn job_mtbf_s(reliability: &Reliability, n_devices: f64) -> f64 {
    let n_nodes = n_devices / RELIABILITY_NODE_DEVICES;
    if n_nodes > 0.0 {
        reliability.node_mtbf_s.max(0.0) / n_nodes
    } else {
        f64::INFINITY
    }
}

/// Failures as the job sees them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Failures {
    /// Mean time between failures of the job.
    pub mtbf_s: f64,
    /// From failure to noticing.
    pub detect_s: f64,
    /// From noticing to the first new step.
    pub restart_s: f64,
    /// Work done again after each restart, besides that of the failed segment.
    pub redo_s: f64,
}

impl Failures {
    /// From failure to the state at the start of the failed segment.
    #[must_use]
    pub fn recovery_s(&self) -> f64 {
        self.detect_s + self.restart_s + self.redo_s
    }

    /// The same with a mean time between failures of at least `exposed_s` / [`MAX_EXPONENT`].
    #[must_use]
    pub fn bounded(self, exposed_s: f64) -> Failures {
        Failures {
            mtbf_s: self.mtbf_s.max(exposed_s / MAX_EXPONENT),
            ..self
        }
    }
}

/// Expected losses of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// Pauses for checkpoints that were kept.
    pub checkpoint_s: f64,
    /// Work, and pauses for checkpoints, that failures destroyed.
    pub rework_s: f64,
    /// Failed and not noticed yet.
    pub detect_s: f64,
    /// Restarting.
    pub restart_s: f64,
    /// Failures.
    pub n_failures: f64,
}

/// Expected losses while `ideal_s` of work is done in segments.
///
/// Failures are Poisson with mean time M between them and may strike during recovery too. A segment of
/// length L = τ + δ must be run from its start until it passes without failure; after each failure a
/// recovery R must pass without failure. The mean time to pass a segment is
/// `M e^{R/M} (e^{L/M} − 1)`, hence (Daly 2006, his complete cost function)
///
/// ```text
/// T = M e^{R/M} (e^{(τ+δ)/M} − 1) · T_ideal/τ
/// ```
///
/// It splits without remainder. By Wald's identity the job fails N = T/M times; each failure starts a
/// recovery that lasts `E[min(X, R)] = M (1 − e^{−R/M})`, so `T (1 − e^{−R/M})` is recovery, of which the
/// first D (detection) take `T (1 − e^{−D/M})`, and so on for what follows. The rest,
/// `T e^{−R/M} = T_ideal/τ · M (e^{L/M} − 1)`, is spent in segments: `T_ideal` is useful, `T_ideal/τ · δ` are
/// checkpoints, the remainder is what failures destroyed.
#[must_use]
pub fn expected(failures: &Failures, segment: &Segment, ideal_s: f64) -> Expected {
    let m = failures.mtbf_s;
    let over_m = |s: f64| if s > 0.0 { s / m } else { 0.0 };
    let n_segments = if segment.work_s > 0.0 { ideal_s / segment.work_s } else { 0.0 };
    let length_s = segment.work_s + segment.stall_s;
    let destroyed_s = n_segments * length_s * excess(over_m(length_s));
    let total_s = (n_segments * length_s + destroyed_s) * over_m(failures.recovery_s()).exp();

    let detect = over_m(failures.detect_s);
    let restart = over_m(failures.restart_s);
    let redo = over_m(failures.redo_s);
    Expected {
        checkpoint_s: n_segments * segment.stall_s,
        rework_s: destroyed_s - total_s * (-detect - restart).exp() * (-redo).exp_m1(),
        detect_s: -total_s * (-detect).exp_m1(),
        restart_s: -total_s * (-detect).exp() * (-restart).exp_m1(),
        n_failures: over_m(total_s),
    }
}

/// `(e^x − 1)/x − 1` without cancellation for small x.
fn excess(x: f64) -> f64 {
    if x < 1e-3 {
        x * (0.5 + x * (1.0 / 6.0 + x / 24.0))
    } else {
        x.exp_m1() / x - 1.0
    }
}
