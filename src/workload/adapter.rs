//! Training a low-rank adapter on a frozen base (`LoRA`, Hu et al., arXiv 2106.09685).

use super::mixer;
use crate::catalog::{Attention, Feed, LayerKind, Mixer, Model};

/// Which linear layers carry an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Targets {
    /// Projections of the token mixer.
    Attention,
    /// Projections and dense feed-forward; routed experts stay as they are.
    AllLinear,
}

/// A low-rank adapter; everything else is frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adapter {
    /// Rank of the two factors.
    pub rank: u32,
    /// Where they are.
    pub targets: Targets,
}

impl Adapter {
    /// Trainable parameters of one layer: `rank · (inputs + outputs)` for each adapted linear (§4.1).
    #[must_use]
    pub fn layer_params(&self, model: &Model, kind: LayerKind) -> f64 {
        let sides: f64 = mixer_sides(model, kind.mixer) + self.feed_sides(model, kind.feed);
        f64::from(self.rank) * sides
    }

    fn feed_sides(&self, model: &Model, feed: Feed) -> f64 {
        let h = f64::from(model.hidden);
        let halves = if model.gated_ffn { 2.0 } else { 1.0 };
        let width = match (feed, model.moe) {
            (Feed::Dense, _) => f64::from(model.ffn_hidden),
            (Feed::Mixture, Some(moe)) => f64::from(moe.shared_ffn_hidden),
            _ => 0.0,
        };
        if self.targets == Targets::AllLinear && width > 0.0 {
            h + halves * width + width + h
        } else {
            0.0
        }
    }

    /// Trainable parameters of the whole model.
    #[must_use]
    pub fn params(&self, model: &Model) -> f64 {
        super::pattern(model).into_iter().map(|kind| self.layer_params(model, kind)).sum()
    }
}

/// Inputs plus outputs of the projections of a mixer.
fn mixer_sides(model: &Model, mixer: Mixer) -> f64 {
    let h = f64::from(model.hidden);
    match (mixer, model.attention) {
        (Mixer::None, _) => 0.0,
        (Mixer::Attention | Mixer::Windowed, Attention::MultiHead) => {
            let q = f64::from(model.n_heads) * f64::from(model.head_dim);
            let kv = f64::from(model.n_kv_heads) * f64::from(model.head_dim);
            (h + q + 2.0 * kv) + (q + h)
        }
        (Mixer::Attention | Mixer::Windowed, Attention::Latent(l)) => {
            let heads = f64::from(model.n_heads);
            let (q, kv, rope) = (f64::from(l.q_lora_rank), f64::from(l.kv_lora_rank), f64::from(l.qk_rope_head_dim));
            let up = heads * (f64::from(l.qk_nope_head_dim) + rope) + heads * f64::from(l.qk_nope_head_dim + l.v_head_dim);
            (h + q + kv + rope) + (q + kv + up) + (heads * f64::from(l.v_head_dim) + h)
        }
        (Mixer::StateSpace, _) => model
            .mamba
            .map_or(0.0, |m| (h + mixer::state_space_width(&m)) + (mixer::inner(&m) + h)),
        (Mixer::Delta, _) => model.delta.map_or(0.0, |d| {
            let (keys, values) = mixer::delta_widths(&d);
            (h + 2.0 * keys + 2.0 * values) + (values + h)
        }),
        (Mixer::Recurrent, _) => 10.0 * h,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama2_70b_lora_has_the_trainable_parameters_of_mlperf() {
        // MLPerf Training llama2_70b_lora, rank 16 on attention: per layer
        // 16·(8192 + 8192 + 2·1024) + 16·(8192 + 8192) = 557,056; 80 layers: 44,564,480.
        let catalog = crate::Catalog::builtin();
        let model: Model = catalog.get("llama2-70b").unwrap();
        let adapter = Adapter {
            rank: 16,
            targets: Targets::Attention,
        };
        assert_eq!(adapter.params(&model), 44_564_480.0);
        let all = Adapter {
            targets: Targets::AllLinear,
            ..adapter
        };
        // Feed-forward: 16·(8192 + 2·28672) + 16·(28672 + 8192) more per layer.
        assert_eq!(all.params(&model) - adapter.params(&model), 80.0 * 16.0 * (65_536.0 + 36_864.0));
    }
}
