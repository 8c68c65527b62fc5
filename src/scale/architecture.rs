//! The same budget and machine with other architectures: work, state, memory, time. Loss only where a
//! published law tells it.

use super::formula::Allocation;
use super::question::{Mixing, Question, Route};
use super::shape::{Mixture, shaped};
use crate::catalog::{Catalog, LayerKind, Mamba, Mixer, Model, Sliding};
use crate::layout::Choice;
use crate::plan::{Plan, Scenario, evaluate};
use crate::search::{self, Options};
use crate::workload::count::pattern;
use crate::workload::{Counts, count};

/// An architecture to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Full attention in every layer.
    Dense,
    /// A sliding window of 4,096 tokens, every sixth layer full (Gemma 3's pattern).
    Sliding,
    /// 64 experts, 8 for each token.
    Mixture,
    /// State-space layers with a feed-forward, no attention.
    StateSpace,
    /// The same with attention in every eighth layer (the share of Waleffe et al. 2024, arXiv 2406.07887).
    Hybrid,
    /// LSTM layers with a feed-forward.
    Recurrent,
}

impl Kind {
    /// Every kind with its name.
    pub const ALL: [(&'static str, Kind); 6] = [
        ("dense", Kind::Dense),
        ("sliding", Kind::Sliding),
        ("mixture", Kind::Mixture),
        ("ssm", Kind::StateSpace),
        ("hybrid", Kind::Hybrid),
        ("lstm", Kind::Recurrent),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Kind::ALL.iter().find(|(_, k)| *k == self).map_or("", |(n, _)| n)
    }

    /// What is known of its loss, in words.
    #[must_use]
    pub fn known(self) -> &'static str {
        match self {
            Kind::Dense => "by the law",
            Kind::Mixture => "by the route that was chosen; published laws disagree",
            Kind::Sliding => "no published law: the dense loss, times your factor",
            Kind::StateSpace => "no published law: 8B models lag on in-context tasks (Waleffe et al. 2024); times your factor",
            Kind::Hybrid => "no published law: parity within 2 % at 8B (Waleffe et al. 2024); times your factor",
            Kind::Recurrent => "no published law: none is forecast",
        }
    }
}

/// One architecture on the machine.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Which.
    pub kind: Kind,
    /// Its parameters and FLOP.
    pub counts: Counts,
    /// Its plan; nothing when no layout fits.
    pub plan: Option<Plan>,
    /// Bytes that serving keeps for a sequence of the training length: keys and values, or states.
    pub state_bytes: f64,
    /// Sequence at which mixing tokens costs as much as all the rest; nothing where it never does.
    pub even_tokens: Option<f64>,
    /// Tokens that it trains on in the time in which the dense model does its own.
    pub tokens: f64,
    /// Expected loss on them, where there is a law or a factor.
    pub loss: Option<f64>,
}

/// Kinds of layers of an architecture, made from a dense model of the same width and depth.
#[must_use]
pub fn variant(dense: &Model, kind: Kind) -> Model {
    let layers =
        |of: &dyn Fn(u32) -> char| -> Option<Vec<LayerKind>> { (0..dense.n_layers).map(|i| LayerKind::from_char(of(i))).collect() };
    // Twice the hidden width, as Mamba-2 and Nemotron-H have it.
    let mamba = Some(Mamba {
        n_heads: (2 * dense.hidden / 64).max(1),
        head_dim: 64,
        state_dim: 128,
        n_groups: 8,
        conv_kernel: 4,
        dt_rank: None,
    });
    match kind {
        Kind::Dense => dense.clone(),
        Kind::Sliding => Model {
            sliding: Some(Sliding {
                window_tokens: 4096,
                full_every: 6,
            }),
            ..dense.clone()
        },
        Kind::Mixture => {
            let mixture = Mixture {
                n_experts: 64,
                experts_per_token: 8,
            };
            shaped(dense, count(dense, 1.0).params_total, Some(mixture))
        }
        Kind::StateSpace => Model {
            mamba,
            pattern: layers(&|_| 'm'),
            ..dense.clone()
        },
        Kind::Hybrid => Model {
            mamba,
            pattern: layers(&|i| if i % 8 == 7 { 'D' } else { 'm' }),
            ..dense.clone()
        },
        Kind::Recurrent => {
            let pair = ['R', '-'];
            let all: Option<Vec<LayerKind>> = (0..2 * dense.n_layers)
                .map(|i| LayerKind::from_char(pair[(i % 2) as usize]))
                .collect();
            Model {
                n_layers: 2 * dense.n_layers,
                pattern: all,
                ..dense.clone()
            }
        }
    }
}

/// Bytes that a served sequence keeps in 16 bits: keys and values of what attention sees, states of the
/// other mixers.
#[must_use]
pub fn state_bytes(model: &Model, context_tokens: f64) -> f64 {
    let kv = 2.0 * f64::from(model.n_kv_heads) * f64::from(model.head_dim) * 2.0;
    let layer = |kind: LayerKind| match kind.mixer {
        Mixer::Attention => kv * context_tokens,
        Mixer::Windowed => {
            kv * model
                .sliding
                .map_or(context_tokens, |s| context_tokens.min(f64::from(s.window_tokens)))
        }
        Mixer::StateSpace => model
            .mamba
            .map_or(0.0, |m| f64::from(m.n_heads) * f64::from(m.head_dim) * f64::from(m.state_dim) * 2.0),
        Mixer::Delta => model.delta.map_or(0.0, |d| {
            f64::from(d.n_value_heads) * f64::from(d.key_head_dim) * f64::from(d.value_head_dim) * 2.0
        }),
        Mixer::Recurrent => 2.0 * f64::from(model.hidden) * 2.0,
        Mixer::None => 0.0,
    };
    pattern(model).into_iter().map(layer).sum()
}

/// The sequence at which the part of a step that grows with it is half of the FLOP.
#[must_use]
pub fn even_context(model: &Model) -> Option<f64> {
    let flop = |s: f64| count(model, s).train_flop_per_token;
    let (short, long) = (flop(1.0), flop(1e9));
    (long > 2.0 * short)
        .then(|| super::minimize::rising_root(|ln_s| flop(ln_s.exp()) - 2.0 * short, 0.0, 1e9f64.ln()))
        .map(f64::exp)
}

/// Every kind on the scenario's machine, for its tokens and sequence.
#[must_use]
pub fn compare(base: &Scenario, catalog: &Catalog, question: &Question, factor: f64, told: &dyn Fn()) -> Vec<Entry> {
    let dense = &base.workload.model;
    let mut out: Vec<Entry> = Vec::new();
    for (_, kind) in Kind::ALL {
        let mut scenario = base.clone();
        scenario.workload.model = variant(dense, kind);
        scenario.choice = Choice::default();
        let found = search::search(
            &scenario,
            &Options {
                n_best: 1,
                ..Options::default()
            },
        );
        let plan = found.best.first().map(|best| evaluate(&scenario, catalog, best.layout));
        let rate = |p: &Plan| p.step.time_s;
        let first = out.first().and_then(|e| e.plan.as_ref()).map(rate);
        let tokens = match (&plan, first) {
            (Some(plan), Some(dense_s)) => base.workload.total_tokens * dense_s / rate(plan),
            (Some(_), None) => base.workload.total_tokens,
            (None, _) => 0.0,
        };
        let counts = count(&scenario.workload.model, base.workload.seq_len_tokens);
        out.push(Entry {
            kind,
            loss: plan.as_ref().and_then(|_| loss(question, kind, &counts, tokens, factor)),
            plan,
            state_bytes: state_bytes(&scenario.workload.model, base.workload.seq_len_tokens),
            even_tokens: even_context(&scenario.workload.model),
            tokens,
            counts,
        });
        told();
    }
    out
}

fn loss(question: &Question, kind: Kind, counts: &Counts, tokens: f64, factor: f64) -> Option<f64> {
    let at = Allocation {
        n_params: counts.params_active,
        n_tokens: tokens,
    };
    match kind {
        Kind::Dense => Some(question.loss(at, None)),
        Kind::Mixture => {
            let mixing = Mixing {
                mixture: Mixture {
                    n_experts: 64,
                    experts_per_token: 8,
                },
                route: question.mixing.map_or(Route::Clark, |m| m.route),
                total_ratio: counts.params_total / counts.params_active,
            };
            let asked = Question {
                mixing: Some(mixing),
                ..question.clone()
            };
            Some(asked.loss(at, None))
        }
        Kind::Recurrent => None,
        _ => Some(question.loss(at, None) * factor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dense() -> Model {
        Catalog::builtin().get("llama3-8b").unwrap()
    }

    #[test]
    fn states_do_not_grow_with_the_context_and_keys_do() {
        let model = dense();
        let of = |kind, s| state_bytes(&variant(&model, kind), s);
        // Llama 3 8B: 2 × 8 heads × 128 × 32 layers × 2 bytes a token.
        assert_eq!(of(Kind::Dense, 1.0), 131_072.0);
        assert_eq!(of(Kind::StateSpace, 1e6), of(Kind::StateSpace, 1e3));
        assert_eq!(of(Kind::Recurrent, 1e6), of(Kind::Recurrent, 1e3));
        assert!(of(Kind::Sliding, 1e6) < 0.25 * of(Kind::Dense, 1e6));
        // An eighth of the layers keeps keys: eight times less at long contexts (Waleffe et al. 2024).
        let saved = of(Kind::Dense, 1e6) / of(Kind::Hybrid, 1e6);
        assert!((7.0..8.1).contains(&saved), "{saved}");
    }

    #[test]
    fn attention_meets_the_rest_at_some_context_and_scans_never() {
        let model = dense();
        let even = even_context(&model).unwrap();
        // 12 L d s / 2 (causal) against 6 N without the embedding: s = N / (L d).
        let linear = count(&model, 1.0).train_flop_per_token;
        assert!((even / (linear / (6.0 * 32.0 * 4096.0)) - 1.0).abs() < 0.01, "{even}");
        assert_eq!(even_context(&variant(&model, Kind::StateSpace)), None);
        assert!(even_context(&variant(&model, Kind::Hybrid)).unwrap() > 6.0 * even);
    }
}
