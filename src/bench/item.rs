//! What can be timed, in the terms of every backend.

use crate::catalog::{Collective, DType};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// Which way a kernel runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pass {
    /// Forward.
    Forward,
    /// Backward.
    Backward,
}

/// How the operands of a product lie: `n` as it stands in row-major order, `t` transposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operands {
    /// Forward: activations times weights.
    Nn,
    /// Input gradients: output gradients times transposed weights.
    Nt,
    /// Weight gradients: transposed activations times output gradients.
    Tn,
}

/// A plain pass over memory (J. D. McCalpin, STREAM, 1995).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// `a = b`.
    Copy,
    /// `a = b + 3 c`.
    Triad,
}

/// Element-wise work of a training step, as a framework fuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fused {
    /// Root-mean-square or layer norm over columns.
    Norm,
    /// Sum of two.
    Residual,
    /// GELU.
    Activation,
    /// SiLU of one times the other.
    Gated,
    /// Rotary positions.
    Rotary,
    /// Cross-entropy over columns.
    Loss,
    /// Rows of a table by index; backward adds them up.
    Embedding,
    /// Adam over all rows and columns.
    Adam,
    /// A transposed copy.
    Transpose,
    /// Conversion to fp8, one scale for all.
    Quantize,
}

/// A copy between memories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// From the host to the device.
    HostToDevice,
    /// From the device to the host.
    DeviceToHost,
}

/// One thing to time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Item {
    /// A pass over memory.
    Stream {
        /// Which.
        stream: Stream,
        /// Bytes of one buffer.
        bytes: u64,
    },
    /// `C[m,n] = A[m,k] · B[k,n]`.
    Gemm {
        /// Format of the operands.
        #[serde(serialize_with = "write_dtype", deserialize_with = "read_dtype")]
        dtype: DType,
        /// Rows of the output.
        m: u64,
        /// Columns of the output.
        n: u64,
        /// Depth.
        k: u64,
        /// How the operands lie.
        operands: Operands,
    },
    /// Self attention.
    Attention {
        /// Format of the operands.
        #[serde(serialize_with = "write_dtype", deserialize_with = "read_dtype")]
        dtype: DType,
        /// Which way.
        pass: Pass,
        /// A query sees no key after it.
        causal: bool,
        /// Sequences.
        batch: u64,
        /// Tokens of each.
        seq_tokens: u64,
        /// Query heads.
        heads: u64,
        /// Key and value heads.
        kv_heads: u64,
        /// Width of a head.
        head_dim: u64,
    },
    /// All ranks together.
    Collective {
        /// Which.
        #[serde(serialize_with = "write_collective", deserialize_with = "read_collective")]
        collective: Collective,
        /// Members.
        ranks: u64,
        /// The whole buffer, as nccl-tests counts it.
        bytes: u64,
    },
    /// Element-wise work.
    Fused {
        /// Which.
        fused: Fused,
        /// Which way.
        pass: Pass,
        /// Format of the elements.
        #[serde(serialize_with = "write_dtype", deserialize_with = "read_dtype")]
        dtype: DType,
        /// Rows.
        rows: u64,
        /// Columns.
        columns: u64,
    },
    /// A copy between host and device.
    Transfer {
        /// Which way.
        way: Way,
        /// Bytes of one copy.
        bytes: u64,
    },
    /// An empty kernel: what a launch costs.
    Launch {
        /// Many of them recorded once and launched as a graph, else one by one.
        by_graph: bool,
    },
}

fn write_dtype<S: Serializer>(dtype: &DType, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(dtype.name())
}

fn read_dtype<'de, D: Deserializer<'de>>(d: D) -> Result<DType, D::Error> {
    let name = String::deserialize(d)?;
    DType::from_name(&name).ok_or_else(|| de::Error::custom(format!("no number format `{name}`")))
}

fn write_collective<S: Serializer>(kind: &Collective, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(collective_name(*kind))
}

fn read_collective<'de, D: Deserializer<'de>>(d: D) -> Result<Collective, D::Error> {
    let name = String::deserialize(d)?;
    Collective::from_name(&name).ok_or_else(|| de::Error::custom(format!("no collective `{name}`")))
}

/// Its name in files.
#[must_use]
pub fn collective_name(kind: Collective) -> &'static str {
    Collective::ALL.iter().find(|(_, c)| *c == kind).map_or("", |(name, _)| name)
}

/// What one run of an operation does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Work {
    /// This many floating-point operations; a multiply-add is two.
    Flop(f64),
    /// This many bytes read and written by the program. Lines that the cache fetches before it
    /// overwrites them are not counted, as in STREAM. A collective counts its buffer.
    Bytes(f64),
    /// This many kernels launched.
    Launches(f64),
}

impl Work {
    /// Its amount.
    #[must_use]
    pub fn amount(self) -> f64 {
        match self {
            Work::Flop(amount) | Work::Bytes(amount) | Work::Launches(amount) => amount,
        }
    }

    /// The unit of its rate.
    #[must_use]
    pub fn rate_unit(self) -> &'static str {
        match self {
            Work::Flop(_) => "FLOP/s",
            Work::Bytes(_) => "B/s",
            Work::Launches(_) => "launches/s",
        }
    }
}

impl Fused {
    /// Bytes per element that a fully fused kernel moves in 16 bits; the counts of `step::lower`.
    /// Adam, transposes and conversions: of the format itself, as `step::data` counts the optimizer.
    #[must_use]
    pub fn bytes_per_element(self, pass: Pass, dtype: DType) -> f64 {
        match (self, pass) {
            (Fused::Norm | Fused::Activation, Pass::Forward) => 4.0,
            (Fused::Residual, _) | (Fused::Norm | Fused::Activation, _) | (Fused::Gated, Pass::Forward) => 6.0,
            (Fused::Gated, Pass::Backward) | (Fused::Embedding, Pass::Backward) => 10.0,
            (Fused::Rotary | Fused::Loss, _) | (Fused::Embedding, Pass::Forward) => 4.0,
            // Gradients zeroed and read for the norm; gradient, weight and two moments read; three written.
            (Fused::Adam, _) => 32.0,
            (Fused::Transpose, _) => 2.0 * dtype.bytes(),
            (Fused::Quantize, _) => dtype.bytes() + 1.0,
        }
    }
}

impl Item {
    /// The group that `--suite` names.
    #[must_use]
    pub fn suite(&self) -> &'static str {
        match self {
            Item::Stream { .. } => "stream",
            Item::Gemm { .. } => "gemm",
            Item::Attention { .. } => "attention",
            Item::Collective { .. } => "collective",
            Item::Fused { .. } => "fused",
            Item::Transfer { .. } => "transfer",
            Item::Launch { .. } => "launch",
        }
    }

    /// A short name: `gemm-fp32`, `copy`, `all-reduce`.
    #[must_use]
    pub fn op(&self) -> String {
        let way = |pass: Pass| if pass == Pass::Backward { "-backward" } else { "" };
        match self {
            Item::Stream { stream, .. } => format!("{stream:?}").to_lowercase(),
            Item::Gemm { dtype, .. } => format!("gemm-{dtype}"),
            Item::Attention { dtype, pass, .. } => format!("attention-{dtype}{}", way(*pass)),
            Item::Collective { collective, .. } => collective_name(*collective).to_string(),
            Item::Fused { fused, pass, dtype, .. } => format!("{}-{dtype}{}", format!("{fused:?}").to_lowercase(), way(*pass)),
            Item::Transfer { way, .. } => match way {
                Way::HostToDevice => "host-to-device".to_string(),
                Way::DeviceToHost => "device-to-host".to_string(),
            },
            Item::Launch { by_graph } => if *by_graph { "launch-graph" } else { "launch-eager" }.to_string(),
        }
    }

    /// Its sizes: `m=768 n=768 k=768`.
    #[must_use]
    pub fn shape(&self) -> String {
        match *self {
            Item::Stream { bytes, .. } => format!("n={}", bytes / 8),
            Item::Gemm { m, n, k, operands, .. } => {
                let how = match operands {
                    Operands::Nn => "",
                    Operands::Nt => " nt",
                    Operands::Tn => " tn",
                };
                format!("m={m} n={n} k={k}{how}")
            }
            Item::Attention {
                causal,
                batch,
                seq_tokens,
                heads,
                kv_heads,
                head_dim,
                ..
            } => {
                let mask = if causal { "causal" } else { "full" };
                format!("batch={batch} seq={seq_tokens} heads={heads}/{kv_heads} dim={head_dim} {mask}")
            }
            Item::Collective { ranks, bytes, .. } => format!("ranks={ranks} bytes={bytes}"),
            Item::Fused { rows, columns, .. } => format!("rows={rows} columns={columns}"),
            Item::Transfer { bytes, .. } => format!("bytes={bytes}"),
            Item::Launch { .. } => "empty kernel".to_string(),
        }
    }

    /// What one run does.
    #[must_use]
    pub fn work(&self) -> Work {
        match *self {
            Item::Stream {
                stream: Stream::Copy,
                bytes,
            } => Work::Bytes(2.0 * bytes as f64),
            Item::Stream { bytes, .. } => Work::Bytes(3.0 * bytes as f64),
            Item::Gemm { m, n, k, .. } => Work::Flop(2.0 * m as f64 * n as f64 * k as f64),
            Item::Attention {
                pass,
                causal,
                batch,
                seq_tokens,
                heads,
                head_dim,
                ..
            } => {
                let s = seq_tokens as f64;
                let visible = if causal { (s + 1.0) / 2.0 } else { s };
                // Two products forward, five backward: the scores are formed again.
                let products = if pass == Pass::Backward { 5.0 } else { 2.0 };
                Work::Flop(2.0 * products * batch as f64 * heads as f64 * s * visible * head_dim as f64)
            }
            Item::Collective { bytes, .. } | Item::Transfer { bytes, .. } => Work::Bytes(bytes as f64),
            Item::Launch { .. } => Work::Launches(1.0),
            Item::Fused {
                fused,
                pass,
                dtype,
                rows,
                columns,
            } => Work::Bytes(fused.bytes_per_element(pass, dtype) * rows as f64 * columns as f64),
        }
    }

    /// Sizes as a point in binary logarithms, for spreading measurements: see [`super::order`].
    #[must_use]
    pub fn place(&self) -> [f64; 5] {
        let log = |n: u64| (n.max(1) as f64).log2();
        match *self {
            Item::Stream { bytes, .. } | Item::Transfer { bytes, .. } => [log(bytes), 0.0, 0.0, 0.0, 0.0],
            Item::Launch { .. } => [0.0; 5],
            Item::Gemm { m, n, k, .. } => [log(m), log(n), log(k), 0.0, 0.0],
            Item::Attention {
                batch,
                seq_tokens,
                heads,
                kv_heads,
                head_dim,
                ..
            } => [log(batch), log(seq_tokens), log(heads), 0.5 * log(kv_heads), 2.0 * log(head_dim)],
            Item::Collective { bytes, ranks, .. } => [log(bytes), log(ranks), 0.0, 0.0, 0.0],
            Item::Fused { rows, columns, .. } => [log(rows), log(columns), 0.0, 0.0, 0.0],
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.op(), self.shape())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_written_and_read_alike() {
        let items = [
            Item::Stream {
                stream: Stream::Triad,
                bytes: 8,
            },
            Item::Gemm {
                dtype: DType::F32,
                m: 1,
                n: 2,
                k: 3,
                operands: Operands::Tn,
            },
            Item::Collective {
                collective: Collective::AllToAll,
                ranks: 2,
                bytes: 512,
            },
        ];
        for item in items {
            let text = serde_json::to_string(&item).unwrap();
            assert_eq!(serde_json::from_str::<Item>(&text).unwrap(), item, "{text}");
        }
        let gemm = r#"{"op":"gemm","dtype":"fp32","m":1,"n":2,"k":3,"operands":"tn"}"#;
        assert_eq!(serde_json::to_string(&items[1]).unwrap(), gemm);
        assert!(serde_json::from_str::<Item>(&gemm.replace("fp32", "fp33")).is_err());
    }

    #[test]
    fn work_is_counted_as_the_planner_counts_it() {
        let attention = |causal, pass| {
            let item = Item::Attention {
                dtype: DType::F32,
                pass,
                causal,
                batch: 2,
                seq_tokens: 4,
                heads: 3,
                kv_heads: 1,
                head_dim: 8,
            };
            item.work().amount()
        };
        // Pairs of query and key: 4·4 full, 4·5/2 causal; two products of 2·8 FLOP each.
        assert_eq!(attention(false, Pass::Forward), 2.0 * 3.0 * 16.0 * 32.0);
        assert_eq!(attention(true, Pass::Forward), 2.0 * 3.0 * 10.0 * 32.0);
        assert_eq!(attention(true, Pass::Backward), 2.5 * attention(true, Pass::Forward));
    }
}
