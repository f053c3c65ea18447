"""Adding a product in BLAS itself: in every layout, nowhere else, and only by a function that was found right."""

import sys

import numpy as np
import pytest

import xent
from tests.test_linear.cases import arrays
from xent._linear import blas, call, cuts

LAYOUTS = {
    "rows": lambda m: m.copy(),
    "columns": lambda m: m.copy(order="F"),
    "part of rows": lambda m: np.hstack([m, m])[:, : m.shape[1]],
    "part of columns": lambda m: np.vstack([m, m]).copy(order="F")[: m.shape[0]],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("left", LAYOUTS)
@pytest.mark.parametrize("factor", LAYOUTS)
@pytest.mark.parametrize("shape", [(7, 5, 6), (1, 5, 6), (7, 1, 6), (7, 5, 1), (1, 1, 1)])
def test_it_adds_the_product_and_writes_nowhere_else(dtype, left, factor, shape):
    n, k, m = shape
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 9, (n, k)).astype(dtype), rng.integers(-9, 9, (k, m)).astype(dtype)
    memory = rng.integers(-9, 9, (n + 2, m + 2)).astype(dtype)
    before, target = memory.copy(), memory[1:-1, 1:-1]
    if blas.add(target, LAYOUTS[left](a), LAYOUTS[factor](b)):
        before[1:-1, 1:-1] += a @ b
    assert np.array_equal(memory, before)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere NumPy's wheels may come with another BLAS")
def test_numpys_wheels_are_found():
    assert blas.gemm("float32") is not None
    assert blas.gemm("float64") is not None
    assert blas.gemm("float16") is None


@pytest.mark.parametrize(
    "odd",
    [
        (np.zeros((3, 4))[:, ::2], np.zeros((4, 2)), np.zeros((2, 2))),
        (np.zeros((3, 4)).T, np.zeros((4, 2)), np.zeros((2, 3))),
        (np.zeros((3, 4), ">f8"), np.zeros((3, 2)), np.zeros((2, 4))),
        (np.zeros((3, 4)), np.zeros((3, 0)), np.zeros((0, 4))),
        (np.zeros((3, 4), np.float16), np.zeros((3, 2), np.float16), np.zeros((2, 4), np.float16)),
        (np.zeros((3, 4)), np.zeros((6, 2))[::-2], np.zeros((2, 4))),
    ],
    ids=["strided", "columns", "big-endian", "empty", "half", "backwards"],
)
def test_what_it_cannot_do_it_leaves_alone(odd):
    assert not blas.add(*odd)
    assert not odd[0].any()


def overwrites(*given):
    a = list(given)
    a[11] = 0.0  # beta
    blas.gemm("float64")(*a)


def nothing(*_):
    pass


@pytest.mark.parametrize("wrong", [overwrites, nothing])
def test_a_function_that_computes_something_else_is_not_taken(wrong):
    assert blas.right(blas.gemm("float64"), "float64")
    assert not blas.right(wrong, "float64")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_without_it_parts_are_added_to_the_same_result(dtype, monkeypatch):
    (h, w, t), options = arrays(dtype, "ignored", {"linear_bias": True})
    monkeypatch.setattr(call, "cut", lambda *_, **__: cuts.Cut(4, len(w), 100, 0))
    loss, gradients = xent.linear_value_and_grad(h, w, t, **options)
    monkeypatch.setattr(blas, "gemm", lambda _: None)
    without, others = xent.linear_value_and_grad(h, w, t, **options)
    assert loss == without
    u = np.finfo(dtype).eps
    for a, b in zip(gradients, others, strict=True):
        assert np.allclose(a, b, rtol=8 * u, atol=4 * u)
