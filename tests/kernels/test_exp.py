"""exp and log1p of our own against exact arithmetic, and the NaN of any payload that must stay one."""

import math

import numpy as np
import pytest
from mpmath import mp, mpf

from tests.kernels.lanes_alone import exp, fused, log1p

EXP_32, EXP_64, LOG_64 = (0.9 if fused() else 1.25), 0.95, 0.8  # ULP; exp.py and log.py state them
REACH_32, REACH_64 = 1000.0, 3000.0
WIDE = 64.0  # nats between two powers of two that keep a result normal
EVERY = 509  # a dense sample: every so manieth float32
BLOCK = 2**23


def worst_32(x: np.ndarray) -> float:
    """The largest error of float32 exp over x, in ULP. The reference is float64 exp of what the power of two leaves."""
    worst, part_of = 0.0, np.rint(x / WIDE)
    for part in np.unique(part_of):
        some = x[part_of == part]
        bias = -round(float(part) * WIDE / math.log(2))
        wide = some.astype(np.float64)
        true = np.exp((wide + bias * 0.693147180369123816490) + bias * 1.90821492927058770002e-10)
        last = np.ldexp(1.0, np.frexp(true)[1] - 24)
        worst = max(worst, float((np.abs(exp(some, bias).astype(np.float64) - true) / last).max()))
    return worst


def patterns(first: int, last: int, step: int) -> np.ndarray:
    """float32 of these bit patterns, as far as they are in the reach."""
    x = np.arange(first, last, step, np.uint64).astype(np.uint32).view(np.float32)
    return x[np.abs(x) <= REACH_32]


def test_exp_of_a_dense_sample_of_all_float32_is_within_its_bound():
    worst = max(worst_32(patterns(lo, lo + BLOCK * EVERY, EVERY)) for lo in (0, 2**31))
    assert 0.5 < worst <= EXP_32


@pytest.mark.slow
def test_exp_of_every_float32_in_the_reach_is_within_its_bound():
    top = int(np.float32(REACH_32).view(np.uint32)) + 1
    worst = 0.0
    for sign in (0, 2**31):
        for lo in range(0, top, BLOCK):
            worst = max(worst, worst_32(patterns(sign + lo, sign + min(lo + BLOCK, top), 1)))
    print(f"exp, float32: {worst:.4f} ULP")  # noqa: T201 -- pytest shows it with -rA
    assert 0.5 < worst <= EXP_32


def error_64(got: float, true: mpf) -> float:
    """In ULP of float64."""
    return abs(float((mpf(got) - true) / mp.ldexp(1, mp.frexp(true)[1] - 53)))


def points_64() -> np.ndarray:
    """Random points of every size, and both sides of the places where the reduction changes its whole number."""
    rng = np.random.default_rng(0)
    whole = np.arange(-1000, 1000, 3) + 0.5
    edge = whole * math.log(2)
    sizes = 10.0 ** rng.uniform(-18, math.log10(REACH_64), 1500) * rng.choice([-1, 1], 1500)
    return np.concatenate(
        [rng.uniform(-700, 700, 2500), sizes, edge, np.nextafter(edge, 9e9), np.nextafter(edge, -9e9), [0.0, -0.0]]
    )


def test_float64_exp_is_within_its_bound():
    worst = 0.0
    with mp.workdps(60):
        points = points_64()
        for part in np.unique(np.rint(points / 500)):
            some = points[np.rint(points / 500) == part]
            bias = -round(float(part) * 500 / math.log(2))
            for x, got in zip(some.tolist(), exp(some, bias).tolist(), strict=True):
                worst = max(worst, error_64(got, mp.ldexp(mp.exp(mpf(x)), bias)))
    print(f"exp, float64: {worst:.4f} ULP")  # noqa: T201 -- pytest shows it with -rA
    assert 0.5 < worst <= EXP_64


def test_log1p_is_within_its_bound():
    rng = np.random.default_rng(1)
    edges = np.sqrt(0.5) * 2.0 ** np.arange(1, 60) - 1.0
    points = np.concatenate(
        [10.0 ** rng.uniform(-300, 18, 4000), rng.uniform(0, 3, 2000), edges, np.nextafter(edges, 0), [5e-324, 1.0]]
    )
    with mp.workdps(60):
        true = [mp.log1p(mpf(x)) for x in points.tolist()]
        normal = points > 1e-290
        found = [error_64(got, t) for got, t, ok in zip(log1p(points).tolist(), true, normal, strict=True) if ok]
    print(f"log1p: {max(found):.4f} ULP")  # noqa: T201 -- pytest shows it with -rA
    assert max(found) <= LOG_64
    assert log1p(np.zeros(40)).tolist() == [0.0] * 40


@pytest.mark.parametrize(("dtype", "quiet", "payload"), [("uint32", 0x7FC00000, 23), ("uint64", 0x7FF8 << 48, 52)])
def test_exp_of_a_nan_is_nan_whatever_its_sign_and_payload(dtype, quiet, payload):
    low = np.arange(2**12, dtype=dtype)
    spread = np.array([1 << k for k in range(payload)], dtype)
    sign = 1 << (8 * np.dtype(dtype).itemsize - 1)
    bits = np.concatenate([quiet | low, quiet | low | sign, quiet | spread, quiet - (1 << (payload - 1)) + spread])
    x = bits.astype(dtype).view(dtype.replace("uint", "float"))
    assert np.isnan(x).all()
    assert np.isnan(exp(x)).all()
