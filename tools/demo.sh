#!/usr/bin/env bash
# Copies /usr/share with full verification, kills the copy half-way for show, resumes it, and compares both trees without dunlin.
# Works below build/demo, which it empties first; the state stays there so that you can look into it afterwards.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/lib.sh

source=/usr/share
case "${1:-}" in
  "") ;;
  --help)
    echo "usage: ./dev demo [DIRECTORY]     copies /usr/share, or the directory named, to build/demo/copy"
    exit 0
    ;;
  *)
    [ -d "$1" ] || die "$1 is no directory" "./dev demo /usr/share"
    source="$(readlink -f "$1")"
    ;;
esac

bash tools/setup.sh build
say "build"
build release dunlin
dunlin="$PWD/build/release/dunlin"

scratch="$PWD/build/demo"
rm -rf "$scratch"
mkdir -p "$scratch/copy"
export DUNLIN_STATE="$scratch/state"
copy="$scratch/copy/$(basename "$source")"

needed_kb="$(du -sk "$source" 2>/dev/null | cut -f1)"
free_kb="$(df -Pk "$scratch" | awk 'NR == 2 { print $4 }')"
[ "$free_kb" -gt $((needed_kb * 5 / 4)) ] ||
  die "$scratch has $((free_kb / 1024)) MiB free, the copy needs $((needed_kb * 5 / 4096)) MiB" "./dev demo /usr/share/doc"
total="$(find "$source" -printf x | wc -c)"

show() {
  printf '\n$ dunlin %s\n' "$*"
  "$dunlin" "$@"
}

say "copy $source ($total entries, $((needed_kb / 1024)) MiB), to be killed half-way"
printf '\n$ dunlin copy %s %s --verify full\n' "$source" "$scratch/copy"
"$dunlin" copy "$source" "$scratch/copy" --verify full &
owner=$!
killed=no
# Counting costs less than a tenth of what the copy does between two looks.
while kill -0 "$owner" 2>/dev/null; do
  if [ -d "$copy" ] && [ "$(find "$copy" -printf x 2>/dev/null | wc -c)" -gt $((total * 2 / 5)) ]; then
    kill -KILL "$owner" 2>/dev/null && killed=yes
    break
  fi
  sleep 0.05
done
code=0
{ wait "$owner" || code=$?; } 2>/dev/null
if [ "$killed" = yes ] && [ "$code" -eq 137 ]; then
  say "killed with SIGKILL; $(find "$copy" -printf x | wc -c) of $total entries are there, some of them temporary"
elif [ "$code" -eq 0 ]; then
  say "the copy was finished before it could be killed"
else
  die "the copy ended with exit code $code" "DUNLIN_STATE=$DUNLIN_STATE $dunlin errors last"
fi
show ps --all

if [ "$killed" = yes ] && [ "$code" -eq 137 ]; then
  say "resume"
  show resume last || die "the resumed copy ended with exit code $?" "DUNLIN_STATE=$DUNLIN_STATE $dunlin errors last"
fi

say "compare without dunlin: content, types, modes, sizes, times, link targets; nothing too much"
diff -r --no-dereference "$source" "$copy" || die "the copy differs" "diff -r --no-dereference $source $copy"
# Directories: their size belongs to the file system. Links: their mode and size say nothing that the target does not.
listing() {
  (cd "$1" && find . \( -type d -printf '%P d %m %T@\n' \) -o \( -type l -printf '%P l %l\n' \) -o -printf '%P %y %m %s %T@\n') |
    LC_ALL=C sort
}
diff <(listing "$source") <(listing "$copy") || die "types, modes, sizes or times differ (above: < source, > copy)" "./dev demo $source"
echo "equal: $total entries"

say "report"
show report last

cat <<TEXT

Where to look next
  the state of this demo   export DUNLIN_STATE=$DUNLIN_STATE
  what was done            build/release/dunlin items last --limit 20
  what went wrong          build/release/dunlin errors last
  your own copy            build/release/dunlin copy SOURCE DESTINATION --verify full
  how it works             docs/architecture.md
  clean up                 rm -rf build/demo
TEXT
