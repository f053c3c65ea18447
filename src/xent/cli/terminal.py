"""Lines for a terminal: at most 80 columns, never an unencodable character, never a control character from data."""

from __future__ import annotations

import codecs
import os
import sys
import textwrap
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDTH = 80
_ASCII = {
    "·": "-", "–": "-", "—": "-", "−": "-", "→": "->", "←": "<-", "×": "x", "÷": "/", "…": "...", "≤": "<=", "≥": ">=",
    "━": "=", "─": "-", "│": "|", "•": "*", "°": "deg", "β": "beta", "ε": "epsilon", "Σ": "sum", "“": '"', "”": '"',
    "‘": "'", "’": "'", "✓": "ok", "✗": "x", "╸": "-", "╺": "-", "²": "^2",
}  # fmt: skip


def prepare_streams() -> None:
    """Let stdout and stderr replace what their encoding lacks, by ASCII of the same meaning or an escape."""
    codecs.register_error("xent", _replace)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="xent")


def is_live(stream: TextIO) -> bool:
    """Whether lines on `stream` may be redrawn: a terminal that can, and that is not asked to be dumb."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def say(text: str, stream: TextIO | None = None) -> None:
    """Write `text` and a line end to `stream` (stdout), at once; see `visible`."""
    stream = sys.stdout if stream is None else stream
    stream.write(visible(text) + "\n")
    stream.flush()


def visible(text: str) -> str:
    r"""`text` with every control and invisible character escaped; line ends stay.

    >>> print(visible("red\x1b[31m, \u202eabc"))
    red\x1b[31m, \u202eabc
    """
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def filled(text: str, first: str = "", rest: str = "") -> str:
    """`text` in lines of at most `WIDTH` columns, the first after `first`, the others after `rest`.

    >>> filled("a b", "1 ", "2 ")
    '1 a b'
    """
    text = visible(text)
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def fitted(message: str) -> str:
    """A message of several lines, each broken where it is too long; one with a command to copy is not."""
    lines = message.replace(": pip install", ":\n  pip install").split("\n")
    return "\n".join(line if "xent " in line else filled(line.rstrip(), rest="  ") for line in lines)


def joined(parts: Iterable[str], separator: str = " · ", indent: str = "") -> str:
    """Parts side by side, broken only between parts.

    >>> joined(["a" * 50, "b" * 20, "c" * 20]).count(chr(10))
    1
    """
    lines: list[str] = []
    for part in map(visible, parts):
        if lines and len(lines[-1]) + len(separator) + len(part) <= WIDTH:
            lines[-1] += separator + part
        else:
            lines.append(indent + part)
    return "\n".join(lines)


def _replace(error: UnicodeError) -> tuple[str, int]:
    """What an encoder writes for characters it lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_ASCII.get(c, ascii(c)[1:-1] if ord(c) > 127 else "?") for c in lacking), error.end  # noqa: PLR2004  # ASCII
