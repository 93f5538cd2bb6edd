#!/usr/bin/env python3
"""Does memory stay bounded, and what does the ledger cost per file?

    ./dev bench memory [--files 100000,1000000] [--verify full] [--evidence]

Copies trees of small files (1,000 to a directory, 0 to 99 bytes each) with the release build and prints, for each size, the peak
resident memory of the process (ru_maxrss), the time, and the bytes of ledger.db per file. Needs room for two copies of the largest
tree (about 8.5 GB of blocks for 1,000,000) below TMPDIR. --evidence keeps the table in docs/evidence/memory.txt.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PER_DIRECTORY = 1000


def make_tree(folder: pathlib.Path, files: int) -> None:
    for first in range(0, files, PER_DIRECTORY):
        directory = folder / f"part {first // (100 * PER_DIRECTORY)}" / f"directory {first // PER_DIRECTORY}"
        directory.mkdir(parents=True)
        for number in range(first, min(first + PER_DIRECTORY, files)):
            descriptor = os.open(directory / f"file number {number}.txt", os.O_WRONLY | os.O_CREAT, 0o644)
            os.write(descriptor, b"x" * (number % 100))
            os.close(descriptor)


def measure(binary: pathlib.Path, scratch: pathlib.Path, files: int, verify: str) -> tuple[int, float, float]:
    """Peak resident bytes, seconds, ledger bytes per file."""
    source, destination, state = scratch / "source", scratch / "destination", scratch / "state"
    make_tree(source, files)
    started = time.monotonic()
    command = [binary, "copy", f"{source}/", destination, "--verify", verify, "--state", state, "--quiet", "--no-progress"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    if status != 0:
        sys.exit(f"memory: dunlin ended with {os.waitstatus_to_exitcode(status)}")
    ledger = sum(path.stat().st_size for path in state.glob("executions/*/ledger.db"))
    for folder in (source, destination, state):
        shutil.rmtree(folder)
    return usage.ru_maxrss * 1024, seconds, ledger / files


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", default="100000,1000000")
    parser.add_argument("--verify", default="full", choices=["none", "basic", "full"])
    parser.add_argument("--evidence", action="store_true")
    options = parser.parse_args()
    binary = ROOT / "build" / "release" / "dunlin"
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    lines = [f"# ./dev bench memory --verify {options.verify} at commit {commit}, {os.cpu_count()} CPUs",
             f"{'files':>10} {'peak MiB':>10} {'seconds':>9} {'files/s':>9} {'ledger bytes/file':>18}"]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory(prefix="dunlin-memory-") as scratch:
        for files in [int(text) for text in options.files.split(",")]:
            peak, seconds, ledger = measure(binary, pathlib.Path(scratch), files, options.verify)
            lines.append(f"{files:>10} {peak / 2**20:>10.1f} {seconds:>9.1f} {files / seconds:>9.0f} {ledger:>18.1f}")
            print(lines[-1], flush=True)
    if options.evidence:
        (ROOT / "docs" / "evidence" / "memory.txt").write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
