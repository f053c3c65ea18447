"""Where the rows of the drawing run together: sums, parts, the one division, L."""

from typing import TYPE_CHECKING

from xent.core.batch import Total
from xent.graph.model import Edge, Node, scalar
from xent.graph.numbers import fraction, plain, short, sums

if TYPE_CHECKING:
    from xent.graph.build import Builder


def add_ends(builder: "Builder") -> float | None:
    """Add the nodes behind the losses; the loss of the batch, None for reduction "none"."""
    reduction = builder.batch.spec.reduction
    if reduction == "none":
        _outputs(builder)
        return None
    loss = builder.over(builder.total)
    back = fraction(1.0, builder.number)
    divide = reduction == "mean"
    through_sum = builder.view.split_mean or not divide
    last = "divide" if divide else "sum"
    collect = "sum" if through_sum else last
    _collect(builder, collect)
    if through_sum:
        words = f"sum = {short(builder.total.sum)}"
        node = Node("sum", "sum", "sum", scalar(builder.total.sum), scalar(builder.share(1.0)), words, f"∂sum = {back}")
        builder.node(node)
    if divide:
        terms = _terms(builder)
        by = builder.divided_by()
        words = f"L = ({terms}) / {plain(builder.number)} = {short(loss)}"
        if not builder.number:
            words = "L = 0: nothing counts, so there is nothing to divide"
        label = "divide" if through_sum or builder.kind else "mean"
        node = Node("divide", "divide", label, scalar(loss), scalar(1.0), words, "∂L = 1", note=f"÷ {by}")
        builder.node(node)
        if through_sum:
            builder.edges.append(Edge("sum", "divide", scalar(builder.share(1.0)), "", back))
    words = f"L = {short(loss)}, the loss of the batch"
    builder.node(Node("L", "result", "L", scalar(loss), scalar(1.0), words, "∂L/∂L = 1, where backward begins"))
    builder.edges.append(Edge(last, "L", scalar(1.0), "", "1"))
    return loss


def _terms(builder: "Builder") -> str:
    """The losses that are added, as words."""
    if builder.kind:
        return sums(
            [short(total.sum) for total in builder.totals[:-1]] + ["…"] * (len(builder.pieces) > len(builder.parts))
        )
    if len(builder.items) < builder.batch.count:
        return short(builder.total.sum)
    terms = []
    for name, _, _, _, weight in builder.outputs:
        if builder.nodes[name].counts:
            terms.append(f"{weight}·" * bool(weight) + short(builder.nodes[name].value.scalar))
    return sums(terms, 6)


def _outputs(builder: "Builder") -> None:
    """Reduction "none": every item has a loss of its own; backward is that of their sum."""
    made: set[int] = set()
    for name, i, gradient, factor, weight in builder.outputs:
        counts = builder.nodes[name].counts
        if i not in made:
            value = builder.items[i].total.sum if counts else 0.0
            node = Node(
                f"L{i}", "result", f"L{i}", scalar(value), scalar(1.0 if counts else 0.0),
                f'L{i} = {short(value)}: reduction "none" keeps one loss an item', f"∂L{i} = 1", i, counts=counts,
            )  # fmt: skip
            builder.node(node)
            made.add(i)
        builder.edges.append(Edge(name, f"L{i}", scalar(gradient), "", factor, weight, counts))


def _collect(builder: "Builder", into: str) -> None:
    """Lead the losses into one node, or into one sum a part and those into one node."""
    back = fraction(1.0, builder.number)
    share = builder.share(1.0)
    for at, part in enumerate(builder.parts):
        k = _number(part.name)
        target = f"sum{k}" if builder.kind else into
        for name, i, gradient, factor, weight in builder.outputs:
            if part.start <= i < part.stop:
                builder.edges.append(
                    Edge(name, target, scalar(gradient), "", factor, weight, builder.nodes[name].counts)
                )
        hidden = part.stop - part.start - len(part.drawn)
        if hidden:
            rest = builder.left_out[k]
            _rest(builder, f"rest{k}", f"{hidden:,}".replace(",", " ") + f" more item{'s' * (hidden > 1)}", rest, k)
            builder.edges.append(Edge(f"rest{k}", target, scalar(share), "", back))
        if builder.kind:
            total = builder.totals[at]
            words = f"sum of {part.name} = {short(total.sum)}, {part.items} items that count"
            node = Node(
                target, "part", part.name, scalar(total.sum), scalar(share), words,
                f"∂(sum of {part.name}) = {back}", part=k, note=f"{part.items} of {part.stop - part.start} items",
            )  # fmt: skip
            builder.node(node)
            builder.edges.append(Edge(target, into, scalar(share), "", back))
    more = len(builder.pieces) - len(builder.parts)
    if more:
        _rest(builder, "others", f"{more} more {builder.kind}{'e' * (builder.kind != 'rank')}s", builder.totals[-1], -1)
        builder.edges.append(Edge("others", into, scalar(share), "", back))


def _rest(builder: "Builder", name: str, label: str, total: Total, part: int) -> None:
    """What is not drawn, as one node: the sum of its losses."""
    stage = "loss" if name != "others" else "part"
    words = f"{label}, not drawn: their losses add up to {short(total.sum)}"
    node = Node(
        name, stage, label, scalar(total.sum), scalar(builder.share(1.0)), words,
        f"each of them gets its weight · {fraction(1.0, builder.number)}", part=part if part >= 0 else None,
    )  # fmt: skip
    builder.node(node)


def _number(name: str) -> int:
    """The number of a part, 0 for the whole batch."""
    return int(name.rpartition(" ")[2]) if name else 0
