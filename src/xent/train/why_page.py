"""The answer of `xent explain --why` as a page of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xent._page import Html, join, page, tag
from xent._page.markup import table
from xent.graph import html
from xent.graph.numbers import plain, short
from xent.train.why_text import MORE, amount, remedy

if TYPE_CHECKING:
    from xent.train.why import Why


def why_page(answer: Why) -> str:
    """The whole page."""
    n = plain(answer.divisor)
    body = [
        tag("h1", "Why is the gradient divided by the batch size?"),
        tag(
            "p", "y − t is the gradient of ", tag("strong", "one"), " item. The loss of a batch is the ",
            tag("strong", "mean"), f" of its items, so the last node of its graph divides by {n}, ",
            "and so does its backward.",
            class_="lead",
        ),
        tag("h2", "The mean"),
        html.figure(answer.mean.drawing, answer.mean.report, "mean", table=False),
        tag("h2", "The sum"),
        tag("p", f"The same batch without the division: all gradients are {n} times as long."),
        html.figure(answer.sum.drawing, answer.sum.report, "sum", table=False),
        tag("h2", "Which gradient belongs to which loss"),
        tag("p", f"Move the logit x{answer.item}[{answer.place}] up and down by a little, and see what the loss does."),
        _claims(answer),
        tag("p", "Divide in forward and in backward, or in neither. Dividing in one of them only is the mistake."),
        tag("h2", "Who divides by what"),
        html.convention_table(answer.conventions),
        tag("h2", "Is it only a learning rate?"),
        tag(
            "p", "The sum with learning rate lr/N against the mean with lr, on 200 handwritten digits for 20 epochs: "
            f"how far apart the weights end. Measured when this page was made, in {answer.seconds:.2f} s.",
        ),
        _rates(answer),
        tag("h2", "Where the story goes on"),
        *(tag("p", f"{label}: ", tag("code", command)) for label, command in MORE),
        tag("footer", "Made by ", tag("code", "xent explain --why"), ". One file: nothing is loaded from elsewhere."),
    ]  # fmt: skip
    return page("Why is the gradient divided by the batch size?", join(body), style=html.style(), script=html.script())


def _claims(answer: Why) -> Html:
    rows = []
    for claim in answer.claims:
        factor = abs(claim.gradient / claim.nudged) if claim.nudged else 0.0
        verdict = "✓ its own" if claim.right else f"✗ {plain(factor)} times too long"
        kind = "good" if claim.right else "bad"
        row = [claim.name, short(claim.loss), claim.formula, short(claim.gradient), short(claim.nudged)]
        rows.append([*row, tag("span", verdict, class_=kind)])
    head = ["loss of the batch", "L", "gradient", "its value", "by the nudge", ""]
    head[-1] = "verdict"
    return table("A gradient and what a nudge of ±0.0001 says", head, rows, text_columns=[0, 2, 5])


def _rates(answer: Why) -> Html:
    rows = [
        [
            row.setting,
            row.words,
            amount(row),
            remedy(row) + (f": then {row.remedied:.0e} apart" if row.remedied else ""),
        ]
        for row in answer.compared
    ]
    return table(
        "Sum with lr/N against mean with lr",
        ["setting", "the same?", "apart by", "made equal by"],
        rows,
        text_columns=[0, 1, 3],
    )
