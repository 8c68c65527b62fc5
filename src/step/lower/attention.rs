//! Attention: projections, rotary, core, context exchange.

use super::{GroupName, List, Pass, Work};
use crate::catalog::{Attention, Collective, Latent, Model, Stack};
use crate::kernel::AttentionShape;
use crate::layout::Recompute;
use crate::layout::activation::Local;
use crate::workload::count::head_dims;
use crate::workload::{LayerKind, Mixer, Workload};

pub(super) fn attention_block(list: &mut List<'_>, model: &Model, workload: &Workload, l: &Local, kind: LayerKind, stack: &Stack) {
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
    core(list, model, workload, kind, stack, (heads, kv_heads));
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
fn latent_projections(list: &mut List<'_>, lat: &Latent, l: &Local, heads: f64) {
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

fn core(list: &mut List<'_>, model: &Model, workload: &Workload, kind: LayerKind, stack: &Stack, heads: (f64, f64)) {
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
}
