"""The trees that are copied: seeded small files, large files, a real tree of this machine. Each knows what room it takes."""

import dataclasses
import os
import pathlib
import random

SMALL_FILES = 100_000
SMALL_PER_DIRECTORY = 400
SMALL_BYTES = (1 << 10, 16 << 10)
LARGE_FILES = 2
LARGE_BYTES = 2 << 30
SEED = 20_240
BLOCK = 4096


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    source: pathlib.Path
    made: bool  # by us, and so removed by us
    allocated_bytes: int
    inodes: int


def sizes_of_small(scale: float) -> list[int]:
    random_sizes = random.Random(SEED)
    return [random_sizes.randint(*SMALL_BYTES) for _ in range(max(1, round(SMALL_FILES * scale)))]


def large_bytes(scale: float) -> int:
    return max(BLOCK, round(LARGE_BYTES * scale) // BLOCK * BLOCK)


def small(folder: pathlib.Path, scale: float) -> Workload:
    sizes = sizes_of_small(scale)
    allocated = sum(-(-size // BLOCK) * BLOCK for size in sizes)
    return Workload("small", folder / "small", True, allocated, len(sizes) + len(sizes) // SMALL_PER_DIRECTORY + 2)


def make_small(workload: Workload, scale: float) -> None:
    content = random.Random(SEED + 1)
    for number, size in enumerate(sizes_of_small(scale)):
        directory = workload.source / f"part {number // (50 * SMALL_PER_DIRECTORY)}" / f"directory {number // SMALL_PER_DIRECTORY}"
        if number % SMALL_PER_DIRECTORY == 0:
            directory.mkdir(parents=True)
        file = directory / f"file number {number}.dat"
        file.write_bytes(content.randbytes(size))
        if number % 3 == 0:
            file.chmod(0o640)  # so that it shows who keeps the mode


def large(folder: pathlib.Path, scale: float) -> Workload:
    return Workload("large", folder / "large", True, LARGE_FILES * large_bytes(scale), LARGE_FILES + 2)


def make_large(workload: Workload, scale: float) -> None:
    content = random.Random(SEED + 2)
    workload.source.mkdir()
    for number in range(LARGE_FILES):
        with open(workload.source / f"large {number}.dat", "wb") as file:
            left = large_bytes(scale)
            while left > 0:
                file.write(content.randbytes(min(left, 1 << 20)))
                left -= 1 << 20


def tree(root: pathlib.Path, scale: float) -> Workload:
    """The tree itself is the source. A smaller scale takes the one directory in it that comes nearest to that share of its entries."""
    allocated, entries, below = 0, 0, {}
    for name in sorted(os.listdir(root)):
        a, e = _extent(root / name)
        allocated, entries = allocated + a, entries + e
        if (root / name).is_dir() and not (root / name).is_symlink():
            below[root / name] = (a, e)
    if scale < 1 and below:
        root = min(below, key=lambda folder: abs(below[folder][1] - scale * entries))
        allocated, entries = below[root]
    return Workload("tree", root, False, allocated, entries + 1)


def _extent(path: pathlib.Path) -> tuple[int, int]:
    """Allocated bytes and entries, symlinks not followed, names of one inode counted each (a peer may not keep links)."""
    allocated, entries = path.lstat().st_blocks * 512, 1
    if path.is_dir() and not path.is_symlink():
        for folder, directories, files in os.walk(path):
            for name in directories + files:
                allocated += os.lstat(os.path.join(folder, name)).st_blocks * 512
                entries += 1
    return allocated, entries


def measure(name: str, folder: pathlib.Path, root: pathlib.Path, scale: float) -> Workload:
    return {"small": lambda: small(folder, scale), "large": lambda: large(folder, scale), "tree": lambda: tree(root, scale)}[name]()


def make(workload: Workload, scale: float) -> None:
    if workload.made:
        {"small": make_small, "large": make_large}[workload.name](workload, scale)
