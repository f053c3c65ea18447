"""Comparing to the bit."""

from typing import Any

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
