#!/usr/bin/env python3
"""Takes the captures of terminals that stand in the documents, and puts them there: below each line `<!-- capture: SCENE-COLUMNS -->`
of a Markdown file, in place of the block that follows; and draws docs/images/*.svg.

    ./dev captures [--binary PATH] [--show] [SCENE...]     --show prints them, with colours, and writes nothing

dunlin runs in tmux, with files, folders and a host name that are made for it: a mount namespace with three empty file systems of its
own, so that no path and no name of this machine gets into a picture. Rates and times differ from one run to the next; what is shown
in a document is what a run has shown. Needs tmux, and either root or user namespaces.
"""

import argparse
import html
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from checkout import ROOT, tracked_files

INSIDE = "--inside"  # the second life of this script, within its namespace
HOST = "archive"
SOCKET = f"dunlin-captures-{os.getpid()}"
HOME = pathlib.Path("/opt/home")
MARK = re.compile(r"(<!-- capture: ([a-z-]+)-(\d+) -->\n```[a-z]*\n)(.*?)(\n```\n)", re.DOTALL)
MIB = 1 << 20


class Screen:
    """One window of tmux with a shell that knows nothing of this machine."""

    def __init__(self, name: str, columns: int, rows: int = 24):
        self.name = name
        environment = ["env", "-i", f"HOME={HOME}", "TERM=screen-256color", "LANG=C.UTF-8", "PATH=/opt/bin:/usr/bin:/bin", "PS1=$ ",
                       "DUNLIN_STATE=/opt/state"]
        tmux("new-session", "-d", "-s", name, "-x", str(columns), "-y", str(rows), *environment, "bash", "--norc", "--noprofile")
        self.settle("$", 5)

    def type(self, line: str) -> None:
        tmux("send-keys", "-t", self.name, "-l", line)
        tmux("send-keys", "-t", self.name, "Enter")

    def begin(self, line: str) -> None:
        """On an empty screen."""
        tmux("send-keys", "-t", self.name, "C-l")
        time.sleep(0.2)
        self.type(line)

    def press(self, key: str) -> None:
        tmux("send-keys", "-t", self.name, key)

    def resize(self, columns: int) -> None:
        tmux("resize-window", "-t", self.name, "-x", str(columns), "-y", "24")
        time.sleep(0.7)  # the display looks at the size five times a second

    def lines(self, colours: bool = False) -> list[str]:
        text = tmux("capture-pane", "-t", self.name, "-p", *(["-e"] if colours else []))
        lines = [line.rstrip() for line in text.split("\n")]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def settle(self, awaited: str, limit_s: float) -> None:
        """Until a line is, or begins with, what is awaited."""
        end = time.monotonic() + limit_s
        while not any(line.startswith(awaited) for line in self.lines()):
            if time.monotonic() > end:
                raise TimeoutError(f"captures: '{awaited}' did not appear:\n" + "\n".join(self.lines()))
            time.sleep(0.05)

    def when(self, awaited: str, limit_s: float) -> list[str]:
        """What is shown at the moment when that is in it."""
        end = time.monotonic() + limit_s
        while True:
            shown = self.lines(colours=True)
            if any(awaited in line for line in shown):
                return shown
            if time.monotonic() > end:
                raise TimeoutError(f"captures: '{awaited}' did not appear:\n" + "\n".join(shown))

    def run(self, line: str, limit_s: float = 60) -> list[str]:
        """A command to its end: what it has shown, and the command above it."""
        self.type(f"clear; {line}; echo ---")
        self.settle("---", limit_s)
        shown = self.lines(colours=True)
        end = next(i for i, one in enumerate(shown) if plain(one) == "---")
        return [f"$ {line}", *shown[:end]]

    def close(self) -> None:
        tmux("kill-session", "-t", self.name)


def tmux(*words: str) -> str:
    return subprocess.run(["tmux", "-L", SOCKET, "-f", "/dev/null", *words], check=True, capture_output=True, text=True).stdout


def fill(name: str, size: int) -> None:
    path = pathlib.Path("/srv", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
        file.write(os.urandom(size % MIB))


def make_sources() -> None:
    for n in range(20_000):
        path = pathlib.Path(f"/srv/mail/{2001 + n % 24}/{n % 365:03}/{n}.eml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"From: somebody\n" * (100 + n * 7919 % 300))
    fill("films/disk.img", 700 * MIB)
    fill("films/holiday 2026/the whole summer, first cut.mkv", 500 * MIB)
    fill("films/holiday 2026/raw/DSC_0042.mov", 300 * MIB)
    for n in range(300):
        fill(f"films/holiday 2026/notes/{n}.txt", 900)
    for n in range(800):
        fill(f"photos/DSC_{n:04}.jpg", 30_000)


class Scenes:
    """Each method is a scene; it yields (columns, lines)."""

    def several(self):
        """Large files among small ones, in a window that changes its size meanwhile."""
        screen = Screen("several", 100)
        screen.begin("dunlin copy /srv/films /mnt/archive --io-limit 90MB/s")
        time.sleep(5)
        for columns in (100, 200, 80, 40):
            screen.resize(columns)
            yield columns, screen.lines(colours=True)
        screen.resize(80)
        screen.press("C-c")
        screen.settle("paused", 10)
        yield 80, "interrupted", [line for line in screen.lines(colours=True) if line != "$"]
        yield 80, "ps", screen.run("dunlin ps")
        yield 80, "status", screen.run("dunlin status last")
        screen.begin("dunlin resume last")
        yield 80, "resuming", screen.when(" resuming", 10)
        screen.press("C-c")
        screen.settle("paused", 10)
        screen.run("dunlin cancel last")
        screen.close()

    def small(self):
        """Many small files; in the middle, and what is said at the end."""
        screen = Screen("small", 80)
        screen.begin("dunlin copy /srv/mail /mnt/archive --io-limit 12MB/s")
        time.sleep(3.5)
        yield 80, screen.lines(colours=True)
        screen.settle("completed", 240)
        yield 80, "end", [line for line in screen.lines(colours=True) if line != "$"]
        yield 80, "report", self.paged(screen, "dunlin report last")
        screen.close()

    @staticmethod
    def paged(screen: Screen, line: str) -> list[str]:
        """Of a command that says more than a screenful."""
        tmux("resize-window", "-t", screen.name, "-x", "80", "-y", "90")
        return screen.run(line)

    def one(self):
        """One large file, copied and then read back."""
        screen = Screen("one", 80)
        screen.begin("dunlin copy /srv/films/disk.img /mnt/archive/backup.img --io-limit 120MB/s")
        time.sleep(3)
        yield 80, screen.lines(colours=True)
        yield 80, "verifying", screen.when("verifying", 60)
        screen.settle("completed", 240)
        screen.close()

    def failing(self):
        """With items that fail: what stands there already is not replaced."""
        stands = pathlib.Path("/mnt/archive/photos")
        stands.mkdir(parents=True, exist_ok=True)
        for n in range(0, 800, 11):
            (stands / f"DSC_{n:04}.jpg").write_text("another one")
        screen = Screen("failing", 80)
        screen.begin("dunlin copy /srv/photos /mnt/archive --conflict fail --batch-size 50 --io-limit 5MB/s")
        time.sleep(3)
        yield 80, screen.lines(colours=True)
        screen.settle("completed", 240)
        yield 80, "end", [line for line in screen.lines(colours=True) if line != "$"]
        yield 80, "errors", screen.run("dunlin errors last --limit 4")
        screen.close()

    def watch(self):
        """Another terminal."""
        screen = Screen("watched", 80)
        screen.type("dunlin copy /srv/films /mnt/watched --io-limit 90MB/s --quiet")
        watching = Screen("watching", 80)
        time.sleep(4)
        watching.begin("dunlin watch last")
        time.sleep(1.5)
        yield 80, watching.lines(colours=True)
        other = Screen("other", 80)
        yield 80, "ps", other.run("dunlin ps")
        yield 80, "limits", other.run("dunlin limits last --io 20MB/s")
        yield 80, "pause", other.run("dunlin pause last")
        other.run("dunlin cancel last")
        for one in (screen, watching, other):
            one.close()

    def rollback(self):
        """What was moved comes back, and is paused half-way."""
        screen = Screen("rollback", 80)
        screen.run("dunlin move /srv/photos /mnt/moved/ --batch-size 50 --io-limit 10MB/s --quiet")
        screen.type("clear; dunlin rollback last --yes --quiet &")
        screen.type("sleep 1.2; dunlin pause last --quiet; sleep 0.5; clear")
        time.sleep(3)
        yield 80, screen.run("dunlin status last")
        yield 80, "resume", screen.run("dunlin resume last")
        screen.close()


COLOURS = {"31": "#e06c75", "32": "#98c379", "33": "#e5c07b", "36": "#56b6c2", "2": "#7f848e"}


def svg_of(lines: list[str], columns: int) -> str:
    """A picture of a terminal, in a font that the viewer has."""
    width, height = columns * 8 + 24, len(lines) * 18 + 24
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-size="13" '
           'font-family="ui-monospace,SFMono-Regular,Menlo,DejaVu Sans Mono,monospace">',
           f'<rect width="{width}" height="{height}" rx="8" fill="#1e2127"/>']
    for row, line in enumerate(lines):
        column, colour, spans = 0, "#d7dae0", []
        for part in re.split(r"(\x1b\[[0-9;]*m)", line):
            if part.startswith("\x1b"):
                code = part[2:-1].split(";")[-1]
                colour = COLOURS.get(code, "#d7dae0")
            elif part:
                spans.append(f'<tspan x="{12 + column * 8}" textLength="{len(part) * 8}" lengthAdjust="spacingAndGlyphs" '
                             f'fill="{colour}">{html.escape(part)}</tspan>')
                column += len(part)
        out.append(f'<text y="{row * 18 + 26}" xml:space="preserve">{"".join(spans)}</text>')
    return "\n".join([*out, "</svg>", ""])


def plain(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m|[\x0e\x0f]", "", line).rstrip()


def take(wanted: list[str]) -> dict[str, list[str]]:
    """Everything of the scenes named (all, if none is), by NAME-COLUMNS."""
    for folder in ("/srv", "/mnt", "/opt"):
        subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
    subprocess.run(["hostname", HOST], check=True)
    for folder in ("/opt/bin", HOME, "/mnt/archive"):
        os.makedirs(folder)
    shutil.copy(os.environ["DUNLIN_BINARY"], "/opt/bin/dunlin")
    make_sources()
    tmux("new-session", "-d", "-s", "idle", "cat")  # a server without a session ends
    scenes, found = Scenes(), {}
    names = [name for name in vars(Scenes) if not name.startswith("_") and name != "paged"]
    try:
        for name in names:
            if wanted and name not in wanted:
                continue
            try:
                for columns, *rest in getattr(scenes, name)():
                    key = f"{name}-{rest[0]}" if len(rest) == 2 else name
                    found[f"{key}-{columns}"] = rest[-1]
            except TimeoutError as missing:  # the other scenes are shown all the same
                print(missing, file=sys.stderr)
    finally:
        subprocess.run(["tmux", "-L", SOCKET, "kill-server"], check=False, capture_output=True)
    return found


def put(found: dict[str, list[str]]) -> int:
    """Into the documents."""
    def block(match: re.Match) -> str:
        key = f"{match[2]}-{match[3]}"
        return match[1] + "\n".join(map(plain, found[key])) + match[5] if key in found else match[0]

    for page in (path for path in tracked_files() if path.suffix == ".md"):
        text = (ROOT / page).read_text()
        new = MARK.sub(block, text)
        if new != text:
            (ROOT / page).write_text(new)
            print(f"{page}: written")
    images = ROOT / "docs" / "images"
    images.mkdir(exist_ok=True)
    if "several-100" in found:
        (images / "several-100.svg").write_text(svg_of(found["several-100"], 100))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=str(ROOT / "build" / "release" / "dunlin"))
    parser.add_argument("--show", action="store_true")
    parser.add_argument(INSIDE, dest="inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("scenes", nargs="*", metavar="SCENE")
    given = parser.parse_args()
    if not given.inside:
        if not shutil.which("tmux"):
            sys.exit("captures: tmux is not installed\n  try:  apt-get install tmux")
        if not os.access(given.binary, os.X_OK):
            sys.exit(f"captures: there is no {given.binary}\n  try:  ./dev build")
        os.environ["DUNLIN_BINARY"] = os.path.abspath(given.binary)
        maps = [] if os.geteuid() == 0 else ["--map-root-user"]
        os.execvp("unshare", ["unshare", "--mount", "--uts", *maps, sys.executable, __file__, INSIDE, *sys.argv[1:]])
    found = take(given.scenes)
    if given.show:
        for name, lines in found.items():
            print(f"\n=== {name}", *lines, "\x1b[0m", sep="\n")
        return 0
    return put(found)


if __name__ == "__main__":
    sys.exit(main())
