#!/usr/bin/env bash
# The crash loop in its parts: kills at crash points, kills at random moments, owners that were stopped and overtaken, servers that die
# instead, the points against the READMEs, the flushes that a power cut would test, and the time that control from another process takes.
# Each run is compared with an undisturbed one. Without --full a sample of a few minutes.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/lib.sh

full=no
do_build=yes
arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    --full) full=yes ;;
    --no-build) do_build=no ;;
    --help)
      echo "usage: ./dev crash [--full] [--no-build] [ARGUMENT of crash_loop]..."
      echo "  --full: every point, 200 random kills of each kind and of an adversarial tree, 200 trials of each verb; kept in docs/evidence/crash-loop.txt"
      echo "  with arguments of crash_loop (--kind K, --point NAME:HIT, --random N, --stopped-owner, --lost-server, --flushes, --control N): that part alone"
      exit 0
      ;;
    *) arguments+=("$1") ;;
  esac
  shift
done

targets=(dunlin crash_loop)
[ "$full" = no ] || targets+=(files_tests)
[ "$do_build" = no ] || build crash "${targets[@]}"

depth=--short random=5 trials=10 phases=1
[ "$full" = no ] || depth=--full random=200 trials=200 phases=100
# Owners, devices and flags of the adversarial tree need root; all else runs as an ordinary user.
loop() {
  local rights=()
  case "$*" in *files-adversarial*) rights=(--as-root) ;; esac
  python3 tools/run_program.py ${rights[@]+"${rights[@]}"} crash crash_loop "$depth" --jobs "$jobs" "$@"
}

if [ ${#arguments[@]} -gt 0 ]; then
  loop "${arguments[@]}"
  exit
fi

code=0
# part TITLE ARGUMENT...: every part runs, whatever the one before it found.
part() {
  printf '\n%s\n' "$1"
  shift
  loop "$@" || code=1
}
adversarial() {
  local title="an adversarial tree, killed $random times at random moments"
  if [ "$(id -u)" -eq 0 ]; then
    part "$title" --kind files-adversarial --random "$random"
    part "an adversarial tree, killed where its flags forbid to do it again" --kind files-adversarial \
      --point files.directory_times.after
  else
    printf '\n%s: not run: needs root\n' "$title"
  fi
}
# A copy, and a move to another file system; in full also the adversarial tree and a file of 4 GiB.
in_phases() {
  local kinds=(--kind files --kind files-move)
  if [ "$full" = yes ] && [ "$(id -u)" -eq 0 ]; then kinds=(--kind files-adversarial --kind files-move); fi
  part "killed at least $phases times in each phase" "${kinds[@]}" --random "$((phases * 10))" --phases "$phases"
  [ "$full" = no ] || part "a file of 4 GiB, killed 100 times at random moments" --kind files-large --random 100
}
# The kind alone, without the engine's processes: every point of a copy, a move and their undo with each set of features.
in_children() {
  printf '\nfiles, children killed at every point of a copy, a move and an undo\n'
  python3 tools/run_tests.py crash --only files --filter '*Crash.*' --jobs "$jobs" || code=1
}
# Migrations that are taken back, applied all in one transaction, or in several schemas. In full at the servers, too.
other_ways() {
  local servers=(--kind schema-postgresql-down --kind schema-mariadb-down --kind schema-postgresql-all-in-one --kind schema-postgresql-tenants)
  local kinds=(--kind schema-down)
  [ "$full" = no ] || kinds+=("${servers[@]}")
  part "other ways of migrations, killed at crash points" "${kinds[@]}"
  [ "$full" = no ] || part "the same, killed $random times each at random moments" "${kinds[@]}" --random "$random"
  [ "$full" = no ] || part "the same, while their server dies" --lost-server --random "$random" "${servers[@]}"
}
all() {
  part "killed at crash points"
  other_ways
  [ "$full" = no ] || in_children
  part "killed $random times each at random moments" --random "$random"
  adversarial
  in_phases
  part "stopped, overtaken, continued" --stopped-owner
  part "servers killed, sessions ended, requests and answers lost" --lost-server --random "$random"
  part "crash points and the READMEs" --points
  part "flushes before what relies on them" --flushes
  part "control from another process, $trials trials of each verb" --control "$trials"
}
if [ "$full" = no ]; then
  all
else
  log="$(mktemp)"
  trap 'rm -f "$log"' EXIT
  # Not in a pipe: the exit code of each part would be lost in the subshell.
  all > >(tee "$log") 2>&1
  wait $! 2>/dev/null || true
  [ "$code" -ne 0 ] || {
    printf '# ./dev crash --full at commit %s\n' "$(git rev-parse --short HEAD)"
    cat "$log"
  } >docs/evidence/crash-loop.txt
fi
exit "$code"
