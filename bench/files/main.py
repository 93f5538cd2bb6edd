#!/usr/bin/env python3
"""dunlin beside cp, rsync, rclone, fpsync and tar, on the same files, in the same run, with the same durability.

    ./dev bench files [--runs N] [--scale F] [--only GROUP,…] [--dir DIR] [--json FILE] [--evidence]

Prints what each tool took (wall time, user and system time, peak memory, processes, whether its copy equals the source), and the ratio
to dunlin beside the target of each row of bench/files/targets.toml (--list shows them). As root the caches are dropped before a cold run;
without that right only the warm group runs. At full scale it needs 10 GB on a disk below --dir (default build/bench), better 50, and about an hour.
The group page-cache fills the memory of the machine with cached pages, which everybody else on it will notice.
"""

import argparse
import json
import pathlib
import shlex
import shutil
import signal
import sys

import machine
import measure
import rows
import self_check
import session
import table

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EVIDENCE = ROOT / "docs" / "evidence" / "bench-files.txt"
UNFINISHED = ROOT / "build" / "bench" / "files-unfinished.txt"
PEERS = ("rsync", "rclone", "fpsync", "fincore")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench files", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of each tool; the median counts (default 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size, for a trial: 0.01")
    parser.add_argument("--only", default="", help="groups, with commas between (default all)")
    parser.add_argument("--dir", type=pathlib.Path, default=ROOT / "build" / "bench", help="where the copies go; on the disk that is meant")
    parser.add_argument("--tree", type=pathlib.Path, default=pathlib.Path("/usr/share"), help="the real tree (default /usr/share)")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build" / "release" / "dunlin")
    parser.add_argument("--json", type=pathlib.Path, help="writes everything measured to this file, too")
    parser.add_argument("--evidence", action="store_true", help="keeps the table in docs/evidence/bench-files.txt")
    parser.add_argument("--list", action="store_true", help="shows groups and targets, runs nothing")
    parser.add_argument("--self-check", action="store_true", help="tests the arithmetic of this program")
    options = parser.parse_args()
    if options.evidence and (options.scale != 1 or options.only or not machine.is_root()):
        parser.error("--evidence is for the whole: as root, without --scale and --only")
    if options.runs < 1 or not 0 < options.scale <= 1:
        parser.error("--runs is at least 1, --scale above 0 and at most 1")
    return options


def refuse(why: str, instead: str) -> None:
    sys.exit(f"bench files: {why}\n  try:  {instead}")


def choose(groups: list[rows.Group], only: str) -> list[rows.Group]:
    if only:
        names = only.split(",")
        unknown = set(names) - {group.name for group in groups}
        if unknown:
            refuse(f"there is no group {', '.join(sorted(unknown))}", "./dev bench files --list")
        groups = [group for group in groups if group.name in names]
    if machine.is_root():
        return groups
    warm = [group for group in groups if group.cache == "warm"]
    if not warm:
        refuse("only root may drop the caches, and all these groups start cold", "sudo ./dev bench files, or --only small-warm")
    print("bench files: not root, so no cache can be dropped: only what starts warm runs", file=sys.stderr)
    return warm


def check_place(folder: pathlib.Path, groups: list[rows.Group], options: argparse.Namespace) -> None:
    kind = machine.file_system(folder)
    if kind in machine.MEMORY_FILE_SYSTEMS:
        refuse(f"{folder} is in memory ({kind}), which measures no disk", "./dev bench files --dir /a/folder/on/a/disk")
    space, inodes = machine.free_space(folder)
    needed_space, needed_inodes = session.needed(groups, folder, options.tree, options.scale)
    if space < needed_space or inodes < needed_inodes:
        refuse(f"{folder} has room for {space / 1e9:.1f} GB and {inodes} files, needed are {needed_space / 1e9:.1f} GB and {needed_inodes} files",
               "./dev bench files --dir /a/larger/disk, or --scale 0.1")


def measure_all(groups: list[rows.Group], options: argparse.Namespace, scratch: pathlib.Path, heading: list[str]) -> list:
    """With --evidence what has been measured is kept after each group, for this takes long; it takes the place of the table that is there once
    it is whole."""
    run = session.Session(scratch, options.binary.resolve(), options.tree, options.scale, options.runs)
    done, lines = [], []
    for number, group in enumerate(groups):
        before = machine.load()
        results = run.run(group)
        part = table.measurements(group, results, (before, machine.load())) + (table.page_cache(group, results) if group.victim else [])
        print("\n".join(part), flush=True)
        lines += part
        done.append((group, results))
        if options.evidence:
            left = [later.name for later in groups[number + 1:]]
            open_ones = [f"not measured: {', '.join(left)}"] if left else []
            UNFINISHED.parent.mkdir(parents=True, exist_ok=True)
            UNFINISHED.write_text("\n".join(heading + lines + table.verdicts(done) + open_ones) + "\n")
        if all(later.workload != group.workload for later in groups[number + 1:]):
            run.forget(group.workload)
    if options.evidence:
        EVIDENCE.write_text(UNFINISHED.read_text())
        UNFINISHED.unlink()
    return done


def main() -> int:
    options = arguments()
    if options.self_check:
        return self_check.main()
    groups = rows.read_groups()
    if options.list:
        print("\n".join(table.targets(groups)))
        return 0
    missing = [peer for peer in PEERS if not shutil.which(peer)]
    if missing:
        refuse(f"not installed: {', '.join(missing)}", "./dev setup bench")
    groups = choose(groups, options.only)
    options.dir.mkdir(parents=True, exist_ok=True)
    check_place(options.dir, groups, options)
    measure.adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    description = machine.describe(options.dir, ROOT)
    if options.scale != 1:
        description["a trial"] = f"all trees are {options.scale:g} of what the names below say"
    heading = table.head(description, shlex.join(["./dev", "bench", "files", *sys.argv[1:]]))
    print("\n".join(heading), flush=True)
    with machine.scratch_below(options.dir.resolve()) as scratch:
        done = measure_all(groups, options, scratch, heading)
    verdicts = table.verdicts(done)
    print("\n".join(verdicts))
    if options.json:
        options.json.write_text(json.dumps(table.as_json(description, done), indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except measure.ToolFailed as failure:
        sys.exit(f"bench files: {failure}")
