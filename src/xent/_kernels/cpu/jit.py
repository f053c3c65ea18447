"""Compile a kernel for one set of argument types, through the disk cache; or run its text where Numba cannot.

Numba is imported at the first call, not before: `import xent` costs NumPy and nothing else.
"""

import os
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

import numpy as np

from xent.core import errors

INTERPRETED_LIMIT = 2**22  # elements; some 5 microseconds each in plain Python

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)

_inner: list[Function] = []


def inner(function: F) -> F:
    """Mark a function that kernels call: it is compiled into each of them, and stays plain Python otherwise."""
    _inner.append(function)
    if numba_or_none.cache_info().currsize and numba_or_none() is not None:  # bound before this module was imported
        numba_or_none().extending.register_jitable(function)
    return function


def by_type(first_holds: Function, first: Function, second: Function) -> Function:
    """`first` where that holds for the types of its arguments, else `second`: the other one is not even compiled."""

    def choose(*arguments: Any) -> Any:  # as the function
        return (first if first_holds(*arguments) else second)(*arguments)

    numba = numba_or_none()
    if numba is not None:

        @numba.extending.overload(choose)
        def chosen(*arguments):  # type: ignore[no-untyped-def]  # as Numba asks: the names and nothing else
            function = first if first_holds(*arguments) else second
            return lambda *arguments: function(*arguments)  # noqa: PLW0108  # Numba asks for a Python function

    return choose


def array(dtype: str, ndim: int, *, written: bool = False) -> str:
    """The type of a C-contiguous array argument; one that is only read may be read-only.

    >>> array("float32", 2)
    'float32[2] read'
    """
    return f"{dtype}[{ndim}] {'written' if written else 'read'}"


@cache
def compiled(kernel: Function, *arguments: str) -> Function:
    """`kernel` for these argument types (`array(…)`, or the name of a scalar type), compiled once."""
    numba = numba_or_none()
    if numba is None:
        return _interpreted(kernel)
    from xent._kernels.cpu import cache as disk  # it needs Numba

    dispatcher = numba.njit(nogil=True, error_model="numpy")(kernel)  # no fastmath: it assumes there is no NaN, no inf
    disk.enable(dispatcher)
    dispatcher.compile(tuple(_numba_type(numba, argument) for argument in arguments))
    dispatcher.disable_compile()
    return dispatcher  # type: ignore[no-any-return]  # numba is untyped


@cache
def numba_or_none() -> Any:  # the module, untyped
    """Numba, told of every inner function; None where it is missing or switched off."""
    try:
        import numba  # not before the first call
        from numba.extending import register_jitable
    except ImportError:
        errors.warn(errors.interpreted())
        return None
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]  # Numba reads it from the environment
        return None
    for function in _inner:
        register_jitable(function)
    _compile_before_forks()
    return numba


def _compile_before_forks() -> None:
    """A fork waits until no other thread compiles: the child would wait for that thread, which it has not, for ever."""
    from numba.core.compiler_lock import global_compiler_lock as lock

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)


def _numba_type(numba: Any, argument: str) -> Any:
    """Numba's type of one argument."""
    if "[" not in argument:
        return getattr(numba.types, argument)
    dtype, ndim = argument.split("]", maxsplit=1)[0].split("[")
    return numba.types.Array(getattr(numba.types, dtype), int(ndim), "C", readonly=argument.endswith("read"))


def _interpreted(kernel: Function) -> Function:
    """The kernel's text itself; NumPy's scalars would warn where the machine's arithmetic is silent."""

    @wraps(kernel)
    def run(*arguments: Any) -> Any:  # as the kernel
        size = max((a.size for a in arguments if isinstance(a, np.ndarray)), default=0)
        if size > INTERPRETED_LIMIT:
            raise errors.too_large_to_interpret(size, INTERPRETED_LIMIT)
        with np.errstate(all="ignore"):
            return kernel(*arguments)

    return run
