"""The drawing in Mermaid's language: GitHub, GitLab and notebooks draw it without help."""

from xent._page.text import visible
from xent.graph.model import Drawing, Node, Numbers
from xent.graph.numbers import short


def flowchart(drawing: Drawing) -> str:
    """A flowchart from left to right; on each arrow its operation and what flows back."""
    lines = ["flowchart LR"]
    for name, node in drawing.nodes.items():
        left, right = ("((", "))") if node.stage in {"sum", "divide"} else ("[", "]")
        lines.append(f'  {_id(name)}{left}"{_label(node)}"{right}')
    for edge in drawing.edges:
        arrow = "-->" if edge.counts else "-.->"
        weight = f"·{edge.weight}" if edge.weight and edge.counts else ""
        said = " ".join(filter(None, [edge.operation, weight, f"∂ {_numbers(edge.gradient)}"]))
        lines.append(f'  {_id(edge.source)} {arrow}|"{_text(said)}"| {_id(edge.target)}')
    silent = [_id(name) for name, node in drawing.nodes.items() if not node.counts]
    if silent:
        lines += ["  classDef off stroke-dasharray: 4 4,opacity: 0.6", f"  class {','.join(silent)} off"]
    return "\n".join(lines) + "\n"


def _id(name: str) -> str:
    return name.replace("'", "c")


def _label(node: Node) -> str:
    """Label, value and gradient of a node, in two lines."""
    where = f" {node.item}" if node.item is not None and not node.label[-1].isdigit() else ""
    note = f" {node.note}" if node.note else ""
    head = f"{node.label}{where}{note} = {_numbers(node.value)}"
    back = f"<br/>∂ = {_numbers(node.gradient)}" if node.gradient is not None else ""
    return _text(head) + back


def _numbers(numbers: Numbers | None) -> str:
    """Entries in brackets."""
    if numbers is None:
        return ""
    if numbers.shape == (1, 1):
        return short(numbers.scalar)
    more = ", …" if numbers.left_out else ""
    rows = [", ".join(map(short, row)) + more for row in numbers.rows]
    return "; ".join(rows) + ("; …" if len(rows) < numbers.shape[0] else "")


def _text(said: str) -> str:
    """Text without what Mermaid or HTML would read."""
    out = visible(said, None)
    for mark, code in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("`", "#96;")):
        out = out.replace(mark, code)
    return out
