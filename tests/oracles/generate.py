"""Scripts made from a seed: statements of every kind in four dialects, with whatever may hold a terminator put between and into their tokens.

A template is a statement with its tokens apart by one space; `{s}` becomes a string, `{q}` one without N, B or X before it, `{i}` a name, `{u}` a new one, `{n}` a number. Between two tokens stands a gap:
white space (`¬`: no more than a space), line ends of both kinds, comments full of semicolons and quotes. So what a script holds is known by construction, beside what the
oracles say. To add a kind of statement: a line in a table below; it must be one that the real parser takes.
"""

import random
from dataclasses import dataclass, field


@dataclass
class Script:
    text: str
    statements: list[str] = field(default_factory=list)  # as they stand in the text, without terminator
    twin: str | None = None  # MySQL: the same statements, with DELIMITER written
    kind: str = "statements"


POSTGRESQL = {
    "strings": ["'a'", "'it''s; '", "'a\\'", "E'\\''", "E'\\\\'", "e';\\';'", "$$a;b$$", "$t$ ; $$ ' $t$", "$_1$;$_1$", "U&'\\0061;'", "X'1F'", "b'01'", "N'x;'",
                "'a'\n'b;'", "'--;'", "'/*;'", "''", "'\u00e9;'", "$\u00e9$;'$\u00e9$", "'a;\nb;'"],
    # Only the server's grammar judges scripts with these: compare.py says why.
    "continued": ["E'a'\n '\\';'", "E'a'\r\n\t'\\';b'"],
    "names": ["a", "b_1", "\"b;\"", "\"q\"\"r;'\"", "U&\"d;\"", "\u00e9a", "a$b", "a$$b", "\"--\"", "\"/*\"", "\"$$\"", "x1$"],
    "gaps": [" ", " ", " ", " ", "\n", "\t", "  ", "\r\n", "/* c; */", " /* a /* b; */ ' */ ", " -- x; '\n", "\n-- $$ \"\n", " --\n", "/**/", "/* -- */", " -- /* \r\n", "\f"],
    "statements": [
        "SELECT {s}", "SELECT {s} AS {i} , {n}", "SELECT {n} - - {n}", "SELECT {n} :: text || {s}", "SELECT ( {n} + {n} ) * 2 AS {i} FROM {i}", "VALUES ( {s} ) , ( {s} )",
        "INSERT INTO {i} ( {i} ) VALUES ( {s} ) ON CONFLICT DO NOTHING", "UPDATE {i} SET {i} = {s} WHERE {i} <> {s}", "DELETE FROM {i} WHERE {i} IN ( {s} , {s} )",
        "CREATE TABLE {i} ( {i} int DEFAULT {n} , {i} text CHECK ( {i} <> {s} ) )", "CREATE INDEX {i} ON {i} ( {i} , lower ( {i} ) )",
        "CREATE FUNCTION {i} ( {i} text ) RETURNS text LANGUAGE sql AS {q}",
        "CREATE OR REPLACE FUNCTION {i} ( ) RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN a ; IF b THEN c ; END IF ; END $f$",
        "CREATE FUNCTION {i} ( {i} int ) RETURNS int BEGIN ATOMIC SELECT CASE WHEN {n} > {n} THEN {n} ELSE {n} END ; SELECT {n} ; END",
        "CREATE OR REPLACE FUNCTION {i} ( ) RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT {s} ; SELECT CASE {s} WHEN {s} THEN CASE WHEN true THEN {n} END END ; END",
        "CREATE PROCEDURE {i} ( ) BEGIN ATOMIC INSERT INTO {i} VALUES ( {s} ) ; UPDATE {i} SET {i} = {n} ; END",
        "CREATE OR REPLACE PROCEDURE {i} ( ) BEGIN ATOMIC END", "CREATE FUNCTION {i} ( {i} int ) RETURNS int RETURN {n} + {n}",
        "CREATE RULE {i} AS ON INSERT TO {i} DO ALSO ( UPDATE {i} SET {i} = {s} ; DELETE FROM {i} )", "CREATE OR REPLACE RULE {i} AS ON DELETE TO {i} DO INSTEAD NOTHING",
        "DO $x$ BEGIN PERFORM 1 ; END $x$", "DO LANGUAGE plpgsql 'BEGIN¬PERFORM¬1;¬END'", "CREATE VIEW {i} AS SELECT CASE WHEN {n} = {n} THEN {s} END AS {i}",
        "CREATE TRIGGER {i} BEFORE INSERT ON {i} FOR EACH ROW EXECUTE FUNCTION {i} ( )", "COMMENT ON TABLE {i} IS {q}", "GRANT SELECT ON {i} TO PUBLIC",
        "ALTER TABLE {i} ADD COLUMN {i} int , DROP COLUMN {i}", "EXPLAIN SELECT {s}", "PREPARE {i} AS SELECT $1 :: int , $2 :: text", "SAVEPOINT {i}", "BEGIN", "COMMIT", "END", "ROLLBACK",
        "START TRANSACTION ISOLATION LEVEL SERIALIZABLE", "WITH {i} AS ( SELECT {s} ) SELECT * FROM {i}", "CREATE SCHEMA {i} CREATE TABLE {i} ( {i} int ) CREATE VIEW {i} AS SELECT {n}",
        "MERGE INTO {i} USING {i} ON {n} = {n} WHEN MATCHED THEN DO NOTHING", "SELECT ARRAY [ {s} , {s} ] , {i} [ {n} ] FROM {i}", "SET search_path TO {i}", "CREATE TYPE {i} AS ENUM ( 'a' , 'b;' )",
        "SELECT {i} @> {i} , {i} #- {i} , {i} ->> {s} FROM {i}", "COPY ( SELECT {n} ) TO STDOUT", "CREATE DOMAIN {i} AS text CHECK ( VALUE ~ {s} )", "SELECT type 'a\\'", "SELECT {n} / {n} , {n} * {n}",
    ],
}

MYSQL = {
    "strings": ["'a'", "'it''s; '", "'a\\''", "'\\\\'", "\"b;\"", "\"b\"\"c;'\"", "\"b\\\";\"", "'a;\nb;'", "'--;'", "'-- ;'", "'/*;'", "'#;'", "''", "X'1F'", "_utf8mb4';'", "N'x;'", "'\u00e9;'", "'$$;'"],
    "names": ["a", "b_1", "`b;`", "`q``r;'`", "a\u00e9", "a$b", "`--`", "`/*`", "`#`", "1a", "`end`", "`begin`"],
    "gaps": [" ", " ", " ", " ", "\n", "\t", "  ", "\r\n", " /* c; */ ", " /* a /* b; ' \" ` */ ", " -- x; '\n", " # y; \"\n", "\n-- `\n", " --\n", "/**/", " /* -- */ ", " -- /* \r\n"],
    "statements": [
        "SELECT {s}", "SELECT {s} AS {i} , {n}", "SELECT {n}--{n}", "SELECT ( {n} + {n} ) * 2 AS {i} FROM {i}", "INSERT INTO {i} ( {i} ) VALUES ( {s} ) , ( {s} )", "REPLACE INTO {i} VALUES ( {s} )",
        "UPDATE {i} SET {i} = {s} WHERE {i} <> {s}", "DELETE FROM {i} WHERE {i} IN ( {s} , {s} )", "CREATE TABLE {i} ( {i} int DEFAULT 1 , {i} varchar(10) COMMENT 'a;b' ) COMMENT = 'c;'",
        "CREATE OR REPLACE VIEW {i} AS SELECT CASE WHEN {n} = {n} THEN {s} END AS {i}", "ALTER TABLE {i} ADD COLUMN {i} int , DROP COLUMN {i}", "SET @a = {s} , @b := {n}", "BEGIN", "COMMIT", "BEGIN WORK",
        "START TRANSACTION", "ROLLBACK", "SAVEPOINT {i}", "/*!40101¬SET¬@c¬=¬{s}¬*/", "/*!50003¬SELECT¬{n}¬*/", "/*M!100100¬SELECT¬{n}¬*/", "SELECT /*+¬HINT(a;)¬*/ {n}", "SELECT IF ( {n} , {s} , {s} ) , REPEAT ( {s} , {n} ) , REPLACE ( {s} , {s} , {s} )",
        "CREATE INDEX {i} ON {i} ( {i} )", "WITH {i} AS ( SELECT {s} ) SELECT * FROM {i}", "DO {n}", "ANALYZE TABLE {i}", "SELECT {n} /*!¬+¬{n}¬*/", "DROP TABLE IF EXISTS {i} , {i}", "CREATE TABLE IF NOT EXISTS {i} LIKE {i}",
        "SELECT {i} . {i} FROM {i}", "CREATE TABLE {i} ( `begin` int , `end` int )", "CREATE FUNCTION {i} ( {i} int ) RETURNS int RETURN {n} + {n}", "CREATE TRIGGER {i} BEFORE INSERT ON {i} FOR EACH ROW SET NEW . {i} = {s}",
    ],
    # Bodies: one statement each, ended by a delimiter of its own or found by its blocks.
    "compound": [
        "CREATE PROCEDURE {i} ( ) BEGIN SELECT {s} ; UPDATE {i} SET {i} = {n} ; END", "CREATE OR REPLACE PROCEDURE {i} ( IN {i} int ) BEGIN IF {n} > {n} THEN SELECT {s} ; ELSEIF {n} THEN SELECT {n} ; ELSE SELECT {s} ; END IF ; END",
        "CREATE TRIGGER {i} BEFORE INSERT ON {i} FOR EACH ROW BEGIN IF NEW . {i} IS NULL THEN SET NEW . {i} = {s} ; END IF ; END",
        "CREATE FUNCTION {i} ( {i} int ) RETURNS int DETERMINISTIC BEGIN DECLARE {i} int DEFAULT {n} ; WHILE {n} < {n} DO SET @a = {n} ; END WHILE ; RETURN CASE WHEN {n} THEN {n} ELSE {n} END ; END",
        "CREATE DEFINER = `r`@`%` PROCEDURE {i} ( ) l1 : LOOP LEAVE l1 ; END LOOP l1", "CREATE PROCEDURE {i} ( ) BEGIN REPEAT SET @a = {s} ; UNTIL {n} END REPEAT ; CASE {n} WHEN {n} THEN SELECT {s} ; ELSE BEGIN END ; END CASE ; END",
        "CREATE EVENT {i} ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM {i} ; SELECT IF ( {n} , {s} , {s} ) ; END",
        "CREATE PROCEDURE {i} ( ) BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK ; END ; START TRANSACTION ; INSERT INTO {i} VALUES ( {s} ) ; COMMIT ; END",
        "CREATE PROCEDURE {i} ( ) BEGIN DECLARE {i} CURSOR FOR SELECT {s} ; DECLARE CONTINUE HANDLER FOR NOT FOUND SET @done = {n} ; lab : BEGIN LEAVE lab ; END lab ; END",
        "CREATE PROCEDURE {i} ( ) FOR rec IN ( SELECT {n} ) DO SELECT {s} ; END FOR", "BEGIN NOT ATOMIC SELECT {s} ; SELECT {n} ; END",
        "CREATE PROCEDURE {i} ( ) REPEAT SET @a = {n} ; UNTIL {n} END REPEAT", "CREATE PROCEDURE {i} ( ) WHILE {n} DO SELECT REPEAT ( {s} , {n} ) ; END WHILE", "CREATE PROCEDURE {i} ( ) IF {n} THEN SELECT IF ( {n} , {s} , {n} ) ; END IF",
        "CREATE PROCEDURE {i} ( ) CASE {n} WHEN {n} THEN SELECT {s} ; ELSE SELECT {n} ; END CASE", "IF {n} THEN SELECT {s} ; END IF", "CREATE PROCEDURE {i} ( ) BEGIN DECLARE a int DEFAULT CASE WHEN {n} THEN {n} END ; SELECT a ; END",
    ],
    "delimiters": ["$$", "//", ";;", "|", "$end$"],
}

SQLITE = {
    "strings": ["'a'", "'it''s; '", "'a\\'", "X'1F'", "'--;'", "'/*;'", "''", "'\u00e9;'", "'a;\nb'"],
    "names": ["a", "b", "\"b\"", "[b]", "`a`"],
    "gaps": [" ", " ", " ", " ", "\n", "\t", "\r\n", " /* c; */ ", " /* ' \" [ */ ", " -- x; '\n", "\n-- [\n", "/**/", " --\r\n"],
    "statements": [
        "SELECT {s}", "SELECT {s} AS \"a;\" , {n} AS [b;]", "INSERT INTO t ( {i} ) VALUES ( {s} )", "UPDATE t SET {i} = {s} WHERE {i} <> {s}", "DELETE FROM t WHERE {i} IN ( {s} , {s} )", "EXPLAIN QUERY PLAN SELECT {n}",
        "CREATE TEMP TABLE {u} ( a , b CHECK ( b <> {s} ) )", "CREATE INDEX {u} ON t ( a , b )", "CREATE VIEW {u} AS SELECT CASE WHEN {n} THEN {s} END AS x", "BEGIN", "COMMIT", "END", "PRAGMA user_version = {n}",
        "CREATE TRIGGER {u} AFTER INSERT ON t BEGIN SELECT CASE WHEN new.a THEN {s} END ; DELETE FROM t WHERE a = {s} ; END", "CREATE TEMP TRIGGER {u} AFTER UPDATE ON t FOR EACH ROW WHEN new.a > {n} BEGIN UPDATE t SET b = {s} ; END",
        "CREATE TRIGGER IF NOT EXISTS {u} INSTEAD OF DELETE ON v BEGIN INSERT INTO t VALUES ( {s} , CASE {n} WHEN {n} THEN {s} END ) ; END", "WITH x AS ( SELECT {s} ) SELECT * FROM x", "SELECT @a , :b , $c , ?1", "SAVEPOINT s", "REPLACE INTO t VALUES ( {n} , {s} )",
        "ANALYZE", "VALUES ( {s} ) , ( {n} )", "SELECT {n} - - {n}",
    ],
}

SQLSERVER = {
    "strings": ["'a'", "'it''s; '", "N'x;'", "'a\nGO\nb'", "'--;'", "'/*;'", "''", "'[;'"],
    "names": ["a", "b_1", "[b;]", "[q]]r;']", "[a\nGO\nb]", "\"d;'\"", "[--]", "#t", "[/*]"],
    "gaps": [" ", " ", " ", " ", "\n", "\t", "\r\n", " /* c; */ ", " /* a /* b; */ ' */ ", " -- x; '\n", " /*\nGO\n*/ ", "\n-- GO\n", " -- [\r\n"],
    "statements": [
        "SELECT {s}", "SELECT {s} AS {i} , {n}", "INSERT INTO {i} ( {i} ) VALUES ( {s} )", "UPDATE {i} SET {i} = {s} WHERE {i} <> {s}", "DELETE FROM {i} WHERE {i} IN ( {s} , {s} )", "DECLARE @a int = {n}", "SET @a = {s}",
        "CREATE TABLE {i} ( {i} int NOT NULL , {i} nvarchar(10) DEFAULT {s} )", "CREATE INDEX {i} ON {i} ( {i} )", "IF {n} > {n} SELECT {s} ELSE SELECT {n}", "BEGIN TRANSACTION", "COMMIT", "PRINT {s}",
        "BEGIN SELECT {s} ; SELECT CASE WHEN {n} = {n} THEN {s} END END", "WHILE {n} < {n} BEGIN PRINT {s} ; END", "EXEC sp_rename {s} , {s}", "ALTER TABLE {i} ADD {i} int", "DROP TABLE {i}",
        "BEGIN TRY SELECT {n} END TRY BEGIN CATCH PRINT {s} END CATCH", "WITH c AS ( SELECT {s} AS x ) SELECT * FROM c", "SELECT {n} AS go_on", "USE {i}", "GRANT SELECT ON {i} TO {i}", "TRUNCATE TABLE {i}",
    ],
    "alone": [  # first of their batch
        "CREATE PROCEDURE {i} AS BEGIN SELECT {s} ; UPDATE {i} SET {i} = {s} END", "CREATE VIEW {i} AS SELECT CASE WHEN {n} = {n} THEN {s} END AS {i}", "CREATE TRIGGER {i} ON {i} AFTER INSERT AS BEGIN PRINT {s} END",
        "CREATE FUNCTION {i} ( @a int ) RETURNS int AS BEGIN RETURN {n} END", "ALTER PROCEDURE {i} AS SELECT {s}",
    ],
}


class Generator:
    def __init__(self, tables: dict, seed: int, more_strings: str = ""):
        self.tables = tables
        self.strings = tables["strings"] + tables.get(more_strings, [])
        self.random = random.Random(seed)
        self.count = 0

    def gap(self) -> str:
        return self.random.choice(self.tables["gaps"]) if self.random.random() < 0.5 else " "

    def statement(self, table: str = "statements") -> str:
        text = ""
        for token in self.random.choice(self.tables[table]).split(" "):
            self.count += 1
            if "{q}" in token:
                token = token.replace("{q}", self.random.choice([one for one in self.strings if one[0] not in "NBXnbx"]))
            token = token.replace("¬", " ")
            token = token.replace("{s}", self.random.choice(self.strings)).replace("{n}", str(self.random.randrange(100)))
            token = token.replace("{i}", self.random.choice(self.tables["names"])).replace("{u}", f"u{self.count}")
            text += (self.gap() if text else "") + token
        return text

    def between(self) -> str:
        return "".join(self.gap() for _ in range(self.random.randrange(3))) + self.random.choice(["", "\n", "\r\n", "\n\n"])


def finished(script: Script, number: int) -> Script:
    """Every seventh has only line ends of Windows; every eleventh begins with a byte order mark."""
    def windows(text: str) -> str:
        return text.replace("\r\n", "\n").replace("\n", "\r\n")
    if number % 7 == 3:
        script.text, script.statements = windows(script.text), [windows(one) for one in script.statements]
        script.twin = windows(script.twin) if script.twin else None
    if number % 11 == 5:
        script.text = "\ufeff" + script.text
        script.twin = "\ufeff" + script.twin if script.twin else None
    return script


def postgresql(seed: int, number: int, size: int) -> Script:
    make = Generator(POSTGRESQL, seed * 100_003 + number, "continued" if number % 4 == 1 else "")
    script = Script("")
    for _ in range(size):
        one = make.statement()
        script.text += make.between() + one + make.random.choice(["", "", " ", "\n", "/* e; */", " -- f;\n"]) + ";"
        if make.random.random() < 0.1:
            script.text += make.random.choice([" ;", "\n;", ";"])
        script.text += make.random.choice([" ", "\n", "\r\n", ""])
        script.statements.append(one)
    return finished(script, number)


def postgresql_client(seed: int, number: int, size: int) -> Script:
    """With psql's own words and data of COPY, which no grammar knows: only psql judges it. No transaction, since a failed one refuses COPY."""
    make = Generator(POSTGRESQL, seed * 100_019 + number)
    script = Script("", kind="client")
    script.text = "CREATE TABLE IF NOT EXISTS copied (a text, b text);\n"
    script.statements.append("CREATE TABLE IF NOT EXISTS copied (a text, b text)")
    for _ in range(size):
        chance = make.random.random()
        if chance < 0.25:
            head = make.random.choice(["COPY copied (a, b) FROM stdin", "copy copied from STDIN", "COPY copied (a) FROM STDIN WITH (FORMAT csv)", "COPY public.copied FROM /* ; */ stdin"])
            lines = [make.random.choice(["a\tb;", "';\t$$", "\\N\t\\\\.", "-- x\t/*", "\\\\echo\t1", "(\t\"", ""]) for _ in range(make.random.randrange(5))]
            script.text += head + ";\n" + "".join(line + "\n" for line in lines) + "\\.\n"
            script.statements.append(head)
        elif chance < 0.4:
            script.text += make.random.choice(["\\echo 'a;b'\n", "  \\set ON_ERROR_STOP off\n", "\\unset ECHO\n", "\\qecho $$ ; '' \n", "\\pset null 'x;'\n", "\\timing off\n"])
        else:
            one = make.statement()
            if one.split()[0] in ("BEGIN", "START", "SET", "COPY"):
                continue
            script.text += one + ";\n"
            script.statements.append(one)
    return script


def mysql(seed: int, number: int, size: int) -> Script:
    """Every third script has compound statements: the splitter reads them without DELIMITER, the client its twin with it."""
    make = Generator(MYSQL, seed * 100_043 + number)
    mode = ("plain", "delimiter", "without")[number % 3]
    script = Script("", twin="" if mode == "without" else None, kind=mode)
    for _ in range(size):
        compound = mode != "plain" and make.random.random() < 0.5
        one = make.statement("compound" if compound else "statements")
        before = make.between()
        after = make.random.choice(["", "", " ", "\n"])
        if mode == "without":
            script.text += before + one + after + ";\n"
            script.twin += f"{before}\nDELIMITER //\n{one}{after}//\nDELIMITER ;\n" if compound else before + one + after + ";\n"
        elif compound:
            mark = make.random.choice(make.tables["delimiters"])
            more = "" if make.random.random() < 0.7 else f"\n{make.statement()} {mark}"
            script.text += f"{before}\nDELIMITER {mark}\n{one}{after}{mark}{more}\ndelimiter ;\n"
            script.statements.append(one)
            if more:
                script.statements.append(more[1:-len(mark) - 1])
            continue
        else:
            end = ";" if make.random.random() < 0.9 else make.random.choice(["\\G\n", "\\g "])
            script.text += before + one + after + end + make.random.choice([" ", "\n", "\r\n", ""])
        script.statements.append(one)
        if mode == "plain" and make.random.random() < 0.15:  # what the client alone reads so
            text, *statements = make.random.choice([("\n--- it's; `\n",), ("\n------;\n",), ("\nuse scratch\n", "use scratch"),
                                                    ("\n  USE `scratch`  \r\n", "USE `scratch`"), ("\nUSE scratch; ", "USE scratch")])
            script.text += text
            script.statements += statements
    return finished(script, number)


def sqlite(seed: int, number: int, size: int) -> Script:
    make = Generator(SQLITE, seed * 100_057 + number)
    script = Script("")
    for _ in range(size):
        one = make.statement()
        script.text += make.between() + one + make.random.choice(["", " ", "\n", "/* e; */", " -- f;\n"]) + ";" + make.random.choice([" ", "\n", "\r\n", "", " ; "])
        script.statements.append(one)
    return finished(script, number)


def sqlserver(seed: int, number: int, size: int) -> Script:
    """`size` batches."""
    make = Generator(SQLSERVER, seed * 100_069 + number)
    script = Script("")
    for _ in range(size):
        if make.random.random() < 0.3:
            batch = make.statement("alone")
        else:
            batch = "".join(make.statement() + make.random.choice([";\n", ";\r\n", "; "]) for _ in range(make.random.randrange(1, 4))).rstrip()
        script.text += make.random.choice(["", "\n", "-- b '\n", "/* b */ "]) + batch + "\n" + make.random.choice(["GO", "go", "  GO  ", "GO 3", "Go\t12"]) + make.random.choice(["\n", "\r\n"])
        script.statements.append(batch)
    return finished(script, number)
