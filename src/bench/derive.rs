//! The kernels that a plan asks for: what its layers are lowered to, as things to time.
//!
//! Only shapes are taken, never times: what is measured rests on no prediction.

use super::item::{Fused, Item, Operands, Pass};
use crate::catalog::{DType, Stack};
use crate::kernel::{AttentionShape, GemmShape};
use crate::layout::{Cut, Groups, Layout};
use crate::step::lower::{self, Op, Role, Work};
use crate::workload::Workload;

/// Every item of a step with how often a device runs it.
#[must_use]
pub fn items(workload: &Workload, layout: &Layout, stack: &Stack, groups: &Groups) -> Vec<(Item, f64)> {
    let cut = Cut::of(&workload.model, layout);
    let per_step = layout.n_micro_batches(workload.global_batch_seqs);
    let tokens = f64::from(layout.micro_batch_seqs) * workload.seq_len_tokens / f64::from(layout.context);
    let mut out = Vec::new();
    let mut add = |ops: Vec<Op>, times: f64| {
        for op in &ops {
            let times = if op.recomputed { 2.0 * times } else { times };
            out.extend(item(op, workload, tokens).map(|i| (i, times * per_step)));
        }
    };
    for stage in cut.stages() {
        for (kind, n) in stage.kinds() {
            add(lower::layer(workload, layout, kind, stack, groups), n);
        }
    }
    add(lower::embedding(workload, layout, stack), 1.0);
    add(lower::head(workload, layout, stack), 1.0);
    let params = crate::workload::count(&workload.model, workload.seq_len_tokens).params_total;
    let columns = f64::from(workload.model.hidden);
    out.push((
        Item::Fused {
            fused: Fused::Adam,
            pass: Pass::Forward,
            dtype: DType::F32,
            rows: whole(params / columns),
            columns: whole(columns),
        },
        1.0,
    ));
    out
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(x: f64) -> u64 {
    x.round().max(1.0) as u64
}

fn item(op: &Op, workload: &Workload, tokens: f64) -> Option<Item> {
    let pass = match op.pass {
        lower::Pass::Forward => Pass::Forward,
        lower::Pass::Backward => Pass::Backward,
    };
    match op.work {
        Work::Gemm(shape) => Some(gemm(&shape, op.role)),
        Work::Flash(shape) => Some(attention(&shape, pass)),
        Work::Stream { .. } => fused(op.name, workload).map(|(fused, columns)| Item::Fused {
            fused,
            pass,
            dtype: workload.precision.sensitive,
            rows: whole(tokens),
            columns: whole(columns),
        }),
        _ => None,
    }
}

fn gemm(shape: &GemmShape, role: Role) -> Item {
    Item::Gemm {
        dtype: shape.dtype,
        m: whole(shape.m),
        n: whole(shape.n),
        k: whole(shape.k),
        operands: match role {
            Role::InputGradient => Operands::Nt,
            Role::WeightGradient => Operands::Tn,
            _ => Operands::Nn,
        },
    }
}

fn attention(shape: &AttentionShape, pass: Pass) -> Item {
    Item::Attention {
        dtype: shape.dtype,
        pass,
        causal: shape.causal,
        batch: whole(shape.batch),
        seq_tokens: whole(shape.key_tokens),
        heads: whole(shape.heads),
        kv_heads: whole(shape.kv_heads),
        head_dim: whole((shape.head_dim_qk + shape.head_dim_v) / 2.0),
    }
}

/// Element-wise work by the name that the lowering gives it, and the width of a row.
fn fused(name: &str, workload: &Workload) -> Option<(Fused, f64)> {
    let model = &workload.model;
    let (hidden, feed) = (f64::from(model.hidden), f64::from(model.ffn_hidden));
    let heads = f64::from(model.n_heads + model.n_kv_heads) * f64::from(model.head_dim);
    Some(match name {
        "norm" | "final norm" => (Fused::Norm, hidden),
        "residual" => (Fused::Residual, hidden),
        "activation" => (Fused::Activation, feed),
        "gated activation" => (Fused::Gated, feed),
        "rotary" => (Fused::Rotary, heads),
        "embedding" => (Fused::Embedding, hidden),
        "cross-entropy" => (Fused::Loss, f64::from(model.vocab)),
        _ => return None,
    })
}
