"""The hostile table: shapes, layouts, sizes, in what order things are called. Rows 68-78."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.hostile.table import GRAD, INF, LOSS, NAN, T, X, both, empty, refuse, row
from tests.laws import test_large
from xent.core.errors import OptionError


@row("68", "69")
@pytest.mark.parametrize("steps", [3, 4])
def test_the_last_axis_is_the_classes_also_where_another_is_as_long(front, steps):
    logits = np.broadcast_to(np.arange(3.0), (2, steps, 3)).copy()
    targets = np.zeros((2, steps), int)
    loss, grad = both(front, logits, targets)
    assert loss == pytest.approx(2.4076059644443803, rel=1e-15)
    assert grad[1, 2] * 2 * steps == pytest.approx(
        [-0.9099694268296195, 0.24472847105479765, 0.6652409557748219], rel=1e-14
    )


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
    refuse(
        front,
        OptionError,
        "reduction is 'average': it must be one of 'mean', 'sum', 'none'.",
        X,
        T,
        reduction="average",
    )


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
@row("78")
def test_more_than_2_to_the_31_logits(front):
    test_large.check(front, rows=2**31 // 1000 + 5000, classes=1000, late=4000)
