"""How a call is timed, inside the process that makes it."""

import gc
import time
from collections.abc import Callable
from typing import Any

_TRIES = 5
"""Calls from which the duration of one is guessed, as far as they fit into `_TRYING` seconds."""
_TRYING = 0.2
_MOST_CALLS = 100_000
_WARM = 0.1
"""A call shorter than this is made once before the clock starts: others ran meanwhile, and the caches are theirs."""
_SETTLED = 0.1
"""Of a pause, the part of one CPU that a process may take and still be at rest."""
_PAUSE, _LONGEST_PAUSE = 0.002, 0.2


def timed(call: Callable[[], Any], restore: Callable[[], None] | None, calls: int) -> float:
    """Seconds that `calls` calls took. With `restore` the clock stops while it runs.

    >>> 0.0 <= timed(lambda: None, None, 3) < 1.0
    True
    """
    if restore is None:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return time.perf_counter() - start
    spent = 0.0
    for _ in range(calls):
        restore()
        start = time.perf_counter()
        call()
        spent += time.perf_counter() - start
    return spent


def guess(call: Callable[[], Any], restore: Callable[[], None] | None) -> float:
    """About how many seconds a call takes: the least of a few."""
    least, began = float("inf"), time.perf_counter()
    for _ in range(_TRIES):
        least = min(least, timed(call, restore, 1))
        if time.perf_counter() - began > _TRYING:
            break
    return least


def calls_for(seconds: float, visit: float) -> int:
    """How many calls of so many seconds make up a visit.

    >>> calls_for(0.001, 0.02), calls_for(9.0, 0.02)
    (20, 1)
    """
    return max(1, min(_MOST_CALLS, round(visit / max(seconds, 1e-9))))


def visit(call: Callable[[], Any], restore: Callable[[], None] | None, calls: int, expected: float) -> float:
    """Seconds a call takes in one visit: the mean of `calls` calls one after the other, all of them counted."""
    if expected < _WARM:
        timed(call, restore, 1)
    return timed(call, restore, calls) / calls


def settle() -> None:
    """Wait until the threads of this process have gone to sleep: some spin for a while, in the next one's time."""
    end = time.monotonic() + _LONGEST_PAUSE
    while time.monotonic() < end:
        before = time.process_time()
        time.sleep(_PAUSE)
        if time.process_time() - before < _SETTLED * _PAUSE:
            return


def quiet_collector() -> None:
    """Let the garbage collector forget what is there: else it walks through all of a framework now and then."""
    gc.collect()
    gc.freeze()
