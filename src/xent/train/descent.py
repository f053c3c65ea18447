"""One cell of a sweep: gradient descent with every seed, and the loss on all training rows along the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xent.fit.optimizers import optimizer
from xent.fit.threads import one_blas_thread
from xent.train.copies import Copies, softmax_minus_onehot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xent.fit.model import Architecture

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Inputs = NDArray[Any]

FINE = 0.04  # losses are measured whenever the number of updates has grown by this share: after every one up to 25
DIGITS = 6  # significant digits of a loss that are kept


@dataclass(frozen=True)
class Problem:
    """What is learned, by what model: all that a worker needs.

    inputs, targets             (N, F) float64 or tokens, and (N,) int64 classes: the training rows
    test_inputs, test_targets   the same of rows that are only looked at
    """

    architecture: Architecture
    inputs: Inputs
    targets: Ints
    test_inputs: Inputs
    test_targets: Ints

    def owned(self) -> Problem:
        """The same in arrays of its own, as NumPy lays them out: sums round by where and how the numbers lie.

        What comes from another process may lie anywhere: a Dask worker's arrays are pieces of the message.
        """
        arrays = (self.inputs, self.targets, self.test_inputs, self.test_targets)
        return Problem(self.architecture, *(np.array(a, order="C", copy=True) for a in arrays))


class Cell(NamedTuple):
    """A point of the grid."""

    reduction: str
    batch_size: int
    lr: float


class Length(NamedTuple):
    """How long every run of a sweep is: until both are done."""

    rows: int  # seen, over all updates: what "equal data" means
    updates: int  # what "equal updates" means

    def at_data(self, batch_size: int) -> int:
        """Updates with which a batch size has seen as many rows as the others, to the nearest whole update.

        >>> Length(rows=8192, updates=100).at_data(512)
        16
        """
        return max(1, round(self.rows / batch_size))

    def checks(self, batch_size: int) -> list[int]:
        """After how many updates the loss is measured.

        >>> checks = Length(rows=64, updates=30).checks(2)
        >>> checks[:3], checks[-4:]
        ([0, 1, 2], [29, 30, 31, 32])
        """
        wanted, at = {0, self.at_data(batch_size), self.updates}, 1
        while at <= self.last(batch_size):
            wanted.add(at)
            at = max(at + 1, int(at * (1 + FINE)))
        return sorted(wanted)

    def last(self, batch_size: int) -> int:
        """Updates of a whole run."""
        return max(self.at_data(batch_size), self.updates)


class Descent:
    """Gradient descent on a problem, one copy of the model for each seed."""

    def __init__(self, problem: Problem, cell: Cell, seeds: Sequence[int], optimizer_name: str) -> None:
        self.problem, self.cell, self.seeds = problem, cell, seeds
        self.copies = Copies(problem.architecture, seeds)
        self.updates = 0
        self._vector, self._gradient = self.copies.vector.reshape(-1), self.copies.gradient.reshape(-1)
        self._optimizer = optimizer(optimizer_name, len(self._vector), cell.lr)
        self._epoch_batches = len(problem.targets) // cell.batch_size
        self._orders: Ints = np.empty((len(seeds), 0), dtype=np.int64)

    def step(self) -> None:
        """One update of every copy, each on the next batch of its own order."""
        chosen = self._next_batch()
        inputs, targets = self.problem.inputs.take(chosen, axis=0), self.problem.targets.take(chosen)
        logits, kept = self.copies.forward(inputs)
        d_logits = softmax_minus_onehot(logits, targets)
        if self.cell.reduction == "mean":
            d_logits /= self.cell.batch_size
        self.copies.backward(d_logits, kept, inputs)
        self._optimizer.step(self._vector, self._gradient)
        self.updates += 1

    def loss(self) -> Floats:
        """Mean loss of each copy over all training rows, (S,)."""
        return self.copies.losses(self.problem.inputs, self.problem.targets)

    def _next_batch(self) -> Ints:
        """Rows of each copy's next batch, (S, B): a fresh permutation an epoch.

        Its last rows are left out if they fill no batch, so every batch has the same size.
        """
        epoch, place = divmod(self.updates, self._epoch_batches)
        if place == 0:
            orders = [np.random.default_rng([s, epoch + 1]).permutation(len(self.problem.targets)) for s in self.seeds]
            self._orders = np.stack(orders)
        size = self.cell.batch_size
        return self._orders[:, place * size : (place + 1) * size]


class Trace(NamedTuple):
    """What became of a cell, for each seed.

    losses      (S, checks): mean loss over all training rows; None once it is no finite number
    accuracies  (S,): share of test rows right when as many rows were seen as in every cell; None as above
    """

    losses: tuple[tuple[float | None, ...], ...]
    accuracies: tuple[float | None, ...]


def descend(problem: Problem, cell: Cell, seeds: Sequence[int], optimizer_name: str, length: Length) -> Trace:
    """Run a cell to its end. What a seed gives depends on the cell and the seed alone.

    Losses are rounded to `DIGITS` digits, so that a file of them is short and reads back as what was written.
    """
    checks = length.checks(cell.batch_size)
    losses = np.full((len(seeds), len(checks)), np.nan)
    accuracies = np.full(len(seeds), np.nan)
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        problem = problem.owned()
        descent = Descent(problem, cell, seeds, optimizer_name)
        for place, check in enumerate(checks):
            while descent.updates < check:
                descent.step()
            losses[:, place] = descent.loss()
            if check == length.at_data(cell.batch_size):
                accuracies = descent.copies.accuracies(problem.test_inputs, problem.test_targets)
                accuracies[~np.isfinite(losses[:, place])] = np.nan
            if not np.isfinite(losses[:, place]).any():  # nothing comes back from there
                break
    return Trace(tuple(tuple(map(_kept, row)) for row in losses), tuple(map(_kept, accuracies)))


def _kept(value: float) -> float | None:
    """The value as it is kept.

    >>> _kept(0.12345678), _kept(float("nan"))
    (0.123457, None)
    """
    return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None
