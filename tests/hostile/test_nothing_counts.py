"""The hostile table: batches in which nothing counts, and rows that are ignored. Rows 1-10."""

import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.fronts import NUMPY
from tests.hostile.table import GRAD, INF, LOSS, NAN, T, X, both, empty, refuse, row
from xent.core.errors import EmptyBatchWarning, ShapeError


@row("1")
def test_a_mean_over_ignored_rows_is_zero_with_one_warning(front):
    loss, grad = empty(front, X, [-100, -100])
    assert loss == 0
    assert not grad.any()


@row("1", fronts=[NUMPY])
def test_a_mean_over_ignored_rows_has_denominator_zero(front):
    with pytest.warns(EmptyBatchWarning):
        got, _ = front.value_and_grad(X, np.array([-100, -100]), returns=("denominator", "sum"))
    assert (got.loss, got.sum, got.denominator) == (0, 0, 0)


@row("1")
@pytest.mark.parametrize("denominator", ["batch", 4.0])
def test_a_mean_over_ignored_rows_with_something_to_divide_by_is_zero_without_a_warning(front, denominator):
    loss, grad = both(front, X, [-100, -100], denominator=denominator)
    assert loss == 0
    assert not grad.any()


@row("2")
@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_a_sum_over_ignored_rows_is_zero(front, reduction):
    loss, grad = both(front, X, [-100, -100], reduction=reduction)
    assert not np.asarray(loss).any()
    assert not grad.any()


@row("3")
def test_a_nan_in_an_ignored_row_stays_there(front):
    loss, grad = both(front, [[NAN, 2.0, 3.0], [3.0, 2.0, 1.0]], [-100, 0])
    assert loss == pytest.approx(LOSS, rel=1e-15)
    assert_array_equal(grad[0], [0.0, 0.0, 0.0])
    assert grad[1] == pytest.approx(GRAD[1], rel=1e-15)


@row("4")
def test_an_ignored_row_of_minus_infinity_is_exactly_zero(front):
    loss, grad = both(front, [[-INF] * 3, [3.0, 2.0, 1.0]], [-100, 0])
    assert loss == pytest.approx(LOSS, rel=1e-15)
    assert_array_equal(grad[0], [0.0, 0.0, 0.0])


@row("5")
def test_a_real_class_that_is_ignored_leaves_the_count_and_stays_in_the_sum_of_others(front):
    loss, grad = both(front, X, T, ignore_index=0)
    assert loss == pytest.approx(LOSS, rel=1e-15)  # of row 0 alone, class 0 in its lse
    assert grad[0] == pytest.approx(GRAD[0], rel=1e-15)
    assert not grad[1].any()


@row("6")
def test_no_rows_have_mean_zero(front):
    loss, grad = empty(front, np.zeros((0, 3)), np.zeros(0, int))
    assert loss == 0
    assert grad.shape == (0, 3)


@row("7")
def test_no_rows_have_sum_zero(front):
    loss, grad = both(front, np.zeros((0, 3)), np.zeros(0, int), reduction="sum")
    assert loss == 0
    assert grad.shape == (0, 3)
    losses, _ = both(front, np.zeros((0, 3)), np.zeros(0, int), reduction="none")
    assert losses.shape == (0,)


@row("8", "9")
@pytest.mark.parametrize("label", [0, -100])
def test_no_classes_are_refused(front, label):
    refuse(
        front,
        ShapeError,
        "logits has shape (2, 0): the class axis must hold at least one class.",
        np.zeros((2, 0)),
        [label] * 2,
    )


@row("10")
@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16, "float32", "float64"])
def test_one_class_costs_exactly_nothing(front, dtype):
    loss, grad = both(front, np.array([[7.0], [-65504.0], [0.0]]).astype(dtype), [0, 0, 0])
    assert loss == 0
    assert not grad.any()
