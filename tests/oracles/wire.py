"""Real servers in a scratch folder, and a recorder between a client and its server: what the client sends is what it split.

A log of the server would tell what the server took for a statement, and escapes it; the wire has the client's own bytes. One Recorder listens on
a Unix socket of its own, passes everything on, and keeps the statements of each connection in the order in which they were sent.
"""

import os
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

NOBODY = 65534


def unprivileged(words: list[str]) -> list[str]:
    if os.geteuid() != 0:
        return words
    return ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", *words]


class Scratch:
    """A folder that the unprivileged user owns; short, since the path of a socket is."""

    def __init__(self, name: str):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix=f"dunlin-{name}-", dir="/tmp"))
        self.give_away(self.path)

    @staticmethod
    def give_away(path: pathlib.Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


class Server:
    """A process with a log; ended at exit."""

    def __init__(self, scratch: pathlib.Path, command: list[str], ready: str):
        self.log = scratch / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(unprivileged(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=scratch)
        until = time.monotonic() + 60
        while ready not in self.log.read_text(errors="replace"):
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command[0]} does not start:\n{self.log.read_text(errors='replace')}")
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def run_quietly(command: list[str], cwd: pathlib.Path) -> None:
    done = subprocess.run(unprivileged(command), cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")


class Postgresql:
    def __init__(self, scratch: pathlib.Path):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
        if not found:
            raise RuntimeError("no PostgreSQL server is installed; try: ./dev setup test")
        programs = found[-1].parent
        run_quietly([str(programs / "initdb"), "-D", str(scratch / "data"), "-U", "owner", "-A", "trust", "--no-sync", "--no-instructions",
                     "-E", "UTF8", "--locale=C"], scratch)
        self.socket = scratch / ".s.PGSQL.5432"
        self.folder = scratch
        self.server = Server(scratch, [str(programs / "postgres"), "-D", str(scratch / "data"), "-k", str(scratch), "-c", "listen_addresses=", "-c",
                                       "fsync=off", "-c", "autovacuum=off",
                                       # Bodies are strings to us; what stands in them need be no SQL.
                                       "-c", "check_function_bodies=off"], "database system is ready to accept connections")

    def stop(self) -> None:
        self.server.stop()


class Mariadb:
    def __init__(self, scratch: pathlib.Path):
        run_quietly(["/usr/bin/mariadb-install-db", "--no-defaults", f"--datadir={scratch}/data", "--auth-root-authentication-method=normal",
                     "--skip-test-db", "--skip-name-resolve"], scratch)
        self.socket = scratch / "s"
        self.server = Server(scratch, ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={scratch}/data", f"--socket={self.socket}",
                                       f"--pid-file={scratch}/pid", "--skip-networking", "--innodb-flush-log-at-trx-commit=0",
                                       "--innodb-buffer-pool-size=64M"],
                             "ready for connections")

    def stop(self) -> None:
        self.server.stop()


class PostgresqlReader:
    """Of both directions of one connection: ("Q", text) and ("D", data) that were sent; the SQLSTATE of what was refused."""

    def __init__(self):
        self.sent: list[tuple[str, bytes]] = []
        self.refused: list[tuple[int, str]] = []  # index in `sent`
        self.copies = 0
        self._front = b""
        self._back = b""
        self._started = False

    def from_client(self, data: bytes) -> None:
        self._front += data
        while True:
            if not self._started:
                if len(self._front) < 4 or len(self._front) < struct.unpack("!I", self._front[:4])[0]:
                    return
                self._front = self._front[struct.unpack("!I", self._front[:4])[0]:]
                self._started = True
            if len(self._front) < 5:
                return
            size = 1 + struct.unpack("!I", self._front[1:5])[0]
            if len(self._front) < size:
                return
            kind, body, self._front = self._front[:1], self._front[5:size], self._front[size:]
            if kind == b"Q":
                self.sent.append(("Q", body[:-1]))
            elif kind == b"d":
                if self.sent and self.sent[-1][0] == "D":
                    body = self.sent.pop()[1] + body
                self.sent.append(("D", body))
            elif kind == b"c" and (not self.sent or self.sent[-1][0] != "D"):
                self.sent.append(("D", b""))

    def from_server(self, data: bytes) -> None:
        self._back += data
        while len(self._back) >= 5:
            size = 1 + struct.unpack("!I", self._back[1:5])[0]
            if len(self._back) < size:
                return
            kind, body, self._back = self._back[:1], self._back[5:size], self._back[size:]
            if kind == b"G":
                self.copies += 1
            elif kind == b"E":
                state = next((field[1:].decode() for field in body.split(b"\0") if field[:1] == b"C"), "")
                self.refused.append((len(self.sent) - 1, state))


class MariadbReader:
    """("Q", text), ("U", database) of COM_INIT_DB; errors of the server by their number."""

    def __init__(self):
        self.sent: list[tuple[str, bytes]] = []
        self.refused: list[tuple[int, str]] = []
        self._front = b""
        self._back = b""
        self._asked = False

    def from_client(self, data: bytes) -> None:
        self._front += data
        while len(self._front) >= 4:
            size = int.from_bytes(self._front[:3], "little")
            if len(self._front) < 4 + size:
                return
            sequence, body, self._front = self._front[3], self._front[4:4 + size], self._front[4 + size:]
            if sequence == 0 and body[:1] == b"\x03":
                self.sent.append(("Q", body[1:]))
            elif sequence == 0 and body[:1] == b"\x02":
                self.sent.append(("U", body[1:]))
            self._asked = sequence == 0

    def from_server(self, data: bytes) -> None:
        self._back += data
        while len(self._back) >= 4:
            size = int.from_bytes(self._back[:3], "little")
            if len(self._back) < 4 + size:
                return
            body, self._back = self._back[4:4 + size], self._back[4 + size:]
            if self._asked and body[:1] == b"\xff":
                self.refused.append((len(self.sent) - 1, str(int.from_bytes(body[1:3], "little"))))
            self._asked = False


class Recorder:
    """Listens at `path` and passes on to `server`. take() gives the readers of the connections since it was last asked, oldest first."""

    def __init__(self, path: pathlib.Path, server: pathlib.Path, reader):
        self._server = str(server)
        self._reader = reader
        self._lock = threading.Lock()
        self._connections: list[tuple[object, list[threading.Thread]]] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        path.chmod(0o777)
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def take(self) -> list:
        with self._lock:
            connections, self._connections = self._connections, []
        for _, threads in connections:
            for thread in threads:
                thread.join()
        return [reader for reader, _ in connections]

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            reader = self._reader()
            threads = [threading.Thread(target=self._pass_on, args=(client, server, reader.from_client), daemon=True),
                       threading.Thread(target=self._pass_on, args=(server, client, reader.from_server), daemon=True)]
            with self._lock:
                self._connections.append((reader, threads))
            for thread in threads:
                thread.start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket, see) -> None:
        while True:
            try:
                data = source.recv(1 << 16)
            except OSError:
                data = b""
            if not data:
                break
            see(data)
            try:
                target.sendall(data)
            except OSError:
                break
        try:
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
