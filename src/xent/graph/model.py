"""The drawing as data: nodes that hold a value and a gradient, edges that hold what flows back along them.

Every form (terminal, SVG, HTML, dictionary) shows this, and `check` derives it again. Names: x0 is the logits of
item 0, y0 their softmax, l0 its loss; ∂ is the derivative of L.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

Cell = tuple[int, int]  # row and column of an entry; a scalar has (0, 0), a vector is one row


@dataclass(frozen=True, slots=True)
class Numbers:
    """Some entries of a scalar, a vector or a matrix, and what was left out.

    >>> vector([1.0, 2.0, 4.0, 8.0], [0, 3])
    Numbers(rows=((1.0, 8.0),), row_places=(0,), places=(0, 3), shape=(1, 4), rest=6.0)
    """

    rows: tuple[tuple[float, ...], ...]  # the entries that are drawn
    row_places: tuple[int, ...]  # which row each of `rows` is
    places: tuple[int, ...]  # which column each entry is
    shape: Cell  # of the whole
    rest: float = 0.0  # sum of the entries that are left out, of a vector

    @property
    def scalar(self) -> float:
        """The one entry of a scalar."""
        return self.rows[0][0]

    @property
    def left_out(self) -> int:
        """How many columns are not drawn."""
        return self.shape[1] - len(self.places)

    def cells(self) -> Iterator[tuple[Cell, float]]:
        """Each drawn entry with its row and column in the whole."""
        for place, row in zip(self.row_places, self.rows, strict=True):
            for column, entry in zip(self.places, row, strict=True):
                yield (place, column), entry


def scalar(value: float) -> Numbers:
    """One number."""
    return Numbers(((value,),), (0,), (0,), (1, 1))


def vector(values: Sequence[float], places: Sequence[int]) -> Numbers:
    """The entries at `places`."""
    drawn = tuple(values[j] for j in places)
    chosen = set(places)
    rest = sum(v for j, v in enumerate(values) if j not in chosen) if len(places) < len(values) else 0.0
    return Numbers((drawn,), (0,), tuple(places), (1, len(values)), rest)


def matrix(rows: Sequence[Sequence[float]], row_places: Sequence[int], places: Sequence[int]) -> Numbers:
    """The entries at `row_places` × `places`."""
    drawn = tuple(tuple(rows[c][d] for d in places) for c in row_places)
    return Numbers(drawn, tuple(row_places), tuple(places), (len(rows), len(rows[0])))


@dataclass(frozen=True, slots=True)
class Node:
    """A box or an operation of the drawing."""

    name: str  # "x0"
    stage: str  # one of STAGES: the column it stands in
    label: str  # "x"
    value: Numbers
    gradient: Numbers | None  # of L by the value
    formula: str  # forward, with this node's numbers
    backward: str  # the same of its gradient
    item: int | None = None
    part: int | None = None  # micro-batch or rank
    target: Numbers | None = None  # of a softmax: the target's row, smoothed and weighted as it enters the loss
    counts: bool = True  # grey if not
    note: str = ""  # "÷ 5 of 8", "ignored"


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow, forward from source to target; its gradient flows back."""

    source: str
    target: str
    gradient: Numbers  # what this edge adds to the gradient of its source
    operation: str = ""  # what is done on the way forward: "softmax", "−log y[t]"
    factor: str = ""  # what the gradient is multiplied by on the way back: "1/2"
    weight: str = ""  # what the value is multiplied by on the way forward: "3"
    counts: bool = True


STAGES = ("hidden", "parameter", "logits", "capped", "softmax", "loss", "part", "sum", "divide", "result")


@dataclass(frozen=True, slots=True)
class Part:
    """A micro-batch, a rank, or the whole batch."""

    name: str  # "micro-batch 0", "rank 1", or ""
    start: int
    stop: int
    drawn: tuple[int, ...]  # items
    items: int  # not ignored


@dataclass(frozen=True, slots=True)
class Drawing:
    """The graph of a batch: nodes by name in the order of the forward pass, edges, and what is said above them."""

    nodes: dict[str, Node]
    edges: tuple[Edge, ...]
    parts: tuple[Part, ...]  # those that are drawn
    parts_in_all: int
    kind: str  # "micro-batch", "rank", or "" where the batch is not cut
    items: tuple[int, ...]  # those that are drawn
    count: int  # N
    classes: int  # V
    reduction: str
    denominator: float  # what L is divided by; 1 for "sum" and "none", 0 where nothing counts
    divided_by: str  # "2", "5 of 8", "weights 7"
    loss: float | None  # None for "none"
    title: str
    class_names: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()  # of the batch
    into: dict[str, list[Edge]] = field(default_factory=dict)  # edges by the name of their target

    def __post_init__(self) -> None:
        """Index the edges."""
        for edge in self.edges:
            self.into.setdefault(edge.target, []).append(edge)
