"""The functions of `xent.core` that kernels call, made known to Numba as they stand: their text is not touched.

Where Numba is missing or switched off they stay what they are, plain Python.
"""

from xent._kernels.cpu import jit
from xent.core.row import RowState, gap, lse, nll, shares, slope, term, value
from xent.core.target import smoothed
from xent.core.twofold import two_diff, two_product, two_sum

__all__ = [
    "RowState", "gap", "lse", "nll", "shares", "slope", "smoothed", "term",
    "two_diff", "two_product", "two_sum", "value",
]  # fmt: skip

for _function in (two_sum, two_diff, two_product, value, gap, term, slope, lse, nll, shares, smoothed):
    jit.inner(_function)
