"""Where everything of a drawing stands, in pixels: boxes in columns by stage and rows by item, arrows between them.

No layout engine: the family of graphs is known. Items never cross; what is shared stands above, what collects stands
to the right. SVG and HTML draw what is placed here; `step` says when a thing appears on the way forward and back.
"""

from dataclasses import dataclass, field

from xent.graph import words
from xent.graph.model import STAGES, Drawing, Edge, Node, Numbers
from xent.graph.numbers import short
from xent.graph.report import Check

CHAR, LINE, PAD = 8.7, 23.0, 11.0  # width of a digit at 14 px, height of a line, inner margin
GAP = 106.0  # between columns: room for the words on an arrow
FAN = 128.0  # where arrows run together
SHARED = 150.0  # where a layer's parameters come in
FLAT = 54.0  # of an arrow that runs together with others, before it bends
TRUNKS = {("W", False): 44.0, ("W", True): 34.0, ("b", False): 24.0, ("b", True): 14.0}  # left of the logits
TOP = 46.0
CAPTION = 24.0  # above an item's boxes
ROW_GAP = 20.0
ROUND = 41.0  # radius of an operation


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a box: a label and right-aligned numbers."""

    label: str
    cells: tuple[str, ...]
    kind: str  # "value", "gradient", "index", "target"
    step: int
    wrong: tuple[bool, ...] = ()


@dataclass(slots=True)
class Box:
    """A node, placed."""

    node: Node
    rows: list[Row]
    widths: list[float]  # of each column of cells
    label_width: float
    x: float = 0.0
    y: float = 0.0
    operation: bool = False  # a circle
    step: int = 0

    @property
    def width(self) -> float:
        """In pixels."""
        if self.operation:
            return 2 * ROUND
        return 2 * PAD + self.label_width + sum(self.widths)

    @property
    def height(self) -> float:
        """In pixels."""
        return 2 * ROUND if self.operation else LINE * len(self.rows) + 13.0

    @property
    def middle(self) -> float:
        """Of its height."""
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Arrow:
    """An edge, forward or back."""

    edge: Edge
    back: bool
    path: str
    words: str
    at: tuple[float, float]  # where the words stand, their middle
    step: int
    wrong: bool = False


@dataclass(slots=True)
class Layout:
    """Everything, placed."""

    width: float = 0.0
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    captions: list[tuple[float, float, str, bool]] = field(default_factory=list)  # x, y, words, whether it counts
    heads: list[tuple[float, str]] = field(default_factory=list)  # middle of a column, its words
    steps: list[str] = field(default_factory=list)  # what happens in each


def place(drawing: Drawing, report: Check | None) -> Layout:
    """Place a drawing."""
    return _Placer(drawing, report).run()


class _Placer:
    def __init__(self, drawing: Drawing, report: Check | None) -> None:
        self.drawing = drawing
        self.wrong = {(w.name, w.target, w.what, w.cell) for w in report.wrong} if report is not None else set()
        present = {node.stage for node in drawing.nodes.values()}
        self.stages = [s for s in STAGES if s in present]
        order = [s for s in self.stages if s != "parameter"]
        self.forward = {stage: at for at, stage in enumerate(order)}
        self.forward["parameter"] = 0
        self.count = len(order)
        self.out = Layout()

    def back(self, stage: str) -> int:
        """The step in which the gradient of a stage appears."""
        last = 2 * self.count - 1
        return last - (0 if stage == "parameter" else self.forward[stage])

    def run(self) -> Layout:
        """All of it."""
        drawing, out = self.drawing, self.out
        boxes = self.boxes = {name: self.box(node) for name, node in drawing.nodes.items()}
        self.of_item: dict[int, list[Box]] = {i: [] for i in drawing.items}
        by_stage: dict[str, list[Box]] = {}
        for box in boxes.values():
            by_stage.setdefault(box.node.stage, []).append(box)
            if box.node.item is not None:
                self.of_item[box.node.item].append(box)
        columns: dict[str, float] = {}
        x = 18.0
        for stage in self.stages:
            if stage == "parameter":
                continue
            found = by_stage[stage]
            width = max(b.width for b in found)
            columns[stage] = x
            for b in found:
                b.x = x + (width - b.width if stage == "loss" and b.node.item is None else 0.0)
            out.heads.append((x + width / 2, self.heading(stage)))
            gap = {"hidden": SHARED, "loss": FAN, "part": FAN, "sum": 80.0, "divide": 80.0, "result": 18.0}.get(
                stage, GAP
            )
            if stage == "loss" and self.drawing.reduction == "none":
                gap = 80.0
            x += width + gap
        out.width = x
        y = TOP + self.parameters(boxes, columns)
        y = self.items(boxes, y)
        self.ends(boxes)
        for box in boxes.values():
            out.boxes.append(box)
        out.height = y + 6.0
        for edge in drawing.edges:
            self.arrow(edge, boxes[edge.source], boxes[edge.target])
        out.steps = self.steps()
        return out

    def heading(self, stage: str) -> str:
        """The words above a column."""
        soft = any(n.note == "q" for n in self.drawing.nodes.values())
        divide = self.drawing.nodes.get("divide")
        named = {
            "hidden": "h, input", "logits": "x, logits", "capped": "x', capped", "softmax": "y = softmax(x)",
            "loss": "l = −Σ q·log y" if soft else "l = −log y[t]", "part": f"a sum each {self.drawing.kind}",
            "sum": "sum", "divide": "mean" if divide is not None and divide.label == "mean" else "divide",
            "result": "L",
        }  # fmt: skip
        return named[stage]

    # -------------------------------------------------------------------------------------------------------- boxes

    def box(self, node: Node) -> Box:
        """A node's lines and their widths."""
        step = self.forward[node.stage]
        if node.stage in {"sum", "divide"}:
            return Box(node, [], [], 0.0, operation=True, step=step)
        rows: list[Row] = []
        if node.value.left_out and node.stage != "parameter":
            rows.append(Row("", self.spaced([str(j) for j in node.value.places], node.value, ""), "index", step))
        label = node.label if node.item is not None or node.stage in {"parameter", "result"} else "Σ"
        if node.value.shape[0] > 1:
            for what, shown in (("value", node.value), ("gradient", node.gradient)):
                assert shown is not None  # noqa: S101 -- for the type checker: a parameter has a gradient
                at = step if what == "value" else self.back(node.stage)
                for k, (place, row) in enumerate(zip(shown.row_places, shown.rows, strict=True)):
                    name = ("W" if what == "value" else "∂W") if k == 0 else ""
                    marks = [(node.name, "", what, (place, c)) in self.wrong for c in shown.places]
                    rows.append(
                        Row(name, self.spaced(list(map(text, row)), shown), what, at, self.spread(marks, shown))
                    )
        else:
            rows.append(self.row(label, node, node.value, "value", step))
            if node.gradient is not None:
                rows.append(self.row(f"∂{label}", node, node.gradient, "gradient", self.back(node.stage)))
            if node.target is not None:
                mark = "t" if sum(q != 0.0 for q in node.target.rows[0]) + (node.target.rest != 0.0) == 1 else "q"
                rows.append(self.row(mark, node, node.target, "target", step))
        widths = [max(len(r.cells[j]) for r in rows) * CHAR + CHAR for j in range(len(rows[0].cells))]
        label_width = max(len(r.label) for r in rows) * CHAR
        return Box(node, rows, widths, label_width, step=step)

    def row(self, label: str, node: Node, numbers: Numbers, what: str, step: int) -> Row:
        """A line of a vector."""
        marks = [(node.name, "", what, cell) in self.wrong for cell, _ in numbers.cells()]
        cells = self.spaced([text(v) for v in numbers.rows[0]], numbers)
        return Row(label, cells, what, step, self.spread(marks, numbers))

    @staticmethod
    def spaced(texts: list[str], numbers: Numbers, gap: str = "…") -> tuple[str, ...]:
        """The cells, with a mark where some are left out."""
        out: list[str] = []
        last = -1
        for place, cell in zip(numbers.places, texts, strict=True):
            if place > last + 1:
                out.append(gap)
            out.append(cell)
            last = place
        if last < numbers.shape[1] - 1:
            out.append(gap)
        return tuple(out)

    @classmethod
    def spread(cls, marks: list[bool], numbers: Numbers) -> tuple[bool, ...]:
        """The marks, in the same places."""
        return tuple(mark == "1" for mark in cls.spaced(["1" if mark else "0" for mark in marks], numbers, "0"))

    # --------------------------------------------------------------------------------------------------- where it is

    def parameters(self, boxes: dict[str, Box], columns: dict[str, float]) -> float:
        """W and b above the items; the height they take."""
        if "W" not in boxes:
            return 0.0
        x = max(18.0, columns["logits"] - 39.0 - boxes["W"].width / 2)
        height = 0.0
        for name in ("W", "b"):
            if name in boxes:
                boxes[name].x, boxes[name].y = x, TOP + CAPTION
                n = self.drawing.count
                self.out.captions.append((x, TOP + CAPTION - 8, f"{name}: one, for all {n} items", True))
                x += boxes[name].width + 40.0
                height = max(height, boxes[name].height)
        self.out.width = max(self.out.width, x)
        return height + CAPTION + 34.0

    def items(self, boxes: dict[str, Box], y: float) -> float:
        """A row of boxes for every item; the height used."""
        drawing = self.drawing
        first = min(b.x for b in boxes.values())
        for part in drawing.parts:
            rest = boxes.get(f"rest{self.number(part.name)}")
            for at, i in enumerate(part.drawn):
                if rest is not None and at == max(len(part.drawn) - 1, 1):
                    y = self.rest(rest, y)
                    rest = None
                loss = boxes[f"l{i}"]
                said = words.note(drawing, loss.node)
                self.out.captions.append((first, y + CAPTION - 8, f"item {i}, {said}", loss.node.counts))
                y = self.item(boxes, i, y + CAPTION) + ROW_GAP
            if rest is not None:
                y = self.rest(rest, y)
            if drawing.kind:
                y += 14.0
        if "others" in boxes:
            y = self.rest(boxes["others"], y)
        return y

    def item(self, boxes: dict[str, Box], i: int, y: float) -> float:
        """The boxes of one item, their values in one line; where they end."""
        own = self.of_item[i]
        row = [b for b in own if b.node.stage != "result" and b.node.label != "z"]
        indexed = any(b.rows[0].kind == "index" for b in row)
        for b in own:
            b.y = y + (LINE if indexed and b.rows[0].kind != "index" else 0.0)
        end = max(b.y + b.height for b in row)
        if f"z{i}" in boxes:
            boxes[f"z{i}"].y = end + 14.0
            end += boxes[f"z{i}"].height + 14.0
        return end

    def rest(self, box: Box, y: float) -> float:
        """What is not drawn, as a box of its own."""
        self.out.captions.append((box.x, y + CAPTION - 8, f"⋮ {box.node.label}", True))
        box.y = y + CAPTION
        return y + CAPTION + box.height + ROW_GAP

    @staticmethod
    def number(name: str) -> int:
        return int(name.rpartition(" ")[2]) if name else 0

    def ends(self, boxes: dict[str, Box]) -> None:
        """What collects stands in the middle of what it collects."""
        for stage in ("part", "sum", "divide", "result"):
            for box in boxes.values():
                if box.node.stage != stage or box.node.item is not None or box.node.name == "others":
                    continue
                sources = [boxes[e.source] for e in self.drawing.into.get(box.node.name, [])]
                if sources:
                    box.y = (min(b.middle for b in sources) + max(b.middle for b in sources)) / 2 - box.height / 2

    # ------------------------------------------------------------------------------------------------------- arrows

    def arrow(self, edge: Edge, source: Box, target: Box) -> None:
        """Forward above, back below."""
        step, back_step = target.step, self.back(source.node.stage)
        wrong = any(w[:2] == (edge.source, edge.target) for w in self.wrong)
        x1, x2 = source.x + source.width, target.x
        if source.node.stage == "parameter":
            self.trunk(edge, source, target, wrong=wrong)
            return
        collect = target.operation or target.node.stage == "part"
        y1, y2 = self.line(source, 0), self.line(target, 0)
        b1, b2 = self.line(source, 1), self.line(target, 1)
        if collect and not source.operation:
            y1, b1 = source.middle - 9, source.middle + 9
            y2, b2 = target.middle - 7, target.middle + 7
        if source.operation or (source.node.stage == "part"):
            y1, b1 = source.middle - 9, source.middle + 9
            y2, b2 = (target.middle - 9, target.middle + 9)
        flat = not collect or source.operation
        start = x1 if flat else x1 + FLAT
        bend = (x2 - start) / 2
        there = f"M{x1:.0f} {y1:.0f}H{start:.0f}C{start + bend:.0f} {y1:.0f} {x2 - bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
        here = (
            f"M{x2:.0f} {b2:.0f}C{x2 - bend:.0f} {b2:.0f} {start + bend:.0f} {b1:.0f} {start:.0f} {b1:.0f}"
            + f"H{x1:.0f}" * (not flat)
        )
        middle = (x1 + x2) / 2 if flat else x1 + FLAT / 2
        weight = f"· {edge.weight}" if edge.weight and edge.counts else ""
        shift = -13.0 if source.node.stage == "hidden" and "W" in self.drawing.nodes else 0.0
        at, back_at = (middle + 2 * shift, y1 - 7), (middle + 2 * shift, b1 + 17)
        if target.node.label == "z":  # around the softmax, below it
            x1 = source.x + source.width / 2
            there = f"M{x1:.0f} {source.y + source.height:.0f}V{y2:.0f}H{x2:.0f}"
            here = f"M{x2:.0f} {b2:.0f}H{x1 - 12:.0f}V{source.y + source.height + 2:.0f}"
            at, back_at = ((x1 + x2) / 2, y2 - 6), ((x1 + x2) / 2, b2 + 16)
        self.out.arrows.append(Arrow(edge, back=False, path=there, words=edge.operation or weight, at=at, step=step))
        self.out.arrows.append(
            Arrow(edge, back=True, path=here, words=edge.factor, at=back_at, step=back_step, wrong=wrong)
        )

    def trunk(self, edge: Edge, source: Box, target: Box, *, wrong: bool) -> None:
        """From a shared parameter down a line that all items share, and in from the left; back along another."""
        name, bottom = source.node.name, source.y + source.height
        below = max(b.y + b.height for b in self.boxes.values() if b.node.stage == "parameter") + 14.0
        for back in (False, True):
            x = target.x - TRUNKS[name, back]
            y = target.y + (5.0 if name == "W" else 9.0) + (LINE if target.rows[0].kind == "index" else 0.0)
            y = y if not back else target.y + target.height - (8.0 if name == "W" else 4.0)
            top = x if source.x + 8 <= x <= source.x + source.width - 8 else source.x + (24.0 if back else 14.0)
            points = [
                f"{top:.0f} {bottom:.0f}",
                f"V{below + 6 * back:.0f}",
                f"H{x:.0f}",
                f"V{y:.0f}",
                f"H{target.x:.0f}",
            ]
            path = "M" + " ".join(points)
            if back:
                path = f"M{target.x:.0f} {y:.0f}H{x:.0f}V{below + 6:.0f}H{top:.0f}V{bottom:.0f}"
            step = self.back("parameter") if back else target.step
            self.out.arrows.append(Arrow(edge, back, path, "", (x, y), step, wrong and back))

    @staticmethod
    def line(box: Box, which: int) -> float:
        """The height at which an arrow leaves: at the value, or at the gradient."""
        if box.operation or len(box.rows) == 1:
            return box.middle + (9 if which else -9)
        rows = [at for at, row in enumerate(box.rows) if row.kind == ("gradient" if which else "value")]
        return box.y + 6.5 + LINE * ((rows or [0])[0] + 0.5)

    # -------------------------------------------------------------------------------------------------------- steps

    def steps(self) -> list[str]:
        """What happens in each step, in words."""
        divide = self.drawing.nodes.get("divide")
        names = {
            "hidden": "the input h of every item", "logits": "logits x, a copy for every item",
            "capped": "the logits are scaled and capped", "softmax": "softmax: y sums to 1 in every item",
            "loss": "the loss l of every item", "part": f"the sum of each {self.drawing.kind}",
            "sum": "the losses are added", "divide": f"one division: {divide.note}" if divide is not None else "",
            "result": "L, the loss of the batch",
        }  # fmt: skip
        backs = {
            "hidden": "into W, b and h: what all items send back is added", "logits": "∂x = (y − t) times that share",
            "capped": "through the cap", "softmax": "∂y: through the logarithm",
            "loss": "every loss gets its share", "part": "every sum gets the same share",
            "sum": "the division again: ∂sum", "divide": "the mean passes 1 on, divided",
            "result": "backward begins: ∂L = 1",
        }  # fmt: skip
        if self.drawing.reduction == "none":
            names["result"], backs["result"] = "one loss an item", "backward begins: 1 at each"
        order = [s for s in self.stages if s != "parameter"]
        return [f"forward: {names[s]}" for s in order] + [f"backward: {backs[s]}" for s in reversed(order)]


def text(value: float) -> str:
    """A number with a true minus sign."""
    return short(value).replace("-", "−")
