"""Data from a built-in set or a file, as one table: .csv, .parquet, .npz. Sizes are checked before a file is read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xent.core.errors import DataError, missing
from xent.fit.cells import polars
from xent.fit.files import first_line
from xent.train.csv_file import read_csv
from xent.train.npz_file import read_npz

if TYPE_CHECKING:
    import polars as pl

TABLES = ("digits", "iris", "wine", "breast_cancer")
TEXT = "text"
SUFFIXES = (".csv", ".parquet", ".npz")
MOST_BYTES = 2**31  # of a file; a table takes several times that much memory


@dataclass(frozen=True)
class Table:
    """A table and what is known about it."""

    title: str  # "digits", "flowers.csv"
    source: str  # as it was given
    frame: pl.DataFrame  # all columns; those of a .csv hold text
    fingerprint: str  # SHA-256 of what was read
    target: str | None = None  # the class column, where the source itself says it
    picture: tuple[int, int] | None = None  # the features are grey levels of a picture of so many rows and columns
    test_from: int | None = None  # rows from here on are the source's own test rows
    notes: tuple[str, ...] = ()


def read_table(source: str) -> Table:
    """The table of a built-in name or a file. DataError says why it cannot be used."""
    if source in TABLES:
        return _builtin(source)
    path = Path(source)
    checked_file(path, SUFFIXES, (*TABLES, TEXT))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    digest = hashlib.sha256(content).hexdigest()
    if path.suffix.lower() == ".csv":
        frame, notes = read_csv(content, path.name)
        return Table(path.name, source, frame, digest, notes=notes)
    if path.suffix.lower() == ".npz":
        arrays = read_npz(content, path.name, MOST_BYTES)
        return Table(path.name, source, arrays.frame, digest, arrays.target, arrays.picture, arrays.test_from)
    return Table(path.name, source, _parquet(content, path.name), digest)


def checked_file(path: Path, suffixes: tuple[str, ...], names: tuple[str, ...] = ()) -> None:
    """DataError unless `path` is a readable file with one of these suffixes and not too large."""
    if not path.exists():
        known = f" It is no built-in set either: {', '.join(names)}." if names and not path.suffix else ""
        raise DataError(f"there is no file {path}.{known}")
    if not path.is_file():
        raise DataError(f"{path} is no file: give one that ends in {', '.join(suffixes)}.")
    if path.suffix.lower() not in suffixes:
        raise DataError(
            f"{path} ends in {path.suffix or 'nothing'}: it must be a file that ends in {', '.join(suffixes)}."
        )
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise DataError(f"{path} has {size:,} bytes: at most {MOST_BYTES:,} are read. Give a part of it.")
    if size == 0:
        raise DataError(f"{path} is empty: 0 bytes.")


def _builtin(name: str) -> Table:
    """One of scikit-learn's small real sets."""
    pl = polars()
    try:
        from sklearn import datasets
    except ImportError:
        raise missing("scikit-learn", "cli") from None
    data = getattr(datasets, f"load_{name}")()
    digest = hashlib.sha256(data.data.tobytes() + data.target.tobytes()).hexdigest()
    words = data.target if name == "digits" else np.asarray(data.target_names)[data.target].tolist()
    frame = pl.DataFrame(data.data, schema=list(data.feature_names)).with_columns(pl.Series("class", words))
    return Table(name, name, frame, digest, "class", (8, 8) if name == "digits" else None)


def _parquet(content: bytes, name: str) -> pl.DataFrame:
    """A .parquet file; the size that its own header gives is checked first."""
    import io

    module = polars()
    try:
        schema = module.read_parquet_schema(io.BytesIO(content))
        rows = module.scan_parquet(io.BytesIO(content)).select(module.len()).collect().item()
        if rows * len(schema) * 8 > MOST_BYTES:
            raise DataError(f"{name} has {rows:,} rows of {len(schema):,} columns: too large. Give a part of it.")
        frame: pl.DataFrame = module.read_parquet(io.BytesIO(content))
    except (module.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{name} is no .parquet file that can be read: {first_line(error)}.") from None
    return frame
