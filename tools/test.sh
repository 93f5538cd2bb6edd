#!/usr/bin/env bash
# Everything that must hold before a merge, one step after the other. Every step runs, whatever happened before; the table at the end
# names each with its time, and the last line is the sum of all cases: "N passed, N failed, N skipped".
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/lib.sh

quick=no
for argument in "$@"; do
  case "$argument" in
    --quick) quick=yes ;;
    --help)
      echo "usage: ./dev test [--quick]     --quick: checks and the release tests; without it also sanitizers, crash loop, power cuts, simulator, mutants"
      exit 0
      ;;
    *) die "unknown option $argument" "./dev test --help" ;;
  esac
done

bash tools/setup.sh build test
# Without them the tests that want them say so, and are skipped.
bash tools/servers.sh || true

# Layers whose threads are worth the thread sanitizer; a layer without a source has no tests.
thread_layers=()
for layer in base store engine fs; do
  [ -z "$(find "src/$layer" -name '*.cpp' 2>/dev/null)" ] || thread_layers+=("$layer")
done

results="$(mktemp -d)"
trap 'rm -rf "$results"' EXIT
rows=()
passed=0 failed=0 skipped=0
all_good=yes

# step NAME COMMAND...: runs it, adds its counts ("passed failed skipped" in $DUNLIN_COUNTS; else the step itself is one case).
step() {
  local name="$1" started=$SECONDS outcome=ok counts="$results/counts" p f s
  shift
  say "$name"
  rm -f "$counts"
  DUNLIN_COUNTS="$counts" "$@" || outcome=FAILED
  if [ -s "$counts" ]; then
    read -r p f s <"$counts" || p=0 f=1 s=0
  elif [ "$outcome" = ok ]; then
    p=1 f=0 s=0
  else
    p=0 f=1 s=0
  fi
  # A step may not fail without a failed case, nor hide one.
  if [ "$outcome" != ok ] && [ "$f" -eq 0 ]; then f=1; fi
  if [ "$f" -gt 0 ]; then outcome=FAILED; fi
  [ "$outcome" = ok ] || all_good=no
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  printf '%s: %s after %d s, %d s in all\n' "$name" "$outcome" "$((SECONDS - started))" "$SECONDS"
  rows+=("$(printf '%-44s %-7s %5d s %8d %7d %8d' "$name" "$outcome" "$((SECONDS - started))" "$p" "$f" "$s")")
}

# As `build`, but a failure returns, so that the next step runs; shows the last lines only when it fails.
quiet_build() {
  local log="$results/build.log"
  if ! (build "$@") >"$log" 2>&1; then
    tail -n 60 "$log"
    return 1
  fi
}
run_tests() { python3 tools/run_tests.py "$@" --jobs "$jobs" --counts "$DUNLIN_COUNTS"; }

# The thread sanitizer cannot map its shadow memory where the kernel randomises with more bits than it knows (vm.mmap_rnd_bits > 28).
# So it runs without randomisation, where we may choose that (a container may forbid it; its host then has to have fewer bits).
run_thread_tests() {
  local names fixed=()
  names="$(IFS=,; echo "${thread_layers[*]}")"
  if setarch "$(uname -m)" --addr-no-randomize true 2>/dev/null; then fixed=(setarch "$(uname -m)" --addr-no-randomize); fi
  ${fixed[@]+"${fixed[@]}"} python3 tools/run_tests.py tsan --only "$names" --jobs "$jobs" --counts "$DUNLIN_COUNTS"
}
mutate_short() {
  local log="$results/mutate.log" line
  python3 tools/mutate.py --short --jobs "$jobs" | tee "$log" || true
  line="$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1)"
  [ -n "$line" ] || return 1
  echo "$line" | sed 's/[a-z,]//g' >"$DUNLIN_COUNTS"
}

step "layers" python3 tools/layers.py
step "trace" python3 tools/trace.py
step "documents" python3 tools/docs.py
step "build release" quiet_build release dunlin tests attack
step "tests, release" run_tests release
if [ "$quick" = no ]; then
  step "attack, short" bash tools/attack.sh --short --no-build
  step "build crash" quiet_build crash dunlin crash_loop sim power_cut script_pieces
  step "crash loop, short" bash tools/crash.sh --no-build
  step "power cuts, short" bash tools/power.sh --no-build
  step "simulation, short" bash tools/sim.sh --no-build
  step "oracles of scripts, short" bash tools/oracles.sh --short --no-build
  step "adoption, short" bash tools/adoption.sh --short --no-build
  step "mutants, short" mutate_short
  step "build asan-ubsan" quiet_build asan-ubsan dunlin tests
  step "tests, address and undefined sanitizers" run_tests asan-ubsan
  step "build tsan" quiet_build tsan "${thread_layers[@]/%/_tests}"
  step "tests, thread sanitizer" run_thread_tests
fi

say "summary"
printf '%-44s %-7s %7s %8s %7s %8s\n' step result time passed failed skipped
printf '%s\n' "${rows[@]}"
printf '\nin %d min %d s\n' "$((SECONDS / 60))" "$((SECONDS % 60))"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$all_good" = yes ]
