# Bills in FOCUS against the public validator and the linter of 1.4, and a disk that is full. Sourced by
# real-parts.sh, which gives work, exaplan and say.

# The validator needs Python 3.12 or newer; older ones are offered old rules.
focus_python=
for candidate in python3.12 python3.13 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[23]*/bin/python3 python3; do
  if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 12) <= sys.version_info < (3, 14))' 2>/dev/null; then
    focus_python=$candidate
    break
  fi
done
[ -n "$focus_python" ] || { say "focus-validator 2.2.1 needs Python 3.12 or 3.13, and none is here: install python3.12, or one under pyenv"; exit 1; }
"$focus_python" -m venv "$work/focus"
"$work/focus/bin/pip" install --quiet --disable-pip-version-check 'focus-validator==2.2.1' 'pyarrow<22' 'focus-data-toolkit==0.14.1'

mkdir -p "$work/bills"
bill() { # name, arguments of the report
  "$exaplan" report "${@:2}" -o "$work/bills/$1.focus.csv"
  "$exaplan" report check "$work/bills/$1.focus.csv" >/dev/null
}
bill cloud
bill spot --set cost.commitment=spot --set cost.usd_per_device_hour=1.2 --set reliability.spares=40
bill owned --set cost.owned=true
bill life --set cost.owned=true --focus-scope life --set finance.default.residual_fraction=0.2
bill full --set cost.commitment=1-year --set cost.tax_fraction=0.19 --set 'cost.egress="100 TB"' --set 'cost.data_licences="3 MUSD"' \
  --set 'name="=1+1"' --starting 2031-11
for name in cloud life full; do
  case $name in
    life) more=(--set cost.owned=true --focus-scope life --set finance.default.residual_fraction=0.2) ;;
    full) more=(--set cost.commitment=1-year --set cost.tax_fraction=0.19) ;;
    *) more=() ;;
  esac
  bill "$name-1.4" --focus-version 1.4 "${more[@]}"
  "$work/focus/bin/focus-toolkit" validate --dataset cost-and-usage "$work/bills/$name-1.4.focus.csv" >"$work/toolkit.txt" \
    || { say "focus-toolkit refuses $name"; cat "$work/toolkit.txt"; exit 1; }
done
say "the linter of FOCUS 1.4 passes three bills"

# It opens a file of its own by a relative path, and exits with 0 whatever it finds.
site=$(dirname "$(find "$work/focus/lib" -type d -name focus_validator)")
criteria=TAGGING,UNIT_PRICING,USAGE_MEASUREMENT,REGION,SUB_ACCOUNT,MULTIPLE_PRICING_CATEGORIES,PUBLIC_PRICE_LIST,NEGOTIATED_PRICING,RESOURCE_TYPE_ASSIGNMENT,BILLING_BASED_ON_PROVISIONED_RESOURCES
criteria=$(printf '%s_SUPPORTED' "${criteria//,/_SUPPORTED,}")
for name in cloud spot owned life full; do
  for with in "" "$criteria"; do
    (cd "$site" && "$work/focus/bin/focus-validator" --data-file "$work/bills/$name.focus.csv" --validate-version 1.2 --block-download \
      --output-type console --show-violations ${with:+--applicability-criteria "$with"}) >"$work/validator.txt" 2>&1
    total=$(grep -E '^Total:' "$work/validator.txt") || { say "focus-validator says no total"; tail -20 "$work/validator.txt"; exit 1; }
    # An estimate has no invoice: C-005 wants its id, C-004 forbids it.
    if grep -E '^❌' "$work/validator.txt" | grep -v '^❌ InvoiceId-C-005-C:'; then say "focus-validator refuses $name"; exit 1; fi
    [ "$(grep -c -E '^❌' "$work/validator.txt")" = "$(sed -E 's/.*Fail: ([0-9]+).*/\1/' <<<"$total")" ] || { say "$total"; exit 1; }
    passed=$(sed -E 's/.*Pass: ([0-9]+).*/\1/' <<<"$total")
    [ "$passed" -ge 136 ] || { say "focus-validator looked at too little: $total"; exit 1; }
  done
done
say "focus-validator 2.2.1 finds nothing but the rule that contradicts another: $total"

# The bill is the plan's, read by another program.
"$exaplan" plan --json >"$work/bill-plan.json"
"$work/venv/bin/python" - "$work" <<'PY'
import csv, hashlib, json, sys
work = sys.argv[1]
text = open(f"{work}/bills/cloud.focus.csv", newline="").read()
rows = list(csv.DictReader(text.splitlines()))
told = json.load(open(f"{work}/bills/cloud.focus.manifest.json"))
total = json.load(open(f"{work}/bill-plan.json"))["bill"]["cost_usd"]["total"]
assert abs(sum(float(r["EffectiveCost"]) for r in rows) - total) < 0.01, total
assert told["sha256"] == hashlib.sha256(text.encode()).hexdigest() and told["n_rows"] == len(rows), told
life = list(csv.DictReader(open(f"{work}/bills/life.focus.csv")))
billed, effective = (sum(float(r[c]) for r in life) for c in ("BilledCost", "EffectiveCost"))
assert abs(billed - effective) < 0.01, (billed, effective)
print("real parts: a bill sums to the plan within a cent; over a life cash and accrual are the same")
PY

# Manifest and check in JSON against their schemas, by an independent validator.
"$exaplan" report check "$work/bills/cloud.focus.csv" --json >"$work/bill-check.json"
"$work/venv/bin/python" - "$work" <<'PY'
import json, sys
from jsonschema import Draft202012Validator
work = sys.argv[1]
for name, file in (("focus-manifest", "bills/cloud.focus.manifest"), ("focus-check", "bill-check")):
    schema = json.load(open(f"tests/schema/{name}.schema.json"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(json.load(open(f"{work}/{file}.json")))
print("real parts: manifest and check of a bill fit their schemas")
PY

# A disk that is full: told, and nothing half-written.
if mkdir "$work/small" && mount -t tmpfs -o size=16k tmpfs "$work/small" 2>/dev/null; then
  mkdir -p "$work/sweep-full"
  printf 'name = "s"\nscenario = "llama3-405b"\n[[axis]]\npath = "training.tokens"\nfrom = "1T"\nto = "2T"\nn = 100\n[[axis]]\npath = "cost.usd_per_device_hour"\nfrom = 1\nto = 2\nn = 10\n' \
    >"$work/sweep-full/s.toml"
  "$exaplan" sweep run "$work/sweep-full/s.toml" -q >/dev/null
  two="llama3-405b :layout.data=128"
  sweep="$work/sweep-full/s.parquet"
  for asked in "|plan.html" "|plan.xlsx" "|plan.md" "|plan.txt" "|plan.json" "|step.trace.json" "|estimate.focus.csv" \
    "$two|two.html" "$two|two.xlsx" "$sweep|sweep.html" "$sweep|sweep.xlsx" "$sweep|sweep.csv"; do
    file=${asked##*|}
    # Smaller files than the disk would fit: it is filled first.
    head -c 12k /dev/zero >"$work/small/filler"
    # shellcheck disable=SC2086
    if "$exaplan" report ${asked%%|*} -o "$work/small/$file" 2>"$work/full.txt"; then say "$file was written on a full disk"; umount "$work/small"; exit 1; fi
    grep -q 'cannot write' "$work/full.txt" || { say "no word of a full disk"; cat "$work/full.txt"; umount "$work/small"; exit 1; }
    rm "$work/small/filler"
    [ -z "$(ls -A "$work/small")" ] || { ls -la "$work/small"; say "$file was half-written"; umount "$work/small"; exit 1; }
  done
  printf 'old' >"$work/small/plan.html"
  if "$exaplan" report -o "$work/small/plan.html" --force 2>/dev/null; then umount "$work/small"; exit 1; fi
  [ "$(cat "$work/small/plan.html")" = old ] || { say "a full disk took the old file"; umount "$work/small"; exit 1; }
  umount "$work/small"
  say "a full disk is told of and leaves nothing half-written"
else
  say "no tmpfs can be mounted here: the full disk is left to the tests with /dev/full"
fi
