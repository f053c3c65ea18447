"""The hostile table: class weights. Rows 49-53."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.hostile.table import GRAD, INF, LOSS, NAN, T, X, both, empty, refuse, row
from xent.core.errors import OptionError, ShapeError


@row("49")
def test_a_row_whose_class_weighs_nothing_is_left_out(front):
    loss, grad = both(front, [[NAN, 2.0, 3.0], [3.0, 2.0, 1.0]], T, weight=np.array([1.0, 1.0, 0.0]))
    assert loss == pytest.approx(LOSS, rel=1e-15)
    assert_array_equal(grad[0], [0.0, 0.0, 0.0])
    assert grad[1] == pytest.approx(GRAD[1], rel=1e-15)


@row("50")
def test_a_mean_over_classes_that_weigh_nothing_is_zero(front):
    loss, grad = empty(front, X, T, weight=np.array([0.0, 1.0, 0.0]))
    assert loss == 0
    assert not grad.any()


@row("51")
def test_negative_class_weights_are_refused(front):
    text = "weight[0] = -1.0: a class weight must be >= 0."
    refuse(front, OptionError, text, X, T, weight=np.array([-1.0, 1.0, 1.0]))


@row("52")
@pytest.mark.parametrize("odd", [NAN, INF])
def test_a_class_weight_that_is_no_number_is_refused_even_where_no_row_has_it(front, odd):
    refuse(front, OptionError, f"weight[1] = {odd}: a weight must be finite.", X, T, weight=np.array([1.0, odd, 1.0]))


@row("53")
def test_class_weights_of_another_length_are_refused(front):
    text = "weight has shape (2,): it must have shape (3,), one weight a class."
    refuse(front, ShapeError, text, X, T, weight=np.array([1.0, 1.0]))
