"""A warning points at the line outside the package that led to it, and is given once."""

import warnings
from pathlib import Path

import numpy as np
import pytest

import xent
from xent.book import TimeSoftmaxWithLoss
from xent.core import errors

LOGITS, IGNORED = np.zeros((2, 3)), np.full(2, -100)


def layer_forward():
    return xent.SoftmaxWithLoss().forward(LOGITS, IGNORED)


CALLS = {
    "cross_entropy": lambda: xent.cross_entropy(LOGITS, IGNORED),
    "value_and_grad": lambda: xent.value_and_grad(LOGITS, IGNORED),
    "total": lambda: xent.total(LOGITS, IGNORED).loss,
    "layer": layer_forward,
    "time layer": lambda: TimeSoftmaxWithLoss().forward(LOGITS[np.newaxis], IGNORED[np.newaxis]),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_empty_mean_warns_once_at_the_line_that_called(name):
    with pytest.warns(xent.EmptyBatchWarning) as caught:
        CALLS[name]()

    assert [Path(w.filename).name for w in caught] == [Path(__file__).name]
    assert str(caught[0].message) == (
        "nothing in this batch counts (no rows, or every row is ignored or has weight 0): the mean is 0.\n"
        "  Where empty micro-batches are expected, pass the whole batch's count as denominator=."
    )


def test_backward_does_not_repeat_what_forward_said():
    layer = xent.SoftmaxWithLoss()
    with pytest.warns(xent.EmptyBatchWarning):
        layer.forward(LOGITS, IGNORED)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not layer.backward().any()


def test_an_explicit_denominator_says_nothing_and_gives_zero():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert xent.cross_entropy(LOGITS, IGNORED, denominator=5) == 0.0


def test_the_check_above_sees_a_warning_that_points_into_the_package():
    with pytest.warns(xent.EmptyBatchWarning) as caught:
        warnings.warn_explicit(errors.empty_batch(), None, errors.__file__, 1)
    assert Path(caught[0].filename).name != Path(__file__).name
