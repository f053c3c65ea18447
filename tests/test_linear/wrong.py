"""Linear losses that are wrong on purpose, each by a mistake that people make with losses cut into pieces."""

import numpy as np
from ml_dtypes import bfloat16

from tests.test_linear.definition import Definition, Wide

CHUNK = 4


def chunks(n):
    return [slice(lo, lo + CHUNK) for lo in range(0, n, CHUNK)]


class ShiftAcrossSequences(Definition):
    """Sequences are laid end to end before the shift: the last position of one predicts the first of the next."""

    def positions(self, shape, shift):
        numbers = np.arange(int(np.prod(shape)))
        return numbers[: numbers.size - shift].reshape(1, -1)

    def shifted(self, per_position, shift):
        return per_position.reshape(-1)[shift:]


class LastPositionsAreRows(Definition):
    """Positions without a target are counted in the batch."""

    def divisor(self, r, o):
        return Wide(r.all_rows) if o.denominator == "batch" else super().divisor(r, o)


class SampleWeightStays(Definition):
    """sample_weight of position i is not shifted with the target."""

    def rows(self, hidden, weight, targets, o):
        r = super().rows(hidden, weight, targets, o)
        if o.sample_weight is not None:
            r.sample = np.asarray(o.sample_weight).reshape(-1)[r.where].astype(Wide)
        return r


class MeanOfChunkMeans(Definition):
    """Every chunk is divided by its own count, then the means are averaged."""

    def reduced(self, losses, divisor, r, o):
        if o.reduction != "mean":
            return super().reduced(losses, divisor, r, o)
        weights = r.row_weight
        means = [losses[c].sum() / weights[c].sum() for c in chunks(losses.size) if weights[c].sum()]
        return np.mean(means)


class IgnoredAreCounted(Definition):
    """The divisor is the number of rows, ignored ones included."""

    def divisor(self, r, o):
        return Wide(r.kept.size) if o.reduction == "mean" else Wide(1)


class LastChunkOverwrites(Definition):
    """d_weight is that of the last chunk."""

    def products(self, g, r):
        last = chunks(len(g))[-1]
        return [g @ r.weight, g[last].T @ r.hidden[last], g.sum(0)]


class LogitsInHalf(Definition):
    """Logits are rounded to the halves' dtype before the loss."""

    def logits(self, r):
        return super().logits(r).astype(bfloat16).astype(Wide)


class RoundedEveryChunk(Definition):
    """d_weight is kept in bfloat16 while chunks are added."""

    def products(self, g, r):
        d_weight = np.zeros(r.weight.shape, bfloat16)
        for c in chunks(len(g)):
            d_weight = (d_weight.astype(Wide) + g[c].T @ r.hidden[c]).astype(bfloat16)
        return [g @ r.weight, d_weight.astype(Wide), g.sum(0)]


class BiasForgotten(Definition):
    """The bias is left out of the logits."""

    def logits(self, r):
        return r.hidden @ r.weight.T


class BiasGradientIsAMean(Definition):
    """d_bias is averaged over the rows once more."""

    def products(self, g, r):
        return [g @ r.weight, g.T @ r.hidden, g.mean(0)]


class LastClassesDropped(Definition):
    """The last, incomplete block of classes takes no part in d_hidden."""

    def products(self, g, r):
        whole = g.shape[1] // 8 * 8
        return [g[:, :whole] @ r.weight[:whole], g.T @ r.hidden, g.sum(0)]


class CapWithoutSlope(Definition):
    """The gradient is that by the capped logits."""

    def capped(self, x, o):
        found, slope = super().capped(x, o)
        return found, np.ones_like(slope)


class LseMinusLogit(Definition):
    """The loss is log-sum-exp minus the target's logit."""

    def loss_rows(self, x, q):
        top = x.max(1, keepdims=True)
        lse = (top[:, 0] + np.log(np.exp(x - top).sum(1))).astype(np.float64)
        return lse * q.sum(1) - np.where(q == 0, 0, q * x).sum(1)


class GradScaleOnTheLoss(Definition):
    """grad_scale multiplies the loss too."""

    def reduced(self, losses, divisor, r, o):
        return super().reduced(losses * o.grad_scale, divisor, r, o)


class SkippedByMultiplying(Definition):
    """Rows that do not count take part in the products, times 0."""

    def products(self, g, r):
        return [g @ r.weight, g.T @ self.all_hidden, g.sum(0)]

    def rows(self, hidden, weight, targets, o):
        r = super().rows(hidden, weight, targets, o)
        self.all_hidden = r.hidden.copy()
        return r


class OneBadRowSpoilsAll(Definition):
    """A maximum over the whole chunk is subtracted, so a row that is not finite reaches its neighbours."""

    def reduced(self, losses, divisor, r, o):
        return super().reduced(np.where(np.isnan(losses).any(), np.nan, losses), divisor, r, o)
