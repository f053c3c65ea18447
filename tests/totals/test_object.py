"""Total as a thing to hold: adding, pickling, JSON, what may not be done with it."""

import copy
import json
import math
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

import xent
from xent.core.errors import DataError, EmptyBatchWarning, KindError, OptionError

LOGITS = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [0.0, -40.0, -50.0]])
TARGETS = np.array([2, 0, 0])


def some() -> list:
    """Totals of every kind: plain, empty, weighted, signed, infinite, NaN, huge, tiny."""
    x, t = LOGITS, TARGETS
    return [
        xent.total(x, t),
        xent.total(x[:0], t[:0]),
        xent.total(x, t, weight=np.array([0.1, 0.2, 0.7]), sample_weight=np.array([1.0, 2.5, 1e-30])),
        xent.total(x, t, sample_weight=np.array([1.0, -1.0, 0.5])),
        xent.total(np.array([[-np.inf, 0.0]]), np.array([0])),
        xent.total(np.array([[np.nan, 0.0]]), np.array([0])),
        xent.total(np.array([[0.0, 1e308]]), np.array([0])),
        xent.total(np.array([[0.0, -740.0]]), np.array([0])),
    ]


@pytest.mark.parametrize("k", range(8))
def test_a_total_survives_pickle_copy_and_json_to_the_bit(k):
    total = some()[k]
    for back in (
        pickle.loads(pickle.dumps(total)),  # noqa: S301 -- made on the line above
        copy.deepcopy(total),
        xent.Total.from_dict(json.loads(json.dumps(total.to_dict()))),
    ):
        assert back == total
        assert hash(back) == hash(total)
        assert back + total == total + back
        assert back.to_dict() == total.to_dict()
        assert repr(back) == repr(total)


@pytest.mark.parametrize("k", range(8))
def test_zero_is_the_neutral_element_and_sum_needs_no_start(k):
    total = some()[k]
    assert xent.Total.zero() + total == total
    assert total + xent.Total.zero() == total
    assert sum([total]) == total
    assert sum([total, total]) == total + total
    assert sum([]) == 0


def test_adding_is_commutative_and_associative_for_every_kind():
    totals = some()
    for a in totals:
        for b in totals:
            assert a + b == b + a
            for c in totals:
                assert (a + b) + c == a + (b + c)


def test_adding_changes_neither_operand():
    a, b = some()[0], some()[2]
    before = a.to_dict(), b.to_dict()
    c = a
    c += b
    assert (a.to_dict(), b.to_dict()) == before
    assert c == some()[0] + some()[2]


@pytest.mark.parametrize("name", ["sum", "denominator", "loss", "anything"])
def test_a_total_cannot_be_changed(name):
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        setattr(some()[0], name, 1.0)


def test_a_total_is_the_float_of_its_mean():
    total = some()[0]
    assert float(total) == total.loss
    assert total.loss == total.loss_over(3)
    assert total.loss_over(1) == total.sum
    assert total.denominator == 3
    assert "loss=" in repr(total)


def test_the_mean_over_nothing_is_zero_with_a_warning():
    with pytest.warns(EmptyBatchWarning, match="nothing in this batch counts"):
        assert xent.Total.zero().loss == 0.0
    assert xent.Total.zero().sum == 0.0
    assert xent.Total.zero().denominator == 0.0
    assert xent.Total.zero().loss_over(5) == 0.0


def test_a_total_with_a_negative_weight_has_a_sum_and_no_mean():
    signed = some()[3]
    with pytest.raises(OptionError, match="loss_over"):
        _ = signed.loss
    with pytest.raises(OptionError):
        float(signed)
    with pytest.raises(OptionError):
        _ = (signed + some()[0]).loss
    losses = xent.cross_entropy(LOGITS, TARGETS, reduction="none")
    assert signed.sum == pytest.approx(losses[0] - losses[1] + losses[2] / 2, rel=1e-15)
    assert signed.loss_over(2) == signed.sum / 2


@pytest.mark.parametrize("denominator", [0, -1, 0.0, -0.5, math.inf, -math.inf, math.nan])
def test_a_total_is_divided_by_positive_finite_numbers_only(denominator):
    with pytest.raises(OptionError, match="denominator"):
        some()[0].loss_over(denominator)


@pytest.mark.parametrize("denominator", ["3", None, [3], True, 3j])
def test_a_total_is_divided_by_numbers_only(denominator):
    with pytest.raises(KindError, match="denominator"):
        some()[0].loss_over(denominator)


@pytest.mark.parametrize("other", [1, 1.5, None, "total", [0]])
def test_a_total_is_added_to_totals_only(other):
    with pytest.raises(TypeError):
        _ = some()[0] + other
    with pytest.raises(TypeError):
        _ = other + some()[0]


@pytest.mark.parametrize(
    "change",
    [
        {"sum_units": 5},
        {"sum_units": "five"},
        {"nans": -1},
        {"nans": 0.5},
        {"nans": True},
        {"grid": -1},
        {"something": 1},
    ],
    ids=str,
)
def test_a_record_that_is_no_total_is_refused(change):
    record = some()[0].to_dict() | change
    with pytest.raises(DataError):
        xent.Total.from_dict(record)


@pytest.mark.parametrize("missing", list(xent.Total.zero().to_dict()))
def test_a_record_with_something_missing_is_refused(missing):
    record = some()[0].to_dict()
    del record[missing]
    with pytest.raises(DataError):
        xent.Total.from_dict(record)


@pytest.mark.parametrize("record", [None, [], "total", 3, {1: 2}])
def test_something_else_is_no_record_of_a_total(record):
    with pytest.raises((DataError, KindError)):
        xent.Total.from_dict(record)


def test_a_sum_beyond_float64_is_infinite_and_its_mean_is_not():
    logits = np.array([[0.0, 1.5e308]] * 4)
    total = xent.total(logits, np.zeros(4, np.int64))
    assert total.sum == math.inf
    assert total.loss == 1.5e308
    assert total.loss_over(8) == 0.75e308


def test_losses_below_the_normal_range_are_kept():
    logits = np.array([[0.0, -740.0]] * 1000)
    total = xent.total(logits, np.zeros(1000, np.int64))
    one = xent.total(logits[:1], np.zeros(1, np.int64)).sum
    assert 0 < one < 2.0**-1022
    assert total.sum == 1000 * one
    assert total.loss == one
