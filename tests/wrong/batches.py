"""Wrong losses of a batch: wrong counts, sums that depend on the order, rows that see each other."""

import math
from fractions import Fraction

import numpy as np

from tests.reference import Piece, Reference, Rows, to_float
from tests.wrong.rows import LseMinusLogit, NoCompensation, SoftAsDifference, TargetBySubtraction


class MeanOfMeans(Reference):
    """Rows cut into pieces of two, and the mean of the pieces' means: wrong for a short last piece or padding."""

    def divide(self, total, denominator):
        """Divided by a rounded-up even count."""
        if isinstance(total, float):
            return total
        pieces = -(-denominator // 2) if denominator else 0
        return to_float(total / (2 * pieces)) if pieces else 0.0


class OwnCountAlways(Reference):
    """A numeric denominator accepted, and each micro-batch divided by its own weights: the mean of means."""

    def denominator_of(self, pieces, o):
        """Whatever was asked."""
        return sum((p.mass for p in pieces), Fraction(0))


class PaddingCounted(Reference):
    """Ignored rows are counted in the denominator."""

    def denominator_of(self, pieces, o):
        """All rows."""
        extra = sum(p.ignored for p in pieces) if o.denominator in (None, "weights", "items") else 0
        return super().denominator_of(pieces, o) + extra


class IgnoredByMultiplying(Reference):
    """An ignored row is read and multiplied by 0: its NaN stays."""

    def row(self, x, target, s, weight, o):
        """0 * NaN = NaN."""
        if self.ignores(target, o) and any(not math.isfinite(v) for v in x):
            return Piece(math.nan, Fraction(0), [math.nan] * len(x), ignored=True)
        return super().row(x, target, s, weight, o)


class ZeroWeightIsRead(Reference):
    """A row of weight 0 is read and multiplied by 0."""

    def row(self, x, target, s, weight, o):
        """0 * NaN = NaN."""
        if s == 0 and any(not math.isfinite(v) for v in x):
            return Piece(math.nan, Fraction(0), [math.nan] * len(x), ignored=False)
        return super().row(x, target, s, weight, o)


class OnlyMinus100IsIgnored(Reference):
    """ignore_index accepted, and -100 used."""

    def ignores(self, target, o):
        """Whatever was asked."""
        return isinstance(target, int) and target == -100


class SumRoundedBeforeDividing(Reference):
    """The exact sum rounded to float64, then divided: two roundings."""

    def divide(self, total, denominator):
        """Twice rounded."""
        if isinstance(total, float):
            return total
        return to_float(total) / to_float(denominator) if denominator else 0.0


class WeightedLossRounded(Reference):
    """weight * loss rounded before it is added."""

    def product(self, s, w, loss):
        """Rounded."""
        rounded = float(w) * loss * s
        return Fraction(rounded) if math.isfinite(rounded) else rounded


class FoldInOrder(Reference):
    """The rows' losses added one after another in float64."""

    def fold(self, amounts, o):
        """Depends on the order."""
        total = 0.0
        for a in amounts:
            total += float(a)
        return Fraction(total) if math.isfinite(total) else total


class WeightDroppedFromDenominator(Reference):
    """Weighted losses, divided by the count."""

    def denominator_of(self, pieces, o):
        """Counts rows."""
        if o.denominator in (None, "weights"):
            return Fraction(sum(bool(p.mass) for p in pieces))
        return super().denominator_of(pieces, o)


class WeightsInItems(Reference):
    """The names confused: "items" taken for the sum of the weights, and "batch" for the rows that count."""

    def denominator_of(self, pieces, o):
        """Confused."""
        if o.denominator in ("items", "batch"):
            return sum((p.mass for p in pieces), Fraction(0))
        return super().denominator_of(pieces, o)


class GradientOfSum(Reference):
    """The mean's value with the sum's gradient."""

    def grad_factor(self, pieces, o):
        """Never divided."""
        return float(o.grad_scale)


class GradScaleForgotten(Reference):
    """grad_scale accepted and dropped."""

    def grad_factor(self, pieces, o):
        """Without it."""
        o.grad_scale = 1.0
        return super().grad_factor(pieces, o)


class SampleWeightOnLossOnly(Reference):
    """sample_weight in the loss, not in the gradient."""

    def row(self, x, target, s, weight, o):
        """The gradient of weight 1."""
        piece = super().row(x, target, s, weight, o)
        return piece._replace(grad=[g / s for g in piece.grad]) if s else piece


class ZLossOnIgnoredRows(Reference):
    """The z-loss of an ignored row is added too."""

    def row(self, x, target, s, weight, o):
        """Adds lse squared."""
        if self.ignores(target, o) and o.lse_square_scale and not self.broken(x):
            square = o.lse_square_scale * self.lse(self.state(x)) ** 2
            return Piece(Fraction(square), Fraction(0), [0.0] * len(x), ignored=True)
        return super().row(x, target, s, weight, o)


class RowsSeeEachOther(Reference):
    """One maximum for the whole batch: a far row takes the digits of the others, a NaN everything."""

    def pieces(self, rows, o):
        """Adds and takes away the batch's maximum."""
        table = rows.logits
        if table.size:
            with np.errstate(all="ignore"):
                top = table.max()
                table = (table - top) + top
        return super().pieces(rows._replace(logits=table), o)


class TailRowsDifferently(Reference):
    """The rows after the last full block of four go through another formula."""

    def pieces(self, rows, o):
        """lse - x in the tail."""
        full = len(rows.targets) // 4 * 4
        head = Rows(rows.logits[:full], rows.targets[:full], rows.samples[:full], rows.weight)
        tail = Rows(rows.logits[full:], rows.targets[full:], rows.samples[full:], rows.weight)
        return super().pieces(head, o) + OtherFormula().pieces(tail, o)


class OtherFormula(NoCompensation):
    """Half of TailRowsDifferently and of ThreadsSplitTheSum."""

    nll = LseMinusLogit.nll
    target_grad = TargetBySubtraction.target_grad
    soft_nll = SoftAsDifference.soft_nll


class ThreadsSplitTheSum(Reference):
    """Every thread's own float64 sum, then their sum: the bits depend on the number of threads."""

    def fold(self, amounts, o):
        """A partial sum a thread."""
        count = o.threads or 1
        total = sum(sum(map(float, amounts[i::count])) for i in range(count))
        return Fraction(total) if math.isfinite(total) else total


class FieldsChangeThePath(Reference):
    """Asking for more fields takes another kernel, with other bits."""

    def value_and_grad(self, logits, targets, **options):
        """The textbook where `returns` is given."""
        path = OtherFormula() if options.get("returns") else self
        return Reference.value_and_grad(path, logits, targets, **options)


class FieldsOfRowsThatDoNotCount(Reference):
    """lse and the rest are filled in for ignored rows too."""

    def row(self, x, target, s, weight, o):
        """Reads what must not be read."""
        piece = super().row(x, target, s, weight, o)
        if not piece.mass and not self.broken(x):
            return piece._replace(fields=piece.fields | {"lse": self.lse(self.state(x))})
        return piece


class ZLossFieldIsTheSum(Reference):
    """The z_loss field is never divided."""

    def reduced(self, values, pieces, o, shape, kind):
        """Always the sum."""
        return np.asarray(math.fsum(values)).astype(kind)[()]


class NegativeWeightsClamped(Reference):
    """A negative sample weight taken for 0."""

    def row(self, x, target, s, weight, o):
        """max(0, s)."""
        return super().row(x, target, max(0.0, s), weight, o)


class LossOnlyIsAnotherFormula(Reference):
    """cross_entropy computes the loss another way than value_and_grad."""

    def cross_entropy(self, logits, targets, **options):
        """lse - x."""
        return OtherFormula().value_and_grad(logits, targets, **options)[0]
