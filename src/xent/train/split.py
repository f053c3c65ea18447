"""Which rows train, which choose the best epoch, which test: by class in the same shares, from a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xent.core.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

VALIDATION, TEST = 0.15, 0.15  # shares of the rows


class Split(NamedTuple):
    """Row numbers, from 0, ascending."""

    train: Ints
    validation: Ints
    test: Ints


def stratified(labels: Ints, seed: int, *, test: float = TEST, what: str = "rows") -> Split:
    """Shares that are the same in every class up to one row; a class keeps at least one row in training.

    labels  (N,) int64 classes. Read.
    test    share of the test rows; 0 where they come from elsewhere.

    The rows, in the order of their classes and random within a class, are drawn at even distances. scikit-learn's
    splitters refuse a class of one row, and fewer test rows than classes; here both are everyday data.
    DataError if there are too few rows to have one for validation and one for the test.

    >>> part = stratified(np.repeat([0, 1], [14, 6]), seed=0)
    >>> [np.bincount(np.repeat([0, 1], [14, 6])[rows]).tolist() for rows in part]
    [[10, 4], [2, 1], [2, 1]]
    """
    rng = np.random.default_rng([seed, 0])
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    first = np.unique(labels[order], return_index=True)[1]  # one row a class, which stays in training
    free = np.delete(order, first)
    wanted_test, wanted_validation = (round(share * len(labels)) for share in (test, VALIDATION))
    if wanted_validation < 1 or (test and wanted_test < 1) or wanted_test + wanted_validation > len(free):
        raise DataError(
            f"{len(labels)} {what} of {len(first)} classes are too few: beside one of each class for training,\n"
            f"  {VALIDATION:.0%} of all are needed for validation{', as many for the test' if test else ''}."
        )
    drawn = free[_evenly(wanted_test + wanted_validation, len(free))]
    tested = _evenly(wanted_test, len(drawn))
    in_test, in_validation = drawn[tested], np.delete(drawn, tested)
    train = np.setdiff1d(np.arange(len(labels)), drawn)
    return Split(train, np.sort(in_validation), np.sort(in_test))


def _evenly(count: int, places: int) -> Ints:
    """`count` of `places` positions at even distances.

    >>> _evenly(2, 10).tolist()
    [2, 7]
    """
    return ((np.arange(count) + 0.5) * places / max(count, 1)).astype(np.int64)
