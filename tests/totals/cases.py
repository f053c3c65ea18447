"""Logits whose losses are known exactly, and the sums that Total must give: fractions, nothing rounded."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass(frozen=True)
class Rows:
    """Rows of two classes in float64, with weights; `losses` are the rows' unrounded float64 losses."""

    logits: np.ndarray
    targets: np.ndarray
    sample_weight: np.ndarray | None
    weight: np.ndarray | None
    losses: np.ndarray

    def take(self, rows) -> "Rows":
        """Some of them."""
        samples = None if self.sample_weight is None else self.sample_weight[rows]
        return Rows(self.logits[rows], self.targets[rows], samples, self.weight, self.losses[rows])

    def __len__(self) -> int:
        return len(self.targets)

    def total(self):
        """xent's Total of them."""
        import xent

        return xent.total(self.logits, self.targets, weight=self.weight, sample_weight=self.sample_weight)

    def weights(self) -> list[Fraction]:
        """s * w of every row."""
        samples = np.ones(len(self)) if self.sample_weight is None else self.sample_weight
        classes = np.ones(2) if self.weight is None else self.weight
        return [
            Fraction(s) * Fraction(float(classes[t]))
            for s, t in zip(samples.tolist(), self.targets.tolist(), strict=True)
        ]


def rows_with(losses_from: float, losses_to: float, count: int, rng: np.random.Generator, **weights) -> Rows:
    """Rows whose losses lie between 10**losses_from and 10**losses_to, log-uniformly.

    Large losses are wrong rows, [0, l] with target 0; small ones are sure rows, [0, -margin]: log1p(exp(-margin)).
    """
    import xent

    size = 10.0 ** rng.uniform(losses_from, losses_to, count)
    margin = np.where(size > 1.0, size, np.log(1.0 / np.expm1(np.minimum(size, 1.0))))
    logits = np.zeros((count, 2))
    logits[:, 1] = np.where(size > 1.0, margin, -margin)
    flip = rng.random(count) < 0.5
    logits[flip] = logits[flip][:, ::-1]
    targets = flip.astype(np.int64)
    losses = xent.cross_entropy(logits, targets, reduction="none")
    return Rows(logits, targets, weights.get("sample_weight"), weights.get("weight"), losses)


LOWEST = 3 * 1130  # the product of three float64 numbers is a whole number of 2**-LOWEST


def exact_sums(rows: Rows) -> tuple[Fraction, Fraction]:
    """Sum of s * w * loss over the rows with a finite loss, and sum of s * w. In whole numbers: quick for 100 000."""
    low = LOWEST
    total = 0
    mass = 0
    for weight, loss in zip(rows.weights(), rows.losses.tolist(), strict=True):
        mass += weight.numerator * ((1 << low) // weight.denominator)
        if np.isfinite(loss):
            product = weight * Fraction(loss)
            total += product.numerator * ((1 << low) // product.denominator)
    return Fraction(total, 1 << low), Fraction(mass, 1 << low)


def rounded(value: Fraction) -> float:
    """Correctly rounded; infinite beyond the range."""
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def random_pieces(count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The rows 0 ... count - 1 in a random order, cut into 1 to 12 pieces at random places; a piece may be empty."""
    order = rng.permutation(count) if rng.random() < 0.5 else np.arange(count)
    edges = np.sort(rng.integers(0, count + 1, rng.integers(0, 12)))
    return np.split(order, edges)
