"""The loss behind a linear layer by its definition, in extended precision with all logits held; and what may be wrong.

`Definition.value_and_grad` takes what `xent.linear_value_and_grad` takes. A mutant overrides one step (wrong.py).
`Bound` is how far a right answer may be off: the logits' rounding, carried through the loss, and the products' own.

It is not `tests.reference` once more: that one is exact in its sums and float64 in a row, where float64 products are
measured here against something that has 11 bits more than they; and mutants of the products need them step by step.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests import reference
from tests.accuracy.ulp import FORMATS

Wide = np.longdouble
RETURNS = ("lse", "entropy", "log_prob", "z_loss", "accuracy", "predicted", "sum", "denominator")


@dataclass
class Options(reference.Options):
    """The options of one call, with the package's defaults."""

    linear_bias: Any = None
    shift: int = 0
    max_bytes: int | None = None


@dataclass
class Rows:
    """A call as rows: hidden (N, D), q (N, V), what counts, weights; all in extended precision."""

    hidden: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    q: np.ndarray
    kept: np.ndarray  # (N,) not ignored
    sample: np.ndarray
    class_weight: np.ndarray
    shape: tuple[int, ...]  # of the batch
    where: np.ndarray  # (N,) the row of hidden as it came that each row is
    all_rows: int

    @property
    def row_weight(self) -> np.ndarray:
        """What each row adds to the denominator."""
        return np.where(self.kept, self.sample * (self.q @ self.class_weight), 0)


@dataclass
class Bound:
    """How far loss (a scalar or (N,)) and gradients may be off."""

    loss: np.ndarray
    gradients: list[np.ndarray]
    of_logits: np.ndarray = field(default_factory=lambda: np.zeros(0))


class Definition:
    """Step by step; a mutant replaces one of the methods."""

    def targets(self, t: np.ndarray, classes: int, o: Options) -> tuple[np.ndarray, np.ndarray]:
        """One-hot rows, and which are kept."""
        flat = t.reshape(-1)
        kept = np.ones(flat.size, bool) if o.ignore_index is None else flat != o.ignore_index
        q = np.zeros((flat.size, classes), Wide)
        q[np.arange(flat.size)[kept], flat[kept]] = 1
        return q, kept

    def shifted(self, per_position: np.ndarray, shift: int) -> np.ndarray:
        """What belongs to position i + shift of the same sequence; axis -1 is the sequence's."""
        return per_position[..., shift:]

    def positions(self, shape: tuple[int, ...], shift: int) -> np.ndarray:
        """The rows of hidden that have a target."""
        numbers = np.arange(int(np.prod(shape))).reshape(shape)
        return numbers[..., : shape[-1] - shift] if shift else numbers

    def rows(self, hidden, weight, targets, o: Options) -> Rows:
        """A call taken apart."""
        moved = np.moveaxis(np.asarray(hidden), o.axis, -1).astype(Wide)
        w, t = np.asarray(weight).astype(Wide), np.asarray(targets)
        full = moved.shape[:-1]
        where = self.positions(full, o.shift)
        shape = where.shape
        chosen = self.shifted(np.arange(int(np.prod(full))).reshape(full), o.shift) if o.shift else where
        chosen = chosen.reshape(-1)
        if t.ndim == moved.ndim:
            q = np.moveaxis(t, o.axis, -1).reshape(-1, w.shape[0]).astype(Wide)[chosen]
            kept = np.ones(len(q), bool)
        else:
            q, kept = self.targets(t.reshape(-1)[chosen], w.shape[0], o)
        sample = np.ones(full) if o.sample_weight is None else np.asarray(o.sample_weight)
        class_weight = np.ones(w.shape[0]) if o.weight is None else np.asarray(o.weight)
        bias = np.zeros(w.shape[0]) if o.linear_bias is None else np.asarray(o.linear_bias)
        where = where.reshape(-1)
        return Rows(
            moved.reshape(-1, w.shape[1])[where], w, bias.astype(Wide), q, kept,
            sample.reshape(-1).astype(Wide)[chosen], class_weight.astype(Wide), shape, where, int(np.prod(full)),
        )  # fmt: skip

    def logits(self, r: Rows) -> np.ndarray:
        """h·wᵀ + b of every row."""
        return r.hidden @ r.weight.T + r.bias

    def loss_rows(self, x: np.ndarray, q: np.ndarray) -> np.ndarray:
        """Sum of q·nll of every row."""
        top = x.max(1, keepdims=True)
        rest = self.others(np.exp(x - top), x)
        return (np.where(q == 0, 0, q * (top - x))).sum(1) + q.sum(1) * np.log1p(rest[:, 0])

    def others(self, terms: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Sum of every row without the entry of its first maximum, (N, 1)."""
        rest = terms.copy()
        rest[np.arange(len(x)), x.argmax(1)] = 0
        return rest.sum(1, keepdims=True)

    def divisor(self, r: Rows, o: Options) -> Wide:
        """What is divided by."""
        if o.reduction != "mean":
            return Wide(1)
        if o.denominator in (None, "weights"):
            return r.row_weight.sum()
        if o.denominator == "items":
            return Wide(r.kept.sum())
        return Wide(len(r.kept) if o.denominator == "batch" else o.denominator)

    def capped(self, x: np.ndarray, o: Options) -> tuple[np.ndarray, np.ndarray]:
        """Scaled and capped logits, and the slope."""
        u = x * Wide(o.logit_scale)
        if o.softcap is None:
            return u, np.full(x.shape, Wide(o.logit_scale))
        c = Wide(o.softcap)
        return c * np.tanh(u / c), Wide(o.logit_scale) / np.cosh(u / c) ** 2

    def reduced(self, losses: np.ndarray, divisor: Wide, r: Rows, o: Options) -> np.ndarray:
        """The loss as `reduction` asks for it."""
        if o.reduction == "none":
            return losses.reshape(r.shape)
        return losses.sum() / divisor if divisor else Wide(0)

    def products(self, g: np.ndarray, r: Rows) -> list[np.ndarray]:
        """Gradients of hidden's rows, weight, bias from those of the logits."""
        return [g @ r.weight, g.T @ r.hidden, g.sum(0)]

    def value_and_grad(self, hidden, linear_weight, targets, /, **options):
        """(loss, gradients), as `xent.linear_value_and_grad`, in extended precision."""
        loss, gradients, _ = self.solve(hidden, linear_weight, targets, Options(**options))
        return loss, gradients

    def solve(self, hidden, weight, targets, o: Options) -> tuple[Any, tuple[np.ndarray, ...], Bound]:
        """Loss, gradients, and how far each may be off."""
        came = np.asarray(hidden)
        r = self.rows(hidden, weight, targets, o)
        counts = r.kept & (r.row_weight != 0)
        r.hidden, r.q = np.where(counts[:, None], r.hidden, 0), np.where(counts[:, None], r.q, 0)
        x, slope = self.capped(self.logits(r), o)
        mass = r.q.sum(1, keepdims=True)
        q = (1 - Wide(o.label_smoothing)) * r.q + Wide(o.label_smoothing) * mass / x.shape[1]
        q = q * r.class_weight
        top = x.max(1, keepdims=True)
        terms = np.exp(x - top)
        rest = self.others(terms, x)
        p, lse = terms / (1 + rest), (top + np.log1p(rest))[:, 0]
        z = Wide(o.lse_square_scale) * lse**2
        sample = np.where(counts, r.sample, 0)
        losses = sample * (self.loss_rows(x, q) + z)
        divisor = self.divisor(r, o)
        scale = (sample / (divisor or 1) * Wide(o.grad_scale))[:, None]
        pull = (2 * Wide(o.lse_square_scale) * lse)[:, None]
        g = (q.sum(1, keepdims=True) + pull) * p - q
        at = np.arange(len(x)), x.argmax(1)
        g[at] = ((self.others(q, x) + pull - q[at][:, None] * rest) / (1 + rest))[:, 0]  # without cancelling
        g = scale * g * slope
        d_rows, d_weight, d_bias = self.products(g, r)
        loss = self.reduced(losses, divisor, r, o)
        gradients = [self.spread(d_rows, r, came, o), d_weight]
        if o.linear_bias is not None:
            gradients.append(d_bias)
        bound = self.bound(came, o, r, x, p, q, g, scale, slope, lse, losses, sample, divisor)
        return loss, tuple(gradients), bound

    def spread(self, rows: np.ndarray, r: Rows, came: np.ndarray, o: Options) -> np.ndarray:
        """Rows in their place among all rows of hidden, 0 elsewhere; the axis where it was."""
        every = np.zeros((r.all_rows, rows.shape[1]), Wide)
        every[r.where] = rows
        shape = np.moveaxis(came, o.axis, -1).shape
        return np.moveaxis(every.reshape(shape), -1, o.axis)

    def bound(self, came, o, r, x, p, q, g, scale, slope, lse, losses, sample, divisor) -> Bound:
        """First the logits' own error d, then what it does to loss and gradient, then the products'."""
        stored = came.dtype.name
        work = "float64" if stored == "float64" else "float32"
        u, last = Wide(2.0) ** -FORMATS[work].digits, Wide(2.0) ** -FORMATS[stored].digits
        tiny = Wide(2.0) ** FORMATS[stored].lowest
        n, features = r.hidden.shape
        classes = r.weight.shape[0]
        finite = np.where(np.isfinite(r.bias), np.abs(r.bias), 0)
        d = (features + 2) * u * (np.abs(r.hidden) @ np.abs(r.weight).T + finite).max(1)
        d = (d * Wide(o.logit_scale))[:, None]
        z = Wide(o.lse_square_scale)
        mass = q.sum(1, keepdims=True)
        of_loss = 2 * mass[:, 0] * d[:, 0] + 3 * z * np.abs(lse) * d[:, 0]
        ours = np.abs(sample) * of_loss + 8 * u * np.abs(losses)
        size = np.maximum(1, np.maximum(np.abs(x).max(1), np.abs(lse)))[:, None]
        in_g = 8 * u * (mass * p + q + 2 * z * size * p)  # twice the kernels' own
        in_g = in_g + (mass + 2 * z * size) * p * np.expm1(2 * d) + 2 * z * d * p
        in_g = np.abs(scale) * slope * in_g
        if o.softcap is not None:
            in_g = in_g + np.abs(g) * np.expm1(2 * d / Wide(o.softcap))
        a, h, w = np.abs(g) + in_g, np.abs(r.hidden), np.abs(r.weight)
        rounded = 0 if stored == work else last
        rows = in_g @ w + (classes + 2) * u * (a @ w)
        d_weight = in_g.T @ h + (n + 2) * u * (a.T @ h)
        d_bias = in_g.sum(0) + (n * Wide(2.0) ** -53) * a.sum(0) + u * np.abs(g.sum(0))
        found = [rows, d_weight, d_bias]
        exact = self.products(g, r)
        found = [b + rounded * (np.abs(e) + b) + tiny for b, e in zip(found, exact, strict=True)]
        found[0] = self.spread(found[0], r, came, o)
        loss = ours.reshape(r.shape) if o.reduction == "none" else ours.sum() / (divisor or 1)
        return Bound(np.asarray(loss + u * np.abs(loss)), found if o.linear_bias is not None else found[:2], d)
