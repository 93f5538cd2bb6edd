#!/usr/bin/env python3
"""Runs a command on a terminal of its own and writes what it shows, with the times, as an asciinema recording (format 2): docs/demo.cast
is `./dev demo` so recorded.

    ./dev record [-o FILE] [--columns N] [--rows N] [--limit-kib N] [COMMAND...]     default: ./dev demo into docs/demo.cast
    ./dev record --play FILE                                                         shows one, at its own speed

Paths and the name of this machine are replaced as they are read. What is said twice within 100 ms is one entry.
"""

import argparse
import codecs
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

from checkout import ROOT

CHECKOUT = "/src/dunlin"
TOGETHER_S = 0.1


def neutral(text: str) -> str:
    text = text.replace(str(ROOT), CHECKOUT).replace(os.path.expanduser("~") + "/", "~/")
    return re.sub(rf"\b{re.escape(os.uname().nodename)}\b", "host", text)


def record(command: list[str], columns: int, rows: int) -> tuple[list[list], int]:
    """[seconds, "o", text] each, and the exit code."""
    began = time.monotonic()
    child, master = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.chdir(ROOT)
        os.environ.update(TERM="xterm-256color", LANG="C.UTF-8", COLUMNS=str(columns), LINES=str(rows))
        os.execvp(command[0], command)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    events, held, held_since = [], "", 0.0

    def let_go() -> None:
        nonlocal held
        if held:
            events.append([round(held_since, 2), "o", neutral(held)])
        held = ""

    while True:
        ready, _, _ = select.select([master], [], [], TOGETHER_S)
        now = time.monotonic() - began
        if held and now - held_since > TOGETHER_S:
            let_go()
        if not ready:
            continue
        try:
            data = os.read(master, 65536)
        except OSError:  # the last process that had the terminal is gone
            data = b""
        if not data:
            break
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        if not held:
            held_since = now
        held += decoder.decode(data)
    let_go()
    return events, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def play(file: str) -> None:
    with open(file, encoding="utf-8") as lines:
        json.loads(next(lines))
        began = time.monotonic()
        for at, _, text in map(json.loads, lines):
            time.sleep(max(0.0, at - (time.monotonic() - began)))
            print(text, end="", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", default=str(ROOT / "docs" / "demo.cast"))
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--rows", type=int, default=30)
    parser.add_argument("--limit-kib", type=int, default=200)
    parser.add_argument("--play", metavar="FILE")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if given.play:
        play(given.play)
        return 0
    events, code = record(given.command or ["./dev", "demo"], given.columns, given.rows)
    if code != 0:
        print(f"record: the command ended with exit code {code}; nothing is written", file=sys.stderr)
        return 1
    header = {"version": 2, "width": given.columns, "height": given.rows, "title": "dunlin: copied, killed, resumed, proven",
              "env": {"TERM": "xterm-256color", "SHELL": "/bin/bash"}}
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in [header, *events]) + "\n"
    if len(text.encode()) > given.limit_kib * 1024:
        print(f"record: {len(text.encode()) // 1024} KiB are more than {given.limit_kib}; nothing is written", file=sys.stderr)
        return 1
    with open(given.o, "w", encoding="utf-8") as file:
        file.write(text)
    print(f"\nwritten: {os.path.relpath(given.o, ROOT)}, {len(text.encode()) // 1024} KiB, {events[-1][0]:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
