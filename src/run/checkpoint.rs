//! How long a checkpoint takes and how often to take one.

use super::RunInput;
use crate::units::YEAR_S;

/// Share of the write time that training stands still for an asynchronous checkpoint: the copy to
/// host memory. 6.3 s against 148.8 s for a 7B model (PyTorch distributed checkpoint, blog of
/// 2024-06-12). ByteCheckpoint (arXiv 2407.20143, Table 8) blocks 0.59 s of 51 s, so this is cautious.
pub const ASYNCHRONOUS_STALL_FRACTION: f64 = 6.3 / 148.8;

/// Work between two checkpoints and the pause that ends it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// Work time.
    pub work_s: f64,
    /// Pause for the checkpoint.
    pub stall_s: f64,
}

/// What one checkpoint costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Checkpoint {
    /// Until it is durable.
    pub write_s: f64,
    /// Training stands still.
    pub stall_s: f64,
    /// Work that a failure destroys on average beyond the current segment, because the last
    /// checkpoint was not durable yet. A failure within `write_s` after a checkpoint loses one more
    /// whole segment L; that happens with probability `write_s`/L, so the mean is `write_s`.
    pub redo_s: f64,
    /// Shortest work time between checkpoints: a step, or the write that must finish before the next.
    pub shortest_s: f64,
}

impl Checkpoint {
    /// The checkpoint of a run. A storage that needs more than a year, or has no bandwidth, counts as a year.
    #[must_use]
    pub fn new(input: &RunInput) -> Checkpoint {
        let write_s = if input.checkpoint_bytes > 0.0 {
            (input.checkpoint_bytes / input.storage_bytes_per_s).min(YEAR_S)
        } else {
            0.0
        };
        let step_s = input.step.time_s;
        if input.asynchronous_checkpoint {
            Checkpoint {
                write_s,
                stall_s: write_s * ASYNCHRONOUS_STALL_FRACTION,
                redo_s: write_s,
                shortest_s: step_s.max(write_s),
            }
        } else {
            Checkpoint {
                write_s,
                stall_s: write_s,
                redo_s: 0.0,
                shortest_s: step_s,
            }
        }
    }

    /// First-order optimum, `sqrt(2 δ M)`.
    ///
    /// J. W. Young, "A first order approximation to the optimum checkpoint interval",
    /// Communications of the ACM 17(9), 1974.
    #[must_use]
    pub fn young_s(&self, mtbf_s: f64) -> f64 {
        (2.0 * self.stall_s * mtbf_s).sqrt()
    }

    /// Higher-order optimum: `sqrt(2δM) (1 + 1/3 sqrt(δ/2M) + 1/9 δ/2M) − δ` for δ < 2M, else M.
    ///
    /// J. T. Daly, "A higher order estimate of the optimum checkpoint interval for restart dumps",
    /// Future Generation Computer Systems 22(3), 2006, doi:10.1016/j.future.2004.11.016.
    #[must_use]
    pub fn daly_s(&self, mtbf_s: f64) -> f64 {
        if self.stall_s >= 2.0 * mtbf_s {
            return mtbf_s;
        }
        let xi = (self.stall_s / (2.0 * mtbf_s)).sqrt();
        self.young_s(mtbf_s) * (1.0 + xi / 3.0 + xi * xi / 9.0) - self.stall_s
    }

    /// The exact minimum of the wall time of [`super::failure::expected`]: Daly's estimate, polished
    /// by Newton's method on the derivative's root `(1 − τ/M) e^{τ/M} = e^{−δ/M}`. Being exact makes
    /// the wall time monotone in the failure rate. Infinite when nothing fails, 0 when saving is free.
    #[must_use]
    pub fn optimum_s(&self, mtbf_s: f64) -> f64 {
        if self.stall_s <= 0.0 {
            return 0.0;
        }
        if !mtbf_s.is_finite() {
            return f64::INFINITY;
        }
        let delta = self.stall_s / mtbf_s;
        let mut y = self.daly_s(mtbf_s) / mtbf_s;
        for _ in 0..4 {
            y -= (y + (-delta - y).exp_m1()) / y;
        }
        y * mtbf_s
    }
}
