//! Bytes that one micro-batch leaves behind in one layer for its backward pass, tensor by tensor.
//!
//! Follows Korthikanti et al. (arXiv 2205.05198 §4) with what Transformer Engine and flash
//! attention keep today: inputs of norms, norm outputs (inputs of the column-parallel linears, kept
//! cut along the sequence and gathered again), rotated queries and keys, values, the attention
//! output with its log-sum-exp, the two halves of the gated feed-forward and their product.

use super::{Layout, Recompute, StageShape};
use crate::catalog::{Attention, Model, N_KINDS};
use crate::workload::{Feed, LayerKind, Mixer, Workload, count::head_dims, mixer};

/// Activation bytes of one layer and micro-batch on one device.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LayerActivations {
    /// Kept from forward to backward.
    pub kept_bytes: f64,
    /// Held only while the layer's backward runs, recomputation included.
    pub transient_bytes: f64,
}

/// What the software stack decides about stored activations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ActivationRules {
    /// Scores are never stored.
    pub flash_attention: bool,
    /// Dropout masks are stored (models and stacks before flash attention).
    pub dropout: bool,
}

/// Local sizes that every formula uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Local {
    /// Tokens of a micro-batch on one context rank.
    pub tokens: f64,
    /// The same on one rank where sequence parallelism cuts.
    pub cut_tokens: f64,
    /// Tokens that reach the routed experts of one rank, balanced.
    pub expert_tokens: f64,
    /// Tensor degree.
    pub tensor: f64,
    /// Residual width.
    pub hidden: f64,
}

/// Local sizes of a layout.
#[must_use]
pub fn local(workload: &Workload, layout: &Layout) -> Local {
    let tensor = f64::from(layout.tensor);
    let tokens = f64::from(layout.micro_batch_seqs) * workload.seq_len_tokens / f64::from(layout.context);
    let top = workload.model.moe.map_or(0.0, |m| f64::from(m.experts_per_token));
    Local {
        tokens,
        cut_tokens: if layout.sequence_parallel { tokens / tensor } else { tokens },
        // Every token is sent once by the ranks that share it: T·k / tensor per device, whatever the
        // expert degree; expert-tensor ranks each see all tokens of their group.
        expert_tokens: tokens * top / tensor * f64::from(layout.expert_tensor),
        tensor,
        hidden: f64::from(workload.model.hidden),
    }
}

/// Activations of a layer of every kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Activations {
    /// As the layout has them, by [`LayerKind::index`].
    pub own: [LayerActivations; N_KINDS],
    /// Computed again whole.
    pub whole: [LayerActivations; N_KINDS],
}

impl Activations {
    /// Those of a layout.
    #[must_use]
    pub fn of(workload: &Workload, layout: &Layout, rules: ActivationRules) -> Activations {
        let own = LayerKind::ALL.map(|kind| layer(workload, layout, kind, rules));
        let whole = if layout.recompute.layers() > 0 {
            let full = Layout {
                recompute: Recompute::Full,
                ..*layout
            };
            LayerKind::ALL.map(|kind| layer(workload, &full, kind, rules))
        } else {
            own
        };
        Activations { own, whole }
    }

    /// Bytes that one micro-batch leaves on some layers.
    #[must_use]
    pub fn kept_bytes(&self, shape: &StageShape) -> f64 {
        let of = |(kind, n, again): (LayerKind, f64, f64)| {
            let i = kind.index();
            n * self.own[i].kept_bytes + again * self.whole[i].kept_bytes
        };
        shape.parts().map(of).sum()
    }

    /// The largest of a quantity over the layers of a stage.
    #[must_use]
    pub fn largest(&self, shape: &StageShape, quantity: fn(&LayerActivations) -> f64) -> f64 {
        let of = |(kind, n, again): (LayerKind, f64, f64)| {
            let there = |n: f64, layer: &LayerActivations| if n > 0.0 { quantity(layer) } else { 0.0 };
            there(n, &self.own[kind.index()]).max(there(again, &self.whole[kind.index()]))
        };
        shape.parts().map(of).fold(0.0, f64::max)
    }
}

/// Activations of one layer of a kind; of those that are not computed again, where some are.
#[must_use]
pub fn layer(workload: &Workload, layout: &Layout, kind: LayerKind, rules: ActivationRules) -> LayerActivations {
    let l = local(workload, layout);
    let model = &workload.model;
    let wide = workload.precision.activation_bytes;
    // 8-bit linears keep the quantized copy of their input; block scales are counted in `bytes()`.
    let narrow = workload.precision.compute.bytes().max(1.0).min(wide);
    let halves = f64::from(u8::from(kind.mixer != Mixer::None)) + f64::from(u8::from(kind.feed != Feed::None));
    let norms = halves * l.cut_tokens * l.hidden * (wide + narrow);
    let masks = if rules.dropout { halves * l.cut_tokens * l.hidden } else { 0.0 };
    let (mixed, scores) = match kind.mixer {
        Mixer::None => (0.0, 0.0),
        Mixer::Attention | Mixer::Windowed => attention(model, &l, workload, rules, wide),
        Mixer::StateSpace | Mixer::Delta | Mixer::Recurrent => (scan(model, kind.mixer, &l, wide), 0.0),
    };
    let (feed, feed_transient) = feed(model, layout, kind.feed, &l, wide, narrow);
    let gathered = if layout.sequence_parallel && layout.tensor > 1 {
        l.tokens * l.hidden * wide
    } else {
        0.0
    };
    let transient = feed_transient + gathered + l.tokens * l.hidden * wide;
    let full = norms + masks + mixed + scores + feed;
    match layout.recompute {
        Recompute::None | Recompute::Layers(_) => LayerActivations {
            kept_bytes: full,
            transient_bytes: transient,
        },
        Recompute::Selective => LayerActivations {
            kept_bytes: full - scores,
            transient_bytes: transient.max(scores),
        },
        Recompute::Full => LayerActivations {
            kept_bytes: l.cut_tokens * l.hidden * wide,
            transient_bytes: full + transient,
        },
    }
}

fn feed(model: &Model, layout: &Layout, feed: Feed, l: &Local, wide: f64, narrow: f64) -> (f64, f64) {
    match (feed, model.moe) {
        (Feed::None, _) => (0.0, 0.0),
        (Feed::Mixture, Some(moe)) => {
            let width = f64::from(moe.expert_ffn_hidden) / f64::from(layout.expert_tensor);
            let routed = feed_forward(model, l.expert_tokens, width, wide, narrow);
            let shared = feed_forward(model, l.tokens, f64::from(moe.shared_ffn_hidden) / l.tensor, wide, narrow);
            // Dispatched inputs, expert outputs (the router's gradient needs them), router logits and probabilities in fp32.
            let moved = l.expert_tokens * l.hidden * (narrow + wide);
            let router = l.cut_tokens * f64::from(moe.n_experts) * 8.0;
            let transient = routed.1.max(shared.1) + 2.0 * l.expert_tokens * l.hidden * wide;
            (routed.0 + shared.0 + moved + router, transient)
        }
        _ => feed_forward(model, l.tokens, f64::from(model.ffn_hidden) / l.tensor, wide, narrow),
    }
}

/// What the scans keep: projections before and after the convolution, the output before and after
/// its gated norm, and the state at every chunk boundary in fp32 (`mamba_ssm` and
/// `flash-linear-attention` recompute the rest). An LSTM keeps four gates, state and output per token.
fn scan(model: &Model, mixer: Mixer, l: &Local, wide: f64) -> f64 {
    let per_token = match (mixer, model.mamba, model.delta) {
        (Mixer::StateSpace, Some(m), _) => {
            let states = mixer::inner(&m) * f64::from(m.state_dim) * 4.0 / mixer::STATE_SPACE_CHUNK;
            wide * (mixer::state_space_width(&m) + mixer::state_space_channels(&m) + 2.0 * mixer::inner(&m)) + states
        }
        (Mixer::Delta, _, Some(d)) => {
            let (keys, values) = mixer::delta_widths(&d);
            let states = values * f64::from(d.key_head_dim) * 4.0 / mixer::DELTA_CHUNK;
            wide * (2.0 * (2.0 * keys + values) + 3.0 * values) + states
        }
        (Mixer::Recurrent, ..) => 6.0 * l.hidden * wide,
        _ => 0.0,
    };
    l.tokens * per_token / l.tensor
}

/// Queries, keys, values, output, statistics; and the stored scores of unfused attention.
fn attention(model: &Model, l: &Local, workload: &Workload, rules: ActivationRules, wide: f64) -> (f64, f64) {
    let heads = f64::from(model.n_heads) / l.tensor;
    let (qk, v) = head_dims(model);
    let kept = match model.attention {
        Attention::MultiHead => {
            let kv_heads = (f64::from(model.n_kv_heads) / l.tensor).max(1.0);
            l.tokens * wide * (heads * qk + kv_heads * (qk + v) + heads * v)
        }
        Attention::Latent(lat) => {
            // Compressed query and key-value with their norms' inputs, then expanded queries, keys and values.
            let ranks = f64::from(lat.q_lora_rank + lat.kv_lora_rank);
            let compressed = l.cut_tokens * wide * 2.0 * (ranks + f64::from(lat.qk_rope_head_dim) / 2.0);
            compressed + l.tokens * wide * heads * (2.0 * qk + 2.0 * v)
        }
    };
    if rules.flash_attention {
        return (kept + l.tokens * heads * 4.0, 0.0);
    }
    // Softmax output (2 bytes), dropout mask (1) and dropped-out scores (2): 5·a·s²·b (arXiv 2205.05198 eq. 1).
    let per_score = if rules.dropout { 5.0 } else { 2.0 };
    let keys = workload.seq_len_tokens;
    (kept, per_score * heads * l.tokens * keys)
}

/// Kept and transient bytes of one feed-forward of local width.
fn feed_forward(model: &Model, tokens: f64, width: f64, wide: f64, narrow: f64) -> (f64, f64) {
    let halves = if model.gated_ffn { 2.0 } else { 1.0 };
    let kept = tokens * width * (halves * wide + narrow);
    // Backward: gradients of the product and of both halves while the kept product is freed.
    (kept, tokens * width * halves * wide)
}
