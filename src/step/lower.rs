//! From workload and layout to operations: what one device does for one micro-batch of one layer.
//!
//! Every linear layer is three matrix multiplies (forward, input gradient, weight gradient) with
//! their own shapes; memory-bound operations are bytes; communication names its group. The list is
//! the single source of step time, of `explain`, and later of the event simulation.

mod attention;
mod ends;
mod feed;
mod scan;

pub use ends::{embedding, head};

use crate::catalog::{Collective, DType, Stack};
use crate::kernel::{AttentionShape, GemmShape};
use crate::layout::activation::{Local, local};
use crate::layout::{Layout, Recompute};
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
        Mixer::Attention | Mixer::Windowed => attention::attention_block(&mut list, model, workload, &l, kind, stack),
        Mixer::StateSpace => scan::state_space(&mut list, model, &l),
        Mixer::Delta => scan::delta(&mut list, model, &l),
        Mixer::Recurrent => scan::recurrent(&mut list, workload, &l),
    }
    if kind.feed != Feed::None {
        norm_and_residual(&mut list, &l, dropout);
    }
    match (kind.feed, model.moe) {
        (Feed::None, _) => {}
        (Feed::Mixture, Some(moe)) => feed::mixture(&mut list, model, &moe, &l, stack),
        _ => feed::feed_forward(&mut list, model, &l, f64::from(model.ffn_hidden)),
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
