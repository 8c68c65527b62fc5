//! Measured kernel times of a profile, and the fields of residuals that are made from them once.

use super::accelerator::DType;
use super::field::Field;
use super::profile::{Collective, Profile};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// One measured matrix multiply `C[m,n] = A[m,k] · B[k,n]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GemmPoint {
    /// Rows of the output.
    pub m: f64,
    /// Columns of the output.
    pub n: f64,
    /// Depth of the reduction.
    pub k: f64,
    /// How long it took.
    pub time_s: f64,
}

/// One measured pass of self attention over `batch` sequences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionPoint {
    /// Sequences.
    pub batch: f64,
    /// Tokens of each.
    pub seq_tokens: f64,
    /// Query heads.
    pub heads: f64,
    /// Key and value heads.
    pub kv_heads: f64,
    /// Width of a query and a key.
    pub head_dim_qk: f64,
    /// Width of a value.
    pub head_dim_v: f64,
    /// How long it took.
    pub time_s: f64,
}

/// Which products a set of points is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GemmKey {
    /// Format of the operands.
    pub dtype: DType,
    /// The output was added to an fp32 buffer.
    pub accumulate_fp32: bool,
}

/// Which attention a set of points is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttentionKey {
    /// Format of the operands.
    pub dtype: DType,
    /// A kernel that trains, not one of a serving engine.
    pub training: bool,
    /// The backward pass.
    pub backward: bool,
    /// A query sees no key after it.
    pub causal: bool,
}

/// The tables of a profile, read and checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Points {
    /// Matrix multiplies.
    pub gemm: BTreeMap<GemmKey, Vec<GemmPoint>>,
    /// Attention.
    pub attention: BTreeMap<AttentionKey, Vec<AttentionPoint>>,
    /// Collectives inside a domain by rank count: bytes of the whole buffer and seconds, by bytes.
    pub collectives: BTreeMap<(Collective, u32), Vec<(f64, f64)>>,
}

impl Points {
    /// No point at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gemm.is_empty() && self.attention.is_empty() && self.collectives.is_empty()
    }
}

/// Points with the model that their residuals are relative to.
///
/// The fields are made when a kernel first asks for one, from the profile as it was read: a what-if
/// that changes a rate or a latency later changes the model and leaves the residuals as they are.
pub struct Measured {
    /// The points.
    pub points: Arc<Points>,
    /// The profile as it was read, itself without points.
    pub prior: Profile,
    gemm: BTreeMap<GemmKey, OnceLock<Field>>,
    attention: BTreeMap<AttentionKey, OnceLock<Field>>,
}

/// Its points and fields would fill pages, and what a field remembers is no part of what it is.
impl fmt::Debug for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Points {
            gemm,
            attention,
            collectives,
        } = &*self.points;
        let sizes = |lists: &mut dyn Iterator<Item = usize>| lists.sum::<usize>();
        f.debug_struct("Measured")
            .field("prior", &self.prior.name)
            .field("gemm", &sizes(&mut gemm.values().map(Vec::len)))
            .field("attention", &sizes(&mut attention.values().map(Vec::len)))
            .field("collectives", &sizes(&mut collectives.values().map(Vec::len)))
            .finish()
    }
}

/// Two are equal when they rest on the same points and model.
impl PartialEq for Measured {
    fn eq(&self, other: &Measured) -> bool {
        (Arc::ptr_eq(&self.points, &other.points) || self.points == other.points) && self.prior == other.prior
    }
}

/// Sets of points whose fields are kept: more than a study of all accelerators uses.
const N_KEPT: usize = 24;

/// The sets last used in this process. A field takes a millisecond to make, and every row of a
/// validation and every change of a scenario resolves its profile again.
static KEPT: Mutex<Vec<Arc<Measured>>> = Mutex::new(Vec::new());

impl Measured {
    /// Points with their model; the one already made where there is one.
    #[must_use]
    pub fn of(prior: &Profile, points: Arc<Points>) -> Arc<Measured> {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |m: &Arc<Measured>| (Arc::ptr_eq(&m.points, &points) || m.points == points) && m.prior == *prior;
        if let Some(known) = kept.iter().find(|m| m.prior.name == prior.name && same(m)) {
            return known.clone();
        }
        let new = Arc::new(Measured {
            gemm: points.gemm.keys().map(|k| (*k, OnceLock::new())).collect(),
            attention: points.attention.keys().map(|k| (*k, OnceLock::new())).collect(),
            prior: Profile {
                measured: None,
                ..prior.clone()
            },
            points,
        });
        if kept.len() >= N_KEPT {
            kept.remove(0);
        }
        kept.push(new.clone());
        new
    }

    /// The field of a set of products, made by `make` on first use.
    pub fn gemm_field(&self, key: GemmKey, make: impl FnOnce(&Profile, &[GemmPoint]) -> Field) -> Option<&Field> {
        let (cell, points) = (self.gemm.get(&key)?, self.points.gemm.get(&key)?);
        Some(cell.get_or_init(|| make(&self.prior, points)))
    }

    /// The field of a set of attention passes, made by `make` on first use.
    pub fn attention_field(&self, key: AttentionKey, make: impl FnOnce(&[AttentionPoint]) -> Field) -> Option<&Field> {
        let (cell, points) = (self.attention.get(&key)?, self.points.attention.get(&key)?);
        Some(cell.get_or_init(|| make(points)))
    }
}
