#!/usr/bin/env bash
# Power cuts under dunlin on ext4, xfs and btrfs: a daemon of our own shows the disks, logs every write and every flush, and what a cut at
# any moment would have left is mounted and judged. Needs root, FUSE, loop devices. Without --full a sample of about a minute.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/lib.sh

full=no
do_build=yes
arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    --full) full=yes ;;
    --no-build) do_build=no ;;
    --help)
      echo "usage: ./dev power [--full] [--no-build] [ARGUMENT of power_cut]..."
      echo "  --full: 200 cuts on each file system, else 20; kept in docs/evidence/power-cuts.txt"
      echo "  with arguments of power_cut (--file-system F, --cuts N, --cuts-each N, --seed S, --scratch DIR, --keep DIR): that alone"
      exit 0
      ;;
    *) arguments+=("$1") ;;
  esac
  shift
done

if [ "$(id -u)" -ne 0 ]; then
  echo "power cuts: not run: needs root"
  # Continuous integration refuses what was not run; a person at a desk may go on.
  [ -z "${DUNLIN_CI:-}" ] || exit 1
  [ -z "${DUNLIN_COUNTS:-}" ] || echo "0 0 1" >"$DUNLIN_COUNTS"
  exit 0
fi
[ "$do_build" = no ] || build crash dunlin power_cut

power() { python3 tools/run_program.py --as-root crash power_cut "$@"; }

if [ ${#arguments[@]} -gt 0 ]; then
  power "${arguments[@]}"
elif [ "$full" = no ]; then
  power --cuts 20 --cuts-each 2
else
  log="$(mktemp)"
  trap 'rm -f "$log"' EXIT
  power --cuts 200 --cuts-each 5 | tee "$log"
  {
    printf '# ./dev power --full at commit %s, Linux %s\n' "$(git rev-parse --short HEAD)" "$(uname -r)"
    cat "$log"
  } >docs/evidence/power-cuts.txt
fi
