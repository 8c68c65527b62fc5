//! Element-wise results against f64.

use super::device::{Device, Memory};
use super::fused::{Shape, allowed, index, places, table_rows};
use super::input::{Format, format};
use super::job::Check;
use crate::bench::{Fused, Pass};
use crate::catalog::DType;
use crate::error::Result;

/// What is quantized is multiplied by this.
pub(super) const QUANTIZE_SCALE: f32 = 3.0;

const SINGLE: Format = Format {
    bytes: 4,
    exponent: 8,
    mantissa: 23,
};

fn size(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// One row of the inputs, in f64.
struct Line<'a> {
    shape: &'a Shape,
    format: Format,
    seed: u64,
    row: u64,
}

impl Line<'_> {
    fn at(&self, which: u64, column: u64) -> f64 {
        self.format.element(self.seed + which, self.row * self.shape.columns + column)
    }

    fn sum(&self, f: impl Fn(u64) -> f64) -> f64 {
        (0..self.shape.columns).map(f).sum()
    }

    fn label(&self) -> u64 {
        index(self.shape.columns, self.seed, self.row)
    }

    fn factor(&self) -> f64 {
        let mean = self.sum(|c| self.at(0, c).powi(2)) / self.shape.columns as f64;
        1.0 / (mean + 1e-5).sqrt()
    }

    fn lse(&self) -> f64 {
        self.sum(|c| self.at(0, c).exp()).ln()
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
}

/// What each element of the row should be, and the size of its terms: of result `which`.
fn exact<'a>(line: &'a Line<'a>, which: usize) -> Box<dyn Fn(u64) -> (f64, f64) + 'a> {
    let Shape { fused, pass, columns, .. } = *line.shape;
    let back = pass == Pass::Backward;
    let sized = |x: f64| (x, x.abs().max(1.0));
    match (fused, back) {
        (Fused::Residual, _) => Box::new(|c| (line.at(0, c) + line.at(1, c), line.at(0, c).abs() + line.at(1, c).abs())),
        (Fused::Activation, false) => Box::new(move |c| sized(gelu(line.at(0, c)))),
        // By differences of the function, not by the formula of the kernel.
        (Fused::Activation, true) => Box::new(move |c| {
            let (x, h) = (line.at(0, c), 1e-5);
            let slope = (gelu(x + h) - gelu(x - h)) / (2.0 * h);
            (slope * line.at(1, c), 4.0)
        }),
        (Fused::Gated, false) => Box::new(|c| {
            let (a, b) = (line.at(0, c), line.at(1, c));
            (a * sigmoid(a) * b, (a * b).abs())
        }),
        (Fused::Gated, true) => Box::new(move |c| {
            let (a, b, g) = (line.at(0, c), line.at(1, c), line.at(2, c));
            let s = sigmoid(a);
            let x = if which == 3 { g * b * s * (1.0 + a * (1.0 - s)) } else { g * a * s };
            (x, 4.0 * g.abs() * (1.0 + b.abs()))
        }),
        (Fused::Norm, false) => {
            let factor = line.factor();
            Box::new(move |c| sized(line.at(0, c) * factor))
        }
        (Fused::Norm, true) => {
            let factor = line.factor();
            let back = line.sum(|c| line.at(0, c) * line.at(1, c)) / columns as f64 * factor * factor;
            Box::new(move |c| (factor * (line.at(1, c) - line.at(0, c) * back), 8.0))
        }
        (Fused::Rotary, _) => {
            let half = columns / 2;
            let angle = if back { -0.01 } else { 0.01 } * line.row as f64;
            let (cos, sin) = (angle.cos(), angle.sin());
            // The angle is an fp32 number: off by half of its last bit.
            let room = 4.0 + angle.abs();
            Box::new(move |c| {
                let x = line.at(0, c);
                let y = match c {
                    c if c >= 2 * half => x,
                    c if c < half => x * cos - line.at(0, c + half) * sin,
                    _ => line.at(0, c - half) * sin + x * cos,
                };
                (y, room)
            })
        }
        (Fused::Loss, _) => {
            let (lse, label) = (line.lse(), line.label());
            Box::new(move |c| {
                let p = (line.at(0, c) - lse).exp();
                (p - f64::from(u8::from(c == label)), 1.0)
            })
        }
        (Fused::Embedding, _) => {
            let row = index(table_rows(), line.seed, line.row);
            Box::new(move |c| sized(line.format.element(line.seed, row * columns + c)))
        }
        _ => Box::new(|_| (f64::NAN, 1.0)),
    }
}

/// Some elements of all results.
pub(super) fn compare(device: &Device, shape: &Shape, format: Format, memory: &[Memory], seed: u64, check: &mut Check) -> Result<()> {
    match (shape.fused, shape.pass) {
        (Fused::Adam, _) => return adam(device, shape, memory, seed, check),
        (Fused::Transpose | Fused::Quantize, _) => return moved(device, shape, format, memory, seed, check),
        (Fused::Embedding, Pass::Backward) => return added(device, shape, format, memory, seed, check),
        _ => {}
    }
    let results = match (shape.fused, shape.pass) {
        (Fused::Gated, Pass::Backward) => vec![3, 4],
        (Fused::Loss, Pass::Forward) => Vec::new(),
        _ => vec![memory.len() - 1],
    };
    for (row, columns) in places(shape, seed) {
        let line = Line { shape, format, seed, row };
        for which in &results {
            let bytes = size(shape.columns) * format.bytes;
            let found = format.decode_all(&device.read(&memory[*which], size(row) * bytes, bytes)?);
            let exact = exact(&line, *which);
            for c in &columns {
                let (x, size_of) = exact(*c);
                check.add(found[size(*c)], x, size_of, allowed(format, x, size_of));
            }
        }
        if shape.fused == Fused::Loss && shape.pass == Pass::Forward {
            let found = SINGLE.decode_all(&device.read(&memory[3], 4 * size(row), 4)?)[0];
            let (x, room) = (line.lse() - line.at(0, line.label()), 4.0 + line.lse());
            check.add(found, x, room, allowed(SINGLE, x, room));
        }
    }
    Ok(())
}

/// The first step of Adam, from second moments of zero.
fn adam(device: &Device, shape: &Shape, memory: &[Memory], seed: u64, check: &mut Check) -> Result<()> {
    for (row, columns) in places(shape, seed) {
        for c in columns {
            let i = row * shape.columns + c;
            let at = |which: u64| SINGLE.element(seed + which, i);
            let (w, m, g) = (at(0), at(1), at(3));
            let (mean, square) = (0.9 * m + 0.1 * g, 0.05 * g * g);
            let exact = [w - 1e-3 * (mean / (square.sqrt() + 1e-8) + 0.1 * w), mean, square];
            for (which, x) in exact.into_iter().enumerate() {
                let found = SINGLE.decode_all(&device.read(&memory[which], size(4 * i), 4)?)[0];
                check.add(found, x, 4.0, allowed(SINGLE, x, 4.0));
            }
        }
    }
    Ok(())
}

/// Transposed or quantized: the numbers themselves.
fn moved(device: &Device, shape: &Shape, format_in: Format, memory: &[Memory], seed: u64, check: &mut Check) -> Result<()> {
    let turned = shape.fused == Fused::Transpose;
    let format_out = if turned {
        format_in
    } else {
        format(DType::Fp8).unwrap_or(format_in)
    };
    for (row, columns) in places(shape, seed) {
        for c in columns {
            let x = format_in.element(seed, row * shape.columns + c);
            let at = if turned { c * shape.rows + row } else { row * shape.columns + c };
            let found = format_out.decode_all(&device.read(&memory[1], size(at) * format_out.bytes, format_out.bytes)?)[0];
            let exact = if turned { x } else { x * f64::from(QUANTIZE_SCALE) };
            let allowed = if turned { 0.0 } else { 1.01 * format_out.rounding() * exact.abs() };
            check.add(found, exact, exact.abs(), allowed);
        }
    }
    Ok(())
}

/// Gradients of a table: those of the rows that some indices name.
fn added(device: &Device, shape: &Shape, format: Format, memory: &[Memory], seed: u64, check: &mut Check) -> Result<()> {
    let named: Vec<u64> = (0..shape.rows).map(|r| index(table_rows(), seed, r)).collect();
    for (row, columns) in places(shape, seed) {
        let to = named[size(row)];
        for c in columns {
            let (mut exact, mut sizes) = (0.0, 0.0);
            for (r, _) in named.iter().enumerate().filter(|(_, n)| **n == to) {
                let g = format.element(seed, r as u64 * shape.columns + c);
                exact += g;
                sizes += g.abs();
            }
            let found = SINGLE.decode_all(&device.read(&memory[2], 4 * size(to * shape.columns + c), 4)?)[0];
            check.add(found, exact, sizes, allowed(SINGLE, exact, sizes));
        }
    }
    Ok(())
}
