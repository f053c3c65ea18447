"""A table made ready: classes, split, columns, and the words about them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xent.core.errors import DataError
from xent.fit.columns import Columns, grouped, rows
from xent.fit.examples import Rows
from xent.fit.model import Architecture
from xent.fit.trained import Preparation
from xent.train.choose import feature_kinds, known_labels, read_labels, target_column
from xent.train.prepared import Prepared
from xent.train.source import read_table
from xent.train.split import TEST, Split, stratified

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from xent.train.choose import Labels
    from xent.train.options import Options
    from xent.train.source import Table

    Ints = NDArray[np.int64]

MOST_INPUTS = 2**28  # numbers in the model's inputs of all rows: 2 GiB


def prepare_table(options: Options) -> Prepared:
    """Read, split and code the table that `options` names. DataError, OptionError say what is wrong with it."""
    table = read_table(options.data)
    target = target_column(table, options.target)
    labels = read_labels(table, target)
    late = read_table(options.test) if options.test else None
    split, words = _split(table, labels, late, options.seed)
    kinds, notes = feature_kinds(table, target, split.train)
    columns = Columns.learn(table.frame[split.train], kinds, one_scale=table.picture is not None)
    if table.frame.height * len(columns.names) > MOST_INPUTS:
        raise DataError(
            f"{table.title}: {rows(table.frame.height)} of {grouped(len(columns.names))} inputs are too many: "
            f"at most {grouped(MOST_INPUTS)} numbers."
        )
    tested, test_codes, test_rows = table, labels.codes[split.test], split.test
    if late is not None:
        tested, test_codes = late, known_labels(late, target, labels.classes)
        test_rows = np.arange(late.frame.height)
    parts = [
        Rows(columns.transform(table.frame[p], table.title), labels.codes[p]) for p in (split.train, split.validation)
    ]
    test = Rows(columns.transform(tested.frame[test_rows], tested.title), test_codes)
    late_notes = [f"{late.title}: {line}" for line in columns.remarks(late.frame.drop(target))] if late else []
    counts = np.bincount(labels.codes[split.train], minlength=len(labels.classes))
    digest = hashlib.sha256(f"{table.fingerprint} {late.fingerprint if late else ''} {target}".encode())
    digest.update(b"".join(part.astype("<i8").tobytes() for part in split))
    hidden = options.hidden if options.hidden is not None else ()
    return Prepared(
        title=table.title,
        kind="table",
        task=_task(table, columns, len(labels.classes)),
        split=words,
        notes=(
            *table.notes,
            *labels.notes,
            *_rare(labels, counts),
            *notes,
            *_gaps(table.frame, split, columns),
            *late_notes,
        ),
        train=parts[0],
        validation=parts[1],
        test=test,
        preparation=Preparation(columns, None, 0, labels.classes, target),
        architecture=Architecture(len(columns.names), hidden, len(labels.classes)),
        features=len(columns.features),
        counts=counts,
        fingerprint=digest.hexdigest(),
        describe=_Describe(tested.frame, test_rows, columns, table.picture),
    )


def _split(table: Table, labels: Labels, late: Table | None, seed: int) -> tuple[Split, str]:
    """Which rows do what, and that in words."""
    used = np.flatnonzero(labels.codes >= 0)
    if table.test_from is not None and late is None:
        own = used[used >= table.test_from]
        used = used[used < table.test_from]
        if not len(own):
            raise DataError(f"{table.title} has no test row with a class.")
        words = f"stratified, seed {seed}; test rows are the file's own"
    else:
        own = None
        words = f"stratified, seed {seed}" + (f"; test rows from {late.title}" if late else "")
    part = stratified(labels.codes[used], seed, test=TEST if own is None and late is None else 0.0)
    return Split(used[part.train], used[part.validation], used[part.test] if own is None else own), words


def _task(table: Table, columns: Columns, classes: int) -> str:
    """The first line."""
    numbers, words = len(columns.numbers), len(columns.categories)
    kinds = f" ({numbers} number{'s' * (numbers != 1)}, {words} of words)" if numbers and words else ""
    features = f"{len(columns.features)} feature{'s' * (len(columns.features) != 1)}"
    return f"{table.title}: {rows(table.frame.height)}, {features}{kinds}, {classes} classes"


def _rare(labels: Labels, counts: Ints) -> list[str]:
    """A line for classes with one row."""
    all_counts = np.bincount(labels.codes[labels.codes >= 0], minlength=len(counts))
    alone = [str(labels.classes[i]) for i in np.flatnonzero(all_counts == 1)]
    if not alone:
        return []
    if len(alone) == 1:
        return [f'class "{alone[0]}" has 1 row: it stays in training; 2 or more are needed to test it']
    some = ", ".join(f'"{name}"' for name in alone[:3]) + (" …" if len(alone) > 3 else "")  # noqa: PLR2004  # as many as fit a line
    return [f"{len(alone)} classes have 1 row each ({some}): they stay in training; 2 or more are needed to test one"]


def _gaps(frame: pl.DataFrame, split: Split, columns: Columns) -> list[str]:
    """A line for every column of numbers with empty cells."""
    from xent.fit.cells import as_numbers

    used = np.concatenate(split)
    lines = []
    for number in columns.numbers:
        empty = int(np.isnan(as_numbers(frame[number.name][used], number.kind, "")).sum())
        if empty:
            says = ", and a column that says so" if number.indicator else ""
            lines.append(f"{number.name} is empty in {rows(empty)}: median {number.fill:.6g} put there{says}")
    return lines


@dataclass(frozen=True)
class _Describe:
    """Describes test rows."""

    frame: pl.DataFrame
    test_rows: Ints
    columns: Columns
    picture: tuple[int, int] | None

    def __call__(self, row: int) -> tuple[int, str, tuple[tuple[float, ...], ...] | None]:
        """See `Prepared.describe`."""
        place = int(self.test_rows[row])
        cells = self.frame.row(place, named=True)
        if self.picture is None:
            words = ", ".join(f"{name} {_cell(cells[name])}" for name in self.columns.features[:8])
            return place + 1, words + (" …" if len(self.columns.features) > 8 else ""), None  # noqa: PLR2004  # as many as fit a line or two
        levels = np.array([cells[name] for name in self.columns.features], dtype=np.float64).reshape(self.picture)
        low, high = levels.min(), levels.max()
        grey = (levels - low) / (high - low if high > low else 1.0)
        return place + 1, "", tuple(tuple(round(float(g), 3) for g in line) for line in grey)


def _cell(value: object) -> str:
    """A cell in words."""
    return "(empty)" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
