// One compiled form of the attention kernels: D, BF16, CAUSAL and CASE are defined by who includes it.
namespace CASE {
namespace forward {
#include "attention.cuh"
#include "attention_forward.cu"
} // namespace forward
namespace backward {
#include "attention.cuh"
#include "attention_backward.cu"
} // namespace backward

static Errors run(const Shape &s, bool reference_causal) {
    const size_t n_q = (size_t)s.batch * s.heads * s.seq * s.dim, n_k = (size_t)s.batch * s.kv_heads * s.seq * s.dim;
    const size_t n_rows = (size_t)s.batch * s.heads * s.seq;
    Buffer<u16> q(n_q), k(n_k), v(n_k), g(n_q), out(n_q), dq(n_q), dk(n_k), dv(n_k);
    Buffer<float> lse(n_rows), delta(n_rows), sums(n_q);
    for (auto *b : {&q, &k, &v, &g})
        for (size_t i = 0; i < b->n; i++) (*b)[i] = narrow<BF16>(number());
    std::memset(sums.data(), 0, n_q * 4);
    const float scale = (float)(1.0 / std::sqrt((double)s.dim)), scale_log2 = scale * 1.44269504f;
    const u32 blocks = (s.seq + 63) / 64;
    const u32 h = s.heads, kh = s.kv_heads, b = s.batch;
    // As src/bench/cuda/attention.rs launches them.
    host::launch({blocks, h, b}, 128, forward::QUERIES * forward::LD * 2 + 2 * forward::KEYS * forward::LD * 2, [&] {
        forward::attention_forward(q.data(), k.data(), v.data(), out.data(), lse.data(), s.seq, s.heads, s.kv_heads, s.dim, scale_log2);
    });
    host::launch({(u32)((n_rows + 3) / 4), 1, 1}, 128, 0,
                 [&] { backward::attention_delta(out.data(), g.data(), delta.data(), n_rows, s.dim); });
    const size_t bytes = 2 * (2 * backward::KEYS * backward::LD + 2 * backward::QUERIES * backward::LD + backward::KEYS * backward::LQ) +
                         8 * backward::QUERIES;
    host::launch({blocks, kh, b}, 128, bytes, [&] {
        backward::attention_backward(q.data(), k.data(), v.data(), g.data(), lse.data(), delta.data(), sums.data(), dk.data(), dv.data(),
                                     s.seq, s.heads, s.kv_heads, s.dim, scale, scale_log2);
    });
    host::launch({3, 1, 1}, 256, 0, [&] { backward::attention_narrow(sums.data(), (u32 *)dq.data(), n_q / 2); });
    for (auto *x : {&q, &k, &v, &g, &out, &dq, &dk, &dv}) x->check();
    for (auto *x : {&lse, &delta, &sums}) x->check();

    auto wide = [](Buffer<u16> &x) {
        std::vector<double> y(x.n);
        for (size_t i = 0; i < x.n; i++) y[i] = widen<BF16>(x[i]);
        return y;
    };
    const auto found = std::array{wide(out), wide(dq), wide(dk), wide(dv)};
    std::vector<double> found_lse(n_rows);
    for (size_t i = 0; i < n_rows; i++) found_lse[i] = lse[i];
    return compare(s, reference_causal, {wide(q), wide(k), wide(v), wide(g)}, found, found_lse);
}
} // namespace CASE
#undef CASE
#undef D
#undef CAUSAL
