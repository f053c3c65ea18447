"""The sentences above and below a drawing: what the batch is, and what was divided by what."""

from xent._page.text import visible
from xent.graph.model import Drawing, Node
from xent.graph.numbers import plain

SHOWN = 6  # targets that are named


def head(drawing: Drawing) -> str:
    """The batch in one line: items, classes, targets, reduction, parts."""
    n, v = drawing.count, drawing.classes
    title = f"{visible(drawing.title)}: " if drawing.title else ""
    shape = f" of shape {drawing.shape}" if len(drawing.shape) > 1 else ""
    parts = [f"{title}{count(n, 'item')}{shape}", count(v, "class", "classes")]
    named = [target(drawing, i) for i in drawing.items]
    if named and len(named) == n <= SHOWN:
        parts.append(("targets " if n > 1 else "target ") + join(named))
    parts.append(f'reduction "{drawing.reduction}"')
    if drawing.kind:
        parts.append(f"in {drawing.parts_in_all} {plural(drawing.kind, drawing.parts_in_all)}")
    return ", ".join(parts)


def target(drawing: Drawing, i: int) -> str:
    """The target of an item: a class, with its name; "q" for probabilities."""
    note = drawing.nodes[f"l{i}"].note
    label = note.rpartition("t=")[2] if "t=" in note else "q"
    name = class_name(drawing, int(label)) if label.lstrip("-").isdigit() else ""
    return f"{label} {name}".rstrip()


def class_name(drawing: Drawing, c: int) -> str:
    """The name of a class, made safe to print; "" where it has none."""
    return visible(drawing.class_names[c], 24, counted=False) if 0 <= c < len(drawing.class_names) else ""


def note(drawing: Drawing, node: Node) -> str:
    """What stands beside a loss: "t=2 virginica", "ignored, t=-100"."""
    label = node.note.rpartition("t=")[2] if "t=" in node.note else ""
    name = class_name(drawing, int(label)) if label.lstrip("-").isdigit() else ""
    return f"{node.note} {name}".rstrip()


def left_out(drawing: Drawing) -> str:
    """What is not drawn, or ""."""
    parts = []
    items = drawing.count - len(drawing.items)
    if items:
        parts.append(f"{count(items, 'item')} of {number(drawing.count)}")
    hidden = [node.value.left_out for node in drawing.nodes.values() if node.stage == "logits"]
    most = max(hidden, default=0)
    if most:
        parts.append(f"{count(most, 'class', 'classes')} of {number(drawing.classes)} in each item")
    return f"not drawn: {' and '.join(parts)}; they are in every sum" if parts else ""


def meaning(drawing: Drawing) -> str:
    """Why the gradient is what it is, in one sentence."""
    if drawing.reduction == "none":
        return "every item keeps its own loss: nothing is added or divided, and ∂ is that of their sum"
    if drawing.reduction == "sum":
        return "L is the sum of the losses: nothing is divided, on the way there or back"
    if not drawing.denominator:
        return "nothing counts in this batch: the mean over nothing is 0, and so is its gradient"
    d = plain(drawing.denominator)
    of = f" ({drawing.divided_by.partition(' ')[2].strip('()')})" if " " in drawing.divided_by else ""
    return f"L is divided by {d}{of}, so every gradient is: 1/{d} is the mean's own derivative"


def count(n: int, one: str, many: str = "") -> str:
    """A number and its noun.

    >>> count(1, "class", "classes"), count(12345, "item")
    ('1 class', '12 345 items')
    """
    return f"{number(n)} {one if n == 1 else many or one + 's'}"


def number(n: int) -> str:
    """A count with groups of digits."""
    return f"{n:,}".replace(",", " ")


def plural(kind: str, n: int) -> str:
    """micro-batch, rank; their plurals."""
    return kind if n == 1 else kind + ("es" if kind.endswith("h") else "s")


def join(words: list[str]) -> str:
    """a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
