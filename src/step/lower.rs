//! From workload and layout to operations: what one device does for one micro-batch of one layer.
//!
//! Every linear layer is three matrix multiplies (forward, input gradient, weight gradient) with
//! their own shapes; memory-bound operations are bytes; communication names its group. The list is
//! the single source of step time, of `explain`, and later of the event simulation.

mod attention;
mod context;
mod ends;
mod feed;
mod scan;

pub use ends::{embedding, head};

use crate::catalog::{Collective, DType, Stack};
use crate::kernel::{AttentionShape, GemmShape};
use crate::layout::activation::{Local, local};
use crate::layout::{Groups, Layout, Recompute};
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
    /// Context ranks inside one scale-up domain.
    ContextInside,
    /// One context rank of each scale-up domain.
    ContextAcross,
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
    /// The multiplies of a device's experts, one for each.
    Experts(GemmShape),
    /// Attention core that never stores its scores.
    Flash(AttentionShape),
    /// Attention core as separate batched multiplies and softmax.
    Unfused(AttentionShape),
    /// Flash attention over the blocks of a ring, one after another.
    Blocks {
        /// The device's own queries with its own keys.
        own: AttentionShape,
        /// They with those of another rank, on average.
        other: AttentionShape,
        /// Other ranks.
        times: f64,
    },
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
    /// Messages to the next rank of a ring, one after another.
    Send {
        /// Among whom.
        group: GroupName,
        /// Each.
        bytes: f64,
        /// How many.
        times: f64,
    },
}

impl Work {
    /// Who takes part, where it is communication.
    #[must_use]
    pub fn group(&self) -> Option<GroupName> {
        match self {
            Work::Collective { group, .. } | Work::Send { group, .. } => Some(*group),
            _ => None,
        }
    }
}

/// What a piece of math is to the communication around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nothing.
    Other,
    /// The forward multiply of a linear.
    Output,
    /// Its input gradient.
    InputGradient,
    /// Its weight gradient.
    WeightGradient,
    /// The attention core.
    Attention,
}

/// Which math a communication may run beside. Whether it does is up to the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// None: what follows waits for it.
    Nothing,
    /// The multiply that it feeds or drains, tile by tile: forward multiply or input gradient.
    Tiles,
    /// The second gather of an input: the weight gradient needs it, the input gradient does not.
    InputGradient,
    /// The reduction of an input gradient: the weight gradient does not need it.
    WeightGradient,
    /// The attention core, block by block.
    Attention,
    /// The shared experts.
    SharedExperts,
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
    /// The linear that it belongs to, counted from 1 in its layer; 0 for none.
    pub linear: u16,
    /// What it is to the communication around it, if it is math.
    pub role: Role,
    /// What it may run beside, if it is communication.
    pub beside: Beside,
    /// Part of the shared experts.
    pub shared: bool,
    /// Time over that of the work stated: that of the rank with the most work where it states the mean's,
    /// and of kernels for attention with sinks.
    pub load_factor: f64,
}

/// Collects operations with less noise.
struct List<'a> {
    ops: Vec<Op>,
    layout: &'a Layout,
    compute: DType,
    sensitive: DType,
    fp32_gradients: bool,
    adapter: Option<Adapter>,
    /// Linears so far.
    linears: u16,
    /// The linear whose operations are being pushed; 0 for none.
    linear: u16,
    /// Shared experts are being pushed.
    shared: bool,
    /// What selective recomputation does again: see [`Stack::selective_keeps_alternate`].
    alternates: bool,
    /// Bytes per weight of adding its gradient to those of earlier micro-batches; none where the multiply does.
    sum_bytes: f64,
}

impl List<'_> {
    pub(super) fn push(&mut self, name: &'static str, pass: Pass, work: Work) {
        let again = match self.layout.recompute {
            Recompute::Full => true,
            Recompute::Selective => {
                self.alternates && (matches!(work, Work::Stream { .. }) || self.linear % 2 == 1 && work.group().is_none())
            }
            Recompute::None | Recompute::Layers(_) => false,
        };
        let recomputed = pass == Pass::Forward && again;
        self.ops.push(Op {
            name,
            pass,
            work,
            recomputed,
            linear: self.linear,
            role: Role::Other,
            beside: Beside::Nothing,
            shared: self.shared,
            load_factor: 1.0,
        });
    }

    fn push_as(&mut self, name: &'static str, pass: Pass, work: Work, role: Role) {
        self.push(name, pass, work);
        if let Some(op) = self.ops.last_mut() {
            op.role = role;
        }
    }

    /// `m` tokens through a `k × n` weight: three multiplies. More than one weight, `batch` of them with
    /// `m` tokens each, are experts.
    fn linear(&mut self, names: [&'static str; 3], m: f64, n: f64, k: f64, batch: f64, dtype: DType) {
        if m <= 0.0 || n <= 0.0 || k <= 0.0 {
            return;
        }
        let shape = |m, n, k, accumulate_fp32| {
            let shape = GemmShape {
                m,
                n,
                k,
                batch,
                dtype,
                accumulate_fp32,
            };
            if batch > 1.0 { Work::Experts(shape) } else { Work::Gemm(shape) }
        };
        self.linears += 1;
        self.linear = self.linears;
        self.quantize(m * k * batch, Pass::Forward, dtype);
        self.push_as(names[0], Pass::Forward, shape(m, n, k, false), Role::Output);
        self.quantize(m * n * batch, Pass::Backward, dtype);
        self.push_as(names[1], Pass::Backward, shape(m, k, n, false), Role::InputGradient);
        match self.adapter {
            None => {
                let work = shape(k, n, m, self.fp32_gradients);
                self.push_as(names[2], Pass::Backward, work, Role::WeightGradient);
                self.stream("sum gradient", Pass::Backward, self.sum_bytes * k * n * batch);
            }
            Some(adapter) => self.adapted(adapter, names[0], [m, n, k]),
        }
        self.linear = 0;
    }

    /// The two low-rank factors beside a frozen linear, with their gradients, the dropout before and the
    /// scaled sum after them (Hu et al., arXiv 2106.09685 §4.1; PEFT `lora.Linear`, NeMo `AdapterWrapper`).
    /// Routed experts, router and vocabulary carry none.
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
        // Read and written in 16 bits each: the input by dropout, the adapter's output by its scale, that and
        // the linear's by their sum; backward the same, with a sum of input gradients.
        let (input, output) = (m * k, m * n);
        self.both("adapter dropout", 4.0 * input, 10.0 * input);
        for work in [shape(m, rank, k), shape(m, n, rank)] {
            self.push("adapter", Pass::Forward, work);
        }
        for work in [shape(m, rank, n), shape(m, k, rank), shape(rank, n, m), shape(k, rank, m)] {
            self.push("adapter", Pass::Backward, work);
        }
        self.both("adapter sum", 10.0 * output, 4.0 * output);
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

    fn communicate(&mut self, name: &'static str, pass: Pass, work: Work, beside: Beside) {
        self.push(name, pass, work);
        if let Some(op) = self.ops.last_mut() {
            op.beside = beside;
        }
    }

    /// A collective among the tensor ranks around a linear.
    fn tensor(&mut self, linear: u16, name: &'static str, pass: Pass, kind: Collective, bytes: f64, beside: Beside) {
        let work = Work::Collective {
            kind,
            group: GroupName::Tensor,
            bytes,
        };
        self.linear = linear;
        self.communicate(name, pass, work, beside);
        self.linear = 0;
    }

    /// Before a column-parallel linear, the next one: gather along the sequence, or nothing. Backward
    /// gathers the input again for the weight gradient and reduces the input gradient (Korthikanti
    /// et al., arXiv 2205.05198 §4.2.2; what runs beside what: Megatron-LM
    /// `LinearWithGradAccumulationAndAsyncCommunication`).
    fn enter_tensor(&mut self, bytes: f64) {
        if self.layout.tensor == 1 {
            return;
        }
        let (linear, gather, scatter) = (self.linears + 1, Collective::AllGather, Collective::ReduceScatter);
        let (forward, backward) = (Pass::Forward, Pass::Backward);
        // Nothing is asynchronous around frozen weights (Megatron-LM `LinearWithFrozenWeight`).
        let again = if self.adapter.is_some() {
            Beside::Nothing
        } else {
            Beside::InputGradient
        };
        if self.layout.sequence_parallel {
            self.tensor(linear, "gather sequence", forward, gather, bytes, Beside::Tiles);
            self.tensor(linear, "gather sequence again", backward, gather, bytes, again);
            self.tensor(linear, "scatter input gradient", backward, scatter, bytes, Beside::WeightGradient);
        } else {
            let name = "reduce input gradient";
            self.tensor(linear, name, backward, Collective::AllReduce, bytes, Beside::WeightGradient);
        }
    }

    /// After a row-parallel linear, the last one: reduce the partial sums. An all-reduce is not cut into
    /// tiles: ring-overlapped stacks need sequence parallelism.
    fn leave_tensor(&mut self, bytes: f64) {
        if self.layout.tensor == 1 {
            return;
        }
        let linear = self.linears;
        if self.layout.sequence_parallel {
            let (gather, scatter) = (Collective::AllGather, Collective::ReduceScatter);
            self.tensor(linear, "scatter output", Pass::Forward, scatter, bytes, Beside::Tiles);
            self.tensor(linear, "gather output gradient", Pass::Backward, gather, bytes, Beside::Tiles);
        } else {
            self.tensor(
                linear,
                "reduce output",
                Pass::Forward,
                Collective::AllReduce,
                bytes,
                Beside::Nothing,
            );
        }
    }
}

/// Operations of one layer of a kind.
#[must_use]
pub fn layer(workload: &Workload, layout: &Layout, kind: LayerKind, stack: &Stack, groups: &Groups) -> Vec<Op> {
    let l = local(workload, layout);
    let mut list = new_list(workload, layout, stack);
    let model = &workload.model;
    let dropout = if stack.flash_attention { 0.0 } else { 1.0 };
    if !matches!(kind.mixer, Mixer::None | Mixer::Recurrent) {
        norm_and_residual(&mut list, &l, dropout);
    }
    match kind.mixer {
        Mixer::None => {}
        Mixer::Attention | Mixer::Windowed => {
            let exchange = context::exchange(model, layout, kind, stack, groups);
            attention::attention_block(&mut list, workload, &l, kind, (stack, exchange));
        }
        Mixer::StateSpace => scan::state_space(&mut list, model, &l),
        Mixer::Delta => scan::delta(&mut list, model, &l),
        Mixer::Recurrent => scan::recurrent(&mut list, workload, &l),
    }
    if kind.feed != Feed::None {
        norm_and_residual(&mut list, &l, dropout);
    }
    match (kind.feed, model.moe) {
        (Feed::None, _) => {}
        (Feed::Mixture, Some(moe)) => feed::mixture(&mut list, model, &moe, &l, (stack, groups)),
        _ => feed::feed_forward(&mut list, model, &l, f64::from(model.ffn_hidden)),
    }
    list.ops
}

/// A 16-bit gradient is read and added to a sum that is read and written, where there are several
/// micro-batches to sum over.
fn sum_bytes(workload: &Workload, layout: &Layout, stack: &Stack) -> f64 {
    let several = layout.n_micro_batches(workload.global_batch_seqs) > 1.0;
    match (stack.fuses_gradient_sum || !several, stack.fp32_gradients) {
        (true, _) => 0.0,
        (false, true) => 10.0,
        (false, false) => 6.0,
    }
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
        linears: 0,
        linear: 0,
        shared: false,
        alternates: stack.selective_keeps_alternate,
        sum_bytes: sum_bytes(workload, layout, stack),
    }
}

/// One norm (reads x, writes y; backward reads x and dy, writes dx) and one residual addition, with
/// the dropout mask where the stack still uses dropout.
fn norm_and_residual(list: &mut List<'_>, l: &Local, dropout: f64) {
    let elements = l.cut_tokens * l.hidden;
    list.both("norm", 4.0 * elements, 6.0 * elements);
    list.both("residual", (6.0 + dropout) * elements, (6.0 + dropout) * elements);
}
