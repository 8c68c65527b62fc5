//! Matrix multiplies by cuBLASLt, with the algorithm that its heuristic ranks first, as frameworks take it.

#![allow(unsafe_code)]

use super::device::{Device, Memory};
use super::input::{Format, format, spread};
use super::job::{Check, Job};
use super::library::Library;
use super::memory::filled;
use crate::bench::Operands;
use crate::catalog::DType;
use crate::error::{Error, Result};
use cudarc::cublaslt::result::CublasError;
use cudarc::cublaslt::{result, sys};
use std::ffi::c_void;

/// What cuBLAS asks for on Hopper and later.
const WORKSPACE_BYTES: usize = 32 << 20;
/// Elements of the result that are checked: rows and columns.
const N_CHECKED: u64 = 24;

fn failed(error: CublasError) -> Error {
    Error::Device {
        what: format!("cuBLASLt: {:?}", error.0),
    }
}

/// How a format is multiplied: type of the operands, of the result, of the sums.
struct Way {
    operand: sys::cudaDataType,
    result: (sys::cudaDataType, DType),
    compute: sys::cublasComputeType_t,
    scale: sys::cudaDataType,
    /// Error of a sum relative to its terms, for each root of their number, and whatever their number.
    sum: (f64, f64),
}

fn way(dtype: DType) -> Option<Way> {
    use sys::cublasComputeType_t as Compute;
    use sys::cudaDataType_t as Type;
    let single = 0.5_f64.powi(24);
    let plain = |operand, dtype, compute, sum| Way {
        operand,
        result: (operand, dtype),
        compute,
        scale: Type::CUDA_R_32F,
        sum,
    };
    Some(match dtype {
        DType::F64 => Way {
            scale: Type::CUDA_R_64F,
            ..plain(Type::CUDA_R_64F, dtype, Compute::CUBLAS_COMPUTE_64F, (4.0 * 0.5_f64.powi(53), 0.0))
        },
        DType::F32 => plain(Type::CUDA_R_32F, dtype, Compute::CUBLAS_COMPUTE_32F, (4.0 * single, 0.0)),
        // The inputs have 10 bits of mantissa: nothing is lost when they are rounded. Tensor cores cut sums off.
        DType::Tf32 => plain(
            Type::CUDA_R_32F,
            DType::F32,
            Compute::CUBLAS_COMPUTE_32F_FAST_TF32,
            (16.0 * single, 0.0),
        ),
        DType::Bf16 => plain(Type::CUDA_R_16BF, dtype, Compute::CUBLAS_COMPUTE_32F, (16.0 * single, 0.0)),
        DType::Fp16 => plain(Type::CUDA_R_16F, dtype, Compute::CUBLAS_COMPUTE_32F, (16.0 * single, 0.0)),
        // Sums of fp8 products on Hopper keep about 14 bits (DeepSeek-V3, arXiv 2412.19437, section 3.3.2).
        DType::Fp8 => Way {
            operand: Type::CUDA_R_8F_E4M3,
            result: (Type::CUDA_R_16BF, DType::Bf16),
            compute: Compute::CUBLAS_COMPUTE_32F,
            scale: Type::CUDA_R_32F,
            sum: (0.0, 0.5_f64.powi(12)),
        },
        _ => return None,
    })
}

/// Whether the device multiplies this. fp8 came with compute capability 8.9, and wants multiples of 16.
#[must_use]
pub fn supports(capability: (i32, i32), dtype: DType, [m, n, k]: [u64; 3]) -> bool {
    let sixteens = [m, n, k].iter().all(|x| x.is_multiple_of(16));
    way(dtype).is_some() && (dtype != DType::Fp8 || (capability >= (8, 9) && sixteens))
}

/// A product: a plan that is made once.
struct Product {
    handle: sys::cublasLtHandle_t,
    description: sys::cublasLtMatmulDesc_t,
    layouts: [sys::cublasLtMatrixLayout_t; 3],
    preference: sys::cublasLtMatmulPreference_t,
    algorithm: sys::cublasLtMatmulAlgo_t,
    is_double: bool,
}

/// Rows, columns and distance of columns of the operands as cuBLASLt sees them, column by column, and whether they
/// are transposed. A row-major product is the column-major one of the operands the other way around.
fn operands(operands: Operands, [m, n, k]: [u64; 3]) -> [(u64, u64, bool); 2] {
    let right = if operands == Operands::Nt { (k, n, true) } else { (n, k, false) };
    let left = if operands == Operands::Tn { (m, k, true) } else { (k, m, false) };
    [right, left]
}

impl Product {
    fn new(way: &Way, how: Operands, shape: [u64; 3]) -> Result<Product> {
        let [first, second] = operands(how, shape);
        let [m, n, _] = shape;
        let layout = |kind, rows: u64, columns: u64| {
            let distance = i64::try_from(rows).unwrap_or(i64::MAX);
            result::create_matrix_layout(kind, rows, columns, distance).map_err(failed)
        };
        // SAFETY: an all-zero algorithm is only a place for the one that is found below.
        let nothing: sys::cublasLtMatmulAlgo_t = unsafe { std::mem::zeroed() };
        let mut product = Product {
            handle: result::create_handle().map_err(failed)?,
            description: result::create_matmul_desc(way.compute, way.scale).map_err(failed)?,
            layouts: [
                layout(way.operand, first.0, first.1)?,
                layout(way.operand, second.0, second.1)?,
                layout(way.result.0, n, m)?,
            ],
            preference: result::create_matmul_pref().map_err(failed)?,
            algorithm: nothing,
            is_double: way.scale == sys::cudaDataType_t::CUDA_R_64F,
        };
        let turns = [
            (sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_TRANSA, first.2),
            (sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_TRANSB, second.2),
        ];
        for (attribute, turned) in turns {
            // CUBLAS_OP_N and CUBLAS_OP_T.
            let turned = i32::from(turned);
            let value = std::ptr::from_ref(&turned).cast::<c_void>();
            // SAFETY: the attribute is a 32-bit number, which is copied.
            unsafe { result::set_matmul_desc_attribute(product.description, attribute, value, 4) }.map_err(failed)?;
        }
        let bytes = WORKSPACE_BYTES;
        let attribute = sys::cublasLtMatmulPreferenceAttributes_t::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
        // SAFETY: the attribute is a size, which is copied; all handles live as long as `product`.
        let found = unsafe {
            let value = std::ptr::from_ref(&bytes).cast::<c_void>();
            result::set_matmul_pref_attribute(product.preference, attribute, value, size_of::<usize>()).map_err(failed)?;
            let [a, b, c] = product.layouts;
            result::get_matmul_algo_heuristic(product.handle, product.description, a, b, c, c, product.preference)
        };
        product.algorithm = found.map_err(failed)?.algo;
        Ok(product)
    }

    fn run(&self, device: &Device, first: &Memory, second: &Memory, out: &Memory, workspace: &Memory) -> Result<()> {
        let (one, zero) = ([1.0_f32, 0.0], [1.0_f64, 0.0]);
        let factor = |i: usize| -> *const c_void {
            if self.is_double {
                std::ptr::from_ref(&zero[i]).cast()
            } else {
                std::ptr::from_ref(&one[i]).cast()
            }
        };
        let address = |memory: &Memory| memory.address() as *mut c_void;
        let [a, b, c] = self.layouts;
        // SAFETY: the plan was made for these layouts; the buffers are as long as they say, and outlive the run; the
        // factors are of the scale type and are read before the call returns (pointer mode: host).
        unsafe {
            result::matmul(
                self.handle,
                self.description,
                factor(0),
                factor(1),
                address(first),
                a,
                address(second),
                b,
                address(out),
                c,
                address(out),
                c,
                &raw const self.algorithm,
                address(workspace),
                WORKSPACE_BYTES,
                device.stream().cast(),
            )
        }
        .map_err(failed)
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        // SAFETY: everything was made by `new`, and goes once.
        unsafe {
            let _ = result::destroy_matmul_pref(self.preference);
            for layout in self.layouts {
                let _ = result::destroy_matrix_layout(layout);
            }
            let _ = result::destroy_matmul_desc(self.description);
            let _ = result::destroy_handle(self.handle);
        }
    }
}

/// Make a product ready.
///
/// # Errors
/// [`Error::Device`] when memory is refused, or cuBLASLt has no kernel.
pub fn prepare(device: &Device, dtype: DType, how: Operands, shape: [u64; 3], seed: u64) -> Result<Job<'_>> {
    let version = Library::CublasLt.version()?;
    let none = || Error::Device {
        what: format!("no product in {dtype}"),
    };
    let (way, format_in) = (way(dtype).ok_or_else(none)?, format(dtype).ok_or_else(none)?);
    let format_out = format(way.result.1).ok_or_else(none)?;
    // fp8 has one order of operands only; frameworks keep transposed copies.
    let how = if dtype == DType::Fp8 { Operands::Nt } else { how };
    let [m, n, k] = shape;
    let a = filled(device, format_in, seed, m * k)?;
    let b = filled(device, format_in, seed + 1, k * n)?;
    let c = device.memory(usize::try_from(m * n).unwrap_or(usize::MAX).saturating_mul(format_out.bytes))?;
    let workspace = device.memory(WORKSPACE_BYTES)?;
    let product = Product::new(&way, how, shape)?;
    product.run(device, &b, &a, &c, &workspace)?;
    let mut check = Check::default();
    for row in spread(m, N_CHECKED, seed) {
        let bytes = usize::try_from(n).unwrap_or(usize::MAX) * format_out.bytes;
        let found = format_out.decode_all(&device.read(&c, usize::try_from(row).unwrap_or(0) * bytes, bytes)?);
        for column in spread(n, N_CHECKED, seed + row) {
            let (exact, size) = reference(format_in, how, shape, [row, column], seed);
            let allowed = format_out.rounding() * exact.abs() + (way.sum.0 * (k as f64).sqrt() + way.sum.1) * size;
            check.add(found[usize::try_from(column).unwrap_or(0)], exact, size, allowed);
        }
    }
    let name = match how {
        Operands::Nn => "NN",
        Operands::Nt => "NT",
        Operands::Tn => "TN",
    };
    let only = if dtype == DType::Fp8 {
        ", the order that fp8 wants (transposes are not in it), result in bf16, scales of 1"
    } else {
        ""
    };
    Ok(Job::new(
        device,
        format!("cuBLASLt {version}, first of its heuristic, operands {name}{only}"),
        check,
        move || product.run(device, &b, &a, &c, &workspace),
    ))
}

/// One element in f64, and the sum of the sizes of its terms.
fn reference(format: Format, how: Operands, [m, n, k]: [u64; 3], [row, column]: [u64; 2], seed: u64) -> (f64, f64) {
    let (mut exact, mut size) = (0.0, 0.0);
    for i in 0..k {
        let left = if how == Operands::Tn { i * m + row } else { row * k + i };
        let right = if how == Operands::Nt { column * k + i } else { i * n + column };
        let term = format.element(seed, left) * format.element(seed + 1, right);
        exact += term;
        size += term.abs();
    }
    (exact, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a column-major library does with a description, in f64.
    fn column_major(first: (u64, u64, bool), second: (u64, u64, bool), a: &[f64], b: &[f64]) -> Vec<f64> {
        let at = |(rows, _, turned): (u64, u64, bool), i: u64, j: u64| if turned { i * rows + j } else { j * rows + i };
        let (rows, depth) = if first.2 { (first.1, first.0) } else { (first.0, first.1) };
        let columns = if second.2 { second.0 } else { second.1 };
        let mut out = vec![0.0; (rows * columns) as usize];
        for i in 0..rows {
            for j in 0..columns {
                for d in 0..depth {
                    out[(j * rows + i) as usize] += a[at(first, i, d) as usize] * b[at(second, d, j) as usize];
                }
            }
        }
        out
    }

    #[test]
    fn operands_are_described_as_a_column_major_library_reads_them() {
        let shape @ [m, n, k] = [5, 7, 3];
        let f = format(DType::F64).unwrap();
        let numbers = |seed, n: u64| (0..n).map(|i| f.element(seed, i)).collect::<Vec<_>>();
        let (a, b) = (numbers(9, m * k), numbers(10, k * n));
        for how in [Operands::Nn, Operands::Nt, Operands::Tn] {
            let [first, second] = operands(how, shape);
            let found = column_major(first, second, &b, &a);
            for row in 0..m {
                for column in 0..n {
                    let (exact, size) = reference(f, how, shape, [row, column], 9);
                    let error = (found[(row * n + column) as usize] - exact).abs();
                    assert!(error < 1e-14 * size, "{how:?} {row} {column}");
                }
            }
        }
    }

    #[test]
    fn fp8_needs_a_device_and_a_shape_for_it() {
        assert!(supports((9, 0), DType::Fp8, [16, 32, 64]));
        assert!(!supports((8, 0), DType::Fp8, [16, 32, 64]) && !supports((9, 0), DType::Fp8, [16, 33, 64]));
        assert!(supports((8, 0), DType::Bf16, [1, 2, 3]) && !supports((10, 0), DType::Nvfp4, [16, 16, 16]));
    }
}
