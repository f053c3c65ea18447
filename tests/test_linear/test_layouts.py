"""Any layout, byte order and number of axes; one row; no features; a class axis in the middle."""

import numpy as np
import pytest

import xent
from tests.test_linear.cases import N, T, arrays

LAYOUTS = {
    "fortran": np.asfortranarray,
    "reversed": lambda a: a[::-1].copy()[::-1],
    "every other": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "sliced": lambda a: np.concatenate([a, a], axis=-1)[..., : a.shape[-1]],
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "unaligned": lambda a: np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["ignored", "probabilities"])
def test_the_layout_changes_nothing(layout, kind):
    (h, w, t), options = arrays("float32", kind, {"linear_bias": True, "shift": 1})
    loss, gradients = xent.linear_value_and_grad(h, w, t, **options)
    change = LAYOUTS[layout]
    odd = options | {"linear_bias": change(options["linear_bias"])}
    odd_loss, odd_gradients = xent.linear_value_and_grad(change(h), change(w), change(t), **odd)
    assert np.allclose(loss, odd_loss, rtol=1e-6)
    for a, b in zip(gradients, odd_gradients, strict=True):
        assert a.dtype == b.dtype
        assert b.flags.c_contiguous
        assert np.allclose(a, b, rtol=1e-4, atol=1e-7)


def test_broadcast_arrays_are_taken():
    h, w = np.broadcast_to(np.float64(0.5), (6, 3)), np.broadcast_to(np.float64(2.0), (4, 3))
    loss, (d_hidden, d_weight) = xent.linear_value_and_grad(h, w, np.zeros(6, int))
    assert loss == pytest.approx(np.log(4))
    assert d_hidden.shape == (6, 3)
    assert d_weight == pytest.approx(np.repeat([[-0.375], [0.125], [0.125], [0.125]], 3, axis=1))


@pytest.mark.parametrize("axis", [0, 1, -2])
@pytest.mark.parametrize("kind", ["indices", "probabilities"])
def test_the_feature_axis_may_be_anywhere(axis, kind):
    (h, w, t), _ = arrays("float64", kind, {})
    loss, (d_hidden, d_weight) = xent.linear_value_and_grad(h, w, t, reduction="none")
    moved = np.moveaxis(t, -1, axis) if kind == "probabilities" else t
    got, (d_moved, d_weight_too) = xent.linear_value_and_grad(
        np.moveaxis(h, -1, axis), w, moved, reduction="none", axis=axis
    )
    assert np.allclose(got, loss, rtol=1e-13)
    assert np.allclose(np.moveaxis(d_moved, axis, -1), d_hidden, rtol=1e-12, atol=1e-15)
    assert np.allclose(d_weight_too, d_weight, rtol=1e-12, atol=1e-15)


def test_one_row_is_a_batch_of_no_axes():
    h, w = np.array([1.0, 2.0]), np.eye(2)
    loss, (d_hidden, d_weight) = xent.linear_value_and_grad(h, w, 1, returns=("predicted",))
    assert loss.loss == xent.cross_entropy(h, 1)
    assert loss.predicted == 1
    assert d_hidden.shape == (2,)
    assert d_weight.shape == (2, 2)


def test_no_features_leave_the_bias():
    h, w, b = np.zeros((3, 0)), np.zeros((4, 0)), np.array([0.0, 1.0, 2.0, 3.0])
    loss, (d_hidden, d_weight, d_bias) = xent.linear_value_and_grad(h, w, [3, 3, 0], linear_bias=b)
    usual, g = xent.value_and_grad(np.tile(b, (3, 1)), [3, 3, 0])
    assert loss == usual
    assert (d_hidden.shape, d_weight.shape) == ((3, 0), (4, 0))
    assert np.allclose(d_bias, g.sum(0), rtol=1e-14)


def test_lists_are_taken():
    assert xent.linear_cross_entropy([[0.0, 0.0]], [[1.0, 2.0], [3.0, 4.0]], [1]) == pytest.approx(np.log(2))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_targets_of_any_integer_dtype(dtype):
    (h, w, t), _ = arrays("float32", "indices", {})
    usual = xent.linear_cross_entropy(h, w, t, shift=1)
    assert xent.linear_cross_entropy(h, w, t.astype(dtype), shift=1) == usual


def test_micro_batches_with_the_whole_count_add_up():
    (h, w, t), _ = arrays("float64", "ignored", {})
    count = int((t != -100).sum())
    loss, (d_hidden, d_weight) = xent.linear_value_and_grad(h, w, t)
    parts = [xent.linear_value_and_grad(h[i], w, t[i], denominator=count) for i in range(N)]
    assert sum(part[0] for part in parts) == pytest.approx(loss, rel=1e-13)
    assert np.allclose(sum(part[1][1] for part in parts), d_weight, rtol=1e-12, atol=1e-15)
    assert np.allclose(np.array([part[1][0] for part in parts]), d_hidden, rtol=1e-12, atol=1e-15)
    assert d_hidden.shape == (N, T, h.shape[-1])
