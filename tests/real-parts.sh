#!/usr/bin/env bash
# The program against real parts: a browser for the HTML page, a terminal for the terminal UI,
# Python for the JSON and its schema, an office suite for the workbook, a validator for the bill, NVIDIA's
# compiler for the kernels. Installs what it needs; leaves nothing in the tree.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

need() { # command, Debian package
  command -v "$1" >/dev/null 2>&1 && return
  if [ ! -e /var/lib/apt/lists/lock ] || [ -z "$(ls /var/lib/apt/lists/*Packages* 2>/dev/null)" ]; then apt-get update -qq; fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}

say() { printf 'real parts: %s\n' "$*"; }

cargo build --locked --release --quiet
exaplan=$PWD/target/release/exaplan
say "binary $(stat -c %s "$exaplan") bytes"
[ "$(stat -c %s "$exaplan")" -le $((40 * 1024 * 1024)) ] || { say "the binary is larger than 40 MiB"; exit 1; }
say "plan took $( { TIMEFORMAT=%R; time "$exaplan" plan >"$work/plan.txt"; } 2>&1 ) s (not judged: machines differ)"
grep -q 'days' "$work/plan.txt"

# JSON against its schema, by an independent validator.
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jsonschema duckdb openpyxl
"$exaplan" plan --json >"$work/plan.json"
"$exaplan" search --json >"$work/search.json"
"$exaplan" report -o "$work/step.trace.json"
"$work/venv/bin/python" - "$work" <<'PY'
import json, sys
from jsonschema import Draft202012Validator
work = sys.argv[1]
for name, file in (("plan", "plan"), ("search", "search"), ("trace", "step.trace")):
    schema = json.load(open(f"tests/schema/{name}.schema.json"))
    Draft202012Validator.check_schema(schema)
    document = json.load(open(f"{work}/{file}.json"))
    Draft202012Validator(schema).validate(document)
plan = json.load(open(f"{work}/plan.json"))
parts = sum(plan["step"]["parts"].values())
assert abs(parts / plan["step"]["time_s"] - 1) < 1e-9, (parts, plan["step"]["time_s"])
print("real parts: JSON fits its schema, parts sum to the step time")
PY

# The trace as a database reads it: spans, lanes and length of the step are those of the plan.
"$work/venv/bin/python" - "$work" <<'PY'
import duckdb, json, sys
work = sys.argv[1]
timeline = json.load(open(f"{work}/plan.json"))["timeline"]
spans = f"""(
    SELECT e.cat AS lane, e.ts AS ts, e.dur AS dur, e.args.busy_s AS busy_s, e.args.critical AS critical
    FROM (SELECT unnest(traceEvents) AS e FROM read_json('{work}/step.trace.json', maximum_object_size = 1000000000))
    WHERE e.ph = 'X')"""
lanes = duckdb.sql(f"SELECT lane, count(*), sum(busy_s) FROM {spans} GROUP BY lane").fetchall()
n, end_us, critical = duckdb.sql(f"SELECT count(*), max(ts + dur), count(*) FILTER (critical) FROM {spans}").fetchall()[0]
near = lambda a, b: abs(a - b) <= 1e-9 * abs(b)
assert n == timeline["n_spans"] and critical == timeline["critical"]["n_spans"], (n, critical, timeline)
assert sorted(lane for lane, _, _ in lanes) == sorted(t["lane"] for t in timeline["lanes"]), (lanes, timeline)
for total in timeline["lanes"]:
    count, busy_s = next((c, b) for lane, c, b in lanes if lane == total["lane"])
    assert count == total["n_spans"] and near(busy_s, total["busy_s"]), (total, count, busy_s)
assert near(end_us / 1e6, timeline["time_s"]), f"the last bar ends at {end_us / 1e6} s, the step at {timeline['time_s']} s"
print(f"real parts: DuckDB reads {n} spans of {len(lanes)} lanes that end with the step")
PY

# Workbooks in an office suite, pages in a browser, bills in FOCUS, and how long reports take.
source tests/real-parts/book.sh
source tests/real-parts/page.sh
source tests/real-parts/focus.sh
source tests/real-parts/speed.sh

# The terminal UI in a real terminal.
source tests/real-parts/tui.sh
# Benchmarks by frameworks that train.
source tests/real-parts/bench.sh
# The kernels of the cuda backend: compiled by the real compiler, run on a processor.
source tests/real-parts/cuda.sh
# Sweeps under a real scheduler, read by others.
source tests/real-parts/sweep.sh
say "all done"
