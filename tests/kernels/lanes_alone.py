"""The lanes' functions by themselves, as loops over arrays: compiled where there is Numba, plain Python elsewhere.

Not through the disk cache, whose stamp knows nothing of the tests.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from xent._kernels.cpu import exp as exps
from xent._kernels.cpu import jit, log
from xent._kernels.cpu.half import load_float, store_float
from xent._kernels.cpu.lanes import sweep, times_plus


@sweep()
def powers(x: Any, out: Any, bias: Any) -> None:
    """exp(x)·2**bias."""
    out.store(exps.exp(x.load(), bias))


@sweep()
def logs(x: Any, out: Any) -> None:
    """log1p(x)."""
    out.store(log.log1p(x.load()))


@sweep()
def converted(x: Any, out: Any) -> None:
    """Halves as int16 or uint16 to float32, or the other way."""
    store_float(out, load_float(x))


@sweep()
def squares_less(x: Any, out: Any, less: Any) -> None:
    """x² + less."""
    value = x.load()
    out.store(times_plus(value, value, value * 0.0 + less))


def _powers(x, out, bias):
    powers(x, out, bias)


def _logs(x, out):
    logs(x, out)


def _converted(x, out):
    converted(x, out)


def _squares_less(x, out, less):
    squares_less(x, out, less)


@cache
def _made(function: Callable[..., Any]) -> Callable[..., Any]:
    numba = jit.numba_or_none()
    return function if numba is None else numba.njit(function)


def exp(x: np.ndarray, bias: float = 0.0) -> np.ndarray:
    """e to the power x, times 2**bias, as the kernels compute it."""
    out = np.empty_like(x)
    _made(_powers)(x, out, float(bias))
    return out


def log1p(x: np.ndarray) -> np.ndarray:
    """log(1 + x), as the kernels compute it."""
    out = np.empty_like(x)
    _made(_logs)(x, out)
    return out


def as_float(bits: np.ndarray) -> np.ndarray:
    """float32 of halves, given as int16 (float16) or uint16 (bfloat16)."""
    out = np.empty(bits.shape, np.float32)
    _made(_converted)(bits, out)
    return out


def as_half(x: np.ndarray, dtype: str) -> np.ndarray:
    """Halves of float32, as "int16" (float16) or "uint16" (bfloat16)."""
    out = np.empty(x.shape, dtype)
    _made(_converted)(x, out)
    return out


def fused() -> bool:
    """Whether a multiplication and the addition after it are rounded once."""
    x, out = np.full(64, 1 + 2.0**-30), np.empty(64)
    _made(_squares_less)(x, out, -(1 + 2.0**-29))
    return bool((out == 2.0**-60).all())
