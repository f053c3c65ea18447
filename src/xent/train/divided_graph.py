"""The report's picture of the division: the graph of a batch with two of this run's own test rows in it."""

import math

from xent._page import Html, figure, scroll
from xent.graph import explain
from xent.graph.html import static
from xent.graph.svg import DARK, LIGHT, RULES, theme
from xent.train.run import Divided, Worst

ROWS = 2
STYLE = (
    f":root {{ {theme(LIGHT)} }}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {theme(DARK)} }} }}\n"
    f"{RULES}"
    ".drawing svg { max-width: 100%; min-width: 46rem; }\n"
)


def divided_graph(worst: tuple[Worst, ...], divided: Divided, size: float, *, smoothing: float, unit: str) -> Html:
    """Two rows as items: their target's probability, that of all other classes together, and the run's own divisor.

    Of two classes with probabilities p and 1 − p the logits are log p and log(1 − p), up to a constant; the gradient at
    the target's is (p − 1)/D, as with all classes apart. Nothing where the run has no such rows or divides nothing.
    """
    rows = [row for row in worst if 0.0 < row.probability < 1.0][:ROWS]
    plain = divided.reduction == "mean" and divided.unit != "weight" and not smoothing
    if len(rows) < ROWS or not plain or not 0.0 < size < math.inf:
        return Html("")
    logits = [[math.log(row.probability), math.log1p(-row.probability)] for row in rows]
    graph = explain(logits, [0] * ROWS, denominator=size, class_names=["its class", "all others"])
    if not graph.check():
        raise AssertionError(str(graph.report))
    words = (
        f"Two test {unit}s with high losses, as they would stand in a batch that is divided by {size:g}: class 0 is "
        f"the target, class 1 all others together. The other {unit}s of the batch are not drawn, so L is the part "
        "of these two. Solid arrows and dark numbers lead forward, dashed arrows and red numbers back."
    )
    label = f"the graph of two {unit}s in a batch"
    return figure(scroll(label, static(graph.drawing, graph.report, "divided")), words, class_="drawing")
