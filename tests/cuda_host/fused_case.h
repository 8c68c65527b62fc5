// The element-wise kernels with one TYPE, in namespace CASE.
namespace CASE {
#include "elements.cuh"
#include "fused.cu"

static double step() { return TYPE == 0 ? 1.2e-7 : TYPE == 1 ? 1.0 / 128 : 1.0 / 1024; }
static Buffer<Element> random(size_t n) {
    Buffer<Element> b(n);
    for (size_t i = 0; i < n; i++) put(b.data(), i, number());
    return b;
}
static double at(Buffer<Element> &b, size_t i) { return get(b.data(), i); }
static double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

// One random shape through every kernel.
static void run(int rows, int columns) {
    const size_t n = (size_t)rows * columns;
    Buffer<Element> x = random(n), y = random(n), g = random(n), z(n), z2(n);
    char what[100];
    // In fp32 the approximate exponential and sums of `columns` terms matter more than the last rounding.
    const double limit = TYPE == 0 ? 3e-6 : step();
    auto expect = [&](const char *name, Buffer<Element> &found, auto exact, auto size) {
        Worst worst;
        for (size_t i = 0; i < n; i++) worst.add(at(found, i), exact(i), size(i));
        found.check();
        std::snprintf(what, sizeof what, "%s TYPE %d rows %d columns %d", name, TYPE, rows, columns);
        judge(what, worst.error, limit);
    };
    const Index grid = {3, 1, 1}, by_row = {(u32)rows, 1, 1};
    auto ax = [&](size_t i) { return std::fabs(at(x, i)) + std::fabs(at(y, i)); };
    host::launch(grid, BLOCK, 0, [&] { residual(x.data(), y.data(), z.data(), n); });
    expect("residual", z, [&](size_t i) { return at(x, i) + at(y, i); }, ax);
    host::launch(grid, BLOCK, 0, [&] { gated(x.data(), y.data(), z.data(), n); });
    expect("gated", z, [&](size_t i) { return at(x, i) * sigmoid_of(at(x, i)) * at(y, i); },
           [&](size_t i) { return std::fabs(at(x, i) * at(y, i)); });
    host::launch(grid, BLOCK, 0, [&] { gated_backward(x.data(), y.data(), g.data(), z.data(), z2.data(), n); });
    auto slope = [&](size_t i) {
        const double a = at(x, i), s = sigmoid_of(a);
        return at(g, i) * at(y, i) * s * (1 + a * (1 - s));
    };
    auto agy = [&](size_t i) { return std::fabs(at(g, i)) * (0.1 + std::fabs(at(y, i))); };
    expect("gated backward, first", z, slope, agy);
    expect("gated backward, second", z2, [&](size_t i) { return at(g, i) * at(x, i) * sigmoid_of(at(x, i)); },
           [&](size_t i) { return std::fabs(at(g, i) * at(x, i)); });

    auto inner = [](double a) { return std::sqrt(2 / M_PI) * (a + 0.044715 * a * a * a); };
    host::launch(grid, BLOCK, 0, [&] { activation(x.data(), z.data(), n); });
    expect("activation", z, [&](size_t i) { return 0.5 * at(x, i) * (1 + std::tanh(inner(at(x, i)))); },
           [&](size_t i) { return std::fabs(at(x, i)); });
    host::launch(grid, BLOCK, 0, [&] { activation_backward(x.data(), g.data(), z.data(), n); });
    auto gelu_exact = [&](size_t i) {
        // By differences of the function itself, not by the formula that the kernel uses.
        const double h = 1e-5, a = at(x, i);
        auto f = [&](double v) { return 0.5 * v * (1 + std::tanh(inner(v))); };
        return at(g, i) * (f(a + h) - f(a - h)) / (2 * h);
    };
    expect("activation backward", z, gelu_exact, [&](size_t i) { return 1.2 * std::fabs(at(g, i)); });

    std::vector<double> factor(rows), back(rows);
    for (int r = 0; r < rows; r++) {
        double square = 0, dot = 0;
        for (int c = 0; c < columns; c++) {
            square += at(x, (size_t)r * columns + c) * at(x, (size_t)r * columns + c);
            dot += at(x, (size_t)r * columns + c) * at(g, (size_t)r * columns + c);
        }
        factor[r] = 1 / std::sqrt(square / columns + 1e-5);
        back[r] = dot / columns * factor[r] * factor[r];
    }
    host::launch(by_row, BLOCK, 0, [&] { rms_norm(x.data(), z.data(), columns); });
    expect("norm", z, [&](size_t i) { return at(x, i) * factor[i / columns]; }, [&](size_t i) { return std::fabs(at(x, i)); });
    host::launch(by_row, BLOCK, 0, [&] { rms_norm_backward(x.data(), g.data(), z.data(), columns); });
    expect("norm backward", z, [&](size_t i) { return factor[i / columns] * (at(g, i) - at(x, i) * back[i / columns]); },
           [&](size_t i) { return 2 * (std::fabs(at(g, i)) + std::fabs(at(x, i))); });

    const int half = columns / 2;
    host::launch(by_row, BLOCK, 0, [&] { rotary(x.data(), z.data(), columns, 1.0f); });
    auto turned = [&](size_t i) {
        const int r = (int)(i / columns), c = (int)(i % columns);
        const double t = 0.01 * r;
        if (c >= 2 * half) return at(x, i);
        return c < half ? at(x, i) * std::cos(t) - at(x, i + half) * std::sin(t) : at(x, i - half) * std::sin(t) + at(x, i) * std::cos(t);
    };
    expect("rotary", z, turned, [&](size_t i) {
        const int c = (int)(i % columns);
        return std::fabs(at(x, i)) + (c < half ? std::fabs(at(x, i + half)) : c < 2 * half ? std::fabs(at(x, i - half)) : 0.0);
    });
    // Back again: the inverse gives the input, up to two roundings.
    host::launch(by_row, BLOCK, 0, [&] { rotary(z.data(), z2.data(), columns, -1.0f); });
    expect("rotary, there and back", z2, [&](size_t i) { return at(x, i); }, [](size_t) { return 4.0; });

    Buffer<u32> label(rows), index(rows);
    const int table_rows = uniform(1, 9);
    for (int r = 0; r < rows; r++) {
        label[r] = uniform(0, columns - 1);
        index[r] = uniform(0, table_rows - 1);
    }
    Buffer<float> lse(rows), out(rows);
    host::launch(by_row, BLOCK, 0, [&] { loss(x.data(), label.data(), lse.data(), out.data(), columns); });
    std::vector<double> total(rows);
    Worst worst;
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < columns; c++) total[r] += std::exp(at(x, (size_t)r * columns + c));
        total[r] = std::log(total[r]);
        worst.add(out[r], total[r] - at(x, (size_t)r * columns + label[r]), 4 + total[r]);
    }
    judge("loss", worst.error, 2e-6);
    host::launch(by_row, BLOCK, 0, [&] { loss_backward(x.data(), label.data(), lse.data(), z.data(), columns); });
    auto p = [&](size_t i) { return std::exp(at(x, i) - total[i / columns]); };
    expect("loss backward", z, [&](size_t i) { return p(i) - ((u32)(i % columns) == label[i / columns]); },
           [&](size_t i) { return p(i) + ((u32)(i % columns) == label[i / columns]); });

    Buffer<Element> table = random((size_t)table_rows * columns);
    host::launch(by_row, BLOCK, 0, [&] { embedding(table.data(), index.data(), z.data(), columns); });
    expect("embedding", z, [&](size_t i) { return at(table, index[i / columns] * (size_t)columns + i % columns); }, [](size_t) { return 1e-9; });
    Buffer<float> sums((size_t)table_rows * columns);
    std::memset(sums.data(), 0, sums.n * 4);
    host::launch(by_row, BLOCK, 0, [&] { embedding_backward(g.data(), index.data(), sums.data(), columns); });
    std::vector<double> exact(sums.n);
    for (size_t i = 0; i < n; i++) exact[index[i / columns] * (size_t)columns + i % columns] += at(g, i);
    Worst added;
    for (size_t i = 0; i < sums.n; i++) added.add(sums[i], exact[i], 1.0 + rows);
    judge("embedding backward", added.error, 1e-6);
    for (auto *b : {&lse, &out, &sums}) b->check();

    if (TYPE == 0) {
        auto numbers = [](size_t n, bool positive) {
            Buffer<float> b(n);
            for (size_t i = 0; i < n; i++) b[i] = positive ? std::fabs(number()) : number();
            return b;
        };
        Buffer<float> w = numbers(n, false), m = numbers(n, false), v = numbers(n, true), grad = numbers(n, false), sum(1);
        const std::vector<float> w0(w.data(), w.data() + n), m0(m.data(), m.data() + n), v0(v.data(), v.data() + n);
        sum[0] = 0;
        host::launch(grid, BLOCK, 0, [&] { square_sum(grad.data(), sum.data(), n); });
        host::launch(grid, BLOCK, 0, [&] { adam(w.data(), m.data(), v.data(), grad.data(), n); });
        Worst step;
        double squares = 0;
        for (size_t i = 0; i < n; i++) {
            const double gr = grad[i], mean = 0.9 * m0[i] + 0.1 * gr, square = 0.95 * v0[i] + 0.05 * gr * gr;
            squares += gr * gr;
            step.add(w[i], w0[i] - 1e-3 * (mean / (std::sqrt(square) + 1e-8) + 0.1 * w0[i]), 1);
            step.add(m[i], mean, 1);
            step.add(v[i], square, 1);
        }
        judge("adam", step.error, 1e-6);
        Worst norm;
        norm.add(sum[0], squares, squares);
        judge("sum of squares", norm.error, 1e-5);
        for (auto *b : {&w, &m, &v, &sum}) b->check();
    }
}
} // namespace CASE
#undef CASE
#undef TYPE
#undef MAP2
