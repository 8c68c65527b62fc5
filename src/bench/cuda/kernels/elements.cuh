// Element-wise kernels read and write 16 bytes at a time. TYPE: 0 for fp32, 1 for bf16, 2 for fp16.

#if TYPE == 0
typedef float Element;
#else
typedef u16 Element;
#endif
constexpr int WIDTH = 16 / sizeof(Element);
constexpr int BLOCK = 256;

DEVICE float get(const Element *from, u64 i) {
#if TYPE == 0
    return from[i];
#else
    return widen<TYPE == 1>(from[i]);
#endif
}
DEVICE void put(Element *to, u64 i, float x) {
#if TYPE == 0
    to[i] = x;
#else
    to[i] = (u16)pack<TYPE == 1>(x, 0.0f);
#endif
}

struct Pack {
    float x[WIDTH];
};
DEVICE Pack get_pack(const Element *from, u64 i) {
    Sixteen raw = *(const Sixteen *)(from + i);
    Pack out;
#pragma unroll
    for (int j = 0; j < WIDTH; j++) {
#if TYPE == 0
        out.x[j] = bits_float(raw.word[j]);
#else
        out.x[j] = widen<TYPE == 1>((u16)(raw.word[j / 2] >> j % 2 * 16));
#endif
    }
    return out;
}
DEVICE void put_pack(Element *to, u64 i, const Pack &p) {
    Sixteen raw;
#pragma unroll
    for (int j = 0; j < 4; j++) {
#if TYPE == 0
        raw.word[j] = float_bits(p.x[j]);
#else
        raw.word[j] = pack<TYPE == 1>(p.x[2 * j], p.x[2 * j + 1]);
#endif
    }
    *(Sixteen *)(to + i) = raw;
}

// Over all threads of the grid, 16 bytes at a time as long as there are so many: `whole(i)` for packs, `single(i)`
// for the rest.
template <class Whole, class Single> DEVICE void over(u64 n, Whole whole, Single single) {
    const u64 step = (u64)gridDim.x * BLOCK, packs = n / WIDTH, me = (u64)blockIdx.x * BLOCK + threadIdx.x;
    for (u64 i = me; i < packs; i += step) whole(i * WIDTH);
    for (u64 i = packs * WIDTH + me; i < n; i += step) single(i);
}
// The same over a row of one block; rows whose length is no multiple of WIDTH begin anywhere.
template <class Whole, class Single> DEVICE void over_row(u64 start, int columns, Whole whole, Single single) {
    const bool aligned = columns % WIDTH == 0;
    if (aligned)
        for (int i = threadIdx.x * WIDTH; i < columns; i += BLOCK * WIDTH) whole(start + i, i);
    else
        for (int i = threadIdx.x; i < columns; i += BLOCK) single(start + i, i);
}

DEVICE float block_sum(float x, float *room) {
    for (int lanes = 16; lanes > 0; lanes /= 2) x += shuffle_xor(x, lanes);
    __syncthreads();
    if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = x;
    __syncthreads();
    float sum = 0;
    for (int i = 0; i < BLOCK / 32; i++) sum += room[i];
    return sum;
}
DEVICE float block_max(float x, float *room) {
    for (int lanes = 16; lanes > 0; lanes /= 2) x = fmaxf(x, shuffle_xor(x, lanes));
    __syncthreads();
    if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = x;
    __syncthreads();
    float top = room[0];
    for (int i = 1; i < BLOCK / 32; i++) top = fmaxf(top, room[i]);
    return top;
}
