//! Attention: projections, rotary, core, context exchange.

use super::context::{self, Exchange};
use super::{List, Pass, Role, Work};
use crate::catalog::{Attention, Latent, Stack};
use crate::kernel::AttentionShape;
use crate::layout::Recompute;
use crate::layout::activation::Local;
use crate::workload::count::head_dims;
use crate::workload::{LayerKind, Mixer, Workload};

pub(super) fn attention_block(list: &mut List<'_>, workload: &Workload, l: &Local, kind: LayerKind, how: (&Stack, Exchange)) {
    let model = &workload.model;
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
    core(list, workload, kind, how, (heads, kv_heads));
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

fn core(list: &mut List<'_>, workload: &Workload, kind: LayerKind, (stack, exchange): (&Stack, Exchange), heads: (f64, f64)) {
    let model = &workload.model;
    let (qk, v) = head_dims(model);
    let window_tokens = model
        .sliding
        .filter(|_| kind.mixer == Mixer::Windowed)
        .map(|s| f64::from(s.window_tokens));
    // Documents that a sequence is packed from are as many short sequences to attention.
    let document_tokens = workload.document_tokens.unwrap_or(workload.seq_len_tokens);
    let whole = AttentionShape {
        batch: f64::from(list.layout.micro_batch_seqs) * workload.seq_len_tokens / document_tokens,
        query_tokens: document_tokens,
        key_tokens: document_tokens,
        heads: heads.0,
        kv_heads: heads.1,
        head_dim_qk: qk,
        head_dim_v: v,
        causal: stack.skips_masked,
        window_tokens,
        dtype: list.sensitive,
    };
    let share = exchange.share(&whole);
    let volumes = context::volumes(&exchange, &whole, &share);
    context::enter(list, &exchange, &volumes);
    let work = if stack.flash_attention {
        exchange.core(&share)
    } else {
        Work::Unfused(share)
    };
    let sinks = if model.attention_sinks && stack.flash_attention { stack.sink_factor } else { 1.0 };
    let load_factor = exchange.load_factor(&share, stack.context_balanced) * sinks;
    for pass in [Pass::Forward, Pass::Backward] {
        list.push_as("attention core", pass, work, Role::Attention);
        if let Some(op) = list.ops.last_mut() {
            op.load_factor = load_factor;
            // Flash attention recomputes its scores by itself; storing nothing more is free.
            op.recomputed |= pass == Pass::Forward && list.layout.recompute == Recompute::Selective && !stack.flash_attention;
        }
    }
    context::leave(list, &exchange, &volumes);
}
