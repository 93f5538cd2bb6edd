"""Where things are, and how the programs of a build are run: shared by the tools in this folder.

Tests run as the unprivileged user 65534 when we are root (PostgreSQL refuses root, and a test that passes only as root proves
little); only suites whose name contains NeedsRoot run as root. A checkout below a private folder such as root's home cannot be
read by that user; the programs and the files of the tests are then copied to a scratch folder that it can read.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOBODY = 65534
# All else of ours that a person has set would change what a test finds.
KEPT = ("DUNLIN_CI", "DUNLIN_RACE_", "DUNLIN_TEST_POSTGRESQL")


def is_root() -> bool:
    return os.geteuid() == 0


def tracked_files() -> list[pathlib.Path]:
    """Every file that is, or could become, part of a commit, relative to ROOT."""
    listing = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT, check=True, capture_output=True).stdout
    paths = (pathlib.Path(os.fsdecode(name)) for name in listing.split(b"\0") if name)
    return sorted(path for path in paths if (ROOT / path).is_file())


def run_in_group(command: list[str], limit_s: float, **options) -> int | None:
    """The exit code (negative: signal), or None past the limit. Whatever the program started and left behind ends with it."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True, **options)
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


class Stage:
    """A scratch folder and the programs of one build, both usable by the user that will run them. Removed at exit."""

    def __init__(self, build_folder: pathlib.Path, source_folder: pathlib.Path = ROOT, as_root: bool = False):
        self.drop = is_root() and not as_root
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="dunlin-test-"))
        self.programs = build_folder
        self.source = source_folder
        if self.drop:
            os.chown(self.scratch, NOBODY, NOBODY)
            if not self._readable(build_folder):
                self._copy(build_folder, source_folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.scratch, ignore_errors=True)

    def prefix(self) -> list[str]:
        if not self.drop:
            return []
        return ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]

    def environment(self, name: str) -> dict[str, str]:
        """A home and a temporary folder of its own for each run, so that runs side by side do not meet."""
        home = self.scratch / name
        home.mkdir(exist_ok=True)
        if self.drop:
            os.chown(home, NOBODY, NOBODY)
        environment = {key: value for key, value in os.environ.items()
                       if key.startswith(KEPT) or not key.startswith(("DUNLIN_", "XDG_", "GTEST_"))}
        environment.update(
            HOME=str(home), TMPDIR=str(home), XDG_RUNTIME_DIR=str(home), DUNLIN_BINARY=str(self.programs / "dunlin"),
            DUNLIN_SOURCE_DIR=str(self.source),
            ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:strict_string_checks=1",
            UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1",
            TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1")
        return environment

    def _readable(self, folder: pathlib.Path) -> bool:
        # A shell is the witness: it is the user's own rights, ACLs included, that decide.
        return subprocess.run([*self.prefix(), "test", "-x", str(folder)], check=False).returncode == 0

    def _copy(self, build_folder: pathlib.Path, source_folder: pathlib.Path) -> None:
        self.scratch.chmod(0o755)
        self.programs = self.scratch / "build"
        self.programs.mkdir()
        for entry in build_folder.iterdir():
            if entry.is_file() and os.access(entry, os.X_OK):
                shutil.copy2(entry, self.programs / entry.name)
        self.source = self.scratch / "source"
        # Fixtures; documents that tests compare with the program; the tables of crash points.
        for folder in ("tests", "docs", "src"):
            shutil.copytree(source_folder / folder, self.source / folder)
        # Where tests look for those of tools/servers.sh: beside the build folder.
        servers = ROOT / "build" / "servers"
        if servers.is_dir():
            shutil.copytree(servers, self.scratch / "servers", symlinks=True)
