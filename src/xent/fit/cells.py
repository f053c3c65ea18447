"""Cells of a table as numbers or words: one reading for training and prediction, which says where it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xent.core.errors import DataError, missing

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LARGEST = 1e150  # a number whose square is finite: it can be standardised
EMPTY = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "None", "?")  # in a column of numbers or dates


def as_numbers(column: pl.Series, kind: str, where: str) -> Floats:
    """The cells as float64 (N,), NaN where empty; dates as days since 1970-01-01.

    In text a cell counts as empty if it is one of `EMPTY`. DataError with row and cell for one that is no number,
    or beyond `LARGEST`.

    >>> import polars as pl
    >>> as_numbers(pl.Series("a", [" 1.5", "NA", "-2e3"]), "number", "")
    array([ 1.5e+00,      nan, -2.0e+03])
    >>> as_numbers(pl.Series("a", ["1970-01-03", "1970-01-03T12:00"]), "date", "")
    array([2. , 2.5])
    """
    values = try_numbers(column, kind)
    if values is None:
        row = next(i for i in range(len(column)) if try_numbers(column[i : i + 1], kind) is None)
        raise DataError(f"{_place(column.name, where)}: row {row + 1} holds {column[row]!r}, which is no {kind}.")
    outside = np.flatnonzero(np.abs(values) > LARGEST)
    if len(outside):
        row = int(outside[0])
        raise DataError(
            f"{_place(column.name, where)}: row {row + 1} holds {column[row]!r}: "
            f"a number must be finite, and within ±{LARGEST:g}."
        )
    return values


def try_numbers(column: pl.Series, kind: str) -> Floats | None:
    """As `as_numbers`, but None where a cell is neither empty nor of that kind; may hold infinities."""
    pl = polars()
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        column = column.str.strip_chars()
        column = column.set(column.is_in(list(EMPTY)), None)
        parsed = _parse_days(column) if kind == "date" else column.cast(pl.Float64, strict=False)
    elif kind == "date" and column.dtype in (pl.Date, pl.Datetime, pl.Duration):
        parsed = _days(column)
    elif kind == "number" and (column.dtype.is_numeric() or column.dtype == pl.Null):
        parsed = column.cast(pl.Float64)
    else:
        return None
    if parsed.null_count() > column.null_count():
        return None
    values: Floats = parsed.fill_null(np.nan).to_numpy().astype(np.float64)
    return values


def as_words(column: pl.Series) -> NDArray[Any]:
    """The cells as an object array (N,) of stripped strings, "" where empty.

    >>> import polars as pl
    >>> as_words(pl.Series("a", ["x ", None, "y"])).tolist(), as_words(pl.Series("b", [1, 20])).tolist()
    (['x', '', 'y'], ['1', '20'])
    """
    pl = polars()
    words: NDArray[Any] = column.cast(pl.String).str.strip_chars().fill_null("").to_numpy().astype(object)
    return words


def cells_in_words(value: str) -> str:
    """A cell for people: an empty one has a name."""
    return value or "(empty)"


def polars() -> Any:  # noqa: ANN401  # the module
    """The module polars. MissingError says what to install."""
    try:
        import polars as pl
    except ImportError:
        raise missing("polars", "cli") from None
    return pl


def _parse_days(column: pl.Series) -> pl.Series:
    """Days since 1970-01-01 of ISO dates and times in text; null where a cell is neither."""
    pl = polars()
    out = _days(column.str.to_date("%Y-%m-%d", strict=False))
    for form in ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"):
        if out.null_count() == column.null_count():
            break
        later = column.str.to_datetime(form, time_unit="us", strict=False, exact=True)
        out = out.zip_with(out.is_not_null(), _days(later))
    return out.cast(pl.Float64)


def _days(column: pl.Series) -> pl.Series:
    """Dates, times and durations as days."""
    pl = polars()
    unit = pl.Duration("us") if column.dtype == pl.Duration else pl.Datetime("us")
    if getattr(column.dtype, "time_zone", None) is not None:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return column.cast(unit).to_physical().cast(pl.Float64) / 86_400e6


def _place(name: str, where: str) -> str:
    """Which column of which file."""
    return f"{where}: column {name}" if where else f"column {name}"
