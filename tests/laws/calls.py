"""Calling a front end on a batch, with the warning about an empty one switched off; measures of distance."""

import warnings
from contextlib import contextmanager
from typing import Any

import numpy as np

from tests.accuracy.ulp import FORMATS
from tests.fronts import Front
from tests.laws.cases import Batch


@contextmanager
def no_empty_warning():
    """A mean over nothing warns; here it is one of many draws."""
    from xent.core.errors import EmptyBatchWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmptyBatchWarning)
        yield


def run(front: Front, batch: Batch, **changes: Any) -> tuple[Any, np.ndarray]:
    """Loss and gradient."""
    with no_empty_warning():
        return front.value_and_grad(batch.logits, batch.targets, **batch.options | changes)


def loss_of(front: Front, batch: Batch, **changes: Any) -> Any:
    """The loss alone, by the function that computes no gradient."""
    with no_empty_warning():
        return front.cross_entropy(batch.logits, batch.targets, **batch.options | changes)


def total_of(front: Front, batch: Batch, **changes: Any) -> Any:
    """The Total."""
    options = {k: v for k, v in (batch.options | changes).items() if k not in ("reduction", "denominator")}
    return front.total(batch.logits, batch.targets, **options)


def spacing(a: np.ndarray, dtype: str) -> np.ndarray:
    """One ULP of `dtype` at |a|."""
    form = FORMATS[dtype]
    _, exponent = np.frexp(np.abs(np.where(np.isfinite(a), a, 0.0)))
    return np.ldexp(1.0, np.maximum(exponent - form.digits, form.lowest))


def ulps_apart(a: Any, b: Any) -> float:
    """The largest distance of two arrays of one dtype, in ULP of the larger of each two entries.

    inf where only one of the two is NaN, or infinite.
    """
    x, y = np.asarray(a), np.asarray(b)
    assert x.dtype == y.dtype, f"{x.dtype} against {y.dtype}"
    assert x.shape == y.shape, f"{x.shape} against {y.shape}"
    name = x.dtype.name
    x, y = x.astype(np.float64), y.astype(np.float64)
    if not x.size:
        return 0.0
    with np.errstate(all="ignore"):
        equal = (x == y) | (np.isnan(x) & np.isnan(y))
        apart = np.abs(x - y) / spacing(np.maximum(np.abs(x), np.abs(y)), name)
    return float(np.where(equal, 0.0, np.where(np.isfinite(x) & np.isfinite(y), apart, np.inf)).max())


def normal(a: np.ndarray) -> np.ndarray:
    """Where an array holds normal numbers of its dtype, so that a power of two multiplies them exactly.

    Neither 0 nor the smallest normal number itself: each may be a subnormal that was rounded.
    """
    x = np.abs(a.astype(np.float64))
    form = FORMATS[a.dtype.name]
    return (x > 2.0 ** (form.lowest + form.digits - 1)) | ~np.isfinite(x)
