"""Compile a kernel for one set of argument types, through the disk cache; or run its text where Numba cannot."""

import warnings
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

import numpy as np

from xent._kernels.cpu import cache as disk
from xent.core import errors

try:
    import numba
    from numba import types
    from numba.extending import register_jitable
except ImportError:
    INTERPRETED = True
    warnings.warn(errors.interpreted(), stacklevel=2)
else:
    INTERPRETED = bool(numba.config.DISABLE_JIT)

INTERPRETED_LIMIT = 2**22  # elements; some 5 microseconds each in plain Python

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)


def inner(function: F) -> F:
    """A function that kernels call: compiled into each of them, plain Python otherwise."""
    return function if INTERPRETED else register_jitable(function)  # type: ignore[no-any-return]  # numba is untyped


def array(dtype: str, ndim: int, *, written: bool = False) -> str:
    """The type of a C-contiguous array argument; one that is only read may be read-only.

    >>> array("float32", 2)
    'float32[2] read'
    """
    return f"{dtype}[{ndim}] {'written' if written else 'read'}"


@cache
def compiled(kernel: Function, *arguments: str) -> Function:
    """`kernel` for these argument types (`array(…)`, or the name of a scalar type), compiled once."""
    if INTERPRETED:
        return _interpreted(kernel)
    dispatcher = numba.njit(nogil=True, error_model="numpy")(kernel)  # no fastmath: it assumes there is no NaN, no inf
    disk.enable(dispatcher)
    dispatcher.compile(tuple(map(_numba_type, arguments)))
    dispatcher.disable_compile()
    return dispatcher  # type: ignore[no-any-return]  # numba is untyped


def _numba_type(argument: str) -> Any:  # noqa: ANN401  # Numba's types are untyped
    """Numba's type of one argument."""
    if "[" not in argument:
        return getattr(types, argument)
    dtype, ndim = argument.split("]")[0].split("[")
    return types.Array(getattr(types, dtype), int(ndim), "C", readonly=argument.endswith("read"))


def _interpreted(kernel: Function) -> Function:
    """The kernel's text itself; NumPy's scalars would warn where the machine's arithmetic is silent."""

    @wraps(kernel)
    def run(*arguments: Any) -> Any:  # noqa: ANN401  # as the kernel
        size = max((a.size for a in arguments if isinstance(a, np.ndarray)), default=0)
        if size > INTERPRETED_LIMIT:
            raise errors.too_large_to_interpret(size, INTERPRETED_LIMIT)
        with np.errstate(all="ignore"):
            return kernel(*arguments)

    return run
