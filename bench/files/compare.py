#!/usr/bin/env python3
"""Does a copy equal its source? Prints what differs and how often ("mode 3, directory times 1"), nothing if nothing does.

    compare.py SOURCE DESTINATION

Shares no code with dunlin. A process of its own, so that what it needs of memory is not inherited by the tools that are measured.
"""

import collections
import os
import stat
import sys

BLOCK = 1 << 20


def entries(root: bytes) -> dict[bytes, os.stat_result]:
    found = {b"": os.lstat(root)}
    pending = [b""]
    while pending:
        folder = pending.pop()
        with os.scandir(os.path.join(root, folder)) as listing:
            for entry in listing:
                path = os.path.join(folder, entry.name)
                found[path] = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
    return found


def same_content(one: bytes, other: bytes) -> bool:
    with open(one, "rb", buffering=0) as a, open(other, "rb", buffering=0) as b:
        while True:
            block = a.read(BLOCK)
            if block != b.read(BLOCK):
                return False
            if not block:
                return True


def attributes(path: bytes) -> dict[bytes, bytes]:
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)}


def differences(source: bytes, destination: bytes, a: os.stat_result, b: os.stat_result) -> list[str]:
    if stat.S_IFMT(a.st_mode) != stat.S_IFMT(b.st_mode):
        return ["type"]
    directory, regular, link = stat.S_ISDIR(a.st_mode), stat.S_ISREG(a.st_mode), stat.S_ISLNK(a.st_mode)
    wrong = {
        "size": regular and a.st_size != b.st_size,
        "content": regular and a.st_size == b.st_size and not same_content(source, destination),
        "symlink target": link and os.readlink(source) != os.readlink(destination),
        "mode": a.st_mode != b.st_mode,
        "owner": (a.st_uid, a.st_gid) != (b.st_uid, b.st_gid),
        "directory times" if directory else "symlink times" if link else "times": a.st_mtime_ns != b.st_mtime_ns,
        "attributes": attributes(source) != attributes(destination),
    }
    return [what for what, is_wrong in wrong.items() if is_wrong]


def link_sets(found: dict[bytes, os.stat_result]) -> set[frozenset[bytes]]:
    sets = collections.defaultdict(set)
    for path, entry in found.items():
        if entry.st_nlink > 1 and not stat.S_ISDIR(entry.st_mode):
            sets[entry.st_ino].add(path)
    return {frozenset(paths) for paths in sets.values() if len(paths) > 1}


def main() -> int:
    source, destination = (os.fsencode(name) for name in sys.argv[1:3])
    ours, theirs = entries(source), entries(destination)
    counts = collections.Counter()
    for path, entry in ours.items():
        if path in theirs:
            counts.update(differences(os.path.join(source, path), os.path.join(destination, path), entry, theirs[path]))
    counts["missing"] = len(ours.keys() - theirs.keys())
    counts["surplus"] = len(theirs.keys() - ours.keys())
    counts["hard links"] = len(link_sets(ours) - link_sets(theirs))
    print(", ".join(f"{what} {number}" for what, number in counts.items() if number))
    return 0


if __name__ == "__main__":
    sys.exit(main())
