"""What the machine is, and what is done to it between runs: caches dropped, space looked at, residency in the page cache read."""

import contextlib
import os
import pathlib
import platform
import shutil
import subprocess
import time

MEMORY_FILE_SYSTEMS = {"tmpfs", "ramfs"}
EVERYTHING = "3"  # pages, directory entries and inodes
PAGES = "1"
REMOVALS_REMEMBERED_S = 65


def is_root() -> bool:
    return os.geteuid() == 0


def file_system(folder: pathlib.Path) -> str:
    found = subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", folder], capture_output=True, text=True)
    lines = found.stdout.split()
    return lines[-1] if lines else "unknown"  # of several mounted over each other the last is seen


def memory_available() -> int:
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def processor() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def describe(folder: pathlib.Path, root: pathlib.Path) -> dict[str, str]:
    commit = subprocess.run(["git", "-c", f"safe.directory={root}", "describe", "--always", "--dirty"], cwd=root,
                            capture_output=True, text=True).stdout.strip()
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"commit": commit or "unknown", "CPUs": f"{os.cpu_count()} × {processor()}", "memory": f"{total / 2**30:.0f} GiB",
            "file system": file_system(folder), "kernel": platform.release(), "load at the beginning": load()}


def flush(folder: pathlib.Path) -> None:
    subprocess.run(["sync", "-f", folder], check=True)


def drop_caches(what: str) -> None:
    """Only clean pages can be dropped, so everything is written first. Root only."""
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text(what)


def remove(folder: pathlib.Path) -> None:
    if folder.exists():  # an immutable file of the real tree was copied with its flag
        subprocess.run(["chattr", "-R", "-f", "-ia", folder], stderr=subprocess.DEVNULL, check=False)
        # Sixteen at a time: a file system that discards at once waits a millisecond for the device at each file.
        subprocess.run(["sh", "-c", 'find "$1" -xdev -type f -print0 | xargs -0 -r -P 16 -n 200 rm -f', "sh", folder], check=False)
    subprocess.run(["rm", "-rf", "--one-file-system", folder], check=True)


def forget_removals(folder: pathlib.Path) -> None:
    """Until ext4 gives inodes again that were freed: a minute after they were written (RECENTCY_MIN in its ialloc.c; five more before)."""
    if file_system(folder) == "ext4":
        flush(folder)
        time.sleep(REMOVALS_REMEMBERED_S)


def free_space(folder: pathlib.Path) -> tuple[int, int]:
    """Bytes and inodes; a file system that counts no inodes (btrfs) has enough of them."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize, found.f_favail if found.f_files else 2**62


def resident_bytes(path: pathlib.Path) -> int:
    """How much of a file, or of all files in a folder, is in the page cache; -1 where fincore is missing."""
    if not shutil.which("fincore"):
        return -1
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())
    out = subprocess.run(["fincore", "-b", "-n", "-r", "-o", "RES", *files], capture_output=True, text=True, check=True).stdout
    return sum(int(line) for line in out.split())


@contextlib.contextmanager
def scratch_below(folder: pathlib.Path):
    """A folder of our own that is gone afterwards, however this ends short of SIGKILL."""
    scratch = folder / f"files-{os.getpid()}"
    scratch.mkdir(parents=True)
    try:
        yield scratch
    finally:
        remove(scratch)
