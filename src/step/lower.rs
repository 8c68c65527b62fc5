//! From workload and layout to operations: what one device does for one micro-batch of one layer.
//!
//! Every linear layer is three matrix multiplies (forward, input gradient, weight gradient) with
//! their own shapes; memory-bound operations are bytes; communication names its group. The list is
//! the single source of step time, of `explain`, and later of the event simulation.

mod scan;

use crate::catalog::{Attention, Collective, DType, Model, Moe, Stack};
use crate::kernel::{AttentionShape, GemmShape};
use crate::layout::activation::{Local, local};
use crate::layout::{Layout, Recompute};
use crate::workload::count::head_dims;
use crate::workload::{Adapter, Feed, LayerKind, Mixer, Targets, Workload};

/// Which way an operation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Forward.
    Forward,
    /// Backward.
    Backward,
}

/// Who takes part in a communication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupName {
    /// Tensor ranks.
    Tensor,
    /// Context ranks.
    Context,
    /// Expert ranks.
    Expert,
    /// Tensor ranks of an expert.
    ExpertTensor,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Work {
    /// Matrix multiply.
    Gemm(GemmShape),
    /// Attention core that never stores its scores.
    Flash(AttentionShape),
    /// Attention core as separate batched multiplies and softmax.
    Unfused(AttentionShape),
    /// A matrix multiply repeated one after another, each waiting for the last.
    Serial {
        /// One of them.
        shape: GemmShape,
        /// How often.
        times: f64,
    },
    /// Memory-bound work.
    Stream {
        /// Bytes read and written by a fully fused kernel.
        bytes: f64,
    },
    /// Communication.
    Collective {
        /// Which.
        kind: Collective,
        /// Among whom.
        group: GroupName,
        /// Whole buffer.
        bytes: f64,
    },
}

/// One operation of one micro-batch on one device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Op {
    /// Name for people.
    pub name: &'static str,
    /// Forward or backward.
    pub pass: Pass,
    /// The work.
    pub work: Work,
    /// Done again in backward.
    pub recomputed: bool,
    /// Communication that the framework runs beside the weight-gradient multiply of the same linear.
    pub beside_weight_gradient: bool,
}

/// Collects operations with less noise.
struct List<'a> {
    ops: Vec<Op>,
    layout: &'a Layout,
    compute: DType,
    sensitive: DType,
    fp32_gradients: bool,
    adapter: Option<Adapter>,
}

impl List<'_> {
    pub(super) fn push(&mut self, name: &'static str, pass: Pass, work: Work) {
        let recomputed = pass == Pass::Forward && self.layout.recompute == Recompute::Full;
        self.ops.push(Op {
            name,
            pass,
            work,
            recomputed,
            beside_weight_gradient: false,
        });
    }

    /// `m` tokens through a `k × n` weight, `batch` independent ones at a time: three multiplies.
    fn linear(&mut self, names: [&'static str; 3], m: f64, n: f64, k: f64, batch: f64, dtype: DType) {
        if m <= 0.0 || n <= 0.0 || k <= 0.0 {
            return;
        }
        let shape = |m, n, k, accumulate_fp32| {
            Work::Gemm(GemmShape {
                m,
                n,
                k,
                batch,
                dtype,
                accumulate_fp32,
            })
        };
        self.quantize(m * k * batch, Pass::Forward, dtype);
        self.push(names[0], Pass::Forward, shape(m, n, k, false));
        self.quantize(m * n * batch, Pass::Backward, dtype);
        self.push(names[1], Pass::Backward, shape(m, k, n, false));
        match self.adapter {
            None => self.push(names[2], Pass::Backward, shape(k, n, m, self.fp32_gradients)),
            Some(adapter) => self.adapted(adapter, names[0], [m, n, k]),
        }
    }

    /// The two low-rank factors beside a frozen linear, with their gradients. Routed experts, router
    /// and vocabulary carry none.
    fn adapted(&mut self, adapter: Adapter, name: &str, dims: [f64; 3]) {
        let mixer = !name.starts_with("feed-forward");
        let plain = !(name.starts_with("expert") || name.starts_with("router") || name.starts_with("output head"));
        if !plain || !(mixer || adapter.targets == Targets::AllLinear) {
            return;
        }
        let [m, n, k] = dims;
        let rank = f64::from(adapter.rank);
        let dtype = self.sensitive;
        let shape = |m, n, k| {
            Work::Gemm(GemmShape {
                m,
                n,
                k,
                batch: 1.0,
                dtype,
                accumulate_fp32: false,
            })
        };
        for work in [shape(m, rank, k), shape(m, n, rank)] {
            self.push("adapter", Pass::Forward, work);
        }
        for work in [shape(m, rank, n), shape(m, k, rank), shape(rank, n, m), shape(k, rank, m)] {
            self.push("adapter", Pass::Backward, work);
        }
    }

    /// 8- and 4-bit multiplies read 16-bit inputs once and write them and their transpose narrow
    /// (Transformer Engine; Micikevicius et al., arXiv 2209.05433 §3).
    fn quantize(&mut self, elements: f64, pass: Pass, dtype: DType) {
        if matches!(dtype, DType::Fp8 | DType::Mxfp8 | DType::Nvfp4) {
            self.stream("quantize", pass, elements * (2.0 + 2.0 * dtype.bytes()));
        }
    }

    fn stream(&mut self, name: &'static str, pass: Pass, bytes: f64) {
        if bytes > 0.0 {
            self.push(name, pass, Work::Stream { bytes });
        }
    }

    fn both(&mut self, name: &'static str, forward_bytes: f64, backward_bytes: f64) {
        self.stream(name, Pass::Forward, forward_bytes);
        self.stream(name, Pass::Backward, backward_bytes);
    }

    fn collective(&mut self, name: &'static str, pass: Pass, kind: Collective, group: GroupName, bytes: f64) {
        self.push(name, pass, Work::Collective { kind, group, bytes });
    }

    /// Before a column-parallel linear: gather along the sequence, or nothing. In backward the
    /// reduction of the input gradient and the second gather run beside the weight gradient
    /// (Megatron-LM `LinearWithGradAccumulationAndAsyncCommunication`).
    fn enter_tensor(&mut self, bytes: f64) {
        if self.layout.tensor == 1 {
            return;
        }
        if self.layout.sequence_parallel {
            self.collective("gather sequence", Pass::Forward, Collective::AllGather, GroupName::Tensor, bytes);
            self.collective(
                "gather sequence again",
                Pass::Backward,
                Collective::AllGather,
                GroupName::Tensor,
                bytes,
            );
            self.hide_last();
            self.collective(
                "scatter input gradient",
                Pass::Backward,
                Collective::ReduceScatter,
                GroupName::Tensor,
                bytes,
            );
        } else {
            self.collective(
                "reduce input gradient",
                Pass::Backward,
                Collective::AllReduce,
                GroupName::Tensor,
                bytes,
            );
        }
        self.hide_last();
    }

    /// After a row-parallel linear: reduce the partial sums.
    fn leave_tensor(&mut self, bytes: f64) {
        if self.layout.tensor == 1 {
            return;
        }
        if self.layout.sequence_parallel {
            self.collective("scatter output", Pass::Forward, Collective::ReduceScatter, GroupName::Tensor, bytes);
            self.collective(
                "gather output gradient",
                Pass::Backward,
                Collective::AllGather,
                GroupName::Tensor,
                bytes,
            );
        } else {
            self.collective("reduce output", Pass::Forward, Collective::AllReduce, GroupName::Tensor, bytes);
        }
    }

    fn hide_last(&mut self) {
        if let Some(op) = self.ops.last_mut() {
            op.beside_weight_gradient = true;
        }
    }
}

/// Operations of one layer of a kind.
#[must_use]
pub fn layer(workload: &Workload, layout: &Layout, kind: LayerKind, stack: &Stack) -> Vec<Op> {
    let l = local(workload, layout);
    let mut list = new_list(workload, layout, stack);
    let model = &workload.model;
    let dropout = if stack.flash_attention { 0.0 } else { 1.0 };
    if !matches!(kind.mixer, Mixer::None | Mixer::Recurrent) {
        norm_and_residual(&mut list, &l, dropout);
    }
    match kind.mixer {
        Mixer::None => {}
        Mixer::Attention | Mixer::Windowed => attention_block(&mut list, model, workload, &l, kind, stack),
        Mixer::StateSpace => scan::state_space(&mut list, model, &l),
        Mixer::Delta => scan::delta(&mut list, model, &l),
        Mixer::Recurrent => scan::recurrent(&mut list, workload, &l),
    }
    if kind.feed != Feed::None {
        norm_and_residual(&mut list, &l, dropout);
    }
    match (kind.feed, model.moe) {
        (Feed::None, _) => {}
        (Feed::Mixture, Some(moe)) => mixture(&mut list, model, &moe, &l, stack),
        _ => feed_forward(&mut list, model, &l, f64::from(model.ffn_hidden)),
    }
    list.ops
}

fn new_list<'a>(workload: &Workload, layout: &'a Layout, stack: &Stack) -> List<'a> {
    let p = &workload.precision;
    List {
        ops: Vec::with_capacity(48),
        layout,
        compute: p.compute,
        sensitive: p.sensitive,
        fp32_gradients: stack.fp32_gradients,
        adapter: workload.adapter,
    }
}

/// One norm (reads x, writes y; backward reads x and dy, writes dx) and one residual addition, with
/// the dropout mask where the stack still uses dropout.
fn norm_and_residual(list: &mut List<'_>, l: &Local, dropout: f64) {
    let elements = l.cut_tokens * l.hidden;
    list.both("norm", 4.0 * elements, 6.0 * elements);
    list.both("residual", (6.0 + dropout) * elements, (6.0 + dropout) * elements);
}

fn attention_block(list: &mut List<'_>, model: &Model, workload: &Workload, l: &Local, kind: LayerKind, stack: &Stack) {
    let heads = f64::from(model.n_heads) / l.tensor;
    let (qk, v) = head_dims(model);
    let buffer = l.tokens * l.hidden * 2.0;
    let kv_heads = match model.attention {
        Attention::MultiHead => (f64::from(model.n_kv_heads) / l.tensor).max(1.0),
        Attention::Latent(_) => heads,
    };
    list.enter_tensor(buffer);
    match model.attention {
        Attention::MultiHead => {
            let width = heads * qk + kv_heads * (qk + v);
            list.linear(
                ["query-key-value", "query-key-value dgrad", "query-key-value wgrad"],
                l.tokens,
                width,
                l.hidden,
                1.0,
                list.compute,
            );
            let rotated = 4.0 * l.tokens * (heads + kv_heads) * qk;
            if !model.learned_positions {
                list.both("rotary", rotated, rotated);
            }
        }
        Attention::Latent(lat) => latent_projections(list, &lat, l, heads),
    }
    core(list, model, workload, l, kind, stack, (heads, kv_heads));
    list.linear(
        ["attention output", "attention output dgrad", "attention output wgrad"],
        l.tokens,
        l.hidden,
        heads * v,
        1.0,
        list.compute,
    );
    list.leave_tensor(buffer);
}

/// Multi-head latent attention: down-projections on every rank, norms, up-projections, rotary
/// (DeepSeek-V2, arXiv 2405.04434 §2.1).
fn latent_projections(list: &mut List<'_>, lat: &crate::catalog::Latent, l: &Local, heads: f64) {
    let (q_rank, kv_rank, rope) = (
        f64::from(lat.q_lora_rank),
        f64::from(lat.kv_lora_rank),
        f64::from(lat.qk_rope_head_dim),
    );
    let qk = f64::from(lat.qk_nope_head_dim) + rope;
    list.linear(
        ["latent down", "latent down dgrad", "latent down wgrad"],
        l.tokens,
        q_rank + kv_rank + rope,
        l.hidden,
        1.0,
        list.compute,
    );
    let ranks = l.tokens * (q_rank + kv_rank);
    list.both("latent norms", 4.0 * ranks, 6.0 * ranks);
    let query_input = if lat.q_lora_rank > 0 { q_rank } else { l.hidden };
    list.linear(
        ["query up", "query up dgrad", "query up wgrad"],
        l.tokens,
        heads * qk,
        query_input,
        1.0,
        list.compute,
    );
    let kv_width = heads * f64::from(lat.qk_nope_head_dim + lat.v_head_dim);
    list.linear(
        ["key-value up", "key-value up dgrad", "key-value up wgrad"],
        l.tokens,
        kv_width,
        kv_rank,
        1.0,
        list.compute,
    );
    // Rotary on the positional part, then queries and keys are assembled from their two parts.
    let assembled = 4.0 * l.tokens * heads * 2.0 * qk;
    list.both("rotary and assembly", assembled, assembled);
}

fn core(list: &mut List<'_>, model: &Model, workload: &Workload, l: &Local, kind: LayerKind, stack: &Stack, heads: (f64, f64)) {
    let (qk, v) = head_dims(model);
    let context = f64::from(list.layout.context);
    let batch = f64::from(list.layout.micro_batch_seqs);
    let window_tokens = model
        .sliding
        .filter(|_| kind.mixer == Mixer::Windowed)
        .map(|s| f64::from(s.window_tokens));
    let shape = AttentionShape {
        batch,
        query_tokens: workload.seq_len_tokens / context,
        key_tokens: workload.seq_len_tokens,
        heads: heads.0,
        kv_heads: heads.1,
        head_dim_qk: qk,
        head_dim_v: v,
        causal: stack.skips_masked,
        window_tokens,
        dtype: list.sensitive,
    };
    if context > 1.0 {
        // Keys and values of the whole sequence pass every context rank; backward passes them again
        // and reduces their gradients (ring attention, arXiv 2310.01889).
        let bytes = batch * workload.seq_len_tokens * heads.1 * (qk + v) * 2.0;
        list.collective(
            "exchange keys and values",
            Pass::Forward,
            Collective::AllGather,
            GroupName::Context,
            bytes,
        );
        list.collective(
            "exchange keys and values",
            Pass::Backward,
            Collective::AllGather,
            GroupName::Context,
            bytes,
        );
        list.collective(
            "reduce key and value gradients",
            Pass::Backward,
            Collective::ReduceScatter,
            GroupName::Context,
            bytes,
        );
    }
    let work = if stack.flash_attention {
        Work::Flash(shape)
    } else {
        Work::Unfused(shape)
    };
    list.push("attention core", Pass::Forward, work);
    if let Some(op) = list.ops.last_mut() {
        // Flash attention recomputes its scores by itself; storing nothing more is free.
        op.recomputed |= list.layout.recompute == Recompute::Selective && !stack.flash_attention;
    }
    list.push("attention core", Pass::Backward, work);
    let _ = l;
}

fn activation(list: &mut List<'_>, gated: bool, elements: f64) {
    if gated {
        list.both("gated activation", 6.0 * elements, 10.0 * elements);
    } else {
        list.both("activation", 4.0 * elements, 6.0 * elements);
    }
}

fn feed_forward(list: &mut List<'_>, model: &Model, l: &Local, ffn_hidden: f64) {
    let width = ffn_hidden / l.tensor;
    if width <= 0.0 {
        return;
    }
    let halves = if model.gated_ffn { 2.0 } else { 1.0 };
    let buffer = l.tokens * l.hidden * 2.0;
    list.enter_tensor(buffer);
    list.linear(
        ["feed-forward in", "feed-forward in dgrad", "feed-forward in wgrad"],
        l.tokens,
        halves * width,
        l.hidden,
        1.0,
        list.compute,
    );
    activation(list, model.gated_ffn, l.tokens * width);
    list.linear(
        ["feed-forward out", "feed-forward out dgrad", "feed-forward out wgrad"],
        l.tokens,
        l.hidden,
        width,
        1.0,
        list.compute,
    );
    list.leave_tensor(buffer);
}

/// Router, dispatch, grouped experts of the busiest rank, combine, shared experts
/// (`GShard`, arXiv 2006.16668 §3; DeepSeek-V3, arXiv 2412.19437 §2.1.2).
fn mixture(list: &mut List<'_>, model: &Model, moe: &Moe, l: &Local, stack: &Stack) {
    let layout = list.layout;
    let n_experts = f64::from(moe.n_experts);
    list.linear(
        ["router", "router dgrad", "router wgrad"],
        l.cut_tokens,
        n_experts,
        l.hidden,
        1.0,
        list.sensitive,
    );
    list.both("top-k", l.cut_tokens * n_experts * 8.0, l.cut_tokens * n_experts * 8.0);
    let routed = l.tokens * f64::from(moe.experts_per_token) / l.tensor;
    let bytes = routed * l.hidden * 2.0;
    list.both("permute", 2.0 * bytes, 2.0 * bytes);
    if layout.expert > 1 {
        list.collective("dispatch", Pass::Forward, Collective::AllToAll, GroupName::Expert, bytes);
        list.collective("dispatch gradient", Pass::Backward, Collective::AllToAll, GroupName::Expert, bytes);
    }
    if layout.expert_tensor > 1 {
        let whole = bytes * f64::from(layout.expert_tensor);
        list.collective(
            "gather expert tokens",
            Pass::Forward,
            Collective::AllGather,
            GroupName::ExpertTensor,
            whole,
        );
        list.collective(
            "scatter expert gradient",
            Pass::Backward,
            Collective::ReduceScatter,
            GroupName::ExpertTensor,
            whole,
        );
        list.collective(
            "scatter expert output",
            Pass::Forward,
            Collective::ReduceScatter,
            GroupName::ExpertTensor,
            whole,
        );
        list.collective(
            "gather expert gradient",
            Pass::Backward,
            Collective::AllGather,
            GroupName::ExpertTensor,
            whole,
        );
    }
    let local_experts = n_experts / f64::from(layout.expert);
    // The busiest rank of a group decides; a lone rank holds all experts and has no busiest.
    let imbalance = if layout.expert > 1 { stack.expert_imbalance } else { 1.0 };
    let per_expert = l.expert_tokens * imbalance / local_experts;
    let width = f64::from(moe.expert_ffn_hidden) / f64::from(layout.expert_tensor);
    let halves = if model.gated_ffn { 2.0 } else { 1.0 };
    list.linear(
        ["expert in", "expert in dgrad", "expert in wgrad"],
        per_expert,
        halves * width,
        l.hidden,
        local_experts,
        list.compute,
    );
    activation(list, model.gated_ffn, l.expert_tokens * imbalance * width);
    list.linear(
        ["expert out", "expert out dgrad", "expert out wgrad"],
        per_expert,
        l.hidden,
        width,
        local_experts,
        list.compute,
    );
    if layout.expert > 1 {
        list.collective("combine", Pass::Forward, Collective::AllToAll, GroupName::Expert, bytes);
        list.collective("combine gradient", Pass::Backward, Collective::AllToAll, GroupName::Expert, bytes);
    }
    list.both("unpermute", 2.0 * bytes, 2.0 * bytes);
    feed_forward(list, model, l, f64::from(moe.shared_ffn_hidden));
}

/// Operations of the input embedding.
#[must_use]
pub fn embedding(workload: &Workload, layout: &Layout, stack: &Stack) -> Vec<Op> {
    let l = local(workload, layout);
    let mut list = new_list(workload, layout, stack);
    let elements = l.tokens * l.hidden;
    // Forward reads and writes a row per token; backward adds rows into the weight gradient.
    list.both("embedding", 4.0 * elements, 10.0 * elements);
    list.leave_tensor(2.0 * elements);
    list.ops
}

/// Operations of the final norm, output head and loss.
#[must_use]
pub fn head(workload: &Workload, layout: &Layout, stack: &Stack) -> Vec<Op> {
    let l = local(workload, layout);
    let mut list = new_list(workload, layout, stack);
    let vocab = f64::from(workload.model.vocab) / l.tensor;
    let normed = l.cut_tokens * l.hidden;
    list.both("final norm", 4.0 * normed, 6.0 * normed);
    list.enter_tensor(2.0 * l.tokens * l.hidden);
    list.linear(
        ["output head", "output head dgrad", "output head wgrad"],
        l.tokens,
        vocab,
        l.hidden,
        1.0,
        list.sensitive,
    );
    // Fused cross-entropy reads and writes the 16-bit logits once each way; unfused it casts to
    // fp32, takes the maximum, exponentiates and divides in separate passes.
    let (forward, backward) = if stack.fused_loss { (4.0, 4.0) } else { (22.0, 10.0) };
    list.both("cross-entropy", forward * l.tokens * vocab, backward * l.tokens * vocab);
    for op in &mut list.ops {
        op.recomputed = false;
    }
    list.ops
}
