"""From a checked batch to its drawing: the nodes and edges of every item that is drawn, and the sums of the others.

Every number is the definition's (`core.item`). Backward is the chain rule, written at each node as it is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from xent.core import errors
from xent.core.batch import Total, ratio
from xent.core.item import Item, item_of
from xent.core.row import gap, gradient_at_top, share_of, state_of, term
from xent.core.row import value as capped
from xent.graph.choose import PARTS, classes_of, cut, ends_of
from xent.graph.divisor import divisor_of, ignored
from xent.graph.left_out import total_of
from xent.graph.model import Drawing, Edge, Node, Numbers, Part, matrix, scalar, vector
from xent.graph.numbers import fraction, plain, short, sums
from xent.graph.receive import Batch

LEAST = 2.0**-1000  # below it the reciprocal of a divisor is no float64


@dataclass(frozen=True, slots=True)
class View:
    """What is drawn, and how: the options of the picture."""

    split_mean: bool = False
    micro_batches: object = None
    ranks: object = None
    max_items: int = 8
    max_classes: int = 8
    class_names: tuple[str, ...] = ()
    title: str = ""


class Builder:
    """Collects nodes and edges."""

    def __init__(self, batch: Batch, view: View) -> None:
        """Cut the batch, choose the items, add up the others."""
        self.batch, self.view = batch, view
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []
        self.kind, pieces = cut(batch.count, view.micro_batches, view.ranks)
        drawn = ends_of(len(pieces), PARTS)
        each = max(1, view.max_items // max(1, len(drawn)))
        self.pieces = pieces
        self.parts = [self._part(k, *pieces[k], each) for k in drawn]
        self.items = {i: self._item(i) for part in self.parts for i in part.drawn}
        self.totals = self._totals(drawn)  # of each drawn part, and last of the parts that are not
        self.total = sum(self.totals, Total.zero())
        self.divisor = divisor_of(batch, self.total)
        self.number = ratio(*self.divisor)
        if self.number and not LEAST <= self.number < math.inf:
            raise errors.divisor_out_of_range(self.number)

    def _part(self, k: int, start: int, stop: int, each: int) -> Part:
        """A part, and which of its items are drawn."""
        items = sum(not ignored(self.batch, i) for i in range(start, stop))
        name = f"{self.kind} {k}" if self.kind else ""
        return Part(name, start, stop, tuple(start + i for i in ends_of(stop - start, each)), items)

    def _item(self, i: int) -> Item:
        """An item that is drawn, by the definition."""
        batch = self.batch
        return item_of(batch.logits(i), batch.targets[i], batch.spec, batch.weight, batch.sample(i))

    def _totals(self, drawn: Sequence[int]) -> list[Total]:
        """The total of each drawn part, and that of the others together."""
        of_part: dict[int, Total] = dict.fromkeys(drawn, Total.zero())
        others, self.left_out = Total.zero(), dict.fromkeys(drawn, Total.zero())
        for k, (start, stop) in enumerate(self.pieces):
            added, rest = Total.zero(), Total.zero()
            for i in range(start, stop):
                if i in self.items:
                    added += self.items[i].total
                else:
                    rest += total_of(self.batch, i)
            if k in of_part:
                of_part[k], self.left_out[k] = added + rest, rest
            else:
                others += rest
        return [*of_part.values(), others]

    def over(self, total: Total) -> float:
        """A total divided once."""
        return total.over(*self.divisor)

    def share(self, weight: float) -> float:
        """weight / D, the gradient of L by a loss; 0 where nothing counts."""
        return weight / self.number if self.number else 0.0

    def divided_by(self) -> str:
        """The divisor in words: "2", "5 of 8", "7 (weights)"."""
        batch, by = self.batch, self.batch.denominator
        number = plain(self.number)
        if batch.spec.reduction != "mean":
            return ""
        if not isinstance(by, str):
            return f"{number} (given)"
        if by == "batch":
            return number
        weighted = batch.weight is not None or batch.sample_weight is not None or not isinstance(self._goal(), int)
        if by == "weights" and weighted:
            return number if self.number == batch.count else f"{number} (weights)"
        return number if self.number == batch.count else f"{number} of {batch.count}"

    def _goal(self) -> object:
        return self.batch.targets[0] if self.batch.targets else 0

    # ------------------------------------------------------------------------------------------------------- items

    def item(self, i: int) -> None:
        """The nodes of one item, from its input to its loss."""
        item, batch = self.items[i], self.batch
        counts = item.sample_weight != 0.0 and item.target.counts
        xs = batch.logits(i) if counts or batch.linear is None else []
        source = "" if batch.linear is None else f"h{i}"
        if not counts:
            self._silent(i, xs)
            return
        places = classes_of(xs, item.target.raw, self.view.max_classes)
        spec = batch.spec
        inputs = xs if spec.plain else [capped(x, *batch.transform) for x in xs]
        share = self.share(item.sample_weight)
        gradient = [g * item.sample_weight / self.number if self.number else 0.0 for g in item.gradient]
        through = gradient if spec.plain else [g * share for g in gradient_of_loss(xs, item, batch.transform)]
        pull = 2.0 * spec.lse_square_scale * item.lse
        added = [pull * p * share for p in item.probabilities]
        self.node(
            Node(
                f"x{i}", "logits", "x", vector(xs, places), vector(gradient, places),
                f"x{i} = W·h{i} + b" if source else f"x{i}: the logits of item {i}, as given",
                self._words_of_gradient(i, item, places, gradient), item=i,
            )
        )  # fmt: skip
        if source:
            self._hidden(i, gradient)
            self.edges.append(Edge(source, f"x{i}", self._back_to_hidden(i, gradient), "W·h + b", "Wᵀ·∂x"))
        top = f"x{i}"
        if spec.softcap is not None or spec.logit_scale != 1.0:
            top = f"c{i}"
            both = [a + b for a, b in zip(through, added, strict=True)]
            words = _words_of_cap(spec.logit_scale, spec.softcap)
            back = f"∂x' of item {i}: what comes back from y" + (" and z" if pull else "")
            node = Node(f"c{i}", "capped", "x'", vector(inputs, places), vector(both, places), f"x' = {words}", back, i)
            self.node(node)
            self.edges.append(Edge(f"x{i}", f"c{i}", vector(gradient, places), words, "· dx'/dx"))
        self._softmax(i, item, top, places, through, share)
        if spec.lse_square_scale:
            self._z_loss(i, item, top, vector(added, places), share)

    def _softmax(
        self, i: int, item: Item, top: str, places: Sequence[int], through: Sequence[float], share: float
    ) -> None:
        """y, l, and the edges between."""
        goal, own = item.target, share * item.target.class_weight
        slopes = [_slope_of_log(q, p) * own for q, p in zip(goal.q, item.probabilities, strict=True)]
        k = max(range(len(goal.q)), key=goal.q.__getitem__)
        one = sum(q != 0.0 for q in goal.q) == 1
        factor = fraction(item.sample_weight * goal.class_weight, self.number)
        name = f"t={k}" if one else "q"
        loss_words = f"l{i} = −log y[{k}] = −log {short(item.probabilities[k])} = {short(item.loss)}"
        if not one:
            loss_words = f"l{i} = −Σ q·log y = {short(item.loss)}"
        x_k = short(capped(self.batch.logits(i)[k], *self.batch.transform))
        y_words = f"y[{k}] = exp({x_k} − lse) = {short(item.probabilities[k])}, lse = log Σ exp(x) = {short(item.lse)}"
        back_y = f"∂y = −q/y · {factor}" + (f": ∂y[{k}] = −1/{short(item.probabilities[k])} · {factor}" if one else "")
        self.node(
            Node(
                f"y{i}", "softmax", "y", vector(item.probabilities, places), vector(slopes, places), y_words,
                back_y + f" = {short(slopes[k])}" * one, i, target=vector(goal.q, places),
            )
        )  # fmt: skip
        weight = item.sample_weight * goal.class_weight
        self.node(
            Node(
                f"l{i}", "loss", "l", scalar(item.loss), scalar(own), loss_words,
                f"∂l{i} = {factor}" + (f" = {short(own)}" if "/" in factor else ""), i, note=name,
            )
        )  # fmt: skip
        residual = "(y − t)" if one else "(Σq·y − q)"
        self.edges.append(Edge(top, f"y{i}", vector(through, places), "softmax", f"{residual} · {factor}"))
        words = f"−log y[{k}]" if one else "−Σ q·log y"
        self.edges.append(Edge(f"y{i}", f"l{i}", vector(slopes, places), words, f"−q/y · {factor}"))
        self.outputs.append((f"l{i}", i, own, factor, "" if weight == 1.0 else plain(weight)))

    def _z_loss(self, i: int, item: Item, top: str, added: Numbers, share: float) -> None:
        """The z-loss beside the loss: it has the sample's weight and not the class'."""
        factor, scale = fraction(item.sample_weight, self.number), plain(self.batch.spec.lse_square_scale)
        words = f"z{i} = {scale}·lse² = {scale}·{short(item.lse)}² = {short(item.z_loss)}"
        self.node(Node(f"z{i}", "loss", "z", scalar(item.z_loss), scalar(share), words, f"∂z{i} = {factor}", i))
        self.edges.append(Edge(top, f"z{i}", added, f"{scale}·lse²", f"2·{scale}·lse·y · {factor}"))
        weight = "" if item.sample_weight == 1.0 else plain(item.sample_weight)
        self.outputs.append((f"z{i}", i, share, factor, weight))

    def _silent(self, i: int, xs: Sequence[float]) -> None:
        """An item that does not count: nothing of it is read, and nothing flows back."""
        why = "ignored" if ignored(self.batch, i) else "weight 0"
        goal = self.batch.targets[i]
        width = self.batch.classes
        start = f"x{i}"
        if self.batch.linear is None:
            places = ends_of(width, self.view.max_classes)
            words = f"x{i}: {why}, so it is never read"
            node = Node(start, "logits", "x", vector(xs, places), vector([0.0] * width, places), words, "∂x = 0", i,
                        counts=False)  # fmt: skip
            self.node(node)
        else:
            start = f"h{i}"
            self._hidden(i, [0.0] * width, counts=False)
        name = f"t={goal}" if isinstance(goal, int) else "q"
        words = f"l{i} = 0: the item is {'ignored' if why == 'ignored' else 'of weight 0'} and does not count"
        self.node(
            Node(
                f"l{i}",
                "loss",
                "l",
                scalar(0.0),
                scalar(0.0),
                words,
                f"∂l{i} = 0",
                i,
                note=f"{why}, {name}",
                counts=False,
            )
        )
        zeros = self.nodes[start].gradient or scalar(0.0)
        self.edges.append(Edge(start, f"l{i}", zeros, "not read", "0", counts=False))
        self.outputs.append((f"l{i}", i, 0.0, "0", "0"))

    def _words_of_gradient(self, i: int, item: Item, places: Sequence[int], gradient: Sequence[float]) -> str:
        """∂x of an item in numbers, at its first drawn class."""
        j, goal = places[0], item.target
        factor = fraction(item.sample_weight * goal.class_weight, self.number)
        if not self.batch.spec.plain:
            return f"∂x{i} = what comes back along its edges = {short(gradient[j])} at class {j}"
        if sum(q != 0.0 for q in goal.q) == 1:
            y, t = short(item.probabilities[j]), plain(goal.q[j])
            return f"∂x{i} = (y − t) · {factor}: ({y} − {t}) · {factor} = {short(gradient[j])} at class {j}"
        mass = plain(math.fsum(goal.q))
        y, q = short(item.probabilities[j]), short(goal.q[j])
        return f"∂x{i} = (Σq·y − q) · {factor}: ({mass}·{y} − {q}) · {factor} = {short(gradient[j])} at class {j}"

    # ------------------------------------------------------------------------------------------------ linear layer

    def _hidden(self, i: int, gradient: Sequence[float], *, counts: bool = True) -> None:
        """h of an item."""
        h = self.batch.rows[i]
        node = Node(
            f"h{i}", "hidden", "h", vector(h, ends_of(len(h), self.view.max_classes)),
            self._back_to_hidden(i, gradient), f"h{i}: the input of item {i}", f"∂h{i} = Wᵀ·∂x{i}", i, counts=counts,
        )  # fmt: skip
        self.node(node)

    def _back_to_hidden(self, i: int, gradient: Sequence[float]) -> Numbers:
        """Wᵀ·∂x of an item."""
        linear, width = self.batch.linear, len(self.batch.rows[i])
        assert linear is not None  # noqa: S101 -- for the type checker
        places = ends_of(width, self.view.max_classes)
        columns = [math.fsum(w[d] * g for w, g in zip(linear.weight, gradient, strict=True)) for d in range(width)]
        return vector(columns, places)

    def parameters(self) -> None:
        """W and b, each drawn once, and what every item adds to their gradients."""
        linear = self.batch.linear
        if linear is None:
            return
        classes = ends_of(len(linear.weight), self.view.max_classes)
        inputs = ends_of(len(linear.weight[0]), self.view.max_classes)
        d_w = [[0.0] * len(inputs) for _ in classes]
        d_b = [0.0] * len(classes)
        rest_w, rest_b = [row[:] for row in d_w], d_b[:]
        sending = []
        for i in range(self.batch.count):
            gradient = self._gradient_of(i)
            if gradient is None:
                continue
            sending.append(i)
            h = self.batch.rows[i]
            outer = [[gradient[c] * h[d] for d in inputs] for c in classes]
            into_b = [gradient[c] for c in classes]
            _add(d_w, outer)
            _add([d_b], [into_b])
            if i in self.items:
                part = Numbers(tuple(map(tuple, outer)), classes, inputs, (len(linear.weight), len(h)))
                self.edges.append(Edge("W", f"x{i}", part, "", f"∂x{i}·h{i}ᵀ"))
                if linear.bias is not None:
                    row = Numbers((tuple(into_b),), (0,), classes, (1, len(linear.weight)))
                    self.edges.append(Edge("b", f"x{i}", row, "", f"∂x{i}"))
            else:
                _add(rest_w, outer)
                _add([rest_b], [into_b])
        shape = (len(linear.weight), len(linear.weight[0]))
        gradient_w = Numbers(tuple(map(tuple, d_w)), classes, inputs, shape)
        n = self.batch.count
        words = sums([f"∂x{i}·h{i}ᵀ" for i in sending])
        self.node(
            Node(
                "W", "parameter", "W", matrix(linear.weight, classes, inputs), gradient_w,
                f"W: one matrix, shared by all {n} items", f"∂W = {words}: {len(sending)} gradients, added",
            )
        )  # fmt: skip
        if linear.bias is not None:
            values = Numbers((tuple(linear.bias[c] for c in classes),), (0,), classes, (1, shape[0]))
            row = Numbers((tuple(d_b),), (0,), classes, (1, shape[0]))
            words = sums([f"∂x{i}" for i in sending])
            self.node(
                Node("b", "parameter", "b", values, row, f"b: one vector, shared by all {n} items", f"∂b = {words}")
            )

    def _gradient_of(self, i: int) -> Sequence[float] | None:
        """∂x of any item; None where it does not count."""
        item = self.items.get(i) or self._item(i)
        if item.sample_weight == 0.0 or not item.target.counts or not self.number:
            return None
        return [g * item.sample_weight / self.number for g in item.gradient]

    # -------------------------------------------------------------------------------------------------------- all

    def node(self, node: Node) -> None:
        """Put a node into the drawing."""
        self.nodes[node.name] = node

    def drawing(self) -> Drawing:
        """Everything."""
        from xent.graph.ends import add_ends

        self.outputs: list[tuple[str, int, float, str, str]] = []  # loss nodes: name, item, gradient, factor, weight
        self.parameters()
        for i in self.items:
            self.item(i)
        loss = add_ends(self)
        return Drawing(
            self.nodes, tuple(self.edges), tuple(self.parts), len(self.pieces), self.kind, tuple(self.items),
            self.batch.count, self.batch.classes, self.batch.spec.reduction, self.number, self.divided_by(), loss,
            self.view.title, self.view.class_names, self.batch.shape,
        )  # fmt: skip


def build(batch: Batch, view: View) -> Drawing:
    """The drawing of a batch."""
    return Builder(batch, view).drawing()


def gradient_of_loss(xs: list[float], item: Item, options: tuple[float, float]) -> list[float]:
    """Class weight × loss by the scaled and capped logits, without the z-loss: what comes back from the softmax."""
    if item.predicted < 0:
        return [math.nan] * len(xs)
    goal, k, state = item.target, item.predicted, state_of(xs, *options)
    q = [goal.class_weight * q_j for q_j in goal.q]
    share, _ = share_of(state.rest, math.fsum(q))
    found = [share * term(*gap(state.max, x, *options)) - q_j for x, q_j in zip(xs, q, strict=True)]
    found[k] = gradient_at_top(state.rest, math.fsum(q_j for j, q_j in enumerate(q) if j != k), q[k], 0.0)
    return found


def _slope_of_log(q: float, p: float) -> float:
    """d(−q·log p)/dp."""
    if q == 0.0:
        return 0.0
    return -math.inf if p == 0.0 else -q / p


def _words_of_cap(scale: float, cap: float | None) -> str:
    """x' = c·tanh(s·x/c) with its numbers."""
    scaled = "x" if scale == 1.0 else f"{plain(scale)}·x"
    return scaled if cap is None else f"{plain(cap)}·tanh({scaled}/{plain(cap)})"


def _add(into: list[list[float]], added: Sequence[Sequence[float]]) -> None:
    """Add a table of numbers to another."""
    for row, more in zip(into, added, strict=True):
        for j, number in enumerate(more):
            row[j] += number
