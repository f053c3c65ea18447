"""What both ways of doing it share: the arrays as they are read and written, and how they are cut."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xent._linear.cuts import Cut
from xent._linear.door import Problem
from xent._linear.matrix import Rows, add_bias, add_columns, product

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

    def product(self, target: Array, a: Array, b: Array, *, first: bool) -> None:
        """target = a @ b, or += where it is not the first."""
        product(target, a, b, self.room, self.problem.spec.threads, first=first)

    def add_to_bias(self, first: int, g: Array) -> None:
        """What the gradient g by the logits of the classes from `first` on adds to d_bias."""
        if self.gradients is not None and self.gradients.sums is not None:
            add_columns(self.gradients.sums[first : first + g.shape[1]], g, self.problem.spec.threads)
