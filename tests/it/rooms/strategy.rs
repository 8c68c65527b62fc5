//! Scenarios drawn at random: models × nodes × degrees, as text.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

/// Cases that every law is tried on.
pub const CASES: u32 = 256;

/// Deterministic and quiet: no file of failures, no shrinking beyond need.
pub fn config(cases: u32) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(0x00e8_a91a),
        failure_persistence: None,
        max_global_rejects: 65_536,
        ..Config::default()
    }
}

/// Small and large, dense and mixture, latent and grouped attention, tied and untied.
pub const MODELS: [&str; 9] = [
    "llama2-7b",
    "llama2-13b",
    "llama3-8b",
    "llama3-70b",
    "gpt3-175b",
    "mixtral-8x7b",
    "deepseek-v3",
    "llama3-405b",
    "qwen3-30b-a3b",
];

/// Switched, mesh and torus fabrics; with and without a profile; 4, 8 and 16 devices.
pub const NODES: [&str; 8] = [
    "gaudi2-8",
    "trn2-48xlarge",
    "tpu-v5p-host",
    "tpu-v4-host",
    "mi300x-ubb8",
    "dgx-h100",
    "dgx-a100-80gb",
    "dgx-b200",
];

/// A scenario with every degree free to be anything from a short list.
#[derive(Debug, Clone)]
pub struct Draw {
    pub model: &'static str,
    pub node: &'static str,
    pub nodes: u32,
    pub tensor: u32,
    pub pipeline: u32,
    pub sequence: u32,
    pub batch: u32,
    pub micro_batch: u32,
    pub sharding: &'static str,
    pub recompute: &'static str,
    pub precision: &'static str,
}

impl Draw {
    /// The scenario with its degrees fixed; data and the rest follow.
    pub fn fixed(&self) -> String {
        let layout = format!(
            "[layout]\ntensor = {}\npipeline = {}\nsharding = \"{}\"\nmicro_batch = {}\nrecompute = \"{}\"\nvirtual_stages = 1\n",
            self.tensor, self.pipeline, self.sharding, self.micro_batch, self.recompute
        );
        format!("{}{layout}", self.free())
    }

    /// The scenario with the layout left to the search.
    pub fn free(&self) -> String {
        format!(
            "format = 1\n[model]\nuse = \"{}\"\n[training]\ntokens = \"100B\"\nsequence = {}\nglobal_batch = \"{} sequences\"\nprecision = \"{}\"\n\
             [cluster]\nnode = \"{}\"\nnodes = {}\n",
            self.model, self.sequence, self.batch, self.precision, self.node, self.nodes
        )
    }
}

/// Any draw; most do not fit, which is a case too.
pub fn draws() -> impl Strategy<Value = Draw> {
    let shape = (
        prop::sample::select(&MODELS[..]),
        prop::sample::select(&NODES[..]),
        0u32..5,
        0u32..4,
        0u32..4,
    );
    let work = (
        prop::sample::select(vec![1024u32, 2048, 4096, 8192]),
        0u32..4,
        0u32..3,
        prop::sample::select(vec!["bf16", "bf16", "fp8"]),
    );
    let kept = (
        prop::sample::select(vec!["none", "zero1", "zero2", "zero3"]),
        prop::sample::select(vec!["none", "full"]),
    );
    (shape, work, kept).prop_map(
        |((model, node, nodes, tensor, pipeline), (sequence, batch, micro_batch, precision), (sharding, recompute))| Draw {
            model,
            node,
            nodes: 1 << nodes,
            tensor: 1 << tensor,
            pipeline: 1 << pipeline,
            sequence,
            batch: 64 << batch,
            micro_batch: 1 << micro_batch,
            sharding,
            recompute,
            precision,
        },
    )
}

/// Draws of which nearly all fit: a small model on enough devices.
pub fn small() -> impl Strategy<Value = Draw> {
    draws().prop_map(|d| Draw {
        model: if d.batch > 128 { "llama2-7b" } else { "llama3-8b" },
        nodes: d.nodes.max(4),
        sharding: "zero3",
        recompute: "full",
        micro_batch: 1,
        tensor: d.tensor.min(4),
        pipeline: d.pipeline.min(4),
        ..d
    })
}
