"""Which column is the class, which columns are features and of what kind; a line for everything unusual."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xent.core.errors import DataError, OptionError
from xent.fit.cells import as_numbers, as_words, polars, try_numbers
from xent.fit.columns import MOST_VALUES, grouped, rows

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from xent.train.source import Table

    Ints = NDArray[np.int64]

Class = str | int | float | bool
_LIKELY = (
    "class",
    "target",
    "label",
    "species",
    "category",
    "y",
    "outcome",
    "diagnosis",
    "survived",
    "type",
    "quality",
)
_IDENTIFIER = re.compile(r"(^|[_ ])(id|index|uuid|guid|key)$|^unnamed|^row", re.IGNORECASE)
_MOST_NUMBERS = 100  # different numbers beyond which a class column is doubted
_ALMOST_ALL = 0.9  # share of numbers from which the other cells of a column are taken for mistakes


@dataclass(frozen=True)
class Labels:
    """The class column, read."""

    codes: Ints  # (N,) place in `classes`; -1 where the cell is empty
    classes: tuple[Class, ...]
    notes: tuple[str, ...]


def target_column(table: Table, asked: str | None) -> str:
    """The name of the class column. OptionError lists the columns, and the likely one, if it is not known."""
    names = table.frame.columns
    if asked is not None:
        if asked not in names:
            raise OptionError(f"{table.title} has no column {asked}.\n{_listed(table)}")
        return asked
    if table.target is not None:
        return table.target
    raise OptionError(f"which column is the class? Say --target COLUMN.\n{_listed(table)}")


def read_labels(table: Table, target: str) -> Labels:
    """The classes of all rows. DataError if there are not two, or if they are quantities or identifiers."""
    column = table.frame[target]
    numbers = _class_numbers(column)
    if numbers is None:
        words = as_words(column)
        empty = words == ""
        values, codes = np.unique(words[~empty].astype(str), return_inverse=True)
        classes: tuple[Class, ...] = tuple(map(str, values))
    else:
        empty = np.isnan(numbers)
        values, codes = np.unique(numbers[~empty], return_inverse=True)
        whole = bool((values == np.floor(values)).all())
        classes = tuple(int(v) if whole else float(v) for v in values)
    place = np.full(len(column), -1, dtype=np.int64)
    place[~empty] = codes
    _check_classes(table, target, classes, place, numeric=numbers is not None)
    notes = []
    if empty.any():
        notes.append(f"{target} is empty in {rows(int(empty.sum()))}: left out")
    if numbers is not None and len(classes) > _MOST_NUMBERS:
        notes.append(f"{target} has {len(classes)} different whole numbers: each is taken as a class")
    return Labels(place, classes, tuple(notes))


def known_labels(table: Table, target: str, classes: tuple[Class, ...]) -> Ints:
    """The classes of the rows of another table, as places in `classes`. DataError for an empty or unknown one."""
    if target not in table.frame.columns:
        raise DataError(f"{table.title} has no column {target}: the class of its rows is needed.")
    column = table.frame[target]
    numbers = _class_numbers(column) if not isinstance(classes[0], str) else None
    cells: list[Class] = list(as_words(column)) if numbers is None else numbers.tolist()
    places = {value: i for i, value in enumerate(classes)}
    for row, cell in enumerate(cells):
        if cell not in places:
            came = "an empty cell" if cell in ("", None) or cell != cell else repr(column[row])  # noqa: PLR0124  # NaN
            raise DataError(
                f"{table.title}: row {row + 1} has {came} in {target}, which is no class of the training rows."
            )
    return np.array([places[cell] for cell in cells], dtype=np.int64)


def feature_kinds(table: Table, target: str, train: Ints) -> tuple[dict[str, str], list[str]]:
    """Per used column "number", "date" or "category"; and a line for every column that is left out, or odd.

    table   all rows: a cell that is no number is found wherever it is.
    train   (N,) the training rows: a column that is empty or constant in them says nothing.

    DataError if nothing is left, or if a few cells of a column of numbers are no numbers.
    """
    kinds: dict[str, str] = {}
    notes: list[str] = []
    constant = []
    for column in table.frame:
        if column.name == target:
            continue
        kind, note = _kind(column, table.title)
        if kind is not None and table.picture is None:
            words = as_words(column[train]) if kind == "category" else try_numbers(column[train], kind)
            unusual = _says_nothing(words)
            if unusual == "empty":
                kind, note = None, f"left out: {column.name} is empty in every training row"
            elif unusual == "constant":
                constant.append(column.name)
                kind, note = None, ""
        if kind is not None:
            kinds[column.name] = kind
        if note:
            notes.append(note)
    if constant:
        some = ", ".join(constant[:4]) + (f" and {len(constant) - 4} more" if len(constant) > 4 else "")  # noqa: PLR2004  # as many as fit a line
        verb = "is" if len(constant) == 1 else "are each"
        notes.append(f"left out: {some} {verb} the same in every training row")
    if not kinds:
        why = "".join(f"\n  {note}" for note in notes)
        raise DataError(f"{table.title} has no column to learn from beside {target}.{why}")
    return kinds, notes


def _kind(column: pl.Series, title: str) -> tuple[str | None, str]:
    """Kind of a column, None to leave it out, and a remark or ""."""
    pl = polars()
    name, dtype = column.name, column.dtype
    kind, note = None, ""
    if column.null_count() == len(column):
        note = f"left out: {name} is empty in every row"
    elif dtype.is_nested() or dtype in (pl.Binary, pl.Object, pl.Time):
        note = f"left out: {name} holds {str(dtype).split('(')[0].lower()} values, which are not used"
    elif try_numbers(column, "number") is not None:
        if _numbers_rows(name, as_numbers(column, "number", title)):
            note = f"left out: {name} has another whole number in every row: it identifies rows"
        else:
            kind = "number"
    elif try_numbers(column, "date") is not None:
        kind, note = "date", f"{name} is a date: taken as a number of days"
    else:
        words = as_words(column)
        _check_mistakes(column, words, title)
        kind, note = _kind_of_words(name, words[words != ""])
    return kind, note


def _kind_of_words(name: str, filled: NDArray[Any]) -> tuple[str | None, str]:
    """Kind of a column of words without its empty cells, None to leave it out, and a remark or ""."""
    different = len(set(filled))
    if different <= MOST_VALUES:
        return "category", ""
    if 2 * different > len(filled):
        return (
            None,
            f"left out: {name} has {grouped(different)} different values in {rows(len(filled))}: it identifies rows",
        )
    return (
        "category",
        f"{name} has {grouped(different)} different values: the {MOST_VALUES} commonest get a column each",
    )


def _check_mistakes(column: pl.Series, words: NDArray[Any], title: str) -> None:
    """DataError if nearly all cells of a text column are numbers: the others are then mistakes."""
    pl = polars()
    if column.dtype != pl.String:
        return
    parsed = pl.Series(words.tolist()).cast(pl.Float64, strict=False)
    filled = words != ""
    bad = filled & parsed.is_null().to_numpy()
    if (~bad[filled]).mean() >= _ALMOST_ALL:
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"{title}: column {column.name}: row {row + 1} holds {words[row]!r}, "
            f"and {int(filled.sum() - bad.sum())} of {int(filled.sum())} cells are numbers.\n"
            "  Correct the cell, or leave it empty."
        )


def _numbers_rows(name: str, numbers: NDArray[np.float64]) -> bool:
    """Whether a column of numbers identifies rows: whole, all different, and consecutive or called an id."""
    if len(numbers) < 3 or np.isnan(numbers).any() or (numbers != np.floor(numbers)).any():  # noqa: PLR2004  # too few to say
        return False
    if len(np.unique(numbers)) < len(numbers):
        return False
    return bool(numbers.max() - numbers.min() == len(numbers) - 1) or _IDENTIFIER.search(name) is not None


def _says_nothing(cells: NDArray[Any] | None) -> str:
    """Whether all cells are "empty" or the same ("constant"); "" otherwise."""
    if cells is None or cells.dtype == object:
        values = set() if cells is None else set(cells)
        return "empty" if values <= {""} else "constant" if len(values) == 1 else ""
    filled = cells[~np.isnan(cells)]
    if not len(filled):
        return "empty"
    return "constant" if len(filled) == len(cells) and (filled == filled[0]).all() else ""


def _class_numbers(column: pl.Series) -> NDArray[np.float64] | None:
    """The cells of a class column as numbers, NaN where empty; None if they are words."""
    if column.dtype == polars().Boolean:
        return None
    return try_numbers(column, "number")


def _check_classes(table: Table, target: str, classes: tuple[Class, ...], codes: Ints, *, numeric: bool) -> None:
    """DataError for a class column that nothing can be learned from."""
    counted = int((codes >= 0).sum())
    if len(classes) < 2:  # noqa: PLR2004  # one is no choice
        value = f"one value only, {classes[0]!r} in {rows(counted)}" if classes else "no value in any row"
        raise DataError(f"{table.title}: {target} has {value}: there is nothing to tell apart.")
    whole = not isinstance(classes[0], float)
    if numeric and len(classes) > _MOST_NUMBERS and (not whole or counted < 5 * len(classes)):
        raise DataError(
            f"{table.title}: {target} has {grouped(len(classes))} different numbers in {rows(counted)}: "
            "that is a quantity, no class.\n"
            "  Cut it into ranges first, and give their names as a column."
        )
    if 2 * len(classes) > counted and len(classes) > 10:  # noqa: PLR2004  # fewer may be a tiny example
        raise DataError(
            f"{table.title}: {target} has {grouped(len(classes))} different values in {rows(counted)}: "
            "it identifies rows, it is no class."
        )


def _listed(table: Table) -> str:
    """The columns, and which one is likely the class."""
    names = table.frame.columns
    shown = "  ".join(names[:30]) + (f"  … and {len(names) - 30} more" if len(names) > 30 else "")  # noqa: PLR2004  # as many as fit a few lines
    likely = _likely(table.frame)
    guess = f"\n  Likely: {likely}." if likely else ""
    return f"  {table.title} has {len(names)} columns:  {shown}{guess}"


def _likely(frame: pl.DataFrame) -> str:
    """The column that is likely the class, in words; "" if none is."""
    best = ("", 0.0)
    for place, column in enumerate(frame):
        words = as_words(column)
        different = len(set(words) - {""})
        if different == 1 or not 0 < different <= min(_MOST_NUMBERS, frame.height // 2):
            continue
        numeric = try_numbers(column, "number") is not None
        points = 4.0 * (column.name.lower() in _LIKELY) + 2.0 * (not numeric) + place / len(frame.columns)
        if points > best[1]:
            kind = "numbers" if numeric else "text"
            best = (f"{column.name} ({kind}, {different} different values in {rows(frame.height)})", points)
    return best[0]
