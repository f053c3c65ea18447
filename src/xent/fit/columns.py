"""Columns of a table as numbers for the model: what was learned from the training rows, and how it is applied.

Numbers and dates are standardised, an empty cell gets the median and, where training had empty cells, an
indicator; text becomes one column a value. The work is done by scikit-learn's transformers, rebuilt from a record
that JSON can hold, for training and prediction alike: so there is one way through, and a stored model takes it too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from xent.core.errors import DataError, missing
from xent.fit.cells import as_numbers, as_words, cells_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST_VALUES = 100  # values of a text column that get a column of their own


@dataclass(frozen=True, slots=True)
class Number:
    """A column of numbers, or of dates counted in days, as the training rows have it."""

    name: str
    kind: Literal["number", "date"]
    fill: float  # the median: what an empty cell gets
    mean: float
    scale: float  # divides; > 0
    indicator: bool  # training had empty cells, so a column says which


@dataclass(frozen=True, slots=True)
class Category:
    """A column of words: each of `values` has a column of its own, any other value is none of them."""

    name: str
    values: tuple[str, ...]  # "" stands for an empty cell


@dataclass(frozen=True)
class Columns:
    """From a table to the model's inputs.

    >>> import polars as pl
    >>> table = pl.DataFrame({"size": [1.0, 3.0, None], "colour": ["red", "blue", "red"]})
    >>> columns = Columns.learn(table, {"size": "number", "colour": "category"})
    >>> columns.names
    ('size', 'size is empty', 'colour=blue', 'colour=red')
    >>> Columns.from_dict(columns.to_dict()).transform(table).round(2)
    array([[-1.22,  0.  ,  0.  ,  1.  ],
           [ 1.22,  0.  ,  1.  ,  0.  ],
           [ 0.  ,  1.  ,  0.  ,  1.  ]])
    """

    numbers: tuple[Number, ...]
    categories: tuple[Category, ...]

    @classmethod
    def learn(cls, frame: pl.DataFrame, kinds: Mapping[str, str], *, one_scale: bool = False) -> Self:
        """Medians, means, scales and values of the training rows.

        frame      the training rows; a column of numbers must have at least one of them.
        kinds      per used column "number", "date" or "category".
        one_scale  all numbers share one scale, as the grey levels of a picture do.

        DataError as in `as_numbers`.
        """
        numeric = [name for name, kind in kinds.items() if kind != "category"]
        numbers: tuple[Number, ...] = ()
        if numeric:
            numbers = _learn_numbers(
                _matrix(frame, [(name, kinds[name]) for name in numeric], ""), numeric, kinds, one_scale=one_scale
            )
        words = [name for name, kind in kinds.items() if kind == "category"]
        return cls(numbers, tuple(Category(name, _commonest(as_words(frame[name]))) for name in words))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns that a table must have."""
        return (*(n.name for n in self.numbers), *(c.name for c in self.categories))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the model's inputs, in order."""
        values = [f"{c.name}={cells_in_words(v)}" for c in self.categories for v in c.values]
        return (*(n.name for n in self.numbers), *(f"{n.name} is empty" for n in self.numbers if n.indicator), *values)

    def transform(self, frame: pl.DataFrame, where: str = "") -> Floats:
        """The model's inputs (N, inputs) float64. DataError: a column is missing, or a cell is no number."""
        lacking = [name for name in self.features if name not in frame.columns]
        if lacking:
            some = ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")  # noqa: PLR2004  # as many as fit a line
            raise DataError(
                f"{where or 'the table'} has no column {some}: the model was trained with {len(self.features)} columns."
            )
        out = np.empty((frame.height, len(self.names)))
        start = 0
        if self.numbers:
            matrix = _matrix(frame, [(n.name, n.kind) for n in self.numbers], where)
            for part in self._number_transformers:
                block = part.transform(matrix)
                out[:, start : start + block.shape[1]] = block
                start += block.shape[1]
        if self.categories:
            cells = np.empty((frame.height, len(self.categories)), dtype=object)
            for j, category in enumerate(self.categories):
                cells[:, j] = as_words(frame[category.name])
            out[:, start:] = self._encoder.transform(cells)
        return out

    def remarks(self, frame: pl.DataFrame) -> list[str]:
        """A line for everything in `frame` that training did not see: other columns, new values, new empty cells."""
        lines = []
        extra = [name for name in frame.columns if name not in self.features]
        if extra:
            some = ", ".join(extra[:5]) + (" …" if len(extra) > 5 else "")  # noqa: PLR2004  # as many as fit a line
            lines.append(f"not used, as training did not have or use {'it' if len(extra) == 1 else 'them'}: {some}")
        for number in self.numbers:
            if not number.indicator and number.name in frame.columns:
                empty = int(np.isnan(as_numbers(frame[number.name], number.kind, "")).sum())
                if empty:
                    lines.append(
                        f"{number.name} is empty in {rows(empty)}, in training never: "
                        f"its median {number.fill:g} is put there"
                    )
        for category in self.categories:
            if category.name in frame.columns:
                cells = as_words(frame[category.name])
                unseen = ~np.isin(cells, np.array(category.values, dtype=object))
                if unseen.any():
                    first = cells_in_words(str(cells[unseen][0]))
                    lines.append(
                        f"{category.name} has a value that training did not have or keep in {rows(int(unseen.sum()))}, "
                        f"first {first!r}: counted as none of the known ones"
                    )
        return lines

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold; floats survive it exactly."""
        return {"numbers": [asdict(n) for n in self.numbers], "categories": [asdict(c) for c in self.categories]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The same columns again. DataError if `values` is not from `to_dict`."""
        try:
            numbers = tuple(Number(**n) for n in values["numbers"])
            categories = tuple(Category(c["name"], tuple(c["values"])) for c in values["categories"])
        except (KeyError, TypeError) as error:
            raise DataError(f"the record of the columns is damaged: {error}.") from None
        if not all(n.scale > 0 and np.isfinite([n.fill, n.mean, n.scale]).all() for n in numbers):
            raise DataError("the record of the columns is damaged: a scale is not above 0, or a number not finite.")
        return cls(numbers, categories)

    @cached_property
    def _number_transformers(self) -> list[Any]:
        """scikit-learn's imputer and scaler, and the indicator, holding this record.

        Each is fitted to a made-up table of the right shape, then its documented attributes are set.
        """
        sklearn_impute, preprocessing, pipeline = _sklearn("impute", "preprocessing", "pipeline")
        blank = np.zeros((1, len(self.numbers)))
        imputer = sklearn_impute.SimpleImputer(strategy="median").fit(blank)
        imputer.statistics_ = np.array([n.fill for n in self.numbers])
        scaler = preprocessing.StandardScaler().fit(blank)
        scaler.mean_ = np.array([n.mean for n in self.numbers])
        scaler.scale_ = np.array([n.scale for n in self.numbers])
        scaler.var_ = scaler.scale_**2
        parts = [pipeline.make_pipeline(imputer, scaler)]
        if any(n.indicator for n in self.numbers):
            pattern = np.where([n.indicator for n in self.numbers], np.nan, 0.0)[None, :]
            parts.append(sklearn_impute.MissingIndicator(features="missing-only", error_on_new=False).fit(pattern))
        return parts

    @cached_property
    def _encoder(self) -> Any:  # noqa: ANN401  # scikit-learn has no types
        """scikit-learn's one-hot encoder with these values."""
        (preprocessing,) = _sklearn("preprocessing")
        values = [np.array(c.values, dtype=object) for c in self.categories]
        encoder = preprocessing.OneHotEncoder(categories=values, handle_unknown="ignore", sparse_output=False)
        return encoder.fit(np.array([[c.values[0] for c in self.categories]], dtype=object))


def rows(count: int) -> str:
    """`count` with its noun.

    >>> rows(1), rows(1797), rows(12000)
    ('1 row', '1797 rows', '12 000 rows')
    """
    return f"{grouped(count)} row{'' if count == 1 else 's'}"


def grouped(count: int) -> str:
    """A whole number with a gap every three digits, from five digits on.

    >>> grouped(1797), grouped(12000)
    ('1797', '12 000')
    """
    return f"{count:,}".replace(",", " ") if count >= 10_000 else str(count)  # noqa: PLR2004  # four digits read well as they are


def _learn_numbers(
    matrix: Floats, names: Sequence[str], kinds: Mapping[str, str], *, one_scale: bool
) -> tuple[Number, ...]:
    """Median, mean and scale of each column of `matrix` (N, columns), NaN where a cell is empty."""
    impute, preprocessing = _sklearn("impute", "preprocessing")
    imputer = impute.SimpleImputer(strategy="median")
    filled = imputer.fit_transform(matrix)
    scaler = preprocessing.StandardScaler().fit(filled)
    scales = np.full(len(names), filled.std()) if one_scale else scaler.scale_
    scales = np.where(scales > 0, scales, 1.0)
    empty: list[bool] = [bool(np.isnan(column).any()) for column in matrix.T]
    return tuple(
        Number(name, "date" if kinds[name] == "date" else "number", float(fill), float(mean), float(scale), gap)
        for name, fill, mean, scale, gap in zip(names, imputer.statistics_, scaler.mean_, scales, empty, strict=True)
    )


def _matrix(frame: pl.DataFrame, columns: Sequence[tuple[str, str]], where: str) -> Floats:
    """(N, columns) float64 with NaN where a cell is empty."""
    out = np.empty((frame.height, len(columns)))
    for j, (name, kind) in enumerate(columns):
        out[:, j] = as_numbers(frame[name], kind, where)
    return out


def _commonest(cells: NDArray[Any]) -> tuple[str, ...]:
    """The values of a column, sorted: the `MOST_VALUES` commonest, and of equals the first by name."""
    ranked = sorted(Counter(cells).items(), key=lambda item: (-item[1], item[0]))
    return tuple(sorted(value for value, _ in ranked[:MOST_VALUES]))


def _sklearn(*modules: str) -> list[Any]:
    """Modules of scikit-learn. MissingError says what to install."""
    import importlib

    try:
        return [importlib.import_module(f"sklearn.{module}") for module in modules]
    except ImportError:
        raise missing("scikit-learn", "cli") from None
