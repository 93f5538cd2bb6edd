#!/usr/bin/env bash
# The README's two commands on a Debian 12 that has never seen us: debootstrap minbase into a scratch folder, clone the committed state
# there, ./dev demo, ./dev test. Times and counts go to docs/evidence/fresh-debian.md when everything passed.
# The mirror and apt's settings are those of this machine, read at run time. All mounts live in a mount namespace of their own and all
# processes in a pid namespace: both vanish with the script, however it ends.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/lib.sh

words=(demo test)
keep=no
while [ $# -gt 0 ]; do
  case "$1" in
    --only)
      words=("${2:?--only needs demo or test}")
      shift
      ;;
    --keep) keep=yes ;;
    --help)
      echo "usage: ./dev fresh [--only demo|test] [--keep]     needs root and about 12 GB below \${TMPDIR:-/var/tmp}; DUNLIN_MIRROR=URL names another mirror"
      exit 0
      ;;
    *) die "unknown option $1" "./dev fresh --help" ;;
  esac
  shift
done

[ "$(id -u)" -eq 0 ] || die "a chroot needs root" "sudo ./dev fresh"
bash tools/setup.sh fresh

if [ -z "${DUNLIN_FRESH_INSIDE:-}" ]; then
  work="$(mktemp -d "${TMPDIR:-/var/tmp}/dunlin-fresh.XXXXXX")"
  clean() {
    if [ "$keep" = yes ]; then
      echo "kept: $work"
    else
      rm -rf --one-file-system "$work"
    fi
  }
  trap clean EXIT
  trap 'exit 130' INT TERM
  free_mb="$(df -Pm "$work" | awk 'NR == 2 { print $4 }')"
  [ "$free_mb" -gt 12000 ] || die "$work has $free_mb MB free; 12000 are needed" "TMPDIR=/a/larger/disk ./dev fresh"
  [ -z "$(git status --porcelain)" ] || echo "fresh: what is not committed is not tested"
  arguments=()
  [ ${#words[@]} -eq 2 ] || arguments=(--only "${words[0]}")
  DUNLIN_FRESH_INSIDE="$work" unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
    bash tools/fresh.sh ${arguments[@]+"${arguments[@]}"}
  exit
fi

work="$DUNLIN_FRESH_INSIDE"
unset DUNLIN_FRESH_INSIDE
root="$work/root"
mkdir "$root"

# Every Debian source of this machine: "URI release component".
mapfile -t sources < <(apt-get indextargets --format '$(ORIGIN)|$(CODENAME)|$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
  sed -n 's/^Debian|bookworm[a-z-]*|//p' | sort -u)
mirror="${DUNLIN_MIRROR:-$(printf '%s\n' "${sources[@]}" | awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')}"
[ -n "$mirror" ] || die "this machine has no Debian 12 source to learn a mirror from" "DUNLIN_MIRROR=http://MIRROR/debian ./dev fresh"
[ ${#sources[@]} -gt 0 ] && [ -z "${DUNLIN_MIRROR:-}" ] || sources=("$mirror bookworm main")

say "debootstrap"
started=$SECONDS
eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
export http_proxy https_proxy
debootstrap --variant=minbase bookworm "$root" "$mirror" >"$work/debootstrap.log" 2>&1 || {
  tail -n 20 "$work/debootstrap.log"
  die "debootstrap failed" "DUNLIN_MIRROR=http://MIRROR/debian ./dev fresh"
}
debootstrap_s=$((SECONDS - started))

printf 'deb %s\n' "${sources[@]}" >"$root/etc/apt/sources.list"
apt-config dump | grep -E '^Acquire::(Check-Valid-Until|Check-Date|Retries|ForceIPv[46]|https?::(Proxy|Pipeline-Depth|Timeout)) ' \
  >"$root/etc/apt/apt.conf.d/90machine" || true
case "$mirror" in
  https:*) install -D /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt" ;;
esac
cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
cp /etc/hosts "$root/etc/hosts"

mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mkdir -p "$root/mnt/origin"
mount --bind "$PWD" "$root/mnt/origin"
mount -o remount,bind,ro "$root/mnt/origin"

# inside SECONDS COMMAND: in the fresh system, with the environment of a first login and nothing of ours.
inside() {
  local limit_s="$1"
  shift
  timeout --kill-after=60 "$limit_s" chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    TERM=dumb bash -c "$1"
}

say "git, clone"
# What a person types before the two commands. The clone lies in root's home, which other users cannot read: the harder case.
inside 900 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends git ca-certificates' \
  >"$work/git.log" 2>&1 || {
  tail -n 20 "$work/git.log"
  die "git cannot be installed in the fresh system"
}
# The checkout may belong to another user than root; that is no reason to distrust it here.
commit="$(git -c safe.directory="$PWD" rev-parse --short HEAD)" # now: work may go on here while the copy is tested
inside 300 'git config --global --add safe.directory "*" && git clone -q file:///mnt/origin ~/dunlin'

results=()
all_good=yes
mkdir -p build/fresh
for word in "${words[@]}"; do
  say "./dev $word on the fresh system"
  started=$SECONDS
  code=0
  inside 9000 "cd ~/dunlin && ./dev $word" 2>&1 </dev/null | tee "build/fresh/$word.log" || code=$?
  took="$(((SECONDS - started) / 60)) min $(((SECONDS - started) % 60)) s"
  last="$(grep -E '^([0-9]+ passed, [0-9]+ failed, [0-9]+ skipped|equal: [0-9]+ entries)$' "build/fresh/$word.log" | tail -n 1 || true)"
  [ "$code" -eq 0 ] || all_good=no
  results+=("| \`./dev $word\` | $([ "$code" -eq 0 ] && echo passed || echo "failed, exit $code") | $took | ${last:-} |")
done

say "fresh Debian 12"
report() {
  echo "# The two commands on a fresh Debian 12"
  echo
  echo "\`./dev fresh\`: \`debootstrap --variant=minbase bookworm\` ($debootstrap_s s), chroot, git installed, clone of commit"
  echo "$commit, then the commands, each including the installation of what it needs; $(nproc) CPUs."
  echo
  echo "| command | result | time | last words |"
  echo "| --- | --- | --- | --- |"
  printf '%s\n' "${results[@]}"
}
report | tee build/fresh/report.md
[ "$all_good" = yes ] || die "not everything passed; the output is in build/fresh" "less build/fresh/${words[-1]}.log"
[ ${#words[@]} -lt 2 ] || install -m 644 build/fresh/report.md docs/evidence/fresh-debian.md
