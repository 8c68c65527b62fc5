//! Parameters and FLOPs of a model, part by part. A multiply-add is 2 FLOP.
//!
//! Two conventions for attention are kept apart and always named: *full* counts the whole
//! `s × s` square (`PaLM` appendix B, arXiv 2204.02311; Megatron's formula, arXiv 2104.04473 §5.1),
//! *causal* counts the half that a causal mask leaves (Llama 3, arXiv 2407.21783; `FlashAttention`).

use super::mixer;
use crate::catalog::{Attention, Feed, Latent, LayerKind, Mixer, Model};

/// Kind of every layer, first to last.
#[must_use]
pub fn pattern(model: &Model) -> Vec<LayerKind> {
    if let Some(pattern) = &model.pattern {
        return pattern.clone();
    }
    let kind = |i: u32| {
        let mixture = model
            .moe
            .is_some_and(|m| i >= m.first_dense_layers && (i - m.first_dense_layers) % m.every == m.every - 1);
        let windowed = model
            .sliding
            .is_some_and(|s| s.full_every == 0 || !(i + 1).is_multiple_of(s.full_every));
        LayerKind {
            mixer: if windowed { Mixer::Windowed } else { Mixer::Attention },
            feed: if mixture { Feed::Mixture } else { Feed::Dense },
        }
    };
    (0..model.n_layers).map(kind).collect()
}

/// Parameters of one layer by how they are cut over devices.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LayerParams {
    /// Attention matrices, cut by tensor parallelism.
    pub attention: f64,
    /// Low-rank projections of latent attention, kept whole on every tensor rank.
    pub latent: f64,
    /// Dense feed-forward or shared experts, cut by tensor parallelism.
    pub ffn: f64,
    /// Routed experts, cut by expert and expert-tensor parallelism.
    pub experts: f64,
    /// Router, kept whole.
    pub router: f64,
    /// Norms and biases, kept whole.
    pub norms: f64,
}

impl LayerParams {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.attention + self.latent + self.ffn + self.experts + self.router + self.norms
    }
}

/// Widths of queries/keys and of values over all heads.
#[must_use]
pub fn head_dims(model: &Model) -> (f64, f64) {
    match model.attention {
        Attention::MultiHead => (f64::from(model.head_dim), f64::from(model.head_dim)),
        Attention::Latent(l) => (f64::from(l.qk_nope_head_dim + l.qk_rope_head_dim), f64::from(l.v_head_dim)),
    }
}

/// Parameters of one layer of a kind. A norm goes before each half that the layer has.
#[must_use]
pub fn layer_params(model: &Model, kind: LayerKind) -> LayerParams {
    let h = f64::from(model.hidden);
    let mut out = LayerParams::default();
    match kind.mixer {
        Mixer::None => {}
        Mixer::Attention | Mixer::Windowed => attention_params(model, h, &mut out),
        Mixer::StateSpace => mixer::state_space_params(model, h, &mut out),
        Mixer::Delta => mixer::delta_params(model, h, &mut out),
        Mixer::Recurrent => mixer::recurrent_params(h, &mut out),
    }
    // An LSTM layer has no norm.
    if !matches!(kind.mixer, Mixer::None | Mixer::Recurrent) {
        out.norms += h;
    }
    feed_params(model, kind.feed, h, &mut out);
    out
}

fn attention_params(model: &Model, h: f64, out: &mut LayerParams) {
    let heads = f64::from(model.n_heads);
    match model.attention {
        Attention::MultiHead => {
            let q = heads * f64::from(model.head_dim);
            let kv = f64::from(model.n_kv_heads) * f64::from(model.head_dim);
            out.attention = h * (2.0 * q + 2.0 * kv);
            if model.biases {
                // Norm bias, query-key-value biases, output bias.
                out.norms += h + q + 2.0 * kv + h;
            }
        }
        Attention::Latent(l) => latent_params(&l, h, heads, out),
    }
}

fn feed_params(model: &Model, feed: Feed, h: f64, out: &mut LayerParams) {
    let matrices = if model.gated_ffn { 3.0 } else { 2.0 };
    if feed != Feed::None {
        out.norms += h;
    }
    match (feed, model.moe) {
        (Feed::None, _) => {}
        (Feed::Mixture, Some(moe)) => {
            out.experts = f64::from(moe.n_experts) * matrices * h * f64::from(moe.expert_ffn_hidden);
            out.router = h * f64::from(moe.n_experts);
            out.ffn = matrices * h * f64::from(moe.shared_ffn_hidden);
        }
        _ => {
            out.ffn = matrices * h * f64::from(model.ffn_hidden);
            if model.biases {
                out.norms += h + f64::from(model.ffn_hidden) + h;
            }
        }
    }
}

/// DeepSeek-V2, arXiv 2405.04434 §2.1.2 and appendix C: down-projections (whole on each rank) and up-projections.
fn latent_params(l: &Latent, h: f64, heads: f64, out: &mut LayerParams) {
    let qk = f64::from(l.qk_nope_head_dim + l.qk_rope_head_dim);
    let (q_rank, kv_rank) = (f64::from(l.q_lora_rank), f64::from(l.kv_lora_rank));
    let query_input = if l.q_lora_rank > 0 { q_rank } else { h };
    out.latent = h * (q_rank + kv_rank + f64::from(l.qk_rope_head_dim));
    out.attention =
        query_input * heads * qk + kv_rank * heads * f64::from(l.qk_nope_head_dim + l.v_head_dim) + heads * f64::from(l.v_head_dim) * h;
    out.norms += q_rank + kv_rank;
}

/// Parameters of a layer that one token passes through in matrix multiplies.
fn active_matmul(model: &Model, kind: LayerKind) -> f64 {
    let p = layer_params(model, kind);
    let routed = match model.moe {
        Some(moe) if kind.feed == Feed::Mixture => p.experts * f64::from(moe.experts_per_token) / f64::from(moe.n_experts),
        _ => 0.0,
    };
    p.attention + p.latent + p.ffn + p.router + routed
}

/// Mean keys that a query sees under the causal convention: half the sequence, or the window
/// where that is shorter (the ramp at the start counted).
fn causal_keys(model: &Model, kind: LayerKind, seq: f64) -> f64 {
    match model.sliding {
        Some(s) if kind.mixer == Mixer::Windowed && f64::from(s.window_tokens) < seq => {
            let w = f64::from(s.window_tokens);
            w - w * w / (2.0 * seq)
        }
        _ => seq / 2.0,
    }
}

fn full_keys(model: &Model, kind: LayerKind, seq: f64) -> f64 {
    match model.sliding {
        Some(s) if kind.mixer == Mixer::Windowed => f64::from(s.window_tokens).min(seq),
        _ => seq,
    }
}

/// Parameters and forward FLOPs of a model at a sequence length.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    /// All parameters.
    pub params_total: f64,
    /// Parameters one token uses, embedding included.
    pub params_active: f64,
    /// Parameters by part, in order: embedding, attention, dense and shared feed-forward, routed experts, routers, norms, head.
    pub params_by_part: [(&'static str, f64); 7],
    /// Forward FLOP per token by part under the causal convention: attention projections, attention core, feed-forward, router, head.
    pub forward_flop_by_part: [(&'static str, f64); 5],
    /// Forward and backward FLOP per token, attention counted half (causal).
    pub train_flop_per_token: f64,
    /// The same with attention counted over the full square.
    pub train_flop_per_token_full: f64,
}

/// Count a model.
#[must_use]
pub fn count(model: &Model, seq_len_tokens: f64) -> Counts {
    let h = f64::from(model.hidden);
    let vocab = f64::from(model.vocab);
    let (qk, v) = head_dims(model);
    let heads = f64::from(model.n_heads);
    let mut sum = LayerParams::default();
    let (mut active, mut core_causal, mut core_full) = (0.0, 0.0, 0.0);
    let (mut projections, mut ffn, mut routers) = (0.0, 0.0, 0.0);
    for kind in pattern(model) {
        let p = layer_params(model, kind);
        sum.attention += p.attention + p.latent;
        sum.ffn += p.ffn;
        sum.experts += p.experts;
        sum.router += p.router;
        sum.norms += p.norms;
        let matmul = active_matmul(model, kind);
        active += matmul + p.norms;
        projections += 2.0 * (p.attention + p.latent);
        routers += 2.0 * p.router;
        ffn += 2.0 * (matmul - p.attention - p.latent - p.router);
        // QK^T costs 2·d_qk and PV 2·d_v per visible key and head.
        match kind.mixer {
            Mixer::Attention | Mixer::Windowed => {
                core_causal += 2.0 * heads * (qk + v) * causal_keys(model, kind, seq_len_tokens);
                core_full += 2.0 * heads * (qk + v) * full_keys(model, kind, seq_len_tokens);
            }
            other => {
                // A scan sees each token once: both conventions count it alike.
                let scan = mixer::scan_flop_per_token(model, other);
                core_causal += scan;
                core_full += scan;
            }
        }
    }
    let positions = if model.learned_positions { h * seq_len_tokens } else { 0.0 };
    let embedding = vocab * h + positions;
    let head = if model.tied_embeddings { 0.0 } else { vocab * h };
    let final_norm = if model.biases { 2.0 * h } else { h };
    let head_flop = 2.0 * vocab * h;
    let linear = projections + ffn + routers + head_flop;
    Counts {
        params_total: embedding + head + final_norm + sum.total(),
        params_active: embedding + head + final_norm + active,
        params_by_part: [
            ("embedding", embedding),
            ("attention", sum.attention),
            ("feed-forward", sum.ffn),
            ("routed experts", sum.experts),
            ("routers", sum.router),
            ("norms and biases", sum.norms + final_norm),
            ("output head", head),
        ],
        forward_flop_by_part: [
            ("attention projections", projections),
            ("attention core (causal)", core_causal),
            ("feed-forward", ffn),
            ("routers", routers),
            ("output head", head_flop),
        ],
        train_flop_per_token: 3.0 * (linear + core_causal),
        train_flop_per_token_full: 3.0 * (linear + core_full),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Moe, Sliding};

    pub(crate) fn llama3_405b() -> Model {
        Model {
            name: "llama3-405b".into(),
            title: "Llama 3 405B".into(),
            n_layers: 126,
            hidden: 16384,
            n_heads: 128,
            n_kv_heads: 8,
            head_dim: 128,
            ffn_hidden: 53248,
            gated_ffn: true,
            vocab: 128_256,
            tied_embeddings: false,
            learned_positions: false,
            biases: false,
            attention_sinks: false,
            attention: Attention::MultiHead,
            sliding: None,
            mamba: None,
            delta: None,
            pattern: None,
            moe: None,
            stated_params: None,
        }
    }

    fn check(model: &Model, params: f64, active: f64) {
        let c = count(model, 4096.0);
        assert!(
            (c.params_total / params - 1.0).abs() < 1e-3,
            "{}: {:e} != {params:e}",
            model.name,
            c.params_total
        );
        assert!(
            (c.params_active / active - 1.0).abs() < 0.01,
            "{}: {:e} != {active:e}",
            model.name,
            c.params_active
        );
        let parts: f64 = c.params_by_part.iter().map(|(_, p)| p).sum();
        assert!((parts / c.params_total - 1.0).abs() < 1e-12);
    }

    #[test]
    fn llama3_405b_has_its_published_parameters() {
        // meta-llama/Llama-3.1-405B: 405,853,388,800 parameters.
        check(&llama3_405b(), 405_853_388_800.0, 405_853_388_800.0);
    }

    #[test]
    fn deepseek_v3_has_its_published_parameters() {
        // DeepSeek-V3, arXiv 2412.19437 §4.2: 671B total, 37B active.
        let latent = Latent {
            q_lora_rank: 1536,
            kv_lora_rank: 512,
            qk_nope_head_dim: 128,
            qk_rope_head_dim: 64,
            v_head_dim: 128,
        };
        let moe = Moe {
            n_experts: 256,
            experts_per_token: 8,
            expert_ffn_hidden: 2048,
            shared_ffn_hidden: 2048,
            first_dense_layers: 3,
            every: 1,
        };
        let model = Model {
            name: "deepseek-v3".into(),
            n_layers: 61,
            hidden: 7168,
            n_heads: 128,
            n_kv_heads: 128,
            ffn_hidden: 18432,
            vocab: 129_280,
            attention_sinks: false,
            attention: Attention::Latent(latent),
            moe: Some(moe),
            ..llama3_405b()
        };
        check(&model, 671.03e9, 37.55e9);
    }

    #[test]
    fn gpt3_flop_follow_the_megatron_formula() {
        // arXiv 2104.04473 §5.1: 72·B·s·l·h²(1 + s/6h + V/12lh) forward and backward, full attention.
        let model = Model {
            n_layers: 96,
            hidden: 12288,
            n_heads: 96,
            n_kv_heads: 96,
            ffn_hidden: 49152,
            gated_ffn: false,
            vocab: 51200,
            tied_embeddings: true,
            ..llama3_405b()
        };
        let (l, h, s, v) = (96.0, 12288.0, 2048.0, 51200.0);
        let formula = 72.0 * l * h * h * (1.0 + s / (6.0 * h) + v / (12.0 * l * h));
        let got = count(&model, s).train_flop_per_token_full;
        assert!((got / formula - 1.0).abs() < 1e-12, "{got:e} {formula:e}");
    }

    #[test]
    fn causal_attention_is_half_of_full() {
        let c = count(&llama3_405b(), 8192.0);
        let core = 3.0 * 126.0 * 4.0 * 16384.0 * 8192.0;
        assert!((c.train_flop_per_token_full - c.train_flop_per_token - core / 2.0).abs() < 1.0);
    }

    #[test]
    fn a_window_limits_attention() {
        let windowed = Model {
            sliding: Some(Sliding {
                window_tokens: 1024,
                full_every: 0,
            }),
            ..llama3_405b()
        };
        let c = count(&windowed, 65536.0);
        let core = c.forward_flop_by_part[1].1;
        let bound = 126.0 * 4.0 * 16384.0 * 1024.0;
        assert!(core < bound && core > 0.98 * bound);
    }

    #[test]
    fn patterns_place_mixtures_and_windows() {
        let moe = Moe {
            n_experts: 8,
            experts_per_token: 2,
            expert_ffn_hidden: 64,
            shared_ffn_hidden: 0,
            first_dense_layers: 1,
            every: 2,
        };
        let model = Model {
            n_layers: 6,
            moe: Some(moe),
            sliding: Some(Sliding {
                window_tokens: 8,
                full_every: 3,
            }),
            ..llama3_405b()
        };
        let kinds = pattern(&model);
        let mixtures: Vec<bool> = kinds.iter().map(|k| k.feed == Feed::Mixture).collect();
        let windows: Vec<bool> = kinds.iter().map(|k| k.mixer == Mixer::Windowed).collect();
        assert_eq!(mixtures, [false, false, true, false, true, false]);
        assert_eq!(windows, [true, true, false, true, true, false]);
    }
}
