"""Writing files so that a reader, or a kill at any moment, finds the old one or the new one, never half of one."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

from xent.core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


MOST_JSON = 2**28  # bytes


def write(path: Path, content: bytes | str) -> None:
    """Write `path` (text as UTF-8) under a temporary name in its folder, then replace. DataError where that fails."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(content.encode(errors="backslashreplace") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())  # else a crash of the machine may leave the new name on an empty file
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise DataError(f"{path} cannot be written: {error.strerror}.") from None


def write_json(path: Path, values: Any) -> None:  # noqa: ANN401  # whatever JSON holds
    """Write `values` as JSON for people and programs: indented, UTF-8, no NaN."""
    write(path, json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read(path: Path, most: int) -> bytes:
    """The bytes of a file. DataError if it is missing, cannot be read or has more than `most` bytes."""
    try:
        size = path.stat().st_size
        if size > most:
            raise DataError(f"{path} is damaged: it has {size:,} bytes, and at most {most:,} were expected.")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. DataError if the file is missing, unreadable or not a JSON object."""
    try:
        values = json.loads(read(path, MOST_JSON))
    except DataError:
        raise
    except ValueError as error:
        raise DataError(f"{path} is damaged: not JSON ({error}).") from None
    if not isinstance(values, dict):
        raise DataError(f"{path} is damaged: a JSON object was expected, not {type(values).__name__}.")
    return values


def first_line(error: Exception) -> str:
    r"""What another package's error says, on one line and without its full stop.

    >>> first_line(ValueError("bad magic.\nmore")), first_line(EOFError())
    ('bad magic', 'EOFError')
    """
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
