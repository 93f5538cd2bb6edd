#!/usr/bin/env bash
# Many processes that migrate the same database at once, round by round, one holder of the lock stopped and one killed:
# tests/schema/race_test.cpp.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/lib.sh

rounds=''
processes=64
do_build=yes
evidence=no
while [ $# -gt 0 ]; do
  case "$1" in
    --rounds)
      rounds="${2:?--rounds needs a number}"
      shift
      ;;
    --processes)
      processes="${2:?--processes needs a number}"
      shift
      ;;
    --evidence) evidence=yes ;;
    --no-build) do_build=no ;;
    *)
      echo "usage: ./dev race [--rounds N] [--processes N] [--evidence]     20 rounds of 64 if not named, on PostgreSQL, through PgBouncer, on MariaDB;"
      echo "                  --evidence: 200 if not named, into docs/evidence/race.txt"
      [ "$1" = --help ] && exit 0
      exit 2
      ;;
  esac
  shift
done
if [ -z "$rounds" ]; then
  rounds=20
  [ "$evidence" = no ] || rounds=200
fi

bash tools/setup.sh build test
[ "$do_build" = no ] || build crash schema_tests
export DUNLIN_RACE_ROUNDS="$rounds" DUNLIN_RACE_PROCESSES="$processes" DUNLIN_RACE_SEED="$RANDOM"
# Not by run_tests.py, whose limit of time is that of ordinary tests.
run() { python3 tools/run_program.py crash schema_tests --gtest_filter='Race/*'; }
if [ "$evidence" = yes ]; then
  log="$(mktemp)"
  trap 'rm -f "$log"' EXIT
  run | tee "$log"
  {
    printf '# ./dev race --evidence at commit %s: %s rounds of %s processes, seed %s\n' "$(git rev-parse --short HEAD)" "$rounds" "$processes" "$DUNLIN_RACE_SEED"
    grep -E '^(race:|\[  (PASSED|FAILED))' "$log"
  } >docs/evidence/race.txt
else
  run
fi
