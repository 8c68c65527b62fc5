// Element-wise work of a training step, fused as a framework fuses it: one pass over memory, sums in fp32.

DEVICE float sigmoid(float x) { return 1.0f / (1.0f + ex2(-1.44269504f * x)); }
// tanh by one exponential; it is 1 where that overflows.
DEVICE float tanh_of(float x) { return 1.0f - 2.0f / (1.0f + ex2(2.88539008f * x)); }
DEVICE float gelu(float x) { return 0.5f * x * (1.0f + tanh_of(0.79788456f * (x + 0.044715f * x * x * x))); }
DEVICE float gelu_slope(float x) {
    float t = tanh_of(0.79788456f * (x + 0.044715f * x * x * x));
    return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * 0.79788456f * (1.0f + 0.134145f * x * x);
}

#define MAP2(name, expression)                                                                   \
    KERNEL(BLOCK) name(const Element *x, const Element *y, Element *z, u64 n) {                  \
        auto f = [](float a, float b) { return expression; };                                    \
        over(                                                                                    \
            n,                                                                                   \
            [&](u64 i) {                                                                         \
                Pack a = get_pack(x, i), b = get_pack(y, i);                                     \
                for (int j = 0; j < WIDTH; j++) a.x[j] = f(a.x[j], b.x[j]);                      \
                put_pack(z, i, a);                                                               \
            },                                                                                   \
            [&](u64 i) { put(z, i, f(get(x, i), get(y, i))); });                                 \
    }

// Two gradients that meet are a sum, too.
MAP2(residual, a + b)
MAP2(gated, a *sigmoid(a) * b)
// The second is the gradient of the output.
MAP2(activation_backward, gelu_slope(a) * b)

KERNEL(BLOCK) activation(const Element *x, Element *z, u64 n) {
    over(
        n,
        [&](u64 i) {
            Pack a = get_pack(x, i);
            for (int j = 0; j < WIDTH; j++) a.x[j] = gelu(a.x[j]);
            put_pack(z, i, a);
        },
        [&](u64 i) { put(z, i, gelu(get(x, i))); });
}

KERNEL(BLOCK) gated_backward(const Element *x, const Element *y, const Element *g, Element *dx, Element *dy, u64 n) {
    auto f = [](float a, float b, float grad, float &da, float &db) {
        float s = sigmoid(a);
        da = grad * b * s * (1.0f + a * (1.0f - s));
        db = grad * a * s;
    };
    over(
        n,
        [&](u64 i) {
            Pack a = get_pack(x, i), b = get_pack(y, i), grad = get_pack(g, i), da, db;
            for (int j = 0; j < WIDTH; j++) f(a.x[j], b.x[j], grad.x[j], da.x[j], db.x[j]);
            put_pack(dx, i, da);
            put_pack(dy, i, db);
        },
        [&](u64 i) {
            float da, db;
            f(get(x, i), get(y, i), get(g, i), da, db);
            put(dx, i, da);
            put(dy, i, db);
        });
}

// Root-mean-square norm, a block for each row.
DEVICE float row_sum(const Element *x, const Element *y, u64 start, int columns, float *room) {
    float sum = 0;
    over_row(
        start, columns,
        [&](u64 i, int) {
            Pack a = get_pack(x, i), b = get_pack(y, i);
            for (int j = 0; j < WIDTH; j++) sum += a.x[j] * b.x[j];
        },
        [&](u64 i, int) { sum += get(x, i) * get(y, i); });
    return block_sum(sum, room);
}

KERNEL(BLOCK) rms_norm(const Element *x, Element *z, int columns) {
    STATIC_SHARED(float, room, BLOCK / 32);
    const u64 start = (u64)blockIdx.x * columns;
    const float factor = rsqrtf(row_sum(x, x, start, columns, room) / columns + 1e-5f);
    over_row(
        start, columns,
        [&](u64 i, int) {
            Pack a = get_pack(x, i);
            for (int j = 0; j < WIDTH; j++) a.x[j] *= factor;
            put_pack(z, i, a);
        },
        [&](u64 i, int) { put(z, i, get(x, i) * factor); });
}

KERNEL(BLOCK) rms_norm_backward(const Element *x, const Element *g, Element *dx, int columns) {
    STATIC_SHARED(float, room, BLOCK / 32);
    const u64 start = (u64)blockIdx.x * columns;
    const float factor = rsqrtf(row_sum(x, x, start, columns, room) / columns + 1e-5f);
    const float back = row_sum(x, g, start, columns, room) / columns * factor * factor;
    over_row(
        start, columns,
        [&](u64 i, int) {
            Pack a = get_pack(x, i), b = get_pack(g, i);
            for (int j = 0; j < WIDTH; j++) a.x[j] = factor * (b.x[j] - a.x[j] * back);
            put_pack(dx, i, a);
        },
        [&](u64 i, int) { put(dx, i, factor * (get(g, i) - get(x, i) * back)); });
}

// Rotary positions: the first half of a row against the second, by `sign` times 0.01 of its number.
KERNEL(BLOCK) rotary(const Element *x, Element *z, int columns, float sign) {
    const u64 start = (u64)blockIdx.x * columns;
    const int half = columns / 2;
    const float angle = sign * 0.01f * (float)blockIdx.x, c = cosf(angle), s = sinf(angle);
    if (half % WIDTH == 0 && columns % WIDTH == 0)
        for (int i = threadIdx.x * WIDTH; i < half; i += BLOCK * WIDTH) {
            Pack a = get_pack(x, start + i), b = get_pack(x, start + half + i), to;
            for (int j = 0; j < WIDTH; j++) {
                to.x[j] = a.x[j] * c - b.x[j] * s;
                b.x[j] = a.x[j] * s + b.x[j] * c;
            }
            put_pack(z, start + i, to);
            put_pack(z, start + half + i, b);
        }
    else
        for (int i = threadIdx.x; i < half; i += BLOCK) {
            float a = get(x, start + i), b = get(x, start + half + i);
            put(z, start + i, a * c - b * s);
            put(z, start + half + i, a * s + b * c);
        }
    // What has no other half stays.
    if (columns % 2 == 1 && threadIdx.x == 0) put(z, start + columns - 1, get(x, start + columns - 1));
}

// Cross-entropy, a block for each row: one pass with a running maximum, in powers of two.
KERNEL(BLOCK) loss(const Element *x, const u32 *label, float *lse, float *out, int columns) {
    STATIC_SHARED(float, room, BLOCK / 32);
    const u64 start = (u64)blockIdx.x * columns;
    const float log2e = 1.44269504f;
    float most = -infinity(), sum = 0;
    auto add = [&](float value) {
        float top = fmaxf(most, value);
        sum = sum * ex2((most - top) * log2e) + ex2((value - top) * log2e);
        most = top;
    };
    over_row(
        start, columns,
        [&](u64 i, int) {
            Pack a = get_pack(x, i);
            for (int j = 0; j < WIDTH; j++) add(a.x[j]);
        },
        [&](u64 i, int) { add(get(x, i)); });
    const float top = block_max(most, room);
    const float total = block_sum(most > -infinity() ? sum * ex2((most - top) * log2e) : 0.0f, room);
    if (threadIdx.x == 0) {
        lse[blockIdx.x] = top + lg2(total) / log2e;
        out[blockIdx.x] = lse[blockIdx.x] - get(x, start + label[blockIdx.x]);
    }
}

KERNEL(BLOCK) loss_backward(const Element *x, const u32 *label, const float *lse, Element *dx, int columns) {
    const u64 start = (u64)blockIdx.x * columns;
    const float log2e = 1.44269504f, total = lse[blockIdx.x];
    const int mine = (int)label[blockIdx.x];
    auto f = [&](float value, int column) { return ex2((value - total) * log2e) - (column == mine ? 1.0f : 0.0f); };
    over_row(
        start, columns,
        [&](u64 i, int column) {
            Pack a = get_pack(x, i);
            for (int j = 0; j < WIDTH; j++) a.x[j] = f(a.x[j], column + j);
            put_pack(dx, i, a);
        },
        [&](u64 i, int column) { put(dx, i, f(get(x, i), column)); });
}

// Rows of a table by index; backward adds them up in fp32.
KERNEL(BLOCK) embedding(const Element *table, const u32 *index, Element *out, int columns) {
    const u64 start = (u64)blockIdx.x * columns, from = (u64)index[blockIdx.x] * columns;
    over_row(
        start, columns, [&](u64 i, int column) { put_pack(out, i, get_pack(table, from + column)); },
        [&](u64 i, int column) { put(out, i, get(table, from + column)); });
}

KERNEL(BLOCK) embedding_backward(const Element *g, const u32 *index, float *table, int columns) {
    const u64 start = (u64)blockIdx.x * columns, to = (u64)index[blockIdx.x] * columns;
    over_row(
        start, columns,
        [&](u64 i, int column) {
            Pack a = get_pack(g, i);
            for (int j = 0; j < WIDTH; j++) atomicAdd(table + to + column + j, a.x[j]);
        },
        [&](u64 i, int column) { atomicAdd(table + to + column, get(g, i)); });
}

// Adam in fp32, as the Python runners have it: the norm of the gradient, then the step.
KERNEL(BLOCK) square_sum(const float *g, float *out, u64 n) {
    STATIC_SHARED(float, room, BLOCK / 32);
    float sum = 0;
    for (u64 i = (u64)blockIdx.x * BLOCK + threadIdx.x; i < n; i += (u64)gridDim.x * BLOCK) sum += g[i] * g[i];
    sum = block_sum(sum, room);
    if (threadIdx.x == 0) atomicAdd(out, sum);
}

KERNEL(BLOCK) adam(float *w, float *m, float *v, const float *g, u64 n) {
    for (u64 i = (u64)blockIdx.x * BLOCK + threadIdx.x; i < n; i += (u64)gridDim.x * BLOCK) {
        float mean = 0.9f * m[i] + 0.1f * g[i], square = 0.95f * v[i] + 0.05f * g[i] * g[i];
        m[i] = mean;
        v[i] = square;
        w[i] -= 1e-3f * (mean / (sqrtf(square) + 1e-8f) + 0.1f * w[i]);
    }
}
