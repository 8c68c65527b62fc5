# The terminal UI in a real terminal: the release binary in tmux. Sourced by ../real-parts.sh, which has
# $exaplan, $work, need and say. Starts, marks, compares, turns a knob, searches, stops the search, expands,
# resizes to 60x15 and back, exports a workbook, quits; the terminal must be as it was, also after SIGTERM
# and after a panic.

tui_pane() { tmux -L exaplan-test "$@"; }
tui_screen() { tui_pane capture-pane -p >"$work/screen.txt"; }
tui_keys() { tui_pane send-keys "$@"; }

tui_fail() {
  say "the terminal UI: $1"
  cat "$work/screen.txt"
  tui_pane kill-server 2>/dev/null || true
  exit 1
}

tui_wait() { # text: until it is on the screen, 30 s at most
  for _ in $(seq 300); do
    tui_screen
    grep -qF -- "$1" "$work/screen.txt" && return
    sleep 0.1
  done
  tui_fail "\`$1\` does not come"
}

tui_absent() { # text: until it is gone
  for _ in $(seq 100); do
    tui_screen
    grep -qF -- "$1" "$work/screen.txt" || return 0
    sleep 0.1
  done
  tui_fail "\`$1\` stays"
}

tui_start() { # size, arguments of the program: a shell that runs it, so that what it leaves can be looked at
  if tui_pane kill-server 2>/dev/null; then sleep 0.5; fi
  tui_pane -f /dev/null new-session -d -x "${1%x*}" -y "${1#*x}" \
    "env LANG=C.UTF-8 COLORTERM=truecolor XDG_STATE_HOME=$work/state bash --norc --noprofile"
  shift
  tui_keys "PS1='ready> '; cd $work; clear; stty -a >before.txt; $* $exaplan; echo \"left \$?\"; stty -a >after.txt" Enter
}

tui_clean() { # what: the shell is back and the terminal as it was
  tui_wait "left "
  sleep 0.3
  tui_keys "echo typ''ed" Enter
  tui_wait "typed"
  cmp -s "$work/before.txt" "$work/after.txt" || tui_fail "$1 leaves another terminal: $(diff "$work/before.txt" "$work/after.txt")"
  [ "$(tui_pane display-message -p '#{alternate_on}#{mouse_any_flag}')" = 00 ] || tui_fail "$1 leaves the other screen or the mouse on"
}

need tmux tmux
if "$exaplan" help tui >/dev/null 2>&1; then
  rm -f "$work/layouts.xlsx"
  tui_start 80x24 env NO_ARGUMENTS=1
  tui_wait "devices"                       # No arguments on a terminal: plans.
  tui_wait "0 being planned"
  tui_keys Space j Space                   # Two marks, compared.
  tui_wait "*b"
  grep -q '+[0-9.]* %\|-[0-9.]* %' "$work/screen.txt" || tui_fail "nothing is compared"
  tui_keys k 6 j l                         # A knob: a tenth more tokens.
  tui_wait "training.tokens=17.2T"
  tui_keys y
  tui_wait "--set"
  tui_keys Escape
  sleep 0.7                                # A lone escape is one only after a pause.
  tui_keys u
  tui_wait "nothing is changed"
  for set in "layout={}" model.use=deepseek-v3 training.sequence=4096 "training.global_batch=15360 sequences" \
    cluster.node=dgx-h800 cluster.nodes=256; do
    tui_keys : "set $set" Enter            # A space of 1.3 billion layouts, which takes a while.
  done
  tui_wait "6 changed"
  tui_keys 2
  tui_wait "layouts (usual)"
  tui_keys f f
  tui_wait "esc stops"
  sleep 1
  tui_keys Escape
  tui_wait "stopped: a part only"
  tui_keys e                               # One panel fills the screen.
  tui_absent "Candidates"
  tui_pane resize-window -x 50 -y 12
  tui_wait "60x15 needed, 50x12 now"
  tui_pane resize-window -x 60 -y 15
  tui_wait "[2 Layouts]"
  tui_pane resize-window -x 80 -y 24
  tui_keys e
  tui_wait "Candidates"
  tui_keys w C-u "layouts.xlsx" Enter
  tui_wait "wrote layouts.xlsx"
  tui_keys q
  tui_clean "quitting"
  grep -q "left 0" "$work/screen.txt" || tui_fail "it does not end with 0"
  "$work/venv/bin/python" -c "import openpyxl, sys; assert len(openpyxl.load_workbook('$work/layouts.xlsx').sheetnames) > 1"
  say "the terminal UI plans, compares, turns knobs, searches, stops, resizes, exports and quits"

  tui_start 80x24 env NO_COLOR=1
  tui_wait "[2 Layouts]"                   # Where it was left.
  tui_keys 1
  tui_wait "0 being planned"
  tui_pane capture-pane -pe >"$work/screen.txt"
  grep -q $'\e\[7m' "$work/screen.txt" || tui_fail "without colors the cursor is lost"
  ! grep -q $'\e\[[0-9;]*3[0-7]m' "$work/screen.txt" || tui_fail "NO_COLOR shows colors"
  kill -TERM "$(tui_pane list-panes -F '#{pane_pid}' | xargs -I{} pgrep -P {})"
  tui_clean "SIGTERM"
  grep -q "left 130" "$work/screen.txt" || tui_fail "SIGTERM does not end it with 130"

  tui_start 80x24
  tui_wait "0 being planned"
  tui_keys : "crash" Enter
  tui_wait "this is a bug"
  tui_clean "a panic"
  grep -q "left 101" "$work/screen.txt" || tui_fail "a panic does not end it with 101"
  tui_pane kill-server 2>/dev/null || true
  say "the terminal is as it was after quitting, SIGTERM and a panic; NO_COLOR keeps the cursor"
fi
