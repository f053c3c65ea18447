"""Vectors of 16 lanes: one text for the machine's vectors and for NumPy's arrays.

A sweep is a loop over arrays, written as what happens to 16 elements at once:

    @sweep()
    def scaled(terms, out, first, second):
        out.store((terms.load() * first) * second)

Numba compiles it to a function of its own on vectors of 16 lanes, in the order and with the roundings that stand there,
its tail masked; without Numba the same text runs once, on whole arrays. (Numba's own loops vectorise too, until an
index may be negative or two arrays may overlap; then they are ten times slower, and nothing says so.)

Every machine gives the same bits for every alignment and place of the arrays: a lane is a place counted from the first
element. Machines without AVX-512 run the same text on shorter vectors.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from xent._kernels.cpu import jit
from xent._kernels.cpu.machine import DOUBLE_WIDTH, WIDTH, MachineVector

__all__ = [
    "DOUBLE_WIDTH",
    "WIDTH",
    "as_float",
    "bits_as",
    "every",
    "narrowed",
    "sweep",
    "times_plus",
    "where",
    "widened",
]

Body = Callable[..., Any]


def times_plus(a: Any, b: Any, c: Any) -> Any:
    """a·b + c, rounded once where the machine has an instruction for it."""
    return a.called("llvm.fmuladd", b, c) if isinstance(a, MachineVector) else a * b + c


def where(mask: Any, a: Any, b: Any) -> Any:
    """a in lanes of the mask, b in the others; one of them at least is a vector."""
    return mask.chosen(a, b) if isinstance(mask, MachineVector) else np.where(mask, a, b)


def bits_as(x: Any, dtype: str) -> Any:
    """The same bits as lanes of another type of the same size."""
    return x.cast("bitcast", dtype) if isinstance(x, MachineVector) else np.asarray(x).view(dtype)


def as_float(x: Any, dtype: str) -> Any:
    """Lanes as float32 or float64: from integers or from the other float type."""
    return x.as_float(dtype) if isinstance(x, MachineVector) else np.asarray(x).astype(dtype)


def every(x: Any, number: float) -> Any:
    """The number in as many lanes as x has, of its type."""
    return x.made(x.like(number)) if isinstance(x, MachineVector) else np.full_like(x, number)


def dtype_of(x: Any) -> str:
    """The dtype of lanes."""
    return x.dtype if isinstance(x, MachineVector) else np.asarray(x).dtype.name


def widened(x: Any, dtype: str) -> Any:
    """16 bits in integers with more, without a sign."""
    return x.cast("zext", dtype) if isinstance(x, MachineVector) else np.asarray(x).view("uint16").astype(dtype)


def narrowed(x: Any, dtype: str) -> Any:
    """Integers with the low bits only."""
    return x.cast("trunc", dtype) if isinstance(x, MachineVector) else np.asarray(x).astype(dtype)


class ArrayLanes:
    """An array argument where there is no Numba: all its elements at once."""

    def __init__(self, array: Any) -> None:
        self.array = array

    present = True  # whether this array reaches as far as the elements worked on

    @property
    def dtype(self) -> str:
        """Of the elements."""
        return str(self.array.dtype.name)

    def load(self, pad: float = 0.0) -> Any:
        """The elements; `pad` in lanes beyond the end."""
        del pad
        return self.array.copy()

    def store(self, value: Any, *, past_the_cache: bool = False) -> None:
        """Write the elements. Past the cache: only from a multiple of 64 bytes on."""
        del past_the_cache
        self.array[...] = value

    def prefetch(self, ahead: int, *, written: bool = False) -> None:
        """Ask for the elements `ahead` places further on, which may lie beyond the array; to be read, or written."""


def sweep(*folds: str, partial: tuple[str, ...] = (), whole: bool = False) -> Callable[[Body], Body]:
    """Decorator: the loop that does `body` to 16 elements after 16, over the length of its first argument.

    Arguments are one-dimensional C-contiguous arrays, of that length and `.load`ed and `.store`d, or numbers. For every
    fold the body returns lanes to be gathered over the whole length, and the loop gives a number each (see `Fold`):
    the "sum" of floats, the "mass" of floats >= 0, the "count" of lanes that fulfil a condition, the "largest" float.

    With `whole` the length is a multiple of WIDTH (of DOUBLE_WIDTH where the first array is float64).
    An argument may be two-dimensional: then lanes of its rows are to be had, `plane[k]` and `plane.over`, in whole
    sweeps.
    Arrays named in `partial` may be shorter: their lanes are `present` in the first whole sixteens of them only.
    """

    def decorate(body: Body) -> Body:
        if jit.numba_or_none() is None:
            return _on_arrays(body, folds, partial)
        from xent._kernels.cpu.swept import swept  # it needs Numba

        return swept(body, folds, partial, whole=whole)

    return decorate


class ArrayPlane:
    """The rows of a two-dimensional array argument."""

    def __init__(self, array: Any, length: int) -> None:
        self.array, self.length = array, length

    def __getitem__(self, row: int) -> ArrayLanes:
        """The lanes of a row."""
        return ArrayLanes(self.array[row, : self.length])

    def over(self, body: Body, *start: Any) -> tuple[Any, ...]:
        """`body` on the lanes of every row, one after the other, and on what it gave for the row before."""
        found = start
        for row in range(self.array.shape[0]):
            found = body(self[row], *found)
        return found


def _as_lanes(argument: Any, length: int) -> Any:
    """What a body gets for an argument."""
    if not isinstance(argument, np.ndarray):
        return argument
    return ArrayLanes(argument) if argument.ndim == 1 else ArrayPlane(argument, length)


def _on_arrays(body: Body, folds: tuple[str, ...], partial: tuple[str, ...]) -> Body:
    """The body on whole arrays; where a partial one is shorter, in two parts."""
    names = body.__code__.co_varnames[: body.__code__.co_argcount]

    def run(arguments: tuple[Any, ...], present: bool) -> tuple[Any, ...]:
        lanes = [_as_lanes(a, arguments[0].shape[0]) for a in arguments]
        for name, lane in zip(names, lanes, strict=True):
            if name in partial:
                lane.present = present
        with np.errstate(all="ignore"):
            found = body(*lanes)
        return found if isinstance(found, tuple) else (found,)

    def swept(*arguments: Any) -> Any:
        n = arguments[0].shape[0]
        short = [a.shape[0] for name, a in zip(names, arguments, strict=True) if name in partial]
        width = DOUBLE_WIDTH if arguments[0].dtype == np.float64 else WIDTH
        cut = min(short) // width * width if short else 0
        parts = []
        if cut:
            parts.append(run(tuple(a[:cut] if isinstance(a, np.ndarray) else a for a in arguments), present=True))
        if cut < n:
            later = tuple(
                a if not isinstance(a, np.ndarray) else a[:0] if name in partial else a[cut:]
                for name, a in zip(names, arguments, strict=True)
            )
            parts.append(run(later, present=False))
        results = tuple(_gathered(fold, [part[k] for part in parts]) for k, fold in enumerate(folds))
        return results[0] if len(results) == 1 else results or None

    return swept


def _gathered(fold: str, parts: list[Any]) -> Any:
    """What a fold makes of its lanes."""
    lanes = np.concatenate([np.atleast_1d(part) for part in parts])
    if fold == "count":
        return int(np.count_nonzero(lanes))
    if fold == "largest":
        return float(np.fmax.reduce(lanes, initial=-math.inf))  # a NaN is not seen
    with np.errstate(all="ignore"):
        whole = float(lanes.astype(np.float64).sum())
    return math.fsum(lanes.tolist()) if math.isfinite(whole) else whole
