"""NumPy as textbooks have it: shift by the maximum, exp, divide; written so that no array is made twice."""

from typing import Any

import numpy as np

from xent.bench.data import Array, Batch
from xent.bench.peers.calls import Prepared, Refused, half, versions_of, working
from xent.bench.task import SMOOTHING, Task

CALL = "e = exp(x - x.max(1)); p = e / e.sum(1); (p - onehot) / N"


def variables(threads: int) -> dict[str, str]:
    """For its matrix products; the rest of NumPy has one thread."""
    return {"OPENBLAS_NUM_THREADS": str(threads)}


def versions() -> dict[str, str]:
    """NumPy."""
    return versions_of("numpy")


def prepare(task: Task, batch: Batch, threads: int) -> Prepared:  # noqa: ARG001  # by the environment
    """The formula for a task."""
    if task.hidden:
        return _linear(task, batch)
    logits = batch.given()
    narrow = half(task.dtype)
    out = np.empty_like(logits) if task.write == "out" else logits if task.write == "inplace" else None
    rows, factor = np.arange(task.rows), task.scale / task.rows

    def call() -> tuple[Any, Array]:
        x = working(logits)
        place = x if narrow else out if task.gradient else None
        loss, grad = _loss(task, x, batch.targets, rows, place, factor)
        if narrow and task.gradient:
            if out is None:
                return loss, grad.astype(logits.dtype)
            out[...] = grad
            return loss, out
        return loss, grad

    kept = logits.copy() if task.gradient and task.write == "inplace" else None
    restore = None if kept is None else lambda: np.copyto(logits, kept)
    return Prepared({"": call}, lambda result: (result[0], (result[1],) if task.gradient else ()), restore)


def _loss(task: Task, x: Array, targets: Array, rows: Array, place: Array | None, factor: float) -> tuple[Any, Array]:
    """Mean loss; and in `place`, or a new array, the gradient if the task asks for it."""
    e = np.subtract(x, x.max(1, keepdims=True), out=place)
    if task.targets == "indices":
        hit = e[rows, targets]
    elif task.targets == "smoothing":
        hit = (1 - SMOOTHING) * e[rows, targets] + SMOOTHING * e.mean(1)
    else:
        targets = working(targets)
        hit = np.einsum("ij,ij->i", targets, e)
    np.exp(e, out=e)
    total = e.sum(1, keepdims=True)
    loss = (np.log(total[:, 0]) - hit).mean()
    if task.gradient:
        e *= factor / total
        if task.targets == "indices":
            e[rows, targets] -= factor
        elif task.targets == "smoothing":
            e -= factor * SMOOTHING / task.classes
            e[rows, targets] -= factor * (1 - SMOOTHING)
        else:
            e -= factor * targets
    return loss, e


def _linear(task: Task, batch: Batch) -> Prepared:
    if half(task.dtype):
        raise Refused("NumPy's matrix products have no half precision")
    if batch.hidden is None or batch.weight is None:
        raise TypeError("a linear task needs hidden and weight")
    hidden, weight = batch.hidden, batch.weight
    rows, factor = np.arange(task.rows), task.scale / task.rows

    def call() -> tuple[Any, tuple[Array, ...]]:
        x = hidden @ weight.T
        loss, grad = _loss(task, x, batch.targets, rows, x, factor)
        return loss, (grad @ weight, grad.T @ hidden) if task.gradient else ()

    return Prepared({"": call}, lambda result: result)
