#!/usr/bin/env bash
# The crash loop: kills at crash points, resumes, compares with an uninterrupted run. Without --full a sample that takes a minute or two.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/lib.sh

depth=--short
do_build=yes
arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    --full) depth=--full ;;
    --no-build) do_build=no ;;
    --help)
      echo "usage: ./dev crash [--full] [--no-build] [ARGUMENT of crash_loop]...     --full also writes docs/evidence/crash-loop.txt"
      exit 0
      ;;
    *) arguments+=("$1") ;;
  esac
  shift
done

[ "$do_build" = no ] || build crash dunlin crash_loop
if [ "$depth" = --full ]; then
  evidence="$(mktemp)"
  trap 'rm -f "$evidence"' EXIT
  python3 tools/run_program.py crash crash_loop --full ${arguments[@]+"${arguments[@]}"} | tee "$evidence"
  # Kept only when it is the whole proof: a run narrowed by arguments shows less.
  [ ${#arguments[@]} -gt 0 ] || install -m 644 "$evidence" docs/evidence/crash-loop.txt
else
  python3 tools/run_program.py crash crash_loop "$depth" ${arguments[@]+"${arguments[@]}"}
fi
