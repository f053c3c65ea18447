"""One call of the linear loss, from checked arguments to loss and gradients."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xent._call import Answer
from xent._linear.cuts import costs_of, cut
from xent._linear.door import Problem
from xent._linear.matrix import Rows
from xent._linear.spread import Spread
from xent._linear.task import Gradients, Task
from xent._linear.tiles import by_tiles
from xent._linear.whole_rows import by_rows

Array = NDArray[Any]


def call(problem: Problem, factor: float = 1.0, out: tuple[Array, ...] | None = None) -> Answer:
    """The loss as `reduction` and `returns` ask for it.

    out: arrays for the gradients of hidden, weight and, where there is one, bias, of the shapes as they came; or None:
    the loss alone. Written. factor: what the gradients are multiplied by.
    """
    spread = Spread(problem)
    hidden = Rows(problem.hidden, problem.live, problem.work)
    weight = Rows(problem.weight, None, problem.work)
    q = problem.batch.q
    targets = None if q is None else Rows(q, problem.live, q.dtype.newbyteorder("="))
    gradients = None
    if out is not None:
        sums = np.zeros(problem.classes) if problem.bias is not None else None
        gradients = Gradients(Rows(problem.view(out[0]), problem.live, problem.work), out[1], sums)
    costs = costs_of(problem, hidden, weight, targets, None if gradients is None else gradients.d_hidden)
    task = Task(problem, hidden, weight, targets, gradients, cut(problem, costs, gradient=out is not None))
    with np.errstate(all="ignore"):  # what is not finite stays so; a half that overflows is infinite
        if out is not None and gradients is not None:
            clear(problem, gradients, out)
        if problem.rows:
            (by_tiles if task.cut.tiles else by_rows)(task, spread, factor)
        if gradients is not None and gradients.sums is not None and out is not None:
            out[2][...] = gradients.sums
    return spread.run().answer("loss")


def clear(problem: Problem, gradients: Gradients, out: tuple[Array, ...]) -> None:
    """Put 0 where nothing will be written: rows that do not count; everything, where none does."""
    if not gradients.d_hidden.direct:
        out[0][...] = 0.0
    if not problem.rows:
        for array in out:
            array[...] = 0.0
