"""Made-up sweeps whose truth is known: fewest updates S + E/B, a best learning rate that doubles up to a knee."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from xent.train.descent import Cell, Length, Trace
from xent.train.sweep_analysis import Runs

SIZES = tuple(2**k for k in range(11))
START = math.log(10.0)


@dataclasses.dataclass(frozen=True)
class World:
    """Losses fall as START·exp(−rate·t); the rate is greatest at the best learning rate, and negative far above it."""

    least_updates: float = 10.0  # to the goal, at the best learning rate
    least_rows: float = 640.0
    goal: float = 0.1
    lr_one: float = 0.125  # the best for one row
    bends: float = 64.0  # batch size from which the best learning rate stays what it is
    exponent: float = 1.0  # of B, below that
    jitter: float = 0.02  # of the rate, over the seeds
    seeds: int = 5
    length: Length = Length(rows=20_000, updates=60)  # noqa: RUF009  # immutable

    def best_lr(self, size: int) -> float:
        """Of a mean."""
        return self.lr_one * min(size, self.bends) ** self.exponent

    def trace(self, cell: Cell) -> Trace:
        """What a run of that cell gives."""
        lr = cell.lr * cell.batch_size if cell.reduction == "sum" else cell.lr
        x = lr / self.best_lr(cell.batch_size)
        fewest = self.least_updates + self.least_rows / cell.batch_size
        rate = math.log(START / self.goal) / fewest * (2 * x - x * x if x < 2 else -x / 50)
        rng = np.random.default_rng([cell.batch_size, round(1000 * math.log2(lr)) % 2**32])
        factors = 1 + self.jitter * rng.standard_normal(self.seeds)
        checks = np.array(self.length.checks(cell.batch_size))
        losses = START * np.exp(np.minimum(-np.outer(factors, checks) * rate, 20.0))
        kept = tuple(tuple(None if v > 1e4 else float(f"{v:.6g}") for v in row) for row in losses)
        return Trace(kept, (0.9,) * self.seeds)

    def runs(self, lrs: Sequence[float], sizes: Sequence[int] = SIZES, reductions=("mean",)) -> Runs:
        """All cells of a grid; a sum's learning rates are those of the mean over the batch size."""
        cells = [
            Cell(reduction, size, lr / size if reduction == "sum" else lr)
            for reduction in reductions
            for size in sizes
            for lr in lrs
        ]
        return Runs({cell: self.trace(cell) for cell in cells}, self.length)


def octaves(low: int, high: int) -> tuple[float, ...]:
    """Powers of two."""
    return tuple(2.0**k for k in range(low, high + 1))
