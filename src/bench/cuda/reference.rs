//! Attention in f64, a row at a time: what a result on the device is held against.

/// One query head with the keys and values that it sees. Rows lie after each other.
pub struct Head<'a> {
    /// Tokens.
    pub seq: usize,
    /// Width.
    pub dim: usize,
    /// A query sees no key after it.
    pub causal: bool,
    /// Queries.
    pub q: &'a [f64],
    /// Keys.
    pub k: &'a [f64],
    /// Values.
    pub v: &'a [f64],
    /// Gradients of the output.
    pub g: &'a [f64],
}

/// One row of a result, with the sizes of the terms of each element.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Elements.
    pub(super) exact: Vec<f64>,
    /// Sums of the sizes of their terms.
    pub(super) size: Vec<f64>,
}

impl Row {
    fn zeros(dim: usize) -> Row {
        Row {
            exact: vec![0.0; dim],
            size: vec![0.0; dim],
        }
    }

    fn add(&mut self, factor: f64, factor_size: f64, row: &[f64]) {
        for ((e, s), x) in self.exact.iter_mut().zip(&mut self.size).zip(row) {
            *e += factor * x;
            *s += factor_size * x.abs();
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Head<'_> {
    fn row<'b>(&self, from: &'b [f64], i: usize) -> &'b [f64] {
        &from[i * self.dim..(i + 1) * self.dim]
    }

    fn scale(&self) -> f64 {
        1.0 / (self.dim as f64).sqrt()
    }

    fn score(&self, query: usize, key: usize) -> f64 {
        self.scale() * dot(self.row(self.q, query), self.row(self.k, key))
    }

    fn seen(&self, query: usize) -> usize {
        if self.causal { query + 1 } else { self.seq }
    }

    /// Output of a query, and the logarithm of its sum of exponentials.
    #[must_use]
    pub fn output(&self, query: usize) -> (Row, f64) {
        let scores: Vec<f64> = (0..self.seen(query)).map(|key| self.score(query, key)).collect();
        let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = scores.iter().map(|s| (s - top).exp()).sum();
        let mut out = Row::zeros(self.dim);
        for (key, score) in scores.iter().enumerate() {
            let p = (score - top).exp() / total;
            out.add(p, p, self.row(self.v, key));
        }
        (out, top + total.ln())
    }

    /// Gradient of a score: its value, and its size if nothing cancelled (sums of random signs grow with the root
    /// of their number).
    fn slope(&self, query: usize, key: usize, lse: f64, delta: f64) -> (f64, f64, f64) {
        let p = (self.score(query, key) - lse).exp();
        let (g, v) = (self.row(self.g, query), self.row(self.v, key));
        let size: f64 = g.iter().zip(v).map(|(a, b)| (a * b).abs()).sum::<f64>() / (self.dim as f64).sqrt();
        let ds = p * (dot(g, v) - delta) * self.scale();
        (p, ds, ds.abs() + p * (size + delta.abs()) * self.scale())
    }

    /// Gradient of a query, by its exact output and logarithm.
    #[must_use]
    pub fn query_gradient(&self, query: usize, out: &Row, lse: f64) -> Row {
        let delta = dot(self.row(self.g, query), &out.exact);
        let mut dq = Row::zeros(self.dim);
        for key in 0..self.seen(query) {
            let (_, ds, size) = self.slope(query, key, lse, delta);
            dq.add(ds, size, self.row(self.k, key));
        }
        dq
    }

    /// Add to the gradients of a key and its value what this head gives, by the logarithms of all queries and the
    /// products of their outputs and gradients.
    pub fn key_gradients(&self, key: usize, lse: &[f64], delta: &[f64], (dk, dv): (&mut Row, &mut Row)) {
        for query in if self.causal { key } else { 0 }..self.seq {
            let (p, ds, size) = self.slope(query, key, lse[query], delta[query]);
            dk.add(ds, size, self.row(self.q, query));
            dv.add(p, p, self.row(self.g, query));
        }
    }

    /// Empty gradients of a key.
    #[must_use]
    pub fn no_gradients(&self) -> (Row, Row) {
        (Row::zeros(self.dim), Row::zeros(self.dim))
    }
}

#[cfg(test)]
mod tests {
    use super::super::input::format;
    use super::*;
    use crate::catalog::DType;

    const SEQ: usize = 7;
    const DIM: usize = 3;

    fn numbers(seed: u64) -> Vec<f64> {
        let f = format(DType::F64).unwrap();
        (0..(SEQ * DIM) as u64).map(|i| f.element(seed, i)).collect()
    }

    fn head<'a>(causal: bool, [q, k, v, g]: [&'a [f64]; 4]) -> Head<'a> {
        Head {
            seq: SEQ,
            dim: DIM,
            causal,
            q,
            k,
            v,
            g,
        }
    }

    /// What the gradients are of: the sum of outputs times their gradients.
    fn objective(causal: bool, all: [&[f64]; 4]) -> f64 {
        let head = head(causal, all);
        (0..SEQ).map(|i| dot(head.row(head.g, i), &head.output(i).0.exact)).sum()
    }

    #[test]
    fn gradients_are_those_of_differences() {
        for causal in [false, true] {
            let own: Vec<Vec<f64>> = (0..4).map(numbers).collect();
            let all = [&own[0][..], &own[1], &own[2], &own[3]];
            let head = head(causal, all);
            let outs: Vec<(Row, f64)> = (0..SEQ).map(|i| head.output(i)).collect();
            let lse: Vec<f64> = outs.iter().map(|(_, l)| *l).collect();
            let delta: Vec<f64> = (0..SEQ).map(|i| dot(head.row(head.g, i), &outs[i].0.exact)).collect();
            for i in 0..SEQ {
                let dq = head.query_gradient(i, &outs[i].0, lse[i]);
                let (mut dk, mut dv) = head.no_gradients();
                head.key_gradients(i, &lse, &delta, (&mut dk, &mut dv));
                for (which, row) in [(0, &dq), (1, &dk), (2, &dv)] {
                    for d in 0..DIM {
                        let at = |step: f64| {
                            let mut moved = own.clone();
                            moved[which][i * DIM + d] += step;
                            objective(causal, [&moved[0], &moved[1], &moved[2], &moved[3]])
                        };
                        let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                        let (found, size) = (row.exact[d], row.size[d]);
                        assert!((found - slope).abs() < 1e-8, "{causal} {which} {i} {d}: {found} {slope}");
                        assert!(size >= found.abs() * 0.999);
                    }
                }
            }
        }
    }
}
