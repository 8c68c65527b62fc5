//! Decoders without experts. Keys and defaults are those of the configuration class of each
//! `model_type` in `transformers` 4.57 (`src/transformers/models/*/configuration_*.py`).

use super::config::{Config, MAX_FFN, MAX_HEADS, MAX_LAYERS, MAX_VOCAB, MAX_WIDTH};
use super::draft::Draft;
use super::parts::{GPT, MODERN, biases, decoder, ffn, ffn_or_four, head_dim, kv_heads, shaped, window, windows};

/// Llama and those that differ in numerics only (Granite, OLMo).
pub fn llama(c: &Config<'_>) -> Draft {
    let mut d = decoder(c, &MODERN);
    ffn(c, &mut d);
    kv_heads(c, &mut d, "num_key_value_heads", None);
    head_dim(c, &mut d, &MODERN, None);
    biases(c, &mut d);
    d
}

/// OLMo 2: norms after the blocks and on queries and keys.
pub fn olmo2(c: &Config<'_>) -> Draft {
    c.note("norms of queries and keys are left out (under 0.01 %)");
    llama(c)
}

/// OLMo 3: three of four layers windowed unless `layer_types` says otherwise.
pub fn olmo3(c: &Config<'_>) -> Draft {
    let mut d = olmo2(c);
    let tokens = window(c, Some(4096));
    windows(c, &mut d, tokens, |i| !(i + 1).is_multiple_of(4));
    d
}

/// Mistral: 8 key-value heads and a window of 4,096 unless `sliding_window` is null.
pub fn mistral(c: &Config<'_>) -> Draft {
    let mut d = decoder(c, &MODERN);
    ffn(c, &mut d);
    kv_heads(c, &mut d, "num_key_value_heads", Some(8));
    head_dim(c, &mut d, &MODERN, None);
    let tokens = window(c, Some(4096));
    windows(c, &mut d, tokens, |_| true);
    d
}

/// Phi-3: a window on every layer where `sliding_window` is given.
pub fn phi3(c: &Config<'_>) -> Draft {
    let mut d = llama(c);
    let tokens = window(c, None);
    windows(c, &mut d, tokens, |_| true);
    d
}

/// Qwen2 and 2.5: biases on queries, keys and values; the window, when used, from `max_window_layers` on.
pub fn qwen2(c: &Config<'_>) -> Draft {
    c.note("biases of queries, keys and values are left out (under 0.1 %)");
    let mut d = decoder(c, &MODERN);
    ffn(c, &mut d);
    qwen_attention(c, &mut d, Some(32), None);
    d
}

/// Qwen3: norms on queries and keys, heads of 128.
pub fn qwen3(c: &Config<'_>) -> Draft {
    c.note("norms of queries and keys are left out (under 0.01 %)");
    let mut d = decoder(c, &MODERN);
    ffn(c, &mut d);
    biases(c, &mut d);
    qwen_attention(c, &mut d, Some(32), Some(128));
    d
}

/// Heads and windows of the Qwen line.
pub fn qwen_attention(c: &Config<'_>, d: &mut Draft, kv: Option<u32>, width: Option<u32>) {
    kv_heads(c, d, "num_key_value_heads", kv);
    head_dim(c, d, &MODERN, width);
    let used = c.flag("use_sliding_window").unwrap_or(false);
    let tokens = window(c, Some(4096)).filter(|_| used);
    let from = c.count("max_window_layers", 0, MAX_LAYERS).unwrap_or(28) as usize;
    windows(c, d, tokens, |i| i >= from);
}

/// Gemma: tied, heads of 256 whatever the width.
pub fn gemma(c: &Config<'_>) -> Draft {
    let mut d = decoder(c, &MODERN);
    gemma_sizes(c, &mut d, 16);
    ffn(c, &mut d);
    d
}

fn gemma_sizes(c: &Config<'_>, d: &mut Draft, kv: u32) {
    d.tied = c.flag("tie_word_embeddings").unwrap_or(true);
    kv_heads(c, d, "num_key_value_heads", Some(kv));
    head_dim(c, d, &MODERN, Some(256));
    biases(c, d);
}

/// Gemma 2: every second layer windowed, norms after the blocks too.
pub fn gemma2(c: &Config<'_>) -> Draft {
    c.note("norms after the blocks are left out (under 0.02 %)");
    let mut d = decoder(c, &MODERN);
    gemma_sizes(c, &mut d, 4);
    ffn(c, &mut d);
    let tokens = window(c, Some(4096));
    windows(c, &mut d, tokens, |i| !(i + 1).is_multiple_of(2));
    d
}

/// Gemma 3, the text model. Files of the larger ones nest it and leave out what the class defaults to.
pub fn gemma3_text(c: &Config<'_>) -> Draft {
    c.note("norms after the blocks and of queries and keys are left out (under 0.02 %)");
    let or = |key: &str, high: u32, default: u32| c.count(key, 1, high).unwrap_or(default);
    let (hidden, layers) = (or("hidden_size", MAX_WIDTH, 2304), or("num_hidden_layers", MAX_LAYERS, 26));
    let (heads, vocab) = (or("num_attention_heads", MAX_HEADS, 8), or("vocab_size", MAX_VOCAB, 262_208));
    let mut d = shaped(c, hidden, layers, heads, vocab);
    gemma_sizes(c, &mut d, 4);
    d.ffn_hidden = or("intermediate_size", MAX_FFN, 9216);
    let tokens = window(c, Some(4096));
    let period = c
        .count_of(&["sliding_window_pattern", "_sliding_window_pattern"], 1, MAX_LAYERS)
        .unwrap_or(6);
    windows(c, &mut d, tokens, |i| !(i + 1).is_multiple_of(period as usize));
    d
}

/// Gemma 3 with images: the text model under `text_config`.
pub fn gemma3(c: &Config<'_>) -> Draft {
    c.skip(&["mm_tokens_per_image"]);
    match c.object("text_config") {
        Some(inner) => {
            let d = gemma3_text(&inner);
            c.adopt(&inner);
            d
        }
        None => gemma3_text(c),
    }
}

/// GPT-NeoX and Pythia: biases, two matrices.
pub fn gpt_neox(c: &Config<'_>) -> Draft {
    let mut d = decoder(c, &MODERN);
    ffn(c, &mut d);
    head_dim(c, &mut d, &MODERN, None);
    (d.gated, d.biases) = (false, true);
    if c.flag("attention_bias") == Some(false) {
        c.note("`attention_bias` is false: biases of attention are counted all the same (under 0.1 %)");
    }
    c.skip(&["use_parallel_residual"]);
    d
}

/// GPT-2: tied, learned positions, biases; `n_inner` null for four times the width.
pub fn gpt2(c: &Config<'_>) -> Draft {
    let mut d = decoder(c, &GPT);
    ffn_or_four(c, &mut d, &["n_inner"]);
    head_dim(c, &mut d, &GPT, None);
    (d.gated, d.biases, d.learned_positions) = (false, true, true);
    d.tied = c.flag("tie_word_embeddings").unwrap_or(true);
    c.skip(&["n_positions", "n_ctx", "reorder_and_upcast_attn"]);
    d
}

/// GPT-J: rotary positions, no biases in attention.
pub fn gptj(c: &Config<'_>) -> Draft {
    let mut d = decoder(c, &GPT);
    ffn_or_four(c, &mut d, &["n_inner"]);
    head_dim(c, &mut d, &GPT, None);
    d.gated = false;
    c.note("biases of the feed-forward and the head are left out (under 0.1 %)");
    c.skip(&["n_positions", "n_ctx"]);
    d
}

/// OPT: tied, learned positions, `ffn_dim`. Embeddings narrower than the layers have no place here.
pub fn opt(c: &Config<'_>) -> Draft {
    let mut d = decoder(c, &MODERN);
    d.ffn_hidden = c.need(&["ffn_dim"], 1, MAX_FFN);
    head_dim(c, &mut d, &MODERN, None);
    (d.gated, d.learned_positions) = (false, true);
    d.biases = c.flag("enable_bias").unwrap_or(true);
    d.tied = c.flag("tie_word_embeddings").unwrap_or(true);
    let projected = c.count("word_embed_proj_dim", 1, MAX_WIDTH).unwrap_or(d.hidden);
    if projected != d.hidden && c.is_fine() {
        let text = format!("`word_embed_proj_dim` is {projected}, other than the width {}", d.hidden);
        c.problem(
            "word_embed_proj_dim",
            text,
            "projections of embeddings are not modelled: choose another model",
        );
    }
    c.skip(&["do_layer_norm_before", "_remove_final_layer_norm"]);
    d
}

/// BLOOM: tied, `ALiBi` (no position parameters), four times the width.
pub fn bloom(c: &Config<'_>) -> Draft {
    c.note("the norm of the embedding is left out (under 0.01 %)");
    let mut d = decoder(c, &GPT);
    ffn_or_four(c, &mut d, &["n_inner"]);
    head_dim(c, &mut d, &GPT, None);
    (d.gated, d.biases) = (false, true);
    d.tied = c.flag("tie_word_embeddings").unwrap_or(true);
    c.skip(&[
        "apply_residual_connection_post_layernorm",
        "offset_alibi",
        "seq_length",
        "n_positions",
    ]);
    d
}

/// Falcon: one key-value head with `multi_query` unless `new_decoder_architecture` gives
/// `num_kv_heads`; tied as every class that does not say otherwise.
pub fn falcon(c: &Config<'_>) -> Draft {
    let mut d = decoder(c, &MODERN);
    ffn_or_four(c, &mut d, &["ffn_hidden_size"]);
    let (new, multi_query) = (
        c.flag("new_decoder_architecture").unwrap_or(false),
        c.flag("multi_query").unwrap_or(true),
    );
    if multi_query && !new {
        c.skip(&["num_kv_heads"]);
        d.kv_heads = 1;
    } else {
        kv_heads(c, &mut d, "num_kv_heads", None);
    }
    head_dim(c, &mut d, &MODERN, None);
    d.gated = false;
    d.biases = c.flag("bias").unwrap_or(false);
    d.tied = c.flag("tie_word_embeddings").unwrap_or(true);
    c.skip(&[
        "alibi",
        "parallel_attn",
        "num_ln_in_parallel_attn",
        "apply_residual_connection_post_layernorm",
    ]);
    d
}

/// Phi-1, 1.5 and 2: biases, two matrices.
pub fn phi(c: &Config<'_>) -> Draft {
    let mut d = llama(c);
    (d.gated, d.biases) = (false, true);
    c.skip(&["qk_layernorm"]);
    d
}

/// `StarCoder2`: tied unless written otherwise, biases with `use_bias`, 2 key-value heads.
pub fn starcoder2(c: &Config<'_>) -> Draft {
    let mut d = decoder(c, &MODERN);
    ffn(c, &mut d);
    kv_heads(c, &mut d, "num_key_value_heads", Some(2));
    head_dim(c, &mut d, &MODERN, None);
    d.gated = false;
    d.biases = c.flag("use_bias").unwrap_or(true);
    d.tied = c.flag("tie_word_embeddings").unwrap_or(true);
    c.skip(&["mlp_type", "norm_type", "embedding_dropout"]);
    let tokens = window(c, None);
    windows(c, &mut d, tokens, |_| true);
    d
}

/// `StableLM`: 32 key-value heads unless written; biases of norms and of queries, keys and values left out.
pub fn stablelm(c: &Config<'_>) -> Draft {
    c.note("biases of norms, queries, keys and values are left out (under 0.1 %)");
    let mut d = decoder(c, &MODERN);
    ffn(c, &mut d);
    kv_heads(c, &mut d, "num_key_value_heads", Some(32));
    head_dim(c, &mut d, &MODERN, None);
    c.skip(&["use_qkv_bias", "qk_layernorm", "use_parallel_residual"]);
    d
}

/// Nemotron (not hybrid): squared rectifier, so two matrices.
pub fn nemotron(c: &Config<'_>) -> Draft {
    let mut d = llama(c);
    d.gated = false;
    d
}
