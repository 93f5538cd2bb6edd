#!/usr/bin/env python3
"""Projects of other migration tools, run by dunlin, and histories that the tools themselves wrote, taken over: tests/adoption/README.md.

    adopt.py --dunlin PROGRAM [--dbmate PROGRAM] [--migrate PROGRAM] [--goose PROGRAM] [--short | --full]

--full: every number of migrations that the tool may have applied before, not the middle alone; --short: that alone, and layouts without a tool here.
Last line: "N passed, N failed, N skipped"; written to $DUNLIN_COUNTS as well.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "oracles"))
import projects
import wire

HISTORIES = ("schema_migrations", "goose_db_version")
OURS = ("__MigrationsHistory", "__MigrationsHistoryLog", "__MigrationsLock")


class Failure(Exception):
    pass


class World:
    """The servers, and how each program names a database."""

    def __init__(self, arguments, scratch: pathlib.Path):
        self.arguments = arguments
        self.scratch = scratch
        self.number = 0
        homes = {}
        for name in ("postgresql", "mysql"):
            homes[name] = scratch / name
            homes[name].mkdir()
            wire.Scratch.give_away(homes[name])
        self.postgresql = wire.Postgresql(homes["postgresql"])
        self.mariadb = wire.Mariadb(homes["mysql"])

    def stop(self) -> None:
        self.postgresql.stop()
        self.mariadb.stop()

    def run(self, *words: str, environment: dict | None = None) -> subprocess.CompletedProcess:
        return subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False, cwd=self.scratch,
                              env={"PATH": os.environ["PATH"], "HOME": str(self.scratch), "DUNLIN_STATE": str(self.scratch / "state"), **(environment or {})})

    def must(self, *words: str) -> str:
        done = self.run(*words)
        if done.returncode != 0:
            raise Failure(f"{' '.join(str(word) for word in words)} ends with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def new_database(self, dialect: str) -> str:
        self.number += 1
        name = f"db{self.number}"
        if dialect == "postgresql":
            self.must("psql", "-Xq", "-h", self.postgresql.folder, "-U", "owner", "-d", "postgres", "-c", f"CREATE DATABASE {name}")
        elif dialect == "mysql":
            self.must("mariadb", "--no-defaults", "-S", self.mariadb.socket, "-u", "root", "-e", f"CREATE DATABASE {name}")
        return name

    def file(self, name: str) -> pathlib.Path:
        return self.scratch / f"{name}.sqlite"

    def dunlin(self, dialect: str, name: str, verb: list[str], folder: pathlib.Path) -> subprocess.CompletedProcess:
        address = {"postgresql": f"postgres://owner@/{name}?host={self.postgresql.folder}", "mysql": f"mysql://root@/{name}?socket={self.mariadb.socket}",
                   "sqlite": f"sqlite:{self.file(name)}"}[dialect]
        return self.run(self.arguments.dunlin, "migrate", *verb, "--db", address, "--dir", folder, "--yes", "--no-progress")

    def tool(self, tool: str, dialect: str, name: str, folder: pathlib.Path, count: int | None = None, back: bool = False) -> None:
        """Applies the first `count` migrations, all if not said; `back`: takes the last one back."""
        if tool == "golang-migrate":
            address = {"postgresql": f"postgres://owner@/{name}?host={self.postgresql.folder}&sslmode=disable",
                       "mysql": f"mysql://root@unix({self.mariadb.socket})/{name}?multiStatements=true", "sqlite": f"sqlite://{self.file(name)}?x-no-tx-wrap=true"}[dialect]
            self.must(self.arguments.migrate, "-path", folder, "-database", address, *(["down", "1"] if back else ["up", *([str(count)] if count else [])]))
        elif tool == "goose":
            driver, address = {"postgresql": ("postgres", f"host={self.postgresql.folder} user=owner dbname={name} sslmode=disable"),
                               "mysql": ("mysql", f"root@unix({self.mariadb.socket})/{name}?parseTime=true"), "sqlite": ("sqlite3", str(self.file(name)))}[dialect]
            self.must(self.arguments.goose, "-dir", folder, driver, address, *(["down"] if back else ["up-to", projects.version("goose", count)] if count else ["up"]))
        else:  # dbmate applies what there is: it is given fewer files
            if count:
                some = self.scratch / f"{name}-first"
                projects.write(tool, dialect, some, count)
                folder = some
            address = {"postgresql": f"postgres://owner@/{name}?socket={self.postgresql.folder}&sslmode=disable", "mysql": f"mysql://root@/{name}?socket={self.mariadb.socket}",
                       "sqlite": f"sqlite:{self.file(name)}"}[dialect]
            self.must(self.arguments.dbmate, "--url", address, "--migrations-dir", folder, "--no-dump-schema", "rollback" if back else "migrate")

    def dump(self, dialect: str, name: str, tables: tuple[str, ...] = ()) -> str:
        """Schema and rows as text: of `tables` alone if some are named, else of all but those that keep histories."""
        if dialect == "postgresql":
            which = [word for table in tables for word in ("-t", table)] or [word for table in HISTORIES + OURS for word in ("-T", f'"{table}"')]
            # Sequences of a history that is left out would be shown, and those of the tool count.
            text = self.must("pg_dump", "-h", self.postgresql.folder, "-U", "owner", *which, "-T", "goose_db_version_id_seq" if not tables else "none", name)
            return "\n".join(line for line in text.splitlines() if line and not line.startswith(("--", "\\restrict", "\\unrestrict")))
        if dialect == "mysql":
            which = [f"--ignore-table={name}.{table}" for table in HISTORIES + OURS] if not tables else []
            text = self.must("mariadb-dump", "--no-defaults", "-S", self.mariadb.socket, "-u", "root", "--skip-comments", "--skip-dump-date", "--routines", "--triggers", *which, name, *tables)
            return text.replace(f"`{name}`", "`db`")
        with sqlite3.connect(self.file(name)) as database:
            left_out = HISTORIES + OURS + ("sqlite_sequence",)
            found = database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
            wanted = [row for row in found if (row[2] in tables if tables else row[2] not in left_out)]
            rows = [(row[1], database.execute(f'SELECT * FROM "{row[1]}" ORDER BY 1').fetchall()) for row in wanted if row[0] == "table"]
        return "\n".join(str(row) for row in wanted + rows)


def same(one: str, other: str, what: str) -> None:
    if one != other:
        mine, theirs = one.splitlines(), other.splitlines()
        first = next((i for i, (a, b) in enumerate(zip(mine, theirs)) if a != b), min(len(mine), len(theirs)))
        raise Failure(f"{what}, from line {first + 1}:\n  " + "\n  ".join(mine[first:first + 3]) + "\nis not\n  " + "\n  ".join(theirs[first:first + 3]))


def number_of(version: str) -> str:
    return re.sub(r"^0+", "", version)


def pending(world: World, dialect: str, name: str, folder: pathlib.Path) -> list[str]:
    done = world.dunlin(dialect, name, ["status", "--json"], folder)
    return [number_of(one.split("_")[0]) for one in json.loads(done.stdout)["pending"]]


def ends_well(done: subprocess.CompletedProcess, what: str) -> None:
    if done.returncode != 0:
        raise Failure(f"dunlin migrate {what} ends with {done.returncode}:\n{done.stdout}{done.stderr}")


def run_from_the_start(world: World, layout: str, dialect: str, expected: str | None) -> str:
    """All up, all down, all up again."""
    name = world.new_database(dialect)
    folder = world.scratch / f"{name}-files"
    projects.write(layout, dialect, folder)
    ends_well(world.dunlin(dialect, name, ["up"], folder), "up")
    dump = world.dump(dialect, name)
    if expected is not None:
        same(dump, expected, "what dunlin made")
    ends_well(world.dunlin(dialect, name, ["down", "--target", "0"], folder), "down")
    ends_well(world.dunlin(dialect, name, ["up"], folder), "up, again")
    same(world.dump(dialect, name), dump, "what dunlin made the second time")
    return dump


def take_over(world: World, tool: str, dialect: str, count: int, expected: str, back: bool = False) -> None:
    """The tool applies `count` (`back`: one more, which it takes back), dunlin the rest, and takes all of it back."""
    name = world.new_database(dialect)
    folder = world.scratch / f"{name}-files"
    versions = projects.write(tool, dialect, folder)
    empty = world.dump(dialect, name)
    world.tool(tool, dialect, name, folder, count + (1 if back else 0))
    if back:
        world.tool(tool, dialect, name, folder, back=True)
    history = world.dump(dialect, name, ("goose_db_version" if tool == "goose" else "schema_migrations",))
    before = world.dump(dialect, name)
    refused = world.dunlin(dialect, name, ["up"], folder) if count > 0 else None  # a tool that has done nothing is in nobody's way
    if refused and (refused.returncode == 0 or "import-history" not in refused.stdout + refused.stderr):
        raise Failure(f"a database that {tool} migrates is not refused:\n{refused.stdout}{refused.stderr}")
    ends_well(world.dunlin(dialect, name, ["import-history"], folder), "import-history")
    same(world.dump(dialect, name), before, "the database after import-history")
    same(world.dump(dialect, name, ("goose_db_version" if tool == "goose" else "schema_migrations",)), history, f"{tool}'s own history after import-history")
    rest = [number_of(version) for version in versions[count:]]
    if (found := pending(world, dialect, name, folder)) != rest:
        raise Failure(f"pending are {found}, not {rest}")
    ends_well(world.dunlin(dialect, name, ["up"], folder), "up")
    if found := pending(world, dialect, name, folder):
        raise Failure(f"still pending: {found}")
    same(world.dump(dialect, name), expected, f"what {tool} and dunlin made together")
    ends_well(world.dunlin(dialect, name, ["validate"], folder), "validate")
    ends_well(world.dunlin(dialect, name, ["down", "--target", "0"], folder), "down")
    same(world.dump(dialect, name), empty, "what is left when dunlin has taken all back")


def take_over_broken(world: World, dialect: str) -> None:
    """golang-migrate calls a database dirty after a failure: no history to take over."""
    name = world.new_database(dialect)
    folder = world.scratch / f"{name}-files"
    projects.write("golang-migrate", dialect, folder, 2)
    (folder / "000003_wrong.up.sql").write_text("CREATE TABLE gone;\n")
    try:
        world.tool("golang-migrate", dialect, name, folder)
    except Failure:
        pass
    else:
        raise Failure("golang-migrate does not fail")
    refused = world.dunlin(dialect, name, ["import-history"], folder)
    if refused.returncode == 0 or "unfinished" not in refused.stdout + refused.stderr:
        raise Failure(f"a dirty database is taken over:\n{refused.stdout}{refused.stderr}")


def take_over_without_a_file(world: World, tool: str, dialect: str) -> None:
    """What the tool has applied must be among the files."""
    name = world.new_database(dialect)
    folder = world.scratch / f"{name}-files"
    projects.write(tool, dialect, folder)
    world.tool(tool, dialect, name, folder, 2)
    for path in folder.glob(f"{projects.version(tool, 2)}_*"):
        path.unlink()
    refused = world.dunlin(dialect, name, ["import-history"], folder)
    if refused.returncode == 0 or "missing" not in refused.stdout + refused.stderr:
        raise Failure(f"a history whose files are not all there is taken over:\n{refused.stdout}{refused.stderr}")


def by_tool_alone(world: World, tool: str, dialect: str) -> str:
    name = world.new_database(dialect)
    folder = world.scratch / f"{name}-files"
    projects.write(tool, dialect, folder)
    world.tool(tool, dialect, name, folder)
    return world.dump(dialect, name)


def main() -> int:
    words = argparse.ArgumentParser(usage=__doc__)
    words.add_argument("--dunlin", required=True)
    for tool in ("dbmate", "migrate", "goose"):
        words.add_argument(f"--{tool}")
    words.add_argument("--full", action="store_true")
    words.add_argument("--short", action="store_true")
    arguments = words.parse_args()
    started = time.monotonic()
    programs = {"golang-migrate": arguments.migrate, "goose": arguments.goose, "dbmate": arguments.dbmate}
    passed = failed = skipped = 0

    def step(what: str, work) -> object:
        nonlocal passed, failed
        try:
            answer = work()
        except Failure as failure:
            failed += 1
            print(f"FAILED {what}\n  " + str(failure).replace("\n", "\n  "))
            return None
        passed += 1
        print(f"ok     {what}")
        return answer

    with wire.Scratch("adoption") as scratch:
        scratch.path.chmod(0o755)
        shutil.copy2(arguments.dunlin, scratch.path / "dunlin")
        arguments.dunlin = scratch.path / "dunlin"
        world = World(arguments, scratch.path)
        try:
            for dialect, project in projects.PROJECTS.items():
                reference = None
                for tool, program in programs.items():
                    if program is None:
                        skipped += 1
                        print(f"not run: {tool} on {dialect}: it is not installed here")
                        continue
                    expected = step(f"{dialect}: {tool} applies all", lambda: by_tool_alone(world, tool, dialect))
                    if expected is None:
                        continue
                    reference = reference or expected
                    for count in range(1, len(project) + 1) if arguments.full else (len(project) // 2,):
                        step(f"{dialect}: {tool} applies {count} of {len(project)}, dunlin takes over", lambda: take_over(world, tool, dialect, count, expected))
                    if arguments.short:
                        continue
                    step(f"{dialect}: {tool} applies 3 and takes 1 back, dunlin takes over", lambda: take_over(world, tool, dialect, 2, expected, back=True))
                    step(f"{dialect}: {tool} applies 1 and takes it back, dunlin takes over", lambda: take_over(world, tool, dialect, 0, expected, back=True))
                    step(f"{dialect}: {tool} applies 2, a file is missing: refused", lambda: take_over_without_a_file(world, tool, dialect))
                    if tool == "golang-migrate":
                        step(f"{dialect}: {tool} fails half-way: refused", lambda: take_over_broken(world, dialect))
                for layout in ("flyway", "diesel") if arguments.short else ("golang-migrate", "goose", "dbmate", "flyway", "diesel"):
                    step(f"{dialect}: dunlin alone, files of {layout}: up, down, up", lambda: run_from_the_start(world, layout, dialect, reference))
        finally:
            world.stop()
    print(f"\n{time.monotonic() - started:.0f} s")
    if counts := os.environ.get("DUNLIN_COUNTS"):
        pathlib.Path(counts).write_text(f"{passed} {failed} {skipped}\n")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
