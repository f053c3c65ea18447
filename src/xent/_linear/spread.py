"""What a call computes, spread over all rows of the batch, also those that do not count; and its one division."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xent._call import LEAST, Divisor, Run, _divisor, _sum_of_weights, _total
from xent._kernels.cpu import launch
from xent._linear.door import Problem
from xent._linear.matrix import Pick
from xent.core import errors
from xent.core.batch import ratio

Array = NDArray[Any]
PER_BATCH = {"sum", "denominator", "z_loss"}  # of `returns`: nothing that a kernel gives row by row


class Spread:
    """Results of all rows: 0 (predicted: -1) where nothing is put."""

    def __init__(self, problem: Problem) -> None:  # OptionError: a divisor out of range
        n = problem.batch.rows
        self.problem = problem
        self.wanted = not set(problem.spec.returns) <= PER_BATCH
        self.losses, self.z_losses = np.zeros(n), np.zeros(n)
        self.extras = np.zeros((n, 3) if self.wanted else (0, 0))
        self.predicted = np.full(n if self.wanted else 0, -1, np.int64)
        self.weights = _sum_of_weights(problem.batch)
        self.divisor: Divisor = _divisor(problem.batch, problem.spec, problem.divide_by, self.weights)
        self.number = ratio(*self.divisor) or 1.0  # what the gradient is divided by
        if not LEAST <= self.number < math.inf:
            raise errors.divisor_out_of_range(self.number)

    def put(self, pick: Pick, results: launch.Results) -> None:
        """The results of some rows."""
        self.losses[pick], self.z_losses[pick] = results.losses, results.z_losses
        if self.wanted:
            self.extras[pick], self.predicted[pick] = results.extras, results.predicted

    def run(self) -> Run:
        """The whole batch after its kernels."""
        results = launch.Results(self.losses, self.z_losses, self.extras, self.predicted)
        batch, spec = self.problem.batch, self.problem.spec
        return Run(batch, spec, _total(batch, spec, results, self.weights), self.divisor, results)
