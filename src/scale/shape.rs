//! A dense decoder of about so many parameters, in the proportions of a given one.

use crate::catalog::{Attention, Model, Moe};
use crate::workload::count;

/// Width over depth of Llama 3 8B, 70B and 405B is 128, 102, 130; over a 40-fold range it moves the
/// loss by a few percent only (Kaplan et al. 2020, arXiv 2001.08361 §3.1), so the usual one is taken.
const ASPECT: f64 = 128.0;
/// Feed-forward width over hidden width with three matrices (Llama 3 8B and 70B).
const GATED_FEED: f64 = 3.5;
const HEAD_DIM: u32 = 128;

/// Experts of a mixture as they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mixture {
    /// Routed experts of a layer.
    pub n_experts: u32,
    /// Experts that see each token; together as wide as the dense feed-forward.
    pub experts_per_token: u32,
}

/// A model of about `n_params` parameters, embeddings included; of a mixture the dense base has them,
/// so that they are about the active ones. Vocabulary and tied embeddings are those of the template.
#[must_use]
pub fn shaped(template: &Model, n_params: f64, mixture: Option<Mixture>) -> Model {
    let dense = candidates(template)
        .filter_map(|hidden| sized(template, hidden, n_params))
        .min_by(|a, b| odd(a, n_params).total_cmp(&odd(b, n_params)))
        .unwrap_or_else(|| frame(template, 128, 2));
    let mut model = match mixture {
        Some(m) => mixed(dense, m),
        None => dense,
    };
    let counts = count(&model, 1.0);
    model.name = "this-scenario".to_string();
    // As the field writes sizes: 70.6B.
    let written = |n: f64| crate::units::si(n, "").replace(" G", "B").replace(' ', "");
    model.title = if mixture.is_some() {
        format!(
            "a {} model with {} active",
            written(counts.params_total),
            written(counts.params_active)
        )
    } else {
        format!("a {} model", written(counts.params_total))
    };
    model
}

fn candidates(template: &Model) -> impl Iterator<Item = u32> {
    let wide = template.n_kv_heads.clamp(1, 8);
    // Heads that key-value heads divide, and so that tensor ranks up to 8 do.
    (1..=512).map(move |i| if i < 8 { i * HEAD_DIM } else { i * HEAD_DIM * wide / wide.min(8) })
}

/// How far a shape is from the usual one and from its size.
fn odd(model: &Model, n_params: f64) -> f64 {
    let aspect = f64::from(model.hidden) / f64::from(model.n_layers) / ASPECT;
    let size = count(model, 1.0).params_total / n_params;
    // Tensor ranks divide heads: multiples of eight are worth a little unusual a shape.
    let uneven = if model.hidden >= 1024 && !model.n_heads.is_multiple_of(8) {
        1.0
    } else {
        0.0
    };
    aspect.ln().abs() + 20.0 * size.ln().abs() + uneven
}

fn frame(template: &Model, hidden: u32, n_layers: u32) -> Model {
    let n_heads = (hidden / HEAD_DIM).max(1);
    let asked = if template.n_kv_heads < template.n_heads { 8 } else { n_heads };
    let n_kv_heads = (1..=asked.min(n_heads)).rev().find(|k| n_heads.is_multiple_of(*k)).unwrap_or(1);
    Model {
        n_layers,
        hidden,
        n_heads,
        n_kv_heads,
        head_dim: HEAD_DIM,
        attention: Attention::MultiHead,
        sliding: None,
        mamba: None,
        delta: None,
        pattern: None,
        moe: None,
        stated_params: None,
        ..template.clone()
    }
}

/// The depth at which a width comes nearest to the size, and the feed-forward that closes the gap.
fn sized(template: &Model, hidden: u32, n_params: f64) -> Option<Model> {
    let ratio = if template.gated_ffn { GATED_FEED } else { 4.0 };
    let step = if hidden >= 4096 { 1024 } else { 128 };
    let round = |width: f64| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let n = (width / f64::from(step)).round().max(1.0) as u32;
        n * step
    };
    let mut model = frame(template, hidden, 1);
    model.ffn_hidden = round(ratio * f64::from(hidden));
    let one = count(&model, 1.0).params_total;
    model.n_layers = 2;
    let layer = count(&model, 1.0).params_total - one;
    let around = one - layer;
    let depth = ((n_params - around) / layer).round();
    if !(2.0..=400.0).contains(&depth) {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let depth = depth as u32;
    // Pipelines like depths that many numbers divide.
    model.n_layers = if depth > 24 { (depth + 2) / 4 * 4 } else { depth };
    let missing = n_params - count(&model, 1.0).params_total;
    let matrices = if template.gated_ffn { 3.0 } else { 2.0 };
    let wider = missing / (f64::from(model.n_layers) * matrices * f64::from(hidden));
    let width = f64::from(model.ffn_hidden) + wider;
    if width < 0.6 * ratio * f64::from(hidden) || width > 1.5 * ratio * f64::from(hidden) {
        return None;
    }
    model.ffn_hidden = round(width);
    Some(model)
}

fn mixed(dense: Model, mixture: Mixture) -> Model {
    Model {
        moe: Some(Moe {
            n_experts: mixture.n_experts,
            experts_per_token: mixture.experts_per_token,
            expert_ffn_hidden: (dense.ffn_hidden / mixture.experts_per_token.max(1)).max(1),
            shared_ffn_hidden: 0,
            first_dense_layers: 0,
            every: 1,
        }),
        ..dense
    }
}

/// The model as the value of `--set model=…`.
#[must_use]
pub fn toml(model: &Model) -> String {
    let mut keys = vec![
        format!("title = \"{}\"", model.title),
        format!("layers = {}", model.n_layers),
        format!("hidden = {}", model.hidden),
        format!("heads = {}", model.n_heads),
        format!("kv_heads = {}", model.n_kv_heads),
        format!("head_dim = {}", model.head_dim),
        format!("ffn_hidden = {}", model.ffn_hidden),
        format!("gated_ffn = {}", model.gated_ffn),
        format!("vocab = {}", model.vocab),
        format!("tied_embeddings = {}", model.tied_embeddings),
        format!("learned_positions = {}", model.learned_positions),
        format!("biases = {}", model.biases),
        "source = \"sized by exaplan scale optimal\"".to_string(),
    ];
    if let Some(m) = &model.moe {
        keys.push(format!(
            "moe = {{ experts = {}, experts_per_token = {}, expert_ffn_hidden = {} }}",
            m.n_experts, m.experts_per_token, m.expert_ffn_hidden
        ));
    }
    format!("{{ {} }}", keys.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;

    #[test]
    fn sizes_are_met_in_usual_proportions() {
        let template: Model = Catalog::builtin().get("llama3-405b").unwrap();
        for n in [2e8, 1e9, 3.3e9, 8e9, 2.2e10, 7e10, 2.5e11, 1e12, 5e12] {
            let model = shaped(&template, n, None);
            let got = count(&model, 1.0).params_total;
            assert!((got / n - 1.0).abs() < 0.03, "{n}: {got}");
            let aspect = f64::from(model.hidden) / f64::from(model.n_layers);
            assert!((30.0..500.0).contains(&aspect), "{n}: {aspect}");
            assert!(model.n_heads.is_multiple_of(model.n_kv_heads));
        }
    }

    #[test]
    fn a_mixture_is_as_active_as_its_base() {
        let template: Model = Catalog::builtin().get("llama3-405b").unwrap();
        let mixture = Mixture {
            n_experts: 64,
            experts_per_token: 8,
        };
        let counts = count(&shaped(&template, 2e10, Some(mixture)), 1.0);
        assert!((counts.params_active / 2e10 - 1.0).abs() < 0.05, "{}", counts.params_active);
        assert!(counts.params_total > 4.0 * counts.params_active);
    }
}
