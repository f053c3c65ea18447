"""The oracles themselves: the quick one against the 720-digit one, and the arithmetic under it."""

import random

import numpy as np
import pytest
from mpmath import mp, mpf

from tests.accuracy import doubles
from tests.accuracy.batch import Wide, exact_batch, with_options
from tests.accuracy.exact import WORKING, exact_row
from tests.accuracy.ulp import DTYPES, FORMATS, ulps

ENOUGH = mpf(2) ** -90  # relative; a float64's ULP is 2**-52, so it is measured to 12 digits


def relative(got: mpf, true: mpf) -> mpf:
    if mp.isnan(true):
        return mpf(0) if mp.isnan(got) else mp.inf
    if got == true:
        return mpf(0)
    return abs(got - true) / abs(true) if true != 0 else mp.inf


@pytest.mark.parametrize("seed", range(4))
def test_exp_of_pairs_is_right_to_28_digits(seed):
    rng = np.random.default_rng(seed)
    hi = -np.abs(
        np.concatenate([rng.uniform(0, 1400, 200), 10.0 ** rng.uniform(-30, 3, 200), np.arange(50) * np.log(2) / 64])
    )
    lo = hi * rng.uniform(-1, 1, hi.size) * 2.0**-54
    e_hi, e_lo, k = doubles.exp((hi, lo))
    with mp.workdps(60):
        worst = max(
            relative(doubles.mpf_of(a, b, c), mp.exp(mpf(x) + mpf(y)))
            for a, b, c, x, y in zip(e_hi, e_lo, k, hi, lo, strict=True)
        )
    assert worst < mpf(2) ** -97


def test_exp_of_zero_is_exactly_one():
    assert [float(v[0]) for v in doubles.exp((np.zeros(1), np.zeros(1)))] == [1.0, 0.0, 0.0]


OPTIONS = [
    with_options(),
    with_options(sample_weight=0.3),
    with_options(label_smoothing=0.1),
    with_options(lse_square_scale=1e-4),
    with_options(lse_square_scale=0.5, label_smoothing=1.0),
    with_options(softcap=30.0),
    with_options(softcap=5.0, logit_scale=0.7, lse_square_scale=1e-2),
    with_options(logit_scale=1.7),
]


def sample_rows(rng: np.random.Generator, classes: int) -> list[np.ndarray]:
    margins = [0.0, 1e-9, 3.0, 20.0, 40.0, 95.0, 300.0, 740.0, 800.0]
    rows = [
        np.where(np.arange(classes) == rng.integers(classes), m, rng.standard_normal(classes) * 0.1) for m in margins
    ]
    rows += [rng.standard_normal(classes) * s for s in (1e-12, 1.0, 30.0)]
    rows += [np.sign(rng.standard_normal(classes)) * 10.0 ** rng.uniform(-8, 2.5, classes)]
    rows += [np.full(classes, 1.5), rng.standard_normal(classes) + 1e6]
    return rows


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("classes", [1, 2, 3, 7])
def test_the_quick_oracle_agrees_with_the_definition_in_720_digits(classes, options):
    rng = np.random.default_rng(classes)
    rows = np.array(sample_rows(rng, classes))
    weight = tuple(rng.uniform(0.1, 3.0, classes).tolist())
    for chosen in (options, with_options(**{**vars(options), "weight": weight})):
        for targets in (rng.integers(0, classes, len(rows)), rng.dirichlet(np.ones(classes), len(rows))):
            quick = exact_batch(rows, targets, chosen)
            for i, (x, t) in enumerate(zip(rows, targets, strict=True)):
                target = int(t) if t.ndim == 0 else t.tolist()
                compare(quick, i, exact_row(x.tolist(), target, chosen))


def compare(quick, i, true):
    with mp.workdps(WORKING):
        scale = 1 + abs(true.lse)
        for name in ("loss", "z_loss", "weight"):
            assert relative(getattr(quick, name)[i], getattr(true, name)) < ENOUGH, name
        for name in ("lse", "entropy", "log_prob"):
            assert abs(getattr(quick, name)[i] - getattr(true, name)) < ENOUGH * scale, name
        spread = mpf(float(quick.mass[i])) + 2 * abs(true.lse)
        for j, g in enumerate(true.grad):
            got = quick.grad.to_mpf((i, j))
            # plain class indices: relative. Differences: relative to what is subtracted.
            assert relative(got, g) < ENOUGH or abs(got - g) < mpf(2) ** -96 * (
                spread * mpf(float(quick.p[i, j])) + 1e-400
            ), j


def test_target_gradients_of_confident_rows_are_relatively_right():
    for margin in (5.0, 37.0, 95.0, 700.0, 745.0):
        row = np.array([[margin, 0.0, -1.0]])
        got = exact_batch(row, np.array([0])).grad
        true = exact_row(row[0].tolist(), 0).grad
        with mp.workdps(WORKING):
            assert max(relative(got.to_mpf((0, j)), true[j]) for j in range(3)) < ENOUGH


@pytest.mark.slow
def test_a_row_of_131072_classes_agrees_with_the_definition_in_720_digits():
    rng = np.random.default_rng(0)
    row = np.round(rng.standard_normal(131072) * 8, 2)  # a few thousand distinct values: mpmath takes each once
    values, inverse, counts = np.unique(row, return_inverse=True, return_counts=True)
    with mp.workdps(WORKING):
        top = mpf(float(values[-1]))
        terms = [mp.exp(mpf(float(v)) - top) for v in values]
        total = mp.fsum(t * int(c) for t, c in zip(terms, counts, strict=True))
        lse = top + mp.log(total)
        quick = exact_batch(row[None], np.array([17]))
        assert relative(quick.loss[0], lse - mpf(float(row[17]))) < ENOUGH
        for j in range(0, 131072, 97):
            p = terms[inverse[j]] / total
            assert relative(quick.grad.to_mpf((0, j)), p - (j == 17)) < ENOUGH


def test_a_row_without_a_finite_maximum_is_nan_and_a_missing_class_is_exact():
    inf = np.inf
    got = exact_batch(np.array([[inf, 0.0], [np.nan, 0.0], [-inf, -inf], [-inf, 0.0]]), np.zeros(4, int))
    assert [mp.isnan(v) for v in got.loss[:3]] == [True] * 3
    assert np.isnan(got.grad.to_float()[:3]).all()
    assert got.loss[3] == mp.inf
    assert got.grad.to_float()[3].tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("dtype", FORMATS)
def test_ulps_of_rounded_numbers_are_at_most_half_and_of_neighbours_one(dtype):
    source = random.Random(1)  # noqa: S311 -- a test's draws
    exact = [
        mp.ldexp(mpf(source.random()) + mpf(source.random()) * mpf(2) ** -53, source.randint(-10, 10))
        for _ in range(500)
    ]
    low = FORMATS[dtype].lowest
    exact += [mp.ldexp(mpf(source.random()), low + source.randint(0, 9)) for _ in range(500)]
    wide = Wide.of_numbers(exact)
    rounded = np.array([float(v) for v in exact]).astype(DTYPES[dtype])
    assert ulps(rounded, wide, dtype).max() <= 0.5 + 1e-9
    bits = rounded.view(f"u{rounded.itemsize}")
    above = (bits + 1).view(rounded.dtype)
    assert ulps(above, wide, dtype).max() <= 1.5 + 1e-9
    assert ulps(above, wide, dtype).min() >= 0.5 - 1e-9


def test_ulps_knows_infinities_overflow_and_nan():
    wide = Wide.of_numbers([mpf("inf"), mpf("6.8e38"), mpf("nan"), mpf(1), mpf(0)])
    assert ulps(np.array([np.inf, np.inf, np.nan, np.nan, 0.0]), wide, "float32").tolist() == [0, 0, 0, np.inf, 0]
    assert ulps(np.array([1.0, 3.4e38, 1.0, np.inf, 2.0**-149]), wide, "float32").tolist()[2:] == [np.inf, np.inf, 1.0]
    assert ulps(np.array([np.inf]), Wide.of_numbers([mpf("3.4e38")]), "float32").tolist() == [np.inf]
