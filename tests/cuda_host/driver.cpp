// Stand-ins for libcuda, libnvrtc, libcublasLt and libnccl on a processor, for tests of the program itself: what it
// calls, in which order, with which arguments, and how it judges results. Kernels are those of
// src/bench/cuda/kernels, run as device.h runs them; products are made in f64; ranks share memory. Times say nothing.
#include "device.cuh"
#include <array>
#include <atomic>
#include <chrono>
#include <fcntl.h>
#include <map>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <tuple>
#include <unistd.h>

typedef std::function<void()> Call;
typedef std::function<Call(void **)> Kernel;
static std::map<std::string, Kernel> &kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}
template <class... A, size_t... I> static Call take(void (*f)(A...), void **args, std::index_sequence<I...>) {
    std::tuple<A...> values(*(A *)args[I]...);
    return [=] { std::apply(f, values); };
}
template <class... A> static Kernel bound(void (*f)(A...)) {
    return [f](void **args) { return take(f, args, std::index_sequence_for<A...>()); };
}

#define CASE c0
#define D 64
#define BF16 1
#define CAUSAL 1
#include "driver_case.h"
#define CASE c1
#define D 64
#define BF16 1
#define CAUSAL 0
#include "driver_case.h"
#define CASE c2
#define D 64
#define BF16 0
#define CAUSAL 1
#include "driver_case.h"
#define CASE c3
#define D 64
#define BF16 0
#define CAUSAL 0
#include "driver_case.h"
#define CASE c4
#define D 96
#define BF16 1
#define CAUSAL 1
#include "driver_case.h"
#define CASE c5
#define D 128
#define BF16 1
#define CAUSAL 1
#include "driver_case.h"

#define FUSED(name, type)                                                                                            \
    static const bool name##_put = [] {                                                                              \
        auto &all = kernels();                                                                                       \
        const std::string key = "-DTYPE=" #type " ";                                                                 \
        using namespace name;                                                                                        \
        all[key + "residual"] = bound(residual), all[key + "gated"] = bound(gated);                                  \
        all[key + "activation_backward"] = bound(activation_backward), all[key + "activation"] = bound(activation);  \
        all[key + "gated_backward"] = bound(gated_backward), all[key + "rms_norm"] = bound(rms_norm);                \
        all[key + "rms_norm_backward"] = bound(rms_norm_backward), all[key + "rotary"] = bound(rotary);              \
        all[key + "loss"] = bound(loss), all[key + "loss_backward"] = bound(loss_backward);                          \
        all[key + "embedding"] = bound(embedding), all[key + "embedding_backward"] = bound(embedding_backward);      \
        all[key + "square_sum"] = bound(square_sum), all[key + "adam"] = bound(adam);                                \
        return true;                                                                                                 \
    }();
#define TYPE 0
namespace t0 {
#include "elements.cuh"
#include "fused.cu"
} // namespace t0
#undef TYPE
#undef MAP2
#define TYPE 1
namespace t1 {
#include "elements.cuh"
#include "fused.cu"
} // namespace t1
#undef TYPE
#undef MAP2
#define TYPE 2
namespace t2 {
#include "elements.cuh"
#include "fused.cu"
} // namespace t2
#undef TYPE
FUSED(t0, 0)
FUSED(t1, 1)
FUSED(t2, 2)
namespace memory {
#include "memory.cu"
static const bool put = [] {
    auto &all = kernels();
    all["stream_copy"] = bound(stream_copy), all["stream_triad"] = bound(stream_triad);
    all["transpose_1"] = bound(transpose_1), all["transpose_2"] = bound(transpose_2);
    all["transpose_4"] = bound(transpose_4), all["transpose_8"] = bound(transpose_8);
    all["quantize"] = bound(quantize), all["fill"] = bound(fill), all["fill_index"] = bound(fill_index);
    all["nothing"] = bound(nothing);
    return true;
}();
} // namespace memory

typedef int Code;
typedef unsigned long long Pointer;
#define API extern "C" __attribute__((visibility("default")))

// The driver. Memory begins as NaN, and what is freed is gone.
struct Event {
    std::chrono::steady_clock::time_point at;
};
struct Module {
    std::string defines;
};
struct Graph {
    std::vector<Call> calls;
};
static std::map<Pointer, size_t> allocated;
static Graph *recording;
static void enqueue(Call call) {
    if (recording)
        recording->calls.push_back(call);
    else
        call();
}
static bool inside(Pointer p, size_t bytes) {
    auto it = allocated.upper_bound(p);
    if (it == allocated.begin()) return false;
    --it;
    return p + bytes <= it->first + it->second;
}

API Code cuInit(unsigned) { return 0; }
API Code cuDriverGetVersion(int *v) { return *v = 12090, 0; }
API Code cuGetErrorString(Code, const char **text) { return *text = "an error of the stand-in", 0; }
API Code cuDeviceGet(int *device, int) { return *device = 0, 0; }
API Code cuDeviceGetCount(int *n) { return *n = std::getenv("EXAPLAN_STAND_INS") ? std::atoi(std::getenv("EXAPLAN_STAND_INS")) : 1, 0; }
API Code cuDeviceGetName(char *name, int n, int) { return std::snprintf(name, n, "stand-in on a processor"), 0; }
API Code cuDeviceGetAttribute(int *value, int attribute, int) {
    // Multiprocessors, compute capability 9.0.
    return *value = attribute == 16 ? 2 : attribute == 75 ? 9 : 0, 0;
}
API Code cuDeviceTotalMem_v2(size_t *bytes, int) { return *bytes = 1ull << 30, 0; }
API Code cuDeviceGetPCIBusId(char *text, int n, int) { return std::snprintf(text, n, "0000:00:00.0"), 0; }
API Code cuDevicePrimaryCtxRetain(void **context, int) { return *context = &allocated, 0; }
API Code cuDevicePrimaryCtxRelease_v2(int) {
    // Everything that was allocated was given back.
    if (!allocated.empty()) host::fail("memory of the device was not given back");
    return 0;
}
API Code cuCtxSetCurrent(void *) { return 0; }
API Code cuStreamCreate(void **stream, unsigned) { return *stream = &recording, 0; }
API Code cuStreamDestroy_v2(void *) { return 0; }
API Code cuStreamSynchronize(void *) { return 0; }
API Code cuStreamBeginCapture_v2(void *, int) { return recording = new Graph, 0; }
API Code cuStreamEndCapture(void *, void **graph) {
    *graph = recording;
    recording = nullptr;
    return 0;
}
API Code cuGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long) { return *executable = graph, 0; }
API Code cuGraphLaunch(void *executable, void *) {
    for (auto &call : ((Graph *)executable)->calls) call();
    return 0;
}
API Code cuGraphExecDestroy(void *) { return 0; }
API Code cuGraphDestroy(void *graph) { return delete (Graph *)graph, 0; }
API Code cuMemAlloc_v2(Pointer *p, size_t bytes) {
    void *at = bytes > (1ull << 30) ? nullptr : std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (!at) return 2;
    std::memset(at, 0xff, bytes);
    *p = (Pointer)at;
    allocated[*p] = bytes;
    host::arrays.push_back({(u8 *)at, (u8 *)at + bytes});
    return 0;
}
API Code cuMemFree_v2(Pointer p) {
    if (!allocated.erase(p)) return 1;
    std::erase_if(host::arrays, [&](auto &a) { return a.first == (u8 *)p; });
    std::free((void *)p);
    return 0;
}
API Code cuMemHostAlloc(void **p, size_t bytes, unsigned) { return (*p = std::malloc(bytes)) ? 0 : 2; }
API Code cuMemFreeHost(void *p) { return std::free(p), 0; }
static Code move(void *to, const void *from, size_t bytes, Pointer device) {
    if (!inside(device, bytes)) return 1;
    enqueue([=] { std::memcpy(to, from, bytes); });
    return 0;
}
API Code cuMemsetD8Async(Pointer p, unsigned char x, size_t bytes, void *) {
    if (!inside(p, bytes)) return 1;
    enqueue([=] { std::memset((void *)p, x, bytes); });
    return 0;
}
API Code cuMemcpyDtoH_v2(void *to, Pointer from, size_t bytes) { return move(to, (void *)from, bytes, from); }
API Code cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t bytes, void *) { return move((void *)to, from, bytes, to); }
API Code cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t bytes, void *) { return move(to, (void *)from, bytes, from); }
API Code cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t bytes, void *) { return move((void *)to, (void *)from, bytes, to); }
API Code cuModuleLoadData(void **module, const void *image) {
    if (std::strncmp((const char *)image, "stand-in ", 9)) return 200;
    return *module = new Module{(const char *)image + 9}, 0;
}
struct Function {
    Kernel kernel;
    int shared_bytes = 48 << 10;
};
API Code cuModuleGetFunction(void **function, void *module, const char *name) {
    auto it = kernels().find(((Module *)module)->defines + name);
    if (it == kernels().end()) return 500;
    return *function = new Function{it->second}, 0;
}
API Code cuModuleUnload(void *module) { return delete (Module *)module, 0; }
API Code cuFuncSetAttribute(void *function, int attribute, int value) {
    if (attribute != 8 || value > 227 << 10) return 1;
    return ((Function *)function)->shared_bytes = value, 0;
}
API Code cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned ty, unsigned tz, unsigned shared_bytes,
                        void *, void **args, void **) {
    auto f = (Function *)function;
    if (!x || !y || !z || y > 65535 || z > 65535 || ty != 1 || tz != 1 || (int)shared_bytes > f->shared_bytes || threads % 32) return 1;
    Call call = f->kernel(args);
    enqueue([=] { host::launch({x, y, z}, threads, shared_bytes, call); });
    return 0;
}
API Code cuEventCreate(void **event, unsigned) { return *event = new Event, 0; }
API Code cuEventRecord(void *event, void *) { return ((Event *)event)->at = std::chrono::steady_clock::now(), 0; }
API Code cuEventSynchronize(void *) { return 0; }
API Code cuEventElapsedTime(float *ms, void *start, void *end) {
    return *ms = std::chrono::duration<float, std::milli>(((Event *)end)->at - ((Event *)start)->at).count(), 0;
}
API Code cuEventDestroy_v2(void *event) { return delete (Event *)event, 0; }

// The compiler: what it makes is the list of definitions.
struct Program {
    std::string source, image;
};
API Code nvrtcVersion(int *major, int *minor) { return *major = 12, *minor = 9, 0; }
API Code nvrtcCreateProgram(void **p, const char *source, const char *, int, const char *const *, const char *const *) {
    return *p = new Program{source, {}}, 0;
}
API Code nvrtcCompileProgram(void *p, int n, const char *const *options) {
    auto program = (Program *)p;
    program->image = "stand-in ";
    bool known = false;
    for (int i = 0; i < n; i++) {
        if (!std::strncmp(options[i], "-D", 2)) program->image += std::string(options[i]) + " ";
        known |= !std::strcmp(options[i], "--gpu-architecture=sm_90");
    }
    return known ? 0 : 5;
}
API Code nvrtcDestroyProgram(void **p) { return delete (Program *)*p, 0; }
static Code size_of(void *p, size_t *n) { return *n = ((Program *)p)->image.size() + 1, 0; }
static Code copy_of(void *p, char *to) { return std::strcpy(to, ((Program *)p)->image.c_str()), 0; }
API Code nvrtcGetPTXSize(void *p, size_t *n) { return size_of(p, n); }
API Code nvrtcGetPTX(void *p, char *to) { return copy_of(p, to); }
API Code nvrtcGetCUBINSize(void *p, size_t *n) { return size_of(p, n); }
API Code nvrtcGetCUBIN(void *p, char *to) { return copy_of(p, to); }
API Code nvrtcGetProgramLogSize(void *, size_t *n) { return *n = 1, 0; }
API Code nvrtcGetProgramLog(void *, char *to) { return *to = 0, 0; }

// Products, column by column as cuBLASLt has them. Types are numbered as in library_types.h.
struct Layout {
    int type;
    u64 rows, columns;
    long long distance;
};
struct Description {
    int compute, scale, turned[2];
};
API size_t cublasLtGetVersion() { return 120900; }
API Code cublasLtCreate(void **handle) { return *handle = &allocated, 0; }
API Code cublasLtDestroy(void *) { return 0; }
API Code cublasLtMatrixLayoutCreate(void **layout, int type, u64 rows, u64 columns, long long distance) {
    return *layout = new Layout{type, rows, columns, distance}, distance >= (long long)rows ? 0 : 7;
}
API Code cublasLtMatrixLayoutDestroy(void *layout) { return delete (Layout *)layout, 0; }
API Code cublasLtMatmulDescCreate(void **d, int compute, int scale) { return *d = new Description{compute, scale, {0, 0}}, 0; }
API Code cublasLtMatmulDescSetAttribute(void *d, int attribute, const void *value, size_t bytes) {
    if (attribute < 3 || attribute > 4 || bytes != 4) return 7;
    return ((Description *)d)->turned[attribute - 3] = *(const int *)value, 0;
}
API Code cublasLtMatmulDescDestroy(void *d) { return delete (Description *)d, 0; }
API Code cublasLtMatmulPreferenceCreate(void **p) { return *p = &allocated, 0; }
API Code cublasLtMatmulPreferenceSetAttribute(void *, int attribute, const void *, size_t bytes) { return attribute == 1 && bytes == 8 ? 0 : 7; }
API Code cublasLtMatmulPreferenceDestroy(void *) { return 0; }
API Code cublasLtMatmulAlgoGetHeuristic(void *, void *d, void *a, void *b, void *c, void *, void *, int, void *result, int *n) {
    auto turned = ((Description *)d)->turned;
    auto &A = *(Layout *)a, &B = *(Layout *)b, &C = *(Layout *)c;
    const u64 m = turned[0] ? A.columns : A.rows, depth = turned[0] ? A.rows : A.columns;
    if (m != C.rows || depth != (turned[1] ? B.columns : B.rows) || (turned[1] ? B.rows : B.columns) != C.columns) return 7;
    // fp8 wants the first transposed, the second not.
    if (A.type == 28 && (!turned[0] || turned[1])) return 15;
    std::memset(result, 0, 96);
    return *n = 1, 0;
}
static double value_of(int type, Pointer p, u64 i) {
    switch (type) {
    case 0: return ((float *)p)[i];
    case 1: return ((double *)p)[i];
    case 2: return widen<false>(((u16 *)p)[i]);
    case 14: return widen<true>(((u16 *)p)[i]);
    default: {
        const int x = ((u8 *)p)[i], e = x >> 3 & 15, m = x & 7;
        const double size = e ? std::ldexp(1 + m / 8.0, e - 7) : std::ldexp(m / 8.0, -6);
        return x & 0x80 ? -size : size;
    }
    }
}
static size_t bytes_of(int type) { return type == 1 ? 8 : type == 0 ? 4 : type == 28 ? 1 : 2; }
API Code cublasLtMatmul(void *, void *d, const void *alpha, Pointer a, void *la, Pointer b, void *lb, const void *beta, Pointer, void *, Pointer out,
                        void *lc, const void *, Pointer workspace, size_t workspace_bytes, void *) {
    auto &A = *(Layout *)la, &B = *(Layout *)lb, &C = *(Layout *)lc;
    auto &description = *(Description *)d;
    const bool wide = description.scale == 1;
    const double one = wide ? *(const double *)alpha : *(const float *)alpha, zero = wide ? *(const double *)beta : *(const float *)beta;
    // This library is another copy than that of the driver, and does not know its memory.
    (void)workspace, (void)workspace_bytes;
    if (one != 1 || zero != 0) return 7;
    const u64 depth = description.turned[0] ? A.rows : A.columns;
    for (u64 j = 0; j < C.columns; j++)
        for (u64 i = 0; i < C.rows; i++) {
            double sum = 0;
            for (u64 k = 0; k < depth; k++)
                sum += value_of(A.type, a, description.turned[0] ? i * A.distance + k : k * A.distance + i) *
                       value_of(B.type, b, description.turned[1] ? k * B.distance + j : j * B.distance + k);
            const u64 at = j * C.distance + i;
            if (C.type == 1) ((double *)out)[at] = sum;
            if (C.type == 0) ((float *)out)[at] = (float)sum;
            if (C.type == 2) ((u16 *)out)[at] = narrow<false>((float)sum);
            if (C.type == 14) ((u16 *)out)[at] = narrow<true>((float)sum);
        }
    return 0;
}

// Ranks that share a page of the host: each puts a piece of what it has there, all read it.
constexpr size_t PIECE = 4096;
struct Room {
    std::atomic<int> waiting, round;
    float piece[8][8][PIECE];
};
struct Comm {
    Room *room;
    int rank, world;
};
struct Id {
    char text[128];
};
static std::vector<std::array<u64, 4>> grouped;
static bool is_group;
static void all_here(Comm *c) {
    const int round = c->room->round;
    if (++c->room->waiting == c->world) {
        c->room->waiting = 0;
        c->room->round++;
    } else
        while (c->room->round == round) std::this_thread::yield();
}
// Runs `f` on pieces of `n` numbers: `put` what goes to rank r, `take` what came from it.
template <class Put, class Take> static Code exchange(Comm *c, size_t n, Put put, Take take) {
    for (size_t at = 0; at < n; at += PIECE) {
        const size_t m = std::min(PIECE, n - at);
        for (int r = 0; r < c->world; r++) std::memcpy(c->room->piece[c->rank][r], put(r) + at, m * 4);
        all_here(c);
        for (int r = 0; r < c->world; r++)
            for (size_t i = 0; i < m; i++) take(r, at + i, c->room->piece[r][c->rank][i]);
        all_here(c);
    }
    return 0;
}
API Code ncclGetVersion(int *v) { return *v = 22800, 0; }
API const char *ncclGetErrorString(Code) { return "an error of the stand-in"; }
API Code ncclGetUniqueId(Id *id) {
    std::snprintf(id->text, 128, "/exaplan-stand-in-%d", (int)getpid());
    return 0;
}
API Code ncclCommInitRank(Comm **comm, int world, Id id, int rank) {
    if (world > 8) return 4;
    const int file = shm_open(id.text, O_CREAT | O_RDWR, 0600);
    if (file < 0 || ftruncate(file, sizeof(Room))) return 2;
    auto room = (Room *)mmap(nullptr, sizeof(Room), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    *comm = new Comm{room, rank, world};
    all_here(*comm);
    if (rank == 0) shm_unlink(id.text);
    return 0;
}
API Code ncclCommAbort(Comm *c) { return munmap(c->room, sizeof(Room)), delete c, 0; }
API Code ncclAllReduce(const float *from, float *to, size_t n, int type, int op, Comm *c, void *) {
    if (type != 7) return 4;
    std::vector<double> sum(n, op == 2 ? -INFINITY : 0.0);
    exchange(c, n, [=](int) { return from; }, [&](int, size_t i, float x) { sum[i] = op == 2 ? std::fmax(sum[i], x) : sum[i] + x; });
    for (size_t i = 0; i < n; i++) to[i] = (float)sum[i];
    return 0;
}
API Code ncclReduceScatter(const float *from, float *to, size_t n, int type, int op, Comm *c, void *) {
    if (type != 7 || op != 0) return 4;
    std::vector<double> sum(n);
    exchange(c, n, [=](int r) { return from + r * n; }, [&](int, size_t i, float x) { sum[i] += x; });
    for (size_t i = 0; i < n; i++) to[i] = (float)sum[i];
    return 0;
}
API Code ncclAllGather(const float *from, float *to, size_t n, int type, Comm *c, void *) {
    if (type != 7) return 4;
    return exchange(c, n, [=](int) { return from; }, [&](int r, size_t i, float x) { to[r * n + i] = x; });
}
API Code ncclGroupStart() { return is_group = true, grouped.clear(), 0; }
API Code ncclSend(const float *from, size_t n, int, int peer, Comm *c, void *) { return grouped.push_back({(u64)from, n, (u64)peer, (u64)c}), is_group ? 0 : 4; }
API Code ncclRecv(float *to, size_t n, int, int peer, Comm *c, void *) { return grouped.push_back({(u64)to, n, (u64)peer, (u64)c}), is_group ? 0 : 4; }
API Code ncclGroupEnd() {
    is_group = false;
    auto c = (Comm *)grouped.at(0)[3];
    // A send and a receive for each rank, in turn.
    if ((int)grouped.size() != 2 * c->world) return 4;
    return exchange(c, grouped[0][1], [](int r) { return (float *)grouped[2 * r][0]; },
                    [](int r, size_t i, float x) { ((float *)grouped[2 * r + 1][0])[i] = x; });
}
