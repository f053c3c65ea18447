"""The short way of a plain call: one look at what came, three compiled calls. None: take the long way.

Class indices, C-contiguous rows, the mean over the rows that are not ignored. Whatever is not plain is left to the long
way, which says what is wrong with it. The kernels are the same, and so are the bits.
"""

from functools import cache
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from xent._kernels.cpu import fast, launch, plain, split, sums, threads
from xent._kernels.cpu.jit import Function, array, compiled
from xent._kernels.cpu.rows import SKIPPED
from xent._kernels.cpu.select import choose
from xent._small import small_mean
from xent.core.batch import GRID, ratio
from xent.core.spec import PYTORCH_IGNORE

Array = NDArray[Any]
CHUNK = 2**13  # rows done at a time: what is kept of them stays in the cache
QUICK = 4  # times as many logits a second along the row: they are worth a second thread later
INT64 = np.dtype(np.int64)
NO_WEIGHTS = np.empty(0)
_dtypes: dict[np.dtype[Any], str] = {np.dtype(name): name for name in ("float16", "float32", "float64")}


def plain_mean(
    logits: object, targets: object, ignore_index: int | None, smoothing: float, grad: Array | None
) -> np.floating[Any] | None:
    """The mean loss of a plain batch; its gradient into grad. Labels are checked; nothing is written if None."""
    if smoothing == 0.0 and (loss := small_mean(logits, targets, ignore_index, grad)) is not None:
        return loss
    if not is_plain(logits):
        return None
    labels = _labels(targets, logits.shape[0], ignore_index)
    if labels is None or not (ignore_index is None or type(ignore_index) is int) or not 0.0 <= smoothing <= 1.0:
        return None
    if ignore_index is not None and not -(2**62) < ignore_index < 2**62:
        return None
    if grad is None:
        grad = _no_gradient(logits.dtype)
    elif type(grad) is not np.ndarray or grad.dtype is not logits.dtype or grad.shape != logits.shape or not (
        grad.flags.carray
    ):  # fmt: skip
        return None
    return _mean(logits, labels, ignore_index, smoothing, grad)


def is_plain(logits: object) -> TypeGuard[Array]:
    """Whether these are rows that a kernel takes as they are."""
    return (
        type(logits) is np.ndarray and logits.ndim == 2  # noqa: PLR2004  # rows and classes
        and logits.flags.c_contiguous and logits.flags.aligned
        and logits.size > 0 and logits.shape[0] <= sums.MOST_ROWS
        and _name(logits.dtype) is not None
    )  # fmt: skip


def _name(dtype: np.dtype[Any]) -> str | None:
    """The name of a dtype that a kernel takes, of native byte order."""
    name = _dtypes.get(dtype)
    if name is None and dtype.name == "bfloat16" and dtype.isnative:
        name = _dtypes[dtype] = "bfloat16"
    return name


def _labels(targets: object, rows: int, ignore_index: object) -> NDArray[np.int64] | None:
    """Labels of any integer dtype but uint64 as int64."""
    if type(targets) is not np.ndarray or targets.shape != (rows,) or not targets.flags.c_contiguous:
        return None
    dtype = targets.dtype
    if dtype is INT64 and targets.flags.aligned:
        return targets
    if ignore_index not in (None, PYTORCH_IGNORE) or dtype.kind not in "iu" or dtype == np.uint64:
        return None
    return targets.astype(np.int64)


@cache
def _no_gradient(dtype: np.dtype[Any]) -> Array:
    return np.empty((0, 0), dtype)


def _mean(
    logits: Array, labels: NDArray[np.int64], ignore_index: int | None, smoothing: float, grad: Array
) -> np.floating[Any] | None:
    """The same, of what is plain."""
    n, classes = logits.shape
    name = _dtypes[logits.dtype]
    receive, add_losses, mean_of = _compiled(name)
    ignores, ignored = ignore_index is not None, ignore_index or 0
    count = int(receive(*fast.as_whole(name, logits, grad), labels, ignores, ignored))
    if count < 0:
        return None
    kernel, share = choose(name, classes).kernel, 1.0 / count
    cuts = launch.cut_rows(n, classes if kernel == "narrow" else -(-classes // QUICK), None)
    alone = split.worth_it(kernel, n, classes, launch.available())
    cuts = [(0, n)] if alone else cuts
    limbs, odd = np.zeros((len(cuts), sums.LIMBS), np.int64), [0.0] * len(cuts)

    def piece(k: int, first: int, last: int) -> None:
        most = min(last - first, CHUNK)
        scale, losses, z_losses = np.full(most, share), np.empty(most), np.empty(most)
        for lo in range(first, last, CHUNK):
            hi = min(lo + CHUNK, last)
            index, m = labels[lo:hi], hi - lo
            if count < n:
                index = np.where(index == ignored, SKIPPED, index)
            given = (logits[lo:hi], index, NO_WEIGHTS, scale[:m], smoothing, 0.0, losses[:m], z_losses[:m], grad[lo:hi])
            if alone:
                split.run(name, *given, whole=grad.nbytes, count=launch.available())
            else:
                fast.run(kernel, name, *given, whole=grad.nbytes)
            odd[k] += add_losses(losses[:m], limbs[k])

    threads.run(piece, [(k, *cut) for k, cut in enumerate(cuts)])
    total, more = limbs[0] if len(cuts) == 1 else limbs.sum(axis=0), sum(odd)
    if name != "float64":
        return np.float32(mean_of(total, count, more))
    return np.float64(more or ratio(sums.whole(total), count << -GRID))


@cache
def _compiled(name: str) -> tuple[Function, Function, Function]:
    """The three functions of `_kernels.cpu.plain`, the first for logits of a dtype."""
    source, vector, limbs = fast.AS_WHOLE.get(name, name), array("float64", 1), array("int64", 1, written=True)
    looked_at = (array(source, 2), array(source, 2))
    return (
        compiled(plain.received, *looked_at, array("int64", 1), "boolean", "int64"),
        compiled(plain.add_losses, vector, limbs),
        compiled(plain.mean_of, limbs, "int64", "float64"),
    )
