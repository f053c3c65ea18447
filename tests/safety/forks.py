"""What child processes do with forks, threads and their end.

    python -m tests.safety.forks NAME [mutant]      says what it found as JSON

A mutant leaves out what is done after a fork.
"""

import atexit
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

if "mutant" in sys.argv:
    os.register_at_fork = lambda **_: None  # type: ignore[assignment]

import numpy as np

import xent
from xent._kernels.cpu import launch, threads

PATIENCE = 60  # seconds; a forked child that hangs is ended
SHAPE = (16000, 50)


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Logits and targets, large enough for six threads."""
    rng = np.random.default_rng(7)
    return rng.standard_normal(SHAPE).astype(np.float32), rng.integers(0, SHAPE[1], SHAPE[0])


def answer(count: int | None = 4) -> str:
    """The bits of loss and gradient, by so many threads."""
    logits, targets = batch()
    loss, grad = xent.value_and_grad(logits, targets, threads=count)
    return loss.tobytes().hex() + f"{hash(grad.tobytes()):x}"


def answer_of(_: Any) -> str:
    """For process pools."""
    return answer()


def forked(work: Callable[[], str]) -> str:
    """What `work` gives in a forked child; how the child ended, if it gives nothing."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE if "mutant" not in sys.argv else 2)  # a hang kills the child
        try:
            os.write(write, work().encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return said or f"the child ended with {os.waitstatus_to_exitcode(status)}"


def fork() -> dict[str, Any]:
    """A child of a process whose helpers wait, its own child, and the parent afterwards."""
    before = answer()
    return {"before": before, "child": forked(answer), "grandchild": forked(lambda: forked(answer)), "after": answer()}


def fork_amid_work() -> dict[str, Any]:
    """Children of a process whose other threads are in the middle of calls."""
    before, stop, wrong = answer(), threading.Event(), []

    def work() -> None:
        while not stop.is_set():
            if answer() != before:
                wrong.append(True)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    children = [forked(answer) for _ in range(8)]
    stop.set()
    for worker in workers:
        worker.join()
    return {"before": before, "children": sorted(set(children)), "wrong": len(wrong), "after": answer()}


def fork_amid_compiling() -> dict[str, Any]:
    """A child of a process of which another thread compiles; the child needs a kernel of its own."""
    from xent._kernels.cpu import fast

    before, compiling = answer(), threading.Event()
    logits, targets = batch()
    wanted = launch.exact_sum  # its kernel is there already

    def compile_another() -> None:
        compiling.set()
        fast._compiled("long", "float32")

    def another() -> str:
        return str(float(xent.cross_entropy(logits[:3].astype(np.float64), targets[:3], threads=1)))

    worker = threading.Thread(target=compile_another)
    worker.start()
    compiling.wait()
    while not _compiler_is_busy() and worker.is_alive():
        time.sleep(0.001)
    child = forked(another)
    worker.join()
    return {"before": before, "child": child, "wanted": another(), "same": wanted is launch.exact_sum}


def _compiler_is_busy() -> bool:
    """Whether another thread holds Numba's lock."""
    from numba.core.compiler_lock import global_compiler_lock

    if global_compiler_lock._lock.acquire(blocking=False):
        global_compiler_lock._lock.release()
        return False
    return True


def pools() -> dict[str, Any]:
    """Process pools of every kind."""
    found = {"before": answer()}
    for kind in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(kind).Pool(2) as pool:
            found[kind] = sorted(set(pool.map(answer_of, range(4), 1)))
    return found | {"after": answer()}


def narrowed() -> dict[str, Any]:
    """How many threads work where one CPU is allowed; then in a forked child that allows itself one."""
    everything = os.sched_getaffinity(0)
    one = {min(everything)}

    def alone() -> str:
        os.sched_setaffinity(0, one)
        return str(used())

    found = {"all": used(), "child": forked(alone), "cpus": len(everything)}
    os.sched_setaffinity(0, one)
    launch.available.cache_clear()
    return found | {"one": used(), "asked": used(3), "plan": str(xent.plan(*batch()))}


def used(count: int | None = None) -> int:
    """How many threads a large batch is done by."""
    names: set[str] = set()
    real = threads.run

    def watched(job: Any, pieces: Any) -> None:
        def noted(*piece: Any) -> None:
            names.add(threading.current_thread().name)
            gate.wait(20)  # so that nobody does two pieces
            job(*piece)

        gate = threading.Barrier(len(pieces))
        real(noted, pieces)

    threads.run = watched
    try:
        answer(count)
    finally:
        threads.run = real
    return len(names)


def threads_used() -> dict[str, Any]:
    """The same without any doing of ours."""
    return {"used": used(), "asked": used(3)}


def end() -> dict[str, Any]:
    """The end of the program while helpers wait."""
    return {"bits": answer(), "threads": sum(t.name.startswith("xent-") for t in threading.enumerate())}


def end_amid_work() -> dict[str, Any]:
    """The end of the program while a daemon is in the middle of calls."""
    started = threading.Event()

    def work() -> None:
        while True:
            answer()
            started.set()

    threading.Thread(target=work, daemon=True).start()
    started.wait()
    return {"bits": answer()}


def end_at_exit() -> dict[str, Any]:
    """The first large call of all from a function that runs at exit."""
    atexit.register(lambda: print(json.dumps({"at exit": answer()})))  # noqa: T201 -- to the test
    return {"bits": "later"}


class Late:
    """Computes when the interpreter is being taken down: by threads alone, since imports no longer work."""

    def __del__(self) -> None:
        done: list[int] = []
        threads.run(done.append, [(k,) for k in range(4)])
        print(json.dumps({"finalizing": sys.is_finalizing(), "done": done}), flush=True)  # noqa: T201


def end_in_a_finalizer() -> dict[str, Any]:
    """Pieces for helpers that no longer run."""
    globals()["_late"] = Late()
    return {"bits": answer()}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]]()), flush=True)  # noqa: T201 -- to the test
