"""Hand arrays of any layout to the kernels, piece by piece, over the threads."""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xent._kernels.cpu import rows as row_kernels
from xent._kernels.cpu import sums, targets, threads
from xent._kernels.cpu.jit import Function, array, compiled
from xent.core.batch import units
from xent.core.row import NO_CAP

Array = NDArray[Any]
PIECE = 2**20  # bytes of a copied piece: it stays in the cache until the kernel has read it
SERIAL = 2**15  # elements below which a second thread costs more than it saves
NO_ROWS = np.empty((0, 0))


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


class Rows(NamedTuple):
    """What the row kernel takes, besides logits and what it writes."""

    classes: NDArray[np.int64]
    q: Array | None
    mass: NDArray[np.float64]
    factor: NDArray[np.float64]
    class_weight: NDArray[np.float64]
    smoothing: float
    z_scale: float
    logit_scale: float
    softcap: float
    scale: NDArray[np.float64]

    @property
    def plain(self) -> bool:
        """Class indices, logits as they are, nothing added to the loss."""
        options = (self.smoothing, self.z_scale, self.logit_scale, self.softcap)
        return self.q is None and options == (0.0, 0.0, 1.0, NO_CAP)


class Results(NamedTuple):
    """What the row kernel gave."""

    losses: NDArray[np.float64]  # (N,)
    z_losses: NDArray[np.float64]  # (N,)
    extras: NDArray[np.float64]  # (N, 3) lse, entropy, log_prob; or (0, 0)
    predicted: NDArray[np.int64]  # (N,); or (0,)


def run_rows(logits: Array, given: Rows, grad: Array | None, *, extras: bool, thread_limit: int | None) -> Results:
    """Run the row kernel over all rows of logits (*shape, V); grad, of the same shape, is written."""
    n, classes = given.classes.size, logits.shape[-1]
    dtype = np.dtype(np.float64 if logits.dtype.itemsize == 8 else np.float32)  # bytes
    reader = Reader(logits, dtype)
    q_reader = None if given.q is None else Reader(given.q, np.dtype(np.float64))
    writer = None if grad is None else Writer(grad, dtype)
    plain = given.plain and not extras
    results = Results(
        np.empty(n), np.zeros(n), np.empty((n, 3) if extras else (0, 0)), np.empty(n if extras else 0, np.int64)
    )
    kernel = index_kernel(dtype.name) if plain else row_kernel(dtype.name)
    slowest = next((r for r in (reader, q_reader, writer) if r is not None and not r.direct), reader)
    options = (given.smoothing, given.z_scale, given.logit_scale, given.softcap)

    def piece(first: int, last: int) -> None:
        for lo, hi in slowest.cuts(first, last):
            room = np.empty((0, 0), dtype) if writer is None else writer.read(lo, hi)
            x, index, factor, scale = reader.read(lo, hi), given.classes[lo:hi], given.factor[lo:hi], given.scale[lo:hi]
            losses, z_losses = results.losses[lo:hi], results.z_losses[lo:hi]
            if plain:
                kernel(x, index, factor, scale, losses, room)
            else:
                probabilities = NO_ROWS if q_reader is None else q_reader.read(lo, hi)
                target = (index, probabilities, given.mass[lo:hi], factor, given.class_weight)
                wanted = (results.extras[lo:hi], results.predicted[lo:hi])
                kernel(x, *target, *options, scale, losses, z_losses, *wanted, room)
            if writer is not None:
                writer.write(lo, hi, room)

    threads.run(piece, cut_rows(n, classes, thread_limit))
    return results


def run_softmax(logits: Array, out: Array, thread_limit: int | None) -> None:
    """Probabilities of logits (*shape, V) into out, of the same shape."""
    dtype = np.dtype(np.float64 if logits.dtype.itemsize == 8 else np.float32)  # bytes
    reader, writer = Reader(logits, dtype), Writer(out, dtype)
    kernel = compiled(row_kernels.softmax, array(dtype.name, 2), array(dtype.name, 2, written=True))

    def piece(first: int, last: int) -> None:
        for lo, hi in (writer if reader.direct else reader).cuts(first, last):
            room = writer.read(lo, hi)
            kernel(reader.read(lo, hi), room)
            writer.write(lo, hi, room)

    n = int(np.prod(logits.shape[:-1], dtype=np.int64))
    threads.run(piece, cut_rows(n, logits.shape[-1], thread_limit))


def cut_rows(n: int, classes: int, thread_limit: int | None) -> list[tuple[int, int]]:
    """Row ranges, one a thread."""
    limit = thread_limit or available()
    count = max(1, min(limit, n, n * classes // SERIAL))
    return [(n * k // count, n * (k + 1) // count) for k in range(count)]


@cache
def available() -> int:
    """How many threads may run, as it was at the first call."""
    return threads.available()


@cache
def index_kernel(dtype: str) -> Function:
    """The kernel for class indices and float32 or float64 logits as they are."""
    vector, matrix = array("float64", 1), array(dtype, 2)
    written = (array("float64", 1, written=True), array(dtype, 2, written=True))
    return compiled(row_kernels.index_rows, matrix, array("int64", 1), vector, vector, *written)


@cache
def row_kernel(dtype: str) -> Function:
    """The row kernel for float32 or float64 logits."""
    vector, matrix = array("float64", 1), array("float64", 2)
    # fmt: off
    return compiled(
        row_kernels.rows,
        array(dtype, 2), array("int64", 1), matrix, vector, vector, vector,
        "float64", "float64", "float64", "float64", vector,
        array("float64", 1, written=True), array("float64", 1, written=True),
        array("float64", 2, written=True), array("int64", 1, written=True), array(dtype, 2, written=True),
    )
    # fmt: on


def weigh(
    q: NDArray[np.float64],
    class_weight: NDArray[np.float64],
    smoothing: float,
    index: NDArray[np.int64],
    mass: NDArray[np.float64],
    factor: NDArray[np.float64],
    row_weight: NDArray[np.float64],
) -> tuple[int, int]:
    """Flat position of the first bad probability of q (n, V), and how many are bad; fills the other arrays."""
    written = array("float64", 1, written=True)
    kernel = compiled(
        targets.weigh,
        *(array("float64", 2), array("float64", 1), "float64"),
        *(array("int64", 1, written=True), written, written, written),
    )
    where, bad = kernel(q, class_weight, smoothing, index, mass, factor, row_weight)
    return where, bad


class ExactSum(NamedTuple):
    """A sum of products, in units of core.batch.GRID, and how many of them are not finite."""

    units: int
    plus_infinities: int
    minus_infinities: int
    nans: int


def exact_sum(
    index: NDArray[np.int64], a: NDArray[np.float64], b: NDArray[np.float64], x: NDArray[np.float64]
) -> ExactSum:
    """Sum of a·b·x over the rows that count, exactly; a and b may be empty (all 1)."""
    vector, written = array("float64", 1), array("int64", 1, written=True)
    kernel = compiled(sums.add_products, array("int64", 1), vector, vector, vector, written, written, written)
    counts, hard = np.zeros(3, np.int64), np.empty(index.size, np.int64)
    total = 0
    for lo in range(0, index.size, sums.MOST_ROWS):
        part = slice(lo, lo + sums.MOST_ROWS)
        limbs = np.zeros(sums.LIMBS, np.int64)
        left = kernel(index[part], a[part], b[part], x[part], limbs, counts, hard)
        total += sum(int(limb) << (32 * k) for k, limb in enumerate(limbs.tolist()) if limb)
        for i in (hard[:left] + lo).tolist():
            total += units(float(a[i]) if a.size else 1.0, float(b[i]) if b.size else 1.0, float(x[i]))
    return ExactSum(total, *counts.tolist())
