#!/usr/bin/env bash
# The README's pictures of the terminal UI, from the real program in tmux: cargo build --release, then this.
set -euo pipefail
cd "$(dirname "$0")/../.."
exaplan=${EXAPLAN:-$PWD/target/release/exaplan}
tmux=(tmux -L exaplan-pictures)
state=$(mktemp -d)
trap '"${tmux[@]}" kill-server 2>/dev/null || true; rm -rf "$state"' EXIT

settle() { # Until nothing is computed any more: the screen stays as it is for a second.
  local before="" now
  for _ in $(seq 60); do
    now=$("${tmux[@]}" capture-pane -p)
    [ "$now" = "$before" ] && return
    before=$now
    sleep 1
  done
}

picture() { # name, title, keys
  local name=$1 title=$2
  shift 2
  "${tmux[@]}" send-keys "$@"
  settle
  "${tmux[@]}" capture-pane -pe | python3 tests/pictures/picture.py "$title" >"src/tui/pictures/$name.svg"
}

"${tmux[@]}" -f /dev/null new-session -d -x 150 -y 42 \
  "env LANG=C.UTF-8 COLORTERM=truecolor XDG_STATE_HOME=$state $exaplan tui --fresh --no-animation"
sleep 1
picture tui-plans "Plans compared" Space j Space j Space j Space k
picture tui-layouts "Layouts and their Pareto front" g 2 o
picture tui-step "One step, bar by bar" 3
picture tui-whatif "What if" 6 j l j j j l
"${tmux[@]}" send-keys q
