"""Arrays of any layout as C-contiguous rows, piece by piece."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
PIECE = 2**20  # bytes of a copied piece: it stays in the cache until the kernel has read it


class Reader:
    """Rows of an array (*shape, V) of any strides, alignment, byte order, dtype, as C-contiguous rows of one dtype."""

    def __init__(self, source: Array, dtype: np.dtype[Any]) -> None:
        self.source, self.dtype = source, dtype
        self.classes = source.shape[-1]
        self.flat = flat_view(source)
        flags = source.flags
        self.direct = self.flat is not None and flags.c_contiguous and flags.aligned and source.dtype == dtype

    def cuts(self, lo: int, hi: int) -> Iterator[tuple[int, int]]:
        """Row ranges to read one after the other."""
        step = hi - lo if self.direct else PIECE // (self.classes * self.dtype.itemsize)
        for start in range(lo, hi, max(step, 1)):
            yield start, min(start + max(step, 1), hi)

    def read(self, lo: int, hi: int) -> Array:
        """Rows lo … hi-1 as (hi - lo, V): a view where that will do, else a copy."""
        if self.flat is None:
            part = self.source[np.unravel_index(np.arange(lo, hi), self.source.shape[:-1])]
        else:
            part = self.flat[lo:hi]
        return part if self.direct else np.array(part, self.dtype, order="C")


class Writer(Reader):
    """The same for an array to be written: `read` gives room for rows, `write` puts them in their place."""

    def read(self, lo: int, hi: int) -> Array:
        """Room for rows lo … hi-1."""
        return super().read(lo, hi) if self.direct else np.empty((hi - lo, self.classes), self.dtype)

    def write(self, lo: int, hi: int, rows: Array) -> None:
        """Put rows lo … hi-1 in their place, rounded once to the array's dtype; after a view they are there already."""
        if self.direct:
            return
        with np.errstate(over="ignore", under="ignore"):  # beyond float16: infinite, as the bound says
            if self.flat is None:
                self.source[np.unravel_index(np.arange(lo, hi), self.source.shape[:-1])] = rows
            else:
                self.flat[lo:hi] = rows


def flat_view(source: Array) -> Array | None:
    """The array as (N, V) without a copy; None if that cannot be."""
    if source.ndim == 2:  # rows and classes
        return source
    if source.ndim == 1:
        return source[np.newaxis]
    return source.reshape(-1, source.shape[-1]) if source.flags.c_contiguous and source.size else None
