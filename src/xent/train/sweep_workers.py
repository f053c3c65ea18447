"""Many calls at once: joblib's processes on this machine, or the workers of a Dask cluster."""

from __future__ import annotations

import contextlib
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from xent.core.errors import OptionError, XentError, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BACKENDS = ("loky", "dask")
WAIT = 10  # seconds for a scheduler to answer

T = TypeVar("T")


@dataclass(frozen=True)
class Workers:
    """Who computes; it changes no result.

    jobs        processes at once; None: as many as there are cores, or as the cluster has
    backend     "loky" for processes of this machine, "dask" for a Dask cluster
    scheduler   address of the Dask scheduler; None starts a cluster on this machine
    """

    jobs: int | None = None
    backend: str = "loky"
    scheduler: str | None = None

    def __post_init__(self) -> None:
        """OptionError for a value that is not allowed."""
        if self.jobs is not None and self.jobs < 1:
            raise OptionError(f"--jobs is {self.jobs}: it must be a whole number above 0.")
        if self.backend not in BACKENDS:
            raise OptionError(f"--backend is {self.backend}: it must be {' | '.join(BACKENDS)}.")
        if self.scheduler is not None and self.backend != "dask":
            raise OptionError("--scheduler goes with --backend dask only.")

    @contextlib.contextmanager
    def ready(self) -> Iterator[Callable[[Callable[..., T], Sequence[tuple[Any, ...]]], Iterator[T]]]:
        """A function that calls another with each of many arguments, and yields the results in any order.

        XentError where the scheduler does not answer, MissingError where joblib or distributed is not installed.
        """
        try:
            import joblib
        except ImportError:
            raise missing("joblib", "cli") from None
        from xent.train.session import cores

        with contextlib.ExitStack() as stack:
            jobs = self.jobs or cores()
            if self.backend == "dask":
                client = stack.enter_context(_cluster(self.scheduler, jobs))
                stack.enter_context(joblib.parallel_config(backend="dask", client=client))
                jobs = self.jobs or -1

            def call(function: Callable[..., T], arguments: Sequence[tuple[Any, ...]]) -> Iterator[T]:
                # max_nbytes: no arrays in files that a kill would leave behind
                at_once = joblib.Parallel(
                    n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs", max_nbytes=None
                )
                with _deaf_to_interrupts():
                    results = at_once(joblib.delayed(function)(*each) for each in arguments)
                with contextlib.closing(results):
                    yield from results

            yield call


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes started in this block never hear Ctrl-C, which a terminal sends to all of them; this one does.

    Else each would write a traceback. They end with this process all the same. A new process ignores what its
    parent ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _cluster(scheduler: str | None, jobs: int) -> Iterator[Any]:
    """A client of the cluster at `scheduler`, or of one on this machine that ends with the block."""
    try:
        import distributed
    except ImportError:
        raise missing("distributed", "dask") from None
    with contextlib.ExitStack() as stack:
        if scheduler is None:
            # one thread each: a worker's threads would share the setting that keeps BLAS at one thread
            with _deaf_to_interrupts():
                local = distributed.LocalCluster(
                    n_workers=jobs, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs="ERROR"
                )
            scheduler = stack.enter_context(local)
        try:
            client = distributed.Client(scheduler, timeout=WAIT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise XentError(f"the Dask scheduler at {scheduler} does not answer: {error}.") from None
        yield stack.enter_context(client)
