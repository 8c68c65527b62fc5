#!/usr/bin/env bash
# Instructions of the hot paths, counted by callgrind: the same on a busy machine, so that a
# regression shows where times are noise. Needs valgrind; takes a minute or two.
#
#   cargo build --release && benches/instructions.sh [path to exaplan]
set -euo pipefail
program=${1:-target/release/exaplan}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# One thread: work that is shared differs from run to run in what two threads do twice.
count() {
  local name=$1
  shift
  RAYON_NUM_THREADS=1 valgrind --tool=callgrind --callgrind-out-file="$scratch/out" "$program" "$@" >/dev/null 2>"$scratch/log" ||
    { cat "$scratch/log" >&2; exit 1; }
  awk -v name="$name" '/Collected/ { printf "%-40s %14.1f M\n", name, $NF / 1e6 }' "$scratch/log"
}

count "start (info)" info
count "plan, default scenario" plan --json
count "search, usual layouts of Llama 3 405B" search llama3-405b --json
count "search, every schedule" search llama3-405b --breadth schedules --json
