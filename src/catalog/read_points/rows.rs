//! What a line of each kind of table says.

use super::line::Line;
use super::{Kind, Limits};
use crate::catalog::{AttentionKey, AttentionPoint, Collective, GemmKey, GemmPoint, Points};

/// What tells a line from the others.
pub(super) type Key = [u64; 10];

fn key(numbers: &[f64]) -> Key {
    let mut key = Key::default();
    key.iter_mut().zip(numbers).for_each(|(k, n)| *k = n.to_bits());
    key
}

pub(super) fn gemm(line: &mut Line<'_>, limits: &Limits, points: &mut Points) -> Option<Key> {
    let dtype = line.dtype();
    let (m, n, k) = (line.count("m"), line.count("n"), line.count("k"));
    let accumulate_fp32 = line.flag("accumulate_fp32", false);
    let (time_s, ()) = (line.time_s(), spread(line));
    let (dtype, m, n, k, accumulate_fp32, time_s) = (dtype?, m?, n?, k?, accumulate_fp32?, time_s?);
    if !line.below_peak(time_s, 2.0 * m * n * k, dtype, limits) {
        return None;
    }
    let set = GemmKey { dtype, accumulate_fp32 };
    points.gemm.entry(set).or_default().push(GemmPoint { m, n, k, time_s });
    Some(key(&[f64::from(dtype as u8), m, n, k, f64::from(u8::from(accumulate_fp32))]))
}

/// How far the repeats lay apart; told to people, and used by nothing.
fn spread(line: &mut Line<'_>) {
    if line.cell("spread_fraction").is_some() {
        let _ = line.number("spread_fraction", 0.0, 10.0);
    }
    let _ = line.optional_count("n_repeats", None);
}

pub(super) fn attention(line: &mut Line<'_>, kind: Kind, limits: &Limits, points: &mut Points) -> Option<Key> {
    let dtype = line.dtype();
    let backward = match kind {
        Kind::Training => line.choice("pass", &[("forward", false), ("backward", true)]),
        _ => Some(false),
    };
    let causal = line.flag("causal", true);
    let shape = ["batch", "seq_tokens", "heads", "kv_heads", "head_dim"].map(|c| line.count(c));
    let head_dim_v = line.optional_count("head_dim_v", shape[4]);
    let (time_s, ()) = (line.time_s(), spread(line));
    let [batch, seq_tokens, heads, kv_heads, head_dim_qk] = shape;
    let point = AttentionPoint {
        batch: batch?,
        seq_tokens: seq_tokens?,
        heads: heads?,
        kv_heads: kv_heads?,
        head_dim_qk: head_dim_qk?,
        head_dim_v: head_dim_v?,
        time_s: time_s?,
    };
    if point.kv_heads > point.heads {
        line.wrong("kv_heads", "is more than the query heads", "write as many or fewer");
        return None;
    }
    let set = AttentionKey {
        dtype: dtype?,
        training: kind == Kind::Training,
        backward: backward?,
        causal: causal?,
    };
    // Two products forward and five backward over what is visible, two FLOP per multiply-add.
    let visible = if set.causal { 0.5 } else { 1.0 };
    let products = if set.backward { 2.5 } else { 1.0 };
    let pairs = point.batch * point.heads * point.seq_tokens * point.seq_tokens * visible;
    let flop = 2.0 * pairs * (point.head_dim_qk + point.head_dim_v) * products;
    if !line.below_peak(point.time_s, flop, set.dtype, limits) {
        return None;
    }
    points.attention.entry(set).or_default().push(point);
    let flags = u8::from(set.training) + 2 * u8::from(set.backward) + 4 * u8::from(set.causal);
    let AttentionPoint {
        batch,
        seq_tokens,
        heads,
        kv_heads,
        head_dim_qk,
        head_dim_v,
        ..
    } = point;
    Some(key(&[
        f64::from(set.dtype as u8),
        f64::from(flags),
        batch,
        seq_tokens,
        heads,
        kv_heads,
        head_dim_qk,
        head_dim_v,
    ]))
}

pub(super) fn collective(line: &mut Line<'_>, limits: &Limits, points: &mut Points) -> Option<Key> {
    let op = line.choice("op", &Collective::ALL);
    let (ranks, bytes) = (line.count("ranks"), line.number("bytes", 1.0, 1e15));
    let (time_s, ()) = (line.time_s(), spread(line));
    let (op, ranks, bytes, time_s) = (op?, ranks?, bytes?, time_s?);
    if ranks < 2.0 {
        line.wrong("ranks", "is not allowed", "write 2 or more");
        return None;
    }
    if let Some((link, reduces)) = limits.link {
        // A switch that reduces takes each byte once; without one a ring sends twice (n - 1)/n of it.
        let passes = if op == Collective::AllReduce { 2.0 } else { 1.0 };
        let sent = if op == Collective::AllReduce && reduces {
            1.0
        } else {
            passes * (ranks - 1.0) / ranks
        };
        let least_s = bytes * sent / link;
        if time_s < least_s {
            let what = format!("is {:.2} times as fast as the links of the device", least_s / time_s);
            line.wrong(
                "time_s",
                &what,
                format!("{bytes} bytes take {least_s:.4e} s or more; check unit and size"),
            );
            return None;
        }
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let set = (op, ranks as u32);
    points.collectives.entry(set).or_default().push((bytes, time_s));
    Some(key(&[f64::from(op as u8), ranks, bytes]))
}
