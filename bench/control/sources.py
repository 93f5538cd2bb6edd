"""What is copied while it is controlled: many small files, one large one, one directory of very many names."""

import dataclasses
import os
import pathlib
import random
from collections.abc import Callable

import workloads
from run import Run

LARGE_BYTES = 20 << 30
NAMES = 1_000_000
NAME_BYTES = 64
MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Source:
    name: str
    folder: pathlib.Path
    what: str
    bytes_per_unit: float  # of what look() counts
    limits: tuple[int, ...]  # bytes a second, below what any disk does
    tolerance: float  # within a second: the share that one portion, or one batch that is flushed, makes
    look: Callable[[Run], Callable[[], float]]
    needed_bytes: int
    needed_inodes: int


def small(folder: pathlib.Path, scale: float) -> Source:
    sizes = workloads.sizes_of_small(scale)
    mean = sum(sizes) / len(sizes)
    found = workloads.small(folder, scale)
    # Files are counted, and their sizes differ: of 10 s below 2 MB/s that alone is 3 % either way (one sigma at 250 KB/s).
    return Source("small", found.source, f"{len(sizes)} files of 1 to 16 KiB", mean, (2_000_000, 4_000_000, 8_000_000), 0.3,
                  lambda run: run.inodes, found.allocated_bytes, found.inodes)


def large(folder: pathlib.Path, scale: float) -> Source:
    size = max(MIB, round(LARGE_BYTES * scale) // MIB * MIB)
    return Source("large", folder / "large", f"one file of {size / 2**30:.2f} GiB", 1, (10_000_000, 30_000_000, 90_000_000), 0.15,
                  lambda run: run.written_bytes, size, 2)


def names(folder: pathlib.Path, scale: float) -> Source:
    count = max(1000, round(NAMES * scale))
    return Source("names", folder / "names", f"a directory of {count} files of {NAME_BYTES} bytes", NAME_BYTES, (5_000, 20_000, 80_000), 0.3,
                  lambda run: run.inodes, 4096 * count, count + 2)


ALL = {"small": small, "large": large, "names": names}


def make(source: Source, scale: float) -> None:
    if source.folder.exists():
        return
    if source.name == "small":
        workloads.make_small(workloads.small(source.folder.parent, scale), scale)
        return
    source.folder.mkdir()
    content = random.Random(workloads.SEED + 3)
    if source.name == "large":
        with open(source.folder / "large.dat", "wb") as file:
            for _ in range(source.needed_bytes // MIB):
                file.write(content.randbytes(MIB))
        return
    block = content.randbytes(NAME_BYTES)
    for number in range(source.needed_inodes - 2):
        descriptor = os.open(source.folder / f"name {number}.dat", os.O_WRONLY | os.O_CREAT, 0o644)
        os.write(descriptor, block)
        os.close(descriptor)
