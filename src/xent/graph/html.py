"""The drawing as a page: steps forward and backward, formulas with numbers, tables; a still picture without script."""

import json
from functools import cache
from importlib.resources import files

from xent._page import Html, fixed, join, page, tag
from xent._page.markup import table
from xent.graph import words
from xent.graph.conventions import Conventions
from xent.graph.layout import place
from xent.graph.model import Drawing
from xent.graph.notebook import shown
from xent.graph.numbers import plain
from xent.graph.report import Check
from xent.graph.svg import DARK, LIGHT, RULES, content, theme, title

BUTTONS = (("first", "first"), ("back", "← back"), ("next", "next →"), ("all", "show all"))


def graph_page(drawing: Drawing, report: Check | None, conventions: Conventions) -> str:
    """The whole page."""
    body = [
        tag("h1", "The graph of a batch"),
        tag("p", words.head(drawing), class_="lead"),
        tag("p", _sentence(words.meaning(drawing))),
        figure(drawing, report, "g0"),
        *([tag("p", words.left_out(drawing), class_="soft")] if words.left_out(drawing) else []),
        *checked(report),
        tag("h2", "What others divide by"),
        tag("p", "The same word, mean, and this very batch. A dash: the rule cannot be applied to it."),
        convention_table(conventions),
        tag("h2", "Every number"),
        tag("details", tag("summary", "values, gradients and formulas of all nodes"), node_table(drawing)),
        tag("footer", "Drawn by ", tag("code", "xent explain"), ". One file: nothing is loaded from elsewhere."),
    ]
    return page(title(drawing), join(body), style=style(), script=script())


def figure(drawing: Drawing, report: Check | None, prefix: str, *, table: bool = True) -> Html:
    """The picture with its buttons. `prefix` is unique on the page; `table`: the page has all formulas below, too."""
    layout = place(drawing, report)
    svg = tag(
        "svg", *content(layout, f"{prefix}-", live=True), viewBox=f"0 0 {layout.width:.0f} {layout.height:.0f}",
        width=f"{layout.width:.0f}", height=f"{layout.height:.0f}", class_="g", role="group", aria_label=title(drawing),
    )  # fmt: skip
    buttons = [tag("button", label, type="button", value=value) for value, label in BUTTONS]
    bar = tag(
        "div", *buttons, tag("p", "", class_="said", role="status"), class_="steps", role="group",
        aria_label="Steps, also by the arrow keys, Home and End", hidden=True,
    )  # fmt: skip
    hint = "Point at a node, or reach it with Tab, to see its formula with its numbers."
    caption = (
        "Forward: solid arrows and dark numbers. Backward: dashed arrows and red numbers; ∂ is the derivative of L. "
        "← and → step through it." + " A node's formula is in the table below, too." * table
    )
    label = f"the drawing, reduction {drawing.reduction}"
    return tag(
        "figure", bar, tag("div", svg, class_="scroll", role="region", aria_label=label, tabindex="0"),
        tag("p", tag("span", hint), class_="formula", hidden=True, aria_live="polite"),
        tag("figcaption", caption), class_="drawing", data_steps=json.dumps(layout.steps, ensure_ascii=False),
    )  # fmt: skip


def static(drawing: Drawing, report: Check | None, prefix: str) -> Html:
    """The picture alone, for a page with colours and rules of `svg`."""
    layout = place(drawing, report)
    return tag(
        "svg", *content(layout, f"{prefix}-", titles=False), viewBox=f"0 0 {layout.width:.0f} {layout.height:.0f}",
        width=f"{layout.width:.0f}", height=f"{layout.height:.0f}", class_="g", role="img", aria_label=title(drawing),
    )  # fmt: skip


def checked(report: Check | None) -> list[Html]:
    """What the check found."""
    if report is None:
        return []
    lines = str(report).splitlines()
    kind = "good" if report.ok else "bad"
    return [tag("p", lines[0], class_=kind), *(tag("p", line.strip(), class_="soft") for line in lines[1:])]


def convention_table(conventions: Conventions) -> Html:
    """Who divides by what, and what comes of it."""
    rows = []
    for row in conventions:
        divisor = "" if row.divisor is None else plain(row.divisor)
        loss = "–" if row.loss is None else fixed(row.loss, 4)
        rows.append([row.name, divisor, loss, row.rule, row.why or row.here])
    head = ["who", "÷", "loss", "divides by", "in xent, or why not"]
    return table("Loss of this batch under each convention", head, rows, text_columns=[0, 3, 4])


def node_table(drawing: Drawing) -> Html:
    """Value, gradient and formulas of every node."""
    rows = [[n.name, shown(n.value), shown(n.gradient), n.formula, n.backward] for n in drawing.nodes.values()]
    return table(
        "Nodes, forward order", ["node", "value", "gradient", "forward", "backward"], rows, text_columns=range(5)
    )


@cache
def script() -> str:
    """The page's program."""
    return files("xent.graph").joinpath("step.js").read_text(encoding="utf-8")


def style() -> str:
    """What the drawing needs beside the common sheet."""
    own = files("xent.graph").joinpath("page.css").read_text(encoding="utf-8")
    dark = f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {theme(DARK)} }} }}"
    return f":root {{ {theme(LIGHT)} }}\n{dark}\n{RULES}{own}"


def _sentence(said: str) -> str:
    """With a capital and a full stop."""
    return said[:1].upper() + said[1:] + "."
