//! What context ranks exchange around attention, and the attention that is left to each.

use super::{Beside, GroupName, List, Pass, Work};
use crate::catalog::{Collective, ContextExchange, Model, Stack};
use crate::kernel::AttentionShape;
use crate::kernel::attention::visible_keys;
use crate::layout::{Groups, Layout};
use crate::workload::{LayerKind, Mixer};

/// How the context ranks of a layer share its attention: the product of the three is their number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Exchange {
    /// Ranks that trade a part of the sequence for a part of the heads.
    traders: f64,
    /// Ranks of a ring.
    ring: f64,
    /// Ranks whose keys and values are gathered.
    gathered: f64,
}

/// The exchange of a layer.
///
/// `hierarchical` trades heads inside a scale-up domain and sends blocks between domains
/// (`Megatron-LM` `a2a+p2p`; USP, arXiv 2405.07719 §3). A group inside one domain is all-to-all, one
/// with a rank per domain a ring, and so is one whose heads or ranks its domains do not divide.
/// Layers with a window are gathered instead of sent round a ring: Transformer Engine runs sliding
/// windows over context ranks by all-gather and all-to-all only.
pub(super) fn exchange(model: &Model, layout: &Layout, kind: LayerKind, stack: &Stack, groups: &Groups) -> Exchange {
    let c = f64::from(layout.context);
    let heads = f64::from(model.n_heads) / f64::from(layout.tensor);
    let inside = groups.context.per_domain;
    let traders = match stack.context_exchange {
        ContextExchange::AllToAll => c,
        ContextExchange::Hierarchical if c % inside == 0.0 && heads % inside == 0.0 => inside,
        _ => 1.0,
    };
    let rest = c / traders;
    let windowed = kind.mixer == Mixer::Windowed && model.sliding.is_some();
    let gathers = stack.context_exchange == ContextExchange::AllGather || windowed;
    Exchange {
        traders,
        ring: if gathers { 1.0 } else { rest },
        gathered: if gathers { rest } else { 1.0 },
    }
}

impl Exchange {
    /// The attention of one rank out of that of the whole context group: with the part of the heads
    /// that it traded for, and its part of the queries. Heads that are fewer than the traders are
    /// repeated (arXiv 2309.14509 §3 needs as many; so do its implementations for keys and values).
    pub(super) fn share(&self, whole: &AttentionShape) -> AttentionShape {
        AttentionShape {
            query_tokens: whole.key_tokens / (self.ring * self.gathered),
            heads: whole.heads.max(self.traders) / self.traders,
            kv_heads: whole.kv_heads.max(self.traders) / self.traders,
            ..*whole
        }
    }

    /// The core of flash attention.
    ///
    /// A ring of `r` ranks takes `r` blocks in turn: the own one along the diagonal, then `r − 1` of
    /// others. With an early and a late part of the sequence on each rank (zigzag) every other block
    /// is whole queries against half of the keys or the reverse, nothing masked (Transformer Engine;
    /// Megatron-LM context parallelism). Without, a block is fully seen or not at all, half of each
    /// on the mean rank: the same work, and the slowest rank's is [`Exchange::load_factor`] more.
    pub(super) fn core(&self, share: &AttentionShape) -> Work {
        if self.ring <= 1.0 {
            return Work::Flash(*share);
        }
        let block_tokens = share.key_tokens / self.ring;
        let own = AttentionShape {
            key_tokens: block_tokens,
            ..*share
        };
        let other = AttentionShape {
            key_tokens: if share.causal { block_tokens / 2.0 } else { block_tokens },
            causal: false,
            ..*share
        };
        Work::Blocks {
            own,
            other,
            times: self.ring - 1.0,
        }
    }

    /// Work of the rank with the last part of the sequence over the mean, where each rank holds one
    /// piece and masked blocks are skipped.
    ///
    /// The first `n` of the queries see `F(n) = Σ min(p, window)` keys. The last of `c` parts of `s`
    /// sees `F(s) − F(s − s/c)` against a mean of `F(s)/c`; without a window `F(n) = n²/2` to first
    /// order, hence `c·(1 − (1 − 1/c)²) = (2c − 1)/c`: the imbalance that striped attention (Brandon
    /// et al., arXiv 2311.09431) and zigzag remove.
    pub(super) fn load_factor(&self, share: &AttentionShape, is_balanced: bool) -> f64 {
        let c = self.ring * self.gathered;
        if c <= 1.0 || is_balanced || !share.causal {
            return 1.0;
        }
        let s = share.key_tokens;
        let seen = |n: f64| n * visible_keys(n, n, true, share.window_tokens);
        c * (1.0 - seen(s - s / c) / seen(s))
    }

    fn is_alone(&self) -> bool {
        self.traders * self.ring * self.gathered <= 1.0
    }

    fn trading_group(&self) -> GroupName {
        if self.ring * self.gathered > 1.0 {
            GroupName::ContextInside
        } else {
            GroupName::Context
        }
    }

    fn other_group(&self) -> GroupName {
        if self.traders > 1.0 {
            GroupName::ContextAcross
        } else {
            GroupName::Context
        }
    }
}

/// Bytes of one device in 16 bits, as it holds them between layers or before attention.
#[derive(Debug, Clone, Copy)]
pub(super) struct Volumes {
    /// Queries, keys and values that are traded for heads.
    inputs_bytes: f64,
    /// Outputs that are traded back.
    outputs_bytes: f64,
    /// Keys and values of one part of the sequence.
    block_bytes: f64,
}

pub(super) fn volumes(exchange: &Exchange, whole: &AttentionShape, share: &AttentionShape) -> Volumes {
    let (qk, v) = (whole.head_dim_qk, whole.head_dim_v);
    let held = whole.batch * whole.key_tokens / (exchange.traders * exchange.ring * exchange.gathered);
    let kv_heads = share.kv_heads * exchange.traders;
    Volumes {
        inputs_bytes: 2.0 * held * (share.heads * exchange.traders * qk + kv_heads * (qk + v)),
        outputs_bytes: 2.0 * held * share.heads * exchange.traders * v,
        block_bytes: 2.0 * whole.batch * share.query_tokens * share.kv_heads * (qk + v),
    }
}

/// What comes before attention in either pass: forward the exchange that it waits for, backward
/// what its gradients go through after it.
pub(super) fn enter(list: &mut List<'_>, exchange: &Exchange, volumes: &Volumes) {
    if exchange.is_alone() {
        return;
    }
    if exchange.traders > 1.0 {
        let trade = |bytes| collective(Collective::AllToAll, exchange.trading_group(), bytes);
        let work = trade(volumes.inputs_bytes);
        list.communicate("trade sequence for heads", Pass::Forward, work, Beside::Nothing);
        list.communicate("trade gradients of heads", Pass::Backward, work, Beside::Nothing);
    }
    let group = exchange.other_group();
    if exchange.gathered > 1.0 {
        let bytes = volumes.block_bytes * exchange.gathered;
        let gather = collective(Collective::AllGather, group, bytes);
        let reduce = collective(Collective::ReduceScatter, group, bytes);
        list.communicate("gather keys and values", Pass::Forward, gather, Beside::Nothing);
        list.communicate("reduce key and value gradients", Pass::Backward, reduce, Beside::Nothing);
    }
    if exchange.ring > 1.0 {
        let send = |bytes, times| Work::Send { group, bytes, times };
        let (block, others) = (volumes.block_bytes, exchange.ring - 1.0);
        list.communicate("pass on keys and values", Pass::Forward, send(block, others), Beside::Attention);
        list.communicate("gradients come home", Pass::Backward, send(block, 1.0), Beside::Nothing);
    }
}

/// What comes after attention forward and before it backward.
///
/// Of `r` blocks that a ring's rank works on it holds the first, so `r − 1` are sent while it works
/// on the one before. Backward the gradients of a block travel with it and need one send more, to
/// its owner (arXiv 2310.01889 §3; Transformer Engine).
pub(super) fn leave(list: &mut List<'_>, exchange: &Exchange, volumes: &Volumes) {
    let group = exchange.other_group();
    if exchange.ring > 1.0 {
        let work = Work::Send {
            group,
            bytes: 2.0 * volumes.block_bytes,
            times: exchange.ring - 1.0,
        };
        list.communicate("pass on gradients too", Pass::Backward, work, Beside::Attention);
    }
    if exchange.gathered > 1.0 {
        let work = collective(Collective::AllGather, group, volumes.block_bytes * exchange.gathered);
        list.communicate("gather keys and values", Pass::Backward, work, Beside::Nothing);
    }
    if exchange.traders > 1.0 {
        let work = collective(Collective::AllToAll, exchange.trading_group(), volumes.outputs_bytes);
        list.communicate("trade heads for sequence", Pass::Forward, work, Beside::Nothing);
        list.communicate("trade gradient of output", Pass::Backward, work, Beside::Nothing);
    }
}

fn collective(kind: Collective, group: GroupName, bytes: f64) -> Work {
    Work::Collective { kind, group, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::DType;

    fn whole() -> AttentionShape {
        AttentionShape {
            batch: 1.0,
            query_tokens: 65_536.0,
            key_tokens: 65_536.0,
            heads: 32.0,
            kv_heads: 8.0,
            head_dim_qk: 128.0,
            head_dim_v: 128.0,
            causal: true,
            window_tokens: None,
            dtype: DType::Bf16,
        }
    }

    fn of(traders: f64, ring: f64, gathered: f64) -> Exchange {
        Exchange { traders, ring, gathered }
    }

    #[test]
    fn the_last_rank_of_an_unbalanced_ring_has_nearly_twice_the_mean() {
        for c in [2.0, 4.0, 8.0, 16.0] {
            let ring = of(1.0, c, 1.0);
            let share = ring.share(&whole());
            assert!((ring.load_factor(&share, false) - (2.0 * c - 1.0) / c).abs() < 1e-3);
            assert_eq!(ring.load_factor(&share, true), 1.0);
            assert_eq!(of(c, 1.0, 1.0).load_factor(&share, false), 1.0);
        }
        // A window shorter than a part: all but the first rank see the same.
        let short = AttentionShape {
            window_tokens: Some(512.0),
            ..whole()
        };
        assert!(of(1.0, 1.0, 8.0).load_factor(&short, false) < 1.01);
    }

    #[test]
    fn every_exchange_leaves_each_rank_the_same_flop() {
        let flop = |e: Exchange| match e.core(&e.share(&whole())) {
            Work::Blocks { own, other, times } => own.flop() + times * other.flop(),
            Work::Flash(shape) => shape.flop(),
            other => panic!("{other:?}"),
        };
        let mean = whole().flop() / 8.0;
        for e in [of(8.0, 1.0, 1.0), of(1.0, 8.0, 1.0), of(1.0, 1.0, 8.0), of(4.0, 2.0, 1.0)] {
            assert!((flop(e) / mean - 1.0).abs() < 1e-3, "{e:?}");
        }
    }

    #[test]
    fn keys_and_values_fewer_than_the_ranks_are_repeated() {
        let e = of(16.0, 1.0, 1.0);
        let share = e.share(&whole());
        assert_eq!((share.heads, share.kv_heads), (2.0, 1.0));
        let v = volumes(&e, &whole(), &share);
        // A 16th of the tokens with 32 query heads and 16 key and 16 value heads in 16 bits.
        assert_eq!(v.inputs_bytes, 4096.0 * (32.0 + 16.0 + 16.0) * 128.0 * 2.0);
        assert_eq!(v.outputs_bytes, 4096.0 * 32.0 * 128.0 * 2.0);
    }
}
