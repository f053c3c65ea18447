"""Logits and targets as readers of the book pass them, turned into the arrays that the functions take."""

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xent.core import errors

Array = NDArray[Any]
LARGEST_FLOAT_LABEL = 2.0**53  # beyond it not every whole number is a float


def as_logits(name: str, came: object) -> Array:
    """Logits as an array of at least one axis, not copied if it is one. ShapeError, KindError.

    A list has no dtype, so a list of whole numbers becomes float64; an array of integers stays what it is, for the
    functions to refuse.
    """
    array = as_array(name, came)
    if array.ndim == 0:
        raise errors.ShapeError(f"{name} is a single number: logits are (N, C), or (C,) for one row.")
    if array.dtype.kind in "iu" and not hasattr(came, "dtype"):
        return array.astype(np.float64)
    return array


def as_array(name: str, came: object) -> Array:
    """The argument as an array, not copied if it is one. KindError for what NumPy would silently spoil; ShapeError."""
    if type(came) is np.ndarray:
        return came
    if hasattr(came, "__cuda_array_interface__"):
        kind = f"{type(came).__module__.partition('.')[0]}.{type(came).__name__}"
        raise errors.KindError(
            f"{name} is a {kind}, which lies on a GPU: this layer takes NumPy arrays.\n"
            f"  Copy it: cupy.asnumpy({name}); in the book's own code set GPU = False in common/config.py."
        )
    if isinstance(came, np.ma.MaskedArray):
        raise errors.masked(name)
    try:
        return np.asarray(came)
    except ValueError:
        raise errors.ShapeError(
            f"{name} is a {type(came).__name__} whose parts differ in length: all rows must have one length."
        ) from None


def as_targets(t: ArrayLike, shape: tuple[int, ...], name: str = "t") -> Array:
    """A fresh array of the targets, in a form that xent.value_and_grad takes for logits of that shape.

    What does not fit passes through, for the functions to refuse with their own words.

    >>> as_targets([[0, 0, 1], [1, 0, 0]], (2, 3))
    array([2, 0])
    >>> as_targets([[2.0], [0.0]], (2, 3))
    array([2, 0])
    """
    targets = as_array(name, t)
    batch, classes = shape[:-1], shape[-1]
    if not batch and targets.shape == (1, classes):  # the book reshapes one row's target to a batch of one
        targets = targets[0]
    if targets.shape == shape:
        return _one_hot_to_index(targets, name) if targets.dtype.kind in "iub" else targets.copy()
    if targets.shape == (*batch, 1):
        targets = targets[..., 0]
    elif targets.ndim == 0 and math.prod(batch) == 1:
        targets = targets.reshape(batch)
    if targets.shape == batch and targets.dtype.kind == "f":
        return _whole(targets, name)
    return np.array(targets, subok=False)


def _one_hot_to_index(targets: Array, name: str) -> Array:
    """The place of the 1 in every row, as int64. TargetError where a row is not one-hot."""
    if targets.shape[-1] == 1:  # 1 is the one-hot row of the only class, 0 is its index: both are class 0
        labels = targets[..., 0].astype(np.int64 if targets.dtype.kind == "b" else targets.dtype)
        labels[labels == 1] = 0
        return labels
    if 0 in targets.shape:
        return np.zeros(targets.shape[:-1], np.int64)
    index: Array = targets.argmax(axis=-1)
    ones = np.take_along_axis(targets, index[..., np.newaxis], axis=-1)[..., 0] == 1
    if not ones.all() or np.count_nonzero(targets) != index.size:
        good = ones & (np.count_nonzero(targets, axis=-1) == 1)
        raise _not_one_hot(targets, good, name)
    return index


def _not_one_hot(targets: Array, good: Array, name: str) -> errors.TargetError:
    first, count = _first(~good)
    row = np.array2string(targets[first], threshold=10, edgeitems=4, separator=", ", max_line_width=sys.maxsize)
    return errors.TargetError(
        f"{name} has the logits' shape, {targets.shape}, and dtype {targets.dtype}, so it must be one-hot: one 1 in "
        f"every row, and else 0. {_of(count, good.size, 'row')} not, first {_place(name, first)} = {row}.\n"
        f"  For probabilities pass floats: {name}.astype(float)."
    )


def _whole(targets: Array, name: str) -> Array:
    """Labels held as floats, as int64. KindError where one is no whole number."""
    wide = targets.astype(np.float64)  # 2**53 overflows in float16
    bad = ~((np.trunc(wide) == wide) & (np.abs(wide) <= LARGEST_FLOAT_LABEL))  # NaN is bad
    if bad.any():
        first, count = _first(bad)
        raise errors.KindError(
            f"{name} holds labels as {targets.dtype}, and {_of(count, bad.size, 'label')} no whole number of at most "
            f"2**53, first {_place(name, first)} = {targets[first]}: a label is the index of a class."
        )
    return wide.astype(np.int64)


def _first(bad: Array) -> tuple[tuple[int, ...], int]:
    """Place of the first bad entry, and how many there are."""
    return tuple(map(int, np.argwhere(bad)[0])), int(np.count_nonzero(bad))


def _of(count: int, size: int, what: str) -> str:
    return f"{count} of {size} {what}{'s' if size != 1 else ''} {'is' if count == 1 else 'are'}"


def _place(name: str, index: tuple[int, ...]) -> str:
    return f"{name}[{', '.join(map(str, index))}]" if index else name
