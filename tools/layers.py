#!/usr/bin/env python3
"""The layer check: the architecture as a test. Prints every breach with file and line; exit 1 if there is one.

- An include of ours names a folder (`#include "base/result.h"`; beside each other in tests/ the name is enough), exists, and lies in the including layer or in one that its
  dunlin_layer() line in CMakeLists.txt names under DEPENDS. That file is the only table.
- DEPENDS names layers declared above, so the graph has no circle; no kind depends on a kind; base depends on nothing of ours.
- Every folder of src/ and tests/ has a README.md; a file in src/ has at most 700 lines; a header, or a source without one, starts
  with a comment.
- No file that may be committed holds a machine's path or the host of a package registry.
"""

import pathlib
import re
import sys

from checkout import ROOT, tracked_files

KINDS = {"files", "objects", "records", "schema"}
MAX_LINES = 700
CODE = {".h", ".cpp"}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')
# Written in pieces, so that this file does not hold what it forbids.
FORBIDDEN = [
    (re.compile(r"(?<![\w.}$~*-])/(?:wor[k]|hom[e](?!/u\b)|User[s])/"), "a path of one machine (the home of an example is that of u)"),
    (re.compile(r"\.\./share[d]\b"), "a path outside of the project"),
    (re.compile(r"\b(?:deb|security|snapshot|archive|ftp)[.](?:debian|ubuntu)[.](?:org|com)\b"), "the host of a package registry"),
    (re.compile(r"\b(?:registry[.]npmjs|registry[.]yarnpkg|pypi|files[.]pythonhosted|proxy[.]golang|static[.]crates)[.](?:org|com|io)\b"),
     "the host of a package registry"),
]


def read_layers(problems: list[str]) -> dict[str, set[str]]:
    layers: dict[str, set[str]] = {}
    text = (ROOT / "CMakeLists.txt").read_text()
    for match in re.finditer(r"^dunlin_layer\(([^)]*)\)", text, re.MULTILINE):
        line = text.count("\n", 0, match.start()) + 1
        words = match[1].split()
        name, depends = words[0], []
        if "DEPENDS" in words:
            for word in words[words.index("DEPENDS") + 1:]:
                if word in ("LIBS", "PRIVATE_LIBS"):
                    break
                depends.append(word)
        for other in depends:
            if other not in layers:
                problems.append(f"CMakeLists.txt:{line}: {name} depends on {other}, which is not declared above it")
            if other in KINDS:
                problems.append(f"CMakeLists.txt:{line}: {name} depends on the kind {other}; only main.cpp knows kinds")
        if name == "base" and depends:
            problems.append(f"CMakeLists.txt:{line}: base depends on nothing of ours")
        layers[name] = set(depends)
    return layers


def check_includes(path: pathlib.Path, lines: list[str], layers: dict[str, set[str]], problems: list[str]) -> None:
    parts = path.parts
    layer = parts[1] if parts[0] == "src" and len(parts) > 2 else None
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = pathlib.PurePosixPath(match[1])
        here = f"{path}:{number}: includes \"{target}\""
        if len(target.parts) == 1 and parts[0] == "tests" and (ROOT / path.parent / target).is_file():
            continue  # a test and its helper, side by side
        if len(target.parts) < 2 or ".." in target.parts:
            problems.append(f"{here}: name the folder too, from src/ or tests/")
            continue
        in_src = (ROOT / "src" / target).is_file()
        if not in_src and not (parts[0] != "src" and (ROOT / "tests" / target).is_file()):
            problems.append(f"{here}, which does not exist")
        elif layer and in_src and target.parts[0] not in layers.get(layer, set()) | {layer}:
            problems.append(f"{here}: {layer} may include {', '.join(sorted(layers.get(layer, set()))) or 'nothing of ours'}")


def main() -> int:
    problems: list[str] = []
    layers = read_layers(problems)
    files = tracked_files()
    folders: set[tuple[str, str]] = set()
    for path in files:
        if len(path.parts) > 2 and path.parts[0] in ("src", "tests"):
            folders.add(path.parts[:2])
        try:
            text = (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue
        lines = text.splitlines()
        for number, line in enumerate(lines, 1):
            for pattern, what in FORBIDDEN:
                if pattern.search(line):
                    problems.append(f"{path}:{number}: {what}")
        if path.suffix not in CODE:
            continue
        check_includes(path, lines, layers, problems)
        if path.parts[0] == "src":
            if len(lines) > MAX_LINES:
                problems.append(f"{path}: {len(lines)} lines; a file has one subject and at most {MAX_LINES} lines")
            described = path.suffix == ".h" or not (ROOT / path).with_suffix(".h").is_file()
            if described and not text.startswith("//"):
                problems.append(f"{path}:1: starts with a comment: what it is, why it exists, its thread rule")
    for top, folder in sorted(folders):
        if top == "src" and folder not in layers:
            problems.append(f"src/{folder}: no dunlin_layer({folder} ...) in CMakeLists.txt")
        if not (ROOT / top / folder / "README.md").is_file():
            problems.append(f"{top}/{folder}: has no README.md")
    for problem in problems:
        print(problem)
    print(f"{len(layers)} layers, {len(files)} files: {len(problems)} breaches")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
