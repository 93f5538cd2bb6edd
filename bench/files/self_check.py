"""Tests of what is pure here, or nearly: `./dev bench files --self-check`, part of ./dev lint."""

import os
import pathlib
import sys
import tempfile
import unittest

import compare
import measure
import rows
import session
import table
import tools
import workloads


def run_of(seconds: float, user: float = 0, system: float = 0) -> measure.Run:
    return measure.Run(seconds=seconds, user=user, system=system)


class Order(unittest.TestCase):
    TOOLS = ("a", "b", "c")

    def test_each_round_runs_every_tool_once(self):
        for number in range(7):
            self.assertEqual(sorted(rows.order(self.TOOLS, number)), sorted(self.TOOLS))

    def test_each_tool_is_first_equally_often(self):
        firsts = [rows.order(self.TOOLS, number)[0] for number in range(6)]
        self.assertEqual(firsts, ["a", "b", "c"] * 2)


class Ratios(unittest.TestCase):
    ROW = rows.Row(peer="cp -a", ours="dunlin, plain", target=2.0, stretch=3.0)

    def test_is_the_peers_median_divided_by_ours(self):
        self.assertEqual(rows.ratio(self.ROW, [1.0, 2.0, 90.0], [4.0, 5.0, 90.0]).of_medians, 2.5)

    def test_spread_is_that_of_the_rounds(self):
        one = rows.ratio(self.ROW, [1.0, 2.0, 4.0], [4.0, 4.0, 4.0])
        self.assertEqual((one.least, one.most), (1.0, 4.0))

    def test_rounds_that_do_not_match_are_refused(self):
        self.assertRaises(ValueError, rows.ratio, self.ROW, [1.0], [1.0, 2.0])

    def test_a_target_counts_as_reached_from_its_value_on(self):
        verdicts = [rows.Ratio(self.ROW, value, value, value).verdict for value in (1.99, 2.0, 2.99, 3.0)]
        self.assertEqual(verdicts, ["missed", "target", "target", "stretch"])

    def test_cpu_rows_compare_user_and_system_time(self):
        row = rows.Row(peer="cp -a", ours="dunlin, plain", measure="cpu", target=5, stretch=10)
        group = rows.Group("large", "large", "large", "cold", False, False, (row,), ("dunlin, plain", "cp -a"))
        results = {"dunlin, plain": table.Outcome([run_of(1, 0.2, 0.3)]), "cp -a": table.Outcome([run_of(1, 1, 3)])}
        self.assertEqual(table.ratios(group, results)[0].of_medians, 8)


class Data(unittest.TestCase):
    def test_every_tool_and_workload_exists(self):
        for group in rows.read_groups():
            self.assertGreater(len(group.tools), 1)
            for tool in group.tools:
                self.assertIn(tool, tools.TOOLS)
            self.assertIn(group.workload, ("small", "large", "tree"))
            self.assertIn(group.cache, ("cold", "warm"))
            for row in group.rows:
                self.assertLessEqual(row.target, row.stretch)
                self.assertIn(row.measure, ("time", "cpu"))

    def test_every_copy_is_flushed_before_it_counts_or_is_checked(self):
        job = tools.Job(*(pathlib.Path(name) for name in ("/binary", "/source", "/destination", "/beside")))
        for name, make in tools.TOOLS.items():
            steps = make(job)
            self.assertEqual(steps[1], tools.flush(job), name)
            if len(steps) > 2:
                self.assertIsInstance(steps[2], tools.DropPages, name)


class Table(unittest.TestCase):
    def test_shows_medians_spread_and_what_was_lost(self):
        group = rows.Group("small", "small files", "small", "cold", False, False, (), ("cp -a",))
        outcome = table.Outcome([run_of(3), run_of(1), run_of(2)], "mode 7")
        line = table.measurements(group, {"cp -a": outcome}, ("0", "0"))[-1]
        self.assertRegex(line, r"^cp -a +2\.00 +1\.00–3\.00 .* mode 7$")


class Trees(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def make(self, name: str) -> workloads.Workload:
        workload = workloads.measure("small", self.folder, self.folder, 0.0001)
        workloads.make(workload, 0.0001)
        workload.source.rename(self.folder / name)
        return workload

    def test_the_same_seed_gives_the_same_tree(self):
        workload = self.make("one")
        self.make("two")
        for folder in ("one", "two"):
            for path in sorted((self.folder / folder).rglob("*"), reverse=True):
                os.utime(path, (1, 1))
            os.utime(self.folder / folder, (1, 1))
        self.assertEqual(session.compare(self.folder / "one", self.folder / "two"), "")
        self.assertEqual(workload.allocated_bytes % workloads.BLOCK, 0)

    def test_a_difference_is_named(self):
        self.make("one")
        os.system(f"cp -a '{self.folder}/one' '{self.folder}/two'")
        file = next((self.folder / "two").rglob("*.dat"))
        before = file.stat()
        file.write_bytes(b"\0" * before.st_size)
        file.chmod(0o600)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.assertEqual(session.compare(self.folder / "one", self.folder / "two"), "content 1, mode 1")

    def test_links_and_surplus_are_seen(self):
        for name in ("one", "two"):
            (self.folder / name).mkdir()
            (self.folder / name / "a").write_text("x")
        os.link(self.folder / "one" / "a", self.folder / "one" / "b")
        ours, theirs = (compare.entries(os.fsencode(self.folder / name)) for name in ("one", "two"))
        self.assertEqual(len(compare.link_sets(ours) - compare.link_sets(theirs)), 1)
        self.assertEqual(ours.keys() - theirs.keys(), {b"b"})


class Measuring(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def test_time_of_grandchildren_counts(self):
        run = measure.run_steps([tools.step("sh", "-c", "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; true")], self.folder)
        self.assertGreater(run.cpu, 0)

    def test_a_check_that_says_something_has_failed(self):
        with self.assertRaises(measure.ToolFailed):
            measure.run_steps([tools.step("echo", "differs", silent=True)], self.folder)

    def test_a_tool_that_fails_ends_the_run(self):
        with self.assertRaises(measure.ToolFailed):
            measure.run_steps([tools.step("false")], self.folder)

    def test_what_a_tool_leaves_behind_is_counted_and_ended(self):
        measure.adopt_orphans()
        run = measure.run_steps([tools.step("sh", "-c", "sleep 600 & true")], self.folder)
        self.assertEqual(run.left_over, 1)


def main() -> int:
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    return 0 if unittest.TextTestRunner(verbosity=1).run(suite).wasSuccessful() else 1
