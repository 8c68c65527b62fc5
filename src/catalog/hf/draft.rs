//! What a family says of a model, and its form as a catalog entry.

use crate::catalog::raw::{Item, Tree, Value};
use crate::catalog::{Delta, Feed, Latent, LayerKind, Mamba, Mixer};
use crate::error::At;

/// Routed and shared experts of every mixture layer.
#[derive(Debug, Clone, Copy)]
pub struct Experts {
    /// Routed experts.
    pub n_experts: u32,
    /// Routed experts that see each token.
    pub per_token: u32,
    /// Intermediate width of a routed expert.
    pub width: u32,
    /// Intermediate width of all shared experts.
    pub shared_width: u32,
}

/// A model as a family describes it.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // Four independent facts of an architecture.
pub struct Draft {
    /// Residual width.
    pub hidden: u32,
    /// Query heads.
    pub heads: u32,
    /// Key-value heads.
    pub kv_heads: u32,
    /// Width of a head.
    pub head_dim: u32,
    /// Intermediate width of a dense feed-forward.
    pub ffn_hidden: u32,
    /// Vocabulary.
    pub vocab: u32,
    /// Three feed-forward matrices.
    pub gated: bool,
    /// Head shares the embedding.
    pub tied: bool,
    /// Learned positions.
    pub learned_positions: bool,
    /// Biases on linear layers and norms.
    pub biases: bool,
    /// Latent attention.
    pub latent: Option<Latent>,
    /// Sliding window of windowed layers.
    pub window_tokens: Option<u32>,
    /// Experts of mixture layers.
    pub experts: Option<Experts>,
    /// Mamba-2 mixers.
    pub mamba: Option<Mamba>,
    /// Gated delta mixers.
    pub delta: Option<Delta>,
    /// Mixer of every layer.
    pub mixers: Vec<Mixer>,
    /// Feed-forward of every layer.
    pub feeds: Vec<Feed>,
}

impl Draft {
    /// Every layer of one kind.
    pub fn all(&mut self, mixer: Mixer, feed: Feed) {
        let n = self.mixers.len();
        self.mixers = vec![mixer; n];
        self.feeds = vec![feed; n];
    }

    /// The catalog entry. Places are the start of the file: values were checked where they stand.
    pub fn entry(&self, at: &At, title: &str, source: &str) -> Tree {
        let mut out = Table::new(at);
        out.text("title", title);
        out.text("source", source);
        let n_layers = u32::try_from(self.mixers.len()).unwrap_or(u32::MAX);
        let counts = [
            ("layers", n_layers),
            ("hidden", self.hidden),
            ("heads", self.heads),
            ("kv_heads", self.kv_heads),
            ("head_dim", self.head_dim),
            ("ffn_hidden", self.ffn_hidden),
            ("vocab", self.vocab),
        ];
        out.counts(&counts);
        out.flag("gated_ffn", self.gated);
        out.flag("tied_embeddings", self.tied);
        out.flag("learned_positions", self.learned_positions);
        out.flag("biases", self.biases);
        self.layers(&mut out);
        self.mixer_tables(&mut out);
        out.tree
    }

    /// Which layers have a window and which experts: by period where there is one, else by pattern.
    fn layers(&self, out: &mut Table<'_>) {
        let (windows, mixtures) = (window_period(&self.mixers), mixture_period(&self.feeds));
        if windows.is_none() || mixtures.is_none() {
            let kind = |(m, f): (&Mixer, &Feed)| LayerKind { mixer: *m, feed: *f };
            let kinds = self.mixers.iter().zip(&self.feeds).map(kind);
            out.text("layer_pattern", &kinds.filter_map(LayerKind::to_char).collect::<String>());
        }
        if let (Some(window), true) = (self.window_tokens, self.mixers.contains(&Mixer::Windowed)) {
            out.table("sliding", &[("window_tokens", window), ("full_every", windows.unwrap_or(0))]);
        }
        if let (Some(e), true) = (self.experts, self.feeds.contains(&Feed::Mixture)) {
            let (first, every) = mixtures.unwrap_or((0, 1));
            let table = [
                ("experts", e.n_experts),
                ("experts_per_token", e.per_token),
                ("expert_ffn_hidden", e.width),
                ("shared_ffn_hidden", e.shared_width),
                ("first_dense_layers", first),
                ("every", every),
            ];
            out.table("moe", &table);
        }
    }

    fn mixer_tables(&self, out: &mut Table<'_>) {
        if let Some(l) = self.latent {
            let table = [
                ("q_lora_rank", l.q_lora_rank),
                ("kv_lora_rank", l.kv_lora_rank),
                ("qk_nope_head_dim", l.qk_nope_head_dim),
                ("qk_rope_head_dim", l.qk_rope_head_dim),
                ("v_head_dim", l.v_head_dim),
            ];
            out.table("mla", &table);
        }
        if let Some(m) = self.mamba {
            let mut table = vec![
                ("n_heads", m.n_heads),
                ("head_dim", m.head_dim),
                ("state_dim", m.state_dim),
                ("n_groups", m.n_groups),
                ("conv_kernel", m.conv_kernel),
            ];
            table.extend(m.dt_rank.map(|rank| ("dt_rank", rank)));
            out.table("mamba", &table);
        }
        if let Some(d) = self.delta {
            let table = [
                ("n_key_heads", d.n_key_heads),
                ("n_value_heads", d.n_value_heads),
                ("key_head_dim", d.key_head_dim),
                ("value_head_dim", d.value_head_dim),
                ("conv_kernel", d.conv_kernel),
            ];
            out.table("delta", &table);
        }
    }
}

/// One layer in how many keeps full attention (0: none does), where that describes the layers.
fn window_period(mixers: &[Mixer]) -> Option<u32> {
    if mixers.iter().any(|m| !matches!(m, Mixer::Attention | Mixer::Windowed)) {
        return None;
    }
    if !mixers.contains(&Mixer::Windowed) {
        return Some(1);
    }
    let Some(first) = mixers.iter().position(|m| *m == Mixer::Attention) else {
        return Some(0);
    };
    let every = first + 1;
    let regular = mixers
        .iter()
        .enumerate()
        .all(|(i, m)| (*m == Mixer::Attention) == (i + 1).is_multiple_of(every));
    regular.then(|| u32::try_from(every).ok()).flatten()
}

/// Leading dense layers and one mixture layer in how many, where those describe the layers.
fn mixture_period(feeds: &[Feed]) -> Option<(u32, u32)> {
    if feeds.contains(&Feed::None) {
        return None;
    }
    let mut places = feeds.iter().enumerate().filter(|(_, f)| **f == Feed::Mixture).map(|(i, _)| i);
    let Some(first) = places.next() else { return Some((0, 1)) };
    let every = places.next().map_or(1, |second| second - first);
    let dense = (first + 1).checked_sub(every)?;
    let regular = feeds
        .iter()
        .enumerate()
        .all(|(i, f)| (*f == Feed::Mixture) == (i >= dense && (i - dense) % every == every - 1));
    regular
        .then(|| Some((u32::try_from(dense).ok()?, u32::try_from(every).ok()?)))
        .flatten()
}

/// A catalog table under construction; every value stands at the same place.
struct Table<'a> {
    at: &'a At,
    tree: Tree,
}

impl<'a> Table<'a> {
    fn new(at: &'a At) -> Self {
        Table { at, tree: Tree::default() }
    }

    fn set(&mut self, key: &str, value: Value) {
        let item = Item {
            value,
            at: self.at.clone(),
            key_at: self.at.clone(),
        };
        self.tree.edit().insert(key.to_string(), item);
    }

    fn text(&mut self, key: &str, text: &str) {
        self.set(key, Value::Text(text.to_string()));
    }

    fn flag(&mut self, key: &str, flag: bool) {
        self.set(key, Value::Bool(flag));
    }

    fn counts(&mut self, counts: &[(&str, u32)]) {
        for (key, count) in counts {
            self.set(key, Value::Integer(i64::from(*count)));
        }
    }

    fn table(&mut self, key: &str, counts: &[(&str, u32)]) {
        let mut inner = Table::new(self.at);
        inner.counts(counts);
        self.set(key, Value::Table(inner.tree));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_found_and_irregular_layers_are_not() {
        use Feed::{Dense as D, Mixture as X};
        use Mixer::{Attention as A, Windowed as W};
        assert_eq!(window_period(&[W, W, A, W, W, A, W]), Some(3));
        assert_eq!(window_period(&[W, W]), Some(0));
        assert_eq!(window_period(&[A, W, A, A]), None);
        assert_eq!(window_period(&[Mixer::Delta, A]), None);
        assert_eq!(mixture_period(&[D, D, X, X]), Some((2, 1)));
        assert_eq!(mixture_period(&[D, X, D, X]), Some((0, 2)));
        assert_eq!(mixture_period(&[D, D]), Some((0, 1)));
        assert_eq!(mixture_period(&[X, D, D, X]), None);
        assert_eq!(mixture_period(&[D, X, D, D]), None);
    }
}
