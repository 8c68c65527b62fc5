# Benchmarks by real frameworks: JAX from PyPI, PyTorch from Debian; a small training step that JAX runs, planned
# from a profile that JAX measured. Sourced by real-parts.sh, which gives work, exaplan, need and say.

# Without OpenBLAS Debian's PyTorch multiplies with the reference BLAS, many times slower.
if ! /usr/bin/python3 -c 'import torch' 2>/dev/null; then
  need no-such-command libopenblas0-pthread
  need no-such-command python3-torch
fi
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'jax[cpu]'
mkdir -p "$work/bench"
for framework in jax torch; do
  python=$work/venv/bin/python
  [ "$framework" = jax ] || python=/usr/bin/python3
  "$exaplan" bench run --backend "$framework" --python "$python" --scenario small-cpu --budget 25s -q \
    -o "$work/bench/$framework.toml" >/dev/null
  grep -q "$([ "$framework" = jax ] && echo JAX || echo PyTorch)" "$work/bench/$framework.toml"
  "$exaplan" plan small-cpu --profile "$work/bench/$framework.toml" --json >"$work/bench/plan.json"
  "$work/venv/bin/python" - "$work/bench/plan.json" "$framework" <<'PY'
import json, sys
plan = json.load(open(sys.argv[1]))
measured = sum(share for evidence, share in plan["evidence"].items() if evidence != "datasheet")
assert measured > 0.5, f"{measured:.0%} of the step rests on what was measured"
print(f"real parts: {sys.argv[2]} measured {measured:.0%} of a step of small-cpu")
PY
done
# Two of the configurations, briefly: that it runs, and that plans are near. The whole table is judged by hand.
"$work/venv/bin/python" tests/closed_loop/run.py --exaplan "$exaplan" --budget 40s --seconds 3 --only 2 >"$work/bench/loop.md" 2>/dev/null
grep -E 'Median error' "$work/bench/loop.md"
