"""The memory that a call takes at its peak beyond what was there before, as the kernel counts it. Linux only."""

import ctypes
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_PROCESS = Path("/proc/self")


def peak_extra(call: Callable[[], Any]) -> int | None:
    """Bytes by which a call raises the resident memory of this process at most; None where that cannot be asked.

    Inputs, a given output and what earlier calls have kept are there before and do not count; a new array that is
    returned does. Freed memory that the allocator holds is given back first, else a call would use it unseen.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # glibc's
    try:
        (_PROCESS / "clear_refs").write_text("5")  # sets the peak to what is resident now
        before = _kilobytes("VmRSS")
        result = call()
        after = _kilobytes("VmHWM")
        del result
    except (OSError, ValueError):
        return None
    return max(0, after - before) * 1024


def _kilobytes(name: str) -> int:
    for line in (_PROCESS / "status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ValueError(name)
