"""The plain text that is printed and kept as evidence. Pure: from what was measured to lines."""

import dataclasses

from figures import Measured, quantile

EFFECT_LIMIT_MS = 1000  # engine.md
RATE_SHARES = (0.95, 1.05)  # engine.md X-19


def head(description: dict[str, str], command: str) -> list[str]:
    return [f"# {command}"] + [f"# {name}: {value}" for name, value in description.items()] + [
        "# ms from the command's start; answer: the command has ended; effect: seen from outside (owner gone; rate; files open).",
        "# 10 s windows: the lowest and the highest rate of any, in percent of the limit."]


def heading() -> str:
    return (f"{'verb':<12} {'trials':>6} {'answer p50':>10} {'p99':>6} {'max':>6}   {'effect p50':>10} {'p99':>6} {'max':>6} "
            f"{'failed':>6}  10 s windows")


def _three(values: list[float]) -> str:
    if not values:
        return f"{'-':>10} {'-':>6} {'-':>6}"
    return f"{quantile(values, 0.5):>10.0f} {quantile(values, 0.99):>6.0f} {max(values):>6.0f}"


def lines(verb: str, measured: Measured) -> list[str]:
    rates = f"{len(measured.windows)}: {100 * min(measured.windows):.1f}-{100 * max(measured.windows):.1f} %" if measured.windows else ""
    first = (f"{verb:<12} {len(measured.effect_ms):>6} {_three(measured.answer_ms)}   {_three(measured.effect_ms)} "
             f"{len(measured.failures):>6}  {rates}{measured.note}")
    if measured.still_ms:
        first += f"last write of content: p50 {quantile(measured.still_ms, 0.5):.0f}, p99 {quantile(measured.still_ms, 0.99):.0f}, max {max(measured.still_ms):.0f}"
    return [first.rstrip()] + [f"    failed: {text}" for text in measured.failures[:5]]


def whole(found: dict[tuple[str, str], Measured]) -> list[str]:
    out, last = [], ""
    for (source, verb), measured in found.items():
        if source != last:
            out += ["", source, heading()]
            last = source
        out += lines(verb, measured)
    return out


def verdict(found: dict[tuple[str, str], Measured]) -> list[str]:
    out = []
    for (source, verb), measured in found.items():
        name = f"{verb} during {source}"
        if not measured.effect_ms:
            out.append(f"{name}: nothing measured")
            continue
        late = sum(1 for ms in measured.effect_ms if ms > EFFECT_LIMIT_MS)
        if late:
            out.append(f"{name}: {late} of {len(measured.effect_ms)} took longer than {EFFECT_LIMIT_MS} ms")
        off = [share for share in measured.windows if not RATE_SHARES[0] <= share <= RATE_SHARES[1]]
        if off:
            out.append(f"{name}: {len(off)} of {len(measured.windows)} windows are more than 5 % off the limit")
        if measured.failures:
            out.append(f"{name}: {len(measured.failures)} trials failed")
    return out or ["every effect within 1 s, every window within 5 % of its limit"]


def as_json(description: dict[str, str], found: dict[tuple[str, str], Measured]) -> dict:
    return {"machine": description,
            "measured": [{"source": source, "verb": verb, **dataclasses.asdict(measured)} for (source, verb), measured in found.items()]}
