"""The short way of small plain batches: the bits of the long way, and nothing of it where something is not plain."""

import math
from fractions import Fraction

import numpy as np
import pytest

import xent
from xent import _small
from xent._kernels.cpu import plain, sums


@pytest.fixture
def short(monkeypatch):
    """The short way of small batches from the first call on, counted; the other short way is closed."""
    monkeypatch.setattr("xent._plain.is_plain", lambda _logits: False)  # not in xent.numpy: it makes room by it
    monkeypatch.setattr(_small, "CALLS", 0)
    taken = []

    def watched(*given):
        found = _small.small_mean(*given)
        taken.append(found is not None)
        return found

    monkeypatch.setattr("xent._plain.small_mean", watched)
    return taken


def batch(seed: int):
    rng = np.random.default_rng(seed)
    n, classes = int(rng.integers(1, 60)), int(rng.integers(1, 25))
    logits = (rng.standard_normal((n, classes)) * 10.0 ** rng.integers(-3, 3)).astype(np.float32)
    targets = rng.integers(0, classes, n)
    targets[rng.random(n) < 0.1] = -100
    targets[0] = 0
    return logits, targets


@pytest.mark.parametrize("seed", range(40))
def test_both_ways_give_the_same_bits(short, seed):
    logits, targets = batch(seed)
    loss, grad = xent.value_and_grad(logits, targets)
    assert short == [True]
    long_loss, long_grad = xent.value_and_grad(logits, targets, threads=1)
    assert loss.tobytes() == long_loss.tobytes()
    assert grad.tobytes() == long_grad.tobytes()
    assert xent.cross_entropy(logits, targets).tobytes() == loss.tobytes()


def test_over_the_logits_it_gives_the_same_bits(short):
    logits, targets = batch(3)
    loss, grad = xent.value_and_grad(logits, targets)
    over = logits.copy()
    again, written = xent.value_and_grad(over, targets, out=over)
    assert short == [True, True]
    assert written is over
    assert (again, over.tobytes()) == (loss, grad.tobytes())


@pytest.mark.parametrize(
    "options",
    [
        {"ignore_index": None}, {"weight": [1.0, 2.0, 3.0]}, {"sample_weight": [1.0, 2.0]}, {"label_smoothing": 0.1},
        {"reduction": "sum"}, {"denominator": 7}, {"axis": 1}, {"lse_square_scale": 0.1}, {"softcap": 5.0},
        {"logit_scale": 2.0}, {"returns": ("lse",)}, {"threads": 1}, {"grad_scale": 2.0},
    ],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
def test_an_option_is_never_lost(short, options):
    logits, targets = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], np.float32), np.array([2, 0])
    wide = xent.value_and_grad(logits.astype(np.float64), targets, **options)
    loss, grad = xent.value_and_grad(logits, targets, **options)
    both = (loss, wide[0]) if "returns" in options else ([loss], [wide[0]])
    for got, wanted in zip(*both, strict=True):
        assert np.allclose(got, wanted, rtol=1e-6)
    assert np.allclose(grad, wide[1], rtol=1e-5)


@pytest.mark.parametrize("label", [3, -1, -101, 2**40])
def test_a_bad_label_is_an_error_and_writes_nothing(short, label):
    logits, targets = np.ones((2, 3), np.float32), np.array([0, label])
    out = np.full((2, 3), 7.0, np.float32)
    with pytest.raises(xent.TargetError, match="out of range"):
        xent.value_and_grad(logits, targets, out=out)
    assert (out == 7.0).all()


def test_a_label_of_minus_one_is_no_way_to_say_that_none_is_ignored(short):
    with pytest.raises(xent.TargetError):
        xent.cross_entropy(np.ones((2, 3), np.float32), np.array([0, 0]) - [0, 1], ignore_index=None)


def test_an_empty_mean_warns_on_either_way(short):
    with pytest.warns(xent.EmptyBatchWarning):
        assert xent.cross_entropy(np.ones((2, 3), np.float32), np.array([-100, -100])) == 0.0
    assert short == [False]


def test_a_row_without_a_loss_is_nan_and_one_without_its_class_infinite(short):
    logits = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    logits[0, 0] = np.nan
    assert math.isnan(xent.cross_entropy(logits, np.array([0, 1])))
    logits[0, 0] = -np.inf
    assert xent.cross_entropy(logits, np.array([0, 1])) == np.inf
    assert short == [True, True]


def test_an_out_that_overlaps_is_an_error(short):
    room = np.zeros(7, np.float32)
    with pytest.raises(xent.OptionError, match="overlaps"):
        xent.value_and_grad(room[:6].reshape(2, 3), np.array([0, 1]), out=room[1:].reshape(2, 3))


@pytest.mark.parametrize("seed", range(30))
def test_the_quotient_is_rounded_once(seed):
    rng = np.random.default_rng(seed)
    for _ in range(50):
        terms = [float(x) for x in rng.random(3) * 2.0 ** rng.integers(-150, 40, 3)]
        divisor = int(rng.integers(1, 2**31 - 1)) if seed % 2 else int(rng.integers(1, 9))
        limbs = np.zeros(sums.LIMBS, np.int64)
        for x in terms:
            sums.deposit(limbs, x)
        assert plain.divided(limbs, divisor) == float(sum(map(Fraction, terms)) / divisor)


def test_halves_are_rounded_to_even():
    for whole, wanted in ((2**53 + 1, 2.0**53), (2**53 + 3, 2.0**53 + 4), (2**54 + 2, 2.0**54)):
        limbs = np.zeros(sums.LIMBS, np.int64)
        sums.deposit(limbs, float(whole // 2**20 * 2**20))
        sums.deposit(limbs, float(whole % 2**20))
        assert plain.divided(limbs, 1) == wanted
