"""The short way of a small plain batch: one look at what came, one compiled call. None: take the long way."""

from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from xent._kernels.cpu.jit import Function, array, compiled
from xent._kernels.cpu.select import NARROW_CLASSES

Array = NDArray[Any]
MOST = 2**14  # logits
FLOAT32, INT64 = np.dtype(np.float32), np.dtype(np.int64)
NO_GRADIENT = np.empty((0, 0), np.float32)
CALLS = 8  # that go the long way first
_kernel: list[Function] = []
_calls = 0


def small_mean(  # each what is not plain
    logits: object, targets: object, ignore_index: int | None, grad: Array | None
) -> np.float32 | None:
    """The mean loss of a plain small batch; its gradient into grad. Labels are checked; nothing is written if None."""
    if not is_small(logits) or type(targets) is not np.ndarray or targets.dtype is not INT64 or targets.ndim != 1:
        return None
    if targets.shape[0] != logits.shape[0] or not (targets.flags.c_contiguous and targets.flags.aligned):
        return None
    if grad is not None and (
        type(grad) is not np.ndarray or grad.dtype is not FLOAT32 or grad.shape != logits.shape
        or not (grad.flags.carray)
    ):  # fmt: skip
        return None
    ignores = ignore_index is not None
    if ignores and (type(ignore_index) is not int or not -(2**62) < ignore_index < 2**62):
        return None
    ignored = ignore_index if ignores else 0
    if not _kernel and not _worth_it():
        return None
    done, loss = _kernel[0](logits, targets, ignores, ignored, NO_GRADIENT if grad is None else grad)
    return np.float32(loss) if done else None


def is_small(logits: object) -> TypeGuard[Array]:
    """Whether these are float32 rows of few classes, and few, as a kernel takes them."""
    return (
        type(logits) is np.ndarray and logits.dtype is FLOAT32 and logits.ndim == 2  # noqa: PLR2004  # rows, classes
        and 0 < logits.size <= MOST and logits.shape[1] <= NARROW_CLASSES
        and logits.flags.c_contiguous and logits.flags.aligned
    )  # fmt: skip


def _worth_it() -> bool:
    """Whether there were calls enough for a kernel of their own, which is compiled then: one call does not wait."""
    global _calls  # noqa: PLW0603  # how often there was no kernel
    _calls += 1
    if _calls <= CALLS:
        return False
    from xent._kernels.cpu import small

    matrix, written = array("float32", 2), array("float32", 2, written=True)
    _kernel.append(compiled(small.mean, matrix, array("int64", 1), "boolean", "int64", written))
    return True
