#!/usr/bin/env bash
# Layout (clang-format), the second compiler with -Werror and clang-tidy (preset tidy; ninja repeats only what changed), the layer check,
# shell scripts, python. Every check runs; the exit code says whether all passed.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/lib.sh

fix=no
tidy=yes
for argument in "$@"; do
  case "$argument" in
    --fix) fix=yes ;;
    --fast) tidy=no ;;
    --help)
      echo "usage: ./dev lint [--fix] [--fast]     --fix formats in place; --fast leaves out clang-tidy and the second compiler"
      exit 0
      ;;
    *) die "unknown option $argument" "./dev lint --help" ;;
  esac
done
bash tools/setup.sh build test lint

failed=()
check() {
  local name="$1"
  shift
  say "$name"
  "$@" || failed+=("$name")
}

mapfile -d '' sources < <(git ls-files -co --exclude-standard -z -- '*.h' '*.cpp' | while IFS= read -r -d '' f; do
  [ ! -f "$f" ] || printf '%s\0' "$f"
done)
mapfile -d '' scripts < <(git ls-files -co --exclude-standard -z -- dev .ci/run '*.sh' | while IFS= read -r -d '' f; do
  [ ! -f "$f" ] || printf '%s\0' "$f"
done)

format() {
  [ ${#sources[@]} -gt 0 ] || return 0
  if [ "$fix" = yes ]; then
    clang-format-19 -i "${sources[@]}"
  else
    clang-format-19 --dry-run -Werror "${sources[@]}" || {
      echo "  try:  ./dev lint --fix"
      return 1
    }
  fi
}
tidy() {
  configure tidy
  # The command lines of failed compiles and the counts of suppressed warnings say nothing that the findings do not.
  cmake --build --preset tidy -j "$jobs" -- -k 0 2>&1 |
    { grep -vE '^[0-9]+ warnings? (and [0-9]+ errors? )?generated|__run_co_compile|^[0-9]+ warnings? treated as error' || true; }
}
python_syntax() { PYTHONDONTWRITEBYTECODE=1 python3 -c '
import ast, pathlib
for path in sorted([*pathlib.Path("tools").glob("*.py"), *pathlib.Path("bench").rglob("*.py"), *pathlib.Path("tests").rglob("*.py")]):
    ast.parse(path.read_text(), str(path))
'; }
bench_arithmetic() { python3 -B bench/files/main.py --self-check && python3 -B bench/control/main.py --self-check; }
# A change of the code that a mutant names leaves its text behind.
mutants() { python3 tools/mutate.py --list >/dev/null; }
shell_scripts() {
  local script
  for script in "${scripts[@]}"; do bash -n "$script" || return 1; done
  if command -v shellcheck >/dev/null; then
    shellcheck --severity=warning --external-sources --source-path=SCRIPTDIR/.. "${scripts[@]}"
  fi
}

check "layout" format
check "layers" python3 tools/layers.py
check "shell scripts" shell_scripts
check "python" python_syntax
check "benchmarks of files and control" bench_arithmetic
check "documents" python3 tools/docs.py
check "texts of the mutants" mutants
[ "$tidy" = no ] || check "clang and clang-tidy" tidy

if [ ${#failed[@]} -gt 0 ]; then
  printf '\nlint: failed:' >&2
  printf ' %s;' "${failed[@]}" >&2
  printf '\n' >&2
  exit 1
fi
printf '\nlint: clean\n'
