// Element-wise kernels, passes over memory, transposes, fp8 and random inputs of src/bench/cuda/kernels against f64.
#include "common.h"

#define TYPE 0
#define CASE fp32
#include "fused_case.h"
#define TYPE 1
#define CASE bf16
#include "fused_case.h"
#define TYPE 2
#define CASE fp16
#include "fused_case.h"
namespace memory {
#include "memory.cu"
}

template <class T> static void turn(void (*kernel)(const T *, T *, u64, u64), u64 rows, u64 columns) {
    Buffer<T> x(rows * columns), z(rows * columns);
    for (u64 i = 0; i < x.n; i++) x[i] = (T)drawn();
    host::launch({(u32)((rows + 31) / 32 * ((columns + 31) / 32)), 1, 1}, memory::BLOCK, 0, [&] { kernel(x.data(), z.data(), rows, columns); });
    z.check();
    long n_off = 0;
    for (u64 r = 0; r < rows; r++)
        for (u64 c = 0; c < columns; c++) n_off += z[c * rows + r] != x[r * columns + c];
    judge("transpose", (double)n_off, 0);
}

static void streams(u64 n) {
    Buffer<Sixteen> a(n), b(n), c(n);
    auto value = [](Buffer<Sixteen> &x, u64 i) { return bits_float(x[i / 4].word[i % 4]); };
    for (u64 i = 0; i < 4 * n; i++) {
        b[i / 4].word[i % 4] = float_bits(number());
        c[i / 4].word[i % 4] = float_bits(number());
    }
    const Index grid = {3, 1, 1};
    host::launch(grid, memory::BLOCK, 0, [&] { memory::stream_copy(a.data(), b.data(), n); });
    judge("copy", std::memcmp(a.data(), b.data(), n * 16), 0);
    host::launch(grid, memory::BLOCK, 0, [&] { memory::stream_triad(a.data(), b.data(), c.data(), n); });
    Worst worst;
    for (u64 i = 0; i < 4 * n; i++) worst.add(value(a, i), value(b, i) + 3.0 * value(c, i), 4);
    judge("triad", worst.error, 1.2e-7);
    a.check();
}

// Every number of fp8 e4m3, and the nearest of them by search.
static double fp8_value(int x) {
    const int e = x >> 3 & 15, m = x & 7;
    const double size = e ? std::ldexp(1 + m / 8.0, e - 7) : std::ldexp(m / 8.0, -6);
    return x & 0x80 ? -size : size;
}
static void fp8() {
    auto check = [](float x) {
        int best = 0;
        for (int i = 0; i < 127; i++) {
            const double d = std::fabs(fp8_value(i) - std::fabs((double)x)), now = std::fabs(fp8_value(best) - std::fabs((double)x));
            if (d < now || (d == now && i % 2 == 0)) best = i;
        }
        const u32 expected = best | (std::signbit(x) ? 0x80 : 0), found = memory::to_fp8(x);
        if (found != expected) std::printf("fp8 of %g: %x, expected %x\n", x, found, expected);
        judge("fp8", found != expected, 0);
    };
    for (int i = 0; i < 126; i++) {
        // Values, middles between two, and a little beside both.
        const float low = (float)fp8_value(i), middle = (float)(0.5 * (fp8_value(i) + fp8_value(i + 1)));
        for (float x : {low, middle, std::nextafterf(middle, 1e9f), std::nextafterf(middle, -1e9f)}) {
            check(x);
            check(-x);
        }
    }
    for (float x : {448.0f, 463.9f, 464.0f, 1e5f, INFINITY, 1e-30f}) check(x);
    judge("fp8 of NaN", memory::to_fp8(NAN) != 0x7f, 0);
    const u64 n = 70;
    Buffer<Sixteen> x(n);
    Buffer<u64> z(n);
    for (u64 i = 0; i < 8 * n; i++) ((u16 *)x.data())[i] = narrow<true>(number());
    host::launch({2, 1, 1}, memory::BLOCK, 0, [&] { memory::quantize(x.data(), z.data(), 3.0f, n); });
    z.check();
    long n_off = 0;
    for (u64 i = 0; i < 8 * n; i++) n_off += ((u8 *)z.data())[i] != memory::to_fp8(widen<true>(((u16 *)x.data())[i]) * 3.0f);
    judge("quantize", (double)n_off, 0);
}

// All inputs lie in 0.5 to 2, both signs as often, and the last bit of the mantissa is used.
static void inputs() {
    const struct {
        int bytes, exponent, mantissa;
    } formats[] = {{1, 4, 3}, {2, 8, 7}, {2, 5, 10}, {4, 8, 10}, {4, 8, 23}, {8, 11, 52}};
    for (auto &f : formats) {
        const u64 n = 5000;
        Buffer<u64> to((n * f.bytes + 7) / 8);
        host::launch({2, 1, 1}, memory::BLOCK, 0, [&] { memory::fill((u8 *)to.data(), f.bytes, f.exponent, f.mantissa, 7, n); });
        to.check();
        long n_negative = 0, n_last = 0, n_off = 0;
        for (u64 i = 0; i < n; i++) {
            u64 raw = 0;
            std::memcpy(&raw, (u8 *)to.data() + i * f.bytes, f.bytes);
            double x;
            float s;
            std::memcpy(&x, &raw, 8);
            std::memcpy(&s, &raw, 4);
            const double value = f.bytes == 8   ? x
                                 : f.bytes == 4 ? s
                                 : f.bytes == 1 ? fp8_value((int)raw)
                                 : f.mantissa == 7 ? widen<true>((u16)raw) : widen<false>((u16)raw);
            n_off += !(std::fabs(value) >= 0.5 && std::fabs(value) < 2);
            n_negative += value < 0;
            n_last += raw >> (f.bytes * 8 - 1 - f.exponent - f.mantissa) & 1;
        }
        judge("inputs between 0.5 and 2", (double)n_off, 0);
        judge("inputs of both signs", std::fabs(n_negative / (double)n - 0.5), 0.03);
        judge("inputs with all bits", std::fabs(n_last / (double)n - 0.5), 0.03);
    }
    Buffer<u32> index(1000);
    host::launch({2, 1, 1}, memory::BLOCK, 0, [&] { memory::fill_index(index.data(), 13, 7, 1000); });
    index.check();
    u32 top = 0;
    for (u64 i = 0; i < 1000; i++) top = std::max(top, index[i]);
    judge("indices", top != 12, 0);
    // The first numbers, as src/bench/cuda/input.rs has them.
    judge("hash", memory::hashed(7, 0) != 7191089600892374487ull, 0);
}

int main(int argc, char **argv) {
    const int n = argc > 1 ? std::atoi(argv[1]) : 50;
    for (int i = 0; i < n; i++) {
        // Lengths that 16 bytes divide, others, and short ones.
        const int columns = i % 3 == 0 ? 16 * uniform(1, 40) : uniform(1, 700), rows = uniform(1, 12);
        (i % 3 == 0 ? fp32::run : i % 3 == 1 ? bf16::run : fp16::run)(rows, columns);
        (i % 2 ? bf16::run : fp16::run)(uniform(1, 4), 16 * uniform(1, 300));
        const u64 a = uniform(1, 100), b = uniform(1, 100);
        if (i % 4 == 0) turn(memory::transpose_1, a, b);
        if (i % 4 == 1) turn(memory::transpose_2, a, b);
        if (i % 4 == 2) turn(memory::transpose_4, a, b);
        if (i % 4 == 3) turn(memory::transpose_8, a, b);
        streams(uniform(1, 2000));
    }
    fp8();
    inputs();
    std::printf("memory-bound: %d random shapes, %d of %d comparisons wrong\n", 2 * n, n_wrong, n_cases);
    return n_wrong > 0;
}
