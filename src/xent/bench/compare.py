"""A run against an earlier one: what got slower, less exact, or larger, beyond the spread of the rounds.

Times are compared as ratios to the reference of their own run, so that two days, or two machines of a kind, can be
compared. A time got worse if three quarters of the new rounds lie above three quarters of the old ones, and the median
by more than 5 %. Errors have no spread: with the same seed and machine they are the same, so 1 % more is worse.
"""

from dataclasses import asdict, dataclass
from typing import Any

from xent.bench import stats
from xent.bench.peers import OURS
from xent.bench.record import Measured, Record, Result
from xent.bench.task import Task
from xent.bench.text import number, size, ulps

SLACK = 0.05  # of a ratio: less is no finding, however steady the rounds
_ERROR_SLACK = 0.01
_MEMORY_SLACK = (0.1, 2**20)  # a part, and bytes: pages come in lumps


@dataclass(frozen=True)
class Line:
    """One shape of both runs. `verdict`: "better", "same", "worse" or "not comparable"; `why`: of worse and the last.

    old, new   median ratio of the time to the reference's
    low, high  quartiles of the new ratios
    """

    task: Task
    old: float
    new: float
    low: float
    high: float
    verdict: str
    why: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A line, and one more a reason."""
        reference = "products" if self.task.hidden else "copy"
        if self.verdict == "not comparable":
            return f"  ?      {self.task.name}: {'; '.join(self.why)}"
        words = f"{number(self.old)} → {number(self.new)} × {reference} ({self.new / self.old - 1:+.0%})"
        first = f"  {self.verdict:6} {self.task.name}, {self.task.words()}: {words}"
        return "\n".join([first, *(f"         {why}" for why in self.why)])


@dataclass(frozen=True)
class Comparison:
    """All shapes that both runs have."""

    lines: tuple[Line, ...]
    remarks: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing got worse, and something was compared."""
        return bool(self.lines) and all(line.verdict in {"same", "better"} for line in self.lines)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        lines = [asdict(line) | {"shape": line.task.key, "why": list(line.why)} for line in self.lines]
        return {"ok": self.ok, "lines": lines, "remarks": list(self.remarks)}

    def __str__(self) -> str:
        """Lines for a terminal."""
        count = sum(line.verdict == "worse" for line in self.lines)
        if not self.lines:
            end = "Nothing could be compared."
        elif count:
            end = f"{count} of {len(self.lines)} shapes got worse."
        elif not self.ok:
            end = "Not everything could be compared."
        else:
            end = f"Nothing got worse in {len(self.lines)} shape{'s' * (len(self.lines) > 1)}."
        return "\n".join(["against the earlier run:", *map(str, self.lines), *self.remarks, end])


def compare(old: Record, new: Record) -> Comparison:
    """Our own results of two runs, shape by shape; shapes that only one of them has are remarks."""
    before = {each.task: each for each in old.shapes}
    lines = [_line(before[each.task], each) for each in new.shapes if each.task in before]
    remarks = []
    if missing := [task.name for task in before if task not in {each.task for each in new.shapes}]:
        remarks.append(f"  not measured this time: {', '.join(missing)}")
    remarks += [
        f"  another machine: {name} {new.machine.get(name)}, before {old.machine.get(name)}; ratios may differ for that"
        for name in ("processor", "threads", "caches")
        if old.machine.get(name) != new.machine.get(name)
    ]
    return Comparison(tuple(lines), tuple(remarks))


def _line(old: Measured, new: Measured) -> Line:
    before, after = old.of(OURS), new.of(OURS)
    if before is None or after is None or old.reference is None or new.reference is None:
        nan = float("nan")
        return Line(new.task, nan, nan, nan, nan, "not comparable", (_lack(old, new),))
    was, now = _ratios(old, before), _ratios(new, after)
    low, high = stats.quantile(now, 0.25), stats.quantile(now, 0.75)
    old_ratio, new_ratio = stats.median(was), stats.median(now)
    why = _accuracy(before, after) + _memory(before, after)
    verdict = "worse" if why else "same"
    if low > stats.quantile(was, 0.75) and new_ratio > old_ratio * (1 + SLACK):
        verdict, why = "worse", [f"slower: a quarter of the rounds took less than {number(low)} ×", *why]
    elif not why and high < stats.quantile(was, 0.25) and new_ratio < old_ratio * (1 - SLACK):
        verdict = "better"
    return Line(new.task, old_ratio, new_ratio, low, high, verdict, tuple(why))


def _ratios(measured: Measured, result: Result) -> list[float]:
    reference = measured.reference
    return [] if reference is None else [a / b for a, b in zip(result.seconds, reference.seconds, strict=True)]


def _lack(old: Measured, new: Measured) -> str:
    for when, measured in (("this time", new), ("in the earlier run", old)):
        if measured.skipped:
            return f"not measured {when}: {measured.skipped}"
        mine = next((each for each in measured.results if each.peer == OURS), None)
        if mine is None or not mine.seconds:
            return f"xent has no times {when}: {(mine and (mine.failed or mine.refused)) or 'it took no part'}"
    return "there is no reference"


def _accuracy(old: Result, new: Result) -> list[str]:
    found = []
    for name, was, now in (("", old.ordinary, new.ordinary), (" of sure rows", old.confident, new.confident)):
        if was is None or now is None:
            continue
        for what in ("loss", "target", "others"):
            a, b = getattr(was, what), getattr(now, what)
            if a is not None and b is not None and b > a * (1 + _ERROR_SLACK):
                found.append(f"less exact: {_WHAT[what]}{name} {ulps(a)} → {ulps(b)} ULP")
    return found


_WHAT = {"loss": "loss", "target": "gradient at the target", "others": "gradient elsewhere"}


def _memory(old: Result, new: Result) -> list[str]:
    if old.extra is None or new.extra is None:
        return []
    part, least = _MEMORY_SLACK
    if new.extra > old.extra * (1 + part) + least:
        return [f"more memory: {size(old.extra)} → {size(new.extra)}"]
    return []
