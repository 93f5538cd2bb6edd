#!/usr/bin/env python3
"""Checks docs/evidence/trace.md: every promise points to something that exists, or says `open`.

    ./dev trace [--open]        --open also lists what is still open

A row is `| the promise, quoted | pointers |`; pointers are separated by `, ` or ` ; ` and are one of
    test:Suite.Case          a TEST, TEST_F, TEST_P, TYPED_TEST(_P), RC_GTEST_PROP or RC_GTEST_FIXTURE_PROP in tests/**/*.cpp
    figure:PATH[#text]       a committed file, holding the text if one is given (`_` in the text also matches a space)
    command:./dev WORD ...   a word that ./dev knows
    mutant:NN                tests/mutants/NN-*.mutant
    open                     not shown yet; the rest of the cell says what is missing
"""

import re
import sys

from checkout import ROOT, tracked_files

TRACE = ROOT / "docs" / "evidence" / "trace.md"
CASE = re.compile(r"\b(?:TEST|TEST_F|TEST_P|TYPED_TEST|TYPED_TEST_P|RC_GTEST_PROP|RC_GTEST_FIXTURE_PROP)\s*\(\s*(\w+)\s*,\s*(\w+)")
POINTER = re.compile(r"(test|figure|command|mutant):(.+)")


def known_cases() -> set[str]:
    cases = set()
    for path in tracked_files():
        if path.parts[0] == "tests" and path.suffix in (".cpp", ".h"):
            for suite, case in CASE.findall((ROOT / path).read_text()):
                cases.add(f"{suite}.{case}")
    return cases


def known_words() -> set[str]:
    found = re.findall(r"^  (\S[^()]*?)\) exec ", (ROOT / "dev").read_text(), re.MULTILINE)
    return {word.strip() for line in found for word in line.split("|")}


def why_wrong(pointer: str, cases: set[str], words: set[str]) -> str | None:
    match = POINTER.fullmatch(pointer)
    if not match:
        return f"is none of test:, figure:, command:, mutant:, open: {pointer}"
    kind, value = match.groups()
    if kind == "test":
        return None if value in cases else f"there is no test {value}"
    if kind == "mutant":
        found = list((ROOT / "tests" / "mutants").glob(f"{value}-*.mutant"))
        return None if len(found) == 1 else f"tests/mutants/{value}-*.mutant matches {len(found)} files"
    if kind == "command":
        parts = value.split()
        return None if len(parts) > 1 and parts[0] == "./dev" and parts[1] in words else f"./dev knows no such word: {value}"
    path, _, text = value.partition("#")
    if not (ROOT / path).is_file():
        return f"there is no file {path}"
    content = (ROOT / path).read_text(errors="replace")
    return None if not text or text in content or text.replace("_", " ") in content else f"{path} does not hold \"{text}\""


def main() -> int:
    if "--help" in sys.argv[1:]:
        print(__doc__)
        return 0
    cases, words = known_cases(), known_words()
    wrong, still_open, shown = [], [], 0
    for number, line in enumerate(TRACE.read_text().splitlines(), 1):
        if not line.startswith("|") or re.fullmatch(r"\|[\s:|-]+\|", line) or line.startswith("| Promise"):
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) != 2 or not all(cells):
            wrong.append(f"trace.md:{number}: a row is | promise | shown by |")
            continue
        is_open = False
        for pointer in re.split(r"\s*[,;]\s+", cells[1]):
            pointer = pointer.strip().strip("`")
            if re.match(r"open\b", pointer):
                is_open = True
                break  # the words after `open` say what is missing
            problem = why_wrong(pointer, cases, words)
            if problem:
                wrong.append(f"trace.md:{number}: {problem}")
        if is_open:
            still_open.append(f"trace.md:{number}: {cells[0]}")
        else:
            shown += 1
    for problem in wrong:
        print(problem)
    if "--open" in sys.argv[1:]:
        print("\n".join(still_open))
    print(f"{shown} promises shown, {len(still_open)} open, {len(wrong)} wrong pointers ({len(cases)} tests known)")
    return 1 if wrong or shown + len(still_open) == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
