"""The functions of `xent.core` that kernels call, made known to Numba as they stand: their text is not touched.

Where Numba is missing or switched off they stay what they are, plain Python.
"""

from xent._kernels.cpu import jit
from xent.core.row import RowState, decay, gap, gradient_at_top, lse, nll, share_of, slope, term, value
from xent.core.target import smoothed
from xent.core.twofold import times, two_diff, two_product, two_quotient, two_sum

__all__ = [
    "RowState", "decay", "gap", "gradient_at_top", "lse", "nll", "share_of", "slope", "smoothed", "term", "times",
    "two_diff", "two_product", "two_quotient", "two_sum", "value",
]  # fmt: skip

for _function in (
    two_sum, two_diff, two_product, two_quotient, times, value, decay, gap, term, slope, lse, nll, share_of,
    gradient_at_top, smoothed,
):  # fmt: skip
    jit.inner(_function)
