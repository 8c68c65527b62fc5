// Passes over memory, transposed copies, conversion to fp8, random inputs.

constexpr int BLOCK = 256;

KERNEL(BLOCK) stream_copy(Sixteen *a, const Sixteen *b, u64 n) {
    for (u64 i = (u64)blockIdx.x * BLOCK + threadIdx.x; i < n; i += (u64)gridDim.x * BLOCK) a[i] = b[i];
}

// a = b + 3 c (McCalpin 1995), in fp32.
KERNEL(BLOCK) stream_triad(Sixteen *a, const Sixteen *b, const Sixteen *c, u64 n) {
    for (u64 i = (u64)blockIdx.x * BLOCK + threadIdx.x; i < n; i += (u64)gridDim.x * BLOCK) {
        Sixteen x = b[i], y = c[i];
#pragma unroll
        for (int j = 0; j < 4; j++) x.word[j] = float_bits(bits_float(x.word[j]) + 3.0f * bits_float(y.word[j]));
        a[i] = x;
    }
}

// z[column][row] = x[row][column]: squares of 32 through shared memory.
template <class T> DEVICE void transpose(const T *x, T *z, u64 rows, u64 columns) {
    STATIC_SHARED(T, square, 32 * 33);
    const int side = threadIdx.x % 32, down = threadIdx.x / 32;
    const u64 squares = (columns + 31) / 32, row = blockIdx.x / squares * 32, column = blockIdx.x % squares * 32;
    for (int i = down; i < 32; i += BLOCK / 32)
        if (row + i < rows && column + side < columns) square[i * 33 + side] = x[(row + i) * columns + column + side];
    __syncthreads();
    for (int i = down; i < 32; i += BLOCK / 32)
        if (column + i < columns && row + side < rows) z[(column + i) * rows + row + side] = square[side * 33 + i];
}
KERNEL(BLOCK) transpose_1(const u8 *x, u8 *z, u64 rows, u64 columns) { transpose(x, z, rows, columns); }
KERNEL(BLOCK) transpose_2(const u16 *x, u16 *z, u64 rows, u64 columns) { transpose(x, z, rows, columns); }
KERNEL(BLOCK) transpose_4(const u32 *x, u32 *z, u64 rows, u64 columns) { transpose(x, z, rows, columns); }
KERNEL(BLOCK) transpose_8(const u64 *x, u64 *z, u64 rows, u64 columns) { transpose(x, z, rows, columns); }

// fp8 e4m3 (OCP 8-bit Floating Point Specification 1.0), to nearest even, saturating at 448; NaN stays.
DEVICE u32 to_fp8(float x) {
    const u32 bits = float_bits(x), sign = bits >> 24 & 0x80, size = bits & 0x7fffffff;
    if (size > 0x7f800000) return sign | 0x7f;
    if (size >= 0x43e80000) return sign | 0x7e; // 464 and more: the middle above 448 goes to even, which is 448 itself
    if (size < 0x3c800000) {                    // below 2^-6: steps of 2^-9
        const float steps = bits_float(size) * 512.0f + 8388608.0f;
        return sign | (float_bits(steps) & 0x7fffff);
    }
    // Keep three bits of the mantissa, and turn the bias of 127 into 7.
    const u32 rounded = size + 0x7ffff + (size >> 20 & 1);
    return sign | ((rounded >> 20) - (120 << 3));
}
#ifndef HAS_FP8
DEVICE u16 fp8_pair(float low, float high) { return (u16)(to_fp8(low) | to_fp8(high) << 8); }
#endif

// bf16 times one scale in fp8; eight numbers for each thread.
KERNEL(BLOCK) quantize(const Sixteen *x, u64 *z, float scale, u64 n) {
    for (u64 i = (u64)blockIdx.x * BLOCK + threadIdx.x; i < n; i += (u64)gridDim.x * BLOCK) {
        const Sixteen from = x[i];
        u64 to = 0;
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const float low = widen<true>((u16)from.word[j]) * scale, high = widen<true>((u16)(from.word[j] >> 16)) * scale;
            to |= (u64)fp8_pair(low, high) << 16 * j;
        }
        z[i] = to;
    }
}

// Random inputs: never zero, of both signs, sizes from 0.5 to 2, with all bits of the mantissa of their format
// (hardware is faster and cooler on numbers of few bits). Element i of stream `seed` is a hash of both
// (SplitMix64), so that the host knows every one of them.
DEVICE u64 hashed(u64 seed, u64 i) {
    u64 z = seed + (i + 1) * 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}
// Format with `mantissa` bits of mantissa below `exponent` bits of exponent, as it lies in memory.
KERNEL(BLOCK) fill(u8 *to, int bytes, int exponent, int mantissa, u64 seed, u64 n) {
    for (u64 i = (u64)blockIdx.x * BLOCK + threadIdx.x; i < n; i += (u64)gridDim.x * BLOCK) {
        const u64 h = hashed(seed, i);
        // The exponent of 0.5 or 1, the sign, the mantissa. tf32 has 10 bits of mantissa in 32.
        const u64 bias = (1ull << (exponent - 1)) - 1, power = bias - (h >> 1 & 1);
        const int low = bytes * 8 - 1 - exponent - mantissa;
        const u64 x = ((h & 1) << (bytes * 8 - 1)) | power << (mantissa + low) | (h >> 2 & ((1ull << mantissa) - 1)) << low;
        if (bytes == 1) to[i] = (u8)x;
        if (bytes == 2) ((u16 *)to)[i] = (u16)x;
        if (bytes == 4) ((u32 *)to)[i] = (u32)x;
        if (bytes == 8) ((u64 *)to)[i] = x;
    }
}
// Numbers from 0 to `limit`, for labels and rows.
KERNEL(BLOCK) fill_index(u32 *to, u32 limit, u64 seed, u64 n) {
    for (u64 i = (u64)blockIdx.x * BLOCK + threadIdx.x; i < n; i += (u64)gridDim.x * BLOCK) to[i] = (u32)(hashed(seed, i) % limit);
}

// Does nothing: what a launch costs.
KERNEL(32) nothing() {}
