#!/usr/bin/env bash
# Scripts split by dunlin and by others: PostgreSQL's grammar, psql, the mariadb client, SQLite, a grammar of Transact-SQL. tests/oracles/README.md.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/lib.sh
. tools/oracles_lib.sh

full=no
statements=2000
do_build=yes
more=()
while [ $# -gt 0 ]; do
  case "$1" in
    --full) full=yes statements=6000 ;;
    --short) statements=600 ;;
    --no-build) do_build=no ;;
    --help)
      echo "usage: ./dev oracles [--full | --short] [--no-build] [--seed S] [--only DIALECT] [--show N] [--keep DIR]"
      echo "  2000 generated statements if not named and the scripts of installed packages; --short: 600; --full: 6000, and the scripts of more"
      echo "  Debian packages, which are fetched, never installed; its output is kept in docs/evidence/oracles.txt"
      exit 0
      ;;
    *) more+=("$1") ;;
  esac
  shift
done

bash tools/setup.sh build test
need node oracles
npm_packages tests/oracles
[ "$do_build" = no ] || build crash script_pieces

packages=()
if [ "$full" = yes ]; then
  folder="$PWD/build/oracles/packages"
  mkdir -p "$folder"
  while read -r package; do
    [ ! -d "$folder/$package" ] || continue
    (cd "$folder" && apt-get download -q "$package" >/dev/null 2>&1) || not_run "the Debian package $package cannot be had"
    dpkg-deb -x "$folder/$package"_*.deb "$folder/$package"
    rm -f "$folder/$package"_*.deb
  done < <(awk '!/^#/ && $2 != "-" {print $2}' tests/oracles/inputs.txt | sort -u)
  packages=(--packages "$folder")
fi

compare() {
  python3 -B tests/oracles/compare.py --pieces build/crash/script_pieces --node build/oracles/npm --statements "$statements" \
    ${packages[@]+"${packages[@]}"} ${more[@]+"${more[@]}"}
}
if [ "$full" = no ]; then
  compare
  exit
fi
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
compare | tee "$log"
{
  printf '# ./dev oracles --full at commit %s\n' "$(git rev-parse --short HEAD)"
  cat "$log"
} >docs/evidence/oracles.txt
