"""The drawing as SVG: self-contained, light and dark, with title and description; or as a part of a page."""

from xent._page import Html, tag
from xent._page.text import visible
from xent.graph import words
from xent.graph.layout import CHAR, LINE, PAD, ROUND, Arrow, Box, Layout, place
from xent.graph.model import Drawing
from xent.graph.report import Check

LIGHT = {
    "ink": "#1f2328", "soft": "#57606a", "back": "#b3261e", "box": "#fff8ec", "edge": "#a4681f", "op": "#e9f2fc",
    "ope": "#3b74b5", "good": "#1c7344", "paper": "#ffffff", "badge": "#ffd9d6",
}  # fmt: skip
DARK = {
    "ink": "#e6edf3", "soft": "#a4abb6", "back": "#ff9a92", "box": "#2b2418", "edge": "#d29a4a", "op": "#17253a",
    "ope": "#6ea8e6", "good": "#74c794", "paper": "#15171b", "badge": "#5c1f1c",
}  # fmt: skip
RULES = """
.g text { font: 14px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--g-ink); }
.g .word { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; font-size: 13px; }
.g .cap { font-weight: 600; }
.g .head { fill: var(--g-soft); }
.g .mid { text-anchor: middle; }
.g .end { text-anchor: end; }
.g .box { fill: var(--g-box); stroke: var(--g-edge); stroke-width: 1.3; }
.g .op { fill: var(--g-op); stroke: var(--g-ope); stroke-width: 1.3; }
.g .go { stroke: var(--g-soft); stroke-width: 1.5; fill: none; }
.g .back { stroke: var(--g-back); stroke-width: 1.5; fill: none; stroke-dasharray: 5 3; }
.g .tip { fill: var(--g-soft); }
.g .backtip { fill: var(--g-back); }
.g .red { fill: var(--g-back); }
.g .index, .g .faint { fill: var(--g-soft); }
.g .badge { fill: var(--g-badge); stroke: var(--g-back); stroke-width: 1.5; }
.g .off .box, .g .off .go { stroke: var(--g-soft); stroke-dasharray: 3 4; fill: none; }
.g .off text { fill: var(--g-soft); }
.g .off .back { stroke: var(--g-soft); stroke-dasharray: 3 4; }
"""


def theme(colours: dict[str, str]) -> str:
    """Colours as variables."""
    return " ".join(f"--g-{name}: {value};" for name, value in colours.items())


def style() -> str:
    """The whole sheet of a drawing, light and dark."""
    return (
        f".g {{ {theme(LIGHT)} }}\n@media (prefers-color-scheme: dark) {{ .g {{ {theme(DARK)} }} }}\n"
        f"@media print {{ .g {{ {theme(LIGHT)} }} }}{RULES}"
    )


def picture(drawing: Drawing, report: Check | None) -> str:
    """An SVG file."""
    layout = place(drawing, report)
    inner = [
        tag("title", title(drawing), id="title"),
        tag("desc", description(drawing), id="desc"),
        Html(f"<style>{style()}</style>"),
        *content(layout),
    ]
    return tag(
        "svg", *inner, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {layout.width:.0f} {layout.height:.0f}",
        width=f"{layout.width:.0f}", height=f"{layout.height:.0f}", class_="g", role="img",
        aria_labelledby="title desc",
    ) + "\n"  # fmt: skip


def title(drawing: Drawing) -> str:
    """What the picture is."""
    return f"Graph of a batch: {words.head(drawing)}"


def description(drawing: Drawing) -> str:
    """The picture in words, for who does not see it."""
    said = []
    for i in drawing.items:
        loss, x = drawing.nodes[f"l{i}"], drawing.nodes.get(f"x{i}")
        if not loss.counts or x is None or x.gradient is None:
            said.append(f"Item {i} does not count.")
            continue
        back = ", ".join(f"{g:.4g}" for g in x.gradient.rows[0])
        said.append(f"Item {i}: loss {loss.value.scalar:.4g}, gradient by its logits {back}.")
    if drawing.loss is not None:
        said.append(f"Loss of the batch {drawing.loss:.4g}.")
    return visible(" ".join([*said, words.meaning(drawing) + "."]), None)


def content(layout: Layout, prefix: str = "", *, live: bool = False, titles: bool = True) -> list[Html]:
    """Everything inside the svg element; `live` with what a script needs to step and to explain."""
    marker = [
        tag(
            "marker", tag("path", d="M0 0 8 4 0 8z", class_=name), id=prefix + name, viewBox="0 0 8 8", refX="7",
            refY="4",
            markerWidth="11", markerHeight="11", orient="auto",
            markerUnits="userSpaceOnUse",
        )
        for name in ("tip", "backtip")
    ]  # fmt: skip
    heads = [tag("text", name, x=f"{x:.0f}", y="20", class_="word head mid") for x, name in layout.heads]
    captions = [
        tag("g", tag("text", said, x=f"{x:.0f}", y=f"{y:.0f}", class_="word cap"), class_=None if counts else "off")
        for x, y, said, counts in layout.captions
    ]
    arrows = [_arrow(arrow, prefix, live=live) for arrow in layout.arrows]
    boxes = [_box(box, live=live, titles=titles) for box in layout.boxes]
    return [tag("defs", *marker), *heads, *captions, *arrows, *boxes]


def _arrow(arrow: Arrow, prefix: str, *, live: bool) -> Html:
    """A curve with its tip and its words."""
    kind = "back" if arrow.back else "go"
    tip = f"url(#{prefix}{'backtip' if arrow.back and arrow.edge.counts else 'tip'})"
    x, y = arrow.at
    said = arrow.words + " ✗" * arrow.wrong
    label = tag("text", said, x=f"{x:.0f}", y=f"{y:.0f}", class_="word mid" + " red" * arrow.back) if said else ""
    classes = " ".join(filter(None, ["" if arrow.edge.counts else "off", "s" if live else ""]))
    step = str(arrow.step) if live else None
    return tag("g", tag("path", d=arrow.path, class_=kind, marker_end=tip), label, class_=classes or None, data_s=step)


def _box(box: Box, *, live: bool, titles: bool) -> Html:
    """A node: a box of numbers, or a circle."""
    node = box.node
    shape = _circle(box) if box.operation else [
        tag("rect", x=f"{box.x:.0f}", y=f"{box.y:.0f}", width=f"{box.width:.0f}", height=f"{box.height:.0f}", rx="8",
            class_="box")
    ]  # fmt: skip
    lines = []
    for at, row in enumerate(box.rows):
        y = box.y + 6.5 + LINE * (at + 0.72)
        look = {"gradient": " red", "index": " index", "target": " faint"}.get(row.kind, "")
        cells = []
        if row.label:
            cells.append(tag("text", row.label, x=f"{box.x + PAD:.0f}", y=f"{y:.0f}", class_=("w" + look)))
        x = box.x + PAD + box.label_width
        for j, cell in enumerate(row.cells):
            x += box.widths[j]
            if row.wrong and row.wrong[j]:
                size = len(cell) * CHAR + 6
                badge = {"x": f"{x - size + 3:.0f}", "y": f"{y - 14:.0f}", "width": f"{size:.0f}"}
                cells.append(tag("rect", **badge, height="19", rx="4", class_="badge"))
                cells.append(tag("text", "✗", x=f"{x + 2:.0f}", y=f"{y - 8:.0f}", class_="red"))
            if cell:
                cells.append(tag("text", cell, x=f"{x:.0f}", y=f"{y:.0f}", class_="end" + look))
        lines.append(tag("g", *cells, class_="s" if live else None, data_s=str(row.step) if live else None))
    said = f"{node.formula}. {node.backward}."
    off = "" if node.counts else "off"
    if not live:
        return tag("g", tag("title", said) if titles else "", *shape, *lines, class_=off or None)
    return tag(
        "g", *shape, *lines, class_=" ".join(filter(None, ["n s", off])), data_s=str(box.step), tabindex="0",
        role="img",
        aria_label=said, data_f=node.formula, data_b=node.backward,
    )  # fmt: skip


def _circle(box: Box) -> list[Html]:
    """An operation: what it does, and by what."""
    x, y = box.x + ROUND, box.y + ROUND
    name, by = {"sum": ("Σ", "")}.get(box.node.stage, ("mean" if box.node.label == "mean" else "", box.node.note))
    first, _, more = by.partition(" of ")
    first, bracket, inside = first.partition(" (")
    lines = [part for part in (name, first, f"of {more}" if more else f"({inside}" if bracket else "") if part]
    out = [tag("circle", cx=f"{x:.0f}", cy=f"{y:.0f}", r=f"{ROUND:.0f}", class_="op")]
    start = y + 5 - 9 * (len(lines) - 1)
    for at, line in enumerate(lines):
        out.append(tag("text", line, x=f"{x:.0f}", y=f"{start + 18 * at:.0f}", class_="word mid"))
    return out
