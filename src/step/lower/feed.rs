//! Feed-forwards: dense, and mixtures of experts with their exchange.

use super::{Beside, GroupName, List, Pass, Work};
use crate::catalog::{Collective, Model, Moe, Stack};
use crate::layout::activation::Local;
use crate::layout::{Groups, Placed};

fn activation(list: &mut List<'_>, gated: bool, elements: f64) {
    if gated {
        list.both("gated activation", 6.0 * elements, 10.0 * elements);
    } else {
        list.both("activation", 4.0 * elements, 6.0 * elements);
    }
}

pub(super) fn feed_forward(list: &mut List<'_>, model: &Model, l: &Local, ffn_hidden: f64) {
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
/// (`GShard`, arXiv 2006.16668 §3; DeepSeek-V3, arXiv 2412.19437 §2.1.2). Routing without dropped tokens
/// also makes the host wait for the token counts of a layer; no measured time of that was found, and
/// none is charged.
pub(super) fn mixture(list: &mut List<'_>, model: &Model, moe: &Moe, l: &Local, (stack, groups): (&Stack, &Groups)) {
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
    // Rows in 16 bits read and written, and the fp32 weight of each.
    let moved = 2.0 * bytes + 8.0 * routed;
    list.both("permute", moved, moved);
    let copies = if stack.dispatches_once_per_domain {
        copies_share(groups.expert, f64::from(moe.experts_per_token))
    } else {
        1.0
    };
    exchange(list, ["dispatch", "dispatch gradient"], bytes * copies);
    let whole = bytes * f64::from(layout.expert_tensor);
    let (gather, scatter) = (Collective::AllGather, Collective::ReduceScatter);
    among_tensor(list, ["gather expert tokens", "scatter expert gradient"], [gather, scatter], whole);
    let local_experts = n_experts / f64::from(layout.expert);
    // The busiest rank of a group decides; a lone rank holds all experts and has no busiest.
    let imbalance = if layout.expert > 1 { stack.expert_imbalance } else { 1.0 };
    let per_expert = l.expert_tokens * imbalance / local_experts;
    // What arrives from other ranks lies rank by rank: it is sorted by expert, and back before it leaves
    // (Megatron-LM `MoEAlltoAllTokenDispatcher`, second permutation).
    let sorts = layout.expert * layout.expert_tensor > 1 && local_experts > 1.0;
    let arrived = if sorts { 4.0 * l.expert_tokens * imbalance * l.hidden } else { 0.0 };
    list.both("sort by expert", arrived, arrived);
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
    list.both("sort by rank", arrived, arrived);
    among_tensor(list, ["scatter expert output", "gather expert gradient"], [scatter, gather], whole);
    exchange(list, ["combine", "combine gradient"], bytes * copies);
    list.both("unpermute", moved, moved);
    list.shared = true;
    feed_forward(list, model, l, f64::from(moe.shared_ffn_hidden));
    list.shared = false;
}

/// Copies of a token that cross between scale-up domains when it is sent once to each that has some of
/// its experts, over one for each expert: of `t` experts drawn over `k` domains `k·(1 − (1 − 1/k)^t)` are
/// in different ones (DeepSeek-V3, arXiv 2412.19437 §3.2.2; its limit on domains is not counted).
fn copies_share(group: Placed, experts_per_token: f64) -> f64 {
    let domains = (group.n / group.per_domain.max(1.0)).max(1.0);
    if domains <= 1.0 {
        return 1.0;
    }
    let different = domains * (1.0 - (1.0 - 1.0 / domains).powf(experts_per_token));
    different / experts_per_token
}

/// Tensor ranks inside experts gather the tokens of all and reduce what they made of them.
fn among_tensor(list: &mut List<'_>, names: [&'static str; 2], kinds: [Collective; 2], bytes: f64) {
    if list.layout.expert_tensor <= 1 {
        return;
    }
    for (i, pass) in [Pass::Forward, Pass::Backward].into_iter().enumerate() {
        let work = Work::Collective {
            kind: kinds[i],
            group: GroupName::ExpertTensor,
            bytes,
        };
        list.communicate(names[i], pass, work, Beside::Nothing);
    }
}

/// Tokens to the ranks of their experts or back, with the gradients the other way. The shared experts
/// need neither, so a stack may run them meanwhile (DeepSeek-V2, arXiv 2405.04434 §3.1.3; Megatron-LM
/// `moe_shared_expert_overlap`).
fn exchange(list: &mut List<'_>, names: [&'static str; 2], bytes: f64) {
    if list.layout.expert <= 1 {
        return;
    }
    let work = Work::Collective {
        kind: Collective::AllToAll,
        group: GroupName::Expert,
        bytes,
    };
    list.communicate(names[0], Pass::Forward, work, Beside::SharedExperts);
    list.communicate(names[1], Pass::Backward, work, Beside::SharedExperts);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_once_to_each_domain() {
        let share = |n, per_domain| copies_share(Placed { n, per_domain }, 8.0);
        assert_eq!(share(8.0, 8.0), 1.0);
        // Eight experts over two domains are nearly always in both: 2 copies for 8.
        assert!((share(16.0, 8.0) - 2.0 * (1.0 - 0.5f64.powi(8)) / 8.0).abs() < 1e-12);
        assert!(share(16.0, 8.0) < share(64.0, 8.0) && share(4096.0, 8.0) < 1.0 && share(4096.0, 8.0) > 0.98);
    }
}
