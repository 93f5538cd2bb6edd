#!/usr/bin/env bash
# Many processes that migrate the same database at once, round by round, one of them stopped and one killed: tests/schema/race_test.cpp.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/lib.sh

rounds=20
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
      echo "                  --evidence: 200 rounds into docs/evidence/race.txt"
      [ "$1" = --help ] && exit 0
      exit 2
      ;;
  esac
  shift
done
[ "$evidence" = no ] || rounds=200

bash tools/setup.sh build test
[ "$do_build" = no ] || build crash schema_tests
export DUNLIN_RACE_ROUNDS="$rounds" DUNLIN_RACE_PROCESSES="$processes" DUNLIN_RACE_SEED="$RANDOM"
run() { python3 tools/run_tests.py crash --only schema --filter='Race*' --jobs 1; }
if [ "$evidence" = yes ]; then
  log="$(mktemp)"
  trap 'rm -f "$log"' EXIT
  run | tee "$log"
  {
    printf '# ./dev race --evidence at commit %s: %s rounds of %s processes, seed %s\n' "$(git rev-parse --short HEAD)" "$rounds" "$processes" "$DUNLIN_RACE_SEED"
    cat "$log"
  } >docs/evidence/race.txt
else
  run
fi
