"""What is tried: each function makes one trial of one verb on a running copy and notes what was measured."""

import random
import time

from figures import Measured, Samples, rate, time_of_level, time_of_rate, windows
from run import Run
from sources import Source

LOOK_S = 0.01
CONTENT_BYTES = 256 << 10  # within a millisecond the ledger writes less
SETTLE_S = 30  # longer than this nothing may take; then it counts as a failure
FEW, MANY = 2, 16


def _wait_at_random(run: Run, chance: random.Random, least: float = 0.05, most: float = 1.0) -> None:
    until = time.monotonic() + chance.uniform(least, most)
    while run.running() and time.monotonic() < until:
        time.sleep(0.005)


def _ends(run: Run, source: Source, measured: Measured, *words: str) -> None:
    """A verb after which the owner is gone, and nothing writes any more."""
    began = time.monotonic()
    asking = run.asking(*words)
    answered = gone = None
    still, written = began, run.written_bytes()
    while answered is None or gone is None:
        now = time.monotonic()
        if (value := run.written_bytes()) >= written + CONTENT_BYTES:
            still = now
        written = max(written, value)
        if answered is None and asking.poll() is not None:
            answered = now
        if gone is None and not run.running():
            gone = now
        if now - began > SETTLE_S:
            asking.kill()
            measured.failures.append(f"{words[0]}: nothing within {SETTLE_S} s")
            run.end()
            return
        time.sleep(0.001)
    if run.exit_code() == 0:
        return  # it had ended by itself: no trial
    status = run.status()
    if run.exit_code() != 4 or asking.returncode != 0 or status != "paused":
        measured.failures.append(f"{words[0]}: exit {run.exit_code()}, asked {asking.returncode}, {status}")
        return
    measured.effect_ms.append(1000 * (gone - began))
    if source.name == "large":
        measured.still_ms.append(1000 * (still - began))
    measured.answer_ms.append(1000 * (answered - began))


def pause(run: Run, source: Source, chance: random.Random, measured: Measured) -> None:
    run.go_on()
    _wait_at_random(run, chance)
    if run.running():
        _ends(run, source, measured, "pause", "last")


def stop(run: Run, source: Source, chance: random.Random, measured: Measured) -> None:
    run.go_on()
    _wait_at_random(run, chance)
    if run.running():
        _ends(run, source, measured, "stop", "--now", "last")


class Watch:
    """Samples of one thing seen from outside, with the moment at which a verb was asked for."""

    def __init__(self, run: Run, look) -> None:
        self._run, self._look = run, look
        self.samples: Samples = []
        self.asked = 0.0
        self.answered_ms = 0.0
        self.answer = 0

    def for_seconds(self, seconds: float) -> bool:
        """False: the copy has ended meanwhile."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            value = self._look()
            if value < 0 or not self._run.running():
                return False
            self.samples.append((time.monotonic(), value))
            time.sleep(LOOK_S)
        return True

    def ask(self, *words: str) -> bool:
        self.asked = time.monotonic()
        asking = self._run.asking(*words)
        while asking.poll() is None:
            if not self.for_seconds(LOOK_S):
                asking.wait()
                return False
        self.answered_ms = 1000 * (time.monotonic() - self.asked)
        self.answer = asking.returncode
        return self.answer == 0


def limit(run: Run, source: Source, chance: random.Random, measured: Measured, with_windows: bool) -> None:
    """From a rate to one that is far from it, down or up."""
    _keep_running(run)
    rates = source.limits
    before, after = chance.sample(rates, 2)
    if run.ask("limits", "last", "--io", str(before)).returncode != 0:
        _refused(run, measured, "limits --io")
        return
    watch = Watch(run, source.look(run))
    if not watch.for_seconds(1.0):
        return
    if not watch.ask("limits", "last", "--io", str(after)):
        _refused(run, measured, "limits --io", watch)
        return
    if not watch.for_seconds(13.0 if with_windows else 2.5):
        return
    expected = after / source.bytes_per_unit
    took = time_of_rate(watch.samples, watch.asked, (1 - source.tolerance) * expected, (1 + source.tolerance) * expected)
    if took is None:
        measured.failures.append(f"limit {before}→{after}: after it {rate(watch.samples, watch.asked + 1, 1.2) / expected:.2f} of it")
        return
    measured.answer_ms.append(watch.answered_ms)
    measured.effect_ms.append(1000 * took)
    if with_windows:
        measured.windows += windows(watch.samples, watch.asked + max(1.0, took), expected)


def concurrency(run: Run, source: Source, chance: random.Random, measured: Measured) -> None:
    """From many to few; what is seen are the files of the source that are open at the same time."""
    _keep_running(run)
    if run.ask("limits", "last", "--concurrency", str(MANY), "--io", "0").returncode != 0:
        _refused(run, measured, "limits --concurrency")
        return
    watch = Watch(run, run.open_sources)
    if not watch.for_seconds(chance.uniform(0.1, 0.5)):
        return
    if not watch.ask("limits", "last", "--concurrency", str(FEW)):
        _refused(run, measured, "limits --concurrency", watch)
        return
    if not watch.for_seconds(2.0):
        return
    took = time_of_level(watch.samples, watch.asked, FEW)
    if took is None:
        measured.failures.append(f"concurrency: still {max(level for _, level in watch.samples[-50:]):.0f} open")
        return
    measured.answer_ms.append(watch.answered_ms)
    measured.effect_ms.append(1000 * took)
    if source.name == "large":
        measured.note = "one file: its effect cannot be seen, the answer can"


def _keep_running(run: Run) -> None:
    if not run.running():
        run.go_on()
        time.sleep(0.2)


def _refused(run: Run, measured: Measured, what: str, watch: Watch | None = None) -> None:
    time.sleep(0.5)  # it may just be ending
    if run.running():
        measured.failures.append(f"{what}: refused" + (f" with {watch.answer}" if watch else ""))
