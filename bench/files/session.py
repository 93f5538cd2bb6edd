"""One group after the other: makes its source, runs its tools in turn, looks at what each of them made, cleans up between the runs."""

import pathlib
import subprocess
import sys

import machine
import measure
import rows
import tools
import workloads
from table import MIB, Outcome, Results

COMPARE = pathlib.Path(__file__).resolve().parent / "compare.py"
MANY_INODES = 10_000  # of a copy: so many that removing them is felt by whoever makes files next


class Session:
    def __init__(self, scratch: pathlib.Path, binary: pathlib.Path, tree: pathlib.Path, scale: float, runs: int) -> None:
        self._scratch, self._binary, self._tree, self._scale, self._runs = scratch, binary, tree, scale, runs
        self._made: dict[str, workloads.Workload] = {}

    def run(self, group: rows.Group) -> Results:
        workload = self._workload(group.workload)
        results = {tool: Outcome() for tool in group.tools}
        victim = self._make_victim(workload) if group.victim else None
        kept = self._is_kept(group, workload)
        for number in range(self._runs):
            if kept and number > 0 and not self._has_room(workload, len(group.tools)):
                self._remove_kept()
            for tool in rows.order(group.tools, number):
                _tell(f"{group.name} {number + 1}/{self._runs} {tool}", end="")
                job = self._prepare(group, tool, workload)
                self._one(group, tool, workload, job, results[tool], victim)
                if kept:
                    job.destination.parent.rename(self._scratch / f"done-{number}-{group.tools.index(tool)}")
                elif not group.again:
                    self._clear(group, tool)
        for tool in group.tools:
            self._clear(group, tool)
        if victim:
            victim.unlink()
        if kept:
            self._remove_kept()
        return results

    def _is_kept(self, group: rows.Group, workload: workloads.Workload) -> bool:
        """Whether a copy stays until there is no room for another round: ext4 takes long to pass over inodes that have just become free, and
        what one tool has removed would be paid for by the next."""
        return not group.again and workload.inodes > MANY_INODES and self._has_room(workload, len(group.tools))

    def _has_room(self, workload: workloads.Workload, copies: int) -> bool:
        space, inodes = machine.free_space(self._scratch)
        return space > (copies + 1) * workload.allocated_bytes * 11 // 10 and inodes > (copies + 1) * workload.inodes

    def _remove_kept(self) -> None:
        for done in self._scratch.glob("done-*"):
            machine.remove(done)
        machine.forget_removals(self._scratch)

    def forget(self, name: str) -> None:
        """The workload is not needed any more; its room is."""
        workload = self._made.pop(name, None)
        if workload and workload.made:
            machine.remove(workload.source)

    def _workload(self, name: str) -> workloads.Workload:
        if name not in self._made:
            self._made[name] = workloads.measure(name, self._scratch, self._tree, self._scale)
            _tell(f"making {name}")
            workloads.make(self._made[name], self._scale)
            machine.flush(self._scratch)
        return self._made[name]

    def _folder(self, group: rows.Group, tool: str) -> pathlib.Path:
        """Where there is nothing to do each tool keeps its own copy from run to run."""
        return self._scratch / (f"kept-{group.tools.index(tool)}" if group.again else "run")

    def _job(self, group: rows.Group, tool: str, workload: workloads.Workload) -> tools.Job:
        folder = self._folder(group, tool)
        return tools.Job(self._binary, workload.source, folder / "destination", folder / "beside")

    def _clear(self, group: rows.Group, tool: str) -> None:
        machine.remove(self._folder(group, tool))

    def _prepare(self, group: rows.Group, tool: str, workload: workloads.Workload) -> tools.Job:
        job = self._job(group, tool, workload)
        if group.again and job.destination.exists():
            return job
        self._clear(group, tool)
        job.destination.mkdir(parents=True)
        job.scratch.mkdir()
        if group.again:
            measure.run_steps(tools.TOOLS[tool](job), job.scratch)
        return job

    def _one(self, group: rows.Group, tool: str, workload: workloads.Workload, job: tools.Job, outcome: Outcome,
             victim: pathlib.Path | None) -> None:
        machine.flush(self._scratch)
        if group.cache == "cold":
            machine.drop_caches(machine.EVERYTHING)
        else:
            measure.warm(workload.source)
        before = 0
        if victim:
            read_twice(victim)
            before = machine.resident_bytes(victim)
        outcome.runs.append(measure.run_steps(tools.TOOLS[tool](job), job.scratch))
        _tell(f": {outcome.runs[-1].seconds:.2f} s")
        if victim:
            outcome.victim_percent.append(100 * machine.resident_bytes(victim) / max(1, before))
            outcome.cached_mib.append((machine.resident_bytes(workload.source) + machine.resident_bytes(job.destination)) / MIB)
        if outcome.differs is None:
            outcome.differs = compare(workload.source, job.destination)

    def _make_victim(self, workload: workloads.Workload) -> pathlib.Path:
        """A file as large as leaves room in memory for the source, but not for source and destination. Its pages take memory, its hole no
        disk. The kernel reclaims them for whoever asks, so nobody runs out of memory; but every other cache of the machine goes."""
        machine.drop_caches(machine.EVERYTHING)
        victim = self._scratch / "victim"
        with open(victim, "wb") as file:
            file.truncate(max(16 * MIB, machine.memory_available() * 9 // 10 - workload.allocated_bytes))
        return victim


def read_twice(victim: pathlib.Path) -> None:
    """What is read twice is in use, and the kernel keeps it longer than what passes by."""
    for _ in range(2):
        subprocess.run(["cat", victim], check=True, stdout=subprocess.DEVNULL)


def compare(source: pathlib.Path, destination: pathlib.Path) -> str:
    return subprocess.run([sys.executable, COMPARE, source, destination], check=True, capture_output=True, text=True).stdout.strip()


def needed(groups: list[rows.Group], scratch: pathlib.Path, tree: pathlib.Path, scale: float) -> tuple[int, int]:
    """Bytes and inodes at the worst moment: the source, where it is ours, and every copy that exists at the same time."""
    worst = (0, 0)
    for group in groups:
        workload = workloads.measure(group.workload, scratch, tree, scale)
        copies = (len(group.tools) if group.again else 1) + workload.made
        worst = (max(worst[0], workload.allocated_bytes * copies), max(worst[1], workload.inodes * copies))
    return worst[0] * 11 // 10 + 64 * MIB, worst[1] * 11 // 10 + 1000


def _tell(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)
