"""Errors in units in the last place of a dtype, subnormal results included.

One ULP of an exact value v is the spacing of the dtype's numbers in v's binade; below the smallest normal number it is
the smallest subnormal. So a correctly rounded result is at most 0.5 ULP off, wherever it lies.
"""

from typing import NamedTuple

import ml_dtypes
import numpy as np

from tests.accuracy.batch import Wide


class Format(NamedTuple):
    """A binary floating-point format."""

    digits: int  # significant bits, the hidden one included
    lowest: int  # the smallest subnormal is 2**lowest
    highest: int  # every finite value is < 2**highest


FORMATS = {
    "float16": Format(11, -24, 16),
    "bfloat16": Format(8, -133, 128),
    "float32": Format(24, -149, 128),
    "float64": Format(53, -1074, 1024),
}
DTYPES = {name: np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name) for name in FORMATS}


def unit(dtype: str) -> float:
    """The unit roundoff u: half the spacing at 1.

    >>> unit("float32") == 2.0**-24
    True
    """
    return 2.0 ** -FORMATS[dtype].digits


def tiny(dtype: str) -> float:
    """The smallest subnormal."""
    return 2.0 ** FORMATS[dtype].lowest


def ulps(got: np.ndarray, exact: Wide, dtype: str) -> np.ndarray:
    """|got - exact| in ULP of `dtype`, entry by entry; 0 where both are the same infinity or both NaN, else inf.

    A finite exact value that rounds beyond the format's range has one right answer, the infinity: error 0.

    >>> one_third = Wide.of((np.array([1 / 3]), np.array([1.850371707708594e-17])))
    >>> ulps(np.array([1 / 3]), one_third, "float64").round(3)
    array([0.333])
    >>> ulps(np.array([np.float32(1 / 3)]), one_third, "float32").round(3)
    array([0.333])
    """
    form = FORMATS[dtype]
    got = np.asarray(got).astype(np.float64)
    with np.errstate(all="ignore"):
        exponent = np.clip(exact.exponent, form.lowest - 64, 1100)  # far below the smallest subnormal is as good as 0
        under = (np.abs(exact.hi) == 0.5) & (np.sign(exact.hi) * exact.lo < 0)  # a hair below a power of two
        last = np.maximum(exponent - under - form.digits, form.lowest)
        difference = np.abs((_scaled(got, -exponent) - exact.hi) - exact.lo)
        error = _scaled(difference, exponent - last)
        beyond = exact.exponent - 1 >= form.highest  # |exact| >= 2**highest
        halfway = (exact.exponent == form.highest) & (np.abs(exact.hi) >= 1 - 2.0 ** (-form.digits - 1))
    right_infinity = np.isinf(got) & (np.sign(got) == np.sign(exact.hi)) & (beyond | halfway | np.isinf(exact.hi))
    both_nan = np.isnan(got) & np.isnan(exact.hi)
    one_nan = np.isnan(got) != np.isnan(exact.hi)
    wrong_infinity = (np.isinf(got) | np.isinf(exact.hi)) & ~right_infinity
    error = np.where(one_nan | wrong_infinity, np.inf, error)
    return np.where(right_infinity | both_nan, 0.0, error)


def _scaled(a: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """a * 2**exponent for exponents beyond one ldexp's exact reach."""
    half = exponent // 2
    return np.ldexp(np.ldexp(a, half), exponent - half)
