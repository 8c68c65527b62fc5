//! Model architectures as data; the arithmetic is in `workload`.

/// How queries, keys and values are formed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Attention {
    /// Multi-head attention; grouped- and multi-query through `n_kv_heads`.
    MultiHead,
    /// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434 §2.1).
    Latent(Latent),
}

/// Dimensions of multi-head latent attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latent {
    /// Rank of the query compression; 0 when queries are projected directly.
    pub q_lora_rank: u32,
    /// Rank of the key-value compression.
    pub kv_lora_rank: u32,
    /// Head width without position.
    pub qk_nope_head_dim: u32,
    /// Head width that carries rotary position.
    pub qk_rope_head_dim: u32,
    /// Value head width.
    pub v_head_dim: u32,
}

/// Attention limited to the last `window` tokens on some layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sliding {
    /// Window in tokens.
    pub window_tokens: u32,
    /// One layer in this many keeps full attention; 0 when none does.
    pub full_every: u32,
}

/// Mixture of experts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moe {
    /// Routed experts.
    pub n_experts: u32,
    /// Routed experts that see each token.
    pub experts_per_token: u32,
    /// Intermediate width of a routed expert.
    pub expert_ffn_hidden: u32,
    /// Total intermediate width of the shared experts; 0 when there is none.
    pub shared_ffn_hidden: u32,
    /// Leading layers that stay dense.
    pub first_dense_layers: u32,
    /// One mixture layer in this many.
    pub every: u32,
}

/// What mixes tokens in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mixer {
    /// Nothing: a layer that is a feed-forward only.
    None,
    /// Full attention.
    Attention,
    /// Attention limited to the sliding window.
    Windowed,
    /// Mamba-2 state space.
    StateSpace,
    /// Gated delta rule (linear attention).
    Delta,
    /// Long short-term memory.
    Recurrent,
}

/// The feed-forward of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Feed {
    /// None.
    None,
    /// Dense.
    Dense,
    /// Mixture of experts.
    Mixture,
}

/// What distinguishes one layer from another in the same model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerKind {
    /// Token mixing.
    pub mixer: Mixer,
    /// Feed-forward.
    pub feed: Feed,
}

/// Number of different kinds.
pub const N_KINDS: usize = 18;

impl LayerKind {
    /// Every kind; the position is the index used in per-stage counts.
    pub const ALL: [LayerKind; N_KINDS] = {
        let mixers = [
            Mixer::None,
            Mixer::Attention,
            Mixer::Windowed,
            Mixer::StateSpace,
            Mixer::Delta,
            Mixer::Recurrent,
        ];
        let feeds = [Feed::None, Feed::Dense, Feed::Mixture];
        let mut all = [LayerKind {
            mixer: Mixer::None,
            feed: Feed::None,
        }; N_KINDS];
        let mut i = 0;
        while i < N_KINDS {
            all[i] = LayerKind {
                mixer: mixers[i / 3],
                feed: feeds[i % 3],
            };
            i += 1;
        }
        all
    };

    /// Position in [`LayerKind::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self.mixer as usize * 3 + self.feed as usize
    }

    /// The kind that a character of `layer_pattern` means.
    #[must_use]
    pub fn from_char(c: char) -> Option<LayerKind> {
        let (mixer, feed) = match c {
            '*' => (Mixer::Attention, Feed::None),
            '-' => (Mixer::None, Feed::Dense),
            'E' => (Mixer::None, Feed::Mixture),
            'M' => (Mixer::StateSpace, Feed::None),
            'D' => (Mixer::Attention, Feed::Dense),
            'X' => (Mixer::Attention, Feed::Mixture),
            'W' => (Mixer::Windowed, Feed::Dense),
            'Y' => (Mixer::Windowed, Feed::Mixture),
            'm' => (Mixer::StateSpace, Feed::Dense),
            'e' => (Mixer::StateSpace, Feed::Mixture),
            'd' => (Mixer::Delta, Feed::Dense),
            'g' => (Mixer::Delta, Feed::Mixture),
            'R' => (Mixer::Recurrent, Feed::None),
            _ => return None,
        };
        Some(LayerKind { mixer, feed })
    }

    /// The character that means this kind in `layer_pattern`, if there is one.
    #[must_use]
    pub fn to_char(self) -> Option<char> {
        "*-EMDXWYmedgR".chars().find(|c| LayerKind::from_char(*c) == Some(self))
    }

    /// What `layer_pattern` may hold, for messages.
    pub const PATTERN_HELP: &'static str = "one character per layer: `D` attention and feed-forward, `X` attention and mixture, `W` windowed attention and feed-forward, `Y` windowed attention and mixture, `*` attention only, `-` feed-forward only, `E` mixture only, `M` Mamba-2 only, `m` Mamba-2 and feed-forward, `e` Mamba-2 and mixture, `d` gated delta and feed-forward, `g` gated delta and mixture, `R` LSTM";

    /// Name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match (self.mixer, self.feed) {
            (Mixer::Attention, Feed::Dense) => "dense",
            (Mixer::Attention, Feed::Mixture) => "mixture",
            (Mixer::Attention, Feed::None) => "attention",
            (Mixer::Windowed, Feed::Dense) => "windowed",
            (Mixer::Windowed, Feed::Mixture) => "windowed mixture",
            (Mixer::Windowed, Feed::None) => "windowed attention",
            (Mixer::None, Feed::Dense) => "feed-forward",
            (Mixer::None, Feed::Mixture) => "mixture without attention",
            (Mixer::None, Feed::None) => "empty",
            (Mixer::StateSpace, Feed::None) => "Mamba-2",
            (Mixer::StateSpace, Feed::Dense) => "Mamba-2 and feed-forward",
            (Mixer::StateSpace, Feed::Mixture) => "Mamba-2 and mixture",
            (Mixer::Delta, Feed::None) => "gated delta",
            (Mixer::Delta, Feed::Dense) => "gated delta and feed-forward",
            (Mixer::Delta, Feed::Mixture) => "gated delta and mixture",
            (Mixer::Recurrent, _) => "LSTM",
        }
    }
}

/// Dimensions of a Mamba-2 mixer (Dao and Gu, arXiv 2405.21060).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mamba {
    /// Heads.
    pub n_heads: u32,
    /// Width of a head; heads times width is the inner width.
    pub head_dim: u32,
    /// State width.
    pub state_dim: u32,
    /// Groups that share B and C.
    pub n_groups: u32,
    /// Width of the causal convolution.
    pub conv_kernel: u32,
    /// Rank of the time-step projection: present for Mamba-1 (Gu and Dao, arXiv 2312.00752), whose
    /// channels each have a diagonal state and share no heads.
    pub dt_rank: Option<u32>,
}

/// Dimensions of a gated delta mixer (Yang et al., arXiv 2412.06464).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delta {
    /// Query and key heads.
    pub n_key_heads: u32,
    /// Value heads.
    pub n_value_heads: u32,
    /// Width of a query or key head.
    pub key_head_dim: u32,
    /// Width of a value head.
    pub value_head_dim: u32,
    /// Width of the causal convolution.
    pub conv_kernel: u32,
}

/// An architecture.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Catalog id.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Transformer layers.
    pub n_layers: u32,
    /// Residual width.
    pub hidden: u32,
    /// Query heads.
    pub n_heads: u32,
    /// Key-value heads.
    pub n_kv_heads: u32,
    /// Width of one head.
    pub head_dim: u32,
    /// Intermediate width of a dense feed-forward layer.
    pub ffn_hidden: u32,
    /// Three matrices (`SwiGLU` and its like) instead of two.
    pub gated_ffn: bool,
    /// Vocabulary.
    pub vocab: u32,
    /// Output head shares the embedding matrix.
    pub tied_embeddings: bool,
    /// Learned absolute positions (adds `seq_len × hidden` parameters).
    pub learned_positions: bool,
    /// Linear layers and norms carry biases.
    pub biases: bool,
    /// A learned logit per head takes part in the softmax (attention sinks).
    pub attention_sinks: bool,
    /// Attention kind.
    pub attention: Attention,
    /// Sliding window, if any.
    pub sliding: Option<Sliding>,
    /// Mamba-2 mixers, if any.
    pub mamba: Option<Mamba>,
    /// Gated delta mixers, if any.
    pub delta: Option<Delta>,
    /// Kind of every layer where it does not follow from the rest.
    pub pattern: Option<Vec<LayerKind>>,
    /// Mixture of experts, if any.
    pub moe: Option<Moe>,
    /// Parameters as the source states them, for the check of ours.
    pub stated_params: Option<f64>,
}
