// What the kernels need of the device, without a header of any toolkit: they compile with NVRTC alone.
// With EXAPLAN_HOST the same names come from tests/cuda_host/device.h, which runs the kernels on a processor.
#ifdef EXAPLAN_HOST
#include "device.h"
#else

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SHARED(type, name) extern __shared__ __align__(16) type name[]
#define STATIC_SHARED(type, name, n) __shared__ __align__(16) type name[n]
#define DEVICE static __device__ __forceinline__
#define KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads)

DEVICE u32 shared_address(const void *p) { return (u32)__cvta_generic_to_shared(p); }

// 16 bytes to shared memory, not waiting; zeros where `valid` is false. The address must be one of the array
// even then.
DEVICE void copy16(void *shared, const void *global, bool valid) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(valid ? 16 : 0)
                 : "memory");
}
DEVICE void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Until all but the last `left` groups of this thread have arrived.
template <int left> DEVICE void copy_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory"); }

// Four 8x8 matrices of 16 bits; each lane gives the address of a row (PTX ISA, ldmatrix).
DEVICE void load4(u32 (&r)[4], const u16 *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row)) : "memory");
}
DEVICE void load4_transposed(u32 (&r)[4], const u16 *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row)) : "memory");
}

// d += a b on the tensor cores, sums in fp32 (PTX ISA, mma.m16n8k16).
template <bool bf16> DEVICE void mma(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    if (bf16)
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    else
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Two numbers in 16 bits each, the first below.
template <bool bf16> DEVICE u32 pack(float low, float high) {
    u32 r;
    if (bf16)
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
    else
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
    return r;
}
template <bool bf16> DEVICE float widen(u16 x) {
    if (bf16) return __uint_as_float((u32)x << 16);
    float r;
    asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(x));
    return r;
}

DEVICE float ex2(float x) {
    float r;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
    return r;
}
DEVICE float lg2(float x) {
    float r;
    asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
    return r;
}
DEVICE float shuffle_xor(float x, int lanes) { return __shfl_xor_sync(0xffffffffu, x, lanes); }
DEVICE float infinity() { return __int_as_float(0x7f800000); }
DEVICE float bits_float(u32 x) { return __uint_as_float(x); }
DEVICE u32 float_bits(float x) { return __float_as_uint(x); }
DEVICE double bits_double(u64 x) { return __longlong_as_double((long long)x); }

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
#define HAS_FP8 1
DEVICE u16 fp8_pair(float low, float high) {
    u16 r;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(r) : "f"(high), "f"(low));
    return r;
}
#endif

#endif

// 16 bytes at once.
struct __attribute__((aligned(16))) Sixteen {
    u32 word[4];
};
