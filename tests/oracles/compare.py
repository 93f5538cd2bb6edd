#!/usr/bin/env python3
"""Splits scripts with dunlin and with others, and compares: tests/oracles/README.md.

    compare.py --pieces PROGRAM --node FOLDER [--packages FOLDER] [--statements N] [--seed S] [--only DIALECT] [--show N] [--keep FOLDER]

--node: holds node_modules; --packages: Debian packages, unpacked; --statements: how many to generate; --keep: where to put scripts that differ.

Last line: "N passed, N failed, N skipped", in statements (batches for SQL Server); written to $DUNLIN_COUNTS as well. A statement is passed when every
oracle that judges its script has it, skipped when none does.
"""

import argparse
import ctypes
import ctypes.util
import gzip
import json
import os
import pathlib
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

sys.dont_write_bytecode = True
import generate
import wire

HERE = pathlib.Path(__file__).resolve().parent


@dataclass
class Case:
    """One script as all read it."""
    dialect: str
    name: str
    path: pathlib.Path
    text: str  # without byte order mark
    generated: generate.Script | None = None
    twin: pathlib.Path | None = None
    pieces: list = field(default_factory=list)
    error: str | None = None
    unjudged: int = 0  # statements of it that no oracle could judge
    judged: set[str] = field(default_factory=set)
    wrong: dict[str, str] = field(default_factory=dict)  # oracle -> what differs

    def __post_init__(self):
        self.bytes = self.text.encode()  # positions count these

    def bytes_of(self, begin: int, end: int) -> str:
        return self.bytes[begin:end].decode(errors="replace")

    def statements(self) -> list[str]:
        return [self.bytes_of(piece[2], piece[3]) for piece in self.pieces if piece[0] == "statement"]


# ---- what the texts are compared by ----

NESTED_GAP = re.compile(r"\s+|--[^\n]*(?:\n|$)")


def without_leading_gap(text: str) -> str:
    """White space and PostgreSQL's comments, which nest."""
    at = 0
    while True:
        if gap := NESTED_GAP.match(text, at):
            at = gap.end()
        elif text.startswith("/*", at):
            depth, at = 1, at + 2
            while depth and at < len(text):
                step = {"/*": 1, "*/": -1}.get(text[at:at + 2], 0)
                depth, at = depth + step, at + (2 if step else 1)
        else:
            return text[at:]


MYSQL_TOKEN = re.compile(r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`]|``)*`|(?P<comment>--(?=[\x00-\x20]|$)[^\n]*|\#[^\n]*|/\*(?!M?!).*?\*/)""", re.DOTALL)


def mysql_key(text: str) -> str:
    """Without comments and white space: the client drops the first and writes the second anew."""
    return re.sub(r"\s+", "", MYSQL_TOKEN.sub(lambda found: "" if found["comment"] else found[0], text))


# ---- the oracles; each sets `judged` and `wrong` of the cases it can judge, and counts why it abstains ----

class Abstentions(Counter):
    def add(self, oracle: str, why: str) -> None:
        self[f"{oracle}: {why}"] += 1


def first_difference(ours: list, theirs: list) -> str | None:
    for number, (one, other) in enumerate(zip(ours, theirs)):
        if one != other:
            return f"statement {number + 1}:\n    dunlin: {one[:300]!r}\n    oracle: {other[:300]!r}"
    if len(ours) != len(theirs):
        number = min(len(ours), len(theirs))
        rest = (ours if len(ours) > len(theirs) else theirs)[number]
        return f"dunlin has {len(ours)}, the oracle {len(theirs)}; the first that is too many: {rest[:300]!r}"
    return None


def judge(case: Case, oracle: str, ours: list, theirs: list) -> None:
    case.judged.add(oracle)
    if case.error:
        case.wrong[oracle] = f"dunlin refuses it: {case.error}"
    elif difference := first_difference(ours, theirs):
        case.wrong[oracle] = difference


def by_construction(cases: list[Case]) -> None:
    for case in cases:
        if case.generated:
            judge(case, "construction", case.statements(), case.generated.statements)


def node(arguments, script: str, files: list[pathlib.Path]) -> list[dict]:
    done = subprocess.run(["node", str(HERE / script)], input="".join(f"{file}\n" for file in files), capture_output=True, text=True, check=False,
                          env={**os.environ, "NODE_PATH": str(arguments.node.resolve() / "node_modules")})
    if done.returncode != 0:
        raise RuntimeError(f"{script}: {done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def libpg_query(arguments, cases: list[Case], abstentions: Abstentions) -> None:
    """The positions of the semicolons. What no grammar knows (psql's words, data of COPY) keeps scripts from it."""
    able = []
    for case in cases:
        case.path.with_suffix(".plain").write_bytes(case.bytes)  # it takes no byte order mark
        if case.error is None and any(piece[0] in ("copy_data", "client_command") for piece in case.pieces):
            abstentions.add("libpg_query", "psql's own words or data of COPY in it")
        else:
            able.append(case)
    for case, answer in zip(able, node(arguments, "libpg_query.js", [case.path.with_suffix(".plain") for case in able])):
        if "abstains" in answer:
            abstentions.add("libpg_query", answer["abstains"] if case.generated else "no SQL of its version: " + answer["abstains"].split('"')[0])
            if case.generated:
                case.wrong["libpg_query"] = f"the generator's text is no SQL: {answer['abstains']}"
            continue
        text = case.bytes
        ends = []
        for end in answer["ends"]:
            while end < len(text) and text[end:end + 1] != b";":
                end += 1  # where the last one has no terminator: the end of the text
            ends.append(end)
        ours = []
        for piece in case.pieces:
            if piece[0] == "statement":
                has_end = text[piece[4] - 1:piece[4]] == b";" and piece[3] < piece[4]
                ours.append(piece[4] - 1 if has_end else piece[4])
        judge(case, "libpg_query", [str(end) for end in ours], [str(end) for end in ends])


BLANK_LINES = re.compile(r"(\r?\n)(?:[ \t]*\r?\n)+")


def psql_key(text: str) -> str:
    """psql sends no empty line."""
    return BLANK_LINES.sub(r"\1", without_leading_gap(text).rstrip())


def psql(case: Case, recorder: wire.Recorder, folder: pathlib.Path, abstentions: Abstentions) -> None:
    subprocess.run(wire.unprivileged(["psql", "-X", "-q", "-h", str(folder), "-U", "owner", "-d", "postgres", "-f", str(case.path)]),
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, env={"PATH": os.environ["PATH"]})
    readers = recorder.take()
    if len(readers) != 1:
        return abstentions.add("psql", "connected otherwise")
    reader = readers[0]
    if case.error is None and sum(piece[0] == "copy_data" for piece in case.pieces) != reader.copies:
        return abstentions.add("psql", "the server refuses its COPY")
    if case.generated and re.search(r"E'a'\r?\n", case.text):
        # psql 15 reads line by line: it takes the next part of an E'' string for a plain one, where \\' ends. The server's lexer (scan.l,
        # quotecontinue) and libpg_query take it as one string, as we do; such a script does not run in psql at all.
        return abstentions.add("psql", "exception: an E'' string that goes on in the next line")
    ours = []
    for piece in case.pieces:
        if piece[0] == "statement":
            ours.append(psql_key(case.bytes_of(piece[2], piece[4])))
        elif piece[0] == "copy_data":
            ours.append(case.bytes_of(piece[2], piece[3]))
    theirs = []
    for kind, data in reader.sent:
        text = data.decode(errors="replace")
        if kind == "D":
            theirs.append(re.sub(r"(?:^|(?<=\n))\\\.\r?\n$", "", text))  # psql 15 sends the end's line, too
        elif text := psql_key(text):
            if text != ";":
                theirs.append(text)
    if case.generated:
        if refused := next((number for number, state in reader.refused if state == "42601"), None):
            case.wrong.setdefault("server", f"the generator's text is no SQL: {reader.sent[refused][1]!r}")
    judge(case, "psql", ours, theirs)


# Written for `mariadbd --bootstrap`, where a statement ends with its line: bodies without DELIMITER, which the client cuts at their semicolons.
BOOTSTRAP = ("usr/share/mysql/maria_add_gis_sp_bootstrap.sql", "usr/share/mysql/mysql_system_tables_data.sql")


def mariadb(case: Case, recorder: wire.Recorder, folder: pathlib.Path, abstentions: Abstentions) -> None:
    if case.name in BOOTSTRAP:
        return abstentions.add("mariadb", "exception: written for the server's --bootstrap")
    with (case.twin or case.path).open("rb") as script:
        subprocess.run(wire.unprivileged(["mariadb", "--no-defaults", "--force", "--default-character-set=utf8mb4", "-S", str(folder / "s"), "-u", "root", "scratch"]),
                       stdin=script, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    readers = recorder.take()
    if len(readers) != 1:
        return abstentions.add("mariadb", "connected otherwise")
    reader = readers[0]
    theirs = []
    for kind, data in reader.sent:
        text = data.decode(errors="replace")
        if kind == "U":  # how the client sends USE; it asks first where it is
            if theirs and theirs[-1] == "SELECTDATABASE()":
                theirs.pop()
            theirs.append("use" + re.sub(r"[`;\s]", "", text).lower())
        elif key := mysql_key(text):
            theirs.append(key)
    ours = []
    for statement in case.statements():
        key = mysql_key(statement)
        ours.append(re.sub(r"[`;\s]", "", key).lower() if re.match(r"use\s", statement, re.IGNORECASE) else key)
    if case.generated:
        if refused := next((number for number, code in reader.refused if code == "1064"), None):
            case.wrong.setdefault("server", f"the generator's text is no SQL: {reader.sent[refused][1]!r}")
    judge(case, "mariadb", ours, theirs)


class Sqlite:
    """sqlite3_prepare_v2 by ctypes: its tail is where SQLite itself ends a statement. Each is run, so that the next ones find its tables."""

    def __init__(self):
        self.library = ctypes.CDLL(ctypes.util.find_library("sqlite3"))
        self.library.sqlite3_prepare_v2.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_void_p)]
        self.library.sqlite3_exec.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
        for name in ("sqlite3_step", "sqlite3_finalize", "sqlite3_close"):
            getattr(self.library, name).argtypes = [ctypes.c_void_p]
        self.library.sqlite3_errmsg.argtypes = [ctypes.c_void_p]
        self.library.sqlite3_errmsg.restype = ctypes.c_char_p

    def judge(self, case: Case, before: list[str], abstentions: Abstentions) -> None:
        database = ctypes.c_void_p()
        self.library.sqlite3_open(b":memory:", ctypes.byref(database))
        for script in before:
            self.library.sqlite3_exec(database, script.encode(), None, None, None)
        text = case.bytes
        buffer = ctypes.create_string_buffer(text)
        start = ctypes.addressof(buffer)
        at, ours, ends = start, [], []
        boundaries = [piece[4] for piece in case.pieces if piece[0] == "statement"]
        while at < start + len(text):
            statement, tail = ctypes.c_void_p(), ctypes.c_void_p()
            if self.library.sqlite3_prepare_v2(database, at, -1, ctypes.byref(statement), ctypes.byref(tail)) != 0:
                # It says no end then: this one is passed over, the next ones are judged.
                why = self.library.sqlite3_errmsg(database).decode(errors="replace")
                if case.generated:
                    case.wrong["sqlite3_prepare"] = f"the generator's text is no SQL: {why}"
                abstentions.add("sqlite3_prepare", f"statements whose tables are not there, or that are none of SQLite's ({why.split(' ')[0]} ...)")
                case.unjudged += 1
                end = next((end for end in boundaries if end > at - start), len(text))
                at = start + end
                continue
            if statement:
                ends.append(f"{tail.value - start}")
                ours.append(f"{next((end for end in boundaries if end > at - start), None)}")
                self.library.sqlite3_step(statement)
                self.library.sqlite3_finalize(statement)
            at = tail.value
        self.library.sqlite3_close(database)
        if len(ends) + case.unjudged != len(boundaries):
            ours.append(f"{len(boundaries)} statements")
        judge(case, "sqlite3_prepare", ours, ends)



def tsql_grammar(arguments, cases: list[Case], abstentions: Abstentions) -> None:
    """The lines that are GO, and how often they say that their batch is run."""
    for case, answer in zip(cases, node(arguments, "tsql_grammar.js", [case.path for case in cases])):
        if "abstains" in answer:
            abstentions.add("antlr4ts-sql", answer["abstains"])
            continue
        theirs = [f"line {line + 1}, {count} times" for line, count in answer["go"]]
        ours = []
        for piece in case.pieces:
            line = case.bytes_of(piece[3], piece[4]).rstrip("\r\n").split("\n")[-1]
            if re.match(r"\s*go\b", line, re.IGNORECASE):
                number = case.bytes_of(0, piece[4]).rstrip("\r\n").count("\n")
                ours.append(f"line {number + 1}, {piece[5]} times")
        judge(case, "antlr4ts-sql", ours, theirs)


# ---- the scripts ----

def write(folder: pathlib.Path, number: int, text: str) -> pathlib.Path:
    path = folder / f"{number}.sql"
    path.write_bytes(text.encode())
    return path


def generated_cases(folder: pathlib.Path, seed: int, statements: int) -> list[Case]:
    kinds = {"postgresql": (generate.postgresql, 20, 0.25), "postgresql, client": (generate.postgresql_client, 20, 0.1), "mysql": (generate.mysql, 20, 0.3),
             "sqlite": (generate.sqlite, 20, 0.15), "sqlserver": (generate.sqlserver, 8, 0.2)}
    cases = []
    for kind, (make, size, share) in kinds.items():
        for number in range(max(12, int(statements * share / size))):
            script = make(seed, number, size)
            case = Case(kind.split(",")[0], f"{kind} {seed}.{number}", write(folder, len(cases), script.text), script.text.removeprefix("\ufeff"), script)
            if script.twin:
                case.twin = folder / f"{len(cases)}.twin.sql"
                case.twin.write_bytes(script.twin.encode())
            cases.append(case)
    return cases


def as_sent(dialect: str, text: str) -> str:
    """What CREATE EXTENSION does to PostgreSQL's files before they are SQL; what else is no SQL of the script's."""
    if dialect == "mysql":
        # The client drops a backslash at the end of a line (Kea has one, by mistake); dunlin refuses it by name, which a unit test shows.
        return re.sub(r"(?m)^([^'\"#\n]*) \\$", r"\1", text)
    if dialect != "postgresql":
        return text
    text = re.sub(r"^\\echo Use .*\\quit\s*$", "", text, flags=re.MULTILINE)
    return text.replace("@extschema@", "public").replace("@extowner@", "owner")


def real_cases(folder: pathlib.Path, packages: pathlib.Path | None, begin: int) -> list[Case]:
    cases = []
    for line in (HERE / "inputs.txt").read_text().splitlines():
        if line.startswith("#") or not line:
            continue
        dialect, package, pattern = line.split()
        if package != "-" and packages is None:
            continue
        root = pathlib.Path("/") if package == "-" else packages / package
        found = sorted(root.glob(pattern))
        if not found:
            print(f"oracles: no file of {package} fits {pattern}")
        for path in found:
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            if len(data) > 4 << 20:
                continue  # 30 MB of one kind of INSERT
            try:
                text = as_sent(dialect, data.decode())
            except UnicodeDecodeError:
                continue
            cases.append(Case(dialect, str(path.relative_to(root)), write(folder, begin + len(cases), text), text.removeprefix("\ufeff")))
    return cases


def split_by_dunlin(program: str, cases: list[Case]) -> None:
    for dialect in ("postgresql", "mysql", "sqlite", "sqlserver"):
        mine = [case for case in cases if case.dialect == dialect]
        done = subprocess.run([program, dialect], input="".join(f"{case.path}\n" for case in mine), capture_output=True, text=True, check=True)
        for case, line in zip(mine, done.stdout.splitlines(), strict=True):
            answer = json.loads(line)
            case.pieces, case.error = answer["pieces"], answer["error"]


# ---- the run ----

def judge_all(arguments, cases: list[Case], scratch: wire.Scratch) -> Abstentions:
    abstentions = Abstentions()
    of = {dialect: [case for case in cases if case.dialect == dialect] for dialect in ("postgresql", "mysql", "sqlite", "sqlserver")}
    by_construction(cases)
    libpg_query(arguments, of["postgresql"], abstentions)
    tsql_grammar(arguments, of["sqlserver"], abstentions)
    sqlite = Sqlite()
    for case in of["sqlite"]:
        initial = [other.text for other in of["sqlite"] if other is not case and re.search(r"(initial|tables-generated|/tables)\.sql$", other.name)
                   and other.name.split("/")[2] == case.name.split("/")[2]] if not case.generated else ["CREATE TABLE t(a, b); CREATE VIEW v AS SELECT a FROM t"]
        sqlite.judge(case, initial, abstentions)
    for name, server_of, reader, socket, run in (("postgresql", wire.Postgresql, wire.PostgresqlReader, ".s.PGSQL.5432", psql),
                                                 ("mysql", wire.Mariadb, wire.MariadbReader, "s", mariadb)):
        home, front = scratch.path / name, scratch.path / f"{name}-front"
        for folder in (home, front):
            folder.mkdir()
            scratch.give_away(folder)
        server = server_of(home)
        try:
            if name == "mysql":
                wire.run_quietly(["mariadb", "--no-defaults", "-S", str(server.socket), "-u", "root", "-e", "CREATE DATABASE scratch"], home)
            recorder = wire.Recorder(front / socket, server.socket, reader)
            for case in of[name]:
                run(case, recorder, front, abstentions)
        finally:
            server.stop()
    return abstentions


def report(arguments, cases: list[Case], abstentions: Abstentions, seconds: float) -> int:
    rows = Counter()
    for case in cases:
        origin = "generated" if case.generated else "real"
        size = max(1, len(case.statements()))
        rows[case.dialect, origin, "scripts"] += 1
        rows[case.dialect, origin, "statements"] += size
        for oracle in case.judged:
            rows[case.dialect, origin, oracle, "wrong" if oracle in case.wrong else "same"] += size - case.unjudged
        state = "failed" if case.wrong else "passed" if case.judged else "skipped"
        rows[state] += size - case.unjudged
        rows["skipped"] += case.unjudged
    print(f"{'dialect':<12}{'scripts of':<12}{'scripts':>8}{'statements':>12}   oracle: statements with one voice / otherwise")
    for dialect in ("postgresql", "mysql", "sqlite", "sqlserver"):
        for origin in ("generated", "real"):
            if not rows[dialect, origin, "scripts"]:
                continue
            oracles = sorted({key[2] for key in rows if len(key) == 4 and key[:2] == (dialect, origin)})
            voices = ", ".join(f"{oracle}: {rows[dialect, origin, oracle, 'same']} / {rows[dialect, origin, oracle, 'wrong']}" for oracle in oracles)
            print(f"{dialect:<12}{origin:<12}{rows[dialect, origin, 'scripts']:>8}{rows[dialect, origin, 'statements']:>12}   {voices}")
    if abstentions:
        print("\nscripts (for SQLite: statements) that an oracle does not judge, and why")
        for why, count in sorted(abstentions.items()):
            print(f"{count:>8}  {why}")
    wrong = [case for case in cases if case.wrong]
    for case in wrong[:arguments.show]:
        for oracle, what in case.wrong.items():
            print(f"\n{case.dialect}: {case.name}: {oracle}: {what}")
        if arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            (arguments.keep / (re.sub(r"\W+", "_", case.name) + ".sql")).write_bytes(case.path.read_bytes())
    print(f"\n{rows['passed'] + rows['failed'] + rows['skipped']} statements in {len(cases)} scripts, seed {arguments.seed}, {seconds:.0f} s")
    if counts := os.environ.get("DUNLIN_COUNTS"):
        pathlib.Path(counts).write_text(f"{rows['passed']} {rows['failed']} {rows['skipped']}\n")
    print(f"{rows['passed']} passed, {rows['failed']} failed, {rows['skipped']} skipped")
    return 1 if rows["failed"] else 0


def main() -> int:
    words = argparse.ArgumentParser(usage=__doc__)
    words.add_argument("--pieces", required=True)
    words.add_argument("--node", type=pathlib.Path, required=True)
    words.add_argument("--packages", type=pathlib.Path)
    words.add_argument("--statements", type=int, default=2000)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--show", type=int, default=20)
    words.add_argument("--keep", type=pathlib.Path)
    words.add_argument("--only")
    arguments = words.parse_args()
    started = time.monotonic()
    with wire.Scratch("oracles") as scratch:
        scratch.path.chmod(0o755)
        folder = scratch.path / "scripts"
        folder.mkdir()
        cases = generated_cases(folder, arguments.seed, arguments.statements)
        cases += real_cases(folder, arguments.packages, len(cases))
        cases = [case for case in cases if arguments.only in (None, case.dialect)]
        split_by_dunlin(arguments.pieces, cases)
        abstentions = judge_all(arguments, cases, scratch)
        return report(arguments, cases, abstentions, time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())
