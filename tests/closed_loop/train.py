"""Trains one small model with JAX on this machine and prints the seconds of each step as JSON.

GPT: layer norm, learned positions, GELU. Llama: root-mean-square norm, rotary positions, SwiGLU, grouped heads.
Activations are [token, width]: with [sequence, token, width] XLA transposes before each weight gradient, which
takes three times as long on a host. fp32, Adam, no dropout, no biases; query, key and value are one product, gate and up another, as the planner
lowers them. Two devices are two data-parallel ranks that share the processors of the host.
"""
import json
import os
import sys
import time

config = json.loads(sys.argv[1])
devices = config["devices"]
if devices > 1:
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"

import jax
import jax.numpy as jnp
import numpy as np

h, layers, seq = config["hidden"], config["layers"], config["seq"]
batch, heads, kv = config["batch"] // devices, config["heads"], config["kv_heads"]
ffn, vocab, llama = config["ffn"], config["vocab"], config["family"] == "llama"
width = h // heads


def norm(x, gain):
    if llama:
        return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) * gain
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred * centred).mean(-1, keepdims=True) + 1e-5) * gain


def rotary(x):
    t = jnp.arange(seq)[:, None] * (10000.0 ** (-jnp.arange(width // 2) / (width // 2)))
    cos, sin = jnp.cos(t)[None, :, None], jnp.sin(t)[None, :, None]
    a, b = x[..., : width // 2], x[..., width // 2 :]
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], -1)


def layer(x, p):
    y = norm(x, p["norm1"]) @ p["qkv"]
    q = y[:, : heads * width].reshape(batch, seq, heads, width)
    k = y[..., heads * width : (heads + kv) * width].reshape(batch, seq, kv, width)
    v = y[..., (heads + kv) * width :].reshape(batch, seq, kv, width)
    if llama:
        q, k = rotary(q), rotary(k)
    x = x + jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(batch * seq, h) @ p["out"]
    y = norm(x, p["norm2"]) @ p["up"]
    y = jax.nn.silu(y[..., :ffn]) * y[..., ffn:] if llama else jax.nn.gelu(y, approximate=True)
    return x + y @ p["down"]


def loss(p, tokens, labels):
    x = p["embedding"][tokens.reshape(-1)]
    if not llama:
        x = x + jnp.tile(p["position"], (batch, 1))
    for one in p["layers"]:
        x = layer(x, one)
    logits = norm(x, p["norm"]) @ p["head"]
    top = jax.lax.stop_gradient(logits.max(-1, keepdims=True))
    total = jnp.log(jnp.exp(logits - top).sum(-1)) + top[..., 0]
    return (total - jnp.take_along_axis(logits, labels.reshape(-1)[:, None], -1)[..., 0]).mean()


def made(rng):
    drawn = lambda *shape: jnp.asarray(rng.normal(0, 0.02, shape), jnp.float32)
    one = lambda: {
        "norm1": jnp.ones(h),
        "qkv": drawn(h, (heads + 2 * kv) * width),
        "out": drawn(h, h),
        "norm2": jnp.ones(h),
        "up": drawn(h, 2 * ffn if llama else ffn),
        "down": drawn(ffn, h),
    }
    p = {"embedding": drawn(vocab, h), "layers": [one() for _ in range(layers)], "norm": jnp.ones(h), "head": drawn(h, vocab)}
    if not llama:
        p["position"] = drawn(seq, h)
    return p


def step(state, tokens, labels):
    p, m, v = state
    value, g = jax.value_and_grad(loss)(p, tokens, labels)
    if devices > 1:
        g = jax.tree.map(lambda x: jax.lax.psum(x, "d") / devices, g)
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = jax.tree.map(lambda v, g: 0.95 * v + 0.05 * g * g, v, g)
    p = jax.tree.map(lambda p, m, v: p - 1e-3 * (m / (jnp.sqrt(v) + 1e-8) + 0.1 * p), p, m, v)
    return (p, m, v), value[None]


rng = np.random.default_rng(1)
p = made(rng)
state = (p, jax.tree.map(jnp.zeros_like, p), jax.tree.map(jnp.zeros_like, p))
tokens = jnp.asarray(rng.integers(0, vocab, (batch * devices, seq)))
labels = jnp.asarray(rng.integers(0, vocab, (batch * devices, seq)))
if devices > 1:
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:devices]), ("d",))
    P = jax.sharding.PartitionSpec
    run = jax.jit(
        jax.shard_map(step, mesh=mesh, in_specs=(P(), P("d"), P("d")), out_specs=(P(), P("d")), check_vma=False), donate_argnums=0
    )
    put = lambda x, s: jax.device_put(x, jax.sharding.NamedSharding(mesh, s))
    state = jax.tree.map(lambda x: put(x, P()), state)
    tokens, labels = put(tokens, P("d")), put(labels, P("d"))
else:
    run = jax.jit(step, donate_argnums=0)
times, losses = [], []
end = time.perf_counter() + config["seconds"]
for i in range(config["most_steps"] + 3):
    begin = time.perf_counter()
    state, value = jax.block_until_ready(run(state, tokens, labels))
    if i >= 3:
        times.append(time.perf_counter() - begin)
    losses.append(float(value.mean()))
    if len(times) >= 5 and time.perf_counter() > end:
        break
# It trains: the loss of a batch that is seen again and again falls.
assert losses[-1] < losses[0] - 0.05, losses
print(json.dumps({"step_s": times, "losses": [losses[0], losses[-1]]}))
