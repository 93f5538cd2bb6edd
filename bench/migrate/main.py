#!/usr/bin/env python3
"""How fast migrations of a schema are, beside dbmate.

    ./dev bench migrate [--only NAME,…] [--rounds N] [--migrations N] [--many N] [--tenants N] [--binary FILE] [--evidence]

postgresql: many small migrations at a PostgreSQL server of the benchmark's own, fsync on: dunlin with lock, checksums and journal, dbmate (npm) as it
is, in turn, each into a database of its own; the databases are compared. sqlite: `status` and an `up` that has nothing to do, of very many migrations
that are applied. tenants: one small migration set into very many schemas, in one run, and once more with nothing to do.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "bench" / "files"))

import machine  # noqa: E402

EVIDENCE = ROOT / "docs" / "evidence" / "bench-migrate.txt"
DBMATE = ROOT / "build" / "adoption" / "npm" / "node_modules" / "@dbmate" / "linux-x64" / "bin" / "dbmate"
TARGET_MS = 100  # anchors: status and a no-op `up` of 10,000 migrations
NOBODY = 65534


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench migrate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="postgresql,sqlite,tenants", help="which of the three, with commas between")
    parser.add_argument("--rounds", type=int, default=7, help="of each tool; the median counts (default 7)")
    parser.add_argument("--migrations", type=int, default=346, help="for the server (default 346, as in a real project that was measured)")
    parser.add_argument("--many", type=int, default=10_000, help="for SQLite (default 10,000)")
    parser.add_argument("--tenants", type=int, default=2_000, help="schemas (default 2,000)")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build" / "release" / "dunlin")
    parser.add_argument("--evidence", action="store_true", help=f"keeps the table in {EVIDENCE.relative_to(ROOT)}")
    return parser.parse_args()


def migration(number: int) -> str:
    """What a project has: mostly tables and columns, an index now and then, some rows."""
    table, kind = f"t{number // 4}", number % 4
    up = (f"CREATE TABLE {table} (id bigint PRIMARY KEY, name text NOT NULL);",
          f"ALTER TABLE {table} ADD COLUMN note text;",
          f"CREATE INDEX {table}_name ON {table} (name);",
          f"INSERT INTO {table} (id, name) VALUES (1, 'one'), (2, 'two');")[kind]
    down = (f"DROP TABLE {table};", f"ALTER TABLE {table} DROP COLUMN note;", f"DROP INDEX {table}_name;", f"DELETE FROM {table};")[kind]
    return f"-- migrate:up\n{up}\n\n-- migrate:down\n{down}\n"


def write_migrations(folder: pathlib.Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{20200101000000 + number}_step_{number}.sql").write_text(migration(number))


class Server:
    """PostgreSQL in a scratch folder, as a user who is not root (it refuses that one)."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._bin = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
        self._data, self.socket = folder / "data", folder
        os.chown(folder, NOBODY, NOBODY)
        self._run("initdb", "-D", self._data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C")
        self._run("pg_ctl", "-D", self._data, "-w", "-l", folder / "log", "-o", f"-k {folder} -c listen_addresses= -c max_connections=50", "start")

    def _run(self, program: str, *rest: object) -> None:
        as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if machine.is_root() else {}
        subprocess.run([self._bin / program, *map(str, rest)], check=True, stdout=subprocess.DEVNULL, cwd="/", **as_nobody)

    def sql(self, text: str, database: str = "postgres") -> str:
        done = subprocess.run([self._bin / "psql", "-XAtq", "-h", self.socket, "-U", "bench", "-d", database, "-v", "ON_ERROR_STOP=1"], input=text,
                              check=True, capture_output=True, text=True)
        return done.stdout

    def url(self, database: str) -> str:
        return f"postgres://bench@/{database}?host={self.socket}"

    def schema(self, database: str) -> str:
        return self.sql("SELECT c.relname, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class c JOIN pg_attribute a ON "
                        "a.attrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace AND c.relname ~ '^t[0-9]' AND a.attnum > 0 AND NOT "
                        "a.attisdropped ORDER BY 1, 2, a.attnum", database)

    def end(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")


class Dunlin:
    def __init__(self, binary: pathlib.Path, folder: pathlib.Path) -> None:
        self._binary, self._folder = binary, folder

    def run(self, *rest: object) -> tuple[float, str]:
        """Milliseconds and what it printed; a state directory of its own, as on a machine that has never run it."""
        state = self._folder / "state"
        machine.remove(state)
        environment = {**os.environ, "DUNLIN_STATE": str(state), "XDG_RUNTIME_DIR": str(self._folder), "NO_COLOR": "1"}
        began = time.monotonic()
        done = subprocess.run([self._binary, "migrate", *map(str, rest)], env=environment, capture_output=True, text=True)
        took = (time.monotonic() - began) * 1000
        if done.returncode != 0:
            raise SystemExit(f"dunlin migrate {rest[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
        return took, done.stdout


def run_dbmate(url: str, folder: pathlib.Path) -> float:
    began = time.monotonic()
    done = subprocess.run([DBMATE, "--url", url, "--migrations-dir", folder, "--no-dump-schema", "up"], capture_output=True, text=True)
    took = (time.monotonic() - began) * 1000
    if done.returncode != 0:
        raise SystemExit(f"dbmate ended with {done.returncode}: {done.stderr[-2000:]}")
    return took


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):8.0f}   {min(values):.0f} to {max(values):.0f}"


def beside_dbmate(options: argparse.Namespace, folder: pathlib.Path, dunlin: Dunlin, server: Server) -> list[str]:
    write_migrations(folder / "small", options.migrations)
    times: dict[str, list[float]] = {"dunlin": [], "dbmate": []}
    for number in range(options.rounds):
        for tool in sorted(times, reverse=number % 2 == 1):
            database = f"{tool}_{number}"
            server.sql(f"CREATE DATABASE {database}")
            took = (dunlin.run("up", "--db", server.url(database), "--dir", folder / "small", "--quiet")[0] if tool == "dunlin"
                    else run_dbmate(server.url(database), folder / "small"))
            times[tool].append(took)
        if server.schema(f"dunlin_{number}") != server.schema(f"dbmate_{number}"):
            raise SystemExit("the two schemas differ")
    ratio = statistics.median(b / a for a, b in zip(times["dunlin"], times["dbmate"], strict=True))
    lines = [f"{options.migrations} small migrations, PostgreSQL, fsync on; ms, median and spread of {options.rounds}; the schemas are equal"]
    lines += [f"  {tool:<8} {spread(values)}" for tool, values in times.items()]
    return [*lines, f"  dbmate / dunlin {ratio:.2f}   {'ok' if ratio > 1 else 'MISSED'}"]


def of_very_many(options: argparse.Namespace, folder: pathlib.Path, dunlin: Dunlin) -> list[str]:
    write_migrations(folder / "many", options.many)
    database = f"sqlite:{folder / 'many.db'}"
    place = ("--db", database, "--dir", folder / "many")
    first, _ = dunlin.run("up", *place, "--quiet")
    lines = [f"{options.many} migrations that are applied, SQLite; ms, median and spread of {options.rounds}; at most {TARGET_MS}",
             f"  up, all of them, once {first:8.0f}"]
    for verb in ("status", "up"):
        times = [dunlin.run(verb, *place, *(() if verb == "status" else ("--quiet",)))[0] for _ in range(options.rounds)]
        verdict = "ok" if statistics.median(times) <= TARGET_MS else "MISSED"
        lines.append(f"  {verb + (', nothing to do' if verb == 'up' else ''):<21} {spread(times)}   {verdict}")
    return lines


def of_tenants(options: argparse.Namespace, folder: pathlib.Path, dunlin: Dunlin, server: Server) -> list[str]:
    write_migrations(folder / "few", 4)
    server.sql("CREATE DATABASE tenants")
    for begin in range(0, options.tenants, 500):  # a transaction for all would need more locks than the server has
        server.sql("".join(f"CREATE SCHEMA tenant_{number};" for number in range(begin, min(begin + 500, options.tenants))), "tenants")
    place = ("--db", server.url("tenants"), "--dir", folder / "few", "--tenants", "tenant_*", "--quiet")
    first, _ = dunlin.run("up", *place)
    found = server.sql("SELECT count(*) FROM pg_tables WHERE tablename = 't0'", "tenants").strip()
    if int(found) != options.tenants:
        raise SystemExit(f"{found} of {options.tenants} tenants have the table")
    again, _ = dunlin.run("up", *place)
    return [f"{options.tenants} schemas of a PostgreSQL database, 4 migrations each, one run",
            f"  up            {first / 1000:8.1f} s   {4 * options.tenants / first * 1000:.0f} migrations/s",
            f"  up once more  {again / 1000:8.1f} s   nothing to do"]


def main() -> int:
    options = arguments()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dunlin-bench-"))
    folder.chmod(0o755)
    only = options.only.split(",")
    text = ["; ".join(f"{key}: {value}" for key, value in machine.describe(folder, ROOT).items()), ""]
    dunlin, server = Dunlin(options.binary, folder), None
    try:
        if "sqlite" in only:
            text += of_very_many(options, folder, dunlin)
        if {"postgresql", "tenants"} & set(only):
            (folder / "server").mkdir()
            server = Server(folder / "server")
        if server and "postgresql" in only:
            text += beside_dbmate(options, folder, dunlin, server)
        if server and "tenants" in only:
            text += of_tenants(options, folder, dunlin, server)
    finally:
        if server:
            server.end()
        shutil.rmtree(folder, ignore_errors=True)
    whole = "\n".join(text) + "\n"
    print(whole)
    if options.evidence:
        EVIDENCE.write_text(whole)
    return 1 if "MISSED" in whole else 0


if __name__ == "__main__":
    sys.exit(main())
