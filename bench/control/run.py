"""A copy that runs in a process of its own, asked and watched from outside: by the command line, by /proc, by the file system."""

import json
import os
import pathlib
import shutil
import subprocess
import time

import machine

FIRST_BYTES_S = 60


class Failed(Exception):
    pass


class Run:
    """One execution after the other from one source; each is ended by the trials, or ends by itself."""

    def __init__(self, binary: pathlib.Path, source: pathlib.Path, scratch: pathlib.Path) -> None:
        self._binary, self._source, self._scratch = binary, source, scratch
        self.destination = scratch / "destination"
        self._process: subprocess.Popen | None = None
        self._environment = {**os.environ, "DUNLIN_STATE": str(scratch / "state"), "XDG_RUNTIME_DIR": str(scratch / "run")}
        (scratch / "run").mkdir(mode=0o700, exist_ok=True)

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def exit_code(self) -> int | None:
        return self._process.poll() if self._process else None

    def begin(self, *more: str) -> None:
        """From nothing."""
        self.end()
        machine.remove(self.destination)
        machine.remove(self._scratch / "state")
        self._start("copy", f"{self._source}/", str(self.destination), "--verify", "none", "--quiet", "--no-progress", *more)

    def go_on(self) -> None:
        """Where it was paused; from nothing where it has ended."""
        if self.running():
            return
        if self.status() != "paused":
            self.begin()
            return
        self._start("resume", "last", "--quiet", "--no-progress")

    def _start(self, *words: str) -> None:
        self._process = subprocess.Popen([self._binary, *words], env=self._environment, stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        begun = time.monotonic()
        while self.running() and not self._answers():
            if time.monotonic() - begun > FIRST_BYTES_S:
                raise Failed(f"dunlin {words[0]} does nothing")
            time.sleep(0.005)

    def _answers(self) -> bool:
        """Its socket is there: a verb would be heard."""
        return any((self._scratch / "run").rglob("*.sock"))

    def ask(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run([self._binary, *words], env=self._environment, capture_output=True, text=True)

    def asking(self, *words: str) -> subprocess.Popen:
        return subprocess.Popen([self._binary, *words], env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def status(self) -> str:
        asked = self.ask("status", "last", "--json")
        return json.loads(asked.stdout)["status"] if asked.returncode == 0 and asked.stdout else "none"

    def interrupted(self) -> bool:
        return json.loads(self.ask("status", "last", "--json").stdout)["interrupted"]

    def end(self) -> None:
        if self.running():
            self._process.kill()
        if self._process:
            self._process.communicate()
        self._process = None
        shutil.rmtree(self._scratch / "run", ignore_errors=True)
        (self._scratch / "run").mkdir(mode=0o700, exist_ok=True)

    # What is seen from outside

    def written_bytes(self) -> float:
        """By write and its like, the ledger's included."""
        try:
            for line in pathlib.Path(f"/proc/{self.pid}/io").read_text().splitlines():
                if line.startswith("wchar:"):
                    return float(line.split()[1])
        except OSError:  # gone
            pass
        return -1

    def inodes(self) -> float:
        """In use on the file system: grows with each file that is made, whoever makes it."""
        found = os.statvfs(self.destination if self.destination.exists() else self._scratch)
        return float(found.f_files - found.f_ffree)

    def open_sources(self) -> float:
        """Files of the source that it has open."""
        count = 0
        try:
            for name in os.listdir(f"/proc/{self.pid}/fd"):
                try:
                    target = os.readlink(f"/proc/{self.pid}/fd/{name}")
                except OSError:
                    continue
                if target.startswith(f"{self._source}/") and target.endswith(".dat"):
                    count += 1
        except OSError:
            return -1
        return float(count)
