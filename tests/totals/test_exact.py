"""Total is the exact sum: equal to fractions.Fraction to the bit, over any split and order."""

import math
import os
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

from tests.totals.cases import Rows, exact_sums, random_pieces, rounded, rows_with


def kinds(count: int, rng: np.random.Generator) -> dict:
    """The families of sums that break float64: by name, rows."""
    signed = rng.uniform(-1, 1, count)
    cancelling = rows_with(-3, 3, count, rng)
    half = count // 2
    # the second half repeats the first with the opposite weight, but for one row of weight 2**-60
    cancelling = cancelling.take(np.concatenate([np.arange(half), np.arange(half)]))
    opposite = np.concatenate([signed[:half], -signed[:half]])
    opposite[-1] += 2.0**-60 * max(1.0, 2.0 ** math.floor(math.log2(abs(opposite[-1])) + 8))
    return {
        "1e-30 to 1e30": rows_with(-30, 30, count, rng),
        "1e-30 to 1e-28": rows_with(-30, -28, count, rng),
        "around 1": rows_with(-1, 1, count, rng),
        "class weights": rows_with(-30, 30, count, rng, weight=np.array([0.1, 7.3])),
        "sample weights": rows_with(-5, 5, count, rng, sample_weight=10.0 ** rng.uniform(-20, 20, count)),
        "both": rows_with(-10, 10, count, rng, weight=np.array([0.1, 0.7]), sample_weight=rng.uniform(0, 3, count)),
        "signed": rows_with(-30, 30, count, rng, sample_weight=signed),
        "cancelling": cancelling.__class__(cancelling.logits, cancelling.targets, opposite, None, cancelling.losses),
        "tiny weights": rows_with(-30, 0, count, rng, sample_weight=10.0 ** rng.uniform(-150, -100, count)),
    }


KINDS = [
    "1e-30 to 1e30",
    "1e-30 to 1e-28",
    "around 1",
    "class weights",
    "sample weights",
    "both",
    "signed",
    "cancelling",
    "tiny weights",
]


def check_splits(rows, splits: int, rng: np.random.Generator, total_of=Rows.total) -> None:
    """The Total of the whole, and of `splits` random partitions, against fractions."""
    total, mass = exact_sums(rows)
    wanted = rounded(total)
    whole = total_of(rows)
    assert whole.sum == wanted
    assert whole.denominator == rounded(mass)
    if mass > 0 and (rows.sample_weight is None or (rows.sample_weight >= 0).all()):
        assert whole.loss == rounded(total / mass)
    for denominator in (3.0, 7, 0.1, 2.0**-40, 1e300):
        assert whole.loss_over(denominator) == rounded(total / Fraction(denominator))
    for _ in range(splits):
        parts = [total_of(rows.take(piece)) for piece in random_pieces(len(rows), rng)]
        rng.shuffle(parts)
        assert sum(parts) == whole


@dataclass(frozen=True)
class RoundedTotal:
    """A wrong Total: every piece is summed exactly, and rounded to float64 before it is added."""

    sum: float
    denominator: float

    @classmethod
    def of(cls, rows: Rows) -> "RoundedTotal":
        """Of some rows."""
        return cls(*map(rounded, exact_sums(rows)))

    def __add__(self, other):
        return RoundedTotal(self.sum + other.sum, self.denominator + other.denominator)

    def __radd__(self, other):
        return self

    @property
    def loss(self) -> float:
        """The mean, rounded twice."""
        return self.sum / self.denominator

    def loss_over(self, denominator: float) -> float:
        """Rounded twice."""
        return self.sum / denominator


@pytest.mark.parametrize("kind", KINDS)
def test_sums_that_are_rounded_before_they_are_added_fail_every_kind(kind):
    rng = np.random.default_rng(KINDS.index(kind))
    with pytest.raises(AssertionError):
        check_splits(kinds(300, rng)[kind], 20, rng, RoundedTotal.of)


@pytest.mark.parametrize("kind", KINDS)
def test_every_split_and_order_gives_the_fraction_to_the_bit(kind):
    rng = np.random.default_rng(KINDS.index(kind))
    check_splits(kinds(3000, rng)[kind], 20, rng)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_splits_of_a_hundred_thousand_rows_give_the_fraction_to_the_bit(kind):
    splits = int(os.environ.get("XENT_SPLITS", "1000"))
    rng = np.random.default_rng(100 + KINDS.index(kind))
    check_splits(kinds(100_000, rng)[kind], splits, rng)


def test_signed_weights_cancel_down_to_what_is_left():
    rows = kinds(1000, np.random.default_rng(5))["cancelling"]
    total, _ = exact_sums(rows)
    assert (
        0
        < abs(total)
        < 2.0**-50
        * sum(
            abs(Fraction(float(s)) * Fraction(float(v))) for s, v in zip(rows.sample_weight, rows.losses, strict=True)
        )
    )
    assert rows.total().sum == rounded(total)


def test_a_float64_fold_in_order_does_not_give_the_fraction():
    """The oracle of these tests rejects the sum that everybody writes."""
    rows = kinds(3000, np.random.default_rng(2))["around 1"]
    total, _ = exact_sums(rows)
    folded = 0.0
    for v in rows.losses.tolist():
        folded += v
    assert folded != rounded(total)
    assert rows.total().sum == rounded(total)


def test_products_below_2_to_the_minus_969_are_rounded_once_a_row_and_still_add_in_any_order():
    rng = np.random.default_rng(9)
    rows = rows_with(-30, -20, 400, rng, sample_weight=10.0 ** rng.uniform(-300, -270, 400))
    total, _ = exact_sums(rows)
    whole = rows.total()
    assert abs(Fraction(whole.sum) - total) <= 400 * Fraction(2) ** -1074 + Fraction(math.ulp(whole.sum))
    for _ in range(20):
        assert sum(rows.take(piece).total() for piece in random_pieces(400, rng)) == whole


@pytest.mark.parametrize("odd", [[np.inf, 0.0], [np.nan, 0.0], [-np.inf, -np.inf]], ids=["+inf", "nan", "all -inf"])
def test_one_row_without_a_loss_makes_the_sum_nan_and_not_the_parts(odd):
    rng = np.random.default_rng(0)
    rows = rows_with(-30, 30, 500, rng)
    logits = rows.logits.copy()
    logits[123] = odd
    losses = rows.losses.copy()
    losses[123] = np.nan
    broken = rows.__class__(logits, rows.targets, None, None, losses)
    whole = broken.total()
    assert math.isnan(whole.sum)
    assert math.isnan(whole.loss)
    assert whole.denominator == 500
    for _ in range(10):
        parts = [broken.take(piece).total() for piece in random_pieces(500, rng)]
        assert sum(parts) == whole
        assert sum(math.isnan(p.sum) for p in parts) == 1


def test_one_infinite_loss_makes_the_sum_infinite():
    rng = np.random.default_rng(0)
    rows = rows_with(-30, 30, 500, rng)
    logits = rows.logits.copy()
    logits[7] = [0.0, 0.0]
    logits[7, rows.targets[7]] = -np.inf
    losses = rows.losses.copy()
    losses[7] = np.inf
    broken = rows.__class__(logits, rows.targets, None, None, losses)
    whole = broken.total()
    assert whole.sum == math.inf
    assert whole.loss == math.inf
    assert whole.loss_over(3.0) == math.inf
    for _ in range(10):
        assert sum(broken.take(piece).total() for piece in random_pieces(500, rng)) == whole


def test_an_infinite_and_a_minus_infinite_row_have_no_sum():
    import xent

    logits = np.array([[-np.inf, 0.0], [-np.inf, 0.0]])
    total = xent.total(logits, np.array([0, 0]), sample_weight=np.array([1.0, -1.0]))
    assert math.isnan(total.sum)
    assert xent.total(logits[:1], np.array([0]), sample_weight=np.array([-1.0])).sum == -math.inf


def test_float32_logits_are_summed_from_unrounded_losses():
    import xent

    rng = np.random.default_rng(3)
    logits = (rng.standard_normal((200, 5)) * 9).astype(np.float32)
    targets = rng.integers(0, 5, 200)
    rows = [xent.total(logits[i : i + 1], targets[i : i + 1]) for i in range(200)]
    exact = sum(Fraction(t.sum) for t in rows)
    total = xent.total(logits, targets)

    assert total.sum == rounded(exact)
    assert total.loss == rounded(exact / 200)
    assert any(Fraction(float(np.float32(t.sum))) != Fraction(t.sum) for t in rows), "the losses are not float32"
    assert xent.cross_entropy(logits, targets) == np.float32(total.loss)


def test_smoothing_and_z_loss_add_up_too():
    import xent

    rng = np.random.default_rng(4)
    logits, targets = rng.standard_normal((300, 7)) * 20, rng.integers(0, 7, 300)
    options = {"label_smoothing": 0.1, "lse_square_scale": 1e-3, "weight": rng.random(7) + 0.1}
    whole = xent.total(logits, targets, **options)
    for _ in range(20):
        parts = [xent.total(logits[p], targets[p], **options) for p in random_pieces(300, rng)]
        assert sum(parts) == whole
