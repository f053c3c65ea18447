"""The hostile table: infinite and undefined logits, and smoothing over them. Rows 29-42."""

import math

import numpy as np
import pytest

from tests.accuracy import bounds
from tests.accuracy.exact import Options
from tests.hostile.table import GRAD, INF, LOSS, NAN, T, X, all_nan, both, refuse, row
from xent.core.errors import OptionError


@row("29", "38")
@pytest.mark.parametrize("smoothing", [None, 0.0])
def test_a_missing_class_costs_nothing(front, smoothing):
    options = {} if smoothing is None else {"label_smoothing": smoothing}
    loss, grad = both(front, [[-INF, 1.0, 3.0]], [2], **options)
    assert loss == pytest.approx(0.12692801104297263, rel=1e-15)
    assert grad[0, 0] == 0
    assert grad[0, 2] == pytest.approx(-grad[0, 1], rel=7e-16)


@row("30")
def test_a_missing_target_costs_infinity_and_has_a_finite_gradient(front):
    loss, grad = both(front, [[1.0, 2.0, -INF], [3.0, 2.0, 1.0]], T, reduction="none")
    assert loss[0] == INF
    assert grad[0] == pytest.approx([0.2689414213699951, 0.7310585786300049, -1.0], rel=1e-15)
    assert loss[1] == pytest.approx(LOSS, rel=1e-15)
    assert both(front, [[1.0, 2.0, -INF], [3.0, 2.0, 1.0]], T)[0] == INF


BROKEN = {
    "31": [-INF, -INF, -INF],
    "33": [1.0, 2.0, INF],
    "34": [INF, 2.0, 1.0],
    "35": [INF, 2.0, INF],
    "36": [NAN, 2.0, 3.0],
}


@row("31", "32", "33", "34", "35", "36")
@pytest.mark.parametrize("name", BROKEN)
def test_a_row_without_a_loss_is_nan_throughout_and_its_neighbour_exact(front, name):
    loss, grad = both(front, [BROKEN[name], [3.0, 2.0, 1.0]], T, reduction="none")
    assert math.isnan(loss[0])
    assert all_nan(grad[0])
    assert loss[1] == pytest.approx(LOSS, rel=1e-15)
    assert grad[1] == pytest.approx(GRAD[1], rel=1e-15)
    mean, mean_grad = both(front, [BROKEN[name], [3.0, 2.0, 1.0]], T)
    assert math.isnan(mean)
    assert mean_grad[1] == pytest.approx(np.array(GRAD[1]) / 2, rel=1e-15)


@row("37")
def test_smoothing_puts_weight_on_a_missing_class(front):
    loss, grad = both(front, [[-INF, 1.0, 3.0]], [2], label_smoothing=0.1)
    assert loss == INF
    assert np.isfinite(grad).all()
    assert grad[0, 0] == pytest.approx(-0.1 / 3, rel=1e-15)


@row("39")
def test_smoothing_of_one_is_the_uniform_target(front):
    loss, grad = both(front, X[:1], T[:1], label_smoothing=1.0)
    assert loss == pytest.approx(1.4076059644443803, rel=1e-15)
    assert grad[0] == pytest.approx(
        np.array([0.09003057317038046, 0.24472847105479765, 0.6652409557748219]) - 1 / 3, rel=1e-14
    )


@row("40", "41")
@pytest.mark.parametrize("smoothing", [-0.1, 1.5, NAN, INF])
def test_smoothing_outside_0_to_1_is_refused(front, smoothing):
    refuse(
        front,
        OptionError,
        f"label_smoothing is {smoothing}: it must be a number in [0, 1].",
        X,
        T,
        label_smoothing=smoothing,
    )


@row("42")
def test_smoothing_and_class_weights_together(front):
    weight = np.array([0.5, 1.0, 3.0])
    options = {"label_smoothing": 0.1, "weight": weight}
    losses, _ = both(front, X, T, reduction="none", **options)
    _, grad = both(front, X, T, reduction="sum", **options)
    found = bounds.check(X, T, losses, grad, Options(label_smoothing=0.1, weight=tuple(weight.tolist())))
    assert found.ok, found
    unit = both(front, X[:1], T[:1], label_smoothing=0.1, weight=np.ones(3))[0]
    assert unit == pytest.approx(0.5076059644443803, rel=1e-15)
    mean = both(front, X, T, **options)[0]
    assert mean == pytest.approx(losses.sum() / 3.5, rel=1e-15)
