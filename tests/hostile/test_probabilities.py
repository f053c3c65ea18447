"""The hostile table: probability rows. Rows 43-48."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.hostile.table import INF, LOSS, NAN, X, both, empty, refuse, row
from xent.core.errors import OptionError, TargetError


@row("43")
def test_probability_zero_at_a_missing_class_costs_nothing(front):
    loss, grad = both(front, [[-INF, 1.0, 3.0]], [[0.0, 0.5, 0.5]])
    assert loss == pytest.approx(1.0 + 0.12692801104297263, rel=1e-15)
    assert grad[0, 0] == 0


@row("44")
def test_probabilities_that_sum_to_two(front):
    q = np.array([[1.0, 0.5, 0.5]])
    p = np.array([0.09003057317038046, 0.24472847105479765, 0.6652409557748219])
    loss, grad = both(front, X[:1], q, reduction="sum")
    assert loss == pytest.approx(3.3152119288887606, rel=1e-15)
    assert grad[0] == pytest.approx(2 * p - q[0], rel=1e-14)
    mean, mean_grad = both(front, X[:1], q)
    assert mean == pytest.approx(1.6576059644443803, rel=1e-15)
    assert mean_grad[0] == pytest.approx(p - q[0] / 2, rel=1e-14)
    items, items_grad = both(front, X[:1], q, denominator="items")
    assert items == loss
    assert_array_equal(items_grad, grad)


@row("45", "46")
@pytest.mark.parametrize("entry", [-0.5, NAN, INF, -INF])
def test_a_probability_that_is_none_is_refused(front, entry):
    text = (
        f"1 target probability is negative, NaN or infinite, first targets[1, 2] = {entry}: "
        "a probability row holds finite numbers >= 0 (of any sum)."
    )
    refuse(front, TargetError, text, X, [[0.0, 0.5, 0.5], [0.0, 1.0, entry]])


@row("47")
def test_a_probability_row_of_zeros_counts_for_nothing(front):
    loss, grad = both(front, [[NAN, 2.0, 3.0], [3.0, 2.0, 1.0]], [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert loss == pytest.approx(LOSS, rel=1e-15)
    assert_array_equal(grad[0], [0.0, 0.0, 0.0])
    alone, alone_grad = empty(front, X[:1], [[0.0, 0.0, 0.0]])
    assert alone == 0
    assert not alone_grad.any()


@row("48")
def test_ignore_index_has_no_meaning_for_probability_rows(front):
    text = (
        "ignore_index is 0: it must be None or -100 with probability targets.\n"
        "  A row of zeros counts for nothing; or pass sample_weight with 0 in the rows to be left out."
    )
    refuse(front, OptionError, text, X, [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], ignore_index=0)
    for unused in (-100, None):
        loss, _ = both(front, X, [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], ignore_index=unused)
        assert loss == pytest.approx(LOSS, rel=1e-15)
