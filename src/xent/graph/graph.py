"""Graph: the drawing of one batch, in whatever form it is wanted."""

import json
import math
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from xent._page.text import visible
from xent.core import errors
from xent.graph import text
from xent.graph.build import View, build
from xent.graph.check import check
from xent.graph.conventions import Conventions, conventions
from xent.graph.divisor import loss_after
from xent.graph.exact import Floats
from xent.graph.lines import ascii_only
from xent.graph.model import Drawing, Numbers
from xent.graph.receive import Batch
from xent.graph.report import Check
from xent.graph.save import save

FORMS = (".svg", ".html", ".txt", ".json", ".md", ".mmd")


class Graph:
    """The computation graph of a batch: every node with its value, every edge with its gradient.

    `print(graph)` draws it for the terminal, a notebook shows it as a picture, `save` writes SVG, HTML, text, JSON or
    Mermaid. `check` derives every number again and marks what is wrong. All numbers are float64, losses in nats.
    """

    def __init__(self, batch: Batch, view: View) -> None:
        self._batch, self._view = batch, view
        self._drawing = build(batch, view)
        self._report: Check | None = None
        self._floats = Floats(batch)

    @property
    def drawing(self) -> Drawing:
        """Nodes and edges."""
        return self._drawing

    @property
    def loss(self) -> float | None:
        """The loss of the batch; None with reduction "none"."""
        return self._drawing.loss

    @property
    def denominator(self) -> float:
        """What the sum was divided by: 1 where nothing is, 0 where nothing counts."""
        return self._drawing.denominator

    @property
    def report(self) -> Check | None:
        """What the last check found; None before one."""
        return self._report

    def check(self) -> Check:
        """Derive every number of the drawing once more, gradients by finite differences; mark the drawing.

        The report is true if no number is wrong; drawings made after it carry ✓, or ✗ at each wrong number.

        >>> import xent
        >>> print(xent.explain([[1.0, 2.0, 3.0]], [2]).check().ok)
        True
        """
        self._report = check(self._batch, self._drawing, self._floats)
        return self._report

    def conventions(self) -> Conventions:
        """The loss of the batch under the rules of PyTorch, Keras, the book, …, by name.

        >>> import xent
        >>> graph = xent.explain([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], [2, -100])
        >>> print(round(graph.conventions()["xent, batch"].loss, 4))
        0.2038
        """
        return conventions(self._batch, self._view.micro_batches, self._view.ranks, self._floats)

    def loss_after(self, item: int, place: int, nudge: float) -> float:
        """The loss of the batch after one logit was moved: the definition, called again.

        >>> import xent
        >>> graph = xent.explain([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], [2, 0])
        >>> rise = graph.loss_after(0, 2, 1e-4) - graph.loss_after(0, 2, -1e-4)
        >>> print(f"{rise / 2e-4:.4f}")
        -0.1674
        """
        return loss_after(self._batch, item, place, nudge)

    # -------------------------------------------------------------------------------------------------------- forms

    def to_text(self, width: int | None = None, *, unicode: bool = True, colour: bool = False) -> str:
        """The drawing as lines of at most `width` columns (None: the terminal's); ASCII alone without `unicode`."""
        columns = shutil.get_terminal_size((80, 24)).columns if width is None else width
        drawn = text.render(self._drawing, self._report, columns, colour=colour and unicode)
        return drawn if unicode else ascii_only(drawn)

    def to_svg(self) -> str:
        """A picture of its own: light and dark, with title and description, nothing remote."""
        from xent.graph.svg import picture

        return picture(self._drawing, self._report)

    def to_html(self) -> str:
        """A page of its own that steps forward and backward, and says each number's formula; still without script."""
        from xent.graph.html import graph_page

        return graph_page(self._drawing, self._report, self.conventions())

    def to_mermaid(self) -> str:
        """A flowchart in Mermaid's language, as GitHub and notebooks draw it."""
        from xent.graph.mermaid import flowchart

        return flowchart(self._drawing)

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON: what is not finite is text ("nan", "inf")."""
        drawing = self._drawing
        nodes = [
            {
                "name": node.name, "stage": node.stage, "label": node.label, "item": node.item, "part": node.part,
                "value": _entries(node.value), "gradient": _entries(node.gradient), "target": _entries(node.target),
                "formula": node.formula, "backward": node.backward, "counts": node.counts, "note": node.note,
            }
            for node in drawing.nodes.values()
        ]  # fmt: skip
        edges = [
            {
                "source": edge.source, "target": edge.target, "gradient": _entries(edge.gradient),
                "operation": edge.operation, "factor": edge.factor, "weight": edge.weight, "counts": edge.counts,
            }
            for edge in drawing.edges
        ]  # fmt: skip
        return {
            "items": drawing.count, "classes": drawing.classes, "items_drawn": list(drawing.items),
            "reduction": drawing.reduction, "denominator": drawing.denominator, "divided_by": drawing.divided_by,
            "loss": _number(drawing.loss), "nodes": nodes, "edges": edges,
            "check": None if self._report is None else _finite(self._report.to_dict()),
            "conventions": self.conventions().to_dict(),
        }  # fmt: skip

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the drawing; the extension says as what: .svg, .html, .txt, .json, .md or .mmd (Mermaid).

        OptionError for another extension, DataError where it cannot be written.
        """
        there = Path(path)
        kind = there.suffix.lower()
        if kind not in FORMS:
            raise errors.bad_option("the extension", kind, f"one of {', '.join(FORMS)}")
        made = {
            ".svg": self.to_svg,
            ".html": self.to_html,
            ".txt": lambda: self.to_text(80) + "\n",
            ".json": lambda: json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=1) + "\n",
            ".md": lambda: f"```mermaid\n{self.to_mermaid()}```\n",
            ".mmd": self.to_mermaid,
        }
        save(there, made[kind]())

    def __str__(self) -> str:
        """The drawing for this terminal."""
        drawn = self.to_text()
        try:
            drawn.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            return ascii_only(drawn)
        return drawn

    def __repr__(self) -> str:
        """One line."""
        drawing = self._drawing
        loss = "" if drawing.loss is None else f", loss={drawing.loss!r}"
        by = f", divided by {drawing.divided_by}" if drawing.divided_by else ""
        title = f" {visible(drawing.title)!r}" if drawing.title else ""
        return f"<xent.Graph{title}: {drawing.count} items, {drawing.classes} classes{by}{loss}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002 -- the notebook's protocol
        """For a notebook: text, and a picture that untrusted notebooks and GitHub show too."""
        return {"text/plain": self.to_text(80), "text/html": self._repr_html_(), "image/svg+xml": self.to_svg()}

    def _repr_html_(self) -> str:
        """The picture as an image, the numbers as a table."""
        from xent.graph.notebook import cell

        return cell(self._drawing, self._report, self.to_svg())

    def _repr_svg_(self) -> str:
        """The picture."""
        return self.to_svg()


def _number(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)


def _entries(numbers: Numbers | None) -> object:
    """Drawn entries as JSON."""
    if numbers is None:
        return None
    if numbers.shape == (1, 1):
        return _number(numbers.scalar)
    rows = [[_number(entry) for entry in row] for row in numbers.rows]
    record: dict[str, object] = {"shape": list(numbers.shape), "columns": list(numbers.places)}
    if numbers.shape[0] == 1:
        return {**record, "shape": [numbers.shape[1]], "entries": rows[0], "rest": _number(numbers.rest)}
    return {**record, "rows": list(numbers.row_places), "entries": rows}


def _finite(record: Any) -> Any:  # noqa: ANN401 -- whatever JSON holds
    """The same with text where a number is not finite."""
    if isinstance(record, dict):
        return {key: _finite(value) for key, value in record.items()}
    if isinstance(record, (list, tuple)):
        return [_finite(value) for value in record]
    return _number(record) if isinstance(record, float) else record
