"""xent itself: the public call, labels checked."""

from collections.abc import Callable
from typing import Any

import numpy as np

import xent
from xent.bench.data import Batch
from xent.bench.peers.calls import Prepared, Refused, versions_of
from xent.bench.task import SMOOTHING, Task

CALL = "xent.value_and_grad(logits, targets, out=out)"


def variables(threads: int) -> dict[str, str]:
    """As many threads as everybody."""
    return {"XENT_NUM_THREADS": str(threads)}


def versions() -> dict[str, str]:
    """xent, and what compiles it."""
    return {"xent": xent.__version__, **versions_of("numpy", "numba")}


def prepare(task: Task, batch: Batch, threads: int) -> Prepared:  # noqa: ARG001  # by the environment
    """The call for a task; logits or a linear layer."""
    options: dict[str, Any] = {}
    if task.targets == "smoothing":
        options["label_smoothing"] = SMOOTHING
    if task.targets == "rows":
        options["denominator"] = "items"  # as the others: the rows, not the sum of their probabilities
    if task.hidden:
        return _linear(batch, options, gradient=task.gradient)
    logits, targets = batch.given(), batch.targets
    if not task.gradient:
        return Prepared({"": lambda: xent.cross_entropy(logits, targets, **options)}, lambda loss: (loss, ()))
    if task.scale != 1.0:
        options["grad_scale"] = task.scale
    if task.write == "inplace":
        kept = logits.copy()
        return Prepared(
            {"": lambda: xent.value_and_grad(logits, targets, out=logits, **options)}, _read, _restorer(logits, kept)
        )
    if task.write == "out":
        options["out"] = np.empty_like(logits)
    return Prepared({"": lambda: xent.value_and_grad(logits, targets, **options)}, _read)


def _restorer(logits: Any, kept: Any) -> Callable[[], None]:  # noqa: ANN401  # arrays
    return lambda: np.copyto(logits, kept)


def _read(result: Any) -> Any:  # noqa: ANN401  # what value_and_grad returns
    loss, grad = result
    return loss, grad if isinstance(grad, tuple) else (grad,)


def _linear(batch: Batch, options: dict[str, Any], *, gradient: bool) -> Prepared:
    name = "linear_value_and_grad" if gradient else "linear_cross_entropy"
    function = getattr(xent, name, None)
    if function is None:
        raise Refused(f"this version of xent has no {name}")
    call = lambda: function(batch.hidden, batch.weight, batch.targets, **options)  # noqa: E731  # one of two
    return Prepared({"": call}, _read if gradient else lambda loss: (loss, ()))
