"""The drawing for a notebook: an image and tables that an untrusted notebook and GitHub leave standing.

Their sanitisers drop svg, style and script elements but keep images whose data is in the page, tables, folds and a few
inline styles; so the picture is an image of data, and the numbers are a table.
"""

import base64

from xent._page import Html, join, tag
from xent.graph import words
from xent.graph.model import Drawing, Numbers
from xent.graph.numbers import short
from xent.graph.report import Check
from xent.graph.svg import title

CELL = "padding: 2px 8px; text-align: right"
LEFT = "padding: 2px 8px; text-align: left"


def cell(drawing: Drawing, report: Check | None, svg: str) -> str:
    """HTML for one cell's output."""
    data = base64.b64encode(svg.encode()).decode()
    image = tag("img", src=f"data:image/svg+xml;base64,{data}", alt=title(drawing), style="max-width: 100%")
    lines = [words.meaning(drawing), words.left_out(drawing), str(report) if report is not None else ""]
    said = [tag("p", line) for line in lines if line]
    fold = tag("details", tag("summary", "the numbers"), numbers_table(drawing))
    return tag("div", image, *said, fold)


def numbers_table(drawing: Drawing) -> Html:
    """Every node: value, gradient, formulas."""
    head = tag("tr", *(tag("th", name, style=LEFT) for name in ("node", "value", "gradient", "forward", "backward")))
    rows = []
    for node in drawing.nodes.values():
        cells = [
            tag("td", node.name, style=LEFT),
            tag("td", shown(node.value), style=CELL),
            tag("td", shown(node.gradient), style=CELL),
            tag("td", node.formula, style=LEFT),
            tag("td", node.backward, style=LEFT),
        ]
        rows.append(tag("tr", *cells))
    return tag("table", tag("thead", head), tag("tbody", join(rows)))


def shown(numbers: Numbers | None) -> str:
    """Entries in brackets; how many are left out."""
    if numbers is None:
        return ""
    if numbers.shape == (1, 1):
        return short(numbers.scalar)
    more = f", … ({numbers.left_out} more)" if numbers.left_out else ""
    rows = ["[" + ", ".join(map(short, row)) + more + "]" for row in numbers.rows]
    return " ".join(rows) + (f" … ({numbers.shape[0] - len(rows)} more rows)" if len(rows) < numbers.shape[0] else "")
