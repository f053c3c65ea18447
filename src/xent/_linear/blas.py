"""target += a @ b by the BLAS that NumPy itself has loaded: `np.matmul` can only overwrite.

It is called where its symbols leave no doubt about the width of its integers (as in NumPy's wheels for Linux), and
after it has computed a small product right. Elsewhere parts are multiplied and then added: 0.44 s instead of 0.34 s for
103 rows, D = 2048, V = 128000 (2 cores of an AMD EPYC).
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Gemm = Callable[..., None]
NAMES = ("scipy_cblas_{}gemm64_", "cblas_{}gemm64_")  # "64_": integers of 64 bits
LETTERS = {"float32": "s", "float64": "d"}
BY_ROWS, AS_IT_IS, TRANSPOSED = 101, 111, 112  # CBLAS's own numbers


def add(target: Array, a: Array, b: Array) -> bool:
    """target += a @ b; False where that cannot be done here, and nothing is written.

    target  (n, m) float32 or float64, rows contiguous. Written. a (n, k), b (k, m): the same dtype, by rows or columns.

    >>> c = np.ones((2, 2))
    >>> add(c, np.eye(2), np.array([[1.0, 2.0], [3.0, 4.0]])) in (True, False)
    True
    """
    function = gemm(target.dtype.name)
    if function is None or 0 in (*a.shape, b.shape[1]):
        return False
    left, right, into = layout(a), layout(b), layout(target)
    if left is None or right is None or into is None or into[0] != AS_IT_IS:
        return False
    call(function, target, (a, *left), (b, *right), into[1])
    return True


def call(function: Gemm, target: Array, a: tuple[Array, int, int], b: tuple[Array, int, int], step: int) -> None:
    """Hand matrices, each with its `layout`, to BLAS; `step` is the target's."""
    (n, m), k = target.shape, a[0].shape[1]
    function(
        BY_ROWS, a[1], b[1], n, m, k, 1.0, a[0].ctypes.data, a[2], b[0].ctypes.data, b[2], 1.0, target.ctypes.data, step
    )


def layout(matrix: Array) -> tuple[int, int] | None:
    """AS_IT_IS or TRANSPOSED, and the distance of its rows (columns) in elements; None: neither rows nor columns.

    >>> layout(np.zeros((3, 5))), layout(np.zeros((3, 5)).T), layout(np.zeros((3, 5))[:, ::2])
    ((111, 5), (112, 5), None)
    """
    (rows, columns), (down, across), item = matrix.shape, matrix.strides, matrix.itemsize
    if not matrix.flags.aligned or not matrix.dtype.isnative:
        return None
    if across == item and down % item == 0 and down >= columns * item:
        return AS_IT_IS, down // item
    if down == item and across % item == 0 and across >= rows * item:
        return TRANSPOSED, across // item
    return None


@cache
def gemm(dtype: str) -> Gemm | None:
    """The function for float32 or float64; None where there is none that is known to be right."""
    core: Any = getattr(np, "_core", None)  # NumPy 1 has it under another name: nothing is found
    extension = getattr(getattr(core, "_multiarray_umath", None), "__file__", None)
    if dtype not in LETTERS or extension is None or ctypes.sizeof(ctypes.c_void_p) != 8:  # noqa: PLR2004  # bytes
        return None
    try:
        library = ctypes.CDLL(extension)  # loaded already: this finds it, and what it is linked to
    except OSError:
        return None
    number = ctypes.c_float if dtype == "float32" else ctypes.c_double
    for name in NAMES:
        function = getattr(library, name.format(LETTERS[dtype]), None)
        if function is not None:
            whole, place = ctypes.c_int64, ctypes.c_void_p
            function.restype = None
            function.argtypes = [ctypes.c_int] * 3 + [whole] * 3
            function.argtypes += [number, place, whole, place, whole, number, place, whole]
            return function if right(function, dtype) else None
    return None


def right(function: Gemm, dtype: str) -> bool:
    """Whether it adds a small product of whole numbers exactly, in every layout, and writes nowhere else."""
    a, b = np.arange(12, dtype=dtype).reshape(3, 4), np.arange(20, dtype=dtype).reshape(4, 5)
    for left in (a, a.copy(order="F")):
        for factor in (b, b.copy(order="F")):
            memory = np.full((5, 7), 9, dtype)
            expected = memory.copy()
            expected[1:4, 1:6] += a @ b
            target = memory[1:4, 1:6]
            places = [layout(left), layout(factor), layout(target)]
            if None in places:
                return False
            call(function, target, (left, *places[0]), (factor, *places[1]), places[2][1])  # type: ignore[misc,index]  # not None
            if not np.array_equal(memory, expected):
                return False
    return True
