#!/usr/bin/env bash
# The attack: processes that swap what dunlin works on for symlinks to the outside, and a judge that sees whether anything there was opened,
# changed or carried in. First a naive program must be caught, or the rest proves nothing. As an ordinary user; started by root also as
# root among the trees of an ordinary user, where a step through a symlink would do the most.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/lib.sh

full=no
seconds=5
do_build=yes
arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    --full) full=yes seconds=600 ;;
    --short) seconds=1 ;;
    --no-build) do_build=no ;;
    --help)
      echo "usage: ./dev attack [--full | --short] [--no-build] [ARGUMENT of attack]..."
      echo "  --full: 600 seconds for each operation, --short: 1, else 5; the full run is kept in docs/evidence/attack.txt"
      echo "  with arguments of attack (--operation O, --seconds N, --seed S, --self-check, --scratch DIR): that alone, as an ordinary user"
      exit 0
      ;;
    *) arguments+=("$1") ;;
  esac
  shift
done

[ "$do_build" = no ] || build release dunlin attack

attack() { python3 tools/run_program.py "$@"; }

if [ ${#arguments[@]} -gt 0 ]; then
  attack release attack "${arguments[@]}"
  exit
fi

code=0
# part TITLE ARGUMENT of run_program...: every part runs, whatever the one before it found.
part() {
  printf '\n%s\n' "$1"
  shift
  attack "$@" || code=1
}
all() {
  part "a naive program is caught, as an ordinary user" release attack --self-check --seconds 60
  part "dunlin, as an ordinary user, $seconds s for each operation" release attack --seconds "$seconds"
  if [ "$(id -u)" -ne 0 ]; then
    printf '\n%s\n' "dunlin as root among the trees of an ordinary user: not run: needs root"
    return
  fi
  part "a naive program is caught, as root" --as-root release attack --self-check --seconds 60
  part "dunlin as root among the trees of an ordinary user, $seconds s for each operation" --as-root release attack --seconds "$seconds"
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
    printf '# ./dev attack --full at commit %s\n' "$(git rev-parse --short HEAD)"
    cat "$log"
  } >docs/evidence/attack.txt
fi
exit "$code"
