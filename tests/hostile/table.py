"""The hostile table: inputs on which losses crash, lie or give NaN, row by row, for every front end.

A row is known by its number. Each front end either does "as ours", which is asserted in this folder, or states in
tests/fronts.py what it does instead, or why the row does not apply.
"""

import math
import warnings

import numpy as np
import pytest

from tests.fronts import AS_OURS, FRONTS
from xent.core.errors import EmptyBatchWarning

ROWS = [str(n) for n in range(1, 86)] + ["13b"]
TESTED: dict[str, set[str]] = {front.name: set() for front in FRONTS}

INF, NAN = math.inf, math.nan
X = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
T = np.array([2, 0])
LOSS = 0.40760596444438030  # of each row of X
GRAD = [
    [0.09003057317038046, 0.24472847105479765, -0.3347590442251781],
    [-0.3347590442251781, 0.24472847105479765, 0.09003057317038046],
]


def row(*ids: str, fronts=None, needs=()):
    """Run a test for these rows of the table, on the front ends named or on all that do as ours."""

    def mark(test):
        chosen = fronts or [f for f in FRONTS if f.has(*needs) and all(f.status(i) == AS_OURS for i in ids)]
        for front in chosen:
            TESTED[front.name].update(ids)
        return pytest.mark.parametrize("front", chosen, ids=str)(test)

    return mark


def both(front, logits, targets, **options):
    """Loss and gradient, where no warning is in place."""
    loss, grad = front.value_and_grad(np.asarray(logits), np.asarray(targets), **options)
    assert grad.dtype == np.asarray(logits).dtype
    assert grad.shape == np.shape(logits)
    return loss, grad


def empty(front, logits, targets, **options):
    """The same for a mean over nothing: exactly one warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loss, grad = both(front, logits, targets, **options)
    assert [w.category for w in caught] == [EmptyBatchWarning]
    assert str(caught[0].message) == (
        "nothing in this batch counts (no rows, or every row is ignored or has weight 0): the mean is 0.\n"
        "  Where empty micro-batches are expected, pass the whole batch's count as denominator=."
    )
    assert caught[0].filename.endswith("fronts.py"), "the warning points at the line that called"
    return loss, grad


def refuse(front, error: type[Exception], text: str, logits, targets, **options) -> None:
    """Both functions raise exactly this."""
    for call in (front.value_and_grad, front.cross_entropy):
        with pytest.raises(error) as caught:
            call(np.asarray(logits), np.asarray(targets), **options)
        assert str(caught.value) == text
        assert type(caught.value) is error


def all_nan(row_of_grad) -> bool:
    return bool(np.isnan(row_of_grad.astype(float)).all())
