"""Every number of a drawing derived once more from what came in: values by the definition, gradients by differences.

A gradient is a central difference (f(x + h) − f(x − h)) / 2h of the definition in `exact`, at 60 digits or more with
h = 1e-12, so its own error is below 1e-20 and a number on the drawing is right or wrong, not "close".
"""

import math
import re
from collections.abc import Callable, Iterable
from decimal import Decimal, localcontext
from fractions import Fraction

from xent.graph.exact import DIGITS, STEP, ExactItem, Floats, Goal, context, decimal
from xent.graph.model import Cell, Drawing, Edge, Node, Numbers
from xent.graph.receive import Batch
from xent.graph.report import Check, Wrong

RELATIVE = 1e-11  # of a number; the core's own error is some 1e-15
SUBNORMAL = 1e-318
FLOATS = 1e-9  # of a sum that holds items which are not drawn: those are added in float64
WRITTEN = 6e-4  # a fraction is written with four digits
MOST = 40_000  # differences a parameter's gradient may cost

Right = Callable[[Cell], Decimal | float | None]  # the right entry; None where there is none to compare with


class Checker:
    """Walks over a drawing."""

    def __init__(self, batch: Batch, drawing: Drawing, floats: Floats | None = None) -> None:
        """Derive weights, divisor and losses from the batch."""
        self.batch, self.drawing, self.report = batch, drawing, Check()
        self.drawn = set(drawing.items)
        self.goals = [Goal(batch, i) for i in range(batch.count)]
        self.divisor = self._divisor()
        self.exact: dict[int, ExactItem] = {}
        self._floats = Floats(batch) if floats is None else floats

    def _divisor(self) -> Fraction:
        """D, by the rule in the options; 0 where nothing counts."""
        by = self.batch.denominator
        if self.batch.spec.reduction != "mean":
            return Fraction(1)
        if not isinstance(by, str):
            return Fraction(by)
        if by == "weights":
            return sum((goal.weight for goal in self.goals), Fraction(0))
        return Fraction(sum(not goal.ignored or by == "batch" for goal in self.goals))

    def run(self) -> Check:
        """Check every node and edge."""
        self._divisor_drawn()
        for node in self.drawing.nodes.values():
            value, gradient, slack = self._of_node(node)
            self._compare(node.name, "", "value", node.name, node.value, value, slack)
            if node.gradient is not None:
                self._compare(node.name, "", "gradient", f"∂{node.name}", node.gradient, gradient, slack)
            if node.target is not None and node.item is not None:
                goal = self.goals[node.item]
                scale = goal.class_weight if goal.alone else Fraction(1)
                right = {c: float(q / scale) for c, q in goal.q.items()}
                self._compare(node.name, "", "target", "t", node.target, self._entries(right), 0.0)
        for edge in self.drawing.edges:
            gradient, slack = self._of_edge(edge)
            where = f"∂{edge.source} (from {edge.target})"
            self._compare(edge.source, edge.target, "gradient", where, edge.gradient, gradient, slack)
            self._written(edge)
        return self.report

    # ---------------------------------------------------------------------------------------------------- comparing

    def _compare(
        self, name: str, target: str, what: str, where: str, shown: Numbers, right: Right, slack: float
    ) -> None:
        """Compare all drawn entries with the right ones."""
        single = shown.shape == (1, 1)
        many = shown.shape[0] > 1
        for cell, entry in shown.cells():
            self.report.numbers += 1
            place = "" if single else f"[{cell[0]}, {cell[1]}]" if many else f"[{cell[1]}]"
            label = where + place
            expected = right(cell)
            if expected is None:
                self.report.undecided.append(f"{label} ({self._why(name)})")
                continue
            error = _error(entry, expected, slack)
            if error <= RELATIVE:
                self.report.worst = max(self.report.worst, error)
            else:
                self.report.wrong.append(Wrong(label, name, target, what, cell, entry, float(expected)))

    def _why(self, name: str) -> str:
        return "more differences than are taken" if name in {"W", "b"} else "the loss is infinite there"

    def _divisor_drawn(self) -> None:
        """D itself, as the number and as it is written."""
        self.report.numbers += 1
        right = float(self.divisor)
        written = re.match(r"\S+", self.drawing.divided_by or "1")
        for shown, tolerance in (
            (self.drawing.denominator, RELATIVE),
            (float(written[0]) if written else math.nan, WRITTEN),
        ):
            if not math.isclose(shown, right, rel_tol=tolerance):
                self.report.wrong.append(Wrong("the divisor", "divide", "", "divisor", (0, 0), shown, right))
                return

    def _written(self, edge: Edge) -> None:
        """A factor that is written as a fraction, against the gradient that flows there from a node of gradient 1/D."""
        found = re.search(r"(?:^|· )([\d.e+-]+)(?:/([\d.e+-]+))?$", edge.factor)
        source = self.drawing.nodes[edge.source]
        if not found or source.stage == "parameter" or (edge.target == "L" and source.stage == "loss"):
            return
        shown = float(found[1]) / float(found[2] or 1.0)
        right = float(self._share(self.drawing.nodes[edge.target] if edge.target.startswith("z") else source))
        self.report.numbers += 1
        if not math.isclose(shown, right, rel_tol=2 * WRITTEN, abs_tol=1e-300):
            self.report.wrong.append(
                Wrong(f"the factor {found[0]}", edge.source, edge.target, "factor", (0, 0), shown, right)
            )

    def _share(self, node: Node) -> Fraction:
        """What a loss of this node's item gets back; of what is no item, 1/D."""
        if node.stage in {"divide", "result"}:
            return Fraction(1)
        if node.item is None:
            return self._over(Fraction(1))
        goal = self.goals[node.item]
        if not goal.counts:
            return Fraction(0)
        extra = node.label == "z"
        return self._over(goal.sample * (Fraction(1) if extra else goal.class_weight))

    def _over(self, number: Fraction) -> Fraction:
        return number / self.divisor if self.divisor else Fraction(0)

    # -------------------------------------------------------------------------------------------------------- items

    def item(self, i: int) -> ExactItem:
        """Item i in many digits."""
        if i not in self.exact:
            self.exact[i] = ExactItem(self.goals[i], self.batch.logits(i), self.batch.spec)
        return self.exact[i]

    def _of_node(self, node: Node) -> tuple[Right, Right, float]:  # noqa: PLR0911 -- one for each kind of node
        """The right value and gradient of a node, and how much cancels in them."""
        i = node.item
        if node.stage == "parameter":
            return (
                self._given(node),
                lambda at: self._parameter(node.name, at, range(self.batch.count)),
                self._slack(None),
            )
        if i is None:
            return self._of_end(node)
        goal = self.goals[i]
        if node.stage == "result":
            return self._constant(self._sum([i])), self._constant(1.0 if goal.counts else 0.0), 0.0
        if node.stage == "hidden":
            return self._given(node), lambda at: self._by_hidden(i, at[1]), self._slack(i)
        if not goal.counts:
            given = self._given(node) if node.stage == "logits" else self._constant(0.0)
            return given, self._constant(0.0), 0.0
        item = self.item(i)
        if node.stage == "logits":
            values = self.batch.logits(i)
            return lambda at: self._logit(i, at[1], values), self._scaled(item, item.added, "logit"), self._slack(i)
        if node.stage == "capped":
            return lambda at: item.values[at[1]], self._scaled(item, item.added), self._slack(i)
        if node.stage == "softmax":
            return self._probability(item), lambda at: self._by_probability(item, node, at[1]), 0.0
        share = self._constant(float(self._share(node)))
        if node.label == "z":
            return self._of_loss(item, item.z_loss, Fraction(1)), share, 0.0
        return self._of_loss(item, item.loss, goal.class_weight), share, 0.0

    def _given(self, node: Node) -> Right:
        """What came in."""
        linear, i = self.batch.linear, node.item
        if i is not None:
            row = self.batch.rows[i]
            return lambda at: row[at[1]]
        assert linear is not None  # noqa: S101 -- for the type checker: only then are there parameters
        if node.name == "W":
            return lambda at: linear.weight[at[0]][at[1]]
        return lambda at: (linear.bias or ())[at[1]]

    def _logit(self, i: int, c: int, values: list[float]) -> float:
        """A logit: as given, or W·h + b in many digits."""
        linear = self.batch.linear
        if linear is None:
            return values[c]
        terms = [*zip(map(Fraction, linear.weight[c]), map(Fraction, self.batch.rows[i]), strict=True)]
        bias = Fraction(linear.bias[c]) if linear.bias else Fraction(0)
        return float(sum((w * h for w, h in terms), bias))

    @staticmethod
    def _entries(right: dict[int, float]) -> Right:
        return lambda at: right.get(at[1], 0.0)

    def _constant(self, number: Decimal | float) -> Right:
        return lambda _: number

    def _scaled(self, item: ExactItem, function: Callable[[int, Decimal], Decimal], by: str = "capped") -> Right:
        """Differences of s·loss, over D."""

        def right(at: Cell) -> Decimal | float | None:
            if item.broken:
                return math.nan
            if item.infinite:
                return None
            with localcontext(item.context):
                return item.slope(function, at[1], by) * decimal(self._over(Fraction(1)))

        return right

    def _probability(self, item: ExactItem) -> Right:
        def right(at: Cell) -> Decimal | float:
            if item.broken:
                return math.nan
            with localcontext(item.context):
                return item.terms[at[1]] / item.whole

        return right

    def _by_probability(self, item: ExactItem, node: Node, c: int) -> Decimal | float | None:
        """Difference of −q·log y by y."""
        q = item.goal.q.get(c, Fraction(0))
        if q == 0:
            return 0.0
        if item.broken:
            return math.nan
        y = self._probability(item)((0, c))
        if node.value.rows and float(y or 0.0) == 0.0:
            return None
        with localcontext(context(DIGITS)):
            y = +Decimal(y or 0)
            up, down = (y * (1 + STEP)).ln(), (y * (1 - STEP)).ln()
            share = decimal(self._over(item.goal.sample * q))
            return -share * (up - down) / (2 * STEP * y)

    def _of_loss(self, item: ExactItem, function: Callable[[], Decimal], over: Fraction) -> Right:
        def right(_: Cell) -> Decimal | float:
            if item.broken:
                return math.nan
            if item.infinite and function == item.loss:
                return math.inf
            with localcontext(item.context):
                return function() / decimal(over)

        return right

    def _by_hidden(self, i: int, d: int) -> Decimal | float | None:
        """Difference of the item's loss by h_d, through W·h + b: one class at a time, for dL = Σ_c ∂L/∂x_c·dx_c."""
        linear, goal = self.batch.linear, self.goals[i]
        if linear is None or not goal.counts:
            return 0.0
        item = self.item(i)
        if item.broken or item.infinite:
            return math.nan if item.broken else None
        with localcontext(item.context):
            step = STEP
            moved = [ExactItem(goal, item.xs, item.spec) for _ in range(2)]
            for side, sign in zip(moved, (1, -1), strict=True):
                side.context = item.context
                xs = [Decimal(x) + sign * step * Decimal(w[d]) for x, w in zip(item.xs, linear.weight, strict=True)]
                side.values = [side.capped(x) for x in xs]
            return (moved[0].added() - moved[1].added()) / (2 * step) * decimal(self._over(Fraction(1)))

    def _parameter(self, name: str, at: Cell, items: Iterable[int]) -> Decimal | float | None:
        """Difference of L by an entry of W or b: over all items."""
        chosen = list(items)
        node = self.drawing.nodes[name]
        if len(chosen) * len(node.value.places) * len(node.value.row_places) > MOST:
            return None
        result = Decimal(0)
        c, d = at if name == "W" else (at[1], None)
        for i in chosen:
            if not self.goals[i].counts:
                continue
            item = self.item(i)
            if item.broken or item.infinite:
                return math.nan if item.broken else None
            size = 1.0 if d is None else self.batch.rows[i][d]
            with localcontext(item.context):
                if size:
                    result += item.slope(item.added, c, "logit", size) * decimal(self._over(Fraction(1)))
        return result

    def _slack(self, i: int | None) -> float:
        """What may cancel in a gradient, in units of RELATIVE."""
        if i is None:
            largest = max((max(map(abs, self.batch.rows[k]), default=0.0) for k in self.drawing.items), default=0.0)
            return max(
                (self._slack(k) for k in self.drawing.items), default=0.0
            ) * self.batch.count + 1e-4 * largest / (float(abs(self.divisor)) or 1.0)
        goal, linear = self.goals[i], self.batch.linear
        if goal.alone and linear is None and not self.batch.spec.lse_square_scale:
            return 0.0
        pull = self.batch.spec.lse_square_scale * 1e3
        size = abs(float(self._over(goal.sample))) * (float(goal.mass) + pull)
        if linear is not None:
            size *= max((abs(w) for row in linear.weight for w in row), default=1.0) or 1.0
        return 1e-3 * size

    # --------------------------------------------------------------------------------------------------------- ends

    def _sum(self, items: Iterable[int]) -> Decimal | float:
        """Σ of what items add; NaN and infinity as they fall."""
        result: Decimal | float = Decimal(0)
        floats = 0.0
        with localcontext(context(DIGITS)):
            for i in items:
                if not self.goals[i].counts:
                    continue
                if i not in self.drawn:
                    floats += self._floats[i][0]
                    continue
                item = self.item(i)
                if item.broken:
                    return math.nan
                if item.infinite:
                    floats += math.inf * float(item.goal.sample)
                    continue
                with localcontext(item.context):
                    added = item.added()
                result += added  # type: ignore[operator]  # a Decimal until it is returned
            return floats + float(result) if floats else result

    def _of_end(self, node: Node) -> tuple[Right, Right, float]:
        """Sums, the division, L, and what is not drawn."""
        drawing, share = self.drawing, self._constant(float(self._over(Fraction(1))))
        everything = range(self.batch.count)
        if node.name in {"divide", "L"}:
            total, gradient = self._sum(everything), 1.0
            with localcontext(context(DIGITS)):
                loss = total / decimal(self.divisor) if isinstance(total, Decimal) and self.divisor else total
            if not isinstance(total, Decimal):
                loss = total / float(self.divisor) if self.divisor else 0.0
            return (
                self._constant(loss if self.divisor else 0.0),
                self._constant(gradient),
                self._size(everything, over=True),
            )
        items: list[int] = list(everything)
        if node.name != "sum":
            drawn = {i for part in drawing.parts for i in range(part.start, part.stop)}
            if node.name == "others":
                items = [i for i in everything if i not in drawn]
            else:
                part = next(p for p in drawing.parts if not p.name or p.name.endswith(f" {node.part}"))
                items = [i for i in range(part.start, part.stop) if node.stage == "part" or i not in part.drawn]
        return self._constant(self._sum(items)), share, self._size(items)

    def _size(self, items: Iterable[int], *, over: bool = False) -> float:
        """How much a sum may be off because some of its items are added in float64, in units of RELATIVE."""
        size = sum(self._floats[i][1] for i in items if i not in self.drawn and i in self._floats)
        scale = float(self._over(Fraction(1))) if over else 1.0
        negative = self.batch.sample_weight is not None and min(self.batch.sample_weight, default=0.0) < 0.0
        return abs(scale) * size * FLOATS / RELATIVE / 1e3 + (1e-3 if negative else 0.0)

    # -------------------------------------------------------------------------------------------------------- edges

    def _of_edge(self, edge: Edge) -> tuple[Right, float]:
        """The right gradient of an edge."""
        source, target = self.drawing.nodes[edge.source], self.drawing.nodes[edge.target]
        i = source.item if source.item is not None else target.item
        if source.stage == "parameter":
            assert i is not None  # noqa: S101 -- for the type checker: an edge of a parameter leads to an item
            return lambda at: self._parameter(source.name, at, [i]), self._slack(None)
        if source.item is None or target.item is None or target.stage == "result":
            return self._constant(float(self._share(source))), 0.0
        if not self.goals[source.item].counts:
            return self._constant(0.0), 0.0
        _, gradient, slack = self._of_node(source)
        if source.stage in {"hidden", "softmax"} or target.stage == "capped":
            return gradient, slack
        item = self.item(source.item)
        part = item.z_loss if target.label == "z" else item.loss
        return self._scaled(item, lambda j, nudge: decimal(item.goal.sample) * part(j, nudge)), slack


def _error(shown: float, right: Decimal | float, slack: float) -> float:
    """Relative error; a slack is taken as part of the right number's size."""
    expected = float(right)
    if math.isnan(expected) or math.isinf(expected) or math.isnan(shown) or math.isinf(shown):
        return 0.0 if shown == expected or (math.isnan(shown) and math.isnan(expected)) else math.inf
    if abs(shown - expected) <= SUBNORMAL:
        return 0.0
    size = abs(expected) + slack
    return abs(shown - expected) / size if size else math.inf


def check(batch: Batch, drawing: Drawing, floats: Floats | None = None) -> Check:
    """Derive every number of a drawing once more."""
    return Checker(batch, drawing, floats).run()
