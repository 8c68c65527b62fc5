//! Element-wise work by our own kernels: one pass over memory, as a framework fuses it.

use super::device::{Argument, Device, Kernel, Memory};
use super::input::{Format, format, hashed, spread};
use super::job::{Check, Job};
use super::memory::{BLOCK, blocks, filled};
use super::source::{Element, Form};
use crate::bench::{Fused, Pass};
use crate::catalog::DType;
use crate::error::{Error, Result};

/// Rows of the table of embeddings, as in the Python runner.
const TABLE_ROWS: u64 = 8192;
/// Rows that are checked, and elements of each.
const N_ROWS: u64 = 8;
const N_COLUMNS: u64 = 256;
/// Errors of approximate exponentials and of sums in fp32, relative to the terms.
const FUNCTION_ERROR: f64 = 4e-6;

/// Sizes.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Which.
    pub fused: Fused,
    /// Which way.
    pub pass: Pass,
    /// Format.
    pub dtype: DType,
    /// Rows.
    pub rows: u64,
    /// Columns.
    pub columns: u64,
}

fn element(dtype: DType) -> Option<Element> {
    match dtype {
        DType::F32 => Some(Element::F32),
        DType::Bf16 => Some(Element::Bf16),
        DType::Fp16 => Some(Element::Fp16),
        _ => None,
    }
}

impl Shape {
    /// Whether there is a kernel.
    #[must_use]
    pub fn supported(&self) -> bool {
        let rows_fit = self.rows > 0 && self.columns > 0 && i32::try_from(self.rows).is_ok() && i32::try_from(self.columns).is_ok();
        let kind = match self.fused {
            Fused::Adam => self.dtype == DType::F32 && self.pass == Pass::Forward,
            Fused::Transpose => format(self.dtype).is_some() && self.pass == Pass::Forward,
            Fused::Quantize => self.dtype == DType::Bf16 && self.pass == Pass::Forward && (self.rows * self.columns).is_multiple_of(8),
            _ => element(self.dtype).is_some(),
        };
        rows_fit && kind
    }

    fn n(&self) -> u64 {
        self.rows * self.columns
    }
}

/// What one kernel needs, and how its elements are judged.
struct Plan {
    launches: Vec<(Kernel, [usize; 3], Vec<Argument>)>,
    /// Set to zero before each run.
    zeros: Option<usize>,
    memory: Vec<Memory>,
}

fn size(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Make element-wise work ready.
///
/// # Errors
/// [`Error::Device`] when memory is refused or there is no kernel.
pub fn prepare(device: &Device, shape: Shape, seed: u64) -> Result<Job<'_>> {
    let none = || Error::Device {
        what: "no kernel of this format and these sizes".to_string(),
    };
    let format = format(shape.dtype).filter(|_| shape.supported()).ok_or_else(none)?;
    let plan = plan(device, &shape, format, seed)?;
    let once = move |plan: &Plan| {
        if let Some(i) = plan.zeros {
            device.zero(&plan.memory[i])?;
        }
        plan.launches
            .iter()
            .try_for_each(|(kernel, grid, arguments)| device.launch(*kernel, *grid, BLOCK, 0, arguments))
    };
    once(&plan)?;
    let mut check = Check::default();
    super::fused_check::compare(device, &shape, format, &plan.memory, seed, &mut check)?;
    Ok(Job::new(
        device,
        "our CUDA kernel, one pass over memory".to_string(),
        check,
        move || once(&plan),
    ))
}

/// Buffers, in the order that [`super::fused_check`] knows: inputs `x`, `y` or the gradient, then results.
fn plan(device: &Device, shape: &Shape, format: Format, seed: u64) -> Result<Plan> {
    let Shape { fused, pass, dtype, .. } = *shape;
    let n = shape.n();
    let input = |i: u64| filled(device, format, seed + i, n);
    let empty = |bytes: u64| device.memory(size(bytes));
    let elements = n * format.bytes as u64;
    let form = element(dtype).map_or(Form::Memory, Form::Fused);
    let columns = Argument::I32(i32::try_from(shape.columns).unwrap_or(i32::MAX));
    let by_row = [size(shape.rows), 1, 1];
    let pack = 16 / format.bytes as u64;
    let over = blocks(device, n.div_ceil(pack));
    let back = pass == Pass::Backward;
    let kernel = |name: &str| device.kernel(form, name);
    let simple = |name: &str, grid, memory: Vec<Memory>, last: Argument| {
        let mut arguments: Vec<Argument> = memory.iter().map(Argument::from).collect();
        arguments.push(last);
        Ok(Plan {
            launches: vec![(kernel(name)?, grid, arguments)],
            zeros: None,
            memory,
        })
    };
    let count = Argument::U64(n);
    match (fused, back) {
        (Fused::Residual, _) => simple("residual", over, vec![input(0)?, input(1)?, empty(elements)?], count),
        (Fused::Activation, false) => simple("activation", over, vec![input(0)?, empty(elements)?], count),
        (Fused::Activation, true) => simple("activation_backward", over, vec![input(0)?, input(1)?, empty(elements)?], count),
        (Fused::Gated, false) => simple("gated", over, vec![input(0)?, input(1)?, empty(elements)?], count),
        (Fused::Gated, true) => {
            let memory = vec![input(0)?, input(1)?, input(2)?, empty(elements)?, empty(elements)?];
            simple("gated_backward", over, memory, count)
        }
        (Fused::Norm, false) => simple("rms_norm", by_row, vec![input(0)?, empty(elements)?], columns),
        (Fused::Norm, true) => simple("rms_norm_backward", by_row, vec![input(0)?, input(1)?, empty(elements)?], columns),
        (Fused::Rotary, _) => {
            let mut plan = simple("rotary", by_row, vec![input(0)?, empty(elements)?], columns)?;
            plan.launches[0].2.push(Argument::F32(if back { -1.0 } else { 1.0 }));
            Ok(plan)
        }
        (Fused::Loss, _) => {
            let label = indices(device, shape.columns, seed + 7, shape.rows)?;
            let memory = vec![input(0)?, label, empty(4 * shape.rows)?, empty(4 * shape.rows)?];
            let forward = simple("loss", by_row, memory, columns)?;
            if !back {
                return Ok(forward);
            }
            // Backward needs the logarithms of forward, which runs once.
            let (kernel_of, grid, arguments) = &forward.launches[0];
            device.launch(*kernel_of, *grid, BLOCK, 0, arguments)?;
            let mut memory = forward.memory;
            memory[3] = empty(elements)?;
            simple("loss_backward", by_row, memory, columns)
        }
        (Fused::Embedding, false) => {
            let table = filled(device, format, seed, TABLE_ROWS * shape.columns)?;
            let memory = vec![table, indices(device, TABLE_ROWS, seed + 7, shape.rows)?, empty(elements)?];
            simple("embedding", by_row, memory, columns)
        }
        (Fused::Embedding, true) => {
            let index = indices(device, TABLE_ROWS, seed + 7, shape.rows)?;
            let memory = vec![input(0)?, index, empty(4 * TABLE_ROWS * shape.columns)?];
            let plan = simple("embedding_backward", by_row, memory, columns)?;
            device.zero(&plan.memory[2])?;
            Ok(plan)
        }
        (Fused::Adam, _) => adam(device, [input(0)?, input(1)?, input(2)?, input(3)?, empty(4)?], n),
        (Fused::Transpose, _) => {
            let name = format!("transpose_{}", format.bytes);
            let memory = vec![input(0)?, empty(elements)?];
            let squares = size(shape.rows.div_ceil(32) * shape.columns.div_ceil(32));
            let arguments = vec![
                (&memory[0]).into(),
                (&memory[1]).into(),
                Argument::U64(shape.rows),
                Argument::U64(shape.columns),
            ];
            Ok(Plan {
                launches: vec![(device.kernel(Form::Memory, &name)?, [squares, 1, 1], arguments)],
                zeros: None,
                memory,
            })
        }
        (Fused::Quantize, _) => {
            let memory = vec![input(0)?, empty(n)?];
            let arguments = vec![
                (&memory[0]).into(),
                (&memory[1]).into(),
                Argument::F32(super::fused_check::QUANTIZE_SCALE),
                Argument::U64(n / 8),
            ];
            let kernel = device.kernel(Form::Memory, "quantize")?;
            Ok(Plan {
                launches: vec![(kernel, blocks(device, n / 8), arguments)],
                zeros: None,
                memory,
            })
        }
    }
}

/// The norm of the gradient, then the step.
fn adam(device: &Device, memory: [Memory; 5], n: u64) -> Result<Plan> {
    let form = Form::Fused(Element::F32);
    let [w, m, v, g, sum] = &memory;
    let grid = blocks(device, n);
    let norm = vec![g.into(), sum.into(), Argument::U64(n)];
    let step = vec![w.into(), m.into(), v.into(), g.into(), Argument::U64(n)];
    // The second moment is no negative number: square what was drawn by one step from zero.
    device.zero(v)?;
    Ok(Plan {
        launches: vec![
            (device.kernel(form, "square_sum")?, grid, norm),
            (device.kernel(form, "adam")?, grid, step),
        ],
        zeros: Some(4),
        memory: memory.into(),
    })
}

fn indices(device: &Device, limit: u64, seed: u64, n: u64) -> Result<Memory> {
    let memory = device.memory(size(4 * n))?;
    let limit = Argument::I32(u32::try_from(limit).unwrap_or(u32::MAX).cast_signed());
    let arguments = [(&memory).into(), limit, Argument::U64(seed), Argument::U64(n)];
    device.launch(device.kernel(Form::Memory, "fill_index")?, blocks(device, n), BLOCK, 0, &arguments)?;
    Ok(memory)
}

/// Index `i` of those, as the host knows it.
pub(super) fn index(limit: u64, seed: u64, i: u64) -> u64 {
    hashed(seed + 7, i) % limit
}

/// Where a result is looked at.
pub(super) fn places(shape: &Shape, seed: u64) -> Vec<(u64, Vec<u64>)> {
    let rows = spread(shape.rows, N_ROWS, seed);
    rows.into_iter().map(|r| (r, spread(shape.columns, N_COLUMNS, seed + r))).collect()
}

/// Error that rounding and approximate functions explain.
pub(super) fn allowed(format: Format, exact: f64, size: f64) -> f64 {
    1.01 * format.rounding() * exact.abs() + FUNCTION_ERROR * size
}

/// Rows of the table.
pub(super) const fn table_rows() -> u64 {
    TABLE_ROWS
}
