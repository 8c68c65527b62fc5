//! Model architectures, checked.

use super::model::{Attention, Delta, Feed, Latent, LayerKind, Mamba, Mixer, Model, Moe, Sliding};
use super::read::{Entity, common, title};
use super::reader::{Bounds, Reader};
use super::{Catalog, Kind};
use crate::units::Unit;
use Bounds::Positive;

impl Entity for Model {
    const KIND: Kind = Kind::Model;

    fn read(name: &str, r: &Reader<'_>, _: &Catalog) -> Self {
        let title = title(name, r);
        let hidden = r.need_count("hidden", 1);
        let n_heads = r.need_count("heads", 1);
        let model = Model {
            name: name.to_string(),
            title,
            n_layers: r.need_count("layers", 1),
            hidden,
            n_heads,
            n_kv_heads: r.count32("kv_heads", 1).unwrap_or(n_heads),
            head_dim: r.count32("head_dim", 1).unwrap_or_else(|| (hidden / n_heads.max(1)).max(1)),
            ffn_hidden: r.need_count("ffn_hidden", 0),
            gated_ffn: r.flag("gated_ffn").unwrap_or(true),
            vocab: r.need_count("vocab", 1),
            tied_embeddings: r.flag("tied_embeddings").unwrap_or(false),
            learned_positions: r.flag("learned_positions").unwrap_or(false),
            biases: r.flag("biases").unwrap_or(false),
            attention_sinks: r.flag("attention_sinks").unwrap_or(false),
            attention: r.table("mla").map_or(Attention::MultiHead, |t| Attention::Latent(latent(&t))),
            sliding: r.table("sliding").map(|t| sliding(&t)),
            moe: r.table("moe").map(|t| moe(&t)),
            mamba: r.table("mamba").map(|t| mamba(&t)),
            delta: r.table("delta").map(|t| delta(&t)),
            pattern: pattern(r),
            stated_params: r.number("params_total", Unit::One, Positive),
        };
        let _ = r.number("params_active", Unit::One, Positive);
        if model.n_kv_heads > model.n_heads || !model.n_heads.is_multiple_of(model.n_kv_heads) {
            let text = format!("{} key-value heads do not divide {} query heads", model.n_kv_heads, model.n_heads);
            r.problem("kv_heads", text, "write a divisor of `heads`");
        }
        limits(&model, r);
        mixers(&model, r);
        model
    }
}

/// Far above anything published; keeps sums of dimensions inside 32 bits, products within exact
/// floating point and loops over layers short.
fn limits(model: &Model, r: &Reader<'_>) {
    let widest = 10_000_000;
    let moe = model.moe.unwrap_or(Moe {
        n_experts: 1,
        experts_per_token: 1,
        expert_ffn_hidden: 1,
        shared_ffn_hidden: 0,
        first_dense_layers: 0,
        every: 1,
    });
    let latent = match model.attention {
        Attention::Latent(l) => [l.q_lora_rank, l.kv_lora_rank, l.qk_nope_head_dim, l.qk_rope_head_dim, l.v_head_dim]
            .into_iter()
            .max()
            .unwrap_or(0),
        Attention::MultiHead => 0,
    };
    let dims = [
        ("layers", model.n_layers, 10_000),
        ("hidden", model.hidden, widest),
        ("heads", model.n_heads, 1_000_000),
        ("head_dim", model.head_dim, 1_000_000),
        ("ffn_hidden", model.ffn_hidden, 100_000_000),
        ("vocab", model.vocab, 1_000_000_000),
        ("mla", latent, widest),
        ("moe", moe.n_experts, 1_000_000),
        ("moe", moe.expert_ffn_hidden.max(moe.shared_ffn_hidden), 100_000_000),
    ];
    for (key, value, high) in dims {
        if value > high {
            r.problem(
                key,
                format!("`{}` is {value}, out of range", r.name(key)),
                format!("write a number up to {high}"),
            );
        }
    }
}

/// `layer_pattern`, one character per layer; the layers it names must have their dimensions.
fn pattern(r: &Reader<'_>) -> Option<Vec<LayerKind>> {
    let text = r.text("layer_pattern")?;
    let kinds: Option<Vec<LayerKind>> = text.chars().map(LayerKind::from_char).collect();
    if kinds.is_none() {
        let wrong: String = text.chars().filter(|c| LayerKind::from_char(*c).is_none()).take(8).collect();
        r.problem("layer_pattern", format!("`layer_pattern` holds `{wrong}`"), LayerKind::PATTERN_HELP);
    }
    kinds
}

/// A pattern must be as long as the model and name only mixers whose dimensions are given.
fn mixers(model: &Model, r: &Reader<'_>) {
    let Some(pattern) = &model.pattern else { return };
    if pattern.len() != model.n_layers as usize {
        let text = format!("`layer_pattern` has {} characters for {} layers", pattern.len(), model.n_layers);
        r.problem("layer_pattern", text, LayerKind::PATTERN_HELP);
    }
    let uses = |mixer: Mixer| pattern.iter().any(|k| k.mixer == mixer);
    let needs = [
        (uses(Mixer::StateSpace) && model.mamba.is_none(), "mamba"),
        (uses(Mixer::Delta) && model.delta.is_none(), "delta"),
        (uses(Mixer::Windowed) && model.sliding.is_none(), "sliding"),
        (pattern.iter().any(|k| k.feed == Feed::Mixture) && model.moe.is_none(), "moe"),
    ];
    for (missing, table) in needs {
        if missing {
            let text = format!("`layer_pattern` needs the table `{}`", r.name(table));
            r.problem("layer_pattern", text, format!("add [{}] with its dimensions", r.name(table)));
        }
    }
}

fn mamba(r: &Reader<'_>) -> Mamba {
    common(r);
    let value = Mamba {
        n_heads: r.need_count("n_heads", 1),
        head_dim: r.need_count("head_dim", 1),
        state_dim: r.need_count("state_dim", 1),
        n_groups: r.count32("n_groups", 1).unwrap_or(1),
        conv_kernel: r.count32("conv_kernel", 1).unwrap_or(4),
        dt_rank: r.count32("dt_rank", 1),
    };
    r.skip(&["inner", "expand"]);
    r.finish();
    value
}

fn delta(r: &Reader<'_>) -> Delta {
    common(r);
    let value = Delta {
        n_key_heads: r.need_count("n_key_heads", 1),
        n_value_heads: r.need_count("n_value_heads", 1),
        key_head_dim: r.need_count("key_head_dim", 1),
        value_head_dim: r.need_count("value_head_dim", 1),
        conv_kernel: r.count32("conv_kernel", 1).unwrap_or(4),
    };
    r.finish();
    value
}

fn latent(r: &Reader<'_>) -> Latent {
    common(r);
    let value = Latent {
        q_lora_rank: r.count32("q_lora_rank", 0).unwrap_or(0),
        kv_lora_rank: r.need_count("kv_lora_rank", 1),
        qk_nope_head_dim: r.need_count("qk_nope_head_dim", 1),
        qk_rope_head_dim: r.need_count("qk_rope_head_dim", 0),
        v_head_dim: r.need_count("v_head_dim", 1),
    };
    r.finish();
    value
}

fn sliding(r: &Reader<'_>) -> Sliding {
    common(r);
    let value = Sliding {
        window_tokens: r.need_count("window_tokens", 1),
        full_every: r.count32("full_every", 0).unwrap_or(0),
    };
    r.finish();
    value
}

fn moe(r: &Reader<'_>) -> Moe {
    common(r);
    let value = Moe {
        n_experts: r.need_count("experts", 1),
        experts_per_token: r.need_count("experts_per_token", 1),
        expert_ffn_hidden: r.need_count("expert_ffn_hidden", 1),
        shared_ffn_hidden: r.count32("shared_ffn_hidden", 0).unwrap_or(0),
        first_dense_layers: r.count32("first_dense_layers", 0).unwrap_or(0),
        every: r.count32("every", 1).unwrap_or(1),
    };
    if value.experts_per_token > value.n_experts {
        r.problem(
            "experts_per_token",
            "more experts per token than experts",
            "write at most `experts`",
        );
    }
    r.finish();
    value
}
