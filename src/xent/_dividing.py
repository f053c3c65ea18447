"""What a batch is divided by, and its exact sums: the same for logits that came and for those of a linear layer."""

import math

import numpy as np

from xent import _door
from xent._door import Batch
from xent._kernels.cpu import launch
from xent._kernels.cpu.rows import SKIPPED
from xent.core import errors
from xent.core.batch import GRID, Total, ratio
from xent.core.spec import Denominator, Spec

Divisor = tuple[int, int]  # numerator and denominator of what is divided by, exact
LEAST = 2.0**-1000  # a divisor below it would make 1/divisor infinite, or nearly so


def sum_of_weights(batch: Batch) -> int:
    """The exact sum of the weights of the rows that count, in units of 2**GRID."""
    if not (batch.row_weight.size or batch.sample_weight.size):
        return int(np.count_nonzero(batch.index != SKIPPED)) << -GRID
    ones = np.ones(batch.rows) if not batch.row_weight.size else batch.row_weight
    return launch.exact_sum(batch.index, batch.sample_weight, _door.NONE, ones).units


def divisor_of(batch: Batch, spec: Spec, divide_by: Denominator | float, weights: int) -> Divisor:
    """What the loss is divided by, as a ratio of two whole numbers; (0, 1) where nothing counts."""
    if spec.reduction != "mean":
        return 1, 1
    if not isinstance(divide_by, str):
        return divide_by.as_integer_ratio()
    if divide_by == "weights":
        return (weights, 1 << -GRID) if weights else (0, 1)
    return (batch.items if divide_by == "items" else batch.rows), 1


def number_of(divisor: Divisor) -> float:
    """What the gradient is divided by; 1 where nothing counts. OptionError: out of range."""
    number = ratio(*divisor) or 1.0
    if not LEAST <= number < math.inf:
        raise errors.divisor_out_of_range(number)
    return number


def total_of(batch: Batch, spec: Spec, results: launch.Results, weights: int) -> Total:
    """The exact total of the losses, the z-loss included."""
    found = launch.exact_sum(batch.index, batch.sample_weight, batch.factor, results.losses, spec.threads)
    negative = (
        int(np.count_nonzero(batch.sample_weight[batch.index != SKIPPED] < 0.0)) if batch.sample_weight.size else 0
    )
    whole = Total(found.units, weights, found.plus_infinities, found.minus_infinities, found.nans, negative)
    if spec.lse_square_scale == 0.0:
        return whole
    z = np.where(np.isfinite(results.losses), results.z_losses, 0.0)  # a row that is not finite was counted above
    added = launch.exact_sum(batch.index, batch.sample_weight, _door.NONE, z)
    return whole + Total(added.units, 0, added.plus_infinities, added.minus_infinities)
