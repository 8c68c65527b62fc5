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
    /// Attention kind.
    pub attention: Attention,
    /// Sliding window, if any.
    pub sliding: Option<Sliding>,
    /// Mixture of experts, if any.
    pub moe: Option<Moe>,
    /// Parameters as the source states them, for the check of ours.
    pub stated_params: Option<f64>,
}
