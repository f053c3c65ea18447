"""A trained model: rows prepared as in training, then predicted to the same bits every time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xent.core.errors import DataError, KindError, ShapeError
from xent.fit.cells import polars
from xent.fit.columns import Columns
from xent.fit.files import first_line
from xent.fit.threads import one_blas_thread
from xent.fit.tokens import Vocabulary, tokens_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import polars as pl
    from numpy.typing import ArrayLike, NDArray

    from xent.fit.model import Model

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Preparation:
    """How rows become the model's inputs, and its outputs classes."""

    columns: Columns | None  # a table's; None for text
    vocabulary: Vocabulary | None  # text's; None for a table
    context: int  # tokens before the target; 0 for a table
    classes: tuple[str | int | float | bool, ...]  # as they stand in the data; for text the tokens
    target: str = ""  # the class column; "" for text

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold."""
        if self.columns is not None:
            return {"columns": self.columns.to_dict(), "classes": list(self.classes), "target": self.target}
        return {"context": self.context, "classes": list(self.classes)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preparation:
        """The same again. DataError if `values` is not from `to_dict`."""
        try:
            classes = tuple(values["classes"])
            if "columns" in values:
                return cls(Columns.from_dict(values["columns"]), None, 0, classes, str(values["target"]))
            return cls(None, Vocabulary(classes), int(values["context"]), classes)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"the record of the model is damaged: {error}.") from None


@dataclass(frozen=True)
class Trained:
    """A model that `xent train` saved; `xent.load` gives it.

    Predictions need the rows alone: the same row gets the same bits in any process and among any other rows.
    """

    folder: Path
    model: Model
    preparation: Preparation

    @property
    def classes(self) -> NDArray[Any]:
        """The classes (V,), in the order of the columns of `predict_proba`."""
        return np.array(self.preparation.classes)

    def predict(self, rows: pl.DataFrame | Mapping[str, Sequence[Any]] | ArrayLike | Sequence[str]) -> NDArray[Any]:
        """The most probable class of each row (N,); for a model of text the most probable next token of each text.

        rows   a table with the columns of the training (polars or pandas, or a dict of columns; others are not used),
               an array (N, features) whose columns are in that order, or, for a model of text, N strings. Read.

        DataError: a column is missing, a cell cannot be used. ShapeError, KindError: rows of another form.
        """
        chosen: NDArray[Any] = self.classes[self.logits(rows).argmax(axis=1)]
        return chosen

    def predict_proba(self, rows: pl.DataFrame | Mapping[str, Sequence[Any]] | ArrayLike | Sequence[str]) -> Floats:
        """The probability of every class for each row (N, V) float64; `rows` and errors as in `predict`."""
        logits = self.logits(rows)
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        return logits

    def logits(self, rows: pl.DataFrame | Mapping[str, Sequence[Any]] | ArrayLike | Sequence[str]) -> Floats:
        """The logits (N, V) float64; `rows` and errors as in `predict`."""
        with one_blas_thread():
            return self.model.predict_logits(self._inputs(rows))

    def table(self, rows: Any) -> pl.DataFrame:  # noqa: ANN401  # anything predict takes
        """`rows` as a table. ShapeError, KindError for what is none."""
        module = polars()
        features = () if self.preparation.columns is None else self.preparation.columns.features
        frame: pl.DataFrame
        if hasattr(rows, "columns") and hasattr(rows, "to_numpy") and not isinstance(rows, module.DataFrame):  # pandas
            rows = {str(name): rows[name].to_numpy() for name in rows.columns}
        if isinstance(rows, module.DataFrame):
            frame = rows
        elif isinstance(rows, dict):
            frame = module.DataFrame({name: _series(name, values) for name, values in rows.items()})
        else:
            array = np.asarray(rows)
            if array.ndim != 2 or array.shape[1] != len(features):  # noqa: PLR2004  # rows and columns
                raise ShapeError(
                    f"rows has shape {array.shape}: this model takes (N, {len(features)}), columns {_some(features)}."
                )
            if array.dtype.kind not in "biuf":
                raise KindError(f"rows has dtype {array.dtype}: an array must hold numbers; for words pass a table.")
            frame = module.DataFrame(array.astype(np.float64), schema=list(features))
        return frame

    def _inputs(self, rows: Any) -> NDArray[Any]:  # noqa: ANN401  # anything predict takes
        """The model's inputs for `rows`."""
        if self.preparation.columns is not None:
            return self.preparation.columns.transform(self.table(rows))
        vocabulary, context = self.preparation.vocabulary, self.preparation.context
        if vocabulary is None or isinstance(rows, str) or not all(isinstance(text, str) for text in rows):
            raise KindError("this model continues texts: rows must be a list of strings.")
        windows = [vocabulary.window(tokens_of(text)[-context:], context)[0][-1] for text in rows]
        return np.array(windows, dtype=np.int64).reshape(-1, context)


def _series(name: str, values: Any) -> Any:  # noqa: ANN401  # a column of any kind
    """A column of a dict as a polars series. KindError for what cannot be one."""
    pl = polars()
    array = values if isinstance(values, pl.Series) else np.asarray(values)
    try:
        if isinstance(array, np.ndarray) and array.dtype == object:
            return pl.Series(name, [None if v is None or v != v else v for v in array.tolist()])  # noqa: PLR0124  # NaN
        return pl.Series(name, array)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise KindError(f"column {name} cannot be used: {first_line(error)}.") from None


def _some(names: Sequence[str]) -> str:
    """The first names, abbreviated."""
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")  # noqa: PLR2004  # as many as fit a line
