//! Collectives over threads that share memory: each thread is a rank with a buffer of its own.

use super::{Random, numbers, on_threads, worst};
use crate::catalog::Collective;
use crate::error::Result;

pub(super) const KERNEL: &str = "threads over shared memory, one pass, fp32";

/// Buffers of all ranks.
pub(super) struct Ranks {
    kind: Collective,
    /// Input of each rank; also the output of an all-reduce.
    input: Vec<Vec<f32>>,
    output: Vec<Vec<f32>>,
}

impl Ranks {
    /// `bytes` is the whole buffer as nccl-tests counts it: what an all-gather gathers, the input of the others.
    pub fn new(kind: Collective, ranks: usize, bytes: usize, seed: u64) -> Result<Ranks> {
        let part = (bytes / size_of::<f32>()).div_ceil(ranks).max(1);
        let whole = part * ranks;
        let (n_in, n_out) = match kind {
            Collective::AllReduce => (whole, 0),
            Collective::AllGather => (part, whole),
            Collective::ReduceScatter => (whole, part),
            Collective::AllToAll => (whole, whole),
        };
        let drawn = |rank: usize| {
            let mut random = Random(seed.wrapping_add(rank as u64));
            numbers(n_in, || random.next() as f32)
        };
        Ok(Ranks {
            kind,
            input: (0..ranks).map(drawn).collect::<Result<_>>()?,
            output: (0..ranks).map(|_| numbers(n_out, || 0.0)).collect::<Result<_>>()?,
        })
    }

    /// Once, every rank on a thread of its own. An all-reduce takes the mean, so that repeats stay finite.
    pub fn run(&mut self) {
        let n = self.input.len();
        let input = &self.input;
        match self.kind {
            Collective::AllReduce => {
                let part = input[0].len() / n;
                let mut buffers: Vec<_> = self.input.iter_mut().map(|b| b.chunks_mut(part)).collect();
                let parts: Vec<Vec<&mut [f32]>> = (0..n).map(|_| buffers.iter_mut().filter_map(Iterator::next).collect()).collect();
                on_threads(parts, |_, mut ranks| mean(&mut ranks, 1.0 / n as f32));
            }
            Collective::AllGather => on_threads(self.output.iter_mut().collect(), |_, out: &mut Vec<f32>| {
                out.chunks_mut(input[0].len()).zip(input).for_each(|(o, i)| o.copy_from_slice(i));
            }),
            Collective::ReduceScatter => on_threads(self.output.iter_mut().collect(), |rank, out: &mut Vec<f32>| {
                let len = out.len();
                sum(out, input.iter().map(|b| &b[rank * len..][..len]));
            }),
            Collective::AllToAll => on_threads(self.output.iter_mut().collect(), |rank, out: &mut Vec<f32>| {
                let part = out.len() / n;
                let parts = out.chunks_mut(part).zip(input);
                parts.for_each(|(o, i)| o.copy_from_slice(&i[rank * part..][..part]));
            }),
        }
    }

    /// Largest error of one run, relative to the largest term; the buffers are as after it.
    pub fn error(&mut self) -> (f64, usize) {
        let before = self.input.clone();
        self.run();
        let n = before.len();
        let at = |rank: usize, i: usize| f64::from(before[rank][i]);
        let exact = |rank: usize, i: usize| match self.kind {
            Collective::AllReduce => (0..n).map(|r| at(r, i)).sum::<f64>() / n as f64,
            Collective::AllGather => at(i / before[0].len(), i % before[0].len()),
            Collective::ReduceScatter => (0..n).map(|r| at(r, rank * (before[0].len() / n) + i)).sum(),
            Collective::AllToAll => {
                let part = before[0].len() / n;
                at(i / part, rank * part + i % part)
            }
        };
        let results = if self.kind == Collective::AllReduce {
            &self.input
        } else {
            &self.output
        };
        let errors = results.iter().enumerate().flat_map(|(rank, out)| {
            let exact = &exact;
            out.iter().enumerate().map(move |(i, x)| (f64::from(*x) - exact(rank, i)).abs())
        });
        (worst(errors), results.iter().map(Vec::len).sum())
    }
}

/// Numbers of a block that stays in the first-level cache while all ranks are read and written.
const BLOCK: usize = 2048;

fn mean(ranks: &mut [&mut [f32]], share: f32) {
    let mut total = [0.0_f32; BLOCK];
    let len = ranks.first().map_or(0, |r| r.len());
    for start in (0..len).step_by(BLOCK) {
        let n = BLOCK.min(len - start);
        let total = &mut total[..n];
        sum(total, ranks.iter().map(|r| &r[start..start + n]));
        total.iter_mut().for_each(|t| *t *= share);
        ranks.iter_mut().for_each(|r| r[start..start + n].copy_from_slice(total));
    }
}

fn sum<'a>(out: &mut [f32], mut parts: impl Iterator<Item = &'a [f32]>) {
    if let Some(first) = parts.next() {
        out.copy_from_slice(first);
    }
    for part in parts {
        out.iter_mut().zip(part).for_each(|(o, p)| *o += p);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_collective_is_right_at_odd_sizes() {
        for (_, kind) in Collective::ALL {
            for ranks in [1, 2, 3, 5] {
                for bytes in [1, 512, 40_004] {
                    let mut buffers = Ranks::new(kind, ranks, bytes, 3).unwrap();
                    let (error, n) = buffers.error();
                    assert!(error < 1e-6 && n > 0, "{kind:?} {ranks} {bytes}: {error}");
                    buffers.run();
                    assert!(buffers.error().0 < 1e-6, "{kind:?} twice");
                }
            }
        }
    }

    #[test]
    fn a_wrong_result_is_seen() {
        let mut buffers = Ranks::new(Collective::AllReduce, 2, 64, 3).unwrap();
        buffers.input[1][3] = f32::NAN;
        assert!(buffers.error().0.is_nan());
    }
}
