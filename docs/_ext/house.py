"""Sphinx extension: turns docstrings as this project writes them into reStructuredText.

A docstring is read in a terminal first, so its markup is `code` and *titles* only. Block by block, this is recognised:

    Args:                         a section: its name, then its indented blocks
    name     text that goes on    a definition list; also `name: text`. The text goes on indented.
             in the next line
        (formula)                 an indented block stays as it is, and so does an example
    1. item                       a list; also with `*`
    anything else                 a paragraph
"""

import re
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby, zip_longest
from typing import Any

SECTION = re.compile(r"[A-Z]\w+:")
ENTRY = re.compile(r"(?P<name>[\w.*]+(?:, [\w.*]+)*)(?:: +| {2,})(?P<text>\S.*)")
LIST = re.compile(r"(?:\d+\.|\*) ")
MARKUP = re.compile(r"(`[^`]+`|\*\w[^*`]+\w\*)")  # `code`, or *a title*


def convert(lines: Iterable[str]) -> list[str]:
    """The lines of a docstring as reStructuredText."""
    result: list[str] = []
    for blank, block in groupby(lines, key=lambda line: not line.strip()):
        if not blank:
            result += [*_block(list(block)), ""]
    return result


def _block(lines: list[str]) -> Iterator[str]:
    """One block, between blank lines."""
    if SECTION.fullmatch(lines[0]) and len(lines) > 1:
        yield from (f"**{lines[0].rstrip(':')}**", "", *convert(textwrap.dedent("\n".join(lines[1:])).split("\n")))
    elif lines[0].lstrip().startswith(">>>"):
        yield from lines
    elif all(line.startswith("    ") for line in lines):
        yield from ("::", "", *lines)
    elif LIST.match(lines[0]):
        yield from _list(lines)
    elif ENTRY.fullmatch(lines[0]) and all(line.startswith(" ") or ENTRY.fullmatch(line) for line in lines):
        yield from _definitions(lines)
    elif any(line.startswith(" ") for line in lines):
        yield from ("::", "", *(f"    {line}" for line in lines))
    else:
        yield from map(inline, lines)


def _list(lines: list[str]) -> Iterator[str]:
    """A list whose items go on indented."""
    for line in lines:
        mark = LIST.match(line)
        if mark:
            yield from ("", mark[0] + inline(line[mark.end() :]))
        else:
            yield " " * (len(line) - len(line.lstrip())) + inline(line.lstrip())


def _definitions(lines: list[str]) -> Iterator[str]:
    """Names with their texts."""
    for line in lines:
        entry = None if line.startswith(" ") else ENTRY.fullmatch(line)
        if entry:
            yield from ("", ", ".join(f"``{name}``" for name in entry["name"].split(", ")))
        yield "    " + inline(entry["text"] if entry else line.strip())


def inline(text: str) -> str:
    """A line of prose: `code` becomes code, *a title* stays one, and nothing else is markup."""
    plain, marked = MARKUP.split(text)[::2], MARKUP.split(text)[1::2]
    plain = [re.sub(r"([*|\\]|(?<=\w)_(?!\w))", r"\\\1", part) for part in plain]
    marked = [f"`{part}`" if part.startswith("`") else part for part in marked]
    return "".join(map("".join, zip_longest(plain, marked, fillvalue="")))


def setup(app: Any) -> dict[str, bool]:  # noqa: ANN401 -- Sphinx's application
    """Sphinx calls this."""
    app.connect("autodoc-process-docstring", _replace)
    return {"parallel_read_safe": True}


def _replace(*arguments: Any) -> None:  # noqa: ANN401 -- app, kind, name, object, options, lines
    """Write the converted docstring over the lines that Sphinx holds."""
    arguments[-1][:] = convert(arguments[-1])
