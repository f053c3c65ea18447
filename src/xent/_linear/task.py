"""What both ways of doing it share: the arrays as they are read and written, and how they are cut."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xent._linear.cuts import Cut
from xent._linear.door import Problem
from xent._linear.matrix import Rows, add_bias

Array = NDArray[Any]


class Gradients(NamedTuple):
    """Where gradients go."""

    d_hidden: Rows  # over hidden's rows that count
    d_weight: Array  # (V, D)
    sums: NDArray[np.float64] | None  # (V,) of the columns of the logits' gradient, for d_bias


class Task:
    """A call that has been cut."""

    def __init__(
        self, problem: Problem, hidden: Rows, weight: Rows, targets: Rows | None, gradients: Gradients | None, cut: Cut
    ) -> None:
        self.problem, self.hidden, self.weight, self.targets = problem, hidden, weight, targets
        self.gradients, self.cut = gradients, cut
        self.bias = None if problem.bias is None else problem.bias.astype(problem.work)
        self.room = np.empty(max(1, cut.room // problem.work.itemsize), problem.work)

    def logits(self, h: Array, w: Array, first: int, out: Array) -> None:
        """out = h·wᵀ + bias: logits of the classes from `first` on, whose weights are w."""
        np.matmul(h, w.T, out=out)
        if self.bias is not None:
            add_bias(out, self.bias[first : first + w.shape[0]], self.problem.spec.threads)
