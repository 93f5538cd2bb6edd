#!/usr/bin/env python3
"""Runs the test programs of one build and counts test cases.

    tools/run_tests.py PRESET [--only base,store] [--filter GTEST_FILTER] [--jobs N] [--counts FILE]

Each program runs in shards side by side. Suites whose name contains `Alone` (they measure time, or use something that exists once
on a machine) run afterwards, one program at a time. Suites whose name contains `NeedsRoot` run as root; without root they are
counted as skipped and named "not run: needs root", which DUNLIN_CI=1 turns into a failure.
A crashed or hanging program fails the case it was in and every case it did not reach.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

from checkout import ROOT, Stage, is_root, run_in_group

TIME_LIMIT_S = 1200          # per shard; the slowest honest program takes a tenth of it
CASES_WORTH_A_SHARD = 8      # fewer cases than this are not split further


@dataclasses.dataclass
class Run:
    """One process to start: some of the cases of one program."""
    program: str
    label: str
    cases: list[str]
    as_root: bool


@dataclasses.dataclass
class Outcome:
    run: Run
    passed: int = 0
    skipped: int = 0
    failed: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    log: pathlib.Path | None = None


def list_cases(stage: Stage, program: str, gtest_filter: str) -> list[str]:
    done = subprocess.run(
        [*stage.prefix(), str(stage.programs / program), "--gtest_list_tests", f"--gtest_filter={gtest_filter}"],
        env=stage.environment("list"), cwd=stage.scratch / "list", capture_output=True, text=True, errors="replace", timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"{program} cannot list its tests (exit {done.returncode}): {done.stderr.strip()[-2000:]}")
    cases, suite = [], ""
    for line in done.stdout.splitlines():
        name = line.split("  # ")[0].rstrip()
        if re.fullmatch(r"\S+\.", name):
            suite = name
        elif line.startswith("  ") and suite:
            cases.append(suite + name.strip())
    return [case for case in cases if not any(part.startswith("DISABLED_") for part in re.split(r"[./]", case))]


def suite_of(case: str) -> str:
    return case.rsplit(".", 1)[0]


def plan(program: str, cases: list[str], jobs: int) -> tuple[list[Run], list[Run], list[str]]:
    """The runs that may go side by side, those that must be alone, and the cases that want a root we are not."""
    for_root = [case for case in cases if "NeedsRoot" in suite_of(case)]
    ordinary = [case for case in cases if case not in set(for_root)]
    alone = [case for case in ordinary if "Alone" in suite_of(case)]
    together = [case for case in ordinary if case not in set(alone)]
    shards = max(1, min(jobs, len(together) // CASES_WORTH_A_SHARD))
    # Whole suites stay in one shard, in order: a suite's set-up is paid once.
    suites: dict[str, list[str]] = {}
    for case in together:
        suites.setdefault(suite_of(case), []).append(case)
    bins: list[list[str]] = [[] for _ in range(shards)]
    for members in sorted(suites.values(), key=len, reverse=True):
        min(bins, key=len).extend(members)
    parallel = [Run(program, f"{program}-{index}", members, False) for index, members in enumerate(bins) if members]
    single = [Run(program, f"{program}-alone", alone, False)] if alone else []
    if for_root and is_root():
        single.append(Run(program, f"{program}-root", for_root, True))
        for_root = []
    return parallel, single, for_root


def execute(run: Run, stages: dict[bool, Stage], log_folder: pathlib.Path) -> Outcome:
    stage = stages[run.as_root]
    outcome = Outcome(run, log=log_folder / f"{run.label}.log")
    environment = stage.environment(run.label)
    work = stage.scratch / run.label
    report = work / "report.json"
    # A flag file, not an argument: hundreds of names exceed what one argument may hold.
    flags = work / "flags"
    flags.write_text("--gtest_filter=" + ":".join(run.cases) + "\n" + f"--gtest_output=json:{report}\n")
    flags.chmod(0o644)
    command = [*stage.prefix(), str(stage.programs / run.program), f"--gtest_flagfile={flags}"]
    started = time.monotonic()
    with open(outcome.log, "wb") as log:
        code = run_in_group(command, TIME_LIMIT_S, env=environment, cwd=work, stdout=log)
    ended = (f"still running after {TIME_LIMIT_S} s" if code is None else
             f"exit {code}" if code >= 0 else f"signal {-code}")
    outcome.seconds = time.monotonic() - started
    seen = read_report(report, outcome) if report.exists() else read_log(outcome)
    missing = [case for case in run.cases if case not in seen]
    if missing:
        outcome.failed.append(f"{missing[0]}  (the program ended here: {ended})")
        outcome.failed += [f"{case}  (not reached)" for case in missing[1:]]
    elif ended != "exit 0" and not outcome.failed:
        outcome.failed.append(f"{run.program}  (all cases ran, but then: {ended})")
    return outcome


def read_report(report: pathlib.Path, outcome: Outcome) -> set[str]:
    seen = set()
    for suite in json.loads(report.read_text(errors="replace"))["testsuites"]:
        for case in suite["testsuite"]:
            if case["status"] != "RUN":
                continue
            name = f"{suite['name']}.{case['name']}"
            seen.add(name)
            if case.get("failures"):
                outcome.failed.append(name)
            elif case["result"] == "SKIPPED":
                outcome.skipped += 1
            else:
                outcome.passed += 1
    return seen


def read_log(outcome: Outcome) -> set[str]:
    """What a program that died had finished, from what it printed."""
    seen = set()
    for verdict, name in re.findall(r"\[ +(OK|FAILED|SKIPPED) +\] (\S+?\.\S+)(?:, where .*)? \(\d+ ms\)",
                                    outcome.log.read_text(errors="replace")):
        seen.add(name)
        if verdict == "OK":
            outcome.passed += 1
        elif verdict == "SKIPPED":
            outcome.skipped += 1
        else:
            outcome.failed.append(name)
    return seen


def show_failure(outcome: Outcome, preset: str) -> None:
    print(f"\n--- {outcome.run.program}: {len(outcome.failed)} failed; the end of {outcome.log.relative_to(ROOT)}:")
    for line in outcome.log.read_text(errors="replace").splitlines()[-60:]:
        print("    " + line[:400])
    for name in outcome.failed[:20]:
        print(f"    FAILED {name}")
    if len(outcome.failed) > 20:
        print(f"    ... and {len(outcome.failed) - 20} more")
    case = outcome.failed[0].split("  ")[0]
    print(f"    again:  build/{preset}/{outcome.run.program} --gtest_filter={shlex.quote(case)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset")
    parser.add_argument("--only", help="layers, comma separated")
    parser.add_argument("--filter", default="*", help="a gtest filter")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--counts", type=pathlib.Path, help="write 'passed failed skipped' into this file")
    options = parser.parse_args()

    build = ROOT / "build" / options.preset
    programs = (build / "test_programs.txt").read_text().split()
    if options.only:
        wanted = [f"{name}_tests" for name in options.only.split(",")]
        unknown = [name for name in wanted if name not in programs]
        if unknown:
            print(f"run_tests: no such test program: {', '.join(unknown)}; there are: {', '.join(programs)}", file=sys.stderr)
            return 2
        programs = wanted
    if not programs:
        print("run_tests: there is no test program", file=sys.stderr)
        return 2

    log_folder = build / "test-logs"
    log_folder.mkdir(exist_ok=True)
    outcomes: list[Outcome] = []
    needs_root: list[str] = []
    with Stage(build) as ordinary, Stage(build, as_root=True) as root:
        stages = {False: ordinary, True: root}
        parallel, single = [], []
        for program in programs:
            try:
                cases = list_cases(ordinary, program, options.filter)
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                print(f"run_tests: {error}")
                failed = Outcome(Run(program, program, [], False), failed=[f"{program}  (cannot list its tests)"])
                failed.log = log_folder / f"{program}.log"
                failed.log.write_text(str(error))
                outcomes.append(failed)
                continue
            together, alone, unable = plan(program, cases, options.jobs)
            parallel += together
            single += alone
            needs_root += unable
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            outcomes += pool.map(lambda run: execute(run, stages, log_folder), parallel)
        outcomes += [execute(run, stages, log_folder) for run in single]

    for program in programs:
        mine = [outcome for outcome in outcomes if outcome.run.program == program]
        print(f"  {program:<16} {sum(o.passed for o in mine):>6} passed {sum(len(o.failed) for o in mine):>4} failed "
              f"{sum(o.skipped for o in mine):>4} skipped {sum(o.seconds for o in mine):>8.1f} s")
    for outcome in outcomes:
        if outcome.failed:
            show_failure(outcome, options.preset)
    for case in needs_root:
        print(f"  not run: needs root: {case}")

    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(len(outcome.failed) for outcome in outcomes)
    skipped = sum(outcome.skipped for outcome in outcomes) + len(needs_root)
    refused = bool(needs_root) and os.environ.get("DUNLIN_CI") == "1"
    if refused:
        print("  refused: continuous integration must run every case, so it must run as root")
    if options.counts:
        options.counts.write_text(f"{passed} {failed} {skipped}\n")
    print(f"  {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or refused or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
