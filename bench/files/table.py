"""The plain text that is printed and kept as evidence. Pure: from results to lines."""

import dataclasses
import statistics

from measure import Run
from rows import Group, Ratio, ratio

MIB = 2**20


@dataclasses.dataclass
class Outcome:
    """What one tool did in one group."""
    runs: list[Run] = dataclasses.field(default_factory=list)
    differs: str | None = None  # what compare.py found after the first run; "": nothing; None: not looked at
    victim_percent: list[float] = dataclasses.field(default_factory=list)  # still resident of somebody else's file
    cached_mib: list[float] = dataclasses.field(default_factory=list)  # of source and destination, resident afterwards


Results = dict[str, Outcome]  # by tool


def head(description: dict[str, str], command: str) -> list[str]:
    return [f"# {command}"] + [f"# {name}: {value}" for name, value in description.items()] + [
        "# Every run ends with a flush of the destination's file system; medians, tools of a group in turn; ratios are peer ÷ ours."]


def median_of(outcome: Outcome, what: str) -> float:
    return statistics.median(getattr(run, what) for run in outcome.runs)


def _equality(outcome: Outcome) -> str:
    return "not looked at" if outcome.differs is None else outcome.differs or "yes"


def _processes(outcome: Outcome) -> str:
    left = max(run.left_over for run in outcome.runs)
    return f"{max(run.processes for run in outcome.runs)}" + (f"+{left}" if left else "")


def _peak(outcome: Outcome) -> str:
    largest = max(outcome.runs, key=lambda run: run.peak_bytes)
    return ("≤" if largest.peak_is_bound else "") + f"{largest.peak_bytes / MIB:.0f}"


def measurements(group: Group, results: Results, loads: tuple[str, str]) -> list[str]:
    lines = ["", f"== {group.name}: {group.work}  (load {loads[0]} → {loads[1]})",
             f"{'tool':<28} {'seconds':>8} {'least–most':>13} {'user s':>7} {'sys s':>7} {'peak MiB':>8} {'processes':>9}  equals the source"]
    for tool in group.tools:
        outcome = results[tool]
        seconds = [run.seconds for run in outcome.runs]
        spread = f"{min(seconds):.2f}–{max(seconds):.2f}"
        lines.append(f"{tool:<28} {median_of(outcome, 'seconds'):>8.2f} {spread:>13} {median_of(outcome, 'user'):>7.2f} "
                     f"{median_of(outcome, 'system'):>7.2f} {_peak(outcome):>8} {_processes(outcome):>9}  {_equality(outcome)}")
    return lines


def page_cache(group: Group, results: Results) -> list[str]:
    lines = [f"{'tool':<28} {'of a cached file still resident':>32} {'MiB of the copy left in the cache':>34}"]
    for tool in group.tools:
        outcome = results[tool]
        percent, left = statistics.median(outcome.victim_percent), statistics.median(outcome.cached_mib)
        lines.append(f"{tool:<28} {percent:>30.1f} % {left:>34.0f}")
    return lines


def ratios(group: Group, results: Results) -> list[Ratio]:
    def values(tool: str, measure: str) -> list[float]:
        return [run.cpu if measure == "cpu" else run.seconds for run in results[tool].runs]
    return [ratio(row, values(row.ours, row.measure), values(row.peer, row.measure)) for row in group.rows]


def verdicts(done: list[tuple[Group, Results]]) -> list[str]:
    lines = ["", "== ratios", f"{'work':<40} {'against':<28} {'ours':<24} {'what':<4} {'ratio':>6} {'of rounds':>13} {'target':>7} {'stretch':>8}  reached"]
    for group, results in done:
        for one in ratios(group, results):
            spread = f"{one.least:.2f}–{one.most:.2f}"
            lines.append(f"{group.work:<40} {one.row.peer:<28} {one.row.ours:<24} {one.row.measure:<4} {one.of_medians:>6.2f} {spread:>13} "
                         f"{one.row.target:>7.2f} {one.row.stretch:>8.2f}  {one.verdict}")
    return lines


def targets(groups: list[Group]) -> list[str]:
    lines = [f"{'group':<16} {'work':<50} {'against':<28} {'ours':<24} {'what':<4} {'target':>6} {'stretch':>7}"]
    for group in groups:
        for row in group.rows:
            lines.append(f"{group.name:<16} {group.work:<50} {row.peer:<28} {row.ours:<24} {row.measure:<4} {row.target:>6} {row.stretch:>7}")
        if not group.rows:
            lines.append(f"{group.name:<16} {group.work:<50} {', '.join(group.tools)}")
    return lines


def as_json(description: dict[str, str], done: list[tuple[Group, Results]]) -> dict:
    return {"machine": description, "groups": [
        {"group": group.name, "work": group.work,
         "tools": {tool: dataclasses.asdict(outcome) for tool, outcome in results.items()},
         "ratios": [{**dataclasses.asdict(one), "verdict": one.verdict} for one in ratios(group, results)]} for group, results in done]}
