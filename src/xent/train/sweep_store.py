"""The folder of a sweep: its options, and one file for each point of the grid that is done.

A file is written under a temporary name and then put in its place, so a sweep killed at any moment goes on with what
was missing, to the same result as if nothing had happened.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xent.core.errors import DataError
from xent.fit.files import read_json, write_json
from xent.train.descent import Cell, Trace
from xent.train.sweep_options import SweepOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

OPTIONS, CELLS, RESULT, TABLE, REPORT = "options.json", "cells", "sweep.json", "sweep.csv", "report.html"


def new_folder(title: str) -> Path:
    """The next free one of runs/TITLE-sweep-1, runs/TITLE-sweep-2 and so on; not made yet."""
    return next(
        folder for n in itertools.count(1) if not (folder := Path("runs") / f"{Path(title).stem}-sweep-{n}").exists()
    )


def make(folder: Path, options: SweepOptions, fingerprint: str, started: str) -> None:
    """Make the folder. DataError if it is there and not empty, or cannot be made."""
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DataError(f"{folder} is there already: give another --out, or go on with --resume {folder}.")
        (folder / CELLS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{folder} cannot be made: {error.strerror}. Give a folder that can be written: --out DIR."
        ) from None
    about = {"settings": options.settings(), "fingerprint": fingerprint, "started": started}
    write_json(folder / OPTIONS, about)


def about(folder: Path) -> tuple[SweepOptions, str, str]:
    """Options, fingerprint and start of a sweep. DataError if the folder is none of a sweep, or damaged."""
    if not (folder / OPTIONS).is_file():
        raise DataError(f"{folder} is no folder of a sweep: it has no {OPTIONS}.")
    found = read_json(folder / OPTIONS)
    try:
        return SweepOptions.from_settings(found["settings"]), str(found["fingerprint"]), str(found["started"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{folder / OPTIONS} is damaged: {error}") from None


def keep(folder: Path, cell: Cell, trace: Trace) -> None:
    """Write a point of the grid."""
    write_json(_path(folder, cell), {**cell._asdict(), **trace._asdict()})


def kept(folder: Path, cell: Cell, checks: int, seeds: int) -> Trace | None:
    """The point of the grid, if it is there. DataError if it is damaged."""
    path = _path(folder, cell)
    if not path.is_file():
        return None
    values = read_json(path)
    try:
        trace = Trace(tuple(map(_numbers, values["losses"])), _numbers(values["accuracies"]))
        whole = len(trace.losses) == len(trace.accuracies) == seeds and {checks} == set(map(len, trace.losses))
    except (KeyError, TypeError, ValueError):
        whole = False
    if not whole or any(values.get(name) != value for name, value in cell._asdict().items()):
        raise DataError(f"{path} is damaged: delete it, and it is computed again.")
    return trace


def tidy(folder: Path) -> None:
    """Remove what a kill left half-written."""
    for left in (*folder.glob(".*.part"), *(folder / CELLS).glob(".*.part")):
        left.unlink(missing_ok=True)


def _numbers(values: Sequence[Any]) -> tuple[float | None, ...]:
    """Numbers and None. TypeError, ValueError for anything else."""
    return tuple(None if value is None else float(value) for value in values)


def _path(folder: Path, cell: Cell) -> Path:
    """The file of a point of the grid."""
    return folder / CELLS / f"{cell.reduction}-{cell.batch_size}-{cell.lr!r}.json"
