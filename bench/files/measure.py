"""Runs the steps of one tool and measures them: wall time, user and system time, peak resident memory, processes alive at once.

Time and memory are those that the kernel has counted for the process and every descendant that was waited for (wait4). What a tool
leaves to the kernel's own threads (write-back, journal) shows in no process; it does show in the wall time, since each run ends with a flush.
"""

import ctypes
import dataclasses
import os
import pathlib
import resource
import signal
import subprocess
import threading
import time

import machine
from tools import DropPages, Step, Steps

LOOK_S = 0.25
PR_SET_CHILD_SUBREAPER = 36


class ToolFailed(Exception):
    pass


@dataclasses.dataclass
class Run:
    seconds: float = 0
    user: float = 0
    system: float = 0
    peak_bytes: int = 0
    peak_is_bound: bool = False  # the peak was below that of this program, from which a child inherits it: known only as "at most"
    processes: int = 0
    left_over: int = 0  # processes that were still there when the tool had ended

    @property
    def cpu(self) -> float:
        return self.user + self.system


class Family:
    """Looks now and then how many processes a process and its descendants are."""

    def __init__(self, pid: int) -> None:
        self.most = 1
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def end(self) -> int:
        self._stop.set()
        self._thread.join()
        return self.most

    def _look(self) -> None:
        while not self._stop.wait(LOOK_S):
            self.most = max(self.most, count(self._pid))


def count(pid: int) -> int:
    total = 1
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            total += sum(count(int(child)) for child in task.read_text().split())
        except OSError:  # ended meanwhile
            continue
    return total


def adopt_orphans() -> None:
    """What a tool leaves behind becomes our child, so that it can be seen and ended."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_orphans() -> int:
    """Reaps what has ended, kills what has not; how many had not."""
    alive = 0
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return alive
        if pid == 0:
            for child in pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                alive += 1
                os.kill(int(child), signal.SIGKILL)
                os.waitpid(int(child), 0)


def _environment(scratch: pathlib.Path) -> dict[str, str]:
    """No configuration of the person who measures has a say."""
    return {"PATH": os.environ["PATH"], "HOME": str(scratch), "LC_ALL": "C.UTF-8", "TMPDIR": str(scratch)}


def _run_step(step: Step, scratch: pathlib.Path, run: Run) -> None:
    log = scratch / "log"
    floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open(log, "wb") as output:
        started = time.monotonic()
        process = subprocess.Popen(step.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=_environment(scratch),
                                   start_new_session=True)
        family = Family(process.pid)
        try:
            _, status, usage = os.wait4(process.pid, 0)
            run.seconds += time.monotonic() - started
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            run.processes = max(run.processes, family.end())
    run.user += usage.ru_utime
    run.system += usage.ru_stime
    if usage.ru_maxrss * 1024 > run.peak_bytes:
        run.peak_bytes, run.peak_is_bound = usage.ru_maxrss * 1024, usage.ru_maxrss <= floor
    run.left_over += _end_orphans()
    said = log.read_bytes()
    if process.returncode != 0 or (step.silent and said):
        raise ToolFailed(f"{' '.join(step.command)}\nended with {process.returncode}:\n{said[-2000:].decode(errors='replace')}")


def run_steps(steps: Steps, scratch: pathlib.Path) -> Run:
    run = Run()
    for step in steps:
        if isinstance(step, DropPages):
            machine.drop_caches(machine.PAGES)
        else:
            _run_step(step, scratch, run)
    return run


def warm(source: pathlib.Path) -> None:
    """Everything that is read of the source is in the caches afterwards."""
    subprocess.run(["sh", "-c", 'find "$1" -type f -print0 | xargs -0 cat >/dev/null', "sh", source], check=True)
