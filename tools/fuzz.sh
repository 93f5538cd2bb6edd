#!/usr/bin/env bash
# Runs each fuzz target for a while, from the committed corpus. Exit 1 if one finds something; the finding lies in build/fuzz/findings.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/lib.sh

duration_s=30
names=()
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds)
      duration_s="${2:?--seconds needs a number}"
      shift
      ;;
    --help)
      echo "usage: ./dev fuzz [--seconds N] [NAME]...     NAME: tests/fuzz/NAME_fuzz.cpp; all if not named, 30 s each"
      exit 0
      ;;
    -*) die "unknown option $1" "./dev fuzz --help" ;;
    *) names+=("$1") ;;
  esac
  shift
done
bash tools/setup.sh build lint
shopt -s nullglob
if [ ${#names[@]} -eq 0 ]; then
  for source in tests/fuzz/*_fuzz.cpp; do names+=("$(basename "$source" _fuzz.cpp)"); done
fi
[ ${#names[@]} -gt 0 ] || die "there is no fuzz target yet: tests/fuzz/NAME_fuzz.cpp" "less tests/fuzz/README.md"

found=0
for name in "${names[@]}"; do
  [ -f "tests/fuzz/${name}_fuzz.cpp" ] || die "there is no tests/fuzz/${name}_fuzz.cpp" "ls tests/fuzz"
  build fuzz "${name}_fuzz"
  mkdir -p "build/fuzz/corpus/$name" "build/fuzz/findings"
  corpus=("build/fuzz/corpus/$name")
  [ ! -d "tests/fuzz/corpus/$name" ] || corpus+=("tests/fuzz/corpus/$name")
  say "$name, $duration_s s"
  "build/fuzz/${name}_fuzz" -max_total_time="$duration_s" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/findings/$name-" "${corpus[@]}" || found=$((found + 1))
done
say "$((${#names[@]} - found)) targets found nothing, $found found something"
[ "$found" -eq 0 ] || die "findings lie in build/fuzz/findings" "build/fuzz/NAME_fuzz build/fuzz/findings/FILE"
