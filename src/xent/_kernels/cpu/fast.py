"""The SIMD kernels for class indices: compiled for a dtype, given their rooms, and run on rows."""

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xent._kernels.cpu.jit import Function, array, compiled
from xent._kernels.cpu.select import TILE

Array = NDArray[Any]
AS_WHOLE = {"float16": "int16", "bfloat16": "uint16"}  # halves as kernels see them: the same bits
PAST_THE_CACHE = 2**24  # bytes of gradient from which on it is written past the cache
LONG_ENOUGH = 512  # classes from which on that is faster
FLOAT64 = np.dtype(np.float64)
_kept = threading.local()  # the rooms of the last kernel, a thread each


def run(
    kernel: str,
    name: str,
    logits: Array,
    index: NDArray[np.int64],
    factor: NDArray[np.float64],
    scale: NDArray[np.float64],
    smoothing: float,
    z_scale: float,
    losses: NDArray[np.float64],
    z_losses: NDArray[np.float64],
    grad: Array,
    *,
    whole: int,
) -> None:
    """Run a kernel on rows (n, V) of the dtype `name`, C-contiguous; grad (n, V), or (0, 0).

    `whole`: bytes of the whole gradient.
    """
    classes = logits.shape[1]
    logits, grad = as_whole(name, logits, grad)
    given = (logits, index, factor, scale, smoothing, z_scale, losses, z_losses, grad)
    past = past_the_cache(whole, classes)
    rooms = _rooms(kernel, "float64" if name == "float64" else "float32", classes)
    if kernel == "narrow":
        _compiled(kernel, name)(*given, *rooms)
    elif kernel == "wide":
        _compiled(kernel, name)(*given, grad.reshape(-1), *rooms, past)
    else:
        _compiled(kernel, name)(*given, *rooms, past)


def run_soft(
    name: str,
    logits: Array,
    q: Array,
    index: NDArray[np.int64],
    mass: NDArray[np.float64],
    scale: NDArray[np.float64],
    smoothing: float,
    z_scale: float,
    losses: NDArray[np.float64],
    z_losses: NDArray[np.float64],
    grad: Array,
    *,
    whole: int,
) -> None:
    """The same for probability rows q (n, V), C-contiguous, of any of the dtypes."""
    of_targets, classes = q.dtype.name, logits.shape[1]
    rooms = _rooms("soft", "float64" if name == "float64" else "float32", classes)
    past = past_the_cache(whole, classes)
    logits, grad = as_whole(name, logits, grad)
    q, _ = as_whole(of_targets, q, q)
    given = (logits, q, index, mass, scale, smoothing, z_scale, losses, z_losses, grad)
    _compiled_soft(name, of_targets)(*given, *rooms, past)


def as_whole(name: str, logits: Array, grad: Array) -> tuple[Array, Array]:
    """The same arrays as kernels take them: halves as whole numbers of the same bits."""
    if name not in AS_WHOLE:
        return logits, grad
    return logits.view(AS_WHOLE[name]), grad.view(AS_WHOLE[name])


def past_the_cache(size: int, classes: int) -> bool:
    """Whether a gradient of so many bytes and classes is written past the cache."""
    return size >= PAST_THE_CACHE and classes >= LONG_ENOUGH


@cache
def _compiled(kernel: str, name: str) -> Function:
    """The kernel for logits of a dtype."""
    source, room = AS_WHOLE.get(name, name), "float64" if name == "float64" else "float32"
    vector, vector_out = array("float64", 1), array("float64", 1, written=True)
    logits, grad = array(source, 2), array(source, 2, written=True)
    given = (logits, array("int64", 1), vector, vector, "float64", "float64", vector_out, vector_out, grad)
    plane, line = array(room, 2, written=True), array(room, 1, written=True)
    fields = array("float64", 2, written=True)
    if kernel == "narrow":
        from xent._kernels.cpu import narrow

        return compiled(narrow.index_rows, *given, plane, line, fields)
    if kernel == "wide":
        from xent._kernels.cpu import wide

        return compiled(wide.index_rows, *given, array(source, 1, written=True), plane, plane, fields, "boolean")
    from xent._kernels.cpu import long

    return compiled(long.index_rows, *given, line, line, fields, "boolean")


@cache
def _compiled_soft(name: str, of_targets: str) -> Function:
    """The kernel of probability rows, for logits of a dtype and targets of another."""
    from xent._kernels.cpu import soft

    source, room = AS_WHOLE.get(name, name), "float64" if name == "float64" else "float32"
    vector, vector_out = array("float64", 1), array("float64", 1, written=True)
    return compiled(
        soft.probability_rows,
        *(array(source, 2), array(AS_WHOLE.get(of_targets, of_targets), 2), array("int64", 1), vector, vector),
        *("float64", "float64", vector_out, vector_out, array(source, 2, written=True)),
        *(array(room, 1, written=True), array(room, 2, written=True), array("float64", 2, written=True), "boolean"),
    )


def _rooms(kernel: str, room: str, classes: int) -> tuple[Array, ...]:
    """A kernel's scratch, kept for this thread's next call of the same kernel."""
    key = (kernel, room, classes)
    if getattr(_kept, "key", None) != key:
        _kept.key, _kept.rooms = None, ()
        _kept.rooms, _kept.key = _made(kernel)(np.dtype(room), classes), key
    rooms: tuple[Array, ...] = _kept.rooms
    return rooms


def room_for_terms(room: str, classes: int) -> Array:
    """A scratch of one row, kept in the same way."""
    return _rooms("split", room, classes)[0]


def _made(kernel: str) -> Callable[[np.dtype[Any], int], tuple[Array, ...]]:
    """How to make a kernel's scratch, for a dtype and a number of classes."""
    return {
        "narrow": _narrow_rooms,
        "wide": _wide_rooms,
        "long": _long_rooms,
        "soft": _soft_rooms,
        "split": _split_rooms,
    }[kernel]


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Zeros from a multiple of 64 bytes on: a vector that lies in two cache lines takes twice the time.

    >>> aligned((3, 5), np.dtype(np.float32)).ctypes.data % 64
    0
    """
    size = int(np.prod(shape)) * dtype.itemsize
    room = np.zeros(size + 64, np.uint8)
    first = -room.ctypes.data % 64
    return room[first : first + size].view(dtype).reshape(shape)


def _narrow_rooms(dtype: np.dtype[Any], classes: int) -> tuple[Array, ...]:
    from xent._kernels.cpu.fields import FIELDS
    from xent._kernels.cpu.narrow import LANES, lines_for

    return aligned((lines_for(classes), LANES), dtype), aligned((LANES,), dtype), aligned((FIELDS, LANES), FLOAT64)


def _wide_rooms(dtype: np.dtype[Any], classes: int) -> tuple[Array, ...]:
    from xent._kernels.cpu.fields import FIELDS
    from xent._kernels.cpu.wide import SPARE, group_of, room_for

    group = group_of(classes)
    return (
        aligned((2, group * classes + SPARE), dtype),
        np.zeros((group, classes), dtype),
        np.zeros((FIELDS, room_for(classes))),
    )


def _soft_rooms(dtype: np.dtype[Any], classes: int) -> tuple[Array, ...]:
    from xent._kernels.cpu.fields import FIELDS
    from xent._kernels.cpu.wide import SPARE, group_of, room_for

    group = group_of(classes)
    return (
        aligned((group * classes + SPARE,), dtype),
        aligned((group, classes), dtype),
        aligned((FIELDS, room_for(classes)), FLOAT64),
    )


def _split_rooms(dtype: np.dtype[Any], classes: int) -> tuple[Array, ...]:
    return (aligned((classes,), dtype),)


def _long_rooms(dtype: np.dtype[Any], classes: int) -> tuple[Array, ...]:
    from xent._kernels.cpu.long import FIELDS
    from xent._kernels.cpu.wide import SPARE

    return aligned((classes + SPARE,), dtype), aligned((TILE,), dtype), aligned((FIELDS, -(-classes // TILE)), FLOAT64)
