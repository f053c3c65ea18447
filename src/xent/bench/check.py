"""How far a peer's loss and gradients are from the right ones, in ULP."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from xent.bench.data import Array, Batch
from xent.bench.exact import Answer, wide_type
from xent.bench.exact_linear import LinearAnswer
from xent.bench.record import Part
from xent.bench.task import Task
from xent.bench.ulp import errors, unit, worst


def compared(task: Task, batch: Batch, right: Answer, loss: Any, loss_dtype: str, grads: Sequence[Array]) -> Part:  # noqa: ANN401  # a number of any width
    """The errors of a peer's results; `grads` holds the rows `right.rows` of the gradient, or nothing."""
    of_loss = _of_loss(task, loss, loss_dtype, right.loss)
    if not grads:
        return Part(of_loss, None, None)
    grad = grads[0]
    dtype = grad.dtype.name
    if right.size is not None:
        return Part(of_loss, None, _against(grad, right.grad, right.size, dtype))
    error = errors(grad, right.grad, dtype)
    places = (np.arange(len(right.rows)), batch.targets[right.rows])
    target = error[places].copy()
    error[places] = 0.0
    return Part(of_loss, worst(target), worst(error))


def compared_linear(task: Task, right: LinearAnswer, loss: Any, loss_dtype: str, grads: Sequence[Array]) -> Part:  # noqa: ANN401  # a number of any width
    """The errors of a linear task: of a gradient, in ULP of the largest entry of its row."""
    of_loss = _of_loss(task, loss, loss_dtype, right.loss)
    if not grads:
        return Part(of_loss, None, None)
    found = []
    for grad, exact in zip(grads, (right.d_hidden, right.d_weight), strict=True):
        size = np.broadcast_to(np.abs(exact).max(1, keepdims=True), exact.shape)
        found.append(_against(grad, exact, size, grad.dtype.name))
    return Part(of_loss, None, max(found))


def _against(got: Array, exact: Array, size: Array, dtype: str) -> float:
    """The worst error in ULP of `size` instead of the value's own."""
    with np.errstate(invalid="ignore"):
        error = np.abs(got.astype(exact.dtype) - exact) / unit(size, dtype)
    return worst(np.where(np.isfinite(error), error, np.inf))


def _of_loss(task: Task, loss: Any, dtype: str, exact: Any) -> float:  # noqa: ANN401  # numbers of any width
    """In ULP of the loss' own dtype; of float32 if a peer widens it beyond what the right answer is good for."""
    if dtype == "float64" and task.dtype != "float64":
        dtype = "float32"
    wide = wide_type(task.dtype) or np.float64
    error = float(errors(np.asarray([loss], wide), np.asarray([exact], wide), dtype)[0])
    return math.inf if math.isnan(error) else error
