//! Which measurements first: whatever the budget, what is measured says most.
//!
//! Shapes that a plan asks for come first, longest work first, since they are looked up as they are.
//! The rest follows by farthest-point traversal (T. F. Gonzalez, "Clustering to minimize the maximum
//! intercluster distance", 1985): each next item is the one whose nearest measured neighbour of its kind
//! is farthest away in binary logarithms of the sizes, so that every prefix covers the range evenly.
//! Kinds take turns.

use super::{Item, Work};
use std::collections::BTreeMap;

/// `asked` by weight, then `grid` so that each prefix is spread; nothing twice.
#[must_use]
pub fn order(asked: &[(Item, f64)], grid: &[Item]) -> Vec<Item> {
    let mut first: Vec<(Item, f64)> = Vec::new();
    for (item, weight) in asked {
        match first.iter_mut().find(|(i, _)| i == item) {
            Some((_, w)) => *w += weight,
            None => first.push((*item, *weight)),
        }
    }
    first.sort_by(|a, b| (b.1 * size(&b.0)).total_cmp(&(a.1 * size(&a.0))));
    // What everything else is relative to.
    first.sort_by_key(|(item, _)| !matches!(item, Item::Stream { .. }));
    let mut out: Vec<Item> = first.into_iter().map(|(item, _)| item).collect();
    let mut kinds: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for item in grid {
        let list = kinds.entry(kind(item)).or_default();
        if !list.contains(item) && !out.contains(item) {
            list.push(*item);
        }
    }
    let mut queues: Vec<std::vec::IntoIter<Item>> = kinds
        .into_iter()
        .map(|(name, list)| {
            let known: Vec<Item> = out.iter().filter(|i| kind(i) == name).copied().collect();
            spread(list, &known).into_iter()
        })
        .collect();
    // Streams are few and first of all.
    let mut turns: Vec<Item> = Vec::new();
    loop {
        let round: Vec<Item> = queues.iter_mut().filter_map(Iterator::next).collect();
        if round.is_empty() {
            break;
        }
        turns.extend(round);
    }
    out.extend(turns);
    out.sort_by_key(|item| !matches!(item, Item::Stream { .. }));
    out
}

/// FLOP that take as long as a byte of memory traffic: 3 to 10 on hosts, 100 to 600 on accelerators; only the
/// order of measurements depends on it.
const FLOP_PER_BYTE: f64 = 50.0;

fn size(item: &Item) -> f64 {
    match item.work() {
        Work::Flop(flop) => flop,
        Work::Bytes(bytes) => FLOP_PER_BYTE * bytes,
        // One is over in microseconds.
        Work::Launches(n) => n,
    }
}

/// Share of a budget, to be divided by the sum of all: half way between as much time for each and as many repeats.
#[must_use]
pub fn share(item: &Item) -> f64 {
    size(item).sqrt()
}

/// What is compared with each other.
fn kind(item: &Item) -> String {
    let mask = matches!(item, Item::Attention { causal: false, .. });
    format!("{} {} {mask}", item.suite(), item.op())
}

fn spread(mut rest: Vec<Item>, known: &[Item]) -> Vec<Item> {
    let distance = |a: &Item, b: &Item| -> f64 { a.place().iter().zip(b.place()).map(|(x, y)| (x - y).powi(2)).sum() };
    let mut nearest: Vec<f64> = rest
        .iter()
        .map(|item| known.iter().map(|k| distance(item, k)).fold(f64::INFINITY, f64::min))
        .collect();
    let mut out = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let best = if out.is_empty() && known.is_empty() {
            middle(&rest)
        } else {
            (0..rest.len()).max_by(|a, b| nearest[*a].total_cmp(&nearest[*b])).unwrap_or(0)
        };
        let taken = rest.swap_remove(best);
        nearest.swap_remove(best);
        for (item, d) in rest.iter().zip(&mut nearest) {
            *d = d.min(distance(item, &taken));
        }
        out.push(taken);
    }
    out
}

/// The item nearest to the mean place: a first measurement that stands for all.
fn middle(list: &[Item]) -> usize {
    let mut mean = [0.0; 5];
    for item in list {
        mean.iter_mut().zip(item.place()).for_each(|(m, p)| *m += p / list.len() as f64);
    }
    let off = |item: &Item| -> f64 { item.place().iter().zip(mean).map(|(p, m)| (p - m).powi(2)).sum() };
    (0..list.len())
        .min_by(|a, b| off(&list[*a]).total_cmp(&off(&list[*b])))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::{Operands, Stream};
    use super::*;
    use crate::catalog::DType;

    fn gemm(m: u64, n: u64, k: u64) -> Item {
        Item::Gemm {
            dtype: DType::F32,
            m,
            n,
            k,
            operands: Operands::Nn,
        }
    }

    #[test]
    fn asked_first_then_far_apart() {
        let sides = [64, 128, 256, 512, 1024];
        let grid: Vec<Item> = sides.iter().flat_map(|m| sides.map(|n| gemm(*m, n, 256))).collect();
        let stream = Item::Stream {
            stream: Stream::Copy,
            bytes: 8,
        };
        let asked = [(gemm(7, 7, 7), 1.0), (gemm(700, 700, 700), 1.0), (gemm(7, 7, 7), 1.0)];
        let list = order(&asked, &[grid.clone(), vec![stream, stream]].concat());
        assert_eq!(list.len(), 25 + 2 + 1);
        assert_eq!(list[..3], [stream, gemm(700, 700, 700), gemm(7, 7, 7)]);
        // The corners before what lies between.
        let free = order(&[], &grid);
        assert_eq!(free[0], gemm(256, 256, 256));
        for corner in [gemm(64, 64, 256), gemm(1024, 1024, 256), gemm(64, 1024, 256), gemm(1024, 64, 256)] {
            assert!(free[1..5].contains(&corner), "{free:?}");
        }
    }

    /// The covering radius of a prefix is at most twice that of the best choice (Gonzalez 1985, theorem 3.1);
    /// against any other prefix of a fixed order it should not be worse than twice.
    #[test]
    fn prefixes_cover() {
        let sides = [32, 64, 128, 256, 512, 1024, 2048];
        let grid: Vec<Item> = sides.iter().flat_map(|m| sides.map(|n| gemm(*m, n, *m))).collect();
        let radius = |prefix: &[Item]| {
            let far = |i: &Item| {
                let near = |k: &Item| i.place().iter().zip(k.place()).map(|(x, y)| (x - y).powi(2)).sum::<f64>();
                prefix.iter().map(near).fold(f64::INFINITY, f64::min)
            };
            grid.iter().map(far).fold(0.0, f64::max).sqrt()
        };
        let list = order(&[], &grid);
        for n in [5, 10, 20] {
            assert!(radius(&list[..n]) <= radius(&grid[..n]), "{n}");
            assert!(radius(&list[..n + 1]) <= radius(&list[..n]));
        }
    }
}
