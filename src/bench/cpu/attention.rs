//! Flash-style attention of the host in fp32: blocks of scores that stay in the cache, online softmax
//! (Dao et al. 2022, arXiv 2205.14135, algorithm 1; backward: Dao 2023, arXiv 2307.08691, algorithm 2).
//!
//! Tensors lie as [batch, head, token, width]. Products of blocks are those of [`super::product`].

use super::product::{View, multiply};
use super::softmax::{Backward, Softmax};
use super::{Random, numbers, worst};
use crate::error::Result;
use pulp::Arch;
use rayon::prelude::*;

pub(super) const KERNEL: &str = "flash-style blocks of 256 queries and keys in fp32, online softmax, gemm crate 0.19";

/// Queries and keys of a block: a square of scores takes 256 KiB, a part of a usual second-level cache.
const BLOCK: usize = 256;
/// Heads that are checked, and queries and keys of each.
const N_CHECKED: usize = 4;

/// Sizes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub batch: usize,
    pub seq: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub dim: usize,
    pub causal: bool,
}

/// Inputs, results and gradients.
pub(super) struct Attention {
    shape: Shape,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    out: Vec<f32>,
    /// Logarithm of the sum of exponentials of each query.
    lse: Vec<f32>,
    d_out: Vec<f32>,
    dq: Vec<f32>,
    dk: Vec<f32>,
    dv: Vec<f32>,
}

impl Attention {
    pub fn new(shape: Shape, backward: bool, seed: u64) -> Result<Attention> {
        let Shape {
            batch,
            seq,
            heads,
            kv_heads,
            dim,
            ..
        } = shape;
        let mut random = Random(seed);
        let (queries, keys) = (batch * heads * seq * dim, batch * kv_heads * seq * dim);
        let mut drawn = |n| numbers(n, || random.next() as f32);
        let (q, k, v) = (drawn(queries)?, drawn(keys)?, drawn(keys)?);
        let d_out = drawn(if backward { queries } else { 0 })?;
        let zero = |n| numbers(n, || 0.0_f32);
        let gradient = |n| zero(if backward { n } else { 0 });
        Ok(Attention {
            shape,
            q,
            k,
            v,
            out: zero(queries)?,
            lse: zero(batch * heads * seq)?,
            d_out,
            dq: gradient(queries)?,
            dk: gradient(keys)?,
            dv: gradient(keys)?,
        })
    }

    fn scale(&self) -> f32 {
        1.0 / (self.shape.dim as f32).sqrt()
    }

    /// Offset of the keys of a query head, heads of all sequences counted.
    fn keys_of(&self, head: usize) -> usize {
        let Shape {
            heads, kv_heads, seq, dim, ..
        } = self.shape;
        let (batch, h) = (head / heads, head % heads);
        (batch * kv_heads + h / (heads / kv_heads)) * seq * dim
    }

    pub fn forward(&mut self) -> Result<()> {
        let Shape { seq, dim, .. } = self.shape;
        let (mut out, mut lse) = (std::mem::take(&mut self.out), std::mem::take(&mut self.lse));
        let heads = out.chunks_mut(seq * dim).zip(lse.chunks_mut(seq)).enumerate();
        // The last queries see most keys: they begin first.
        let mut tasks: Vec<_> = heads
            .flat_map(|(head, (out, lse))| {
                let blocks = out.chunks_mut(BLOCK * dim).zip(lse.chunks_mut(BLOCK)).enumerate();
                blocks.map(move |(i, (out, lse))| (head, i * BLOCK, out, lse))
            })
            .collect();
        tasks.sort_by_key(|(_, first, ..)| std::cmp::Reverse(*first));
        let done = tasks
            .into_par_iter()
            .with_max_len(1)
            .map(|(head, first, out, lse)| self.forward_block(head, first, out, lse))
            .collect();
        (self.out, self.lse) = (out, lse);
        done
    }

    /// One block of queries of one head over the keys that it sees.
    fn forward_block(&self, head: usize, first: usize, out: &mut [f32], lse: &mut [f32]) -> Result<()> {
        let Shape { seq, dim, causal, .. } = self.shape;
        let (rows, queries, keys) = (lse.len(), (head * seq + first) * dim, self.keys_of(head));
        let mut scores = vec![0.0_f32; rows * BLOCK];
        let (mut max, mut sum) = (vec![f32::NEG_INFINITY; rows], vec![0.0_f32; rows]);
        out.fill(0.0);
        let seen = if causal { first + rows } else { seq };
        for key in (0..seen).step_by(BLOCK) {
            let n = BLOCK.min(seen - key);
            let offset = keys + key * dim;
            let (q, k) = (
                (&self.q[..], View::rows(dim).at(queries)),
                (&self.k[..], View::columns(dim).at(offset)),
            );
            multiply([rows, n, dim], q, k, (&mut scores, View::rows(n)), self.scale(), false, false)?;
            Arch::new().dispatch(Softmax {
                scores: &mut scores[..rows * n],
                width: n,
                out,
                dim,
                max: &mut max,
                sum: &mut sum,
                diagonal: (causal && key + n > first + 1).then(|| first as isize - key as isize),
            });
            let v = (&self.v[..], View::rows(dim).at(offset));
            multiply(
                [rows, dim, n],
                (&scores, View::rows(n)),
                v,
                (out, View::rows(dim)),
                1.0,
                true,
                false,
            )?;
        }
        for (i, row) in out.chunks_mut(dim).enumerate() {
            let inverse = 1.0 / sum[i];
            row.iter_mut().for_each(|o| *o *= inverse);
            lse[i] = max[i] + sum[i].ln();
        }
        Ok(())
    }

    /// Needs the results of [`Attention::forward`]. Key heads are worked on beside each other.
    pub fn backward(&mut self) -> Result<()> {
        let Shape {
            seq, heads, kv_heads, dim, ..
        } = self.shape;
        let group = heads / kv_heads;
        let take = std::mem::take::<Vec<f32>>;
        let (mut dq, mut dk, mut dv) = (take(&mut self.dq), take(&mut self.dk), take(&mut self.dv));
        let done = dq
            .par_chunks_mut(group * seq * dim)
            .zip(dk.par_chunks_mut(seq * dim))
            .zip(dv.par_chunks_mut(seq * dim))
            .with_max_len(1)
            .enumerate()
            .map(|(pair, ((dq, dk), dv))| {
                dq.fill(0.0);
                dk.fill(0.0);
                dv.fill(0.0);
                let mut of_heads = dq.chunks_mut(seq * dim).enumerate();
                of_heads.try_for_each(|(h, dq)| self.backward_head(pair * group + h, dq, dk, dv))
            })
            .collect();
        (self.dq, self.dk, self.dv) = (dq, dk, dv);
        done
    }

    fn backward_head(&self, head: usize, dq: &mut [f32], dk: &mut [f32], dv: &mut [f32]) -> Result<()> {
        let Shape { seq, dim, causal, .. } = self.shape;
        let (queries, keys) = (head * seq * dim, self.keys_of(head));
        let (out, d_out) = (&self.out[queries..][..seq * dim], &self.d_out[queries..][..seq * dim]);
        let rows = out.chunks(dim).zip(d_out.chunks(dim));
        let delta: Vec<f32> = rows.map(|(o, d)| o.iter().zip(d).map(|(o, d)| o * d).sum()).collect();
        let (mut p, mut ds) = (vec![0.0_f32; BLOCK * BLOCK], vec![0.0_f32; BLOCK * BLOCK]);
        let rows_of = View::rows(dim);
        for key in (0..seq).step_by(BLOCK) {
            let n = BLOCK.min(seq - key);
            let (k, v) = ((&self.k[..], keys + key * dim), (&self.v[..], keys + key * dim));
            let first = if causal { key / BLOCK * BLOCK } else { 0 };
            for query in (first..seq).step_by(BLOCK) {
                let m = BLOCK.min(seq - query);
                let q = (&self.q[..], rows_of.at(queries + query * dim));
                let d = (&self.d_out[..], rows_of.at(queries + query * dim));
                let transposed = View::columns(dim);
                multiply(
                    [m, n, dim],
                    q,
                    (k.0, transposed.at(k.1)),
                    (&mut p, View::rows(n)),
                    self.scale(),
                    false,
                    false,
                )?;
                multiply(
                    [m, n, dim],
                    d,
                    (v.0, transposed.at(v.1)),
                    (&mut ds, View::rows(n)),
                    1.0,
                    false,
                    false,
                )?;
                Arch::new().dispatch(Backward {
                    p: &mut p[..m * n],
                    ds: &mut ds[..m * n],
                    width: n,
                    lse: &self.lse[head * seq + query..][..m],
                    delta: &delta[query..][..m],
                    scale: self.scale(),
                    diagonal: (causal && key + n > query + 1).then(|| query as isize - key as isize),
                });
                let across = View::columns(n);
                multiply([n, dim, m], (&p, across), d, (dv, rows_of.at(key * dim)), 1.0, true, false)?;
                multiply([n, dim, m], (&ds, across), q, (dk, rows_of.at(key * dim)), 1.0, true, false)?;
                let block = (k.0, rows_of.at(k.1));
                multiply(
                    [m, dim, n],
                    (&ds, View::rows(n)),
                    block,
                    (dq, rows_of.at(query * dim)),
                    1.0,
                    true,
                    false,
                )?;
            }
        }
        Ok(())
    }

    /// Largest error against sums in f64 at some queries and keys of some heads, relative to the largest term.
    pub fn error(&self, backward: bool) -> (f64, usize) {
        let Shape {
            batch, seq, heads, dim, ..
        } = self.shape;
        let picked = |n: usize| super::product::sample_rows(n, N_CHECKED);
        let mut errors = Vec::new();
        for head in picked(batch * heads) {
            for at in picked(seq) {
                errors.push(self.query_error(head, at, backward));
                // A key of a group gets gradients of all its heads: checked where there is one.
                if backward && self.shape.heads == self.shape.kv_heads {
                    errors.push(self.key_error(head, at));
                }
            }
        }
        (worst(errors.iter().copied()), errors.len() * dim)
    }

    fn row<'a>(&self, of: &'a [f32], base: usize, i: usize) -> &'a [f32] {
        &of[base + i * self.shape.dim..][..self.shape.dim]
    }

    fn score(&self, head: usize, query: usize, key: usize) -> f64 {
        let base = head * self.shape.seq * self.shape.dim;
        let (q, k) = (self.row(&self.q, base, query), self.row(&self.k, self.keys_of(head), key));
        dot(q, k) / (self.shape.dim as f64).sqrt()
    }

    fn query_error(&self, head: usize, query: usize, backward: bool) -> f64 {
        let Shape { seq, dim, causal, .. } = self.shape;
        let (base, keys) = (head * seq * dim, self.keys_of(head));
        let seen = if causal { query + 1 } else { seq };
        let scores: Vec<f64> = (0..seen).map(|key| self.score(head, query, key)).collect();
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|s| (s - max).exp()).sum();
        let p: Vec<f64> = scores.iter().map(|s| (s - max).exp() / sum).collect();
        let mut exact = vec![0.0; dim];
        for (key, p) in p.iter().enumerate() {
            exact
                .iter_mut()
                .zip(self.row(&self.v, keys, key))
                .for_each(|(e, v)| *e += p * f64::from(*v));
        }
        let mut error = off(self.row(&self.out, base, query), &exact, 1.0);
        error = worst([error, (f64::from(self.lse[head * seq + query]) - max - sum.ln()).abs()].into_iter());
        if backward {
            let d = self.row(&self.d_out, base, query);
            let delta: f64 = exact.iter().zip(d).map(|(e, d)| e * f64::from(*d)).sum();
            let mut dq = vec![0.0; dim];
            for (key, p) in p.iter().enumerate() {
                let ds = p * (dot(d, self.row(&self.v, keys, key)) - delta) / (dim as f64).sqrt();
                dq.iter_mut()
                    .zip(self.row(&self.k, keys, key))
                    .for_each(|(g, k)| *g += ds * f64::from(*k));
            }
            error = worst([error, off(self.row(&self.dq, base, query), &dq, 1.0)].into_iter());
        }
        error
    }

    /// With the sums that the forward pass left, which [`Attention::query_error`] checks.
    fn key_error(&self, head: usize, key: usize) -> f64 {
        let Shape { seq, dim, causal, .. } = self.shape;
        let (base, keys) = (head * seq * dim, self.keys_of(head));
        let (mut dk, mut dv) = (vec![0.0; dim], vec![0.0; dim]);
        for query in (if causal { key } else { 0 })..seq {
            let p = (self.score(head, query, key) - f64::from(self.lse[head * seq + query])).exp();
            let d = self.row(&self.d_out, base, query);
            let delta = dot(d, self.row(&self.out, base, query));
            let ds = p * (dot(d, self.row(&self.v, keys, key)) - delta) / (dim as f64).sqrt();
            dv.iter_mut().zip(d).for_each(|(g, d)| *g += p * f64::from(*d));
            dk.iter_mut()
                .zip(self.row(&self.q, base, query))
                .for_each(|(g, q)| *g += ds * f64::from(*q));
        }
        let found = [
            off(self.row(&self.dk, keys, key), &dk, 1.0),
            off(self.row(&self.dv, keys, key), &dv, 1.0),
        ];
        worst(found.into_iter())
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Largest difference over the largest exact value, or over `least` where all are smaller.
fn off(found: &[f32], exact: &[f64], least: f64) -> f64 {
    let size = exact.iter().map(|e| e.abs()).fold(least, f64::max);
    worst(found.iter().zip(exact).map(|(f, e)| (f64::from(*f) - e).abs() / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(shape: Shape) -> f64 {
        let mut attention = Attention::new(shape, true, 5).unwrap();
        attention.forward().unwrap();
        attention.backward().unwrap();
        attention.error(true).0
    }

    #[test]
    fn odd_shapes_are_right_both_ways() {
        for (seq, dim) in [(1, 4), (3, 8), (255, 16), (256, 64), (257, 12), (600, 32)] {
            for causal in [false, true] {
                for (heads, kv_heads) in [(2, 2), (4, 2)] {
                    let shape = Shape {
                        batch: 2,
                        seq,
                        heads,
                        kv_heads,
                        dim,
                        causal,
                    };
                    let error = error_of(shape);
                    assert!(error < 2e-5, "{shape:?}: {error}");
                }
            }
        }
    }

    #[test]
    fn a_wrong_result_is_seen() {
        let shape = Shape {
            batch: 1,
            seq: 40,
            heads: 1,
            kv_heads: 1,
            dim: 8,
            causal: true,
        };
        let mut attention = Attention::new(shape, true, 5).unwrap();
        attention.forward().unwrap();
        attention.backward().unwrap();
        assert!(attention.error(true).0 < 1e-5);
        attention.dv[0] += 0.01;
        assert!(attention.error(true).0 > 1e-4);
        attention.out[39 * 8] = f32::NAN;
        assert!(attention.error(false).0.is_nan());
    }

    /// Gradients of a grouped key head are sums over its heads: those of equal heads add up.
    #[test]
    fn grouped_heads_add_up() {
        let one = Shape {
            batch: 1,
            seq: 70,
            heads: 1,
            kv_heads: 1,
            dim: 8,
            causal: true,
        };
        let two = Shape { heads: 2, ..one };
        let mut single = Attention::new(one, true, 9).unwrap();
        let mut double = Attention::new(two, true, 9).unwrap();
        for (to, from) in [(&mut double.q, &single.q), (&mut double.d_out, &single.d_out)] {
            *to = [from.clone(), from.clone()].concat();
        }
        (double.k, double.v) = (single.k.clone(), single.v.clone());
        for a in [&mut single, &mut double] {
            a.forward().unwrap();
            a.backward().unwrap();
        }
        for (two, one) in double.dk.iter().zip(&single.dk).chain(double.dv.iter().zip(&single.dv)) {
            assert!((two - 2.0 * one).abs() < 1e-4, "{two} {one}");
        }
    }
}
