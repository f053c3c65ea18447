"""Arrays between two pages that nobody may touch: a read or write past either end kills the process.

Numba's own bounds checks see an index in Python's text. They do not see slices, nor the loads and stores of `lanes`.
"""

import ctypes
import functools
import mmap
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.safety.children import replace

PAGE = mmap.PAGESIZE
LINE = 64  # bytes
NOTHING = 0xA5  # what stands where no array is
PROT_NONE = 0


class Fence:
    """Room between two forbidden pages; grows."""

    def __init__(self) -> None:
        self.room = np.empty(0, np.uint8)

    def at_least(self, size: int) -> np.ndarray:
        """Room of so many bytes, or more."""
        if self.room.size < size:
            inside = -(-size // PAGE) * PAGE
            whole = mmap.mmap(-1, inside + 2 * PAGE)
            first = ctypes.addressof(ctypes.c_char.from_buffer(whole))
            for page in (first, first + PAGE + inside):
                forbid(page, PAGE)
            self.room = np.frombuffer(whole, np.uint8, inside, PAGE)
        return self.room


def forbid(address: int, size: int) -> None:
    """Nobody may touch these bytes any more."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), PROT_NONE):
        raise OSError(ctypes.get_errno(), "mprotect")


class Fenced:
    """A compiled kernel that is given copies of its arrays, each up against a fence; what it wrote is copied back.

    Arrays that share memory do so in their copies. An array that is only read has to stay as it is.
    """

    lock = threading.Lock()  # the fences are everybody's
    fences: dict[int, Fence] = {}  # noqa: RUF012
    rng = np.random.default_rng(0)
    seen: dict[str, set[int]] = {}  # noqa: RUF012 -- of each kernel: where its first array began, modulo 64
    calls: dict[str, int] = {}  # noqa: RUF012
    on = True

    def __init__(self, kernel: Callable[..., Any], name: str, arguments: tuple[str, ...]) -> None:
        self.kernel, self.name, self.arguments = kernel, name, arguments

    def __call__(self, *given: Any) -> Any:
        """Run it."""
        if not Fenced.on:
            return self.kernel(*given)
        with Fenced.lock:
            Fenced.calls[self.name] = Fenced.calls.get(self.name, 0) + 1
            return self._run(given)

    def _run(self, given: tuple[Any, ...]) -> Any:
        pieces = together([(start(a), start(a) + a.nbytes) for a in given if fences(a)])
        written = [
            (start(a), start(a) + a.nbytes)
            for a, kind in zip(given, self.arguments, strict=True)
            if fences(a) and kind.endswith("written")
        ]
        rooms = []
        for k, (lo, hi) in enumerate(pieces):
            grain = max(a.itemsize for a in given if fences(a) and lo <= start(a) < hi)
            room = Fenced.fences.setdefault(k, Fence()).at_least(hi - lo + LINE)
            place = self._place(room.size, hi - lo, grain)
            inside = room[place : place + hi - lo]
            inside[:] = seen_at(lo, hi)
            around = [room[max(0, place - LINE) : place], room[place + hi - lo : place + hi - lo + LINE]]
            for part in around:
                part[:] = NOTHING
            rooms.append((lo, hi, inside, around))
        moved = [self._moved(a, rooms) if fences(a) else a for a in given]
        if rooms:
            Fenced.seen.setdefault(f"{self.name} {given[0].dtype}", set()).add(start(moved[0]) % LINE)
        found = self.kernel(*moved)
        for lo, hi, inside, around in rooms:
            for part in around:
                assert (part == NOTHING).all(), f"{self.name} wrote beside an array"
            original = seen_at(lo, hi)
            mine = np.zeros(hi - lo, bool)
            for first, last in written:
                mine[max(0, first - lo) : max(0, last - lo)] |= lo <= first < hi
            assert (inside[~mine] == original[~mine]).all(), f"{self.name} wrote to what it may only read"
            if mine.any():
                original[mine] = inside[mine]
        return found

    @staticmethod
    def _place(room: int, size: int, grain: int) -> int:
        """Up to the fence behind; from the fence before on; or some bytes after it."""
        how = Fenced.rng.integers(8)
        if how < 5:
            return room - size
        return 0 if how == 5 else int(Fenced.rng.integers(LINE // grain)) * grain

    @staticmethod
    def _moved(a: np.ndarray, rooms: list[tuple[int, int, np.ndarray, Any]]) -> np.ndarray:
        """The copy of an array."""
        for lo, hi, inside, _ in rooms:
            if lo <= start(a) < hi:
                first = start(a) - lo
                return inside[first : first + a.nbytes].view(a.dtype).reshape(a.shape)
        raise AssertionError("an array without a place")


def fences(a: Any) -> bool:
    """Whether this argument is memory."""
    return isinstance(a, np.ndarray) and a.size > 0


def start(a: np.ndarray) -> int:
    """Its address."""
    return int(a.__array_interface__["data"][0])


def seen_at(lo: int, hi: int) -> np.ndarray:
    """The bytes at these addresses."""
    return np.ctypeslib.as_array((ctypes.c_uint8 * (hi - lo)).from_address(lo))


def together(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges that overlap made one."""
    found: list[tuple[int, int]] = []
    for lo, hi in sorted(ranges):
        if found and lo < found[-1][1]:
            found[-1] = (found[-1][0], max(hi, found[-1][1]))
        else:
            found.append((lo, hi))
    return found


def fence_kernels() -> None:
    """Have every kernel compiled from now on run on fenced arrays."""
    from xent._kernels.cpu import jit

    real = jit.compiled

    @functools.cache
    def compiled(kernel: Callable[..., Any], *arguments: str) -> Fenced:
        name = f"{kernel.__module__.rsplit('.', 1)[-1]}.{kernel.__name__}"
        return Fenced(real(kernel, *arguments), name, arguments)

    replace(real, compiled)
