// What forward and backward of attention share. Tensors lie as [batch, head, token, width]; a width is a multiple
// of 8 and at most D, which is a multiple of 16; what lies beyond it is zero in shared memory.
// D and BF16 are defined by who compiles.

// A row of shared memory is an odd number of 16-byte pieces, so that the eight rows of ldmatrix lie in eight banks.
constexpr int LD = D + 8;
constexpr int THREADS = 128;
constexpr int KEYS = 64; // of a block

// `rows` rows of a matrix with `dim` columns, from row `first` of `seq`.
DEVICE void load_rows(u16 *tile, const u16 *from, int rows, int first, int seq, int dim) {
    for (int i = threadIdx.x; i < rows * (D / 8); i += THREADS) {
        int row = i / (D / 8), column = i % (D / 8) * 8;
        bool in = first + row < seq && column < dim;
        copy16(tile + row * LD + column, from + (in ? (u64)(first + row) * dim + column : 0), in);
    }
}

// Fragments of mma.m16n8k16 by ldmatrix; `lane` is that of the warp, `ld` the length of a row in shared memory.
// A[m][k] from rows m: 16 x 16 at (m, k).
DEVICE void load_a(u32 (&a)[4], const u16 *tile, int ld, int m, int k, int lane) {
    load4(a, tile + (m + (lane & 15)) * ld + k + (lane >> 4) * 8);
}
// The same from rows k.
DEVICE void load_a_transposed(u32 (&a)[4], const u16 *tile, int ld, int m, int k, int lane) {
    load4_transposed(a, tile + (k + (lane & 7) + (lane >> 4) * 8) * ld + m + (lane >> 3 & 1) * 8);
}
// B[k][n] from rows n: 16 x 16 at (k, n); the first half of `b` is n .. n + 7.
DEVICE void load_b(u32 (&b)[4], const u16 *tile, int ld, int n, int k, int lane) {
    load4(b, tile + (n + (lane & 7) + (lane >> 4) * 8) * ld + k + (lane >> 3 & 1) * 8);
}
// The same from rows k.
DEVICE void load_b_transposed(u32 (&b)[4], const u16 *tile, int ld, int n, int k, int lane) {
    load4_transposed(b, tile + (k + (lane & 15)) * ld + n + (lane >> 4) * 8);
}

// Sums of 16 x 16 numbers, kept as two 16 x 8 tiles, become the left operand of the next product.
DEVICE void sums_to_a(u32 (&a)[4], const float (&low)[4], const float (&high)[4]) {
    a[0] = pack<BF16>(low[0], low[1]);
    a[1] = pack<BF16>(low[2], low[3]);
    a[2] = pack<BF16>(high[0], high[1]);
    a[3] = pack<BF16>(high[2], high[3]);
}

// Sums of 16 x 16 N numbers, plus 16 rows of `left` times 16 N rows of `right`, over the whole width.
template <int N> DEVICE void add_rows_by_rows(float (&sums)[2 * N][4], const u16 *left, const u16 *right, int lane) {
#pragma unroll
    for (int d = 0; d < D / 16; d++) {
        u32 a[4];
        load_a(a, left, LD, 0, d * 16, lane);
#pragma unroll
        for (int n = 0; n < N; n++) {
            u32 b[4];
            load_b(b, right, LD, n * 16, d * 16, lane);
            mma<BF16>(sums[2 * n], a, b[0], b[1]);
            mma<BF16>(sums[2 * n + 1], a, b[2], b[3]);
        }
    }
}

// Sums of 16 x D numbers, plus 16 x 16 N weights times as many rows of `tile`.
template <int N> DEVICE void add_weighted_rows(float (&sums)[D / 8][4], const float (&weights)[2 * N][4], const u16 *tile, int lane) {
#pragma unroll
    for (int n = 0; n < N; n++) {
        u32 a[4];
        sums_to_a(a, weights[2 * n], weights[2 * n + 1]);
#pragma unroll
        for (int d = 0; d < D / 16; d++) {
            u32 b[4];
            load_b_transposed(b, tile, LD, d * 16, n * 16, lane);
            mma<BF16>(sums[2 * d], a, b[0], b[1]);
            mma<BF16>(sums[2 * d + 1], a, b[2], b[3]);
        }
    }
}
