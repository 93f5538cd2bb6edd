# shellcheck shell=bash
# Shared by the scripts in this folder: `. tools/lib.sh` from the root of the checkout. Defines functions and `jobs`, does nothing.

jobs="${DUNLIN_JOBS:-$(nproc)}"

# A heading, bold on a terminal that may be coloured.
say() {
  if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    printf '\n\033[1m== %s\033[0m\n' "$*"
  else
    printf '\n== %s\n' "$*"
  fi
}

# die MESSAGE [COMMAND]: the message, then the command to type.
die() {
  printf '%s: %s\n' "$(basename "$0" .sh)" "$1" >&2
  [ -z "${2:-}" ] || printf '  try:  %s\n' "$2" >&2
  exit 1
}

# configure PRESET: quiet when it works. Ninja runs cmake again by itself when a folder gains a file.
configure() {
  [ ! -f "build/$1/build.ninja" ] || return 0
  local log
  log="$(mktemp)"
  if ! cmake --preset "$1" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    die "the preset $1 cannot be configured" "./dev setup"
  fi
  rm -f "$log"
}

# build PRESET [TARGET...]
build() {
  local preset="$1" targets=()
  shift
  configure "$preset"
  [ $# -eq 0 ] || targets=(--target "$@")
  cmake --build --preset "$preset" -j "$jobs" ${targets[@]+"${targets[@]}"}
}
