"""The hostile table: magnitudes and dtypes of logits. Rows 54-67."""

import math

import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.accuracy import bounds
from tests.hostile.table import INF, T, X, both, refuse, row
from xent.core.errors import KindError

WIDER = [] if np.dtype("longdouble") == np.dtype("float64") else ["longdouble"]


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
    assert [loss, near_loss] == pytest.approx([0.04858735157374206] * 2, rel=2.4e-7)
    assert_allclose(grad, near_grad, rtol=2.4e-7)


@row("58", "59")
@pytest.mark.parametrize(
    ("dtype", "margin", "rel"), [("float32", 20.0, 1.2e-7), ("float64", 40.0, 4e-16), ("float64", 700.0, 4e-16)]
)
def test_a_sure_row_costs_what_is_left_and_not_zero(front, dtype, margin, rel):
    loss, grad = both(front, np.array([[margin, 0.0]], dtype), [0])
    left = math.log1p(math.exp(-margin))
    assert loss == pytest.approx(left, rel=rel, abs=0)
    assert grad[0].tolist() == pytest.approx([-left, left], rel=3 * rel, abs=0)
    assert grad[0, 0] == -grad[0, 1]


@row("60")
@pytest.mark.parametrize(
    ("dtype", "margin"), [("float32", 95.0), ("float32", 103.0), ("float64", 715.0), ("float64", 744.0)]
)
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
    text += "\n  If these are logits: logits.astype(np.float32)." if name in {"int64", "uint8"} else ""
    refuse(front, KindError, text, X.astype(dtype), T)


@row("65")
def test_bfloat16_has_a_float32_loss(front):
    loss, grad = both(front, np.array([[0.0, -6.0]], ml_dtypes.bfloat16), [0])
    assert loss == pytest.approx(0.0024756851377303103, rel=2.4e-7)
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
