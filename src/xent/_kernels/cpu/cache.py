"""Numba's disk cache in a folder of our own: per user, mode 0700, owner-checked; never stale, never an error.

Numba's own cache looks at the kernel's file only, so it would go stale when `core` is edited; NUMBA_BOUNDSCHECK is
not in its key; two processes that save at once can cross index and data; and it runs machine code of which a bit has
flipped. Here the folder's name is a digest of every source that kernels are made of, of the versions and of the NUMBA_*
environment; there is no index: a file's name is a digest of signature and CPU, and the file begins with a digest of all
of it. Whatever is damaged is compiled again. A folder that cannot be trusted is not used.
"""

import hashlib
import os
import pickle
import platform
import stat
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, _CacheLocator

SOURCES = Path(__file__).resolve().parents[2]  # the package
DIGEST = 32  # bytes


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
    options = sorted(  # they may come from a file or from the program, too
        f"{name}={value!r}"
        for name, value in vars(numba.config).items()
        if name.isupper() and isinstance(value, int | float | str | None) and "THREADS" not in name
    )
    digest = hashlib.sha256("\0".join([*versions, *flags, *options]).encode())
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

    def ensure_cache_path(self) -> None:
        Path(str(folder())).mkdir(mode=0o700, exist_ok=True)  # it may have been removed since
        super().ensure_cache_path()

    def get_source_stamp(self) -> str:
        return stamp()

    def get_disambiguator(self) -> str:
        return self._name


class _Impl(CompileResultCacheImpl):
    """Numba's cache of compiled functions, with our folder."""

    _locator_classes = [_Locator]  # noqa: RUF012  # Numba's interface


class _Files(IndexDataCacheFile):
    """A file for each set of argument types and CPU, found by its name and believed by its digest."""

    def load(self, key: Any) -> Any:  # Numba's interface
        """What was saved under this key; None: nothing. ValueError: it is damaged."""
        try:
            found = Path(self._path(key)).read_bytes()
        except FileNotFoundError:
            return None
        data = found[DIGEST:]
        if found[:DIGEST] != _digest(key, data):
            raise ValueError("damaged")
        return pickle.loads(data)  # noqa: S301  # what we wrote ourselves, where nobody else may write

    def save(self, key: Any, data: Any) -> None:  # Numba's interface
        """Write a file under another name, then put it in its place."""
        data = self._dump(data)
        with self._open_for_write(self._path(key)) as file:
            file.write(_digest(key, data) + data)

    def _path(self, key: Any) -> str:  # Numba wants text
        return os.path.join(self._cache_path, f"{self._index_name}.{_digest(key, b'').hex()[:32]}")  # noqa: PTH118


def _digest(key: Any, data: bytes) -> bytes:
    """Of a signature, what it was compiled for, and the compiled code."""
    return hashlib.sha256(repr(key).encode() + b"\0" + data).digest()


class _Cache(FunctionCache):
    """Numba's cache of one function, for which damage is no error."""

    _impl_class = _Impl

    def __init__(self, py_func: Any) -> None:
        super().__init__(py_func)
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, stamp())

    def load_overload(self, sig: Any, target_context: Any) -> Any:  # Numba's interface
        """The compiled function; None where there is none, or a damaged one, or another signature's."""
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # noqa: BLE001  # damaged, another version, not to be read: compile instead
            return None
        return found if found is not None and tuple(found.signature.args) == tuple(sig) else None

    def save_overload(self, sig: Any, data: Any) -> None:  # Numba's interface
        """Keep the compiled function, if that can be done."""
        with suppress(OSError):  # full, read-only, gone
            super().save_overload(sig, data)
