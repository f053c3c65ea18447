"""The machine a run was made on, the CPUs that the peers share, and who else used them."""

import os
import platform
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_SYSTEM = Path("/sys/devices/system/cpu")
BUSY = 0.1
"""Of the CPUs' time that others took: more than this is said."""


def describe(threads: int) -> dict[str, Any]:
    """What a reader has to know about the machine; None where the system does not say."""
    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "threads": threads,
        "caches": _caches(),
        "vectors": [name for name in ("avx512f", "avx2", "asimd", "sve") if name in _flags()],
        "memory_gib": round(total / 2**30, 1) if (total := memory()[0]) else None,
        "system": f"{platform.system()} {platform.release()}",
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "huge_pages": _chosen(Path("/sys/kernel/mm/transparent_hugepage/enabled")),
        "governor": _text(_SYSTEM / "cpu0/cpufreq/scaling_governor"),
        "virtual": "hypervisor" in _flags(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def now() -> str:
    """The time, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def memory() -> tuple[int | None, int | None]:
    """Bytes of memory there are, and that are free to be used."""
    found: dict[str, int] = {}
    for line in (_text(Path("/proc/meminfo")) or "").splitlines():
        name, _, rest = line.partition(":")
        found[name] = int(rest.split()[0]) * 1024
    return found.get("MemTotal"), found.get("MemAvailable")


def available() -> int:
    """How many threads may run: CPUs that this process is bound to, and no more than its cgroup (v2) allows.

    >>> available() >= 1
    True
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = (_text(Path("/sys/fs/cgroup/cpu.max")) or "max 1").partition(" ")
    return count if quota == "max" else max(1, min(count, -(-int(quota) // int(period))))


def choose_cpus(threads: int) -> tuple[int, ...] | None:
    """As many CPUs as threads, of different cores as far as possible; None where processes cannot be bound."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    cores = {_text(_SYSTEM / f"cpu{cpu}/topology/thread_siblings_list") or str(cpu): cpu for cpu in reversed(allowed)}
    first = sorted(cores.values())
    return tuple((first + [cpu for cpu in allowed if cpu not in first])[:threads])


def pin(process: int, cpus: tuple[int, ...] | None) -> None:
    """Bind a process to some CPUs, so that those who count CPUs find as many as everybody."""
    if cpus is not None:
        with suppress(OSError):  # it is gone already
            os.sched_setaffinity(process, cpus)


class Watch:
    """How much of the CPUs' time was taken by others, between two moments."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.busy = busy_seconds()
        self.own = time.process_time()

    def others(self, peers: float, cpus: int) -> float | None:
        """Share of the time of so many CPUs, from 0 to 1, without ours and `peers` seconds; None if nobody counts.

        The kernel counts in steps of 10 ms, so over less than half a second there is no answer.
        """
        now = busy_seconds()
        elapsed = time.monotonic() - self.began
        if now is None or self.busy is None or elapsed < 0.5:  # noqa: PLR2004  # as the docstring
            return None
        foreign = now - self.busy - peers - (time.process_time() - self.own)
        return min(1.0, max(0.0, foreign / (elapsed * cpus)))


def busy_seconds() -> float | None:
    """Seconds that all CPUs of the system were busy or taken away since it started; None where the kernel is silent."""
    line = (_text(Path("/proc/stat")) or "").partition("\n")[0].split()
    if line[:1] != ["cpu"]:
        return None
    user, nice, system, _, _, irq, softirq, steal = map(int, line[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _processor() -> str:
    for line in (_text(Path("/proc/cpuinfo")) or "").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or sys.platform


def _flags() -> set[str]:
    for line in (_text(Path("/proc/cpuinfo")) or "").splitlines():
        if line.startswith(("flags", "Features")):
            return set(line.partition(":")[2].split())
    return set()


def _caches() -> dict[str, str]:
    """Size of each level's cache for data, of the first CPU."""
    found = {}
    for folder in sorted((_SYSTEM / "cpu0/cache").glob("index*")):
        level, kind, size = (_text(folder / name) for name in ("level", "type", "size"))
        if level and size and kind != "Instruction":
            found[f"L{level}"] = size
    return found


def _chosen(path: Path) -> str | None:
    """The word in brackets."""
    return (_text(path) or "").partition("[")[2].partition("]")[0] or None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
