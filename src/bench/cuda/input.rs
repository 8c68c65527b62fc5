//! Inputs that device and host know alike: a hash of seed and number, as the kernel `fill` has it.

use crate::catalog::DType;

/// How a number lies in memory: a sign, bits of exponent, bits of mantissa that are used, zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Bytes of one number.
    pub bytes: usize,
    /// Bits of exponent.
    pub exponent: u32,
    /// Bits of mantissa.
    pub mantissa: u32,
}

/// The format of the operands; none where the backend has no kernel for it.
#[must_use]
pub fn format(dtype: DType) -> Option<Format> {
    let (bytes, exponent, mantissa) = match dtype {
        DType::F64 => (8, 11, 52),
        DType::F32 => (4, 8, 23),
        DType::Tf32 => (4, 8, 10),
        DType::Bf16 => (2, 8, 7),
        DType::Fp16 => (2, 5, 10),
        DType::Fp8 => (1, 4, 3),
        _ => return None,
    };
    Some(Format { bytes, exponent, mantissa })
}

impl Format {
    /// Largest relative error of rounding to it.
    #[must_use]
    pub fn rounding(self) -> f64 {
        0.5_f64.powi(self.mantissa.cast_signed() + 1)
    }

    /// A number as it lies in memory.
    #[must_use]
    pub fn decode(self, raw: u64) -> f64 {
        let low = self.bytes as u32 * 8 - 1 - self.exponent - self.mantissa;
        let power = (raw >> (self.mantissa + low)) & ((1 << self.exponent) - 1);
        let mantissa = (raw & ((1 << (self.mantissa + low)) - 1)) as f64 / (1_u64 << (self.mantissa + low)) as f64;
        let bias = (1_i32 << (self.exponent - 1)) - 1;
        // fp8 e4m3 has no infinity, and one NaN.
        let special = power == (1 << self.exponent) - 1 && (self.bytes > 1 || mantissa == 0.875);
        let size = match (special, power) {
            (true, _) if mantissa == 0.0 => f64::INFINITY,
            (true, _) => f64::NAN,
            (_, 0) => mantissa * 2.0_f64.powi(1 - bias),
            (_, power) => (1.0 + mantissa) * 2.0_f64.powi(power as i32 - bias),
        };
        if raw >> (self.bytes * 8 - 1) & 1 == 1 { -size } else { size }
    }

    /// All numbers of a buffer.
    #[must_use]
    pub fn decode_all(self, bytes: &[u8]) -> Vec<f64> {
        let one = |chunk: &[u8]| chunk.iter().rev().fold(0, |raw, byte| raw << 8 | u64::from(*byte));
        bytes.chunks_exact(self.bytes).map(|c| self.decode(one(c))).collect()
    }

    /// Number `i` of the stream `seed`.
    #[must_use]
    pub fn element(self, seed: u64, i: u64) -> f64 {
        let h = hashed(seed, i);
        let mantissa = (h >> 2 & ((1 << self.mantissa) - 1)) as f64 / (1_u64 << self.mantissa) as f64;
        let size = (1.0 + mantissa) * if h >> 1 & 1 == 1 { 0.5 } else { 1.0 };
        if h & 1 == 1 { -size } else { size }
    }
}

/// SplitMix64 (G. L. Steele et al., OOPSLA 2014), number `i` of its stream.
#[must_use]
pub fn hashed(seed: u64, i: u64) -> u64 {
    let mut z = seed.wrapping_add((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// `n` numbers below `end`, spread over it with both ends and an odd one: what is looked at in a large result.
#[must_use]
pub fn spread(end: u64, n: u64, seed: u64) -> Vec<u64> {
    if end <= n {
        return (0..end).collect();
    }
    let mut out: Vec<u64> = (0..n.saturating_sub(2)).map(|i| hashed(seed, i) % end).collect();
    out.extend([0, end - 1]);
    out.sort_unstable();
    out.dedup();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `fill` writes.
    fn raw(f: Format, seed: u64, i: u64) -> u64 {
        let h = hashed(seed, i);
        let low = f.bytes as u32 * 8 - 1 - f.exponent - f.mantissa;
        let power = ((1 << (f.exponent - 1)) - 1) - (h >> 1 & 1);
        (h & 1) << (f.bytes * 8 - 1) | power << (f.mantissa + low) | (h >> 2 & ((1 << f.mantissa) - 1)) << low
    }

    #[test]
    fn the_host_knows_what_the_device_fills_in() {
        // Also in tests/cuda_host/fused.cpp, of the kernel itself.
        assert_eq!(hashed(7, 0), 7_191_089_600_892_374_487);
        for dtype in DType::ALL {
            let Some(f) = format(dtype) else { continue };
            for i in 0..500 {
                let x = f.element(3, i);
                assert_eq!(f.decode(raw(f, 3, i)), x, "{dtype} {i}");
                assert!((0.5..2.0).contains(&x.abs()));
            }
        }
    }

    #[test]
    fn numbers_are_read_as_the_machine_has_them() {
        let all = |d| format(d).unwrap();
        for x in [0.0, -1.5, 3.0e-39, 6.0e7, f32::NEG_INFINITY] {
            assert_eq!(all(DType::F32).decode_all(&x.to_le_bytes()), [f64::from(x)]);
        }
        assert!(all(DType::F64).decode_all(&f64::NAN.to_le_bytes())[0].is_nan());
        assert_eq!(all(DType::F64).decode_all(&(-5e-324_f64).to_le_bytes()), [-5e-324]);
        assert_eq!(all(DType::Bf16).decode(0x3fc0), 1.5);
        assert_eq!(all(DType::Fp16).decode(0x7bff), 65504.0);
        assert_eq!(all(DType::Fp8).decode(0x7e), 448.0);
        assert!(all(DType::Fp8).decode(0xff).is_nan());
        assert_eq!(all(DType::Bf16).rounding(), 1.0 / 256.0);
    }

    #[test]
    fn both_ends_are_looked_at() {
        assert_eq!(spread(3, 10, 1), [0, 1, 2]);
        let some = spread(1000, 10, 1);
        assert!(some.len() > 5 && some[0] == 0 && some.last() == Some(&999), "{some:?}");
    }
}
