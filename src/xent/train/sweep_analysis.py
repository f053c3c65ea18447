"""From the losses of all runs of a sweep to what they say: updates to a target, the best learning rates, the collapse.

Arrays have one row a learning rate and one column a seed; inf stands for a target that was not reached and for a loss
that is no finite number, so that neither is ever the best.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from xent.train.descent import Cell
from xent.train.sweep_fit import critical, growth
from xent.train.sweep_record import Best, CellResult, Comparison, Diagonal, Spread, Sums

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xent.train.descent import Length, Trace

    Floats = NDArray[np.float64]

NICE = (1.0, 2.0, 3.0, 5.0)  # first digits of the targets chosen
TARGETS = 4
MARGIN = 1.3  # the lowest target lies this far above the lowest loss that every batch size reaches
ALIKE = 0.05  # losses on a diagonal that differ by less are said to be the same
KINDS = ("target", "data", "updates")


class Runs:
    """The traces of a sweep, asked for by reduction and batch size."""

    def __init__(self, traces: Mapping[Cell, Trace], length: Length) -> None:
        self.traces, self.length = traces, length

    def reductions(self) -> list[str]:
        """The reductions run, in order."""
        return list(dict.fromkeys(cell.reduction for cell in self.traces))

    def batch_sizes(self) -> list[int]:
        """The batch sizes run, rising."""
        return sorted({cell.batch_size for cell in self.traces})

    def lrs(self, reduction: str, batch_size: int) -> list[float]:
        """The learning rates run there, rising."""
        return sorted(c.lr for c in self.traces if (c.reduction, c.batch_size) == (reduction, batch_size))

    def losses(self, cell: Cell) -> Floats:
        """(S, checks), inf where there is no finite number."""
        return np.array([[math.inf if value is None else value for value in seed] for seed in self.traces[cell].losses])

    def values(self, reduction: str, batch_size: int, kind: str, goal: float) -> Floats:
        """(L, S): what is to be small in a comparison, by learning rate and seed."""
        cells = [Cell(reduction, batch_size, lr) for lr in self.lrs(reduction, batch_size)]
        return np.array([self.value(cell, kind, goal) for cell in cells])

    def value(self, cell: Cell, kind: str, goal: float) -> Floats:
        """(S,) of one cell: updates to the loss `goal`, or the loss after as many rows or updates."""
        checks = self.length.checks(cell.batch_size)
        if kind == "target":
            return updates_to(self.losses(cell), checks, goal)
        at = self.length.at_data(cell.batch_size) if kind == "data" else self.length.updates
        return self.losses(cell)[:, checks.index(at)]


def updates_to(losses: Floats, checks: Sequence[int], target: float) -> Floats:
    """Updates until the loss is first at or below the target, (S,); inf where it never is.

    losses   (S, checks) nats, inf where there is none. Read.
    checks   the numbers of updates after which they were measured, rising

    Between the check before and the one that is first there, the loss' logarithm is taken to fall in a straight line.

    >>> updates_to(np.array([[4.0, 1.0, 0.25], [4.0, 3.0, 2.0]]), [0, 10, 20], 0.5)
    array([15., inf])
    """
    found = np.full(len(losses), math.inf)
    for place, row in enumerate(losses):
        there = np.flatnonzero(row <= target)
        if not len(there):
            continue
        first = int(there[0])
        found[place] = checks[first]
        if first and math.isfinite(row[first - 1]):
            high, low = math.log(row[first - 1]), math.log(max(row[first], 1e-300))
            share = (high - math.log(target)) / (high - low)
            found[place] = checks[first - 1] + share * (checks[first] - checks[first - 1])
    return found


def spread(values: Floats) -> Spread:
    """Median and range over the seeds.

    >>> spread(np.array([1.0, 2.0, math.inf]))
    Spread(median=2.0, low=1.0, high=None)
    """
    return Spread(*(_finite(float(x)) for x in (np.median(values), values.min(), values.max())))


def best(lrs: Sequence[float], values: Floats) -> tuple[int | None, str]:
    """Place of the learning rate whose median over the seeds is least, and why it is refused; None if all are inf.

    The first or the last one tried is refused: the next one, which nobody tried, may be better.

    >>> best([1, 2, 4], np.array([[3.0], [1.0], [2.0]])), best([1, 2], np.array([[1.0], [2.0]]))
    ((1, ''), (0, 'the lowest tried'))
    """
    medians = np.median(values, axis=1)
    place = int(medians.argmin())
    if not math.isfinite(medians[place]):
        return None, "not reached"
    if len(lrs) == 1:
        return place, "the only one tried"
    return place, {0: "the lowest tried", len(lrs) - 1: "the highest tried"}.get(place, "")


def own_bests(values: Floats) -> list[int]:
    """Place of each seed's own best learning rate; seeds that got nowhere are left out."""
    return [int(column.argmin()) for column in values.T if math.isfinite(column.min())]


def compare(runs: Runs, reduction: str, kind: str, goal: float) -> Comparison:
    """All batch sizes, each at its best learning rate."""
    sizes = runs.batch_sizes()
    values = {size: runs.values(reduction, size, kind, goal) for size in sizes}
    lrs = {size: runs.lrs(reduction, size) for size in sizes}
    found = [_best(runs, size, lrs[size], values[size], kind) for size in sizes]
    if kind != "target":
        return Comparison(reduction, kind, goal, tuple(found), None, None, None, None)
    sure = [each.batch_size for each in found if each.lr is not None]
    at_best = [values[size][lrs[size].index(each.lr)] for size, each in zip(sizes, found, strict=True) if each.lr]
    least = np.array([values[size].min(axis=0) for size in sure])
    knee = critical(sure, [float(np.median(row)) for row in at_best], least)
    own = [[lrs[size][place] for place in own_bests(values[size])] for size in sure]
    chosen = [each.lr for each in found if each.lr is not None]
    below = growth(sure, chosen, own, knee.batch_size, below=True)
    above = growth(sure, chosen, own, knee.batch_size, below=False)
    overall = growth(sure, chosen, own, math.inf, below=True)
    return Comparison(reduction, kind, goal, tuple(found), knee, below, above, overall)


def _best(runs: Runs, size: int, lrs: Sequence[float], values: Floats, kind: str) -> Best:
    """The record of one batch size."""
    place, refused = best(lrs, values)
    own = own_bests(values)
    if place is None:
        why = "not reached" if kind == "target" else "no finite loss"
        nothing = Spread(None, None, None)
        return Best(size, None, None, nothing, None, why, None, None, None, 0)
    updates = {"data": runs.length.at_data(size), "updates": runs.length.updates}.get(kind)
    made = float(np.median(values[place])) if updates is None else updates
    return Best(
        batch_size=size,
        updates=made,
        rows=made * size,
        value=spread(values[place]),
        lr=None if refused else lrs[place],
        refused=refused,
        lr_seen=lrs[place],
        lr_low=min(lrs[k] for k in own),
        lr_high=max(lrs[k] for k in own),
        seeds_at_edge=sum(k in {0, len(lrs) - 1} for k in own),
    )


def choose_targets(runs: Runs) -> tuple[float, ...]:
    """Round losses, falling, down to the lowest that every batch size and reduction reaches with room to spare.

    Without one (no batch size learned anything) there is none.
    """
    lowest, start = 0.0, math.inf
    for reduction in runs.reductions():
        for size in runs.batch_sizes():
            all_losses = [runs.losses(Cell(reduction, size, lr)) for lr in runs.lrs(reduction, size)]
            lowest = max(lowest, min(float(np.median(losses.min(axis=1))) for losses in all_losses))
            start = min(start, *(float(np.median(losses[:, 0])) for losses in all_losses))
    if not math.isfinite(lowest) or not math.isfinite(start):
        return ()
    grid = [digit * 10.0**power for power in range(-8, 4) for digit in NICE]
    return tuple(float(f"{x:g}") for x in grid if max(MARGIN * lowest, 1e-8) <= x < start / MARGIN)[:TARGETS][::-1]


def at_edge(runs: Runs, reduction: str, size: int, goals: Sequence[tuple[str, float]]) -> tuple[bool, bool]:
    """Whether a comparison's best for this batch size is the lowest learning rate tried; or the highest."""
    lrs, low, high = runs.lrs(reduction, size), False, False
    for kind, goal in goals:
        place, _ = best(lrs, runs.values(reduction, size, kind, goal))
        low, high = low or place == 0, high or place == len(lrs) - 1
    return low, high


def cell_results(runs: Runs, targets: Sequence[float]) -> tuple[CellResult, ...]:
    """Every point of the grid, in order."""
    return tuple(
        CellResult(
            *cell,
            to_target=tuple(spread(runs.value(cell, "target", goal)) for goal in targets),
            at_data=spread(runs.value(cell, "data", 0.0)),
            at_updates=spread(runs.value(cell, "updates", 0.0)),
            accuracy=_accuracy(trace),
        )
        for cell, trace in sorted(runs.traces.items())
    )


def _accuracy(trace: Trace) -> Spread:
    """Of the test rows; a seed without one counts as the lowest."""
    values = np.array([-math.inf if value is None else value for value in trace.accuracies])
    return spread(values)


def collapse(runs: Runs, up_to: float | None) -> tuple[tuple[Diagonal, ...], float | None]:
    """The mean's losses at equal data by lr/B, and up to which lr/B those of one diagonal differ by `ALIKE` at most.

    Only batch sizes of at most `up_to`, and diagonals with three of them; None where not even the first is alike.
    """
    found: dict[float, list[tuple[int, float]]] = {}
    for cell in sorted(runs.traces):
        if cell.reduction == "mean" and (up_to is None or cell.batch_size <= up_to):
            loss = float(np.median(runs.value(cell, "data", 0.0)))
            found.setdefault(cell.lr / cell.batch_size, []).append((cell.batch_size, loss))
    several = {key: line for key, line in found.items() if len(line) >= 3}  # noqa: PLR2004  # two may agree by chance
    rows = [
        Diagonal(key, tuple(size for size, _ in line), min(x for _, x in line), max(x for _, x in line))
        for key, line in sorted(several.items())
        if all(math.isfinite(x) for _, x in line)
    ]
    alike = None
    for row in rows:
        if row.highest > (1.0 + ALIKE) * row.lowest:
            break
        alike = row.lr_per_row
    return tuple(rows), alike


def sums(runs: Runs) -> Sums | None:
    """The sum with lr beside the mean with B·lr, wherever both were run."""
    pairs = equal = 0
    worst = 0.0
    for cell, trace in runs.traces.items():
        twin = Cell("mean", cell.batch_size, cell.lr * cell.batch_size)
        if cell.reduction != "sum" or twin not in runs.traces:
            continue
        pairs += 1
        equal += trace.losses == runs.traces[twin].losses
        one, other = runs.losses(cell), runs.losses(twin)
        both = np.isfinite(one) & np.isfinite(other)
        if both.any():
            gap = np.abs(one[both] - other[both]) / np.maximum(np.maximum(one[both], other[both]), 1e-300)
            worst = max(worst, float(gap.max()))
        if (np.isfinite(one) != np.isfinite(other)).any():
            worst = 1.0
    return Sums(pairs, equal, worst) if pairs else None


def _finite(value: float) -> float | None:
    """The value, or None for one that is not finite."""
    return value if math.isfinite(value) else None
