//! The only place of uncertainty studies that draws lots: a Latin hypercube from a seed.

use rand_pcg::Pcg64;
use rand_pcg::rand_core::Rng;

/// One dimension of a Latin hypercube (McKay, Beckman and Conover 1979, Technometrics 21, p. 239): the
/// unit interval in as many strata as there are samples, each of which one sample falls into.
///
/// Which stratum a sample gets is a permutation from the seed and the name of the dimension; where in
/// it the sample lies comes from a stream of the sample's own. So a sample is the same whichever
/// thread or shard asks for it, and whatever other dimensions there are.
pub struct Column {
    order: Vec<u32>,
    state: u128,
}

impl Column {
    /// The dimension `name` of a cube of `n` samples.
    #[must_use]
    pub fn new(seed: u64, name: &str, n: u32) -> Column {
        let state = u128::from(seed) << 64 | u128::from(digest(name));
        // Streams of samples are numbered from 0; the last one is the permutation's.
        let mut stream = Pcg64::new(state, u128::MAX >> 1);
        let mut order: Vec<u32> = (0..n).collect();
        // Fisher and Yates, from the end.
        for i in (1..n).rev() {
            order.swap(i as usize, below(&mut stream, u64::from(i) + 1));
        }
        Column { order, state }
    }

    /// The uniform number of a sample, above 0 and below 1.
    #[must_use]
    pub fn at(&self, sample: u32) -> f64 {
        let mut stream = Pcg64::new(self.state, u128::from(sample));
        let n = f64::from(u32::try_from(self.order.len()).unwrap_or(u32::MAX));
        let stratum = self.order.get(sample as usize).copied().unwrap_or(0);
        (f64::from(stratum) + uniform(&mut stream)) / n
    }
}

/// A number above 0 and below 1: 52 bits and a half.
fn uniform(stream: &mut Pcg64) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let bits = (stream.next_u64() >> 12) as f64;
    (bits + 0.5) / (1_u64 << 52) as f64
}

/// A whole number below `n`: the high word of a product (Lemire 2019, arXiv 1805.10941; its bias is
/// `n` in 2^64 and left in).
fn below(stream: &mut Pcg64, n: u64) -> usize {
    let high = (u128::from(stream.next_u64()) * u128::from(n)) >> 64;
    usize::try_from(high).unwrap_or(0)
}

/// FNV-1a of a name (Fowler, Noll and Vo).
fn digest(name: &str) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stratum_is_hit_once_and_dimensions_are_apart() {
        let n = 1000;
        let column = |seed, name| -> Vec<f64> {
            let c = Column::new(seed, name, n);
            (0..n).map(|i| c.at(i)).collect()
        };
        let (a, b) = (column(1, "a"), column(1, "b"));
        for list in [&a, &b] {
            let mut sorted = list.clone();
            sorted.sort_by(f64::total_cmp);
            for (i, u) in sorted.iter().enumerate() {
                assert!((i as f64..i as f64 + 1.0).contains(&(u * f64::from(n))), "{i}: {u}");
            }
        }
        let mean = |list: &[f64]| list.iter().sum::<f64>() / f64::from(n);
        let product: Vec<f64> = a.iter().zip(&b).map(|(x, y)| (x - 0.5) * (y - 0.5)).collect();
        // The correlation of two permutations has a standard deviation of 1/√n.
        assert!((12.0 * mean(&product)).abs() < 4.0 / f64::from(n).sqrt());
        // Within their strata samples are uniform too.
        let inside: Vec<f64> = a.iter().map(|u| (u * f64::from(n)).fract()).collect();
        assert!((mean(&inside) - 0.5).abs() < 4.0 / (12.0 * f64::from(n)).sqrt());
        assert_eq!(a, column(1, "a"));
        assert_ne!(a, column(2, "a"));
    }
}
