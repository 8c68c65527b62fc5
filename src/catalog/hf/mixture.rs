//! Decoders with experts. Keys and defaults are those of the configuration classes of
//! `transformers` 4.57 (`src/transformers/models/*/configuration_*.py`).

use super::config::{Config, MAX_FFN, MAX_LAYERS, MAX_WIDTH};
use super::dense::{llama, qwen_attention};
use super::draft::Draft;
use super::parts::{ExpertNames, MODERN, biases, decoder, experts, ffn, head_dim, kv_heads, shared, window, windows};
use crate::catalog::{Feed, Latent};

/// Mixtral: experts as wide as `intermediate_size` on every layer.
pub fn mixtral(c: &Config<'_>) -> Draft {
    let mut d = decoder(c, &MODERN);
    ffn(c, &mut d);
    kv_heads(c, &mut d, "num_key_value_heads", Some(8));
    head_dim(c, &mut d, &MODERN, None);
    local_experts(c, &mut d, ("num_local_experts", Some(8)), Some(2));
    let tokens = window(c, None);
    windows(c, &mut d, tokens, |_| true);
    d
}

/// Granite with experts.
pub fn granitemoe(c: &Config<'_>) -> Draft {
    let mut d = llama(c);
    local_experts(c, &mut d, ("num_local_experts", Some(8)), Some(2));
    d
}

/// `OLMoE`.
pub fn olmoe(c: &Config<'_>) -> Draft {
    c.note("norms of queries and keys are left out (under 0.01 %)");
    let mut d = llama(c);
    local_experts(c, &mut d, ("num_experts", Some(64)), Some(8));
    d
}

/// gpt-oss: biases everywhere, every second layer windowed; attention sinks (one number per head) left out.
pub fn gpt_oss(c: &Config<'_>) -> Draft {
    c.note("attention sinks and biases of experts are left out (under 0.3 %)");
    let mut d = decoder(c, &MODERN);
    ffn(c, &mut d);
    kv_heads(c, &mut d, "num_key_value_heads", Some(8));
    head_dim(c, &mut d, &MODERN, Some(64));
    d.biases = c.flag("attention_bias").unwrap_or(true);
    c.skip(&["experts_per_token", "initial_context_length", "num_experts_per_tok"]);
    let key = if c.has("num_experts_per_tok") || !c.has("experts_per_token") {
        "num_experts_per_tok"
    } else {
        "experts_per_token"
    };
    experts_at(
        c,
        &mut d,
        &names(("num_local_experts", Some(128)), (key, Some(4)), "intermediate_size"),
    );
    let tokens = window(c, Some(128));
    windows(c, &mut d, tokens, |i| !(i + 1).is_multiple_of(2));
    d
}

fn names<'a>(n_experts: (&'a str, Option<u32>), per_token: (&'a str, Option<u32>), width: &'a str) -> ExpertNames<'a> {
    ExpertNames {
        n_experts,
        per_token,
        width,
    }
}

/// Experts as wide as `intermediate_size` on every layer.
fn local_experts(c: &Config<'_>, d: &mut Draft, n_experts: (&str, Option<u32>), per_token: Option<u32>) {
    experts_at(c, d, &names(n_experts, ("num_experts_per_tok", per_token), "intermediate_size"));
}

fn experts_at(c: &Config<'_>, d: &mut Draft, names: &ExpertNames<'_>) {
    d.experts = Some(experts(c, names, 0));
    d.feeds.fill(Feed::Mixture);
}

/// Qwen1.5 and Qwen2 with experts: a shared expert beside them.
pub fn qwen2_moe(c: &Config<'_>) -> Draft {
    c.note("the gate of the shared expert and biases of queries, keys and values are left out (under 0.1 %)");
    let mut d = decoder(c, &MODERN);
    ffn(c, &mut d);
    qwen_attention(c, &mut d, Some(16), None);
    c.skip(&["qkv_bias"]);
    let shared = c.count("shared_expert_intermediate_size", 0, MAX_FFN).unwrap_or(5632);
    let names = names(("num_experts", Some(60)), ("num_experts_per_tok", Some(4)), "moe_intermediate_size");
    d.experts = Some(experts(c, &names, shared));
    sparse_layers(c, &mut d);
    d
}

/// Qwen3 with experts.
pub fn qwen3_moe(c: &Config<'_>) -> Draft {
    c.note("norms of queries and keys are left out (under 0.01 %)");
    let mut d = decoder(c, &MODERN);
    ffn(c, &mut d);
    biases(c, &mut d);
    kv_heads(c, &mut d, "num_key_value_heads", Some(4));
    head_dim(c, &mut d, &MODERN, None);
    let used = c.flag("use_sliding_window").unwrap_or(false);
    let tokens = window(c, Some(4096)).filter(|_| used);
    windows(c, &mut d, tokens, |_| true);
    let names = names(
        ("num_experts", Some(128)),
        ("num_experts_per_tok", Some(8)),
        "moe_intermediate_size",
    );
    d.experts = Some(experts(c, &names, 0));
    sparse_layers(c, &mut d);
    d
}

/// Mixture layers of the Qwen line: not in `mlp_only_layers`, one in `decoder_sparse_step`, the
/// last of each run.
pub fn sparse_layers(c: &Config<'_>, d: &mut Draft) {
    let step = c.count("decoder_sparse_step", 1, MAX_LAYERS).unwrap_or(1) as usize;
    let dense = c.layer_numbers("mlp_only_layers");
    for (i, feed) in d.feeds.iter_mut().enumerate() {
        if !dense.contains(&i) && (i + 1).is_multiple_of(step) {
            *feed = Feed::Mixture;
        }
    }
}

/// DeepSeek-V2: latent attention, shared experts, leading dense layers.
pub fn deepseek_v2(c: &Config<'_>) -> Draft {
    deepseek(c, &[0, 64, 0, 2])
}

/// DeepSeek-V3, Kimi K2 and Moonlight.
pub fn deepseek_v3(c: &Config<'_>) -> Draft {
    deepseek(c, &[3, 256, 8, 1])
}

/// Defaults: leading dense layers, routed experts, experts per token (0: none), shared experts.
fn deepseek(c: &Config<'_>, defaults: &[u32; 4]) -> Draft {
    let [leading, routed, per_token, n_shared] = *defaults;
    let mut d = decoder(c, &MODERN);
    ffn(c, &mut d);
    biases(c, &mut d);
    c.skip(&["num_key_value_heads", "head_dim", "qk_head_dim"]);
    d.latent = Some(latent(c));
    d.head_dim = d.latent.map_or(1, |l| l.v_head_dim);
    let width = shared(c, "moe_intermediate_size", n_shared);
    let per_token = ("num_experts_per_tok", Some(per_token).filter(|p| *p > 0));
    let names = names(("n_routed_experts", Some(routed)), per_token, "moe_intermediate_size");
    d.experts = Some(experts(c, &names, width));
    first_dense(c, &mut d, leading);
    prediction_layers(c);
    d
}

/// `q_lora_rank` null: queries are projected directly.
fn latent(c: &Config<'_>) -> Latent {
    let or = |key: &str, low: u32, default: u32| c.count(key, low, MAX_WIDTH).unwrap_or(default);
    Latent {
        q_lora_rank: or("q_lora_rank", 1, if c.has("q_lora_rank") { 0 } else { 1536 }),
        kv_lora_rank: or("kv_lora_rank", 1, 512),
        qk_nope_head_dim: or("qk_nope_head_dim", 1, 128),
        qk_rope_head_dim: or("qk_rope_head_dim", 0, 64),
        v_head_dim: or("v_head_dim", 1, 128),
    }
}

/// Mixture layers from `first_k_dense_replace` on, those whose number `moe_layer_freq` divides.
fn first_dense(c: &Config<'_>, d: &mut Draft, default: u32) {
    let first = c.count("first_k_dense_replace", 0, MAX_LAYERS).unwrap_or(default) as usize;
    let every = c.count("moe_layer_freq", 1, MAX_LAYERS).unwrap_or(1) as usize;
    for (i, feed) in d.feeds.iter_mut().enumerate() {
        if i >= first && i.is_multiple_of(every) {
            *feed = Feed::Mixture;
        }
    }
}

fn prediction_layers(c: &Config<'_>) {
    if c.count("num_nextn_predict_layers", 0, MAX_LAYERS).is_some_and(|n| n > 0) {
        c.note("multi-token-prediction layers are left out");
    }
}

/// GLM-4.5: grouped queries, shared expert, leading dense layers.
pub fn glm4_moe(c: &Config<'_>) -> Draft {
    c.note("biases of queries, keys and values and norms of queries and keys are left out (under 0.1 %)");
    let mut d = decoder(c, &MODERN);
    ffn(c, &mut d);
    kv_heads(c, &mut d, "num_key_value_heads", Some(8));
    head_dim(c, &mut d, &MODERN, None);
    c.skip(&["attention_bias", "use_qk_norm"]);
    let width = shared(c, "moe_intermediate_size", 1);
    let names = names(
        ("n_routed_experts", Some(128)),
        ("num_experts_per_tok", Some(8)),
        "moe_intermediate_size",
    );
    d.experts = Some(experts(c, &names, width));
    first_dense(c, &mut d, 1);
    prediction_layers(c);
    d
}
