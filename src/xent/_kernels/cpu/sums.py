"""The exact sums of a batch: every product cut into floats, every float put on a grid of whole numbers.

The grid is that of `core.batch`: limbs of 32 bits in int64, units of 2**-1152. Adding is exact, so rows may come in
any order. Source of the grid: Kulisch & Miranker 1986, doi:10.1137/1028001.
"""

import numpy as np
from numpy.typing import NDArray

from xent._kernels.cpu.jit import inner
from xent._kernels.cpu.rows import SKIPPED
from xent._kernels.cpu.scalar import two_product

GRID = -1152  # core.batch.GRID, as a constant of the compiled code
LIMBS = 72  # 72·32 - 1152 = 1152 bits above the point: the largest float64 needs 1024
LOW = 0xFFFFFFFF
MOST_ROWS = 2**27  # a limb takes 2**31 deposits; a row makes four at most
TINY, HUGE = 1e-230, 1e230  # factors and products between them are cut exactly


@inner
def deposit(limbs, x):
    """Add a finite float64, exactly."""
    bits = np.float64(x).view(np.int64)
    exponent, n = (bits >> 52) & 0x7FF, bits & 0xFFFFFFFFFFFFF
    if exponent:
        n |= 0x10000000000000  # the leading bit, which is not stored
    position = (exponent or 1) - 1075 - GRID
    k, shift = position >> 5, position & 31
    low, high = (n & LOW) << shift, (n >> 32) << shift
    sign = np.int64(-1 if x < 0.0 else 1)
    limbs[k] += sign * (low & LOW)
    limbs[k + 1] += sign * (((low >> 32) & LOW) + (high & LOW))
    limbs[k + 2] += sign * (high >> 32)


@inner
def moderate(x):
    """Whether x is neither 0, nor tiny, nor huge: then its products can be cut exactly."""
    return TINY < abs(x) < HUGE


@inner
def deposit_product(limbs, a, b, c):
    """Add a·b·c exactly; the factors and their products are moderate."""
    high, low = two_product(a, b)
    first, first_error = two_product(high, c)
    second, second_error = two_product(low, c)
    deposit(limbs, first)
    deposit(limbs, first_error)
    deposit(limbs, second)
    deposit(limbs, second_error)


def add_products(index, a, b, x, limbs, counts, hard):
    """Add a·b·x of every row that counts to the exact sum; returns how many rows were left to the caller.

    index   (N,) int64, SKIPPED for a row that does not count. Read. N <= MOST_ROWS.
    a, b    (N,) float64, finite; or (0,): all 1. Read.
    x       (N,) float64. Read.
    limbs   (LIMBS,) int64: limb k counts 2**(32·k + GRID). Added to.
    counts  (3,) int64: rows whose product is +inf, -inf, NaN. Added to.
    hard    (N,) int64: the rows left to the caller, because a factor or a product is tiny or huge. Written.
    """
    left = 0
    for i in range(index.shape[0]):
        if index[i] == SKIPPED:
            continue
        first = a[i] if a.shape[0] else 1.0
        second = b[i] if b.shape[0] else 1.0
        if np.isnan(x[i]):
            counts[2] += 1
        elif np.isinf(x[i]):
            counts[0 if first * second * x[i] > 0.0 else 1] += 1
        elif first == 1.0 and second == 1.0:
            deposit(limbs, x[i])
        elif first == 0.0 or second == 0.0 or x[i] == 0.0:
            continue
        elif (moderate(first) and moderate(second) and moderate(x[i])) and (
            moderate(first * second) and moderate(first * second * x[i])
        ):
            deposit_product(limbs, first, second, x[i])
        else:
            hard[left] = i
            left += 1
    return left


def whole(limbs: NDArray[np.int64]) -> int:
    """The sum in limbs as one whole number, in units of 2**GRID.

    >>> whole(np.array([5, 1] + [0] * (LIMBS - 2)))
    4294967301
    """
    return sum(int(limb) << (32 * k) for k, limb in enumerate(limbs.tolist()) if limb)
