"""cross_entropy_error: the loss of probabilities, for code that has no logits any more."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xent._lenient import Array, as_array, as_targets
from xent.core import errors
from xent.core.spec import check_range

MOST = 1.0 + 2.0**-7  # a probability, however it was rounded: the next number after 1 in bfloat16


def cross_entropy_error(y: ArrayLike, t: ArrayLike, *, delta: float = 0.0) -> Any:  # noqa: ANN401 -- a NumPy scalar
    """Mean of −log of the targets' probabilities.

    y        (..., C) floats, probabilities. Read. NaN in, NaN out.
    t        targets of those rows, in any form that `SoftmaxWithLoss.forward` takes. Read.
    delta    number in [0, 1] that is added to every probability first; the book's is 1e-7, and with it the result is
             the book's, bit for bit for one-hot and index targets (in y's dtype, and with its faults: −1e-7 at p = 1,
             16.1 at p = 0).
    returns  a NumPy scalar, in nats: (1/N)·Σ −log y[i, tᵢ], for probability targets (1/N)·Σ −t·log y. float32, float64
             for float64 y. inf where a target has probability 0: the logits may know better, see `softmax_loss`.

    ShapeError, KindError, TargetError as `SoftmaxWithLoss.forward`; OptionError where y holds no probabilities.
    Error    <= 1 unit in the last place, for the probabilities as given (tests/test_book).

    >>> import numpy as np
    >>> y, t = np.array([0.1, 0.05, 0.6, 0.0, 0.25]), np.array([0, 0, 1, 0, 0])
    >>> print(f"{cross_entropy_error(y, t):.7f}, with the book's delta {cross_entropy_error(y, t, delta=1e-7):.7f}")
    0.5108256, with the book's delta 0.5108255
    """
    check_range("delta", delta, 0.0, 1.0)
    probabilities = _probabilities(y)
    classes = probabilities.shape[-1]
    targets = _index_if_one_hot(as_targets(t, probabilities.shape), probabilities.shape)
    if targets.shape == probabilities.shape and targets.dtype.kind == "f":
        bad = ~((targets >= 0) & (targets < math.inf))
        if bad.any():
            first = tuple(map(int, np.argwhere(bad)[0]))
            raise errors.bad_probability(int(bad.sum()), first, float(targets[first]))
        share, p = targets[targets > 0], probabilities[targets > 0]
    elif targets.shape != probabilities.shape[:-1]:
        raise errors.ShapeError(
            f"t has shape {np.shape(t)}, y {np.shape(y)}: a row of y needs one label, or as many entries as y."
        )
    elif targets.dtype.kind not in "iu":
        raise errors.bad_kind("t", t, "integer labels, one-hot, or float probabilities of y's shape")
    else:
        bad = (targets < 0) | (targets >= classes)
        if bad.any():
            first = tuple(map(int, np.argwhere(bad)[0]))
            raise errors.targets_out_of_range(int(bad.sum()), bad.size, first, int(targets[first]), classes, None)
        share = None
        p = np.take_along_axis(probabilities, targets[..., np.newaxis].astype(np.int64), axis=-1).ravel()
    return _mean_log(p, share, math.prod(probabilities.shape[:-1]), delta)


def _probabilities(y: ArrayLike) -> Array:
    """The probabilities as a float array. KindError, ShapeError, OptionError."""
    array = as_array("y", y)
    if array.dtype.kind in "iu":
        array = array.astype(np.float64)
    if array.dtype.kind != "f":
        raise errors.bad_kind("y", y, "probabilities, as floats")
    if array.ndim == 0:
        raise errors.ShapeError("y is a single number: probabilities are (N, C), or (C,) for one row.")
    bad = (array < 0) | (array > MOST)
    if bad.any():
        first = tuple(map(int, np.argwhere(bad)[0]))
        raise errors.OptionError(
            f"{int(bad.sum())} of {bad.size} numbers in y are no probabilities, first y[{', '.join(map(str, first))}] "
            f"= {array[first]}: they must lie in [0, 1].\n  For logits, before the softmax, use softmax_loss(x, t)."
        )
    return array


def _index_if_one_hot(targets: Array, shape: tuple[int, ...]) -> Array:
    """Float rows that are one-hot, all of them, as indices; anything else as it is."""
    if targets.shape != shape or targets.dtype.kind != "f" or targets.size == 0:
        return targets
    one_hot = (targets.max(axis=-1) == 1).all() and np.count_nonzero(targets) == targets.size // shape[-1]
    return targets.argmax(axis=-1) if one_hot else targets


def _mean_log(p: Array, share: Array | None, rows: int, delta: float) -> Any:  # noqa: ANN401 -- a NumPy scalar
    """−Σ share·log(p + delta) over the rows; in p's dtype with a delta, as the book does it, else rounded once."""
    kind = np.float64 if p.dtype == np.float64 else np.float32
    if rows == 0:
        errors.warn(errors.empty_batch())
        return kind(0.0)
    if delta:
        logs = np.log(p + p.dtype.type(delta))
        return -np.sum(logs if share is None else share.astype(p.dtype) * logs) / rows
    with np.errstate(divide="ignore"):  # log 0 is -inf, and the answer is inf
        losses = -np.log(p.astype(np.float64))
    return kind(math.fsum(losses if share is None else share * losses) / rows + 0.0)
