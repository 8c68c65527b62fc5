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
    /// After it, until it is durable; a stop before then loses the segment before as well.
    pub open_s: f64,
}

/// Where a checkpoint goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SaveMode {
    /// Training stands still until the storage has it.
    #[default]
    Synchronous,
    /// Training stands still for the copy to host memory only; the write runs beside it.
    Asynchronous,
    /// Copies in the host memory of the node and of a peer (GEMINI, SOSP 2023); the storage gets one
    /// now and then, beside training, for failures that destroy both.
    Memory,
}

impl SaveMode {
    /// Names of a scenario.
    pub const ALL: [(&'static str, SaveMode); 3] = [
        ("synchronous", SaveMode::Synchronous),
        ("asynchronous", SaveMode::Asynchronous),
        ("memory", SaveMode::Memory),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        SaveMode::ALL.iter().find(|(_, m)| *m == self).map_or("", |(n, _)| n)
    }
}

/// How checkpoints are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Saving {
    /// Where they go.
    pub mode: SaveMode,
    /// Fixed work time between checkpoints; `None` for the optimum.
    pub every_s: Option<f64>,
    /// Work time between those that go to storage when the others stay in memory.
    pub storage_every_s: f64,
}

/// Meta's typical interval (Kokolis et al., arXiv 2410.21680).
pub const STORAGE_EVERY_S: f64 = 3600.0;

impl Default for Saving {
    fn default() -> Saving {
        Saving {
            mode: SaveMode::Synchronous,
            every_s: None,
            storage_every_s: STORAGE_EVERY_S,
        }
    }
}

/// What one checkpoint costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Checkpoint {
    /// Until it is durable.
    pub write_s: f64,
    /// Training stands still.
    pub stall_s: f64,
    /// To load it after a failure.
    pub load_s: f64,
    /// To load one from storage.
    pub storage_load_s: f64,
    /// From the end of the stall until it is durable.
    pub open_s: f64,
    /// Shortest work time between checkpoints: a step, or the write that must finish before the next.
    pub shortest_s: f64,
}

impl Checkpoint {
    /// The checkpoint of a run whose longest step takes `step_s`. A storage that needs more than a year,
    /// or has no bandwidth, counts as a year. Reading is as fast as writing.
    #[must_use]
    pub fn new(input: &RunInput, step_s: f64) -> Checkpoint {
        let seconds = |bytes: f64, bytes_per_s: f64| if bytes > 0.0 { (bytes / bytes_per_s).min(YEAR_S) } else { 0.0 };
        let delivered = input.storage_bytes_per_s * input.reliability.delivered_fraction;
        let storage_s = seconds(input.checkpoint_bytes, delivered);
        let copy_s = seconds(input.checkpoint_bytes / input.n_nodes.max(1.0), input.node_bytes_per_s);
        let (write_s, stall_s, load_s) = match input.saving.mode {
            SaveMode::Synchronous => (storage_s, storage_s, storage_s),
            SaveMode::Asynchronous => (storage_s, storage_s * ASYNCHRONOUS_STALL_FRACTION, storage_s),
            // Stands still for its own copy, no slower than the node's network; the peer's follows beside training.
            SaveMode::Memory => (2.0 * copy_s, copy_s, copy_s),
        };
        let shortest_s = match input.saving.mode {
            SaveMode::Synchronous => step_s,
            _ => step_s.max(write_s),
        };
        Checkpoint {
            write_s,
            stall_s,
            load_s,
            storage_load_s: storage_s,
            open_s: write_s - stall_s,
            shortest_s,
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
