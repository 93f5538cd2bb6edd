#!/usr/bin/env python3
"""How two copies that run at the same time share one disk by their priorities.

    ./dev bench share [--pairs A:B,…] [--source NAME,…] [--seconds N] [--repeat N] [--scale F] [--dir DIR] [--json FILE] [--evidence]

Both copy the same source, each to a place of its own below --dir. Once both are under way, what each has copied in some seconds is counted from
outside: bytes written of a large file, files of many small ones. A ratio of 1.00 is what the priorities say.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "bench" / "files"))

import machine  # noqa: E402
import sources  # noqa: E402

EVIDENCE = ROOT / "docs" / "evidence" / "bench-share.txt"
WEIGHTS = {"immediate": 8, "high": 4, "normal": 2, "low": 1}
# Past the first trial (share_policy.h) and past what the lower one then pays back of it, which is seconds for immediate:low.
SETTLE_S = 9.0
COUNTED_S = {"large": 12.0, "small": 6.0}  # the faster one still runs at the end
SIZES = {"large": 1.0, "small": 3.0}  # so that it does
ALLOWED = 0.10
UNDER_WAY_BYTES = 64 << 20  # the ledger writes less


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench share", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", default="normal:normal,high:normal,high:low,immediate:low", help="priorities, with commas between pairs")
    parser.add_argument("--source", default="large,small", help="sources, with commas between: large, small")
    parser.add_argument("--seconds", type=float, help="counted of each pair (default: 12 of large, 6 of small)")
    parser.add_argument("--repeat", type=int, default=3, help="of each pair; the median counts (default 3)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size of the sources")
    parser.add_argument("--dir", type=pathlib.Path, default=ROOT / "build" / "bench", help="where the copies go; on the disk that is meant")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build" / "release" / "dunlin")
    parser.add_argument("--json", type=pathlib.Path, help="writes every single figure to this file, too")
    parser.add_argument("--evidence", action="store_true", help=f"keeps the table in {EVIDENCE.relative_to(ROOT)}")
    options = parser.parse_args()
    options.pairs = [tuple(pair.split(":")) for pair in options.pairs.split(",")]
    if any(len(pair) != 2 or not set(pair) <= set(WEIGHTS) for pair in options.pairs):
        parser.error(f"--pairs: two of {', '.join(WEIGHTS)} with a colon between")
    return options


class Copy:
    """One of the two, in the state directory that they share."""

    def __init__(self, options: argparse.Namespace, environment: dict, source: sources.Source, number: int, priority: str) -> None:
        self._binary, self._environment, self.number = options.binary, environment, number
        self._large = source.name == "large"
        self.destination = options.dir / f"share-{number}"
        machine.remove(self.destination)
        self._process = subprocess.Popen(
            [self._binary, "copy", f"{source.folder}/", str(self.destination), "--priority", priority, "--verify", "none", "--quiet",
             "--no-progress"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def running(self) -> bool:
        return self._process.poll() is None

    def done(self) -> float:
        if self._large:
            for line in pathlib.Path(f"/proc/{self._process.pid}/io").read_text().splitlines():
                if line.startswith("write_bytes:"):
                    return float(line.split()[1])
        return float(self._progress().get("processed_files", 0))

    def _progress(self) -> dict:
        found = subprocess.run([self._binary, "status", str(self.number), "--json"], env=self._environment, capture_output=True, text=True)
        return json.loads(found.stdout)["progress"] if found.returncode == 0 and found.stdout else {}

    def in_its_midst(self) -> bool:
        return self._progress().get("phase") == "loading"

    def under_way(self) -> bool:
        return self.done() > (UNDER_WAY_BYTES if self._large else 0)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        machine.remove(self.destination)


def trial(options: argparse.Namespace, source: sources.Source, pair: tuple[str, ...]) -> dict | None:
    """None: one of them ended too soon."""
    state, run = options.dir / "share-state", options.dir / "share-run"
    for folder in (state, run):
        machine.remove(folder)
    run.mkdir(mode=0o700, parents=True)
    environment = {**os.environ, "DUNLIN_STATE": str(state), "XDG_RUNTIME_DIR": str(run)}
    copies = []
    try:
        for number, priority in enumerate(pair, 1):
            copies.append(Copy(options, environment, source, number, priority))
            time.sleep(0.5)
        while not all(copy.under_way() for copy in copies):
            if not all(copy.running() for copy in copies):
                return None
            time.sleep(0.05)
        time.sleep(SETTLE_S)
        before, began = [copy.done() for copy in copies], time.monotonic()
        time.sleep(options.seconds or COUNTED_S[source.name])
        after, took = [copy.done() for copy in copies], time.monotonic() - began
        if not all(copy.running() and copy.in_its_midst() for copy in copies):
            return None
    finally:
        for copy in copies:
            copy.end()
    rates = [(end - start) / took for start, end in zip(before, after, strict=True)]
    return {"rates": rates, "ratio": rates[0] / max(rates[1], 1) / (WEIGHTS[pair[0]] / WEIGHTS[pair[1]])}


def row(source: sources.Source, pair: tuple[str, ...], trials: list[dict]) -> str:
    unit, divisor = ("MB/s", 1e6) if source.name == "large" else ("files/s", 1)
    if not trials:
        return f"{source.name:<6} {':'.join(pair):<18} one of them ended before it was measured: a larger --scale or fewer --seconds"
    ratios = [trial["ratio"] for trial in trials]
    rates = [statistics.median(trial["rates"][i] for trial in trials) / divisor for i in (0, 1)]
    median = statistics.median(ratios)
    verdict = "ok" if abs(median - 1) <= ALLOWED else "MISSED"
    return (f"{source.name:<6} {':'.join(pair):<18} {rates[0]:>9.0f} {rates[1]:>9.0f} {unit:<8} {median:>7.2f}   "
            f"{min(ratios):.2f} to {max(ratios):.2f}   {verdict}")


def main() -> int:
    options = arguments()
    options.dir.mkdir(parents=True, exist_ok=True)
    lines = [f"Two copies at one disk, median of {options.repeat}; 1.00: shared as the priorities say, "
             f"{ALLOWED:.0%} allowed", "; ".join(f"{key}: {value}" for key, value in machine.describe(options.dir, ROOT).items()), "",
             f"{'source':<6} {'priorities':<18} {'first':>9} {'second':>9} {'':<8} {'ratio':>7}   spread"]
    kept, missed = [], False
    for name in options.source.split(","):
        scale = options.scale * SIZES[name]
        folder = options.dir if SIZES[name] == 1 else options.dir / "share-source"
        folder.mkdir(exist_ok=True)
        source = sources.ALL[name](folder, scale)
        sources.make(source, scale)
        for pair in options.pairs:
            trials = [found for _ in range(options.repeat) if (found := trial(options, source, pair))]
            kept.append({"source": name, "pair": pair, "trials": trials})
            lines.append(row(source, pair, trials))
            missed = missed or not lines[-1].endswith("ok")
            print(lines[-1], flush=True)
    text = "\n".join(line for line in lines) + "\n"
    if options.json:
        options.json.write_text(json.dumps(kept, indent=1) + "\n")
    if options.evidence:
        EVIDENCE.write_text(text)
    print(text)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
