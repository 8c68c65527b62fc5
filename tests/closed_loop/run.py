"""Real training steps on this machine against the plan from a profile that `bench --backend jax` measured on it.

    python tests/closed_loop/run.py --exaplan target/release/exaplan --python PYTHON_WITH_JAX --table tests/closed_loop/TABLE.md

Nothing of the training is given to the planner: it knows shapes, and times of kernels measured alone. Fails when
the median error is above 12 % or the worst above 35 %.
"""
import argparse
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

# family, hidden, layers, heads, kv heads, feed-forward, sequence, batch, devices
CONFIGS = [
    ("gpt", 256, 2, 4, 4, 1024, 128, 8, 1),
    ("gpt", 256, 8, 4, 4, 1024, 256, 4, 1),
    ("gpt", 512, 4, 8, 8, 2048, 256, 4, 1),
    ("gpt", 512, 2, 8, 8, 2048, 1024, 1, 1),
    ("gpt", 1024, 2, 16, 16, 4096, 256, 2, 1),
    ("llama", 256, 4, 4, 2, 768, 512, 2, 1),
    ("llama", 512, 4, 8, 4, 1536, 512, 2, 1),
    ("llama", 512, 8, 8, 2, 1536, 128, 8, 1),
    ("llama", 1024, 2, 16, 4, 2816, 512, 1, 1),
    ("gpt", 256, 4, 4, 4, 1024, 512, 4, 2),
    ("gpt", 512, 4, 8, 8, 2048, 256, 4, 2),
    ("llama", 512, 2, 8, 4, 1536, 1024, 2, 2),
    ("llama", 256, 8, 4, 2, 768, 128, 8, 2),
    ("llama", 1024, 2, 16, 4, 2816, 256, 2, 2),
]
KEYS = ["family", "hidden", "layers", "heads", "kv_heads", "ffn", "seq", "batch", "devices"]
VOCAB = 8192


def scenario(c, devices):
    """As the planner reads it. For deriving kernels: one device with its own share of the batch."""
    llama = "true" if c["family"] == "llama" else "false"
    learned = "false" if c["family"] == "llama" else "true"
    share = c["batch"] // c["devices"]
    return f"""format = 1
name = "closed loop"
[model]
layers = {c["layers"]}
hidden = {c["hidden"]}
heads = {c["heads"]}
kv_heads = {c["kv_heads"]}
ffn_hidden = {c["ffn"]}
gated_ffn = {llama}
vocab = {VOCAB}
learned_positions = {learned}
[training]
tokens = "100M"
sequence = {c["seq"]}
global_batch = "{share * devices} sequences"
precision = "fp32"
[cluster]
node = "cpu-host"
nodes = 1
region = "us-east-1"
[software]
stack = "cpu-host"
[layout]
tensor = 1
pipeline = 1
data = {devices}
micro_batch = {share}
sharding = "none"
recompute = "none"
"""


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--exaplan", default="target/release/exaplan")
    args.add_argument("--python", default=sys.executable, help="a Python that has JAX")
    args.add_argument("--budget", default="240s", help="of each of the two profiles")
    args.add_argument("--seconds", type=float, default=8.0, help="of each training")
    args.add_argument("--table", help="write the table here")
    args.add_argument("--keep", help="a folder for profiles and scenarios")
    args.add_argument("--only", type=int, help="the first so many configurations: a trial, not judged")
    args = args.parse_args()
    folder = pathlib.Path(args.keep or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    configs = [dict(zip(KEYS, c)) for c in CONFIGS][: args.only]
    call = lambda *words: subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True).stdout
    rows = []
    for devices in sorted({c["devices"] for c in configs}):
        group = [c for c in configs if c["devices"] == devices]
        given = []
        for i, c in enumerate(group):
            file = folder / f"derive-{devices}-{i}.toml"
            file.write_text(scenario(c, 1))
            given += ["--scenario", file]
        profile = folder / f"jax-{devices}.toml"
        call(args.exaplan, "bench", "run", "--backend", "jax", "--python", args.python, "--devices", devices,
             "--only", "--budget", args.budget, "--fresh", "-o", profile, "-q", *given)
        for i, c in enumerate(group):
            file = folder / f"plan-{devices}-{i}.toml"
            file.write_text(scenario(c, devices))
            plan = json.loads(call(args.exaplan, "plan", file, "--profile", profile, "--json"))
            told = dict(c, vocab=VOCAB, seconds=args.seconds, most_steps=200)
            trained = json.loads(call(args.python, pathlib.Path(__file__).with_name("train.py"), json.dumps(told)))
            measured, planned = statistics.median(trained["step_s"]), plan["step"]["time_s"]
            spread = statistics.quantiles(trained["step_s"], n=10)
            rows.append((c, measured, spread, planned, planned / measured - 1, plan["step"]["parts"]))
            print(f"{c}: measured {measured * 1e3:.1f} ms, planned {planned * 1e3:.1f} ms, {planned / measured - 1:+.1%}", file=sys.stderr)
    errors = [abs(r[4]) for r in rows]
    median, worst = statistics.median(errors), max(errors)
    lines = [
        "# Closed loop: training steps of JAX on this host, planned and measured",
        "",
        f"{platform.processor() or platform.machine()}, {call(args.exaplan, '--version').strip()}; profiles by "
        f"`bench run --backend jax`, {args.budget} each; made by `tests/closed_loop/run.py`.",
        "",
        "| model | hidden | layers | heads | seq | batch | devices | measured, ms | 10 to 90 % | planned, ms | error |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for c, measured, spread, planned, error, _ in rows:
        lines.append(
            f"| {c['family']} | {c['hidden']} | {c['layers']} | {c['heads']}/{c['kv_heads']} | {c['seq']} | {c['batch']} | {c['devices']} "
            f"| {measured * 1e3:.1f} | {spread[0] * 1e3:.1f} to {spread[-1] * 1e3:.1f} | {planned * 1e3:.1f} | {error:+.1%} |"
        )
    lines += ["", f"Median error {median:.1%}, worst {worst:.1%}."]
    text = "\n".join(lines) + "\n"
    print(text)
    if args.table:
        pathlib.Path(args.table).write_text(text)
    if args.only is None and (median > 0.12 or worst > 0.35):
        sys.exit("closed loop: the error is above 12 % in the median or 35 % at worst")


main()
