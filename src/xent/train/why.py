"""Why the gradient is divided by the batch size: the answer, with one's own numbers, measured now.

Both graphs, of the mean and of the sum; a nudge that shows which gradient belongs to which loss; who divides by what;
what is and what is not the same as another learning rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xent.core.errors import OptionError
from xent.graph import explain
from xent.train.same_steps import Compared, timed

if TYPE_CHECKING:
    from xent.graph import Conventions, Graph
    from xent.train.explained import Given

NUDGE = 1e-4
AGREES = 1e-4  # of a nudge and a gradient: its own error is some NUDGE²


@dataclass(frozen=True)
class Claim:
    """A loss, a gradient that is claimed to be its own, and what a nudge says."""

    name: str  # "mean"
    loss: float
    formula: str  # "(y − t)/2"
    gradient: float
    nudged: float  # change of the loss when the logit moves by ±NUDGE, over 2·NUDGE

    @property
    def right(self) -> bool:
        """Whether the gradient is that loss' own."""
        return abs(self.gradient - self.nudged) <= AGREES * max(abs(self.gradient), abs(self.nudged), 1e-3)


@dataclass(frozen=True)
class Why:
    """The answer."""

    mean: Graph
    sum: Graph
    divisor: float  # N, or whatever the mean divides by
    divided_by: str
    item: int  # the item, and the class whose logit is nudged
    place: int
    claims: tuple[Claim, ...]
    conventions: Conventions
    compared: tuple[Compared, ...]
    seconds: float  # of the comparison
    own: bool  # whether the batch is the reader's

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "divisor": self.divisor,
            "nudged": {"item": self.item, "class": self.place, "by": NUDGE},
            "claims": [
                {"name": c.name, "loss": c.loss, "formula": c.formula, "gradient": c.gradient, "nudged": c.nudged,
                 "right": c.right}
                for c in self.claims
            ],
            "conventions": self.conventions.to_dict(),
            "same_as_a_learning_rate": [
                {"setting": c.setting, "same": c.same, "difference": c.difference, "remedy": c.remedy,
                 "remedied": c.remedied}
                for c in self.compared
            ],
            "mean": self.mean.to_dict(),
            "sum": self.sum.to_dict(),
        }  # fmt: skip


def why(given: Given, options: dict[str, Any], *, own: bool) -> Why:
    """The answer for a batch. OptionError where it has no mean to ask about."""
    if options.get("reduction", "mean") != "mean":
        raise OptionError("--why compares the mean with the sum: leave --reduction out.")
    kept = {**given.options, **options}
    mean = explain(given.logits, given.targets, **kept)
    of_sum = {key: value for key, value in kept.items() if key not in {"reduction", "denominator"}}
    total = explain(given.logits, given.targets, reduction="sum", **of_sum)
    drawing = mean.drawing
    counting = [i for i in drawing.items if drawing.nodes[f"l{i}"].counts]
    if not counting or mean.loss is None or not math.isfinite(mean.loss):
        raise OptionError("--why needs a batch with a finite loss in which something counts.")
    i = counting[0]
    node = drawing.nodes[f"x{i}"]
    assert node.gradient is not None  # noqa: S101 -- for the type checker: an item has one
    gradients = dict(zip(node.value.places, node.gradient.rows[0], strict=True))
    place = max(gradients, key=lambda j: abs(gradients[j]))
    assert total.loss is not None  # noqa: S101 -- for the type checker: only "none" has none
    own_sum = _entry(total, i, place)
    slopes = [_nudged(graph, i, place) for graph in (mean, total)]
    by = drawing.divided_by.split()[0]
    claims = (
        Claim("mean", mean.loss, f"(y − t)/{by}", _entry(mean, i, place), slopes[0]),
        Claim("sum", total.loss, "y − t", own_sum, slopes[1]),
        Claim("mean, but y − t", mean.loss, "y − t", own_sum, slopes[0]),
    )
    compared, seconds = timed()
    return Why(
        mean, total, drawing.denominator, drawing.divided_by, i, place, claims, mean.conventions(), tuple(compared),
        seconds, own,
    )  # fmt: skip


def _entry(graph: Graph, i: int, place: int) -> float:
    """∂L/∂x of a logit."""
    node = graph.drawing.nodes[f"x{i}"]
    assert node.gradient is not None  # noqa: S101 -- for the type checker
    return dict(zip(node.value.places, node.gradient.rows[0], strict=True))[place]


def _nudged(graph: Graph, i: int, place: int) -> float:
    """Central difference of the drawn loss by one logit."""
    up, down = (graph.loss_after(i, place, step) for step in (NUDGE, -NUDGE))
    return (up - down) / (2 * NUDGE)
