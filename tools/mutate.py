#!/usr/bin/env python3
"""Breaks the durable path on purpose, one place at a time, and expects a proof to turn red.

    ./dev mutate [--short] [--only NN[,NN]] [--list] [--evidence] [--jobs N]

Each tests/mutants/NN-name.mutant names a file, an exact text in it, its replacement, and the proof that must notice
(tests/mutants/README.md has the form). The tree is copied to build/mutants/tree, built there with the crash preset, and every proof
named is first seen green on the unchanged tree: a proof that is red anyway proves nothing. Then for each mutant: apply, build what
the proof needs, run it with a time limit, expect red, restore.
Fails if a mutant survives, does not compile, or its search text is not found exactly once. Ends with "N passed, N failed, N skipped".
"""

import argparse
import dataclasses
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

from checkout import ROOT, Stage, run_in_group

FOLDER = ROOT / "tests" / "mutants"
TREE = ROOT / "build" / "mutants" / "tree"
BUILD = TREE / "build" / "crash"
LOGS = ROOT / "build" / "mutants" / "logs"
EVIDENCE = ROOT / "docs" / "evidence" / "mutants.txt"
DEFAULT_LIMIT_S = 300


@dataclasses.dataclass
class Mutant:
    number: str
    name: str
    about: str
    file: str
    proof: list[str]
    search: str
    replace: str
    short: bool
    limit_s: int


def parse(path: pathlib.Path) -> Mutant:
    """Keys, then `--- search`, `--- replace`, `--- end`, each alone on its line. ValueError says what is wrong."""
    number, _, name = path.stem.partition("-")
    match = re.fullmatch(r"(.*?)^--- search\n(.*?)^--- replace\n(.*?)^--- end\n?", path.read_text(), re.DOTALL | re.MULTILINE)
    if not match or not number.isdigit() or not name:
        raise ValueError("the form is NN-name.mutant: keys, --- search, text, --- replace, text, --- end")
    keys = {}
    for line in match[1].splitlines():
        if line.strip() and not line.startswith("#"):
            key, colon, value = line.partition(":")
            if not colon or key not in ("about", "file", "proof", "short", "limit_s"):
                raise ValueError(f"unknown key: {line}")
            keys[key] = value.strip()
    for key in ("about", "file", "proof"):
        if not keys.get(key):
            raise ValueError(f"the key {key} is missing")
    proof = shlex.split(keys["proof"])
    if not re.fullmatch(r"sim|crash_loop|power_cut|\w+_tests", proof[0]):
        raise ValueError(f"a proof starts with sim, crash_loop, power_cut or a test program, not {proof[0]}")
    if proof[0].endswith("_tests") and not any(word.startswith("--gtest_filter=") for word in proof):
        raise ValueError("a test program needs --gtest_filter=")
    if match[2] == match[3] or not match[2].strip():
        raise ValueError("the search text is empty or equals its replacement")
    return Mutant(number, name, keys["about"], keys["file"], proof, match[2], match[3], keys.get("short") == "yes",
                  int(keys.get("limit_s", DEFAULT_LIMIT_S)))


def why_not_applicable(mutant: Mutant) -> str | None:
    path = ROOT / mutant.file
    if not path.is_file():
        return f"there is no file {mutant.file}"
    count = path.read_text().count(mutant.search)
    return None if count == 1 else f"its text is found {count} times in {mutant.file}, not once"


def build(target: str, jobs: int, log: pathlib.Path) -> bool:
    with open(log, "ab") as out:
        return subprocess.run(["cmake", "--build", str(BUILD), "--target", target, "-j", str(jobs)], stdin=subprocess.DEVNULL,
                              stdout=out, stderr=subprocess.STDOUT).returncode == 0


def prove(proof: list[str], limit_s: int, log: pathlib.Path) -> tuple[str, bool]:
    """("green" or how it turned red, whether the program ran at all)."""
    # As run_tests.py does it: suites that need root get it, and so do power cuts. Without root such a proof is not green.
    with Stage(BUILD, TREE, as_root=proof[0] == "power_cut" or any("NeedsRoot" in word for word in proof)) as stage:
        # Without a test that matches, gtest succeeds; such a proof must not count as green.
        with open(log, "ab") as out:
            code = run_in_group([*stage.prefix(), str(stage.programs / proof[0]), *proof[1:]], limit_s,
                                env=stage.environment("proof"), cwd=stage.scratch / "proof", stdout=out)
    if code is None:
        return f"red: still running after {limit_s} s", True
    if code == 0 and re.search(r"^\[==========\] 0 tests ", log.read_text(errors="replace"), re.MULTILINE):
        return "ran no test", False
    if code == 0:
        return "green", True
    return f"red: exit {code}" if code > 0 else f"red: signal {-code}", code not in (126, 127)


def prepare(jobs: int) -> None:
    TREE.mkdir(parents=True, exist_ok=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    # By content, not by time: a file that did not change keeps its time, so the tree is built incrementally from run to run.
    subprocess.run(["rsync", "-rlp", "--checksum", "--delete", "--exclude=/build", "--exclude=/.git", f"{ROOT}/", f"{TREE}/"], check=True)
    if not (BUILD / "build.ninja").exists():
        done = subprocess.run(["cmake", "--preset", "crash"], cwd=TREE, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"mutate: the copy cannot be configured\n{done.stdout}{done.stderr}\n  try:  ./dev setup")



def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev mutate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="only mutants marked `short: yes`")
    parser.add_argument("--only", help="numbers, comma separated")
    parser.add_argument("--list", action="store_true", help="check and list them, run nothing")
    parser.add_argument("--evidence", action="store_true", help="keep the table in docs/evidence/mutants.txt when all are red")
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("DUNLIN_JOBS", os.cpu_count() or 1)))
    options = parser.parse_args()

    mutants, broken = [], []
    for path in sorted(FOLDER.glob("*.mutant")):
        try:
            mutant = parse(path)
            reason = why_not_applicable(mutant)
        except ValueError as error:
            broken.append(f"{path.name}: {error}")
            continue
        if reason:
            broken.append(f"{path.name}: {reason}")
        mutants.append(mutant)
    numbers = [mutant.number for mutant in mutants]
    broken += [f"two mutants have the number {number}" for number in sorted({n for n in numbers if numbers.count(n) > 1})]
    chosen = mutants
    if options.only:
        wanted = set(options.only.split(","))
        broken += [f"there is no mutant {number}" for number in sorted(wanted - set(numbers))]
        chosen = [mutant for mutant in mutants if mutant.number in wanted]
    elif options.short:
        chosen = [mutant for mutant in mutants if mutant.short]
    for problem in broken:
        print(f"mutate: {problem}")
    if options.list or broken or not chosen:
        for mutant in chosen:
            print(f"{mutant.number} {mutant.name:<32} {mutant.file:<34} {mutant.about}")
        if not chosen:
            print("mutate: there is no mutant to run")
        print(f"0 passed, {len(broken) + (0 if chosen else 1)} failed, {len(chosen)} skipped")
        return 1 if broken or not chosen else 0

    prepare(options.jobs)
    not_green = {}
    for proof in sorted({tuple(mutant.proof) for mutant in chosen}):
        text = shlex.join(proof)
        log = LOGS / "unchanged.log"
        log.write_text(f"$ {text}\n")
        started = time.monotonic()
        limit_s = max(mutant.limit_s for mutant in chosen if tuple(mutant.proof) == proof)
        verdict = prove(list(proof), limit_s, log)[0] if build(proof[0], options.jobs, log) else "does not build"
        print(f"unchanged  {verdict:<24} {time.monotonic() - started:>6.1f} s  {text}", flush=True)
        if verdict != "green":
            not_green[proof] = verdict
            print("".join(f"    {line}\n" for line in log.read_text(errors="replace").splitlines()[-20:]), end="")

    passed, failed = 0, 0
    table = [f"{'no':<4}{'mutant':<34}{'verdict':<28}{'time':>8}  what was broken; what noticed"]
    print(f"\n{table[0]}")
    for mutant in chosen:
        log = LOGS / f"{mutant.number}-{mutant.name}.log"
        log.write_text("")
        started = time.monotonic()
        path = TREE / mutant.file
        original = path.read_bytes()
        good = False
        if tuple(mutant.proof) in not_green:
            verdict = "its proof is not green"
        else:
            try:
                path.write_text(path.read_text().replace(mutant.search, mutant.replace))
                if not build(mutant.proof[0], options.jobs, log):
                    verdict = "DOES NOT COMPILE"
                else:
                    verdict, ran = prove(mutant.proof, mutant.limit_s, log)
                    good = ran and verdict.startswith("red")
                    verdict = verdict if good else "SURVIVED" if ran else verdict
            finally:
                path.write_bytes(original)
        passed += good
        failed += not good
        table.append(f"{mutant.number:<4}{mutant.name:<34}{verdict:<28}{time.monotonic() - started:>6.1f} s  {mutant.about}; "
                     f"{shlex.join(mutant.proof)}")
        print(table[-1], flush=True)
        if not good:
            print(f"    see build/mutants/logs/{log.name}; again:  ./dev mutate --only {mutant.number}")
    summary = f"{passed} passed, {failed} failed, 0 skipped"
    print(summary)
    if options.evidence and not failed:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
        EVIDENCE.write_text("\n".join([f"# ./dev mutate --evidence at commit {commit}", *table, summary]) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
