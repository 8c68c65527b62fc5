// Attention backward (Dao 2023, arXiv 2307.08691, algorithm 2): a block holds 64 keys and walks over the queries of
// all heads that share them; gradients of queries are added up in fp32. Scores are formed transposed, keys by
// queries, so that each warp owns 16 keys. The floor of exaplan: it needs no framework, and no training runs it.

constexpr int QUERIES = D <= 64 ? 64 : 32;
constexpr int LQ = QUERIES + 8;
// Tiles of 16 queries, and how many warps share the width of one when gradients of queries are formed.
constexpr int ROWS = QUERIES / 16, SHARE = 4 / ROWS;
// Steps of 16 columns of each warp; the last ones of some warps may lie beyond D.
constexpr int STEPS = (D / 16 + SHARE - 1) / SHARE;

// Sum over the width of output times its gradient, a warp for each row.
KERNEL(THREADS)
attention_delta(const u16 *out, const u16 *d_out, float *delta, u64 rows, int dim) {
    const u64 row = (u64)blockIdx.x * (THREADS / 32) + threadIdx.x / 32;
    float sum = 0;
    if (row < rows)
        for (int i = threadIdx.x % 32; i < dim; i += 32) sum += widen<BF16>(out[row * dim + i]) * widen<BF16>(d_out[row * dim + i]);
    for (int lanes = 16; lanes > 0; lanes /= 2) sum += shuffle_xor(sum, lanes);
    if (row < rows && threadIdx.x % 32 == 0) delta[row] = sum;
}

KERNEL(THREADS)
attention_backward(const u16 *q, const u16 *k, const u16 *v, const u16 *d_out, const float *lse, const float *delta, float *dq, u16 *dk,
                   u16 *dv, int seq, int heads, int kv_heads, int dim, float scale, float scale_log2) {
    SHARED(u16, shared);
    u16 *tile_k = shared, *tile_v = tile_k + KEYS * LD, *tile_q = tile_v + KEYS * LD, *tile_g = tile_q + QUERIES * LD;
    u16 *tile_s = tile_g + QUERIES * LD;
    float *row_lse = (float *)(tile_s + KEYS * LQ), *row_delta = row_lse + QUERIES;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, group = lane / 4, pair = lane % 4 * 2;
    const int first = (int)blockIdx.x * KEYS, mine = warp * 16;
    const u64 kv_head = (u64)blockIdx.z * kv_heads + blockIdx.y;
    const u64 size = (u64)seq * dim;
    const int sharing = heads / kv_heads;

    load_rows(tile_k, k + kv_head * size, KEYS, first, seq, dim);
    load_rows(tile_v, v + kv_head * size, KEYS, first, seq, dim);
    copy_commit();
    float sums_k[D / 8][4] = {}, sums_v[D / 8][4] = {};

    for (int member = 0; member < sharing; member++) {
        const u64 head = (u64)blockIdx.z * heads + blockIdx.y * sharing + member;
        for (int query = CAUSAL ? first / QUERIES * QUERIES : 0; query < seq; query += QUERIES) {
            __syncthreads();
            load_rows(tile_q, q + head * size, QUERIES, query, seq, dim);
            load_rows(tile_g, d_out + head * size, QUERIES, query, seq, dim);
            copy_commit();
            for (int i = threadIdx.x; i < QUERIES; i += THREADS) {
                bool in = query + i < seq;
                row_lse[i] = in ? lse[head * seq + query + i] : 0;
                row_delta[i] = in ? delta[head * seq + query + i] : 0;
            }
            copy_wait<0>();
            __syncthreads();

            // Scores, transposed, and what softmax makes of them.
            float p[QUERIES / 8][4] = {};
            add_rows_by_rows<ROWS>(p, tile_k + mine * LD, tile_q, lane);
#pragma unroll
            for (int n = 0; n < QUERIES / 8; n++)
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    int column = n * 8 + pair + i % 2, at = query + column, key = first + mine + group + i / 2 * 8;
                    bool seen = at < seq && key < seq && !(CAUSAL && key > at);
                    p[n][i] = seen ? ex2(p[n][i] * scale_log2 - row_lse[column]) : 0;
                }
            add_weighted_rows<ROWS>(sums_v, p, tile_g, lane);

            // Gradients of the weights of softmax, then of the scores.
            float ds[QUERIES / 8][4] = {};
            add_rows_by_rows<ROWS>(ds, tile_v + mine * LD, tile_g, lane);
#pragma unroll
            for (int n = 0; n < QUERIES / 8; n++) {
#pragma unroll
                for (int i = 0; i < 4; i++) ds[n][i] = p[n][i] * (ds[n][i] - row_delta[n * 8 + pair + i % 2]);
                u16 *to = tile_s + (mine + group) * LQ + n * 8 + pair;
                *(u32 *)to = pack<BF16>(ds[n][0], ds[n][1]);
                *(u32 *)(to + 8 * LQ) = pack<BF16>(ds[n][2], ds[n][3]);
            }
            add_weighted_rows<ROWS>(sums_k, ds, tile_q, lane);
            __syncthreads();

            // Gradients of the queries: 16 rows and a part of the width for each warp.
            const int part = warp % ROWS * 16;
            float sums_q[2 * STEPS][4] = {};
#pragma unroll
            for (int n = 0; n < KEYS / 16; n++) {
                u32 a[4];
                load_a_transposed(a, tile_s, LQ, part, n * 16, lane);
#pragma unroll
                for (int d = 0; d < STEPS; d++) {
                    int column = (warp / ROWS * STEPS + d) * 16;
                    if (column >= D) continue;
                    u32 b[4];
                    load_b_transposed(b, tile_k, LD, column, n * 16, lane);
                    mma<BF16>(sums_q[2 * d], a, b[0], b[1]);
                    mma<BF16>(sums_q[2 * d + 1], a, b[2], b[3]);
                }
            }
#pragma unroll
            for (int d = 0; d < 2 * STEPS; d++)
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    int column = warp / ROWS * STEPS * 16 + d * 8 + pair + i % 2, at = query + part + group + i / 2 * 8;
                    if (at < seq && column < dim) atomicAdd(dq + head * size + (u64)at * dim + column, sums_q[d][i] * scale);
                }
        }
    }

#pragma unroll
    for (int half = 0; half < 2; half++) {
        int at = first + mine + group + half * 8;
        if (at >= seq) continue;
#pragma unroll
        for (int n = 0; n < D / 8; n++)
            if (n * 8 < dim) {
                u64 to = kv_head * size + (u64)at * dim + n * 8 + pair;
                *(u32 *)(dk + to) = pack<BF16>(sums_k[n][2 * half] * scale, sums_k[n][2 * half + 1] * scale);
                *(u32 *)(dv + to) = pack<BF16>(sums_v[n][2 * half], sums_v[n][2 * half + 1]);
            }
    }
}

// Gradients of the queries in 16 bits; `pairs` of them.
KERNEL(256)
attention_narrow(const float *from, u32 *to, u64 pairs) {
    for (u64 i = (u64)blockIdx.x * 256 + threadIdx.x; i < pairs; i += (u64)gridDim.x * 256) to[i] = pack<BF16>(from[2 * i], from[2 * i + 1]);
}
