"""The right answer of a linear task in float64: the loss, some rows of hidden's gradient, some of weight's.

The logits are formed by columns, a tile at a time, and twice: once for every row's maximum and sum, once for the
gradient. Inputs of 24 bits or less have products of 48, so a logit is right to about 1e-15 of its terms: 1e-8 ULP of
float32. For float64 there is no wider matrix product, hence no answer.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xent.bench.data import Array, Batch
from xent.bench.task import SMOOTHING, Task
from xent.core.errors import StateError

_TILE = 2**24  # logits held at a time
_FEW = 64  # rows, and classes, whose gradients are checked


@dataclass(frozen=True)
class LinearAnswer:
    """The mean loss, in nats, and rows of the gradients, times the task's scale.

    rows, classes   (k,) which rows of hidden, which of weight
    d_hidden        (k, D) float64
    d_weight        (k, D) float64
    """

    loss: float
    rows: Array
    classes: Array
    d_hidden: Array
    d_weight: Array


def chosen(task: Task) -> tuple[Array, Array]:
    """The rows and the classes whose gradients are checked, the first and the last among them."""
    spread = [np.linspace(0, size - 1, min(size, _FEW)).round() for size in (task.rows, task.classes)]
    return np.unique(spread[0].astype(np.int64)), np.unique(spread[1].astype(np.int64))


def answer_linear(task: Task, batch: Batch) -> LinearAnswer | None:
    """The right results of a linear task; None for float64, and for targets other than class indices or smoothing."""
    if task.dtype == "float64" or task.targets == "rows":
        return None
    if batch.hidden is None or batch.weight is None:
        raise StateError("a linear task needs hidden and weight.")
    hidden, t = batch.hidden.astype(np.float64), batch.targets
    i = np.arange(task.rows)
    top, rest = np.full(task.rows, -np.inf), np.zeros(task.rows)
    at, mean = np.empty(task.rows), np.zeros(task.rows)
    for start, x, _ in _tiles(task, hidden, batch.weight):
        new = np.maximum(top, x.max(1))
        rest = rest * np.exp(top - new) + np.exp(x - new[:, None]).sum(1)
        top = new
        here = (t >= start) & (t < start + x.shape[1])
        at[here] = x[i[here], t[here] - start]
        mean += x.sum(1) / task.classes
    lse = top + np.log(rest)
    a = SMOOTHING if task.targets == "smoothing" else 0.0
    loss = math.fsum(lse - (1 - a) * at - a * mean) / task.rows
    rows, classes = chosen(task)
    factor = task.scale / task.rows
    d_hidden, d_weight = np.zeros((len(rows), task.hidden)), np.zeros((len(classes), task.hidden))
    if task.gradient:
        for start, x, weight in _tiles(task, hidden, batch.weight):
            grad = np.exp(x - lse[:, None])
            grad -= a / task.classes
            here = (t >= start) & (t < start + x.shape[1])
            grad[i[here], t[here] - start] -= 1 - a
            grad *= factor
            d_hidden += grad[rows] @ weight
            mine = (classes >= start) & (classes < start + x.shape[1])
            d_weight[mine] = grad[:, classes[mine] - start].T @ hidden
    return LinearAnswer(loss, rows, classes, d_hidden, d_weight)


def _tiles(task: Task, hidden: Array, weight: Array) -> Iterator[tuple[int, Array, Array]]:
    """First class, logits (N, k) and weights (k, D) of tiles of classes, float64."""
    step = max(1, _TILE // task.rows)
    for start in range(0, task.classes, step):
        part = weight[start : start + step].astype(np.float64)
        yield start, hidden @ part.T, part
