#!/usr/bin/env python3
"""How long verbs take to have effect on a running copy, and how exactly limits are kept, seen from outside.

    ./dev bench control [--trials N] [--only VERB,…] [--source NAME,…] [--scale F] [--windows N] [--dir DIR] [--json FILE] [--evidence]

Each verb (pause, stop, limit, concurrency) is tried on a copy of many small files, of one large one and of a directory of very many names,
at random moments. Times are from the start of the command; its effect is what others can see of the process: that it is gone, what it
writes, what it has open. A limit is a rate: of each trial that counts windows, every 10 s are compared with it.
At full scale it needs 50 GB on a disk below --dir (default build/bench) and about two hours; 4 verbs × 3 sources × 200 trials.
"""

import argparse
import json
import pathlib
import random
import shlex
import signal
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "bench" / "files"))

import machine  # noqa: E402
import self_check  # noqa: E402
import sources  # noqa: E402
import table  # noqa: E402
import trials  # noqa: E402
from figures import Measured  # noqa: E402
from run import Failed, Run  # noqa: E402

EVIDENCE = ROOT / "docs" / "evidence"
VERBS = ("pause", "stop", "limit", "concurrency")
TRIES_PER_TRIAL = 3  # some come when the copy has just ended


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench control", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200, help="of each verb with each source (default 200)")
    parser.add_argument("--windows", type=int, default=10, help="so many trials of limits last long enough for 10 s windows (default 10)")
    parser.add_argument("--only", default="", help=f"verbs, with commas between: {', '.join(VERBS)} (default all)")
    parser.add_argument("--source", default="", help=f"sources, with commas between: {', '.join(sources.ALL)} (default all)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size, for a trial: 0.01")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--dir", type=pathlib.Path, default=ROOT / "build" / "bench", help="where the copies go; on the disk that is meant")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build" / "release" / "dunlin")
    parser.add_argument("--json", type=pathlib.Path, help="writes every single figure to this file, too")
    parser.add_argument("--evidence", action="store_true", help="keeps the tables in docs/evidence/bench-control-SOURCE.txt")
    parser.add_argument("--self-check", action="store_true", help="tests the arithmetic of this program")
    options = parser.parse_args()
    options.verbs = _chosen(parser, options.only, VERBS)
    options.sources = _chosen(parser, options.source, tuple(sources.ALL))
    if options.evidence and (options.scale != 1 or options.only or options.trials < 200):
        parser.error("--evidence is for all verbs at full size: without --scale and --only, with 200 trials or more")
    if options.trials < 1 or not 0 < options.scale <= 1:
        parser.error("--trials is at least 1, --scale above 0 and at most 1")
    return options


def _chosen(parser: argparse.ArgumentParser, text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(text.split(",")) if text else known
    for name in names:
        if name not in known:
            parser.error(f"there is no {name}; one of {', '.join(known)}")
    return names


def check_place(folder: pathlib.Path, wanted: list[sources.Source]) -> None:
    kind = machine.file_system(folder)
    if kind in machine.MEMORY_FILE_SYSTEMS:
        sys.exit(f"bench control: {folder} is in memory ({kind}), where nothing takes long\n  try:  ./dev bench control --dir /a/folder/on/a/disk")
    space, inodes = machine.free_space(folder)
    needed_space = 2 * max(source.needed_bytes for source in wanted) * 11 // 10
    needed_inodes = 2 * max(source.needed_inodes for source in wanted)
    if space < needed_space or inodes < needed_inodes:
        sys.exit(f"bench control: {folder} has room for {space / 1e9:.1f} GB and {inodes} files, needed are {needed_space / 1e9:.1f} GB and "
                 f"{needed_inodes} files\n  try:  ./dev bench control --dir /a/larger/disk, or --scale 0.1")


def measure(verb: str, run: Run, source: sources.Source, options: argparse.Namespace) -> Measured:
    measured = Measured()
    chance = random.Random(f"{options.seed} {verb} {source.name}")
    for number in range(options.trials * TRIES_PER_TRIAL):
        done = len(measured.effect_ms)
        if done + len(measured.failures) >= options.trials:
            break
        print(f"\r{source.name} {verb} {done + 1}/{options.trials} ", end="", file=sys.stderr, flush=True)
        if verb == "limit":
            trials.limit(run, source, chance, measured, done < options.windows)
        else:
            {"pause": trials.pause, "stop": trials.stop, "concurrency": trials.concurrency}[verb](run, source, chance, measured)
    run.end()
    print("\r" + " " * 40 + "\r", end="", file=sys.stderr, flush=True)
    return measured


def keep(name: str, heading: list[str], found: dict[tuple[str, str], Measured]) -> None:
    """What there is so far of one source: a verb takes ten minutes and more."""
    of_source = {key: measured for key, measured in found.items() if key[0] == name}
    left = [verb for verb in VERBS if (name, verb) not in of_source]
    open_ones = [f"not measured: {', '.join(left)}"] if left else []
    text = heading + table.whole(of_source) + [""] + table.verdict(of_source) + open_ones
    (EVIDENCE / f"bench-control-{name}.txt").write_text("\n".join(text) + "\n")


def measure_all(options: argparse.Namespace, scratch: pathlib.Path, heading: list[str]) -> dict[tuple[str, str], Measured]:
    found: dict[tuple[str, str], Measured] = {}
    for name in options.sources:
        source = sources.ALL[name](scratch, options.scale)
        print(f"making {source.what}", file=sys.stderr, flush=True)
        sources.make(source, options.scale)
        machine.flush(scratch)
        print(f"\n{name}: {source.what}", flush=True)
        print(table.heading(), flush=True)
        run = Run(options.binary.resolve(), source.folder, scratch)
        try:
            for verb in options.verbs:
                run.begin()
                found[name, verb] = measure(verb, run, source, options)
                print("\n".join(table.lines(verb, found[name, verb])), flush=True)
                if options.evidence:
                    keep(name, heading, found)
        finally:
            run.end()
        for folder in (run.destination, source.folder, scratch / "state"):
            machine.remove(folder)
    return found


def main() -> int:
    options = arguments()
    if options.self_check:
        return self_check.main()
    options.dir.mkdir(parents=True, exist_ok=True)
    check_place(options.dir, [sources.ALL[name](options.dir, options.scale) for name in options.sources])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    description = machine.describe(options.dir, ROOT)
    if options.scale != 1:
        description["a trial"] = f"all sources are {options.scale:g} of their full size"
    heading = table.head(description, shlex.join(["./dev", "bench", "control", *sys.argv[1:]]))
    print("\n".join(heading), flush=True)
    with machine.scratch_below(options.dir.resolve()) as scratch:
        found = measure_all(options, scratch, heading)
    verdict = table.verdict(found)
    print("\n" + "\n".join(verdict))
    if options.json:
        options.json.write_text(json.dumps(table.as_json(description, found), indent=1) + "\n")
    return 0 if all(not measured.failures for measured in found.values()) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except Failed as failure:
        sys.exit(f"bench control: {failure}")
