"""The drawing for a terminal: lines of box characters, at most so many columns, colour only where it is asked for."""

import re
from itertools import pairwise

from xent.graph import words
from xent.graph.lines import Line, Piece, columns, fewer, laid, length, wrapped, written
from xent.graph.model import Drawing, Edge, Node, Numbers
from xent.graph.numbers import short
from xent.graph.report import Check

LEAST = 40  # columns: below, lines are simply longer than the terminal


def render(drawing: Drawing, report: Check | None, width: int, *, colour: bool = False) -> str:
    """The drawing as text of at most `width` columns (at least 40)."""
    width = max(width, LEAST)
    writer = Writer(drawing, report, width)
    lines: list[Line] = [[(line, "head")] for line in wrapped(words.head(drawing), width)]
    lines.append([])
    lines += writer.body()
    lines.append([])
    for text, style in writer.foot():
        lines += [[(line, style)] for line in wrapped(text, width, "  ", "    ")]
    return "\n".join(written(line, colour=colour) for line in lines)


class Writer:
    """Writes one drawing."""

    def __init__(self, drawing: Drawing, report: Check | None, width: int) -> None:
        """Index what is wrong."""
        self.drawing, self.report, self.width = drawing, report, width
        self.wrong = {(w.name, w.target, w.what, w.cell) for w in report.wrong} if report is not None else set()
        self.out = {edge.source: edge for edge in reversed(drawing.edges)}  # a loss has one edge out
        self.compact = False

    # ------------------------------------------------------------------------------------------------------ numbers

    def cells(self, node: Node, what: str, *, keep: tuple[int, ...] | None = None) -> list[str]:
        """The entries of a node's first row; a wrong one is marked."""
        numbers = self.numbers(node, what)
        found = []
        for (row, column), entry in numbers.cells():
            if row == numbers.row_places[0] and (keep is None or column in keep):
                text = self.number(entry)
                found.append(text + "✗" * ((node.name, "", what, (row, column)) in self.wrong))
        return found

    @staticmethod
    def numbers(node: Node, what: str) -> Numbers:
        """Value or gradient."""
        found = {"value": node.value, "gradient": node.gradient, "target": node.target}[what]
        assert found is not None  # noqa: S101 -- for the type checker: only asked for where it is there
        return found

    def number(self, value: float) -> str:
        """A number; in the narrow form without a zero before the point."""
        text = short(value)
        return re.sub(r"^(-?)0\.", r"\1.", text) if self.compact else text

    def one(self, node: Node, what: str) -> str:
        """A scalar."""
        return self.cells(node, what)[0]

    def mark(self, edge: Edge) -> str:
        """✗ where what flows back along an edge is wrong."""
        return "✗" if any(w[:2] == (edge.source, edge.target) for w in self.wrong) else ""

    @staticmethod
    def block(texts: list[str], widths: list[int]) -> str:
        """Numbers in brackets, right-aligned."""
        return "[" + " ".join(t.rjust(w) for t, w in zip(texts, widths, strict=True)) + "]"

    # --------------------------------------------------------------------------------------------------------- body

    def body(self) -> list[Line]:
        """Side by side if that fits, else one under another."""
        if self._inline():
            for ends in (True, False):
                for self.compact in (False, True):
                    lines = self.inline(ends=ends)
                    if max(map(length, lines), default=0) <= self.width:
                        return lines
        self.compact = False
        return self.stacked()

    def _inline(self) -> bool:
        """Whether the batch is of the kind that fits side by side: all classes drawn, no layer in front, no cap."""
        nodes = self.drawing.nodes.values()
        simple = all(n.stage not in {"hidden", "capped"} and n.label != "z" and n.note != "q" for n in nodes)
        return simple and bool(self.drawing.items) and not any(n.value.left_out for n in nodes)

    def groups(self) -> list[tuple[str, list[Node]]]:
        """The losses that run into one node: items and what is left out, in order."""
        nodes = self.drawing.nodes
        result = []
        for part in self.drawing.parts:
            found = [nodes[f"l{i}"] for i in part.drawn]
            k = int(part.name.rpartition(" ")[2]) if part.name else 0
            rest = nodes.get(f"rest{k}")
            if rest is not None:
                found.insert(max(len(found) - 1, 1), rest)
            result.append((part.name, found))
        return result

    def inline(self, *, ends: bool) -> list[Line]:
        """Two lines an item: forward, and below it backward; on the right the `ends`, or those in lines below."""
        drawing = self.drawing
        items = [i for i in drawing.items if drawing.nodes[f"l{i}"].counts]
        xs = [drawing.nodes[f"x{i}"] for i in drawing.items]
        x_width = columns([self.cells(n, what) for n in xs for what in ("value", "gradient")])
        y_width = columns([self.cells(drawing.nodes[f"y{i}"], "value") for i in items])
        left = len(str(max(drawing.items, default=0)))
        x_cols = sum(x_width) + len(x_width) + 1
        y_cols = (sum(y_width) + len(y_width) + 1) if y_width else 0
        groups = self.groups()
        notes = max([len(words.note(drawing, n)) for _, g in groups for n in g if n.counts], default=0)
        losses = max(len(self.one(n, "value")) for _, g in groups for n in g)
        weights = max([len(e.weight) for e in drawing.edges if e.counts and e.source[0] in "lr"], default=0)
        right = notes + 2 + losses + (weights + 2 if weights else 0)
        lines: list[Line] = [
            [
                (
                    " " * (left + 6)
                    + "x (logits)".ljust(x_cols + 2)
                    + "y = softmax(x)".ljust(y_cols + 2)
                    + "l = −log y[t]",
                    "soft",
                )
            ]
        ]
        for name, group in groups:
            rows: list[tuple[Line, bool]] = []  # the line, and whether it leads into the gutter
            for node in group:
                forward, backward = self.pair(node, left, x_width, y_width, x_cols, y_cols, right, losses, weights)
                rows += [(forward, True), (backward, False)]
            end, below = self.end_of(name)
            lines += self.gutter(rows, end, below, ends=ends)
            if name and end and not ends:
                lines += [[(f"  └─► {end} = {below}", "")], []]
        if drawing.reduction == "none" or (ends and not drawing.kind):
            return lines
        return [*lines, *([[]] if lines[-1] else []), *self.closing()]

    def pair(
        self, node: Node, left: int, x_width: list[int], y_width: list[int], x_cols: int, y_cols: int, right: int,
        losses: int, weights: int,
    ) -> tuple[Line, Line]:  # fmt: skip
        """The two lines of an item, or of the items that are not drawn."""
        drawing, edge = self.drawing, self.out_of(node)
        loss = self.one(node, "value").rjust(losses)
        weight = (f" ·{edge.weight}" if edge.weight and edge.counts else "").ljust(weights + 2) if weights else ""
        back = edge.factor + self.mark(edge) + "✗" * ((node.name, "", "gradient", (0, 0)) in self.wrong)
        total = x_cols + 2 + y_cols + 2 + right
        if node.item is None:
            text = f"{' ' * left}⋮    {node.label}, not drawn"
            fill = left + 6 + total - len(text) - losses - len(weight)
            forward: Line = [(text + " " * fill + loss + weight, "")]
            return forward, [(" " * (left + 6), ""), (f"◄─ {back} each".rjust(total), "back")]
        i = node.item
        x = drawing.nodes[f"x{i}"]
        start = f"{i:>{left}} ─►  " + self.block(self.cells(x, "value"), x_width) + "  "
        d_x = self.block(self.cells(x, "gradient"), x_width)
        if not node.counts:
            said = f"{words.note(drawing, node)}: not read"
            forward = [(start + said.ljust(total - x_cols - 2 - losses - len(weight)) + loss + weight, "soft")]
            return forward, [
                (f"{'∂':>{left}} ◄─  {d_x}" + "  " + "nothing flows back".ljust(total - x_cols - 2), "soft")
            ]
        y = drawing.nodes[f"y{i}"]
        note = words.note(drawing, node)
        space = right - len(note) - losses - len(weight)
        forward = [
            (start + self.block(self.cells(y, "value"), y_width) + "  " + note + " " * space + loss + weight, "")
        ]
        through = next(e for e in drawing.into[f"y{i}"])
        formula = through.factor + self.mark(through)
        arrow = "◄" + "─" * max(1, y_cols + 2 + right - len(formula) - len(back) - 4 - len(weight)) + f" {back}"
        tail = f"{formula}  {arrow}"
        return forward, [(f"{'∂':>{left}} ◄─  {d_x}  " + tail.ljust(total - x_cols - 2), "back")]

    def out_of(self, node: Node) -> Edge:
        """The edge on which a loss leaves."""
        return self.out[node.name]

    def end_of(self, name: str) -> tuple[str, str]:
        """What stands to the right of a group: where it leads, and the numbers below that."""
        nodes = self.drawing.nodes
        if self.drawing.reduction == "none":
            return "", ""
        if name:
            part = next(n for n in nodes.values() if n.stage == "part" and n.label == name)
            return f"Σ {name}", self.one(part, "value")
        steps, below = [], ""
        if "sum" in nodes:
            steps.append("Σ")
            below = self.one(nodes["sum"], "value")
        if "divide" in nodes:
            steps.append(
                nodes["divide"].note.replace("÷ ", "÷") + "✗" * (("divide", "", "divisor", (0, 0)) in self.wrong)
            )
        text = " ─► ".join([*steps, "L"])
        loss = self.one(nodes["L"], "value")
        if "sum" in nodes and "divide" not in nodes:
            below = ""
        return text, below + loss.rjust(max(len(text) - len(below), len(loss) + bool(below)))

    def gutter(self, rows: list[tuple[Line, bool]], end: str, below: str, *, ends: bool) -> list[Line]:
        """The lines run together on the right, and on to what the group leads to."""
        if not end:
            return [[*line, (f" ─► L{line[0][0].split()[0]}", "")] if into else line for line, into in rows]
        last = max(at for at, (_, into) in enumerate(rows) if into)
        middle = last // 2 + (last // 2) % 2 if last else 0
        middle = min(middle + (middle % 2 == 0 and last > 0), last) if last else 0
        widest = max(length(line) for line, _ in rows)
        result: list[Line] = []
        for at, (line, into) in enumerate(rows):
            padded = [*line, (" " * (widest - length(line)), "")]
            if not ends:
                mark = (
                    " ─┐" if at == 0 < last else " ─┘" if at == last else " ─┤" if into else "  │" if at < last else ""
                )
            elif last == 0:
                mark = " ──► " + end if at == 0 else "     " + below
            elif at == middle:
                mark = (" ─┼" if into else "  ├") + "─► " + end
            elif at == middle + 1:
                mark = (" ─┘" if at == last else " ─┤" if into else "  │" if at < last else "   ") + "   " + below
            elif into:
                mark = " ─┐" if at == 0 else " ─┘" if at == last else " ─┤"
            else:
                mark = "  │" if at < last else ""
            result.append([*padded, (mark, "")])
        return result

    def closing(self) -> list[Line]:
        """The end in lines of their own: what is added, what it is divided by, and what flows back."""
        nodes, drawing = self.drawing.nodes, self.drawing
        loss = self.one(nodes["L"], "value")
        edges = [e for e in drawing.edges if e.target in {"sum", "divide"} and e.source != "sum"]
        terms = [f"{e.weight}·" * bool(e.weight) + self.one(nodes[e.source], "value") for e in edges if e.counts]
        shown = terms if len(terms) <= 6 else [*terms[:4], "…", terms[-1]]  # noqa: PLR2004 -- as many as fit
        total = f" = {self.one(nodes['sum'], 'value')}" if "sum" in nodes else ""
        line = f"  Σ = {' + '.join(shown) or '0'}{total if len(shown) > 1 else ''}"
        if "divide" in nodes:
            line += f" ─► {nodes['divide'].note}"
        line += f" ─► L = {loss}"
        result: list[Line] = [[(text, "")] for text in wrapped(line.strip(), self.width, "  ", "      ")]
        if "others" in nodes:
            others = nodes["others"]
            result.insert(0, [(f"  ⋮ {others.label}, not drawn: Σ = {self.one(others, 'value')}", "")])
        back = edges[0].factor if drawing.kind and edges else ""
        if back:
            result.append([(f"  ◄─ {back} to every sum", "back")])
        return result

    # ------------------------------------------------------------------------------------------------------ stacked

    def stacked(self) -> list[Line]:
        """An item in several lines: for many classes, a narrow terminal, a layer in front."""
        lines = self.parameters()
        for name, group in self.groups():
            for node in group:
                lines += self.stack(node)
            if name and self.drawing.reduction != "none":
                part = next(n for n in self.drawing.nodes.values() if n.stage == "part" and n.label == name)
                lines += [[(f"  └─► Σ {name} = {self.one(part, 'value')}", "")], []]
        return lines if self.drawing.reduction == "none" else [*lines, *self.closing()]

    def stack(self, node: Node) -> list[Line]:
        """The lines of one item."""
        drawing, edge = self.drawing, self.out_of(node)
        back = edge.factor + self.mark(edge)
        if node.item is None:
            return [
                [(f"  ⋮ {node.label}, not drawn: Σ = {self.one(node, 'value')}", ""), (f"   ∂ each {back}", "back")],
                [],
            ]
        i = node.item
        style = "" if node.counts else "soft"
        said = words.note(drawing, node)
        lines: list[Line] = [[(f"  item {i}   {said}", style)]]
        if not node.counts:
            return [[(f"  item {i}   {said}: not read, not counted, ∂ = 0", "soft")], []]
        if f"h{i}" in drawing.nodes:
            lines += self.rows(
                [("h", drawing.nodes[f"h{i}"], "value", ""), ("∂h", drawing.nodes[f"h{i}"], "gradient", "")]
            )
        through = drawing.into[f"y{i}"][0]
        table = [("x", drawing.nodes[f"x{i}"], "value", "")]
        if f"c{i}" in drawing.nodes:
            table.append(("x'", drawing.nodes[f"c{i}"], "value", ""))
        y = drawing.nodes[f"y{i}"]
        table.append(("y", y, "value", ""))
        if node.note == "q":
            table.append(("q", y, "target", ""))
        if f"c{i}" in drawing.nodes:
            table.append(("∂x'", drawing.nodes[f"c{i}"], "gradient", ""))
        table.append(("∂x", drawing.nodes[f"x{i}"], "gradient", through.factor if f"c{i}" not in drawing.nodes else ""))
        lines += self.rows(table)
        weight = f" ·{edge.weight}" if edge.weight else ""
        end = f" ─► L{i} = {self.one(drawing.nodes[f'L{i}'], 'value')}" if drawing.reduction == "none" else ""
        value = [(f"    l   {self.one(node, 'value')}{weight} ─►{end}", ""), (f"   ◄─ {back}", "back")]
        lines.append(value)
        if f"z{i}" in drawing.nodes:
            z = drawing.nodes[f"z{i}"]
            lines.append([(f"    z   {self.one(z, 'value')} ─►", ""), (f"   ◄─ {self.out_of(z).factor}", "back")])
        return [*lines, []]

    def rows(self, table: list[tuple[str, Node, str, str]]) -> list[Line]:
        """Vectors of one index under each other; with a line of indices where some are left out."""
        first = self.numbers(table[0][1], table[0][2])
        keep = first.places
        while True:
            texts = [self.cells(node, what, keep=keep) for _, node, what, _ in table]
            hidden = first.shape[1] - len(keep)
            index = [str(j) for j in keep]
            widths = columns([*texts, index if hidden else []])
            gaps = [" … " if b - a > 1 else " " for a, b in pairwise(keep)]
            if len(keep) <= 2 or 8 + sum(widths) + sum(map(len, gaps)) <= self.width:  # noqa: PLR2004 -- target and largest
                break
            keep = fewer(keep, self.numbers(table[-1][1], "gradient"))
        lines: list[Line] = []
        if hidden:
            lines.append([("        " + laid(index, widths, [" " * len(g) for g in gaps]), "soft")])
        for (label, _, _, formula), found in zip(table, texts, strict=True):
            back = label.startswith("∂")
            line = f"    {label:<4}" + laid(found, widths, gaps)
            said = f"  {formula}" if formula and len(line) + 2 + len(formula) <= self.width else ""
            lines.append([(line + said, "back" if back else "")])
            if formula and not said:
                lines.append([(f"        = {formula}", "back")])
        return lines

    def parameters(self) -> list[Line]:
        """W and b, once for all items."""
        lines: list[Line] = []
        for name in ("W", "b"):
            node = self.drawing.nodes.get(name)
            if node is None:
                continue
            value, gradient = node.value, self.numbers(node, "gradient")
            shape = " × ".join(map(str, value.shape if name == "W" else value.shape[1:]))
            n = self.drawing.count
            lines += [[(line, "")] for line in wrapped(f"{name} ({shape}), shared by all {n} items", self.width, "  ")]
            said = node.backward
            lines += [[(line, "back")] for line in wrapped(said, self.width, "  ", "      ")]
            tables = []
            for what, numbers in (("value", value), ("gradient", gradient)):
                marks = [
                    [
                        short(v) + "✗" * ((name, "", what, (r, c)) in self.wrong)
                        for c, v in zip(numbers.places, row, strict=True)
                    ]
                    for r, row in zip(numbers.row_places, numbers.rows, strict=True)
                ]
                widths = columns(marks)
                while sum(widths) + len(widths) + 6 > self.width:
                    marks = [row[:-1] for row in marks]
                    widths = widths[:-1]
                more = " …" if len(widths) < numbers.shape[1] else ""
                tables.append([self.block(row, widths) + more for row in marks])
            beside = 4 + len(tables[0][0]) + 8 + len(tables[1][0]) <= self.width
            if beside:
                sign = f"∂{name}"
                for at, (a, b) in enumerate(zip(*tables, strict=True)):
                    lines.append(
                        [("    " + a, ""), ((f"   {sign} " if at == 0 else " " * (len(sign) + 4)) + b, "back")]
                    )
            else:
                lines += [[("    " + row, "")] for row in tables[0]]
                lines += [[(f"  ∂{name}", "back")], *([("    " + row, "back")] for row in tables[1])]
            if len(value.rows) < value.shape[0]:
                lines.append([("    ⋮", "")])
            lines.append([])
        return lines

    # --------------------------------------------------------------------------------------------------------- foot

    def foot(self) -> list[Piece]:
        """What was checked, left out, and why it is so."""
        out = []
        if self.report is not None:
            out += [(line.strip(), "bad" if self.report.wrong else "good") for line in str(self.report).splitlines()]
        hidden = words.left_out(self.drawing)
        if hidden:
            out.append((hidden, "soft"))
        out.append((words.meaning(self.drawing), ""))
        return out
