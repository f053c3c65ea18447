"""The reference of a linear task: its three matrix products and nothing else, by NumPy's BLAS into given arrays."""

import numpy as np

from xent.bench.data import Batch
from xent.bench.peers.calls import Prepared, Refused, half, versions_of
from xent.bench.task import Task

CALL = "logits = hidden @ weight.T; logits @ weight; logits.T @ hidden"


def variables(threads: int) -> dict[str, str]:
    """Of the BLAS libraries that NumPy may be built on."""
    names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    return dict.fromkeys(names, str(threads))


def versions() -> dict[str, str]:
    """NumPy."""
    return versions_of("numpy")


def prepare(task: Task, batch: Batch, threads: int) -> Prepared:  # noqa: ARG001  # by the environment
    """The products of the forward pass and, unless the task is the loss only, of the two gradients."""
    if batch.hidden is None or batch.weight is None:
        raise Refused("the logits are given")
    if half(task.dtype):
        raise Refused("NumPy's matrix products have no half precision")
    hidden, weight = batch.hidden, batch.weight
    logits = np.zeros((task.rows, task.classes), hidden.dtype)
    d_hidden, d_weight = np.zeros_like(hidden), np.zeros_like(weight)

    def call() -> None:
        np.matmul(hidden, weight.T, out=logits)
        if task.gradient:
            np.matmul(logits, weight, out=d_hidden)
            np.matmul(logits.T, hidden, out=d_weight)

    return Prepared({"": call}, lambda _: (np.float64(0.0), (d_hidden, d_weight)))
