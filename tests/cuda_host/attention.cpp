// Attention forward and backward of src/bench/cuda/kernels against a reference in f64, on random shapes.
#include "common.h"
#include <array>

struct Shape {
    int batch, seq, heads, kv_heads, dim;
};
struct Errors {
    double out, lse, dq, dk, dv;
};
typedef std::vector<double> Numbers;

// In f64, of the inputs as they are rounded. Sizes of terms: what a gradient would be if nothing cancelled.
static Errors compare(const Shape &s, bool causal, const std::array<Numbers, 4> &in, const std::array<Numbers, 4> &found,
                      const Numbers &found_lse) {
    const auto &[q, k, v, g] = in;
    const int n = s.seq, w = s.dim;
    const double scale = 1 / std::sqrt((double)w);
    Worst worst_out, worst_lse, worst_dq, worst_dk, worst_dv;
    for (int b = 0; b < s.batch; b++)
        for (int kh = 0; kh < s.kv_heads; kh++) {
            const size_t at_k = ((size_t)b * s.kv_heads + kh) * n * w;
            Numbers dk(n * w), dv(n * w), size_dk(n * w), size_dv(n * w);
            for (int m = 0; m < s.heads / s.kv_heads; m++) {
                const size_t row0 = ((size_t)b * s.heads + kh * (s.heads / s.kv_heads) + m) * n, at_q = row0 * w;
                for (int i = 0; i < n; i++) {
                    const double *qi = &q[at_q + i * w], *gi = &g[at_q + i * w];
                    const int seen = causal ? i + 1 : n;
                    Numbers p(seen);
                    double top = -INFINITY, total = 0;
                    for (int j = 0; j < seen; j++) {
                        for (int d = 0; d < w; d++) p[j] += qi[d] * k[at_k + j * w + d];
                        p[j] *= scale;
                        top = std::fmax(top, p[j]);
                    }
                    for (auto &x : p) total += x = std::exp(x - top);
                    worst_lse.add(found_lse[row0 + i], (top + std::log(total)) / std::log(2.0), 1 + std::fabs(top));
                    Numbers o(w), size_o(w);
                    for (int j = 0; j < seen; j++) {
                        p[j] /= total;
                        for (int d = 0; d < w; d++) {
                            const double term = p[j] * v[at_k + j * w + d];
                            o[d] += term;
                            size_o[d] += std::fabs(term);
                        }
                    }
                    double delta = 0, size_delta = 0;
                    for (int d = 0; d < w; d++) {
                        worst_out.add(found[0][at_q + i * w + d], o[d], size_o[d]);
                        delta += gi[d] * o[d];
                        size_delta += std::fabs(gi[d]) * size_o[d];
                    }
                    Numbers dq(w), size_dq(w);
                    for (int j = 0; j < seen; j++) {
                        double dp = 0, size = 0;
                        for (int d = 0; d < w; d++) {
                            const double term = gi[d] * v[at_k + j * w + d];
                            dp += term;
                            size += std::fabs(term);
                        }
                        // Sums of random signs: their rounding grows with the root of their number.
                        const double ds = p[j] * (dp - delta) * scale, size_ds = p[j] * (size + size_delta) / std::sqrt((double)w) * scale;
                        for (int d = 0; d < w; d++) {
                            dq[d] += ds * k[at_k + j * w + d];
                            size_dq[d] += (std::fabs(ds) + size_ds) * std::fabs(k[at_k + j * w + d]);
                            dk[j * w + d] += ds * qi[d];
                            size_dk[j * w + d] += (std::fabs(ds) + size_ds) * std::fabs(qi[d]);
                            dv[j * w + d] += p[j] * gi[d];
                            size_dv[j * w + d] += p[j] * std::fabs(gi[d]);
                        }
                    }
                    for (int d = 0; d < w; d++) worst_dq.add(found[1][at_q + i * w + d], dq[d], size_dq[d]);
                }
            }
            for (int i = 0; i < n * w; i++) {
                worst_dk.add(found[2][at_k + i], dk[i], size_dk[i]);
                worst_dv.add(found[3][at_k + i], dv[i], size_dv[i]);
            }
        }
    return {worst_out.error, worst_lse.error, worst_dq.error, worst_dk.error, worst_dv.error};
}

#define BF16 true
#define D 16
#define CAUSAL 1
#define CASE bf16_16_causal
#include "attention_case.h"
#define D 64
#define CAUSAL 0
#define CASE bf16_64_full
#include "attention_case.h"
#define D 64
#define CAUSAL 1
#define CASE bf16_64_causal
#include "attention_case.h"
#define D 80
#define CAUSAL 1
#define CASE bf16_80_causal
#include "attention_case.h"
#define D 128
#define CAUSAL 0
#define CASE bf16_128_full
#include "attention_case.h"
#define D 128
#define CAUSAL 1
#define CASE bf16_128_causal
#include "attention_case.h"
#undef BF16
#define BF16 false
#define D 64
#define CAUSAL 1
#define CASE fp16_64_causal
#include "attention_case.h"
#define D 96
#define CAUSAL 0
#define CASE fp16_96_full
#include "attention_case.h"
#define D 128
#define CAUSAL 1
#define CASE fp16_128_causal
#include "attention_case.h"

struct Form {
    const char *name;
    Errors (*run)(const Shape &, bool);
    int d;
    bool bf16, causal;
};
static const Form forms[] = {
    {"bf16_16_causal", bf16_16_causal::run, 16, true, true},     {"bf16_64_full", bf16_64_full::run, 64, true, false},
    {"bf16_64_causal", bf16_64_causal::run, 64, true, true},     {"bf16_80_causal", bf16_80_causal::run, 80, true, true},
    {"bf16_128_full", bf16_128_full::run, 128, true, false},     {"bf16_128_causal", bf16_128_causal::run, 128, true, true},
    {"fp16_64_causal", fp16_64_causal::run, 64, false, true},    {"fp16_96_full", fp16_96_full::run, 96, false, false},
    {"fp16_128_causal", fp16_128_causal::run, 128, false, true},
};

int main(int argc, char **argv) {
    const int n = argc > 1 ? std::atoi(argv[1]) : 60;
    Errors most = {};
    int n_odd = 0, n_grouped = 0;
    for (int i = 0; i < n; i++) {
        const Form &form = forms[i % (sizeof forms / sizeof *forms)];
        const int kv = uniform(1, 2), group = uniform(1, 3);
        const Shape s = {uniform(1, 2), i % 5 == 0 ? 64 * uniform(1, 2) : uniform(1, 200), kv * group, kv, form.d - 8 * uniform(0, 1)};
        const Errors e = form.run(s, form.causal);
        // Steps of the format, 2^-7 and 2^-10: rounding is off by half of one. The weights of softmax and the results are
        // rounded; gradients of scores, and the output that they are formed of, too.
        const double step = form.bf16 ? 1.0 / 128 : 1.0 / 1024;
        char what[200];
        const struct {
            const char *name;
            double error, limit;
            double *most;
        } parts[] = {{"out", e.out, step, &most.out},      {"lse", e.lse, 1e-5, &most.lse},    {"dq", e.dq, 1.5 * step, &most.dq},
                     {"dk", e.dk, 1.5 * step, &most.dk}, {"dv", e.dv, step, &most.dv}};
        for (auto &p : parts) {
            std::snprintf(what, sizeof what, "%s of %s, batch %d seq %d heads %d/%d dim %d", p.name, form.name, s.batch, s.seq, s.heads,
                          s.kv_heads, s.dim);
            judge(what, p.error, p.limit);
            // In steps of the format.
            *p.most = std::fmax(*p.most, p.name[0] == 'l' ? p.error : p.error / step);
        }
        n_odd += s.seq % 16 != 0;
        n_grouped += group > 1;
    }
    // That a test which compares with another mask finds it.
    const Shape s = {1, 70, 2, 1, 64};
    const Errors other = bf16_64_causal::run(s, false);
    if (other.out < 0.1 || other.lse < 0.001 || other.dq < 0.1 || other.dk < 0.1 || other.dv < 0.1) {
        std::printf("WRONG: another mask was not noticed\n");
        n_wrong++;
    }
    std::printf("attention: %d shapes (%d odd, %d grouped), %d of %d comparisons wrong, %ld mma; largest error in steps of the format: out %.2f "
                "dq %.2f dk %.2f dv %.2f; lse %.1e\n",
                n, n_odd, n_grouped, n_wrong, n_cases, host::n_mma, most.out, most.dq, most.dk, most.dv, most.lse);
    return n_wrong > 0;
}
