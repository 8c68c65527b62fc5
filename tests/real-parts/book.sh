# Workbooks in an office suite: recalculated as they stand, and with two assumptions changed. Sourced by
# real-parts.sh, which gives work, exaplan, need and say.

need soffice libreoffice-calc-nogui
recalculate() { # book: what LibreOffice makes of it lies in $work/out; rewriting drops the cached values
  "$work/venv/bin/python" tests/workbook.py change "$1" "$work/bare.xlsx"
  mkdir -p "$work/out"
  timeout 120 soffice --headless "-env:UserInstallation=file://$work/office" --convert-to xlsx --outdir "$work/out" \
    "$work/bare.xlsx" >/dev/null 2>&1
  mv "$work/out/bare.xlsx" "$work/out/$(basename "$1")"
}
for way in false true; do
  "$exaplan" report --set cost.owned=$way --force -o "$work/book.xlsx"
  "$exaplan" plan --set cost.owned=$way --json >"$work/book.json"
  recalculate "$work/book.xlsx"
  "$work/venv/bin/python" tests/workbook.py same "$work/book.xlsx" "$work/book.json" "$work/out/book.xlsx"
  "$work/venv/bin/python" tests/workbook.py change "$work/book.xlsx" "$work/changed.xlsx" \
    rent_usd_per_device_hour=3.21 electricity_usd_per_kwh=0.123
  "$exaplan" plan --set cost.owned=$way --set cost.usd_per_device_hour=3.21 \
    --set region.us-east-1.electricity_usd_per_kwh=0.123 --json >"$work/changed.json"
  recalculate "$work/changed.xlsx"
  "$work/venv/bin/python" tests/workbook.py near "$work/changed.json" "$work/out/changed.xlsx"
done
for name in '=1+41414' '+41414' '-41414' '@SUM(A41414)'; do
  "$exaplan" report --set "name=\"$name\"" --force -o "$work/hostile.xlsx"
  "$work/venv/bin/python" tests/workbook.py hostile "$work/hostile.xlsx" "$name"
  "$exaplan" report llama3-405b ":name=\"$name\"" --force -o "$work/hostile.xlsx"
  "$work/venv/bin/python" tests/workbook.py hostile "$work/hostile.xlsx" "$name"
  "$exaplan" search --set "name=\"$name\"" --force -o "$work/hostile.xlsx"
  "$work/venv/bin/python" tests/workbook.py hostile "$work/hostile.xlsx" "$name"
done

# Every other kind of book: opened by another program, recalculated, no cell an error.
mkdir -p "$work/books"
cat >"$work/books/study.toml" <<'TOML'
name = "Books"
scenario = "llama3-405b"

[[axis]]
path = "training.tokens"
values = ["8T", "16T"]

[[axis]]
path = "cost.usd_per_device_hour"
values = [2, 3, 4]
TOML
"$exaplan" sweep run "$work/books/study.toml" -q >/dev/null
"$exaplan" report "$work/books/study.parquet" -o "$work/books/sweep.xlsx"
"$exaplan" report llama3-405b :cluster.nodes=1024,layout.data=64 :cost.owned=true -o "$work/books/compare.xlsx"
"$exaplan" report --samples 200 --set 'unknowns.cost.usd_per_device_hour={ triangular = [2, 2.5, 4] }' -o "$work/books/drawn.xlsx"
"$exaplan" search --top 30 -o "$work/books/search.xlsx"
"$exaplan" size --deadline 60d --accelerators h100-sxm-80gb,b200-sxm -o "$work/books/size.xlsx"
"$exaplan" validate -o "$work/books/validate.xlsx"
for name in sweep compare drawn search size validate; do
  recalculate "$work/books/$name.xlsx"
  "$work/venv/bin/python" tests/workbook.py sound "$work/books/$name.xlsx" "$work/out/$name.xlsx"
done
