//! Decoders with mixers other than attention: Qwen3-Next, Mamba-2, Nemotron-H. Keys and defaults
//! are those of the configuration classes (`transformers` 4.57; Nemotron-H: of NVIDIA's own, which
//! its repositories ship as `configuration_nemotron_h.py`).

use super::config::{Config, MAX_FFN, MAX_HEADS, MAX_LAYERS, MAX_WIDTH};
use super::draft::Draft;
use super::mixture::sparse_layers;
use super::parts::{ExpertNames, MODERN, decoder, experts, ffn, head_dim, kv_heads, length_fits, shaped, shared, windows};
use crate::catalog::{Delta, Feed, LayerKind, Mamba, Mixer};

/// Qwen3-Next: gated delta with full attention on every fourth layer, experts everywhere.
pub fn qwen3_next(c: &Config<'_>) -> Draft {
    c.note("the gate of attention's output, that of the shared expert and norms of queries and keys are left out (under 0.2 %)");
    let mut d = decoder(c, &MODERN);
    // A file whose layers all have experts may leave the dense width out.
    d.ffn_hidden = c.count("intermediate_size", 1, MAX_FFN).unwrap_or(5632);
    kv_heads(c, &mut d, "num_key_value_heads", Some(2));
    head_dim(c, &mut d, &MODERN, Some(256));
    c.skip(&["attention_bias"]);
    d.delta = Some(delta(c));
    let period = c.count("full_attention_interval", 1, MAX_LAYERS).unwrap_or(4) as usize;
    windows(c, &mut d, None, |_| false);
    if !c.has("layer_types") {
        for (i, mixer) in d.mixers.iter_mut().enumerate() {
            if !(i + 1).is_multiple_of(period) {
                *mixer = Mixer::Delta;
            }
        }
    }
    let shared = c.count("shared_expert_intermediate_size", 0, MAX_FFN).unwrap_or(512);
    let names = ExpertNames {
        n_experts: ("num_experts", Some(512)),
        per_token: ("num_experts_per_tok", Some(10)),
        width: "moe_intermediate_size",
    };
    d.experts = Some(experts(c, &names, shared));
    sparse_layers(c, &mut d);
    d
}

fn delta(c: &Config<'_>) -> Delta {
    let or = |key: &str, default: u32| c.count(key, 1, MAX_HEADS).unwrap_or(default);
    Delta {
        n_key_heads: or("linear_num_key_heads", 16),
        n_value_heads: or("linear_num_value_heads", 32),
        key_head_dim: or("linear_key_head_dim", 128),
        value_head_dim: or("linear_value_head_dim", 128),
        conv_kernel: or("linear_conv_kernel_dim", 4),
    }
}

/// Mamba-2: `expand × hidden_size` must be heads times their width.
pub fn mamba2(c: &Config<'_>) -> Draft {
    let hidden = c.need(&["hidden_size"], 1, MAX_WIDTH);
    let layers = c.need(&["num_hidden_layers"], 1, MAX_LAYERS);
    let vocab = c.need(&["vocab_size"], 1, super::config::MAX_VOCAB);
    let or = |key: &str, default: u32| c.count(key, 1, MAX_HEADS).unwrap_or(default);
    let m = Mamba {
        n_heads: or("num_heads", 128),
        head_dim: or("head_dim", 64),
        state_dim: or("state_size", 128),
        n_groups: or("n_groups", 8),
        conv_kernel: or("conv_kernel", 4),
        dt_rank: None,
    };
    let inner = u64::from(or("expand", 2)) * u64::from(hidden);
    if c.is_fine() && inner != u64::from(m.n_heads) * u64::from(m.head_dim) {
        let text = format!(
            "`num_heads` {} times `head_dim` {} is not `expand` times `hidden_size`, {inner}",
            m.n_heads, m.head_dim
        );
        c.problem("num_heads", text, "write heads and a width whose product is that");
    }
    small_biases(c, &["use_bias"]);
    c.skip(&["use_conv_bias", "rms_norm", "norm_before_gate"]);
    let mut d = shaped(c, hidden, layers, m.n_heads, vocab);
    d.head_dim = m.head_dim;
    d.mamba = Some(m);
    d.all(Mixer::StateSpace, Feed::None);
    d
}

/// Biases that are not modelled, where they are on.
fn small_biases(c: &Config<'_>, keys: &[&str]) {
    for key in keys {
        if c.flag(key) == Some(true) {
            c.note(format!("`{key}`: these biases are left out (under 0.1 %)"));
        }
    }
}

/// Nemotron-H: `hybrid_override_pattern` names a layer each: `M` Mamba-2, `*` attention, `-`
/// feed-forward, `E` experts. The feed-forward is a squared rectifier, so two matrices.
pub fn nemotron_h(c: &Config<'_>) -> Draft {
    let mut d = decoder(c, &MODERN);
    ffn(c, &mut d);
    kv_heads(c, &mut d, "num_key_value_heads", Some(8));
    let width = c.count("attention_head_dim", 1, MAX_HEADS).unwrap_or(128);
    head_dim(c, &mut d, &MODERN, Some(width));
    d.gated = false;
    small_biases(c, &["use_bias", "mlp_bias", "attention_bias", "mamba_proj_bias"]);
    c.skip(&["use_conv_bias", "expand", "n_groups", "conv_kernel", "rms_norm"]);
    let or = |keys: &[&str], default: u32| c.count_of(keys, 1, MAX_HEADS).unwrap_or(default);
    d.mamba = Some(Mamba {
        n_heads: or(&["mamba_num_heads"], 128),
        head_dim: or(&["mamba_head_dim"], 64),
        state_dim: or(&["ssm_state_size"], 128),
        n_groups: or(&["n_groups", "mamba_n_groups"], 8),
        conv_kernel: or(&["conv_kernel", "mamba_d_conv"], 4),
        dt_rank: None,
    });
    override_pattern(c, &mut d);
    if d.feeds.contains(&Feed::Mixture) {
        let width = c.count("moe_shared_expert_intermediate_size", 0, MAX_FFN);
        let one = shared(c, "moe_intermediate_size", 1);
        let n = c.count("n_shared_experts", 0, 1000).unwrap_or(1);
        let names = ExpertNames {
            n_experts: ("n_routed_experts", None),
            per_token: ("num_experts_per_tok", None),
            width: "moe_intermediate_size",
        };
        d.experts = Some(experts(c, &names, width.map_or(one, |w| w.saturating_mul(n).min(MAX_FFN))));
    }
    d
}

fn override_pattern(c: &Config<'_>, d: &mut Draft) {
    let Some(pattern) = c.text("hybrid_override_pattern") else {
        if !c.has("hybrid_override_pattern") {
            let help = "add \"hybrid_override_pattern\": one of `M`, `*`, `-`, `E` for each layer";
            c.problem("hybrid_override_pattern", "`hybrid_override_pattern` is missing", help);
        }
        return;
    };
    let kinds: Vec<LayerKind> = pattern
        .chars()
        .filter_map(|p| LayerKind::from_char(p).filter(|_| "M*-E".contains(p)))
        .collect();
    if kinds.len() != pattern.chars().count() {
        let wrong: String = pattern.chars().filter(|p| !"M*-E".contains(*p)).take(8).collect();
        let text = format!("`hybrid_override_pattern` holds `{wrong}`");
        c.problem("hybrid_override_pattern", text, "write one of `M`, `*`, `-`, `E` for each layer");
        return;
    }
    if length_fits(c, "hybrid_override_pattern", kinds.len(), d.mixers.len()) {
        d.mixers = kinds.iter().map(|k| k.mixer).collect();
        d.feeds = kinds.iter().map(|k| k.feed).collect();
    }
}

/// Jamba: Mamba-1 with attention every `attn_layer_period` layers and experts every
/// `expert_layer_period` (`configuration_jamba.py`; Lieber et al., arXiv 2403.19887 §2).
pub fn jamba(c: &Config<'_>) -> Draft {
    c.note("norms inside the Mamba mixers are counted, `mamba_proj_bias` is not (under 0.1 %)");
    let mut d = decoder(c, &MODERN);
    ffn(c, &mut d);
    kv_heads(c, &mut d, "num_key_value_heads", Some(8));
    c.skip(&["attn_layer_period", "use_mamba_kernels", "mamba_conv_bias", "mamba_proj_bias"]);
    let or = |key: &str, default: u32| c.count(key, 1, MAX_WIDTH).unwrap_or(default);
    let low = |key: &str, default: u32| c.count(key, 0, MAX_LAYERS).unwrap_or(default);
    let inner = or("mamba_expand", 2).min(64).saturating_mul(d.hidden);
    d.mamba = Some(Mamba {
        n_heads: 1,
        head_dim: inner,
        state_dim: or("mamba_d_state", 16),
        n_groups: 1,
        conv_kernel: or("mamba_d_conv", 4),
        dt_rank: Some(c.count("mamba_dt_rank", 1, MAX_WIDTH).unwrap_or(d.hidden.div_ceil(16))),
    });
    let every = |period: u32, offset: u32, i: u32| i % period.max(1) == offset % period.max(1);
    let (attention, at) = (or("attn_layer_period", 8), low("attn_layer_offset", 4));
    let (expert, from) = (or("expert_layer_period", 2), low("expert_layer_offset", 1));
    for (i, mixer) in (0u32..).zip(d.mixers.iter_mut()) {
        *mixer = if every(attention, at, i) {
            Mixer::Attention
        } else {
            Mixer::StateSpace
        };
    }
    for (i, feed) in (0u32..).zip(d.feeds.iter_mut()) {
        *feed = if every(expert, from, i) { Feed::Mixture } else { Feed::Dense };
    }
    let names = ExpertNames {
        n_experts: ("num_experts", Some(16)),
        per_token: ("num_experts_per_tok", Some(2)),
        width: "intermediate_size",
    };
    d.experts = Some(experts(c, &names, 0));
    d
}
