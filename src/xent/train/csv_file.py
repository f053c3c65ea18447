"""A .csv file as a table of text: its header, its delimiter, and rows that all have as many cells as the header."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from xent.core.errors import DataError
from xent.fit.cells import polars
from xent.fit.files import first_line

if TYPE_CHECKING:
    import polars as pl

DELIMITERS = ",;\t|"


def read_csv(content: bytes, name: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The cells as text, "" and no cell as null, and remarks.

    UTF-8, with or without byte order mark; the delimiter is the one of , ; tab | that the header has most of. Where it
    is a semicolon, a column of numbers with a decimal comma is understood. Blank lines are left out. DataError with
    the line for a row that is longer or shorter than the header, for two columns of one name, for a header of numbers.
    """
    pl = polars()
    content = content.removeprefix(b"\xef\xbb\xbf")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{name} is UTF-16: save it as UTF-8.")
    if b"\x00" in content:
        raise DataError(f"{name} is no text: it holds zero bytes.")
    try:
        head = content.lstrip(b"\r\n \t")[:1_000_000].split(b"\n", 1)[0].decode()
    except UnicodeDecodeError:
        raise _not_utf8(content, name) from None
    delimiter = max(DELIMITERS, key=head.count)
    header = _header(content, name, delimiter)
    try:
        frame = pl.read_csv(io.BytesIO(content), separator=delimiter, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        _check_rows(content, name, delimiter, len(header))
        raise DataError(f"{name} is no .csv file that can be read: {first_line(error)}.") from None
    if len(frame.columns) != len(header):
        raise DataError(f"{name} is damaged: its header has {len(header)} cells, its rows {len(frame.columns)}.")
    frame.columns = header
    if frame[header[-1]].null_count():  # only then can a row be too short
        _check_rows(content, name, delimiter, len(header))
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    if frame.height == 0:
        raise DataError(f"{name} has a header and no rows.")
    return _decimal_commas(frame) if delimiter == ";" else (frame, ())


def _header(content: bytes, name: str, delimiter: str) -> list[str]:
    """The names of the columns, checked."""
    try:
        lines = csv.reader(
            io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline=""), delimiter=delimiter, strict=True
        )
        cells = next((line for line in lines if any(cell.strip() for cell in line)), [])
    except UnicodeDecodeError:
        raise _not_utf8(content, name) from None
    except csv.Error as error:
        raise DataError(f"{name} is damaged in its header: {error}.") from None
    names = [cell.strip() or f"column_{i + 1}" for i, cell in enumerate(cells)]
    if not names:
        raise DataError(f"{name} is empty: it has no header.")
    if 2 * sum(map(_is_number, names)) > len(names):
        shown = delimiter.join(names)[:60]
        raise DataError(
            f"{name} starts with numbers where the names of the columns are expected: {shown}\n"
            "  Put a line with names first."
        )
    twice = sorted({cell for cell in names if names.count(cell) > 1})
    if twice:
        raise DataError(f"{name} has more than one column called {twice[0]}: give each its own name.")
    return names


def _check_rows(content: bytes, name: str, delimiter: str, width: int) -> None:
    """DataError with the line of the first row that has not `width` cells; slow, so only where something is wrong."""
    reader = csv.reader(io.StringIO(content.decode("utf-8", "replace"), newline=""), delimiter=delimiter, strict=True)
    try:
        content.decode()
        for line in reader:
            if line and len(line) != width:
                raise DataError(f"{name}: line {reader.line_num} has {len(line)} cells, the header has {width}.")
    except UnicodeDecodeError:
        raise _not_utf8(content, name) from None
    except csv.Error as error:
        raise DataError(f"{name}: line {reader.line_num} is damaged: {error}.") from None


def _decimal_commas(frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Columns in which every cell is a number with a comma get points instead."""
    pl = polars()
    comma = [
        column.name
        for column in frame
        if column.null_count() < len(column)
        and column.str.contains(r"^\s*[-+]?\d+(,\d+)?\s*$").all()
        and column.str.contains(",").any()
    ]
    if not comma:
        return frame, ()
    frame = frame.with_columns(pl.col(comma).str.replace(",", "."))
    return frame, (f"decimal commas are read as points in {', '.join(comma)}",)


def _not_utf8(content: bytes, name: str) -> DataError:
    """Where the bytes stop being UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return DataError(
            f"{name}: line {line} is not UTF-8 (byte 0x{content[error.start]:02x}): save the file as UTF-8."
        )
    return DataError(f"{name} is not UTF-8: save the file as UTF-8.")


def _is_number(text: str) -> bool:
    """Whether `text` is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
