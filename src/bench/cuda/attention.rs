//! Attention by our own kernels: the floor that needs no framework. Training runs fused kernels of cuDNN or
//! FlashAttention, which are faster; those are measured by the torch and jax runners.

use super::device::{Argument, Device, Memory};
use super::input::{Format, format, spread};
use super::job::{Check, Job};
use super::memory::{BLOCK, blocks, filled};
use super::reference::{Head, Row};
use super::source::{Form, WIDTHS};
use crate::bench::{FLOOR, Pass};
use crate::catalog::DType;
use crate::error::{Error, Result};

const THREADS: u32 = 128;
/// Queries or keys of a block.
const BLOCK_ROWS: u64 = 64;
/// Heads that are checked, and rows of each.
const N_HEADS: u64 = 2;
const N_ROWS: u64 = 6;

/// Sizes.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Format.
    pub dtype: DType,
    /// Which way.
    pub pass: Pass,
    /// With the mask.
    pub causal: bool,
    /// Sequences.
    pub batch: u64,
    /// Tokens of each.
    pub seq: u64,
    /// Query heads.
    pub heads: u64,
    /// Key and value heads.
    pub kv_heads: u64,
    /// Width of a head.
    pub dim: u64,
}

impl Shape {
    /// Whether the kernels can: 16-bit formats, widths up to 128 in steps of 8, heads that divide.
    #[must_use]
    pub fn supported(&self) -> bool {
        matches!(self.dtype, DType::Bf16 | DType::Fp16)
            && self.width().is_some()
            && self.dim.is_multiple_of(8)
            && self.kv_heads > 0
            && self.heads.is_multiple_of(self.kv_heads)
            // Limits of the grid.
            && self.heads <= 65_535
            && self.batch <= 65_535
            && [self.seq, self.batch, self.heads].iter().all(|n| *n > 0)
    }

    fn width(&self) -> Option<usize> {
        let dim = usize::try_from(self.dim).ok().filter(|d| *d > 0)?;
        WIDTHS.into_iter().find(|w| *w >= dim)
    }

    fn form(&self, backward: bool) -> Form {
        Form::Attention {
            backward,
            width: self.width().unwrap_or(WIDTHS[WIDTHS.len() - 1]),
            bf16: self.dtype == DType::Bf16,
            causal: self.causal,
        }
    }

    fn queries(&self) -> u64 {
        self.batch * self.heads * self.seq * self.dim
    }

    fn keys(&self) -> u64 {
        self.batch * self.kv_heads * self.seq * self.dim
    }
}

fn size(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Tensors on the device. Seeds: query, key, value and gradient of the output follow each other.
struct Tensors {
    q: Memory,
    k: Memory,
    v: Memory,
    out: Memory,
    lse: Memory,
    back: Option<Gradients>,
}

struct Gradients {
    d_out: Memory,
    delta: Memory,
    sums: Memory,
    dq: Memory,
    dk: Memory,
    dv: Memory,
}

impl Tensors {
    fn new(device: &Device, shape: &Shape, format: Format, seed: u64) -> Result<Tensors> {
        let (queries, keys) = (shape.queries(), shape.keys());
        let empty = |n: u64, bytes: usize| device.memory(size(n).saturating_mul(bytes));
        let back = if shape.pass == Pass::Backward {
            Some(Gradients {
                d_out: filled(device, format, seed + 3, queries)?,
                delta: empty(queries / shape.dim, 4)?,
                sums: empty(queries, 4)?,
                dq: empty(queries, 2)?,
                dk: empty(keys, 2)?,
                dv: empty(keys, 2)?,
            })
        } else {
            None
        };
        Ok(Tensors {
            q: filled(device, format, seed, queries)?,
            k: filled(device, format, seed + 1, keys)?,
            v: filled(device, format, seed + 2, keys)?,
            out: empty(queries, 2)?,
            lse: empty(queries / shape.dim, 4)?,
            back,
        })
    }

    #[allow(clippy::cast_possible_truncation)]
    fn forward(&self, device: &Device, shape: &Shape) -> Result<()> {
        let form = shape.form(false);
        let scale_log2 = std::f64::consts::LOG2_E / (shape.dim as f64).sqrt();
        let number = |n: u64| Argument::I32(n as i32);
        let arguments = [
            (&self.q).into(),
            (&self.k).into(),
            (&self.v).into(),
            (&self.out).into(),
            (&self.lse).into(),
            number(shape.seq),
            number(shape.heads),
            number(shape.kv_heads),
            number(shape.dim),
            Argument::F32(scale_log2 as f32),
        ];
        let grid = [size(shape.seq.div_ceil(BLOCK_ROWS)), size(shape.heads), size(shape.batch)];
        let kernel = device.kernel(form, "attention_forward")?;
        device.launch(kernel, grid, THREADS, form.shared_bytes(), &arguments)
    }

    /// What a step runs: the products of outputs and gradients, the gradients, those of queries in 16 bits.
    #[allow(clippy::cast_possible_truncation)]
    fn backward(&self, device: &Device, shape: &Shape) -> Result<()> {
        let Some(back) = &self.back else { return Ok(()) };
        let form = shape.form(true);
        let scale = 1.0 / (shape.dim as f64).sqrt();
        let number = |n: u64| Argument::I32(n as i32);
        let rows = shape.queries() / shape.dim;
        let arguments = [
            (&self.out).into(),
            (&back.d_out).into(),
            (&back.delta).into(),
            Argument::U64(rows),
            number(shape.dim),
        ];
        let grid = [size(rows.div_ceil(u64::from(THREADS / 32))), 1, 1];
        device.launch(device.kernel(form, "attention_delta")?, grid, THREADS, 0, &arguments)?;
        device.zero(&back.sums)?;
        let arguments = [
            (&self.q).into(),
            (&self.k).into(),
            (&self.v).into(),
            (&back.d_out).into(),
            (&self.lse).into(),
            (&back.delta).into(),
            (&back.sums).into(),
            (&back.dk).into(),
            (&back.dv).into(),
            number(shape.seq),
            number(shape.heads),
            number(shape.kv_heads),
            number(shape.dim),
            Argument::F32(scale as f32),
            Argument::F32((scale * std::f64::consts::LOG2_E) as f32),
        ];
        let grid = [size(shape.seq.div_ceil(BLOCK_ROWS)), size(shape.kv_heads), size(shape.batch)];
        let kernel = device.kernel(form, "attention_backward")?;
        device.launch(kernel, grid, THREADS, form.shared_bytes(), &arguments)?;
        let pairs = shape.queries() / 2;
        let arguments = [(&back.sums).into(), (&back.dq).into(), Argument::U64(pairs)];
        let kernel = device.kernel(form, "attention_narrow")?;
        device.launch(kernel, blocks(device, pairs), BLOCK, 0, &arguments)
    }
}

/// Make attention ready.
///
/// # Errors
/// [`Error::Device`] when memory is refused.
pub fn prepare(device: &Device, shape: Shape, seed: u64) -> Result<Job<'_>> {
    let format = format(shape.dtype).filter(|_| shape.supported()).ok_or_else(|| Error::Device {
        what: "no attention kernel of this format and these sizes".to_string(),
    })?;
    let tensors = Tensors::new(device, &shape, format, seed)?;
    tensors.forward(device, &shape)?;
    tensors.backward(device, &shape)?;
    let mut check = Check::default();
    for head in spread(shape.batch * shape.kv_heads, N_HEADS, seed) {
        compare(device, &shape, format, &tensors, (head, seed), &mut check)?;
    }
    let backward = shape.pass == Pass::Backward;
    Ok(Job::new(
        device,
        format!("{FLOOR} our CUDA kernel, mma.sync m16n8k16, not the attention that training runs"),
        check,
        move || {
            if backward {
                tensors.backward(device, &shape)
            } else {
                tensors.forward(device, &shape)
            }
        },
    ))
}

/// Some rows of the heads that share key head `kv` (those of all sequences counted).
fn compare(device: &Device, shape: &Shape, format: Format, on: &Tensors, (kv, seed): (u64, u64), check: &mut Check) -> Result<()> {
    let group = shape.heads / shape.kv_heads;
    let first = kv / shape.kv_heads * shape.heads + kv % shape.kv_heads * group;
    let (n, dim) = (shape.seq * shape.dim, size(shape.dim));
    let of = |seed, head: u64| (head * n..(head + 1) * n).map(|i| format.element(seed, i)).collect::<Vec<f64>>();
    let read = |memory: &Memory, f: Format, from: u64, count: u64| {
        let raw = device.read(memory, size(from) * f.bytes, size(count) * f.bytes)?;
        Ok::<_, Error>(f.decode_all(&raw))
    };
    let single = Format {
        bytes: 4,
        exponent: 8,
        mantissa: 23,
    };
    let (k, v) = (of(seed + 1, kv), of(seed + 2, kv));
    let own: Vec<[Vec<f64>; 2]> = (first..first + group).map(|h| [of(seed, h), of(seed + 3, h)]).collect();
    let heads: Vec<Head> = own
        .iter()
        .map(|[q, g]| Head {
            seq: size(shape.seq),
            dim,
            causal: shape.causal,
            q,
            k: &k,
            v: &v,
            g,
        })
        .collect();
    // Weights and results are rounded; gradients of scores and what they are formed of, too. See tests/cuda_host.
    let step = 2.0 * format.rounding();
    let rows = spread(shape.seq, N_ROWS, seed + kv);
    for i in &rows {
        let (out, lse) = heads[0].output(size(*i));
        let at = first * shape.seq + i;
        add(check, &read(&on.out, format, at * shape.dim, shape.dim)?, &out, step);
        // In powers of two on the device.
        let found = read(&on.lse, single, at, 1)?[0] * std::f64::consts::LN_2;
        check.add(found, lse, 1.0 + lse.abs(), 1e-5 * (1.0 + lse.abs()));
        if let Some(back) = &on.back {
            let exact = heads[0].query_gradient(size(*i), &out, lse);
            add(check, &read(&back.dq, format, at * shape.dim, shape.dim)?, &exact, 1.5 * step);
        }
    }
    let Some(back) = &on.back else { return Ok(()) };
    // All queries touch a key: their logarithms, and products of outputs and gradients, are those of the device,
    // of which some were compared above.
    let mut of_queries = Vec::new();
    for h in first..first + group {
        let lse = read(&on.lse, single, h * shape.seq, shape.seq)?;
        let lse = lse.iter().map(|l| l * std::f64::consts::LN_2).collect::<Vec<_>>();
        of_queries.push((lse, read(&back.delta, single, h * shape.seq, shape.seq)?));
    }
    for j in &rows {
        let (mut dk, mut dv) = heads[0].no_gradients();
        for (head, (lse, delta)) in heads.iter().zip(&of_queries) {
            head.key_gradients(size(*j), lse, delta, (&mut dk, &mut dv));
        }
        let at = (kv * shape.seq + j) * shape.dim;
        add(check, &read(&back.dk, format, at, shape.dim)?, &dk, 1.5 * step);
        add(check, &read(&back.dv, format, at, shape.dim)?, &dv, step);
    }
    Ok(())
}

fn add(check: &mut Check, found: &[f64], row: &Row, step: f64) {
    for ((found, exact), size) in found.iter().zip(&row.exact).zip(&row.size) {
        check.add(*found, *exact, *size, step * size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_the_kernels_cannot_do_are_not_offered() {
        let shape = Shape {
            dtype: DType::Bf16,
            pass: Pass::Forward,
            causal: true,
            batch: 1,
            seq: 77,
            heads: 6,
            kv_heads: 2,
            dim: 80,
        };
        assert!(shape.supported());
        assert_eq!(shape.width(), Some(96));
        for wrong in [
            Shape { dim: 192, ..shape },
            Shape { dim: 12, ..shape },
            Shape { dim: 0, ..shape },
            Shape { kv_heads: 4, ..shape },
            Shape { kv_heads: 0, ..shape },
            Shape { seq: 0, ..shape },
            Shape {
                dtype: DType::F32,
                ..shape
            },
        ] {
            assert!(!wrong.supported(), "{wrong:?}");
        }
    }
}
