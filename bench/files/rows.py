"""Reads targets.toml; decides which tools run in which order, and what the runs mean for each row. Pure: touches nothing but that file."""

import dataclasses
import pathlib
import statistics
import tomllib

DATA = pathlib.Path(__file__).resolve().parent / "targets.toml"


@dataclasses.dataclass(frozen=True)
class Row:
    peer: str
    ours: str
    target: float
    stretch: float
    measure: str = "time"  # or "cpu": user and system time


@dataclasses.dataclass(frozen=True)
class Group:
    name: str
    work: str  # as in the table of targets
    workload: str
    cache: str  # "cold" or "warm": of the source, before each run
    again: bool  # the destination is complete already
    victim: bool  # how much of somebody else's cached file survives is measured, too
    rows: tuple[Row, ...]
    tools: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Ratio:
    row: Row
    of_medians: float
    least: float  # of the ratios of single rounds
    most: float

    @property
    def verdict(self) -> str:
        if self.of_medians >= self.row.stretch:
            return "stretch"
        return "target" if self.of_medians >= self.row.target else "missed"


def read_groups(path: pathlib.Path = DATA) -> list[Group]:
    data = tomllib.loads(path.read_text())
    groups = []
    for name, keys in data["groups"].items():
        rows = tuple(Row(**row) for row in data["rows"][name])
        named = keys.get("tools", []) + [tool for row in rows for tool in (row.ours, row.peer)]
        groups.append(Group(name, data["works"][name], keys["workload"], keys["cache"], keys.get("again", False),
                            keys.get("victim", False), rows, tuple(dict.fromkeys(named))))
    return groups


def order(tools: tuple[str, ...], round_number: int) -> tuple[str, ...]:
    """Each round begins with another tool, so that none always follows the same one."""
    first = round_number % len(tools)
    return tools[first:] + tools[:first]


def ratio(row: Row, ours: list[float], peers: list[float]) -> Ratio:
    """Both lists by round. The ratio is that of the medians; its spread that of the rounds, whose runs saw the same disturbances."""
    by_round = [peer / our for our, peer in zip(ours, peers, strict=True)]
    return Ratio(row, statistics.median(peers) / statistics.median(ours), min(by_round), max(by_round))
