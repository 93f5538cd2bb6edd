#!/usr/bin/env python3
"""What the device allows: copies the files of a folder by direct reads and writes of large blocks and does nothing else.

    device.py [--read-back] [--depth N] SOURCE DESTINATION

No page cache, no hash, no metadata; DEPTH blocks are in flight. --read-back reads each block once more after it was written, as a
verification has to. Python only hands out the calls, the bytes never pass through it.
"""

import argparse
import mmap
import os
import pathlib
import queue
import sys
import threading

BLOCK = 2 << 20
DEPTH = 8


def work(blocks: queue.SimpleQueue, read_back: bool, problems: list[BaseException]) -> None:
    buffer = mmap.mmap(-1, BLOCK)  # page-aligned, as direct reads and writes ask for
    try:
        while (block := blocks.get()) is not None:
            source, destination, offset, size = block
            view = memoryview(buffer)[:size]
            if os.preadv(source, [view], offset) != size or os.pwritev(destination, [view], offset) != size:
                raise OSError("a direct read or write was short")
            if read_back and os.preadv(destination, [view], offset) != size:
                raise OSError("a direct read was short")
    except BaseException as problem:
        problems.append(problem)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--read-back", action="store_true")
    parser.add_argument("--depth", type=int, default=DEPTH)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("destination", type=pathlib.Path)
    options = parser.parse_args()
    blocks, descriptors, problems = queue.SimpleQueue(), [], []
    for file in sorted(options.source.iterdir()):
        size = file.stat().st_size  # a multiple of the page size, see workloads.py
        source = os.open(file, os.O_RDONLY | os.O_DIRECT)
        destination = os.open(options.destination / file.name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_DIRECT, 0o644)
        os.posix_fallocate(destination, 0, size)
        descriptors.append(destination)
        for offset in range(0, size, BLOCK):
            blocks.put((source, destination, offset, min(BLOCK, size - offset)))
    threads = [threading.Thread(target=work, args=(blocks, options.read_back, problems)) for _ in range(options.depth)]
    for thread in threads:
        blocks.put(None)
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    for descriptor in descriptors:
        os.fsync(descriptor)
    return 0


if __name__ == "__main__":
    sys.exit(main())
