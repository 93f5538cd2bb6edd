"""From samples to figures. Pure."""

import bisect
import dataclasses

Samples = list[tuple[float, float]]  # time in s, a counter that only grows (or a level, for settled())


@dataclasses.dataclass
class Measured:
    """What came of one verb during one workload."""
    answer_ms: list[float] = dataclasses.field(default_factory=list)  # from the command's start to its end
    effect_ms: list[float] = dataclasses.field(default_factory=list)  # from the command's start to what is seen from outside
    still_ms: list[float] = dataclasses.field(default_factory=list)  # to the last write of content that was seen
    windows: list[float] = dataclasses.field(default_factory=list)  # rate of each 10 s ÷ limit
    failures: list[str] = dataclasses.field(default_factory=list)
    note: str = ""


def quantile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


def at(samples: Samples, time: float) -> float:
    """The counter at that time, between two samples in proportion."""
    after = bisect.bisect_left(samples, (time, float("-inf")))
    if after == 0:
        return samples[0][1]
    if after == len(samples):
        return samples[-1][1]
    (t0, v0), (t1, v1) = samples[after - 1], samples[after]
    return v0 + (v1 - v0) * (time - t0) / (t1 - t0) if t1 > t0 else v1


def rate(samples: Samples, begin: float, seconds: float) -> float:
    return (at(samples, begin + seconds) - at(samples, begin)) / seconds


def time_of_rate(samples: Samples, asked: float, low: float, high: float, seconds: float = 1.0) -> float | None:
    """Seconds from `asked` to the first moment from which on the rate over the following `seconds` is between the two; None: never."""
    for time, _ in samples:
        if time < asked or time + seconds > samples[-1][0]:
            continue
        if low <= rate(samples, time, seconds) <= high:
            return time - asked
    return None


def time_of_level(samples: Samples, asked: float, most: float, seconds: float = 0.5) -> float | None:
    """Seconds from `asked` to the first moment from which on the level stays at or below `most` for so long; None: never."""
    begin = None
    for time, level in samples:
        if time < asked:
            continue
        if level > most:
            begin = None
            continue
        begin = time if begin is None else begin
        if time - begin >= seconds:
            return begin - asked
    return None


def windows(samples: Samples, begin: float, limit: float, seconds: float = 10.0, step: float = 1.0) -> list[float]:
    """The rate of every window of so many seconds from `begin` on, as a share of the limit."""
    found = []
    while begin + seconds <= samples[-1][0]:
        found.append(rate(samples, begin, seconds) / limit)
        begin += step
    return found
