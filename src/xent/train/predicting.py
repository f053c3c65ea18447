"""Rows of a file through a trained model: the prediction of each, and a line for whatever training did not see."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xent.core.errors import DataError
from xent.fit.cells import as_words, try_numbers
from xent.fit.columns import rows
from xent.fit.tokens import paragraphs_of
from xent.train.source import TABLES, checked_file, read_table

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from xent.fit.trained import Trained


@dataclass(frozen=True)
class Prediction:
    """What a model says about the rows of a file."""

    classes: tuple[str | int | float | bool, ...]
    predicted: NDArray[Any]  # (N,) classes
    probabilities: NDArray[np.float64]  # (N, classes)
    notes: tuple[str, ...]  # a line each
    accuracy: float | None  # where the file says the classes too

    def to_csv(self, *, proba: bool) -> str:
        """A line a row: its number from 1, its class, and that one's probability, or with `proba` all classes'.

        Probabilities have all their digits: reading them gives the same bits.
        """
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row", "predicted", *(self.classes if proba else ["probability"])])
        for i, (name, p) in enumerate(zip(self.predicted.tolist(), self.probabilities, strict=True)):
            writer.writerow([i + 1, name, *map(repr, p.tolist() if proba else [float(p.max())])])
        return file.getvalue()

    def to_dict(self, *, proba: bool) -> dict[str, Any]:
        """The same for JSON."""
        shown = (
            {"probabilities": self.probabilities.tolist()}
            if proba
            else {"probability": self.probabilities.max(axis=1).tolist()}
        )
        return {
            "classes": list(self.classes),
            "predicted": self.predicted.tolist(),
            **shown,
            "accuracy": self.accuracy,
            "notes": list(self.notes),
        }


def predict_file(trained: Trained, source: str) -> Prediction:
    """Predictions for a .csv, .parquet or .npz file or a built-in set; for a model of text, a .txt file of paragraphs.

    DataError if the file cannot be used, OptionError for another kind of file.
    """
    if trained.preparation.columns is None:
        return _continue(trained, Path(source))
    table = read_table(source)
    columns, target = trained.preparation.columns, trained.preparation.target
    columns.transform(table.frame[:1], table.title)  # a missing column is found before anything else
    has_target = target in table.frame.columns
    notes = [*table.notes, *columns.remarks(table.frame.drop(target) if has_target else table.frame)]
    probabilities = trained.predict_proba(table.frame)
    predicted = trained.classes[probabilities.argmax(axis=1)]
    accuracy = _accuracy(table.frame[target], predicted) if has_target else None
    if accuracy is not None:
        notes.append(f"{target} is in the file: accuracy {accuracy:.3f} in {rows(table.frame.height)}")
    return Prediction(trained.preparation.classes, predicted, probabilities, tuple(notes), accuracy)


def _continue(trained: Trained, path: Path) -> Prediction:
    """The most probable token after each paragraph."""
    if str(path) in TABLES:
        raise DataError(f"{path} is a table: this model continues text. Give a .txt file.")
    checked_file(path, (".txt",))
    try:
        paragraphs = paragraphs_of(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    if not paragraphs:
        raise DataError(f"{path} has no text.")
    probabilities = trained.predict_proba(paragraphs)
    predicted = trained.classes[probabilities.argmax(axis=1)]
    return Prediction(trained.preparation.classes, predicted, probabilities, (), None)


def _accuracy(column: pl.Series, predicted: NDArray[Any]) -> float:
    """Share of the rows whose class in the file is the predicted one."""
    if predicted.dtype.kind in "if":
        numbers = try_numbers(column, "number")
        if numbers is not None:
            return float((numbers == predicted).mean())
    return float((as_words(column) == predicted.astype(str)).mean())
