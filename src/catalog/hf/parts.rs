//! What the families have in common.

use super::config::{Config, MAX_FFN, MAX_HEADS, MAX_LAYERS, MAX_VOCAB, MAX_WIDTH};
use super::draft::{Draft, Experts};
use crate::catalog::{Feed, Mixer};

/// Keys of the sizes that every file must give, since `save_pretrained` always writes them. Other
/// keys default to what the configuration class of `transformers` says.
pub struct Names {
    /// Residual width.
    pub hidden: &'static [&'static str],
    /// Layers.
    pub layers: &'static [&'static str],
    /// Query heads.
    pub heads: &'static [&'static str],
}

/// Of the families since `LLaMA`.
pub const MODERN: Names = Names {
    hidden: &["hidden_size"],
    layers: &["num_hidden_layers"],
    heads: &["num_attention_heads"],
};

/// Of GPT-2, BLOOM and their time, which map both spellings (`attribute_map`).
pub const GPT: Names = Names {
    hidden: &["n_embd", "hidden_size", "n_embed"],
    layers: &["n_layer", "num_hidden_layers"],
    heads: &["n_head", "num_attention_heads"],
};

/// Gated, untied decoder without feed-forward width: what a family then changes.
pub fn decoder(c: &Config<'_>, names: &Names) -> Draft {
    let hidden = c.need(names.hidden, 1, MAX_WIDTH);
    let layers = c.need(names.layers, 1, MAX_LAYERS);
    let heads = c.need(names.heads, 1, MAX_HEADS);
    let vocab = c.need(&["vocab_size"], 1, MAX_VOCAB);
    shaped(c, hidden, layers, heads, vocab)
}

/// The same from sizes already read.
pub fn shaped(c: &Config<'_>, hidden: u32, layers: u32, heads: u32, vocab: u32) -> Draft {
    let n = layers as usize;
    Draft {
        hidden,
        heads,
        kv_heads: heads,
        head_dim: (hidden / heads.max(1)).max(1),
        ffn_hidden: 0,
        vocab,
        gated: true,
        tied: c.flag("tie_word_embeddings").unwrap_or(false),
        learned_positions: false,
        biases: false,
        latent: None,
        window_tokens: None,
        experts: None,
        mamba: None,
        delta: None,
        mixers: vec![Mixer::Attention; n],
        feeds: vec![Feed::Dense; n],
    }
}

/// `head_dim` where it is written, else `default`, else `hidden_size / num_attention_heads`.
pub fn head_dim(c: &Config<'_>, d: &mut Draft, names: &Names, default: Option<u32>) {
    if let Some(width) = c.count("head_dim", 1, MAX_HEADS).or(default) {
        d.head_dim = width;
        return;
    }
    if !d.hidden.is_multiple_of(d.heads) && c.is_fine() {
        let key = names.heads.iter().find(|k| c.value(k).is_some()).unwrap_or(&names.heads[0]);
        let text = format!("`{key}` is {}, which does not divide the width {}", d.heads, d.hidden);
        c.problem(key, text, "write a divisor of the width, or add \"head_dim\"");
    }
}

/// Key-value heads: as written, else `default`, else as many as query heads; null means as many.
pub fn kv_heads(c: &Config<'_>, d: &mut Draft, key: &str, default: Option<u32>) {
    d.kv_heads = c.count(key, 1, MAX_HEADS).or(default.filter(|_| !c.has(key))).unwrap_or(d.heads);
    if c.is_fine() && (d.kv_heads > d.heads || !d.heads.is_multiple_of(d.kv_heads)) {
        let text = format!("`{key}`: {} key-value heads do not divide {} query heads", d.kv_heads, d.heads);
        c.problem(key, text, "write a divisor of the number of attention heads");
    }
}

/// Required `intermediate_size`.
pub fn ffn(c: &Config<'_>, d: &mut Draft) {
    d.ffn_hidden = c.need(&["intermediate_size"], 1, MAX_FFN);
}

/// Four times the width unless one of the keys says otherwise.
pub fn ffn_or_four(c: &Config<'_>, d: &mut Draft, keys: &[&str]) {
    d.ffn_hidden = c.count_of(keys, 1, MAX_FFN).unwrap_or(d.hidden.saturating_mul(4).min(MAX_FFN));
}

/// `attention_bias` and `mlp_bias` of the `LLaMA` line: biases everywhere or, being under 0.1 % of
/// the parameters, nowhere.
pub fn biases(c: &Config<'_>, d: &mut Draft) {
    let attention = c.flag("attention_bias").unwrap_or(false);
    let mlp = c.flag("mlp_bias").unwrap_or(false);
    d.biases = attention && mlp;
    if attention != mlp {
        c.note("biases of one part of the layers are left out (under 0.1 %)");
    }
}

/// Which layers have a window. `default` says it of a layer when `layer_types` is absent.
pub fn windows(c: &Config<'_>, d: &mut Draft, window: Option<u32>, default: impl Fn(usize) -> bool) {
    let n = d.mixers.len();
    let types = c.texts("layer_types");
    d.window_tokens = window;
    d.mixers = match types.filter(|t| length_fits(c, "layer_types", t.len(), n)) {
        Some(types) => types.iter().map(|t| mixer_named(c, t, window, d.delta.is_some())).collect(),
        None => (0..n)
            .map(|i| {
                if window.is_some() && default(i) {
                    Mixer::Windowed
                } else {
                    Mixer::Attention
                }
            })
            .collect(),
    };
}

/// One element of `layer_types`; of many that are wrong the first is reported.
fn mixer_named(c: &Config<'_>, name: &str, window: Option<u32>, linear: bool) -> Mixer {
    match (name, window) {
        ("full_attention", _) => Mixer::Attention,
        ("sliding_attention", Some(_)) => Mixer::Windowed,
        ("sliding_attention", None) if c.is_fine() => {
            c.problem(
                "layer_types",
                "`layer_types` names sliding attention but `sliding_window` is missing",
                "add \"sliding_window\" with its tokens",
            );
            Mixer::Attention
        }
        ("linear_attention", _) if linear => Mixer::Delta,
        _ if !c.is_fine() => Mixer::Attention,
        (other, _) => {
            let text = format!("`layer_types` holds `{other}`");
            let help = "this program reads full_attention, sliding_attention and, for qwen3_next, linear_attention";
            c.problem("layer_types", text, help);
            Mixer::Attention
        }
    }
}

/// Whether a list has one element for each layer; says so if not.
pub fn length_fits(c: &Config<'_>, key: &str, given: usize, layers: usize) -> bool {
    if given != layers && c.is_fine() {
        c.problem(
            key,
            format!("`{key}` has {given} elements for {layers} layers"),
            "write one for each layer",
        );
    }
    given == layers
}

/// `sliding_window`, which files also write as null, 0 or -1 for none.
pub fn window(c: &Config<'_>, default: Option<u32>) -> Option<u32> {
    let Some(value) = c.value("sliding_window") else {
        return if c.has("sliding_window") { None } else { default };
    };
    if value.as_i64().is_some_and(|w| w == 0 || w == -1) {
        return None;
    }
    c.count("sliding_window", 1, u32::MAX)
}

/// Experts under the keys of a family.
pub struct ExpertNames<'a> {
    /// Routed experts, with the default of the class.
    pub n_experts: (&'a str, Option<u32>),
    /// Experts for each token, with the default of the class.
    pub per_token: (&'a str, Option<u32>),
    /// Intermediate width of one.
    pub width: &'a str,
}

/// Routed experts; the shared width is the caller's.
pub fn experts(c: &Config<'_>, names: &ExpertNames<'_>, shared_width: u32) -> Experts {
    let or = |(key, default): (&str, Option<u32>)| match default {
        Some(d) => c.count(key, 1, MAX_HEADS).unwrap_or(d),
        None => c.need(&[key], 1, MAX_HEADS),
    };
    let out = Experts {
        n_experts: or(names.n_experts),
        per_token: or(names.per_token),
        width: c.need(&[names.width], 1, MAX_FFN),
        shared_width,
    };
    if out.per_token > out.n_experts && c.is_fine() {
        let text = format!(
            "`{}` is {}, more than the {} experts",
            names.per_token.0, out.per_token, out.n_experts
        );
        c.problem(names.per_token.0, text, format!("write at most `{}`", names.n_experts.0));
    }
    out
}

/// Shared experts given as a number of them, each as wide as a routed one.
pub fn shared(c: &Config<'_>, width_key: &str, default: u32) -> u32 {
    let n = c.count("n_shared_experts", 0, MAX_HEADS);
    let n = n.unwrap_or(if c.has("n_shared_experts") { 0 } else { default });
    let width = c.count(width_key, 1, MAX_FFN).unwrap_or(1);
    let total = u64::from(n) * u64::from(width);
    match u32::try_from(total).ok().filter(|t| *t <= MAX_FFN) {
        Some(total) => total,
        None => {
            c.problem(
                "n_shared_experts",
                format!("`n_shared_experts` times `{width_key}` is {total}, out of range"),
                format!("write numbers whose product is at most {MAX_FFN}"),
            );
            1
        }
    }
}
