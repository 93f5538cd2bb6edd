#!/usr/bin/env bash
# Installs what is missing of the package groups named (build, test, lint, bench, fresh, servers; without a name: build, test, lint).
# Does nothing, and needs no right, when everything is there.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/lib.sh

if [ "${1:-}" = --help ]; then
  echo "usage: ./dev setup [build|test|lint|bench|fresh|servers]...     installs the Debian packages of tools/packages.txt that are missing"
  exit 0
fi
[ $# -gt 0 ] || set -- build test lint

[ -n "$(command -v dpkg-query)" ] && [ -n "$(command -v apt-get)" ] ||
  die "this is no Debian-like system; install the equivalents of tools/packages.txt by hand" "less tools/packages.txt"

missing=()
for group in "$@"; do
  known=no
  while read -r package_group package _; do
    [ "$package_group" = "$group" ] || continue
    known=yes
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
  done < <(grep -v '^#' tools/packages.txt)
  [ "$known" = yes ] || die "there is no package group \"$group\"" "./dev setup build test lint"
done
[ ${#missing[@]} -gt 0 ] || exit 0

say "installing ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || die "packages are missing and only root may install them" \
    "su -c 'apt-get update && apt-get install -y --no-install-recommends ${missing[*]}'"
  as_root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
# RUNLEVEL: a server that comes with a package is not started; tests start their own.
install() { ${as_root[@]+"${as_root[@]}"} env RUNLEVEL=1 apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null; }
# The lists may be fresh already (a build machine without a network has only those); if they are not, fetch them and try again.
install >/dev/null 2>&1 || {
  ${as_root[@]+"${as_root[@]}"} apt-get update -q </dev/null
  install
} || die "some packages could not be installed" "apt-get install ${missing[*]}"
