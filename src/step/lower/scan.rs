//! Mixers that scan the sequence: Mamba-2, gated delta, LSTM.

use super::{List, Pass, Role, Work};
use crate::catalog::Model;
use crate::kernel::GemmShape;
use crate::layout::activation::Local;
use crate::workload::{Workload, mixer};

/// A batch of equal small multiplies of a chunked scan, with its two backward ones.
fn chunked(list: &mut List<'_>, name: &'static str, dims: [f64; 3], batch: f64) {
    let [m, n, k] = dims;
    let shape = |m, n, k| {
        Work::Gemm(GemmShape {
            m,
            n,
            k,
            batch,
            dtype: list.sensitive,
            accumulate_fp32: false,
        })
    };
    let (forward, left, right) = (shape(m, n, k), shape(m, k, n), shape(k, n, m));
    list.push(name, Pass::Forward, forward);
    list.push(name, Pass::Backward, left);
    list.push(name, Pass::Backward, right);
}

/// Projection, causal convolution, chunked scan, gated norm, projection (Dao and Gu,
/// arXiv 2405.21060 §6 and §7; heads and inner width are cut over the tensor ranks, §8.1).
pub(super) fn state_space(list: &mut List<'_>, model: &Model, l: &Local) {
    let Some(m) = model.mamba else { return };
    let t = l.tensor;
    let (width, channels, inner) = (
        mixer::state_space_width(&m) / t,
        mixer::state_space_channels(&m) / t,
        mixer::inner(&m) / t,
    );
    let (heads, p, n) = (f64::from(m.n_heads) / t, f64::from(m.head_dim), f64::from(m.state_dim));
    let groups = (f64::from(m.n_groups) / t).max(1.0);
    let chunk = mixer::STATE_SPACE_CHUNK.min(l.tokens);
    let chunks = l.tokens / chunk;
    let buffer = l.tokens * l.hidden * 2.0;
    list.enter_tensor(buffer);
    list.linear(
        ["state-space in", "state-space in dgrad", "state-space in wgrad"],
        l.tokens,
        width,
        l.hidden,
        1.0,
        list.compute,
    );
    list.both("convolution", 4.0 * l.tokens * channels, 8.0 * l.tokens * channels);
    if let Some(rank) = m.dt_rank {
        selective(list, l, inner, f64::from(rank), n);
        list.linear(
            ["state-space out", "state-space out dgrad", "state-space out wgrad"],
            l.tokens,
            l.hidden,
            inner,
            1.0,
            list.compute,
        );
        list.leave_tensor(buffer);
        return;
    }
    chunked(list, "chunk scores", [chunk, chunk, n], chunks * groups);
    chunked(list, "chunk products", [chunk, p, chunk], chunks * heads);
    chunked(list, "chunk states", [n, p, chunk], chunks * heads);
    chunked(list, "state reads", [chunk, p, n], chunks * heads);
    // Chunk states are written, passed along and read in fp32.
    let states = 12.0 * chunks * heads * n * p;
    list.both("state passing", states, 2.0 * states);
    list.both("gated norm", 6.0 * l.tokens * inner, 10.0 * l.tokens * inner);
    list.linear(
        ["state-space out", "state-space out dgrad", "state-space out wgrad"],
        l.tokens,
        l.hidden,
        inner,
        1.0,
        list.compute,
    );
    list.leave_tensor(buffer);
}

/// Mamba-1 after its convolution: time step, B and C by projection, then one fused scan that keeps the
/// state on chip (arXiv 2312.00752 §3.3.2). It runs on vector units: nine operations per channel and
/// state against a dozen bytes per channel, charged as the memory time of one byte per two operations,
/// the ratio of vector rate to bandwidth of the parts that publish both (13 to 20 FLOP per byte) over
/// the special-function units' eighth of it (estimate). Backward scans twice.
fn selective(list: &mut List<'_>, l: &Local, inner: f64, rank: f64, state: f64) {
    list.linear(
        ["time step down", "time step down dgrad", "time step down wgrad"],
        l.tokens,
        rank + 2.0 * state,
        inner,
        1.0,
        list.sensitive,
    );
    list.linear(
        ["time step up", "time step up dgrad", "time step up wgrad"],
        l.tokens,
        inner,
        rank,
        1.0,
        list.sensitive,
    );
    let bytes = l.tokens * inner * f64::max(12.0, 9.0 * state / 2.0);
    list.both("selective scan", bytes, 2.0 * bytes);
}

/// Projection, convolution, chunked delta rule, gated norm, projection (Yang et al., arXiv 2412.06464 §3).
pub(super) fn delta(list: &mut List<'_>, model: &Model, l: &Local) {
    let Some(d) = model.delta else { return };
    let t = l.tensor;
    let (keys, values) = mixer::delta_widths(&d);
    let (keys, values, heads) = (keys / t, values / t, f64::from(d.n_value_heads) / t);
    let (k, v) = (f64::from(d.key_head_dim), f64::from(d.value_head_dim));
    let chunk = mixer::DELTA_CHUNK.min(l.tokens);
    let chunks = l.tokens / chunk;
    let buffer = l.tokens * l.hidden * 2.0;
    list.enter_tensor(buffer);
    let width = 2.0 * keys + 2.0 * values + 2.0 * heads;
    list.linear(
        ["delta in", "delta in dgrad", "delta in wgrad"],
        l.tokens,
        width,
        l.hidden,
        1.0,
        list.compute,
    );
    let channels = 2.0 * keys + values;
    list.both("convolution", 4.0 * l.tokens * channels, 8.0 * l.tokens * channels);
    chunked(list, "chunk scores", [chunk, chunk, k], 2.0 * chunks * heads);
    chunked(list, "chunk products", [chunk, v, chunk], 2.0 * chunks * heads);
    chunked(list, "chunk states", [k, v, chunk], 3.0 * chunks * heads);
    let states = 12.0 * chunks * heads * k * v;
    list.both("state passing", states, 2.0 * states);
    list.both("gated norm", 6.0 * l.tokens * values, 10.0 * l.tokens * values);
    list.linear(
        ["delta out", "delta out dgrad", "delta out wgrad"],
        l.tokens,
        l.hidden,
        values,
        1.0,
        list.compute,
    );
    list.leave_tensor(buffer);
}

/// Gates from the input for all tokens at once, gates from the state token after token: the
/// sequential floor of recurrent networks (Appleyard et al., arXiv 1604.01946 §3).
pub(super) fn recurrent(list: &mut List<'_>, workload: &Workload, l: &Local) {
    let h = l.hidden;
    list.linear(
        ["input gates", "input gates dgrad", "input gates wgrad"],
        l.tokens,
        4.0 * h / l.tensor,
        h,
        1.0,
        list.compute,
    );
    let sequences = f64::from(list.layout.micro_batch_seqs);
    let times = workload.seq_len_tokens / f64::from(list.layout.context);
    let dtype = list.compute;
    let shape = |m, n, k| GemmShape {
        m,
        n,
        k,
        batch: 1.0,
        dtype,
        accumulate_fp32: false,
    };
    let gates = 4.0 * h / l.tensor;
    list.push(
        "state gates",
        Pass::Forward,
        Work::Serial {
            shape: shape(sequences, gates, h),
            times,
        },
    );
    list.push(
        "state gates dgrad",
        Pass::Backward,
        Work::Serial {
            shape: shape(sequences, h, gates),
            times,
        },
    );
    let weight = Work::Gemm(shape(h, gates, l.tokens));
    list.push_as("state gates wgrad", Pass::Backward, weight, Role::WeightGradient);
    list.both("gate functions", 14.0 * l.tokens * h / l.tensor, 22.0 * l.tokens * h / l.tensor);
}
