//! The only place of this room that draws lots, each from a seeded stream of its own: the same seed
//! gives the same numbers whatever the number of threads.

use rand_distr::{Distribution, StandardNormal, Uniform};
use rand_pcg::Pcg64;

/// How often each of `n` rows is in resample `index` of a bootstrap (Efron 1979).
#[must_use]
pub fn resample(seed: u64, index: u64, n: usize) -> Vec<f64> {
    let mut weights = vec![0.0; n];
    let mut stream = stream(seed, index);
    if let Ok(rows) = Uniform::new(0, n) {
        for _ in 0..n {
            weights[rows.sample(&mut stream)] += 1.0;
        }
    }
    weights
}

/// `n` standard normal numbers of stream `index`.
#[must_use]
pub fn normals(seed: u64, index: u64, n: usize) -> Vec<f64> {
    let mut stream = stream(seed, index);
    (0..n).map(|_| StandardNormal.sample(&mut stream)).collect()
}

fn stream(seed: u64, index: u64) -> Pcg64 {
    Pcg64::new(u128::from(seed), u128::from(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        assert_eq!(resample(1, 2, 50), resample(1, 2, 50));
        assert_ne!(resample(1, 2, 50), resample(1, 3, 50));
        assert_eq!(resample(7, 0, 240).iter().sum::<f64>(), 240.0);
        let list = normals(3, 0, 20_000);
        #[allow(clippy::cast_precision_loss)]
        let mean = list.iter().sum::<f64>() / list.len() as f64;
        assert!(mean.abs() < 0.03, "{mean}");
    }
}
