"""Rows over threads of our own: the caller works too, helpers wait on a queue; a forked child starts afresh.

Not concurrent.futures: its executor hangs in a forked child and raises at exit. Not Numba's: it aborts the process when
two Python threads call, or kills a forked child. Waking a helper takes 55-80 microseconds (2 cores, Linux 6).
"""

import os
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

Job = Callable[..., Any]

_pool: "_Pool | None" = None
_guard = threading.Lock()


def available() -> int:
    """How many threads may run: the smallest of CPU affinity, cgroup quota, XENT_NUM_THREADS and OMP_NUM_THREADS.

    >>> available() >= 1
    True
    """
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    quota = cgroup_quota()
    if quota is not None:
        limits.append(quota)
    for name in ("XENT_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(name, "").split(",")[0].strip()  # OMP_NUM_THREADS may list nested levels: "4,2"
        if text.isdecimal() and int(text) > 0:
            limits.append(int(text))
    return min(limits)


def cgroup_quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int | None:
    """CPUs that the process's cgroup and those above it (v2 or v1) allow, rounded up; None: no limit, or no cgroup.

    >>> cgroup_quota(Path("/nowhere")) is None
    True
    """
    return min((quota for quota in map(_quota, _cgroups(root, own)) if quota is not None), default=None)


def _cgroups(root: Path, own: Path) -> list[Path]:
    """The folders of the process's cgroups, and of all above them."""
    found = [root, root / "cpu"]
    try:
        lines = own.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = ["", "", "", *line.split(":", 2)][-3:]
        parts = path.strip("/").split("/")
        if not controllers or "cpu" in controllers.split(","):
            top = root / "cpu" if controllers else root
            found += [top.joinpath(*parts[: k + 1]) for k in range(len(parts))]
    return found


def _quota(folder: Path) -> int | None:
    """What a cgroup by itself allows."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        except OSError:
            return None
    try:
        return max(1, -(-int(quota) // int(period))) if int(quota) > 0 else None
    except (ValueError, ZeroDivisionError):  # "max"
        return None


def run(job: Job, pieces: Sequence[tuple[Any, ...]]) -> None:
    """job(*piece) for every piece, each on its own thread, the first on this one; the last error is raised.

    On fewer threads where the system gives no more, or where the interpreter is about to end.
    """
    jobs = None if len(pieces) <= 1 or sys.is_finalizing() else _workers(len(pieces) - 1)
    if jobs is None:
        for piece in pieces:
            job(*piece)
        return
    done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    for piece in pieces[1:]:
        jobs.put((job, piece, done))
    error: BaseException | None = None
    try:
        job(*pieces[0])
    except BaseException as raised:  # noqa: BLE001  # raised again below
        error = raised
    waiting = len(pieces) - 1
    while waiting:  # never return while a helper still writes, not even on Ctrl-C
        try:
            error = done.get() or error
            waiting -= 1
        except KeyboardInterrupt as interrupted:
            error = interrupted
    if error is not None:
        raise error


class _Pool:
    """Helper threads and the queue they wait on."""

    def __init__(self) -> None:
        self.jobs: queue.SimpleQueue[tuple[Job, tuple[Any, ...], queue.SimpleQueue[Any]]] = queue.SimpleQueue()
        self.size = 0

    def grow(self, size: int) -> None:
        """Have at least `size` helpers, or as many as can be had."""
        with suppress(RuntimeError):  # a limit of the system; or the interpreter is about to end
            while self.size < size:
                threading.Thread(target=self._work, daemon=True, name=f"xent-{self.size}").start()
                self.size += 1

    def _work(self) -> None:
        while True:
            job, piece, done = self.jobs.get()
            error = None
            try:
                job(*piece)
            except BaseException as raised:  # noqa: BLE001  # handed to the caller
                error = raised
            done.put(error)
            del job, piece, done, error  # do not keep the caller's arrays alive


def _workers(count: int) -> queue.SimpleQueue[Any] | None:
    """The queue of at least `count` helpers, or of as many as can be had; None: there is none at all."""
    global _pool  # noqa: PLW0603  # one pool a process
    with _guard:
        if _pool is None:
            _pool = _Pool()
        _pool.grow(count)
        return _pool.jobs if _pool.size else None


def _forget() -> None:
    """A forked child has none of its parent's threads, and one of them may have held the lock."""
    global _pool, _guard  # one pool a process
    _pool, _guard = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
