//! What is measured when no scenario says what it needs: a grid in logarithms of the sizes.

use super::item::{Item, Operands, Pass, Stream};
use crate::catalog::{Collective, DType};

/// How far a grid reaches.
#[derive(Debug, Clone, PartialEq)]
pub struct Reach {
    /// Formats of products and attention.
    pub dtypes: Vec<DType>,
    /// Sides of products.
    pub sides: Vec<u64>,
    /// Tokens of a sequence.
    pub seqs: Vec<u64>,
    /// Bytes of collectives, from and to.
    pub collective_bytes: (u64, u64),
    /// Members of collectives; below 2 for none.
    pub ranks: u64,
    /// Bytes of one stream buffer.
    pub buffer_bytes: u64,
}

impl Reach {
    /// Of a host of some 10^11 to 10^13 FLOP/s.
    #[must_use]
    pub fn host(ranks: u64, buffer_bytes: u64) -> Reach {
        Reach {
            dtypes: vec![DType::F32, DType::F64],
            sides: vec![64, 128, 256, 512, 1024, 2048, 4096],
            seqs: vec![128, 256, 512, 1024, 2048],
            collective_bytes: (512, 64 << 20),
            ranks,
            buffer_bytes,
        }
    }

    /// Of an accelerator of 10^13 to 10^16 FLOP/s.
    #[must_use]
    pub fn device(dtypes: Vec<DType>, ranks: u64) -> Reach {
        Reach {
            dtypes,
            sides: vec![256, 512, 1024, 2048, 4096, 8192, 16_384],
            seqs: vec![512, 1024, 2048, 4096, 8192, 16_384],
            collective_bytes: (512, 4 << 30),
            ranks,
            buffer_bytes: 1 << 30,
        }
    }
}

/// Every item of the grid.
#[must_use]
pub fn items(reach: &Reach) -> Vec<Item> {
    let mut out = Vec::new();
    for stream in [Stream::Copy, Stream::Triad] {
        out.push(Item::Stream {
            stream,
            bytes: reach.buffer_bytes,
        });
    }
    for (i, dtype) in reach.dtypes.iter().enumerate() {
        for m in &reach.sides {
            for n in &reach.sides {
                for k in &reach.sides {
                    // The second and later formats at the same sides in every dimension only.
                    if i == 0 || (m == n && n == k) {
                        out.push(Item::Gemm {
                            dtype: *dtype,
                            m: *m,
                            n: *n,
                            k: *k,
                            operands: Operands::Nn,
                        });
                    }
                }
            }
        }
    }
    out.extend(reach.dtypes.first().map(|d| attention(*d, &reach.seqs)).unwrap_or_default());
    if reach.ranks > 1 {
        for (_, collective) in Collective::ALL {
            let mut bytes = reach.collective_bytes.0;
            while bytes <= reach.collective_bytes.1 {
                out.push(Item::Collective {
                    collective,
                    ranks: reach.ranks,
                    bytes,
                });
                bytes *= 8;
            }
        }
    }
    out
}

fn attention(dtype: DType, seqs: &[u64]) -> Vec<Item> {
    let mut out = Vec::new();
    for seq_tokens in seqs {
        for (heads, kv_heads, head_dim) in [(8, 8, 64), (16, 4, 64), (8, 8, 128), (32, 8, 128)] {
            for pass in [Pass::Forward, Pass::Backward] {
                out.push(Item::Attention {
                    dtype,
                    pass,
                    causal: true,
                    batch: 1,
                    seq_tokens: *seq_tokens,
                    heads,
                    kv_heads,
                    head_dim,
                });
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_holds_every_kind_once() {
        let list = items(&Reach::host(2, 1 << 20));
        let mut seen = list.clone();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), list.len());
        for suite in ["stream", "gemm", "attention", "collective"] {
            assert!(list.iter().any(|i| i.suite() == suite), "{suite}");
        }
        assert!(!items(&Reach::host(1, 1 << 20)).iter().any(|i| i.suite() == "collective"));
    }
}
