// The device of src/bench/cuda/kernels on a processor, for tests: each thread of a block is a fiber, and they are
// run in an order drawn anew for every block, so that a missing barrier shows. Copies to shared memory arrive only
// when they are waited for; shared memory begins as NaN; what a warp does together (mma, ldmatrix, shuffles) waits
// for its 32 lanes. Fragments lie as the PTX ISA says.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <ucontext.h>
#include <vector>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define DEVICE static inline
#define KERNEL(threads) static void
#define SHARED(type, name) type *name = (type *)host::shared.data()
#define STATIC_SHARED(type, name, n) type *name = (type *)host::static_shared(__COUNTER__, sizeof(type) * (n))

struct Index {
    u32 x, y, z;
};
static Index threadIdx, blockIdx, blockDim, gridDim;

namespace host {

[[noreturn]] static void fail(const char *what) {
    std::fprintf(stderr, "cuda_host: %s (block %u %u %u, thread %u)\n", what, blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x);
    std::exit(1);
}

struct Copy {
    void *to;
    const void *from;
    bool valid;
};
enum class State { ready, warp, block, done };
struct Fiber {
    ucontext_t context;
    State state;
    // Copies of each group that was committed, and those that were not yet.
    std::vector<std::vector<Copy>> groups;
    std::vector<Copy> open;
};

static std::vector<u8> shared;
static std::vector<std::vector<u8>> named;
static std::vector<Fiber> fibers;
static std::vector<std::vector<char>> stacks;
static std::function<void()> body;
static ucontext_t home;
static std::mt19937_64 order(1);
static u32 me;
// Arrays on the device: begin and end of each.
static std::vector<std::pair<const u8 *, const u8 *>> arrays;
static void within(const void *p, size_t bytes, const char *what) {
    for (auto &[begin, end] : arrays)
        if ((const u8 *)p >= begin && (const u8 *)p + bytes <= end) return;
    fail(what);
}
// What the lanes of a warp hand in, and what they get.
struct Slot {
    u32 in[10];
    const u16 *row;
    u32 out[4];
};
static std::vector<Slot> slots;
static long n_mma;

static void *static_shared(int id, size_t bytes) {
    if (named.size() <= (size_t)id) named.resize(id + 1);
    if (named[id].size() < bytes) named[id].assign(bytes, 0xff);
    return named[id].data();
}

static void wait(State state) {
    fibers[me].state = state;
    swapcontext(&fibers[me].context, &home);
}

static void entry() {
    body();
    fibers[me].state = State::done;
    if (!fibers[me].open.empty() || [&] { for (auto &g : fibers[me].groups) if (!g.empty()) return true; return false; }())
        fail("a copy to shared memory was never waited for");
    swapcontext(&fibers[me].context, &home);
}

// All lanes of the warp come here; the last one does the work for all.
template <class F> static void together(F work) {
    const u32 first = me / 32 * 32;
    fibers[me].state = State::warp;
    u32 n = 0;
    for (u32 i = first; i < first + 32; i++) n += fibers[i].state == State::warp;
    if (n < 32) {
        wait(State::warp);
        return;
    }
    work(&slots[first]);
    for (u32 i = first; i < first + 32; i++) fibers[i].state = State::ready;
}

static void barrier() {
    fibers[me].state = State::block;
    for (auto &f : fibers)
        if (f.state != State::block) {
            wait(State::block);
            return;
        }
    for (auto &f : fibers) f.state = State::ready;
}

static void run_block(u32 threads, size_t shared_bytes) {
    shared.assign(shared_bytes, 0xff);
    for (auto &n : named) std::fill(n.begin(), n.end(), 0xff);
    fibers.resize(threads);
    stacks.resize(threads);
    slots.resize(threads);
    for (u32 i = 0; i < threads; i++) {
        Fiber &f = fibers[i];
        stacks[i].resize(128 << 10);
        f.state = State::ready;
        f.groups.clear();
        f.open.clear();
        getcontext(&f.context);
        f.context.uc_stack.ss_sp = stacks[i].data();
        f.context.uc_stack.ss_size = stacks[i].size();
        f.context.uc_link = nullptr;
        makecontext(&f.context, entry, 0);
    }
    for (;;) {
        // Warps in an order drawn anew each time, the lanes of one by number.
        std::vector<u32> warps;
        bool left = false;
        for (u32 w = 0; w < threads / 32; w++) {
            bool ready = false;
            for (u32 i = w * 32; i < w * 32 + 32; i++) {
                ready |= fibers[i].state == State::ready;
                left |= fibers[i].state != State::done;
            }
            if (ready) warps.push_back(w);
        }
        if (!left) return;
        if (warps.empty()) fail("the threads wait for each other forever");
        const u32 w = warps[order() % warps.size()];
        const u32 shift = order() % 32;
        for (u32 i = 0; i < 32; i++) {
            const u32 lane = w * 32 + (i + shift) % 32;
            if (fibers[lane].state != State::ready) continue;
            me = lane;
            threadIdx = {lane, 0, 0};
            swapcontext(&home, &fibers[lane].context);
        }
    }
}

static void launch(Index grid, u32 threads, size_t shared_bytes, std::function<void()> f) {
    body = f;
    gridDim = grid;
    blockDim = {threads, 1, 1};
    for (u32 z = 0; z < grid.z; z++)
        for (u32 y = 0; y < grid.y; y++)
            for (u32 x = 0; x < grid.x; x++) {
                blockIdx = {x, y, z};
                run_block(threads, shared_bytes);
            }
}

static float half_value(u16 h) {
    const int e = h >> 10 & 31, m = h & 1023;
    const float s = h & 0x8000 ? -1.0f : 1.0f;
    if (e == 31) return m ? NAN : s * INFINITY;
    return s * (e ? std::ldexp(1.0f + m / 1024.0f, e - 15) : std::ldexp((float)m, -24));
}
static u16 half_bits(float x) {
    const u16 sign = std::signbit(x) ? 0x8000 : 0;
    if (std::isnan(x)) return 0x7fff;
    double a = std::fabs((double)x);
    if (a >= 65520) return sign | 0x7c00;
    int e;
    std::frexp(a, &e);
    const int step = a == 0 || e < -13 ? -24 : e - 11;
    const long n = std::lrint(std::ldexp(a, -step)); // to nearest even
    return sign | (step == -24 ? (u16)n : (u16)(((step + 25 - 1) << 10) + n));
}

} // namespace host

DEVICE float bits_float(u32 x) {
    float r;
    std::memcpy(&r, &x, 4);
    return r;
}
DEVICE u32 float_bits(float x) {
    u32 r;
    std::memcpy(&r, &x, 4);
    return r;
}

DEVICE void __syncthreads() { host::barrier(); }

DEVICE void copy16(void *to, const void *from, bool valid) {
    const u8 *begin = host::shared.data(), *end = begin + host::shared.size();
    if ((u8 *)to < begin || (u8 *)to + 16 > end) host::fail("a copy beyond shared memory");
    if ((uintptr_t)to % 16 || (uintptr_t)from % 16) host::fail("a copy of 16 bytes that is not aligned");
    if (valid) host::within(from, 16, "a copy from beyond an array");
    std::memset(to, 0xff, 16);
    host::fibers[host::me].open.push_back({to, from, valid});
}
DEVICE void copy_commit() {
    auto &f = host::fibers[host::me];
    f.groups.push_back(std::move(f.open));
    f.open.clear();
}
template <int left> DEVICE void copy_wait() {
    auto &groups = host::fibers[host::me].groups;
    while (groups.size() > (size_t)left) {
        for (auto &c : groups.front())
            if (c.valid)
                std::memcpy(c.to, c.from, 16);
            else
                std::memset(c.to, 0, 16);
        groups.erase(groups.begin());
    }
}

// Lane i gives row i % 8 of matrix i / 8, and gets of each matrix row lane / 4, columns 2 (lane % 4) and the next;
// transposed: column lane / 4 and those rows.
static void host_load4(u32 (&r)[4], const u16 *row, bool transposed) {
    const u8 *begin = host::shared.data(), *end = begin + host::shared.size();
    if ((u8 *)row < begin || (u8 *)row + 16 > end) host::fail("ldmatrix beyond shared memory");
    if ((uintptr_t)row % 16) host::fail("ldmatrix of a row that is not aligned");
    host::slots[host::me].row = row;
    host::together([&](host::Slot *s) {
        for (int lane = 0; lane < 32; lane++)
            for (int m = 0; m < 4; m++) {
                u32 x = 0;
                for (int j = 0; j < 2; j++) {
                    const int a = lane / 4, b = lane % 4 * 2 + j;
                    const u16 e = transposed ? s[m * 8 + b].row[a] : s[m * 8 + a].row[b];
                    x |= (u32)e << 16 * j;
                }
                s[lane].out[m] = x;
            }
    });
    std::memcpy(r, host::slots[host::me].out, 16);
}
DEVICE void load4(u32 (&r)[4], const u16 *row) { host_load4(r, row, false); }
DEVICE void load4_transposed(u32 (&r)[4], const u16 *row) { host_load4(r, row, true); }

template <bool bf16> DEVICE float widen(u16 x) { return bf16 ? bits_float((u32)x << 16) : host::half_value(x); }
template <bool bf16> DEVICE u16 narrow(float x) {
    if (!bf16) return host::half_bits(x);
    const u32 b = float_bits(x);
    if (std::isnan(x)) return 0x7fff;
    return (u16)((b + 0x7fff + (b >> 16 & 1)) >> 16);
}
template <bool bf16> DEVICE u32 pack(float low, float high) { return narrow<bf16>(low) | (u32)narrow<bf16>(high) << 16; }

// PTX ISA, mma.m16n8k16 with 16-bit operands: with g = lane / 4 and t = lane % 4, register i of A holds row
// g + 8 (i % 2), columns 2t + 8 (i / 2) and the next; register i of B rows 2t + 8i and the next of column g;
// number i of C row g + 8 (i / 2), column 2t + i % 2.
template <bool bf16> DEVICE void mma(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    auto &slot = host::slots[host::me];
    std::memcpy(slot.in, a, 16);
    slot.in[4] = b0;
    slot.in[5] = b1;
    std::memcpy(slot.in + 6, d, 16);
    host::together([&](host::Slot *s) {
        float A[16][16], B[16][8], C[16][8];
        for (int lane = 0; lane < 32; lane++) {
            const int g = lane / 4, t = lane % 4;
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 2; j++) A[g + i % 2 * 8][2 * t + i / 2 * 8 + j] = widen<bf16>((u16)(s[lane].in[i] >> 16 * j));
            for (int i = 0; i < 2; i++)
                for (int j = 0; j < 2; j++) B[2 * t + 8 * i + j][g] = widen<bf16>((u16)(s[lane].in[4 + i] >> 16 * j));
            for (int i = 0; i < 4; i++) C[g + i / 2 * 8][2 * t + i % 2] = bits_float(s[lane].in[6 + i]);
        }
        for (int m = 0; m < 16; m++)
            for (int n = 0; n < 8; n++) {
                float sum = C[m][n];
                for (int k = 0; k < 16; k++) sum += A[m][k] * B[k][n];
                C[m][n] = sum;
            }
        for (int lane = 0; lane < 32; lane++)
            for (int i = 0; i < 4; i++) s[lane].out[i] = float_bits(C[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2]);
        host::n_mma++;
    });
    std::memcpy(d, host::slots[host::me].out, 16);
}

DEVICE float ex2(float x) { return std::exp2(x); }
DEVICE float lg2(float x) { return std::log2(x); }
DEVICE float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
DEVICE float infinity() { return INFINITY; }
DEVICE float shuffle_xor(float x, int lanes) {
    host::slots[host::me].in[0] = float_bits(x);
    host::together([&](host::Slot *s) {
        for (int lane = 0; lane < 32; lane++) s[lane].out[0] = s[lane ^ lanes].in[0];
    });
    return bits_float(host::slots[host::me].out[0]);
}
DEVICE void atomicAdd(float *to, float x) {
    host::within(to, 4, "atomicAdd beyond an array");
    *to += x;
}
