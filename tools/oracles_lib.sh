# shellcheck shell=bash
# Shared by oracles.sh and adoption.sh, after lib.sh: what others made is fetched once into build/<word>, in the versions that the tests name.

# not_run WHY: it is said and counted as skipped, and no failure: what a registry does not give today is no fault of ours.
not_run() {
  printf '%s: not run: %s\n' "$(basename "$0" .sh)" "$1"
  [ -z "${DUNLIN_COUNTS:-}" ] || echo "0 0 1" >"$DUNLIN_COUNTS"
  exit 0
}

# need PROGRAM GROUP: a package group of tools/packages.txt, unless the program is there, from wherever.
need() { command -v "$1" >/dev/null || bash tools/setup.sh "$2" || not_run "$1 is missing"; }

# npm_packages FOLDER: its package.json and package-lock.json, installed into build/FOLDER's name/npm.
npm_packages() {
  local from="$1" to
  to="build/$(basename "$1")/npm"
  if cmp -s "$from/package-lock.json" "$to/installed.json"; then return 0; fi
  need npm oracles
  rm -rf "$to"
  mkdir -p "$to"
  cp "$from/package.json" "$from/package-lock.json" "$to"
  (cd "$to" && timeout 300 npm ci --no-audit --no-fund --ignore-scripts --loglevel=error --fetch-retries=1 --fetch-timeout=60000) || not_run "npm packages cannot be had"
  cp "$from/package-lock.json" "$to/installed.json"
}
