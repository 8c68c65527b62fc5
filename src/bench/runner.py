"""Times kernels with a framework's own operations, for `exaplan bench --backend jax|torch`.

Speaks JSON lines: first what the machine is, then one answer for each request line. Each operation is checked
against float64 before it is timed. Nothing here knows a prediction.
"""
import json
import os
import sys
import time


def median(values):
    values = sorted(values)
    n = len(values)
    return values[n // 2] if n % 2 else 0.5 * (values[n // 2 - 1] + values[n // 2])


def timed(call, protocol):
    """Warm up, then repeat until the interval of the median is narrow or the budget ends; seconds of each run."""
    start = time.perf_counter()
    for _ in range(max(1, protocol["n_warm_up"])):
        begin = time.perf_counter()
        call()
        if time.perf_counter() - start + (time.perf_counter() - begin) > protocol["budget_s"] / 4:
            break
    durations = []
    while True:
        begin = time.perf_counter()
        call()
        last = time.perf_counter() - begin
        durations.append(last)
        n = len(durations)
        if n >= protocol["max_repeats"]:
            break
        if time.perf_counter() - start + last > protocol["budget_s"]:
            break
        if n >= protocol["min_repeats"] and n % 5 == 0:
            ordered = sorted(durations)
            # As `median_rank` of clock.rs for large n: 1.96 standard deviations of sqrt(n)/2 ranks.
            rank = max(0, int((n - 1.96 * n**0.5) / 2) - 1)
            middle = median(durations)
            reach = max(ordered[n - 1 - rank] - middle, middle - ordered[rank])
            if n >= 6 and reach <= protocol["target_fraction"] * middle:
                break
    return durations


def close(found, exact, scale=None):
    """Largest difference over the size of the terms, and how many elements were compared."""
    found = np.asarray(found, dtype=np.float64)
    size = np.abs(exact).max() if scale is None else scale
    return float(np.max(np.abs(found - exact) / np.maximum(size, 1e-30))), int(found.size)


def rows_of(n, most=16):
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(int))


def gemm_reference(item, a, b, c):
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if item["operands"] == "tn":
        a = a.T
    if item["operands"] == "nt":
        b = b.T
    rows = rows_of(item["m"])
    return close(np.asarray(c, dtype=np.float64)[rows], a[rows] @ b, np.abs(a[rows]) @ np.abs(b))


def attention_reference(item, q, k, v, g, results):
    """Of the first sequence and first key head, in float64: output, or gradients of query, key and value."""
    group = item["heads"] // item["kv_heads"]
    s = item["seq_tokens"]
    # A causal query needs no key after it: a long sequence is checked by its beginning.
    part = s if s <= 2048 or not item["causal"] else 1024
    q, g = (np.asarray(x[0, :part, :group], dtype=np.float64).transpose(1, 0, 2) for x in (q, g))
    k, v = (np.asarray(x[0, :part, 0], dtype=np.float64) for x in (k, v))
    scale = item["head_dim"] ** -0.5
    scores = q @ k.T * scale
    if item["causal"]:
        scores = np.where(np.tril(np.ones((part, part), bool)), scores, -np.inf)
    p = np.exp(scores - scores.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    out = p @ v
    if item["pass"] == "forward":
        found = np.asarray(results[0][0, :part, :group], dtype=np.float64).transpose(1, 0, 2)
        return close(found, out)
    dp = g @ v.T
    ds = p * (dp - (g * out).sum(-1, keepdims=True)) * scale
    dq, dk, dv = results
    pairs = [(np.asarray(dq[0, :part, :group], dtype=np.float64).transpose(1, 0, 2), ds @ k)]
    if part == s:
        pairs.append((dk[0, :, 0], (ds.transpose(0, 2, 1) @ q).sum(0)))
        pairs.append((dv[0, :, 0], (p.transpose(0, 2, 1) @ g).sum(0)))
    errors = [close(f, e) for f, e in pairs]
    return max(e for e, _ in errors), sum(n for _, n in errors)


def limit_of(item):
    """What rounding explains, relative to the size of the terms."""
    eps = {"fp64": 2.3e-16, "fp32": 1.2e-7, "tf32": 1e-3, "bf16": 7.9e-3, "fp16": 9.8e-4}.get(item.get("dtype"), 1e-6)
    depth = item.get("k") or item.get("seq_tokens") or item.get("columns") or 16
    return 4 * eps * max(2.0, depth**0.5) if item["op"] != "gemm" else 2 * eps * max(2.0, depth**0.5)


def host_memory():
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def random(rng, shape):
    """Never zero, of both signs: some hardware is faster and cooler on zeros."""
    return ((0.5 + rng.random(shape)) * rng.choice([-1.0, 1.0], shape)).astype(np.float32)


TABLE_ROWS = 8192


class Jax:
    def __init__(self, devices):
        if devices > 1:
            flags = os.environ.get("XLA_FLAGS", "")
            os.environ["XLA_FLAGS"] = f"{flags} --xla_force_host_platform_device_count={devices}"
        import jax
        import jax.numpy as jnp

        self.jax, self.jnp = jax, jnp
        found = jax.devices()
        if len(found) < devices:
            raise RuntimeError(f"{devices} devices wanted, JAX sees {len(found)}")
        self.devices = found[:devices]
        self.n = devices
        self.host = found[0].platform == "cpu"
        self.types = {"fp32": jnp.float32, "bf16": jnp.bfloat16, "fp16": jnp.float16}
        self.mesh = jax.sharding.Mesh(np.array(self.devices), ("d",))
        one = self.jit(lambda x: x + 1)
        x = self.put(np.ones(1, np.float32))
        self.call_s = median(timed(lambda: self.wait(one(x)), dict(n_warm_up=20, min_repeats=200, max_repeats=400, target_fraction=0.0, budget_s=5.0)))

    def hello(self):
        version = self.jax.__version__
        return {
            "device": f"{self.devices[0].device_kind} ({self.devices[0].platform}, JAX)",
            "software": [f"JAX {version}", f"jaxlib {self.jax.lib.__version__}"],
            "n_devices": self.n,
            "is_host": self.host,
            "memory_bytes": host_memory() if self.host else None,
            "call_s": self.call_s,
            "dtypes": ["fp32"] if self.host else list(self.types),
            "ops": ["stream", "gemm", "attention", "fused"] + (["collective"] if self.n > 1 else []),
            "ranks": self.n,
        }

    # Every device runs the same at the same time, as data-parallel ranks do: arrays have a leading axis of devices.
    def jit(self, f, donate=()):
        tree = self.jax.tree_util.tree_map
        if self.n == 1:
            return self.jax.jit(f, donate_argnums=donate)
        spec = self.jax.sharding.PartitionSpec("d")
        inner = lambda *xs: tree(lambda y: y[None], f(*tree(lambda x: x[0], xs)))
        return self.jax.jit(self.jax.shard_map(inner, mesh=self.mesh, in_specs=spec, out_specs=spec, check_vma=False), donate_argnums=donate)

    def put(self, x, dtype=None):
        x = self.jnp.asarray(x, dtype=self.types.get(dtype)) if dtype else self.jnp.asarray(x)
        if self.n == 1:
            return self.jax.device_put(x, self.devices[0])
        spec = self.jax.sharding.NamedSharding(self.mesh, self.jax.sharding.PartitionSpec("d"))
        return self.jax.device_put(self.jnp.stack([x] * self.n), spec)

    def get(self, x):
        return np.asarray(x[0] if self.n > 1 else x)

    def wait(self, x):
        return self.jax.block_until_ready(x)

    def prepare(self, item, rng):
        """A call without arguments, and a check of its result."""
        return getattr(self, item["op"])(item, rng)

    def stream(self, item, rng):
        n = item["bytes"] // 4
        b, c = (self.put(random(rng, n)) for _ in range(2))
        if item["stream"] == "copy":
            f = self.jit(lambda b: -b)
            return lambda: self.wait(f(b)), lambda r: close(self.get(r)[:4096], -self.get(b)[:4096].astype(np.float64)), "negation of fp32"
        f = self.jit(lambda b, c: b + 3 * c)
        exact = self.get(b)[:4096].astype(np.float64) + 3.0 * self.get(c)[:4096]
        return lambda: self.wait(f(b, c)), lambda r: close(self.get(r)[:4096], exact), "b + 3 c in fp32"

    def gemm(self, item, rng):
        m, n, k, how = item["m"], item["n"], item["k"], item["operands"]
        a = self.put(random(rng, (k, m) if how == "tn" else (m, k)), item["dtype"])
        b = self.put(random(rng, (n, k) if how == "nt" else (k, n)), item["dtype"])
        dims = (((0 if how == "tn" else 1,), (1 if how == "nt" else 0,)), ((), ()))
        f = self.jit(lambda a, b: self.jax.lax.dot_general(a, b, dims))
        return lambda: self.wait(f(a, b)), lambda r: gemm_reference(item, self.get(a), self.get(b), self.get(r)), "lax.dot_general"

    def attention(self, item, rng):
        shape = lambda heads: (item["batch"], item["seq_tokens"], heads, item["head_dim"])
        q, k, v, g = (self.put(random(rng, shape(h)), item["dtype"]) for h in (item["heads"], item["kv_heads"], item["kv_heads"], item["heads"]))
        core = lambda q, k, v: self.jax.nn.dot_product_attention(q, k, v, is_causal=item["causal"])
        # What training runs: forward keeps what backward needs.
        forward = self.jit(lambda q, k, v: self.jax.vjp(core, q, k, v))
        inputs = [self.get(x) for x in (q, k, v, g)]
        name = "jax.nn.dot_product_attention"
        if item["pass"] == "forward":
            return lambda: self.wait(forward(q, k, v)), lambda r: attention_reference(item, *inputs, [self.get(r[0])]), name
        kept = self.wait(forward(q, k, v))[1]
        backward = self.jit(lambda kept, g: kept(g))
        return lambda: self.wait(backward(kept, g)), lambda r: attention_reference(item, *inputs, [self.get(x) for x in r]), name + ", backward"

    def collective(self, item, rng):
        jax, n = self.jax, self.n
        size = max(1, item["bytes"] // 4 // n) * n
        kind = item["collective"]
        x = self.put(random(rng, size // n if kind == "all-gather" else size))
        f = {
            "all-reduce": lambda x: jax.lax.psum(x, "d"),
            "all-gather": lambda x: jax.lax.all_gather(x, "d", tiled=True),
            "reduce-scatter": lambda x: jax.lax.psum_scatter(x, "d", tiled=True),
            "all-to-all": lambda x: jax.lax.all_to_all(x, "d", 0, 0, tiled=True),
        }[kind]
        f = self.jit(f)
        one = self.get(x).astype(np.float64)
        exact = {
            "all-reduce": n * one,
            "all-gather": np.tile(one, n),
            "reduce-scatter": n * one[: size // n],
            "all-to-all": np.tile(one[: size // n], n),
        }[kind]
        return lambda: self.wait(f(x)), lambda r: close(self.get(r), exact), f"XLA {kind}"

    def fused(self, item, rng):
        jax, jnp = self.jax, self.jnp
        rows, columns, dtype = item["rows"], item["columns"], item["dtype"]
        kind = item["fused"]
        drawn = lambda: self.put(random(rng, (rows, columns)), dtype)
        f, args = fused_of(kind, jnp, jax, drawn, lambda: self.put(rng.integers(0, min(columns, TABLE_ROWS), rows)), columns)
        if kind == "embedding":
            table = self.put(random(rng, (TABLE_ROWS, columns)), dtype)
            index = self.put(rng.integers(0, TABLE_ROWS, rows))
            f, args = (lambda t, i: t[i]), [table, index]
        if kind == "adam":
            step = self.jit(adam(jnp), donate=(0, 1, 2))
            state = [drawn(), drawn(), self.put(np.abs(random(rng, (rows, columns))), dtype)]
            gradient = drawn()
            exact = adam(np)(*(self.get(x).astype(np.float64) for x in (*state, gradient)))

            def call():
                state[:] = self.wait(step(*state, gradient))
                return [self.get(state[0])] if len(done) == 0 else None

            done = []

            def check(result):
                done.append(1)
                return close(result[0], exact[0])

            return call, check, "Adam, buffers donated"
        if item["pass"] == "forward":
            run = self.jit(f)
            call = lambda: self.wait(run(*args))
        else:
            # What has no gradient (indices) is closed over.
            real = [i for i, a in enumerate(args) if jnp.issubdtype(a.dtype, jnp.floating)]

            def back(g, *args):
                part = lambda *moving: f(*[moving[real.index(i)] if i in real else a for i, a in enumerate(args)])
                return jax.vjp(part, *[args[i] for i in real])[1](g)

            out = self.jit(f)(*args)
            g = out * 0 + 1
            run = self.jit(back)
            call = lambda: self.wait(run(g, *args))
        # The same in float64 on the host: forward values; backward along a random direction.
        def check(result):
            return fused_reference(kind, item, [self.get(a) for a in args], result, self.get)

        return call, check, f"jit of {kind}"


def adam(xp):
    def step(w, m, v, g):
        m = 0.9 * m + 0.1 * g
        v = 0.95 * v + 0.05 * g * g
        return w - 1e-3 * (m / (xp.sqrt(v) + 1e-8) + 0.1 * w), m, v

    return step


def fused_of(kind, xp, jax, drawn, labels, columns):
    """The function and its arguments."""
    if kind == "norm":
        return (lambda x: x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5)), [drawn()]
    if kind == "residual":
        return (lambda x, y: x + y), [drawn(), drawn()]
    if kind == "activation":
        return (lambda x: jax.nn.gelu(x, approximate=True)), [drawn()]
    if kind == "gated":
        return (lambda x, y: jax.nn.silu(x) * y), [drawn(), drawn()]
    if kind == "rotary":
        half = columns // 2

        def rotate(x):
            t = xp.arange(x.shape[0])[:, None] * 0.01
            a, b = x[:, :half], x[:, half : 2 * half]
            return xp.concatenate([a * xp.cos(t) - b * xp.sin(t), a * xp.sin(t) + b * xp.cos(t)], -1)

        return rotate, [drawn()]
    if kind == "loss":

        def loss(x, y):
            top = jax.lax.stop_gradient(x.max(-1, keepdims=True))
            total = xp.log(xp.exp(x - top).sum(-1)) + top[:, 0]
            return total - xp.take_along_axis(x, y[:, None], -1)[:, 0]

        return loss, [drawn(), labels()]
    if kind == "transpose":
        return (lambda x: xp.swapaxes(x, 0, 1) * 1.0), [drawn()]
    return None, []


def fused_reference(kind, item, args, result, get):
    """Some rows of the forward in float64; of the backward that it is finite and, where simple, right."""
    rows = rows_of(item["rows"], 8)
    if item["pass"] == "backward":
        values = [np.asarray(get(r), dtype=np.float64) for r in result]
        if kind == "residual":
            return close(values[0], np.ones_like(values[0]))
        if kind == "loss":
            x = args[0][rows].astype(np.float64)
            p = np.exp(x - x.max(-1, keepdims=True))
            p /= p.sum(-1, keepdims=True)
            p[np.arange(len(rows)), args[1][rows]] -= 1
            return close(values[0][rows], p)
        return (0.0 if all(np.isfinite(v).all() for v in values) else float("nan")), sum(v.size for v in values)
    x = args[0][rows].astype(np.float64) if kind != "embedding" else None
    found = np.asarray(get(result), dtype=np.float64)
    if kind == "norm":
        exact = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)
    elif kind == "residual":
        exact = x + args[1][rows]
    elif kind == "activation":
        exact = 0.5 * x * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * x**3)))
    elif kind == "gated":
        exact = x / (1 + np.exp(-x)) * args[1][rows]
    elif kind == "rotary":
        half, t = item["columns"] // 2, rows[:, None] * 0.01
        a, b = x[:, :half], x[:, half : 2 * half]
        exact = np.concatenate([a * np.cos(t) - b * np.sin(t), a * np.sin(t) + b * np.cos(t)], -1)
    elif kind == "loss":
        exact = np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1)) + x.max(-1) - x[np.arange(len(rows)), args[1][rows]]
    elif kind == "embedding":
        exact = args[0][args[1][rows]].astype(np.float64)
    else:
        return close(found[:, rows].T, x)
    return close(found[rows], exact)


class Torch:
    def __init__(self, devices):
        import torch

        self.torch = torch
        if devices > 1:
            raise RuntimeError("the torch runner drives one device; JAX drives several in one process")
        kinds = [("cuda", torch.cuda.is_available()), ("xpu", hasattr(torch, "xpu") and torch.xpu.is_available())]
        mps = getattr(torch.backends, "mps", None)
        kinds.append(("mps", mps is not None and mps.is_available()))
        self.kind = next((k for k, there in kinds if there), "cpu")
        self.types = {"fp64": torch.float64, "fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
        x = torch.ones(1, device=self.kind)
        self.call_s = None
        self.call_s = median(timed(lambda: self.wait(x + 1), dict(n_warm_up=20, min_repeats=200, max_repeats=400, target_fraction=0.0, budget_s=5.0)))

    def hello(self):
        torch = self.torch
        name = torch.cuda.get_device_name() if self.kind == "cuda" else self.kind
        hip = getattr(torch.version, "hip", None)
        versions = [f"PyTorch {torch.__version__}"] + ([f"CUDA {torch.version.cuda}"] if torch.version.cuda else []) + ([f"HIP {hip}"] if hip else [])
        return {
            "device": f"{name} (PyTorch)",
            "software": versions,
            "n_devices": 1,
            "is_host": self.kind == "cpu",
            "memory_bytes": host_memory() if self.kind == "cpu" else None,
            "call_s": self.call_s,
            "dtypes": ["fp32"] if self.kind == "cpu" else (["fp32", "bf16", "fp16"] + (["fp64"] if self.kind == "cuda" else [])),
            "ops": ["stream", "gemm", "attention"],
            "ranks": 1,
        }

    def put(self, x, dtype="fp32"):
        return self.torch.from_numpy(np.ascontiguousarray(x)).to(self.kind, self.types[dtype])

    def get(self, x):
        return x.detach().to("cpu", self.torch.float64).numpy()

    def wait(self, x):
        if self.kind in ("cuda", "xpu", "mps"):
            getattr(self.torch, self.kind).synchronize()
        return x

    def prepare(self, item, rng):
        return getattr(self, item["op"])(item, rng)

    def stream(self, item, rng):
        n = item["bytes"] // 4
        a, b, c = (self.put(random(rng, n)) for _ in range(3))
        if item["stream"] == "copy":
            return lambda: self.wait(a.copy_(b)), lambda r: close(self.get(r)[:4096], self.get(b)[:4096]), "copy_"
        exact = self.get(b)[:4096] + 3.0 * self.get(c)[:4096]
        return lambda: self.wait(self.torch.add(b, c, alpha=3.0, out=a)), lambda r: close(self.get(r)[:4096], exact), "add with alpha"

    def gemm(self, item, rng):
        m, n, k, how = item["m"], item["n"], item["k"], item["operands"]
        a = self.put(random(rng, (k, m) if how == "tn" else (m, k)), item["dtype"])
        b = self.put(random(rng, (n, k) if how == "nt" else (k, n)), item["dtype"])
        left, right = (a.T if how == "tn" else a), (b.T if how == "nt" else b)
        return lambda: self.wait(left @ right), lambda r: gemm_reference(item, self.get(a), self.get(b), self.get(r)), "torch.matmul"

    def attention(self, item, rng):
        torch = self.torch
        shape = lambda heads: (item["batch"], item["seq_tokens"], heads, item["head_dim"])
        q, k, v, g = (self.put(random(rng, shape(h)), item["dtype"]) for h in (item["heads"], item["kv_heads"], item["kv_heads"], item["heads"]))
        for x in (q, k, v):
            x.requires_grad_(True)
        group = item["heads"] // item["kv_heads"]

        def core():
            wide = lambda x: x.transpose(1, 2).repeat_interleave(group, 1) if group > 1 else x.transpose(1, 2)
            return torch.nn.functional.scaled_dot_product_attention(q.transpose(1, 2), wide(k), wide(v), is_causal=item["causal"]).transpose(1, 2)

        inputs = [self.get(x) for x in (q, k, v, g)]
        name = "scaled_dot_product_attention"
        if item["pass"] == "forward":
            return lambda: self.wait(core()), lambda r: attention_reference(item, *inputs, [self.get(r)]), name
        out = core()
        run = lambda: self.wait(torch.autograd.grad(out, (q, k, v), g, retain_graph=True))
        return run, lambda r: attention_reference(item, *inputs, [self.get(x) for x in r]), name + ", backward"


def answer(framework, request):
    item, protocol = request["item"], request["protocol"]
    call, check, kernel = framework.prepare(item, np.random.default_rng(request["seed"]))
    error, n_checked = check(call())
    limit = limit_of(item)
    if not error <= limit:
        return {"error": f"wrong result: relative error {error:.1e}, rounding explains {limit:.1e}"}
    durations = timed(call, protocol)
    if framework.call_s:
        # What a call costs besides its kernel; never more than four fifths of the time.
        durations = [max(d - framework.call_s, 0.2 * d) for d in durations]
    return {"durations_s": durations, "kernel": kernel, "max_error_fraction": error, "n_checked": n_checked}


def main():
    name, devices = sys.argv[1], int(sys.argv[2])
    # What a library prints goes elsewhere: this pipe carries answers only.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    say = lambda value: (out.write(json.dumps(value) + "\n"), out.flush())
    try:
        global np
        import numpy as np

        framework = {"jax": Jax, "torch": Torch}[name](devices)
        say({"hello": framework.hello()})
    except Exception as e:
        say({"error": f"{type(e).__name__}: {e}"})
        return
    for line in sys.stdin:
        try:
            say(answer(framework, json.loads(line)))
        except KeyboardInterrupt:
            return
        except Exception as e:
            say({"error": f"{type(e).__name__}: {str(e)[:500]}"})


try:
    main()
except KeyboardInterrupt:
    pass
