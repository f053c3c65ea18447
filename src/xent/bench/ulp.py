"""How far a result is from the right one, in units in the last place of its own dtype.

One ULP of an exact value v is the spacing of the dtype's numbers in v's binade; below the smallest normal number it is
the smallest subnormal. So a correctly rounded result is at most half an ULP off, wherever it lies.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FORMATS = {"float16": (11, -24), "bfloat16": (8, -133), "float32": (24, -149), "float64": (53, -1074)}
"""Significant bits, and the exponent of the smallest subnormal."""


def unit(exact: Array, dtype: str) -> Array:
    """The size of one ULP of `dtype` at every exact value.

    >>> unit(np.array([1.0, 1.999, 2.0, 1e-50]), "float32") == [2**-23, 2**-23, 2**-22, 2**-149]
    array([ True,  True,  True,  True])
    """
    digits, lowest = FORMATS[dtype]
    exponent = np.frexp(exact)[1]
    size: Array = np.ldexp(np.ones_like(exact), np.maximum(exponent - digits, lowest))
    return size


def errors(got: Array, exact: Array, dtype: str) -> Array:
    """|got - exact| in ULP of `dtype`, entry by entry; inf where `got` is NaN or infinite and `exact` is not.

    got     any floats. Read.
    exact   of a wider type than `dtype`. Read.

    >>> errors(np.array([np.float32(1 / 3)]), np.array([1 / 3]), "float32").round(2)
    array([0.33])
    """
    with np.errstate(invalid="ignore"):
        error = np.abs(got.astype(exact.dtype) - exact) / unit(exact, dtype)
    return np.where(np.isnan(error) | np.isinf(error), np.inf, error)


def worst(values: Array) -> float:
    """The largest; 0 of none."""
    return float(values.max(initial=0.0))
