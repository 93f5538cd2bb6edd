#!/usr/bin/env bash
# The simulator: the coordinator under duplicated, delayed, reordered and lost events, one seed after the other.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/lib.sh

seeds=500
do_build=yes
evidence=no
arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    --seeds)
      seeds="${2:?--seeds needs a number}"
      shift
      ;;
    --evidence) evidence=yes ;;
    --no-build) do_build=no ;;
    --help)
      echo "usage: ./dev sim [--seeds N] [--seed S] [--evidence]     500 seeds if not named; --seed replays one with its history; --evidence: 10,000 seeds into docs/evidence/simulation.txt"
      exit 0
      ;;
    --seed)
      arguments+=(--seed "${2:?--seed needs a number}")
      shift
      ;;
    *) arguments+=("$1") ;;
  esac
  shift
done
[ "$evidence" = no ] || seeds=10000

[ "$do_build" = no ] || build crash sim
[[ " ${arguments[*]-} " == *" --seed "* ]] || arguments+=(--seeds "$seeds" --jobs "$jobs")
run() { python3 tools/run_program.py crash sim "${arguments[@]}"; }
if [ "$evidence" = yes ]; then
  log="$(mktemp)"
  trap 'rm -f "$log"' EXIT
  run | tee "$log"
  {
    printf '# ./dev sim --evidence at commit %s\n' "$(git rev-parse --short HEAD)"
    cat "$log"
  } >docs/evidence/simulation.txt
else
  run
fi
