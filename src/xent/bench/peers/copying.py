"""The reference: NumPy's copy of the logits, by one thread."""

import numpy as np

from xent.bench.data import Batch
from xent.bench.peers.calls import Prepared, refuse_linear, versions_of
from xent.bench.task import Task

CALL = "numpy.copyto(out, logits)"


def variables(threads: int) -> dict[str, str]:  # noqa: ARG001  # one
    """Nothing."""
    return {}


def versions() -> dict[str, str]:
    """NumPy."""
    return versions_of("numpy")


def prepare(task: Task, batch: Batch, threads: int) -> Prepared:  # noqa: ARG001  # one
    """A copy into an array that has been written before, so that no page has to be found for it."""
    refuse_linear(task, "a copy of the logits")
    logits = batch.given()
    out = np.zeros_like(logits)
    return Prepared({"": lambda: np.copyto(out, logits)}, lambda _: (np.float64(0.0), (out,)))
