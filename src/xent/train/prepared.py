"""Data made ready: what trains, what tests, how rows become inputs, and the words to describe it all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xent.fit.examples import Examples
    from xent.fit.model import Architecture
    from xent.fit.trained import Preparation


class Describe(Protocol):
    """Describes one test row."""

    def __call__(self, row: int) -> tuple[int, str, tuple[tuple[float, ...], ...] | None]:
        """Of test target `row` (from 0): its place in the source (from 1), the row in words, and maybe its picture."""


@dataclass(frozen=True)
class Prepared:
    """Everything a run needs to know about its data."""

    title: str  # "digits", "flowers.csv"
    kind: str  # "table" or "text"
    task: str  # "digits: 1797 rows, 64 features, 10 classes"
    split: str  # "stratified, seed 0"
    notes: tuple[str, ...]  # a line each
    train: Examples
    validation: Examples
    test: Examples
    preparation: Preparation
    architecture: Architecture
    features: int  # columns before any coding; tokens of context for text
    counts: NDArray[np.int64]  # (classes,) training targets of each class
    fingerprint: str  # of the data and of the split
    describe: Describe

    @property
    def unit(self) -> str:
        """What is counted."""
        return "tokens" if self.kind == "text" else "rows"

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in words."""
        return tuple(map(str, self.preparation.classes))
