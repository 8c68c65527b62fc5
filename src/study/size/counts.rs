//! Which numbers of nodes a model and a batch can be cut to.

use crate::plan::Scenario;
use std::collections::BTreeMap;

/// Numbers of nodes, rising, each with the number of ways to cut the run over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts(Vec<(u32, u32)>);

impl Counts {
    /// Those of a scenario up to so many devices.
    ///
    /// A layout uses every device, so their number is tensor × context × pipeline × data: tensor divides
    /// the heads and stays in a scale-up domain, context is a power of two that leaves a rank 2,048
    /// tokens, a stage has a layer, embedding or head, and data divides the batch. These are the rules of
    /// the search ([`crate::layout::Space`]); a number that is not such a product has no layout there.
    #[must_use]
    pub fn of(scenario: &Scenario, most_devices: u64) -> Counts {
        let workload = &scenario.workload;
        let (model, choice) = (&workload.model, &scenario.choice);
        // Of a cluster that is larger than any domain.
        let domain = scenario.with_nodes(u32::MAX).domain();
        let fixed = |given: Option<u32>, free: Vec<u64>| given.map_or(free, |one| vec![u64::from(one)]);
        let tensors = divisors(u64::from(model.n_heads.max(1)));
        let tensors = tensors.into_iter().filter(|t| *t <= u64::from(domain)).collect();
        let contexts = (0..9).map(|i| 1u64 << i);
        #[allow(clippy::cast_precision_loss)]
        let contexts = contexts
            .filter(|c| *c == 1 || workload.seq_len_tokens / *c as f64 >= 2048.0)
            .collect();
        let pipelines = (1..=u64::from(model.n_layers) + 2).collect();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let datas = divisors(workload.global_batch_seqs as u64);
        let axes = [
            fixed(choice.tensor, tensors),
            fixed(choice.context, contexts),
            fixed(choice.pipeline, pipelines),
            fixed(choice.data, datas),
        ];
        let products = axes.iter().fold(BTreeMap::from([(1u64, 1u32)]), |products, axis| {
            let mut next = BTreeMap::new();
            for (n, ways) in &products {
                for more in axis.iter().map(|d| n.saturating_mul(*d)).take_while(|n| *n <= most_devices) {
                    *next.entry(more).or_insert(0u32) += ways;
                }
            }
            next
        });
        let node = u64::from(scenario.cluster.node.n_devices.max(1));
        let whole = products.into_iter().filter(|(n, _)| n.is_multiple_of(node));
        Counts(whole.filter_map(|(n, ways)| Some((u32::try_from(n / node).ok()?, ways))).collect())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those within, ends included, rising.
    #[must_use]
    pub fn within(&self, least: u32, most: u32) -> Vec<u32> {
        let from = self.0.partition_point(|(n, _)| *n < least);
        self.0[from..].iter().map(|(n, _)| *n).take_while(|n| *n <= most).collect()
    }

    /// The one within that can be cut in most ways, the smallest of equals: the likeliest to be cut well.
    #[must_use]
    pub fn richest(&self, least: u32, most: u32) -> Option<u32> {
        let from = self.0.partition_point(|(n, _)| *n < least);
        let within = self.0[from..].iter().take_while(|(n, _)| *n <= most);
        within.reduce(|a, b| if b.1 > a.1 { b } else { a }).map(|(n, _)| *n)
    }

    /// The richest of each stretch of this ratio, rising.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn coarse(&self, least: u32, most: u32, ratio: f64) -> Vec<u32> {
        let mut out = Vec::new();
        let mut from = f64::from(least.max(1));
        while from <= f64::from(most) {
            let to = (from * ratio).min(f64::from(most) + 1.0);
            // Stretches share no count: each ends before the next begins.
            let last = (to.ceil() - 1.0).max(from.ceil());
            out.extend(self.richest(from.ceil() as u32, last as u32));
            from = to.max(from + 1.0);
        }
        out.dedup();
        out
    }
}

fn divisors(n: u64) -> Vec<u64> {
    let small: Vec<u64> = (1..).take_while(|i| i * i <= n).filter(|i| n.is_multiple_of(*i)).collect();
    let large = small.iter().rev().map(|i| n / i).filter(|i| i * i > n);
    let mut out = small.clone();
    out.extend(large);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divisors_rise_and_are_all() {
        assert_eq!(divisors(12), [1, 2, 3, 4, 6, 12]);
        assert_eq!(divisors(16), [1, 2, 4, 8, 16]);
        assert_eq!(divisors(1), [1]);
    }

    #[test]
    fn the_coarse_grid_takes_the_richest_of_each_stretch() {
        let counts = Counts(vec![(1, 1), (2, 5), (3, 2), (4, 9), (5, 1), (6, 4), (8, 12), (9, 1)]);
        assert_eq!(counts.coarse(1, 9, 2.0), [1, 2, 4, 8]);
        assert_eq!(counts.coarse(3, 7, 2.0), [4, 6]);
        assert_eq!(counts.richest(5, 7), Some(6));
        assert_eq!(counts.richest(10, 20), None);
        assert_eq!(counts.within(3, 6), [3, 4, 5, 6]);
    }
}
