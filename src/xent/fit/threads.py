"""One BLAS thread while a model trains or predicts: the last bits of a matrix product depend on their number."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from xent.core.errors import missing

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Run the block with one BLAS thread, so that its results are the same on any number of cores.

    Measured with OpenBLAS on 2 cores: (700, 1000) @ (1000, 64) has other last bits with 1 thread than with 2; for
    the small models of this package one thread is also as fast. (The loss has its own threads, which change no bit.)
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> Any:  # noqa: ANN401  # threadpoolctl has no types
    """What can set the number of threads of the BLAS libraries in this process; looks for them once."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        raise missing("threadpoolctl", "cli") from None
    return ThreadpoolController()
