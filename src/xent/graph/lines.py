"""Lines of a terminal: pieces of text with a style, columns, ASCII for what cannot be shown."""

import textwrap
from collections.abc import Iterable

from xent.graph.model import Numbers

ASCII = str.maketrans(
    {
        "─": "-", "│": "|", "┐": "+", "┘": "+", "┤": "+", "├": "+", "┼": "+", "►": ">", "◄": "<", "⋮": ":", "∂": "d",
        "Σ": "sum ", "÷": "/", "·": "*", "−": "-", "…": "..", "✓": "ok", "✗": "X", "ᵀ": "^T", "²": "^2", "└": "+",
        "×": "x", "→": "->", "≥": ">=", "≤": "<=", "–": "-", "“": '"', "”": '"', "’": "'", "⁻": "-",
    }
)  # fmt: skip
STYLES = {"back": "31", "soft": "2", "good": "32", "bad": "1;31", "head": "1"}
Piece = tuple[str, str]  # text and the name of its style, "" for none
Line = list[Piece]


def written(line: Line, *, colour: bool) -> str:
    """One line; with the codes of a terminal if `colour`."""
    if not colour:
        return "".join(text for text, _ in line).rstrip()
    return "".join(f"\x1b[{STYLES[style]}m{text}\x1b[0m" if style and text.strip() else text for text, style in line)


def wrapped(text: str, width: int, first: str = "", rest: str = "  ") -> list[str]:
    """Text in lines."""
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False) or [""]


def ascii_only(text: str) -> str:
    r"""The same with ASCII characters alone; what has no likeness becomes an escape.

    >>> ascii_only("∂l ◄─ 1/2 · ✓ é")
    'dl <- 1/2 * ok \\xe9'
    """
    return text.translate(ASCII).encode("ascii", "backslashreplace").decode()


def length(line: Iterable[Piece]) -> int:
    """Columns of a line."""
    return sum(len(text) for text, _ in line)


def columns(table: list[list[str]]) -> list[int]:
    """The width of each column."""
    full = [row for row in table if row]
    return [max(map(len, column)) for column in zip(*full, strict=True)] if full else []


def laid(texts: list[str], widths: list[int], gaps: list[str]) -> str:
    """Cells in columns, with marks where some are left out between."""
    parts = [t.rjust(w) for t, w in zip(texts, widths, strict=True)]
    return "".join(part + gap for part, gap in zip(parts, [*gaps, ""], strict=True))


def fewer(places: tuple[int, ...], gradient: Numbers) -> tuple[int, ...]:
    """One place less: the one of the smallest gradient goes."""
    sizes = dict(zip(gradient.places, map(abs, gradient.rows[0]), strict=True))
    least = min(reversed(places), key=lambda j: (sizes.get(j, 0.0), -j))
    return tuple(j for j in places if j != least)
