"""Matrices as a matrix product takes them: a view where that will do, else a copy of some rows; products added up."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xent._kernels.cpu import launch, threads
from xent._linear import blas

Array = NDArray[Any]
CHEAP = 8  # additions are done in the time of one element of the loss
Pick = slice | NDArray[np.int64]  # some rows, by their numbers


def ready(matrix: Array, dtype: np.dtype[Any]) -> bool:
    """Whether BLAS takes this matrix without a copy: its dtype, alignment, one unit stride.

    >>> a = np.zeros((4, 6), np.float32)
    >>> [ready(m, a.dtype) for m in (a, a.T, a[:, :3], a[:, ::2], a[::-1], a.astype(">f4"))]
    [True, True, True, False, False, False]
    """
    if matrix.dtype != dtype or not matrix.flags.aligned:
        return False
    (rows, columns), (down, across), item = matrix.shape, matrix.strides, matrix.itemsize
    by_rows = across == item and down >= max(columns, 1) * item and down % item == 0
    by_columns = down == item and across >= max(rows, 1) * item and across % item == 0
    return by_rows or by_columns


def flat_view(source: Array) -> Array | None:
    """An array (..., D) as (N, D) without a copy; None if that cannot be."""
    if source.ndim == 2:  # noqa: PLR2004  # rows and features
        return source
    if source.ndim == 1:
        return source[np.newaxis]
    return source.reshape(-1, source.shape[-1]) if source.flags.c_contiguous and source.size else None


class Rows:
    """Chosen rows of an array (..., D): `read` gives some of them as a matrix that is ready."""

    def __init__(self, source: Array, chosen: NDArray[np.int64] | None, dtype: np.dtype[Any]) -> None:
        self.source, self.chosen, self.dtype = source, chosen, dtype
        self.flat = flat_view(source)
        self.direct = chosen is None and self.flat is not None and ready(self.flat, dtype)

    @property
    def copied(self) -> int:
        """Bytes that a row takes when it is read."""
        width = self.source.shape[-1]
        return 0 if self.direct else width * (self.dtype.itemsize + self.source.itemsize)

    def pick(self, lo: int, hi: int) -> Pick:
        """Which rows the lo-th ... (hi-1)-th chosen ones are."""
        return slice(lo, hi) if self.chosen is None else self.chosen[lo:hi]

    def read(self, lo: int, hi: int) -> Array:
        """The lo-th ... (hi-1)-th chosen rows, (hi - lo, D)."""
        pick = self.pick(lo, hi)
        part = self.source[self._places(pick)] if self.flat is None else self.flat[pick]
        return part if self.direct else part.astype(self.dtype, order="C", copy=False)

    def write(self, lo: int, hi: int, rows: Array) -> None:
        """Put the lo-th ... (hi-1)-th chosen rows in their place, rounded to the array's dtype."""
        pick = self.pick(lo, hi)
        if self.flat is None:
            self.source[self._places(pick)] = rows
        else:
            self.flat[pick] = rows

    def _places(self, pick: Pick) -> tuple[NDArray[np.int64], ...]:
        """Rows as indices of the batch axes."""
        numbers = np.arange(pick.start, pick.stop) if isinstance(pick, slice) else pick
        return np.unravel_index(numbers, self.source.shape[:-1])


def product(target: Array, a: Array, b: Array, room: Array, thread_limit: int | None, *, first: bool) -> None:
    """target = a @ b, or += where it is not the first; through `room`, some rows at a time, where that is needed.

    target  (n, m), of any float dtype. Written. room: 1-D, dtype of a and b. Written.
    """
    if first and target.dtype == a.dtype:
        np.matmul(a, b, out=target)
        return
    if target.dtype == a.dtype and blas.add(target, a, b):
        return
    width = b.shape[1]
    step = max(1, room.size // max(width, 1))
    for lo in range(0, a.shape[0], step):
        hi = min(lo + step, a.shape[0])
        part = room[: (hi - lo) * width].reshape(hi - lo, width)
        np.matmul(a[lo:hi], b, out=part)
        put = partial(_put, target[lo:hi], part, first)
        threads.run(put, launch.cut_rows(hi - lo, width // CHEAP, thread_limit))


def _put(target: Array, part: Array, first: bool, lo: int, hi: int) -> None:  # noqa: FBT001  # bound by `product`
    """Some rows of a part into, or onto, their place."""
    with np.errstate(all="ignore"):  # per thread; a half that overflows is infinite
        if first:
            target[lo:hi] = part[lo:hi]
        else:
            target[lo:hi] += part[lo:hi]


def add_bias(x: Array, bias: Array, thread_limit: int | None) -> None:
    """x += bias, row by row, over the threads."""

    def piece(lo: int, hi: int) -> None:
        with np.errstate(all="ignore"):  # per thread
            x[lo:hi] += bias

    threads.run(piece, launch.cut_rows(x.shape[0], x.shape[1], thread_limit))


def add_columns(sums: NDArray[np.float64], x: Array, thread_limit: int | None) -> None:
    """Add the sum of every column of x (n, v) to sums (v,): in float64, rows in order, whatever the threads."""

    def piece(lo: int, hi: int) -> None:
        with np.errstate(all="ignore"):  # per thread
            for row in x[:, lo:hi]:
                sums[lo:hi] += row

    threads.run(piece, launch.cut_rows(x.shape[1], x.shape[0], thread_limit))
