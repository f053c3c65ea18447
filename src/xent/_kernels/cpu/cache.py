"""Numba's disk cache in a folder of our own: per user, mode 0700, owner-checked; never stale, never an error.

Numba's own cache looks at the kernel's file only, so it would go stale when `core` is edited; NUMBA_BOUNDSCHECK is
not in its key; and two processes that save at once can cross index and data. Here the folder's name is a digest of
every source that kernels are made of, of the versions and of the NUMBA_* environment; the loaded signature is compared
with the one asked for; and whatever is damaged is compiled again. A folder that cannot be trusted is not used.
"""

import hashlib
import os
import platform
import stat
import sys
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

SOURCES = Path(__file__).resolve().parents[2]  # the package


def enable(dispatcher: Any) -> None:  # Numba is untyped
    """Give a Numba dispatcher this cache, if there is a folder for it."""
    if folder() is not None:
        dispatcher._cache = _Cache(dispatcher.py_func)  # noqa: SLF001  # where Numba keeps it; there is no public way


@cache
def folder() -> str | None:
    """The private folder, made if need be: $XENT_CACHE_DIR, else xent in the user's cache. None: do not cache."""
    home = os.environ.get("XENT_CACHE_DIR")
    try:
        if home is None:
            home = os.path.join(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "xent")  # noqa: PTH118
        Path(home).mkdir(mode=0o700, parents=True, exist_ok=True)
        found = os.lstat(home)  # not stat: a link may lead anywhere
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return None
    if hasattr(os, "geteuid") and (found.st_uid != os.geteuid() or found.st_mode & 0o077):
        return None
    if not stat.S_ISDIR(found.st_mode) or not os.access(home, os.W_OK | os.X_OK):
        return None
    return os.path.abspath(home)  # noqa: PTH100  # resolve() would follow links


@cache
def stamp() -> str:
    """Digest of all that compiled code depends on, beyond what Numba's own key holds (signature and CPU)."""
    versions = [sys.version, platform.machine(), numba.__version__, llvmlite.__version__]
    flags = sorted(f"{name}={text}" for name, text in os.environ.items() if name.startswith("NUMBA_"))
    digest = hashlib.sha256("\0".join([*versions, *flags]).encode())
    for part in ("core", "_kernels"):
        for source in sorted((SOURCES / part).rglob("*.py")):
            digest.update(f"{source.relative_to(SOURCES)}\0".encode() + source.read_bytes())
    return digest.hexdigest()[:20]


class _Locator(_CacheLocator):
    """Tells Numba where to keep a kernel."""

    def __init__(self, py_func: Any, py_file: str) -> None:  # noqa: ARG002  # Numba's interface
        self._name = f"{py_func.__module__}.{py_func.__qualname__}"

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:  # Numba's interface
        return cls(py_func, py_file)

    def get_cache_path(self) -> str:
        return os.path.join(str(folder()), stamp())  # noqa: PTH118  # Numba wants text

    def get_source_stamp(self) -> str:
        return stamp()

    def get_disambiguator(self) -> str:
        return self._name


class _Impl(CompileResultCacheImpl):
    """Numba's cache of compiled functions, with our folder."""

    _locator_classes = [_Locator]  # noqa: RUF012  # Numba's interface


class _Cache(FunctionCache):
    """Numba's cache of one function, for which damage is no error."""

    _impl_class = _Impl

    def load_overload(self, sig: Any, target_context: Any) -> Any:  # Numba's interface
        """The compiled function; None where there is none, or a damaged one, or another signature's."""
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # noqa: BLE001  # damaged, half-written, another version: compile instead
            return None
        # Numba numbers the files 1, 2, …: of two processes that save at once, one may have named the other's file.
        return found if found is not None and tuple(found.signature.args) == tuple(sig) else None

    def save_overload(self, sig: Any, data: Any) -> None:  # Numba's interface
        """Keep the compiled function, if that can be done."""
        try:
            super().save_overload(sig, data)
        except OSError:  # full, read-only, gone
            return
        except Exception:  # noqa: BLE001  # the index, which is read first, is damaged
            self._remove()

    def _remove(self) -> None:
        try:
            self.flush()
        except OSError:
            return
