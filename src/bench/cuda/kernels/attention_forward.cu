// Attention forward: blocks of 64 queries and keys, online softmax (Dao 2023, arXiv 2307.08691, algorithm 1).
// Four warps with 16 queries each. The floor of exaplan: it needs no framework, and no training runs it.

constexpr int QUERIES = 64;

KERNEL(THREADS)
attention_forward(const u16 *q, const u16 *k, const u16 *v, u16 *out, float *lse, int seq, int heads, int kv_heads, int dim,
                  float scale_log2) {
    SHARED(u16, shared);
    u16 *tile_q = shared, *tile_k = tile_q + QUERIES * LD, *tile_v = tile_k + KEYS * LD;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, group = lane / 4, pair = lane % 4 * 2;
    // The last queries see most keys: they begin first.
    const int first = (int)(gridDim.x - 1 - blockIdx.x) * QUERIES;
    const u64 head = (u64)blockIdx.z * heads + blockIdx.y;
    const u64 kv_head = (u64)blockIdx.z * kv_heads + blockIdx.y / (heads / kv_heads);
    const u64 size = (u64)seq * dim;
    q += head * size;
    out += head * size;
    lse += head * seq;
    k += kv_head * size;
    v += kv_head * size;

    load_rows(tile_q, q, QUERIES, first, seq, dim);
    load_rows(tile_k, k, KEYS, 0, seq, dim);
    copy_commit();

    float sums[D / 8][4] = {}, most[2] = {-infinity(), -infinity()}, total[2] = {0, 0};
    const int seen = CAUSAL && first + QUERIES < seq ? first + QUERIES : seq;
    const int row = warp * 16;
    u32 left[D / 16][4];
    for (int key = 0; key < seen; key += KEYS) {
        copy_wait<0>();
        __syncthreads();
        load_rows(tile_v, v, KEYS, key, seq, dim);
        copy_commit();
        if (key == 0)
#pragma unroll
            for (int d = 0; d < D / 16; d++) load_a(left[d], tile_q, LD, row, d * 16, lane);

        float scores[KEYS / 8][4] = {};
#pragma unroll
        for (int d = 0; d < D / 16; d++)
#pragma unroll
            for (int n = 0; n < KEYS / 16; n++) {
                u32 b[4];
                load_b(b, tile_k, LD, n * 16, d * 16, lane);
                mma<BF16>(scores[2 * n], left[d], b[0], b[1]);
                mma<BF16>(scores[2 * n + 1], left[d], b[2], b[3]);
            }
        if (key + KEYS > seq || (CAUSAL && key + KEYS > first + row + 1))
#pragma unroll
            for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    int column = key + n * 8 + pair + i % 2, at = first + row + group + i / 2 * 8;
                    if (column >= seq || (CAUSAL && column > at)) scores[n][i] = -infinity();
                }

#pragma unroll
        for (int half = 0; half < 2; half++) {
            float top = most[half];
#pragma unroll
            for (int n = 0; n < KEYS / 8; n++) top = fmaxf(top, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
            top = fmaxf(top, shuffle_xor(top, 1));
            top = fmaxf(top, shuffle_xor(top, 2));
            // Key 0 is seen by every query, so `top` is finite from the first block on.
            float keep = ex2((most[half] - top) * scale_log2), sum = 0;
            most[half] = top;
#pragma unroll
            for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
                for (int i = 2 * half; i < 2 * half + 2; i++) {
                    scores[n][i] = ex2((scores[n][i] - top) * scale_log2);
                    sum += scores[n][i];
                }
            total[half] = total[half] * keep + sum;
#pragma unroll
            for (int n = 0; n < D / 8; n++) {
                sums[n][2 * half] *= keep;
                sums[n][2 * half + 1] *= keep;
            }
        }

        copy_wait<0>();
        __syncthreads();
        if (key + KEYS < seen) load_rows(tile_k, k, KEYS, key + KEYS, seq, dim);
        copy_commit();
        add_weighted_rows<KEYS / 16>(sums, scores, tile_v, lane);
    }

#pragma unroll
    for (int half = 0; half < 2; half++) {
        float sum = total[half];
        sum += shuffle_xor(sum, 1);
        sum += shuffle_xor(sum, 2);
        int at = first + row + group + half * 8;
        if (at >= seq) continue;
        if (pair == 0) lse[at] = most[half] * scale_log2 + lg2(sum);
#pragma unroll
        for (int n = 0; n < D / 8; n++)
            if (n * 8 < dim)
                *(u32 *)(out + (u64)at * dim + n * 8 + pair) = pack<BF16>(sums[n][2 * half] / sum, sums[n][2 * half + 1] / sum);
    }
}
