// Buffers with guards, random numbers and errors, for the tests of the kernels on a processor.
#pragma once
#include "device.cuh"

static std::mt19937_64 drawn(20260101);
static int uniform(int low, int high) { return low + (int)(drawn() % (u64)(high - low + 1)); }
// As the kernel `fill` draws them: never zero, of both signs.
static float number() {
    const float size = 0.5f + (float)(drawn() >> 40) / (float)(1 << 24);
    return drawn() & 1 ? size : -size;
}

// An array on the device: NaN at the beginning, with guards that nobody may write, and 16-byte aligned.
template <class T> struct Buffer {
    static constexpr size_t GUARD = 64;
    std::vector<u8> raw;
    size_t n;
    explicit Buffer(size_t n) : raw(n * sizeof(T) + 2 * GUARD + 16, 0xff), n(n) {
        host::arrays.push_back({(u8 *)data(), (u8 *)(data() + n)});
    }
    Buffer(Buffer &&) = default;
    ~Buffer() {
        if (!raw.empty()) std::erase_if(host::arrays, [&](auto &a) { return a.first == (u8 *)data(); });
    }
    T *data() { return (T *)(((uintptr_t)raw.data() + GUARD + 15) / 16 * 16); }
    T &operator[](size_t i) { return data()[i]; }
    void check() {
        const u8 *begin = (u8 *)data(), *end = (u8 *)(data() + n);
        for (const u8 *p = raw.data(); p < raw.data() + raw.size(); p++)
            if ((p < begin || p >= end) && *p != 0xff) host::fail("a kernel wrote beyond its array");
    }
};

// Largest |found - exact| / size; NaN is the largest of all.
struct Worst {
    double error = 0;
    void add(double found, double exact, double size) {
        const double e = std::fabs(found - exact) / std::fmax(size, 1e-30);
        if (!(e <= error)) error = std::isnan(e) ? INFINITY : e;
    }
};

static int n_wrong, n_cases;
static void judge(const char *what, double error, double limit) {
    n_cases++;
    if (error <= limit) return;
    n_wrong++;
    std::printf("WRONG %s: relative error %.3g, rounding explains %.3g\n", what, error, limit);
}
