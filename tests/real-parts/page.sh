# Pages in a browser, by an HTML validator and by axe. Sourced by real-parts.sh, which gives work, exaplan, need and say.

need chromium chromium
need npm npm
mkdir -p "$work/node" "$work/pages" "$work/shots"
(cd "$work/node" && echo '{"private":true}' >package.json \
  && npm install --silent --no-audit --no-fund puppeteer-core@24 axe-core@4 html-validate@10 >/dev/null 2>&1) \
  || { say "npm cannot install puppeteer-core, axe-core and html-validate"; exit 1; }

"$exaplan" report --samples 2000 --set 'unknowns.cost.usd_per_device_hour={ triangular = [2, 2.5, 4] }' -o "$work/pages/plan.html"
"$exaplan" report --set cost.owned=true --set 'name="<b>&\"=1+1 a name without an end aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"' -o "$work/pages/owned.html"
"$exaplan" report llama3-405b :cluster.nodes=1024,layout.data=64 :cluster.region=eu-north-1 -o "$work/pages/compare.html"
"$exaplan" search --top 30 -o "$work/pages/search.html"
"$exaplan" validate -o "$work/pages/validate.html"
"$exaplan" size --deadline 60d -o "$work/pages/size.html"
cat >"$work/pages/study.toml" <<'TOML'
name = "Pages"
scenario = "llama3-405b"

[[axis]]
zip = { cluster.nodes = [512, 1024, 2048], layout.data = [32, 64, 128] }

[[axis]]
path = "layout.micro_batch"
values = [1, 2, 3]

[[axis]]
path = "cost.usd_per_device_hour"
from = 1.5
to = 6.0
n = 10
TOML
"$exaplan" sweep run "$work/pages/study.toml" -q >/dev/null
"$exaplan" report "$work/pages/study.parquet" -o "$work/pages/sweep.html"

(cd "$work/node" && npx --no-install html-validate --preset=standard "$work"/pages/*.html) >"$work/validate.txt" 2>&1 \
  || { say "the HTML validator objects"; tail -40 "$work/validate.txt"; exit 1; }
say "html-validate (standard) passes $(ls "$work"/pages/*.html | wc -l) pages"
node tests/real-parts/page.cjs "$work/node" "$(command -v chromium)" "$work/shots" "$work"/pages/*.html
