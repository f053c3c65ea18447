"""Comparing to the bit, and nearly so."""

from typing import Any

import ml_dtypes
import numpy as np


def bits(value: Any) -> tuple:
    """dtype, shape and bytes of an array or scalar. Every NaN is the same NaN: its payload is nobody's promise."""
    array = np.asarray(value)
    array = array.astype(array.dtype.newbyteorder("="))
    odd = np.isnan(array)
    if array.ndim == 0:
        return array.dtype.name, (), b"nan" if odd else array.tobytes()
    array = array.copy()
    array[odd] = np.nan
    return array.dtype.name, array.shape, array.tobytes()


def same(a: Any, b: Any) -> bool:
    """Equal to the bit."""
    return bits(a) == bits(b)


def same_total(a: Any, b: Any) -> bool:
    """Two Totals that hold the same exact numbers."""
    return a.to_dict() == b.to_dict() and same(a.sum, b.sum) and same(float(a.denominator), float(b.denominator))


def same_value(a: Any, b: Any) -> bool:
    """Two Totals with the same exact numbers, or with the same infinite or undefined sum.

    One infinite row of weight 7 is seven infinite rows, though it is counted once.
    """
    if np.isfinite(a.sum):
        return same_total(a, b)
    return same(a.sum, b.sum) and same(float(a.denominator), float(b.denominator))


def differences(a: Any, b: Any) -> str:
    """Where two arrays differ, for an assertion's message."""
    x, y = np.asarray(a), np.asarray(b)
    if x.dtype != y.dtype or x.shape != y.shape:
        return f"{x.dtype} {x.shape} against {y.dtype} {y.shape}"
    x, y = x.astype(float), y.astype(float)
    equal = (x == y) & (np.signbit(x) == np.signbit(y)) | np.isnan(x) & np.isnan(y)
    where = np.argwhere(~equal)
    if not len(where):
        return "no difference"
    at = tuple(where[0])
    return f"{len(where)} of {x.size} differ, first [{', '.join(map(str, at))}]: {x[at]!r} against {y[at]!r}"


def assert_same(a: Any, b: Any, what: str = "") -> None:
    """Fail with the place of the first difference."""
    if not same(a, b):
        raise AssertionError(f"{what}: {differences(a, b)}")


def assert_near(a: Any, b: Any, what: str = "", units: float = 8.0) -> None:
    """Fail unless they differ by a few units in the last place of the largest of them at most."""
    a, b = np.asarray(a), np.asarray(b)
    x, y = a.astype(np.float64), b.astype(np.float64)
    assert a.dtype == b.dtype, what
    assert (np.isfinite(x) == np.isfinite(y)).all(), what
    finite = np.isfinite(x)
    np.testing.assert_array_equal(x[~finite], y[~finite], what)
    size = np.abs(y[finite]).max(initial=0.0)
    tiny = float(ml_dtypes.finfo(a.dtype).smallest_subnormal)
    allowed = units * (float(ml_dtypes.finfo(a.dtype).eps) * size + tiny)
    np.testing.assert_allclose(x[finite], y[finite], rtol=0.0, atol=allowed, err_msg=what)
