"""A large array in little memory: one piece of memory seen again and again, at addresses that follow each other.

Kernels take C-contiguous arrays, so a stride of zero will not do. Linux only.
"""

import ctypes
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

MAP_FIXED, MAP_NORESERVE, FAILED = 0x10, 0x4000, ctypes.c_void_p(-1).value


@contextmanager
def repeated(part: np.ndarray, rows: int) -> Iterator[np.ndarray]:
    """`rows` rows, of which row i is row i % len(part), whoever writes it. A part is a whole number of pages."""
    assert part.nbytes % mmap.PAGESIZE == 0
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

    def mapped(*given: Any) -> int:
        found = libc.mmap(*given)
        if found == FAILED:
            raise OSError(ctypes.get_errno(), "mmap")
        return int(found)

    times = -(-rows // len(part))
    file = os.memfd_create("part")
    try:
        os.ftruncate(file, part.nbytes)
        private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
        first = mapped(None, times * part.nbytes, mmap.PROT_READ, private, -1, 0)
        try:
            for k in range(times):
                both, shared = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED | MAP_FIXED
                mapped(first + k * part.nbytes, part.nbytes, both, shared, file, 0)
            size = rows * (part.nbytes // len(part))
            memory = (ctypes.c_uint8 * size).from_address(first)
            found = np.frombuffer(memory, np.uint8).view(part.dtype).reshape(rows, *part.shape[1:])
            found[: len(part)] = part
            yield found
        finally:
            libc.munmap(first, times * part.nbytes)
    finally:
        os.close(file)
