//! The model, one step and its memory.

use super::{DEVICES, Input, Ops, TIME, Topic, from, of, part, topic};
use crate::catalog::Kind;

pub(super) const STEP_TIME: &[Input] = &[of("step.time_s")];
const STEP_PARTS: &[Input] = &[
    of("step.parts.math_s"),
    of("step.parts.recompute_s"),
    of("step.parts.bubble_s"),
    of("step.parts.tensor_s"),
    of("step.parts.context_s"),
    of("step.parts.expert_s"),
    of("step.parts.pipeline_s"),
    of("step.parts.data_s"),
    of("step.parts.optimizer_s"),
    of("step.parts.host_s"),
    of("step.parts.other_s"),
];
const PEAK: Input = of("inputs.peak_flop_per_s");

/// In the order of a plan.
pub(super) const TOPICS: &[Topic] = &[
    topic(
        "model.params_total",
        "embedding + attention + feed-forward or experts + routers + norms + head, from the dimensions of the model",
        "Vaswani et al., arXiv 1706.03762",
        &[of("model.params_active")],
    ),
    topic(
        "model.train_flop_per_token",
        "3 × forward FLOPs per token: 2 per weight and token in linear layers, and attention over the keys that a causal mask leaves",
        "PaLM appendix B, arXiv 2204.02311, with causal attention as in Llama 3, arXiv 2407.21783",
        &[of("model.params_active"), of("scenario.sequence_tokens")],
    ),
    topic(
        "model.params_active",
        "parameters that one token passes: all of them, or the routed experts of one token instead of all experts",
        "",
        &[of("model.params_total")],
    ),
    topic(
        "model.train_flop_per_token_full_attention",
        "3 × forward FLOPs per token, attention counted over the full square of the sequence",
        "Megatron-LM, arXiv 2104.04473 §5.1",
        &[of("model.params_active"), of("scenario.sequence_tokens")],
    ),
    Topic {
        path: "step.time_s",
        formula: "the sum of the parts of a step on the heaviest pipeline stage, each only where nothing hides it",
        source: "slot by slot: longest path over the schedule of Narayanan et al., arXiv 2104.04473 §2.2, and its successors",
        inputs: STEP_PARTS,
        ops: Ops::All,
    },
    topic(
        "timeline.time_s",
        "every slot of the schedule when its stage is free and its input is there, then what follows the pipeline; `exaplan explain timeline` draws it",
        "longest path over slots and messages, as in the analysis of arXiv 2401.10241 §2",
        &[TIME],
    ),
    topic(
        "step.tokens_per_s_per_device",
        "tokens per step / step time / devices",
        "",
        &[of("step.tokens"), TIME, DEVICES],
    ),
    topic(
        "step.mfu",
        "model FLOPs per step / (step time × devices × dense peak); attention counted causally, recomputation not counted",
        "PaLM appendix B, arXiv 2204.02311",
        &[of("step.model_flop"), TIME, DEVICES, PEAK],
    ),
    topic(
        "step.hfu",
        "executed FLOPs per step, recomputation included / (step time × devices × dense peak)",
        "Korthikanti et al., arXiv 2205.05198 §6",
        &[of("step.hardware_flop"), TIME, DEVICES, PEAK],
    ),
    topic(
        "step.model_flop_per_s_per_device",
        "model FLOPs per step / step time / devices",
        "",
        &[of("step.model_flop"), TIME, DEVICES],
    ),
    topic(
        "step.model_flop_full_attention_per_s_per_device",
        "model FLOPs with attention over the full square / step time / devices",
        "Megatron-LM, arXiv 2104.04473 §5.1",
        &[of("step.model_flop_full_attention"), TIME, DEVICES],
    ),
    topic(
        "step.model_flop",
        "training FLOPs per token × tokens per step",
        "",
        &[of("model.train_flop_per_token"), of("step.tokens")],
    ),
    topic(
        "step.model_flop_full_attention",
        "training FLOPs per token with attention over the full square × tokens per step",
        "",
        &[of("model.train_flop_per_token_full_attention"), of("step.tokens")],
    ),
    topic(
        "step.hardware_flop",
        "FLOPs that the devices execute in a step, recomputation included",
        "Korthikanti et al., arXiv 2205.05198 §6",
        &[of("step.model_flop")],
    ),
    topic(
        "step.tokens",
        "sequences per step × tokens per sequence",
        "",
        &[of("scenario.global_batch_sequences"), of("scenario.sequence_tokens")],
    ),
    part(
        "step.parts.math_s",
        "micro-batches × kernel time of one micro-batch on the heaviest stage, forward and backward",
        "kernel models: see the last column",
        Ops::Math,
    ),
    part(
        "step.parts.recompute_s",
        "micro-batches × time of the forward kernels that backward repeats",
        "Korthikanti et al., arXiv 2205.05198 §4",
        Ops::Math,
    ),
    part(
        "step.parts.bubble_s",
        "(time of one micro-batch through all stages − through the slowest) / virtual stages",
        "Narayanan et al., arXiv 2104.04473 §2.2, with unequal stages",
        Ops::No,
    ),
    part(
        "step.parts.tensor_s",
        "tensor-parallel collectives that nothing hides, and the slowdown that the hidden share inflicts",
        "overlap: Galvatron, arXiv 2211.13878 §3.4",
        Ops::Tensor,
    ),
    part(
        "step.parts.context_s",
        "context-parallel exchanges that nothing hides, and the slowdown that the hidden share inflicts",
        "overlap: Galvatron, arXiv 2211.13878 §3.4",
        Ops::Context,
    ),
    part(
        "step.parts.expert_s",
        "expert all-to-all that nothing hides, and the slowdown that the hidden share inflicts",
        "overlap: Galvatron, arXiv 2211.13878 §3.4",
        Ops::Expert,
    ),
    part(
        "step.parts.pipeline_s",
        "sends of activations between stages: all of them in filling and draining, the share that is not overlapped between",
        "Megatron-LM scatter-gather, arXiv 2104.04473 §4.1",
        Ops::No,
    ),
    part(
        "step.parts.data_s",
        "reduction of gradients and gathering of weights over the data ranks, less what runs beside the last backward and first forward",
        "ZeRO, arXiv 1910.02054 §7; FSDP, arXiv 2304.11277 §3.3",
        Ops::No,
    ),
    part(
        "step.parts.optimizer_s",
        "passes over gradients, master weights and moments at memory bandwidth; on the host where it is offloaded, with the copies of gradients and weights",
        "states: ZeRO, arXiv 1910.02054 §3.1",
        Ops::No,
    ),
    part(
        "step.parts.host_s",
        "copies of offloaded activations over the host link that take longer than the layer beside which they run",
        "vDNN, arXiv 1602.08124 §3.2",
        Ops::No,
    ),
    part(
        "step.parts.other_s",
        "waiting for the host to launch kernels, and for the slowest node: spread × √(2 ln nodes) of kernel time",
        "expected maximum of normal samples: Cramér 1946 §28.6",
        Ops::No,
    ),
    topic(
        "memory",
        "of the fullest stage: weights + gradients + optimizer state + activations of the micro-batches in flight + buffers; peak adds a reserve for context, communication buffers and fragmentation",
        "ZeRO, arXiv 1910.02054 §5; Korthikanti et al., arXiv 2205.05198 §4; in flight: arXiv 2104.04473 §2.2",
        &[
            of("memory.allocated_bytes"),
            from("memory.capacity_bytes", Kind::Accelerator, "memory_bytes"),
            of("model.params_total"),
        ],
    ),
];
