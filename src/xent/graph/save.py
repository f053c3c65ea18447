"""Writing a drawing: under a temporary name in the same folder, then put in its place."""

import contextlib
import os
from pathlib import Path

from xent.core.errors import DataError


def save(path: Path, text: str) -> None:
    """Write `text` as UTF-8. DataError where that fails; then nothing is left behind."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise DataError(f"{path} cannot be written: {error.strerror}.") from None
