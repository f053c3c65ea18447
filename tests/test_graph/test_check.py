"""`graph.check()` passes over a family of batches with every option, and the drawing's loss is the functions' loss."""

import math
import warnings
from decimal import localcontext

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

import xent
from tests.test_graph.batches import batches
from xent.graph.exact import ExactItem

SETTINGS = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
DRAWN = {"micro_batches", "ranks", "split_mean", "max_items", "max_classes"}


def graph_of(case):
    """The graph; a batch whose weights are too odd for any mean is passed over."""
    logits, targets, options = case
    try:
        return xent.explain(logits, targets, **options)
    except xent.OptionError as error:
        assume("would be divided by" not in str(error))
        raise


@SETTINGS
@given(batches())
def test_every_number_agrees_with_finite_differences_of_the_definition(case):
    report = graph_of(case).check()
    assert report.ok, str(report)
    assert report.numbers > 5
    assert report.worst < 1e-11


@SETTINGS
@given(batches())
def test_loss_and_gradients_are_those_of_the_functions(case):
    logits, targets, options = case
    graph = graph_of(case)
    options = {name: value for name, value in options.items() if name not in DRAWN}
    x = np.array(logits)
    if "linear_weight" in options:
        w = np.array(options.pop("linear_weight"))
        x = x @ w.T + np.array(options.pop("linear_bias", 0.0))
    t = np.array(targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", xent.EmptyBatchWarning)
        loss, grad = xent.value_and_grad(x, t, **options)
    if graph.loss is not None:
        assert graph.loss == pytest.approx(float(loss), rel=1e-9, abs=1e-12)
    for node in graph.drawing.nodes.values():
        if node.stage == "logits":
            drawn = dict(zip(node.value.places, node.gradient.rows[0], strict=True))
            for place, entry in drawn.items():
                assert entry == pytest.approx(grad[node.item, place], rel=1e-7, abs=1e-9)


def test_what_has_no_finite_difference_is_said_and_not_guessed():
    graph = xent.explain([[0.0, -math.inf], [1.0, 2.0]], [1, 0])
    report = graph.check()
    assert graph.loss == math.inf
    assert report.ok
    assert any("infinite" in said for said in report.undecided)
    assert "have none to compare with" in str(report)


@pytest.mark.parametrize("row", [[math.nan, 0.0], [math.inf, 0.0], [-math.inf, -math.inf]])
def test_a_row_that_is_no_number_is_drawn_as_such(row):
    graph = xent.explain([row, [1.0, 2.0]], [0, 1])
    assert math.isnan(graph.loss)
    assert graph.check().ok


def test_an_ignored_row_is_never_read():
    graph = xent.explain([[math.nan, math.nan], [1.0, 2.0]], [-100, 0])
    assert graph.loss == pytest.approx(math.log1p(math.e))
    assert graph.check().ok


def test_the_gradient_of_a_row_won_by_a_margin_is_not_0():
    graph = xent.explain([[40.0, 0.0]], [0])
    assert graph.drawing.nodes["x0"].gradient.rows[0] == pytest.approx((-4.248354255291589e-18, 4.248354255291589e-18))
    assert graph.check().ok


def test_the_exact_item_is_exact():
    """log(1 + e^-40), to the digits of a table."""
    from xent.core.spec import Spec
    from xent.graph.exact import Goal
    from xent.graph.receive import receive

    batch = receive([[40.0, 0.0]], [0], Spec())
    item = ExactItem(Goal(batch, 0), [40.0, 0.0], Spec())
    with localcontext(item.context):
        assert str(item.loss())[:20] == "4.248354255291588986"


def test_a_parameter_with_more_differences_than_are_taken_says_so():
    rows = [[1.0, 0.5]] * 3000
    graph = xent.explain(rows, [0] * 3000, linear_weight=[[1.0] * 2] * 8)
    report = graph.check()
    assert report.ok
    assert any("W" in said for said in report.undecided)
