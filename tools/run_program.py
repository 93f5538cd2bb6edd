#!/usr/bin/env python3
"""Runs one program of a build (the crash loop, the simulator) the way tests are run: unprivileged, in a scratch folder.

    tools/run_program.py PRESET PROGRAM [ARGUMENT...]

Ends with the program's exit code. DUNLIN_COUNTS=FILE receives "passed failed skipped": taken from the program's last line of that
form ("12 passed, 0 failed, 0 skipped"), else the program counts as one case.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys

from checkout import ROOT, Stage


def main() -> int:
    if len(sys.argv) < 3 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 2
    preset, program, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]
    counts_file = os.environ.get("DUNLIN_COUNTS")
    build = ROOT / "build" / preset
    if not (build / program).exists():
        print(f"run_program: build/{preset}/{program} does not exist\n  try:  ./dev build {preset} {program}", file=sys.stderr)
        return 2
    counts = None
    with Stage(build) as stage:
        environment = stage.environment(program)
        process = subprocess.Popen([*stage.prefix(), str(stage.programs / program), *arguments], env=environment,
                                   cwd=stage.scratch / program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace")
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        for line in process.stdout:
            print(line, end="", flush=True)
            found = re.fullmatch(r"(\d+) passed, (\d+) failed, (\d+) skipped", line.strip())
            counts = found.groups() if found else counts
        code = process.wait()
    if counts is None:
        counts = ("1", "0", "0") if code == 0 else ("0", "1", "0")
    if counts_file:
        pathlib.Path(counts_file).write_text(" ".join(counts) + "\n")
    if code < 0:
        print(f"{program} was ended by signal {-code}")
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
