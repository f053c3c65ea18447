"""The hostile table: inputs on which losses crash, lie or give NaN, row by row, for every front end.

A row is known by its number. Each front end either does "as ours", which is asserted here, or states
in tests/fronts.py what it does instead, or why the row does not apply.
"""

import math
import subprocess
import sys
import textwrap
import warnings
from concurrent.futures import ThreadPoolExecutor

import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.accuracy import bounds
from tests.accuracy.exact import Options
from tests.fronts import AS_OURS, FRONTS, LAYER, NUMPY
from tests.laws import test_large
from tests.laws.registry import LAWS
from xent.core.errors import EmptyBatchWarning, KindError, OptionError, ShapeError, TargetError

ROWS = [str(n) for n in range(1, 86)] + ["13b"]
TESTED: dict[str, set[str]] = {front.name: set() for front in FRONTS}

INF, NAN = math.inf, math.nan
WIDER = [] if np.dtype("longdouble") == np.dtype("float64") else ["longdouble"]
X = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
T = np.array([2, 0])
LOSS = 0.40760596444438030  # of each row of X
GRAD = [[0.09003057317038046, 0.24472847105479765, -0.3347590442251781], [-0.3347590442251781, 0.24472847105479765, 0.09003057317038046]]


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
    assert caught[0].filename == __file__ or "fronts" in caught[0].filename, "the warning points at the caller"
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


# nothing counts -------------------------------------------------------------------------------------------------------


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
    refuse(front, ShapeError, "logits has shape (2, 0): the class axis must hold at least one class.", np.zeros((2, 0)), [label] * 2)


@row("10")
@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16, "float32", "float64"])
def test_one_class_costs_exactly_nothing(front, dtype):
    loss, grad = both(front, np.array([[7.0], [-65504.0], [0.0]]).astype(dtype), [0, 0, 0])
    assert loss == 0
    assert not grad.any()


# labels ---------------------------------------------------------------------------------------------------------------


def out_of_range(label: int, classes: int, *, first: str = "[1]", count: int = 1, of: int = 2) -> str:
    """The text for a label that is no class."""
    words = "1 of {} targets is" if count == 1 else f"{count} of {{}} targets are"
    return (
        f"{words.format(of)} out of range, first targets{first} = {label}: with {classes} classes a target must lie in "
        f"[0, {classes - 1}] or equal ignore_index (-100).\n  If {label} marks padding, pass ignore_index={label}."
    )


@row("11", "12", "13", "14")
@pytest.mark.parametrize("label", [-1, 3, 2**31 + 1, 2**32, 2**32 + 2, -(2**63), 2**63 - 1])
def test_a_label_that_is_no_class_is_refused_with_its_place_and_value(front, label):
    refuse(front, TargetError, out_of_range(label, 3), X, [2, label])
    own = X.copy()
    with pytest.raises(TargetError):
        front.value_and_grad(own, np.array([label, 2]), **({"out": own} if front.has("out") else {}))
    assert_array_equal(own, X, "nothing is written before the labels are checked")


@row("11", "12")
def test_several_labels_that_are_no_class_are_counted_and_the_first_is_shown(front):
    refuse(front, TargetError, out_of_range(7, 5, count=3, of=8), np.zeros((8, 5)), [0, 7, 0, 0, 0, 9, -7, 0])
    refuse(front, TargetError, out_of_range(9, 5, first="[1, 2]", of=6), np.zeros((2, 3, 5)), [[0, 1, 2], [3, 4, 9]])


@row("13b")
@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16, "float32"])
def test_labels_never_pass_through_a_float(front, dtype):
    logits = np.zeros((1, 1000), dtype)
    logits[0, 257] = 8.0
    loss, grad = both(front, logits, [257])
    assert loss == pytest.approx(math.log1p(999 * math.exp(-8.0)), rel=1e-6)
    assert grad[0].astype(float).argmin() == 257


@row("15", "16", "18", "19")
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_labels_of_every_integer_dtype_are_taken(front, dtype):
    loss, grad = both(front, X, T.astype(dtype))
    assert loss == pytest.approx(LOSS, rel=1e-15)
    assert grad == pytest.approx(np.array(GRAD) / 2, rel=1e-15)


@row("17")
def test_255_marks_padding_in_unsigned_bytes(front):
    loss, grad = both(front, X, np.array([2, 255], np.uint8), ignore_index=255)
    assert loss == pytest.approx(LOSS, rel=1e-15)
    assert not grad[1].any()


@row("17")
@pytest.mark.parametrize(
    ("dtype", "index", "low", "high"),
    [("uint8", 256, 0, 255), ("uint8", -1, 0, 255), ("int8", 200, -128, 127), ("uint64", -5, 0, 2**64 - 1)],
)
def test_an_ignore_index_that_the_labels_cannot_hold_is_refused(front, dtype, index, low, high):
    text = f"ignore_index is {index}: it must be None, -100 or a value of the targets' dtype {dtype} in [{low}, {high}]."
    refuse(front, OptionError, text, X, T.astype(dtype), ignore_index=index)


@row("17")
def test_minus_100_never_raises_and_never_matches_a_class(front):
    logits = np.zeros((2, 200))
    logits[:, 156] = 30.0  # 156 is -100 modulo 256
    loss, grad = both(front, logits, np.array([156, 3], np.uint8))
    assert loss == pytest.approx(15.0, rel=1e-9)
    assert grad[0].any()


@row("19")
def test_labels_beyond_2_to_the_63_are_checked_before_any_cast(front):
    big = 2**63 + 5
    refuse(front, TargetError, out_of_range(big, 3), X, np.array([2, big], np.uint64))
    loss, _ = both(front, X, np.array([2, big], np.uint64), ignore_index=big)
    assert loss == pytest.approx(LOSS, rel=1e-15)


@row("20", fronts=[NUMPY, LAYER])
def test_bool_labels_are_refused(front):
    text = "targets has dtype bool: it must be an integer dtype for class indices (or floats of the logits' shape)."
    refuse(front, KindError, text, X, [True, False])


FLOATS = (
    "targets has dtype float64: it must be an integer dtype for class indices (or floats of the logits' shape).\n"
    "  If they are whole numbers: targets.astype(int)."
)


@row("21", "22", fronts=[NUMPY])
@pytest.mark.parametrize("labels", [[2.0, 0.0], [1.2, 0.0], [NAN, 0.0]])
def test_float_labels_are_refused(front, labels):
    refuse(front, KindError, FLOATS, X, labels)


@row("21", "23", "26", fronts=[LAYER])
@pytest.mark.parametrize("targets", [[2.0, 0.0], [[2], [0]], [[0, 0, 1], [1, 0, 0]]])
def test_the_layer_takes_whole_floats_columns_and_integer_one_hot(front, targets):
    loss, grad = both(front, X, targets)
    assert loss == pytest.approx(LOSS, rel=1e-15)
    assert grad == pytest.approx(np.array(GRAD) / 2, rel=1e-15)


@row("22", fronts=[LAYER])
def test_the_layer_refuses_labels_that_are_no_whole_numbers(front):
    text = (
        "t holds labels as float64, and 1 of 2 labels is no whole number of at most 2**53, first t[0] = 1.2: "
        "a label is the index of a class."
    )
    refuse(front, KindError, text, X, [1.2, 0.0])


def wrong_shape(targets: str) -> str:
    return f"targets has shape {targets}, logits (2, 3): class indices must have shape (2,), probabilities the logits' shape."


@row("23", fronts=[NUMPY])
def test_a_column_of_labels_is_refused_with_a_hint(front):
    refuse(front, ShapeError, wrong_shape("(2, 1)") + "\n  Drop the last axis: targets[:, 0].", X, T[:, None])


@row("24")
def test_one_label_for_several_rows_is_refused(front):
    refuse(front, ShapeError, wrong_shape("()"), X, 1)


@row("25")
def test_too_many_labels_are_refused(front):
    refuse(front, ShapeError, wrong_shape("(3,)"), X, [0, 1, 2])


@row("26", "27", fronts=[NUMPY])
@pytest.mark.parametrize("rows", [2, 3])
def test_integer_one_hot_is_refused_with_a_hint(front, rows):
    text = (
        "targets has the logits' shape and dtype int64: it looks like one-hot.\n"
        "  Pass targets.argmax(axis) for class indices, or floats for probabilities: targets.astype(logits.dtype)."
    )
    refuse(front, KindError, text, np.zeros((rows, 3)), np.eye(3, dtype=np.int64)[:rows])


@row("27", fronts=[LAYER])
def test_the_layer_takes_a_square_integer_one_hot(front):
    loss, grad = both(front, np.vstack([X, X[:1]]), np.eye(3, dtype=np.int64)[[2, 0, 2]])
    assert loss == pytest.approx(LOSS, rel=1e-15)
    assert grad[2] == pytest.approx(np.array(GRAD[0]) / 3, rel=1e-15)


@row("28")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_float_one_hot_has_the_bits_of_the_index(front, dtype):
    loss, grad = both(front, X.astype(dtype), T)
    hot_loss, hot_grad = both(front, X.astype(dtype), np.eye(3, dtype=dtype)[T])
    assert hot_loss.tobytes() == loss.tobytes()
    assert hot_grad.tobytes() == grad.tobytes()


# infinite and undefined logits ----------------------------------------------------------------------------------------


@row("29", "38")
@pytest.mark.parametrize("smoothing", [None, 0.0])
def test_a_missing_class_costs_nothing(front, smoothing):
    options = {} if smoothing is None else {"label_smoothing": smoothing}
    loss, grad = both(front, [[-INF, 1.0, 3.0]], [2], **options)
    assert loss == pytest.approx(0.12692801104297263, rel=1e-15)
    assert grad[0, 0] == 0
    assert grad[0, 2] == -grad[0, 1]


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
    assert grad[0] == pytest.approx(np.array([0.09003057317038046, 0.24472847105479765, 0.6652409557748219]) - 1 / 3, rel=1e-14)


@row("40", "41")
@pytest.mark.parametrize("smoothing", [-0.1, 1.5, NAN, INF])
def test_smoothing_outside_0_to_1_is_refused(front, smoothing):
    refuse(front, OptionError, f"label_smoothing is {smoothing}: it must be a number in [0, 1].", X, T, label_smoothing=smoothing)


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


# probability rows -----------------------------------------------------------------------------------------------------


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


# class weights --------------------------------------------------------------------------------------------------------


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


# magnitudes -----------------------------------------------------------------------------------------------------------


@row("54")
def test_the_range_of_float16_is_not_the_range_of_its_loss(front):
    loss, grad = both(front, np.array([[65504.0, -65504.0]], np.float16), [1])
    assert loss == 131008.0
    assert loss.dtype == np.float32
    assert grad.tolist() == [[1.0, -1.0]]


@row("55")
def test_the_range_of_float32_bounds_its_loss_and_not_its_gradient(front):
    logits = np.array([[3.4e38, -3.4e38]], np.float32)
    loss, grad = both(front, logits, [1])
    assert loss == INF
    assert loss.dtype == np.float32
    assert grad.tolist() == [[1.0, -1.0]]
    if front.has("total"):
        assert front.total(logits, np.array([1])).loss == 2.0 * float(logits[0, 0])


@row("56")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_huge_logits_cost_log_v(front, dtype):
    loss, grad = both(front, np.full((1, 3), 1e8, dtype), [0])
    assert loss == pytest.approx(math.log(3), rel={"float32": 1.2e-7, "float64": 4.5e-16}[dtype])  # 1 or 2 ULP
    assert grad[0].tolist() == [np.array(v).astype(dtype) for v in (-2 / 3, 1 / 3, 1 / 3)]


@row("57")
def test_a_large_offset_changes_nothing(front):
    loss, grad = both(front, np.array([[2.0, -1.0]], np.float32) + np.float32(1e6), [0])
    near_loss, near_grad = both(front, np.array([[2.0, -1.0]], np.float32), [0])
    assert loss == near_loss == np.float32(0.04858735157374206)
    assert_array_equal(grad, near_grad)


@row("58", "59")
@pytest.mark.parametrize(("dtype", "margin", "rel"), [("float32", 20.0, 1.2e-7), ("float64", 40.0, 4e-16), ("float64", 700.0, 4e-16)])
def test_a_sure_row_costs_what_is_left_and_not_zero(front, dtype, margin, rel):
    loss, grad = both(front, np.array([[margin, 0.0]], dtype), [0])
    left = math.log1p(math.exp(-margin))
    assert loss == pytest.approx(left, rel=rel, abs=0)
    assert grad[0].tolist() == pytest.approx([-left, left], rel=3 * rel, abs=0)
    assert grad[0, 0] == -grad[0, 1]


@row("60")
@pytest.mark.parametrize(("dtype", "margin"), [("float32", 95.0), ("float32", 103.0), ("float64", 715.0), ("float64", 744.0)])
def test_a_probability_below_the_normal_range_is_not_flushed_to_zero(front, dtype, margin):
    logits = np.array([[margin, 0.0]], dtype)
    loss, grad = both(front, logits, [0], reduction="none")
    assert loss[0] > 0
    assert grad[0, 1] > 0
    assert grad[0, 0] < 0
    assert bounds.check(logits, np.array([0]), loss, grad).ok


@row("61")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_hopeless_row_costs_its_difference(front, dtype):
    loss, grad = both(front, np.array([[0.0, 1e30]], dtype), [0])
    assert loss == np.array(1e30).astype(dtype)
    assert grad.tolist() == [[-1.0, 1.0]]


@row("62", "63", "64")
@pytest.mark.parametrize("dtype", ["int64", "bool", "complex128", "uint8", *WIDER])
def test_logits_that_are_no_floating_point_numbers_of_ours_are_refused(front, dtype):
    name = np.dtype(dtype).name
    text = f"logits has dtype {name}: it must be float16, bfloat16, float32 or float64."
    refuse(front, KindError, text, X.astype(dtype), T)


@row("65")
def test_bfloat16_has_a_float32_loss(front):
    loss, grad = both(front, np.array([[0.0, -6.0]], ml_dtypes.bfloat16), [0])
    assert loss == np.float32(0.0024756851377303103)
    assert loss.dtype == np.float32
    assert float(grad[0, 0]) == float(np.array(-0.0024726231566347743).astype(ml_dtypes.bfloat16))


@row("66")
def test_a_mean_over_65536_float16_rows_does_not_underflow(front):
    logits = np.zeros((65536, 2), np.float16)
    loss, _ = both(front, logits, np.zeros(65536, int))
    assert loss == np.float32(math.log(2))
    _, grad = both(front, logits, np.zeros(65536, int), grad_scale=1024.0)
    assert (grad[:, 1] == np.float16(2.0**-7)).all()


@row("67")
def test_131072_equal_float16_logits_do_not_overflow(front):
    loss, grad = both(front, np.zeros((1, 131072), np.float16), [5])
    assert loss == np.float32(math.log(131072))
    assert grad[0, 5] == -1
    assert (np.delete(grad[0], 5) == np.float16(2.0**-17)).all()


# shapes and layouts ---------------------------------------------------------------------------------------------------


@row("68", "69")
@pytest.mark.parametrize("steps", [3, 4])
def test_the_last_axis_is_the_classes_also_where_another_is_as_long(front, steps):
    logits = np.broadcast_to(np.arange(3.0), (2, steps, 3)).copy()
    targets = np.zeros((2, steps), int)
    loss, grad = both(front, logits, targets)
    assert loss == pytest.approx(2.4076059644443803, rel=1e-15)
    assert grad[1, 2] * 2 * steps == pytest.approx([-0.9099694268296195, 0.24472847105479765, 0.6652409557748219], rel=1e-14)


@row("69", needs=("axis",))
def test_another_class_axis_is_asked_for_by_name(front):
    logits = np.random.default_rng(0).standard_normal((2, 3, 3))
    loss, grad = both(front, logits, np.zeros((2, 3), int), axis=1)
    other, other_grad = both(front, logits.transpose(0, 2, 1), np.zeros((2, 3), int))
    assert loss == other
    assert_array_equal(grad, other_grad.transpose(0, 2, 1))
    assert loss != both(front, logits, np.zeros((2, 3), int))[0]


@row("70")
def test_negative_strides_other_byte_orders_and_read_only_arrays_are_exact(front):
    loss, grad = both(front, X, T)
    read_only = X.copy()
    read_only.flags.writeable = False
    for logits in (X[::-1, ::-1].copy()[::-1, ::-1], X.astype(">f8"), read_only, X.astype(">f4").astype("f8")):
        other, other_grad = front.value_and_grad(logits, T)
        assert other == loss
        assert_array_equal(other_grad, grad)
    assert_array_equal(read_only, X)


@row("71")
def test_a_broadcast_array_gets_a_dense_gradient(front):
    logits = np.broadcast_to(X[0], (4, 3))
    loss, grad = front.value_and_grad(logits, np.array([2, 2, 2, 2]))
    assert loss == pytest.approx(LOSS, rel=1e-15)
    assert grad.flags.c_contiguous
    assert grad.flags.writeable
    assert grad == pytest.approx(np.array([GRAD[0]] * 4) / 4, rel=1e-15)


@row("72")
def test_shifted_slices_of_a_sequence_are_exact(front):
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((3, 6, 5)), rng.integers(0, 5, (3, 6))
    loss, grad = front.value_and_grad(logits[:, :-1], labels[:, 1:])
    copied, copied_grad = front.value_and_grad(logits[:, :-1].copy(), labels[:, 1:].copy())
    assert loss == copied
    assert_array_equal(grad, copied_grad)


@row("73")
def test_an_unknown_reduction_is_refused_with_the_choices(front):
    refuse(front, OptionError, "reduction is 'average': it must be one of 'mean', 'sum', 'none'.", X, T, reduction="average")


@row("74")
def test_a_first_block_of_missing_classes_is_no_nan(front):
    logits = np.full((1, 32776), -INF, np.float32)
    logits[0, 32768:] = np.linspace(1, 3, 8)
    loss, grad = both(front, logits, [32775])
    assert loss == both(front, logits[:, 32768:], [7])[0]
    assert not grad[0, :32768].any()
    assert_array_equal(grad[0, 32768:], both(front, logits[:, 32768:], [7])[1][0])


@row("75", needs=("twice",))
def test_going_backward_twice_gives_the_same_gradient(front):
    first, second = front.backward_twice(X, T)
    assert_array_equal(first, second)


@row("76")
def test_the_loss_alone_leaves_its_input_untouched(front):
    logits, labels = X.copy(), np.array([-100, 0])
    front.cross_entropy(logits, labels)
    assert_array_equal(logits, X)
    assert_array_equal(labels, [-100, 0])


@row("77")
def test_ignored_rows_may_hold_anything_also_all_of_them(front):
    broken = np.full((2, 3), NAN)
    loss, grad = empty(front, broken, [-100, -100])
    assert loss == 0
    assert not grad.any()
    broken[1] = X[1]
    loss, grad = both(front, broken, [-100, 0])
    assert loss == pytest.approx(LOSS, rel=1e-15)
    assert not grad[0].any()


@pytest.mark.slow
@row("78", fronts=[NUMPY])
def test_more_than_2_to_the_31_logits(front):
    LAWS[test_large.test_rows_beyond_2_to_the_31_logits_find_their_own_target.__name__].check(front=front)


# threads and processes ------------------------------------------------------------------------------------------------


@row("83")
def test_several_python_threads_may_call_at_once(front):
    rng = np.random.default_rng(0)
    logits, targets = rng.standard_normal((4000, 50)).astype(np.float32), rng.integers(0, 50, 4000)
    loss, grad = front.value_and_grad(logits, targets)
    with ThreadPoolExecutor(4) as pool:
        for other, other_grad in pool.map(lambda _: front.value_and_grad(logits, targets), range(16)):
            assert other == loss
            assert_array_equal(other_grad, grad)


CHILD = """
    import multiprocessing, os, sys
    import numpy as np
    from tests import fronts

    front = next(f for f in fronts.FRONTS if f.name == sys.argv[1])
    rng = np.random.default_rng(0)
    logits, targets = rng.standard_normal((20000, 50)), rng.integers(0, 50, 20000)


    def digest(_=0):
        loss, grad = front.value_and_grad(logits, targets)
        return float(loss).hex(), hash(grad.tobytes()), float(front.cross_entropy(logits, targets)).hex()


    if __name__ == "__main__":
        os.environ["PYTHONHASHSEED"] = "0"
        before = digest()
        with multiprocessing.get_context("fork").Pool(2) as pool:
            answers = pool.map(digest, range(4), 1)
        assert [a[0] for a in answers] == [before[0]] * 4, (before, answers)
        assert [a[2] for a in answers] == [before[2]] * 4
        assert [a[1] for a in answers] == [before[1]] * 4
        assert digest() == before
        print("same bits")
"""


@row("84")
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork on this system")
def test_a_forked_child_gives_the_same_bits(front):
    import os

    environment = os.environ | {"XENT_NUM_THREADS": "2", "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), front.name],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        check=False,
    )
    assert done.stdout == "same bits\n", done.stderr


# the table itself -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("front", FRONTS, ids=str)
def test_every_row_of_the_table_is_tested_or_says_why_not(front):
    for name in ROWS:
        status = front.status(name)
        if status.startswith("not applicable: "):
            assert name not in TESTED[front.name], name
            assert len(status) > len("not applicable: ") + 10
        else:
            assert status == AS_OURS or status.startswith("follows ")
            assert name in TESTED[front.name], f"row {name} has no test on {front}"
    assert set(front.hostile) <= set(ROWS)
