"""The gradient's noise: how much the gradients of single rows scatter around their mean, as a number of rows.

With g the gradient of one row's loss, G its mean over all rows and Σ its covariance, the gradient of a batch of B rows
has the variance tr Σ / B. At B = tr Σ / |G|², the noise scale, that is as large as |G|² itself; so far smaller batches
are mostly noise, and far larger ones waste rows.

Source: McCandlish, Kaplan, Amodei et al. 2018, arXiv:1812.06162.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xent.train.copies import Copies, softmax_minus_onehot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xent.fit.model import Architecture

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Inputs = NDArray[Any]

DRAWS = 300  # pairs of batches of the estimate
LARGE, TIMES = 512, 16  # rows of the larger batch, and how many times as many as of the smaller
_BLOCK = 2**21  # numbers of a block of the matrix of all pairs of rows


class Scale(NamedTuple):
    """Noise at one point."""

    gradient: float  # |G|²
    variance: float  # tr Σ

    @property
    def rows(self) -> float:
        """The noise scale tr Σ / |G|²; inf where the gradient is 0."""
        return self.variance / self.gradient if self.gradient > 0.0 else float("inf")


class Curved(NamedTuple):
    """Noise as the loss' curvature sees it."""

    rows: float  # tr(HΣ) / GᵀHG
    longest_lr: float  # |G|² / GᵀHG


@dataclass(frozen=True)
class Point:
    """One copy of a model, and the rows it learns from.

    vector   (P,) float64, every parameter. Read.
    inputs   (N, F) float64 or tokens. Read.
    targets  (N,) int64 classes. Read.
    """

    architecture: Architecture
    vector: Floats
    inputs: Inputs
    targets: Ints

    def copies(self) -> Copies:
        """The model."""
        model = Copies(self.architecture, [0])
        model.vector[0] = self.vector
        return model


def exact(point: Point) -> Scale:
    """|G|² and tr Σ over all rows, without any row's gradient.

    A layer's gradient by one row is the outer product of its input x and the derivative δ by its output, so its squared
    length is |x|²·|δ|², and (|x|² + 1)·|δ|² with the bias. One pass forward and back gives every x and δ.

    Error    relative 1e-12 of the gradients taken row by row: tests/test_sweep/test_noise.py.
    Source   Goodfellow 2015, arXiv:1510.01799.
    """
    model, squares = point.copies(), 0.0
    whole = np.zeros_like(point.vector)
    for part in model.parts(len(point.targets)):
        logits, kept = model.forward(point.inputs[None, part])
        d_logits = softmax_minus_onehot(logits, point.targets[None, part])
        deltas = model.deltas(d_logits, kept)
        for rows, delta in zip(kept, deltas, strict=True):
            squares += float(((np.square(rows).sum(-1) + 1.0) * np.square(delta).sum(-1)).sum())
        if point.architecture.vocabulary:
            squares += _embedding_squares(model, deltas[0], point.inputs[part])
        model.backward(d_logits, kept, point.inputs[None, part])
        whole += model.gradient[0]
    count = len(point.targets)
    length = float(whole @ whole) / count**2
    return Scale(length, max(squares / count - length, 0.0))


def curved(point: Point) -> Curved | None:
    """The same with the Hessian H of a softmax regression; None for another model, whose H has no such form.

    A row's share of H is (x̃x̃ᵀ) ⊗ (diag p − ppᵀ) with x̃ = (x, 1), so gⱼᵀHgⱼ = meanᵢ (x̃ᵢ·x̃ⱼ)²·Var_{pᵢ}(dⱼ) with
    d = p − t: a matrix of all pairs of rows, taken in blocks.

    Error    relative 1e-6 of the Hessian by finite differences: tests/test_sweep/test_noise.py.
    """
    sizes = point.architecture
    if sizes.hidden or sizes.vocabulary:
        return None
    d = softmax_minus_onehot(point.copies().forward(point.inputs[None])[0], point.targets[None])[0]
    p = d.copy()
    p[np.arange(len(p)), point.targets] += 1.0
    rows = np.concatenate([point.inputs, np.ones((len(p), 1))], axis=1)
    mean = rows.T @ d / len(p)
    along = rows @ mean
    bend = float(((p * along**2).sum(1) - (p * along).sum(1) ** 2).mean())
    each, step = 0.0, max(1, _BLOCK // len(p))
    for start in range(0, len(p), step):
        part = slice(start, start + step)
        pairs = np.square(rows[part] @ rows.T)
        pairs *= p[part] @ np.square(d).T - np.square(p[part] @ d.T)
        each += float(pairs.sum())
    if bend <= 0.0:
        return Curved(float("inf"), float("inf"))
    return Curved(max(each / len(p) ** 2 - bend, 0.0) / bend, float((mean**2).sum()) / bend)


def estimated(point: Point, rng: np.random.Generator, draws: int = DRAWS) -> Scale:
    """|G|² and tr Σ by the squared lengths of the gradients of batches of two sizes: all that a training step has.

    E|g_B|² = |G|² + tr Σ / B for rows drawn with replacement, so two sizes give both. Means over `draws` pairs; either
    can come out below 0, as an unbiased estimate of a small number does.

    Source   McCandlish et al. 2018, arXiv:1812.06162, appendix A.1.
    """
    count = len(point.targets)
    large = max(2, min(LARGE, count))
    small = max(1, large // TIMES)
    model = point.copies()
    means = [
        np.mean([_squared(model, point, rng.integers(0, count, size)) for _ in range(draws)]) for size in (small, large)
    ]
    gradient = (large * means[1] - small * means[0]) / (large - small)
    return Scale(float(gradient), float((means[0] - means[1]) / (1 / small - 1 / large)))


def _squared(model: Copies, point: Point, chosen: Ints) -> float:
    """Squared length of the gradient of the mean over the chosen rows."""
    inputs = point.inputs[None, chosen]
    logits, kept = model.forward(inputs)
    d_logits = softmax_minus_onehot(logits, point.targets[None, chosen])
    d_logits /= len(chosen)
    model.backward(d_logits, kept, inputs)
    return float(model.gradient[0] @ model.gradient[0])


def _embedding_squares(model: Copies, delta: Floats, tokens: Ints) -> float:
    """Sum over the rows of the squared length of the embedding's gradient; a token may stand in a row twice.

    delta   (1, N, width) derivative by the output of the first dense layer. Read.
    tokens  (N, context) int64. Read.
    """
    d_rows = model.d_inputs([delta])[0].reshape(*tokens.shape, -1)
    same = tokens[:, :, None] == tokens[:, None, :]
    return float(np.einsum("nae,nbe,nab->", d_rows, d_rows, same, optimize=True))
