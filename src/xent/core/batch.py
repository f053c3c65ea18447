"""A batch: the exact sum of its rows' losses and of their weights, and the one division.

Both sums are integers in units of 2**-1152, so adding is exact: any order and any grouping, over micro-batches, threads
or ranks, gives the same bits.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Self

from xent.core import errors
from xent.core.spec import check_positive

GRID = -1152  # exponent of the unit; a product of three float64 is a whole number of units while it is >= 2**-993


def units(*factors: float) -> int:
    """The exact product of finite floats in units of 2**GRID; rounded, once and to even, where it is no whole number.

    >>> units(1.0) == 2**1152
    True
    >>> units(1e-200, 1e-200)
    0
    """
    numerator, exponent = 1, -GRID
    for factor in factors:
        n, d = factor.as_integer_ratio()
        numerator *= n
        exponent -= d.bit_length() - 1
    if exponent >= 0:
        return numerator << exponent
    return round(Fraction(numerator, 1 << -exponent))


def ratio(numerator: int, denominator: int) -> float:
    """The quotient of two integers, rounded once; infinite beyond the range of float64.

    >>> ratio(1, 3), ratio(-(10**400), 1)
    (0.3333333333333333, -inf)
    """
    try:
        return numerator / denominator
    except OverflowError:
        return -math.inf if (numerator < 0) != (denominator < 0) else math.inf


@dataclass(frozen=True, slots=True, repr=False)
class Total:
    """Sum of weight × loss and sum of weights of some rows: exact, so totals of parts add up to that of the whole.

    `xent.total` makes one; `a + b`, `sum(totals)` merge them; `.loss`, `float(total)`, `.loss_over(D)` divide, once.

    Exact while the product sample weight × class weight × loss of a row is at least 2**-993; below that it is rounded
    once per row. Losses are in nats.

    >>> a, b = Total.of_row(0.5), Total.of_row(0.25, 2.0, 1.5)
    >>> a + b
    Total(sum=1.25, denominator=4.0, loss=0.3125)
    >>> sum([a, b]) == b + a
    True
    """

    sum_units: int = 0  # sum of weight × loss over the rows whose loss is finite, in units of 2**GRID
    weight_units: int = 0  # sum of the weights, in units of 2**GRID
    plus_infinities: int = 0  # rows whose weighted loss is +inf
    minus_infinities: int = 0  # rows whose weighted loss is -inf: an infinite loss with a negative weight
    nans: int = 0  # rows whose loss is NaN
    negative_weights: int = 0  # rows whose weight is negative: their mean has no denominator of its own

    @classmethod
    def zero(cls) -> Self:
        """The total of no rows.

        >>> Total.zero() + Total.of_row(2.0) == Total.of_row(2.0)
        True
        """
        return cls()

    @classmethod
    def of_row(
        cls,
        loss: float,
        sample_weight: float = 1.0,
        class_weight: float = 1.0,
        extra: float = 0.0,
        row_weight: float | None = None,
    ) -> Self:
        """The total of one row: sum sample_weight × (class_weight × loss + extra), weight sample_weight × row_weight.

        `row_weight` is `class_weight` unless it is given. A row whose weight is 0 does not count, whatever its loss.

        >>> Total.of_row(math.inf, -1.0)
        Total(sum=-inf, denominator=-1.0)
        """
        row_weight = class_weight if row_weight is None else row_weight
        if sample_weight == 0.0 or row_weight == 0.0:
            return cls()
        weight = units(sample_weight, row_weight)
        negative = int(sample_weight < 0.0)
        if math.isnan(loss) or math.isnan(extra):
            return cls(weight_units=weight, nans=1, negative_weights=negative)
        if math.isinf(loss) or math.isinf(extra):  # neither is ever -inf
            return cls(0, weight, 1 - negative, negative, 0, negative)
        added = units(sample_weight, class_weight, loss) + units(sample_weight, extra)
        return cls(added, weight, negative_weights=negative)

    def __add__(self, other: object) -> Self:
        """The total of both: exact, hence commutative and associative to the bit."""
        if not isinstance(other, Total):
            return NotImplemented
        return type(self)(
            self.sum_units + other.sum_units,
            self.weight_units + other.weight_units,
            self.plus_infinities + other.plus_infinities,
            self.minus_infinities + other.minus_infinities,
            self.nans + other.nans,
            self.negative_weights + other.negative_weights,
        )

    def __radd__(self, other: object) -> Self:
        """`0 + total`, so that `sum(totals)` works."""
        return self if other == 0 and isinstance(other, int) else NotImplemented

    @property
    def sum(self) -> float:
        """Sum of weight × loss in nats, rounded once."""
        return self.over(1, 1)

    @property
    def denominator(self) -> float:
        """Sum of the weights of the rows that count, rounded once."""
        return ratio(self.weight_units, 1 << -GRID)

    @property
    def loss(self) -> float:
        """The mean: the exact sum over the exact sum of the weights, rounded once, in nats.

        0 with an EmptyBatchWarning where nothing counts. OptionError where a weight is negative: such a sum has no
        denominator of its own; divide with `loss_over`.
        """
        if self.negative_weights:
            raise errors.negative_total(self.negative_weights)
        if self.weight_units == 0:
            errors.warn(errors.empty_batch())
            return 0.0
        return self.over(self.weight_units, 1 << -GRID)

    def loss_over(self, denominator: float) -> float:
        """The exact sum over `denominator` (a finite number > 0), rounded once, in nats.

        OptionError for any other number, KindError for anything else.

        >>> (Total.of_row(1.0) + Total.of_row(2.0)).loss_over(4)
        0.75
        """
        return self.over(*check_positive("denominator", denominator).as_integer_ratio())

    def over(self, numerator: int, denominator: int) -> float:
        """The exact sum over numerator / denominator, rounded once; 0 over 0. What is not finite stays so."""
        if numerator == 0:
            return 0.0
        if self.nans or (self.plus_infinities and self.minus_infinities):
            return math.nan
        if self.plus_infinities or self.minus_infinities:
            return math.inf if self.plus_infinities else -math.inf
        return ratio(self.sum_units * denominator, numerator << -GRID)

    def __float__(self) -> float:
        """The mean, as `loss`."""
        return self.loss

    def __repr__(self) -> str:
        """Sum, denominator and, where there is one, the mean."""
        mean = "" if self.negative_weights or not self.weight_units else f", loss={self.loss!r}"
        return f"Total(sum={self.sum!r}, denominator={self.denominator!r}{mean})"

    def to_dict(self) -> dict[str, int | str]:
        """A dictionary for JSON: the two sums as hexadecimal text, in units of 2**grid; the counts as integers.

        >>> Total.from_dict(Total.of_row(0.1).to_dict()) == Total.of_row(0.1)
        True
        """
        exact = {"sum_units": hex(self.sum_units), "weight_units": hex(self.weight_units)}
        counts = {f.name: getattr(self, f.name) for f in fields(self)[2:]}
        return {"grid": GRID, **exact, **counts}

    @classmethod
    def from_dict(cls, record: object) -> Self:
        """The total that `to_dict` wrote. DataError for anything else."""
        names = [f.name for f in fields(cls)]
        if not isinstance(record, Mapping) or set(record) != {"grid", *names} or record["grid"] != GRID:
            raise errors.not_a_total(record, GRID)
        try:
            exact = [int(record[name], 16) for name in names[:2]]
        except (TypeError, ValueError):
            raise errors.not_a_total(record, GRID) from None
        counts = [record[name] for name in names[2:]]
        if not all(type(n) is int and n >= 0 for n in counts):
            raise errors.not_a_total(record, GRID)
        return cls(*exact, *counts)  # checked on the line above
