#!/usr/bin/env python3
"""Runs one program of a build (the crash loop, the simulator) the way tests are run: unprivileged, in a scratch folder.

    tools/run_program.py [--as-root] PRESET PROGRAM [ARGUMENT...]

--as-root keeps root's rights, for what nobody else can make (device nodes, owners).
Ends with the program's exit code. However many kills or seeds it ran, ./dev test counts it as one case.
"""

import signal
import subprocess
import sys

from checkout import ROOT, Stage


def main() -> int:
    words = sys.argv[1:]
    as_root = words[:1] == ["--as-root"]
    words = words[1:] if as_root else words
    if len(words) < 2 or words[0].startswith("-"):
        print(__doc__)
        return 2
    preset, program, arguments = words[0], words[1], words[2:]
    build = ROOT / "build" / preset
    if not (build / program).exists():
        print(f"run_program: build/{preset}/{program} does not exist\n  try:  ./dev build {preset} {program}", file=sys.stderr)
        return 2
    with Stage(build, as_root=as_root) as stage:
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
