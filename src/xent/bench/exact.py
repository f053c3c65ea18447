"""The right answer for some rows, in wider arithmetic than the peers': what their errors are measured against.

For float16, bfloat16 and float32 logits in float64, for float64 logits in the platform's long double; where that is no
wider (Windows, macOS on ARM) there is no answer. No formula here cancels: rest is the sum of all terms but the
largest's, a loss is (max - x_t) + log1p(rest), the gradient at the maximum -rest/(1 + rest). So the relative error is a
few units of the wide type: 1e-8 ULP of float32, 0.01 ULP of float64.
Source: Blanchard, Higham & Higham 2021, doi:10.1093/imanum/draa038.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xent.bench.data import Batch
from xent.bench.task import SMOOTHING, Task

Array = NDArray[Any]

_CHUNK = 2**21  # logits widened at a time
_SAMPLE = 2**22  # entries of a gradient that are checked, at least `_FEWEST` rows
_FEWEST = 16
_GUARD = 8  # bits by which the wide type must be wider


def wide_type(dtype: str) -> Any | None:  # noqa: ANN401  # a NumPy scalar type
    """The type in which results for `dtype` are computed; None if there is none that is wide enough."""
    if dtype != "float64":
        return np.float64
    return np.longdouble if np.finfo(np.longdouble).nmant >= np.finfo(np.float64).nmant + _GUARD else None


def sample(task: Task, budget: int = _SAMPLE) -> Array:
    """The rows whose gradient is checked: all, or as many as the budget allows, the first and the last among them.

    >>> sample(Task(4, 10)).tolist(), sample(Task(65536, 1000), 16000).tolist()[-1]
    ([0, 1, 2, 3], 65535)
    """
    count = min(task.rows, max(_FEWEST, budget // task.classes))
    return np.unique(np.linspace(0, task.rows - 1, count).round().astype(np.int64))


@dataclass(frozen=True)
class Answer:
    """The mean loss of a batch, and the gradient of some of its rows.

    loss    in nats
    rows    (k,) which rows
    grad    (k, V) the gradient of the mean by their logits, times the task's scale
    size    (k, V) what an error of the gradient is measured by where it is a difference: mass * p + q, scaled;
            None for class indices, where it is measured in ULP of itself
    """

    loss: Any
    rows: Array
    grad: Array
    size: Array | None


def answer(task: Task, batch: Batch, rows: Array) -> Answer | None:
    """The right results of a batch of logits; None where no type is wide enough."""
    wide = wide_type(task.dtype)
    if wide is None:
        return None
    step = max(1, _CHUNK // task.classes)
    losses = [
        _rows(task, batch, np.arange(start, min(start + step, task.rows)), wide, gradient=False)[0]
        for start in range(0, task.rows, step)
    ]
    parts = [_rows(task, batch, rows[i : i + step], wide, gradient=task.gradient) for i in range(0, len(rows), step)]
    every = np.concatenate(losses)
    return Answer(
        loss=(math.fsum(every) if wide is np.float64 else every.sum()) / wide(task.rows),
        rows=rows,
        grad=np.concatenate([grad for _, grad, _ in parts]),
        size=np.concatenate([size for _, _, size in parts]) if task.soft and task.gradient else None,
    )


def _rows(task: Task, batch: Batch, rows: Array, wide: Any, *, gradient: bool) -> tuple[Array, Array, Array]:  # noqa: ANN401  # a NumPy scalar type
    """Losses (k,), gradient (k, V), its size (k, V) of some rows; the latter two empty without `gradient`."""
    x = batch.given()[rows].astype(wide)
    i = np.arange(len(rows))
    k = x.argmax(1)
    top = x[i, k].copy()
    drop = top[:, None] - x
    e = np.exp(-drop)
    e[i, k] = 0.0
    rest = e.sum(1)
    log = np.log1p(rest)
    none = np.empty((0, task.classes), wide)
    if not task.soft:
        t = batch.targets[rows]
        losses = drop[i, t] + log
        return (losses, *_gradient_of_indices(task, e, rest, k, t, wide)) if gradient else (losses, none, none)
    q = _soft_targets(task, batch, rows, wide)
    mass = q.sum(1)
    losses = (q * drop).sum(1) + mass * log
    if not gradient:
        return losses, none, none
    others = q.copy()
    others[i, k] = 0.0
    e[i, k] = 1.0
    p = e / (1.0 + rest)[:, None]
    grad = mass[:, None] * p - q
    grad[i, k] = (others.sum(1) - q[i, k] * rest) / (1.0 + rest)
    factor = wide(task.scale) / wide(task.rows)
    return losses, grad * factor, (mass[:, None] * p + q) * factor


def _gradient_of_indices(task: Task, e: Array, rest: Array, k: Array, t: Array, wide: Any) -> tuple[Array, Array]:  # noqa: ANN401  # a NumPy scalar type
    i = np.arange(len(k))
    e[i, k] = 1.0
    grad = e / (1.0 + rest)[:, None]
    grad[i, t] = np.where(t == k, -rest / (1.0 + rest), grad[i, t] - 1.0)  # p_t <= 1/2 where t is not the maximum
    grad *= wide(task.scale) / wide(task.rows)
    return grad, np.empty((0, task.classes), wide)


def _soft_targets(task: Task, batch: Batch, rows: Array, wide: Any) -> Array:  # noqa: ANN401  # a NumPy scalar type
    if task.targets == "rows":
        return batch.targets[rows].astype(wide)
    a = wide(SMOOTHING)  # the double 0.1, which is what every peer is given
    q = np.full((len(rows), task.classes), a / wide(task.classes))
    q[np.arange(len(rows)), batch.targets[rows]] += wide(1.0) - a
    return q
