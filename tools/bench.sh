#!/usr/bin/env bash
# Builds and runs the benchmarks of the release preset. Figures go to the terminal and, as JSON, to build/bench/.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/lib.sh

if [ "${1:-}" = --help ]; then
  echo "usage: ./dev bench [NAME] [ARGUMENT of google-benchmark]...     NAME: bench/NAME_bench.cpp; all if not named"
  echo "       ./dev bench memory [--help]                              peak memory and size of the ledger, up to 1,000,000 files"
  echo "       ./dev bench files [--help]                               beside cp, rsync, rclone, fpsync and tar"
  echo "       ./dev bench control [--help]                             how long pause, stop and limits take to have effect"
  echo "       ./dev bench share [--help]                               how two copies share a disk by their priorities"
  echo "       ./dev bench migrate [--help]                             migrations of a schema beside dbmate; 10,000 of them; 2,000 tenants"
  exit 0
fi
if [ "${1:-}" = memory ]; then
  shift
  build release dunlin >/dev/null
  exec python3 bench/memory.py "$@"
fi
if [ "${1:-}" = files ]; then
  shift
  case " $* " in
    *" --help "* | *" -h "* | *" --list "* | *" --self-check "*) ;;
    *)
      bash tools/setup.sh build bench
      build release dunlin files_floor >/dev/null
      ;;
  esac
  exec python3 -B bench/files/main.py "$@"
fi
if [ "${1:-}" = control ]; then
  shift
  case " $* " in
    *" --help "* | *" -h "* | *" --self-check "* | *" --binary "*) ;;
    *)
      bash tools/setup.sh build bench
      build release dunlin >/dev/null
      ;;
  esac
  exec python3 -B bench/control/main.py "$@"
fi
if [ "${1:-}" = share ]; then
  shift
  case " $* " in
    *" --help "* | *" -h "* | *" --binary "*) ;;
    *)
      bash tools/setup.sh build bench
      build release dunlin >/dev/null
      ;;
  esac
  exec python3 -B bench/control/share.py "$@"
fi
if [ "${1:-}" = migrate ]; then
  shift
  case " $* " in
    *" --help "* | *" -h "*) ;;
    *)
      bash tools/setup.sh build test
      . tools/oracles_lib.sh
      npm_packages tests/adoption
      build release dunlin >/dev/null
      ;;
  esac
  exec python3 -B bench/migrate/main.py "$@"
fi
only=""
if [ $# -gt 0 ] && [[ "$1" != -* ]]; then
  only="$1"
  shift
  [ -f "bench/${only}_bench.cpp" ] || die "there is no bench/${only}_bench.cpp" "ls bench"
fi
bash tools/setup.sh build
shopt -s nullglob
sources=(bench/"${only:-*}"_bench.cpp)
[ -n "$only" ] || sources=(bench/*_bench.cpp)
[ ${#sources[@]} -gt 0 ] || die "there is no benchmark yet: bench/NAME_bench.cpp" "less bench/README.md"
mkdir -p build/bench
for source in "${sources[@]}"; do
  name="$(basename "$source" .cpp)"
  build release "$name" >/dev/null
  say "$name"
  "build/release/$name" --benchmark_out="build/bench/$name.json" --benchmark_out_format=json "$@"
done
