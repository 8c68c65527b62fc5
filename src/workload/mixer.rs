//! Mixers other than attention: parameters and FLOPs.

use super::count::LayerParams;
use crate::catalog::{Delta, Mamba, Mixer, Model};

/// Tokens of one chunk of the chunked scans: the default of `mamba_ssm`'s state space duality kernels
/// (256) and of `flash-linear-attention`'s gated delta kernels (64).
pub const STATE_SPACE_CHUNK: f64 = 256.0;
/// The same for the gated delta rule.
pub const DELTA_CHUNK: f64 = 64.0;

/// Inner width of a Mamba-2 mixer.
#[must_use]
pub fn inner(m: &Mamba) -> f64 {
    f64::from(m.n_heads) * f64::from(m.head_dim)
}

/// Width of the projection into a Mamba-2 mixer: gate, input, B, C and time step per head
/// (arXiv 2405.21060 §7.1).
#[must_use]
pub fn state_space_width(m: &Mamba) -> f64 {
    if m.dt_rank.is_some() {
        // Mamba-1 projects to input and gate only (arXiv 2312.00752 §3.4).
        return 2.0 * inner(m);
    }
    2.0 * inner(m) + 2.0 * f64::from(m.n_groups) * f64::from(m.state_dim) + f64::from(m.n_heads)
}

/// Channels of the causal convolution of a Mamba-2 mixer.
#[must_use]
pub fn state_space_channels(m: &Mamba) -> f64 {
    if m.dt_rank.is_some() {
        return inner(m);
    }
    inner(m) + 2.0 * f64::from(m.n_groups) * f64::from(m.state_dim)
}

/// Widths of keys and of values over all heads of a gated delta mixer.
#[must_use]
pub fn delta_widths(d: &Delta) -> (f64, f64) {
    (
        f64::from(d.n_key_heads) * f64::from(d.key_head_dim),
        f64::from(d.n_value_heads) * f64::from(d.value_head_dim),
    )
}

pub(super) fn state_space_params(model: &Model, h: f64, out: &mut LayerParams) {
    let Some(m) = model.mamba else { return };
    let (d, channels) = (inner(&m), state_space_channels(&m));
    if let Some(rank) = m.dt_rank {
        // Input and gate; time step, B and C from the convolved input; time step back; output. Small:
        // convolution with bias, time-step bias, A, D, and Jamba's norms of time step, B and C.
        let (rank, n) = (f64::from(rank), f64::from(m.state_dim));
        out.attention = h * 2.0 * d + d * (rank + 2.0 * n) + rank * d + d * h;
        out.norms += d * (f64::from(m.conv_kernel) + 1.0) + d + d * n + d + rank + 2.0 * n;
        return;
    }
    out.attention = h * state_space_width(&m) + d * h;
    // Convolution with bias, A, D and time-step bias per head, gated norm.
    out.norms += channels * (f64::from(m.conv_kernel) + 1.0) + 3.0 * f64::from(m.n_heads) + d;
}

pub(super) fn delta_params(model: &Model, h: f64, out: &mut LayerParams) {
    let Some(d) = model.delta else { return };
    let (keys, values) = delta_widths(&d);
    let heads = f64::from(d.n_value_heads);
    // Queries, keys, values, output gate; two scalars per head; output.
    out.attention = h * (2.0 * keys + 2.0 * values) + h * 2.0 * heads + values * h;
    out.norms += (2.0 * keys + values) * f64::from(d.conv_kernel) + 2.0 * heads + f64::from(d.value_head_dim);
}

/// Four gates from input and state, two biases each (Hochreiter and Schmidhuber 1997; cuDNN layout).
pub(super) fn recurrent_params(h: f64, out: &mut LayerParams) {
    out.attention = 8.0 * h * h;
    out.norms += 8.0 * h;
}

/// Forward FLOP per token of the part of a mixer that is not a projection.
///
/// Mamba-2, chunked (arXiv 2405.21060 §6, chunk Q, state N, head width P): per token `2QN` for
/// `C·Bᵀ` in each group, and per head `2QP` for the product with the inputs, `2NP` for the chunk
/// state and `2NP` for reading it. Gated delta, chunked (arXiv 2412.06464 §3.2): per value head
/// `4Q·d_k` for `K·Kᵀ` and `Q·Kᵀ`, `4Q·d_v` for the two products with values, `6·d_k·d_v` for the
/// state. Recurrent layers have nothing but their projections.
#[must_use]
pub fn scan_flop_per_token(model: &Model, mixer: Mixer) -> f64 {
    match (mixer, model.mamba, model.delta) {
        // Selective scan: discretize, update and read a diagonal state, about nine operations per
        // channel and state (arXiv 2312.00752 appendix D).
        (Mixer::StateSpace, Some(m), _) if m.dt_rank.is_some() => 9.0 * inner(&m) * f64::from(m.state_dim),
        (Mixer::StateSpace, Some(m), _) => {
            let (n, p, q) = (f64::from(m.state_dim), f64::from(m.head_dim), STATE_SPACE_CHUNK);
            2.0 * q * n * f64::from(m.n_groups) + f64::from(m.n_heads) * (2.0 * q * p + 4.0 * n * p)
        }
        (Mixer::Delta, _, Some(d)) => {
            let (k, v, q) = (f64::from(d.key_head_dim), f64::from(d.value_head_dim), DELTA_CHUNK);
            f64::from(d.n_value_heads) * (4.0 * q * k + 4.0 * q * v + 6.0 * k * v)
        }
        _ => 0.0,
    }
}
