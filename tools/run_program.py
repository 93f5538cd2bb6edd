#!/usr/bin/env python3
"""Runs one program of a build (the crash loop, the simulator) the way tests are run: unprivileged, in a scratch folder.

    tools/run_program.py PRESET PROGRAM [ARGUMENT...]

Ends with the program's exit code. However many kills or seeds it ran, ./dev test counts it as one case.
"""

import signal
import subprocess
import sys

from checkout import ROOT, Stage


def main() -> int:
    if len(sys.argv) < 3 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 2
    preset, program, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]
    build = ROOT / "build" / preset
    if not (build / program).exists():
        print(f"run_program: build/{preset}/{program} does not exist\n  try:  ./dev build {preset} {program}", file=sys.stderr)
        return 2
    with Stage(build) as stage:
        environment = stage.environment(program)
        process = subprocess.Popen([*stage.prefix(), str(stage.programs / program), *arguments], env=environment,
                                   cwd=stage.scratch / program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace")
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        for line in process.stdout:
            print(line, end="", flush=True)
        code = process.wait()
    if code < 0:
        print(f"{program} was ended by signal {-code}")
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
