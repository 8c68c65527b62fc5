//! What can be explained: formula in words, where it is from, which numbers go in.

use crate::catalog::Kind;

/// A number that goes into a formula.
#[derive(Debug, Clone, Copy)]
pub struct Input {
    /// Where the plan's JSON has it.
    pub path: &'static str,
    /// The catalog entry and key it was read from, if it was.
    pub from: Option<(Kind, &'static str)>,
}

/// A number of a plan.
#[derive(Debug, Clone, Copy)]
pub struct Topic {
    /// Where the plan's JSON has it; everything below it is explained by the same words.
    pub path: &'static str,
    /// The formula in words.
    pub formula: &'static str,
    /// Where the formula is published; empty for definitions.
    pub source: &'static str,
    /// What goes in.
    pub inputs: &'static [Input],
    /// Which operations of a step it consists of.
    pub ops: Ops,
}

/// Which operations to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ops {
    /// None.
    No,
    /// All.
    All,
    /// Kernels, not communication.
    Math,
    /// Communication of tensor ranks.
    Tensor,
    /// Communication of context ranks.
    Context,
    /// Communication of expert ranks.
    Expert,
}

const fn of(path: &'static str) -> Input {
    Input { path, from: None }
}

const fn from(path: &'static str, kind: Kind, key: &'static str) -> Input {
    Input { path, from: Some((kind, key)) }
}

const fn topic(path: &'static str, formula: &'static str, source: &'static str, inputs: &'static [Input]) -> Topic {
    Topic { path, formula, source, inputs, ops: Ops::No }
}

const fn part(path: &'static str, formula: &'static str, source: &'static str, ops: Ops) -> Topic {
    Topic { path, formula, source, inputs: STEP_TIME, ops }
}

const STEP_TIME: &[Input] = &[of("step.time_s")];
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
    of("step.parts.other_s"),
];
const PEAK: Input = of("inputs.peak_flop_per_s");
const TIME: Input = of("step.time_s");
const DEVICES: Input = of("scenario.n_devices");
const NODES: Input = of("scenario.n_nodes");
const WALL: Input = of("run.wall_s");
const ENERGY: Input = of("bill.energy_j.total");
const IT: Input = of("bill.energy_j.it");
const PUE: Input = from("inputs.pue", Kind::Region, "pue");
const MTBF: Input = of("run.job_mtbf_s");

/// Every topic, in the order of a plan.
pub const TOPICS: &[Topic] = &[
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
    topic("model.params_active", "parameters that one token passes: all of them, or the routed experts of one token instead of all experts", "", &[of("model.params_total")]),
    topic(
        "model.train_flop_per_token_full_attention",
        "3 × forward FLOPs per token, attention counted over the full square of the sequence",
        "Megatron-LM, arXiv 2104.04473 §5.1",
        &[of("model.params_active"), of("scenario.sequence_tokens")],
    ),
    Topic {
        path: "step.time_s",
        formula: "the sum of the parts of a step on the heaviest pipeline stage, each only where nothing hides it",
        source: "1F1B with unequal stages after Narayanan et al., arXiv 2104.04473 §2.2",
        inputs: STEP_PARTS,
        ops: Ops::All,
    },
    topic("step.tokens_per_s_per_device", "tokens per step / step time / devices", "", &[of("step.tokens"), TIME, DEVICES]),
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
    topic("step.model_flop_per_s_per_device", "model FLOPs per step / step time / devices", "", &[of("step.model_flop"), TIME, DEVICES]),
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
    topic("step.hardware_flop", "FLOPs that the devices execute in a step, recomputation included", "Korthikanti et al., arXiv 2205.05198 §6", &[of("step.model_flop")]),
    topic("step.tokens", "sequences per step × tokens per sequence", "", &[of("scenario.global_batch_sequences"), of("scenario.sequence_tokens")]),
    part("step.parts.math_s", "micro-batches × kernel time of one micro-batch on the heaviest stage, forward and backward", "kernel models: see the last column", Ops::Math),
    part("step.parts.recompute_s", "micro-batches × time of the forward kernels that backward repeats", "Korthikanti et al., arXiv 2205.05198 §4", Ops::Math),
    part(
        "step.parts.bubble_s",
        "(time of one micro-batch through all stages − through the slowest) / virtual stages",
        "Narayanan et al., arXiv 2104.04473 §2.2, with unequal stages",
        Ops::No,
    ),
    part("step.parts.tensor_s", "tensor-parallel collectives that nothing hides, and the slowdown that the hidden share inflicts", "overlap: Galvatron, arXiv 2211.13878 §3.4", Ops::Tensor),
    part("step.parts.context_s", "context-parallel exchanges that nothing hides, and the slowdown that the hidden share inflicts", "overlap: Galvatron, arXiv 2211.13878 §3.4", Ops::Context),
    part("step.parts.expert_s", "expert all-to-all that nothing hides, and the slowdown that the hidden share inflicts", "overlap: Galvatron, arXiv 2211.13878 §3.4", Ops::Expert),
    part("step.parts.pipeline_s", "sends of activations between stages: all of them in filling and draining, the share that is not overlapped between", "Megatron-LM scatter-gather, arXiv 2104.04473 §4.1", Ops::No),
    part(
        "step.parts.data_s",
        "reduction of gradients and gathering of weights over the data ranks, less what runs beside the last backward and first forward",
        "ZeRO, arXiv 1910.02054 §7; FSDP, arXiv 2304.11277 §3.3",
        Ops::No,
    ),
    part("step.parts.optimizer_s", "passes over gradients, master weights and moments at memory bandwidth", "states: ZeRO, arXiv 1910.02054 §3.1", Ops::No),
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
        &[of("memory.allocated_bytes"), from("memory.capacity_bytes", Kind::Accelerator, "memory_bytes"), of("model.params_total")],
    ),
    topic("run.n_steps", "tokens of the run / tokens per step, rounded up", "", &[of("scenario.tokens"), of("step.tokens")]),
    topic("run.ideal_s", "steps × step time", "", &[of("run.n_steps"), TIME]),
    topic(
        "run.wall_s",
        "ideal time + checkpoints + work done again + restarts + detection of failures + planned pauses",
        "Daly 2006, doi:10.1016/j.future.2004.11.016: M·e^(R/M)·(e^((τ+δ)/M) − 1)·T/τ, split without remainder",
        &[
            of("run.ideal_s"),
            of("run.lost.checkpoint_s"),
            of("run.lost.rework_s"),
            of("run.lost.restart_s"),
            of("run.lost.detect_s"),
            of("run.lost.planned_s"),
            of("run.lost.evaluation_s"),
        ],
    ),
    topic("run.goodput", "ideal time / wall time", "", &[of("run.ideal_s"), WALL]),
    topic("run.expected_failures", "wall time without planned pauses / mean time between failures of the job", "Wald's identity on a Poisson process", &[WALL, MTBF]),
    topic(
        "run.job_mtbf_s",
        "mean time between failures of a node of eight devices / such nodes in the job",
        "failure rates: Kokolis et al., arXiv 2410.21680",
        &[from("inputs.node_mtbf_s", Kind::Reliability, "node_mtbf_s"), DEVICES],
    ),
    topic(
        "run.checkpoint_every_s",
        "the interval with the least expected wall time, unless the scenario fixes one",
        "Young 1974; Daly 2006, doi:10.1016/j.future.2004.11.016, solved exactly",
        &[of("run.checkpoint_stall_s"), MTBF],
    ),
    topic(
        "run.checkpoint_write_s",
        "bytes of a checkpoint / delivered storage bandwidth",
        "",
        &[of("run.checkpoint_bytes"), of("inputs.storage_bytes_per_s")],
    ),
    topic("run.checkpoint_stall_s", "the time to write, or the copy to host memory when checkpoints are asynchronous", "PyTorch distributed checkpoint, 2024-06-12", &[of("run.checkpoint_write_s")]),
    topic("run.checkpoint_bytes", "parameters × (bytes of a weight + bytes of optimizer state)", "", &[of("model.params_total")]),
    topic(
        "run.lost",
        "expected losses of a Poisson process of failures over segments of work and checkpoint, with recovery that may fail too",
        "Daly 2006, doi:10.1016/j.future.2004.11.016",
        &[
            MTBF,
            of("run.checkpoint_every_s"),
            of("run.checkpoint_stall_s"),
            from("inputs.detect_s", Kind::Reliability, "detect_s"),
            from("inputs.restart_s", Kind::Reliability, "restart_s"),
            from("inputs.planned_s_per_day", Kind::Reliability, "planned_s_per_day"),
        ],
    ),
    topic(
        "bill.energy_j",
        "nodes × time in each phase × (idle + busy share × (active − idle)), plus network, times PUE",
        "busy shares reproduce MLPerf Training power logs v4.0 to v5.0; PUE: The Green Grid",
        &[
            NODES,
            from("inputs.node_idle_w", Kind::Node, "idle_w"),
            from("inputs.node_active_w", Kind::Node, "active_w"),
            from("inputs.network_power_fraction", Kind::Finance, "network_power_fraction"),
            PUE,
            of("bill.energy_j.math"),
            of("bill.energy_j.communication"),
            of("bill.energy_j.bubble"),
            of("bill.energy_j.lost"),
            of("bill.energy_j.network"),
            of("bill.energy_j.cooling"),
        ],
    ),
    topic("bill.power_w", "mean: energy at the meter / wall time; peak: what nodes and network may draw together × PUE", "", &[ENERGY, WALL, PUE]),
    topic(
        "bill.carbon_kg_co2e",
        "energy at the meter × factor of the grid + making the servers × wall time / life; the methods stand side by side and are never netted",
        "GHG Protocol Scope 2 Guidance; ISO/IEC 21031:2024 (SCI) for the servers",
        &[
            ENERGY,
            from("inputs.grid_kg_co2e_per_kwh", Kind::Grid, "location_kg_co2e_per_kwh"),
            of("bill.carbon_kg_co2e.operational_location"),
            from("inputs.node_embodied_kg_co2e", Kind::Node, "embodied_kg_co2e"),
            NODES,
            WALL,
            from("inputs.life_s", Kind::Finance, "life_s"),
            of("bill.carbon_kg_co2e.embodied"),
        ],
    ),
    topic(
        "bill.water_l",
        "IT energy × (water on site + PUE × water of the power plants)",
        "P. Li et al., arXiv 2304.03271",
        &[IT, from("inputs.wue_l_per_kwh", Kind::Region, "wue_l_per_kwh"), PUE, from("inputs.grid_water_l_per_kwh", Kind::Grid, "water_l_per_kwh")],
    ),
    topic("bill.water_onsite_l", "IT energy × water on site", "", &[IT, from("inputs.wue_l_per_kwh", Kind::Region, "wue_l_per_kwh")]),
    topic(
        "bill.offer",
        "the price that the scenario names, else that of its region's provider, else of the market",
        "exaplan catalog show NAME has the source of each price",
        &[from("bill.offer.usd_per_device_hour", Kind::Offer, "base_usd_per_device_hour")],
    ),
    topic(
        "bill.cost_usd",
        "rented: devices × wall time × price + storage; owned: share of capital, financing, electricity, colocation, maintenance and storage",
        "",
        &[
            DEVICES,
            WALL,
            from("bill.offer.usd_per_device_hour", Kind::Offer, "base_usd_per_device_hour"),
            of("bill.cost_usd.cloud.total"),
            of("bill.cost_usd.owned.total"),
        ],
    ),
    topic(
        "bill.cost_usd.owned",
        "depreciation over the life, capital tied up, electricity, space and maintenance; hours that earn nothing are spread over those that do",
        "",
        &[
            from("inputs.node_price_usd", Kind::Node, "price.base_usd"),
            from("inputs.network_fraction", Kind::Finance, "network_fraction"),
            from("inputs.life_s", Kind::Finance, "life_s"),
            from("inputs.utilization_fraction", Kind::Finance, "utilization_fraction"),
            from("inputs.capital_rate_fraction", Kind::Finance, "capital_rate_fraction"),
            from("inputs.electricity_usd_per_kwh", Kind::Region, "electricity_usd_per_kwh"),
            WALL,
        ],
    ),
    topic(
        "bill.break_even_utilization",
        "fixed cost of owning at full utilization / (rent − electricity): above it owning is cheaper",
        "",
        &[of("bill.cost_usd.owned.total"), of("bill.cost_usd.cloud.compute"), of("bill.cost_usd.owned.electricity")],
    ),
];
