# Sweeps against real parts: an array of jobs of a real Slurm on this machine, and the readers of Parquet that
# people use. Sourced by real-parts.sh, which gives work, exaplan, need and say.

mkdir -p "$work/sweep/array"
cat >"$work/sweep/study.toml" <<'TOML'
name = "Real parts"
scenario = "llama3-405b"

[[axis]]
zip = { cluster.nodes = [512, 1024, 2048], layout.data = [32, 64, 128] }

[[axis]]
path = "layout.micro_batch"
values = [1, 2, 3]

[[axis]]
path = "training.tokens"
from = "1T"
to = "16T"
n = 20
log = true

[[axis]]
path = "cost.usd_per_device_hour"
from = 1.5
to = 6.0
n = 10

[[axis]]
path = "cost.owned"
values = [false, true]
TOML
"$exaplan" sweep run "$work/sweep/study.toml" --json >"$work/sweep/run.json"
cp "$work/sweep/study.toml" "$work/sweep/array/"

# A controller and one node of two CPUs, everything below one directory and on the loopback only.
slurm=$work/slurm
need slurmctld slurm-wlm
need munged munge
mkdir -p "$slurm/state" "$slurm/spool"
chmod 755 "$work" "$slurm"
dd if=/dev/urandom of="$slurm/munge.key" bs=1024 count=1 status=none
chmod 400 "$slurm/munge.key"
node=$(hostname -s)
cat >"$slurm/slurm.conf" <<CONF
ClusterName=exaplan
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket=$slurm/munge.socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
StateSaveLocation=$slurm/state
SlurmdSpoolDir=$slurm/spool
SlurmctldPidFile=$slurm/slurmctld.pid
SlurmdPidFile=$slurm/slurmd.pid
SlurmctldLogFile=$slurm/slurmctld.log
SlurmdLogFile=$slurm/slurmd.log
NodeName=$node NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=$node Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$slurm/slurm.conf

daemons=()
end_slurm() { # in reverse, each by its own id
  local i
  for ((i = ${#daemons[@]} - 1; i >= 0; i--)); do
    kill "${daemons[i]}" 2>/dev/null || true
    wait "${daemons[i]}" 2>/dev/null || true
  done
  daemons=()
}
trap 'end_slurm; rm -rf "$work"' EXIT

munged --foreground --force --key-file="$slurm/munge.key" --socket="$slurm/munge.socket" --pid-file="$slurm/munged.pid" \
  --log-file="$slurm/munged.log" --seed-file="$slurm/munged.seed" >/dev/null 2>&1 &
daemons+=($!)
for _ in $(seq 50); do [ -S "$slurm/munge.socket" ] && break; sleep 0.1; done
slurmctld -D -f "$SLURM_CONF" >/dev/null 2>&1 &
daemons+=($!)
slurmd -D -N "$node" -f "$SLURM_CONF" >/dev/null 2>&1 &
daemons+=($!)
for _ in $(seq 120); do
  [ "$(sinfo -h -o %t 2>/dev/null)" = idle ] && break
  sleep 0.5
done
[ "$(sinfo -h -o %t)" = idle ] || { say "Slurm does not start"; tail -20 "$slurm"/*.log; exit 1; }
say "$(sinfo --version) runs a node of two CPUs"

"$exaplan" sweep submit "$work/sweep/array/study.toml" --shards 8 --cpus 1 --json >"$work/sweep/submit.json"
for _ in $(seq 600); do
  [ -z "$(squeue -h -o %i 2>/dev/null)" ] && break
  sleep 0.5
done
[ -z "$(squeue -h -o %i)" ] || { squeue; tail -n 5 "$work"/sweep/array/study.sweep/*.log; exit 1; }
"$exaplan" sweep status "$work/sweep/array/study.toml" --shards 8 --json >"$work/sweep/status.json"
"$work/venv/bin/python" - "$work/sweep" <<'PY'
import json, sys
work = sys.argv[1]
submitted, status = json.load(open(f"{work}/submit.json")), json.load(open(f"{work}/status.json"))
assert submitted["job"].isdigit() and submitted["merge_job"].isdigit(), submitted
parts = [s for s in status["shards"] if s["shard"]["count"] == 8]
assert len(parts) == 8 and all(s["state"] == "complete" for s in parts), status
assert sum(s["n_cases"] for s in parts) == json.load(open(f"{work}/run.json"))["n_cases"]
PY
# The dependent job has merged; so does a merge by hand, to the same bytes.
cmp "$work/sweep/study.parquet" "$work/sweep/array/study.parquet"
rm "$work/sweep/array/study.parquet"
"$exaplan" sweep merge "$work/sweep/array/study.toml" -q >/dev/null
cmp "$work/sweep/study.parquet" "$work/sweep/array/study.parquet"
end_slurm
unset SLURM_CONF
trap 'rm -rf "$work"' EXIT
say "an array of 8 Slurm tasks, merged, is the local run byte by byte"

# The file as DuckDB and Polars read it: types, numbers, and where it comes from.
"$work/venv/bin/pip" install --quiet --disable-pip-version-check polars
"$exaplan" plan --set cluster.nodes=1024 --set layout.data=64 --set layout.micro_batch=2 --set 'training.tokens="16T"' \
  --set cost.usd_per_device_hour=6.0 --set cost.owned=true --json >"$work/sweep/plan.json"
"$work/venv/bin/python" - "$work/sweep" <<'PY'
import duckdb, json, polars, sys
work = sys.argv[1]
file = f"{work}/array/study.parquet"
told, plan = json.load(open(f"{work}/run.json")), json.load(open(f"{work}/plan.json"))
want = {"case": "BIGINT", "cluster.nodes": "BIGINT", "training.tokens": "VARCHAR", "cost.usd_per_device_hour": "DOUBLE",
        "cost.owned": "BOOLEAN", "feasible": "BOOLEAN", "reason": "VARCHAR", "tensor": "BIGINT", "sharding": "VARCHAR",
        "step_time_s": "DOUBLE", "n_steps": "BIGINT", "wall_s": "DOUBLE", "cost_usd": "DOUBLE", "wall_p90_s": "DOUBLE"}
types = {name: kind for name, kind, *_ in duckdb.sql(f"DESCRIBE SELECT * FROM '{file}'").fetchall()}
assert {name: types[name] for name in want} == want, types
n, feasible = duckdb.sql(f"SELECT count(*), count(*) FILTER (feasible) FROM '{file}'").fetchall()[0]
assert (n, feasible) == (told["n_cases"], told["n_feasible"]), (n, feasible, told)
nulls = duckdb.sql(f"SELECT count(*) FROM '{file}' WHERE feasible = (reason IS NOT NULL) OR feasible = (wall_s IS NULL)").fetchall()[0]
assert nulls == (0,), nulls
where = "\"cluster.nodes\" = 1024 AND \"layout.micro_batch\" = 2 AND \"training.tokens\" = '16T' AND \"cost.usd_per_device_hour\" = 6.0 AND \"cost.owned\""
row = duckdb.sql(f"SELECT step_time_s, wall_s, cost_usd, energy_j FROM '{file}' WHERE {where}").fetchall()
assert row == [(plan["step"]["time_s"], plan["run"]["wall_s"], plan["bill"]["cost_usd"]["total"], plan["bill"]["energy_j"]["total"])], row
label = dict(duckdb.sql(f"SELECT decode(key), decode(value) FROM parquet_kv_metadata('{file}')").fetchall())
label = json.loads(label["exaplan.sweep"])
assert label["catalog_digest"] == plan["provenance"]["catalog_digest"] and label["study"] == "Real parts", label
frame = polars.read_parquet(file)
P = polars
dtypes = {"BIGINT": P.Int64, "VARCHAR": P.String, "DOUBLE": P.Float64, "BOOLEAN": P.Boolean}
assert frame.height == n and all(frame.schema[name] == dtypes[kind] for name, kind in want.items()), frame.schema
assert frame["case"].is_sorted() and frame.filter(P.col("feasible"))["wall_s"].min() == told["best"]["wall_s"]["value"]
print(f"real parts: DuckDB and Polars read {n} rows with the right types; the row of a case is its plan")
PY
