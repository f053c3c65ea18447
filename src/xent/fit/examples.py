"""What a model learns from: rows of numbers, or sequences of tokens padded to a common length; and how a batch is cut.

The order of the rows in an epoch depends on (seed, epoch) alone, so a resumed run needs no generator's state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Inputs = NDArray[Any]

IGNORED = -100  # the target of a padded position: the loss never reads it


class Examples(Protocol):
    """What the loop and the test ask of data."""

    def __len__(self) -> int:
        """Number of examples: rows, or sequences."""

    @property
    def size(self) -> int:
        """Number of targets: rows, or tokens."""

    def take(self, chosen: Ints) -> tuple[Inputs, Ints]:
        """Inputs and targets of the chosen examples as one batch, padded where they are of unequal length."""

    def flat(self) -> tuple[Inputs, Ints]:
        """Inputs and targets of all examples, one row a target, without padding."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A table.

    inputs    (N, F) float64
    targets   (N,) int64 classes
    """

    inputs: NDArray[np.float64]
    targets: Ints

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.targets)

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.targets)

    def take(self, chosen: Ints) -> tuple[Inputs, Ints]:
        """The chosen rows."""
        return self.inputs[chosen], self.targets[chosen]

    def flat(self) -> tuple[Inputs, Ints]:
        """All rows."""
        return self.inputs, self.targets


@dataclass(frozen=True, slots=True)
class Sequences:
    """Sequences of unequal length, in which each token is predicted from the ones before it.

    inputs    per sequence (T, context) int64: the tokens before each target, 0 where there are none
    targets   per sequence (T,) int64 classes

    >>> some = Sequences([np.ones((2, 1), int), np.ones((1, 1), int)], [np.array([5, 6]), np.array([7])])
    >>> some.take(np.array([1, 0]))[1]
    array([[   7, -100],
           [   5,    6]])
    """

    inputs: Sequence[Ints]
    targets: Sequence[Ints]

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.targets)

    @property
    def size(self) -> int:
        """Number of tokens."""
        return sum(map(len, self.targets))

    def take(self, chosen: Ints) -> tuple[Inputs, Ints]:
        """The chosen sequences, padded to the longest of them: inputs with 0, targets with `IGNORED`."""
        longest = max(len(self.targets[i]) for i in chosen)
        inputs = np.zeros((len(chosen), longest, self.inputs[0].shape[1]), dtype=np.int64)
        targets = np.full((len(chosen), longest), IGNORED, dtype=np.int64)
        for place, i in enumerate(chosen):
            inputs[place, : len(self.targets[i])] = self.inputs[i]
            targets[place, : len(self.targets[i])] = self.targets[i]
        return inputs, targets

    def flat(self) -> tuple[Inputs, Ints]:
        """All tokens, one row each."""
        return np.concatenate(list(self.inputs)), np.concatenate(list(self.targets))


def batches(count: int, batch_size: int, seed: int, epoch: int) -> list[Ints]:
    """Which examples make up each batch of an epoch: a permutation that depends on (seed, epoch) alone, cut in order.

    The last batch takes what is left.

    >>> [len(batch) for batch in batches(10, 4, seed=0, epoch=1)]
    [4, 4, 2]
    """
    order = np.random.default_rng([seed, epoch]).permutation(count)
    return [order[start : start + batch_size] for start in range(0, count, batch_size)]


def pieces(inputs: Inputs, targets: Ints, micro_batches: int) -> list[tuple[Inputs, Ints]]:
    """A batch cut into at most `micro_batches` pieces, each without the padding that none of its sequences needs.

    >>> a, b = pieces(np.zeros((2, 3, 1), int), np.array([[7, -100, -100], [5, 6, 4]]), 2)
    >>> a[1].tolist(), b[1].tolist()
    ([[7]], [[5, 6, 4]])
    """
    if micro_batches == 1:
        return [(inputs, targets)]
    cut = zip(np.array_split(inputs, micro_batches), np.array_split(targets, micro_batches), strict=True)
    return [_trimmed(*piece) for piece in cut if len(piece[0])]


def _trimmed(inputs: Inputs, targets: Ints) -> tuple[Inputs, Ints]:
    """The piece without trailing columns in which nothing counts."""
    if targets.ndim == 1:
        return inputs, targets
    used = np.flatnonzero((targets != IGNORED).any(axis=0))
    width = int(used[-1]) + 1 if len(used) else 0
    return inputs[:, :width], targets[:, :width]
