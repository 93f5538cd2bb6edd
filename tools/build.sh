#!/usr/bin/env bash
# Builds one preset: everything in it, or the targets named after it; for release, unless told otherwise, the program alone.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/lib.sh

presets="$(sed -n 's/.*"name": "\([^"]*\)", "configurePreset".*/\1/p' CMakePresets.json | sort -u | tr '\n' ' ')"
if [ "${1:-}" = --help ]; then
  echo "usage: ./dev build [PRESET [TARGET]...]     presets: $presets"
  exit 0
fi
preset="${1:-release}"
[ $# -eq 0 ] || shift
[[ " $presets" == *" $preset "* ]] || die "there is no preset \"$preset\"; there are: $presets" "./dev build release"
case "$preset" in
  clang | tidy | fuzz) bash tools/setup.sh build lint ;;
  *) bash tools/setup.sh build ;;
esac
if [ $# -eq 0 ] && [ "$preset" = release ]; then
  build release dunlin
  echo "built: build/release/dunlin"
else
  build "$preset" "$@"
fi
