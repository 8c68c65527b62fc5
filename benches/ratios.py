"""The kernels of `bench --backend cpu` beside those of NumPy and JAX on this machine, and its all-reduce beside
the bound of its own memory stream, in one run.

    python benches/ratios.py --exaplan target/release/exaplan --python PYTHON_WITH_JAX

Each pair is measured in turns, `--rounds` times; a ratio is that of the medians of a round, and what is told is
the median of rounds. Above 1, ours is faster. Fails below 0.85 for products, 0.8 for the others.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys

OTHERS = """
import json, sys, time
import numpy as np

def timed(call, budget_s=2.0):
    end = time.perf_counter() + budget_s
    call(), call()
    times = []
    while len(times) < 5 or (time.perf_counter() < end and len(times) < 400):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    times.sort()
    return times[len(times) // 2]

for line in sys.stdin:
    ask = json.loads(line)
    rng = np.random.default_rng(1)
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)
    if ask["op"] == "gemm":
        a, b, c = draw(ask["n"], ask["n"]), draw(ask["n"], ask["n"]), draw(ask["n"], ask["n"])
        print(timed(lambda: np.matmul(a, b, out=c)), flush=True)
        continue
    import jax
    q = draw(ask["batch"], ask["seq"], ask["heads"], ask["dim"])
    k, v = (draw(ask["batch"], ask["seq"], ask["kv_heads"], ask["dim"]) for _ in "kv")
    core = lambda q, k, v: jax.nn.dot_product_attention(q, k, v, is_causal=True)
    if ask["backward"]:
        kept = jax.jit(lambda *x: jax.vjp(core, *x))(q, k, v)[1]
        run = jax.jit(lambda kept, g: kept(g))
        g = jax.numpy.asarray(q)
        print(timed(lambda: jax.block_until_ready(run(kept, g))), flush=True)
    else:
        run = jax.jit(core)
        args = [jax.numpy.asarray(x) for x in (q, k, v)]
        print(timed(lambda: jax.block_until_ready(run(*args))), flush=True)
"""


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--exaplan", default="target/release/exaplan")
    args.add_argument("--python", default=sys.executable, help="a Python that has NumPy and JAX")
    args.add_argument("--rounds", type=int, default=5)
    args.add_argument("--what", choices=["gemm", "attention", "all-reduce"], action="append")
    args = args.parse_args()
    # What pins an OpenBLAS to another processor than this one would slow it.
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS")}
    threads = str(len(os.sched_getaffinity(0)))
    clean |= {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
    theirs = subprocess.Popen([args.python, "-c", OTHERS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean)

    def other(**ask):
        theirs.stdin.write(json.dumps(ask) + "\n")
        theirs.stdin.flush()
        return float(theirs.stdout.readline())

    def ours(*words):
        call = [args.exaplan, "bench", "run", "--backend", "cpu", "--threads", threads, "--json", "-q", *words]
        return json.loads(subprocess.run(call, check=True, capture_output=True, text=True, env=clean).stdout)["measurements"]

    rows, missed = [], []

    def told(name, unit, least, rounds):
        ratios = sorted(other / own for own, other in rounds)
        middle = statistics.median(ratios)
        own, other_s = (statistics.median(x) for x in zip(*rounds))
        rows.append((name, f"{own * 1e3:.3g}", f"{other_s * 1e3:.3g}", unit, f"{middle:.2f}", f"{ratios[0]:.2f} to {ratios[-1]:.2f}"))
        print(*rows[-1], sep=" | ", file=sys.stderr)
        if middle < least:
            missed.append(name)

    what = args.what or ["gemm", "attention", "all-reduce"]
    for n in [1024, 2048, 4096] if "gemm" in what else []:
        rounds = []
        for _ in range(args.rounds):
            mine = ours("--suite", "gemm", "--matrix", str(n), "--budget", "6s")
            rounds.append((next(m["median_s"] for m in mine if m["op"] == "gemm-fp32"), other(op="gemm", n=n)))
        told(f"gemm fp32, n = {n}", "NumPy", 0.85, rounds)
    if "attention" in what:
        rounds = {}
        for _ in range(args.rounds):
            for m in ours("--suite", "attention", "--budget", "20s"):
                batch, seq, heads, kv, dim = map(int, re.fullmatch(r"batch=(\d+) seq=(\d+) heads=(\d+)/(\d+) dim=(\d+) causal", m["shape"]).groups())
                ask = dict(op="attention", batch=batch, seq=seq, heads=heads, kv_heads=kv, dim=dim, backward="backward" in m["op"])
                rounds.setdefault((m["op"], m["shape"]), []).append((m["median_s"], other(**ask)))
        for (op, shape), list_ in sorted(rounds.items()):
            told(f"{op}, {shape}", "JAX", 0.8, list_)
    if "all-reduce" in what:
        rounds = {}
        for _ in range(args.rounds):
            # The buffers of all ranks are read and written: 2 x ranks x buffer, at the rate of a copy of as much.
            for m in ours("--suite", "collective", "--budget", "10s"):
                ranks, size = (int(re.search(rf"{k}=(\d+)", m["shape"])[1]) for k in ("ranks", "bytes"))
                if m["op"] != "all-reduce" or size < 1 << 20:
                    continue
                copy = next(s for s in ours("--suite", "stream", "--buffer", f"{ranks * size} B", "--budget", "3s") if s["op"] == "copy")
                rounds.setdefault(m["shape"], []).append((m["median_s"], 2 * ranks * size / copy["bytes_per_s"]))
        for shape, list_ in rounds.items():
            told(f"all-reduce, {shape}", "stream bound", 0.8, list_)
    theirs.stdin.close()
    print("| kernel | ours, ms | other, ms | other | ratio | of rounds |\n|---|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    if missed:
        sys.exit("ratios: too slow: " + "; ".join(missed))


main()
