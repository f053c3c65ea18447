"""The hostile table: labels that are no class, of every dtype and shape. Rows 11-28."""

import math

import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.fronts import LAYER, NUMPY
from tests.hostile.table import GRAD, LOSS, NAN, T, X, both, refuse, row
from xent.core.errors import KindError, OptionError, ShapeError, TargetError


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
    text = (
        f"ignore_index is {index}: it must be None, -100 or a value of the targets' dtype {dtype} in [{low}, {high}]."
    )
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
    allowed = "class indices must have shape (2,), probabilities the logits' shape."
    return f"targets has shape {targets}, logits (2, 3): {allowed}"


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
