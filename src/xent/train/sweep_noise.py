"""Noise along the runs of one point of a sweep's grid: where, for every seed, and as records."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xent.fit.threads import one_blas_thread
from xent.train.descent import Cell, Descent
from xent.train.noise import Point, curved, estimated, exact
from xent.train.sweep_analysis import spread
from xent.train.sweep_fit import WELL_BELOW
from xent.train.sweep_record import Noise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from xent.train.descent import Length, Problem
    from xent.train.noise import Curved, Scale
    from xent.train.sweep_record import Comparison, Spread

MORE = 4  # losses at which noise is measured, beside the start and the targets


class Heard(NamedTuple):
    """Noise along the run of one seed, at one loss."""

    updates: int
    scale: Scale
    curved: Curved | None
    estimated: Scale


def noise_cell(comparisons: Sequence[Comparison]) -> Cell | None:
    """The runs along which noise is measured: the headline's, at the largest batch size well below the critical one."""
    headline = next((c for c in reversed(comparisons) if c.kind == "target" and c.reduction == "mean"), None)
    headline = headline or next((c for c in reversed(comparisons) if c.kind == "target"), None)
    sure = [best for best in headline.best if best.lr is not None] if headline else []
    if headline is None or not sure:
        return None
    knee = headline.critical.batch_size if headline.critical else None
    small = [best for best in sure if knee is not None and best.batch_size <= knee / WELL_BELOW]
    best = small[-1] if small else sure[len(sure) // 2]
    return Cell(headline.reduction, best.batch_size, best.lr or 0.0)


def losses_below(start: float, targets: Sequence[float]) -> tuple[float, ...]:
    """Where noise is measured: the targets, and above them losses below the start, each half the one before.

    >>> losses_below(2.3, (0.3, 0.2, 0.1))
    (1.2, 0.6, 0.3, 0.2, 0.1)
    """
    above: list[float] = []
    while targets and 2.0 * (above or targets)[0] < start and len(above) < MORE:
        above.insert(0, float(f"{2.0 * (above or targets)[0]:.6g}"))
    return (*above, *targets)


def noise_along(
    problem: Problem, cell: Cell, seed: int, optimizer: str, length: Length, goals: Sequence[float]
) -> tuple[int, list[Heard | None]]:
    """The seed, and noise at its start and where its run first has each of the losses `goals`, falling; None where not.

    The loss is measured after as many updates as in the sweep itself.
    """
    found: list[Heard | None] = []
    rng = np.random.default_rng([seed, 0, 3])
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        problem = problem.owned()
        descent = Descent(problem, cell, [seed], optimizer)
        for check in length.checks(cell.batch_size):
            while descent.updates < check:
                descent.step()
            loss = float(descent.loss()[0])
            if not math.isfinite(loss):
                break
            reached = 1 + sum(loss <= goal for goal in goals)
            if reached > len(found):
                point = Point(problem.architecture, descent.copies.vector[0], problem.inputs, problem.targets)
                heard = Heard(check, exact(point), curved(point), estimated(point, rng))
                found += [heard] * (reached - len(found))
            if len(found) > len(goals):
                break
    return seed, found + [None] * (1 + len(goals) - len(found))


def records(losses: Sequence[float], found: Iterable[tuple[int, list[Heard | None]]]) -> tuple[Noise, ...]:
    """The records of the losses that a seed reached; what was found is by seed, in any order."""
    along = [heard for _, heard in sorted(found, key=lambda each: each[0])]
    made = []
    for place, loss in enumerate(losses):
        there = [heard[place] for heard in along]
        each = [one for one in there if one is not None]
        if each:
            made.append(_noise(loss, each))
    return tuple(made)


def _noise(loss: float, heard: Sequence[Heard]) -> Noise:
    """The record of one loss."""

    def over(value: Callable[[Heard], float]) -> Spread:
        return spread(np.array([value(each) for each in heard]))

    bends = heard[0].curved is not None
    return Noise(
        loss=loss,
        updates=float(np.median([each.updates for each in heard])),
        gradient=over(lambda each: each.scale.gradient),
        variance=over(lambda each: each.scale.variance),
        scale=over(lambda each: each.scale.rows),
        estimated=over(lambda each: each.estimated.rows),
        curved=over(lambda each: each.curved.rows if each.curved else math.inf) if bends else None,
        longest_lr=over(lambda each: each.curved.longest_lr if each.curved else math.inf) if bends else None,
    )
