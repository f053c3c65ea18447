"""scikit-learn: HalfMultinomialLoss, the loss of its linear classifiers."""

from typing import Any

import numpy as np

from xent.bench.data import Array, Batch
from xent.bench.peers.calls import Prepared, Refused, half, package, refuse_linear, versions_of
from xent.bench.task import Task

CALL = "HalfMultinomialLoss.loss_gradient(y, logits, sample_weight=1/N, gradient_out=out)"


def variables(threads: int) -> dict[str, str]:
    """It asks OpenMP."""
    return {"OMP_NUM_THREADS": str(threads)}


def versions() -> dict[str, str]:
    """scikit-learn."""
    return versions_of("scikit-learn")


def prepare(task: Task, batch: Batch, threads: int) -> Prepared:
    """The call for a task: the mean by weights of 1/N, so that no second pass divides."""
    refuse_linear(task, "HalfMultinomialLoss")
    if task.soft:
        raise Refused("HalfMultinomialLoss takes class indices only")
    if half(task.dtype):
        raise Refused("HalfMultinomialLoss takes float32 and float64 only")
    logits = batch.given()
    loss = package("sklearn._loss").HalfMultinomialLoss(n_classes=task.classes)
    arguments = {
        "y_true": batch.targets.astype(logits.dtype),  # as it wants them
        "raw_prediction": logits,
        "sample_weight": np.full(task.rows, task.scale / task.rows, logits.dtype),
        "loss_out": np.empty(task.rows, logits.dtype),
        "n_threads": threads,
    }
    if not task.gradient:
        return Prepared({"": lambda: loss.loss(**arguments).sum()}, lambda total: (total, ()))
    if task.write != "new":
        arguments["gradient_out"] = np.empty_like(logits)

    def call() -> tuple[Any, Array]:
        losses, grad = loss.loss_gradient(**arguments)
        return losses.sum(), grad

    return Prepared({"": call}, lambda result: (result[0], (result[1],)))
