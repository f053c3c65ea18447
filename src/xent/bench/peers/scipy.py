"""SciPy: log_softmax, and the gradient from its exponential."""

from typing import Any

import numpy as np

from xent.bench.data import Array, Batch
from xent.bench.peers.calls import Prepared, package, refuse_linear, versions_of, working
from xent.bench.task import SMOOTHING, Task

CALL = "scipy.special.log_softmax(logits, axis=1); exp of it; minus onehot"


def variables(threads: int) -> dict[str, str]:  # noqa: ARG001  # one
    """Nothing."""
    return {}


def versions() -> dict[str, str]:
    """SciPy and NumPy."""
    return versions_of("scipy", "numpy")


def prepare(task: Task, batch: Batch, threads: int) -> Prepared:  # noqa: ARG001  # one
    """The call for a task; SciPy makes a new array."""
    refuse_linear(task, "SciPy")
    log_softmax = package("scipy.special").log_softmax
    logits, targets = batch.given(), batch.targets
    rows, factor = np.arange(task.rows), task.scale / task.rows
    soft = working(targets) if task.targets == "rows" else None

    def call() -> tuple[Any, Array]:
        log_p = log_softmax(working(logits), axis=1)
        if soft is not None:
            loss = -np.einsum("ij,ij->i", soft, log_p).mean()
        elif task.targets == "smoothing":
            loss = -((1 - SMOOTHING) * log_p[rows, targets] + SMOOTHING * log_p.mean(1)).mean()
        else:
            loss = -log_p[rows, targets].mean()
        if not task.gradient:
            return loss, log_p
        grad = np.exp(log_p, out=log_p)
        grad *= factor
        if soft is not None:
            grad -= factor * soft
        elif task.targets == "smoothing":
            grad -= factor * SMOOTHING / task.classes
            grad[rows, targets] -= factor * (1 - SMOOTHING)
        else:
            grad[rows, targets] -= factor
        return loss, grad.astype(logits.dtype, copy=False)

    return Prepared({"": call}, lambda result: (result[0], (result[1],) if task.gradient else ()))
