#!/usr/bin/env bash
# Projects and histories of other migration tools, taken over by dunlin: tests/adoption/README.md.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/lib.sh
. tools/oracles_lib.sh

size=()
do_build=yes
for argument in "$@"; do
  case "$argument" in
    --full | --short) size=("$argument") ;;
    --no-build) do_build=no ;;
    *)
      echo "usage: ./dev adoption [--full | --short] [--no-build]     golang-migrate, goose and dbmate write histories, dunlin takes them over;"
      echo "                      --full: after every number of migrations, kept in docs/evidence/adoption.txt"
      [ "$argument" = --help ] && exit 0
      exit 2
      ;;
  esac
done

bash tools/setup.sh build test
npm_packages tests/adoption
[ "$do_build" = no ] || build crash dunlin
tools=(--dbmate build/adoption/npm/node_modules/@dbmate/linux-x64/bin/dbmate)

# Built once for each version; the modules lie in build/ as well.
go_tools() {
  local folder="$PWD/build/adoption/go"
  if cmp -s tests/adoption/tools/go.sum "$folder/installed.sum"; then return 0; fi
  command -v go >/dev/null || bash tools/setup.sh adoption || return 1
  mkdir -p "$folder"
  cp tests/adoption/tools/go.mod tests/adoption/tools/go.sum tests/adoption/tools/tools.go "$folder"
  (cd "$folder" && GOFLAGS='-mod=readonly -modcacherw' GOMODCACHE="$folder/modules" GOTOOLCHAIN=local CGO_ENABLED=0 timeout 600 go build -o bin/ \
    -tags 'postgres mysql sqlite no_clickhouse no_mssql no_vertica no_ydb' \
    github.com/golang-migrate/migrate/v4/cmd/migrate github.com/pressly/goose/v3/cmd/goose) || return 1
  cp tests/adoption/tools/go.sum "$folder/installed.sum"
}
if go_tools; then
  tools+=(--migrate build/adoption/go/bin/migrate --goose build/adoption/go/bin/goose)
else
  echo "adoption: golang-migrate and goose cannot be built here, and are left out"
fi

adopt() { python3 -B tests/adoption/adopt.py --dunlin build/crash/dunlin "${tools[@]/#build/$PWD/build}" ${size[@]+"${size[@]}"}; }
if [ "${size[*]}" != --full ]; then
  adopt
  exit
fi
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
adopt | tee "$log"
{
  printf '# ./dev adoption --full at commit %s\n' "$(git rev-parse --short HEAD)"
  cat "$log"
} >docs/evidence/adoption.txt
