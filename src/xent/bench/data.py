"""The batches that are timed and checked, and the files in which they travel to the peers' processes.

The logits of a batch are normal with a standard deviation of 3, its targets uniform: rows as a net sees them early. The
same batch made confident has in every row a target that wins by 12 to 40 nats, as most rows do late in training: there
log-sum-exp minus logit and p - 1 lose all their digits. It is checked, not timed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xent.bench.task import Task
from xent.core.errors import MissingError

Array = NDArray[Any]

SPREAD = 3.0  # standard deviation of the logits
MARGINS = (12.0, 40.0)  # nats; e**-40 is lost beside 1 in every dtype
_CHUNK = 2**22  # elements made or converted at a time


@dataclass
class Batch:
    """What a peer is given.

    logits    (N, V) of the task's dtype; None for a linear task
    targets   (N,) int64 class indices; or (N, V) of the task's dtype, probability rows
    hidden    (N, D), None without a linear layer
    weight    (V, D), None without a linear layer
    """

    logits: Array | None
    targets: Array
    hidden: Array | None = None
    weight: Array | None = None

    def given(self) -> Array:
        """The logits, where they are given."""
        if self.logits is None:
            raise TypeError("a linear task has no logits")
        return self.logits


def dtype_of(name: str) -> np.dtype[Any]:
    """NumPy's dtype; bfloat16 needs the package ml_dtypes. MissingError."""
    if name != "bfloat16":
        return np.dtype(name)
    try:
        import ml_dtypes
    except ImportError:
        raise MissingError(
            "bfloat16 needs the package ml_dtypes, which is not installed: pip install ml_dtypes"
        ) from None
    found: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return found


def make(task: Task, seed: int) -> Batch:
    """The batch of a task, the same for the same seed."""
    random = np.random.default_rng([seed, *task.sizes])
    dtype = dtype_of(task.dtype)
    if task.hidden:
        hidden = _normal(random, (task.rows, task.hidden), 1.0, dtype)
        weight = _normal(random, (task.classes, task.hidden), SPREAD / task.hidden**0.5, dtype)
        return Batch(None, random.integers(0, task.classes, task.rows), hidden, weight)
    logits = _normal(random, (task.rows, task.classes), SPREAD, dtype)
    if task.targets == "rows":
        return Batch(logits, _probabilities(random, task, dtype))
    return Batch(logits, random.integers(0, task.classes, task.rows))


def make_confident(batch: Batch) -> None:
    """Change the logits of a batch in place so that every row is sure of its target."""
    logits, rows = batch.given(), np.arange(len(batch.targets))
    at = batch.targets if batch.targets.ndim == 1 else batch.targets.argmax(1)
    top = logits.max(1).astype(np.float64)
    logits[rows, at] = top + np.linspace(*MARGINS, num=len(rows)) if len(rows) > 1 else top + MARGINS[1] / 2


def save(batch: Batch, folder: Path) -> None:
    """Write the arrays of a batch to a folder, as they lie in memory."""
    for name in ("logits", "targets", "hidden", "weight"):
        array = getattr(batch, name)
        if array is not None:
            array.tofile(folder / name)


def load(task: Task, folder: Path) -> Batch:
    """The batch that `save` wrote, in memory of this process's own."""
    dtype = dtype_of(task.dtype)

    def read(name: str, kind: Any, *shape: int) -> Array:  # noqa: ANN401  # whatever np.empty takes as dtype
        array = np.empty(shape, kind)  # NumPy's own: in huge pages where they are to be had
        with (folder / name).open("rb") as file:
            file.readinto(array.reshape(-1).view(np.uint8).data)
        return array

    if task.targets == "rows":
        targets = read("targets", dtype, task.rows, task.classes)
    else:
        targets = read("targets", np.int64, task.rows)
    if task.hidden:
        hidden = read("hidden", dtype, task.rows, task.hidden)
        return Batch(None, targets, hidden, read("weight", dtype, task.classes, task.hidden))
    return Batch(read("logits", dtype, task.rows, task.classes), targets)


def _normal(random: np.random.Generator, shape: tuple[int, int], spread: float, dtype: np.dtype[Any]) -> Array:
    out = np.empty(shape, dtype)
    flat = out.reshape(-1)
    for start in range(0, flat.size, _CHUNK):
        part = flat[start : start + _CHUNK]
        part[...] = random.standard_normal(part.size, np.float32) * np.float32(spread)
    return out


def _probabilities(random: np.random.Generator, task: Task, dtype: np.dtype[Any]) -> Array:
    """Rows of a softmax, as a teacher's."""
    out = np.empty((task.rows, task.classes), dtype)
    step = max(1, _CHUNK // task.classes)
    for start in range(0, task.rows, step):
        part = out[start : start + step]
        q = np.exp(random.standard_normal(part.shape, np.float32) * np.float32(SPREAD))
        part[...] = q / q.sum(1, keepdims=True)
    return out
