//! The training run as work: a model, its batch and its tokens.

pub mod adapter;
pub mod count;
pub mod mixer;
pub mod precision;

pub use adapter::{Adapter, Targets};

pub use crate::catalog::{Feed, LayerKind, Mixer};
pub use count::{Counts, count, pattern};
pub use precision::{Optimizer, Precision};

use crate::catalog::Model;

/// What is to be trained, independent of any machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Architecture.
    pub model: Model,
    /// Tokens in one sequence.
    pub seq_len_tokens: f64,
    /// Sequences in one optimizer step.
    pub global_batch_seqs: f64,
    /// Tokens of the whole run.
    pub total_tokens: f64,
    /// Number formats.
    pub precision: Precision,
    /// Update rule.
    pub optimizer: Optimizer,
    /// Only an adapter is trained; the base is frozen.
    pub adapter: Option<Adapter>,
    /// Mean length of the documents that a sequence is packed from, where attention stays inside them
    /// (Llama 3, arXiv 2407.21783 §3.2); none where it spans the sequence.
    pub document_tokens: Option<f64>,
}

impl Workload {
    /// Model FLOP per token of a training step, attention counted half (causal) and over the full
    /// square. A frozen linear has no weight gradient: two passes instead of three (arXiv 2106.09685 §4.2);
    /// the adapter's own work is three.
    #[must_use]
    pub fn train_flop_per_token(&self, counts: &Counts) -> (f64, f64) {
        let Some(adapter) = self.adapter else {
            return (counts.train_flop_per_token, counts.train_flop_per_token_full);
        };
        let linear: f64 = counts
            .forward_flop_by_part
            .iter()
            .filter(|(name, _)| !name.contains("core"))
            .map(|(_, f)| f)
            .sum();
        let change = 6.0 * adapter.params(&self.model) - linear;
        (counts.train_flop_per_token + change, counts.train_flop_per_token_full + change)
    }

    /// Tokens of one optimizer step.
    #[must_use]
    pub fn step_tokens(&self) -> f64 {
        self.seq_len_tokens * self.global_batch_seqs
    }

    /// Optimizer steps of the whole run; the last one may be partly filled.
    #[must_use]
    pub fn n_steps(&self) -> f64 {
        (self.total_tokens / self.step_tokens()).ceil().max(1.0)
    }
}

/// Sequences of a step when nobody says: 4 Mi tokens, near the batch of GPT-3 (3.2M), Llama 2 (4M)
/// and Llama 3's first phase, and a power of two for the usual sequence lengths.
#[must_use]
pub fn default_global_batch_seqs(seq_len_tokens: f64) -> f64 {
    (4_194_304.0 / seq_len_tokens).round().max(1.0)
}
