"""One project of five migrations, written the way each tool wants it: three databases, five layouts.

What a tool needs besides (StatementBegin, transaction:false) is written as its documents say; dunlin reads the same files unchanged.
"""

import pathlib
from dataclasses import dataclass


@dataclass
class Migration:
    name: str
    up: list[str]
    down: list[str]
    alone: bool = False  # no transaction can hold it


POSTGRESQL = [
    Migration("users", ["CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL DEFAULT 'it''s; me', note text)",
                        "CREATE UNIQUE INDEX users_by_name ON users (lower(name))", "INSERT INTO users (name) VALUES ('anna'), ('-- no; comment')"], ["DROP TABLE users"]),
    Migration("touch", ["ALTER TABLE users ADD COLUMN changed timestamptz",
                        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $body$\nBEGIN\n  NEW.changed := NULL; -- 'a;\n  RETURN NEW;\nEND;\n$body$",
                        "CREATE TRIGGER users_touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch()"],
              ["DROP TRIGGER users_touch ON users", "DROP FUNCTION touch()", "ALTER TABLE users DROP COLUMN changed"]),
    Migration("orders", ["CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint REFERENCES users, total numeric(12,2) CHECK (total >= 0))",
                         "CREATE VIEW totals AS SELECT user_id, sum(total) AS total FROM orders GROUP BY user_id", "UPDATE users SET note = E'a\\';b' WHERE name = 'anna'",
                         "INSERT INTO orders SELECT 1, id, 10 FROM users WHERE name = 'anna'"], ["DROP VIEW totals", "DROP TABLE orders"]),
    Migration("orders_by_user", ["CREATE INDEX CONCURRENTLY orders_by_user ON orders (user_id)"], ["DROP INDEX CONCURRENTLY orders_by_user"], alone=True),
    Migration("states", ["CREATE TYPE state AS ENUM ('new', 'paid;')", "ALTER TABLE orders ADD COLUMN state state NOT NULL DEFAULT 'new'", "COMMENT ON COLUMN orders.state IS 'one; of two'"],
              ["ALTER TABLE orders DROP COLUMN state", "DROP TYPE state"]),
]
MYSQL = [
    Migration("users", ["CREATE TABLE users (id bigint AUTO_INCREMENT PRIMARY KEY, name varchar(50) NOT NULL DEFAULT 'it''s; me', note text) COMMENT = 'a;b'",
                        "CREATE UNIQUE INDEX users_by_name ON users (name)", "INSERT INTO users (name) VALUES ('anna'), ('-- no; comment')"], ["DROP TABLE users"]),
    Migration("touch", ["ALTER TABLE users ADD COLUMN changed int", "CREATE TRIGGER users_touch BEFORE UPDATE ON users FOR EACH ROW\nBEGIN\n  IF NEW.changed IS NULL THEN\n    SET NEW.changed = 1;\n  END IF;\nEND"],
              ["DROP TRIGGER users_touch", "ALTER TABLE users DROP COLUMN changed"]),
    Migration("orders", ["CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint, total decimal(12,2), FOREIGN KEY (user_id) REFERENCES users (id))",
                         "CREATE VIEW totals AS SELECT user_id, sum(total) AS total FROM orders GROUP BY user_id", "UPDATE users SET note = 'a\\';b' WHERE name = 'anna'",
                         "INSERT INTO orders SELECT 1, id, 10 FROM users WHERE name = 'anna'"], ["DROP VIEW totals", "DROP TABLE orders"]),
    Migration("sums", ["CREATE PROCEDURE sums()\nBEGIN\n  SELECT CASE WHEN count(*) > 0 THEN 'some;' ELSE 'none' END FROM orders;\nEND"], ["DROP PROCEDURE sums"]),
    Migration("states", ["ALTER TABLE orders ADD COLUMN state enum('new', 'paid;') NOT NULL DEFAULT 'new'"], ["ALTER TABLE orders DROP COLUMN state"]),
]
SQLITE = [
    Migration("users", ["CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 'it''s; me', note TEXT)", "CREATE UNIQUE INDEX users_by_name ON users (name)",
                        "INSERT INTO users (name) VALUES ('anna'), ('-- no; comment')"], ["DROP TABLE users"]),
    Migration("touch", ["ALTER TABLE users ADD COLUMN changed INTEGER", "CREATE TRIGGER users_touch AFTER INSERT ON users\nBEGIN\n  UPDATE users SET changed = CASE WHEN new.id > 5 THEN 1 ELSE 0 END WHERE id = new.id;\n  SELECT 1;\nEND"],
              ["DROP TRIGGER users_touch", "ALTER TABLE users DROP COLUMN changed"]),
    Migration("orders", ["CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id), total NUMERIC CHECK (total >= 0))",
                         "CREATE VIEW totals AS SELECT user_id, sum(total) AS total FROM orders GROUP BY user_id", "UPDATE users SET note = 'a\\;b' WHERE name = 'anna'",
                         "INSERT INTO orders SELECT 1, id, 10 FROM users WHERE name = 'anna'"], ["DROP VIEW totals", "DROP TABLE orders"]),
    Migration("vacuum", ["VACUUM"], ["SELECT 1"], alone=True),
    Migration("states", ["ALTER TABLE orders ADD COLUMN state TEXT NOT NULL DEFAULT 'new;'"], ["ALTER TABLE orders DROP COLUMN state"]),
]
PROJECTS = {"postgresql": POSTGRESQL, "mysql": MYSQL, "sqlite": SQLITE}


def script(statements: list[str]) -> str:
    return "".join(f"{one};\n" for one in statements)


def version(layout: str, number: int) -> str:
    """Of the number-th migration, as the tool counts it."""
    return {"golang-migrate": f"{number:06}", "goose": f"{number:05}", "dbmate": f"202501{number:02}120000", "flyway": f"1.{number}",
            "diesel": f"2025-01-{number:02}-120000"}[layout]


def goose_part(migration: Migration, statements: list[str]) -> str:
    """Bodies with semicolons stand between marks, as goose wants it."""
    text = ""
    for one in statements:
        has_body = one.startswith(("CREATE FUNCTION", "CREATE TRIGGER", "CREATE PROCEDURE")) and ";" in one
        text += f"-- +goose StatementBegin\n{one};\n-- +goose StatementEnd\n" if has_body else f"{one};\n"
    return text


def write(layout: str, dialect: str, folder: pathlib.Path, count: int | None = None) -> list[str]:
    """The first `count` migrations (all if not said) into `folder`; their versions, oldest first."""
    folder.mkdir(parents=True)
    versions = []
    for number, migration in enumerate(PROJECTS[dialect][:count], 1):
        up, down = script(migration.up), script(migration.down)
        begin = f"{version(layout, number)}_{migration.name}"
        if layout == "golang-migrate":
            (folder / f"{begin}.up.sql").write_text(up)
            (folder / f"{begin}.down.sql").write_text(down)
        elif layout == "goose":
            head = "-- +goose NO TRANSACTION\n" if migration.alone else ""
            (folder / f"{begin}.sql").write_text(f"{head}-- +goose Up\n{goose_part(migration, migration.up)}\n-- +goose Down\n{goose_part(migration, migration.down)}")
        elif layout == "dbmate":
            option = " transaction:false" if migration.alone else ""
            (folder / f"{begin}.sql").write_text(f"-- migrate:up{option}\n{up}\n-- migrate:down{option}\n{down}")
        elif layout == "flyway":
            (folder / f"V{version(layout, number)}__{migration.name}.sql").write_text(up)
            (folder / f"U{version(layout, number)}__{migration.name}.sql").write_text(down)
        else:
            (folder / begin).mkdir()
            (folder / begin / "up.sql").write_text(up)
            (folder / begin / "down.sql").write_text(down)
        versions.append(version(layout, number))
    return versions
