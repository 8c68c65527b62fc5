# The kernels of the cuda backend without a device: compiled by the real NVRTC for three architectures, and run on a
# processor against references in f64. Sourced by real-parts.sh, which gives work, exaplan, need and say.

# The program finds the library by itself, as it would with a toolkit.
python3 -m venv "$work/cuda"
"$work/cuda/bin/pip" install --quiet --disable-pip-version-check 'nvidia-cuda-nvrtc-cu12==12.9.86'
nvrtc=$(dirname "$(find "$work/cuda/lib" -name 'libnvrtc.so*' | head -1)")
"$exaplan" bench doctor --compile sm_90 >"$work/no-nvrtc.txt" 2>&1 && code=0 || code=$?
if [ "$code" -ne 0 ]; then grep -q 'no NVRTC (libnvrtc) found' "$work/no-nvrtc.txt" || { say "no plain message without NVRTC"; cat "$work/no-nvrtc.txt"; exit 1; }; fi
mkdir -p "$work/ptx"
for arch in sm_80 sm_90 sm_100; do
  LD_LIBRARY_PATH=$nvrtc "$exaplan" bench doctor --compile "$arch" --ptx "$work/ptx" | tail -1
done
LD_LIBRARY_PATH=$nvrtc "$exaplan" bench doctor --compile sm_1 >"$work/sm_1.txt" 2>&1 && { say "sm_1 was compiled"; exit 1; }

# What was meant is what is there: in each form, and nothing that spills by an index that is not known.
python3 - "$work/ptx" <<'PY'
import pathlib, re, sys
ptx = sorted(pathlib.Path(sys.argv[1]).glob("*.ptx"))
assert len(ptx) == 3 * 28, len(ptx)
for path in ptx:
    name, arch, text = path.name.split(".")[0], path.name.split(".")[1], path.read_text()
    assert f".target {arch}" in text, (path.name, text[:300])
    has = lambda pattern: len(re.findall(pattern, text))
    if name.startswith("attention"):
        kind = "bf16.bf16" if "bf16" in name else "f16.f16"
        other = "f16.f16.f32" if "bf16" in name else "bf16.bf16.f32"
        width = int(name.split("-")[2])
        # Products of 16 x 8 x 16 in the loops, which are unrolled: two forward, five backward, 64 keys.
        steps = width // 16
        queries = 64 if width <= 64 else 32
        share = 4 // (queries // 16)
        wanted = 2 * 8 * steps if "forward" in name else 4 * steps * queries // 8 + 4 * 2 * -(-steps // share)
        found = has(rf"mma\.sync\.aligned\.m16n8k16\.row\.col\.f32\.{re.escape(kind)}\.f32 ")
        assert found == wanted, (path.name, found, wanted)
        assert not has(rf"f32\.{re.escape(other)} ") or kind in other, path.name
        assert has(r"cp\.async\.cg\.shared\.global") >= 2 and has(r"cp\.async\.wait_group 0") >= 1, path.name
        assert has(r"ldmatrix\.sync\.aligned\.m8n8\.x4\.shared\.b16") and has(r"ldmatrix\.sync\.aligned\.m8n8\.x4\.trans\.shared\.b16"), path.name
        assert has(r"ex2\.approx\.ftz\.f32") >= 16, path.name
        assert has(r"cvt\.rn\.bf16x2\.f32" if "bf16" in name else r"cvt\.rn\.f16x2\.f32") > 0, path.name
        assert not has(r"\.local"), f"{path.name} keeps sums in memory"
        if "backward" in name:
            assert has(r"(red|atom)\.global\.add\.f32"), path.name
    if name.startswith("fused"):
        assert has(r"ld\.global\.(nc\.)?v4\.[bu]32") and has(r"st\.global\.v4\.[bu]32"), path.name
        assert has(r"\.entry") == 14, path.name
    if name == "memory":
        assert has(r"ld\.global\.(nc\.)?v4\.[bu]32") and has(r"st\.global\.v4\.[bu]32"), path.name
        assert has(r"\.entry") == 10, path.name
        # The instruction came with 8.9.
        assert (has(r"cvt\.rn\.satfinite\.e4m3x2\.f32") > 0) == (arch != "sm_80"), path.name
print(f"real parts: {len(ptx)} kernels in PTX with the mma, cp.async, ldmatrix and ex2 that were meant")
PY

# The same sources on a processor.
need g++ g++
for test in attention fused; do
  g++ -std=c++20 -O2 -Wall -Werror -Wno-unused-function -Wno-unknown-pragmas -DEXAPLAN_HOST -Itests/cuda_host -Isrc/bench/cuda/kernels \
    "tests/cuda_host/$test.cpp" -o "$work/$test"
  "$work/$test"
done

# The program itself against stand-ins of the libraries: what it calls, with which arguments, and how it judges.
stand_in() { # folder of the kernels, folder for the libraries
  mkdir -p "$2"
  g++ -std=c++20 -O2 -shared -fPIC -w -DEXAPLAN_HOST -Itests/cuda_host -I"$1" tests/cuda_host/driver.cpp -o "$2/libcuda.so.1"
  for name in libnvrtc.so.12 libcublasLt.so.12 libnccl.so.2; do cp "$2/libcuda.so.1" "$2/$name"; done
}
stand_in src/bench/cuda/kernels "$work/stand-ins"
LD_LIBRARY_PATH=$work/stand-ins "$exaplan" bench doctor --python no-python --json >"$work/doctor.json"
python3 - "$work/doctor.json" <<'PY'
import json, sys
cuda = next(b for b in json.load(open(sys.argv[1]))["backends"] if b["backend"] == "cuda")
assert cuda["present"] and not cuda["wrong"] and cuda["n_right"] == 82, cuda
print("real parts: with stand-ins on a processor, all 82 kernels of the cuda backend are called and judged right")
PY
# Two ranks that share memory, started as torchrun does.
pids=()
for rank in 1 0; do
  RANK=$rank WORLD_SIZE=2 LOCAL_RANK=0 MASTER_ADDR=127.0.0.1 EXAPLAN_PORT=29666 EXAPLAN_TOKEN=secret LD_LIBRARY_PATH=$work/stand-ins \
    timeout 120 "$exaplan" bench run --backend cuda --suite collective --budget 8s --json >"$work/rank-$rank.json" 2>"$work/rank-$rank.txt" &
  pids+=($!)
done
{ wait "${pids[0]}" && wait "${pids[1]}"; } || { say "ranks failed"; cat "$work"/rank-?.txt; exit 1; }
# The same, started by the program itself.
EXAPLAN_STAND_INS=2 LD_LIBRARY_PATH=$work/stand-ins timeout 120 "$exaplan" bench run --backend cuda --devices 2 --suite collective \
  --budget 8s --json >"$work/rank-own.json"
python3 - "$work/rank-0.json" "$work/rank-own.json" <<'PY'
import json, sys
for path in sys.argv[1:]:
    done = json.load(open(path))["measurements"]
    kinds = {m["op"] for m in done}
    assert kinds == {"all-reduce", "all-gather", "reduce-scatter", "all-to-all"}, kinds
    assert all(m["n_checked"] > 0 and "2 ranks" in m["kernel"] for m in done), done[0]
print("real parts: two ranks meet, follow each other and check four collectives")
PY

# That these tests find what is wrong: each change of a kernel is noticed.
mutants=$work/mutants
mutate() { # test, file, from, to
  rm -rf "$mutants"
  cp -r src/bench/cuda/kernels "$mutants"
  python3 - "$mutants/$2" "$3" "$4" <<'PY'
import sys
path, old, new = sys.argv[1:]
text = open(path).read()
assert text.count(old) >= 1, f"{path} has no {old!r}"
open(path, "w").write(text.replace(old, new, 1))
PY
  g++ -std=c++20 -O1 -w -DEXAPLAN_HOST -Itests/cuda_host -I"$mutants" "tests/cuda_host/$1.cpp" -o "$work/mutant"
  if (timeout 300 "$work/mutant" 9) >"$work/mutant.txt" 2>&1; then say "nobody noticed: $2, $3 -> $4"; exit 1; fi
}
mutate attention attention_forward.cu 'column > at' 'column >= at + 2'
mutate attention attention_forward.cu 'copy_wait<0>();' ';'
mutate attention attention_forward.cu '__syncthreads();' ';'
mutate attention attention_forward.cu 'blockIdx.y / (heads / kv_heads)' 'blockIdx.y % kv_heads'
mutate attention attention_forward.cu 'total[half] * keep' 'total[half]'
mutate attention attention_forward.cu 'if (at >= seq) continue;' ''
mutate attention attention_backward.cu 'row_delta[n * 8 + pair + i % 2]' 'row_delta[n * 8 + pair]'
mutate attention attention_backward.cu 'CAUSAL && key > at' 'CAUSAL && key >= at'
mutate attention attention_backward.cu 'sums_k[n][2 * half] * scale' 'sums_k[n][2 * half]'
mutate attention attention_backward.cu 'column < dim) atomicAdd' 'column < D) atomicAdd'
mutate attention attention_backward.cu 'member < sharing' 'member < 1'
mutate attention attention.cuh '(lane >> 3 & 1) * 8);
}
// The same from rows k.
DEVICE void load_b' '(lane >> 4 & 1) * 8);
}
// The same from rows k.
DEVICE void load_b'
mutate fused elements.cuh 'i = packs * WIDTH + me' 'i = packs * WIDTH + me + 1'
mutate fused elements.cuh 'const bool aligned = columns % WIDTH == 0' 'const bool aligned = true'
mutate fused fused.cu 'factor * (b.x[j] - a.x[j] * back)' 'factor * (b.x[j] - back)'
mutate fused fused.cu 'sum * ex2((most - top) * log2e) + ex2' 'sum + ex2'
mutate fused memory.cu '(size >> 20 & 1)' '0'
rm -rf "$mutants"
cp -r src/bench/cuda/kernels "$mutants"
sed -i 's/a \*sigmoid(a) \* b/a * sigmoid(a) + b/' "$mutants/fused.cu"
stand_in "$mutants" "$work/stand-ins"
LD_LIBRARY_PATH=$work/stand-ins "$exaplan" bench doctor --python no-python >"$work/wrong.txt" && code=0 || code=$?
if [ "$code" -ne 3 ] || ! grep -q '3 kernels WRONG' "$work/wrong.txt"; then say "the doctor did not see a wrong kernel"; cat "$work/wrong.txt"; exit 1; fi
say "all 17 changes of the kernels were noticed"
