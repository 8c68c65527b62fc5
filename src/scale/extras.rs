//! What stands beside a run, as arithmetic on the user's own numbers: no law tells more.

use super::formula::{INFER_FLOP, TRAIN_FLOP};

/// Lost time of loss spikes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Instability {
    /// Expected rollbacks in the run.
    pub n_incidents: f64,
    /// Time that they cost.
    pub lost_s: f64,
    /// Share of the run.
    pub lost_fraction: f64,
}

/// Expected rollbacks at a rate per day, each costing steps that are done again and a restart.
#[must_use]
pub fn instability(run_s: f64, per_day: f64, lost_steps: f64, step_s: f64, restart_s: f64) -> Instability {
    let n_incidents = run_s / crate::units::DAY_S * per_day;
    let lost_s = n_incidents * (lost_steps * step_s + restart_s);
    Instability {
        n_incidents,
        lost_s,
        lost_fraction: lost_s / run_s,
    }
}

/// Bytes of stored activations and FLOP of training a dictionary on them.
#[must_use]
pub fn interpretability(tokens: f64, width: f64, layers: f64, element_bytes: f64, dictionary_params: f64) -> (f64, f64) {
    (tokens * width * layers * element_bytes, TRAIN_FLOP * dictionary_params * tokens)
}

/// Bytes of a retrieval index, and FLOP that the retrieved context adds to a query.
#[must_use]
pub fn retrieval(passages: f64, width: f64, element_bytes: f64, n_params: f64, context_tokens: f64) -> (f64, f64) {
    (passages * width * element_bytes, INFER_FLOP * n_params * context_tokens)
}

/// FLOP of a classifier's pass over a corpus, and tokens that it removes.
#[must_use]
pub fn filtering(tokens: f64, classifier_params: f64, removed_fraction: f64) -> (f64, f64) {
    (INFER_FLOP * classifier_params * tokens, tokens * removed_fraction)
}

/// FLOP of branches trained apart for `tokens` each and bytes to merge them (Li et al. 2022, arXiv
/// 2208.03306): the branches' weights side by side, in 16 bits.
#[must_use]
pub fn branches(n: f64, n_params: f64, tokens: f64) -> (f64, f64) {
    (n * TRAIN_FLOP * n_params * tokens, n * n_params * 2.0)
}

/// Energy of training a token at a delivered efficiency: `6 N / (FLOP per J)`.
#[must_use]
pub fn joules_per_token(n_params: f64, flop_per_j: f64) -> f64 {
    TRAIN_FLOP * n_params / flop_per_j
}

/// Multiply-adds of scoring and mixing all earlier tokens of a sequence, and of a sparse selector with
/// `top_k` of them: the selector scores every pair with small heads (DeepSeek-V3.2; the indexer of 64
/// heads of 128).
#[must_use]
pub fn sparse_scoring(context_tokens: f64, width: f64, selector_width: f64, top_k: f64) -> (f64, f64) {
    let pairs = 0.5 * context_tokens * context_tokens;
    (
        pairs * width,
        pairs * selector_width + context_tokens * top_k.min(context_tokens) * width,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, want: f64, fraction: f64) {
        assert!((got / want - 1.0).abs() <= fraction, "{got} is not {want}");
    }

    #[test]
    fn arithmetic_by_hand() {
        let lost = instability(86_400.0 * 60.0, 0.5, 200.0, 6.0, 600.0);
        near(lost.n_incidents, 30.0, 1e-12);
        near(lost.lost_s, 30.0 * 1800.0, 1e-12);
        let (bytes, flop) = interpretability(1e9, 4096.0, 32.0, 2.0, 1e8);
        near(bytes, 2.621_44e14, 1e-12);
        near(flop, 6e17, 1e-12);
        let (bytes, flop) = retrieval(1e9, 768.0, 2.0, 7e9, 2000.0);
        near(bytes, 1.536e12, 1e-12);
        near(flop, 2.8e13, 1e-12);
        assert_eq!(filtering(1e12, 1e8, 0.9), (2e20, 9e11));
        assert_eq!(branches(8.0, 1e9, 1e11), (4.8e21, 1.6e10));
        near(joules_per_token(70e9, 2e11), 2.1, 1e-12);
    }

    #[test]
    fn sparse_attention_scores_seven_times_less_at_131072() {
        // DeepSeek-V3.2: 128 heads of 576 latent elements, an indexer of 64 heads of 128, 2,048 tokens kept.
        let (dense, sparse) = sparse_scoring(131_072.0, 128.0 * 576.0, 64.0 * 128.0, 2048.0);
        near(dense, 6.3e14, 0.01);
        near(sparse, 9.0e13, 0.01);
    }
}
