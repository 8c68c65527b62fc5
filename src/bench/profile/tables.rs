//! Measurements as lines of the catalog's tables.

use crate::bench::item::collective_name;
use crate::bench::{Item, Measured, Pass};
use crate::catalog::DType;
use std::collections::BTreeMap;

/// One table.
pub(super) struct Table {
    pub op: &'static str,
    pub text: String,
    pub kernels: Vec<String>,
}

/// Kinds of table with their heads.
const HEADS: [(&str, &str); 3] = [
    ("gemm", "dtype,m,n,k,time_s,spread_fraction,n_repeats"),
    (
        "attention-training",
        "dtype,pass,batch,seq_tokens,heads,kv_heads,head_dim,causal,time_s,spread_fraction,n_repeats",
    ),
    ("collective", "op,ranks,bytes,time_s,spread_fraction,n_repeats"),
];

/// Every table that has a line.
pub(super) fn all(list: &[Measured]) -> Vec<Table> {
    HEADS
        .iter()
        .filter_map(|(op, head)| {
            // Lines of the same shape (a product with its operands in other orders) become their mean.
            let mut lines: BTreeMap<String, Vec<&Measured>> = BTreeMap::new();
            for m in list {
                if let Some((_, key)) = key(&m.item).filter(|(kind, _)| kind == op) {
                    lines.entry(key).or_default().push(m);
                }
            }
            let mut kernels: Vec<String> = Vec::new();
            let mut text = format!("{head}\n");
            for (key, same) in &lines {
                let n = same.len() as f64;
                let time_s = same.iter().map(|m| m.sample.median_s).sum::<f64>() / n;
                let spread = same.iter().map(|m| m.sample.spread_fraction()).fold(0.0, f64::max).min(10.0);
                let repeats: usize = same.iter().map(|m| m.sample.n).sum();
                text.push_str(&format!("{key},{time_s:.4e},{spread:.3},{repeats}\n"));
                for m in same.iter().filter(|m| !kernels.contains(&m.kernel)).collect::<Vec<_>>() {
                    kernels.push(m.kernel.clone());
                }
            }
            kernels.dedup();
            (!lines.is_empty()).then_some(Table { op, text, kernels })
        })
        .collect()
}

/// Kind of table and the cells before the time.
fn key(item: &Item) -> Option<(&'static str, String)> {
    Some(match *item {
        Item::Gemm { dtype, m, n, k, .. } => ("gemm", format!("{dtype},{m},{n},{k}")),
        Item::Attention {
            dtype,
            pass,
            causal,
            batch,
            seq_tokens,
            heads,
            kv_heads,
            head_dim,
        } => {
            let pass = if pass == Pass::Backward { "backward" } else { "forward" };
            let mask = u8::from(causal);
            let text = format!("{dtype},{pass},{batch},{seq_tokens},{heads},{kv_heads},{head_dim},{mask}");
            ("attention-training", text)
        }
        Item::Collective { collective, ranks, bytes } => {
            let name = collective_name(collective);
            ("collective", format!("{name},{ranks},{bytes}"))
        }
        _ => return None,
    })
}

/// Parameters of the attention model that points are relative to: its asymptote is the best rate measured,
/// backward over forward the median at the same shapes.
pub(super) fn attention_wave(list: &[Measured], dtype: DType, peak_flop_per_s: f64) -> Option<String> {
    let forward = |m: &&Measured| matches!(m.item, Item::Attention { pass: Pass::Forward, dtype: d, .. } if d == dtype);
    let best = list.iter().filter(forward).map(Measured::rate_per_s).fold(0.0, f64::max);
    if best <= 0.0 {
        return None;
    }
    let mut ratios: Vec<f64> = Vec::new();
    for m in list.iter().filter(forward) {
        let mut back = m.item;
        if let Item::Attention { pass, .. } = &mut back {
            *pass = Pass::Backward;
        }
        ratios.extend(list.iter().find(|o| o.item == back).map(|o| o.sample.median_s / m.sample.median_s));
    }
    ratios.sort_by(f64::total_cmp);
    // Five products against two where nothing was measured.
    let ratio = ratios.get(ratios.len() / 2).map_or(2.5, |r| r.clamp(1.0, 20.0));
    let efficiency = (best / peak_flop_per_s).clamp(0.001, 1.5);
    Some(format!(
        "efficiency = {efficiency:.4}
memory_efficiency = 0.75 # estimate
t0_s = 0.0
s0_tokens = 0.0
d0_elements = 0.0
wave_fraction = 0.0
backward_ratio = {ratio:.3} # median at the same shapes
mape_fraction = 0.3 # not fitted"
    ))
}
