# Reports that must not keep anybody waiting: three scenarios with Monte Carlo, and a sweep of 100,000 cases.
# Sourced by real-parts.sh, which gives work, exaplan and say.

mkdir -p "$work/speed"
cat >"$work/speed/study.toml" <<'TOML'
name = "A hundred thousand"
scenario = "llama3-405b"

[[axis]]
zip = { cluster.nodes = [1024, 2048], layout.data = [64, 128] }

[[axis]]
path = "training.tokens"
from = "1T"
to = "16T"
n = 100

[[axis]]
path = "cost.usd_per_device_hour"
from = 1.5
to = 6.0
n = 250

[[axis]]
path = "cost.owned"
values = [false, true]
TOML
"$exaplan" sweep run "$work/speed/study.toml" -q >/dev/null
python3 - "$exaplan" "$work/speed" <<'PY'
import resource, subprocess, sys, time

exaplan, work = sys.argv[1:]


def timed(limit_s, limit_mb, *arguments):
    start = time.monotonic()
    child = subprocess.Popen([exaplan, *arguments])
    _, status, usage = __import__("os").wait4(child.pid, 0)
    took, mb = time.monotonic() - start, usage.ru_maxrss / 1024
    assert status == 0, arguments
    assert took <= limit_s and mb <= limit_mb, f"{arguments[-1]}: {took:.2f} s of {limit_s}, {mb:.0f} MB of {limit_mb}"
    return f"{arguments[-1].rsplit('.', 1)[1]} {took:.2f} s {mb:.0f} MB"


unknown = ["--samples", "10000", "--set", "unknowns.cost.usd_per_device_hour={ triangular = [2, 2.5, 4] }"]
three = ["report", "llama3-405b", ":cluster.nodes=1024,layout.data=64", ":cluster.region=eu-north-1", *unknown]
told = [timed(2, 500, *three, "-o", f"{work}/three.{kind}") for kind in ("html", "xlsx", "md")]
print("real parts: three scenarios with 10,000 samples each:", ", ".join(told))
told = [timed(10, 500, "report", f"{work}/study.parquet", "-o", f"{work}/study.{kind}") for kind in ("html", "xlsx", "md", "csv")]
print("real parts: a sweep of 100,000 cases:", ", ".join(told))
PY
"$work/venv/bin/python" - "$work/speed" <<'PY'
import csv, duckdb, openpyxl, sys
work = sys.argv[1]
n, least = duckdb.sql(f"SELECT count(*), min(cost_usd) FROM '{work}/study.parquet'").fetchall()[0]
rows = list(csv.DictReader(open(f"{work}/study.csv")))
assert n == 100000 == len(rows) and min(float(r["cost_usd"]) for r in rows if r["cost_usd"]) == least
book = openpyxl.load_workbook(f"{work}/study.xlsx", read_only=True)
assert book["Cases"].max_row == n + 1, book["Cases"].max_row
three = openpyxl.load_workbook(f"{work}/three.xlsx")
assert sum(c.data_type == "f" for sheet in three for row in sheet.iter_rows() for c in row) > 20
print("real parts: DuckDB, csv and openpyxl read the same cases")
PY
recalculate "$work/speed/three.xlsx"
"$work/venv/bin/python" tests/workbook.py sound "$work/speed/three.xlsx" "$work/out/three.xlsx"
