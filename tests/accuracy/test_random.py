"""Millions of random rows against extended precision: what no list of families thought of. `make acceptance`."""

import os

import numpy as np
import pytest

from tests.accuracy.batch import exact_batch
from tests.accuracy.doubles import pair_of
from tests.accuracy.ulp import DTYPES, FORMATS
from tests.fronts import NUMPY

ROWS = int(float(os.environ.get("XENT_ROWS", "1e6")))  # a dtype and V; the committed figures are from 1e7
BLOCK = 200_000  # logits at a time: their long doubles stay in the cache, which takes half the time
LONG = np.finfo(np.longdouble)
LIMITS = {"float16": (2, 1, 1), "bfloat16": (2, 1, 1), "float32": (2, 2, 4), "float64": (3, 3, 3)}


def sample(dtype: str, classes: int, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows of every width and margin at once: normal logits of a random scale, one of them raised."""
    x = rng.standard_normal((count, classes)) * 10.0 ** rng.uniform(-2, 1.5, (count, 1))
    x[np.arange(count), rng.integers(0, classes, count)] += rng.exponential(20.0, count) * (rng.random(count) < 0.7)
    return x.astype(DTYPES[dtype]), rng.integers(0, classes, count)


def extended(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Loss and gradient in long double, by compensated differences and the sum of the other terms: to about 2**-62."""
    x = logits.astype(np.longdouble)
    rows = np.arange(len(x))
    k = x.argmax(1)
    top = x[rows, k]
    d = x - top[:, None]
    back = d - x
    e = np.exp(d) * (1 + ((x - (d - back)) - (top[:, None] + back)))
    e[rows, k] = 0
    rest = e.sum(1)
    e[rows, k] = 1
    loss = (top - x[rows, targets]) + np.log1p(rest)
    grad = e / (1 + rest)[:, None]
    hit = k == targets
    grad[rows, targets] = np.where(hit, -rest / (1 + rest), grad[rows, targets] - 1)
    return loss, grad


def error_in_ulps(got: np.ndarray, true: np.ndarray, dtype: str) -> np.ndarray:
    """|got - true| in ULP of the dtype at true."""
    form = FORMATS[dtype]
    _, exponent = np.frexp(true)
    last = np.maximum(exponent.astype(np.int64) - form.digits, form.lowest)
    return np.ldexp(np.abs(got.astype(np.longdouble) - true), -last).astype(np.float64)


def test_the_long_double_formula_is_right_to_a_hundredth_of_a_float64_ulp():
    if LONG.nmant < 63:
        assert LONG.dtype.itemsize == 8, "long double is double here, and the long test does not run"
        return
    logits, targets = sample("float64", 10, 300, np.random.default_rng(1))
    loss, grad = extended(logits, targets)
    exact = exact_batch(logits, targets)
    wide = np.ldexp(exact.grad.hi.astype(np.longdouble) + exact.grad.lo.astype(np.longdouble), exact.grad.exponent)
    assert error_in_ulps(grad, wide, "float64").max() < 0.01
    true = np.array([np.longdouble(hi) + np.longdouble(lo) for hi, lo in map(pair_of, exact.loss)])
    assert error_in_ulps(loss, true, "float64").max() < 0.01


def worst(dtype: str, classes: int, rows: int, seed: int) -> tuple[float, float, float]:
    """The worst errors of loss, target's gradient and other gradients over so many rows."""
    rng = np.random.default_rng([seed, classes])
    found = np.zeros(3)
    kind = "float64" if dtype == "float64" else "float32"
    for start in range(0, rows, BLOCK // classes):
        count = min(BLOCK // classes, rows - start)
        logits, targets = sample(dtype, classes, count, rng)
        loss, grad = extended(logits, targets)
        losses = NUMPY.cross_entropy(logits, targets, reduction="none")
        _, got = NUMPY.value_and_grad(logits, targets, reduction="sum")
        error = error_in_ulps(got, grad, dtype)
        place = np.arange(count), targets
        at_target = error[place].max()
        error[place] = 0
        found = np.maximum(found, [error_in_ulps(losses, loss, kind).max(), at_target, error.max()])
    return tuple(found)


@pytest.mark.skipif(LONG.nmant < 63, reason="long double is double on this system")
@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [pytest.param(ROWS, marks=pytest.mark.slow, id="many"), pytest.param(2000, id="few")])
def test_random_rows_are_within_their_ulps(dtype, classes, size):
    found = worst(dtype, classes, size if classes <= 10 else size // 10, seed=sorted(DTYPES).index(dtype))
    print(f"{dtype}, V = {classes}: loss {found[0]:.3f}, target {found[1]:.3f}, others {found[2]:.3f} ULP")  # noqa: T201 -- pytest shows it with -rA
    assert all(error <= limit for error, limit in zip(found, LIMITS[dtype], strict=True)), found
