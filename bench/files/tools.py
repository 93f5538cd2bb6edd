"""What is run: dunlin and its peers, each as the steps that a careful person would type to have a durable, and where it is called so a
verified, copy. Every copy ends with a flush of the destination's file system, also ours, which has flushed already.

A verification that is to say something about the device must not read the page cache: between copy and check the pages are dropped
(not inodes and directory entries, which prove nothing). dunlin needs no such help, it reads past the cache. The dropping itself is not timed.
"""

import dataclasses
import os
import pathlib
import sys
from collections.abc import Callable

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True)
class Job:
    binary: pathlib.Path
    source: pathlib.Path
    destination: pathlib.Path  # exists; empty, or complete already
    scratch: pathlib.Path  # for what a tool keeps beside it: state, lists


@dataclasses.dataclass(frozen=True)
class Step:
    command: tuple[str, ...]
    silent: bool = False  # any output is a difference that was found


class DropPages:
    """Between two steps; not timed."""


Steps = list[Step | DropPages]
CHECKSUMS = """cd "$1" && find . -type f -print0 | xargs -0 sha256sum >"$3" && cd "$2" && sha256sum --check --quiet "$3" """


def step(*words: object, silent: bool = False) -> Step:
    return Step(tuple(str(word) for word in words), silent)


def flush(job: Job) -> Step:
    return step("sync", "-f", job.destination)


def dunlin(job: Job, *flags: str) -> Steps:
    return [step(job.binary, "copy", f"{job.source}/", job.destination, "--state", job.scratch / "state", "--quiet", "--no-progress", *flags),
            flush(job)]


def rsync(job: Job, flags: str) -> Steps:
    return [step("rsync", flags, f"{job.source}/", f"{job.destination}/"), flush(job)]


def rsync_verified(job: Job) -> Steps:
    return rsync(job, "-a") + [DropPages(), step("rsync", "-acni", f"{job.source}/", f"{job.destination}/", silent=True)]


def cp(job: Job) -> Steps:
    return [step("cp", "-a", f"{job.source}/.", job.destination), flush(job)]


def cp_verified(job: Job) -> Steps:
    return cp(job) + [DropPages(), step("sh", "-c", CHECKSUMS, "sh", job.source, job.destination, job.scratch / "SHA256SUMS")]


def rclone(job: Job) -> Steps:
    return [step("rclone", "--config", "/dev/null", "-q", "copy", job.source, job.destination), flush(job)]


def rclone_verified(job: Job) -> Steps:
    return rclone(job) + [DropPages(), step("rclone", "--config", "/dev/null", "-q", "check", job.source, job.destination)]


def fpsync(job: Job) -> Steps:
    return [step("fpsync", "-n", os.cpu_count(), "-t", job.scratch / "fpsync", job.source, job.destination), flush(job)]


def tar(job: Job) -> Steps:
    return [step("bash", "-c", 'set -o pipefail; tar -C "$1" -cf - . | tar -C "$2" -xpf -', "bash", job.source, job.destination), flush(job)]


def device(job: Job, *flags: str) -> Steps:
    return [step(sys.executable, "-S", HERE / "device.py", *flags, job.source, job.destination), flush(job)]


def floor(job: Job, what: str) -> Steps:
    return [step(job.binary.parent / "files_floor", what, job.source, job.destination), flush(job)]


TOOLS: dict[str, Callable[[Job], Steps]] = {
    "dunlin, plain": lambda job: dunlin(job, "--verify", "none"),
    "dunlin, verified, md5": lambda job: dunlin(job, "--verify", "full", "--hash", "md5"),
    "dunlin, verified, xxh3": lambda job: dunlin(job, "--verify", "full", "--hash", "xxh3"),
    "rsync -a": lambda job: rsync(job, "-a"),
    "rsync -aHAX": lambda job: rsync(job, "-aHAX"),
    "rsync -a, rsync -c": rsync_verified,
    "cp -a": cp,
    "cp -a, sha256sum": cp_verified,
    "rclone copy": rclone,
    "rclone copy, check": rclone_verified,
    "fpsync": fpsync,
    "tar | tar": tar,
    "device, copy": device,
    "device, copy and read back": lambda job: device(job, "--read-back"),
    "bare loop": lambda job: floor(job, "copy"),
    "bare loop, final names": lambda job: floor(job, "copy-under-final-names"),
    "bare loop, read back": lambda job: floor(job, "copy-and-read-back"),
    "bare loop, look": lambda job: floor(job, "look"),
}


def needs_dropping(name: str, job: Job) -> bool:
    return any(isinstance(part, DropPages) for part in TOOLS[name](job))
