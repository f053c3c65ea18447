"""The linear loss as a front end of the plain one: behind an identity the logits are the input, to the bit.

So is the gradient. An identity times -inf would be NaN: the lowest finite number stands for it, whose probability is 0
as well.
"""

from contextlib import nullcontext
from unittest.mock import patch

import numpy as np

import xent
from tests.fronts import ROW_OPTIONS, Front
from xent._linear import call
from xent._linear.cuts import Cut

OPTIONS = ROW_OPTIONS | {"reduction", "denominator", "axis", "returns", "threads", "grad_scale"}


class LinearFront(Front):
    """xent.linear_value_and_grad behind an identity; the cut a function of V, or the usual one."""

    def __init__(self, name, cut=None):
        super().__init__(name, options=frozenset(OPTIONS), totals=False)
        object.__setattr__(self, "cut", cut)

    def forced(self, classes):
        """The context in which calls are cut that way."""
        return patch.object(call, "cut", lambda *_, **__: self.cut(classes)) if self.cut else nullcontext()

    def behind(self, logits, axis):
        """hidden and weight."""
        array = np.asarray(logits)
        lowest = np.asarray(-65504.0).astype(array.dtype)
        dtype = array.dtype.newbyteorder("=")
        return np.where(np.isneginf(array.astype(float)), lowest, array), np.eye(array.shape[axis], dtype=dtype)

    def value_and_grad(self, logits, targets, **options):
        """The loss and d_hidden."""
        hidden, weight = self.behind(logits, options.get("axis", -1))
        with self.forced(len(weight)):
            loss, (d_hidden, _) = xent.linear_value_and_grad(hidden, weight, targets, **options)
        return loss, d_hidden

    def cross_entropy(self, logits, targets, **options):
        """The loss alone."""
        hidden, weight = self.behind(logits, options.get("axis", -1))
        with self.forced(len(weight)):
            return xent.linear_cross_entropy(hidden, weight, targets, **options)


WHOLE = LinearFront("linear")
ROWS = LinearFront("three rows at once", lambda classes: Cut(3, classes, 4096, 0))
TILES = LinearFront("tiles", lambda _: Cut(4, 5, 4096, 100, tiles=True))
THIRDS = LinearFront("tiles of a third", lambda classes: Cut(7, -(-classes // 3), 2**20, 100, tiles=True))
